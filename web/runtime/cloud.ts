// A cloud of points, and a denoiser that is small enough to learn it while somebody watches: two hidden layers, and Adam.
//
// A clean point c and noise e are mixed to x = (1 - t) c + t e, as pictures are. The network sees x and t and is to say
// e - c, the direction in which noise grows at x. Its best answer is the mean over all c and e that give this x, so
// (1 - t) c + t e = x makes c = x - t (e - c): the clean point that it imagines is x - t times its answer.

import type { CloudLearned, CloudOptions, CloudStep, Control } from "./messages.js";
import { SAMPLERS } from "./samplers.js";
import { flow } from "./schedule.js";

/** Random numbers of a seed, each in [0, 1): sfc32 by Chris Doty-Humphrey. */
export type Random = () => number;

export function random(seed: number): Random {
  let [a, b, c, d] = [seed | 0, Math.floor(seed / 2 ** 32) | 0, 0x9e3779b9, 1];
  const next = (): number => {
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 12; i++) next(); // until the seed has mixed
  return next;
}

/** A number of the standard normal distribution (Box and Muller 1958). */
export function gaussian(next: Random): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

export const HIDDEN = 48;
const RATES = [1, 2, 4]; // of the waves that x, y and t are shown as
const FEATURES = 3 + 6 * RATES.length;
const SIZES = [FEATURES, HIDDEN, HIDDEN, 2];
/** Where each layer's weights [in, out] and then its biases [out] lie in the one array of parameters. */
const LAYERS = SIZES.slice(1).map((outs, i) => {
  const before = SIZES.slice(0, i + 1).reduce((sum, ins, j) => sum + (ins + 1) * SIZES[j + 1]!, 0);
  const ins = SIZES[i]!;
  return { ins, outs, weights: before - (ins + 1) * outs, biases: before - outs };
});
export const PARAMETERS = LAYERS.reduce((sum, { ins, outs }) => sum + (ins + 1) * outs, 0);

export const STEPS = 1500;
export const LEVELS = 100; // of noise that points flow through

/** Points [n, 2] with a time each, or one time for all -> what the first layer sees, [n, FEATURES]. */
function features(points: ArrayLike<number>, times: ArrayLike<number> | number): Float64Array {
  const count = points.length / 2;
  const seen = new Float64Array(FEATURES * count);
  for (let n = 0; n < count; n++) {
    const t = typeof times === "number" ? times : times[n]!;
    const values = [points[2 * n]!, points[2 * n + 1]!, 2 * t - 1];
    let at = FEATURES * n;
    for (const value of values) {
      seen[at++] = value;
      for (const rate of RATES) {
        seen[at++] = Math.sin(rate * value);
        seen[at++] = Math.cos(rate * value);
      }
    }
  }
  return seen;
}

/** What every layer gives for a batch, the features first and the answer [n, 2] last. */
function forward(parameters: Float64Array, seen: Float64Array): Float64Array[] {
  const count = seen.length / FEATURES;
  const all = [seen];
  LAYERS.forEach(({ ins, outs, weights, biases }, layer) => {
    const from = all[layer]!;
    const to = new Float64Array(count * outs);
    for (let n = 0; n < count; n++) {
      const row = n * outs;
      for (let out = 0; out < outs; out++) to[row + out] = parameters[biases + out]!;
      for (let i = 0; i < ins; i++) {
        const value = from[n * ins + i]!;
        const w = weights + i * outs;
        for (let out = 0; out < outs; out++) to[row + out]! += value * parameters[w + out]!;
      }
    }
    all.push(layer === LAYERS.length - 1 ? to : to.map(Math.tanh));
  });
  return all;
}

/** The direction in which noise grows at each point: points [n, 2] at one time -> [n, 2]. */
export function velocity(parameters: Float64Array, points: ArrayLike<number>, t: number): Float64Array {
  return forward(parameters, features(points, t)).at(-1)!;
}

/** The mean squared error of the answers to noisy points [n, 2], and its gradient by the parameters. */
export function lossAndGradient(
  parameters: Float64Array,
  noisy: Float64Array,
  times: ArrayLike<number>,
  wanted: Float64Array,
): { loss: number; gradient: Float64Array } {
  const all = forward(parameters, features(noisy, times));
  const count = times.length;
  const gradient = new Float64Array(PARAMETERS);
  const answer = all.at(-1)!;
  let error = answer.map((value, i) => value - wanted[i]!);
  const loss = error.reduce((sum, value) => sum + value * value, 0) / count;
  error = error.map((value) => (2 * value) / count); // of the loss by the answer
  for (let layer = LAYERS.length - 1; layer >= 0; layer--) {
    const { ins, outs, weights, biases } = LAYERS[layer]!;
    const from = all[layer]!;
    const before = new Float64Array(count * ins); // of the loss by what this layer was shown
    for (let n = 0; n < count; n++) {
      const row = n * outs;
      for (let out = 0; out < outs; out++) gradient[biases + out]! += error[row + out]!;
      for (let i = 0; i < ins; i++) {
        const value = from[n * ins + i]!;
        const w = weights + i * outs;
        let sum = 0;
        for (let out = 0; out < outs; out++) {
          const by = error[row + out]!;
          gradient[w + out]! += value * by;
          sum += by * parameters[w + out]!;
        }
        before[n * ins + i] = sum * (1 - value * value); // through tanh
      }
    }
    error = before;
  }
  return { loss, gradient };
}

