"""Bozzetto: generative AI in small scale. This is the front door; see `bozzetto --help` for the command line.

    import bozzetto
    picture = bozzetto.generate("a happy robot", seed=7)[0]
    picture.save("robot.png")
    bozzetto.label(picture, ["cat", "dog", "robot"])

Nothing heavy is imported before the first call, and PyTorch never is.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # as in typing, which is slow to import: until the shell catches Ctrl-C it shows a traceback
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

    import numpy as np
    from PIL.Image import Image

    from bozzetto.pictures import Picture
    from bozzetto.runtime.ask import Word
    from bozzetto.server.batching import Engine

# ONNX Runtime sends reports home unless it is told not to before its first import. Here nobody is called.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "Engine",
    "ask",
    "denoise",
    "edit",
    "encode_image",
    "encode_text",
    "film",
    "find",
    "generate",
    "label",
    "sample",
    "sample_labels",
    "save_film",
    "save_wav",
    "sound",
    "spectrogram",
    "unknown_words",
    "write",
    "write_steps",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("bozzetto")
    if name == "Engine":
        from bozzetto.server.batching import Engine

        return Engine
    raise AttributeError(f"module 'bozzetto' has no attribute {name!r}")


def generate(
    prompt: str,
    *,
    seed: int = 0,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    guidance_interval: tuple[float, float] | None = None,
    negative_prompt: str = "",
    style: str | None = None,
    sampler: str | None = None,
    few_steps: bool | None = None,
    n: int = 1,
    best_of: int = 1,
    layers: bool | None = False,
    size: int = 64,
    adapter: str | Path | None = None,
    callback_on_step_end: Callable[[int, int, int, Image, Image], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Image]:
    """Draw n pictures of a prompt: PIL images, RGBA. Picture i has the seed `seed + i`; one seed, one picture.
    info["seed"] of a picture says which.

    prompt: 1 to 300 characters; the model reads the first 23 tokens, and a UserWarning names the words after them.
    seed: 0 .. 2^53 - 1, with n 1 .. 100. num_inference_steps: 1 .. 1000.
    guidance_scale: 0 .. 30, 1 is none, more follows the prompt more closely; guidance_interval: the noise levels
        (low, high) in 0 .. 1 where it acts. negative_prompt: what the picture should move away from.
    style: "noto", "twemoji", ... or None for any. sampler: "euler", "dpmpp_2m", ..., a name in
        `bozzetto.diffusion.SAMPLERS`.
    few_steps: draw with the few-step student, in 1, 2, 4 or 8 steps; its guidance and sampler cannot be chosen.
    best_of: 1 .. 64, draw each picture so many times and keep the one that matches the prompt best by CLIP's cosine,
        which is in its info["match"]. The seeds of picture i are `seed + i best_of` and those after it. The student
        draws, unless few_steps is False or there is an adapter.
    layers: draw each thing of the prompt alone, with the same seeds, and put them where it says: two to five of
        a thing, or two to five things, on a background of a plain colour if one is named. best_of then chooses
        each thing alone; info["seed"] is the first of the seeds that were tried, and info["match"] the mean of the
        things' matches. None: only where the prompt is read so, else as a whole.
    adapter: a file that `bozzetto adapt text-to-image` has written: what the network learned of your own pictures. It
        does not change the student.
    size: 16 .. 2048 pixels. The model draws 64 x 64; from 128 on another network draws that picture at 128 x 128, with
        finer edges. All else is enlarged or shrunk: whole pixels for multiples.
    Whatever is None takes the default that the weights recommend.
    callback_on_step_end(step, num_steps, picture_index, noisy, clean): called after every step, from 0, with the noisy
        picture and the model's clean estimate as PIL images, 64 x 64. Each call costs two more decodings.
    progress(steps done, steps in all): called after every step; it costs nothing.

    Raises InvalidInput for a bad argument and WeightsError for missing or damaged weights. An InputWarning says which
    words were not read.
    """
    from PIL.Image import fromarray

    from bozzetto.runtime import clip, enlarger, requests, store, text_to_image
    from bozzetto.runtime import layers as layered

    weights = store.weights_folder()
    enlarger.check(weights, size)
    firsts = requests.seeds(seed, n, best_of)
    seeds = range(seed, seed + n * best_of)
    text_to_image.check_student(bool(few_steps), adapter)
    models = text_to_image.load(weights, text_to_image.load_adapter(weights, adapter))
    plan, things, notes = layered.check(prompt, layers, negative_prompt, guidance_scale, models.tokenizer)
    requests.warn(notes)
    student = best_of > 1 and adapter is None if few_steps is None else few_steps

    def draw(number: int, thing: str) -> list[Image]:
        """Of one of the things that are drawn: a picture of each of n."""

        def on_step(step: int, steps: int, index: int, *latents: np.ndarray) -> None:
            if callback_on_step_end:
                noisy, clean = (fromarray(text_to_image.decode(models, each)[0]) for each in latents)
                callback_on_step_end(number * steps + step, len(things) * steps, index, noisy, clean)

        def done(steps: int, of: int) -> None:
            if progress:
                progress(number * of + steps, len(things) * of)

        drawn = text_to_image.draw(
            models,
            thing,
            seeds,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            guidance_interval=guidance_interval,
            negative_prompt=negative_prompt,
            style=style,
            sampler=sampler,
            student=text_to_image.load_student(weights) if student else None,
            callback=on_step,
            progress=done,
        )
        pictures = [fromarray(picture) for picture in drawn]
        for picture, its_seed in zip(pictures, seeds, strict=True):
            picture.info["seed"] = its_seed
        return pictures if best_of == 1 else clip.best_matches(clip.load(weights), thing, pictures, best_of)

    shown = [draw(*thing) for thing in enumerate(things)]
    whole = shown[0]
    if plan:
        whole = [layered.put_together(plan, *parts) for parts in zip(firsts, zip(*shown, strict=True), strict=True)]
    return [enlarger.at_size(weights, picture, size) for picture in whole]


def edit(
    picture: Picture,
    prompt: str,
    *,
    mask: Picture | None = None,
    strength: float | None = None,
    seed: int = 0,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    negative_prompt: str = "",
    style: str | None = None,
    sampler: str | None = None,
    n: int = 1,
    size: int = 64,
    adapter: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Image]:
    """Redraw a picture, or only a part of it, as a prompt says: n PIL images, RGBA, as from `generate`.

    picture: as in `label`, fitted to 64 x 64; what is transparent stays so for the model.
    mask: a picture of the same shape, white where to paint and black where every pixel stays as it is (at 64
        pixels; another size is drawn or resized from that); what is transparent is black. None: all of it is redrawn.
    strength: 0 .. 1, how far the picture is turned into noise before it is drawn again: 0.3 changes details, 0.8 keeps
        little more than colours and layout. Default: 0.6, and 1 with a mask.
    All else: as in `generate`; strength x num_inference_steps steps are run.

    Raises InvalidInput for a bad argument and WeightsError for missing or damaged weights. An InputWarning says which
    words were not read.
    """
    import numpy as np
    from PIL.Image import fromarray

    from bozzetto import pictures
    from bozzetto.runtime import denoising, enlarger, requests, store, text_to_image

    weights = store.weights_folder()
    enlarger.check(weights, size)
    seeds = requests.seeds(seed, n)
    opened = pictures.open_picture(picture)
    shown = np.asarray(pictures.fit(opened))
    painted = None if mask is None else requests.painted(mask, opened.size)
    models = text_to_image.load(weights, text_to_image.load_adapter(weights, adapter))
    requests.warn(requests.check_drawing(prompt, negative_prompt, guidance_scale, models.tokenizer))
    walk = text_to_image.prepare_edit(
        models,
        text_to_image.load_encoder(weights),
        shown,
        painted,
        prompt,
        strength=strength,
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
        negative_prompt=negative_prompt,
        style=style,
        sampler=sampler,
    )
    drawn = denoising.one_by_one(walk.draw, seeds, walk.steps, None, progress)
    return [enlarger.at_size(weights, fromarray(each), size) for each in drawn]


def film(
    prompt: str,
    *,
    seed: int = 0,
    num_frames: int = 8,
    num_inference_steps: int | None = None,
    style: str | None = None,
    size: int = 64,
    callback_on_step_end: Callable[[int, int, list[Image]], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Image]:
    """Draw a film: its frames as PIL images, RGBA. One seed, one film.

    prompt: a thing and how it moves, "a red car moves left": "moves left", "moves right", "moves up", "moves down",
        "bounces", "spins", "grows", "shrinks", "fades" or "stays", or other forms of these, "two cars spin".
    num_frames: 1 .. 8, so many of the eight that are always drawn, evenly. num_inference_steps: 1, 2 or 4.
    style, size: as in `generate`. `save_film` writes a film to a file.
    callback_on_step_end(step, num_steps, frames): called after every step with the clean estimates of all eight frames.
    progress(steps done, steps in all): called after every step.

    Raises InvalidInput for a bad argument, as a prompt of two motions, and WeightsError for missing or damaged weights.
    An InputWarning says which words were not read, and where no motion is said: the film stands still.
    """
    from PIL.Image import fromarray

    from bozzetto.runtime import enlarger, requests, store, text_to_image
    from bozzetto.runtime import film as runtime

    weights = store.weights_folder()
    enlarger.check(weights, size)
    (seed,) = requests.seeds(seed, 1)
    filming = runtime.load(weights)
    shot = runtime.prepare(filming, prompt, num_frames=num_frames, num_inference_steps=num_inference_steps, style=style)

    def on_step(step: int, noisy: np.ndarray, clean: np.ndarray) -> None:
        if callback_on_step_end:
            estimates = text_to_image.decode(filming.models, clean[0])
            callback_on_step_end(step, shot.steps, [fromarray(each) for each in estimates])
        if progress:
            progress(step + 1, shot.steps)

    return [enlarger.at_size(weights, fromarray(frame), size) for frame in shot.draw(seed, on_step)]


def save_film(frames: Sequence[Image], path: str | Path) -> None:
    """Write a film as an animation that begins again and again: .webp, .gif (over white) or .png (APNG), or a new
    folder of PNG files; it appears whole or not at all. Raises InvalidInput for the path."""
    from pathlib import Path

    from bozzetto import pictures

    pictures.save_film(frames, Path(path))


def sample(
    model: str,
    *,
    label: str | None = None,
    seed: int = 0,
    n: int = 1,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    sampler: str | None = None,
    prompt: str | None = None,
    clip_guidance_scale: float | None = None,
    callback_on_step_end: Callable[[int, int, int, Image, Image], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Image]:
    """Draw n small pictures without words: PIL images, 32 x 32 RGB. Picture i has the seed `seed + i`.

    model: "gan" and "vae" (one pass), "diffusion" (many steps) or "few-steps", its student (1, 2, 4 or 8 steps).
    label: a class of pictures, "cat-face" or "food-fruit", see `sample_labels`; None is any. seed, n: as in `generate`.
    num_inference_steps, guidance_scale (towards the class), sampler: of diffusion, as in `generate`; the student has
        only steps. Whatever is None takes the default that the weights recommend.
    prompt: words that CLIP steers diffusion of any class by, instead of a label; clip_guidance_scale: 0 .. 100, how
        strongly. It is a hint more than an order: `generate` follows words.
    callback_on_step_end(step, num_steps, picture_index, noisy, clean): called after every step of those two.
    progress(steps done, steps in all): called after every step, or every picture of the others.

    Raises InvalidInput for a bad argument and WeightsError for missing or damaged weights. For a label that is none it
    names the nearest one.
    """
    from PIL.Image import fromarray

    from bozzetto.runtime import clip, requests, store
    from bozzetto.runtime import sample as runtime

    weights = store.weights_folder()
    if model == "diffusion" and isinstance(prompt, str):
        requests.warn(requests.check_words("prompt", prompt, clip.load_text(weights)[0]))

    def on_step(step: int, steps: int, index: int, *pixels: np.ndarray) -> None:
        if callback_on_step_end:
            noisy, clean = (fromarray(runtime.to_bytes(each)[0]) for each in pixels)
            callback_on_step_end(step, steps, index, noisy, clean)

    pictures = runtime.draw(
        model,
        weights,
        requests.seeds(seed, n),
        label,
        nearest=_nearest_text,
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
        sampler=sampler,
        prompt=prompt,
        clip_guidance_scale=clip_guidance_scale,
        callback=on_step,
        progress=progress,
    )
    return [fromarray(picture) for picture in pictures]


def denoise(picture: Picture, noise: float, *, label: str | None = None, seed: int = 0) -> tuple[Image, Image]:
    """Mix noise into a picture, and ask pixel diffusion once how it looked before: (noisy, guess), 32 x 32 RGB.

    picture: as in `label`. noise: 0 .. 1, its share in the mixture (1 - noise) picture + noise e, with e ~ N(0, 1) of
        the seed; at 1 nothing of the picture is left. label: its class, as in `sample`.
    Raises InvalidInput for a picture or an argument that cannot be used, and WeightsError.
    """
    from PIL.Image import fromarray

    from bozzetto.runtime import sample as runtime
    from bozzetto.runtime import store

    shown = runtime.shrunk(as_seen(picture))
    arrays = runtime.denoise(store.weights_folder(), shown, noise, seed, label, nearest=_nearest_text)
    noisy, guess = (fromarray(runtime.to_bytes(each)[0]) for each in arrays)
    return noisy, guess


def sample_labels(model: str) -> list[str]:
    """The classes of pictures that a model of `sample` knows."""
    from bozzetto.runtime import sample as runtime
    from bozzetto.runtime import store

    return runtime.classes(model, store.weights_folder())


def _nearest_text(text: str, texts: list[str]) -> str:
    """Which of some texts means most nearly the same, by CLIP's text tower."""
    from bozzetto.runtime import clip, store

    wordings = [text[:300], *(other.replace("-", " ") for other in texts)]
    wanted, *others = clip.encode_text(clip.load(store.weights_folder()), wordings)
    return max(zip(others, texts, strict=True), key=lambda pair: float(pair[0] @ wanted))[1]


