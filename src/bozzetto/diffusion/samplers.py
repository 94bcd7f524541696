"""Samplers: from noise to a picture, one function each, all with the same signature.

    sampler(denoise, x, schedule, callback=None, noise=None) -> x at the last level, the picture

    denoise(x, t)   the clean estimate D, an array like x; t is a Python float, the level's time
    x               the start: sigmas[0] * standard normal noise, any shape, never changed in place
    callback(step, noisy, clean)
                    called after each step (from 0) with the new x, and the D at the step's start
    noise(step)     standard normal noise like x; only `ddpm` asks for it

On the path x = alpha * clean + sigma * noise, a clean estimate D also says what the noise must be,

    eps = (x - alpha D) / sigma,

and the probability-flow ODE (Song et al. 2021, "Score-based generative modeling through SDEs"; Karras et al.
2022, eq. 4 in these letters) moves x along the path as if both were true:

    dx = D d(alpha) + eps d(sigma)

Every deterministic sampler here solves this equation; they differ in how they guess D and eps over a step.

Plain arithmetic on x and Python floats: numpy arrays and torch tensors work alike and keep their dtype.
Written for a schedule that may start at alpha = 0 (pure noise) and ends at sigma = 0, where D itself is the
answer.
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
    denoise: Denoise,
    x: Array,
    schedule: Schedule,
    callback: Callback | None = None,
    noise: Noise | None = None,
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
    denoise: Denoise,
    x: Array,
    schedule: Schedule,
    callback: Callback | None = None,
    noise: Noise | None = None,
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
    denoise: Denoise,
    x: Array,
    schedule: Schedule,
    callback: Callback | None = None,
    noise: Noise | None = None,
) -> Array:
    """DPM-Solver++(2M) (Lu et al. 2022, algorithm 2), second order with one evaluation a step.

    In the variable lambda = log(alpha / sigma) the ODE's linear part has an exact solution; what is left is
    to guess D over the step, here by a straight line through its last two values. With h = lambda' - lambda
    and E = exp(-h):

        x <- (sigma' / sigma) x + alpha' (1 - E) (D + h / (2 h_previous) (D - D_previous))

    h is infinite when a step starts at alpha = 0 or ends at sigma = 0, but E = alpha sigma' / (alpha' sigma)
    is then 0, not undefined. The line is left out in the first step (no past), after an infinite step (its
    slope is 0) and in the last (it would be followed without end); without it the step is `ddim`.
    """
    previous, previous_h = None, math.inf
    for step, now, then in schedule.steps():
        clean = guess = denoise(x, now.t)
        kept = _noise_kept(now, then)
        h = -math.log(kept) if kept > 0 else math.inf
        if previous is not None and then.sigma > 0:
            guess = clean + (h / (2 * previous_h)) * (clean - previous)
        x = (then.sigma / now.sigma) * x + (then.alpha * (1 - kept)) * guess
        previous, previous_h = clean, h
        if callback:
            callback(step, x, clean)
    return x


def ddim(
    denoise: Denoise,
    x: Array,
    schedule: Schedule,
    callback: Callback | None = None,
    noise: Noise | None = None,
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
    denoise: Denoise,
    x: Array,
    schedule: Schedule,
    callback: Callback | None = None,
    noise: Noise | None = None,
) -> Array:
    """DDPM's ancestral sampling (Ho et al. 2020, algorithm 2), stochastic. It is DDIM with eta = 1.

    As `ddim`, but part of the noise that goes back is fresh. With E = alpha sigma' / (alpha' sigma):

        x <- alpha' D + sigma' (E eps + sqrt(1 - E^2) noise(step))

    which is a draw from the posterior q(x' | x, clean = D) on any (alpha, sigma) path. The last step, to
    sigma' = 0, needs no noise and asks for none. ValueError without `noise`.
    """
    if noise is None:
        raise ValueError("noise is missing: ddpm is stochastic, pass noise(step) -> normal array like x")
    for step, now, then in schedule.steps():
        clean = denoise(x, now.t)
        kept = _noise_kept(now, then)
        back = kept * _noise_in(x, clean, now)
        if then.sigma > 0:
            back = back + math.sqrt(1 - kept**2) * noise(step)
        x = then.alpha * clean + then.sigma * back
        if callback:
            callback(step, x, clean)
    return x


SAMPLERS: dict[str, Callable[..., Array]] = {
    "euler": euler,
    "heun": heun,
    "dpmpp_2m": dpmpp_2m,
    "ddim": ddim,
    "ddpm": ddpm,
}
STOCHASTIC = frozenset({"ddpm"})  # the samplers that need `noise`


def _noise_in(x: Array, clean: Array, at: Level) -> Array:
    """eps: the noise that x must hold if `clean` is right."""
    return (x - at.alpha * clean) / at.sigma


def _move(now: Level, then: Level, clean: Array, eps: Array) -> Array:
    """The change of x over a step with D and eps held: D d(alpha) + eps d(sigma)."""
    return (then.alpha - now.alpha) * clean + (then.sigma - now.sigma) * eps


def _noise_kept(now: Level, then: Level) -> float:
    """E, the signal-to-noise ratio before a step over that after it: in [0, 1)."""
    return (now.alpha * then.sigma) / (then.alpha * now.sigma)
