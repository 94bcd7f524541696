"""A sentence of several things, drawn in layers: each thing alone, then all of them where the sentence says.

A small network draws one thing well and two things badly (the scores have both). So the sentence is read as the world's
scenes are described ("a red car left of a tree", "three owls on a blue background"), each thing is a prompt of its own,
and as pictures have alpha they can be put together like cut paper (transparent layers as in Zhang and Agrawala 2024,
https://arxiv.org/abs/2402.17113; a plan before the drawing as in Lian et al. 2023, https://arxiv.org/abs/2305.13655,
whose plan a language model makes). No network says where a thing stands: the words do.

web/runtime/layers.ts does the same; tests/golden/layers.json holds it to that.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from bozzetto.errors import InputWarning, InvalidInput
from bozzetto.runtime.requests import check_drawing, check_prompt
from bozzetto.runtime.text_to_image import premultiplied, straight
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.world.scenes.facts import FRAME
from bozzetto.world.scenes.vocabulary import (
    BACKGROUND_WORDINGS,
    BACKGROUNDS,
    NOUNS,
    NUMBERS,
    WORDINGS,
    plural,
)

Box = tuple[int, int, int]  # x and y of the top left corner and the side, in pixels
_ACROSS: tuple[Box, ...] = ((1, 17, 30), (33, 17, 30))
_DOWN: tuple[Box, ...] = ((17, 1, 30), (17, 33, 30))
LAYOUTS: dict[str, tuple[Box, ...]] = {
    "2": _ACROSS,
    "3": ((17, 1, 30), (1, 33, 30), (33, 33, 30)),
    "4": ((1, 1, 30), (33, 1, 30), (1, 33, 30), (33, 33, 30)),
    "5": ((1, 1, 20), (43, 1, 20), (22, 22, 20), (1, 43, 20), (43, 43, 20)),
    "two": _ACROSS,
    "left of": _ACROSS,
    "right of": _ACROSS[::-1],
    "above": _DOWN,
    "below": _DOWN[::-1],
    "bigger than": ((1, 12, 40), (44, 23, 18)),
    "smaller than": ((1, 23, 18), (22, 12, 40)),
}
"""Where things stand, by their number or by what the first of two is to the second."""
# How two things or a number of them are said: as in the world's scenes, and in some ways more. What says most is first,
# "to the left of" before "left of".
_MORE = {
    "two": ("{a} next to {b}", "{a} beside {b}", "{a} near {b}", "{a}, {b}"),
    "left of": ("{a} on the left of {b}", "{a} on the left, {b} on the right"),
    "right of": ("{a} on the right of {b}", "{a} on the right, {b} on the left"),
    "above": ("{a} on top of {b}",),
    "below": ("{a} underneath {b}", "{a} beneath {b}"),
    "bigger than": ("{a} larger than {b}",),
}
SAID = sorted(
    [
        *((layout, said) for layout in WORDINGS if layout not in ("single", "color") for said in WORDINGS[layout]),
        *((layout, said) for layout, wordings in _MORE.items() for said in wordings),
    ],
    key=lambda one: -len(re.sub(r"\{\w+\}", "", one[1])),
)
REWORDED = (
    (r"^[ .,;:!?\"'()]+|[ .,;:!?\"'()]+$", ""),
    ("^(?:draw|paint|show me|show) ", ""),
    ("^an? (?:picture|image|photo|drawing|painting|icon) of ", ""),
    ("^the (?=two |three |four |five |[2-5] )", ""),
    ("^an? (?:pair|couple) of ", "two "),
    (" & ", " and "),
    (r"\bgrey\b", "gray"),
)
"""What is said in other words before it is read, as patterns that the page reads as well."""
_JOIN = "a above an and at background below beside left near on over right the to under with"
LINKS = frozenset([*_JOIN.split(), *NUMBERS[1:]])
"""Words that join things, or number them: what holds one of them is more than one thing."""
MOST_WORDS = 5  # of a thing
VISIBLE = 100  # alpha from which a pixel is of a thing, and not of the haze around it

_HOLES = {
    **dict.fromkeys(("a", "one", "many"), "(?P<one>.+)"),
    **dict.fromkeys(("b", "other"), "(?P<other>.+)"),
    "count": f"(?P<count>{'|'.join(NUMBERS[2:])})",
    "digit": "(?P<count>[2-5])",
}
_SENTENCES = [(layout, said, re.compile(said.format(**_HOLES))) for layout, said in SAID]
_LISTED = re.compile(",? and |, ")
_COLOR = f"(?:{'|'.join(BACKGROUNDS)})"
GROUNDS = (*BACKGROUND_WORDINGS, " on {color} background", " with {color} background")
_GROUND = re.compile(f"(?:{'|'.join(GROUNDS)})$".format(a=f"an? {_COLOR}", color=_COLOR))
_NAMES = dict.fromkeys([*NOUNS, *NOUNS.values()])
_MANY = {plural(noun): noun for noun in _NAMES}


@dataclass(frozen=True)
class Plan:
    """things: a prompt for each drawing. layout: a key of LAYOUTS, whose boxes hold the things one after the other, or
    the one thing all of them. background: a name in BACKGROUNDS, or None for a transparent one."""

    things: tuple[str, ...]
    layout: str
    background: str | None


def check(
    prompt: str, layers: bool | None, negative_prompt: str, guidance_scale: float | None, tokenizer: Tokenizer
) -> tuple[Plan | None, tuple[str, ...], list[InputWarning]]:
    """How to draw a prompt: its plan, or None for as a whole; what is drawn one after the other, without a plan the
    prompt; and what of it is not read or does nothing. layers: whether to; None, where the prompt is read so.

    Raises InvalidInput, also for a prompt that does not name several things in a way that is read, if that was asked.
    """
    if not isinstance(layers, bool | None):
        raise InvalidInput("layers", f"must be true or false, not {layers!r}")
    check_prompt("prompt", prompt)
    plan = None if layers is False else read(prompt)
    if layers and plan is None:
        raise InvalidInput(
            "prompt",
            "names nothing that {} could put together: say two to five of a thing, or two to five things, "
            "'three apples' or 'a cat left of a dog' for example",
            "layers",
        )
    things = plan.things if plan else (prompt,)
    notes = [note for thing in things for note in check_drawing(thing, negative_prompt, guidance_scale, tokenizer)]
    return plan, things, list({note.text(): note for note in notes}.values())


def read(prompt: str) -> Plan | None:
    """ "Two red cars on a blue background" -> a plan of "red car", twice, on blue. None for what is not said like the
    world's scenes; a thing may have any name after an article, else it must be one of theirs."""
    text, background = on_ground(prompt)
    for layout, wording, pattern in _SENTENCES:
        said = pattern.fullmatch(text)
        if not said:
            continue
        if layout == "count":
            things = [singular(said["one"])]
            layout = said["count"] if said["count"].isdigit() else str(NUMBERS.index(said["count"]))
        else:
            things = [said["one"], said["other"]]
        sure = layout.isdigit() or not wording.startswith("{")  # "both", "a big one and a small one"
        known = " with " in wording  # a man with a beard is one thing
        if all(is_one(thing, sure, known) for thing in things):
            return Plan(tuple(things), layout, background)
    listed = _LISTED.split(text)
    if 2 < len(listed) < 6 and all(map(is_one, listed)):
        return Plan(tuple(listed), str(len(listed)), background)
    return None


