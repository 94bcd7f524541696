import assert from "node:assert/strict";
import test from "node:test";
import { cosine, cosines, dequantise, row, shares, top, usual, WIDTH } from "./match.js";

const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-6, `${a} is not ${b}`);
const unit = (...head: number[]) => Float32Array.from({ length: WIDTH }, (_, i) => head[i] ?? 0);

test("int8 rows come back as unit vectors in the same direction", () => {
  const table = dequantise(Int8Array.from([...unit(3, 4), ...unit(0, -100)]), 0.01);
  near(row(table, 0)[0]!, 0.6);
  near(row(table, 0)[1]!, 0.8);
  near(row(table, 1)[1]!, -1);
  assert.deepEqual(dequantise(new Int8Array(WIDTH), 0.01), new Float32Array(WIDTH)); // nothing to divide by
});

test("cosines against known angles", () => {
  const table = Float32Array.from([...unit(1), ...unit(0, 1), ...unit(-1)]);
  assert.deepEqual([...cosines(unit(1), table)], [1, 0, -1]);
  near(cosine(unit(0.6, 0.8), unit(1)), 0.6);
});

test("shares add up to 1 and follow the ratio of the exponentials", () => {
  const two = shares([0.3, 0.2], 10);
  near(two[0]! / two[1]!, Math.E);
  near(two[0]! + two[1]!, 1);
  assert.deepEqual(shares([5, 5, 5, 5], 1000), [0.25, 0.25, 0.25, 0.25]);
  assert.equal(shares([100, -100], 1000)[0], 1); // no overflow
});

test("top is sorted, and steady for equal scores", () => {
  assert.deepEqual(top([0.1, 0.5, 0.5, 0.9], 3), [3, 1, 2]);
  assert.deepEqual(top(Float32Array.of(2, 3)), [1, 0]);
});

test("the usual range is the 10th to the 90th percentile", () => {
  const range = usual(Array.from({ length: 101 }, (_, i) => (i * 7) % 101));
  assert.deepEqual(range, { low: 10, middle: 50, high: 90 });
  near(usual([0, 1]).low, 0.1);
});
