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
"""

from collections.abc import Callable

from bozzetto.diffusion.samplers import Array, Denoise
from bozzetto.diffusion.schedule import check_number

MAX_GUIDANCE = 30.0


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
    ValueError otherwise.
    """
    check_number("guidance_scale", guidance_scale, 0, MAX_GUIDANCE)
    if len(interval) != 2:
        raise ValueError(f"interval must be two times, (low, high), not {interval!r}")
    low, high = interval
    check_number("the low end of interval", low, 0, 1)
    check_number("the high end of interval", high, low, 1)
    scale = float(guidance_scale)  # a numpy scalar would change the dtype of the picture

    def denoise(x: Array, t: float) -> Array:
        if scale == 1 or not low <= t <= high:
            return conditional(x, t)
        d_with, d_without = pair(x, t)
        return d_without + scale * (d_with - d_without)

    return denoise
