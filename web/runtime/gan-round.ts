/** A GAN that trains while one watches: one graph is a whole round, state in and state out. The counterpart of
 * src/bozzetto/runtime/gan_round.py, which says what the numbers mean; the seeds and their streams are the same. */
import { concat } from "./arrays.js";
import { GAN_ROUND as FACTS } from "./generated.js";
import { normal, philox } from "./noise.js";
import type { Input } from "./session.js";

export const GAN_ROUND = "gan_round"; // its model folder
export const SIZE = FACTS.size;
const PIXELS = 3 * SIZE * SIZE;
const COLOURS = Object.values(FACTS.colours);
export const MODES = FACTS.shapes.length * COLOURS.length;

/** How far a point is outside of a shape around 0; x to the right, y down, in pixels. */
function distance(shape: (typeof FACTS.shapes)[number], x: number, y: number, size: number): number {
  const [across, down] = [Math.abs(x), Math.abs(y)];
  if (shape === "ring") return Math.abs(Math.sqrt(x * x + y * y) - 0.9 * size) - 0.25 * size;
  if (shape === "square") return Math.max(across, down) - 0.9 * size;
  if (shape === "triangle") return Math.max((2 * across - y - 1.1 * size) / Math.sqrt(5), y - 0.9 * size);
  const [arm, reach] = [0.32 * size, 1.15 * size];
  return Math.min(Math.max(across - arm, down - reach), Math.max(down - arm, across - reach));
}

/** A shape on white: planes R, G, B in [-1, 1]; mode = 4 * shape + colour. */
export function draw(mode: number, dx = 0, dy = 0, size = 5): Float32Array {
  const shape = FACTS.shapes[Math.floor(mode / COLOURS.length)]!;
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
export function realPictures(seed: number, stream: number, count: number): Float32Array {
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
    return Math.sqrt(least / PIXELS) < FACTS.near ? squares.indexOf(least) : -1;
  });
}

/** How many of the sixteen kinds are among the pictures. */
export function variety(pictures: Float32Array): number {
  return new Set(modes(pictures).filter((mode) => mode >= 0)).size;
}

/** How a round is trained. Where there are two numbers, the generator is first. */
export interface Settings {
  rates: [number, number];
  pairing: number;
  gamma: number;
}

/** What config.json says of the graph: widths from layer to layer, and pictures of each kind in a round. */
export interface Sizes {
  generator: number[];
  discriminator: number[];
  batch: number;
}

/** The open graph. */
export interface GanRoundGraph {
  run: (inputs: Record<string, Input>) => Promise<Record<string, Float32Array>>;
  sizes: Sizes;
  settings: Record<string, Settings>; // by name: "balanced", "collapsing"
}

export interface State {
  generator: Float32Array; // [3, P]: parameters and Adam's two moments
  discriminator: Float32Array; // [3, Q]
  steps: Float32Array; // [2], how many each has trained
  rounds: number;
}

export interface Played {
  losses: Float32Array; // [2]
  fakes: Float32Array; // [batch, 3, 16, 16]
  verdicts_real: Float32Array; // [batch], the probability that each is real
  verdicts_fake: Float32Array;
}

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
export function start(seed: number, { generator, discriminator }: Sizes): State {
  const steps = new Float32Array(2);
  return { generator: player(seed, generator, 0), discriminator: player(seed, discriminator, 1), steps, rounds: 0 };
}

/** The round after `state`; trains: whether generator and discriminator learn in it. */
export async function play(
  { run, sizes }: GanRoundGraph,
  state: State,
  settings: Settings,
  seed: number,
  trains: [boolean, boolean] = [true, true],
): Promise<{ state: State; played: Played }> {
  const { generator, discriminator } = state;
  const stream = 2 * (state.rounds + 1);
  const [latent, batch] = [sizes.generator[0]!, sizes.batch];
  const numbers = (...values: number[]): Input => ({ data: Float32Array.from(values), dims: [values.length] });
  const number = (value: number): Input => ({ data: Float32Array.of(value), dims: [] });
  const out = await run({
    generator: { data: generator, dims: [3, generator.length / 3] },
    discriminator: { data: discriminator, dims: [3, discriminator.length / 3] },
    steps: { data: state.steps, dims: [2] },
    real: { data: realPictures(seed, stream + 1, batch), dims: [batch, 3, SIZE, SIZE] },
    latents: { data: normal(seed, batch * latent, stream), dims: [batch, latent] },
    trains: numbers(...trains.map(Number)),
    rates: numbers(...settings.rates),
    pairing: number(settings.pairing),
    gamma: number(settings.gamma),
  });
  const { new_generator, new_discriminator, new_steps, losses, fakes, verdicts_real, verdicts_fake } = out;
  const players = { generator: new_generator!, discriminator: new_discriminator! };
  return {
    state: { ...players, steps: new_steps!, rounds: state.rounds + 1 },
    played: { losses: losses!, fakes: fakes!, verdicts_real: verdicts_real!, verdicts_fake: verdicts_fake! },
  };
}

/** A generator before a discriminator, perhaps of different times, and nobody learns: pictures of so many batches. */
export async function evaluate(
  graph: GanRoundGraph,
  { generator }: Pick<State, "generator">,
  { discriminator }: Pick<State, "discriminator">,
  seed: number,
  batches: number,
): Promise<Omit<Played, "losses">> {
  const [settings] = Object.values(graph.settings); // any will do
  let state: State = { generator, discriminator, steps: new Float32Array(2), rounds: 0 };
  const shown: Played[] = [];
  while (shown.length < batches) {
    const round = await play(graph, state, settings!, seed, [false, false]);
    state = round.state;
    shown.push(round.played);
  }
  const joined = (name: keyof Played): Float32Array => concat(shown.map((one) => one[name]));
  return { fakes: joined("fakes"), verdicts_real: joined("verdicts_real"), verdicts_fake: joined("verdicts_fake") };
}
