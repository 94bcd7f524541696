"""How far apart two sets of pictures are, with the sample size and an interval.

Frechet distance between Gaussians fitted to features (Dowson and Landau 1982; Heusel et al. 2017, eq. 6):

    d^2 = |m_a - m_b|^2 + tr(C_a) + tr(C_b) - 2 tr((C_a C_b)^(1/2))

With centred rows A, B and C_a = A'A / (n_a - 1), the non-zero eigenvalues of C_a C_b are the squared singular
values of A B' / sqrt((n_a - 1)(n_b - 1)), so the last trace is a nuclear norm. No matrix square root is
taken, nothing complex appears, and fewer pictures than features is an ordinary case.

The Frechet distance grows as n shrinks: a value means nothing without its n and without what two disjoint
sets of *real* pictures score at that n. It depends on the feature net: on EfficientNet-Lite0
features it is not an Inception FID. Features are float [n,d]; all arithmetic is float64.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Metric = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class Estimate:
    """A metric's value with its interval and the sizes of the two sets it was measured on."""

    value: float
    low: float
    high: float
    n_a: int
    n_b: int


def feature_pair(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both sets as float64 [n_a,d] and [n_b,d]; ValueError unless finite, of one width, two rows or more."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"feature sets must be [n,d] of one d, got {list(a.shape)} and {list(b.shape)}")
    if len(a) < 2 or len(b) < 2:
        raise ValueError(f"each feature set needs at least 2 rows, got {len(a)} and {len(b)}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("feature sets must be finite: drop the pictures whose features are NaN or infinite")
    return a, b


@dataclass(frozen=True)
class Gaussian:
    """What a Frechet distance keeps of a set of features: mean [d], and R [min(n,d), d] with R'R = covariance."""

    mean: np.ndarray
    root: np.ndarray


def gaussian(x: np.ndarray) -> Gaussian:
    """Fitted to float64 `x` [n,d]. The root is the centred rows, or if there are more rows than columns a square one:
    Cholesky's, five times as fast as that of a QR decomposition, which serves where a feature never changes."""
    rows = (x - x.mean(0)) / np.sqrt(len(x) - 1)
    if len(rows) <= rows.shape[1]:
        return Gaussian(x.mean(0), rows)
    try:
        return Gaussian(x.mean(0), np.linalg.cholesky(rows.T @ rows).T)
    except np.linalg.LinAlgError:
        return Gaussian(x.mean(0), np.asarray(np.linalg.qr(rows, mode="r")))


def frechet_between(a: Gaussian, b: Gaussian) -> float:
    """Squared Frechet distance; 0 or more. Fit once what is compared with many others."""
    shift = a.mean - b.mean
    cross = np.linalg.svd(a.root @ b.root.T, compute_uv=False).sum()
    distance = shift @ shift + (a.root**2).sum() + (b.root**2).sum() - 2 * cross
    return max(float(distance), 0.0)  # rounding alone can make equal sets negative


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Squared Frechet distance between Gaussians fitted to `a` [n_a,d] and `b` [n_b,d]; 0 or more."""
    a, b = feature_pair(a, b)
    return frechet_between(gaussian(a), gaussian(b))


def bootstrap_interval(
    metric: Metric, a: np.ndarray, b: np.ndarray, n_boot: int = 100, seed: int = 0, level: float = 0.95
) -> Estimate:
    """`metric(a, b)` with the bootstrap interval of what it would be on other samples of the same sizes.

    Resampling repeats rows, which by itself raises a Frechet distance. The spread of the replicates
    is right and their centre is not, so the interval is their quantiles moved to centre on the value.
    """
    if n_boot < 2 or not 0 < level < 1:
        raise ValueError(f"need n_boot >= 2 and 0 < level < 1, got {n_boot} and {level}")
    a, b = feature_pair(a, b)
    generator = np.random.default_rng(seed)
    replicates = np.array(
        [
            metric(a[generator.integers(len(a), size=len(a))], b[generator.integers(len(b), size=len(b))])
            for _ in range(n_boot)
        ]
    )
    value = float(metric(a, b))
    low, high = value + np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2]) - replicates.mean()
    return Estimate(value, float(low), float(high), len(a), len(b))
