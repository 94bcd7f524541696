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
