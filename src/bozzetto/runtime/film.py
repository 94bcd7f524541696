"""A sentence in, a film out: the few-step student draws the thing, then all frames of it are denoised together.

`world.films` says what of the prompt is the thing and what the motion. The film's network is told the picture beside
words and motion, and is asked as the student is, from noise of its own in each frame; it holds the student, so its
graph points into the weights of both. Latents of frames: float32 [1,8,8,16,16].
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bozzetto.diffusion import few_steps, flow
from bozzetto.diffusion.samplers import Callback
from bozzetto.errors import InputWarning, InvalidInput, whole_number
from bozzetto.runtime import denoising, text_to_image
from bozzetto.runtime.requests import check_prompt, check_words, warn
from bozzetto.runtime.session import Network, open_network
from bozzetto.runtime.store import once, open_model
from bozzetto.runtime.text_to_image import LATENT_SHAPE, Models, decode, encode
from bozzetto.world.films import FRAMES, MOTIONS, STAYS, split_prompt

JUMPS = (1, 2, 4)  # in how many steps it has learned to draw
FIRST_NOISE = 16  # of a seed's noises in the frames; those before are the picture's


@dataclass(frozen=True)
class Filming:
    """What a film takes: the models of text-to-image, the student, and the film's own network."""

    models: Models
    student: Network
    network: Network
    steps: int  # the usual number


@once
def load(weights: Path) -> Filming:
    """Raises WeightsError."""
    model = open_model("film", weights)
    student, _ = text_to_image.load_student(weights)
    steps = int(model["defaults"]["num_inference_steps"])
    return Filming(text_to_image.load(weights), student, open_network(model), steps)


@dataclass(frozen=True)
class Shot:
    """A checked wish. draw(seed, on_step) -> its frames uint8 [F,64,64,4], in so many steps; on_step hears the latents
    of all eight."""

    draw: Callable[[int, Callback], np.ndarray]
    steps: int


def prepare(
    filming: Filming,
    prompt: str,
    *,
    num_frames: int = FRAMES,
    num_inference_steps: int | None = None,
    style: str | None = None,
) -> Shot:
    """How the films of a prompt are drawn. num_frames: that many of the eight, evenly. Raises InvalidInput; an
    InputWarning says which words were not read, and where no motion is said."""
    check_prompt("prompt", prompt)
    thing, motion = split_prompt(prompt)
    warn(check_words("prompt", thing, filming.models.tokenizer))
    if motion is None:
        known = ", ".join(word for word in MOTIONS if word != STAYS)
        why = f"says no motion that the model knows, so the film stands still: say {known} or {STAYS}"
        warn([InputWarning("prompt", why)])
    shown = np.linspace(0, FRAMES - 1, whole_number("num_frames", num_frames, 1, FRAMES)).round().astype(int)
    steps = filming.steps if num_inference_steps is None else num_inference_steps
    if steps not in JUMPS:
        raise InvalidInput("num_inference_steps", f"must be 1, 2 or 4 for a film, not {steps!r}")
    told, schedule = encode(filming.models, thing, style), flow(steps)
    draw_thing = denoising.student_jump(filming.student, told)
    number = np.array([list(MOTIONS).index(motion or STAYS)])

    def draw(seed: int, on_step: Callback) -> np.ndarray:
        picture = denoising.sample(few_steps, draw_thing, [seed], LATENT_SHAPE, flow(filming.steps))
        jump = denoising.student_jump(filming.network, {**told, "picture": picture, "motion": number})
        shape = (FRAMES, *LATENT_SHAPE)
        latents = denoising.sample(few_steps, jump, [seed], shape, schedule, on_step, stream=FIRST_NOISE)
        return decode(filming.models, latents[0, shown])

    return Shot(draw, steps)
