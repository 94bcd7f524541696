import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { BEAT, beats } from "./beat.js";

test("beats come one after another, and end when they are told to, also by what they do", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let count = 0;
  const end = beats(() => {
    count += 1;
    if (count === 3) end();
  });
  mock.timers.tick(BEAT - 1);
  assert.equal(count, 0);
  mock.timers.tick(1);
  assert.equal(count, 1);
  mock.timers.tick(BEAT);
  mock.timers.tick(BEAT);
  mock.timers.tick(5 * BEAT);
  assert.equal(count, 3);
  mock.timers.reset();
});
