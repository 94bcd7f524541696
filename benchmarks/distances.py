"""Another distance between sets of features [n,d], and the floor of any: what real pictures score against each other.

Kernel distance: the unbiased squared MMD with the kernel (x'y / d + 1)^3 (Binkowski et al. 2018,
https://arxiv.org/abs/1801.01401, section 4), zero in expectation for equal distributions at any n. All arithmetic is
float64.
"""

import numpy as np

from bozzetto.metrics.frechet import Estimate, Metric, feature_pair


def kernel_distance(a: np.ndarray, b: np.ndarray, subsets: int = 20, subset_size: int = 1000, seed: int = 0) -> float:
    """Unbiased squared MMD of `a` [n_a,d] and `b` [n_b,d] under the cubic kernel; may fall below 0.

    Averages `subsets` draws of min(subset_size, n_a, n_b) rows without replacement: memory is
    O(subset_size^2). Deterministic in `seed`.
    """
    a, b = feature_pair(a, b)
    if subsets < 1 or subset_size < 2:
        raise ValueError(f"need subsets >= 1 and subset_size >= 2, got {subsets} and {subset_size}")
    m = min(subset_size, len(a), len(b))
    generator = np.random.default_rng(seed)
    draws = [_mmd(a[generator.permutation(len(a))[:m]], b[generator.permutation(len(b))[:m]]) for _ in range(subsets)]
    return float(np.mean(draws))


def _mmd(x: np.ndarray, y: np.ndarray) -> float:
    """The U-statistic of equation 4: pairs of an item with itself are left out of the within-set means."""
    m, d = x.shape
    within_x, within_y, across = ((p @ q.T / d + 1) ** 3 for p, q in ((x, x), (y, y), (x, y)))
    within = within_x.sum() - np.trace(within_x) + within_y.sum() - np.trace(within_y)
    return float(within / (m * (m - 1)) - 2 * across.mean())


def floor(real: np.ndarray, metric: Metric, seed: int = 0, n: int | None = None, repeats: int = 5) -> Estimate:
    """What `metric` says of two disjoint random samples of `real` [N,d]: no generator can be asked for less.

    `n` rows a side, by default half of `real`; to be compared with a value measured at the same n. The value
    is the mean of `repeats` splits, low and high are the extremes seen.
    """
    real, _ = feature_pair(real, real)
    n = len(real) // 2 if n is None else n
    if not 2 <= n <= len(real) // 2:
        raise ValueError(f"n must be between 2 and half of the {len(real)} real rows, got {n}")
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(repeats):
        order = generator.permutation(len(real))
        values.append(metric(real[order[:n]], real[order[n : 2 * n]]))
    return Estimate(float(np.mean(values)), float(min(values)), float(max(values)), n, n)