def on_ground(prompt: str) -> tuple[str, str | None]:
    """A sentence in small letters and usual words, and the background that it names at its end."""
    text = " ".join(prompt.lower().split())
    for pattern, word in REWORDED:
        text = re.sub(pattern, word, text)
    ground = _GROUND.search(text)
    if not ground:
        return text, None
    background = next(name for name in BACKGROUNDS if name in ground[0].split())
    return re.sub(*REWORDED[0], text[: ground.start()]), background


def is_one(thing: str, sure: bool = False, known: bool = False) -> bool:
    """Whether some words are one thing: after an article, or called by a noun of scenes. sure: the sentence leaves no
    doubt that it is a thing; known: it must be called so."""
    bare = re.sub("^(?:an?|the) ", "", thing)
    words = bare.split(" ")
    if not bare or len(words) > MOST_WORDS or LINKS.intersection(words) or "," in bare or words[-1] in BACKGROUNDS:
        return False
    names = {words[-1], " ".join(words[-2:])}
    if known:
        return not names.isdisjoint(_NAMES)
    return sure or bare != thing or not names.isdisjoint(_NAMES) or not names.isdisjoint(_MANY)


def singular(things: str) -> str:
    """ "Small mice" -> "small mouse". Nothing is left of what is no plural."""
    *before, last = things.split(" ")
    for words, kept in (([*before[-1:], last], before[:-1]), ([last], before)):
        if noun := _MANY.get(" ".join(words)):
            return " ".join([*kept, noun])
    if len(before) > 1:
        return ""
    for ending, one in (("(?:ss|us)", None), ("ies", "y"), ("(?<=ss|sh|ch)es|(?<=[xz])es", ""), ("s", "")):
        if found := re.search(f"{ending}$", last):
            return "" if one is None else " ".join([*before, last[: found.start()] + one])
    return ""