export const BATCH = 64;
const RATE = 1e-2;
const [KEPT, KEPT_SQUARES] = [0.9, 0.99];

/** A network that learns; `parameters` are the mean over its last steps, which is calmer than the newest ones. */
export class Learner {
  readonly parameters: Float64Array;
  steps = 0;
  /** The loss, averaged over the last steps. */
  loss = NaN;
  private readonly newest = new Float64Array(PARAMETERS);
  private readonly slope = new Float64Array(PARAMETERS);
  private readonly squares = new Float64Array(PARAMETERS);
  private readonly next: Random;

  /** `points` [n, 2] are what it learns, in so many steps, over which the rate sinks. */
  constructor(
    private readonly points: Float64Array,
    seed: number,
    private readonly planned = STEPS,
  ) {
    this.next = random(seed);
    for (const { ins, outs, weights } of LAYERS) {
      for (let i = 0; i < ins * outs; i++) this.newest[weights + i] = gaussian(this.next) / Math.sqrt(ins);
    }
    this.newest.fill(0, LAYERS.at(-1)!.weights); // it begins without an opinion
    this.parameters = this.newest.slice();
  }

  get done(): boolean {
    return this.steps >= this.planned;
  }

  /** One step of stochastic gradient descent, by Adam (Kingma and Ba 2015). */
  step(): void {
    const { next, newest, slope, squares } = this;
    const [noisy, wanted] = [new Float64Array(2 * BATCH), new Float64Array(2 * BATCH)];
    const times = Array.from({ length: BATCH }, next);
    times.forEach((t, n) => {
      const which = Math.floor((next() * this.points.length) / 2);
      for (let axis = 0; axis < 2; axis++) {
        const [clean, noise] = [this.points[2 * which + axis]!, gaussian(next)];
        noisy[2 * n + axis] = (1 - t) * clean + t * noise;
        wanted[2 * n + axis] = noise - clean;
      }
    });
    const { loss, gradient } = lossAndGradient(newest, noisy, times, wanted);
    const step = ++this.steps;
    this.loss = step === 1 ? loss : 0.95 * this.loss + 0.05 * loss;
    const rate =
      (RATE * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, step / this.planned))) * Math.sqrt(1 - KEPT_SQUARES ** step)) /
      (1 - KEPT ** step);
    const fresh = Math.max(0.03, 1 / step);
    for (let i = 0; i < PARAMETERS; i++) {
      const by = gradient[i]!;
      slope[i] = KEPT * slope[i]! + (1 - KEPT) * by;
      squares[i] = KEPT_SQUARES * squares[i]! + (1 - KEPT_SQUARES) * by * by;
      newest[i]! -= (rate * slope[i]!) / (Math.sqrt(squares[i]!) + 1e-8);
      this.parameters[i]! += fresh * (newest[i]! - this.parameters[i]!);
    }
  }
}

const SLICE = 12; // milliseconds of work between two looks for messages
const TELL = 100; // milliseconds from one set of parameters to the next

/** Learns the points, and lets the noise flow along what was learned, by the very sampler that makes pictures. */
export async function learnCloud(
  { points, noise, seed, steps = STEPS }: CloudOptions,
  { emit, pause }: Omit<Control<CloudStep>, "signal">,
): Promise<CloudLearned> {
  const learner = new Learner(points, seed, steps);
  let told = performance.now();
  while (!learner.done) {
    const until = performance.now() + SLICE;
    while (!learner.done && performance.now() < until) learner.step();
    if (learner.done || performance.now() > told + TELL) {
      told = performance.now();
      emit({ steps: learner.steps, loss: learner.loss, parameters: learner.parameters });
    }
    await pause();
  }
  const start = Float32Array.from(noise);
  const flowing: Float32Array[] = [start];
  const clean = (x: Float32Array, t: number) => {
    const growing = velocity(learner.parameters, x, t);
    return Promise.resolve(x.map((value, i) => value - t * growing[i]!));
  };
  await SAMPLERS.euler(clean, start, flow(LEVELS), async (_, x) => {
    flowing.push(x);
    await pause();
  });
  return { flowing };
}
