"""Does the right answer come first? Top-k accuracy and recall@k, each with its interval.

Shares come with a Wilson score interval (Wilson 1927), which is honest near 0 and 1 and for small n.
A tie counts against the model: a similarity that is constant must not score. An item to be left out of the
race (a picture compared with itself) is given the similarity -inf.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True)
class Share:
    """`hits` of `n`, as a value in [0, 1] with the low and high ends of its 95 % Wilson interval."""

    value: float
    low: float
    high: float
    hits: int
    n: int


def wilson_interval(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson score interval (low, high) of a share of `hits` among `n` trials, inside [0, 1]."""
    if not 0 <= hits <= n or n < 1:
        raise ValueError(f"need 0 <= hits <= n and n >= 1, got hits {hits} of n {n}")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, scale = hits / n, 1 + z * z / n
    centre = share + z * z / (2 * n)
    reach = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = (centre - reach) / scale, (centre + reach) / scale
    # Exact at the ends, where rounding would put the share itself just outside of its interval.
    return (0.0 if hits == 0 else low), (1.0 if hits == n else high)


def share_of(flags: Sequence[bool] | np.ndarray) -> Share:
    """The share of true values in `flags` [n], n >= 1, with its 95 % interval."""
    flags = np.asarray(flags, bool)
    hits, n = int(flags.sum()), len(flags)
    low, high = wilson_interval(hits, n)
    return Share(hits / n, low, high, hits, n)


def cosine_similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosines float [n,m] of the rows of `a` [n,d] and `b` [m,d]; ValueError for a row of zeros."""
    norm_a, norm_b = np.linalg.norm(a, axis=1, keepdims=True), np.linalg.norm(b, axis=1, keepdims=True)
    if not (norm_a.all() and norm_b.all()):
        raise ValueError("embeddings must not hold rows of zeros: they have no direction to compare")
    return (a / norm_a) @ (b / norm_b).T


def top_k_accuracy(similarity: np.ndarray, target: Sequence[int] | np.ndarray, k: int = 1) -> Share:
    """Share of rows of `similarity` [n,c] whose right column, `target` int [n], is among the k highest."""
    similarity = _checked(similarity, k)
    target = np.asarray(target)
    n, classes = similarity.shape
    if target.shape != (n,) or target.min() < 0 or target.max() >= classes:
        raise ValueError(f"target must be [{n}] column numbers from 0 to {classes - 1}")
    right = np.arange(classes) == target[:, None]
    return share_of(_hits(similarity, right, k))


def recall_at_k(
    similarity: np.ndarray, row_labels: Sequence[str], column_labels: Sequence[str], k: int = 1
) -> tuple[Share, Share]:
    """Recall@k of rows searching columns and of columns searching rows, in `similarity` [n,m].

    An item is found when any item of its own label is among its k nearest. Items whose label has no partner
    on the other side are not counted; ValueError when none has.
    """
    similarity = _checked(similarity, k)
    if similarity.shape != (len(row_labels), len(column_labels)):
        raise ValueError(
            f"similarity {list(similarity.shape)} must have one row per row label ({len(row_labels)}) "
            f"and one column per column label ({len(column_labels)})"
        )
    right = np.asarray(row_labels)[:, None] == np.asarray(column_labels)
    right &= similarity > -np.inf
    if not right.any():
        raise ValueError("row_labels and column_labels have no label in common: nothing can be found")
    rows, columns = right.any(1), right.any(0)
    return (
        share_of(_hits(similarity[rows], right[rows], k)),
        share_of(_hits(similarity.T[columns], right.T[columns], k)),
    )


def _hits(similarity: np.ndarray, right: np.ndarray, k: int) -> np.ndarray:
    """bool [n]: fewer than k wrong columns are at least as similar as the best right one."""
    best = np.where(right, similarity, -np.inf).max(1, keepdims=True)
    return ((similarity >= best) & ~right).sum(1) < k


def _checked(similarity: np.ndarray, k: int) -> np.ndarray:
    similarity = np.asarray(similarity)
    if similarity.ndim != 2 or 0 in similarity.shape or np.isnan(similarity).any():
        raise ValueError(f"similarity must be a filled [n,m] table without NaN, got {list(similarity.shape)}")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    return similarity
