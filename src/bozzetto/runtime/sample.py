"""Pictures from the makers of lessons 2 to 5, by class and without words: GAN, VAE, diffusion and its few-step student.

Each turns seeded noise into 32 x 32 RGB: the GAN and the VAE in one pass, diffusion in `num_inference_steps` steps of a
sampler, the student in 1 to 8 jumps. As in text_to_image.py `draw` draws every picture alone; `make` takes batches too,
for measuring many. Diffusion of any class can be steered by words: CLIP looks at the clean estimate of each step and
says how it should change.

Pictures inside: float32 [B,C,32,32] in [-1, 1]. Labels: int64 [B], 0 is any class, k + 1 the k-th.
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from bozzetto.diffusion import SAMPLERS, clip_guided, few_steps, flow, normal, normal_batch
from bozzetto.diffusion.guidance import MAX_CLIP_GUIDANCE, MAX_GUIDANCE
from bozzetto.diffusion.samplers import Callback
from bozzetto.errors import InvalidInput, one_of, real_number
from bozzetto.families import BY_NAME, names
from bozzetto.runtime import clip, denoising, vae
from bozzetto.runtime.denoising import Guided, OnePass, Progress, StepCallback, Steps
from bozzetto.runtime.requests import check_prompt
from bozzetto.runtime.session import Network, open_network
from bozzetto.runtime.store import once, open_model

MAKERS = names(sampled=True)
# With fresh noise in every step a steered picture can still change its mind; benchmarks/steering.py.
STEERED = {"sampler": "ddpm", "num_inference_steps": 25}
CLIP_GUIDANCE = 15.0


class Steer(NamedTuple):
    """Where words want a clean estimate to go (`towards`), and how strongly."""

    gradient: Callable[[np.ndarray], np.ndarray]
    scale: float


# ---------------------------------------------------------------- the makers


@dataclass(frozen=True)
class Maker:
    """The names of its classes, and what can be chosen with its defaults."""

    classes: list[str]
    defaults: OnePass


@dataclass(frozen=True)
class Gan(Maker):
    network: Network
    noise_size: int


@dataclass(frozen=True)
class Vae(Maker):
    generator: vae.Generator


@dataclass(frozen=True)
class Student(Maker):
    """shape: of its noise, (channels, 32, 32)."""

    network: Network
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Diffusion(Student):
    """data_std: of the pixels that it learned from."""

    data_std: float


def kind_of_settings(name: str) -> type[OnePass]:
    """Of the maker `name`, known before it is opened."""
    return {"diffusion": Guided, "few-steps": Steps}.get(name, OnePass)


@once
def load(name: str, weights: Path) -> Maker:
    """One of MAKERS in a weights folder. Raises WeightsError."""
    model = open_model(BY_NAME[name].sampled, weights)
    network, config = open_network(model), model["config"]
    labels, shape = config["classes"], (config["channels"], 32, 32)
    if name == "gan":
        return Gan(labels, OnePass(), network, config["noise_size"])
    if name == "vae":
        return Vae(labels, OnePass(), vae.load_generator(weights))
    if name == "few-steps":
        return Student(labels, Steps(**model["defaults"]), network, shape)
    return Diffusion(labels, Guided(**model["defaults"]), network, shape, config["data_std"])


def make(
    maker: Maker,
    seeds: Iterable[int],
    labels: np.ndarray,
    settings: OnePass,
    callback: Callback | None = None,
    steer: Steer | None = None,
) -> np.ndarray:
    """One picture a seed, uint8 [B,32,32,3], with a label int64 [B] each. settings: of the kind of its defaults.
    steer: for diffusion. callback(step, noisy, clean) sees every step, float [B,C,32,32]."""
    seeds, condition = list(seeds), {"label": labels}
    match maker, settings:
        case Gan(), _:
            return to_bytes(maker.network(noise=normal_batch(seeds, (maker.noise_size,)), **condition)["pixels"])
        case Vae(), _:
            latents = vae.sample_latents(maker.generator, seeds, labels)
            return to_bytes(vae.decode(maker.generator, latents))
        case Diffusion(), Guided():
            schedule, walk = flow(settings.num_inference_steps), SAMPLERS[settings.sampler]
            asked = denoising.guided_denoiser(maker.network, condition, {"label": 0 * labels}, settings.guidance_scale)
            if steer:
                asked = clip_guided(asked, *steer, schedule, maker.data_std)
            return to_bytes(denoising.sample(walk, asked, seeds, maker.shape, schedule, callback))
        case Student(), Steps():
            schedule, jump = flow(settings.num_inference_steps), denoising.student_jump(maker.network, condition)
            return to_bytes(denoising.sample(few_steps, jump, seeds, maker.shape, schedule, callback))
    raise TypeError(f"{settings} are no settings for {type(maker).__name__}")


def to_bytes(pixels: np.ndarray) -> np.ndarray:
    """float [B,C,32,32] in [-1, 1] -> uint8 [B,32,32,3]; grey becomes three equal channels."""
    shown = np.round(np.clip(pixels.transpose(0, 2, 3, 1) * 127.5 + 127.5, 0, 255)).astype(np.uint8)
    return np.repeat(shown, 3, axis=-1) if shown.shape[-1] == 1 else shown


def shrunk(picture: np.ndarray) -> np.ndarray:
    """uint8 [2S,2S,3] -> float32 [1,3,S,S] in [-1, 1], each pixel the mean of four."""
    side = len(picture) // 2
    small = picture.reshape(side, 2, side, 2, 3).mean((1, 3), dtype=np.float32)
    return small.transpose(2, 0, 1)[None] / 127.5 - 1


# ---------------------------------------------------------------- classes and words


def classes(name: str, weights: Path) -> list[str]:
    """The names of the classes of the maker `name`."""
    one_of("model", name, MAKERS)
    return load(name, weights).classes


def class_number(label: str | None, classes: list[str], nearest: Callable[[str, list[str]], str]) -> int:
    """The networks' number of a class; 0 for None. InvalidInput names the nearest class there is: one that is spelled
    like it, or what `nearest` says is closest in meaning."""
    if label is None:
        return 0
    if label in classes:
        return classes.index(label) + 1
    near = difflib.get_close_matches(str(label), classes, n=1, cutoff=0.75)
    guess = near[0] if near else nearest(str(label), classes)
    why = f"{str(label)[:40]!r} is not one of the {len(classes)} classes: the nearest is {guess!r}"
    raise InvalidInput("label", why)


@once
def load_steer(weights: Path) -> Network:
    """CLIP's picture tower with its gradient (training/steer.py). Raises WeightsError."""
    return open_network(open_model("clip/image", weights), "steer.onnx")


