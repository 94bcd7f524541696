// Does any training picture look like this one?
import { SIDE, WIDTH } from "../../ui/likeness.js";

const SCATTER = 325; // without a divisor in common with WIDTH: a few dots from all over soon tell what is far

/** A row of 16 x 16 x 3 values from right to left: the networks have learned from mirrored pictures too. */
export function mirrored(row: Float32Array): Float32Array {
  return row.map((_, at) => {
    const [cell, c] = [Math.floor(at / 3), at % 3];
    const [line, column] = [Math.floor(cell / SIDE), cell % SIDE];
    return row[3 * (SIDE * line + SIDE - 1 - column) + c]!;
  });
}

/** Whether a row of the table is as near as the limit, as `nearest` measures it, without measuring what is far. */
export function within(query: Float32Array, table: Uint8ClampedArray, limit: number): boolean {
  const most = (255 * limit) ** 2 * WIDTH;
  for (let from = 0; from < table.length; from += WIDTH) {
    let sum = 0;
    for (let i = 0, at = 0; i < WIDTH && sum <= most; i++, at = (at + SCATTER) % WIDTH) {
      const off = query[at]! - table[from + at]!;
      sum += off * off;
    }
    if (sum <= most) return true;
  }
  return false;
}
