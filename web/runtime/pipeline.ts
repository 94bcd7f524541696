/** From words to pictures, from pictures to embeddings: the networks put together. Counterparts: src/bozzetto/runtime/
 * text_to_image.py, sample.py, clip.py and classify.py. */
import { concat, count, split } from "./arrays.js";
import { inpaint, noised, stretches, toCells } from "./edit.js";
import { RuntimeError, checkChoice, checkNumber, unreadable } from "./errors.js";
import { CONTEXT_LENGTH, FRAME, JUMPS, LATENT_SHAPE, LIMITS, SMALL_SHAPE, STEERED } from "./generated.js";
import { classifier_free, clip_guided, type Pair } from "./guidance.js";
import type {
  Control,
  DenoiseOptions,
  Generated,
  GenerateOptions,
  GuessOptions,
  Prompt,
  SampleOptions,
  Sampling,
  Start,
  StartOptions,
  StepEvent,
  TextHidden,
  Tokens,
} from "./messages.js";
import type { Models } from "./models.js";
import { normal } from "./noise.js";
import { fromPicture, overWhite, toPicture } from "./pixels.js";
import { few_steps, SAMPLERS, type Denoise, type Jump } from "./samplers.js";
import { flow } from "./schedule.js";
import type { Input } from "./session.js";

type Pause = Control["pause"];
type Steps = Omit<Control<StepEvent>, "signal">;

/** What is neither asked for nor in the model's config.json. */
const PLAIN: Partial<Sampling> = { sampler: "euler", guidance_scale: 1, guidance_interval: [0, 1], shift: 1 };
const STEER = "clip/image/steer.onnx";
const BATCH = 16; // how many are encoded at once, between two pauses

type Condition = TextHidden & { style: number };

function stack(arrays: Float32Array[], ...shape: number[]): Input {
  return { data: concat(arrays), dims: [arrays.length, ...shape] };
}

function numbers(each: number[]): Input {
  return { data: BigInt64Array.from(each, BigInt), dims: [each.length] };
}

async function inBatches<T>(items: T[], encode: (batch: T[]) => Promise<Float32Array>, pause: Pause) {
  const rows: Float32Array[] = [];
  for (let start = 0; start < items.length; start += BATCH) {
    const batch = items.slice(start, start + BATCH);
    rows.push(...split(await encode(batch), batch.length));
    await pause();
  }
  return rows;
}

function textTower(models: Models, rows: number[][]): Promise<Record<string, Float32Array>> {
  const data = BigInt64Array.from(rows.flat(), BigInt);
  return models.run("clip/text", { tokens: { data, dims: [rows.length, CONTEXT_LENGTH] } });
}

/** Texts as rows of tokens. Something in each must be in letters that the models know, unless it is empty. */
async function rows(models: Models, texts: string[]): Promise<number[][]> {
  const tokenizer = models.tokenizer();
  return (await models.readable(texts)).map((text, i) => {
    if (tokenizer.problem(text) === "unknown") throw unreadable(texts[i]!);
    return tokenizer.row(text);
  });
}

/** Rows of tokens -> unit embeddings [256] of the sentences, one after the other. */
async function embed(models: Models, rows: number[][]): Promise<Float32Array> {
  const { words } = await textTower(models, rows);
  const size = words!.length / (rows.length * CONTEXT_LENGTH);
  const { embedding } = await models.run("clip/order", {
    words: { data: words!, dims: [rows.length, CONTEXT_LENGTH, size] },
    mask: { data: Float32Array.from(rows.flat(), present), dims: [rows.length, CONTEXT_LENGTH] },
  });
  return embedding!;
}

/** 1 for a token, 0 for padding. */
function present(token: number): number {
  return +(token !== 0);
}

/** Unit vectors [256]: what text-to-image is told of a sentence as a whole. */
export function summarise(models: Models, texts: string[], pause: Pause): Promise<Float32Array[]> {
  return inBatches(texts, async (batch) => (await textTower(models, await rows(models, batch)))["summary"]!, pause);
}

