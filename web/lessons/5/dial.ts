// What the figure "The speed-quality dial" works out without a page.

import { JUMPS, SAMPLER_FACTS } from "../../runtime/generated.js";
import type { SamplerName } from "../../runtime/samplers.js";

const DIAL = [1, 2, 4, 8, 20, 50];
export const MOST_STEPS = 1000;
/** Above this a run takes a while, and says so. */
export const LONG = 100;
/** The dial turns from 0 to here, on a logarithmic scale. */
export const NOTCHES = 60;
/** The student stands among the samplers under its model's name. */
export const STUDENT = "few_steps";
export type Way = SamplerName | typeof STUDENT;

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
  sampler: Way;
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

/** The step counts of the table; a student knows only those that it has learned. */
export function stepsOf(sampler: Way): readonly number[] {
  return sampler === STUDENT ? JUMPS : DIAL;
}

/** The step counts that have a button. */
export function buttonsOf(sampler: Way): readonly number[] {
  return sampler === STUDENT ? JUMPS : [...DIAL, LONG, MOST_STEPS];
}

export function stepsAt(notch: number): number {
  return Math.round(MOST_STEPS ** (notch / NOTCHES));
}

export function notchOf(steps: number): number {
  return Math.round((NOTCHES * Math.log(steps)) / Math.log(MOST_STEPS));
}

/** The most steps that the student knows, up to so many. */
export function jumps(steps: number): number {
  return Math.max(...JUMPS.filter((count) => count <= steps));
}

/** How often a run asks the network. */
export function evaluations({ sampler, steps }: Cell): number {
  const each = sampler === STUDENT ? 1 : SAMPLER_FACTS[sampler].evaluations;
  return each * (steps - 1) + 1;
}

/** The cells of the table, the quickest first, so that there is soon something to see. */
export function quickestFirst(samplers: readonly Way[]): Cell[] {
  return samplers
    .flatMap((sampler) => stepsOf(sampler).map((steps) => ({ sampler, steps })))
    .sort((a, b) => evaluations(a) - evaluations(b));
}

/** What a step took away: before = removed + after. */
export function removed(before: Float32Array, after: Float32Array): Float32Array {
  return before.map((value, i) => value - after[i]!);
}
