/** The counterparts of Python compute what Python computed: tests/golden/*.json, written by tests/test_golden.py. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FRAME, LAYERS, SAMPLER_FACTS } from "./generated.js";
import { classifier_free, clip_guided } from "./guidance.js";
import { type Plan, read, together } from "./layers.js";
import { normal, philox, type Words } from "./noise.js";
import { overWhite, toPicture, toSmall, toSolidPicture } from "./pixels.js";
import { dequantise } from "../core/vectors.js";
import { EMOJI, readable, readNames } from "./reading.js";
import { few_steps, SAMPLERS, type SamplerName } from "./samplers.js";
import { flow } from "./schedule.js";
import { readWords, toSound } from "./sound.js";
import { joinPieces, splitWords, Tokenizer } from "./tokenizer.js";
import { nextWord, told, unmask } from "./write.js";

interface Golden {
  noise: {
    philox: { counter: Words; key: [number, number]; words: Words }[];
    noise: { seed: number; stream: number; shape: number[]; words: number[]; first: number[]; last: number[] }[];
  };
  schedule: { steps: number; shift: number; levels: [number, number, number][] }[];
  samplers: {
    sampler: SamplerName | "few_steps";
    steps: number;
    shift: number;
    seed: number;
    walked: { noisy: number[]; clean: number[] }[];
  }[];
  guidance: { scale: number; interval: [number, number]; x: number[]; t: number; guided: number[] }[];
  steering: { scale: number; data_std: number; x: number[]; t: number; guided: number[] }[];
  pieces: { pieces: string[]; texts: string[] }[];
  vectors: { bytes: number[]; scale: number; vectors: number[][] };
  tokenizer: {
    vocabulary: string[];
    texts: { text: string; row: number[]; words: string; pieces: string; unknown: string; unread: string }[];
  };
  reading: { text: string; readable: string }[];
  writer: {
    vocabulary: string[];
    names: string[];
    length: number;
    window: number;
    stories: {
      method: "next_word" | "unmask";
      seed: number;
      temperature: number;
      most: number;
      drafts: number[][];
      texts: string[];
    }[];
  };
  sound: {
    words: { prompt: string; label: number[]; unread: string[] }[];
    sounds: { picture: number[]; samples: number[] }[];
  };
  layers: {
    read: { prompt: string; plan: Plan | null }[];
    boxes: [left: number, top: number, right: number, bottom: number][];
    together: { plan: Pick<Plan, "layout" | "background">; things: number[]; picture: number[] }[];
  };
  pixels: { planes: number[]; picture: number[]; rgba: number[]; over_white: number[]; shrunk: number[] };
}

const walks = { ...SAMPLERS, few_steps };

function golden<K extends keyof Golden>(name: K): Golden[K] {
  return JSON.parse(readFileSync(new URL(`../../tests/golden/${name}.json`, import.meta.url), "utf8")) as Golden[K];
}

function assertClose(actual: ArrayLike<number>, expected: number[], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, i) => assert.ok(Math.abs(actual[i]! - value) <= tolerance, `[${i}] ${actual[i]} ${value}`));
}

/** How many float32 numbers lie between two of them. */
function ulps(a: number, b: number): number {
  const [first, second] = new Int32Array(Float32Array.of(a, b).buffer);
  const ordered = (bits: number): number => (bits < 0 ? -(bits & 0x7fffffff) : bits);
  return Math.abs(ordered(first!) - ordered(second!));
}

test("Philox gives the published answers", () => {
  for (const { counter, key, words } of golden("noise").philox) assert.deepEqual(philox(counter, key), words);
});

test("noise is that of Python, up to a last bit", () => {
  for (const { seed, stream, shape, words, first, last } of golden("noise").noise) {
    const key: [number, number] = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
    assert.deepEqual(
      [0, 1].flatMap((block) => philox([block, 0, stream, 0], key)),
      words,
    );
    const values = normal(
      seed,
      shape.reduce((a, b) => a * b),
      stream,
    );
    first.forEach((value, i) => assert.ok(ulps(values[i]!, value) <= 1, `${seed} ${stream} [${i}]`));
    last.forEach((value, i) => assert.ok(ulps(values.at(i - last.length)!, value) <= 1));
  }
});

test("a seed that is none is refused by name", () => {
  for (const seed of [-1, 2 ** 53, 0.5, NaN]) {
    assert.throws(() => normal(seed, 4), /^RuntimeError: seed must be a whole number from 0 to 9007199254740991, not/);
  }
});

test("the flow schedule is that of Python", () => {
  for (const { steps, shift, levels } of golden("schedule")) {
    assertClose(
      flow(steps, shift).flatMap(({ t, alpha, sigma }) => [t, alpha, sigma]),
      levels.flat(),
      1e-14,
    );
  }
  assert.throws(() => flow(0), /num_inference_steps must be a whole number from 1 to 1000, not 0/);
});

