"""Verbs of what has been trained: write it as a model that runs anywhere, and measure what is there."""

from pathlib import Path
from typing import Annotated

import typer

from bozzetto import families
from bozzetto.cli.shell import examples
from bozzetto.errors import InvalidInput, one_of, require

verbs = typer.Typer()


@verbs.command(
    epilog=examples(
        "export autoencoder --from runs/autoencoder-cpu --to src/bozzetto/weights",
        "export gan --from runs/gan-cpu-photos --to my_weights --licence cc-by-4.0",
        "export gan --from runs/gan-cpu-photos --to hf://me/my-gan",
        "export text-to-image --adapter logo.safetensors --to my_weights",
    )
)
def export(
    model: Annotated[str, typer.Argument(help="The name of the recipe: clip, gan, diffusion, few-steps, ...")],
    to: Annotated[
        str,
        typer.Option("--to", help="The weights folder, for $BOZZETTO_WEIGHTS, or hf://owner/name, on Hugging Face."),
    ],
    run: Annotated[Path | None, typer.Option("--from", help="The folder of a finished run.")] = None,
    adapter: Annotated[
        Path | None,
        typer.Option(help="Instead: the model in use with this adapter in it, and beside it all other models."),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Of the weights, for the card: cc-by-4.0, mit, ... Not stated by default.")
    ] = None,
) -> None:
    """Write a trained model as weights and graph that run without PyTorch, with a card (README.md) of how it came."""
    if (run is None) == (adapter is None):
        raise InvalidInput("run", "or {} is wanted, one of them: what is to be exported", "adapter")
    if run and not run.is_dir():
        raise InvalidInput("run", f"{run} is not a folder: name the run that `bozzetto train` has written")
    if Path(to).exists() and not Path(to).is_dir():
        raise InvalidInput("to", f"{to} is a file: name a folder")
    if adapter and licence:
        raise InvalidInput("licence", "is for a run: the models beside an adapter keep their cards")
    require("torch", "safetensors", "onnx", "onnxscript")
    from bozzetto import hub
    from bozzetto.runtime import store
    from bozzetto.runtime.adapter import fitting
    from bozzetto.training import recipes
    from bozzetto.training.adapter import BASES
    from bozzetto.training.export import export_merged
    from bozzetto.training.recipe import export_run

    with hub.leaving(to, "to") as folder:
        if run:
            export_run(recipes.find(model), run, folder, licence)
        elif adapter:
            weights = store.weights_folder()
            one_of("model", model, BASES)
            if folder.resolve().is_relative_to(weights.resolve()):
                raise InvalidInput("to", f"{to} holds the model that the adapter is for: name another folder")
            export_merged(fitting(adapter, store.open_model(BASES[model], weights)), weights, folder)
    print(to)


@verbs.command(epilog=examples("evaluate --out results.json", "evaluate text-to-image --sheet drawn.png"))
def evaluate(
    models: Annotated[
        list[str] | None, typer.Argument(help=f"{', '.join(families.names(scorer=True))}; all by default.")
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
