/** Words to numbers, as src/bozzetto/runtime/tokenizer.py does it: lower case, no accents, runs of letters, single
 * digits, single marks; what is not in the vocabulary is cut into its longest pieces, from the left. */
import { RuntimeError } from "./errors.js";
import { CONTEXT_LENGTH } from "./generated.js";

const SPECIAL = ["[pad]", "[start]", "[unk]"];

// Python's idea of white space, which is not quite that of \s here.
export const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const RUNS = new RegExp(`[a-z]+|[0-9]|[^${SPACE}a-z0-9]`, "gu");

/** Is this mark one that combines with the letter before it, of a combining class other than 0?
 *
 * The class cannot be asked for, but seen: normalization sorts neighbours by it, and U+0345 has the highest (240). */
function combines(mark: string): boolean {
  return mark === "\u0345" || ("\u0345" + mark).normalize("NFD") !== "\u0345" + mark;
}

/** "A café: 10" -> a, cafe, :, 1, 0 */
export function splitWords(text: string): string[] {
  const plain = text.toLowerCase().normalize("NFKD");
  return plain.replace(/\p{M}/gu, (mark) => (combines(mark) ? "" : mark)).match(RUNS) ?? [];
}

/** Tokens as what each adds to a text: a, cat, ##s -> "a", " cat", "s" */
export function joinPieces(pieces: string[]): string[] {
  return pieces.map((piece, i) => {
    const before = pieces[i - 1] ?? "";
    const digits = /^\d$/.test(before) && /^\d$/.test(piece);
    const glued = !before || piece.startsWith("##") || [",", ".", ":", "?"].includes(piece) || digits;
    return glued ? piece.replace(/^##/, "") : ` ${piece}`;
  });
}

export class Tokenizer {
  private readonly numbers: Map<string, number>;
  private readonly longest: number;

  /** `vocabulary` lists the tokens in order of their numbers. */
  constructor(readonly vocabulary: string[]) {
    if (SPECIAL.some((token, index) => vocabulary[index] !== token)) {
      throw new RuntimeError("failed", `a vocabulary starts with ${SPECIAL.join(", ")}; this one does not`);
    }
    this.numbers = new Map(vocabulary.map((token, index) => [token, index]));
    this.longest = Math.max(...vocabulary.map((token) => token.length));
  }

  /** From a vocabulary file: one token a line. */
  static read(file: Uint8Array): Tokenizer {
    return new Tokenizer(new TextDecoder().decode(file).split("\n").slice(0, -1));
  }

  /** The tokens of one word; [unk] when it cannot be spelt. */
  pieces(word: string): string[] {
    const found: string[] = [];
    for (let start = 0; start < word.length;) {
      const prefix = start > 0 ? "##" : "";
      let end = Math.min(word.length, start + this.longest);
      while (end > start && !this.numbers.has(prefix + word.slice(start, end))) end--;
      if (end === start) return ["[unk]"];
      found.push(prefix + word.slice(start, end));
      start = end;
    }
    return found;
  }

  tokenize(text: string): string[] {
    return splitWords(text).flatMap((word) => this.pieces(word));
  }

  /** [start] and the numbers of all tokens. */
  encode(text: string): number[] {
    return [1, ...this.tokenize(text).map((piece) => this.numbers.get(piece)!)];
  }

  /** The same, cut or padded with 0 to the context's length. */
  row(text: string): number[] {
    const numbers = this.encode(text);
    return Array.from({ length: CONTEXT_LENGTH }, (_, index) => numbers[index] ?? 0);
  }

  /** What hinders a text: no word at all, or none that can be spelt. */
  problem(text: string): "empty" | "unknown" | undefined {
    const pieces = this.tokenize(text);
    if (!pieces.length) return "empty";
    return pieces.every((piece) => piece === "[unk]") ? "unknown" : undefined;
  }

  /** The words, each once, that are not in the vocabulary: read in pieces, or not at all. */
  unknownWords(text: string): string[] {
    return [...new Set(splitWords(text))].filter((word) => this.pieces(word)[0] !== word);
  }

  /** The words at the end of a text that do not fit the context any more. */
  unreadWords(text: string): string[] {
    const words = splitWords(text);
    let room = CONTEXT_LENGTH - 1; // the first token is [start]
    const index = words.findIndex((word) => (room -= this.pieces(word).length) < 0);
    return index < 0 ? [] : words.slice(index);
  }
}
