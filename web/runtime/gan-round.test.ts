/** The page's round is that of Python: tests/golden/gan_round.json, written by tests/test_gan_round.py --write. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  BALANCED, COLLAPSING, GAN_ROUND, MODES, modes, play, realPictures, start, variety, type Settings,
} from "./gan-round.js";
import { openSession } from "./session.js";

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
const golden = json<Golden>("tests/golden/gan_round.json");

function assertClose(found: ArrayLike<number>, expected: number[], tolerance: number): void {
  expected.forEach((value, i) => assert.ok(Math.abs(found[i]! - value) <= tolerance, `[${i}] ${found[i]} ${value}`));
}

test("real pictures and their kinds are those of Python", () => {
  const pictures = realPictures(golden.seed, 3);
  const sums = golden.real.map((_, i) => pictures.subarray(768 * i, 768 * (i + 1)).reduce((a, b) => a + b, 0));
  assertClose(sums, golden.real, 1e-3);
  assert.deepEqual(modes(pictures), golden.modes);
  assert.equal(variety(realPictures(1, 3, 256)), MODES);
  assert.equal(variety(new Float32Array(768).fill(1)), 0);
});

test("the settings are those of the model folder", () => {
  const { settings } = json<{ settings: object }>(`${folder}/config.json`);
  assert.deepEqual({ balanced: BALANCED, collapsing: COLLAPSING }, settings);
});

test("ONNX Runtime for the web plays the rounds that Python played", async () => {
  const file = (name: string): Uint8Array => readFileSync(at(`${folder}/${name}`));
  const ort = at("node_modules/onnxruntime-web/dist/");
  const session = await openSession(ort, file("graph.onnx"), file("model.safetensors"));
  let state = start(golden.seed);
  for (const expected of golden.rounds) {
    const round = await play(session.run, state, golden.settings, golden.seed);
    state = round.state;
    assertClose(round.played.losses, expected.losses, 1e-3);
    assertClose(round.played.verdicts_real, expected.verdicts_real, 1e-3);
    assertClose(round.played.verdicts_fake, expected.verdicts_fake, 1e-3);
    const mean = round.played.fakes.reduce((a, b) => a + b, 0) / round.played.fakes.length;
    assertClose([mean], [expected.fakes], 1e-3);
  }
  const still = await play(session.run, state, golden.settings, golden.seed, [false, false]);
  assert.deepEqual(still.state.forger, state.forger);
  assert.deepEqual([...state.steps], [golden.rounds.length, golden.rounds.length]);
  await session.release();
});
