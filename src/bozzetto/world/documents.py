"""Documents: small drawn papers whose facts are exactly known: a sign, a bar chart, a receipt.

They are the screenshot, the diagram and the receipt that people show to an assistant, in miniature: words to be read
letter by letter, heights to be compared, prices to be added. Like a scene, a document is drawn from a seed.

About a tenth of the words, of the (colour, level) pairs of bars and of the (object, price) pairs is held out by a hash:
training documents never show one, test documents always do.

A frame is 64 x 64 pixels, x to the right and y down; a picture is uint8 [64,64,4], opaque.
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_lowercase

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bozzetto.errors import InvalidInput
from bozzetto.world.captions import plain_name
from bozzetto.world.dataset import World
from bozzetto.world.scenes import (
    BACKGROUNDS,
    COLORS,
    FRAME,
    Placed,
    Scene,
    SceneObject,
    check_drawn,
    is_held_out,
    render,
)

KINDS = ("sign", "chart", "receipt")
LEVELS = (1, 2, 3, 4, 5)
PRICES = (1, 2, 3, 4, 5, 6, 7, 8, 9)
_MAX_DRAWS = 10_000


@dataclass(frozen=True)
class Document:
    """A document and its exact facts; what its kind does not have is empty.

    sign: `word` (a-z) on a board of `color`, written in `ink`, on a `background` (keys of BACKGROUNDS).
    chart: `bars` from the left, each its colour (a key of COLORS) and its level 1..5; no colour or level comes twice.
    receipt: `things` from the top and the `prices` of each, 1..9.
    `layout_seed` is a number that fixes what carries no fact: the sizes, the offsets, upper or lower case.
    """

    kind: str
    background: str
    layout_seed: int
    word: str = ""
    color: str = ""
    ink: str = ""
    bars: tuple[tuple[str, int], ...] = ()
    things: tuple[Placed, ...] = ()
    prices: tuple[int, ...] = ()


def sign_words(world: World) -> tuple[str, ...]:
    """The words of 3 to 5 letters in the names of the world's pictures, sorted: about 600."""
    return _short_words(tuple(world.names))


@lru_cache(maxsize=4)
def _short_words(names: tuple[str, ...]) -> tuple[str, ...]:
    spoken = {word for name in set(names) for word in re.split(r"[ \-']", plain_name(name))}
    return tuple(sorted(word for word in spoken if re.fullmatch("[a-z]{3,5}", word)))


def combinations(document: Document) -> list[tuple[str, str | int]]:
    """What a document shows that can be held out, as arguments of scenes.is_held_out."""
    if document.kind == "sign":
        return [("sign", document.word)]
    priced = zip(document.things, document.prices, strict=True)
    bars = ((f"{color} bar", level) for color, level in document.bars)
    return [*bars, *((thing.codepoints, price) for thing, price in priced)]


def make_document(
    world: World, objects: list[SceneObject], seed: int, split: str = "train", kind: str | None = None
) -> Document:
    """The document of a seed (an integer from 0): always the same one for the same world, split and kind.

    split: "train" shows training pictures and nothing held out; "test" any picture, and at least one word or pair that
    is held out. kind: one of KINDS, or None for a random one. Raises ValueError for a bad argument, and when the world
    or the objects allow no such document.
    """
    check_drawn(seed, split, kind, KINDS)
    test = split == "test"
    rng = np.random.default_rng([seed, int(test)])
    drawn_kind = KINDS[rng.integers(len(KINDS))]
    kind = kind or drawn_kind
    layout_seed = int(rng.integers(2**32))
    words = sign_words(world) if kind == "sign" else ()
    for _ in range(_MAX_DRAWS):
        if kind == "sign" and words:
            # Every other training word is letters at random: who knows 600 words by their looks need not read.
            word = _letters(rng) if not test and rng.random() < 0.5 else words[rng.integers(len(words))]
            document: Document | None = _draw_sign(word, layout_seed, rng)
        elif kind == "chart":
            document = _draw_chart(layout_seed, rng)
        elif kind == "receipt" and len(objects) > 1:
            document = _draw_receipt(objects, test, layout_seed, rng)
        else:
            break
        if document and any(is_held_out(*pair) for pair in combinations(document)) == test:
            return document
    raise InvalidInput("world", f"allows no {split} document of kind {kind!r}; give more pictures and objects")


def render_document(world: World, document: Document) -> np.ndarray:
    """Draw the document: uint8 [64,64,4], alpha 255."""
    rng = np.random.default_rng(document.layout_seed)
    if document.kind == "receipt":
        facts = Scene("receipt", "", document.things, document.background, (), len(document.things), None, None, 0)
        image = Image.fromarray(render(world, facts))
    else:
        image = Image.new("RGBA", (FRAME, FRAME), BACKGROUNDS[document.background])
    draw = ImageDraw.Draw(image)
    {"sign": _render_sign, "chart": _render_chart, "receipt": _render_receipt}[document.kind](draw, document, rng)
    return np.array(image)


def _letters(rng: np.random.Generator) -> str:
    """3 to 5 of a-z."""
    return "".join(rng.choice(list(ascii_lowercase), rng.integers(3, 6)))


