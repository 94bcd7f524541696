/** Page and worker together, over real messages and a real server, with networks of a line each. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { Runtime, RuntimeError, type ErrorKind, type ModelName, type StepEvent, type Word } from "./client.js";
import { classifier_free } from "./guidance.js";
import { Models } from "./models.js";
import { normal } from "./noise.js";
import { SAMPLERS, type SamplerName } from "./samplers.js";
import { flow } from "./schedule.js";
import { serve } from "./serve.js";
import type { Input, Session } from "./session.js";
import { joinPieces } from "./tokenizer.js";

const ALL: ModelName[] = ["clip/text", "clip/order", "clip/image", "text_to_image", "autoencoder/decoder"];
const SMALL: ModelName[] = ["diffusion", "few_steps"];
const STEER = "clip/image/steer.onnx" as const;
const READER: ModelName[] = ["vlm", "vlm/look.onnx"];
const VOCABULARY = ["[pad]", "[start]", "[unk]", "a", "red", "apple", "##s"];
const sum = (text: string): string => createHash("sha256").update(text).digest("hex");

/** The graph of each model is its name, so that its session can be told from it. */
function files(name: string): Record<string, string> {
  const reads = name === "clip/text" || name === "vlm";
  const words: Record<string, string> = reads ? { "vocabulary.txt": VOCABULARY.join("\n") + "\n" } : {};
  const steer: Record<string, string> = name === "clip/image" ? { "steer.onnx": STEER } : {};
  const look: Record<string, string> = name === "vlm" ? { "look.onnx": READER[1]! } : {};
  return { "graph.onnx": name, "model.safetensors": `weights of ${name}`, ...steer, ...look, ...words };
}

let needed: string;
function config(name: string): object {
  const defaults = { sampler: "dpmpp_2m", num_inference_steps: 4, guidance_scale: 3, guidance_interval: [0, 1] };
  const entries = Object.entries(files(name)).map(([file, text]) => [file, { bytes: text.length, sha256: sum(text) }]);
  const small = { classes: ["bird", "cat"], jumps: name === "few_steps", data_std: 0.5 };
  const own: Record<string, object> = {
    "clip/image": { logit_scale: 2 },
    text_to_image: { styles: ["flat", "3d"], defaults, needs: { "clip/text": needed } },
    diffusion: { config: small, defaults: { sampler: "heun", num_inference_steps: 3, guidance_scale: 2 } },
    vlm: { config: { layers: 2, heads: 1, width: 2 } },
    few_steps: { config: small, defaults: { num_inference_steps: 4 } },
  };
  return { format: 1, model: name, config: {}, files: Object.fromEntries(entries) as object, ...own[name] };
}

/** Every row of every network by itself: how many tokens, how bright, D = x / (1 + t) + tokens / 10 + style. */
const NETWORKS: Record<string, (row: (name: string) => number[]) => Record<string, number[]>> = {
  "clip/text": (row) => {
    const count = row("tokens").filter((token) => token > 0).length;
    const each = Array<number>(24 * 192).fill(count);
    return { hidden: each, summary: Array<number>(256).fill(count), words: each };
  },
  "clip/order": (row) => ({ embedding: Array<number>(256).fill(row("words")[0]!) }),
  "clip/image": (row) => ({ embedding: Array<number>(256).fill(row("pixels")[0]!) }),
  [STEER]: (row) => ({ gradient: row("pixels").map((value) => row("target")[0]! - value) }),
  text_to_image: (row) => {
    const told = row("hidden")[0]! / 10 + row("style")[0]!;
    return { clean: row("x").map((value) => value / (1 + row("t")[0]!) + told) };
  },
  diffusion: (row) => ({ clean: row("x").map((value) => value / (1 + row("t")[0]!) + row("label")[0]!) }),
  few_steps: (row) => ({ clean: row("x").map(() => row("until")[0]! + row("label")[0]!) }),
  // Says the token after the last one; its layers look at the patch of that number, and at the first.
  vlm: (row) => {
    const tokens = row("tokens");
    const all = [...row("keys"), ...tokens.flatMap(() => [0, 0, 0, 0])];
    const next = (tokens.at(-1)! + 2) % VOCABULARY.length;
    const logits = tokens.flatMap(() => VOCABULARY.map((_, token) => (token === next ? row("keys")[0]! : 0)));
    const at = (patch: number): number[] => Array.from({ length: 64 }, (_, i) => +(i === patch));
    const looked = [next, 0].flatMap((patch) => tokens.flatMap(() => at(patch)));
    return { logits, all_keys: all, all_values: all, looked };
  },
  "vlm/look.onnx": (row) => ({ keys: Array<number>(64).fill(2 + row("seen")[0]!), values: row("pixels").slice(0, 64) }),
  "autoencoder/decoder": (row) => ({ pixels: Array<number>(4 * 64 * 64).fill(row("latents")[0]!) }),
};

