import assert from "node:assert/strict";
import test from "node:test";
import { halves, textHidden } from "./ideas.js";

const encode = (...bits: number[]) => Buffer.from(new Uint16Array(bits).buffer).toString("base64");

test("half precision numbers of every kind", () => {
  const bits = [0x3c00, 0xc000, 0x3555, 0x0001, 0x03ff, 0x7bff, 0x8000, 0x7c00];
  const values = [1, -2, 0.333251953125, 2 ** -24, 2 ** -14 - 2 ** -24, 65504, -0, Infinity];
  assert.deepEqual([...halves(encode(...bits))], values);
  assert.ok(Number.isNaN(halves(encode(0x7e00))[0]));
});

test("an idea is padded, and masked where it ends", () => {
  const ones = encode(...new Array<number>(384).fill(0x3c00));
  const idea = { name: "cat", prompt: "a cat", tokens: 2, hidden: ones, words: ones, embedding: encode(0x4000) };
  const { hidden, mask, embedding } = textHidden(idea);
  assert.deepEqual([hidden.length, hidden[383], hidden[384]], [24 * 192, 1, 0]);
  assert.deepEqual([...mask.slice(0, 3), mask.length], [1, 1, 0, 24]);
  assert.deepEqual([...embedding], [2]);
});
