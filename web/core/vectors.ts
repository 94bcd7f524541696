// Closeness in the shared space of pictures and words: all vectors are of unit length, so that the cosine of two of
// them is their dot product.

/** So many rows of int8 back to unit vectors: rounding has bent their length a little. */
export function dequantise(bytes: Int8Array, scale: number, count: number): Float32Array[] {
  const width = bytes.length / count;
  // Plain loops: a call for each of 300,000 numbers would hold the page up while its code is still cold.
  return Array.from({ length: count }, (_, index) => {
    const row = new Float32Array(width);
    for (let i = 0; i < width; i++) row[i] = scale * bytes[index * width + i]!;
    const length = Math.sqrt(dot(row, row)) || 1;
    for (let i = 0; i < width; i++) row[i]! /= length;
    return row;
  });
}

/** Of two unit vectors the cosine. */
export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Cosine of one unit vector with each of many. */
export function cosines(query: Float32Array, rows: readonly Float32Array[]): Float32Array {
  return Float32Array.from(rows, (row) => dot(query, row));
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
