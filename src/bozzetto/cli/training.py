"""Verbs that train a model and export it."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bozzetto.cli.shell import examples, fail
from bozzetto.errors import InvalidInput, require, whole_number

verbs = typer.Typer()
SMALL = ("gan", "vae", "diffusion", "few-steps", "fashion-classifier")  # they learn from small pictures
TEACHERS = {"few-steps": "diffusion", "vlm": "clip"}  # what a recipe starts from


@verbs.command(
    epilog=examples(
        "train autoencoder --budget smoke",
        "train text-to-image --budget cpu --minutes 60",
        "train clip --budget gpu --out runs/my-clip --seed 1",
        "train gan --budget cpu --data fashion",
    )
)
def train(
    recipe: Annotated[
        Literal[
            "autoencoder",
            "clip",
            "text-to-image",
            "judge",
            "memoriser",
            "gan",
            "vae",
            "diffusion",
            "few-steps",
            "text-few-steps",
            "fashion-classifier",
            "vlm",
        ],
        typer.Argument(help="Which model."),
    ],
    budget: Annotated[Literal["smoke", "cpu", "gpu"], typer.Option(help="smoke: seconds; cpu: hours; gpu: a big GPU.")],
    out: Annotated[Path | None, typer.Option(help="The folder of the run, runs/RECIPE-BUDGET by default.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after this long; the same command goes on.")] = None,
    seed: Annotated[int, typer.Option(help="The seed of everything random.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Other than the budget's number of steps.")] = None,
    data: Annotated[
        Literal["emoji", "fashion"], typer.Option(help="What gan, vae, diffusion and few-steps learn from.")
    ] = "emoji",
    teacher: Annotated[
        Path | None,
        typer.Option(help="A finished run: for few-steps of diffusion, for vlm of clip; runs/MODEL-BUDGET by default."),
    ] = None,
) -> None:
    """Train a model, or go on with a run that was stopped."""
    named = budget if data == "emoji" else f"{budget}-{data}"  # how a run's folder ends by default
    out = out or Path("runs") / f"{recipe}-{named}"
    whole_number("seed", seed, 0, 2**53 - 1)
    if minutes is not None and not 0 < minutes < math.inf:
        raise InvalidInput("minutes", f"must be a number above 0, not {minutes}")
    if steps is not None:
        whole_number("steps", steps, 1, 10**8)
    if out.exists() and not out.is_dir():
        raise InvalidInput("out", f"{out} is a file: name a folder")
    require("pyarrow", "torch", "safetensors")
    from bozzetto.training.loop import TrainingStopped
    from bozzetto.world.dataset import load_world

    module = importlib.import_module(f"bozzetto.training.recipes.{recipe.replace('-', '_')}")
    if budget not in module.BUDGETS:
        raise InvalidInput("budget", f"{budget} is none of {recipe}: choose one of {', '.join(module.BUDGETS)}")
    chosen = module.BUDGETS[budget] if steps is None else _with_steps(module.BUDGETS[budget], steps)
    more: dict[str, Any] = {}
    if recipe == "fashion-classifier":
        data = "fashion"
    if recipe in SMALL:
        from bozzetto.training import data as sources

        more["pictures"] = sources.emoji(load_world()) if data == "emoji" else sources.fashion()
    else:
        if data != "emoji":
            raise InvalidInput("data", f"{data} is for {', '.join(SMALL)}: leave it out for {recipe}")
        more["world"] = load_world()
    if recipe in TEACHERS:
        teacher = teacher or Path("runs") / f"{TEACHERS[recipe]}-{named}"
        if not (teacher / "model.safetensors").is_file():
            raise InvalidInput(
                "teacher", f"{teacher} is not a finished run: run `bozzetto train {TEACHERS[recipe]}` to its end first"
            )
        more["teacher"] = teacher
    if recipe == "judge":
        from bozzetto.training.teacher import load as load_teacher

        more["teacher"] = load_teacher()
    print(f"{recipe}, {budget} budget, expected: {module.EXPECTED[budget]}")
    try:
        module.train(budget=chosen, out=out, seed=seed, minutes=minutes, **more)
    except TrainingStopped as error:
        raise typer.Exit(fail(str(error), 1)) from error
    print(out)


def _with_steps(budget: Any, steps: int) -> Any:
    """A recipe's budget, every stage of it with this many steps."""
    from dataclasses import fields, replace

    from bozzetto.training.loop import Schedule

    if isinstance(budget, Schedule):
        return replace(budget, steps=steps)
    stages = {field.name: getattr(budget, field.name) for field in fields(budget)}
    return replace(budget, **{k: replace(v, steps=steps) for k, v in stages.items() if isinstance(v, Schedule)})


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
    from bozzetto.training.export import export_run

    export_run(model, run, to)
    print(to)
