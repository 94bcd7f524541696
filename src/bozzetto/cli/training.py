"""Verbs that train a model, export it and measure what is there."""

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from bozzetto import families
from bozzetto.cli.shell import examples, fail, printable
from bozzetto.errors import InvalidInput, one_of, require, whole_number
from bozzetto.progress import bar

verbs = typer.Typer()
SMALL, OWN = families.names(takes="pictures"), families.names(own=True)
GOES_ON = families.names(goes_on=True)
SETS = list(dict.fromkeys(kind for family in families.FAMILIES for kind in family.data))
STARTS = ", ".join(f"{f.name} of {f.start}" for f in families.FAMILIES if f.start in families.BY_NAME)
if TYPE_CHECKING:
    from bozzetto.training.data import Pictures
    from bozzetto.world.dataset import World
    from bozzetto.world.own import Own

    Trained: TypeAlias = str
else:
    Trained = Literal[tuple(families.names(trained=True))]


@verbs.command(
    epilog=examples(
        "train autoencoder --budget smoke",
        "train text-to-image --budget cpu --minutes 60",
        "train clip --budget gpu --out runs/my-clip --seed 1",
        "train gan --budget cpu --data fashion",
        "train diffusion --budget cpu --data photos --mirror",
        "train diffusion --budget cpu --data photos --from ours",
    )
)
def train(
    recipe: Annotated[Trained, typer.Argument(help="Which model.")],
    budget: Annotated[Literal["smoke", "cpu", "gpu"], typer.Option(help="smoke: seconds; cpu: hours; gpu: a big GPU.")],
    out: Annotated[Path | None, typer.Option(help="The folder of the run, runs/RECIPE-BUDGET by default.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after this long; the same command goes on.")] = None,
    seed: Annotated[int, typer.Option(help="The seed of everything random.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Other than the budget's number of steps.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help=f"What {', '.join(SMALL)} learn from: emoji or fashion. Or your own pictures, for {', '.join(OWN)}: "
            "a folder, with class folders or captions beside the pictures, a zip or tar of it, or a CSV, JSONL or "
            "Parquet table; see `bozzetto data check`."
        ),
    ] = None,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Half of your own pictures in a mirror: not for letters.")
    ] = False,
    teacher: Annotated[
        Path | None, typer.Option(help=f"A finished run, for {STARTS}; runs/MODEL-BUDGET by default.")
    ] = None,
    first: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help=f"What learns on, instead of a new network, for {', '.join(GOES_ON)}: ours, a finished run, or a "
            "weights folder. A few pictures are better taught with `bozzetto adapt`.",
        ),
    ] = None,
) -> None:
    """Train a model, or go on with a run that was stopped. Exit code 3: the minutes are over, the run is not."""
    whole_number("seed", seed, 0, 2**53 - 1)
    _check_minutes(minutes)
    if steps is not None:
        whole_number("steps", steps, 1, 10**8)
    family = families.BY_NAME[recipe]
    data = data or family.data[0]
    own = data not in SETS
    if own and recipe == "clip":
        raise InvalidInput("data", f"{data} is for {', '.join(OWN)}: `bozzetto adapt clip` teaches CLIP your own")
    if data not in family.data and not (own and family.own):
        whose = OWN if own else SMALL
        raise InvalidInput("data", f"{data} is for {', '.join(whose)}: leave it out for {recipe}")
    if own and not Path(data).exists():
        raise InvalidInput("data", f"{data} is neither {' nor '.join(SETS)}, nor there as a file or folder")
    if mirror and not (own and recipe in SMALL):
        raise InvalidInput("mirror", f"is for your own pictures, which {{}} names, of {', '.join(SMALL)}", "data")
    if first and not family.goes_on:
        raise InvalidInput("first", f"is for {', '.join(GOES_ON)}: leave it out for {recipe}")
    # How a run's folder ends by default.
    named = budget if data == family.data[0] else f"{budget}-{Path(data).resolve().stem if own else data}"
    out = out or Path("runs") / f"{recipe}-{named}"
    if out.exists() and not out.is_dir():
        raise InvalidInput("out", f"{out} is a file: name a folder")
    require("pyarrow", "torch", "safetensors")
    from bozzetto.runtime.store import weights_folder
    from bozzetto.training import recipes
    from bozzetto.training.loop import OutOfTime, TrainingStopped
    from bozzetto.training.recipe import first_sums
    from bozzetto.training.stages import FINAL, with_steps

    if first:
        first = weights_folder() if first == Path("ours") else first
        first_sums(first, family)
    found = recipes.find(recipe)
    one_of("budget", budget, found.budgets)
    chosen = found.budgets[budget] if steps is None else with_steps(found.budgets[budget], steps)
    source = _own(Path(data), family, mirror) if own else found.source(data)
    if family.start in families.BY_NAME:
        teacher = teacher or Path("runs") / f"{family.start}-{named}"
        if not (teacher / FINAL).is_file():
            why = f"{teacher} is not a finished run: run `bozzetto train {family.start}` to its end first"
            raise InvalidInput("teacher", why)
    elif teacher is not None:
        raise InvalidInput("teacher", f"means nothing to {recipe}, which starts from no run: leave it out")
    print(f"{recipe}, {budget} budget, expected: {found.expected[budget]}")
    try:
        found.train(source, chosen, out, seed=seed, minutes=minutes, start=teacher, own=own, first=first)
    except OutOfTime as error:
        raise typer.Exit(fail(str(error), 3)) from error
    except TrainingStopped as error:
        raise typer.Exit(fail(str(error), 1)) from error
    print(out)


