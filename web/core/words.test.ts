import assert from "node:assert/strict";
import { test } from "node:test";
import { a, conceptOf, plural, telling } from "./words.js";

test("articles, plurals and names are those of the picture world", () => {
  assert.deepEqual(["eagle", "bell", "unicorn", "hourglass"].map(a), [
    "an eagle",
    "a bell",
    "a unicorn",
    "an hourglass",
  ]);
  assert.deepEqual(["rose", "mouse", "sheep", "fox"].map(plural), ["roses", "mice", "sheep", "foxes"]);
  assert.deepEqual(["dog", "penguin", "constructor"].map(conceptOf), ["dog face", "penguin", "constructor"]);
});

test("words that tell something are those that name it", () => {
  assert.deepEqual(telling(["a", "zorgon", "and", "two", "cats", "!"]), ["zorgon", "two", "cats"]);
});
