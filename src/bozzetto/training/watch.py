"""Other places to watch a training from, beside its own log: TensorBoard and trackio, each only where it is asked for.

Both stay on this machine. They are in none of our extras, for they bring many packages, and either is wanted alone.
"""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bozzetto.errors import InvalidInput

Watcher = Callable[[str, dict[str, Any]], None]  # is told a stage's name and a line of its log


def _tensorboard(out: Path) -> Watcher:
    """Event files beside the log, for `tensorboard --logdir`."""
    from torch.utils.tensorboard import SummaryWriter

    writers: dict[str, SummaryWriter] = {}

    def watch(stage: str, line: dict[str, Any]) -> None:
        if stage not in writers:
            writers[stage] = SummaryWriter(str(out / stage))
        for name, value in line.items():
            if isinstance(value, float) and name != "seconds":
                writers[stage].add_scalar(name, value, line["step"])
        writers[stage].flush()

    return watch


def _trackio(out: Path) -> Watcher:
    """A run of its project bozzetto."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    import trackio

    trackio.init(project="bozzetto", name=out.name, resume="allow")

    def watch(stage: str, line: dict[str, Any]) -> None:
        trackio.log({f"{stage}/{name}": value for name, value in line.items() if isinstance(value, float | int)})

    return watch


def check(log: str) -> None:
    """Raise InvalidInput unless it can be opened."""
    try:
        importlib.import_module(log)
    except ModuleNotFoundError as error:
        raise InvalidInput("log", f"{log}: {error.name} is not installed: run `pip install {log}`") from error


def open_watcher(log: str, out: Path) -> Watcher:
    """The one called so, of a run in the folder `out`."""
    check(log)
    return {"tensorboard": _tensorboard, "trackio": _trackio}[log](out)