test("every sampler walks as in Python", async () => {
  const cases = golden("samplers");
  assert.deepEqual([...new Set(cases.map(({ sampler }) => sampler))].sort(), Object.keys(walks).sort());
  for (const { sampler, steps, shift, seed, walked } of cases) {
    const start = normal(seed, 6);
    const untouched = start.slice();
    let step = 0;
    const end = await walks[sampler](
      async (x, t, until = 0) => x.map((value) => value / (1 + t) + 0.1 + until),
      start,
      flow(steps, shift),
      (at, noisy, clean) => {
        assert.equal(at, step);
        assertClose(noisy, walked[step]!.noisy, 1e-5);
        assertClose(clean, walked[step]!.clean, 1e-5);
        step++;
      },
      (at) => normal(seed, 6, at + 1),
    );
    assert.equal(step, steps);
    assertClose(end, walked.at(-1)!.noisy, 1e-5);
    assert.deepEqual(start, untouched);
  }
});

test("a stochastic sampler asks for noise", async () => {
  const stochastic = (Object.keys(SAMPLERS) as SamplerName[]).filter((name) => SAMPLER_FACTS[name].stochastic);
  assert.ok(stochastic.includes("ddpm") && !stochastic.includes("euler"));
  for (const sampler of [...stochastic, "few_steps"] as const) {
    const run = walks[sampler](async (x) => x, normal(0, 6), flow(2));
    await assert.rejects(run, new RegExp(`noise is missing: ${sampler} is stochastic`));
  }
});

test("guidance is that of Python, and computes no estimate that is thrown away", async () => {
  for (const { scale, interval, x, t, guided } of golden("guidance")) {
    const asked: string[] = [];
    const withPrompt = Float32Array.from(x, (value) => value / 2 + t);
    const withoutPrompt = Float32Array.from(x, (value) => value / 4 - t);
    const denoise = classifier_free(
      async () => (asked.push("one"), withPrompt),
      async () => (asked.push("pair"), [withPrompt, withoutPrompt]),
      scale,
      interval,
      (clean, pair) => {
        asked.push("told");
        assertClose(clean, guided, 1e-5 * Math.max(1, scale));
        assert.deepEqual(pair, [withPrompt, withoutPrompt]);
      },
    );
    assertClose(await denoise(Float32Array.from(x), t), guided, 1e-5 * Math.max(1, scale));
    assert.deepEqual(asked, scale === 1 || t < interval[0] || t > interval[1] ? ["one"] : ["pair", "told"]);
  }
});

test("steering by a scorer is that of Python, and scale 0 asks for no gradient", async () => {
  for (const { scale, data_std, x, t, guided } of golden("steering")) {
    let asked = 0;
    const gradient = async (clean: Float32Array) => (asked++, clean.map((value) => -value));
    const denoise = async (x: Float32Array, t: number) => x.map((value) => value / 2 + t);
    const steered = clip_guided(denoise, gradient, scale, data_std);
    assertClose(await steered(Float32Array.from(x), t), guided, 1e-5 * Math.max(1, scale));
    assert.equal(asked, scale === 0 ? 0 : 1);
  }
});

test("pieces are joined as in Python", () => {
  for (const { pieces, texts } of golden("pieces")) assert.deepEqual(joinPieces(pieces), texts);
});

test("int8 vectors come back as in Python", () => {
  const { bytes, scale, vectors } = golden("vectors");
  const rows = dequantise(Int8Array.from(bytes), scale, vectors.length);
  vectors.forEach((vector, i) => assertClose(rows[i]!, vector, 1e-6));
});

test("every sampler asks the network as often as generated.ts says", async () => {
  for (const [name, sampler] of Object.entries(SAMPLERS)) {
    let asked = 0;
    const denoise = async (x: Float32Array) => (asked++, x);
    await sampler(denoise, normal(0, 6), flow(5), undefined, (step) => normal(0, 6, step + 1));
    assert.equal(asked, 4 * SAMPLER_FACTS[name as SamplerName].evaluations + 1, name);
  }
});

test("the tokenizer reads every text as Python does", () => {
  const { vocabulary, texts } = golden("tokenizer");
  const tokenizer = Tokenizer.read(new TextEncoder().encode(vocabulary.join("\n") + "\n"));
  for (const { text, row, words, pieces, unknown, unread } of texts) {
    assert.equal(splitWords(text).join(" "), words);
    assert.equal(tokenizer.tokenize(text).join(" "), pieces);
    assert.equal(tokenizer.unknownWords(text).join(" "), unknown);
    assert.equal(tokenizer.unreadWords(text).join(" "), unread);
    assert.deepEqual(tokenizer.row(text), row);
  }
});

