"""What is on a picture? Zero-shot classification with CLIP (Radford et al. 2021, section 3.1), on numpy arrays.

Each label is put into several wordings ("a robot", "a picture of a robot", ...); the mean of their embeddings, made
unit length again, stands for the label. With the cosine c of picture and label, our CLIP (Zhai et al. 2023, SigLIP)
gives two numbers:

    match = sigmoid(scale c + bias)      the probability that the two belong together, for each label alone
    share = softmax(scale c)             how the labels compare; the shares of all labels add up to 1

"None of these" can compete as one more label. Its cosine is the one that the best of so many wrong labels stays under
in nineteen of twenty pictures of the world, measured when the weights were made (training/recipes/clip.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from bozzetto.runtime.session import Network, open_network
from bozzetto.runtime.store import open_model
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.world.captions import templates as world_templates

TOWERS = ("text", "order", "image")
MAX_LABELS = 1000
NONE = "none of these"


@dataclass(frozen=True)
class Clip:
    tokenizer: Tokenizer
    text: Network
    order: Network
    image: Network
    logit_scale: float
    logit_bias: float
    none_below: dict[int, float]  # by the number of labels, the cosine of "none of these"


@lru_cache(maxsize=2)
def load(weights: Path) -> Clip:
    """Open the towers of a weights folder, once. Raises WeightsError."""
    text, order, image = (open_model(f"clip/{tower}", weights) for tower in TOWERS)
    return Clip(
        tokenizer=Tokenizer.load(text.path / "vocabulary.txt"),
        text=open_network(text),
        order=open_network(order),
        image=open_network(image),
        logit_scale=image["logit_scale"],
        logit_bias=image["logit_bias"],
        none_below={int(count): cosine for count, cosine in image["none_below"].items()},
    )


def encode_text(clip: Clip, texts: Sequence[str], batch: int = 64) -> np.ndarray:
    """Unit embeddings float32 [N,256]."""
    rows = clip.tokenizer(texts)
    embeddings = []
    for tokens in (rows[i : i + batch] for i in range(0, len(rows), batch)):
        words = clip.text(tokens=tokens)["words"]
        embeddings.append(clip.order(words=words, mask=(tokens != 0).astype(np.float32))["embedding"])
    return np.concatenate(embeddings)


def encode_image(clip: Clip, pictures: np.ndarray, batch: int = 64) -> np.ndarray:
    """Pictures uint8 [N,64,64,3], RGB -> unit embeddings float32 [N,256]."""
    pixels = pictures.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
    return np.concatenate([clip.image(pixels=pixels[i : i + batch])["embedding"] for i in range(0, len(pixels), batch)])


def check_labels(labels: Sequence[str]) -> list[str]:
    """The labels without outer spaces. ValueError when there are none, or one is empty or there twice."""
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise ValueError(f"labels must be a list of words, not {labels!r}")
    labels = [label.strip() for label in labels]
    if not 0 < len(labels) <= MAX_LABELS:
        raise ValueError(f"labels must be 1 to {MAX_LABELS} words, cat,dog,robot for example; there are {len(labels)}")
    for index, label in enumerate(labels):
        if not label:
            raise ValueError(f"labels has an empty word at place {index + 1}: write them as cat,dog,robot")
        if len(label) > 100:
            raise ValueError(f"labels has a word of {len(label)} characters: keep each to 100 at most")
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise ValueError(f"labels names {twice!r} twice: name each label once")
    return labels


def label(
    clip: Clip,
    picture: np.ndarray,
    labels: Sequence[str],
    templates: Callable[[str], list[str]] = world_templates,
    none: bool = False,
) -> list[tuple[str, float, float]]:
    """(label, share, match), the best first, for a picture uint8 [64,64,3]; `none`: and for NONE, whose match is what a
    label must reach to come before it. ValueError for bad labels."""
    labels = check_labels(labels)
    wordings = [templates(name) for name in labels]
    embeddings = encode_text(clip, [text for texts in wordings for text in texts])
    ends = np.cumsum([len(texts) for texts in wordings])
    means = np.stack([part.mean(0) for part in np.split(embeddings, ends[:-1])])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    cosines = (means @ encode_image(clip, picture[None])[0]).astype(np.float64)
    if none:
        counts, bars = zip(*sorted(clip.none_below.items()), strict=True)
        cosines = np.append(cosines, np.interp(np.log(len(labels)), np.log(counts), bars))
        labels = [*labels, NONE]
    logits = clip.logit_scale * cosines
    share = np.exp(logits - logits.max())
    share /= share.sum()
    match = 1 / (1 + np.exp(-(logits + clip.logit_bias)))
    return [(labels[i], float(share[i]), float(match[i])) for i in np.argsort(-share, kind="stable")]
