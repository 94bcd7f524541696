import assert from "node:assert/strict";
import { test } from "node:test";
import { climb, LADDER, type Rung, today, wait } from "./repetition.js";

test("right when due comes back after 1, 3, 7, 16, 35 and 35 days", () => {
  let rung: Rung | undefined;
  let day = 20_000;
  const waits: number[] = [];
  for (let i = 0; i < 6; i++) {
    rung = climb(rung, true, day);
    waits.push(wait(rung, day));
    day = rung.due;
    assert.equal(wait(rung, day), 0);
  }
  assert.deepEqual(waits, [1, 3, 7, 16, 35, 35]);
});

test("wrong is due at once, and the way up begins again", () => {
  const wrong = climb({ step: 4, due: 100 }, false, 100);
  assert.equal(wait(wrong, 100), 0);
  assert.equal(wait(climb(wrong, true, 100), 100), 1);
});

test("right again before it is due changes nothing", () => {
  const rung = climb(undefined, true, 100);
  assert.deepEqual(climb(rung, true, 100), rung);
  assert.equal(wait(climb(rung, true, 101), 101), 3);
});

test("late is due, and a clock set back far makes nothing wait longer than its step", () => {
  const rung = climb(undefined, true, 100);
  assert.equal(wait(rung, 400), 0);
  assert.equal(wait(rung, 20), 0);
  assert.equal(wait({ step: 3, due: 107 }, 101), 6);
  assert.equal(wait({ step: 99, due: 107 }, 101), 0);
  assert.equal(LADDER[0], 0);
});

test("a day begins at midnight here", () => {
  const [late, early] = [new Date(2026, 10, 29, 23, 59), new Date(2026, 10, 30, 0, 1)];
  assert.equal(today(early) - today(late), 1);
  assert.equal(today(new Date(2026, 10, 29, 0, 1)), today(late));
});
