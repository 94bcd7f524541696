"""Did the generator draw, or did it copy? Distances to the nearest training picture tell.

A Frechet distance is best for a model that returns its training set. So each generated picture is measured
to its nearest training picture, and that distance is read beside two others: training pictures to each other,
and held-out real pictures, which nobody can have copied, to the training set. The alarm is the share of
generated pictures nearer than the 5th percentile of the held-out distances: about 5 % for a model that draws
as freely as the artists did, far more for one that copies (in the spirit of Meehan et al. 2020,
https://arxiv.org/abs/2004.05675, and Stein et al. 2023, https://arxiv.org/abs/2306.04675).

Call it twice: on features, where a copy in another colour is still near, and on `pixel_vectors`, where the
distance of two pictures is their root mean square difference on white, in [0, 1].
"""

from dataclasses import dataclass

import numpy as np

from bozzetto.metrics.coverage import distance_rows
from bozzetto.pictures import on_white


@dataclass(frozen=True)
class Memorization:
    """Nearest-neighbour distances, and the share of generated pictures suspiciously near a training one."""

    generated: np.ndarray  # float64 [n_generated], distance to the nearest training row
    neighbour: np.ndarray  # int64 [n_generated], which training row that is
    held_out: np.ndarray  # float64 [n_held_out], held-out real rows to the training set
    train: np.ndarray  # float64 [n_train], training rows to their nearest other training row
    threshold: float  # the percentile of held_out below which a picture counts as near
    share_near: float  # share of `generated` strictly below the threshold, in [0, 1]

    def summary(self) -> dict[str, float | int]:
        """Sizes, medians and the alarm, ready for JSON."""
        return {
            "n_generated": len(self.generated),
            "n_held_out": len(self.held_out),
            "n_train": len(self.train),
            "median_generated": float(np.median(self.generated)),
            "median_held_out": float(np.median(self.held_out)),
            "median_train": float(np.median(self.train)),
            "threshold": self.threshold,
            "share_near": self.share_near,
        }


def pixel_vectors(images: np.ndarray) -> np.ndarray:
    """Pictures uint8 [N,H,W,4] as float32 [N,H*W*3], on white; Euclidean distance is RMS difference."""
    flat = on_white(images).reshape(len(images), -1)
    return flat / np.float32(255 * np.sqrt(flat.shape[1]))


def nearest(query: np.ndarray, reference: np.ndarray, same: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Distance float64 [n] and index int64 [n] of each query row's nearest reference row.

    `same` says that both are one set: a row is then not its own neighbour.
    """
    index = np.empty(len(query), np.int64)
    for rows, table in distance_rows(query, reference):
        if same:
            table[np.arange(len(table)), np.arange(rows.start, rows.stop)] = np.inf
        index[rows] = table.argmin(1)
    # The table subtracts large numbers; the chosen distance is taken again from the difference, so that an
    # exact copy is at exactly zero.
    distance = np.array(
        [np.linalg.norm(q.astype(np.float64) - reference[i]) for q, i in zip(query, index, strict=True)]
    )
    return distance, index


def memorization(generated: np.ndarray, train: np.ndarray, held_out: np.ndarray, percentile: float = 5) -> Memorization:
    """Compare generated rows [n,d] with training rows [m,d], beside held-out real rows [h,d].

    Raises ValueError for sets of different widths, an empty set, or a percentile outside (0, 100).
    """
    sets = {"generated": generated, "train": train, "held_out": held_out}
    for name, rows in sets.items():
        if rows.ndim != 2 or rows.shape[1] != train.shape[1] or len(rows) < 2:
            raise ValueError(f"{name} must be [n,{train.shape[1]}] with n >= 2, got {list(rows.shape)}")
        if not np.isfinite(rows).all():
            raise ValueError(f"{name} must be finite: drop the rows with NaN or infinite values")
    if not 0 < percentile < 100:
        raise ValueError(f"percentile must be between 0 and 100, got {percentile}")
    distance, neighbour = nearest(generated, train)
    held_out_distance, _ = nearest(held_out, train)
    train_distance, _ = nearest(train, train, same=True)
    threshold = float(np.percentile(held_out_distance, percentile))
    return Memorization(
        generated=distance,
        neighbour=neighbour,
        held_out=held_out_distance,
        train=train_distance,
        threshold=threshold,
        share_near=float((distance < threshold).mean()),
    )
