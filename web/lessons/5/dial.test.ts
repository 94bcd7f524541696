import assert from "node:assert/strict";
import { test } from "node:test";
import { bySampler, enough, gain, type Measured, quickestFirst, removed } from "./dial.js";

const row = (steps: number, agreement: number, half = 0.05): Measured => ({
  sampler: "euler", steps, agreement, low: agreement - half, high: agreement + half, n: 200, milliseconds: 50 * steps,
});

test("more steps stop helping where the best is not clearly better", () => {
  assert.equal(enough([row(1, 0.1), row(4, 0.3), row(8, 0.41), row(20, 0.42), row(50, 0.44)])?.steps, 8);
  assert.equal(enough([row(1, 0.1), row(4, 0.5), row(50, 0.3)])?.steps, 4);
  assert.equal(enough([row(1, 0.1, 0.001), row(2, 0.2, 0.001)])?.steps, 2);
  assert.equal(enough([]), undefined);
});

test("rows are put together by sampler and sorted by steps", () => {
  const rows = [row(8, 0), { ...row(2, 0), sampler: "heun" as const }, row(1, 0)];
  const found = [...bySampler(rows)].map(([name, rows]) => [name, ...rows.map(({ steps }) => steps)]);
  assert.deepEqual(found, [["euler", 1, 8], ["heun", 2]]);
});

test("the table is filled from its cheap side, and wholly", () => {
  const cells = quickestFirst(["euler", "heun"]);
  assert.equal(cells.length, 12);
  assert.equal(cells[0]?.steps, 1);
  assert.deepEqual(cells.at(-1), { sampler: "heun", steps: 50 });
  const names = cells.map(({ sampler, steps }) => `${sampler} ${steps}`);
  assert.ok(names.indexOf("heun 20") > names.indexOf("euler 20"));
  assert.equal(new Set(names).size, 12);
});

test("before is what was removed and what is left", () => {
  assert.deepEqual([...removed(new Float32Array([3, -1]), new Float32Array([1, 1]))], [2, -2]);
});

test("a weak change is drawn stronger, a strong one as it is, and none at all is no trouble", () => {
  assert.equal(gain(new Float32Array(8).fill(2)), 1);
  assert.equal(gain(new Float32Array(8).fill(0.05)), 20);
  assert.equal(gain(new Float32Array(8)), 1);
});
