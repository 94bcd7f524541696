/** The page's films are those of Python: tests/golden/film.json, written by tests/test_film.py --write. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { count } from "./arrays.js";
import type { ErrorKind, FilmOptions, FilmStep, Part, RuntimeError } from "./client.js";
import { splitPrompt, walk } from "./film.js";
import { FILM, LATENT_SHAPE } from "./generated.js";
import { openSession, type Input } from "./session.js";
import { fails, FILMING, log, runtime, STUDENT } from "./testing.js";

interface Golden {
  prompts: { prompt: string; parts: [string, string] | null }[];
  walks: { seed: number; steps: number; latents: number[] }[];
  shapes: Record<string, number[]>;
  clean: number[];
}

const THIN = 409;
const at = (path: string): URL => new URL(`../../${path}`, import.meta.url);
const golden = JSON.parse(readFileSync(at("tests/golden/film.json"), "utf8")) as Golden;

function assertClose(all: Float32Array, expected: number[], tolerance: number): void {
  const found = all.filter((_, i) => i % THIN === 0);
  assert.equal(found.length, expected.length);
  expected.forEach((value, i) => assert.ok(Math.abs(found[i]! - value) <= tolerance, `[${i}] ${found[i]} ${value}`));
}

test("a prompt is taken apart as in Python", () => {
  for (const { prompt, parts } of golden.prompts) {
    if (parts) assert.deepEqual(splitPrompt(prompt), parts);
    else
      assert.throws(
        () => splitPrompt(prompt),
        (error: RuntimeError) => error.inWords && error.message !== "",
      );
  }
});

test("a seed is the same film", async () => {
  for (const { seed, steps, latents } of golden.walks) {
    const jump = (x: Float32Array, t: number, until: number) => Promise.resolve(x.map((v) => v / 2 + t - until));
    assertClose(await walk(jump, seed, steps), latents, 1e-5);
  }
});

test("ONNX Runtime for the web sees what Python sees, over two weights files", async () => {
  const file = (path: string): Uint8Array => readFileSync(at(`src/bozzetto/weights/${path}`));
  const weights = ["film", "text_few_steps"].map((name) => `${name}/model.safetensors`);
  const session = await openSession(
    at("src/bozzetto/course/built/assets/ort/"),
    file("film/graph.onnx"),
    Object.fromEntries(weights.map((path) => [path, file(path)])),
  );
  const filled = ([name, dims]: [string, number[]], turn: number): [string, Input] => {
    const wave = (_: number, i: number): number => (name === "mask" ? 1 : Math.sin(0.37 * i + turn));
    return [name, { data: new Float32Array(count(dims)).map(wave), dims }];
  };
  const one = (value: number): Input => ({ data: Float32Array.of(value), dims: [1] });
  const whole = (value: bigint): Input => ({ data: BigInt64Array.of(value), dims: [1] });
  const inputs = Object.fromEntries(Object.entries(golden.shapes).map(filled));
  const rest = { t: one(0.75), until: one(0.25), style: whole(4n), motion: whole(6n) };
  assertClose((await session.run({ ...inputs, ...rest }))["clean"]!, golden.clean, 2e-3);
  await session.release();
});

test("a film is drawn from its picture, step by step, and can be stopped", async () => {
  await runtime.load(FILMING);
  const steps: FilmStep[] = [];
  const onStep = (step: FilmStep): void => void steps.push(step);
  const parts: Part[] = [];
  const onPart = (part: Part): void => void parts.push(part);
  const film = await runtime.film({ prompt: "a red apple moves left", seed: 3 }, { onStep, onPart });
  assert.deepEqual(parts, ["words", "student", "noise", "film", "decode"]);
  assert.deepEqual([film.thing, film.motion, film.frames.length], ["a red apple", "moves left", FILM.frames]);
  assert.equal(film.frames[0]!.length, 64 * 64 * 4);
  assert.deepEqual(
    steps.map(({ step, steps, t }) => [step, steps, t]),
    [0, 1, 2, 3].map((step) => [step, 4, 1 - step / 4]),
  );
  assert.deepEqual([steps[0]!.clean.length, steps[0]!.clean[0]!.length], [FILM.frames, count(LATENT_SHAPE)]);
  // The network's row: the picture's first number and a hundred for the motion.
  const { latents } = await runtime.generate({
    prompt: "a red apple",
    seed: 3,
    model: "text_few_steps",
    num_inference_steps: 4,
  });
  assert.ok(Math.abs(steps[3]!.clean[7]![0]! - (latents[0]! + 100)) < 1e-4);
  const few = await runtime.film({ prompt: "a red apple", seed: 3, style: "3d", num_inference_steps: 1 });
  assert.equal(few.motion, null);
  const refused = (options: Partial<FilmOptions>, message: RegExp, kind: ErrorKind = "failed") =>
    fails(runtime.film({ prompt: "a", seed: 0, ...options }), kind, message);
  await refused({ prompt: "" }, /^prompt is empty/);
  await refused({ prompt: "spins" }, /says only how/, "no-thing");
  await refused({ prompt: "a spins and grows" }, /two motions, "spins" and "grows"/, "two-words");
  await refused({ prompt: "a".repeat(301) }, /301 characters/);
  await refused({ num_inference_steps: 3 }, /num_inference_steps "3"/);
  await refused({ style: "oil" }, /style "oil"/);
  await refused({ seed: -1 }, /^seed must/);
  await fails(runtime.film({ prompt: "قطة spins", seed: 0 }), "unreadable", /cannot be read/);
  const cancel = new AbortController();
  const stopped = runtime.film({ prompt: "a", seed: 0 }, { signal: cancel.signal, onStep: () => cancel.abort() });
  await assert.rejects(stopped, { kind: "cancelled" });
});

test("a model that shares weights is opened with both files", async () => {
  await runtime.load(FILMING);
  assert.deepEqual(log.weights.at(-1), ["film/model.safetensors", "text_few_steps/model.safetensors"]);
  await runtime.load(STUDENT);
  await runtime.load(FILMING); // the student stays open, and its weights are read again
  assert.deepEqual(log.weights.at(-1), ["film/model.safetensors", "text_few_steps/model.safetensors"]);
  assert.deepEqual(log.weights[0], ["model.safetensors"]);
});
