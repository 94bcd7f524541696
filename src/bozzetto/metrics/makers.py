"""How good are the makers of small pictures? One reference, one set of questions for GAN, VAE and diffusion.

The reference is the training pictures at 32 x 32 over white. A maker draws as many pictures of each class as the
training pictures have, so that nobody gains by drawing what is easy. Features are EfficientNet-Lite0's at 64 x 64 (see
features.py): a Frechet distance here is not an Inception FID. It falls with the number of pictures, so compare only
values of one n; `real` says what held-out real pictures score in the place of drawn ones.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bozzetto.metrics.coverage import coverage_metrics
from bozzetto.metrics.features import efficientnet_features, opaque
from bozzetto.metrics.frechet import Estimate, frechet_distance
from bozzetto.metrics.memorization import memorization, pixel_vectors

SIZE = 64  # pixels that the feature net sees
NEIGHBOURS = 5

Draw = Callable[[range, np.ndarray], np.ndarray]  # seeds, labels int64 [n] from 1 -> uint8 [n,32,32,3]


def features(pictures: np.ndarray) -> np.ndarray:
    """Opaque pictures uint8 [N,32,32,3] -> float32 [N,1280]."""
    return efficientnet_features(opaque(pictures), SIZE)


@dataclass(frozen=True)
class Reference:
    """Real pictures uint8 [N,32,32,3], their labels int64 [N] from 0 and features; and unseen pictures [M,32,32,3]."""

    pictures: np.ndarray
    labels: np.ndarray
    features: np.ndarray
    held_out: np.ndarray

    def wanted(self, n: int, seed: int = 0) -> np.ndarray:
        """The labels of n pictures to draw, as often as they occur, in the networks' numbers: int64 [n] from 1."""
        return np.random.default_rng([seed, n]).choice(self.labels, n) + 1


def real_instead(reference: Reference, n: int, repeats: int = 3) -> Estimate:
    """The Frechet distance of n real pictures to all the others: no maker can be asked for less. Mean and extremes."""
    rng, values = np.random.default_rng(0), []
    for _ in range(repeats):
        order = rng.permutation(len(reference.features))
        values.append(frechet_distance(reference.features[order[:n]], reference.features[order[n:]]))
    return Estimate(float(np.mean(values)), min(values), max(values), n, len(reference.features) - n)


@dataclass(frozen=True)
class Quality:
    """Of n drawn pictures. The distance is 0 at best; the shares lie in [0, 1], `coverage` beside what n real
    pictures cover (`coverage_real`). `near`: the share nearer to a training picture than 95 % of unseen real ones
    are, where 0.05 is free."""

    frechet: float
    precision: float
    recall: float
    coverage: float
    coverage_real: float
    near: float


def quality(reference: Reference, drawn: np.ndarray, found: np.ndarray, seed: int = 0) -> Quality:
    """Measure pictures uint8 [n,32,32,3] that were drawn for `reference.wanted(n)`, n at most half of the real ones;
    found: their `features` [n,1280]."""
    n = len(drawn)
    rows = np.random.default_rng(seed).permutation(len(reference.features))
    real, other = reference.features[rows[:n]], reference.features[rows[n : 2 * n]]
    against = coverage_metrics(real, found, NEIGHBOURS)
    made, train, unseen = (pixel_vectors(opaque(x)) for x in (drawn, reference.pictures, reference.held_out))
    return Quality(
        frechet=frechet_distance(found, reference.features),
        precision=against.precision,
        recall=against.recall,
        coverage=against.coverage,
        coverage_real=coverage_metrics(real, other, NEIGHBOURS).coverage,
        near=memorization(made, train, unseen).share_near,
    )
