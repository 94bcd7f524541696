"""Verbs that train a model, or say what that would cost."""

import json
import math
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from bozzetto import families
from bozzetto.cli.shell import examples, fail, note, printable
from bozzetto.errors import InvalidInput, one_of, real_number, require, whole_number
from bozzetto.progress import bar, speaks
from bozzetto.training import watch

verbs = typer.Typer()
SMALL, OWN = families.names(takes="pictures"), families.names(own=True)
GOES_ON = families.names(goes_on=True)
SETS = list(dict.fromkeys(kind for family in families.FAMILIES for kind in family.data))
STARTS = ", ".join(f"{f.name} of {f.start}" for f in families.FAMILIES if f.start in families.BY_NAME)
if TYPE_CHECKING:
    from bozzetto.training.data import Pictures
    from bozzetto.training.recipe import Recipe
    from bozzetto.world.dataset import World
    from bozzetto.world.own import Own

    Trained: TypeAlias = str
else:
    Trained = Literal[tuple(families.names(trained=True))]


@dataclass
class _Ready:
    """What training needs, all of it checked and loaded."""

    recipe: "Recipe"
    budget: Any
    source: "World | Pictures"
    teacher: Path | None
    own: bool
    name: str  # of the run's folder by default
    called: str  # what it learns from


Choice = Annotated[Trained, typer.Argument(help="Which model.")]
Budget = Annotated[Literal["smoke", "cpu", "gpu"], typer.Option(help="smoke: seconds; cpu: hours; gpu: a big GPU.")]
Steps = Annotated[int | None, typer.Option(help="Other than the budget's number of steps.")]
Data = Annotated[
    str | None,
    typer.Option(
        help=f"What {', '.join(SMALL)} learn from: emoji or fashion. Or your own pictures, for {', '.join(OWN)}: "
        "a folder, with class folders or captions beside the pictures, a zip or tar of it, many tars "
        "('shards-{0000..0099}.tar'), or a CSV, JSONL or Parquet table; see `bozzetto data check`."
    ),
]
Mirror = Annotated[bool, typer.Option("--mirror", help="Half of your own pictures in a mirror: not for letters.")]
Teacher = Annotated[Path | None, typer.Option(help=f"A finished run, for {STARTS}; runs/MODEL-BUDGET by default.")]


@verbs.command(
    epilog=examples(
        "train autoencoder --budget smoke",
        "train text-to-image --budget cpu --minutes 60",
        "train clip --budget gpu --out runs/my-clip --seed 1",
        "train gan --budget cpu --data fashion",
        "train diffusion --budget cpu --data photos --mirror",
        "train diffusion --budget cpu --data photos --from ours",
    )
    + "\n\n\b\nBy many processes, each with a share of every batch:\n"
    "  torchrun --nproc-per-node 4 -m bozzetto train clip --budget gpu\n"
    "  bozzetto train clip --budget gpu --ray --workers 8"
)
def train(
    context: typer.Context,
    recipe: Choice,
    budget: Budget,
    out: Annotated[Path | None, typer.Option(help="The folder of the run, runs/RECIPE-BUDGET by default.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after this long; the same command goes on.")] = None,
    seed: Annotated[int, typer.Option(help="The seed of everything random.")] = 0,
    steps: Steps = None,
    data: Data = None,
    mirror: Mirror = False,
    teacher: Teacher = None,
    log: Annotated[
        Literal["tensorboard", "trackio"] | None,
        typer.Option(help="Tell another log too; RUN/STAGE/log.jsonl is always written, and `bozzetto runs` reads it."),
    ] = None,
    first: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help=f"What learns on, instead of a new network, for {', '.join(GOES_ON)}: ours, a finished run, or a "
            "weights folder. A few pictures are better taught with `bozzetto adapt`.",
        ),
    ] = None,
    ray: Annotated[
        bool, typer.Option("--ray", help="By workers of Ray Train, on the cluster that RAY_ADDRESS names, or here.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="How many; one for each GPU, or each machine without one, by default.")
    ] = None,
) -> None:
    """Train a model, or go on with a run that was stopped. Exit code 3: the minutes are over, the run is not."""
    whole_number("seed", seed, 0, 2**53 - 1)
    _check_minutes(minutes)
    if out and out.exists() and not out.is_dir():
        raise InvalidInput("out", f"{out} is a file: name a folder")
    if log:
        watch.check(log)
    if first and not families.BY_NAME[recipe].goes_on:
        raise InvalidInput("first", f"is for {', '.join(GOES_ON)}: leave it out for {recipe}")
    if workers is not None and not ray:
        raise InvalidInput("workers", "goes with {} only; torchrun starts processes of its own", "ray")
    if ray:
        require("ray", "torch")
    asked = (recipe, budget, steps, data, mirror, teacher)
    ready = _ready(*asked)
    out = out or Path("runs") / f"{recipe}-{ready.name}"
    if first:
        from bozzetto.runtime.store import weights_folder
        from bozzetto.training.recipe import first_sums

        first = weights_folder() if first == Path("ours") else first
        first_sums(first, ready.recipe.family)
    if speaks():
        print(f"{recipe}, {budget} budget, expected: {ready.recipe.expected[budget]}")
    how = {"seed": seed, "minutes": minutes, "first": first, "log": log}
    with _stoppable(context):
        if ray:
            from bozzetto.training import on_ray

            on_ray.train(partial(_learn_there, asked, out, how), out, workers)
        else:
            _learn(ready, out, how)
    if speaks():
        print(out)


