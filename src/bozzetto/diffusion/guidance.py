"""Guidance: wrap a denoiser so that its pictures follow the prompt more closely.

Classifier-free guidance (Ho & Salimans 2022, eq. 6) asks the network twice, with the prompt and without, and
goes further along the difference. With clean estimates D and a scale s:

    D = D_without + s (D_with - D_without)

s = 0 ignores the prompt, s = 1 is the plain conditional model, s > 1 overshoots towards the prompt. (The
paper's weight is w = s - 1, and it mixes noise estimates; noise is linear in D, so that is the same.)

In a limited interval (Kynkaanniemi et al. 2024): at very high noise guidance narrows the variety, at very low
noise it does nothing, so it is applied only for t inside `interval`, which also saves half the work
elsewhere.

The same formula, and the same function, serve
- a negative prompt: D_without sees the unwanted words;
- autoguidance (Karras et al. 2024, "Guiding a diffusion model with a bad version of itself"): D_with comes from
  the good model, D_without from a smaller or less trained version of it, both with the same prompt. Where the bad
  one makes the errors of the good one, only larger, going on from bad to good takes them away, and unlike the
  prompt's difference this does not narrow the variety. In the paper's letters w = s, D0 = D_without.

CLIP guidance asks the network once, without a prompt, and a judge of finished pictures where to go: see `clip_guided`.
"""

from collections.abc import Callable

from bozzetto.diffusion.samplers import Array, Denoise
from bozzetto.diffusion.schedule import Schedule
from bozzetto.errors import InvalidInput, real_number

MAX_GUIDANCE = 30.0
MAX_CLIP_GUIDANCE = 100.0


def classifier_free(
    conditional: Denoise,
    pair: Callable[[Array, float], tuple[Array, Array]],
    guidance_scale: float,
    interval: tuple[float, float] = (0.0, 1.0),
) -> Denoise:
    """A guided `denoise(x, t)` for any sampler.

    conditional(x, t) -> D_with, one evaluation; called outside the interval and at scale 1, where D_without
    does not count. pair(x, t) -> (D_with, D_without), arrays like x; called inside. They are two functions
    because a runtime computes a pair in one batch of twice the size, and should not compute what is thrown
    away. For autoguidance: classifier_free(good, lambda x, t: (good(x, t), bad(x, t)), 2.0).

    guidance_scale: 0 .. 30. interval: (low, high) times t, 0 <= low <= high <= 1, both ends included.
    InvalidInput otherwise.
    """
    scale = real_number("guidance_scale", guidance_scale, 0, MAX_GUIDANCE)
    try:
        low, high = interval
        usable = bool(0 <= low <= high <= 1)
    except (TypeError, ValueError):
        usable = False
    if not usable:
        raise InvalidInput("guidance_interval", f"must be a pair of times, 0 <= low <= high <= 1, not {interval!r}")

    def denoise(x: Array, t: float) -> Array:
        if scale == 1 or not low <= t <= high:
            return conditional(x, t)
        d_with, d_without = pair(x, t)
        return d_without + scale * (d_with - d_without)

    return denoise


def clip_guided(
    denoise: Denoise,
    gradient: Callable[[Array], Array],
    clip_guidance_scale: float,
    schedule: Schedule,
    data_std: float,
) -> Denoise:
    """A `denoise(x, t)` for any sampler on this schedule that aims for what a judge of clean pictures likes.

    The judge tells its opinion log p(y | clean) by its gradient alone: with CLIP, the cosine of picture and words times
    its logit scale (Nichol et al. 2022, GLIDE, section 2.4). Bayes' rule adds that gradient by x_t to the score
    (Dhariwal & Nichol 2021, section 4), and by Tweedie's formula the clean estimate D then moves by

        D' = D + s Cov(clean | x_t) grad log p(y | D),

    when the judge sees D (Bansal et al. 2023, "Universal guidance", section 3.1) and the network's own derivative by
    x_t is written as the covariance it stands for. That covariance is taken as if all pixels were independent and
    normal (as in Song et al. 2023, "Pseudoinverse-guided diffusion models"),

        Cov = sigma^2 d^2 / (sigma^2 + alpha^2 d^2),

    which is d^2 in pure noise and 0 at the end, so that the network always has the last word. It is exact for such
    data and a log p that is linear: a bell N(m, d^2) becomes N(m + s d^2 grad, d^2).

    gradient(clean) -> an array like clean. clip_guidance_scale s: 0 .. 100; 0 never asks for a gradient. data_std d:
    above 0 up to 100, the standard deviation of clean pictures. InvalidInput otherwise.
    """
    scale = real_number("clip_guidance_scale", clip_guidance_scale, 0, MAX_CLIP_GUIDANCE)
    variance = real_number("data_std", data_std, 1e-6, 100) ** 2
    if scale == 0:
        return denoise
    levels = zip(schedule.times.tolist(), schedule.alphas.tolist(), schedule.sigmas.tolist(), strict=True)
    reach = {t: scale * sigma**2 * variance / (sigma**2 + alpha**2 * variance) for t, alpha, sigma in levels}

    def guided(x: Array, t: float) -> Array:
        clean = denoise(x, t)
        return clean + reach[t] * gradient(clean)

    return guided
