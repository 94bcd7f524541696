/** A sentence in, a film out. Counterparts: src/bozzetto/runtime/film.py and split_prompt of src/bozzetto/world/films.py */
import { count, split } from "./arrays.js";
import { noised } from "./edit.js";
import { RuntimeError, checkChoice } from "./errors.js";
import { CONTEXT_LENGTH, FILM, LATENT_SHAPE } from "./generated.js";
import type { Begins, Control, Filmed, FilmOptions, FilmStep } from "./messages.js";
import type { Models } from "./models.js";
import { normal } from "./noise.js";
import { toPicture } from "./pixels.js";
import { encodePrompt, generate } from "./pipeline.js";
import { few_steps, type Jump, type OnStep } from "./samplers.js";
import { flow } from "./schedule.js";

const { frames, motions, stays, first_noise, jumps } = FILM;
const STUDENT = "text_few_steps";
const SHAPE = [frames, ...LATENT_SHAPE];

const FORMS = Object.entries(motions).map(([motion, form]) => {
  return [motion, new RegExp(`\\b(?:(?:is|are) )?${form}\\b`.replaceAll(" ", "\\s+"), "gi")] as const;
});

/** What moves, and how: "a red car goes left" -> ["a red car", "moves left"]; null where no motion is said. */
export function splitPrompt(prompt: string): [thing: string, motion: string | null] {
  const said = FORMS.filter(([, form]) => prompt.search(form) >= 0).map(([motion]) => motion);
  const rest = FORMS.reduce((text, [, form]) => text.replace(form, " "), prompt);
  const thing = rest.split(/\s+/).filter(Boolean).join(" ");
  const [first, second] = said;
  if (first && second) {
    const message = `prompt names two motions, "${first}" and "${second}": say one`;
    throw new RuntimeError("two-words", message, { first, second });
  }
  if (first && !thing) {
    const message = `prompt says only how something moves: name a thing, "a red car ${first}"`;
    throw new RuntimeError("no-thing", message, { motion: first });
  }
  return [thing, first ?? null];
}

/** From the seed's noise to the latents of all frames. */
export function walk(jump: Jump, seed: number, steps: number, onStep?: OnStep): Promise<Float32Array> {
  const schedule = flow(steps);
  const noise = (stream: number): Float32Array => normal(seed, count(SHAPE), first_noise + stream);
  const start = noised(new Float32Array(count(SHAPE)), schedule[0]!, noise(0));
  return few_steps(jump, start, schedule, onStep, (step) => noise(step + 1));
}

export async function film(
  models: Models,
  { prompt, seed, style, num_inference_steps }: FilmOptions,
  { emit, pause }: Omit<Control<FilmStep | Begins>, "signal">,
): Promise<Filmed> {
  const usual = models.config("film").defaults!.num_inference_steps!;
  const steps = num_inference_steps ?? usual;
  checkChoice("num_inference_steps", String(steps), jumps.map(String));
  const [thing, motion] = splitPrompt(prompt);
  if (!thing) throw new RuntimeError("failed", "prompt is empty: say what to film");
  emit({ begins: "words" });
  const told = await encodePrompt(models, thing);
  const silent = { emit: () => undefined, pause };
  const asked = { prompt: told, seed, style, model: STUDENT, num_inference_steps: usual } as const;
  emit({ begins: "student" });
  const drawn = await generate(models, asked, silent);

  const row = (data: Float32Array, ...shape: number[]) => ({ data, dims: [1, ...shape] });
  const number = (value: number) => ({ data: BigInt64Array.of(BigInt(value)), dims: [1] });
  const styles = models.config(STUDENT).styles!;
  const condition = {
    hidden: row(told.hidden, CONTEXT_LENGTH, told.hidden.length / CONTEXT_LENGTH),
    words: row(told.words, CONTEXT_LENGTH, told.words.length / CONTEXT_LENGTH),
    mask: row(told.mask, CONTEXT_LENGTH),
    embedding: row(told.embedding, told.embedding.length),
    style: number(style === undefined ? 0 : styles.indexOf(style) + 1),
    picture: row(drawn.latents, ...LATENT_SHAPE),
    motion: number(Object.keys(motions).indexOf(motion ?? stays)),
  };
  emit({ begins: "noise" });
  let [began, t] = [performance.now(), 1];
  const jump: Jump = async (x, now, until) => {
    if (now === 1) emit({ begins: "film" });
    t = now;
    const times = { t: row(Float32Array.of(now)), until: row(Float32Array.of(until)) };
    return (await models.run("film", { x: row(x, ...SHAPE), ...times, ...condition }))["clean"]!;
  };
  const latents = await walk(jump, seed, steps, async (step, noisy, clean) => {
    const milliseconds = performance.now() - began;
    emit({ step, steps, t, noisy: split(noisy, frames), clean: split(clean, frames), milliseconds });
    await pause();
    began = performance.now();
  });
  emit({ begins: "decode" });
  const { pixels } = await models.run("autoencoder/decoder", { latents: { data: latents, dims: SHAPE } });
  return { thing, motion, picture: drawn.picture, frames: split(pixels!, frames).map(toPicture) };
}
