/** A GAN that trains while one watches: one graph is a whole round, state in and state out. The twin of
 * src/bozzetto/runtime/gan_round.py, which says what the numbers mean; the seeds and their streams are the same. */
import { normal, philox } from "./noise.js";
import type { Input } from "./session.js";

export const GAN_ROUND = "gan_round"; // its model folder
export const SIZE = 16;
export const LATENT = 16;
export const BATCH = 64;
const WIDTH = 96;
const PIXELS = 3 * SIZE * SIZE;
const FORGER = [LATENT, WIDTH, WIDTH, PIXELS];
const DETECTIVE = [PIXELS, WIDTH, WIDTH, 1];

export const SHAPES = ["ring", "square", "triangle", "cross"] as const;
const COLOURS = [
  [225, 45, 57],
  [250, 195, 20],
  [40, 160, 80],
  [45, 95, 215],
];
export const MODES = SHAPES.length * COLOURS.length;
const NEAR = 0.3;

/** How far a point is outside of a shape around 0; x to the right, y down, in pixels. */
function distance(shape: (typeof SHAPES)[number], x: number, y: number, size: number): number {
  const [across, down] = [Math.abs(x), Math.abs(y)];
  if (shape === "ring") return Math.abs(Math.sqrt(x * x + y * y) - 0.9 * size) - 0.25 * size;
  if (shape === "square") return Math.max(across, down) - 0.9 * size;
  if (shape === "triangle") return Math.max((2 * across - y - 1.1 * size) / Math.sqrt(5), y - 0.9 * size);
  const [arm, reach] = [0.32 * size, 1.15 * size];
  return Math.min(Math.max(across - arm, down - reach), Math.max(down - arm, across - reach));
}

/** A shape on white: planes R, G, B in [-1, 1]; mode = 4 * shape + colour. */
export function draw(mode: number, dx = 0, dy = 0, size = 5): Float32Array {
  const shape = SHAPES[Math.floor(mode / COLOURS.length)]!;
  const colour = COLOURS[mode % COLOURS.length]!;
  const planes = new Float32Array(PIXELS);
  const centre = (SIZE - 1) / 2;
  for (let at = 0; at < SIZE * SIZE; at++) {
    const outside = distance(shape, (at % SIZE) - centre - dx, Math.floor(at / SIZE) - centre - dy, size);
    const ink = Math.min(Math.max(0.5 - outside, 0), 1);
    for (let c = 0; c < 3; c++) planes[c * SIZE * SIZE + at] = 1 + ink * (colour[c]! / 127.5 - 2);
  }
  return planes;
}

/** Real pictures, one after the other: planes [count, 3, 16, 16]. */
export function realPictures(seed: number, stream: number, count = BATCH): Float32Array {
  const key: [number, number] = [seed >>> 0, Math.floor(seed / 2 ** 32)];
  const pictures = new Float32Array(count * PIXELS);
  for (let i = 0; i < count; i++) {
    const [kind, ...words] = philox([i, 0, stream, 0], key);
    const [dx, dy, size] = words.map((word) => (word + 0.5) / 2 ** 31 - 1);
    pictures.set(draw(kind % MODES, 0.5 * dx!, 0.5 * dy!, 5 + 0.3 * size!), i * PIXELS);
  }
  return pictures;
}

const PROTOTYPES = Array.from({ length: MODES }, (_, mode) => draw(mode));

/** The kind of each picture: the nearest prototype, or -1 where none is near. */
export function modes(pictures: Float32Array): number[] {
  return Array.from({ length: pictures.length / PIXELS }, (_, i) => {
    const picture = pictures.subarray(i * PIXELS, (i + 1) * PIXELS);
    const squares = PROTOTYPES.map((kind) => {
      let sum = 0; // a loop, for it is in the way of the next round: ten times faster than reduce
      for (let at = 0; at < PIXELS; at++) sum += (kind[at]! - picture[at]!) ** 2;
      return sum;
    });
    const least = Math.min(...squares);
    return Math.sqrt(least / PIXELS) < NEAR ? squares.indexOf(least) : -1;
  });
}

/** How many of the sixteen kinds are among the pictures. */
export function variety(pictures: Float32Array): number {
  return new Set(modes(pictures).filter((mode) => mode >= 0)).size;
}

