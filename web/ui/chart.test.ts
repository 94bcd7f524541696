import assert from "node:assert/strict";
import { test } from "node:test";
import { logTicks, scale, sparse, spread, ticks } from "./chart.js";

test("scales are straight, or straight in the logarithm", () => {
  const line = scale([0, 10], [100, 0]);
  assert.equal(line(0), 100);
  assert.equal(line(2.5), 75);
  const log = scale([1, 100], [0, 2], true);
  assert.ok(Math.abs(log(10) - 1) < 1e-12);
  assert.equal(scale([3, 3], [0, 8])(3), 4);
});

test("ticks are round and cover the values", () => {
  assert.deepEqual(ticks(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks(0.03, 0.31, 4), [0, 0.1, 0.2, 0.3, 0.4]);
  assert.deepEqual(ticks(-0.1, 0.5, 3), [-0.2, 0, 0.2, 0.4, 0.6]);
  for (const [low, high] of [
    [0, 0],
    [5, 5],
  ] as const) {
    const found = ticks(low, high);
    assert.ok(found[0]! <= low && found.at(-1)! >= high && found.length < 12);
  }
});

test("ticks of a logarithmic axis cover the values and no more", () => {
  assert.deepEqual(logTicks(100, 3040), [100, 300, 1000, 3000, 10_000]);
  assert.deepEqual(logTicks(45, 900), [30, 100, 300, 1000]);
  assert.deepEqual(logTicks(1, 50), [1, 3, 10, 30, 100]);
});

test("labels are pushed apart, in their order", () => {
  assert.deepEqual(spread([10, 50, 12], 10), [10, 50, 20]);
  assert.deepEqual(spread([5, 5, 5], 10), [5, 15, 25]);
});

test("labels that would touch are left out, and the last one stays", () => {
  const labels = (places: number[], width: number) => places.map((at) => ({ at, width }));
  assert.equal(sparse(labels([0, 50, 100], 40)).length, 3);
  const found = sparse(labels([0, 30, 60, 90, 120, 150, 180], 55));
  assert.deepEqual(
    found.map(({ at }) => at),
    [0, 60, 120, 180],
  );
  assert.equal(sparse(labels([0, 1, 2], 50)).length, 1);
  assert.deepEqual(sparse([]), []);
});