def towards(prompts: Sequence[str], weights: Path) -> Callable[[np.ndarray], np.ndarray]:
    """clean [B,3,32,32] -> the gradient of log p(words | picture), for `clip_guided`: one prompt for each picture."""
    models, steer = clip.load(weights), load_steer(weights)
    targets = clip.encode_text(models, prompts)

    def gradient(clean: np.ndarray) -> np.ndarray:
        each = [steer(pixels=c[None], target=t[None])["gradient"] for c, t in zip(clean, targets, strict=True)]
        return models.logit_scale * np.concatenate(each)

    return gradient


def draw(
    name: str,
    weights: Path,
    seeds: Iterable[int],
    label: str | None = None,
    *,
    nearest: Callable[[str, list[str]], str],
    prompt: str | None = None,
    clip_guidance_scale: float | None = None,
    callback: StepCallback | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> list[np.ndarray]:
    """One picture uint8 [32,32,3] for each seed, by the maker `name`.

    options: those of its defaults; what is left out or None comes from config.json, or with a prompt from STEERED.
    nearest: see `class_number`. callback gets float [1,C,32,32], from makers that go in steps.
    InvalidInput for a bad argument, or one that this maker has no use for, before anything is drawn.
    """
    one_of("model", name, MAKERS)
    useful = {field.name for field in fields(kind_of_settings(name))}
    if name == "diffusion":
        useful |= {"prompt", "clip_guidance_scale"}
    for option, value in {**options, "prompt": prompt, "clip_guidance_scale": clip_guidance_scale}.items():
        if value is not None and option not in useful:
            raise InvalidInput(option, f"means nothing to the {name} model: leave it out")
    maker = load(name, weights)
    number = class_number(label, maker.classes, nearest)
    defaults = maker.defaults if prompt is None else replace(maker.defaults, **STEERED)
    settings = denoising.chosen(defaults, **options)
    if isinstance(settings, Guided) and label is None:  # both sides of the guidance would be the same
        real_number("guidance_scale", settings.guidance_scale, 0, MAX_GUIDANCE)
        settings = replace(settings, guidance_scale=1.0)
    steer = None
    if prompt is not None:
        check_prompt("prompt", prompt)
        scale = CLIP_GUIDANCE if clip_guidance_scale is None else clip_guidance_scale
        real_number("clip_guidance_scale", scale, 0, MAX_CLIP_GUIDANCE)
        if label is not None:
            raise InvalidInput("label", "and {} are two ways to say what to draw: give one of them", "prompt")
        steer = Steer(towards([prompt], weights), scale)
    elif clip_guidance_scale is not None:
        raise InvalidInput("clip_guidance_scale", "is the strength of a {0}: give a {0} with it", "prompt")
    steps = settings.num_inference_steps if isinstance(settings, Steps) else 0

    def draw_one(seed: int, on_step: Callback) -> np.ndarray:
        return make(maker, [seed], np.array([number]), settings, on_step, steer)[0]

    return denoising.one_by_one(draw_one, seeds, steps, callback, progress)


def denoise(
    weights: Path,
    picture: np.ndarray,
    noise: float,
    seed: int,
    label: str | None,
    *,
    nearest: Callable[[str, list[str]], str],
) -> tuple[np.ndarray, np.ndarray]:
    """A picture float32 [1,3,32,32] with so much noise of a seed, and the clean one that diffusion then guesses.

    noise: t in 0 .. 1. label, nearest: as in `draw`. Raises InvalidInput and WeightsError.
    """
    t = real_number("noise", noise, 0, 1)
    maker = cast(Diffusion, load("diffusion", weights))
    number = class_number(label, maker.classes, nearest)
    if maker.shape[0] == 1:
        picture = picture.mean(1, keepdims=True)
    noisy = ((1 - t) * picture + t * normal(seed, maker.shape)).astype(np.float32)
    return noisy, maker.network(x=noisy, t=np.full(1, t, np.float32), label=np.array([number]))["clean"]
