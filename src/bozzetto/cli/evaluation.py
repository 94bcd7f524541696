"""The verb that measures the models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bozzetto.cli.shell import examples
from bozzetto.families import names

verbs = typer.Typer()


@verbs.command(epilog=examples("evaluate --out results.json", "evaluate text-to-image --sheet drawn.png"))
def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(help=f"{', '.join(names(scorer=True))}; all by default."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The JSON file to write; it keeps what it has of other models.")] = Path(
        "results.json"
    ),
    sheet: Annotated[Path | None, typer.Option(help="A PNG file for the pictures that are drawn.")] = None,
    n: Annotated[
        int | None, typer.Option("--n", "-n", help="How many pictures to draw: 200, or 250 small ones, by default.")
    ] = None,
    scenes: Annotated[int, typer.Option(help="How many scenes of a kind.")] = 60,
    seed: Annotated[int, typer.Option(help="Which scenes, and which noise.")] = 0,
) -> None:
    """Measure the models on held-out pictures, print a table and write JSON."""
    from bozzetto.evaluation import report

    report.evaluate(models or [], out, sheet=sheet, n=n, scenes=scenes, seed=seed)
