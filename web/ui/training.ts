// All training pictures as thumbnails, fetched when somebody asks whether a picture is a copy.
import { cut, type Pixels } from "./canvas.js";
import { paced } from "./pace.js";
import { siteFile, siteJson } from "./site.js";
import { shrink, type Typical, WIDTH } from "./likeness.js";

interface Contents {
  size: number;
  columns: number;
  per_sheet: number;
  sheets: string[];
  /** Of each picture, its place in `names`. */
  items: number[];
  names: string[];
  typical_distance: Typical;
}

const BAND = 2; // rows of thumbnails read at once

export class Training {
  private constructor(
    private readonly contents: Contents,
    private readonly sheets: ImageBitmap[],
    /** A row of 16 x 16 x 3 bytes for each picture. */
    readonly table: Uint8ClampedArray,
  ) {}

  static async open(signal: AbortSignal, onSheet: (done: number, count: number) => void): Promise<Training> {
    const contents = await siteJson<Contents>("training.json");
    const { sheets, items, size, columns, per_sheet: perSheet } = contents;
    const table = new Uint8ClampedArray(items.length * WIDTH);
    const bitmaps: ImageBitmap[] = [];
    const width = columns * size;
    const pause = paced();
    const context = new OffscreenCanvas(width, BAND * size).getContext("2d", { willReadFrequently: true })!;
    for (const [number, sheet] of sheets.entries()) {
      onSheet(number, sheets.length);
      const bitmap = await createImageBitmap(await (await siteFile(sheet)).blob());
      bitmaps.push(bitmap);
      const end = Math.min(items.length, (number + 1) * perSheet);
      for (let start = number * perSheet; start < end; start += BAND * columns) {
        signal.throwIfAborted();
        const top = ((start - number * perSheet) / columns) * size;
        context.clearRect(0, 0, width, BAND * size);
        context.drawImage(bitmap, 0, -top);
        const { data } = context.getImageData(0, 0, width, BAND * size);
        for (let index = start; index < Math.min(end, start + BAND * columns); index++) {
          const place = index - start;
          const at = Math.floor(place / columns) * size * width + (place % columns) * size;
          table.set(shrink(data, size, at, width), index * WIDTH);
        }
        await pause();
      }
    }
    return new Training(contents, bitmaps, table);
  }

  get typical(): Typical {
    return this.contents.typical_distance;
  }

  get count(): number {
    return this.contents.items.length;
  }

  name(index: number): string {
    return this.contents.names[this.contents.items[index]!]!;
  }

  pixels(index: number): Pixels {
    const { per_sheet: perSheet, columns, size } = this.contents;
    const place = index % perSheet;
    return cut(this.sheets[Math.floor(index / perSheet)]!, place % columns, Math.floor(place / columns), size);
  }
}
