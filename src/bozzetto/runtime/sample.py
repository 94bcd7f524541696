"""Pictures from the makers of lessons 2 to 5, by class and without words: GAN, VAE, diffusion and its few-step student.

Each turns seeded noise into 32 x 32 RGB: the GAN and the VAE in one pass, diffusion in `num_inference_steps` steps of a
sampler, the student in 1 to 8 jumps. As in text_to_image.py every picture is drawn alone, so that it depends
on its seed only; `make` takes batches too, for measuring many. Diffusion of any class can be steered by words: CLIP
looks at the clean estimate of each step and says how it should change.

Pictures inside: float32 [B,C,32,32] in [-1, 1]. Labels: int64 [B], 0 is any class, k + 1 the k-th.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from bozzetto.diffusion import SAMPLERS, Schedule, classifier_free, clip_guided, few_steps, flow, normal
from bozzetto.diffusion.few_steps import Jump
from bozzetto.diffusion.guidance import MAX_CLIP_GUIDANCE, MAX_GUIDANCE
from bozzetto.diffusion.samplers import Callback, Denoise
from bozzetto.diffusion.schedule import check_number
from bozzetto.runtime import label as clip
from bozzetto.runtime import vae
from bozzetto.runtime.session import Network, open_network
from bozzetto.runtime.store import open_model
from bozzetto.runtime.text_to_image import check_choice, check_prompt

MAKERS = ("gan", "vae", "diffusion", "few-steps")
FOLDERS = {"gan": "gan/generator", "vae": "vae/decoder", "diffusion": "diffusion", "few-steps": "few_steps"}
# What each maker can be asked for, beside a class and seeds.
OPTIONS = {
    "diffusion": ("num_inference_steps", "guidance_scale", "sampler", "prompt", "clip_guidance_scale"),
    "few-steps": ("num_inference_steps",),
}
# With fresh noise in every step a steered picture can still change its mind; benchmarks/steering.py.
STEERED = {"sampler": "ddpm", "num_inference_steps": 25, "clip_guidance_scale": 15.0}


@dataclass(frozen=True)
class Maker:
    """An open maker: its network, the names of its classes, the shape of its noise, and the defaults of config.json;
    data_std: of the pixels that diffusion learned from."""

    name: str
    network: Network | vae.Models
    classes: list[str]
    noise_shape: tuple[int, ...]
    defaults: dict[str, object]
    data_std: float


@lru_cache(maxsize=8)
def load(name: str, weights: Path) -> Maker:
    """Open one of MAKERS in a weights folder, once. Raises WeightsError."""
    model = open_model(FOLDERS[name], weights)
    config = model["config"]
    network = vae.load(weights) if name == "vae" else open_network(model)
    shapes = {"gan": (config.get("noise_size"),), "vae": (config.get("latent_size"),)}
    shape = shapes.get(name, (config["channels"], 32, 32))
    data_std = config.get("data_std", 1.0)
    return Maker(name, network, config["classes"], shape, model.config.get("defaults", {}), data_std)


@lru_cache(maxsize=2)
def load_steer(weights: Path) -> Network:
    """CLIP's picture tower with its gradient (training/steer.py). Raises WeightsError."""
    return open_network(open_model("clip/image", weights), "steer.onnx")


def classes(name: str, weights: Path) -> list[str]:
    """The names of the classes of the maker `name`."""
    check_choice("model", name, MAKERS)
    return load(name, weights).classes


def class_number(label: str | None, classes: list[str], nearest: Callable[[str, list[str]], str]) -> int:
    """The networks' number of a class; 0 for None. ValueError names the nearest class there is: one that is spelled
    like it, or what `nearest` says is closest in meaning."""
    if label is None:
        return 0
    if label in classes:
        return classes.index(label) + 1
    near = difflib.get_close_matches(str(label), classes, n=1, cutoff=0.75)
    guess = near[0] if near else nearest(str(label), classes)
    raise ValueError(f"label {str(label)[:40]!r} is not one of the {len(classes)} classes: the nearest is {guess!r}")


# ---------------------------------------------------------------- from noise to pictures


