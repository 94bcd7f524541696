"""Verbs that train a model, export it and measure what is there."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from bozzetto import families
from bozzetto.cli.shell import examples, fail
from bozzetto.errors import InvalidInput, one_of, require, whole_number

verbs = typer.Typer()
SMALL = families.names(takes="pictures")
STARTS = ", ".join(f"{f.name} of {f.start}" for f in families.FAMILIES if f.start in families.BY_NAME)
if TYPE_CHECKING:
    Trained: TypeAlias = str
    Data: TypeAlias = str
else:
    Trained = Literal[tuple(families.names(trained=True))]
    Data = Literal[tuple(dict.fromkeys(kind for family in families.FAMILIES for kind in family.data))]


@verbs.command(
    epilog=examples(
        "train autoencoder --budget smoke",
        "train text-to-image --budget cpu --minutes 60",
        "train clip --budget gpu --out runs/my-clip --seed 1",
        "train gan --budget cpu --data fashion",
    )
)
def train(
    recipe: Annotated[Trained, typer.Argument(help="Which model.")],
    budget: Annotated[Literal["smoke", "cpu", "gpu"], typer.Option(help="smoke: seconds; cpu: hours; gpu: a big GPU.")],
    out: Annotated[Path | None, typer.Option(help="The folder of the run, runs/RECIPE-BUDGET by default.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after this long; the same command goes on.")] = None,
    seed: Annotated[int, typer.Option(help="The seed of everything random.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Other than the budget's number of steps.")] = None,
    data: Annotated[Data | None, typer.Option(help=f"What {', '.join(SMALL)} learn from: emoji or fashion.")] = None,
    teacher: Annotated[
        Path | None, typer.Option(help=f"A finished run, for {STARTS}; runs/MODEL-BUDGET by default.")
    ] = None,
) -> None:
    """Train a model, or go on with a run that was stopped. Exit code 3: the minutes are over, the run is not."""
    whole_number("seed", seed, 0, 2**53 - 1)
    if minutes is not None and not 0 < minutes < math.inf:
        raise InvalidInput("minutes", f"must be a number above 0, not {minutes}")
    if steps is not None:
        whole_number("steps", steps, 1, 10**8)
    family = families.BY_NAME[recipe]
    data = data or family.data[0]
    if data not in family.data:
        raise InvalidInput("data", f"{data} is for {', '.join(SMALL)}: leave it out for {recipe}")
    named = budget if data == family.data[0] else f"{budget}-{data}"  # how a run's folder ends by default
    out = out or Path("runs") / f"{recipe}-{named}"
    if out.exists() and not out.is_dir():
        raise InvalidInput("out", f"{out} is a file: name a folder")
    require("pyarrow", "torch", "safetensors")
    from bozzetto.training import recipes
    from bozzetto.training.loop import OutOfTime, TrainingStopped
    from bozzetto.training.stages import FINAL, with_steps

    found = recipes.find(recipe)
    one_of("budget", budget, found.budgets)
    chosen = found.budgets[budget] if steps is None else with_steps(found.budgets[budget], steps)
    source = found.source(data)
    if family.start in families.BY_NAME:
        teacher = teacher or Path("runs") / f"{family.start}-{named}"
        if not (teacher / FINAL).is_file():
            why = f"{teacher} is not a finished run: run `bozzetto train {family.start}` to its end first"
            raise InvalidInput("teacher", why)
    elif teacher is not None:
        raise InvalidInput("teacher", f"means nothing to {recipe}, which starts from no run: leave it out")
    print(f"{recipe}, {budget} budget, expected: {found.expected[budget]}")
    try:
        found.train(source, chosen, out, seed=seed, minutes=minutes, start=teacher)
    except OutOfTime as error:
        raise typer.Exit(fail(str(error), 3)) from error
    except TrainingStopped as error:
        raise typer.Exit(fail(str(error), 1)) from error
    print(out)


@verbs.command(epilog=examples("export autoencoder --from runs/autoencoder-cpu --to src/bozzetto/weights"))
def export(
    model: Annotated[str, typer.Argument(help="The name of the recipe: clip, gan, diffusion, few-steps, ...")],
    run: Annotated[Path, typer.Option("--from", help="The folder of a finished run.")],
    to: Annotated[Path, typer.Option("--to", help="The weights folder; $BOZZETTO_WEIGHTS can name it later.")],
) -> None:
    """Write a trained model as weights and graph that run without PyTorch."""
    if not run.is_dir():
        raise InvalidInput("run", f"{run} is not a folder: name the run that `bozzetto train` has written")
    if to.exists() and not to.is_dir():
        raise InvalidInput("to", f"{to} is a file: name a folder")
    require("torch", "safetensors", "onnx", "onnxscript")
    from bozzetto.training import recipes
    from bozzetto.training.recipe import export_run

    export_run(recipes.find(model), run, to)
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
