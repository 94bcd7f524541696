/** Classifier-free guidance: D = D_without + s (D_with - D_without). Twin: src/bozzetto/diffusion/guidance.py */
import { checkNumber } from "./errors.js";
import type { Denoise } from "./samplers.js";

/** The clean estimates with the prompt and without it. */
export type Pair = [withPrompt: Float32Array, withoutPrompt: Float32Array];

/** A guided denoiser for any sampler.
 *
 * `conditional` is asked outside the interval of t and at scale 1, where D_without does not count; `pair` inside.
 * `onPair` is told of which two estimates a guided one was made. */
export function classifier_free(
  conditional: Denoise,
  pair: (x: Float32Array, t: number) => Promise<Pair>,
  guidance_scale: number,
  [low, high]: [number, number] = [0, 1],
  onPair?: (guided: Float32Array, pair: Pair) => void,
): Denoise {
  checkNumber("guidance_scale", guidance_scale, 0, 30);
  checkNumber("the low end of guidance_interval", low, 0, 1);
  checkNumber("the high end of guidance_interval", high, low, 1);
  return async (x, t) => {
    if (guidance_scale === 1 || t < low || t > high) return conditional(x, t);
    const [withPrompt, withoutPrompt] = await pair(x, t);
    const guided = withoutPrompt.map((without, i) => without + guidance_scale * (withPrompt[i]! - without));
    onPair?.(guided, [withPrompt, withoutPrompt]);
    return guided;
  };
}
