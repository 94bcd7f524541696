import assert from "node:assert/strict";
import { test } from "node:test";
import { FRAME, MODELS as SERVED } from "../../runtime/generated.js";
import { defaults, parse } from "../../ui/state.js";
import { codeOf } from "./code.js";
import {
  ASKED,
  between,
  CHAINS,
  ends,
  FIELDS,
  isEmpty,
  JOBS,
  maskPixels,
  MODELS,
  parseMask,
  scenes,
  SQUARES,
  type State,
  takesPicture,
  writeMask,
} from "./jobs.js";

const STATE = defaults<State>(FIELDS);

test("a mask in a link is the mask, square by square", () => {
  const mask = Array.from({ length: SQUARES * SQUARES }, (_, i) => i % 3 === 0 || i === 255);
  assert.deepEqual(parseMask(writeMask(mask)), mask);
  assert.equal(writeMask(mask).length, 64);
  assert.equal(parse(FIELDS.mask, writeMask(mask)), writeMask(mask));
  for (const bad of ["", "f".repeat(63), "f".repeat(65), "g".repeat(64), "F".repeat(64)]) {
    assert.equal(parse(FIELDS.mask, bad), undefined);
  }
  assert.equal(parseMask(STATE.mask).filter(Boolean).length, (SQUARES * SQUARES) / 2);
});

test("each pixel has the mask of its square", () => {
  const mask = Array.from({ length: SQUARES * SQUARES }, (_, i) => i === SQUARES + 2);
  const pixels = maskPixels(mask);
  const side = FRAME / SQUARES;
  pixels.forEach((painted, i) => {
    const [row, column] = [Math.floor(i / FRAME), i % FRAME];
    assert.equal(painted, +(Math.floor(row / side) === 1 && Math.floor(column / side) === 2));
  });
});

test("a quick stroke leaves no gap", () => {
  assert.deepEqual(between(5, 5), [5]);
  assert.deepEqual(between(0, 3), [0, 1, 2, 3]);
  assert.deepEqual(between(2 * SQUARES + 2, 0), [2 * SQUARES + 2, SQUARES + 1, 0]);
  for (let i = 1, way = between(7, 15 * SQUARES); i < way.length; i++) {
    const [a, b] = [way[i - 1]!, way[i]!];
    assert.ok(
      Math.abs((a % SQUARES) - (b % SQUARES)) <= 1 && Math.abs(Math.floor(a / SQUARES) - Math.floor(b / SQUARES)) <= 1,
    );
  }
});

test("a storyboard is three sentences about one subject", () => {
  assert.deepEqual(scenes(STATE), ["a red heart", "a broken heart", "a sparkling heart"]);
  assert.deepEqual(scenes({ ...STATE, who: " cat ", scene_1: "* and *", scene_3: " " }), [
    "cat and cat",
    "a broken cat",
    "",
  ]);
});

test("a tale is drawn from its first and its last sentence", () => {
  assert.deepEqual(ends("A red fish. It wants a hat. Now it is happy."), ["A red fish", "Now it is happy"]);
  assert.deepEqual(ends("A red"), ["A red", "A red"]); // as long as it is told
  assert.deepEqual(ends(" . "), []);
});

test("a picture of which nothing is seen is empty", () => {
  const picture = new Uint8ClampedArray(16).fill(9);
  assert.equal(isEmpty(picture), false);
  for (let i = 3; i < 16; i += 4) picture[i] = 0;
  assert.equal(isEmpty(picture), true);
});

test("every job has a chain, models that the site serves, and what its picture depends on", () => {
  for (const job of JOBS) {
    assert.equal(new Set(CHAINS[job]).size, CHAINS[job].length);
    for (const name of MODELS[job])
      assert.ok(SERVED.some((served) => name === served || name.startsWith(`${served}/`)));
    assert.equal(takesPicture(job), CHAINS[job].includes("encode") || job === "ask");
    assert.equal((ASKED[job] as readonly string[]).includes("seed"), CHAINS[job].includes("noise"));
    const { python } = codeOf({ ...STATE, job });
    assert.match(python, /^import bozzetto\n/);
  }
});

test("the code survives any words", () => {
  const state = { ...STATE, vary: `it's "a" $(cat) \\`, job: "vary" as const };
  assert.ok(codeOf(state).python.includes(JSON.stringify(state.vary)));
  assert.ok(codeOf(state).shell!.includes(`'it'\\''s "a" $(cat) \\'`));
});
