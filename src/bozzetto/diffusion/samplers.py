"""Samplers: from noise to a picture, one function each, all with the same signature.

    sampler(denoise, x, schedule, callback=None, noise=None) -> x at the last level, the picture

    denoise(x, t)   the clean estimate D, an array like x; t is a Python float, the level's time
    x               the start: sigmas[0] * standard normal noise, any shape, never changed in place
    callback(step, noisy, clean)
                    called after each step (from 0) with the new x, and the D at the step's start
    noise(step)     standard normal noise like x, fresh for every step; only the samplers in STOCHASTIC ask for
                    it, and not in the last step. ValueError from them without it

On the path x = alpha * clean + sigma * noise, a clean estimate D also says what the noise must be,

    eps = (x - alpha D) / sigma,

and the probability-flow ODE (Song et al. 2021, "Score-based generative modeling through SDEs"; Karras et al.
2022, eq. 4 in these letters) moves x along the path as if both were true:

    dx = D d(alpha) + eps d(sigma)

Every deterministic sampler here solves this equation; they differ in how they guess D and eps over a step.
The stochastic ones forget part of eps in every step and draw that part anew, which keeps the noise level. How
much of eps a draw of the past keeps is one number,

    E = alpha sigma' / (alpha' sigma),

the signal-to-noise ratio before the step over that after it (a prime marks the step's end). It is also
exp(-h), where h is the step in lambda = log(alpha / sigma).

Plain arithmetic on x and Python floats: numpy arrays and torch tensors work alike and keep their dtype.
Written for a schedule that may start at alpha = 0 (pure noise) and ends at sigma = 0, where D itself is the
answer: h is then infinite, but E is 0, not undefined.
"""

import math
from collections.abc import Callable
from typing import Any

from bozzetto.diffusion.schedule import Level, Schedule

Array = Any  # numpy.ndarray or torch.Tensor
Denoise = Callable[[Array, float], Array]
Callback = Callable[[int, Array, Array], None]
Noise = Callable[[int], Array]


def euler(
    denoise: Denoise, x: Array, schedule: Schedule, callback: Callback | None = None, noise: Noise | None = None
) -> Array:
    """Euler's method, first order, one evaluation a step: D and eps keep their value over the whole step.

    x <- x + D (alpha' - alpha) + eps (sigma' - sigma). On the flow path this is the familiar x + (t' - t) v
    with the velocity v = eps - D. The step follows the path's own alpha and sigma, so on every path it equals
    `ddim`, up to rounding: the same step seen as denoising and adding the noise again.
    """
    for step, now, then in schedule.steps():
        clean = denoise(x, now.t)
        x = x + _move(now, then, clean, _noise_in(x, clean, now))
        if callback:
            callback(step, x, clean)
    return x


def heun(
    denoise: Denoise, x: Array, schedule: Schedule, callback: Callback | None = None, noise: Noise | None = None
) -> Array:
    """Heun's method (Karras et al. 2022, algorithm 1), second order, two evaluations a step, one in the last.

    An Euler step looks ahead; the real step uses the mean of D and eps at both ends. At sigma' = 0 there is
    no noise left to estimate, so the last step is Euler's.
    """
    for step, now, then in schedule.steps():
        clean = denoise(x, now.t)
        move = _move(now, then, clean, _noise_in(x, clean, now))
        if then.sigma > 0:
            ahead = x + move
            clean_ahead = denoise(ahead, then.t)
            move = (move + _move(now, then, clean_ahead, _noise_in(ahead, clean_ahead, then))) / 2
        x = x + move
        if callback:
            callback(step, x, clean)
    return x


def dpmpp_2m(
    denoise: Denoise, x: Array, schedule: Schedule, callback: Callback | None = None, noise: Noise | None = None
) -> Array:
    """DPM-Solver++(2M) (Lu et al. 2022, algorithm 2), second order with one evaluation a step.

    In the variable lambda = log(alpha / sigma) the ODE's linear part has an exact solution; what is left is
    to guess D over the step, here by a straight line through its last two values:

        x <- (sigma' / sigma) x + alpha' (1 - E) (D + h / (2 h_previous) (D - D_previous))

    The line is left out in the first step (no past), after an infinite step (its slope is 0) and in the last
    (it would be followed without end); without it the step is `ddim`.
    """
    previous, previous_h = None, math.inf
    for step, now, then in schedule.steps():
        clean = guess = denoise(x, now.t)
        kept, h = noise_kept(now, then)
        if previous is not None and then.sigma > 0:
            guess = clean + (h / (2 * previous_h)) * (clean - previous)
        x = (then.sigma / now.sigma) * x + (then.alpha * (1 - kept)) * guess
        previous, previous_h = clean, h
        if callback:
            callback(step, x, clean)
    return x


