"""How a few-step student draws: it is told not only where a step starts but also where it ends."""

from collections.abc import Callable

from bozzetto.diffusion.samplers import Array, Callback, Noise, needed, noise_kept, renoised
from bozzetto.diffusion.schedule import Schedule
from bozzetto.errors import InvalidInput

JUMPS = (1, 2, 4, 8)  # in how many steps our students have learned to draw (training/recipes/few_steps.py)

Jump = Callable[[Array, float, float], Array]
"""jump(x, t, until) -> the clean picture D at which a straight step from t to until should aim."""


def few_steps(
    jump: Jump, x: Array, schedule: Schedule, callback: Callback | None = None, noise: Noise | None = None
) -> Array:
    """From noise to a picture in 1, 2, 4 or 8 jumps: as the samplers of samplers.py, on a schedule of `flow`.

    Every step jumps two levels ahead and goes back one with fresh noise, so that part of what a jump got wrong is
    forgotten: the gamma-sampling of Kim et al. 2024 ("Consistency trajectory models"), gamma by the level after next.
    In the letters of samplers.py, with '' for that level, the jump to it and the way back are together

        x <- alpha' D + sigma' (E eps + sqrt(1 - E^2) noise(step)),   E = alpha' sigma'' / (alpha'' sigma'),

    a step of `ddpm` with the E of the step after it. The last step, and so the only one of one, is the jump itself.
    InvalidInput for another number of steps.
    """
    if len(schedule) not in JUMPS:
        raise InvalidInput("num_inference_steps", f"must be 1, 2, 4 or 8 for a few-step student, not {len(schedule)}")
    noise = needed(noise, "few_steps")
    steps = list(schedule.steps())
    for step, now, then in steps:
        _, _, far = steps[min(step + 1, len(steps) - 1)]
        clean = jump(x, now.t, far.t)
        if then.sigma > 0:
            kept, _ = noise_kept(then, far)
            x = renoised(x, clean, now, then, kept, noise(step))
        else:
            x = clean
        if callback:
            callback(step, x, clean)
    return x