/** As in config.json's "settings". Where there are two numbers, the forger is first. */
export interface Settings {
  rates: [number, number];
  pairing: number;
  gamma: number;
}

export const BALANCED: Settings = { rates: [1.5e-3, 1.5e-3], pairing: 1, gamma: 2 };
export const COLLAPSING: Settings = { rates: [5e-4, 2e-3], pairing: 0, gamma: 0.02 }; // few modes, for long

export interface State {
  forger: Float32Array; // [3, P]: parameters and Adam's two moments
  detective: Float32Array; // [3, Q]
  steps: Float32Array; // [2], how many each has trained
  rounds: number;
}

export interface Played {
  losses: Float32Array; // [2]
  fakes: Float32Array; // [64, 3, 16, 16]
  verdicts_real: Float32Array; // [64], the probability that each is real
  verdicts_fake: Float32Array;
}

export type Run = (inputs: Record<string, Input>) => Promise<Record<string, Float32Array>>;

function player(seed: number, widths: number[], stream: number): Float32Array {
  const layers = widths.slice(1).map((out, i) => ({ fanIn: widths[i]!, out }));
  const weights = layers.reduce((sum, { fanIn, out }) => sum + fanIn * out, 0);
  const count = weights + layers.reduce((sum, { out }) => sum + out, 0);
  const noise = normal(seed, weights, stream);
  const state = new Float32Array(3 * count);
  let [from, to] = [0, 0];
  for (const { fanIn, out } of layers) {
    const scale = Math.fround(Math.sqrt(2 / fanIn));
    for (let i = 0; i < fanIn * out; i++) state[to++] = noise[from++]! * scale;
    to += out; // biases begin at 0
  }
  return state;
}

/** Untrained players. */
export function start(seed: number): State {
  const steps = new Float32Array(2);
  return { forger: player(seed, FORGER, 0), detective: player(seed, DETECTIVE, 1), steps, rounds: 0 };
}

/** The round after `state`; trains: whether forger and detective learn in it. */
export async function play(
  run: Run,
  state: State,
  settings: Settings,
  seed: number,
  trains: [boolean, boolean] = [true, true],
): Promise<{ state: State; played: Played }> {
  const stream = 2 * (state.rounds + 1);
  const numbers = (...values: number[]): Input => ({ data: Float32Array.from(values), dims: [values.length] });
  const number = (value: number): Input => ({ data: Float32Array.of(value), dims: [] });
  const out = await run({
    forger: { data: state.forger, dims: [3, state.forger.length / 3] },
    detective: { data: state.detective, dims: [3, state.detective.length / 3] },
    steps: { data: state.steps, dims: [2] },
    real: { data: realPictures(seed, stream + 1), dims: [BATCH, 3, SIZE, SIZE] },
    latents: { data: normal(seed, BATCH * LATENT, stream), dims: [BATCH, LATENT] },
    trains: numbers(...trains.map(Number)),
    rates: numbers(...settings.rates),
    pairing: number(settings.pairing),
    gamma: number(settings.gamma),
  });
  const { new_forger, new_detective, new_steps, losses, fakes, verdicts_real, verdicts_fake } = out;
  return {
    state: { forger: new_forger!, detective: new_detective!, steps: new_steps!, rounds: state.rounds + 1 },
    played: { losses: losses!, fakes: fakes!, verdicts_real: verdicts_real!, verdicts_fake: verdicts_fake! },
  };
}

/** A forger before a detective, perhaps of different times, and nobody learns: 64 pictures for each batch. */
export async function look(
  run: Run,
  { forger }: Pick<State, "forger">,
  { detective }: Pick<State, "detective">,
  seed: number,
  batches = 4,
): Promise<Omit<Played, "losses">> {
  let state: State = { forger, detective, steps: new Float32Array(2), rounds: 0 };
  const shown: Played[] = [];
  while (shown.length < batches) {
    const round = await play(run, state, BALANCED, seed, [false, false]);
    state = round.state;
    shown.push(round.played);
  }
  const joined = (name: keyof Played): Float32Array => {
    const all = new Float32Array(shown.reduce((sum, one) => sum + one[name].length, 0));
    shown.forEach((one, i) => all.set(one[name], i * one[name].length));
    return all;
  };
  return { fakes: joined("fakes"), verdicts_real: joined("verdicts_real"), verdicts_fake: joined("verdicts_fake") };
}