const log = { opened: [] as string[], released: [] as string[], runs: [] as { model: string; batch: number }[] };
let breakDown = false;

async function openSession(graph: Uint8Array): Promise<Session> {
  const model = new TextDecoder().decode(graph);
  log.opened.push(model);
  return {
    async run(inputs) {
      if (breakDown) throw new Error("memory access out of bounds");
      const batch = Object.values(inputs)[0]!.dims[0]!;
      log.runs.push({ model, batch });
      const rows = Array.from({ length: batch }, (_, i) => NETWORKS[model]!((name) => rowOf(inputs[name]!, batch, i)));
      return Object.fromEntries(
        Object.keys(rows[0]!).map((name) => [name, Float32Array.from(rows.flatMap((row) => row[name]!))]),
      );
    },
    release: async () => void log.released.push(model),
  };
}

function rowOf({ data, dims }: Input, batch: number, index: number): number[] {
  assert.equal(dims[0], batch);
  assert.equal(data.length, dims.reduce((a, b) => a * b));
  const size = data.length / batch;
  return Array.from(data.slice(index * size, (index + 1) * size), Number);
}

const server = createServer((request, response) => {
  const [, name, file] = /^\/models\/(.+)\/([^/]+)$/.exec(request.url!)!;
  if (![...ALL, ...SMALL, "vlm"].includes(name as ModelName)) return response.writeHead(404).end();
  return response.end(file === "config.json" ? JSON.stringify(config(name!)) : files(name!)[file!]);
});
before(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
after(() => server.close());

let workers: { terminated: boolean; fail: (message: string) => void }[];
let runtime: Runtime;

function startWorker(deaf = false): Worker {
  const { port1, port2 } = new MessageChannel();
  const folder = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/models/`);
  if (!deaf) serve(port2, new Models(folder, openSession));
  const facts = { terminated: false, fail: (message: string) => void worker.onerror?.({ message } as ErrorEvent) };
  workers.push(facts);
  const terminate = (): void => {
    facts.terminated = true;
    port1.close(); // and port2 with it, so that the process can end
  };
  const worker: Worker = Object.assign(port1 as unknown as Worker, { terminate, onerror: null });
  return worker;
}

beforeEach(() => {
  workers = [];
  breakDown = false;
  needed = sum("weights of clip/text");
  Object.assign(log, { opened: [], released: [], runs: [] });
  runtime = new Runtime(startWorker);
});

test.afterEach(() => workers.forEach((worker) => worker.fail("the test is over")));

function fails(promise: Promise<unknown>, kind: ErrorKind, message: RegExp): Promise<void> {
  return assert.rejects(promise, (error) => {
    assert.ok(error instanceof RuntimeError, String(error));
    assert.equal(error.kind, kind);
    assert.match(error.message, message);
    return true;
  });
}

test("load reports its progress in bytes and gives the configs", async () => {
  const seen: [number, number][] = [];
  const onProgress = ({ loaded, total }: { loaded: number; total: number }): number => seen.push([loaded, total]);
  const configs = await runtime.load(["clip/text", "text_to_image"], { onProgress });
  assert.deepEqual(configs["text_to_image"].styles, ["flat", "3d"]);
  const total = ["clip/text", "text_to_image"].flatMap((name) => Object.values(files(name))).join("").length;
  assert.deepEqual([seen[0], seen.at(-1)], [[0, total], [total, total]]);
  assert.ok(seen.every(([loaded], index) => index === 0 || loaded > seen[index - 1]![0]));
});

test("only what the last load named stays open, and what is open is not opened again", async () => {
  await runtime.load(["clip/text", "clip/image"]);
  await Promise.all([runtime.load(["text_to_image", "clip/text"]), runtime.load(["clip/text", "autoencoder/decoder"])]);
  assert.deepEqual(log.opened, ["clip/text", "clip/image", "text_to_image", "autoencoder/decoder"]);
  assert.deepEqual(log.released, ["clip/image", "text_to_image"]);
  await fails(runtime.generate({ prompt: "a", seed: 1 }), "failed", /text_to_image is not loaded/);
  await fails(runtime.load(["clip/text", "none" as ModelName]), "missing", /none/);
  assert.equal((await runtime.decode(new Float32Array(1024))).length, 4 * 64 * 64); // a failed load takes nothing away
});

test("a model is not put together with parts it was not trained with", async () => {
  needed = sum("other weights");
  await fails(runtime.load(["clip/text", "text_to_image"]), "hash", /text_to_image was trained with another clip/);
});

for (const sampler of Object.keys(SAMPLERS) as SamplerName[]) {
  test(`generate with ${sampler} is the sampler on guided estimates, step by step`, async () => {
    await runtime.load(ALL);
    const events: StepEvent[] = [];
    const onStep = (event: StepEvent): number => events.push(event);
    const sampling = { sampler, num_inference_steps: 3, guidance_scale: 2 };
    const options = { prompt: "a red apples", seed: 7, style: "3d", ...sampling };
    const { latents, picture } = await runtime.generate(options, { onStep });

    const estimate = (x: Float32Array, t: number, told: number): Float32Array =>
      x.map((value) => value / (1 + Math.fround(t)) + told);
    const expected: Partial<StepEvent>[] = [];
    const end = await SAMPLERS[sampler](
      classifier_free(assert.fail, async (x, t) => [estimate(x, t, 0.5 + 2), estimate(x, t, 0.1)], 2),
      normal(7, 1024),
      flow(3),
      (step, noisy, clean) => void expected.push({ step, noisy, clean }),
      (step) => normal(7, 1024, step + 1),
    );
    assert.deepEqual(latents, end);
    assert.deepEqual(events.map(({ step, noisy, clean }) => ({ step, noisy, clean })), expected);
    assert.deepEqual(events.map(({ t, steps }) => [t, steps]), flow(3).slice(0, 3).map(({ t }) => [t, 3]));
    for (const { clean, withPrompt, withoutPrompt } of events) {
      assert.deepEqual(clean, withoutPrompt!.map((value, i) => value + 2 * (withPrompt![i]! - value)));
    }
    assert.equal(picture.length, 4 * 64 * 64);
    const batches = log.runs.filter(({ model }) => model === "text_to_image").map(({ batch }) => batch);
    assert.deepEqual(batches, Array(sampler === "heun" ? 5 : 3).fill(2));
  });
}

test("a small picture is the sampler on estimates with its class and without", async () => {
  await runtime.load(SMALL);
  const events: StepEvent[] = [];
  const onStep = (event: StepEvent): number => events.push(event);
  const planes = await runtime.sample({ label: "cat", seed: 7 }, { onStep });
  const estimate = (x: Float32Array, t: number, told: number): Float32Array =>
    x.map((value) => value / (1 + Math.fround(t)) + told);
  const denoise = classifier_free(assert.fail, async (x, t) => [estimate(x, t, 2), estimate(x, t, 0)], 2);
  assert.deepEqual(planes, await SAMPLERS.heun(denoise, normal(7, 3072), flow(3)));
  assert.deepEqual(events.map(({ step, steps }) => [step, steps]), [[0, 3], [1, 3], [2, 3]]);
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
  await fails(runtime.sample({ ...options, clip_guidance_scale: 101 }), "failed", /^clip_guidance_scale must be a number/);
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

test("what is left out comes from the config, and a prompt in numbers needs no text tower", async () => {
  await runtime.load(["text_to_image", "autoencoder/decoder"]);
  const prompt = (tokens: number) => ({
    hidden: new Float32Array(24 * 192).fill(tokens),
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
  assert.deepEqual((await runtime.encodeText(texts)).map((row) => row[0]), texts.map((_, i) => i + 1));
  assert.deepEqual(await runtime.summarise(texts), await runtime.encodeText(texts)); // of these networks
  const pictures = [0, 255].map((value) => new Uint8ClampedArray(4 * 64 * 64).fill(value));
  assert.deepEqual((await runtime.encodeImage(pictures)).map((row) => [row.length, row[0]]), [[256, 1], [256, 1]]);
  assert.deepEqual(await runtime.tokens("a green apples"), {
    pieces: ["a", "[unk]", "apple", "##s"],
    unknown: ["green", "apples"],
    unread: [],
  });
  const clean = await runtime.denoise({ latents: new Float32Array(1024).fill(1), t: 1, prompt: "a", style: "flat" });
  assert.ok(Math.abs(clean[0]! - (0.5 + 0.2 + 1)) < 1e-6);
});

test("an answer comes piece by piece, from a cache that grows, until its end", async () => {
  const progress: number[] = [];
  await runtime.load(READER, { onProgress: ({ total }) => progress.push(total) });
  const sizes = Object.values(files("vlm")).map(({ length }) => length);
  assert.equal(progress[0], sizes.reduce((a, b) => a + b)); // one folder is fetched once
  assert.deepEqual(log.opened, READER);
  const picture = new Uint8ClampedArray(4 * 64 * 64).fill(255);
  const told: Word[] = [];
  const seen = await runtime.look({ picture });
  const words = await runtime.answer({ seen, question: "red apples" }, { onWord: (word) => told.push(word) });
  // After [start] comes a, after it apple, and after that, round the end of the vocabulary, [pad]: the end.
  assert.deepEqual(words.map(({ text }) => text), ["a", " apple"]);
  assert.deepEqual(told, words);
  const sure = Math.exp(3) / (Math.exp(3) + VOCABULARY.length - 1);
  for (const { probability, alternatives } of words) {
    assert.ok(Math.abs(probability - sure) < 1e-9);
    assert.equal(alternatives.length, 3);
    assert.equal(alternatives[1]!.text, ""); // of those that are as probable, the end has the lowest number
  }
  assert.deepEqual([...words[1]!.looked], Array.from({ length: 64 }, (_, i) => (i === 0 || i === 5 ? 0.5 : 0)));
  const blind = await runtime.answer({ seen: await runtime.look({ picture, seen: false }), question: "red" });
  assert.ok(blind[0]!.probability < sure);
  const fails = (question: string, message: RegExp) =>
    assert.rejects(runtime.answer({ seen, question }), ({ kind, message: said }: RuntimeError) => {
      return kind === "failed" && message.test(said);
    });
  await fails("  ", /empty/);
  await fails("قطة", /cannot be read/);
  await fails("red ".repeat(25), /25 tokens: 24 at most/);
  await fails("x".repeat(301), /301 characters/);
  const cancel = new AbortController();
  const onWord = (): void => cancel.abort();
  const cancelled = runtime.answer({ seen, question: "red" }, { signal: cancel.signal, onWord });
  await assert.rejects(cancelled, { kind: "cancelled" });
});

test("pieces are put together as Python does it", () => {
  assert.deepEqual(joinPieces(["a", "cat", "##s", ",", "1", "0", "?"]), ["a", " cat", "s", ",", " 1", "0", "?"]);
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
  await fails(runtime.denoise({ ...good, latents: new Float32Array(1024), t: 2 }), "failed", /^t must be a number/);
  assert.equal(workers.length, 1);
});

test("a cancel is heard within one step, and the worker is free at once", async () => {
  runtime = new Runtime(startWorker, 150);
  await runtime.load(ALL);
  const abort = new AbortController();
  let heard = 0;
  const onStep = ({ step }: StepEvent): void => {
    heard++;
    if (step === 2) abort.abort();
  };
  const options = { prompt: "a", seed: 1, num_inference_steps: 1000 };
  await fails(runtime.generate(options, { onStep, signal: abort.signal }), "cancelled", /cancelled/);
  const run = log.runs.length;
  await runtime.tokens("a");
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(heard, 3);
  assert.ok(!workers[0]!.terminated);
  assert.ok(log.runs.length - run <= 1 && log.runs.length < 12, `${log.runs.length} runs`);
  await fails(runtime.generate(options, { signal: AbortSignal.abort() }), "cancelled", /cancelled/);
  assert.equal(workers.length, 1);
});

test("two pictures can be drawn at the same time", async () => {
  await runtime.load(ALL);
  const order: number[] = [];
  await Promise.all([1, 2].map((seed) => runtime.generate({ prompt: "a", seed }, { onStep: () => order.push(seed) })));
  assert.equal(order.length, 8);
  assert.ok(order.indexOf(2) < order.lastIndexOf(1));
});

test("a worker whose networks break down is replaced", async () => {
  await runtime.load(ALL);
  breakDown = true;
  await fails(runtime.decode(new Float32Array(1024)), "failed", /memory access out of bounds/);
  assert.ok(workers[0]!.terminated);
  breakDown = false;
  await runtime.load(ALL);
  assert.equal((await runtime.decode(new Float32Array(1024))).length, 4 * 64 * 64);
  assert.equal(workers.length, 2);
});

test("a worker that crashes ends its requests and is replaced", async () => {
  const tokens = runtime.tokens("a");
  workers[0]!.fail("out of memory");
  await fails(tokens, "failed", /the worker stopped \(out of memory\): try again/);
  await runtime.load(["clip/text"]);
  assert.equal(workers.length, 2);
});

test("a worker that hears no cancel is stopped, with all that waits for it, and replaced", async () => {
  runtime = new Runtime(() => startWorker(workers.length === 0), 20);
  const abort = new AbortController();
  const cancelled = runtime.load(["clip/text"], { signal: abort.signal });
  await Promise.resolve();
  const waits = runtime.tokens("a");
  abort.abort();
  await fails(cancelled, "cancelled", /cancelled/);
  await fails(waits, "failed", /the worker hung: try again/);
  assert.ok(workers[0]!.terminated);
  await runtime.load(["clip/text"]);
  assert.equal((await runtime.tokens("a")).pieces.length, 1);
});
