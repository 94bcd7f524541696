"""The verb that tells how trainings go."""

import json
from pathlib import Path
from typing import Annotated

import typer

from bozzetto.cli.shell import examples, printable
from bozzetto.errors import InvalidInput, MissingFile

verbs = typer.Typer()


@verbs.command(epilog=examples("runs", "runs runs/clip-cpu --stages", "runs -o curves.png", "runs --json"))
def runs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of runs, or of one run.")] = Path("runs"),
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also draw the losses of all stages, as a PNG file.")
    ] = None,
    stages: Annotated[bool, typer.Option("--stages", help="Every stage, not only the last of each run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, every stage.")] = False,
) -> None:
    """List runs of `bozzetto train`: how far each is, loss, rate and time left; the last written at the end."""
    from bozzetto import pictures
    from bozzetto.training import runs as reading

    if not folder.is_dir():
        raise MissingFile("folder", f"{folder} is not there: name the folder that `bozzetto train` writes to")
    if out:
        pictures.check_output(out)
    found = reading.read(folder)
    if not found:
        raise InvalidInput("folder", f"{folder} has no logs of trainings, RUN/STAGE/{reading.LOG}")
    if out:
        pictures.save_png(reading.curves(found), out)
    if as_json:
        print(json.dumps([stage.summary() for stage in found]))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    last = {stage.run: stage for stage in found}
    shown = Table(box=box.SIMPLE_HEAD)
    shown.add_column("run")
    shown.add_column("stage")
    for column in ("step", "loss", "pictures/s", "left", "written"):
        shown.add_column(column, justify="right")
    for stage in found if stages else last.values():
        told = stage.summary()
        left = "?" if told["seconds_left"] is None else reading.span(told["seconds_left"])
        step = f"{stage.step:,} of {f'{stage.steps:,}' if stage.steps else '?'}"
        numbers = f"{told['loss']:.4f}", f"{told['pictures_per_second']:.1f}"
        row = (stage.run, stage.name, step, *numbers, "" if stage.step == stage.steps else left)
        shown.add_row(*(Text(printable(cell)) for cell in (*row, reading.ago(stage.written))))
    Console().print(shown)
    if out:
        print(out)
