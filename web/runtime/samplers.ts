/** Samplers: from noise to a picture, one function each, all with the same signature.
 *
 * The mathematics is told in src/bozzetto/diffusion/samplers.py. D is the clean estimate, eps = (x - alpha D) / sigma
 * the noise that x must then hold. Every step makes new arrays, so what `onStep` is given does not change later. */
import { RuntimeError } from "./errors.js";
import type { SAMPLER_FACTS } from "./generated.js";
import type { Level, Schedule } from "./schedule.js";

/** The clean estimate D for x at time t. */
export type Denoise = (x: Float32Array, t: number) => Promise<Float32Array>;
/** Told after each step, from 0: the new x, and the D at the step's start. The sampler waits for it. */
export type OnStep = (step: number, noisy: Float32Array, clean: Float32Array) => void | Promise<void>;
/** Standard normal noise like x; only the stochastic samplers ask for it, and not in the last step. */
export type Noise = (step: number) => Float32Array;
export type SamplerName = keyof typeof SAMPLER_FACTS;
export type Sampler = (
  denoise: Denoise,
  x: Float32Array,
  schedule: Schedule,
  onStep?: OnStep,
  noise?: Noise,
) => Promise<Float32Array>;

/** The weighted sum of arrays of one length. */
function sum(...terms: [number, Float32Array][]): Float32Array {
  const total = new Float32Array(terms[0]![1].length);
  for (let i = 0; i < total.length; i++) {
    let value = 0;
    for (const [weight, array] of terms) value += weight * array[i]!;
    total[i] = value;
  }
  return total;
}

const noiseIn = (x: Float32Array, clean: Float32Array, at: Level): Float32Array =>
  sum([1 / at.sigma, x], [-at.alpha / at.sigma, clean]);

/** E, the signal-to-noise ratio before a step over that after it, in [0, 1), and h = -log E, in (0, Infinity]. */
function noiseKept(now: Level, then: Level): { kept: number; h: number } {
  const kept = (now.alpha * then.sigma) / (then.alpha * now.sigma);
  return { kept, h: -Math.log(kept) };
}

function needed(noise: Noise | undefined, sampler: string): Noise {
  if (!noise) throw new RuntimeError("failed", `noise is missing: ${sampler} is stochastic, pass noise(step)`);
  return noise;
}

/** The change of x over a step with D and eps held: D d(alpha) + eps d(sigma). */
const move = (now: Level, then: Level, clean: Float32Array, eps: Float32Array): Float32Array =>
  sum([then.alpha - now.alpha, clean], [then.sigma - now.sigma, eps]);

/** D with noise at the next level again: of eps as much as is kept, the rest fresh. */
const renoised = (
  x: Float32Array,
  clean: Float32Array,
  now: Level,
  then: Level,
  kept: number,
  fresh: Float32Array,
): Float32Array =>
  sum([then.alpha, clean], [then.sigma * kept, noiseIn(x, clean, now)], [then.sigma * Math.sqrt(1 - kept ** 2), fresh]);

/** What a sampler does in one step: from x, and D at its start, to the new x. */
type Step = (
  x: Float32Array,
  clean: Float32Array,
  step: number,
  now: Level,
  then: Level,
) => Float32Array | Promise<Float32Array>;

async function walk(
  denoise: Denoise,
  x: Float32Array,
  schedule: Schedule,
  onStep: OnStep | undefined,
  next: Step,
): Promise<Float32Array> {
  for (let step = 0; step < schedule.length - 1; step++) {
    const [now, then] = [schedule[step]!, schedule[step + 1]!];
    const clean = await denoise(x, now.t);
    x = await next(x, clean, step, now, then);
    await onStep?.(step, x, clean);
  }
  return x;
}

/** Euler's method, first order: D and eps keep their value over the whole step. */
export const euler: Sampler = (denoise, x, schedule, onStep) =>
  walk(denoise, x, schedule, onStep, (x, clean, _, now, then) =>
    sum([1, x], [1, move(now, then, clean, noiseIn(x, clean, now))]),
  );

/** Heun's method, second order: an Euler step looks ahead, the real step uses the mean of both ends. */
export const heun: Sampler = (denoise, x, schedule, onStep) =>
  walk(denoise, x, schedule, onStep, async (x, clean, _, now, then) => {
    const first = move(now, then, clean, noiseIn(x, clean, now));
    const ahead = sum([1, x], [1, first]);
    if (then.sigma === 0) return ahead; // no noise is left to estimate
    const cleanAhead = await denoise(ahead, then.t);
    const second = move(now, then, cleanAhead, noiseIn(ahead, cleanAhead, then));
    return sum([1, x], [0.5, first], [0.5, second]);
  });

/** DPM-Solver++(2M), second order with one evaluation a step: D is continued by a line through its last two values,
 * but not in the first step (no past), after an infinite h (its slope is 0) and in the last (endless). */
export const dpmpp_2m: Sampler = (denoise, x, schedule, onStep) => {
  let previous: { clean: Float32Array; h: number } | undefined;
  return walk(denoise, x, schedule, onStep, (x, clean, _, now, then) => {
    const { kept, h } = noiseKept(now, then);
    const slope = previous && then.sigma > 0 ? h / (2 * previous.h) : 0;
    const guess = previous ? sum([1 + slope, clean], [-slope, previous.clean]) : clean;
    previous = { clean, h };
    return sum([then.sigma / now.sigma, x], [then.alpha * (1 - kept), guess]);
  });
};

