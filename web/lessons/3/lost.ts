// What a redraw has kept of a picture, and what it has lost, in numbers.
import { PIXELS, SIDE } from "./vae.js";

const BLOCK = 4; // dots a side of what counts as one patch of colour

export interface Kept {
  /** Shares of what there is to see, 1 is all of it: in patches of colour and large shapes, and in what is finer. */
  coarse: number;
  fine: number;
  /** How far the middle of all ink has moved, in dots. */
  moved: number;
}

/** Planes [3,32,32] with each dot as bright as its patch. */
function patches(planes: Float32Array): Float32Array {
  const cells = SIDE / BLOCK;
  const sums = new Float32Array(3 * cells * cells);
  const cell = (at: number) => {
    const [plane, row, column] = [Math.floor(at / SIDE / SIDE), Math.floor(at / SIDE) % SIDE, at % SIDE];
    return (plane * cells + Math.floor(row / BLOCK)) * cells + Math.floor(column / BLOCK);
  };
  planes.forEach((value, at) => (sums[cell(at)]! += value / BLOCK ** 2));
  return planes.map((_, at) => sums[cell(at)]!);
}

/** Where the ink of a picture on white has its middle. */
function middle(planes: Float32Array): [number, number] {
  let [all, across, down] = [0, 0, 0];
  for (let at = 0; at < PIXELS; at++) {
    const ink = 1 - planes[at]!;
    all += ink;
    across += ink * (at % SIDE);
    down += ink * (Math.floor(at / SIDE) % SIDE);
  }
  return all > 0 ? [across / all, down / all] : [SIDE / 2, SIDE / 2];
}

/** 1 less the part of `what` that differs, but never below 0; where there is nothing to keep, nothing is lost. */
function share(what: Float32Array, off: Float32Array): number {
  const size = (values: Float32Array) => values.reduce((sum, value) => sum + value * value, 0);
  const whole = size(what);
  return whole < 1e-3 ? 1 : Math.max(0, 1 - size(off) / whole);
}

export function kept(original: Float32Array, redraw: Float32Array): Kept {
  const [before, after] = [patches(original), patches(redraw)];
  const plane = PIXELS / 3;
  const means = [0, 1, 2].map((c) => before.subarray(c * plane, (c + 1) * plane).reduce((a, b) => a + b, 0) / plane);
  const shape = before.map((value, at) => value - means[Math.floor(at / plane)]!);
  const [from, to] = [middle(original), middle(redraw)];
  return {
    coarse: share(
      shape,
      before.map((value, at) => value - after[at]!),
    ),
    fine: share(
      original.map((value, at) => value - before[at]!),
      original.map((value, at) => value - before[at]! - (redraw[at]! - after[at]!)),
    ),
    moved: Math.hypot(from[0] - to[0], from[1] - to[1]),
  };
}
