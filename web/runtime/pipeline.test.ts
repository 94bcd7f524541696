/** The networks put together: what they are asked, and what comes of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { count } from "./arrays.js";
import type { ErrorKind, ModelName, Part, StepEvent, Word, WriteOptions, Written } from "./client.js";
import { LATENT_SHAPE } from "./generated.js";
import { classifier_free } from "./guidance.js";
import { normal } from "./noise.js";
import { SAMPLERS, type SamplerName } from "./samplers.js";
import { flow } from "./schedule.js";
import { joinPieces } from "./tokenizer.js";
import {
  ALL,
  fails,
  faults,
  files,
  log,
  READER,
  runtime,
  SMALL,
  STEER,
  STUDENT,
  VOCABULARY,
  WRITERS,
  workers,
} from "./testing.js";

test("one guess at a small picture is the network's, for a class or for any", async () => {
  await runtime.load(SMALL);
  const noisy = normal(7, 3072);
  const estimate = (label: number) => noisy.map((value) => value / 1.25 + label);
  assert.deepEqual(await runtime.guess({ noisy, t: 0.25 }), estimate(0));
  assert.deepEqual(await runtime.guess({ noisy, t: 0.25, label: "cat" }), estimate(2));
  await fails(runtime.guess({ noisy, t: 0.25, label: "dog" }), "failed", /^label "dog" is unknown: choose one of bird/);
  await fails(runtime.guess({ noisy, t: 1.5 }), "failed", /^t must be a number from 0 to 1, not 1.5/);
});

test("a small picture is the sampler on estimates with its class and without", async () => {
  await runtime.load(SMALL);
  const events: StepEvent[] = [];
  const onStep = (event: StepEvent): number => events.push(event);
  const planes = await runtime.sample({ label: "cat", seed: 7 }, { onStep });
  const estimate = (x: Float32Array, t: number, told: number): Float32Array =>
    x.map((value) => value / (1 + Math.fround(t)) + told);
  const denoise = classifier_free(assert.fail, async (x, t) => [estimate(x, t, 2), estimate(x, t, 0)], 2);
  assert.deepEqual(planes, await SAMPLERS.heun(denoise, normal(7, 3072), flow(3)));
  assert.deepEqual(
    events.map(({ step, steps }) => [step, steps]),
    [
      [0, 3],
      [1, 3],
      [2, 3],
    ],
  );
  assert.deepEqual(events.at(-1)!.noisy, planes);
  assert.ok(log.runs.every(({ batch }) => batch === 2));
  log.runs = [];
  const options = { seed: 7, sampler: "euler", num_inference_steps: 2 } as const;
  const any = await runtime.sample(options);
  assert.deepEqual(any, await SAMPLERS.euler(async (x, t) => estimate(x, t, 0), normal(7, 3072), flow(2)));
  assert.ok(log.runs.every(({ batch }) => batch === 1));
  await fails(runtime.sample({ ...options, label: "dog" }), "failed", /^label "dog" is unknown: choose one of bird/);
});

test("a small picture is steered by words, and another graph costs no more than its own file", async () => {
  let total = 0;
  await runtime.load(["clip/text", "clip/image"], { onProgress: (progress) => void ({ total } = progress) });
  const texts = [...Object.values(files("clip/text")), "clip/image", "weights of clip/image"];
  assert.equal(total, texts.join("").length);
  const steered: ModelName[] = ["clip/text", "clip/order", STEER, ...SMALL];
  const loaded = await runtime.load(steered);
  assert.deepEqual(Object.keys(loaded), steered);
  assert.deepEqual(log.opened, ["clip/text", "clip/image", ...steered.slice(1)]);

  const told: Float32Array[] = [];
  const options = { prompt: "a red", seed: 7, num_inference_steps: 4, clip_guidance_scale: 3 };
  const planes = await runtime.sample(options, { onStep: ({ clean }) => told.push(clean) });
  const denoise = async (x: Float32Array, t: number): Promise<Float32Array> => {
    const variance = 1 / (1 / 0.25 + (1 - t) ** 2 / t ** 2); // precisions add up: of the data, and of what x tells
    return x.map((value) => {
      const clean = Math.fround(value / (1 + t));
      return clean + 3 * variance * 2 * (3 - clean); // "a red" is 3 tokens with the first
    });
  };
  const close = (a: Float32Array, b: Float32Array): void =>
    a.forEach((value, i) => assert.ok(Math.abs(value - b[i]!) < 1e-4 * (1 + Math.abs(value)), `${value} ${b[i]}`));
  const seen: Float32Array[] = [];
  const onStep = (_: number, __: Float32Array, clean: Float32Array): void => void seen.push(clean);
  const expected = await SAMPLERS.ddpm(denoise, normal(7, 3072), flow(4), onStep, (step) => normal(7, 3072, step + 1));
  close(planes, expected);
  assert.equal(told.length, 4);
  told.forEach((clean, step) => close(clean, seen[step]!));

  const sampling = { seed: 7, sampler: "ddpm", num_inference_steps: 4 } as const;
  const plain = await runtime.sample(sampling);
  assert.deepEqual(await runtime.sample({ ...sampling, prompt: "a red", clip_guidance_scale: 0 }), plain);
  await fails(runtime.sample({ ...options, label: "cat" }), "failed", /^a prompt steers diffusion of any class/);
  await fails(runtime.sample({ ...options, model: "few_steps" as const }), "failed", /take no student/);
  await fails(
    runtime.sample({ ...options, clip_guidance_scale: 101 }),
    "failed",
    /^clip_guidance_scale must be a number/,
  );
  await runtime.load(["clip/text", "clip/order", "diffusion"]);
  await fails(runtime.sample(options), "failed", /steer.onnx is not loaded/);
});

test("a student jumps two steps ahead, and is told where to", async () => {
  await runtime.load(SMALL);
  const told: number[] = [];
  const onStep = ({ clean }: StepEvent): number => told.push(clean[0]!);
  const options = { model: "few_steps" as const, label: "bird", seed: 1 };
  const planes = await runtime.sample({ ...options, sampler: "ddpm", guidance_scale: 9 }, { onStep });
  assert.deepEqual(told, [1.5, 1.25, 1, 1]);
  assert.ok(planes.every((value) => Math.abs(value - 1) < 1e-6));
  assert.ok(log.runs.every(({ batch }) => batch === 1));
  await fails(runtime.sample({ ...options, num_inference_steps: 3 }), "failed", /^num_inference_steps "3" is unknown/);
});

test("words are drawn by a student in the steps that it knows, from noise alone", async () => {
  await runtime.load(STUDENT);
  const told: [number, number][] = [];
  const onStep = ({ steps, clean }: StepEvent): number => told.push([steps, clean[0]!]);
  const options = { model: "text_few_steps" as const, prompt: "a red", style: "flat", seed: 1 };
  const { latents } = await runtime.generate({ ...options, sampler: "ddpm", guidance_scale: 9 }, { onStep });
  assert.deepEqual(told, [[1, 4]]); // straight to 0, three tokens, the first style
  assert.ok(latents.every((value) => value === 4));
  await runtime.generate({ ...options, num_inference_steps: 2 }, { onStep });
  assert.deepEqual(told.slice(1), [
    [2, 4],
    [2, 4],
  ]);
  assert.ok(log.runs.every(({ batch }) => batch === 1));
  await fails(
    runtime.generate({ ...options, num_inference_steps: 3 }),
    "failed",
    /^num_inference_steps "3" is unknown/,
  );
  const start = { latents: new Float32Array(1024), strength: 0.5 };
  await fails(runtime.generate({ ...options, start }), "failed", /^a student begins from noise alone/);
});

test("what is left out comes from the config, and a prompt in numbers needs no text tower", async () => {
  await runtime.load(["text_to_image", "autoencoder/decoder"]);
  const prompt = (tokens: number) => ({
    hidden: new Float32Array(24 * 192).fill(tokens),
    words: new Float32Array(24 * 192).fill(tokens),
    mask: new Float32Array(24).fill(1),
    embedding: new Float32Array(256),
  });
  const numbers = await runtime.generate({ prompt: prompt(3), negative_prompt: prompt(1), seed: 5 });
  await fails(runtime.generate({ prompt: prompt(3), seed: 5 }), "failed", /clip\/text is not loaded/);
  log.runs = [];
  await runtime.generate({ prompt: prompt(3), seed: 5, guidance_scale: 1 });
  assert.ok(log.runs.every(({ batch }) => batch === 1));
  await runtime.load(ALL);
  const sampling = { sampler: "dpmpp_2m", num_inference_steps: 4, guidance_scale: 3 } as const;
  assert.deepEqual(await runtime.generate({ prompt: "a red", seed: 5, ...sampling }), numbers);
});

test("texts, pictures, latents: in batches, in order", async () => {
  await runtime.load(ALL);
  const texts = Array.from({ length: 20 }, (_, i) => "a ".repeat(i));
  assert.deepEqual(
    (await runtime.encodeText(texts)).map((row) => row[0]),
    texts.map((_, i) => i + 1),
  );
  assert.deepEqual(await runtime.summarise(texts), await runtime.encodeText(texts)); // of these networks
  const pictures = [0, 255].map((value) => new Uint8ClampedArray(4 * 64 * 64).fill(value));
  assert.deepEqual(
    (await runtime.encodeImage(pictures)).map((row) => [row.length, row[0]]),
    [
      [256, 1],
      [256, 1],
    ],
  );
  assert.deepEqual(await runtime.tokens("a green apples"), {
    pieces: ["a", "[unk]", "apple", "##s"],
    unknown: ["green", "apples"],
    unread: [],
  });
  const clean = await runtime.denoise({
    latents: new Float32Array(count(LATENT_SHAPE)).fill(1),
    t: 1,
    prompt: "a",
    style: "flat",
  });
  assert.ok(Math.abs(clean[0]! - (0.5 + 0.2 + 1)) < 1e-6);
});

test("an answer comes piece by piece, from a cache that grows, until its end", async () => {
  const progress: number[] = [];
  await runtime.load(READER, { onProgress: ({ total }) => progress.push(total) });
  const sizes = Object.values(files("vlm")).map(({ length }) => length);
  assert.equal(
    progress[0],
    sizes.reduce((a, b) => a + b),
  ); // one folder is fetched once
  assert.deepEqual(log.opened, READER);
  const picture = new Uint8ClampedArray(4 * 64 * 64).fill(255);
  const told: Word[] = [];
  const seen = await runtime.look({ picture });
  const words = await runtime.answer({ seen, question: "red apples" }, { onWord: (word) => told.push(word) });
  // After [start] comes a, after it apple, and after that, round the end of the vocabulary, [pad]: the end.
  assert.deepEqual(
    words.map(({ text }) => text),
    ["a", " apple"],
  );
  assert.deepEqual(told, words);
  const sure = Math.exp(3) / (Math.exp(3) + VOCABULARY.length - 1);
  for (const { probability, alternatives } of words) {
    assert.ok(Math.abs(probability - sure) < 1e-9);
    assert.equal(alternatives.length, 3);
    assert.equal(alternatives[1]!.text, ""); // of those that are as probable, the end has the lowest number
  }
  assert.deepEqual(
    [...words[1]!.looked],
    Array.from({ length: 64 }, (_, i) => (i === 0 || i === 5 ? 0.5 : 0)),
  );
  const blind = await runtime.answer({ seen: await runtime.look({ picture, seen: false }), question: "red" });
  assert.ok(blind[0]!.probability < sure);
  const refused = (question: string, message: RegExp, kind: ErrorKind = "failed") =>
    fails(runtime.answer({ seen, question }), kind, message);
  await refused("  ", /empty/);
  await refused("قطة", /cannot be read/, "unreadable");
  await refused("red ".repeat(25), /25 tokens: 24 at most/);
  await refused("x".repeat(301), /301 characters/);
  const cancel = new AbortController();
  const onWord = (): void => cancel.abort();
  const cancelled = runtime.answer({ seen, question: "red" }, { signal: cancel.signal, onWord });
  await assert.rejects(cancelled, { kind: "cancelled" });
});

test("a story comes word after word or out of blanks, and can be stopped", async () => {
  await runtime.load(WRITERS);
  const drafts: Written[] = [];
  const onDraft = (draft: Written): void => void drafts.push(draft);
  const whole = await runtime.write({ prompt: "a cat", seed: 3 }, { onDraft });
  assert.deepEqual(
    drafts.map(({ text }) => text),
    ["A cat", "A cat naps"],
  );
  assert.deepEqual(drafts.at(-1), whole);
  drafts.length = 0;
  const filled = await runtime.write({ seed: 3, method: "unmask", num_inference_steps: 7 }, { onDraft });
  assert.equal(filled.text, "A cat naps.");
  assert.deepEqual(filled.places, ["a", "cat", "naps", ".", "", "", ""]);
  assert.deepEqual(
    drafts.map(({ places }) => places.filter((place) => place === null).length),
    [7, 6, 5, 4, 3, 0],
  );
  const one = await runtime.write({ prompt: "a", seed: 3, method: "unmask", num_inference_steps: 1 });
  assert.deepEqual([one.steps, one.text], [1, "A cat naps."]);
  const refused = (options: WriteOptions, message: RegExp, kind: ErrorKind = "failed") =>
    fails(runtime.write(options), kind, message);
  await refused({ seed: 0, prompt: "قطة" }, /cannot be read/, "unreadable");
  await refused({ seed: 0, prompt: "x".repeat(301) }, /301 characters/);
  await refused({ seed: -1 }, /seed must be/);
  await refused({ seed: 0, temperature: 3 }, /temperature must be/);
  await refused({ seed: 0, num_inference_steps: 0 }, /num_inference_steps must be/);
  const cancel = new AbortController();
  const stopped = runtime.write({ seed: 0 }, { signal: cancel.signal, onDraft: () => cancel.abort() });
  await assert.rejects(stopped, { kind: "cancelled" });
});

test("a sound comes out of noise as a picture, and can be stopped", async () => {
  await runtime.load(["sound"]);
  const steps: StepEvent[] = [];
  const onStep = (event: StepEvent): void => void steps.push(event);
  const parts: Part[] = [];
  const onPart = (part: Part): void => void parts.push(part);
  const made = await runtime.sound({ prompt: "a LONG purple laser", seed: 3, guidance_scale: 1 }, { onStep, onPart });
  assert.deepEqual(parts, ["label", "noise", "denoise", "hear"]);
  assert.deepEqual([steps.length, steps[0]!.clean.length, made.rate, made.unread], [3, 4096, 16000, ["purple"]]);
  assert.deepEqual(
    log.runs.map(({ batch }) => batch),
    [1, 1, 1],
  );
  const loudest = (samples: Float32Array): number => samples.reduce((most, value) => Math.max(most, value), 0);
  assert.ok(made.samples.length === 16000 && loudest(made.samples) > 0.01);
  assert.ok(Math.abs(made.picture[64 * 2]! - 0.48) < 1e-6 && Math.abs(made.picture[0]! + 1) < 1e-6);
  const guided = await runtime.sound({ prompt: "laser", seed: 3, num_inference_steps: 1 });
  assert.deepEqual(log.runs.at(-1), { model: "sound", batch: 2 });
  assert.ok(Math.abs(guided.picture[64 * 2]! - 1.4) < 1e-6); // -1 + 2 (0.2 + 1)
  const silent = await runtime.sound({ prompt: "high", seed: 3 });
  assert.equal(loudest(silent.samples), 0);
  const refused = (prompt: string, message: RegExp, kind: ErrorKind = "failed") =>
    fails(runtime.sound({ prompt, seed: 0 }), kind, message);
  await refused(" !?", /say one of coin/, "no-sound-word");
  await refused("звонок", /say one of coin/, "no-sound-word");
  await refused("a purple dog", /say one of coin/, "no-sound-word");
  await refused("a high low bell", /says both "high" and "low"/, "two-words");
  await refused("a bell and a siren", /says both "bell" and "siren"/, "two-words");
  await refused("x".repeat(301), /301 characters/);
  await fails(runtime.sound({ prompt: "bell", seed: -1 }), "failed", /seed must be/);
  await fails(
    runtime.sound({ prompt: "bell", seed: 0, num_inference_steps: 0 }),
    "failed",
    /num_inference_steps must be/,
  );
  const cancel = new AbortController();
  const stopped = runtime.sound({ prompt: "bell", seed: 0 }, { signal: cancel.signal, onStep: () => cancel.abort() });
  await assert.rejects(stopped, { kind: "cancelled" });
});

test("pieces are put together as Python does it", () => {
  assert.deepEqual(joinPieces(["a", "cat", "##s", ",", "1", "0", "?"]), ["a", " cat", "s", ",", " 1", "0", "?"]);
});

test("emoji are read by their names, which are fetched when there is one, and can be missing", async () => {
  await runtime.load(ALL);
  const latents = new Float32Array(count(LATENT_SHAPE));
  await runtime.tokens("a red café\u200b");
  assert.equal(log.names, 0);
  faults.nameless = true;
  const plain = await runtime.tokens("a 🍎");
  assert.deepEqual([plain.pieces, log.names], [["a", "[unk]"], 1]);
  await fails(runtime.denoise({ latents, t: 1, prompt: "🍎" }), "unreadable", /^"🍎" cannot be read/);
  faults.nameless = false;
  log.names = 0;
  assert.deepEqual((await runtime.tokens("a\u00ad 🍎")).pieces, ["a", "red", "apple"]);
  assert.deepEqual(await runtime.encodeText(["🍎🍎"]), await runtime.encodeText(["red apple red apple"]));
  await runtime.denoise({ latents, t: 1, prompt: "🍎" });
  assert.equal(log.names, 1);
});

test("what nobody can read is refused, and what has something to read is not", async () => {
  await runtime.load([...ALL, STEER, ...SMALL]);
  const o = { seed: 1, num_inference_steps: 1 };
  await fails(runtime.generate({ ...o, prompt: "قطة" }), "unreadable", /Latin letters, and emoji$/);
  await fails(runtime.generate({ ...o, prompt: "a", negative_prompt: "قطة" }), "unreadable", /cannot be read/);
  await fails(runtime.generate({ ...o, prompt: "\u200b" }), "failed", /^prompt is empty/);
  await fails(runtime.sample({ ...o, prompt: "قطة" }), "unreadable", /cannot be read/);
  await fails(runtime.encodeText(["a", "قطة"]), "unreadable", /^"قطة" cannot be read/);
  await fails(runtime.summarise(["قطة"]), "unreadable", /cannot be read/);
  await runtime.generate({ ...o, prompt: "قطة a" });
});

test("a bad argument is one clear line, and the worker goes on", async () => {
  await runtime.load(ALL);
  const good = { prompt: "a", seed: 1 };
  await fails(runtime.generate({ ...good, prompt: " " }), "failed", /^prompt is empty/);
  await fails(runtime.generate({ ...good, prompt: "a".repeat(301) }), "failed", /^prompt has 301 characters/);
  await fails(runtime.generate({ ...good, seed: -1 }), "failed", /^seed must be a whole number from 0/);
  await fails(runtime.generate({ ...good, num_inference_steps: 1001 }), "failed", /^num_inference_steps must/);
  await fails(runtime.generate({ ...good, guidance_scale: NaN }), "failed", /^guidance_scale must be a number/);
  await fails(runtime.generate({ ...good, style: "oil" }), "failed", /^style "oil" is unknown: choose one of flat, 3d/);
  await fails(runtime.generate({ ...good, sampler: "x" as SamplerName }), "failed", /^sampler "x" is unknown/);
  await fails(
    runtime.denoise({ ...good, latents: new Float32Array(count(LATENT_SHAPE)), t: 2 }),
    "failed",
    /^t must be a number/,
  );
  assert.equal(workers.length, 1);
});