def unknown_words(prompt: str) -> list[str]:
    """The words of a prompt that are not in the model's vocabulary, so that it spells them in pieces. What it cannot
    spell either, `generate` warns of."""
    from bozzetto.runtime import clip, requests, store
    from bozzetto.runtime.reading import readable
    from bozzetto.runtime.tokenizer import split_words

    requests.check_prompt("prompt", prompt)
    tokenizer, _ = clip.load_text(store.weights_folder())
    unknown = requests.unknown_words(tokenizer, split_words(readable(prompt)))
    return [word for word in unknown if tokenizer.pieces(word) != ["[unk]"]]


def label(
    picture: Picture,
    labels: Iterable[str],
    *,
    templates: Callable[[str], list[str]] | None = None,
    none_of_these: bool = False,
    adapter: str | Path | None = None,
) -> list[tuple[str, float, float]]:
    """What is on the picture? (label, share, match) for each label, the best first.

    picture: a path, bytes or an open file (PNG, JPEG, WebP, GIF, BMP), an array uint8 [H,W], [H,W,3] or [H,W,4], or a
        PIL image; it is seen over white, fitted to 64 x 64.
    share: how the labels compare, adds up to 1. match: the probability that this label alone belongs to the picture.
    templates(label) -> the wordings to average; by default those of the picture world ("a picture of a robot", ...).
    none_of_these: let "none of these" compete as one more label: it wins in nineteen of twenty pictures that none fits.
    adapter: a file that `bozzetto adapt clip` has written: what the picture tower learned of your own pictures.

    Raises InvalidInput for a picture or labels that cannot be used (MissingFile for a file that is not there), and
    WeightsError.
    """
    from bozzetto.runtime import classify, clip, requests, store

    labels = requests.check_labels(labels, read=templates is None)
    pixels = as_seen(picture)
    models = clip.load(store.weights_folder(), clip.load_adapter(store.weights_folder(), adapter))
    return classify.label(models, pixels, labels, templates or classify.world_wordings, none_of_these)


