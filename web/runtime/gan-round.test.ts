/** The page's round is that of Python: tests/golden/gan_round.json, written by tests/test_gan_round.py --write. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { GAN_ROUND, MODES, modes, play, realPictures, start, variety, type Settings, type Sizes } from "./gan-round.js";
import { SETTINGS } from "../lessons/2/moves.js";
import { type Input, openSession } from "./session.js";

interface Golden {
  seed: number;
  settings: Settings;
  real: number[]; // sums of each picture
  modes: number[];
  rounds: { losses: number[]; fakes: number; verdicts_real: number[]; verdicts_fake: number[] }[];
}

const at = (path: string): URL => new URL(`../../${path}`, import.meta.url);
const json = <T>(path: string): T => JSON.parse(readFileSync(at(path), "utf8")) as T;
const folder = `src/bozzetto/weights/${GAN_ROUND}`;
const { config: sizes, settings } = json<{ config: Sizes; settings: Record<string, Settings> }>(
  `${folder}/config.json`,
);
const golden = json<Golden>("tests/golden/gan_round.json");

function assertClose(found: ArrayLike<number>, expected: number[], tolerance: number): void {
  expected.forEach((value, i) => assert.ok(Math.abs(found[i]! - value) <= tolerance, `[${i}] ${found[i]} ${value}`));
}

test("real pictures and their kinds are those of Python", () => {
  const pictures = realPictures(golden.seed, 3, 64);
  const sums = golden.real.map((_, i) => pictures.subarray(768 * i, 768 * (i + 1)).reduce((a, b) => a + b, 0));
  assertClose(sums, golden.real, 1e-3);
  assert.deepEqual(modes(pictures), golden.modes);
  assert.equal(variety(realPictures(1, 3, 256)), MODES);
  assert.equal(variety(new Float32Array(768).fill(1)), 0);
});

test("the model folder has the settings that the lesson plays with", () => {
  assert.deepEqual(Object.keys(settings), SETTINGS);
});

test("ONNX Runtime for the web plays the rounds that Python played", async () => {
  const file = (name: string): Uint8Array => readFileSync(at(`${folder}/${name}`));
  const ort = at("src/bozzetto/course/built/assets/ort/");
  const session = await openSession(ort, file("graph.onnx"), { "model.safetensors": file("model.safetensors") });
  const graph = { run: (inputs: Record<string, Input>) => session.run(inputs), sizes, settings };
  let state = start(golden.seed, sizes);
  for (const expected of golden.rounds) {
    const round = await play(graph, state, golden.settings, golden.seed);
    state = round.state;
    assertClose(round.played.losses, expected.losses, 1e-3);
    assertClose(round.played.verdicts_real, expected.verdicts_real, 1e-3);
    assertClose(round.played.verdicts_fake, expected.verdicts_fake, 1e-3);
    const mean = round.played.fakes.reduce((a, b) => a + b, 0) / round.played.fakes.length;
    assertClose([mean], [expected.fakes], 1e-3);
  }
  const still = await play(graph, state, golden.settings, golden.seed, [false, false]);
  assert.deepEqual(still.state.generator, state.generator);
  assert.deepEqual([...state.steps], [golden.rounds.length, golden.rounds.length]);
  await session.release();
});
