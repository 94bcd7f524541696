/** From words to pictures, from pictures to embeddings: the networks put together. Twins: src/bozzetto/runtime/
 * text_to_image.py and label.py. */
import { RuntimeError, checkChoice, checkNumber } from "./errors.js";
import { classifier_free, type Pair } from "./guidance.js";
import type {
  Control, DenoiseOptions, Generated, GenerateOptions, Prompt, StepEvent, TextHidden, Tokens,
} from "./messages.js";
import type { Models } from "./models.js";
import { normal } from "./noise.js";
import { overWhite, toPicture } from "./pixels.js";
import { SAMPLERS } from "./samplers.js";
import { flow } from "./schedule.js";
import { CONTEXT_LENGTH, splitWords } from "./tokenizer.js";

type Pause = Control["pause"];

const LATENT_SHAPE = [16, 8, 8];
const LATENT_SIZE = 16 * 8 * 8;
const MAX_PROMPT = 300;
const BATCH = 16; // how many are encoded at once, between two pauses

type Condition = TextHidden & { style: number };

function concat(arrays: Float32Array[]): Float32Array {
  const size = arrays[0]!.length;
  const all = new Float32Array(size * arrays.length);
  arrays.forEach((array, index) => all.set(array, index * size));
  return all;
}

function split(all: Float32Array, count: number): Float32Array[] {
  const size = all.length / count;
  return Array.from({ length: count }, (_, index) => all.slice(index * size, (index + 1) * size));
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

/** Unit embeddings [256]. */
export function encodeText(models: Models, texts: string[], pause: Pause): Promise<Float32Array[]> {
  const tokenizer = models.tokenizer();
  const encode = async (batch: string[]) =>
    (await textTower(models, batch.map((text) => tokenizer.row(text))))["embedding"]!;
  return inBatches(texts, encode, pause);
}

/** Pictures RGBA 64 x 64, seen over white -> unit embeddings [256]. */
export function encodeImage(models: Models, pictures: Uint8ClampedArray[], pause: Pause): Promise<Float32Array[]> {
  const encode = async (batch: Uint8ClampedArray[]) => {
    const pixels = { data: concat(batch.map(overWhite)), dims: [batch.length, 3, 64, 64] };
    return (await models.run("clip/image", { pixels }))["embedding"]!;
  };
  return inBatches(pictures, encode, pause);
}

export function tokens(models: Models, text: string): Tokens {
  const tokenizer = models.tokenizer();
  return {
    pieces: tokenizer.tokenize(text),
    unknown: tokenizer.unknownWords(text),
    unread: tokenizer.unreadWords(text),
  };
}

/** A latent [16, 8, 8] -> a picture RGBA 64 x 64. */
export async function decode(models: Models, data: Float32Array): Promise<Uint8ClampedArray> {
  const { pixels } = await models.run("autoencoder/decoder", { latents: { data, dims: [1, ...LATENT_SHAPE] } });
  return toPicture(pixels!);
}

/** What the denoiser is told; style 0 is any style. */
async function condition(models: Models, prompt: Prompt, style = 0): Promise<Condition> {
  if (typeof prompt !== "string") return { ...prompt, style };
  const length = [...prompt].length;
  if (length > MAX_PROMPT) {
    throw new RuntimeError("failed", `prompt has ${length} characters: keep it to ${MAX_PROMPT} at most`);
  }
  const row = models.tokenizer().row(prompt);
  const { hidden, embedding } = await textTower(models, [row]);
  return { hidden: hidden!, embedding: embedding!, mask: Float32Array.from(row, (token) => +(token !== 0)), style };
}

/** The condition of a wanted picture, which must have words. */
function wanted(models: Models, model: string, prompt: Prompt, style?: string): Promise<Condition> {
  const styles = models.config(model).styles ?? [];
  if (style !== undefined) checkChoice("style", style, styles);
  if (typeof prompt === "string" && splitWords(prompt).length === 0) {
    throw new RuntimeError("failed", "prompt is empty: say what to draw");
  }
  return condition(models, prompt, style === undefined ? 0 : styles.indexOf(style) + 1);
}

/** The clean estimates of one latent, one for each condition, computed together. */
async function estimate(models: Models, model: string, x: Float32Array, t: number, conditions: Condition[]) {
  const count = conditions.length;
  const input = (rows: Float32Array[], ...shape: number[]) => ({ data: concat(rows), dims: [count, ...shape] });
  const { hidden, embedding } = conditions[0]!;
  const outputs = await models.run(model, {
    x: input(conditions.map(() => x), ...LATENT_SHAPE),
    t: input(conditions.map(() => Float32Array.of(t))),
    hidden: input(conditions.map((each) => each.hidden), CONTEXT_LENGTH, hidden.length / CONTEXT_LENGTH),
    mask: input(conditions.map((each) => each.mask), CONTEXT_LENGTH),
    embedding: input(conditions.map((each) => each.embedding), embedding.length),
    style: { data: BigInt64Array.from(conditions, (each) => BigInt(each.style)), dims: [count] },
  });
  return split(outputs["clean"]!, count);
}

/** The clean estimate at one noise level, without guidance. */
export async function denoise(models: Models, options: DenoiseOptions): Promise<Float32Array> {
  const { latents, t, prompt, style, model = "text_to_image" } = options;
  checkNumber("t", t, 0, 1);
  return (await estimate(models, model, latents, t, [await wanted(models, model, prompt, style)]))[0]!;
}

export async function generate(
  models: Models,
  options: GenerateOptions,
  { emit, pause }: Omit<Control<StepEvent>, "signal">,
): Promise<Generated> {
  const { prompt, negative_prompt = "", seed, style, model = "text_to_image" } = options;
  const defaults = models.config(model).defaults!;
  const {
    sampler = defaults.sampler,
    num_inference_steps = defaults.num_inference_steps,
    guidance_scale = defaults.guidance_scale,
    guidance_interval = defaults.guidance_interval,
  } = options;
  checkChoice("sampler", sampler, Object.keys(SAMPLERS));
  const schedule = flow(num_inference_steps);
  const start = normal(seed, LATENT_SIZE);

  const told = await wanted(models, model, prompt, style);
  const both = guidance_scale === 1 ? [] : [told, await condition(models, negative_prompt)];
  const pairs = new WeakMap<Float32Array, Pair>(); // by the guided estimate that came of each
  const guided = classifier_free(
    async (x, t) => (await estimate(models, model, x, t, [told]))[0]!,
    async (x, t) => (await estimate(models, model, x, t, both)) as Pair,
    guidance_scale,
    guidance_interval,
    (clean, pair) => pairs.set(clean, pair),
  );

  let began = performance.now();
  const tell = async (step: number, noisy: Float32Array, clean: Float32Array): Promise<void> => {
    const [withPrompt, withoutPrompt] = pairs.get(clean) ?? [];
    const milliseconds = performance.now() - began;
    const { t } = schedule[step]!;
    emit({ step, steps: schedule.length - 1, t, noisy, clean, withPrompt, withoutPrompt, milliseconds });
    await pause();
    began = performance.now();
  };
  const latents = await SAMPLERS[sampler](guided, start, schedule, tell, (step) => normal(seed, LATENT_SIZE, step + 1));
  return { latents, picture: await decode(models, latents) };
}