def _check_minutes(minutes: float | None) -> None:
    if minutes is not None and not 0 < minutes < math.inf:
        raise InvalidInput("minutes", f"must be a number above 0, not {minutes}")


def _read(place: Path, size: int) -> "Own":
    """The user's own pictures; what cannot be read is left out, and said."""
    from bozzetto.world.own import load

    with bar("reading") as progress:
        found = load(place, size, progress)
    if found.broken:
        first = f"{found.broken[0].path} {found.broken[0].reason}"
        told = f"{len(found.broken)} left out, which `bozzetto data check` names; {printable(first)}"
        print(f"bozzetto: warning: {told}", file=sys.stderr)
    return found


def _own(place: Path, family: families.Family, mirrored: bool) -> "World | Pictures":
    """The user's own pictures as this family takes them."""
    from bozzetto.training import data

    world = family.takes == "world"
    found = _read(place, 64 if world else 32)
    if world and family.start and not any(found.captions + found.labels):
        raise InvalidInput(
            "data", f"{place} has no words to learn: put a.txt beside a.png, or name a table with captions"
        )
    return data.own_world(found) if world else data.own_pictures(found, place, mirrored)


@verbs.command(
    epilog=examples(
        'adapt text-to-image --data my_logo --word "my logo" -o logo.safetensors',
        'generate "my logo" --adapter logo.safetensors',
        'adapt clip --data my_logo --word "my logo" -o eye.safetensors',
        'label photo.png --labels "my logo,cat,dog" --adapter eye.safetensors',
    )
)
def adapt(
    model: Annotated[Literal["text-to-image", "clip"], typer.Argument(help="What learns: to draw, or to name.")],
    data: Annotated[
        Path, typer.Option(help="Your own pictures, five to twenty or more, as for `bozzetto train --data`.")
    ],
    out: Annotated[Path, typer.Option("-o", "--output", help="The adapter, a .safetensors file.")],
    word: Annotated[
        str | None, typer.Option(help="What they show, a name of its own; not for those with words beside them.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after this long; the same command goes on.")] = None,
    steps: Annotated[int | None, typer.Option(help="Other than the usual number of steps.")] = None,
    seed: Annotated[int, typer.Option(help="The seed of everything random.")] = 0,
) -> None:
    """Teach the model that ships your own pictures, in minutes: a small file that `generate` and `label` take.

    The model itself stays as it is, and what it knows stays with it. Exit code 3: the minutes are over, the run is not.
    """
    from dataclasses import replace

    from bozzetto.pictures import check_output

    whole_number("seed", seed, 0, 2**53 - 1)
    _check_minutes(minutes)
    if steps is not None:
        whole_number("steps", steps, 1, 10**6)
    check_output(out, ".safetensors")
    require("pyarrow", "torch", "safetensors")
    from bozzetto.runtime import clip, store
    from bozzetto.training import adapter
    from bozzetto.training.loop import OutOfTime, TrainingStopped
    from bozzetto.world.dataset import load_world

    schedule, world = adapter.SCHEDULES[model], load_world()
    schedule = schedule if steps is None else replace(schedule, steps=steps)
    tokenizer, _ = clip.load_text(store.weights_folder())
    own = adapter.shown(_read(data, 64), word, tokenizer, world)
    run = Path("runs") / f"adapter-{model}-{out.stem}"
    try:
        adapter.adapt(model, own, world, out, run, schedule=schedule, seed=seed, minutes=minutes)
    except OutOfTime as error:
        raise typer.Exit(fail(str(error), 3)) from error
    except TrainingStopped as error:
        raise typer.Exit(fail(str(error), 1)) from error
    print(out)


@verbs.command(
    epilog=examples(
        "export autoencoder --from runs/autoencoder-cpu --to src/bozzetto/weights",
        "export text-to-image --adapter logo.safetensors --to my_weights",
    )
)
def export(
    model: Annotated[str, typer.Argument(help="The name of the recipe: clip, gan, diffusion, few-steps, ...")],
    to: Annotated[Path, typer.Option("--to", help="The weights folder; $BOZZETTO_WEIGHTS can name it later.")],
    run: Annotated[Path | None, typer.Option("--from", help="The folder of a finished run.")] = None,
    adapter: Annotated[
        Path | None,
        typer.Option(help="Instead: the model in use with this adapter in it, and beside it all other models."),
    ] = None,
) -> None:
    """Write a trained model as weights and graph that run without PyTorch."""
    if (run is None) == (adapter is None):
        raise InvalidInput("run", "or {} is wanted, one of them: what is to be exported", "adapter")
    if run and not run.is_dir():
        raise InvalidInput("run", f"{run} is not a folder: name the run that `bozzetto train` has written")
    if to.exists() and not to.is_dir():
        raise InvalidInput("to", f"{to} is a file: name a folder")
    require("torch", "safetensors", "onnx", "onnxscript")
    from bozzetto.runtime import store
    from bozzetto.runtime.adapter import OF, fitting
    from bozzetto.training import recipes
    from bozzetto.training.export import export_merged
    from bozzetto.training.recipe import export_run

    if run:
        export_run(recipes.find(model), run, to)
    elif adapter:
        weights = store.weights_folder()
        one_of("model", model, OF.values())
        base = next(name for name, family in OF.items() if family == model)
        if to.resolve().is_relative_to(weights.resolve()):
            raise InvalidInput("to", f"{to} holds the model that the adapter is for: name another folder")
        export_merged(fitting(adapter, store.open_model(base, weights)), weights, to)
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
