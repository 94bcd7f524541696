// Is a picture new, or a copy? Its distance to every training picture tells, read beside the distances of real pictures
// that the training never saw, which nobody can have copied.
import { onWhite } from "../runtime/pixels.js";

/** Pictures are compared as 16 x 16 x 3 bytes over white. */
export const SIDE = 16;
export const WIDTH = SIDE * SIDE * 3;

export interface Typical {
  median: number;
  low: number;
  high: number;
}

export interface Neighbour {
  index: number;
  distance: number;
}

export type Verdict = "copy" | "new" | "far";

/** A square RGBA picture over white, each cell the mean of its pixels, 0 to 255. `at` and `stride` pick a tile. */
export function shrink(data: Uint8ClampedArray, size: number, at = 0, stride = size): Float32Array {
  const cells = new Float32Array(WIDTH);
  const step = size / SIDE;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const from = 4 * (at + y * stride + x);
      const cell = 3 * (SIDE * Math.floor(y / step) + Math.floor(x / step));
      const alpha = data[from + 3]!;
      for (let c = 0; c < 3; c++) cells[cell + c]! += onWhite(data[from + c]!, alpha) / (step * step);
    }
  }
  return cells;
}

/** The nearest rows of a table by root mean square difference, from 0 (the same) to 1 (black against white). */
export function nearest(query: Float32Array, table: Uint8ClampedArray, count = 3): Neighbour[] {
  const best: Neighbour[] = [];
  for (let index = 0; index * WIDTH < table.length; index++) {
    const limit = best.length < count ? Infinity : best[count - 1]!.distance;
    let sum = 0;
    // A row that is too far already need not be read to its end.
    for (let i = 0; i < WIDTH && sum < limit; i++) {
      const off = query[i]! - table[index * WIDTH + i]!;
      sum += off * off;
    }
    if (sum >= limit) continue;
    best.push({ index, distance: sum });
    best.sort((a, b) => a.distance - b.distance);
    best.length = Math.min(best.length, count);
  }
  return best.map(({ index, distance }) => ({ index, distance: Math.sqrt(distance / WIDTH) / 255 }));
}

/** The rule: nearer than 19 of 20 unseen real pictures is suspicious, farther than 19 of 20 is far from all. */
export function verdict(distance: number, typical: Typical): Verdict {
  return distance < typical.low ? "copy" : distance > typical.high ? "far" : "new";
}
