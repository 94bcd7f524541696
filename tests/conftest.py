"""A small picture world made of drawn shapes, for tests that must not need the artwork."""

import numpy as np
import pytest

from bozzetto.world import dataset
from bozzetto.world.dataset import World
from bozzetto.world.emoji import STYLES

# The files that take longest go first: two run at a time, and one of them alone at the end would keep a core idle.
LONGEST = ("test_course_figures.py", "test_recipes.py", "test_course_page.py", "test_diffusion.py")

THINGS = {
    "1f436": "dog face",
    "1f431": "cat face",
    "1f34e": "red apple",
    "1f47b": "ghost",
    "1f916": "robot",
    "1f697": "automobile",
}
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


@pytest.fixture(scope="session")
def small_world(tmp_path_factory):
    """A file of six concepts in two styles, in noise: enough for sheets and scenes."""
    rng = np.random.default_rng(0)
    count = 2 * len(THINGS)
    columns = {
        "image": list(rng.integers(0, 256, (count, 64, 64, 4), dtype=np.uint8)),
        "codepoints": [*THINGS] * 2,
        "emoji": ["?"] * count,
        "name": [*THINGS.values()] * 2,
        "keywords": [["thing", "spooky" if name == "ghost" else "other"] for name in THINGS.values()] * 2,
        "group": ["objects"] * count,
        "subgroup": ["other"] * count,
        "style": ["noto"] * len(THINGS) + ["twemoji"] * len(THINGS),
        "split": ["train"] * (count - 1) + ["test"],
        "core": [True] * count,
        "license": ["MIT"] * count,
    }
    path = tmp_path_factory.mktemp("world") / "world.parquet"
    dataset.write(columns, path)
    return path