def unipc(
    denoise: Denoise, x: Array, schedule: Schedule, callback: Callback | None = None, noise: Noise | None = None
) -> Array:
    """UniPC-2 (Zhao et al. 2023, algorithms 1 and 2, for clean estimates and B(h) = exp(-h) - 1), third order
    with one evaluation a step: a predictor of order 2, which a corrector makes one better.

    The predictor is the step of `dpmpp_2m`. The evaluation where it arrives, D', serves twice: the next step
    starts from it, and the step just made is done again with it. D over the step is now the parabola through
    D_previous, D and D' in lambda. With u running from 0 to 1 over the step and weights that grow as exp(h u),
    the means of u and u^2 are m1 = 1 / (1 - E) - 1 / h and m2 = 1 / (1 - E) - 2 m1 / h, so the step's D is

        D + m1 (D' - D) - (m1 - m2) bend,
        bend = ((D' - D) - h / h_previous (D - D_previous)) / (1 + h_previous / h).

    The first step has no past, so its D is (D + D') / 2; that is of the same order even from alpha = 0, where D
    changes as exp(lambda). After such an infinite step the slope from D_previous and the bend are 0. The last
    step has no D' and is not corrected. The callback sees x as predicted, before its correction.
    """
    before = rise = base = pull = kept = h = previous_h = math.nan  # of the step before, read from the second on
    for step, now, then in schedule.steps():
        clean = denoise(x, now.t)
        if step > 0:  # correct the step before: x = base + pull * (its D), now that D at its end is known
            gain = clean - before
            average = before + gain / 2
            if step > 1:
                first = 1 / (1 - kept) - 1 / h
                second = 1 / (1 - kept) - 2 * first / h
                bend = (gain - rise) / (1 + previous_h / h)
                average = before + first * gain - (first - second) * bend
            x = base + pull * average
        previous_h = h
        kept, h = noise_kept(now, then)
        guess = clean
        if step > 0 and then.sigma > 0:
            rise = (h / previous_h) * (clean - before)
            guess = clean + rise / 2
        before, base, pull = clean, (then.sigma / now.sigma) * x, then.alpha * (1 - kept)
        x = base + pull * guess
        if callback:
            callback(step, x, clean)
    return x


def ddim(
    denoise: Denoise, x: Array, schedule: Schedule, callback: Callback | None = None, noise: Noise | None = None
) -> Array:
    """DDIM (Song et al. 2021, eq. 12 with eta = 0), first order, one evaluation a step.

    Denoise all the way, then add the *same* noise back at the next level: x <- alpha' D + sigma' eps.
    """
    for step, now, then in schedule.steps():
        clean = denoise(x, now.t)
        x = then.alpha * clean + then.sigma * _noise_in(x, clean, now)
        if callback:
            callback(step, x, clean)
    return x


def ddpm(
    denoise: Denoise, x: Array, schedule: Schedule, callback: Callback | None = None, noise: Noise | None = None
) -> Array:
    """DDPM's ancestral sampling (Ho et al. 2020, algorithm 2), first order, stochastic, one evaluation a step.

    As `ddim`, but part of the noise that goes back is fresh (Song et al. 2021 with eta = 1):

        x <- alpha' D + sigma' (E eps + sqrt(1 - E^2) noise(step))

    which is a draw from the posterior q(x' | x, clean = D) on any (alpha, sigma) path.
    """
    noise = needed(noise, "ddpm")
    for step, now, then in schedule.steps():
        clean = denoise(x, now.t)
        kept, _ = noise_kept(now, then)
        x = renoised(x, clean, now, then, kept, noise(step)) if then.sigma > 0 else clean
        if callback:
            callback(step, x, clean)
    return x


