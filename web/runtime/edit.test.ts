/** What a drawing that starts from a picture walks, keeps and paints. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ModelName, RuntimeError, type StepEvent } from "./client.js";
import { inpaint, last_steps, noised, paste, toCells } from "./edit.js";
import { FRAME, LATENT_SHAPE, ROUNDS } from "./generated.js";
import { normal } from "./noise.js";
import { fromPicture, toPicture } from "./pixels.js";
import { euler } from "./samplers.js";
import { flow } from "./schedule.js";
import { ALL, fails, runtime } from "./testing.js";

const EDITOR: ModelName[] = ["text_to_image", "clip/text", "autoencoder/encoder", "autoencoder/decoder"];

test("strength is the share of the steps that is run, rounded as in Python", () => {
  for (const [strength, steps] of [
    [0, 1],
    [0.04, 1],
    [0.25, 2],
    [0.3, 3],
    [0.35, 4],
    [0.7, 7],
    [1, 10],
  ] as const) {
    assert.deepEqual(last_steps(flow(10), strength), flow(10).slice(10 - steps));
  }
  for (const strength of [-0.1, 1.1, NaN]) assert.throws(() => last_steps(flow(10), strength), RuntimeError);
});

test("a cell is painted if a pixel under it is, and outside of the mask no pixel changes", () => {
  const [, rows, columns] = LATENT_SHAPE;
  const mask = new Uint8Array(FRAME * FRAME);
  for (let row = 8; row < 17; row++) mask[row * FRAME + 40] = 1;
  const expected = new Float32Array(rows * columns);
  const column = (40 * columns) / FRAME;
  for (let row = (8 * rows) / FRAME; row <= (16 * rows) / FRAME; row++) expected[row * columns + column] = 1;
  assert.deepEqual(toCells(mask), expected);
  const [drawn, shown] = [10, 20].map((value) => new Uint8ClampedArray(4 * FRAME * FRAME).fill(value));
  paste(drawn!, shown!, mask).forEach((value, i) => assert.equal(value, mask[i >> 2] ? 10 : 20));
});

test("a picture goes to the encoder multiplied by its alpha, and what is clear has no colour", () => {
  const picture = Uint8ClampedArray.of(255, 0, 51, 255, 100, 200, 50, 0, 255, 128, 0, 102, 0, 0, 0, 255);
  const planes = fromPicture(picture);
  const expected = [1, -1, -0.2, -1, -1, -1, -0.598, -1, -0.6, -1, -1, -1, 1, -1, -0.2, 1];
  planes.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) < 1e-3, `${i}: ${value}`));
  assert.deepEqual([...toPicture(planes)], [255, 0, 51, 255, 0, 0, 0, 0, 255, 128, 0, 102, 0, 0, 0, 255]);
});

test("a drawing from a picture is the sampler's last steps, and all of them forget the picture", async () => {
  await runtime.load(EDITOR);
  const picture = new Uint8ClampedArray(4 * FRAME * FRAME).fill(255);
  const sampling = { sampler: "euler", num_inference_steps: 4, guidance_scale: 1, seed: 3 } as const;
  const start = await runtime.startFrom({ picture, strength: 0.5 });
  assert.deepEqual([start.strength, start.mask], [0.5, undefined]);
  const rest = flow(4, 1.5).slice(2); // as the stand-in for config.json shifts them
  const events: StepEvent[] = [];
  const drawn = await runtime.generate(
    { ...sampling, prompt: "a", start },
    { onStep: (event) => void events.push(event) },
  );
  assert.deepEqual(
    events.map(({ step, steps, t }) => [step, steps, t]),
    [
      [0, 2, rest[0]!.t],
      [1, 2, rest[1]!.t],
    ],
  );
  const { length } = start.latents;
  const denoise = async (x: Float32Array, t: number): Promise<Float32Array> =>
    x.map((value) => value / (1 + Math.fround(t)) + 0.2);
  assert.deepEqual(drawn.latents, await euler(denoise, noised(start.latents, rest[0]!, normal(3, length)), rest));
  const whole = await runtime.generate({ ...sampling, prompt: "a", start: { ...start, strength: 1 } });
  assert.deepEqual(whole, await runtime.generate({ ...sampling, prompt: "a" }));
  await fails(runtime.generate({ ...sampling, prompt: "a", start: { ...start, strength: 2 } }), "failed", /^strength/);
  await runtime.load(ALL);
  await fails(runtime.startFrom({ picture, strength: 1 }), "failed", /encoder is not loaded/);
});

test("a painted part is noised and denoised again, each time with new noise, and the rest stays", async () => {
  await runtime.load(EDITOR);
  const picture = new Uint8ClampedArray(4 * FRAME * FRAME).fill(255);
  const mask = new Uint8Array(FRAME * FRAME).fill(1, 0, (FRAME * FRAME) / 2);
  const start = await runtime.startFrom({ picture, strength: 1, mask });
  const sampling = { sampler: "euler", num_inference_steps: 5, guidance_scale: 1, seed: 3, prompt: "a" } as const;
  const steps: number[] = [];
  const drawn = await runtime.generate({ ...sampling, start }, { onStep: ({ step }) => void steps.push(step) });
  assert.deepEqual(
    steps,
    Array.from({ length: 5 + 3 * ROUNDS.count }, (_, i) => i),
  );
  const denoise = inpaint(
    async (x, t) => x.map((value) => value / (1 + Math.fround(t)) + 0.2),
    start.latents,
    start.mask!,
  );
  let [latents, done] = [start.latents, 0];
  for (let round = 0; round <= ROUNDS.count; round++) {
    const part = round ? flow(5, 1.5).slice(2) : flow(5, 1.5);
    latents = await euler(denoise, noised(latents, part[0]!, normal(3, latents.length, done + round)), part);
    done += part.length - 1;
  }
  assert.deepEqual(drawn.latents, latents);
  const plane = start.mask!.length;
  drawn.latents.forEach((value, i) => {
    const kept = Math.abs(value - start.latents[i]!) < 1e-5;
    assert.equal(kept, !start.mask![i % plane], `${i}`);
  });
});

test("a prompt in numbers draws what the prompt draws, and nothing is a prompt too", async () => {
  await runtime.load(EDITOR);
  const options = { seed: 5, num_inference_steps: 2, guidance_scale: 3 };
  const [prompt, negative_prompt] = [await runtime.encodePrompt("a red"), await runtime.encodePrompt("")];
  assert.deepEqual(
    await runtime.generate({ ...options, prompt, negative_prompt }),
    await runtime.generate({ ...options, prompt: "a red" }),
  );
  await fails(runtime.encodePrompt("قطة"), "unreadable", /cannot be read/);
});
