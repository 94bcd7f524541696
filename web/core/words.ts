// English nouns as the models know them.
import { ARTICLES, CONCEPTS, PLURALS } from "../runtime/generated.js";

const own = <T>(table: Record<string, T>, noun: string): T | undefined =>
  Object.hasOwn(table, noun) ? table[noun] : undefined;

/** "an owl", "a unicorn" */
export function a(noun: string): string {
  return `${own<string>(ARTICLES, noun) ?? (/^[aeiou]/.test(noun) ? "an" : "a")} ${noun}`;
}

export function plural(noun: string): string {
  return own<string>(PLURALS, noun) ?? `${noun}s`;
}

/** What the gallery calls it: "dog face" for a dog. */
export function conceptOf(noun: string): string {
  return own<string>(CONCEPTS, noun) ?? noun;
}

const SMALL = new Set("a an the of in on at to and or with for from by is are".split(" "));

/** The words of a text that name something. */
export function telling(words: readonly string[]): string[] {
  return words.filter((word) => !SMALL.has(word) && /[a-z0-9]/.test(word));
}
