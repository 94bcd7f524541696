/** Tiny stories, word after word or out of blanks. Counterpart: src/bozzetto/runtime/write.py */
import { concat } from "./arrays.js";
import { RuntimeError, checkNumber, checkWhole, unreadable } from "./errors.js";
import { LIMITS, WRITER as FACTS } from "./generated.js";
import type { Control, WriteOptions, WriterName, Written } from "./messages.js";
import type { Models } from "./models.js";
import { uniform } from "./noise.js";
import { joinPieces } from "./tokenizer.js";

const GRADES = 1000; // of sureness: finer ones would depend on how a machine rounds
const { end, start, unknown, mask, blank, lean } = FACTS;

/** Logits of every place [T, V], of tokens that come after those read before. */
type Read = (tokens: number[]) => Promise<Float32Array>;

/** pieces: tokens that go on with a word, which what was given is not changed by. */
export interface Way {
  seed: number;
  temperature: number;
  steps: number;
  length: number;
  window: number;
  pieces: readonly number[];
}

/**
 * The chances of all tokens by a row of logits [V]; what is no text has none. (Loops over typed arrays: a step asks for
 * thirty rows, and made of plain arrays they take as long as the network.)
 */
function chances(logits: Float32Array, temperature = 1): Float64Array {
  for (const token of [start, unknown, mask]) logits[token] = -Infinity;
  let most = -Infinity;
  for (let i = 0; i < logits.length; i++) most = Math.max(most, logits[i]!);
  const powers = new Float64Array(logits.length);
  let all = 0;
  for (let i = 0; i < logits.length; i++) {
    all += powers[i] = Math.exp((logits[i]! - most) / Math.max(temperature, 1e-3));
  }
  for (let i = 0; i < logits.length; i++) powers[i]! /= all;
  return powers;
}

/** Rows of logits [T, V]. */
function rows(logits: Float32Array, count: number): Float32Array[] {
  const size = logits.length / count;
  return Array.from({ length: count }, (_, row) => logits.subarray(row * size, (row + 1) * size));
}

/** A token of each row of logits [T, V] by its chance at this temperature; at 0 the likeliest. */
export function choose(logits: Float32Array, temperature: number, draws: Float64Array): number[] {
  return rows(logits, draws.length).map((row, i) => {
    const each = chances(row, temperature);
    if (temperature === 0) return each.indexOf(each.reduce((a, b) => Math.max(a, b)));
    const all = each.reduce((a, b) => a + b);
    let [token, sum] = [0, each[0]!];
    while (sum < draws[i]! * all) sum += each[++token]!;
    return token;
  });
}

/** How sure each chosen token of rows of logits is. */
function sureness(logits: Float32Array, chosen: readonly number[]): number[] {
  return rows(logits, chosen.length).map((row, i) => chances(row)[chosen[i]!]!);
}

/** At most so many tokens more, until one is the end. */
export async function* nextWord(read: Read, tokens: number[], { seed, temperature, steps, pieces }: Way) {
  let [draft, goingIn] = [tokens, tokens];
  yield draft;
  for (let place = 0; place < steps; place++) {
    const logits = await read(goingIn);
    const last = logits.slice(logits.length - logits.length / goingIn.length);
    if (!place) for (const piece of pieces) last[piece] = -Infinity;
    const token = choose(last, temperature, uniform(seed, 1, place))[0]!;
    if (token === end) return;
    [draft, goingIn] = [[...draft, token], [token]];
    yield draft;
  }
}

/**
 * The places after the tokens, filled in so many steps at most: of a window from the first blank on the surest first
 * and those to the left before, ends only where all words before them stand. The first end that comes there ends it.
 */
