// What the modes of lesson 3's figure share: the state, the map with its pins, and small parts.
import { html, type TemplateResult } from "lit";
import { SMALL_SHAPE } from "../../runtime/generated.js";
import type { ModelConfig, ModelName } from "../../runtime/client.js";
import { toSolidPicture } from "../../runtime/pixels.js";
import { picture, pixels, type Pixels } from "../../ui/canvas.js";
import { classField } from "../../ui/classes.js";
import type { Code } from "../../ui/code.js";
import type { Alternative, Content } from "../../ui/figure-parts.js";
import type { Gallery } from "../../ui/gallery.js";
import { defineFields, type StateOf } from "../../ui/state.js";
import { fixed } from "../../ui/strings.js";
import type { Work } from "../../ui/work.js";
import type { Training } from "../../ui/training.js";
import type { Atlas, MapKind, Place } from "./atlas.js";
import { type Bell, decoder, encoder, type Kind } from "./vae.js";

/** Standard deviations from the middle of a bar to its end. */
export const REACH = 3.2;
export const MODES = ["wander", "redraw", "morph", "ideas", "holes"] as const;

export const FIELDS = defineFields({
  mode: { kind: "choice", default: "wander", options: MODES },
  plain: { kind: "flag", default: false },
  x: { kind: "float", default: 3.2, min: -40, max: 40, step: 0.05 },
  y: { kind: "float", default: -0.6, min: -40, max: 40, step: 0.05 },
  ground: { kind: "choice", default: "pictures", options: ["pictures", "redraws"] },
  numbers: { kind: "choice", default: "32", options: ["32", "2"] },
  picture: { kind: "int", default: -1, min: -1, max: 99_999 },
  other: { kind: "int", default: -1, min: -1, max: 99_999 },
  at: { kind: "float", default: 0.5, min: 0, max: 1, step: 0.01 },
  label: classField("any"),
  seed: { kind: "int", default: 7, min: 0, max: 2 ** 31 - 1 },
});
export type State = StateOf<typeof FIELDS>;

/** The figure, as its modes see it. */
export interface Host extends HTMLElement {
  readonly state: State;
  readonly work: Work;
  readonly atlas: Atlas;
  readonly gallery: Gallery | undefined;
  readonly training: Training | undefined;
  /** A picture that a person has brought or drawn. */
  own: Named | undefined;
  /** Of a network that is open. */
  config(model: ModelName): ModelConfig;
  /** Of an autoencoder that is open, its training pictures' numbers. */
  bell(kind: Kind): Bell;
  openTraining(signal: AbortSignal): Promise<Training>;
  set(changes: Partial<State>): void;
  control(name: keyof State): Content;
  /** Whether a teacher's link lets it be seen. */
  visible(name: keyof State): boolean;
  requestUpdate(): void;
}

export interface Named {
  name: string;
  pixels: Pixels;
}

/** What lies on the map. */
export interface Pin {
  place: Place;
  label: string;
  /** Without a picture it is a mark alone. */
  pixels?: Pixels;
  kind: "lens" | "end" | "idea" | "hole" | "fine";
  /** Two numbers: how far the cloud reaches around its place. */
  cloud?: Place;
  choose?: () => void;
}

export interface Mode {
  /** Whether an answer takes so long that a newer question ends it. */
  readonly slow?: boolean;
  /** Whether it needs the gallery. */
  readonly picks?: boolean;
  models(): ModelName[];
  /** Works out what the state asks for. */
  answer(signal?: AbortSignal): Promise<void>;
  pins(): Pin[];
  /** What lies between two pins. */
  path?(): readonly Place[];
  draw(): TemplateResult;
  alternative(): Alternative;
  code(): Code;
}

export function mapOf({ plain }: State): MapKind {
  return plain ? "plain_map_" : "map_";
}

/** The networks of 32 numbers. */
export function listOf({ plain }: State): Kind {
  return plain ? "plain_" : "";
}

export function both(...kinds: Kind[]): ModelName[] {
  return kinds.flatMap((kind) => [encoder(kind), decoder(kind)]);
}

export function shown(planes: Float32Array): Pixels {
  return pixels(toSolidPicture(planes), SMALL_SHAPE[2]);
}

/** A picture with words under it. */
export function shot(what: Pixels | null | undefined, label: string, words: unknown = label): TemplateResult {
  return html`<div class="shot">${picture(what, label, "picture soft")} <span>${words}</span></div>`;
}

/** A number of a latent as it is written everywhere in the figure. */
export function two(value: number): string {
  return fixed(value, 2);
}

/** A number as a bar from the middle of its usual range. */
export function level(value: number, mean: number, std: number): TemplateResult {
  const end = 50 + 50 * Math.min(1, Math.max(-1, (value - mean) / (REACH * std)));
  return html`<span class="level" aria-hidden="true">
    <i class=${end < 50 ? "below" : ""} .style=${`--from: ${Math.min(50, end)}%; --long: ${Math.abs(end - 50)}%`}></i>
  </span>`;
}
