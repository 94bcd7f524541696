// Pictures that no training has seen: one sprite of equal squares, and the name of each.
import { once } from "../core/cache.js";
import { cut, type Pixels } from "./canvas.js";
import { siteFile, siteJson } from "./site.js";

export interface Item {
  name: string;
  style: string;
  codepoints: string;
}

interface Contents {
  size: number;
  columns: number;
  items: Item[];
  /** Of gallery.embeddings.bin: a unit vector is about its int8 row times this. */
  embedding_scale: number;
}

export class Gallery {
  private static page: Promise<Gallery> | undefined;
  private readonly kept = new Map<number, Pixels>();
  /** The first drawing of each thing. */
  private readonly places: Map<string, number>;

  private constructor(
    private readonly contents: Contents,
    private readonly sprite: ImageBitmap,
  ) {
    this.places = new Map([...contents.items.entries()].reverse().map(([index, { name }]) => [name, index]));
  }

  /** The page's one gallery. */
  static get(): Promise<Gallery> {
    Gallery.page ??= Gallery.fetch();
    Gallery.page.catch(() => (Gallery.page = undefined)); // so that Retry fetches again
    return Gallery.page;
  }

  private static async fetch(): Promise<Gallery> {
    const [contents, file] = await Promise.all([siteJson<Contents>("gallery.json"), siteFile("gallery.avif")]);
    return new Gallery(contents, await createImageBitmap(await file.blob()));
  }

  get items(): readonly Item[] {
    return this.contents.items;
  }

  get embeddingScale(): number {
    return this.contents.embedding_scale;
  }

  pixels(index: number): Pixels {
    const { columns, size } = this.contents;
    return once(this.kept, index, () => cut(this.sprite, index % columns, Math.floor(index / columns), size));
  }

  draw(context: OffscreenCanvasRenderingContext2D, index: number, x: number, y: number, side: number): void {
    const { columns, size } = this.contents;
    const [column, row] = [index % columns, Math.floor(index / columns)];
    context.drawImage(this.sprite, column * size, row * size, size, size, x, y, side, side);
  }

  /** The first drawing of a thing, or -1. */
  find(name: string): number {
    return this.places.get(name) ?? -1;
  }
}