def euler_ancestral(
    denoise: Denoise, x: Array, schedule: Schedule, callback: Callback | None = None, noise: Noise | None = None
) -> Array:
    """Euler's method with fresh noise ("Euler a"), first order, stochastic, one evaluation a step.

    An Euler step goes further down than asked, to the noise E sigma', and noise(step) brings it up to sigma'
    again: their squares add up. On the path alpha = 1 this is Song et al. 2021 ("Score-based generative
    modeling through SDEs"), eq. 47. On every path it equals `ddpm`, up to rounding, as `euler` equals `ddim`.
    """
    noise = needed(noise, "euler_ancestral")
    for step, now, then in schedule.steps():
        clean = denoise(x, now.t)
        kept, _ = noise_kept(now, then)
        down = then._replace(sigma=kept * then.sigma)
        x = x + _move(now, down, clean, _noise_in(x, clean, now))
        if then.sigma > 0:
            x = x + math.sqrt(then.sigma**2 - down.sigma**2) * noise(step)
        if callback:
            callback(step, x, clean)
    return x


def dpmpp_2m_sde(
    denoise: Denoise, x: Array, schedule: Schedule, callback: Callback | None = None, noise: Noise | None = None
) -> Array:
    """SDE-DPM-Solver++(2M) (Lu et al. 2022), stochastic: `ddpm` with the straight line of `dpmpp_2m`.

    The reverse-time SDE has an exact linear part in lambda too. It forgets twice as fast as the ODE, E^2 in
    place of E, and its noise is exact:

        x <- (sigma' / sigma) E x + alpha' (1 - E^2) (D + h / (2 h_previous) (D - D_previous))
             + sigma' sqrt(1 - E^2) noise(step)

    The line is left out where `dpmpp_2m` leaves it out; without it the step is `ddpm`.
    """
    noise = needed(noise, "dpmpp_2m_sde")
    previous, previous_h = None, math.inf
    for step, now, then in schedule.steps():
        clean = guess = denoise(x, now.t)
        kept, h = noise_kept(now, then)
        if previous is not None and then.sigma > 0:
            guess = clean + (h / (2 * previous_h)) * (clean - previous)
        x = (then.sigma / now.sigma * kept) * x + (then.alpha * (1 - kept**2)) * guess
        if then.sigma > 0:
            x = x + (then.sigma * math.sqrt(1 - kept**2)) * noise(step)
        previous, previous_h = clean, h
        if callback:
            callback(step, x, clean)
    return x


SAMPLERS: dict[str, Callable[..., Array]] = {
    "euler": euler,
    "heun": heun,
    "dpmpp_2m": dpmpp_2m,
    "unipc": unipc,
    "ddim": ddim,
    "ddpm": ddpm,
    "euler_ancestral": euler_ancestral,
    "dpmpp_2m_sde": dpmpp_2m_sde,
}
STOCHASTIC = frozenset({"ddpm", "euler_ancestral", "dpmpp_2m_sde"})  # the samplers that need `noise`
TWICE = frozenset({"heun"})  # those that ask the network twice in a step, but for the last


def _noise_in(x: Array, clean: Array, at: Level) -> Array:
    """eps: the noise that x must hold if `clean` is right."""
    return (x - at.alpha * clean) / at.sigma


def renoised(x: Array, clean: Array, now: Level, then: Level, kept: float, fresh: Array) -> Array:
    """D with noise at the next level again: of eps as much as is kept, the rest fresh."""
    return then.alpha * clean + then.sigma * (kept * _noise_in(x, clean, now) + math.sqrt(1 - kept**2) * fresh)


def _move(now: Level, then: Level, clean: Array, eps: Array) -> Array:
    """The change of x over a step with D and eps held: D d(alpha) + eps d(sigma)."""
    return (then.alpha - now.alpha) * clean + (then.sigma - now.sigma) * eps


def noise_kept(now: Level, then: Level) -> tuple[float, float]:
    """E in [0, 1), and h = -log E, the step in lambda: in (0, inf]."""
    kept = (now.alpha * then.sigma) / (then.alpha * now.sigma)
    return kept, -math.log(kept) if kept > 0 else math.inf


def needed(noise: Noise | None, sampler: str) -> Noise:
    if noise is None:
        raise ValueError(f"noise is missing: {sampler} is stochastic, pass noise(step) -> normal array like x")
    return noise
