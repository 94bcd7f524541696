"""Editing: what the same model and the same samplers do when they start from a picture instead of from noise.

    start, rest = img2img(image, flow(20), 0.6, noise)           # redraw it, keeping its layout
    edited = heun(denoise, start, rest)

    edited = heun(inpaint(denoise, image, mask), noise, flow(20))          # redraw only a part of it

    latents = invert(denoise_as_it_is, image, flow(50))          # the noise that would have made it, and from
    edited = heun(denoise_as_wanted, latents, flow(50))          # there with other words

None of the three is trained, and each works with every sampler, denoiser and schedule, in numpy and torch. `image`
is clean: whatever the denoiser estimates, pixels or latents.
"""

from bozzetto.diffusion.samplers import Array, Callback, Denoise
from bozzetto.diffusion.schedule import Schedule
from bozzetto.errors import real_number


def last_steps(schedule: Schedule, strength: float) -> Schedule:
    """The end of a schedule of n steps: strength n of them, rounded to whole steps, at least the last one.

    strength: 0 .. 1, InvalidInput otherwise; at 1 it is the whole schedule.
    """
    real_number("strength", strength, 0, 1)
    first = len(schedule) - max(1, round(strength * len(schedule)))
    return Schedule(schedule.times[first:], schedule.alphas[first:], schedule.sigmas[first:])


def img2img(image: Array, schedule: Schedule, strength: float, noise: Array) -> tuple[Array, Schedule]:
    """SDEdit (Meng et al. 2022, algorithm 1): (start, rest), the picture noised part of the way and the steps from
    there on, for any sampler. What noise of that level hides is drawn anew; what it leaves visible stays.

    strength: as in `last_steps`. On a path from alpha = 0 nothing of the picture is left at 1. noise: standard normal,
    like image.
    """
    rest = last_steps(schedule, strength)
    return rest.alphas[0].item() * image + rest.sigmas[0].item() * noise, rest


def inpaint(denoise: Denoise, image: Array, mask: Array) -> Denoise:
    """A `denoise(x, t)` for any sampler that paints where mask is 1 and keeps the picture where it is 0.

    The clean estimate is replaced by the picture where it is known. As x = alpha D + sigma eps at every level, a
    sampler then carries the known part along the path by itself, noised as much as its surroundings and, if it
    is deterministic, always with the noise it started from (Lugmayr et al. 2022, eq. 8, draw that part's noise
    anew at every level). So the network always sees one picture of one noise level, and paints what fits.

    Start from sigmas[0] * noise as usual, or from `img2img`. mask: 0 .. 1, of a shape that broadcasts to x and of
    its dtype; in between it blends. The fit is not perfect: high noise hides the known part from the network just
    when it lays out the new one. Two pixels of correlation 0.9, one of them known, come out with 0.45, and with
    0.6 from a stochastic sampler, which changes its mind more easily. Noising the result and running the last
    steps again, by `img2img` with a strength of 0.3, makes that 0.8 in a few rounds (a form of the resampling of
    Lugmayr et al. 2022, section 4.2).
    """
    return lambda x, t: image + mask * (denoise(x, t) - image)


def invert(denoise: Denoise, x: Array, schedule: Schedule, callback: Callback | None = None) -> Array:
    """DDIM inversion (Song et al. 2021, "Denoising diffusion implicit models", section 4.3): the noise from which a
    deterministic sampler makes the picture x. First order, one evaluation a step but none in the first.

    The probability-flow ODE has no direction: here `ddim` goes from the schedule's clean end to its start, each
    step with D and eps of the level where it begins. At sigma = 0 the clean estimate is x itself, with no noise in
    it. Returns x at schedule's first level; `ddim` and the others bring it back, up to an error that falls as
    1 / n. Guidance makes that error much larger, so invert at guidance scale 1 (Mokady et al. 2023).
    callback(step, noisy, clean) as in the samplers, with step counting from the clean end.
    """
    for step, (_, then, now) in enumerate(reversed(list(schedule.steps()))):
        clean, eps = x, 0.0 * x
        if now.sigma > 0:
            clean = denoise(x, now.t)
            eps = (x - now.alpha * clean) / now.sigma
        x = then.alpha * clean + then.sigma * eps
        if callback:
            callback(step, x, clean)
    return x
