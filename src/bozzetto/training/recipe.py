"""What every recipe module offers under the name RECIPE: one way to train and to export, whatever the family."""

import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from bozzetto.errors import InvalidInput, MissingFile
from bozzetto.families import BY_NAME, TEACHER, Family
from bozzetto.files import locked, write_atomically
from bozzetto.runtime.store import open_model
from bozzetto.training import card, data, processes
from bozzetto.training.data import Pictures
from bozzetto.training.export import save_final, sha256, training_note
from bozzetto.training.loop import TrainingSchedule
from bozzetto.training.stages import FINAL, Run
from bozzetto.training.teacher import DEFAULT_PATH
from bozzetto.training.watch import open_watcher
from bozzetto.world.dataset import World, load_world


@dataclass(frozen=True)
class Recipe:
    """A family's way from data to a model folder.

    name: of its row in the table of families, which says what it learns from and what it starts from.
    learn(source, budget, run, start) trains all stages and returns the finished network, which has a `config`.
    export(run, weights folder) writes its model folders.
    """

    name: str
    learn: Callable[..., nn.Module]
    export: Callable[[Path, Path], None]
    budgets: Mapping[str, Any]
    expected: Mapping[str, str]

    @property
    def family(self) -> Family:
        return BY_NAME[self.name]

    def source(self, name: str) -> World | Pictures:
        """The training data called `name`, one of the family's. Raises what loading it raises."""
        if name == "fashion":
            return data.fashion()
        return load_world() if self.family.takes == "world" else data.emoji(load_world())

    def beginning(self, start: Path | None) -> Path | None:
        """What training starts from, if it is not said."""
        return DEFAULT_PATH if start is None and self.family.start == TEACHER else start

    def train(
        self,
        source: World | Pictures,
        budget: Any,
        out: Path,
        *,
        seed: int = 0,
        minutes: float | None = None,
        start: Path | None = None,
        own: bool = False,
        first: Path | None = None,
        log: str | None = None,
        called: str = "",
    ) -> nn.Module:
        """Train, or go on with a run that was stopped; -> the finished network, which `out`/model.safetensors holds.

        out: the folder of the run. minutes: for all stages together; then OutOfTime is raised, all being saved. start:
        as the family's row says; a run of another family has no default. own: the source is one's own pictures, and a
        run that goes on must have the same. first: a finished run, or a weights folder, whose network learns on, for a
        family that `goes_on`. log: another one that is told, of watch.py. called: what the source is, for the model's
        card. Raises what `fit` raises, and InvalidInput when another training is in the folder. Processes that torchrun
        has started train together (processes.py).
        """
        deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes
        start = self.beginning(start)
        began = next((sha256(path) for path in (start, start / FINAL) if path.is_file()), "") if start else ""
        if first is not None:
            began = " ".join([began, *first_sums(first, self.family)]).strip()

        def hold() -> None:
            out.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(out / "lock", "out", "training in it"))

        with processes.joined(), ExitStack() as held:
            if processes.part()[1] > 1:
                for schedule in vars(budget).values():
                    if isinstance(schedule, TrainingSchedule):
                        processes.check_batch(schedule.batch_size)
            processes.from_leader(hold)
            pictures = data.checksum(source) if own else ""
            watcher = open_watcher(log, out) if log and processes.leads() else None
            run = Run(out, seed, deadline, began, pictures, first, watcher=watcher)
            model = self.learn(source, budget, run, start)
            if processes.leads():
                about = self.about(source, budget) | {"data": called or "its usual data", "own": own, "seed": seed}
                write_atomically(out / card.ABOUT, json.dumps(about, indent=2) + "\n")
                save_final(model, out)
            processes.wait()
        return model

    def about(self, source: World | Pictures, budget: Any) -> dict[str, Any]:
        """What a run writes down of itself, for the card of the model (card.py)."""
        named = next((name for name, usual in self.budgets.items() if usual == budget), "another one")
        if isinstance(source, Pictures):
            return {"model": self.name, "budget": named, "pictures": len(source), "classes": source.classes}
        return {"model": self.name, "budget": named, "pictures": source.splits.count("train"), "classes": []}


def first_sums(first: Path, family: Family) -> list[str]:
    """Checksums of the weights that a finished run, or a weights folder, has of a family. InvalidInput for neither."""
    if (first / FINAL).is_file():
        return [sha256(first / FINAL)]
    if not any((first / folder).is_dir() for folder in family.folders):
        why = f"{first} is neither a finished run of {family.name} nor a weights folder with {family.folders[0]} in it"
        raise InvalidInput("first", why)
    return [open_model(folder, first).weights_sum() for folder in family.folders]


def export_run(recipe: Recipe, run: Path, to: Path, licence: str | None = None) -> None:
    """Export the finished model in the folder `run` to the weights folder `to`, with its card.

    licence: of the weights, as the hub calls it; None leaves what the card says, at first that it is not stated. Raises
    MissingFile when the run has not finished, and InvalidInput for no licence.
    """
    card.check_licence(licence)
    if not (run / FINAL).is_file():
        raise MissingFile("run", f"{run / FINAL} is not there: run `bozzetto train {recipe.name}` to its end first")
    recipe.export(run, to)
    home, note = to / recipe.family.home, training_note(run)
    write_atomically(home / "training.json", json.dumps(note, indent=2) + "\n")
    what = f"A {recipe.name} model of Bozzetto. `BOZZETTO_WEIGHTS` can name the folder that holds this one."
    card.write(home / "README.md", recipe.name, what, run, note, recipe.expected, licence)
