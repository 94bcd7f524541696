// The shared space as the figure uses it: what has been read, its vectors, and how close they are.
import { once, Recent } from "../../core/cache.js";
import { cosines, dequantise, dot, type Range, usual } from "../../core/vectors.js";
import { a } from "../../core/words.js";
import { softmax, top } from "../../runtime/arrays.js";
import { type ModelConfig, Runtime } from "../../runtime/client.js";
import { FRAME } from "../../runtime/generated.js";
import { type Pixels, pixels } from "../../ui/canvas.js";
import { Gallery } from "../../ui/gallery.js";
import { siteFile, siteUrl } from "../../ui/site.js";
import type { Pairs } from "./map.js";
import { THINGS, type Trial } from "./traps.js";

export const TEXT = ["clip/text", "clip/order"] as const; // models that read
export const SEES = "clip/image"; // and the one that sees
export const BOTH = [...TEXT, SEES] as const;
// What is kept of what was read: vectors of texts have 1 KB, scenes with theirs 17.
const TEXTS = 2000;
const SCENES = 100;

/** A picture; one of the gallery has its vector there, at `index`. */
export interface Entry {
  name: string;
  pixels: Pixels;
  index?: number;
}

/** One picture beside several captions. */
export interface Comparison {
  cosines: number[];
  shares: number[];
  /** The closest caption, by index. */
  best: number;
}

export class Space {
  /** Things of the trap list that this gallery has. */
  readonly things: string[];
  /** Where cosines usually lie, with a picture's own name and with another's. */
  usual: { match: Range; mismatch: Range } | undefined;
  /** To read one text. */
  milliseconds: number | undefined;
  private readonly texts = new Recent<string, Float32Array>(TEXTS);
  private readonly pictures = new WeakMap<Pixels, Float32Array>();
  private readonly scenes = new Recent<string, Entry>(SCENES);

  private constructor(
    readonly gallery: Gallery,
    private readonly vectors: Float32Array[],
    private readonly logitScale: number,
  ) {
    this.things = THINGS.filter((thing) => gallery.find(thing) >= 0);
  }

  static async open(): Promise<Space> {
    const [gallery, vectors, config] = await Promise.all([
      Gallery.get(),
      siteFile("gallery.embeddings.bin"),
      fetch(siteUrl("models/clip/image/config.json")),
    ]);
    const { logit_scale: logitScale = 1 } = (await config.json()) as ModelConfig;
    const rows = new Int8Array(await vectors.arrayBuffer());
    return new Space(gallery, dequantise(rows, gallery.embeddingScale, gallery.items.length), logitScale);
  }

  entry(index: number): Entry {
    return { name: this.gallery.items[index]!.name, pixels: this.gallery.pixels(index), index };
  }

  /** A trial's picture, composed from drawings of the gallery on white. */
  scene({ scene }: Trial): Entry {
    const key = JSON.stringify(scene);
    return once(this.scenes, key, () => this.draw(scene));
  }

  private draw(scene: Trial["scene"]): Entry {
    const context = new OffscreenCanvas(FRAME, FRAME).getContext("2d", { willReadFrequently: true })!;
    context.fillStyle = "white";
    context.fillRect(0, 0, FRAME, FRAME);
    context.imageSmoothingQuality = "high";
    for (const { thing, x, y, size } of scene) this.gallery.draw(context, this.gallery.find(thing), x, y, size);
    const name = scene.map(({ thing }) => thing).join(", ");
    return { name, pixels: pixels(context.getImageData(0, 0, FRAME, FRAME).data) };
  }

  /** Reads the texts and pictures that have not been read yet. */
  async read(texts: string[], entries: Entry[], signal?: AbortSignal): Promise<void> {
    const newTexts = [...new Set(texts)].filter((text) => !this.texts.has(text));
    const newPictures = entries.filter(({ index, pixels }) => index === undefined && !this.pictures.has(pixels));
    if (newTexts.length) {
      const start = performance.now();
      const vectors = await Runtime.get().encodeText(newTexts, { signal });
      this.milliseconds = (performance.now() - start) / newTexts.length;
      newTexts.forEach((text, i) => this.texts.set(text, vectors[i]!));
    }
    if (newPictures.length) {
      const vectors = await Runtime.get().encodeImage(
        newPictures.map(({ pixels }) => pixels.data),
        { signal },
      );
      newPictures.forEach(({ pixels }, i) => this.pictures.set(pixels, vectors[i]!));
    }
  }

  /** Measures `usual` on 64 pictures of the gallery. */
  async measure(signal?: AbortSignal): Promise<void> {
    const things = this.things.slice(0, 64);
    await this.read(things.map(a), [], signal);
    const against = (shift: number) =>
      usual(
        things.map((thing, i) => {
          const text = this.texts.get(a(things[(i + shift) % things.length]!))!;
          return dot(this.vectors[this.gallery.find(thing)]!, text);
        }),
      );
    this.usual = { match: against(0), mismatch: against(Math.floor(things.length / 3)) };
  }

  /** Undefined while something of it has not been read. */
  compare(entry: Entry | undefined, captions: string[]): Comparison | undefined {
    if (!entry) return undefined;
    const { index, pixels } = entry;
    const vector = index === undefined ? this.pictures.get(pixels) : this.vectors[index];
    const texts = captions.map((caption) => this.texts.get(caption));
    if (!vector || texts.includes(undefined)) return undefined;
    const cosines = texts.map((text) => dot(vector, text!));
    return { cosines, shares: softmax(cosines, this.logitScale), best: top(cosines, 1)[0]! };
  }

  /** The vectors of pictures and of their captions; undefined while a caption has not been read. */
  pairs({ items, texts }: { items: number[]; texts: string[] }): Pairs | undefined {
    const captions = texts.map((text) => this.texts.get(text)).filter((vector) => vector !== undefined);
    if (captions.length < texts.length) return undefined;
    return { pictures: items.map((index) => this.vectors[index]!), captions };
  }

  /** The pictures of the gallery that are closest to a text. */
  search(text: string, count: number): { index: number; cosine: number }[] {
    const vector = this.texts.get(text);
    if (!vector) return [];
    const scores = cosines(vector, this.vectors);
    return top(scores, count).map((index) => ({ index, cosine: scores[index]! }));
  }
}
