import assert from "node:assert/strict";
import test from "node:test";
import { softmax, top } from "../runtime/arrays.js";
import { cosines, dequantise, dot, usual } from "./vectors.js";

const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-6, `${a} is not ${b}`);
const unit = (...head: number[]) => Float32Array.from({ length: 256 }, (_, i) => head[i] ?? 0);

test("int8 rows come back as unit vectors in the same direction", () => {
  const table = dequantise(Int8Array.from([...unit(3, 4), ...unit(0, -100)]), 0.01, 2);
  near(table[0]![0]!, 0.6);
  near(table[0]![1]!, 0.8);
  near(table[1]![1]!, -1);
  assert.deepEqual(dequantise(new Int8Array(256), 0.01, 1), [new Float32Array(256)]); // nothing to divide by
});

test("cosines against known angles", () => {
  const table = [unit(1), unit(0, 1), unit(-1)];
  assert.deepEqual([...cosines(unit(1), table)], [1, 0, -1]);
  near(dot(unit(0.6, 0.8), unit(1)), 0.6);
});

test("shares add up to 1 and follow the ratio of the exponentials", () => {
  const two = softmax([0.3, 0.2], 10);
  near(two[0]! / two[1]!, Math.E);
  near(two[0]! + two[1]!, 1);
  assert.deepEqual(softmax([5, 5, 5, 5], 1000), [0.25, 0.25, 0.25, 0.25]);
  assert.equal(softmax([100, -100], 1000)[0], 1); // no overflow
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
