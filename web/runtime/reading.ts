/** Text as people type it, made readable for the tokenizer, as src/bozzetto/runtime/reading.py does it: emoji become
 * their names, what cannot be seen is dropped. */
import { EMOJI_BYTES } from "./generated.js";
import { SPACE } from "./tokenizer.js";

type Names = ReadonlyMap<string, string>;

const VARIANTS = /\ufe0e|\ufe0f|[\u{1f3fb}-\u{1f3ff}]/gu;
export const EMOJI = /[\p{Extended_Pictographic}\p{Regional_Indicator}\u20e3]/u; // one of these is in all that have a name
// What is never drawn, and the control characters that are no white space.
const INVISIBLE = new RegExp(`\\p{Default_Ignorable_Code_Point}|(?![${SPACE}])\\p{Cc}`, "gu");

/** "two 🍎🍎" -> "two  red apple  red apple ", by the names that are there. */
export function readable(text: string, names: Names = new Map()): string {
  const plain = text.replace(VARIANTS, "");
  const longest = Math.max(1, ...[...names.keys()].map((emoji) => emoji.length));
  let said = "";
  for (let at = 0, end; at < plain.length; at = end) {
    end = Math.min(plain.length, at + longest);
    while (end > at + 1 && !names.has(plain.slice(at, end))) end--;
    const found = plain.slice(at, end);
    said += names.has(found) ? ` ${names.get(found)} ` : found;
  }
  return said.replace(INVISIBLE, "");
}

/** Of a file with an emoji and its name in each line; undefined for one that is not whole. */
export function readNames(file: Uint8Array): Names | undefined {
  if (file.length !== EMOJI_BYTES) return undefined;
  const lines = new TextDecoder().decode(file).trimEnd().split("\n");
  return new Map(lines.map((line) => line.split("\t") as [string, string]));
}

/** Reads texts. The names of emoji are fetched when a text first holds one; without them the rest is read. */
export class Reader {
  private names: Names | undefined;

  constructor(private readonly file: URL) {}

  /** Gets ready to read these texts. */
  async learn(texts: string[]): Promise<void> {
    if (this.names || !texts.some((text) => EMOJI.test(text))) return;
    const answer = await fetch(this.file).catch(() => undefined);
    const bytes = answer?.ok ? await answer.arrayBuffer().catch(() => undefined) : undefined;
    if (bytes) this.names = readNames(new Uint8Array(bytes));
  }

  read(text: string): string {
    return readable(text, this.names);
  }
}
