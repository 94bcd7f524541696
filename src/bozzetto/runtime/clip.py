"""CLIP's two towers (Radford et al. 2021): pictures and texts as vectors of one space, on numpy arrays.

The product of two unit vectors is their cosine c. Our CLIP (Zhai et al. 2023, SigLIP) says by it how probable it is
that picture and text belong together: sigmoid(scale c + bias).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from bozzetto.pictures import as_planes, over_white
from bozzetto.runtime import adapter
from bozzetto.runtime.adapter import Adapter
from bozzetto.runtime.reading import readable
from bozzetto.runtime.session import Network, open_network
from bozzetto.runtime.store import once, open_model
from bozzetto.runtime.tokenizer import Tokenizer

TOWERS = ("text", "order", "image")


@dataclass(frozen=True)
class Clip:
    tokenizer: Tokenizer
    text: Network
    order: Network
    image: Network
    logit_scale: float
    logit_bias: float
    none_below: dict[int, float]  # by the number of labels, the cosine of "none of these"


@once
def load_text(weights: Path) -> tuple[Tokenizer, Network]:
    """The tokenizer and the first half of the text tower, which text-to-image reads by as well. Raises WeightsError."""
    model = open_model("clip/text", weights)
    tokenizer = Tokenizer.load(model.path / "vocabulary.txt", model["config"]["context_length"])
    return tokenizer, open_network(model)


def load_adapter(weights: Path, path: str | os.PathLike[str] | None) -> Adapter | None:
    """The adapter of the picture tower in a file, for `load`. Raises InvalidInput for one that is not for it."""
    return None if path is None else adapter.fitting(path, open_model("clip/image", weights))


@once
def load(weights: Path, adapted: Adapter | None = None) -> Clip:
    """The towers of a weights folder. adapted: what changes the picture tower. Raises WeightsError."""
    tokenizer, text = load_text(weights)
    order, image = (open_model(f"clip/{tower}", weights) for tower in ("order", "image"))
    return Clip(
        tokenizer=tokenizer,
        text=text,
        order=open_network(order),
        image=open_network(image, weights=partial(adapter.merged, image, adapted) if adapted else None),
        logit_scale=image["logit_scale"],
        logit_bias=image["logit_bias"],
        none_below={int(count): cosine for count, cosine in image["none_below"].items()},
    )


def encode_text(clip: Clip, texts: Sequence[str], batch: int = 64) -> np.ndarray:
    """Unit embeddings float32 [N,256]."""
    rows = clip.tokenizer([readable(text) for text in texts])
    embeddings = []
    for tokens in (rows[i : i + batch] for i in range(0, len(rows), batch)):
        words = clip.text(tokens=tokens)["words"]
        embeddings.append(clip.order(words=words, mask=(tokens != 0).astype(np.float32))["embedding"])
    return np.concatenate(embeddings)


def encode_image(clip: Clip, pictures: np.ndarray, batch: int = 64) -> np.ndarray:
    """Pictures uint8 [N,64,64,3], RGB -> unit embeddings float32 [N,256]."""
    pixels = as_planes(pictures)
    return np.concatenate([clip.image(pixels=pixels[i : i + batch])["embedding"] for i in range(0, len(pixels), batch)])


def best_matches(clip: Clip, prompt: str, drawn: Sequence[Image.Image], best_of: int) -> list[Image.Image]:
    """Of every so many pictures 64 x 64 the one that matches the prompt best by the cosine, its info["match"]."""
    seen = encode_image(clip, np.stack([np.asarray(over_white(picture)) for picture in drawn]))
    for picture, match in zip(drawn, (seen @ encode_text(clip, [prompt])[0]).tolist(), strict=True):
        picture.info["match"] = match
    groups = (drawn[first : first + best_of] for first in range(0, len(drawn), best_of))
    return [max(group, key=lambda picture: picture.info["match"]) for group in groups]
