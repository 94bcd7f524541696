"""Are the generated pictures plausible, and do they show everything there is? Two questions, two numbers.

Each set is given a shape: the union of balls around its points that reach to their k-th neighbour.
- precision, recall (Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991, eq. 1-2): the share of fakes
  inside the shape of the real set; the share of reals inside the shape of the fake set.
- density, coverage (Naeem et al. 2020, https://arxiv.org/abs/2002.09797, eq. 4-5), which resist outliers: how
  many real balls hold a fake, over k (may exceed 1); the share of real balls that hold any fake.

A generator that forgot a mode keeps its precision and loses recall and coverage.
Features are float [n,d]; at most `CHUNK` rows of a distance table exist at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bozzetto.metrics.frechet import feature_pair

CHUNK = 512


@dataclass(frozen=True)
class Coverage:
    """Precision, recall and coverage are shares in [0, 1]; density is about 1 for like sets, 0 or more."""

    precision: float
    recall: float
    density: float
    coverage: float
    k: int
    n_real: int
    n_fake: int


def distance_rows(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Squared Euclidean distances of `a` [n,d] to `b` [m,d]: (rows of a, float [<=CHUNK,m]), in order."""
    norms = np.einsum("ij,ij->i", b, b)
    for start in range(0, len(a), CHUNK):
        rows = a[start : start + CHUNK]
        table = np.einsum("ij,ij->i", rows, rows)[:, None] + norms - 2 * (rows @ b.T)
        yield slice(start, start + len(rows)), np.maximum(table, 0)


def neighbour_radii(points: np.ndarray, k: int) -> np.ndarray:
    """Squared distance of each point [n,d] to its k-th nearest *other* point, float [n]."""
    radii = np.empty(len(points))
    for rows, table in distance_rows(points, points):
        table[np.arange(len(table)), np.arange(rows.start, rows.stop)] = np.inf
        radii[rows] = np.partition(table, k - 1, axis=1)[:, k - 1]
    return radii


def coverage_metrics(real: np.ndarray, fake: np.ndarray, k: int = 5) -> Coverage:
    """Precision, recall, density and coverage of `fake` [m,d] against `real` [n,d], with k neighbours.

    Raises ValueError unless 1 <= k < min(n, m). Recall depends on m: compare at equal sizes.
    """
    real, fake = feature_pair(real, fake)
    if not 1 <= k < min(len(real), len(fake)):
        raise ValueError(f"k must be from 1 to one less than the smaller set, got {k}")
    real_radii, fake_radii = neighbour_radii(real, k), neighbour_radii(fake, k)
    holders = np.empty(len(fake))  # how many real balls hold each fake
    held = np.zeros(len(real), bool)  # does the real ball hold any fake
    reached = np.zeros(len(real), bool)  # is the real point inside any fake ball
    for rows, table in distance_rows(fake, real):
        inside = table <= real_radii
        holders[rows] = inside.sum(1)
        held |= inside.any(0)
        reached |= (table <= fake_radii[rows, None]).any(0)
    return Coverage(
        precision=float((holders > 0).mean()),
        recall=float(reached.mean()),
        density=float(holders.mean() / k),
        coverage=float(held.mean()),
        k=k,
        n_real=len(real),
        n_fake=len(fake),
    )
