import assert from "node:assert/strict";
import { test } from "node:test";
import { fill, fixed, megabytes, number } from "./strings.js";

const tree = { shell: { play: "Play", step: "Step {step} of {steps}" } };

test("placeholders are filled, and only with what was given", () => {
  assert.equal(fill(tree, "shell.step", { step: 3, steps: 20 }), "Step 3 of 20");
  assert.equal(fill(tree, "shell.step", { step: "{steps}" }), "Step {steps} of {steps}");
});

test("a key without a string has none", () => {
  const keys = ["shell.stop", "shell", "shell.play.more", "shell.constructor", ""];
  for (const key of keys) assert.equal(fill(tree, key, {}), undefined);
});

test("numbers are short", () => {
  assert.equal(number(1 / 3), "0.33");
  assert.equal(number(16384), "16,384");
  assert.equal(number(1024), "1,024");
  assert.equal(megabytes(14_751_128), "14.8 MB");
});

test("cosines are written with equal digits, a true minus and no negative zero", () => {
  assert.deepEqual(
    [0.1, -0.256, -0.001, 1].map((value) => fixed(value, 2)),
    ["0.10", "\u22120.26", "0.00", "1.00"],
  );
});
