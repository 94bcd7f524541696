import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Tokenizer } from "../../runtime/tokenizer.js";
import { added, prefixes, rivals, seedsFrom, seenInstead } from "./words.js";

test("words are added one at a time, and the last prompt is whole", () => {
  assert.deepEqual(prefixes("  a red\tapple "), ["a", "a red", "a red apple"]);
  assert.deepEqual(prefixes(" "), []);
  const long = Array.from({ length: 21 }, (_, i) => `w${i}`).join(" ");
  const found = prefixes(long);
  assert.equal(found.length, 8);
  assert.equal(found.at(-1), long);
  assert.equal(new Set(found).size, 8);
  assert.equal(found.map((prefix, i) => added(prefix, found[i - 1])).join(" "), long);
});

test("sixteen seeds stay in range", () => {
  assert.deepEqual(seedsFrom(7, 3), [7, 8, 9]);
  const top = seedsFrom(Number.MAX_SAFE_INTEGER, 16);
  assert.equal(top.at(-1), Number.MAX_SAFE_INTEGER);
  assert.equal(new Set(top).size, 16);
});

test("a prompt without words, or without known ones, is told apart from a good one", () => {
  const file = readFileSync("src/bozzetto/weights/clip/text/vocabulary.txt");
  const tokenizer = Tokenizer.read(file);
  assert.equal(tokenizer.problem(" \n"), "empty");
  assert.equal(tokenizer.problem("🐱🐱"), "unknown");
  assert.equal(tokenizer.problem("قطة"), "unknown");
  assert.equal(tokenizer.problem("🐱 cat"), undefined);
});

test("no name competes with its own words", () => {
  const names = ["red apple", "tomato", "cats", "dog face", "a-b"];
  assert.deepEqual(rivals("Two apples, a dog, one cat", names), [1, 4]);
  assert.deepEqual(rivals("", names), [0, 1, 2, 3, 4]);
});

test("CLIP sees something else where a rival is as near as the words", () => {
  const scores = new Float32Array([0.9, 0.25, 0.5]);
  assert.equal(seenInstead(0.6, scores, [1, 2]), undefined);
  assert.equal(seenInstead(0.4, scores, [1, 2]), 2);
  assert.equal(seenInstead(0.5, scores, [2, 1]), 2);
  assert.equal(seenInstead(0.5, scores, []), undefined);
});
