// Blocks in a chain, drawn as in the lesson's picture: they light up while they work, and then say how long it took.
import { html, nothing, svg, type SVGTemplateResult, type TemplateResult } from "lit";
import { number, t } from "../../ui/strings.js";
import { type Block, CHAINS } from "./jobs.js";

const WORDS = svg`<rect class="f-card s-ink" x="4" y="22" width="92" height="56" rx="28"/>
  <path class="s-ink" d="M26 50h12M50 50h24"/>`;
const SPECKS = svg`<path class="s-noise" transform="translate(18 18) scale(9.14)" d="M1 0.5h1M2 0.5h1M5 0.5h1M1 1.5h1M3
  1.5h1M5 1.5h1M0 2.5h1M2 2.5h1M4 2.5h1M6 2.5h1M1 3.5h1M3 3.5h1M5 3.5h1M0 4.5h1M2 4.5h1M3 4.5h1M4 4.5h1M5 4.5h1M1
  5.5h1M4 5.5h1M0 6.5h1M2 6.5h1M3 6.5h1M6 6.5h1"/>`;
const FUNNEL = svg`<path class="f-card s-ink" d="M86 36L14 10v80l72-26z"/>`;
const EYE = svg`<circle class="s-ink" cx="42" cy="50" r="15"/><circle class="f-ink" cx="42" cy="50" r="6"/>`;
const BUBBLE = svg`<path class="f-card s-ink" d="M16 14h68a8 8 0 0 1 8 8v42a8 8 0 0 1-8 8H46L28 90V72H16a8 8 0 0 1-8-8V22a8
  8 0 0 1 8-8z"/>`;

const DENOISER = svg`<rect class="f-card s-clay" x="10" y="10" width="80" height="80" rx="7"/>${SPECKS}
    <path class="f-card" d="M50 14h36v72H50z"/><path class="s-clay" d="M54 50h26M69 38l11 12-11 12"/>`;

const DRAWN: Record<Block, SVGTemplateResult> = {
  words: WORDS,
  label: svg`<path class="f-card s-ink" d="M8 28h56l28 22-28 22H8z"/><circle class="s-ink" cx="66" cy="50" r="5"/>
    <path class="s-ink" d="M22 50h28"/>`,
  noise: svg`<rect class="s-line f-card" x="10" y="10" width="80" height="80" rx="7"/>${SPECKS}`,
  denoise: DENOISER,
  student: DENOISER,
  film: svg`<path class="s-clay" d="M26 8h66v66"/><path class="s-clay" d="M18 18h64v64"/>
    <g transform="translate(0 14) scale(0.86)">${DENOISER}</g>`,
  encode: svg`<path class="f-card s-ink" d="M86 36L14 10v80l72-26z"/>
    <path class="s-ink" d="M30 50h32M52 40l10 10-10 10"/>`,
  decode: svg`<path class="f-card s-ink" d="M14 36L86 10v80L14 64z"/>
    <path class="s-ink" d="M34 50h32M56 40l10 10-10 10"/>`,
  see: svg`${FUNNEL}<circle class="s-ink" cx="40" cy="50" r="15"/><circle class="f-clay" cx="40" cy="50" r="8"/>`,
  match: svg`<circle class="f-card s-ink" cx="50" cy="50" r="42"/><circle class="f-clay" cx="40" cy="46" r="10"/>
    <circle class="f-plum" cx="60" cy="54" r="10"/><path class="s-ink" d="M30 72h.1M72 30h.1"/>`,
  look: svg`${FUNNEL}${EYE}`,
  talk: svg`${BUBBLE}<path class="s-ink" stroke-width="9" d="M30 43h.1M50 43h.1M70 43h.1"/>`,
  hear: svg`<path class="f-card s-ink" d="M14 38h18l26-22v68L32 62H14z"/>
    <path class="s-ink" d="M70 36q10 14 0 28M82 26q18 24 0 48"/>`,
  tell: svg`${BUBBLE}<path class="s-ink" d="M24 30h52M24 43h44M24 56h30"/>`,
};

/** The blocks of a run: which of them works now, and how long each has worked, in milliseconds. */
export class Chain {
  works: Block | undefined;
  readonly times = new Map<Block, number>();

  constructor(private readonly changed: () => void) {}

  /** Now this one works, or none. */
  light(block: Block | undefined): void {
    this.works = block;
    this.changed();
  }

  add(block: Block, milliseconds: number): void {
    this.times.set(block, (this.times.get(block) ?? 0) + milliseconds);
    this.changed();
  }

  /** What a block does, and for how long. */
  async at<T>(block: Block, work: () => Promise<T> | T): Promise<T> {
    this.light(block);
    const began = performance.now();
    const done = await work();
    this.add(block, performance.now() - began);
    return done;
  }
}

export function took(milliseconds: number): string {
  if (milliseconds >= 1000) return t("same-blocks.s", { s: number(milliseconds / 1000, 1) });
  return t("same-blocks.ms", { ms: milliseconds < 1 ? "< 1" : number(milliseconds, 0) });
}

const drawing = (block: Block) =>
  html`<svg class="picture" viewBox="0 0 100 100" aria-hidden="true">${DRAWN[block]}</svg>`;

/** The bricks that a job leaves in the box. */
function sparePart(blocks: readonly Block[]): TemplateResult {
  const spare = [...new Set(Object.values(CHAINS).flat())].filter((block) => !blocks.includes(block));
  return html`<div class="spare">
    <span>${t("same-blocks.spare")}</span>
    <ul>
      ${spare.map(
        (block) => html`<li title=${t(`same-blocks.block-${block}`)}>
        ${drawing(block)} <span class="visually-hidden">${t(`same-blocks.block-${block}`)}</span>
      </li>`,
      )}
    </ul>
  </div>`;
}

/** `ready` are blocks that have done their work before. */
export function chainPart(blocks: readonly Block[], chain: Chain | undefined, ready: readonly Block[]): TemplateResult {
  return html`<div class="box">
    <ol class="chain" aria-label=${t("same-blocks.chain")}>
    ${blocks.map((block) => {
      const time = chain?.times.get(block);
      const works = chain?.works === block;
      const says = works
        ? t("same-blocks.works")
        : time !== undefined
          ? took(time)
          : ready.includes(block)
            ? t("same-blocks.ready")
            : "";
      return html`<li class="${works ? "works" : ""} ${time === undefined ? "" : "done"}"
        aria-current=${works ? "step" : nothing}>
        ${drawing(block)} <strong>${t(`same-blocks.block-${block}`)}</strong> <span class="took">${says}</span>
      </li>`;
    })}
    </ol>
    ${sparePart(blocks)}
  </div>`;
}
