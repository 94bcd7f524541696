import assert from "node:assert/strict";
import { test } from "node:test";
import { distance, inked, mask, MASK, points, SHAPES } from "./shapes.js";

/** White planes with ink in these pixels. */
function drawing(...pixels: number[]): Float32Array {
  const planes = new Float32Array(3072).fill(1);
  for (const pixel of pixels) planes[1024 + pixel] = -1; // in one colour
  return planes;
}

test("what is drawn comes back from the address", () => {
  const all = Array.from({ length: 1024 }, (_, i) => i);
  for (const pixels of [[], [0], [1023], [5, 6, 31, 32, 512], all]) {
    const text = mask(drawing(...pixels));
    assert.match(text, MASK);
    assert.deepEqual(inked(text), pixels);
  }
});

test("a text that no drawing has is refused, or means some drawing", () => {
  for (const text of ["A", "A".repeat(170), "A".repeat(172), "é".repeat(171), "<".repeat(171)])
    assert.doesNotMatch(text, MASK);
  assert.match("", MASK);
  assert.ok(inked("_".repeat(171)).every((pixel) => pixel < 1024));
});

test("points lie on their shape, within the picture, and a seed decides them", () => {
  for (const shape of SHAPES) {
    const drawn = mask(drawing(0, 1023));
    const cloud = points(shape, drawn, 7);
    assert.ok(cloud.length >= 2000 && cloud.every((value) => Math.abs(value) < 2.3), shape);
    assert.deepEqual(points(shape, drawn, 7), cloud);
    assert.notDeepEqual(points(shape, drawn, 8), cloud);
  }
  const ring = points("ring", "", 1);
  for (let i = 0; i < ring.length; i += 2) assert.ok(Math.abs(Math.hypot(ring[i]!, ring[i + 1]!) - 1.5) < 0.25);
});

test("of nothing there are no points, and one dot is a small cloud", () => {
  assert.equal(points("drawn", "", 7).length, 0);
  assert.equal(points("drawn", mask(drawing()), 7).length, 0);
  const dot = points("drawn", mask(drawing(16 * 32 + 16)), 7);
  assert.ok(dot.every((value) => value >= 0 && value <= 1 / 8));
});

test("the distance to a shape is that to its nearest point", () => {
  assert.equal(distance([0, 0, 3, 4], [0, 0]), 2.5);
  assert.equal(distance([0, 0, 3, 4], [3, 4, 0, 0]), 0);
});
