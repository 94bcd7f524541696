// The chains as they really run: what goes through the blocks of a job, and what comes out.
import { cosines, dequantise, dot } from "../../core/vectors.js";
import { count, top } from "../../runtime/arrays.js";
import {
  type Part,
  Runtime,
  type SoundMade,
  type Start,
  type StepEvent,
  type TextHidden,
} from "../../runtime/client.js";
import { paste } from "../../runtime/edit.js";
import { LATENT_SHAPE } from "../../runtime/generated.js";
import { inLayers, read } from "../../runtime/layers.js";
import { normal } from "../../runtime/noise.js";
import { BEAT } from "../../ui/beat.js";
import { type Pixels, pixels } from "../../ui/canvas.js";
import type { Gallery } from "../../ui/gallery.js";
import { siteFile } from "../../ui/site.js";
import { t } from "../../ui/strings.js";
import type { Chain } from "./blocks.js";
import { CAPTION, DRAWN, ends, FOUND, type Job, maskPixels, parseMask, scenes, type State } from "./jobs.js";

/** What a job has made so far. */
export interface Result {
  /** All of the state that it depends on. */
  asked: string;
  /** The words that went in. */
  words: string;
  chain: Chain;
  /** The picture that went in. */
  given?: Pixels;
  pictures: Pixels[];
  /** What is on its way, as the denoiser imagines it. */
  imagined?: Pixels;
  /** Of each picture with the words. */
  scores: number[];
  /** Places in the gallery, the nearest first, with their scores. */
  found: { index: number; score: number }[];
  /** The sound, or its picture as it is imagined. */
  heard?: { picture: Float32Array; sound?: SoundMade };
  /** The tale, as far as it has come. */
  tale: string;
  /** What the talker says, as far as it has come. */
  said: string;
  /** What of the words did nothing. */
  note?: string;
  /** How often the denoiser has been asked for a step. */
  steps: number;
  complete: boolean;
}

/** Where a run is, and what it tells. */
export interface Way {
  state: State;
  result: Result;
  gallery: Gallery;
  signal: AbortSignal;
  /** The result has changed. */
  tell: () => void;
  report: (values: Record<string, number>, done: number, all: number) => void;
}

export const RUNS: Record<Job, (way: Way) => Promise<void>> = {
  vary: async (way) => {
    const start = await encoded(way, way.state.strength);
    await drawn(way, Array<string>(DRAWN.vary).fill(way.state.vary), { onward: true, from: start });
  },
  repaint: async (way) => {
    const start = await encoded(way, 1, maskPixels(parseMask(way.state.mask)));
    await drawn(way, Array<string>(DRAWN.repaint).fill(way.state.repaint), { onward: true, from: start });
  },
  story: (way) => drawn(way, scenes(way.state), {}),
  tale: async (way) => {
    const { result, state, signal, tell } = way;
    await result.chain.at("tell", () => {
      const onDraft = ({ text }: { text: string }): void => {
        result.tale = text;
        tell();
      };
      return Runtime.get().write({ prompt: state.tale.trim(), seed: state.seed }, { signal, onDraft });
    });
    await drawn(way, ends(result.tale), { layered: true });
    result.given = result.pictures[0];
    await said(way, CAPTION);
  },
  make: async (way) => {
    await drawn(way, Array<string>(DRAWN.make).fill(way.state.make), { onward: true });
    const { chain, pictures, scores } = way.result;
    const data = pictures.map(({ data }) => data);
    const seen = await chain.at("see", () => Runtime.get().encodeImage(data, way));
    const [words] = await chain.at("words", () => Runtime.get().encodeText([way.state.make], way));
    await chain.at("match", () => scores.push(...seen.map((vector) => dot(words!, vector))));
  },
  sound: async (way) => {
    const { result, state, signal } = way;
    const sound = await made(way, ({ onPart, onStep: told }) => {
      const onStep = (event: StepEvent): void => {
        result.heard = { picture: event.clean };
        told(event);
      };
      return Runtime.get().sound({ prompt: state.sound.trim(), seed: state.seed }, { signal, onPart, onStep });
    });
    result.heard = { picture: sound.picture, sound };
    if (sound.unread.length) result.note = t("same-blocks.unknown", { words: sound.unread.join(", ") });
  },
  clip: async (way) => {
    const { result, state, signal } = way;
    const { frames, motion } = await made(way, (heard) =>
      Runtime.get().film({ prompt: state.clip.trim(), seed: state.seed }, { signal, ...heard }),
    );
    if (motion === null) result.note = t("same-blocks.still");
    result.pictures = frames.map((frame) => pixels(frame));
  },
  find: async (way) => {
    const { gallery, result } = way;
    const bytes = new Int8Array(await (await siteFile("gallery.embeddings.bin")).arrayBuffer());
    const vectors = dequantise(bytes, gallery.embeddingScale, gallery.items.length);
    const [words] = await result.chain.at("words", () => Runtime.get().encodeText([way.state.find], way));
    await result.chain.at("match", () => {
      const scores = cosines(words!, vectors);
      result.found = top(scores, FOUND).map((index) => ({ index, score: scores[index]! }));
    });
    result.given = gallery.pixels(result.found[0]!.index);
    await said(way, CAPTION);
  },
  ask: (way) => said(way, way.state.ask.trim()),
};

