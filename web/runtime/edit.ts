/** Editing: what the same model and the same samplers do when they start from a picture instead of from noise.
 * Counterparts: src/bozzetto/diffusion/edit.py, where the mathematics is told, and src/bozzetto/runtime/text_to_image.py */
import { checkNumber } from "./errors.js";
import { FRAME, LATENT_SHAPE, ROUNDS } from "./generated.js";
import type { Start } from "./messages.js";
import type { Denoise } from "./samplers.js";
import type { Level, Schedule } from "./schedule.js";

/** As Python rounds: halves go to the even neighbour. */
function round(value: number): number {
  const nearest = Math.round(value);
  return nearest - value === 0.5 && nearest % 2 ? nearest - 1 : nearest;
}

/** The end of a schedule of n steps: strength n of them, rounded to whole steps, at least the last one. */
export function last_steps(schedule: Schedule, strength: number): Schedule {
  checkNumber("strength", strength, 0, 1);
  const steps = schedule.length - 1;
  return schedule.slice(steps - Math.max(1, round(strength * steps)));
}

/** A picture noised to where a walk begins. */
export function noised(image: Float32Array, { alpha, sigma }: Level, noise: Float32Array): Float32Array {
  return image.map((value, i) => alpha * value + sigma * noise[i]!);
}

/** Paints where the mask is 1 and keeps the image where it is 0; the mask is one for all channels. */
export function inpaint(denoise: Denoise, image: Float32Array, mask: Float32Array): Denoise {
  return async (x, t) => {
    const clean = await denoise(x, t);
    return image.map((kept, i) => kept + mask[i % mask.length]! * (clean[i]! - kept));
  };
}

/** What is walked one after the other: the last steps, and for a painted part the rounds in which it comes to fit. */
export function stretches(schedule: Schedule, start?: Start): Schedule[] {
  if (!start) return [schedule];
  const again = Array.from({ length: start.mask ? ROUNDS.count : 0 }, () => last_steps(schedule, ROUNDS.strength));
  return [last_steps(schedule, start.strength), ...again];
}

/** A mask of a picture's pixels as cells of its latent: painted if any pixel under it is. */
export function toCells(mask: Uint8Array): Float32Array {
  const [, rows, columns] = LATENT_SHAPE;
  const cells = new Float32Array(rows * columns);
  mask.forEach((painted, i) => {
    const row = Math.floor((Math.floor(i / FRAME) * rows) / FRAME);
    if (painted) cells[row * columns + Math.floor(((i % FRAME) * columns) / FRAME)] = 1;
  });
  return cells;
}

/** The drawn picture inside the mask, and the one that was there outside: cells are coarser than a mask, and the
 * decoder is not exact. */
export function paste(drawn: Uint8ClampedArray, shown: Uint8ClampedArray, mask: Uint8Array): Uint8ClampedArray {
  return shown.map((value, i) => (mask[i >> 2] ? drawn[i]! : value));
}
