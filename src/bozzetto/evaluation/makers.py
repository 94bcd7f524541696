"""The makers of small pictures, GAN, VAE, diffusion and its student, against the training pictures."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from bozzetto.evaluation.bench import EvaluationContext
from bozzetto.evaluation.scores import Measured, Scores, distance, share
from bozzetto.metrics.frechet import bootstrap_interval, frechet_distance
from bozzetto.metrics.makers import Draw, Reference, features, quality, real_instead
from bozzetto.metrics.retrieval import share_of
from bozzetto.progress import track

N = 250  # pictures to draw
FRECHET = "Frechet distance (EfficientNet-Lite0, 64 px)"
FRECHET_REAL = "Frechet distance, real pictures instead (3 draws, extremes)"
PRECISION = "precision"
RECALL = "recall"
COVERAGE = "coverage"
COVERAGE_REAL = "coverage, real pictures instead"
NEAR = "nearer to a training picture than 95 % of held-out ones (5 % is free)"
SHOWN = (FRECHET, FRECHET_REAL, COVERAGE, COVERAGE_REAL)  # in the README


def score(reference: Reference, draw: Draw, n: int, sheet: Path | None = None) -> Scores:
    """n pictures of a maker of small pictures against the training pictures. The floor asks the same of real ones."""
    labels = reference.wanted(n)
    parts = track(range(0, n, 64), "drawing")
    drawn = np.concatenate([draw(range(i, min(i + 64, n)), labels[i : i + 64]) for i in parts])
    if sheet:
        from bozzetto import pictures

        pictures.save_png(pictures.sheet([Image.fromarray(picture) for picture in drawn[:400]], columns=20), sheet)
    drawn_features = features(drawn)
    found = quality(reference, drawn, drawn_features)
    spread = bootstrap_interval(frechet_distance, drawn_features, reference.features, 10)
    shares = {
        PRECISION: found.precision,
        RECALL: found.recall,
        COVERAGE: found.coverage,
        COVERAGE_REAL: found.coverage_real,
        NEAR: found.near,
    }
    return {
        FRECHET: distance(spread),
        FRECHET_REAL: distance(real_instead(reference, n)),
        **{name: share(share_of(np.arange(n) < round(value * n))) for name, value in shares.items()},
    }


def measure(context: EvaluationContext, weights: Path, n: int, sheet: Path | None, name: str) -> Measured:
    """name: which maker."""
    from bozzetto.runtime import sample

    maker = sample.load(name, weights)

    def draw(seeds: range, labels: np.ndarray) -> np.ndarray:
        return sample.make(maker, seeds, labels, maker.defaults)

    return score(context.reference, draw, n, sheet), {"settings": asdict(maker.defaults)}