/** Unit embeddings [256]. */
export function encodeText(models: Models, texts: string[], pause: Pause): Promise<Float32Array[]> {
  return inBatches(texts, async (batch) => embed(models, await rows(models, batch)), pause);
}

/** Pictures RGBA 64 x 64, seen over white -> unit embeddings [256]. */
export function encodeImage(models: Models, pictures: Uint8ClampedArray[], pause: Pause): Promise<Float32Array[]> {
  const encode = async (batch: Uint8ClampedArray[]) => {
    const pixels = stack(batch.map(overWhite), 3, FRAME, FRAME);
    return (await models.run("clip/image", { pixels }))["embedding"]!;
  };
  return inBatches(pictures, encode, pause);
}

export async function tokens(models: Models, text: string): Promise<Tokens> {
  const tokenizer = models.tokenizer();
  const [read] = await models.readable([text]);
  return {
    pieces: tokenizer.tokenize(read!),
    unknown: tokenizer.unknownWords(read!),
    unread: tokenizer.unreadWords(read!),
  };
}

/** A latent [8, 16, 16] -> a picture RGBA 64 x 64. */
export async function decode(models: Models, data: Float32Array): Promise<Uint8ClampedArray> {
  const { pixels } = await models.run("autoencoder/decoder", { latents: { data, dims: [1, ...LATENT_SHAPE] } });
  return toPicture(pixels!);
}

/** A picture RGBA 64 x 64, drawn at 128 x 128. Counterpart: src/bozzetto/runtime/enlarger.py */
export async function enlarge(models: Models, picture: Uint8ClampedArray): Promise<Uint8ClampedArray> {
  const pixels = { data: fromPicture(picture), dims: [1, 4, FRAME, FRAME] };
  const { large } = await models.run("enlarger", { pixels });
  return toPicture(large!);
}

/** A picture RGBA 64 x 64, and a mask of its pixels, as what `generate` begins from. */
export async function startFrom(models: Models, { picture, strength, mask }: StartOptions): Promise<Start> {
  const pixels = { data: fromPicture(picture), dims: [1, 4, FRAME, FRAME] };
  const { latents } = await models.run("autoencoder/encoder", { pixels });
  return { latents: latents!, strength, ...(mask && { mask: toCells(mask) }) };
}

/** A prompt, or nothing, as what `generate` is told of it. */
export async function encodePrompt(models: Models, prompt: string): Promise<TextHidden> {
  const { hidden, words, embedding, mask } = await condition(models, prompt, true);
  return { hidden, words, embedding, mask };
}

/** What the denoiser is told; style 0 is any style. */
async function condition(models: Models, prompt: Prompt, mayBeEmpty: boolean, style = 0): Promise<Condition> {
  if (typeof prompt !== "string") return { ...prompt, style };
  const row = await promptRow(models, prompt, mayBeEmpty);
  const { hidden, words, summary } = await textTower(models, [row]);
  return { hidden: hidden!, words: words!, embedding: summary!, mask: Float32Array.from(row, present), style };
}

async function promptRow(models: Models, prompt: string, mayBeEmpty = false): Promise<number[]> {
  const length = [...prompt].length;
  if (length > LIMITS.prompt) {
    throw new RuntimeError("failed", `prompt has ${length} characters: keep it to ${LIMITS.prompt} at most`);
  }
  const [row] = await rows(models, [prompt]);
  if (!mayBeEmpty && !row![1]) throw new RuntimeError("failed", "prompt is empty: say what to draw");
  return row!;
}

/** The condition of a wanted picture, which must have words. */
async function wanted(models: Models, model: string, prompt: Prompt, style?: string): Promise<Condition> {
  const styles = models.config(model).styles ?? [];
  if (style !== undefined) checkChoice("style", style, styles);
  return condition(models, prompt, false, style === undefined ? 0 : styles.indexOf(style) + 1);
}

