"""The one progress bar. It is shown to people only, not in a log."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


def speaks() -> bool:
    """Whether this process tells people how it goes: of those that were started together, the machine's first one."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar with the time left, as a function of (done, total)."""
    if not (speaks() and sys.stderr.isatty()):
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def track(steps: Sequence[T], label: str) -> Iterator[T]:
    """The steps one by one, while a bar tells how many are done."""
    with bar(label) as progress:
        for done, step in enumerate(steps):
            progress(done, len(steps))
            yield step
