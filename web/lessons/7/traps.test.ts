import assert from "node:assert/strict";
import test from "node:test";
import { pairs, THINGS, trial, TRAPS } from "./traps.js";

test("a pair is two different things, and a seed gives the same pairs, one after another", () => {
  for (const seed of [0, 1, 7, 2 ** 31 - 1]) {
    const all = pairs(THINGS, seed, 200);
    assert.ok(all.every(([one, other]) => THINGS.includes(one) && THINGS.includes(other) && one !== other));
    assert.deepEqual(pairs(THINGS, seed, 3), all.slice(0, 3));
    assert.ok(new Set(all.flat()).size > 0.9 * THINGS.length);
  }
  assert.notDeepEqual(pairs(THINGS, 1, 3), pairs(THINGS, 2, 3));
});

test("what a trial calls right is what its scene shows", () => {
  const order = trial("order", "owl", "rose");
  assert.deepEqual(
    order.scene.map(({ thing, x }) => [thing, x]),
    [
      ["owl", 0],
      ["rose", 32],
    ],
  );
  assert.equal(order.captions[order.right[0]!], "an owl to the left of a rose");
  const count = trial("count", "rose", "owl");
  assert.equal(count.scene.length, 2);
  assert.equal(count.captions[count.right[0]!], "two roses");
  const negation = trial("negation", "rose", "owl");
  assert.deepEqual(
    negation.scene.map(({ thing }) => thing),
    ["rose"],
  );
  assert.equal(negation.captions[negation.right[0]!], "not an owl");
  assert.deepEqual(trial("none", "rose", "owl").right, []);
});

test("scenes stay inside the frame and captions differ", () => {
  for (const trap of TRAPS) {
    const { scene, captions } = trial(trap, "ant", "bell");
    assert.ok(scene.every(({ x, y, size }) => x >= 0 && y >= 0 && x + size <= 64 && y + size <= 64));
    assert.equal(new Set(captions).size, captions.length);
  }
});
