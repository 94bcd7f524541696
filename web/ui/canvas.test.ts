import assert from "node:assert/strict";
import { test } from "node:test";
import { cells, difference, doubled, gain, heat, mosaic, pixels } from "./canvas.js";

test("the mosaic puts channel 5, row 2, column 3 where it belongs", () => {
  const latents = new Float32Array(2048);
  latents[5 * 256 + 2 * 16 + 3] = 3;
  const { data, width, height } = mosaic(latents, [8, 16, 16]);
  assert.deepEqual([width, height], [64, 32]);
  const strong = Array.from({ length: 2048 }, (_, i) => i).filter((i) => data[4 * i] !== data[0]);
  assert.deepEqual(strong, [(16 + 2) * 64 + 16 + 3]);
});

test("a doubled picture has each pixel four times", () => {
  const small = pixels(
    Uint8ClampedArray.from({ length: 16 }, (_, i) => i),
    2,
  );
  const { data, width, height } = doubled(small);
  assert.deepEqual([width, height], [4, 4]);
  const first = Array.from({ length: 16 }, (_, i) => data[4 * i]);
  assert.deepEqual(first, [0, 0, 4, 4, 0, 0, 4, 4, 8, 8, 12, 12, 8, 8, 12, 12]);
});

test("numbers are drawn clay above nothing, blue below, and no stronger beyond their range", () => {
  const { data, height } = cells(new Float32Array([-9, 0, 1, 9]), 2, 1);
  assert.equal(height, 2);
  const [below, none, above, beyond] = [0, 1, 2, 3].map((i) => [...data.subarray(4 * i, 4 * i + 3)]);
  assert.ok(below![2]! > 2 * below![0]! && above![0]! > 2 * above![2]!);
  assert.ok(Math.min(...none!) > 230);
  assert.deepEqual(beyond, above);
});

test("pictures differ as they look over white, not by what lies under a clear pixel", () => {
  const black = pixels(new Uint8ClampedArray([0, 0, 0, 255, 0, 0, 0, 0]), 2);
  const white = pixels(new Uint8ClampedArray([255, 255, 255, 255, 255, 0, 0, 0]), 2);
  assert.deepEqual([...difference(black, white)], [1, 0]);
});

test("heat gets darker all the way", () => {
  const { data } = heat(new Float32Array([0, 0.25, 0.5, 0.75, 1]), 5);
  const light = [0, 1, 2, 3, 4].map((i) => data[4 * i]! + data[4 * i + 1]! + data[4 * i + 2]!);
  assert.deepEqual(
    light,
    [...light].sort((a, b) => b - a),
  );
  assert.ok(new Set(light).size === 5);
});

test("a weak change is drawn stronger, a strong one as it is, and none at all as none", () => {
  assert.equal(gain(new Float32Array(8).fill(2)), 1);
  assert.equal(gain(new Float32Array(8).fill(0.02)), 20);
  assert.equal(gain(new Float32Array(8)), 1);
});
