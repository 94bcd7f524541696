"""Diffusion sampling over plain arrays: noise, schedule, sampler, guidance, editing. Needs numpy and nothing else.

    schedule = flow(20)
    x = schedule.sigmas[0].item() * normal_batch([7], (8, 16, 16))
    latents = SAMPLERS["euler"](denoise, x, schedule)          # denoise(x, t) -> clean estimate

The training side runs the same functions on torch tensors.
"""

from bozzetto.diffusion.edit import img2img, inpaint, invert, last_steps
from bozzetto.diffusion.few_steps import JUMPS, few_steps
from bozzetto.diffusion.guidance import classifier_free, clip_guided
from bozzetto.diffusion.noise import MAX_SEED, normal, normal_batch
from bozzetto.diffusion.samplers import SAMPLERS, STOCHASTIC, TWICE
from bozzetto.diffusion.schedule import MAX_STEPS, SCHEDULES, Schedule, cosine, flow, karras, linear

__all__ = [
    "JUMPS",
    "MAX_SEED",
    "MAX_STEPS",
    "SAMPLERS",
    "SCHEDULES",
    "STOCHASTIC",
    "TWICE",
    "Schedule",
    "classifier_free",
    "clip_guided",
    "cosine",
    "few_steps",
    "flow",
    "img2img",
    "inpaint",
    "invert",
    "karras",
    "last_steps",
    "linear",
    "normal",
    "normal_batch",
]
