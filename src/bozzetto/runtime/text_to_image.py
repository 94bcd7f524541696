"""A sentence in, pictures out: text tower, denoiser and decoder on numpy arrays.

The prompt becomes the text tower's hidden states; a sampler walks from seeded noise [1,16,8,8] to a clean latent along
the straight path of flow matching; the decoder turns it into premultiplied RGBA [1,4,64,64] in [-1, 1], which is
divided by its alpha to give a picture uint8 [64,64,4].

Every picture is sampled alone, from noise that its seed alone decides, so it does not matter how many are drawn at
once. The branch without the prompt (see diffusion/guidance.py) is the empty prompt in any style; a negative prompt
takes its place.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from bozzetto.diffusion import MAX_SEED, SAMPLERS, Schedule, classifier_free, few_steps, flow, normal
from bozzetto.diffusion.few_steps import Jump
from bozzetto.diffusion.samplers import Denoise
from bozzetto.runtime.session import Network, open_network
from bozzetto.runtime.store import open_model
from bozzetto.runtime.tokenizer import CONTEXT_LENGTH, Tokenizer, split_words

LATENT_SHAPE = (16, 8, 8)
MAX_PROMPT = 300  # characters
MAX_PICTURES = 100  # in one call

Condition = dict[str, np.ndarray]
Callback = Callable[[int, np.ndarray, np.ndarray], None]


@dataclass(frozen=True)
class Models:
    """The open networks, the names of the styles, and the defaults of config.json."""

    tokenizer: Tokenizer
    text: Network
    denoiser: Network
    decoder: Network
    styles: list[str]
    defaults: dict[str, object]


@lru_cache(maxsize=2)
def load(weights: Path) -> Models:
    """Open the three networks of a weights folder, once. Raises WeightsError."""
    model = open_model("text_to_image", weights)  # checks the two that it needs as well
    text, decoder = (open_model(name, weights) for name in ("clip/text", "autoencoder/decoder"))
    return Models(
        tokenizer=Tokenizer.load(text.path / "vocabulary.txt"),
        text=open_network(text),
        denoiser=open_network(model),
        decoder=open_network(decoder),
        styles=model["styles"],
        defaults=model["defaults"],
    )


@lru_cache(maxsize=2)
def load_student(weights: Path) -> tuple[Network, dict[str, object]]:
    """The few-step student that takes the denoiser's place, and its defaults. Raises WeightsError."""
    model = open_model("text_few_steps", weights)
    return open_network(model), model["defaults"]


# ---------------------------------------------------------------- what a person may ask for


def check_prompt(name: str, prompt: str, *, may_be_empty: bool = False) -> None:
    """ValueError unless the prompt is text of a length that a sentence can have, with at least one word in it."""
    if not isinstance(prompt, str):
        raise ValueError(f"{name} must be text, not {prompt!r}")
    if len(prompt) > MAX_PROMPT:
        raise ValueError(f"{name} has {len(prompt)} characters: keep it to {MAX_PROMPT} at most")
    if not may_be_empty and not split_words(prompt):
        raise ValueError(f'{name} is empty: say what to draw, "a happy robot" for example')


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """ValueError that lists the choices, the nearest one first, unless value is one of them."""
    choices = list(choices)
    if value not in choices:
        near = difflib.get_close_matches(str(value), choices, n=1)
        guess = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"{name} {value!r} is unknown: {guess}choose one of {', '.join(choices)}")