def _learn(ready: _Ready, out: Path, how: dict[str, Any]) -> None:
    ready.recipe.train(ready.source, ready.budget, out, start=ready.teacher, own=ready.own, called=ready.called, **how)


def _learn_there(asked: tuple, out: Path, how: dict[str, Any]) -> None:
    """In another process, which loads for itself what it learns from."""
    _learn(_ready(*asked), out, how)


@contextmanager
def _stoppable(context: typer.Context) -> Iterator[None]:
    """Training, after which the shell says why it ended early, and what goes on with it."""
    from bozzetto.training.loop import Interrupted, OutOfTime, TrainingStopped

    try:
        yield
    except (OutOfTime, Interrupted) as stop:
        code = 3 if isinstance(stop, OutOfTime) else 130
        if speaks():
            fail(f"{stop}; it goes on with `{_again(context)}`", code)
        raise typer.Exit(code) from stop
    except TrainingStopped as error:
        raise typer.Exit(fail(str(error), 1) if speaks() else 1) from error


def _again(context: typer.Context) -> str:
    """The command that was given; of how many machines were started, only whoever started them knows."""
    here, all_of_them = (os.environ.get(name, "1") for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    nodes = f"--nnodes {int(all_of_them) // int(here)} " if all_of_them != here else ""
    launched = f"torchrun {nodes}--nproc-per-node {here} -m " if all_of_them != "1" else ""
    return launched + shlex.join(["bozzetto", *context.obj])


def _ready(name: str, budget: str, steps: int | None, data: str | None, mirror: bool, teacher: Path | None) -> _Ready:
    """Check what training was asked to do and load what it learns from. Raises InvalidInput, NotBuilt, MissingExtra."""
    if steps is not None:
        whole_number("steps", steps, 1, 10**8)
    family = families.BY_NAME[name]
    data = data or family.data[0]
    own = data not in SETS
    if own and name == "clip":
        raise InvalidInput("data", f"{data} is for {', '.join(OWN)}: `bozzetto adapt clip` teaches CLIP your own")
    if data not in family.data and not (own and family.own):
        whose = OWN if own else SMALL
        raise InvalidInput("data", f"{data} is for {', '.join(whose)}: leave it out for {name}")
    if own:
        from bozzetto.world.listing import shards
        from bozzetto.world.own import title

        if not (Path(data).exists() or shards(Path(data))):
            raise InvalidInput("data", f"{data} is neither {' nor '.join(SETS)}, nor there as a file or folder")
    if mirror and not (own and name in SMALL):
        raise InvalidInput("mirror", f"is for your own pictures, which {{}} names, of {', '.join(SMALL)}", "data")
    named = budget if data == family.data[0] else f"{budget}-{title(Path(data)) if own else data}"
    require("pyarrow", "torch", "safetensors")
    from bozzetto.training import recipes
    from bozzetto.training.stages import FINAL, with_steps

    recipe = recipes.find(name)
    one_of("budget", budget, recipe.budgets)
    chosen = recipe.budgets[budget] if steps is None else with_steps(recipe.budgets[budget], steps)
    source = _own(Path(data), family, mirror) if own else recipe.source(data)
    if family.start in families.BY_NAME:
        teacher = teacher or Path("runs") / f"{family.start}-{named}"
        if not (teacher / FINAL).is_file():
            why = f"{teacher} is not a finished run: run `bozzetto train {family.start}` to its end first"
            raise InvalidInput("teacher", why)
    elif teacher is not None:
        raise InvalidInput("teacher", f"means nothing to {name}, which starts from no run: leave it out")
    called = Path(data).resolve().name if own else "the picture world" if family.takes == "world" else data
    return _Ready(recipe, chosen, source, teacher, own, named, called)


def _check_minutes(minutes: float | None) -> None:
    if minutes is not None and not 0 < minutes < math.inf:
        raise InvalidInput("minutes", f"must be a number above 0, not {minutes}")


def _read(place: Path, size: int) -> "Own":
    """The user's own pictures; what cannot be read is left out, and said."""
    from bozzetto.world.own import load

    with bar("reading") as progress:
        found = load(place, size, progress, note)
    if found.broken and speaks():
        first = f"{found.broken[0].path} {found.broken[0].reason}"
        told = f"{len(found.broken)} left out, which `bozzetto data check` names; {printable(first)}"
        print(f"bozzetto: warning: {told}", file=sys.stderr)
    return found


def _own(place: Path, family: families.Family, mirrored: bool) -> "World | Pictures":
    """The user's own pictures as this family takes them."""
    from bozzetto.training import data

    world = family.takes == "world"
    found = _read(place, 64 if world else 32)
    if world and family.start and not (any(found.captions) or any(found.labels)):
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
    context: typer.Context,
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
    from bozzetto.world.dataset import load_world

    schedule, world = adapter.SCHEDULES[model], load_world()
    schedule = schedule if steps is None else replace(schedule, steps=steps)
    tokenizer, _ = clip.load_text(store.weights_folder())
    own = adapter.shown(_read(data, 64), word, tokenizer, world)
    run = Path("runs") / f"adapter-{model}-{out.stem}"
    with _stoppable(context):
        adapter.adapt(model, own, world, out, run, schedule=schedule, seed=seed, minutes=minutes)
    print(out)


@verbs.command(
    epilog=examples(
        "plan diffusion --budget cpu --data photos",
        "plan clip --budget gpu --seconds 3",
        "plan vae --budget cpu --json",
    )
)
def plan(
    recipe: Choice,
    budget: Budget,
    seconds: Annotated[float, typer.Option(help="How long each stage is tried.")] = 10,
    steps: Steps = None,
    data: Data = None,
    mirror: Mirror = False,
    teacher: Teacher = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; sizes in bytes.")] = False,
) -> None:
    """Say what training would cost on this machine, from some real steps of every stage; nothing is kept."""
    real_number("seconds", seconds, 0, 3600)
    ready = _ready(recipe, budget, steps, data, mirror, teacher)
    from bozzetto.training import plan as planning
    from bozzetto.training.loop import TrainingStopped
    from bozzetto.world.stored import Stored

    try:
        costs, rest = planning.measure(ready.recipe, ready.source, ready.budget, seconds, ready.teacher)
    except TrainingStopped as error:
        raise typer.Exit(fail(str(error), 1)) from error
    minutes, expected = sum(cost.minutes for cost in costs) + rest / 60, ready.recipe.expected[budget]
    where = planning.machine()
    images = getattr(ready.source, "images", None)
    disk = images.pictures.nbytes if isinstance(images, Stored) else 0
    if as_json:
        stages = [vars(cost) | {"pictures_per_second": cost.rate, "minutes": cost.minutes} for cost in costs]
        about = {"recipe": recipe, "budget": budget, "machine": where, "disk": disk, "stages": stages}
        print(json.dumps({**about, "other_minutes": rest / 60, "minutes": minutes, "expected": expected}))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD)
    shown.add_column("stage")
    for column in (
        "steps",
        "pictures a step",
        "weights",
        "GFLOP a step",
        "state MB",
        "peak MB",
        "pictures/s",
        "minutes",
    ):
        shown.add_column(column, justify="right")
    for cost in costs:
        of = "" if cost.learning == cost.weights else f" of {cost.weights:,}"
        memory = (f"{size / 1e6:,.0f}" if size else "?" for size in (cost.state, cost.peak))
        numbers = (f"{cost.learning:,}{of}", f"{cost.flops / 1e9:,.1f}", *memory, f"{cost.rate:,.1f}")
        shown.add_row(cost.stage, f"{cost.steps:,}", str(cost.batch_size), *numbers, f"{cost.minutes:,.1f}")
    shown.add_row("data and between", *[""] * 7, f"{rest / 60:,.1f}")
    shown.add_row("all", *[""] * 7, f"{minutes:,.1f}")
    Console().print(shown)
    print(f"{recipe}, {budget} budget, on {where}, expected: {expected}")
    if isinstance(images, Stored):
        print(f"its pictures are read from {images.place}, {disk / 1e9:.1f} GB of disk, and not kept in memory")