def together(plan: Plan, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """The pictures of a plan's things, uint8 [64,64,4] each, as one: what is visible of each fills its boxes along its
    longer side and stands in their middle along the other. Of fewer pictures than things: what is there so far."""
    boxes = LAYOUTS[plan.layout]
    canvas = np.zeros((FRAME, FRAME, 4))
    if plan.background:
        canvas[:] = (*np.divide(BACKGROUNDS[plan.background], 255), 1)
    shown = pictures if len(plan.things) > 1 else [*pictures] * len(boxes)
    for (left, top, side), picture in zip(boxes, shown, strict=False):
        sprite = fitted(picture, side)
        height, width = sprite.shape[:2]
        top, left = top + (side - height) // 2, left + (side - width) // 2
        under = canvas[top : top + height, left : left + width]
        under *= 1 - sprite[..., 3:]
        under += sprite
    return straight(canvas)


def put_together(plan: Plan, seed: int, pictures: Sequence[Image.Image]) -> Image.Image:
    """The same of PIL pictures. seed: what the whole says that it is from; its match is the mean of theirs."""
    whole = Image.fromarray(together(plan, [np.asarray(picture) for picture in pictures]))
    whole.info["seed"] = seed
    if matches := [picture.info["match"] for picture in pictures if "match" in picture.info]:
        whole.info["match"] = sum(matches) / len(matches)
    return whole


def fitted(picture: np.ndarray, side: int) -> np.ndarray:
    """What is visible of a picture uint8 [H,W,4], with this longer side: premultiplied [h,w,4] in [0, 1]."""
    visible = picture[..., 3] >= VISIBLE
    rows, columns = np.flatnonzero(visible.any(1)), np.flatnonzero(visible.any(0))
    if not len(rows):
        return np.zeros((0, 0, 4))
    cut = premultiplied(picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]).astype(np.float64)
    sizes = [max(1, int(side * length / max(cut.shape[:2]) + 0.5)) for length in cut.shape[:2]]
    down, across = (resampling(*pair) for pair in zip(cut.shape[:2], sizes, strict=True))
    return np.einsum("ij,jkc,lk->ilc", down, cut, across)


def resampling(old: int, new: int) -> np.ndarray:
    """[new,old]: how much each old pixel of a line is of each new one, by a triangle as wide as the coarser pixels."""
    reach = max(old / new, 1.0)
    distance = np.abs((np.arange(new)[:, None] + 0.5) * old / new - (np.arange(old) + 0.5))
    weights = np.maximum(0.0, 1 - distance / reach)
    return np.asarray(weights / weights.sum(1, keepdims=True))