def seeds(seed: int, n: int) -> range:
    """The seeds of n pictures: seed, seed + 1, ... ValueError when there is no such picture."""
    for name, value, low, high in (("n", n, 1, MAX_PICTURES), ("seed", seed, 0, MAX_SEED)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
            raise ValueError(f"{name} must be a whole number from {low} to {high}, not {value!r}")
    if seed + n - 1 > MAX_SEED:
        raise ValueError(f"seed {seed} is too large for n = {n} pictures: the last one would pass {MAX_SEED}")
    return range(int(seed), int(seed) + int(n))


def unknown_words(tokenizer: Tokenizer, prompt: str) -> list[str]:
    """The words, each once, that are not in the vocabulary: read in pieces, or not at all."""
    return [word for word in dict.fromkeys(split_words(prompt)) if tokenizer.pieces(word) != [word]]


def unread_words(tokenizer: Tokenizer, prompt: str) -> list[str]:
    """The words at the end of a prompt that do not fit the text tower's context any more."""
    words, room = split_words(prompt), CONTEXT_LENGTH - 1  # the first token is [start]
    for index, word in enumerate(words):
        room -= len(tokenizer.pieces(word))
        if room < 0:
            return words[index:]
    return []


# ---------------------------------------------------------------- from words to a picture


def encode(models: Models, prompt: str, style: str | None = None) -> Condition:
    """What the denoiser is told, by input name: hidden [1,24,192], mask [1,24], embedding [1,256], style [1]."""
    if style is not None:
        check_choice("style", style, models.styles)
    tokens = models.tokenizer(prompt)
    told = models.text(tokens=tokens)
    return {
        "hidden": told["hidden"],
        "embedding": told["summary"],  # which stays, whatever CLIP goes on to learn about sentences
        "mask": (tokens != 0).astype(np.float32),
        "style": np.array([0 if style is None else models.styles.index(style) + 1]),
    }


def guided_denoiser(
    models: Models, wanted: Condition, unwanted: Condition, scale: float, interval: tuple[float, float]
) -> Denoise:
    """denoise(x [1,16,8,8], t) -> clean estimate, with classifier-free guidance."""
    both = {name: np.concatenate([wanted[name], unwanted[name]]) for name in wanted}

    def conditional(x: np.ndarray, t: float) -> np.ndarray:
        return models.denoiser(x=x, t=np.full(1, t, np.float32), **wanted)["clean"]

    def pair(x: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        clean = models.denoiser(x=np.concatenate([x, x]), t=np.full(2, t, np.float32), **both)["clean"]
        return clean[:1], clean[1:]

    return classifier_free(conditional, pair, scale, interval)


def student_jump(network: Network, wanted: Condition) -> Jump:
    """jump(x [1,16,8,8], t, until) of the few-step student; its guidance is built in."""

    def jump(x: np.ndarray, t: float, until: float) -> np.ndarray:
        now, then = (np.full(1, time, np.float32) for time in (t, until))
        return network(x=x, t=now, until=then, **wanted)["clean"]

    return jump


def sample(
    sampler: Callable[..., np.ndarray],
    network: Denoise | Jump,
    seed: int,
    schedule: Schedule,
    callback: Callback | None = None,
) -> np.ndarray:
    """The clean latent [1,16,8,8] of a seed. network: `guided_denoiser`, or for the sampler `few_steps` `student_jump`.
    callback(step, noisy, clean estimate) sees the latents of every step."""
    start = schedule.sigmas[0].item() * normal(seed, LATENT_SHAPE)[None]
    return sampler(
        network, start, schedule, callback, noise=lambda step: normal(seed, LATENT_SHAPE, stream=step + 1)[None]
    )


def decode(models: Models, latents: np.ndarray) -> np.ndarray:
    """Latents [B,16,8,8] -> pictures uint8 [B,64,64,4], straight alpha."""
    pixels = models.decoder(latents=latents)["pixels"].transpose(0, 2, 3, 1)
    premultiplied = np.clip((pixels + 1) / 2, 0, 1)
    alpha = premultiplied[..., 3:]
    # A colour cannot be stronger than its alpha; where nothing is visible there is no colour at all.
    visible = alpha > 0.5 / 255
    rgb = np.where(visible, np.minimum(premultiplied[..., :3], alpha) / np.where(visible, alpha, 1), 0)
    return np.round(255 * np.concatenate([rgb, alpha], axis=-1)).astype(np.uint8)


def draw(
    models: Models,
    prompt: str,
    seeds: Iterable[int],
    *,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    guidance_interval: tuple[float, float] | None = None,
    negative_prompt: str = "",
    style: str | None = None,
    sampler: str | None = None,
    student: tuple[Network, dict[str, object]] | None = None,
    callback: Callable[[int, int, int, np.ndarray, np.ndarray], None] | None = None,
) -> list[np.ndarray]:
    """One picture uint8 [64,64,4] for each seed; what is None comes from config.json.

    student: what `load_student` gave, to draw in 1, 2, 4 or 8 steps; its guidance and sampler cannot be chosen.
    callback(picture index, step, steps, noisy, clean) gets latents [1,16,8,8]; `decode` makes pictures of them.
    ValueError for a bad argument, before anything is drawn.
    """
    if student:
        network, defaults = student
        fixed = {"guidance_scale": guidance_scale, "guidance_interval": guidance_interval, "sampler": sampler}
        for name, value in {**fixed, "negative_prompt": negative_prompt or None}.items():
            if value is not None:
                raise ValueError(
                    f"{name} cannot be chosen with few_steps, whose student has one built in: leave it out"
                )
        schedule = flow(defaults["num_inference_steps"] if num_inference_steps is None else num_inference_steps)
        walk, network = few_steps, student_jump(network, encode(models, prompt, style))
    else:
        sampler = models.defaults["sampler"] if sampler is None else sampler
        steps = models.defaults["num_inference_steps"] if num_inference_steps is None else num_inference_steps
        scale = models.defaults["guidance_scale"] if guidance_scale is None else guidance_scale
        interval = models.defaults["guidance_interval"] if guidance_interval is None else guidance_interval
        check_choice("sampler", sampler, SAMPLERS)
        schedule = flow(steps)
        wanted, unwanted = encode(models, prompt, style), encode(models, negative_prompt)
        walk, network = SAMPLERS[sampler], guided_denoiser(models, wanted, unwanted, scale, interval)
    pictures = []
    for index, seed in enumerate(seeds):

        def on_step(step: int, noisy: np.ndarray, clean: np.ndarray, index: int = index) -> None:
            if callback:
                callback(index, step, len(schedule), noisy, clean)

        pictures.append(decode(models, sample(walk, network, seed, schedule, on_step))[0])
    return pictures
