import assert from "node:assert/strict";
import test from "node:test";
import { nearest } from "../../ui/likeness.js";
import { Atlas } from "./atlas.js";
import { mirrored, within } from "./holes.js";
import { kept } from "./lost.js";
import { shuffled, thinned } from "./sheet.js";
import { PIXELS, planes, SIDE, slerp, thrown } from "./vae.js";

const near = (a: number, b: number, off = 1e-5) => assert.ok(Math.abs(a - b) < off, `${a} is not ${b}`);

test("a picture of 64 dots a side becomes planes of 32, on white", () => {
  const data = new Uint8ClampedArray(64 * 64 * 4);
  for (const at of [0, 1, 64]) data.set([255, 0, 0, 255], 4 * at); // three of the first four dots are red, one is clear
  const small = planes({ data, width: 64, height: 64 });
  assert.equal(small.length, PIXELS);
  const values = [0, 1, 2].map((plane) => small[plane * SIDE * SIDE]!);
  near(values[0]!, 1);
  near(values[1]!, 64 / 127.5 - 1);
  near(values[2]!, values[1]!);
  near(small[1]!, 1); // paper
});

test("an arc keeps its distance from the middle, and a line is taken where no arc joins", () => {
  const middle = Float32Array.of(1, 1);
  const [a, b] = [Float32Array.of(3, 1), Float32Array.of(1, 3)];
  const half = slerp(a, b, middle, 0.5);
  near(half[0]!, 1 + Math.SQRT2);
  near(half[1]!, 1 + Math.SQRT2);
  assert.deepEqual([...slerp(a, b, middle, 0)], [3, 1]);
  near(slerp(a, Float32Array.of(-1, 1), middle, 0.25)[0]!, 2);
});

test("lists are thrown within two deviations, evenly, and the seed decides", () => {
  const bell = { mean: Float32Array.of(1, -1), std: Float32Array.of(2, 0.5) };
  const lists = thrown(bell, 3, 500);
  const first = lists.map(([x]) => x!);
  assert.ok(first.every((x) => x >= -3 && x <= 5));
  near(first.reduce((a, b) => a + b) / 500, 1, 0.3);
  assert.ok(first.filter((x) => x > 3).length > 90); // a bell would have fewer so far out
  assert.deepEqual(thrown(bell, 3, 2), lists.slice(0, 2));
  assert.notDeepEqual(thrown(bell, 4, 1), lists.slice(0, 1));
});

test("the sheet takes all places in, and gives back what it was given", () => {
  const maps = { map_: { middle: [1, 2], spread: [2, 1] }, plain_map_: { middle: [0, 0], spread: [1, 1] } } as const;
  const bytes = new ArrayBuffer(26);
  new Int16Array(bytes, 0, 10).set([5, 9, 1000, 2000, 3000, 2500, 0, 0, -1000, 1000]);
  const atlas = new Atlas({ count: 2, step: 0.001, maps, hole: 0.2, n: 1 }, bytes);
  assert.deepEqual(atlas.place("map_", 1), [3, 2.5]);
  assert.deepEqual(atlas.place("plain_map_", 1), [-1, 1]);
  assert.deepEqual(atlas.onSheet("map_", [1, 2]), [0.5, 0.5]);
  const [left, top] = atlas.onSheet("map_", [3, 2.5]);
  assert.ok(left > 0.5 && top < 0.5); // up is more
  assert.deepEqual(atlas.fromSheet("map_", [left, top]), [3, 2.5]);
  assert.ok(atlas.fromSheet("map_", [0, 1]).every(Number.isFinite));
  assert.ok(atlas.onSheet("map_", [1e9, -1e9]).every((share) => share >= 0 && share <= 1));
  assert.deepEqual(atlas.nearest("map_", [2.9, 2.5], 2), [1, 0]);
});

test("what is drawn keeps apart, and the first of two stays", () => {
  const [x, y] = [Float32Array.of(0, 5, 30), Float32Array.of(0, 5, 0)];
  assert.deepEqual(thinned(x, y, [1, 0, 2], 10), [1, 2]);
  assert.deepEqual(shuffled(50), shuffled(50));
  assert.deepEqual(
    [...shuffled(50)].sort((a, b) => a - b),
    Array.from({ length: 50 }, (_, i) => i),
  );
});

test("a blurred picture has lost its fine lines, a shifted one its place", () => {
  const lines = Float32Array.from({ length: PIXELS }, (_, at) => (at % SIDE < 16 ? (at % 2 ? 1 : -1) : 1));
  const blurred = lines.map((_, at) => (at % SIDE < 16 ? 0 : 1));
  const same = kept(lines, lines);
  assert.deepEqual([same.coarse, same.fine, same.moved], [1, 1, 0]);
  const soft = kept(lines, blurred);
  near(soft.coarse, 1);
  near(soft.fine, 0);
  const moved = kept(
    blurred,
    blurred.map((_, at) => blurred[Math.floor(at / SIDE) * SIDE + ((at + 16) % SIDE)]!),
  );
  near(moved.moved, 16, 1e-3);
  assert.equal(kept(new Float32Array(PIXELS).fill(1), new Float32Array(PIXELS)).fine, 1); // an empty board has none
});

test("to be near some row is to be nearer than the limit to the nearest, and mirrors count", () => {
  const table = Uint8ClampedArray.from({ length: 3 * 768 }, (_, at) => (at * 7919) % 256);
  const query = Float32Array.from(table.subarray(768, 1536), (value) => Math.min(255, value + 10));
  const { distance } = nearest(query, table, 1)[0]!;
  assert.equal(within(query, table, 1.01 * distance), true);
  assert.equal(within(query, table, 0.99 * distance), false);
  assert.deepEqual(mirrored(mirrored(query)), query);
  assert.deepEqual([...mirrored(query).subarray(0, 3)], [...query.subarray(45, 48)]);
});
