"""The pieces of a report. A score is {"value", "low", "high", "n", "unit"}: shares with the 95 % Wilson interval, means
with the normal one, the Frechet distance with a bootstrap interval."""

import numpy as np

from bozzetto.metrics.frechet import Estimate
from bozzetto.metrics.retrieval import Share

Score = dict[str, float | int | str]
Scores = dict[str, Score]
Measured = tuple[Scores, dict[str, object]]
"""The scores of a model, and what else its block of the report says."""


def share(value: Share) -> Score:
    return {"value": value.value, "low": value.low, "high": value.high, "n": value.n, "unit": "share"}


def mean(values: np.ndarray, unit: str) -> Score:
    """Mean of `values` [n] with its normal 95 % interval."""
    reach = 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("inf")
    value = float(np.mean(values))
    return {"value": value, "low": value - reach, "high": value + reach, "n": len(values), "unit": unit}


BORDERS = "steps across borders of 8 pixels to others"  # what `border_ratio` is called in a report


def border_ratio(pictures: np.ndarray, period: int = 8) -> Score:
    """Mean step between neighbours across the borders of cells of `period` pixels to the mean step elsewhere, of
    pictures [n,H,W,C]: about one where no grid shows. The interval is that of the ratio's linear part."""
    down, right = (np.abs(np.diff(pictures, axis=axis)).mean((3 - axis, 3)) for axis in (1, 2))
    border = np.concatenate([np.arange(1, side) % period == 0 for side in pictures.shape[1:3]])
    steps = np.concatenate([down, right], 1) + 1e-9  # [n,H-1 + W-1]; in blank pictures all are one size
    across, inside = steps[:, border].mean(1), steps[:, ~border].mean(1)
    value = across.mean() / inside.mean()
    return mean(value + (across - value * inside) / inside.mean(), "")


def distance(found: Estimate) -> Score:
    """A distance between n things and `n_real` real ones, without a unit."""
    return {
        "value": found.value, "low": found.low, "high": found.high, "n": found.n_a, "n_real": found.n_b, "unit": ""
    }  # fmt: skip
