"""A few-step student as a denoiser: it is told not only where a step starts but also where it ends."""

from __future__ import annotations

from collections.abc import Callable

from bozzetto.diffusion.samplers import Array, Denoise
from bozzetto.diffusion.schedule import Schedule

JUMPS = (1, 2, 4, 8)  # in how many steps our students have learned to draw (training/recipes/few_steps.py)


def few_steps(jump: Callable[[Array, float, float], Array], schedule: Schedule) -> Denoise:
    """denoise(x, t) for Euler's method on this schedule, which must be `flow` with one of JUMPS steps.

    jump(x, t, until) -> the clean picture at which a straight step from t to until should aim.
    ValueError for another number of steps.
    """
    if len(schedule) not in JUMPS:
        raise ValueError(f"num_inference_steps must be 1, 2, 4 or 8 for a few-step student, not {len(schedule)}")
    ends = dict(zip(schedule.times[:-1].tolist(), schedule.times[1:].tolist(), strict=True))
    return lambda x, t: jump(x, t, ends[t])
