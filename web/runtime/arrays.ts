/** Small arithmetic on arrays that page and worker share. */

/** How many numbers an array of this shape holds. */
export function count(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b);
}

/** One array after the other. */
export function concat(arrays: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}

/** An array cut into so many of one length. */
export function split(all: Float32Array, parts: number): Float32Array[] {
  const size = all.length / parts;
  return Array.from({ length: parts }, (_, index) => all.slice(index * size, (index + 1) * size));
}

/** exp(scale * score), divided by the sum of all: what part of 1 each score gets. */
export function softmax(scores: ArrayLike<number>, scale = 1): number[] {
  const list = Array.from(scores);
  const most = list.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = list.map((score) => Math.exp(scale * (score - most)));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** The indices of the `count` highest scores, the best first; of equal scores the earlier one. */
export function top(scores: ArrayLike<number>, count = scores.length): number[] {
  return Array.from(scores, (_, index) => index)
    .sort((a, b) => scores[b]! - scores[a]! || a - b)
    .slice(0, count);
}
