import assert from "node:assert/strict";
import { test } from "node:test";
import {
  byName,
  enough,
  jumps,
  MOST_STEPS,
  NOTCHES,
  notchOf,
  stepsAt,
  type Measured,
  quickestFirst,
  removed,
} from "./dial.js";

const row = (steps: number, frechet: number, half = 5): Measured => ({
  name: "euler",
  steps,
  frechet,
  low: frechet - half,
  high: frechet + half,
  milliseconds: 50 * steps,
});

test("more steps stop helping where the best is not clearly better", () => {
  assert.equal(enough([row(1, 300), row(4, 90), row(8, 54), row(20, 52), row(50, 51)])?.steps, 8);
  assert.equal(enough([row(1, 300), row(4, 50), row(50, 90)])?.steps, 4);
  assert.equal(enough([row(1, 60, 0.1), row(2, 50, 0.1)])?.steps, 2);
  assert.equal(enough([]), undefined);
});

test("the dial turns from 1 to 1,000 steps, finely where they are few", () => {
  assert.deepEqual([0, NOTCHES].map(stepsAt), [1, MOST_STEPS]);
  assert.deepEqual([20, 40].map(stepsAt), [10, 100]);
  for (const steps of [1, 4, 20, 50, 100, 1000]) {
    assert.ok(Math.abs(Math.log(stepsAt(notchOf(steps)) / steps)) < 0.25, String(steps));
  }
  const all = Array.from({ length: NOTCHES + 1 }, (_, notch) => stepsAt(notch));
  assert.ok(all.every((steps, i) => i === 0 || steps >= all[i - 1]!));
});

test("rows are put together by name and sorted by steps", () => {
  const rows = [row(8, 0), { ...row(2, 0), name: "heun" }, row(1, 0)];
  const found = [...byName(rows)].map(([name, rows]) => [name, ...rows.map(({ steps }) => steps)]);
  assert.deepEqual(found, [
    ["euler", 1, 8],
    ["heun", 2],
  ]);
});

test("the table is filled from its cheap side, and wholly", () => {
  const cells = quickestFirst(["euler", "heun", "few_steps"]);
  assert.equal(cells.length, 16);
  assert.equal(cells[0]?.steps, 1);
  assert.deepEqual(cells.at(-1), { sampler: "heun", steps: 50 });
  const names = cells.map(({ sampler, steps }) => `${sampler} ${steps}`);
  assert.ok(names.indexOf("heun 20") > names.indexOf("euler 20"));
  assert.equal(new Set(names).size, 16);
});

test("the student is asked for steps that it has learned", () => {
  assert.deepEqual([1, 2, 3, 7, 8, 20, 50].map(jumps), [1, 2, 2, 4, 8, 8, 8]);
});

test("before is what was removed and what is left", () => {
  assert.deepEqual([...removed(new Float32Array([3, -1]), new Float32Array([1, 1]))], [2, -2]);
});
