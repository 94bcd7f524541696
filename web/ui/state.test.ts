import assert from "node:assert/strict";
import { test } from "node:test";
import { defineFields, parse, read, type StateOf, write } from "./state.js";

const fields = defineFields({
  seed: { kind: "int", default: 7, min: 0, max: Number.MAX_SAFE_INTEGER },
  scale: { kind: "float", default: 5, min: 0, max: 10 },
  prompt: { kind: "text", default: "a cat", max: 300 },
  sampler: { kind: "choice", default: "euler", options: ["euler", "heun"] },
  compare: { kind: "flag", default: false },
});

test("what is written is read back, whatever the text", () => {
  for (const prompt of ["a robot & a cat = 100 % #1", "قطة 🐱 +", "", "a\u0000b", "x".repeat(300)]) {
    const state: StateOf<typeof fields> = { seed: 2 ** 53 - 1, scale: 0.25, prompt, sampler: "heun", compare: true };
    const reading = read("fig", fields, write("fig", state, ""));
    assert.deepEqual(reading.state, state);
    assert.deepEqual(reading.rejected, []);
    assert.deepEqual(reading.fromLink, Object.keys(fields));
  }
});

test("nonsense and hostile values fall back, each named once", () => {
  const reading = read(
    "fig",
    fields,
    `#fig.seed=1e400&fig.scale=NaN&fig.prompt=${"x".repeat(10_000)}&fig.sampler=__proto__&fig.compare=yes` +
      "&fig.__proto__=1",
  );
  assert.deepEqual(reading.state, { seed: 7, scale: 5, prompt: "a cat", sampler: "euler", compare: false });
  assert.deepEqual(reading.rejected, ["seed", "scale", "prompt", "sampler", "compare"]);
  assert.equal(({} as Record<string, unknown>)["1"], undefined);
});

test("numbers are plain decimals in range", () => {
  const { seed, scale } = fields;
  for (const bad of ["", " 1", "-1", "0x10", "1.5", "9007199254740992", "99999999999999999999", "Infinity"]) {
    assert.equal(parse(seed, bad), undefined, bad);
  }
  for (const bad of ["", "10.1", "-0.1", "1e1", ".5", "5."]) assert.equal(parse(scale, bad), undefined, bad);
  assert.equal(parse(seed, "007"), 7);
  assert.ok(Object.is(parse(scale, "-0"), 0));
});

test("a bad percent sign is no error, and another figure's entries are left alone", () => {
  assert.deepEqual(read("fig", fields, "#fig.seed=%E0%A4%A").rejected, ["seed"]);
  const fragment = write("fig", read("fig", fields, "").state, "#other.seed=3&hide=share");
  assert.equal(read("other", fields, fragment).state["seed"], 3);
  assert.ok(read("fig", fields, fragment).hidden.has("share"));
  assert.equal(write("fig", {}, "#latent"), "#");
});

test("hide takes names of controls and nothing else", () => {
  assert.deepEqual(
    [...read("fig", fields, "#hide=seed,in-words,guidance_scale,,<b>,Seed").hidden],
    ["seed", "in-words", "guidance_scale"],
  );
});
