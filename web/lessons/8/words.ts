// What the figure "Words steer noise" works out without a page.
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

/** The places of names that share no word with the prompt: what CLIP might see in a picture instead. */
export function rivals(prompt: string, names: readonly string[]): number[] {
  const split = (text: string) =>
    text
      .toLowerCase()
      .split(/[^a-z0-9]+/)
      .map((word) => word.replace(/e?s?$/, ""));
  const words = new Set(split(prompt).filter((word) => word.length > 1));
  return [...names.keys()].filter((i) => !split(names[i]!).some((word) => words.has(word)));
}

/** The one of these places with the highest score, if that is not below `own`. */
export function seenInstead(own: number, scores: Float32Array, places: readonly number[]): number | undefined {
  const best = places.reduce((best, i) => (scores[i]! > scores[best]! ? i : best), places[0] ?? -1);
  return best >= 0 && scores[best]! >= own ? best : undefined;
}
