"""Films: one picture of the world, moved along an exactly known path in eight frames.

A motion is a path of poses: where the picture's middle is, how large it is, how it is turned and how much of it is
seen. The film of a number is a picture at random, in another colour at times, with what is said of it, and a motion at
random; so the facts of every film are known. A prompt names a thing and a motion, "a red car moves left". Other forms
of the verb say the same ("two cars spin", "a cat is moving to the left"), wherever they stand: "a spinning top" is a
top that spins.

A pose is five numbers: x to the right and y down in pixels from the middle of the frame, the scale, the angle in
degrees clockwise, and the opacity. Pictures are uint8 [64,64,4] and films [8,64,64,4], straight alpha.
"""

import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

from bozzetto.errors import InvalidInput
from bozzetto.world.captions import caption, with_article
from bozzetto.world.dataset import World
from bozzetto.world.scenes import COLORS, FRAME, is_held_out, recolor

FRAMES = 8
SMALL = 0.55  # of a thing that needs room to move
WAY = 14.0  # pixels from the middle of the frame to either end of a way
STAYS = "stays"
RECOLORED = 0.3  # share of films


Number = float | np.ndarray  # that stays, or changes from frame to frame


def path(x: Number = 0, y: Number = 0, scale: Number = 1, angle: Number = 0, opacity: Number = 1) -> np.ndarray:
    """Poses float32 [8,5]."""
    return np.stack([np.broadcast_to(part, FRAMES) for part in (x, y, scale, angle, opacity)], 1).astype(np.float32)


_TIME = np.linspace(0, 1, FRAMES)
_ALONG = WAY * (2 * _TIME - 1)
MOTIONS: dict[str, np.ndarray] = {
    STAYS: path(),
    "moves left": path(x=-_ALONG, scale=SMALL),
    "moves right": path(x=_ALONG, scale=SMALL),
    "moves up": path(y=-_ALONG, scale=SMALL),
    "moves down": path(y=_ALONG, scale=SMALL),
    "bounces": path(y=WAY - 2 * WAY * np.abs(np.sin(2 * np.pi * _TIME)), scale=SMALL),
    "spins": path(scale=0.7, angle=360 / FRAMES * np.arange(FRAMES)),
    "grows": path(scale=0.3 + 0.7 * _TIME),
    "shrinks": path(scale=1 - 0.7 * _TIME),
    "fades": path(opacity=1 - 0.85 * _TIME),
}
"""The words of each motion and its path."""


def _anyhow(form: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:(?:is|are) )?{form}\b".replace(" ", r"\s+"), re.IGNORECASE)


SAID = {
    STAYS: "stay(?:s|ing)?",
    **{
        f"moves {way}": f"(?:mov(?:es?|ing)|go(?:es|ing)?) (?:to the )?{way}" for way in ("left", "right", "up", "down")
    },
    "bounces": "bounc(?:es?|ing)",
    "spins": "spin(?:s|ning)?",
    "grows": "grow(?:s|ing)?",
    "shrinks": "shrink(?:s|ing)?",
    "fades": "fad(?:es?|ing)",
}
"""How else a motion is said, as a regular expression that the page reads as well; a space stands for any."""
_SAID = {motion: _anyhow(form) for motion, form in SAID.items()}


@dataclass(frozen=True)
class Film:
    """row: of the picture in its world; picture: that, as it is shown; words: what is said of it; motion: of
    MOTIONS."""

    row: int
    picture: np.ndarray
    words: str
    motion: str


def moved(picture: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """A picture in one pose."""
    x, y, scale, angle, opacity = pose.tolist()
    # Drawn twice as large and halved, so that what becomes small does not flicker; from there, back to the picture:
    cos, sin = np.cos(np.deg2rad(angle)) / (2 * scale), np.sin(np.deg2rad(angle)) / (2 * scale)
    middle, right, down = FRAME / 2, FRAME + 2 * x, FRAME + 2 * y
    back = (cos, sin, middle - cos * right - sin * down, -sin, cos, middle + sin * right - cos * down)
    size = (2 * FRAME, 2 * FRAME)
    large = Image.fromarray(picture).transform(size, Image.Transform.AFFINE, back, Image.Resampling.BICUBIC)
    frame = np.array(large.reduce(2))
    frame[..., 3] = np.round(frame[..., 3] * opacity)
    return frame


def frames(picture: np.ndarray, motion: str) -> np.ndarray:
    """The film of a picture."""
    return np.stack([moved(picture, pose) for pose in MOTIONS[motion]])


def film_pictures(world: World) -> np.ndarray:
    """The rows of training pictures that films show."""
    return np.flatnonzero(world.core & np.array([split == "train" for split in world.splits]))


def make_film(world: World, rows: np.ndarray, number: int) -> Film:
    """The film of a number, an integer from 0: always the same one for the same world and rows."""
    rng = np.random.default_rng([number, 8])
    row = int(rng.choice(rows))
    motion = list(MOTIONS)[rng.integers(len(MOTIONS))]
    picture, name, codepoints = world.images[row], world.names[row], world.codepoints[row]
    colors = [color for color in COLORS if not is_held_out(codepoints, color)]
    if rng.random() < RECOLORED and colors:
        color = colors[rng.integers(len(colors))]
        words = with_article(f"{color} {name}")
        return Film(row, np.round(recolor(picture, color)).clip(0, 255).astype(np.uint8), words, motion)
    return Film(row, picture, caption(name, world.keywords[row], world.styles[row], rng, codepoints=codepoints), motion)


def split_prompt(prompt: str) -> tuple[str, str | None]:
    """What moves, and how: "a red car goes left" -> ("a red car", "moves left"); None where no motion is said.

    Raises InvalidInput where two motions are named, or nothing that moves.
    """
    said = [motion for motion, form in _SAID.items() if form.search(prompt)]
    for form in _SAID.values():
        prompt = form.sub(" ", prompt)
    thing = " ".join(prompt.split())
    if len(said) > 1:
        raise InvalidInput("prompt", f"names two motions, {said[0]!r} and {said[1]!r}: say one")
    if said and not thing:
        raise InvalidInput("prompt", f"says only how something moves: name a thing, 'a red car {said[0]}' for example")
    return thing, said[0] if said else None
