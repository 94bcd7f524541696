"""A small picture world of drawn things whose names scenes know, for tests that must not need the artwork."""

from types import SimpleNamespace

import numpy as np
from PIL import Image, ImageDraw

from bozzetto.world.scenes import scene_objects

NAMES = [
    "dog face",
    "cat face",
    "owl",
    "automobile",
    "red apple",
    "mouse face",
    "wolf",
    "robot",
    "key",
    "pear",
    "banana",
    "lemon",
    "bus",
    "taxi",
    "guitar",
    "drum",
    "crown",
    "bell",
    "kite",
    "rocket",
    "ghost",
    "skull",
    "spider",
    "umbrella",
    "watch",
    "door",
]
STYLES = ("noto", "twemoji", "fluent-3d")


def drawn(shape: str, fill: tuple[int, int, int], outline: tuple[int, int, int] = (20, 20, 20)) -> np.ndarray:
    image = Image.new("RGBA", (64, 64), (255, 0, 255, 0))  # hidden magenta must never show
    getattr(ImageDraw.Draw(image), shape)((6, 6, 58, 50), fill=fill, outline=outline, width=3)
    return np.asarray(image)


def fake_world() -> SimpleNamespace:
    rng = np.random.default_rng(0)
    rows = [(name, style) for name in NAMES for style in STYLES]
    pictures = [
        drawn(("ellipse", "rectangle")[i % 2], tuple(int(c) for c in rng.integers(60, 256, 3)))
        for i in range(len(rows))
    ]
    return SimpleNamespace(
        images=np.stack(pictures),
        codepoints=[f"1f{NAMES.index(name):03x}" for name, _ in rows],
        names=[name for name, _ in rows],
        keywords=[["thing"] for _ in rows],
        groups=["objects" for _ in rows],
        subgroups=["tool" for _ in rows],
        styles=[style for _, style in rows],
        splits=["test" if i % 11 == 5 else "train" for i in range(len(rows))],
        core=np.ones(len(rows), bool),
    )


WORLD = fake_world()
OBJECTS = scene_objects(WORLD)
