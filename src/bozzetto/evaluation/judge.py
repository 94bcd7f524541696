"""The judge on real art it never saw, and its grader on true renders of held-out scenes."""

from pathlib import Path

import numpy as np

from bozzetto.evaluation.bench import FACTS, NAMING, EvaluationContext
from bozzetto.evaluation.scores import Measured, Scores, share
from bozzetto.metrics.retrieval import top_k_accuracy
from bozzetto.world.scenes import KINDS

N = 0  # it draws nothing
SHOWN = tuple(NAMING.values())  # in the README


def score(context: EvaluationContext) -> Scores:
    rows = np.flatnonzero(context.test)
    table, target = context.judge.score(context.features[rows], list(context.names.values())), context.targets(rows)
    scores = {measure: share(top_k_accuracy(table, target, k)) for k, measure in NAMING.items()} | context.baseline()
    for kind in KINDS:
        for fact, value in context.graded(kind, *context.test_scenes(kind, context.scenes)).items():
            scores[f"true renders, {kind} scenes: {FACTS[fact]}"] = share(value)
    return scores


def measure(context: EvaluationContext, weights: Path, n: int, sheet: Path | None) -> Measured:
    return score(context), {}
