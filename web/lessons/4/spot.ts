// What the figure "Spot the noise" works out without a page: mixtures, the noise that a guess implies, and its marks.

/** A mixture of a picture and noise, with the picture that the model imagines in it. Planes R, G, B [3, 32, 32]. */
export interface Guess {
  clean: Float32Array;
  noise: Float32Array;
  t: number;
  imagined: Float32Array;
}

/** What the mixture shows: (1 - t) of the picture and t of the noise. */
export function mix(clean: Float32Array, noise: Float32Array, t: number): Float32Array {
  return clean.map((value, i) => (1 - t) * value + t * noise[i]!);
}

/** The noise that the mixture must then hold: (x - (1 - t) imagined) / t. Where there is none, there is none to see. */
export function noiseSeen({ clean, noise, t, imagined }: Guess): Float32Array {
  if (t === 0) return new Float32Array(noise.length);
  return mix(clean, noise, t).map((value, i) => (value - (1 - t) * imagined[i]!) / t);
}

/** a - b */
export function minus(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value - b[i]!);
}

function squares(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value * value, 0);
}

/** How much of something an answer gets right: 1 is all of it; 0 is no more than what anybody could say without looking,
 * whose error is `blind`. Undefined where that is right already. Counterpart: benchmarks/noise_levels.py */
function found(error: Float32Array, blind: Float32Array): number | undefined {
  const worst = squares(blind);
  return worst > 0 ? Math.max(0, 1 - squares(error) / worst) : undefined;
}

/** Who does not look says that there is no noise, since its mean is 0. */
export function noiseFound(guess: Guess): number | undefined {
  return guess.t === 0 ? undefined : found(minus(noiseSeen(guess), guess.noise), guess.noise);
}

/** Who does not look shows the mean of all training pictures. */
export function pictureFound({ clean, imagined }: Guess, mean: Float32Array): number | undefined {
  return found(minus(imagined, clean), minus(mean, clean));
}
