// One picture and one caption on a dial, among other captions.
import { html, nothing, svg, type TemplateResult } from "lit";
import type { Range } from "../../core/vectors.js";
import { picture, pixels } from "../../ui/canvas.js";
import { type Alternative, choices, type Content } from "../../ui/figure-parts.js";
import "../../ui/picture-input.js";
import type { Picked } from "../../ui/picture-input.js";
import { fixed, percent, t } from "../../ui/strings.js";
import {
  captionOf,
  captionTable,
  type Compared,
  type Host,
  listHead,
  type Mode,
  numbers,
  six,
  star,
  textBox,
  two,
} from "./mode.js";
import type { Entry, Space } from "./space.js";

export class ScoreMode implements Mode {
  constructor(private readonly host: Host) {}

  compared(space: Space): Compared {
    const { chosen, caption, captions } = this.candidates(space);
    return { texts: captions, entries: [chosen], typed: caption };
  }

  /** What the score compares: the chosen picture with the caption typed or chosen, and the names of the six pictures. */
  private candidates(space: Space): { shown: Entry[]; chosen: Entry; caption: string; captions: string[] } {
    const { shown, chosen } = six(this.host, space);
    const names = shown.map(captionOf);
    const caption = this.host.state.caption.trim() || captionOf(chosen);
    return { shown, chosen, caption, captions: names.includes(caption) ? names : [caption, ...names] };
  }

  draw(space: Space): TemplateResult {
    const { shown, chosen, caption, captions } = this.candidates(space);
    const scores = space.compare(chosen, captions);
    const choose = ({ index }: Entry) => this.host.set({ picture: index ?? -1, caption: "" });
    const thumbs = shown.map((entry) => [entry, picture(entry.pixels, entry.name, "thumb")] as const);
    return html`<div class="match-score">
      <div class="match-picture">
        ${picture(chosen.pixels, chosen.name, "picture hero")}
        ${choices("strip", "match-score-six", t("match-score.pictures"), thumbs, chosen, choose)}
      </div>
      ${dial(space, scores?.cosines[captions.indexOf(caption)])}
      <div class="match-captions">
        <fieldset class="match-list">
          <legend class="visually-hidden">${t("match-score.among", { count: captions.length })}</legend>
          ${listHead()}
          ${captions.map(
            (text, i) => html`<label class="match-row">
              <input type="radio" name="match-score-caption" .checked=${text === caption}
                @change=${() => this.host.set({ caption: text })} />
              <span dir="auto">${text} ${star(scores?.best === i)}</span> ${numbers(scores, i)}
            </label>`,
          )}
        </fieldset>
        ${textBox(this.host, "caption", caption)}
        <p class="hint">${t("match-score.share-means")}</p>
      </div>
    </div>`;
  }

  more(space: Space): Content {
    if (!this.host.shows("other-picture")) return nothing;
    const onPicked = ({ detail: { data, name, index } }: CustomEvent<Picked>) => {
      if (index === undefined) this.host.own = { name, pixels: pixels(data) };
      this.host.set({ picture: index ?? -1, caption: "" });
    };
    return html`<h3>${t("match-score.other-picture")}</h3>
      <bz-picture-input .gallery=${space.gallery} .selected=${six(this.host, space).chosen.index ?? -1}
        @picked=${onPicked}></bz-picture-input>`;
  }

  alternative(space: Space): Alternative {
    const { texts, entries, typed } = this.compared(space);
    const scores = space.compare(entries[0], texts);
    if (!scores) return captionTable(t("match-score.waiting"), texts, scores);
    const at = texts.indexOf(typed!);
    const numbers = { value: two(scores.cosines[at]), share: percent(scores.shares[at]!) };
    const values = { name: entries[0]!.name, caption: typed!, ...numbers, count: texts.length };
    return captionTable(t("match-score.score-said", values), texts, scores);
  }
}

/** A half circle from -1 to 1, with where pictures and their own or another's name usually lie. */
function dial({ usual }: Space, value: number | undefined): TemplateResult {
  const point = (cosine: number, radius: number) => {
    const angle = (Math.PI * (1 - cosine)) / 2;
    return [(120 + radius * Math.cos(angle)).toFixed(1), (118 - radius * Math.sin(angle)).toFixed(1)] as const;
  };
  const arc = (from: number, to: number, radius: number) =>
    `M ${point(from, radius).join(" ")} A ${radius} ${radius} 0 0 1 ${point(to, radius).join(" ")}`;
  const band = (range: Range, radius: number, kind: string) =>
    svg`<path class="dial-band ${kind}" d=${arc(range.low, range.high, radius)} />`;
  return html`<div class="dial">
    <svg viewBox="0 0 240 136" role="img" aria-label=${t("match-score.dial", { value: two(value) })}>
      <path class="dial-scale" d=${arc(-1, 1, 94)} />
      ${usual ? [band(usual.match, 86, "match"), band(usual.mismatch, 75, "mismatch")] : nothing}
      ${[-1, -0.5, 0, 0.5, 1].map((tick) => {
        const [x, y] = point(tick, 94);
        const [labelX, labelY] = point(tick, 109);
        const ends = Math.abs(tick) === 1;
        const place = ends ? { x, y: 133 } : { x: labelX, y: Number(labelY) + 4 };
        return svg`<circle class="dial-tick" cx=${x} cy=${y} r="2.5" />
          <text x=${place.x} y=${place.y} text-anchor="middle">${fixed(tick, tick % 1 ? 1 : 0)}</text>`;
      })}
      ${
        value === undefined
          ? nothing
          : svg`<path class="dial-needle" d=${`M 120 118 L ${point(value, 92).join(" ")}`} />`
      }
      <circle class="dial-hub" cx="120" cy="118" r="5" />
    </svg>
    <output>${t("match-score.cosine", { value: two(value) })}</output>
    <p class="hint">${t("match-score.not-percent")}</p>
    ${
      usual
        ? html`<ul class="dial-legend">
          ${(["match", "mismatch"] as const).map((kind) => {
            const { low, high } = usual[kind];
            return html`<li class=${kind}>${t(`match-score.usual-${kind}`, { low: two(low), high: two(high) })}</li>`;
          })}
        </ul>`
        : nothing
    }
  </div>`;
}
