"""How many of the world's kinds does a maker still draw? Modes covered, as in the Stacked-MNIST tests of GANs.

Every picture made is given the kind of the real picture nearest to it. Then (Srivastava et al. 2017,
https://arxiv.org/abs/1705.07761, section 4.2; Metz et al. 2017): the number of kinds drawn at all, and the divergence
KL(made || real) of how often. For variety *within* a kind see metrics/coverage.py. A maker too young to draw any kind
has a `spread`: whether it draws one thing or several.
"""

from dataclasses import dataclass

import numpy as np

from bozzetto.metrics.coverage import distance_rows
from bozzetto.metrics.frechet import feature_pair


@dataclass(frozen=True)
class Variety:
    """covered: kinds drawn, of `kinds` that exist in the real set. divergence: in nats, 0 or more, 0 is ideal."""

    covered: int
    kinds: int
    divergence: float
    n_fake: int


def spread(pictures: np.ndarray) -> float:
    """How far two pictures of a set are from each other, as a root mean square over all pairs: 0 when they are all the
    same. pictures: [n,...], n at least 2, of any unit; the spread has the same. It is twice the variance, with no pair
    looked at."""
    if len(pictures) < 2:
        raise ValueError(f"the spread needs 2 pictures at least, got {len(pictures)}")
    rows = np.asarray(pictures, np.float64).reshape(len(pictures), -1)
    return float(np.sqrt(2 * rows.var(axis=0, ddof=1).sum()))


def variety(real: np.ndarray, kinds: np.ndarray, fake: np.ndarray) -> Variety:
    """real [n,d] and fake [m,d] features, kinds [n]: which kind each real picture is, int.

    With few fakes some kinds are missed by chance: compare with as many fresh real pictures in the place of `fake`.
    """
    real, fake = feature_pair(real, fake)
    if len(kinds) != len(real):
        raise ValueError(f"{len(real)} real pictures need as many kinds, got {len(kinds)}")
    nearest = np.concatenate([table.argmin(1) for _, table in distance_rows(fake, real)])
    names, row_kinds = np.unique(kinds, return_inverse=True)
    made = np.bincount(row_kinds[nearest], minlength=len(names)) / len(fake)
    there = np.bincount(row_kinds) / len(real)
    drawn = made > 0
    divergence = float((made[drawn] * np.log(made[drawn] / there[drawn])).sum())
    return Variety(covered=int(drawn.sum()), kinds=len(names), divergence=max(divergence, 0.0), n_fake=len(fake))
