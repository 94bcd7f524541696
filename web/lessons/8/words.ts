// What the figure "Words steer noise" works out without a page.
import type { Tokenizer } from "../../runtime/tokenizer.js";

/** "a red apple" -> "a", "a red", "a red apple"; of a long prompt, evenly spaced ones, the last one whole. */
export function prefixes(prompt: string, most = 8): string[] {
  const words = prompt.trim().split(/\s+/).filter(Boolean);
  const count = Math.min(words.length, most);
  const upTo = (i: number) => Math.round(((i + 1) * words.length) / count);
  return Array.from({ length: count }, (_, i) => words.slice(0, upTo(i)).join(" "));
}

/** What the words of a prefix add to the one before. */
export function added(prefix: string, before: string | undefined): string {
  return before === undefined ? prefix : prefix.slice(before.length).trim();
}

/** Neighbouring seeds from this one on. */
export function seedsFrom(seed: number, count: number): number[] {
  const first = Math.min(seed, Number.MAX_SAFE_INTEGER - count + 1);
  return Array.from({ length: count }, (_, i) => first + i);
}

/** What hinders a prompt: no word at all, or none that the model knows. */
export function problem(prompt: string, tokenizer: Tokenizer): "empty" | "unknown" | undefined {
  const pieces = tokenizer.tokenize(prompt);
  if (pieces.length === 0) return "empty";
  return pieces.every((piece) => piece === "[unk]") ? "unknown" : undefined;
}

/** Closeness of unit vectors, -1 to 1. */
export function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

/** The rivals of a prompt among names: those that are not in it. */
export function rivals(prompt: string, names: readonly string[]): string[] {
  const words = new Set(prompt.toLowerCase().split(/[^a-z]+/));
  return names.filter((name) => !words.has(name) && !words.has(`${name}s`));
}

/** Is the first vector nearer to `to` than all others? */
export function firstIsNearest(to: Float32Array, vectors: Float32Array[]): boolean {
  const [first, ...others] = vectors.map((vector) => cosine(to, vector));
  return others.every((other) => other < first!);
}
