// What the figure "The speed-quality dial" works out without a page.
import type { SamplerName } from "../../runtime/samplers.js";

/** The step counts of the dial. */
export const DIAL = [1, 2, 4, 8, 20, 50] as const;

/** data/dial.json: the share of n pictures that our judge names right, with its likely range, and the time of one. */
export interface Measured {
  sampler: SamplerName;
  steps: number;
  agreement: number;
  low: number;
  high: number;
  n: number;
  milliseconds: number;
}

/** The rows of each sampler, by steps. */
export function bySampler(rows: readonly Measured[]): Map<SamplerName, Measured[]> {
  const found = new Map<SamplerName, Measured[]>();
  for (const row of [...rows].sort((a, b) => a.steps - b.steps)) {
    found.set(row.sampler, [...(found.get(row.sampler) ?? []), row]);
  }
  return found;
}

/** Where more steps stop helping: the fewest steps whose agreement lies within the likely range of the best. */
export function enough(rows: readonly Measured[]): Measured | undefined {
  const [best] = [...rows].sort((a, b) => b.agreement - a.agreement);
  return best && rows.filter((row) => row.agreement >= best.low).sort((a, b) => a.steps - b.steps)[0];
}

/** How often a run asks the network. */
export function evaluations(sampler: SamplerName, steps: number): number {
  return sampler === "heun" ? 2 * steps - 1 : steps;
}

/** The cells of the table, the quickest first, so that there is soon something to see. */
export function quickestFirst(samplers: readonly SamplerName[]): { sampler: SamplerName; steps: number }[] {
  return samplers
    .flatMap((sampler) => DIAL.map((steps) => ({ sampler, steps })))
    .sort((a, b) => evaluations(a.sampler, a.steps) - evaluations(b.sampler, b.steps));
}

/** What a step took away: before = removed + after. */
export function removed(before: Float32Array, after: Float32Array): Float32Array {
  return before.map((value, i) => value - after[i]!);
}

/** How many times stronger a weak change is drawn so that it can be seen: a round number, 1 or more. */
export function gain(change: Float32Array, range = 3): number {
  const size = Math.sqrt(change.reduce((sum, value) => sum + value * value, 0) / change.length);
  const wanted = range / (2.5 * size || Infinity);
  return [50, 20, 10, 5, 2].find((factor) => factor <= wanted) ?? 1;
}
