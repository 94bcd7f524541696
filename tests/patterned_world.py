"""A tiny picture world of patterned squares, and a judge that knows them by heart."""

import numpy as np

from bozzetto.pictures import on_white
from bozzetto.world.dataset import World

NAMES = [
    "dog face",
    "cat face",
    "robot",
    "ghost",
    "pizza",
    "banana",
    "star",
    "key",
    "bell",
    "tulip",
    "crown",
    "balloon",
]
KEYWORDS = [f"{letter}word" for letter in "abcdefghijklmnopqrst"]
STYLES = ("noto", "twemoji", "fxemoji")
NOUNS = {"dog face": "dog", "cat face": "cat"}


def drawing(concept: int, style: int) -> np.ndarray:
    """A patterned square: four coarse cells say which concept it is, the shade varies with the style."""
    rng = np.random.default_rng(concept)
    cells = rng.integers(60, 250, (4, 4, 3)).repeat(10, 0).repeat(10, 1)
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[12:52, 12:52, :3] = cells - 8 * style
    picture[12:52, 12:52, 3] = 255
    return picture


def patterned_world() -> World:
    pairs = [(c, s) for c in range(len(NAMES)) for s in range(len(STYLES))]
    return World(
        images=np.stack([drawing(c, s) for c, s in pairs]),
        codepoints=[f"{c:04x}" for c, _ in pairs],
        emoji=["x" for _ in pairs],
        names=[NAMES[c] for c, _ in pairs],
        keywords=[KEYWORDS for _ in pairs],
        groups=["one" if c < 8 else "two" for c, _ in pairs],
        subgroups=["sub" for _ in pairs],
        styles=[STYLES[s] for _, s in pairs],
        splits=["test" if s == c % 3 else "train" for c, s in pairs],
        core=np.ones(len(pairs), bool),
    )


def thumbnails(pictures: np.ndarray, size: int = 0, batch: int = 0) -> np.ndarray:
    """Cheap stand-in features, float32 [N,192]: each picture on white, cropped to what is visible, at 8 x 8."""
    white = on_white(pictures)
    out = []
    for picture, rgb in zip(pictures, white, strict=True):
        rows, columns = np.flatnonzero(picture[..., 3].any(1)), np.flatnonzero(picture[..., 3].any(0))
        if not len(rows):
            rows = columns = np.arange(64)
        y = np.linspace(rows[0] + 1, rows[-1] - 1, 8).round().astype(int)
        x = np.linspace(columns[0] + 1, columns[-1] - 1, 8).round().astype(int)
        out.append(rgb[y][:, x].ravel() / 255)
    return np.array(out, np.float32)


class Oracle:
    """A judge that knows the drawings by heart."""

    features = staticmethod(thumbnails)

    def score(self, features: np.ndarray, labels: list[str]) -> np.ndarray:
        of = {NOUNS.get(name, name): drawing(i, 1) for i, name in enumerate(NAMES)}
        of |= {name: drawing(i, 1) for i, name in enumerate(NAMES)}
        return -np.linalg.norm(features[:, None] - thumbnails(np.stack([of[label] for label in labels])), axis=2)

    def __call__(self, pictures: np.ndarray, labels: list[str]) -> np.ndarray:
        return self.score(self.features(pictures), labels)