export async function* unmask(read: Read, tokens: number[], { seed, temperature, steps, length, window, pieces }: Way) {
  const blanks = length - tokens.length;
  let draft = [...tokens, ...Array<number>(blanks).fill(mask)];
  yield draft;
  for (let step = 0; step < steps && draft.includes(mask); step++) {
    const all = [...draft.keys()].filter((place) => draft[place] === mask);
    const count = all.length - Math.floor((blanks * (steps - 1 - step)) / steps);
    const to = all[0]! + window;
    const places = all.filter((place, i) => place < to || i < count);
    const said = await read(draft); // at each place, of the next one
    const size = said.length / length;
    const logits = concat(places.map((place) => said.subarray((place - 1) * size, place * size)));
    if (places[0] === tokens.length) for (const piece of pieces) logits[piece] = -Infinity;
    const draws = uniform(seed, length - 1, step);
    const chosen = choose(
      logits,
      temperature,
      Float64Array.from(places, (place) => draws[place - 1]!),
    );
    const sure = sureness(logits, chosen).map((chance, i) => {
      const grade = Math.floor(GRADES * Math.exp(-lean * (places[i]! - places[0]!)) * chance);
      return chosen[i] === end && i > 0 ? grade - 2 * GRADES : grade;
    });
    const kept = [...places.keys()].sort((a, b) => sure[b]! - sure[a]!).slice(0, count);
    draft = [...draft];
    for (const i of kept) draft[places[i]!] = chosen[i]!;
    const over = draft.indexOf(end);
    if (over > 0 && !draft.slice(0, over).includes(mask)) draft.fill(end, over);
    yield draft;
  }
}

/** A draft as text: sentences and names begin large, ends are left out. */
export function told(vocabulary: string[], names: readonly string[], draft: number[]): string {
  const known = draft.slice(1).filter((token) => token !== end);
  const pieces = known.map((token) => (token === mask ? blank : vocabulary[token]!));
  const large = (at: number): boolean => at === 0 || pieces[at - 1] === "." || names.includes(pieces[at]!);
  return joinPieces(pieces)
    .map((said, at) => (large(at) ? said.replace(/\S/, (letter) => letter.toUpperCase()) : said))
    .join("");
}

/** Writes a story; every draft of it is an event, the last one the answer. */
export async function write(
  models: Models,
  { prompt = "", seed, temperature, method = "next_word", num_inference_steps }: WriteOptions,
  { emit, pause }: Omit<Control<Written>, "signal">,
): Promise<Written> {
  const model: WriterName = `writer/${method}`;
  const { config, names = [], defaults } = models.config(model);
  const { layers, heads, width, context_length, window } = config as Record<string, number>;
  temperature ??= defaults!.temperature!;
  checkNumber("temperature", temperature, 0, LIMITS.temperature);
  const tokens = await promptTokens(models, model, prompt);
  const room = context_length! - tokens.length;
  const steps = num_inference_steps ?? room;
  checkWhole("num_inference_steps", steps, 1, 1000);
  const { vocabulary } = models.tokenizer(model);
  let [keys, values] = [new Float32Array(0), new Float32Array(0)];
  const read = async (goingIn: number[]): Promise<Float32Array> => {
    const inputs = { tokens: { data: BigInt64Array.from(goingIn, BigInt), dims: [1, goingIn.length] } };
    const dims = [1, layers!, heads!, keys.length / layers! / width!, width! / heads!];
    const cache = { keys: { data: keys, dims }, values: { data: values, dims } };
    const out = await models.run(model, method === "next_word" ? { ...inputs, ...cache } : inputs);
    [keys, values] = [out["all_keys"] ?? keys, out["all_values"] ?? values] as [typeof keys, typeof values];
    return out["logits"]!;
  };
  const most = Math.min(steps, room);
  const pieces = [...vocabulary.keys()].filter((token) => vocabulary[token]!.startsWith("##"));
  const way = { seed, temperature, steps: most, length: context_length!, window: window!, pieces };
  const drafts = (method === "next_word" ? nextWord : unmask)(read, tokens, way);
  let written: Written | undefined;
  let step = 0;
  for await (const draft of drafts) {
    const places = draft.slice(1).map((token) => (token === mask ? null : token === end ? "" : vocabulary[token]!));
    written = { step: step++, steps: most, text: told(vocabulary, names, draft), places };
    emit(written);
    await pause();
  }
  return written!;
}

async function promptTokens(models: Models, model: WriterName, prompt: string): Promise<number[]> {
  const length = [...prompt].length;
  if (length > LIMITS.prompt) {
    throw new RuntimeError("failed", `prompt has ${length} characters: keep it to ${LIMITS.prompt} at most`);
  }
  const tokenizer = models.tokenizer(model);
  const [text] = await models.readable([prompt]);
  if (tokenizer.problem(text!) === "unknown") throw unreadable(prompt);
  return tokenizer
    .encode(text!)
    .filter((token) => token !== unknown)
    .slice(0, FACTS.prompt);
}
