// Pictures as a few numbers and back, by the shipped networks. Counterpart: src/bozzetto/runtime/vae.py
import { concat, split } from "../../runtime/arrays.js";
import { type Cancellable, type ModelConfig, type ModelName, Runtime } from "../../runtime/client.js";
import { normal, philox } from "../../runtime/noise.js";
import { onWhite } from "../../runtime/pixels.js";
import { SAMPLERS } from "../../runtime/samplers.js";
import { flow } from "../../runtime/schedule.js";
import type { Pixels } from "../../ui/canvas.js";

/** 32 numbers, the plain twin that learned without blur, and of both a map of two numbers. */
export type Kind = "" | "plain_" | "map_" | "plain_map_";

/** What a picture is described by: a bell curve for each number. */
export interface Code {
  mean: Float32Array;
  std: Float32Array;
}

/** Mean and standard deviation of the numbers of all training pictures. */
export interface Bell {
  mean: Float32Array;
  std: Float32Array;
}

export const SIDE = 32;
/** Numbers of a picture. */
export const PIXELS = 3 * SIDE * SIDE;
const SHAPE = [3, SIDE, SIDE];
const BATCH = 16;
const STEPS = 20;

export function encoder(kind: Kind): ModelName {
  return `vae/${kind}encoder`;
}

export function decoder(kind: Kind): ModelName {
  return `vae/${kind}decoder`;
}

export function bell({ latent_mean, latent_std }: ModelConfig): Bell {
  return { mean: Float32Array.from(latent_mean!), std: Float32Array.from(latent_std!) };
}

/** A square picture on white -> planes R, G, B [3,32,32] in [-1, 1], each dot the mean of those that it stands for. */
export function planes({ data, width }: Pixels): Float32Array {
  const step = width / SIDE;
  const values = new Float32Array(PIXELS);
  for (let at = 0; at < PIXELS; at++) {
    const [plane, row, column] = [Math.floor(at / SIDE / SIDE), Math.floor(at / SIDE) % SIDE, at % SIDE];
    let sum = 0;
    for (let y = 0; y < step; y++) {
      for (let x = 0; x < step; x++) {
        const from = 4 * ((step * row + y) * width + step * column + x);
        sum += Math.round(onWhite(data[from + plane]!, data[from + 3]!));
      }
    }
    values[at] = Math.fround(Math.round(sum / step ** 2) / 127.5) - 1;
  }
  return values;
}

/** So many at a time, so that a cancelled request ends soon. */
async function inBatches<T, R>(all: readonly T[], some: (batch: readonly T[]) => Promise<R[]>): Promise<R[]> {
  const found: R[] = [];
  for (let start = 0; start < all.length; start += BATCH) found.push(...(await some(all.slice(start, start + BATCH))));
  return found;
}

export function encode(kind: Kind, pictures: readonly Float32Array[], o: Cancellable = {}): Promise<Code[]> {
  return inBatches(pictures, async (batch) => {
    const inputs = { pixels: { data: concat(batch), dims: [batch.length, ...SHAPE] } };
    const { mean, logvar } = await Runtime.get().run({ model: encoder(kind), inputs }, o);
    const [means, logvars] = [split(mean!, batch.length), split(logvar!, batch.length)];
    return means.map((mean, i) => ({ mean, std: logvars[i]!.map((value) => Math.exp(value / 2)) }));
  });
}

/** Latents -> planes in [-1, 1]. */
export function decode(kind: Kind, latents: readonly Float32Array[], o: Cancellable = {}): Promise<Float32Array[]> {
  return inBatches(latents, async (batch) => {
    const inputs = { latents: { data: concat(batch), dims: [batch.length, batch[0]!.length] } };
    const { pixels } = await Runtime.get().run({ model: decoder(kind), inputs }, o);
    const clipped = pixels!.map((value) => Math.min(1, Math.max(-1, value)));
    return split(clipped, batch.length);
  });
}

/** On the arc from a to b about the middle of all latents, share of the way: among many numbers pictures lie in a shell
 * around the middle, and a line would cut through the hollow inside. */
export function slerp(a: Float32Array, b: Float32Array, middle: Float32Array, share: number): Float32Array {
  const [from, to] = [a, b].map((point) => point.map((value, i) => value - middle[i]!)) as [Float32Array, Float32Array];
  const dot = from.reduce((sum, value, i) => sum + value * to[i]!, 0);
  const cosine = dot / Math.max(Math.hypot(...from) * Math.hypot(...to), 1e-12);
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  const sine = Math.sin(angle);
  const [one, two] =
    sine < 1e-4 ? [1 - share, share] : [Math.sin((1 - share) * angle) / sine, Math.sin(share * angle) / sine];
  return from.map((value, i) => one * value + two * to[i]! + middle[i]!);
}

/** New latents of 32 numbers where pictures lie, one a seed: from noise by the sampler, in steps. `label`: a class of
 * pictures, from 1, or 0 for any. */
export async function sampled(bell: Bell, seeds: readonly number[], label: number, o: Cancellable = {}) {
  const [count, size] = [seeds.length, bell.mean.length];
  const labels = { data: BigInt64Array.from({ length: count }, () => BigInt(label)), dims: [count] };
  const denoise = async (z: Float32Array, t: number) => {
    const times = { data: new Float32Array(count).fill(t), dims: [count] };
    const inputs = { z: { data: z, dims: [count, size] }, t: times, label: labels };
    return (await Runtime.get().run({ model: "vae/sampler", inputs }, o))["clean"]!;
  };
  const noise = concat(seeds.map((seed) => normal(seed, size)));
  const clean = await SAMPLERS.dpmpp_2m(denoise, noise, flow(STEPS));
  return split(clean, count).map((one) => one.map((value, i) => value * bell.std[i]! + bell.mean[i]!));
}

/** Latents from a bell curve as wide as those of all training pictures, one a seed. */
export function fromBell(bell: Bell, seeds: readonly number[]): Float32Array[] {
  return seeds.map((seed) => normal(seed, bell.mean.length).map((value, i) => value * bell.std[i]! + bell.mean[i]!));
}

/** Latents thrown blindly: each number evenly within two standard deviations. */
export function thrown(bell: Bell, seed: number, count: number): Float32Array[] {
  const size = bell.mean.length;
  const words = Array.from({ length: Math.ceil((count * size) / 4) }, (_, block) =>
    philox([block, 0, 0, 0], [seed >>> 0, Math.floor(seed / 2 ** 32)]),
  ).flat();
  return Array.from({ length: count }, (_, k) =>
    bell.mean.map((mean, i) => mean + bell.std[i]! * ((4 * (words[k * size + i]! + 1)) / 2 ** 32 - 2)),
  );
}
