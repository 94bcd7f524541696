"""A run of training as named stages, one after the other, each in a folder of its own inside the run's.

A stage that is finished is marked so and never trained again; each knows the checksum of the weights that it began
from and refuses others. A time limit or Ctrl-C ends the *run*: no later stage begins, and the same call goes on exactly
there. All stages share the run's seed and its one clock.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from bozzetto.training import processes
from bozzetto.training.checkpoint import read_metadata
from bozzetto.training.loop import STATE, Loss, TrainingSchedule, fit
from bozzetto.training.watch import Watcher

FINAL = "model.safetensors"  # what a finished run leaves in its folder, in fp32


@dataclass(frozen=True)
class Stage:
    """One stretch of training, whose arguments are those of `fit`.

    name: of its folder. module: what learns, in place. recipe: what a resumed stage must agree with beside seed and
    schedule. after: the stage whose finished weights it begins from; None is the one before, "" what the run begins
    from.
    """

    name: str
    module: nn.Module
    loss: Loss
    schedule: TrainingSchedule
    recipe: dict[str, Any] = field(default_factory=dict)
    after: str | None = None
    keep: Collection[int] = ()
    prepare: Callable[[int], None] | None = None


@dataclass
class Run:
    """What the stages of a run share. began: checksum of the weights that the run begins from; deadline: in
    time.monotonic(); data: checksum of one's own pictures, "" for those of the project; first: a finished run or a
    weights folder whose network it goes on from (see `export.begin`), None for a new one; finished: the checksums of
    the stages that are done, in their order; watcher: is told the lines of all logs, where there is one."""

    out: Path
    seed: int = 0
    deadline: float = math.inf
    began: str = ""
    data: str = ""
    first: Path | None = None
    finished: dict[str, str] = field(default_factory=dict)
    watcher: Watcher | None = None

    def train(self, stage: Stage) -> Any:
        """Train `stage.module` in place to the stage's end, or read what it left there, and return the moving average
        of its weights. Raises what `fit` raises."""
        out, state = self.out / stage.name, self.out / stage.name / STATE
        before = next(reversed(self.finished), "") if stage.after is None else stage.after
        origin = {"place": len(self.finished), "began": self.finished[before] if before else self.began}
        origin |= {"data": self.data} if self.data else {}
        if processes.leads() and (not state.exists() or "finished" not in read_metadata(state)):
            (self.out / FINAL).unlink(missing_ok=True)  # it belongs to stages that are gone
        shared: dict[str, Any] = {"seed": self.seed, "deadline": self.deadline, "recipe": stage.recipe | origin}
        shared |= {"watch": partial(self.watcher, stage.name)} if self.watcher else {}
        average = fit(stage.module, stage.loss, stage.schedule, out, keep=stage.keep, prepare=stage.prepare, **shared)
        self.finished[stage.name] = processes.from_leader(lambda: read_metadata(state)["finished"])
        return average

    def advance(self, stage: Stage) -> None:
        """`train`, and let the module go on from the average."""
        stage.module.load_state_dict(self.train(stage).state_dict())


def with_steps(budget: Any, steps: int) -> Any:
    """A recipe's budget, every stage of it with this many steps."""
    stages = {item.name: getattr(budget, item.name) for item in fields(budget)}
    shorter = {name: replace(s, steps=steps) for name, s in stages.items() if isinstance(s, TrainingSchedule)}
    return replace(budget, **shorter)
