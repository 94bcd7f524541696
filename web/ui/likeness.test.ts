import assert from "node:assert/strict";
import test from "node:test";
import { nearest, shrink, SIDE, verdict, WIDTH } from "./likeness.js";

const grey = (value: number) => new Uint8ClampedArray(WIDTH).fill(value);

test("a picture shrinks by box averages over white", () => {
  const data = new Uint8ClampedArray(64 * 64 * 4); // transparent: white
  const set = (x: number, y: number, rgba: number[]) => data.set(rgba, 4 * (64 * y + x));
  for (let i = 0; i < 8; i++) set(4 + (i % 4), i >> 2, [0, 0, 0, 255]); // half of the second cell is black
  set(0, 4, [255, 0, 0, 51]); // one of sixteen pixels of the cell below the first, a fifth red
  const cells = shrink(data, 64);
  assert.deepEqual([...cells.slice(0, 6)].map(Math.round), [255, 255, 255, 128, 128, 128]);
  const below = [...cells.slice(3 * SIDE, 3 * SIDE + 3)];
  assert.deepEqual(
    below.map((value) => Number(value.toFixed(3))),
    [255, 251.813, 251.813],
  ); // 255 - 51 / 16
  assert.deepEqual([...cells.slice(-3)], [255, 255, 255]);
});

test("a tile of a sheet shrinks like the tile alone", () => {
  const sheet = Uint8ClampedArray.from({ length: 96 * 32 * 4 }, (_, i) => (i % 4 === 3 ? 255 : (i * 7919) % 251));
  const tile = new Uint8ClampedArray(32 * 32 * 4);
  for (let y = 0; y < 32; y++) tile.set(sheet.subarray(4 * (96 * y + 64), 4 * (96 * y + 96)), 4 * 32 * y);
  assert.deepEqual(shrink(sheet, 32, 64, 96), shrink(tile, 32));
});

test("the nearest come first, at root mean square distances", () => {
  const table = Uint8ClampedArray.from([0, 200, 90, 255, 110].flatMap((value) => [...grey(value)]));
  const found = nearest(Float32Array.from(grey(100)), table);
  assert.deepEqual(
    found.map(({ index }) => index),
    [2, 4, 0],
  ); // of equal distances the earlier one
  assert.ok(Math.abs(found[0]!.distance - 10 / 255) < 1e-9);
  const [exact] = nearest(Float32Array.from(grey(255)), table, 1);
  assert.deepEqual(exact, { index: 3, distance: 0 });
  assert.equal(nearest(new Float32Array(WIDTH), grey(255))[0]!.distance, 1);
});

test("the verdict follows the stated rule, edges included", () => {
  const typical = { low: 0.07, median: 0.12, high: 0.22 };
  const verdicts = [0, 0.0699, 0.07, 0.12, 0.22, 0.2201].map((distance) => verdict(distance, typical));
  assert.deepEqual(verdicts, ["copy", "copy", "new", "new", "new", "far"]);
});
