// Closeness in the shared space of pictures and words: all vectors are 256 numbers and unit length, so that the cosine
// of two of them is their dot product.

export const WIDTH = 256;

/** Rows of int8, as many as there are, back to unit vectors: rounding has bent their length a little. */
export function dequantise(bytes: Int8Array, scale: number): Float32Array {
  const rows = new Float32Array(bytes.length);
  for (let start = 0; start < bytes.length; start += WIDTH) {
    let square = 0;
    for (let i = start; i < start + WIDTH; i++) {
      const value = scale * (bytes[i] ?? 0);
      rows[i] = value;
      square += value * value;
    }
    const length = Math.sqrt(square) || 1;
    for (let i = start; i < start + WIDTH; i++) rows[i]! /= length;
  }
  return rows;
}

export function row(table: Float32Array, index: number): Float32Array {
  return table.subarray(index * WIDTH, (index + 1) * WIDTH);
}

/** Cosine of one unit vector with every row of a table. */
export function cosines(query: Float32Array, table: Float32Array): Float32Array {
  const result = new Float32Array(table.length / WIDTH);
  for (let index = 0; index < result.length; index++) {
    let sum = 0;
    for (let i = 0, at = index * WIDTH; i < WIDTH; i++, at++) sum += query[i]! * table[at]!;
    result[index] = sum;
  }
  return result;
}

export function cosine(a: Float32Array, b: Float32Array): number {
  return cosines(a, b)[0] ?? 0;
}

/** What part of 1 each score gets: softmax(scale * score). */
export function shares(scores: ArrayLike<number>, scale: number): number[] {
  const list = Array.from(scores);
  const best = Math.max(...list);
  const weights = list.map((score) => Math.exp(scale * (score - best)));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/** The indices of the `count` highest scores, the best first; of equal scores the earlier one. */
export function top(scores: ArrayLike<number>, count = scores.length): number[] {
  return Array.from(scores, (_, index) => index)
    .sort((a, b) => scores[b]! - scores[a]! || a - b)
    .slice(0, count);
}

export interface Range {
  low: number;
  middle: number;
  high: number;
}

/** Where eight of ten values lie (the 10th to the 90th percentile), and the median. */
export function usual(values: ArrayLike<number>): Range {
  const sorted = Array.from(values).sort((a, b) => a - b);
  const at = (share: number) => {
    const place = share * (sorted.length - 1);
    const low = sorted[Math.floor(place)] ?? 0;
    return low + (place - Math.floor(place)) * ((sorted[Math.ceil(place)] ?? 0) - low);
  };
  return { low: at(0.1), middle: at(0.5), high: at(0.9) };
}
