// The pictures of the figure, each kept under all that it was made of, so that a canvas is painted only when there is
// something new.
import type { TemplateResult } from "lit";
import { once } from "../../core/cache.js";
import { conceptOf } from "../../core/words.js";
import { FRAME, LIMITS, PALETTE } from "../../runtime/generated.js";
import { picture, type Pixels, pixels } from "../../ui/canvas.js";
import type { Gallery } from "../../ui/gallery.js";
import { defineFields, type StateOf } from "../../ui/state.js";
import type { Paper } from "./papers.js";
import { arrange, FORM, parse, PATCHES, READY, squareOf, stripOf, stripWidth, TILES } from "./scene.js";

export const SOURCES = ["scene", "paper", "own"] as const;

export const FIELDS = defineFields({
  source: { kind: "choice", default: "scene", options: SOURCES },
  scene: { kind: "text", default: READY["above"]!, max: 120, form: FORM },
  paper: { kind: "int", default: 0, min: 0, max: 99 },
  picture: { kind: "int", default: 0, min: -1, max: 99_999 },
  question: { kind: "text", default: "what is below the tree?", max: LIMITS.question },
  covered: { kind: "int", default: 0, min: 0, max: 2 ** TILES - 1 },
  shuffle: { kind: "int", default: 0, min: 0, max: 999_999 },
  blind: { kind: "flag", default: false },
});
export type State = StateOf<typeof FIELDS>;

/** The figure, as its parts see it. */
export interface Host extends HTMLElement {
  readonly state: State;
  readonly paper: Paper | undefined;
  /** A picture that a person has brought. */
  readonly own: Pixels | undefined;
  set(changes: Partial<State>): void;
  requestUpdate(): void;
}

export class Pictures {
  private readonly made = new Map<string, Pixels>();

  constructor(private readonly host: Host) {}

  /** Another picture has come under an old name. */
  forget(): void {
    this.made.clear();
  }

  once(key: string, make: () => Uint8ClampedArray, width: number = FRAME): Pixels {
    if (this.made.size > 500) this.forget();
    return once(this.made, key, () => pixels(make(), width));
  }

  /** The picture itself. */
  shown(gallery: Gallery): Pixels {
    if (this.host.state.source === "own") {
      const index = this.host.state.picture;
      return index >= 0 || !this.host.own ? gallery.pixels(Math.max(0, index) % gallery.items.length) : this.host.own;
    }
    if (this.host.paper) return this.host.paper.pixels;
    return this.once(this.host.state.scene, () => {
      const context = new OffscreenCanvas(FRAME, FRAME).getContext("2d", { willReadFrequently: true })!;
      const { ground, things } = parse(this.host.state.scene);
      context.fillStyle = PALETTE[ground as keyof typeof PALETTE];
      context.fillRect(0, 0, FRAME, FRAME);
      context.imageSmoothingQuality = "high";
      for (const { name, x, y, size } of things) gallery.draw(context, gallery.find(conceptOf(name)), x, y, size);
      return context.getImageData(0, 0, FRAME, FRAME).data;
    });
  }

  /** All that the picture as the model gets it is made of. */
  get key(): string {
    const { source, scene, paper, picture, covered, shuffle } = this.host.state;
    const other = source === "paper" ? paper : Number(picture) < 0 && this.host.own ? "own" : picture;
    return `${source} ${source === "scene" ? scene : other} ${covered} ${shuffle}`;
  }

  /** As the model gets it. */
  seen(gallery: Gallery): Pixels {
    const { data } = this.shown(gallery);
    const [covered, shuffle] = [this.host.state.covered, this.host.state.shuffle];
    return this.once(`seen ${this.key}`, () => arrange(data, covered, shuffle));
  }

  /** One of its tiles. */
  tile(gallery: Gallery, place: number): TemplateResult {
    const { data } = this.seen(gallery);
    const made = this.once(`tile ${place} ${this.key}`, () => squareOf(data, place, TILES), FRAME / Math.sqrt(TILES));
    return picture(made, "", "patch");
  }

  /** One of `count` strips of its patches, in a row: one picture, since one for each patch would hold the page up. */
  strip(gallery: Gallery, index: number, count: number): TemplateResult {
    const { data } = this.seen(gallery);
    const long = PATCHES / count;
    const places = Array.from({ length: long }, (_, i) => long * index + i);
    const made = this.once(`strip ${index} ${this.key}`, () => stripOf(data, places), stripWidth(long));
    return picture(made, "", "strip-of-patches");
  }
}
