"""Pictures that are nearly the same, and a split into training and test that keeps them together.

Near-duplicates are found by comparing all small pictures with all: 16 x 16 pixels over white, each less its mean and of
unit length, so that another size, quality or brightness of one picture is a cosine of nearly 1.
"""

from collections.abc import Callable

import numpy as np

from bozzetto.world.captions import HELD_OUT_SHARE, hash_draw

SIDE = 16
NEAR = 0.98  # of 800 emoji at most 1 % fell below it when saved again or halved; a tenth have another that near


def twins(
    images: np.ndarray, copies: np.ndarray, progress: Callable[[int, int], None] = lambda done, total: None
) -> np.ndarray:
    """int64 [N]: for each picture the first row of those that are nearly the same, itself if there is none before it.
    What is near to one of them belongs to all.

    images: uint8 [N,S,S,4], straight alpha, S a multiple of 16; copies: int64 [N], the first row known to be the same.
    """
    rows = np.unique(copies)
    small = np.concatenate([_described(images[part]) for part in np.array_split(rows, -(-len(rows) // 1024))])
    first = copies.copy()

    def roots(of: np.ndarray) -> np.ndarray:
        found = first[of]
        while (first[found] != found).any():
            found = first[found]
        return found

    for start in range(0, len(rows), 256):
        progress(start, len(rows))
        for row, near in enumerate(small[start : start + 256] @ small[start:].T > NEAR, start):
            alike = rows[start:][near]
            if len(alike) > 1 or (len(alike) == 1 and alike[0] != rows[row]):
                known = roots(np.append(alike, rows[row]))
                first[known] = known.min()
    return roots(np.arange(len(images)))


def _described(images: np.ndarray) -> np.ndarray:
    """float32 [N,768]."""
    count, side = len(images), images.shape[1] // SIDE
    small = images.astype(np.float32).reshape(count, SIDE, side, SIDE, side, 4)
    alpha = small[..., 3:] / 255
    flat = (small[..., :3] * alpha + 255 * (1 - alpha)).mean((2, 4)).reshape(count, -1)
    flat -= flat.mean(1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-3)


def sides(names: list[str], twins: np.ndarray, given: list[str]) -> list[str]:
    """Of each picture, "train" or "test": what is given, or else what its twins' first name says, so that a tenth is
    held out and no twins are parted. Those with the most twins always train."""
    most = np.bincount(twins).argmax()
    held = {row: row != most and hash_draw(names[row], "held out") < HELD_OUT_SHARE for row in np.unique(twins)}
    return [side or ("test" if held[row] else "train") for side, row in zip(given, twins, strict=True)]