test("emoji are read by their names, as Python reads them", () => {
  const names = readNames(readFileSync("src/bozzetto/runtime/emoji.tsv"))!;
  for (const { text, readable: read } of golden("reading")) assert.equal(readable(text, names), read);
  for (const emoji of names.keys()) assert.match(emoji, EMOJI);
  assert.equal(readable("a\u200b cat 🐶"), "a cat 🐶"); // without the names
  assert.equal(readNames(new Uint8Array(10)), undefined);
});

test("a word of 10,000 letters is read at once", () => {
  const tokenizer = new Tokenizer(["[pad]", "[start]", "[unk]", "a", "##a"]);
  const began = performance.now();
  assert.equal(tokenizer.pieces("a".repeat(10_000)).length, 10_000);
  assert.ok(performance.now() - began < 1000);
});

test("a vocabulary must start with the special tokens", () => {
  assert.throws(() => new Tokenizer(["a", "b"]), /starts with \[pad\]/);
});

test("a picture without holes has its bytes rounded and cut off as in Python", () => {
  const planes = Float32Array.of(-2, -1, -0.5, 0, 0.5, 1, 2, 1 / 255, 3 / 255, 0, 0, 0);
  assert.deepEqual(
    [...toSolidPicture(planes)],
    [0, 191, 129, 255, 0, 255, 128, 255, 64, 255, 128, 255, 128, 128, 128, 255],
  );
});

test("pixels are those of Python", () => {
  const { planes, picture, rgba, over_white, shrunk } = golden("pixels");
  assert.deepEqual([...toPicture(Float32Array.from(planes))], picture);
  assert.deepEqual([...overWhite(Uint8ClampedArray.from(rgba))], over_white);
  assertClose(toSmall(Uint8ClampedArray.from(rgba)), shrunk, 1e-6);
});

test("a seed is the same story", async () => {
  const { vocabulary, names, length, window, stories } = golden("writer");
  const read = (tokens: number[]) => {
    const row = (token: number, t: number) => vocabulary.map((_, v) => 2 * Math.sin(1.3 * (v + 1) * (t + 1) + token));
    return Promise.resolve(Float32Array.from(tokens.flatMap(row)));
  };
  for (const { method, seed, temperature, most, drafts, texts } of stories) {
    const pieces = [...vocabulary.keys()].filter((token) => vocabulary[token]!.startsWith("##"));
    const way = { seed, temperature, steps: most, length, window, pieces };
    const walk = (method === "unmask" ? unmask : nextWord)(read, [1], way);
    const written: number[][] = [];
    for await (const draft of walk) written.push(draft);
    assert.deepEqual(written, drafts);
    assert.deepEqual(
      written.map((draft) => told(vocabulary, names, draft)),
      texts,
    );
  }
});

test("a prompt is the same label, and a picture the same sound", () => {
  const { words, sounds } = golden("sound");
  for (const { prompt, label, unread } of words) assert.deepEqual(readWords(prompt), { label, unread });
  for (const { picture, samples } of sounds) {
    const heard = toSound(Float32Array.from(picture, (value) => value / 127.5 - 1));
    assert.equal(heard.length, 16000);
    assertClose(
      heard.filter((_, i) => i % 25 === 0),
      samples,
      1e-4,
    );
  }
});

test("things are read of a sentence as Python reads them", () => {
  for (const { prompt, plan } of golden("layers").read) assert.deepEqual(read(prompt), plan ?? undefined, prompt);
});

test("things are put together as Python puts them", () => {
  const { boxes, together: cases } = golden("layers");
  const things = boxes.map(([left, top, right, bottom], k) =>
    Uint8ClampedArray.from({ length: 4 * FRAME * FRAME }, (_, i) => {
      const [x, y, c] = [(i >> 2) % FRAME, Math.floor(i / 4 / FRAME), i % 4];
      const value = (7 * x + 13 * y + 50 * c + 31 * k) % 256;
      if (c < 3) return value;
      const inside = left <= x && x < right && top <= y && y < bottom;
      return inside ? value % (k < 3 ? 256 : LAYERS.visible) : 0;
    }),
  );
  for (const { plan, things: shown, picture } of cases) {
    const whole = together({ things: [], ...plan }, shown.map((k) => things[k]!)); // prettier-ignore
    const every = (i: number) => Math.floor(i / 4 / FRAME) % 3 === 0 && ((i >> 2) % FRAME) % 3 === 0;
    assertClose(whole.filter((_, i) => every(i)), picture, 1); // prettier-ignore
  }
});
