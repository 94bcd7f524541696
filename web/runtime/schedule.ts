/** Which noise levels a sampler visits, from pure noise to clean. Counterpart: src/bozzetto/diffusion/schedule.py */
import { checkNumber, checkWhole } from "./errors.js";

/** A point of the path x = alpha * clean + sigma * noise. The denoiser is told t: 1 = most noise, 0 = clean. */
export interface Level {
  t: number;
  alpha: number;
  sigma: number;
}

/** The n + 1 levels of n steps. The last one is clean: alpha = 1, sigma = 0. */
export type Schedule = Level[];

/** Flow matching's straight path: alpha = 1 - t, sigma = t. A shift above 1 spends more steps on high noise. */
export function flow(num_inference_steps: number, shift = 1): Schedule {
  checkWhole("num_inference_steps", num_inference_steps, 1, 1000);
  checkNumber("shift", shift, 0.01, 100);
  return Array.from({ length: num_inference_steps + 1 }, (_, index) => {
    const even = 1 - index / num_inference_steps;
    const t = (shift * even) / (shift * even + (1 - even)); // written so that 1 stays exactly 1
    return { t, alpha: 1 - t, sigma: t };
  });
}
