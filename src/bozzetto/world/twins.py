"""Pictures that are nearly the same, and a split into training and test that keeps them together.

Near-duplicates are found by comparing all small pictures with all: 16 x 16 pixels over white, each less its mean and of
unit length, so that another size, quality or brightness of one picture is a cosine of nearly 1. Of more than `ALL`
pictures each is compared with its neighbours only, in orders that put like beside like.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from bozzetto.world.captions import HELD_OUT_SHARE, hash_draw

SIDE = 16
ALL = 2**16  # as many as are in memory at 32 pixels
TURNS, WINDOW = 3, 256  # of more: how many orders, and how many pictures on either side in each
NEAR = 0.98  # of 800 emoji at most 1 % fell below it when saved again or halved; a tenth have another that near


def twins(
    images: np.ndarray, copies: np.ndarray, progress: Callable[[int, int], None] = lambda done, total: None
) -> np.ndarray:
    """int64 [N]: for each picture the first row of those that are nearly the same, itself if there is none before it.
    What is near to one of them belongs to all.

    images: uint8 [N,S,S,4], straight alpha, S a multiple of 16; copies: int64 [N], the first row known to be the same.
    """
    rows = np.unique(copies)
    first = copies.copy()

    def roots(of: np.ndarray) -> np.ndarray:
        found = first[of]
        while (first[found] != found).any():
            found = first[found]
        return found

    for some, others, small, near in (_with_all if len(rows) <= ALL else _with_neighbours)(images, rows, progress):
        for row, close in zip(some, small @ near.T > NEAR, strict=True):
            alike = others[close]
            if len(alike) > 1 or (len(alike) == 1 and alike[0] != row):
                known = roots(np.append(alike, row))
                first[known] = known.min()
    return roots(np.arange(len(images)))


Compared = Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]  # rows, those beside them, both described


def _with_all(images: np.ndarray, rows: np.ndarray, progress: Callable[[int, int], None]) -> Compared:
    small = np.concatenate([_described(images[part]) for part in np.array_split(rows, -(-len(rows) // 1024))])
    for start in range(0, len(rows), 256):
        progress(start, len(rows))
        yield rows[start : start + 256], rows[start:], small[start : start + 256], small[start:]


def _with_neighbours(images: np.ndarray, rows: np.ndarray, progress: Callable[[int, int], None]) -> Compared:
    """In the order of the sides of random planes that they are on (Charikar 2002, section 3), which near ones share: 24
    bytes of each picture are in memory, not 3 KB."""
    planes = np.random.default_rng(0).standard_normal((3 * SIDE * SIDE, 64 * TURNS), np.float32)
    signs, total = np.empty((len(rows), TURNS), np.uint64), (TURNS + 1) * len(rows)
    for start in range(0, len(rows), WINDOW):
        progress(start, total)
        part = slice(start, start + WINDOW)
        signs[part] = np.packbits(_described(images[rows[part]]) @ planes > 0, axis=1).view(">u8")
    for turn in range(TURNS):
        order, before = rows[np.argsort(signs[:, turn])], (rows[:0], np.empty((0, len(planes)), np.float32))
        for start in range(0, len(rows), WINDOW):
            progress((turn + 1) * len(rows) + start, total)
            some = order[start : start + WINDOW]
            small = _described(images[some])
            yield some, np.append(before[0], some), small, np.concatenate([before[1], small])
            before = some, small


def _described(images: np.ndarray) -> np.ndarray:
    """float32 [N,768]."""
    count, side = len(images), images.shape[1] // SIDE
    if (images[..., 3] == 255).all():  # whole numbers, whose sum is exact in any order: this one is quick
        cells = [images[:, y::side, x::side, :3] for y in range(side) for x in range(side)]
        flat = (np.add.reduce(cells, dtype=np.float32) / len(cells)).reshape(count, -1)
    else:
        small = images.astype(np.float32).reshape(count, SIDE, side, SIDE, side, 4)
        alpha = small[..., 3:] / 255
        flat = (small[..., :3] * alpha + 255 * (1 - alpha)).mean((2, 4)).reshape(count, -1)
    flat -= flat.mean(1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-3)


def sides(names: Sequence[str], twins: np.ndarray, given: Sequence[str]) -> list[str]:
    """Of each picture, "train" or "test": what is given, or else what its twins' first name says, so that a tenth is
    held out and no twins are parted. Those with the most twins always train."""
    most = np.bincount(twins).argmax()
    held = np.zeros(len(twins), bool)
    for row, name in enumerate(names):
        held[row] = twins[row] == row != most and hash_draw(name, "held out") < HELD_OUT_SHARE
    return [side or ("test" if out else "train") for side, out in zip(given, held[twins], strict=True)]