/** UniPC-2, third order with one evaluation a step: the step of dpmpp_2m, done again by a parabola through D before it,
 * at its start and at its end, once the next evaluation has given that last one. */
export const unipc: Sampler = (denoise, x, schedule, onStep) => {
  type Past = { clean: Float32Array; rise?: Float32Array; base: Float32Array; pull: number; kept: number; h: number };
  let past: Past | undefined;
  let previousH = Infinity; // of the step before that
  return walk(denoise, x, schedule, onStep, (x, clean, _, now, then) => {
    if (past) {
      const gain = sum([1, clean], [-1, past.clean]);
      let average = sum([1, past.clean], [0.5, gain]);
      if (past.rise) {
        const first = 1 / (1 - past.kept) - 1 / past.h;
        const second = 1 / (1 - past.kept) - (2 * first) / past.h;
        const bend = (first - second) / (1 + previousH / past.h);
        average = sum([1, past.clean], [first - bend, gain], [bend, past.rise]);
      }
      x = sum([1, past.base], [past.pull, average]);
    }
    const { kept, h } = noiseKept(now, then);
    const slope = past && then.sigma > 0 ? h / past.h : 0;
    const rise = past && sum([slope, clean], [-slope, past.clean]);
    const guess = rise ? sum([1, clean], [0.5, rise]) : clean;
    previousH = past?.h ?? Infinity;
    past = { clean, rise, base: sum([then.sigma / now.sigma, x]), pull: then.alpha * (1 - kept), kept, h };
    return sum([1, past.base], [past.pull, guess]);
  });
};

/** DDIM, first order: denoise all the way, then add the same noise back at the next level. */
export const ddim: Sampler = (denoise, x, schedule, onStep) =>
  walk(denoise, x, schedule, onStep, (x, clean, _, now, then) =>
    sum([then.alpha, clean], [then.sigma, noiseIn(x, clean, now)]),
  );

/** DDPM's ancestral sampling, stochastic: DDIM, but part of the noise that goes back is fresh. */
export const ddpm: Sampler = async (denoise, x, schedule, onStep, noise) => {
  const draw = needed(noise, "ddpm");
  return walk(denoise, x, schedule, onStep, (x, clean, step, now, then) =>
    then.sigma === 0 ? clean : renoised(x, clean, now, then, noiseKept(now, then).kept, draw(step)),
  );
};

/** Euler's method with fresh noise: down to less noise than asked, then up again. Equals ddpm up to rounding. */
export const euler_ancestral: Sampler = async (denoise, x, schedule, onStep, noise) => {
  const draw = needed(noise, "euler_ancestral");
  return walk(denoise, x, schedule, onStep, (x, clean, step, now, then) => {
    const down = { ...then, sigma: noiseKept(now, then).kept * then.sigma };
    const moved = sum([1, x], [1, move(now, down, clean, noiseIn(x, clean, now))]);
    return then.sigma > 0 ? sum([1, moved], [Math.sqrt(then.sigma ** 2 - down.sigma ** 2), draw(step)]) : moved;
  });
};

/** SDE-DPM-Solver++(2M), stochastic: ddpm with the straight line of dpmpp_2m. */
export const dpmpp_2m_sde: Sampler = async (denoise, x, schedule, onStep, noise) => {
  const draw = needed(noise, "dpmpp_2m_sde");
  let previous: { clean: Float32Array; h: number } | undefined;
  return walk(denoise, x, schedule, onStep, (x, clean, step, now, then) => {
    const { kept, h } = noiseKept(now, then);
    const slope = previous && then.sigma > 0 ? h / (2 * previous.h) : 0;
    const guess = previous ? sum([1 + slope, clean], [-slope, previous.clean]) : clean;
    previous = { clean, h };
    const next = sum([(then.sigma / now.sigma) * kept, x], [then.alpha * (1 - kept ** 2), guess]);
    return then.sigma > 0 ? sum([1, next], [then.sigma * Math.sqrt(1 - kept ** 2), draw(step)]) : next;
  });
};

/** The clean picture at which a straight step from t to until should aim. */
export type Jump = (x: Float32Array, t: number, until: number) => Promise<Float32Array>;

/** How a few-step student draws: each step jumps two levels ahead and goes back one with fresh noise, which is a step
 * of ddpm with the E of the step after it. Counterpart: src/bozzetto/diffusion/few_steps.py */
export async function few_steps(
  jump: Jump,
  x: Float32Array,
  schedule: Schedule,
  onStep?: OnStep,
  noise?: Noise,
): Promise<Float32Array> {
  const draw = needed(noise, "few_steps");
  const last = schedule.length - 1;
  for (let step = 0; step < last; step++) {
    const [now, then, far] = [schedule[step]!, schedule[step + 1]!, schedule[Math.min(step + 2, last)]!];
    const clean = await jump(x, now.t, far.t);
    x = then.sigma === 0 ? clean : renoised(x, clean, now, then, noiseKept(then, far).kept, draw(step));
    await onStep?.(step, x, clean);
  }
  return x;
}

export const SAMPLERS = {
  euler,
  heun,
  dpmpp_2m,
  unipc,
  ddim,
  ddpm,
  euler_ancestral,
  dpmpp_2m_sde,
} satisfies Record<SamplerName, Sampler>;
