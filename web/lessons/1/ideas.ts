// Ideas that the maker knows, as the text tower has read them, so that the tower itself need not be fetched.
import type { TextHidden } from "../../runtime/client.js";
import { CONTEXT_LENGTH } from "../../runtime/generated.js";

export interface Idea {
  name: string;
  prompt: string;
  tokens: number;
  /** Base64 of float16 [tokens, 192]. */
  hidden: string;
  /** Likewise. */
  words: string;
  /** Base64 of float16 [256]. */
  embedding: string;
}

/** IEEE 754 half precision, little end first, in base64. */
export function halves(base64: string): Float32Array {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) => {
    const bits = view.getUint16(2 * i, true);
    const exponent = (bits >> 10) & 31;
    const fraction = (bits & 1023) / 1024;
    const sign = bits & 0x8000 ? -1 : 1;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
  });
}

/** As the denoiser takes it: padded to the context's length, with a mask of those that are there. */
export function textHidden({ tokens, hidden, words, embedding }: Idea): TextHidden {
  const padded = (base64: string): Float32Array => {
    const read = halves(base64);
    const all = new Float32Array(CONTEXT_LENGTH * (read.length / tokens));
    all.set(read);
    return all;
  };
  const mask = new Float32Array(CONTEXT_LENGTH).fill(1, 0, tokens);
  return { hidden: padded(hidden), words: padded(words), mask, embedding: halves(embedding) };
}
