"""A small picture world made of drawn shapes, for tests that must not need the artwork."""

import numpy as np
import pytest
from hypothesis import settings

from bozzetto.world.dataset import World
from bozzetto.world.emoji import STYLES

# The same examples in every run, and no example fails because the machine is busy.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

# The files that take longest go first: two run at a time, and one of them alone at the end would keep a core idle.
LONGEST = (
    "test_recipes.py",
    "test_course_page.py",
    "test_lesson_7.py",
    "test_lesson_8.py",
    "test_lesson_5.py",
    "test_diffusion.py",
    "test_lesson_6.py",
    "test_lesson_2.py",
    "test_lesson_1.py",
)

COLOURS = {"red": (220, 40, 40), "green": (40, 170, 60), "blue": (40, 80, 220), "yellow": (240, 210, 50)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(LONGEST)))


def draw(shape: str, colour: tuple[int, int, int], radius: float) -> np.ndarray:
    """A square, disc, ring or cross in the middle of a transparent picture."""
    y, x = np.mgrid[:64, :64] - 31.5
    inside = {
        "square": np.maximum(abs(x), abs(y)) < radius,
        "disc": np.hypot(x, y) < radius,
        "ring": abs(np.hypot(x, y) - radius * 0.8) < radius * 0.2,
        "cross": (np.minimum(abs(x), abs(y)) < radius * 0.3) & (np.maximum(abs(x), abs(y)) < radius),
    }[shape]
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[inside] = (*colour, 255)
    return picture


@pytest.fixture(scope="session")
def shapes() -> World:
    """16 concepts ("red disc", ...) in 8 styles (sizes): 128 pictures; each concept's style k is held out for one k."""
    rows = [
        (f"{colour} {shape}", STYLES[k], draw(shape, rgb, 14 + 2 * k), "test" if (i + j) % 8 == k else "train")
        for i, shape in enumerate(("square", "disc", "ring", "cross"))
        for j, (colour, rgb) in enumerate(COLOURS.items())
        for k in range(8)
    ]
    names, styles, pictures, splits = zip(*rows, strict=True)
    return World(
        images=np.stack(pictures),
        codepoints=[name.replace(" ", "-") for name in names],
        emoji=[""] * len(rows),
        names=list(names),
        keywords=[[name.split()[1]] for name in names],
        groups=["objects"] * len(rows),
        subgroups=["tool"] * len(rows),
        styles=list(styles),
        splits=list(splits),
        core=np.ones(len(rows), bool),
    )
