// What the modes of the match score share: the state, the six pictures, and small parts.
import { html, nothing, type TemplateResult } from "lit";
import { a } from "../../core/words.js";
import type { ModelName, Tokens } from "../../runtime/client.js";
import { STEERED } from "../../runtime/generated.js";
import type { Code } from "../../ui/code.js";
import { readsEnglish } from "../../ui/field-control.js";
import { type Alternative, bar, choices, type Content } from "../../ui/figure-parts.js";
import { defineFields, type StateOf } from "../../ui/state.js";
import { fixed, percent, t } from "../../ui/strings.js";
import type { Work } from "../../ui/work.js";
import type { Comparison, Entry, Space } from "./space.js";
import { pairs, THINGS, TRAPS } from "./traps.js";

export const MODES = ["score", "matrix", "search", "map", "traps", "steer"] as const;
export const TIMES = ["before", "after"] as const; // CLIP's training
export const MOST = 28; // points of a kind on the map
export const SIDE = 6; // of the table
export const LONGEST = 120;

export const FIELDS = defineFields({
  mode: { kind: "choice", default: "score", options: MODES },
  picture: { kind: "int", default: -1, min: -1, max: 99_999 },
  caption: { kind: "text", default: "", max: LONGEST },
  captions: { kind: "text", default: "", max: SIDE * (LONGEST + 1) },
  cell: { kind: "int", default: 0, min: 0, max: SIDE * SIDE - 1 },
  query: { kind: "text", default: "", max: LONGEST },
  time: { kind: "choice", default: "after", options: TIMES },
  point: { kind: "int", default: 3, min: 0, max: MOST - 1 },
  trap: { kind: "choice", default: TRAPS[0], options: TRAPS },
  words: { kind: "text", default: "", max: LONGEST },
  at: { kind: "int", default: STEERED.num_inference_steps, min: 1, max: STEERED.num_inference_steps },
  seed: { kind: "int", default: 7, min: 0, max: 2 ** 31 - 1 },
});
export type State = StateOf<typeof FIELDS>;

/** The figure, as its modes see it. */
export interface Host extends HTMLElement {
  readonly state: State;
  readonly work: Work;
  /** Whether nothing shall move by itself. */
  readonly still: boolean;
  readonly updateComplete: Promise<boolean>;
  /** A picture that a person has brought. */
  own: Entry | undefined;
  /** Of texts that were typed, how they are read. */
  readonly words: Map<string, Tokens>;
  set(changes: Partial<State>): void;
  shows(name: string): boolean;
  label(name: string): string;
  requestUpdate(): void;
}

/** The texts and the pictures that are compared, and the text that was typed. */
export interface Compared {
  texts: string[];
  entries: Entry[];
  typed?: string;
}

export interface Mode {
  /** The models that it needs beside those that read and see. */
  readonly models?: readonly ModelName[];
  /** Fetches what only this mode needs. */
  open?(): Promise<void>;
  compared(space: Space): Compared;
  /** After all that is compared has been read. */
  answered?(): void;
  draw(space: Space): TemplateResult;
  /** What waits behind More. */
  more?(space: Space): Content;
  alternative(space: Space): Alternative;
  /** How to do the same with Bozzetto, where it is not to compare captions. */
  code?(): Code;
}

/** A cosine as it is written everywhere in the figure. */
export function two(cosine: number | undefined): string {
  return cosine === undefined ? "…" : fixed(cosine, 2);
}

/** Six pictures that the seed chooses, and the one of them that a person chose: in its place where it is among them, or
 * in the place of the last one, before the others. */
export function six({ state, own }: Host, space: Space): { shown: Entry[]; chosen: Entry } {
  const there = state.picture >= 0 && state.picture < space.gallery.items.length;
  const picked = there ? space.entry(state.picture) : own;
  const names = [...new Set(pairs(space.things, state.seed, 2 * SIDE).flat())].slice(0, SIDE);
  const others = names.map((thing) => space.entry(space.gallery.find(thing)));
  if (!picked) return { shown: others, chosen: others[0]! };
  const among = names.includes(picked.name);
  const shown = among
    ? others.map((one) => (one.name === picked.name ? picked : one))
    : [picked, ...others.slice(0, SIDE - 1)];
  return { shown, chosen: picked };
}

export function captionOf({ name, index }: Entry): string {
  if (index === undefined) return t("match-score.own-caption");
  return THINGS.includes(name) ? a(name) : name;
}

export function radios(host: Host, field: "mode" | "time" | "trap", options: readonly string[]): TemplateResult {
  const named = options.map((option) => [option, t(`match-score.${field}-${option}`)] as const);
  const choose = (option: string) => host.set({ [field]: option });
  return choices("tabs", `match-score-${field}`, host.label(field), named, host.state[field] as string, choose);
}

export function textBox(host: Host, field: "caption" | "query" | "words", typed: string): TemplateResult {
  const read = host.words.get(typed);
  const note = (key: "unknown" | "unread") => {
    const values = { words: read?.[key].join(", ") ?? "", pieces: read?.pieces.join(" · ") ?? "" };
    return values.words ? html`<p class="hint">${t(`match-score.${key}`, values)}</p>` : nothing;
  };
  return html`<label class="field wide">
      ${host.label(field)}
      <input type="text" dir="auto" autocomplete="off" maxlength=${LONGEST} placeholder=${typed} .value=${host.state[field]}
        @input=${(event: Event) => host.set({ [field]: (event.target as HTMLInputElement).value })} />
    </label>
    ${readsEnglish()} ${note("unknown")} ${note("unread")}`;
}

/** A caption's cosine, and its share as a bar. */
export function numbers(scores: Comparison | undefined, i: number): TemplateResult {
  const share = scores?.shares[i];
  return html`<span class="match-number">${two(scores?.cosines[i])}</span>
    ${bar(share ?? 0)}
    <span class="match-number">${share === undefined ? "…" : percent(share)}</span>`;
}

export function star(best: boolean): Content {
  return best ? html`<span class="star" role="img" aria-label=${t("match-score.best")}>★</span>` : nothing;
}

export function listHead(): TemplateResult {
  const heads = ["caption-head", "cosine-head", "share"].map((key) => html`<span>${t(`match-score.${key}`)}</span>`);
  return html`<div class="match-row match-head" aria-hidden="true">${heads}</div>`;
}

export function heads(...keys: string[]): string[] {
  return keys.map((key) => t(`match-score.${key}`));
}

/** Captions in words, beside the sentence that sums them up. */
export function captionTable(sentence: string, texts: string[], scores: Comparison | undefined): Alternative {
  const rows = texts.map((text, i) => [text, two(scores?.cosines[i]), scores ? percent(scores.shares[i]!) : "…"]);
  return { sentence, table: { head: heads("caption-head", "cosine-head", "share"), rows } };
}