/** The given picture as what the denoiser begins from. */
function encoded(
  { result, signal }: Way,
  strength: number,
  mask?: Uint8Array,
): Promise<Start & { pixels?: Uint8Array }> {
  const picture = result.given!.data;
  return result.chain.at("encode", async () => ({
    ...(await Runtime.get().startFrom({ picture, strength, mask }, { signal })),
    pixels: mask,
  }));
}

/** Of one run of a maker: when a part begins, and after each step. */
interface Heard {
  onPart: (part: Part) => void;
  onStep: (step: Pick<StepEvent, "step" | "steps">) => void;
}

/** What one run of a maker makes; its parts light up one after the other. */
async function made<T>({ result, report, tell }: Way, make: (heard: Heard) => Promise<T>): Promise<T> {
  const { chain } = result;
  let [part, began] = [undefined as Part | undefined, 0];
  const turn = (next: Part | undefined) => {
    const now = performance.now();
    if (part) chain.add(part, now - began);
    [part, began] = [next, now];
    chain.light(next);
  };
  const onStep: Heard["onStep"] = ({ step, steps }) => {
    result.steps++;
    report({ i: 1, n: 1, step: step + 1, steps }, step + 1, steps);
    tell();
  };
  const done = await make({ onPart: turn, onStep });
  turn(undefined);
  return done;
}

interface How {
  /** Each with a seed of its own, the next. */
  onward?: boolean;
  /** In layers where a prompt is read so. */
  layered?: boolean;
  from?: Start & { pixels?: Uint8Array };
}

/** A picture of each prompt. */
async function drawn(way: Way, prompts: string[], { onward, layered, from }: How): Promise<void> {
  const { state, result, signal } = way;
  const { seed, num_inference_steps, guidance_scale } = state;
  const { chain } = result;
  const size = count(LATENT_SHAPE);
  await chain.at("noise", () => normal(seed, size)); // as the worker will draw it
  const told = new Map<string, TextHidden>();
  const things = prompts.flatMap((prompt) => (layered && read(prompt)?.things) || [prompt]);
  for (const prompt of ["", ...things]) {
    if (!told.has(prompt)) told.set(prompt, await chain.at("words", () => Runtime.get().encodePrompt(prompt, way)));
  }
  const { pixels: mask, ...start } = from ?? {};
  const finished = (data: Uint8ClampedArray) => pixels(mask ? paste(data, result.given!.data, mask) : data);
  let begun = 0;
  for (const [i, prompt] of prompts.entries()) {
    let shown = -Infinity;
    const imagine = (latents: Float32Array) => {
      if (performance.now() < shown + BEAT) return;
      shown = performance.now();
      void Runtime.get()
        .decode(latents)
        .then((data) => {
          if (result.pictures.length === i && !signal.aborted) result.imagined = finished(data);
          way.tell();
        })
        .catch(() => undefined); // the models are gone, and with them the run
    };
    const draw = async (thing: string): Promise<Uint8ClampedArray> => {
      chain.light("denoise");
      const before = begun++;
      let ended = 0;
      const { picture } = await Runtime.get().generate(
        {
          prompt: told.get(thing)!,
          negative_prompt: told.get("")!,
          seed: onward ? seed + i : seed,
          num_inference_steps,
          guidance_scale,
          start: from && (start as Start),
        },
        {
          signal,
          onStep: ({ step, steps, clean, milliseconds }) => {
            chain.add("denoise", milliseconds);
            ended = performance.now();
            result.steps++;
            const values = { i: i + 1, n: prompts.length, step: step + 1, steps };
            way.report(values, before * steps + step + 1, things.length * steps);
            if (step + 1 < steps) imagine(clean);
            else chain.light("decode");
          },
        },
      );
      chain.add("decode", performance.now() - ended);
      return picture;
    };
    result.pictures = [...result.pictures, finished(await (layered ? inLayers(prompt, draw) : draw(prompt)))];
    result.imagined = undefined;
    way.tell();
  }
}

/** What the talker says to a question about the given picture. */
async function said({ result, signal, tell }: Way, question: string): Promise<void> {
  const { chain } = result;
  const picture = result.given!.data;
  const seen = await chain.at("look", () => Runtime.get().look({ picture }, { signal }));
  await chain.at("talk", () => {
    const onWord = ({ text }: { text: string }): void => {
      result.said += text;
      tell();
    };
    return Runtime.get().answer({ seen, question }, { signal, onWord });
  });
}
