// The map: where the encoder of two numbers puts every training picture. Recorded from the shipped weights by
// scripts/record_course.py, since nobody wants to wait until 7,000 pictures are encoded.
import { once } from "../../core/cache.js";
import { siteFile, siteJson } from "../../ui/site.js";

export type MapKind = "map_" | "plain_map_";
export const MAPS = ["map_", "plain_map_"] as const;
/** Two numbers, or a place on the sheet from 0 to 1, from the left and from the top. */
export type Place = readonly [number, number];

interface Contents {
  count: number;
  step: number;
  /** What is drawn in the middle of the sheet, and how far from it most pictures lie. */
  maps: Record<MapKind, { middle: Place; spread: Place }>;
  /** How near redraws of 19 in 20 unseen pictures come to a training picture, and of how many that was measured. */
  hole: number;
  n: number;
}

const WIDE = 1.7; // spreads: what lies so far off the middle is drawn three quarters of the way to the edge

export class Atlas {
  /** Of each picture its place in training.json. */
  readonly rows: Int16Array;
  /** Of each picture red, green and blue. */
  readonly colours: Uint8Array;
  private readonly steps: Record<MapKind, Int16Array>;
  private readonly sheets = new Map<MapKind, Float32Array>();

  constructor(
    readonly contents: Contents,
    bytes: ArrayBuffer,
  ) {
    const { count } = contents;
    const numbers = new Int16Array(bytes, 0, 5 * count);
    this.rows = numbers.subarray(0, count);
    this.steps = { map_: numbers.subarray(count, 3 * count), plain_map_: numbers.subarray(3 * count, 5 * count) };
    this.colours = new Uint8Array(bytes, 10 * count, 3 * count);
  }

  static async open(): Promise<Atlas> {
    const [contents, file] = await Promise.all([siteJson<Contents>("vae-map.json"), siteFile("vae-map.bin")]);
    return new Atlas(contents, await file.arrayBuffer());
  }

  get count(): number {
    return this.contents.count;
  }

  /** The two numbers of a picture. */
  place(kind: MapKind, index: number): Place {
    const steps = this.steps[kind];
    return [steps[2 * index]! * this.contents.step, steps[2 * index + 1]! * this.contents.step];
  }

  /** Where two numbers lie on the sheet. It takes all of them in: the farther out, the closer they are drawn. */
  onSheet(kind: MapKind, [x, y]: Place): Place {
    const { middle, spread } = this.contents.maps[kind];
    const share = (value: number, axis: 0 | 1) => Math.tanh((value - middle[axis]) / (WIDE * spread[axis]));
    return [0.5 + 0.5 * share(x, 0), 0.5 - 0.5 * share(y, 1)];
  }

  /** Where all pictures lie on the sheet, two numbers each: they are asked for at every move, so they are kept. */
  sheet(kind: MapKind): Float32Array {
    return once(this.sheets, kind, () => {
      const places = new Float32Array(2 * this.count);
      for (let i = 0; i < this.count; i++) places.set(this.onSheet(kind, this.place(kind, i)), 2 * i);
      return places;
    });
  }

  /** The two numbers of a place on the sheet, to a thousandth. */
  fromSheet(kind: MapKind, [left, top]: Place): Place {
    const { middle, spread } = this.contents.maps[kind];
    const value = (share: number, axis: 0 | 1) => {
      const inside = Math.min(0.995, Math.max(-0.995, share));
      return Math.round(1000 * (middle[axis] + WIDE * spread[axis] * Math.atanh(inside))) / 1000 + 0;
    };
    return [value(2 * left - 1, 0), value(1 - 2 * top, 1)];
  }

  /** The pictures whose places on the sheet are nearest, by index, the nearest first. */
  nearest(kind: MapKind, place: Place, count: number): number[] {
    const [left, top] = this.onSheet(kind, place);
    const sheet = this.sheet(kind);
    const best: { index: number; far: number }[] = [];
    for (let index = 0; index < this.count; index++) {
      const far = (sheet[2 * index]! - left) ** 2 + (sheet[2 * index + 1]! - top) ** 2;
      if (best.length === count && far >= best.at(-1)!.far) continue;
      best.push({ index, far });
      best.sort((a, b) => a.far - b.far);
      best.length = Math.min(best.length, count);
    }
    return best.map(({ index }) => index);
  }
}
