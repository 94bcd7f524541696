/** Questions about a picture, answered a piece at a time. Counterpart: src/bozzetto/runtime/ask.py */
import { softmax, top } from "./arrays.js";
import { RuntimeError, unreadable } from "./errors.js";
import { FRAME, LIMITS, VLM as FACTS } from "./generated.js";
import type { AnswerOptions, Control, Guess, LookOptions, Seen, Word } from "./messages.js";
import type { Models } from "./models.js";
import { overWhite } from "./pixels.js";
import { joinPieces, type Tokenizer } from "./tokenizer.js";

const VLM = "vlm";
const LOOK = "vlm/look.onnx";
const GUESSES = 3;

function failed(message: string): never {
  throw new RuntimeError("failed", message);
}

/** The question as tokens, without a [start] before them. */
async function check(models: Models, question: string, tokenizer: Tokenizer): Promise<number[]> {
  const length = [...question].length;
  if (!question.trim()) failed("question is empty: ask something, for example 'how many cats are there?'");
  if (length > LIMITS.question) failed(`question has ${length} characters: ${LIMITS.question} at most`);
  const [read] = await models.readable([question]);
  const tokens = tokenizer.encode(read!).slice(1);
  const unknown = tokens.filter((token) => tokenizer.vocabulary[token] === "[unk]").length;
  if (2 * unknown > tokens.length || !tokens.length) throw unreadable(question);
  if (tokens.length > FACTS.tokens) {
    failed(`question has ${tokens.length} tokens: ${FACTS.tokens} at most, make it shorter`);
  }
  return tokens;
}

/** Looks at a picture RGBA 64 x 64 over white; not `seen`: as if it was not there, for a blind guess. */
export async function look(models: Models, { picture, seen = true }: LookOptions): Promise<Seen> {
  const pixels = { data: overWhite(picture), dims: [1, 3, FRAME, FRAME] };
  const { keys, values } = await models.run(LOOK, { pixels, seen: { data: Float32Array.of(+seen), dims: [1] } });
  return { keys: keys!, values: values! };
}

/** The most probable answer about what was seen. */
export async function answer(
  models: Models,
  { seen, question }: AnswerOptions,
  { emit, pause }: Omit<Control<Word>, "signal">,
): Promise<Word[]> {
  const tokenizer = models.tokenizer();
  const { layers, heads, width } = models.config(VLM).config as Record<"layers" | "heads" | "width", number>;
  let { keys, values } = seen;
  let tokens = [...(await check(models, question, tokenizer)), FACTS.start];
  const said: string[] = [];
  const words: Word[] = [];
  while (words.length < FACTS.tokens) {
    const dims = [1, layers, heads, keys.length / layers / width, width / heads];
    const out = await models.run(VLM, {
      tokens: { data: BigInt64Array.from(tokens, BigInt), dims: [1, tokens.length] },
      keys: { data: keys, dims },
      values: { data: values, dims },
    });
    [keys, values] = [out["all_keys"]!, out["all_values"]!];
    const chances = softmax(out["logits"]!.slice(-out["logits"]!.length / tokens.length));
    const best = top(chances, GUESSES);
    if (best[0] === FACTS.end) break;
    const alternatives = best.map((token): Guess => {
      const text = token === FACTS.end ? "" : joinPieces([...said, tokenizer.vocabulary[token]!]).at(-1)!;
      return { text, probability: chances[token]! };
    });
    const last = (layer: number) => ((layer + 1) * tokens.length - 1) * FACTS.patches; // of looked [layers, T, 64]
    const looked = Float32Array.from({ length: FACTS.patches }, (_, patch) => {
      let sum = 0;
      for (let layer = 0; layer < layers; layer++) sum += out["looked"]![last(layer) + patch]!;
      return sum / layers;
    });
    said.push(tokenizer.vocabulary[best[0]!]!);
    words.push({ ...alternatives[0]!, looked, alternatives });
    emit(words.at(-1)!);
    await pause();
    tokens = [best[0]!];
  }
  return words;
}
