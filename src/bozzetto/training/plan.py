"""What a training will cost on this machine, by trying it: the recipe's own stages, data and loop, for some seconds.

Nothing is estimated that can be measured. A stage begins from what so few steps have left, which changes no cost.
"""

import copy
import math
import platform
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bozzetto.training.data import Pictures
from bozzetto.training.loop import fast_dtype, make_optimizers, pick_device
from bozzetto.training.muon import Muon
from bozzetto.training.recipe import Recipe
from bozzetto.training.stages import Run, Stage
from bozzetto.world.dataset import World

LEAST = 4  # steps of a stage: FLOPs are counted in the first, the second still finds room in memory


@dataclass(frozen=True)
class Cost:
    """Of one stage. weights: of the network, `learning` of them learn; flops: of the matrix products and convolutions
    of a step, forward, backward and optimizer; state: bytes of weights, average, gradients and moments, of which
    AdamW has two a weight and Muon one; peak: bytes that the process has held at most until the stage's end, or on a
    GPU the stage (0: the system does not tell)."""

    stage: str
    steps: int
    batch_size: int
    weights: int
    learning: int
    flops: int
    state: int
    peak: int
    seconds: float  # a step

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.batch_size / self.seconds

    @property
    def minutes(self) -> float:
        return self.steps * self.seconds / 60


class _Measured(Exception):
    """The steps of a trial are done."""


class Trial(Run):
    """A run that leaves each stage after so many seconds, and notes what it cost. `tried`: seconds in all stages."""

    def __init__(self, out: Path, seconds: float = math.inf):
        super().__init__(out)
        self.seconds, self.tried, self.costs = seconds, 0.0, list[Cost]()

    def train(self, stage: Stage) -> Any:
        began, marks, counter = time.perf_counter(), list[float](), FlopCounterMode(display=False)
        with ExitStack() as counting:

            def measured(*step: Any) -> dict[str, Tensor]:
                marks.append(time.perf_counter())
                if len(marks) == 1:
                    counting.enter_context(counter)
                elif len(marks) == 2:  # the whole first step, its backward pass and optimizer too, is over
                    counting.close()
                elif len(marks) > LEAST and marks[-1] - marks[2] > self.seconds:
                    raise _Measured
                return stage.loss(*step)

            _reset_peak()
            try:
                average = super().train(replace(stage, loss=measured))
            except _Measured:
                average = copy.deepcopy(stage.module).requires_grad_(False)
                self.finished[stage.name] = ""
        if len(marks) == 1:  # one step is all there is
            marks.append(time.perf_counter())
        half = (len(marks) - 1) // 2
        sizes = [(p.numel(), p.requires_grad) for p in stage.module.parameters()]
        weights, learning = sum(n for n, _ in sizes), sum(n for n, learns in sizes if learns)
        self.costs.append(
            Cost(
                stage.name,
                stage.schedule.steps,
                stage.schedule.batch_size,
                weights,
                learning,
                counter.get_total_flops(),
                4 * (2 * weights + learning + moments(stage)),
                _peak(),
                (marks[-1] - marks[half]) / (len(marks) - 1 - half),
            )
        )
        self.tried += time.perf_counter() - began
        return average


def moments(stage: Stage) -> int:
    """Numbers that its optimizers keep."""
    optimizers = make_optimizers(stage.module, stage.schedule, torch.device("cpu"))
    return sum(
        parameter.numel() * (1 if isinstance(optimizer, Muon) else 2)
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.requires_grad
    )


def measure(
    recipe: Recipe, source: World | Pictures, budget: Any, seconds: float = math.inf, start: Path | None = None
) -> tuple[list[Cost], float]:
    """The cost of each stage, tried for so long, and the seconds that all else takes: data made before and between.

    start: as of `Recipe.train`, whose errors these are.
    """
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder), seconds)
        recipe.learn(source, budget, trial, recipe.beginning(start))
    return trial.costs, time.perf_counter() - began - trial.tried


def machine() -> str:
    """What the seconds are of."""
    device = pick_device()
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    precision = "bf16" if fast_dtype(device) == torch.bfloat16 else "fp32"
    return f"{platform.machine()} with {torch.get_num_threads()} threads, {precision}"


def _reset_peak() -> None:
    if pick_device().type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def _peak() -> int:
    if pick_device().type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resident()


try:
    import resource
    import sys

    def resident() -> int:
        """Bytes that this process has held at most."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
except ImportError:  # Windows

    def resident() -> int:
        return 0
