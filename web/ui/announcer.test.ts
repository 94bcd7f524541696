import assert from "node:assert/strict";
import { mock, test } from "node:test";
import type { LitElement } from "lit";
import { Announcer } from "./announcer.js";

test("what is shown is told at most once a second, and while a figure plays not at all, but when it rests", () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 10_000 });
  Object.assign(globalThis, { window: globalThis });
  const told: string[] = [];
  const region = {
    set textContent(text: string) {
      told.push(text);
    },
  } as unknown as Element;
  let [sentence, playing] = ["Round 0.", false];
  const announcer = new Announcer(
    { addController() {} } as unknown as LitElement,
    () => sentence,
    () => region,
    () => playing,
  );
  const show = (text: string) => {
    sentence = text;
    announcer.hostUpdated();
    mock.timers.tick(350);
  };
  show("Round 0."); // is read, not told
  mock.timers.tick(5000);
  show("Round 1.");
  show("Round 2.");
  mock.timers.tick(1000);
  assert.deepEqual(told, ["Round 1.", "Round 2."]);
  playing = true;
  for (let round = 3; round < 60; round++) show(`Round ${round}.`);
  assert.equal(told.length, 2);
  playing = false;
  show("Round 60.");
  mock.timers.tick(1000);
  assert.deepEqual(told.slice(2), ["Round 60."]);
});
