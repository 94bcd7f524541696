import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Tokenizer } from "../../runtime/tokenizer.js";
import { added, cosine, firstIsNearest, prefixes, problem, rivals, seedsFrom } from "./words.js";

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
  assert.equal(problem(" \n", tokenizer), "empty");
  assert.equal(problem("🐱🐱", tokenizer), "unknown");
  assert.equal(problem("قطة", tokenizer), "unknown");
  assert.equal(problem("🐱 cat", tokenizer), undefined);
});

test("the nearest caption wins, and a tie is no win", () => {
  const [x, y] = [new Float32Array([1, 0]), new Float32Array([0, 1])];
  assert.equal(cosine(x, y), 0);
  assert.equal(firstIsNearest(x, [x, y]), true);
  assert.equal(firstIsNearest(x, [y, x]), false);
  assert.equal(firstIsNearest(x, [x, x]), false);
});

test("no caption competes with its own words", () => {
  assert.deepEqual(rivals("Two apples, one cat", ["apple", "cat", "dog"]), ["dog"]);
});
