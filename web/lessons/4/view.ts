// What the two views of "Spot the noise" share: the state, the figure as they see it, and the slider on the picture.
import { html, type TemplateResult } from "lit";
import { classField } from "../../ui/classes.js";
import type { Alternative, Content } from "../../ui/figure-parts.js";
import { defineFields, type StateOf } from "../../ui/state.js";
import { t } from "../../ui/strings.js";
import type { Work } from "../../ui/work.js";
import { MASK, MASK_LENGTH, SHAPES } from "./shapes.js";

export const VIEWS = ["picture", "cloud"] as const;
export const MOST = 100; // per cent of noise: nothing else

export const FIELDS = defineFields({
  view: { kind: "choice", default: "picture", options: VIEWS },
  noise: { kind: "int", default: 40, min: 0, max: MOST },
  picture: { kind: "int", default: -1, min: -1, max: 99_999 },
  label: classField("any"),
  truth: { kind: "flag", default: false },
  shape: { kind: "choice", default: SHAPES[0], options: SHAPES },
  drawn: { kind: "text", default: "", max: MASK_LENGTH, form: MASK },
  seed: { kind: "int", default: 11, min: 0, max: Number.MAX_SAFE_INTEGER },
});
export type State = StateOf<typeof FIELDS>;

/** The figure, as its views see it. */
export interface Host {
  readonly state: State;
  readonly work: Work;
  /** Whether the reader wishes that nothing moves by itself. */
  readonly still: boolean;
  set(changes: Partial<State>): void;
  follow(changes: Partial<State>): void;
  shows(name: string): boolean;
  /** Play and new noise. */
  buttons(): TemplateResult;
  requestUpdate(): void;
}

export interface View {
  /** How far a step of Play goes, in per cent of noise, and how long it is, in milliseconds. */
  readonly pace: { by: number; every: number };
  /** When the view comes up, and when the state has changed. */
  answer(): void;
  /** When it is left. */
  leave(): void;
  draw(): TemplateResult;
  /** What stands below the picture and the buttons. */
  below(): Content;
  alternative(): Alternative;
}

export function share(noise: number): string {
  return t("spot-the-noise.percent", { value: noise });
}

/** How much noise: a native slider that covers the whole picture, so that a drag anywhere on it works. */
export function slider(host: Host): TemplateResult {
  const { noise } = host.state;
  const onInput = (event: Event) => host.set({ noise: Number((event.target as HTMLInputElement).value) });
  return html`<input class="noise-slider" type="range" min="0" max=${MOST} step="1" .value=${String(noise)}
      aria-label=${t("spot-the-noise.noise")} aria-valuetext=${share(noise)} @input=${onInput} />
    <span class="noise-track" aria-hidden="true" .style=${`--at: ${noise / MOST}`}><i></i></span>`;
}