def denoiser(maker: Maker, labels: np.ndarray, guidance_scale: float = 1.0) -> Denoise:
    """denoise(x [B,C,32,32], t) -> clean estimate, with classifier-free guidance against label 0."""
    both = np.concatenate([labels, np.zeros_like(labels)])

    def conditional(x: np.ndarray, t: float) -> np.ndarray:
        return maker.network(x=x, t=np.full(len(x), t, np.float32), label=labels)["clean"]

    def pair(x: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        doubled = np.concatenate([x, x])
        clean = maker.network(x=doubled, t=np.full(len(doubled), t, np.float32), label=both)["clean"]
        return clean[: len(x)], clean[len(x) :]

    return classifier_free(conditional, pair, guidance_scale)


def towards(prompts: Sequence[str], weights: Path) -> Callable[[np.ndarray], np.ndarray]:
    """clean [B,3,32,32] -> the gradient of log p(words | picture), for `clip_guided`: one prompt for each picture."""
    models, steer = clip.load(weights), load_steer(weights)
    targets = clip.encode_text(models, prompts)

    def gradient(clean: np.ndarray) -> np.ndarray:
        each = [steer(pixels=c[None], target=t[None])["gradient"] for c, t in zip(clean, targets, strict=True)]
        return models.logit_scale * np.concatenate(each)

    return gradient


def student_jump(maker: Maker, labels: np.ndarray) -> Jump:
    """jump(x [B,C,32,32], t, until) of the few-step student."""

    def jump(x: np.ndarray, t: float, until: float) -> np.ndarray:
        now, then = (np.full(len(x), time, np.float32) for time in (t, until))
        return maker.network(x=x, t=now, label=labels, until=then)["clean"]

    return jump


def sample(
    sampler: Callable[..., np.ndarray],
    network: Denoise | Jump,
    seeds: Iterable[int],
    shape: tuple[int, ...],
    schedule: Schedule,
    callback: Callback | None = None,
) -> np.ndarray:
    """One picture a seed: float32 [B,*shape]. network: `denoiser`, or for the sampler `few_steps` `student_jump`.
    callback(step, noisy, clean estimate) sees every step."""
    seeds = list(seeds)

    def noise(stream: int) -> np.ndarray:
        return np.stack([normal(seed, shape, stream=stream) for seed in seeds])

    start = schedule.sigmas[0].item() * noise(0)
    return sampler(network, start, schedule, callback, noise=lambda step: noise(step + 1))


def to_bytes(pixels: np.ndarray) -> np.ndarray:
    """float [B,C,32,32] in [-1, 1] -> uint8 [B,32,32,3]; grey becomes three equal channels."""
    shown = np.round(np.clip(pixels.transpose(0, 2, 3, 1) * 127.5 + 127.5, 0, 255)).astype(np.uint8)
    return np.repeat(shown, 3, axis=-1) if shown.shape[-1] == 1 else shown


def make(
    maker: Maker,
    seeds: Iterable[int],
    labels: np.ndarray,
    settings: dict[str, object],
    callback: Callback | None = None,
    gradient: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """One picture a seed, uint8 [B,32,32,3], with a label int64 [B] each. settings: what OPTIONS says, and for "vae"
    what `vae.sample` takes. gradient: `towards` some words."""
    seeds = list(seeds)
    if maker.name == "vae":
        return to_bytes(vae.sample(maker.network, seeds, labels, **settings))
    if maker.name == "gan":
        noise = np.stack([normal(seed, maker.noise_shape) for seed in seeds])
        return to_bytes(maker.network(noise=noise, label=labels)["pixels"])
    schedule = flow(settings["num_inference_steps"])
    if maker.name == "few-steps":
        sampler, network = few_steps, student_jump(maker, labels)
    else:
        sampler, network = SAMPLERS[settings["sampler"]], denoiser(maker, labels, settings["guidance_scale"])
        if gradient:
            network = clip_guided(network, gradient, settings["clip_guidance_scale"], schedule, maker.data_std)
    return to_bytes(sample(sampler, network, seeds, maker.noise_shape, schedule, callback))


def draw(
    name: str,
    weights: Path,
    seeds: Iterable[int],
    label: str | None = None,
    *,
    nearest: Callable[[str, list[str]], str],
    callback: Callable[[int, int, int, np.ndarray, np.ndarray], None] | None = None,
    **options: object,
) -> list[np.ndarray]:
    """One picture uint8 [32,32,3] for each seed, by the maker `name`.

    options: those of OPTIONS; what is left out or None comes from config.json, or with a prompt from STEERED. nearest:
    see `class_number`.
    callback(picture index, step, steps, noisy, clean) gets float [1,C,32,32], from makers that go in steps.
    ValueError for a bad argument, or one that this maker has no use for, before anything is drawn.
    """
    check_choice("model", name, MAKERS)
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if option not in OPTIONS.get(name, ()):
            raise ValueError(f"{option} means nothing to the {name} model: leave it out")
    maker = load(name, weights)
    labels = np.array([class_number(label, maker.classes, nearest)])
    prompt = given.get("prompt")
    settings = {**maker.defaults, **(STEERED if prompt is not None else {}), **given}
    if name == "diffusion":
        check_choice("sampler", settings["sampler"], SAMPLERS)
        if label is None:  # both sides of the guidance would be the same
            check_number("guidance_scale", settings["guidance_scale"], 0, MAX_GUIDANCE)
            settings["guidance_scale"] = 1.0
    gradient = None
    if prompt is not None:
        check_prompt("prompt", prompt)
        check_number("clip_guidance_scale", settings["clip_guidance_scale"], 0, MAX_CLIP_GUIDANCE)
        if label is not None:
            raise ValueError("label and prompt are two ways to say what to draw: give one of them")
        gradient = towards([prompt], weights)
    elif "clip_guidance_scale" in given:
        raise ValueError("clip_guidance_scale is the strength of a prompt: give a prompt with it")
    pictures = []
    for index, seed in enumerate(seeds):

        def on_step(step: int, noisy: np.ndarray, clean: np.ndarray, index: int = index) -> None:
            if callback:
                callback(index, step, settings["num_inference_steps"], noisy, clean)

        pictures.append(make(maker, [seed], labels, settings, on_step, gradient)[0])
    return pictures