/** The clean estimates of one latent, one for each condition, computed together. */
async function estimate(
  models: Models,
  model: string,
  x: Float32Array,
  t: number,
  conditions: Condition[],
  until?: number,
) {
  const { hidden, embedding } = conditions[0]!;
  const outputs = await models.run(model, {
    x: stack(
      conditions.map(() => x),
      ...LATENT_SHAPE,
    ),
    t: stack(conditions.map(() => Float32Array.of(t))),
    hidden: stack(
      conditions.map((each) => each.hidden),
      CONTEXT_LENGTH,
      hidden.length / CONTEXT_LENGTH,
    ),
    words: stack(
      conditions.map((each) => each.words),
      CONTEXT_LENGTH,
      hidden.length / CONTEXT_LENGTH,
    ),
    mask: stack(
      conditions.map((each) => each.mask),
      CONTEXT_LENGTH,
    ),
    embedding: stack(
      conditions.map((each) => each.embedding),
      embedding.length,
    ),
    style: numbers(conditions.map((each) => each.style)),
    ...(until !== undefined && { until: stack(conditions.map(() => Float32Array.of(until))) }),
  });
  return split(outputs["clean"]!, conditions.length);
}

/** The clean estimate at one noise level, without guidance. */
export async function denoise(models: Models, options: DenoiseOptions): Promise<Float32Array> {
  const { latents, t, prompt, style, model = "text_to_image" } = options;
  checkNumber("t", t, 0, 1);
  return (await estimate(models, model, latents, t, [await wanted(models, model, prompt, style)]))[0]!;
}

/** What was asked for, and the rest from the model's config.json. A few-step student has its own way to walk and its guidance built in. */
export function chosen(
  models: Models,
  model: string,
  asked: Partial<Sampling>,
): [sampling: Sampling, student: boolean] {
  const { config, defaults } = models.config(model);
  const sampling = { ...PLAIN, ...defaults, ...asked, ...(config.jumps && PLAIN) } as Sampling;
  if (config.jumps) checkChoice("num_inference_steps", String(sampling.num_inference_steps), JUMPS.map(String));
  return [sampling, Boolean(config.jumps)];
}

/** From the seed's noise, or a picture under it, to a clean x. `ask` gives the clean estimate of an x, or with `both` the two for guidance; a
 * student, which has its own sampler, is told where its jump ends. */
export async function walk(
  { sampler, num_inference_steps, guidance_scale, guidance_interval, shift }: Sampling,
  student: boolean,
  seed: number,
  shape: readonly number[],
  ask: (x: Float32Array, t: number, both: boolean, until?: number) => Promise<Float32Array[]>,
  { emit, pause }: Steps,
  steered: (denoise: Denoise) => Denoise = (denoise) => denoise,
  from?: Start,
): Promise<Float32Array> {
  checkChoice("sampler", sampler, Object.keys(SAMPLERS));
  const parts = stretches(flow(num_inference_steps, shift), from);
  const all = parts.reduce((sum, { length }) => sum + length - 1, 0);
  const size = count(shape);
  const pairs = new WeakMap<Float32Array, Pair>(); // by the guided estimate that came of each
  const guided = classifier_free(
    async (x, t) => (await ask(x, t, false))[0]!,
    async (x, t) => (await ask(x, t, true)) as Pair,
    guidance_scale,
    guidance_interval,
    (clean, pair) => pairs.set(clean, pair),
  );

  let began = performance.now();
  let [latents, done] = [from?.latents ?? new Float32Array(size), 0];
  for (const [index, schedule] of parts.entries()) {
    const [before, stream] = [done, done + index]; // steps, and noises of the seed: each start takes one more
    const tell = async (step: number, noisy: Float32Array, clean: Float32Array): Promise<void> => {
      const [withPrompt, withoutPrompt] = pairs.get(clean) ?? [];
      const milliseconds = performance.now() - began;
      const { t } = schedule[step]!;
      emit({ step: before + step, steps: all, t, noisy, clean, withPrompt, withoutPrompt, milliseconds });
      await pause();
      began = performance.now();
    };
    const noise = (step: number): Float32Array => normal(seed, size, stream + step + 1);
    const start = noised(latents, schedule[0]!, normal(seed, size, stream));
    const jump: Jump = async (x, t, until) => (await ask(x, t, false, until))[0]!;
    latents = await (student
      ? few_steps(jump, start, schedule, tell, noise)
      : SAMPLERS[sampler](steered(guided), start, schedule, tell, noise));
    done += schedule.length - 1;
  }
  return latents;
}

