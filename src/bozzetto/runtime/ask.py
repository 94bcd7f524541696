"""Questions about a picture, answered a word at a time by the vision-language model, on numpy arrays.

The picture is looked at once (`look.onnx`); its cache, and that of the question, then serve every word of the answer
(`graph.onnx`, one token in, the chances of the next one out). Both graphs read the same weights.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bozzetto.pictures import as_planes
from bozzetto.runtime.requests import check_question
from bozzetto.runtime.session import Network, open_network
from bozzetto.runtime.store import once, open_model
from bozzetto.runtime.tokenizer import Tokenizer, join_pieces

START, END = 1, 0  # before the answer and after it
MAX_TOKENS = 24  # of an answer

Cache = tuple[np.ndarray, np.ndarray]
"""Keys and values of all layers for what was seen and read so far, each float32 [N,layers,heads,positions,size]."""


@dataclass(frozen=True)
class Vlm:
    tokenizer: Tokenizer
    encode_image: Network
    read: Network


@dataclass(frozen=True)
class Word:
    """A piece of an answer: text (with the space before it), its probability, and how much it looked at each of the
    8 x 8 patches of the picture while it was said, float32 [8,8], the mean of all layers."""

    text: str
    probability: float
    looked: np.ndarray = field(compare=False)  # equal words are said alike, wherever the model looked


@once
def load(weights: Path) -> Vlm:
    """The model of a weights folder. Raises WeightsError."""
    model = open_model("vlm", weights)
    tokenizer = Tokenizer.load(model.path / "vocabulary.txt")
    return Vlm(tokenizer, open_network(model, "look.onnx"), open_network(model))


def see(model: Vlm, pictures: np.ndarray, seen: bool = True) -> Cache:
    """Look at pictures uint8 [N,64,64,3], RGB. Not `seen`: as if they were not there, for blind guesses."""
    pixels = as_planes(pictures)
    out = model.encode_image(pixels=pixels, seen=np.full(len(pixels), seen, np.float32))
    return out["keys"], out["values"]


def answer(model: Vlm, cache: Cache, question: str) -> Iterator[Word]:
    """The most probable answer about the one picture in the cache, piece by piece; an answer that needs two looks
    comes after its reason and a colon (see `conclusion`). Raises what `check_question` does,
    before the first piece."""
    return _answer(model, cache, check_question(question, model.tokenizer))


def _answer(model: Vlm, cache: Cache, tokens: list[int]) -> Iterator[Word]:
    keys, values = cache
    said: list[str] = []
    going_in = np.array([[*tokens, START]])
    for _ in range(MAX_TOKENS):
        out = model.read(tokens=going_in, keys=keys, values=values)
        keys, values = out["all_keys"], out["all_values"]
        chances = softmax(out["logits"][0, -1])
        token = int(chances.argmax())
        if token == END:
            return
        said.append(model.tokenizer.vocabulary[token])
        looked = out["looked"][0, :, -1].mean(0)
        side = math.isqrt(looked.size)
        yield Word(join_pieces(said)[-1], float(chances[token]), looked.reshape(side, side))
        going_in = np.array([[token]])


def explain(picture: np.ndarray, words: list[Word], size: int = 192) -> Image.Image:
    """The picture uint8 [64,64,3] once for each word, light where it looked, with the word and its probability below:
    an RGB image."""
    sheet = Image.new("RGB", (max(1, len(words)) * size, size + 28), "white")
    drawing, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    large = Image.fromarray(picture).resize((size, size), Image.Resampling.NEAREST)
    dark = Image.blend(large, Image.new("RGB", large.size, "black"), 0.75)
    for place, word in enumerate(words):
        light = np.uint8(255 * word.looked / word.looked.max())
        mask = Image.fromarray(light).resize(large.size, Image.Resampling.NEAREST)
        sheet.paste(Image.composite(large, dark, mask), (place * size, 0))
        label = f"{word.text.strip()}  {word.probability:.0%}"
        drawing.text((place * size + size // 2, size + 14), label, "black", font, "mm")
    return sheet


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64) - logits.max())
    return powers / powers.sum()


def conclusion(words: list[Word]) -> str:
    """The answer alone: what was said after the reason, "left" of "a cat left of a dog: left", or all of it."""
    return "".join(word.text for word in words).rpartition(": ")[2]


def certainty(words: list[Word]) -> float:
    """The probability of an answer: that of all its pieces together."""
    return float(np.prod([word.probability for word in words]))
