// What the figure "The speed-quality dial" works out without a page.

/** The step counts of the dial, and those that the few-step student has learned. */
const DIAL = [1, 2, 4, 8, 20, 50];
const JUMPS = [1, 2, 4, 8];
/** The student stands among the samplers under its model's name. */
export const STUDENT = "few_steps";

/** One way to draw, over many pictures: their Frechet distance from the training pictures with its likely range, and
 * the time of one. */
export interface Measured {
  name: string; // a sampler's, or the model's
  steps: number;
  frechet: number;
  low: number;
  high: number;
  milliseconds: number;
}

/** data/dial.json: each row from n pictures; `floor` is the distance of as many real ones. */
export interface Dial {
  n: number;
  guidance_scale: number;
  floor: number;
  rows: Measured[];
}

export interface Cell {
  sampler: string;
  steps: number;
}

/** The rows of each name, by steps. */
export function byName(rows: readonly Measured[]): Map<string, Measured[]> {
  const found = new Map<string, Measured[]>();
  for (const row of [...rows].sort((a, b) => a.steps - b.steps)) {
    found.set(row.name, [...(found.get(row.name) ?? []), row]);
  }
  return found;
}

/** Where more steps stop helping: the fewest steps whose distance lies within the likely range of the best. */
export function enough(rows: readonly Measured[]): Measured | undefined {
  const [best] = [...rows].sort((a, b) => a.frechet - b.frechet);
  return best && rows.filter((row) => row.frechet <= best.high).sort((a, b) => a.steps - b.steps)[0];
}

export function stepsOf(sampler: string): number[] {
  return sampler === STUDENT ? JUMPS : DIAL;
}

/** The most steps that the student knows, up to so many. */
export function jumps(steps: number): number {
  return Math.max(...JUMPS.filter((count) => count <= steps));
}

/** How often a run asks the network. */
export function evaluations({ sampler, steps }: Cell): number {
  return sampler === "heun" ? 2 * steps - 1 : steps;
}

/** The cells of the table, the quickest first, so that there is soon something to see. */
export function quickestFirst(samplers: readonly string[]): Cell[] {
  return samplers
    .flatMap((sampler) => stepsOf(sampler).map((steps) => ({ sampler, steps })))
    .sort((a, b) => evaluations(a) - evaluations(b));
}

/** What a step took away: before = removed + after. */
export function removed(before: Float32Array, after: Float32Array): Float32Array {
  return before.map((value, i) => value - after[i]!);
}

/** How many times stronger a weak change is drawn so that it can be seen: a round number, 1 or more. */
export function gain(change: Float32Array): number {
  const size = Math.sqrt(change.reduce((sum, value) => sum + value * value, 0) / change.length);
  const wanted = 1 / (2.5 * size || Infinity);
  return [50, 20, 10, 5, 2].find((factor) => factor <= wanted) ?? 1;
}