export async function generate(models: Models, options: GenerateOptions, steps: Steps): Promise<Generated> {
  const { prompt, negative_prompt = "", seed, style, model = "text_to_image", start, ...asked } = options;
  const [sampling, student] = chosen(models, model, asked);
  if (student && start) throw new RuntimeError("failed", "a student begins from noise alone: leave out the start");
  const told = [await wanted(models, model, prompt, style)];
  const both = sampling.guidance_scale === 1 ? told : [...told, await condition(models, negative_prompt, true)];
  const ask = (x: Float32Array, t: number, two: boolean, until?: number) =>
    estimate(models, model, x, t, two ? both : told, until);
  const painted = (denoise: Denoise) => (start?.mask ? inpaint(denoise, start.latents, start.mask) : denoise);
  const latents = await walk(sampling, student, seed, LATENT_SHAPE, ask, steps, painted, start);
  return { latents, picture: await decode(models, latents) };
}

/** The clean estimates of one small picture, one for each number of a class, computed together. */
async function imagine(models: Models, model: string, x: Float32Array, t: number, labels: number[], until?: number) {
  const each = (values: Float32Array, ...shape: number[]) =>
    stack(
      labels.map(() => values),
      ...shape,
    );
  const inputs = { x: each(x, ...SMALL_SHAPE), t: each(Float32Array.of(t)), label: numbers(labels) };
  const end = until !== undefined && { until: each(Float32Array.of(until)) };
  const { clean } = await models.run(model, { ...inputs, ...end });
  return split(clean!, labels.length);
}

/** The clean estimate of a small picture, [3, 32, 32]. Counterpart: src/bozzetto/runtime/sample.py */
export async function guess(models: Models, options: GuessOptions): Promise<Float32Array> {
  const { noisy, t, label, model = "diffusion" } = options;
  const classes = models.config(model).config.classes!;
  checkNumber("t", t, 0, 1);
  if (label !== undefined) checkChoice("label", label, classes);
  return (await imagine(models, model, noisy, t, [classes.indexOf(label!) + 1]))[0]!; // 0 for any class
}

/** A small picture -> the gradient of log p(words | picture). */
function towards(models: Models, embedding: Float32Array) {
  const scale = models.config(STEER).logit_scale!;
  const target: Input = { data: embedding, dims: [1, embedding.length] };
  return async (data: Float32Array): Promise<Float32Array> => {
    const { gradient } = await models.run(STEER, { pixels: { data, dims: [1, ...SMALL_SHAPE] }, target });
    return gradient!.map((value) => scale * value);
  };
}

/** Planes R, G, B [3, 32, 32] in [-1, 1]. Counterpart: src/bozzetto/runtime/sample.py */
export async function sample(models: Models, options: SampleOptions, steps: Steps): Promise<Float32Array> {
  const { label, prompt, seed, model = "diffusion", ...asked } = options;
  const { config } = models.config(model);
  if (prompt !== undefined && (label !== undefined || config.jumps)) {
    throw new RuntimeError(
      "failed",
      "a prompt steers diffusion of any class: leave out the label, and take no student",
    );
  }
  const all = { ...(prompt !== undefined && STEERED), ...asked };
  const [sampling, student] = chosen(models, model, all);
  if (label === undefined)
    sampling.guidance_scale = 1; // both estimates would be the same
  else checkChoice("label", label, config.classes!);
  const number = config.classes!.indexOf(label!) + 1; // 0 for any
  const ask = (x: Float32Array, t: number, two: boolean, until?: number) =>
    imagine(models, model, x, t, two ? [number, 0] : [number], until);
  if (prompt === undefined) return walk(sampling, student, seed, SMALL_SHAPE, ask, steps);
  const gradient = towards(models, await embed(models, [await promptRow(models, prompt)]));
  return walk(sampling, false, seed, SMALL_SHAPE, ask, steps, (denoise) =>
    clip_guided(denoise, gradient, all.clip_guidance_scale!, config["data_std"] as number),
  );
}
