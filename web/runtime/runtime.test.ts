/** The page and its worker: what is loaded, heard, cancelled, and what is replaced when it breaks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { count } from "./arrays.js";
import { type ModelName, type Progress, type StepEvent } from "./client.js";
import { LATENT_SHAPE } from "./generated.js";
import { classifier_free } from "./guidance.js";
import { normal } from "./noise.js";
import { SAMPLERS, type SamplerName } from "./samplers.js";
import { flow } from "./schedule.js";
import { ALL, begin, fails, faults, files, log, runtime, startWorker, sum, workers } from "./testing.js";

test("load reports its progress in bytes and gives the configs", async () => {
  const seen: [number, number][] = [];
  let opened = 0;
  const onProgress = ({ loaded, total, opening }: Progress): void => {
    if (opening) opened++;
    else seen.push([loaded, total]);
  };
  const configs = await runtime.load(["clip/text", "text_to_image"], { onProgress });
  assert.deepEqual(configs["text_to_image"].styles, ["flat", "3d"]);
  const total = ["clip/text", "text_to_image"].flatMap((name) => Object.values(files(name))).join("").length;
  assert.deepEqual(
    [seen[0], seen.at(-1)],
    [
      [0, total],
      [total, total],
    ],
  );
  assert.equal(opened, 2);
  assert.ok(seen.every(([loaded], index) => index === 0 || loaded > seen[index - 1]![0]));
});

test("only what the last load named stays open, and what is open is not opened again", async () => {
  await runtime.load(["clip/text", "clip/image"]);
  await Promise.all([runtime.load(["text_to_image", "clip/text"]), runtime.load(["clip/text", "autoencoder/decoder"])]);
  assert.deepEqual(log.opened, ["clip/text", "clip/image", "text_to_image", "autoencoder/decoder"]);
  assert.deepEqual(log.released, ["clip/image", "text_to_image"]);
  await fails(runtime.generate({ prompt: "a", seed: 1 }), "failed", /text_to_image is not loaded/);
  await fails(runtime.load(["clip/text", "none" as ModelName]), "missing", /none/);
  assert.equal((await runtime.decode(new Float32Array(count(LATENT_SHAPE)))).length, 4 * 64 * 64); // a failed load takes nothing away
});

test("a model is not put together with parts it was not trained with", async () => {
  faults.needed = sum("other weights");
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
      normal(7, count(LATENT_SHAPE)),
      flow(3, 1.5),
      (step, noisy, clean) => void expected.push({ step, noisy, clean }),
      (step) => normal(7, count(LATENT_SHAPE), step + 1),
    );
    assert.deepEqual(latents, end);
    assert.deepEqual(
      events.map(({ step, noisy, clean }) => ({ step, noisy, clean })),
      expected,
    );
    assert.deepEqual(
      events.map(({ t, steps }) => [t, steps]),
      flow(3, 1.5)
        .slice(0, 3)
        .map(({ t }) => [t, 3]),
    );
    for (const { clean, withPrompt, withoutPrompt } of events) {
      assert.deepEqual(
        clean,
        withoutPrompt!.map((value, i) => value + 2 * (withPrompt![i]! - value)),
      );
    }
    assert.equal(picture.length, 4 * 64 * 64);
    const batches = log.runs.filter(({ model }) => model === "text_to_image").map(({ batch }) => batch);
    assert.deepEqual(batches, Array(sampler === "heun" ? 5 : 3).fill(2));
  });
}

test("a cancel is heard within one step, and the worker is free at once", async () => {
  begin(startWorker, 150);
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
  faults.breakDown = true;
  await fails(runtime.decode(new Float32Array(count(LATENT_SHAPE))), "failed", /memory access out of bounds/);
  assert.ok(workers[0]!.terminated);
  faults.breakDown = false;
  await runtime.load(ALL);
  assert.equal((await runtime.decode(new Float32Array(count(LATENT_SHAPE)))).length, 4 * 64 * 64);
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
  begin(() => startWorker(workers.length === 0), 20);
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
