import assert from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "./fuzz.js";

test("a seed decides all that comes, between 0 and 1", () => {
  const some = (seed: number): number[] => Array.from({ length: 200 }, seeded(seed));
  assert.deepEqual(some(3), some(3));
  assert.notDeepEqual(some(3), some(4));
  assert.ok(some(3).every((value) => value >= 0 && value < 1));
  const mean = some(3).reduce((sum, value) => sum + value) / 200;
  assert.ok(Math.abs(mean - 0.5) < 0.1);
});