def _draw_sign(word: str, layout_seed: int, rng: np.random.Generator) -> Document:
    names = list(BACKGROUNDS)
    board = names[rng.integers(len(names))]
    inks = [name for name in names if abs(_light(name) - _light(board)) > 100]
    grounds = [name for name in names if _distance(name, board) > 110]
    return Document(
        "sign",
        grounds[rng.integers(len(grounds))],
        layout_seed,
        word=word,
        color=board,
        ink=inks[rng.integers(len(inks))],
    )


def _draw_chart(layout_seed: int, rng: np.random.Generator) -> Document:
    count = int(rng.integers(2, 5))
    colors = rng.permutation(len(COLORS))[:count]
    levels = rng.permutation(len(LEVELS))[:count]
    bars = tuple((list(COLORS)[c], LEVELS[n]) for c, n in zip(colors, levels, strict=True))
    return Document("chart", ("white", "black")[rng.integers(2)], layout_seed, bars=bars)


def _draw_receipt(
    objects: list[SceneObject], test: bool, layout_seed: int, rng: np.random.Generator
) -> Document | None:
    """None when the things that were drawn do not come in one style."""
    count = min(int(rng.integers(2, 4)), len(objects))
    chosen = {int(row) for row in rng.integers(len(objects), size=count)}
    rows = [objects[at].rows if test else objects[at].train_rows for at in chosen]
    if len(chosen) < count or not rows[0]:
        return None
    style = list(rows[0])[rng.integers(len(rows[0]))]
    if not all(style in pictures for pictures in rows):
        return None
    size = 19 if count == 2 else 15
    left, top = int(rng.integers(2, 20)), int(rng.integers(0, 2))
    things = tuple(
        Placed(
            pictures[style], objects[at].codepoints, objects[at].noun, style, None, left, top + line * (size + 1), size
        )
        for line, (at, pictures) in enumerate(zip(chosen, rows, strict=True))
    )
    prices = tuple(int(price) for price in rng.integers(PRICES[0], PRICES[-1] + 1, size=count))
    return Document("receipt", "white", layout_seed, things=things, prices=prices)


def _render_sign(draw: ImageDraw.ImageDraw, document: Document, rng: np.random.Generator) -> None:
    width, height = int(rng.integers(54, 63)), int(rng.integers(24, 34))
    left, post = int(rng.integers(1, FRAME - width)), rng.random() < 0.5
    top = int(rng.integers(1, 24 if post else FRAME - height))
    text = document.word.upper() if rng.random() < 0.5 else document.word
    size, room = int(rng.integers(15, 23)), width - 6
    size = min(size, int(size * room / _font(size).getlength(text)))
    if post:
        at = left + width // 2
        draw.rectangle((at - 2, top + height, at + 1, FRAME), fill=(110, 100, 95))
    draw.rounded_rectangle((left, top, left + width - 1, top + height - 1), radius=4, fill=BACKGROUNDS[document.color])
    slack = max(0, int(room - _font(size).getlength(text)) // 2)
    x = left + width // 2 + int(rng.integers(-slack, slack + 1))
    y = top + height // 2 + int(rng.integers(-2, 3))
    _, over, _, under = _font(size).getbbox(text, anchor="mm")
    # A letter that hangs low, or stands high, moves the word until it lies inside the board.
    y = min(max(y, top + 1 - math.floor(over)), top + height - 1 - math.ceil(under))
    draw.text((x, y), text, fill=BACKGROUNDS[document.ink], font=_font(size), anchor="mm")


def _render_chart(draw: ImageDraw.ImageDraw, document: Document, rng: np.random.Generator) -> None:
    unit, base = int(rng.integers(10, 12)), int(rng.integers(58, 62))
    axis, grid = ((60, 60, 60), (222, 222, 222)) if document.background == "white" else ((200, 200, 200), (70, 70, 70))
    for level in LEVELS:  # without a grid nobody could tell a level from the height of a lone bar
        draw.line((3, base - level * unit, 62, base - level * unit), fill=grid)
    slot = 58 // len(document.bars)
    width = int(slot * rng.uniform(0.45, 0.8))
    for at, (color, level) in enumerate(document.bars):
        left = 5 + at * slot + (slot - width) // 2
        draw.rectangle((left, base - level * unit, left + width - 1, base), fill=COLORS[color])
    draw.line((3, 3, 3, base), fill=axis)
    draw.line((3, base, 62, base), fill=axis)


def _render_receipt(draw: ImageDraw.ImageDraw, document: Document, rng: np.random.Generator) -> None:
    ink = (20, 20, 20)
    right = int(rng.integers(52, 62))
    for thing, price in zip(document.things, document.prices, strict=True):
        draw.text((right, thing.y + thing.size // 2), str(price), fill=ink, font=_font(15), anchor="rm")
    under = document.things[-1].y + document.things[-1].size + 1
    draw.line((2, under, 61, under), fill=ink)
    draw.text((right, under + 8), str(sum(document.prices)), fill=ink, font=_font(15), anchor="rm")


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _light(name: str) -> float:
    red, green, blue = BACKGROUNDS[name]
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _distance(name: str, other: str) -> float:
    return sum((x - y) ** 2 for x, y in zip(BACKGROUNDS[name], BACKGROUNDS[other], strict=True)) ** 0.5
