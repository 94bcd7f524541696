import assert from "node:assert/strict";
import { test } from "node:test";
import { place } from "./glossary.js";
import { nextTheme } from "./theme-button.js";

const view = { left: 0, top: 1000, width: 320, height: 600 };
const size = { width: 200, height: 100 };
const word = (left: number, top: number) => ({ left, top, width: 40, height: 20 });

test("a meaning stands under its word", () => {
  assert.deepEqual(place(word(50, 1100), size, view), { left: 50, top: 1128 });
});

test("it stands above where there is no room below, but never above the window", () => {
  assert.deepEqual(place(word(50, 1500), size, view), { left: 50, top: 1392 });
  const low = { ...view, height: 110 };
  assert.equal(place(word(50, 1060), size, low).top, 1088);
});

test("it never leaves the window at a side, even when it is wider", () => {
  assert.equal(place(word(300, 1100), size, view).left, 112);
  assert.equal(place(word(0, 1100), size, view).left, 8);
  assert.equal(place(word(50, 1100), { width: 400, height: 50 }, view).left, 8);
});

test("the theme button goes round", () => {
  assert.equal(nextTheme(undefined), "light");
  assert.equal(nextTheme("light"), "dark");
  assert.equal(nextTheme("dark"), undefined);
});