def ask(picture: Picture, question: str) -> Iterator[Word]:
    """Ask about a picture; the answer comes in pieces, each a Word: text, probability, and `looked`, float32 [8,8], how
    much it looked at each part of the picture. "".join(word.text for word in ask(...)) is all that it said: the
    answer, or a reason and the answer, "a cat left of a dog: left".

    picture: as in `label`. question: English, up to 300 characters and 24 tokens. What the picture does not tell is
    answered "i cannot tell".
    Raises InvalidInput for a picture or a question that cannot be used, and WeightsError.
    """
    from bozzetto.runtime import ask as runtime
    from bozzetto.runtime import store

    model = runtime.load(store.weights_folder())
    return runtime.answer(model, runtime.see(model, as_seen(picture)[None]), question)


def write(
    prompt: str = "",
    *,
    seed: int = 0,
    temperature: float | None = None,
    method: str = "next_word",
    max_words: int | None = None,
    num_inference_steps: int | None = None,
) -> str:
    """Write a tiny story about a scene: "A red cat left of a robot. It wants ...". One seed, one story.

    prompt: how it begins, best a scene as `generate` draws it; up to 300 characters and 39 tokens, or nothing.
    seed: 0 .. 2^53 - 1. temperature: 0 .. 2, 0 always takes the likeliest word; by default what the weights recommend.
    method: "next_word", one word after the other, at most max_words tokens more; or "unmask", out of blanks, some of
        them filled in each of num_inference_steps steps, by default one in a step.

    Raises InvalidInput for a bad argument and WeightsError. An InputWarning says which words were not read.
    """
    *_, text = write_steps(
        prompt,
        seed=seed,
        temperature=temperature,
        method=method,
        max_words=max_words,
        num_inference_steps=num_inference_steps,
    )
    return text


