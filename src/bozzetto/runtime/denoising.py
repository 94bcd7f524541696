"""From noise to a picture in steps: what text-to-image, diffusion and their few-step students share.

A network is asked with x float32 [B,C,H,W], its time, and a condition: the other inputs by name, each [B,...].
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from bozzetto.diffusion import SAMPLERS, Schedule, classifier_free, normal_batch
from bozzetto.diffusion.few_steps import Jump
from bozzetto.diffusion.samplers import Callback, Denoise
from bozzetto.errors import one_of
from bozzetto.runtime.session import Network

Condition = dict[str, np.ndarray]
StepCallback = Callable[[int, int, int, np.ndarray, np.ndarray], None]
"""callback(step, num_steps, picture_index, noisy, clean), after every step of every picture, all from 0."""
Progress = Callable[[int, int], None]
"""progress(steps done, steps in all)."""


@dataclass(frozen=True)
class OnePass:
    """What can be chosen for a GAN or a VAE: nothing."""


@dataclass(frozen=True)
class Steps(OnePass):
    """For a few-step student, whose guidance is built in."""

    num_inference_steps: int


@dataclass(frozen=True)
class Guided(Steps):
    """For a network that any sampler may ask."""

    guidance_scale: float
    sampler: str


Settings = TypeVar("Settings", bound=OnePass)


def chosen(defaults: Settings, **options: Any) -> Settings:
    """The settings with those options that are not None."""
    settings = replace(defaults, **{name: value for name, value in options.items() if value is not None})
    if isinstance(settings, Guided):
        one_of("sampler", settings.sampler, SAMPLERS)
    return settings


def guided_denoiser(
    network: Network,
    wanted: Condition,
    unwanted: Condition,
    scale: float,
    interval: tuple[float, float] = (0.0, 1.0),
) -> Denoise:
    """denoise(x, t) -> clean estimate, with classifier-free guidance from the unwanted towards the wanted condition."""
    both = {name: np.concatenate([wanted[name], unwanted[name]]) for name in wanted}

    def ask(x: np.ndarray, t: float, condition: Condition) -> np.ndarray:
        return network(x=x, t=np.full(len(x), t, np.float32), **condition)["clean"]

    def pair(x: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        clean = ask(np.concatenate([x, x]), t, both)
        return clean[: len(x)], clean[len(x) :]

    return classifier_free(lambda x, t: ask(x, t, wanted), pair, scale, interval)


def student_jump(network: Network, wanted: Condition) -> Jump:
    """jump(x, t, until) of a few-step student."""

    def jump(x: np.ndarray, t: float, until: float) -> np.ndarray:
        now, then = (np.full(len(x), time, np.float32) for time in (t, until))
        return network(x=x, t=now, until=then, **wanted)["clean"]

    return jump


def sample(
    sampler: Callable[..., np.ndarray],
    network: Denoise | Jump,
    seeds: Iterable[int],
    shape: tuple[int, ...],
    schedule: Schedule,
    callback: Callback | None = None,
    image: np.ndarray | float = 0.0,
    stream: int = 0,
) -> np.ndarray:
    """One clean array a seed: float32 [B,*shape]. network: `guided_denoiser`, or for the sampler `few_steps`
    `student_jump`. callback(step, noisy, clean estimate) sees every step. image: what is under the noise where the
    schedule begins. stream: which of a seed's noises is the first that is used."""
    seeds = list(seeds)
    start = schedule.alphas[0].item() * image + schedule.sigmas[0].item() * normal_batch(seeds, shape, stream)
    return sampler(network, start, schedule, callback, noise=lambda step: normal_batch(seeds, shape, stream + step + 1))


def one_by_one(
    draw: Callable[[int, Callback], np.ndarray],
    seeds: Iterable[int],
    steps: int,
    callback: StepCallback | None,
    progress: Progress | None,
) -> list[np.ndarray]:
    """draw(seed, on_step) for each seed alone, so that a picture depends on its seed and not on its company.

    steps: of each picture; 0 where on_step is never called, because there is only one pass.
    """
    seeds, pictures = list(seeds), []
    for index, seed in enumerate(seeds):

        def on_step(step: int, noisy: np.ndarray, clean: np.ndarray, index: int = index) -> None:
            if callback:
                callback(step, steps, index, noisy, clean)
            if progress:
                progress(index * steps + step + 1, len(seeds) * steps)

        pictures.append(draw(seed, on_step))
        if progress and not steps:
            progress(index + 1, len(seeds))
    return pictures
