// A tiny story out of noise: words that are hidden, and filled in by steps. It has a slider of its own.
import { html, nothing, type TemplateResult } from "lit";
import { type ModelName, Runtime, type Written } from "../../runtime/client.js";
import { WRITER } from "../../runtime/generated.js";
import { button } from "../../ui/figure-parts.js";
import { t } from "../../ui/strings.js";
import type { Work } from "../../ui/work.js";

const UNMASK = "writer/unmask";

/** Whose story it is. */
export interface Host {
  requestUpdate(): void;
  readonly work: Work;
}

export class Sentence {
  private drafts: Written[] = [];
  private at = 0;
  private seed = 0;

  constructor(private readonly host: Host) {}

  forget(): void {
    this.drafts = [];
    this.at = 0;
  }

  private write(seed: number, num_inference_steps?: number): void {
    this.forget();
    this.seed = seed;
    const { drafts } = this;
    const onDraft = (draft: Written): void => {
      if (this.at >= drafts.length - 1) this.at = drafts.length; // whoever has slid back stays there
      drafts.push(draft);
      this.host.requestUpdate();
    };
    void this.host.work.run(async (signal) => {
      await this.host.work.load([UNMASK], signal);
      await Runtime.get().write({ method: "unmask", seed, num_inference_steps }, { signal, onDraft });
    });
  }

  part(seed: number, dial: number): TemplateResult {
    const draft = this.drafts[this.at];
    const onSlide = (event: Event): void => {
      this.at = Number((event.target as HTMLInputElement).value);
      this.host.requestUpdate();
    };
    const step = draft && t("speed-dial.sentence-step", { seed: String(this.seed), ...this.place(draft) });
    return html`<section class="sentence">
      <h3>${t("speed-dial.sentence")}</h3>
      <p>${t("speed-dial.sentence-how")}</p>
      <div class="controls">
        ${button(t("speed-dial.sentence-words", { seed: String(seed) }), () => this.write(seed))}
        ${button(t("speed-dial.sentence-dial", { steps: dial }), () => this.write(seed, dial))}
        ${
          draft
            ? html`<input type="range" min="0" max=${this.drafts.length - 1} .value=${String(this.at)}
                  aria-label=${t("speed-dial.sentence-slider")} aria-valuetext=${step!} @input=${onSlide} />
                <output>${step}</output>`
            : nothing
        }
      </div>
      ${
        draft
          ? html`<p class="draft" lang="en" aria-hidden="true">${hidden(draft.text)}</p>
              <p class="visually-hidden" lang="en">${inWords(draft.text)}</p>`
          : nothing
      }
    </section>`;
  }

  /** Whose story is seen. */
  get models(): readonly ModelName[] {
    return this.drafts.length ? [UNMASK] : [];
  }

  /** For the figure in words. */
  get says(): string {
    const draft = this.drafts[this.at];
    return draft ? t("speed-dial.sentence-says", { ...this.place(draft), text: inWords(draft.text) }) : "";
  }

  /** Which step it is, and of how many: a story that ends early takes fewer than it may. */
  private place({ step }: Written): { step: number; steps: number } {
    const last = this.drafts.at(-1)!;
    return { step, steps: last.places.includes(null) ? last.steps : last.step };
  }
}

/** A draft, with a box for every word that is hidden. */
function hidden(text: string): TemplateResult[] {
  return text
    .split(WRITER.blank)
    .map((said, i) => html`${i ? html`<i><span class="visually-hidden">${WRITER.blank}</span></i>` : nothing}${said}`);
}

/** A draft to be heard: how many words are hidden, in place of them. */
function inWords(text: string): string {
  const blanks = new RegExp(`(${WRITER.blank}\\s?)+`, "g");
  return text.replace(
    blanks,
    (run) => `${t("speed-dial.sentence-hidden", { n: run.split(WRITER.blank).length - 1 })} `,
  );
}