def write_steps(
    prompt: str = "",
    *,
    seed: int = 0,
    temperature: float | None = None,
    method: str = "next_word",
    max_words: int | None = None,
    num_inference_steps: int | None = None,
) -> Iterator[str]:
    """As `write`, while it is written: the whole text before the first step and after every one, "_" for a blank. With
    "next_word" each begins with the one before it."""
    from bozzetto.runtime import store
    from bozzetto.runtime import write as runtime

    writer = runtime.load(store.weights_folder(), method)
    drafts = runtime.prepare(writer, prompt, seed, temperature, max_words, num_inference_steps)
    return (runtime.told(writer, draft) for draft in drafts)


def sound(
    prompt: str,
    *,
    seed: int = 0,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    callback_on_step_end: Callable[[int, int, int, Image, Image], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """A sound effect of one second: float32 [16000] in -1 .. 1, 16 kHz. One seed, one sound.

    prompt: one of coin, laser, jump, bell, explosion, power-up, siren, beep, and how it is: high or low, rising or
        falling, short or long. One of them is enough, and what is not said is left to the seed.
    seed, num_inference_steps, guidance_scale: as in `generate`.
    callback_on_step_end(step, num_steps, 0, noisy, clean): spectrograms, PIL images 64 x 64; progress: as in `sample`.

    Raises InvalidInput for a bad argument and WeightsError. An InputWarning says which words were not read.
    """
    from PIL.Image import fromarray

    from bozzetto.runtime import requests, store
    from bozzetto.runtime import sound as runtime

    requests.warn(runtime.check_words(prompt))

    def on_step(step: int, steps: int, index: int, *pictures: np.ndarray) -> None:
        if callback_on_step_end:
            noisy, clean = (fromarray(runtime.to_bytes(each)) for each in pictures)
            callback_on_step_end(step, steps, index, noisy, clean)

    return runtime.draw(
        store.weights_folder(),
        prompt,
        seed,
        callback=on_step,
        progress=progress,
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
    )


def spectrogram(sound: np.ndarray) -> Image:
    """A sound of `sound` as the models see it: 64 mel bands, the highest above, by 64 frames; white is loud."""
    from PIL.Image import fromarray

    from bozzetto.runtime import sound as runtime
    from bozzetto.runtime.spectrogram import picture

    return fromarray(runtime.to_bytes(picture(sound)))


def save_wav(sound: np.ndarray, path: str | Path) -> None:
    """Write a sound as a WAV file of 16 bits; it appears whole or not at all. Raises InvalidInput for the path."""
    from pathlib import Path

    from bozzetto.runtime import sound as runtime

    runtime.save_wav(sound, Path(path))


def find(
    query: str | None = None,
    folder: str | Path = ".",
    *,
    k: int = 12,
    picture: Picture | None = None,
    less: str | None = None,
    index: str | Path | None = None,
    model: str | None = None,
) -> list[tuple[Path, float]]:
    """Pictures of an indexed folder (`bozzetto search index`) nearest to words, a picture, or both: (path, cosine).

    less: words to move away from. index: where the index is, if not in the folder. model: as it was indexed with.
    Raises NotBuilt without an index, InvalidInput for a bad query or an index of another model.
    """
    from pathlib import Path

    from bozzetto.pictures import open_picture
    from bozzetto.search import embed
    from bozzetto.search import index as search

    shown = None if picture is None else open_picture(picture)
    embedder = embed.open_embedder(model)
    vector = search.query_vector(embedder, query, shown, less)
    return search.search(index or Path(folder) / search.PLACE, embedder, vector, k)


def encode_image(picture: Picture) -> np.ndarray:
    """CLIP's embedding of a picture, as `label` takes it: float32 [256], unit length."""
    from bozzetto.runtime import clip, store

    return clip.encode_image(clip.load(store.weights_folder()), as_seen(picture)[None])[0]


def encode_text(text: str) -> np.ndarray:
    """CLIP's embedding of a text: float32 [256], unit length. Its product with a picture's is their cosine."""
    from bozzetto.runtime import clip, requests, store

    requests.check_prompt("text", text, may_be_empty=True)
    models = clip.load(store.weights_folder())
    requests.warn(requests.check_words("text", text, models.tokenizer))
    return clip.encode_text(models, [text])[0]


def as_seen(picture: Picture) -> np.ndarray:
    """A picture as the models see it, fitted to 64 x 64, over white: uint8 [64,64,3]."""
    import numpy as np

    from bozzetto import pictures

    return np.asarray(pictures.over_white(pictures.fit(pictures.open_picture(picture))))
