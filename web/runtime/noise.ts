/** Noise that depends on the seed and nothing else: Philox-4x32-10 and Box-Muller, as src/bozzetto/diffusion/noise.py
 * sets them out. The words are the same everywhere; the values are equal up to a last bit. */
import { checkWhole } from "./errors.js";

export type Words = [number, number, number, number];

const MAX_SEED = Number.MAX_SAFE_INTEGER; // 2^53 - 1
const U32 = 2 ** 32;

/** The upper half of the 64-bit product of two u32, by 16-bit halves: no sum below passes 2^32. */
function multiplyHigh(a: number, b: number): number {
  const [a1, a0, b1, b0] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const low = a1 * b0 + ((a0 * b0) >>> 16);
  const middle = a0 * b1 + (low & 0xffff);
  return a1 * b1 + (low >>> 16) + (middle >>> 16);
}

/** Ten rounds of Philox: a counter of four u32 and a key of two -> four random u32. */
export function philox([c0, c1, c2, c3]: Words, [k0, k1]: [number, number]): Words {
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = [multiplyHigh(c0, 0xd2511f53), Math.imul(c0, 0xd2511f53)];
    const [high1, low1] = [multiplyHigh(c2, 0xcd9e8d57), Math.imul(c2, 0xcd9e8d57)];
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1 >>> 0, (high0 ^ c3 ^ k1) >>> 0, low0 >>> 0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** `count` numbers in (0, 1], the words of a stream one after the other. */
export function uniform(seed: number, count: number, stream: number): Float64Array {
  checkWhole("seed", seed, 0, MAX_SEED);
  const key: [number, number] = [seed >>> 0, Math.floor(seed / U32)];
  const values = new Float64Array(count);
  for (let at = 0; at < count; at += 4) {
    const block = philox([at / 4, 0, stream, 0], key).map((word) => (word + 1) / U32);
    values.set(block.slice(0, count - at), at);
  }
  return values;
}

/** `count` standard normal values. Stream 0 is the starting noise, stream s that of the s-th step, from 1. */
export function normal(seed: number, count: number, stream = 0): Float32Array {
  checkWhole("seed", seed, 0, MAX_SEED);
  checkWhole("stream", stream, 0, U32 - 1);
  const key: [number, number] = [seed >>> 0, Math.floor(seed / U32)];
  const values = new Float32Array(count);
  for (let at = 0; at < count; at += 4) {
    const [u0, u1, u2, u3] = philox([at / 4, 0, stream, 0], key).map((word) => (word + 1) / U32) as Words;
    const [near, far] = [Math.sqrt(-2 * Math.log(u0)), Math.sqrt(-2 * Math.log(u2))];
    const block = [
      near * Math.cos(2 * Math.PI * u1),
      near * Math.sin(2 * Math.PI * u1),
      far * Math.cos(2 * Math.PI * u3),
      far * Math.sin(2 * Math.PI * u3),
    ];
    values.set(block.slice(0, count - at), at);
  }
  return values;
}
