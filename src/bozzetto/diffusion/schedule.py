"""Noise schedules: which noise levels a sampler visits, from pure noise to the clean picture.

Every diffusion process here is a path that mixes the clean picture with noise (Kingma et al. 2021,
"Variational diffusion models", eq. 1):

    x_t = alpha_t * clean + sigma_t * noise,     noise ~ N(0, 1)

A schedule is a list of n + 1 points (t, alpha, sigma) on such a path for n steps of a sampler. The
signal-to-noise ratio alpha / sigma rises from step to step; the last point is the clean picture: alpha = 1,
sigma = 0. A sampler starts from `schedule.sigmas[0] * noise`.

`t` is what the denoiser is told. It lies in [0, 1], 1 = most noise, 0 = clean; each builder says what it
means. A denoiser must be sampled on the path it was trained on: Bozzetto's models are trained on `flow`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from bozzetto.errors import InvalidInput, real_number, whole_number

MAX_STEPS = 1000  # as many as DDPM was trained with; more buys nothing


class Level(NamedTuple):
    """One point of the path, as Python floats (a numpy scalar would turn float32 pictures to float64)."""

    t: float
    alpha: float
    sigma: float


@dataclass(frozen=True, eq=False)
class Schedule:
    """n sampling steps: float64 arrays of length n + 1, from most noise to clean.

    times in [0, 1]; alphas >= 0, the share of the picture, ending at 1; sigmas >= 0, the noise's standard
    deviation, ending at 0. ValueError if the arrays do not describe such a path.
    """

    times: np.ndarray
    alphas: np.ndarray
    sigmas: np.ndarray

    def __post_init__(self) -> None:
        arrays = self.times, self.alphas, self.sigmas
        if len({a.shape for a in arrays}) != 1 or self.times.ndim != 1 or len(self.times) < 2:
            raise ValueError("times, alphas and sigmas must be three arrays of one length, at least 2")
        if not all((np.isfinite(a) & (a >= 0)).all() for a in arrays) or self.times.max() > 1:
            raise ValueError("times must lie in [0, 1], alphas and sigmas must be finite and not negative")
        if self.alphas[-1] != 1 or self.sigmas[-1] != 0:
            raise ValueError("a schedule must end clean, with alpha 1 and sigma 0")
        if not (self.alphas[:-1] * self.sigmas[1:] < self.alphas[1:] * self.sigmas[:-1]).all():
            raise ValueError("a schedule must become less noisy at every step: alpha / sigma has to rise")

    def __len__(self) -> int:
        """The number of steps n."""
        return len(self.times) - 1

    def steps(self) -> Iterator[tuple[int, Level, Level]]:
        """(step from 0, the level where it starts, the level where it ends) for each step."""
        levels = map(Level, self.times.tolist(), self.alphas.tolist(), self.sigmas.tolist())
        return ((step, now, then) for step, (now, then) in enumerate(pairwise(levels)))


def flow(num_inference_steps: int, shift: float = 1.0) -> Schedule:
    """Flow matching's straight path (Liu et al. 2023; Lipman et al. 2023): alpha = 1 - t, sigma = t.

    The times are evenly spaced from exactly 1 to 0, then shifted as in Esser et al. 2024, eq. 23:
    t <- shift t / (shift t + 1 - t). A shift above 1 spends more steps on high noise. shift in 0.01 .. 100,
    steps in 1 .. 1000, InvalidInput otherwise.
    """
    even = _even_times(num_inference_steps)
    real_number("shift", shift, 0.01, 100.0)
    times = shift * even / (shift * even + (1.0 - even))  # written so that 1 stays exactly 1
    return Schedule(times, alphas=1.0 - times, sigmas=times)


def cosine(num_inference_steps: int) -> Schedule:
    """The variance-preserving cosine path of Nichol & Dhariwal 2021 (eq. 17): alpha^2 + sigma^2 = 1.

    alpha_t^2 = f(t) / f(0), f(t) = cos^2(pi/2 (t + s) / (1 + s)), s = 0.008. t is the elapsed fraction of the
    noising process, evenly spaced. Their clipping of beta is left out: our samplers may start at alpha = 0.
    Steps in 1 .. 1000, InvalidInput otherwise.
    """
    times = _even_times(num_inference_steps)
    s = 0.008
    f = np.cos(0.5 * np.pi * (times + s) / (1.0 + s)) ** 2
    f[0] = 0.0  # cos(pi/2) in floating point is 6e-17
    return _variance_preserving(times, f / f[-1])


def linear(num_inference_steps: int) -> Schedule:
    """DDPM's path (Ho et al. 2020, section 4): 1000 noising steps, beta from 0.0001 to 0.02 evenly spaced.

    alpha_k^2 = (1 - beta_1) ... (1 - beta_k), alpha^2 + sigma^2 = 1, t = k / 1000; the n steps visit evenly
    spaced whole k from 1000 to 0. Steps in 1 .. 1000, InvalidInput otherwise.
    """
    kept = np.cumprod(np.concatenate([[1.0], 1.0 - np.linspace(1e-4, 0.02, 1000)]))
    visited = np.round(1000 * _even_times(num_inference_steps)).astype(int)
    return _variance_preserving(visited / 1000, kept[visited])


def karras(num_inference_steps: int, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0) -> Schedule:
    """The variance-exploding path alpha = 1 with the spacing of Karras et al. 2022, eq. 5.

    sigma_i = (sigma_max^(1/rho) + i / (n-1) (sigma_min^(1/rho) - sigma_max^(1/rho)))^rho for i < n, then 0.
    t = sigma / (1 + sigma) is the time at which the flow path has the same signal-to-noise ratio, and
    (1 - t) x is a point of that path.

    sigma_max in 0.001 .. 10000, sigma_min from 0.000001 to below sigma_max, rho in 1 .. 100, steps in
    1 .. 1000; InvalidInput otherwise.
    """
    steps = len(_even_times(num_inference_steps)) - 1
    real_number("sigma_max", sigma_max, 1e-3, 1e4)
    real_number("sigma_min", sigma_min, 1e-6, sigma_max)
    real_number("rho", rho, 1.0, 100.0)
    if sigma_min == sigma_max:
        raise InvalidInput("sigma_min", f"must be smaller than {{}}, not equal to it: {sigma_max!r}", "sigma_max")
    sigmas = np.linspace(sigma_max ** (1 / rho), sigma_min ** (1 / rho), steps) ** rho
    sigmas = np.append(sigmas, 0.0)
    return Schedule(sigmas / (1.0 + sigmas), np.ones(steps + 1), sigmas)


SCHEDULES: dict[str, Callable[..., Schedule]] = {"flow": flow, "cosine": cosine, "linear": linear, "karras": karras}


def _even_times(steps: int) -> np.ndarray:
    return np.linspace(1.0, 0.0, whole_number("num_inference_steps", steps, 1, MAX_STEPS) + 1)


def _variance_preserving(times: np.ndarray, alphas_squared: np.ndarray) -> Schedule:
    return Schedule(times, np.sqrt(alphas_squared), np.sqrt(1.0 - alphas_squared))
