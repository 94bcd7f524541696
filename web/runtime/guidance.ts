/** Classifier-free guidance, D = D_without + s (D_with - D_without), and CLIP guidance, D + s Cov grad log p(y | D).
 * Counterpart: src/bozzetto/diffusion/guidance.py */
import { checkNumber } from "./errors.js";
import { LIMITS } from "./generated.js";
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
  checkNumber("guidance_scale", guidance_scale, 0, LIMITS.guidance_scale);
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

/** A denoiser for any sampler on the straight path (schedule.ts) that aims for what a scorer of clean pictures likes.
 *
 * `gradient` is that of the scorer's log p(y | clean), an array like clean; `data_std` the standard deviation of clean
 * pictures. */
export function clip_guided(
  denoise: Denoise,
  gradient: (clean: Float32Array) => Promise<Float32Array>,
  clip_guidance_scale: number,
  data_std: number,
): Denoise {
  checkNumber("clip_guidance_scale", clip_guidance_scale, 0, LIMITS.clip_guidance_scale);
  checkNumber("data_std", data_std, 1e-6, 100);
  if (clip_guidance_scale === 0) return denoise;
  const variance = data_std ** 2;
  return async (x, t) => {
    const [alpha, sigma] = [1 - t, t];
    const reach = (clip_guidance_scale * sigma ** 2 * variance) / (sigma ** 2 + alpha ** 2 * variance);
    const clean = await denoise(x, t);
    const slope = await gradient(clean);
    return clean.map((value, i) => value + reach * slope[i]!);
  };
}
