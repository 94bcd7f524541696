"""Training killed without warning at twenty random moments, and a disk that is full: the weights of the run left alone.

    python benchmarks/kills.py enlarger diffusion vae

Recipes of one, two and five stages, in their smoke budgets, saved after every step so that many kills fall into a save.
After each kill every file of weights must open. At the end the states of all stages (weights, average, optimizer) and
the final weights are compared bit for bit with those of the run that nobody stopped. Then, in the middle of the first
stage, no file may grow as large as a state any more: the one that was there stays. Needs data/world.parquet,
the artwork of `npm ci`, and fork.
"""

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file

from bozzetto.errors import BozzettoError
from bozzetto.training import loop, recipes
from bozzetto.training.checkpoint import read_metadata
from bozzetto.training.loop import STATE
from bozzetto.training.recipe import Recipe
from bozzetto.training.stages import FINAL

KILLS = 20


def fork(work: Callable[[], object]) -> int:
    """Do it in a child, whose exit code says whether it ended (0) or failed with an error that has a line (1)."""
    if child := os.fork():
        return child
    code = 2
    try:
        work()
        code = 0
    except (BozzettoError, OSError) as error:
        print(f"  {error}", file=sys.stderr)
        code = 1
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def contents(run: Path) -> dict[str, dict[str, bytes]]:
    """Every tensor of every file of weights that training goes on from or leaves."""
    return {
        str(path.relative_to(run)): {name: tensor.numpy().tobytes() for name, tensor in load_file(path).items()}
        for path in sorted([*run.rglob(STATE), *run.glob(FINAL)])
    }


def left_alone(train: Callable[[Path], object], run: Path) -> tuple[float, float]:
    """Seconds until the first state is there, and in all."""
    began, child = time.monotonic(), fork(lambda: train(run))
    while not list(run.rglob(STATE)):
        time.sleep(0.01)
    first = time.monotonic() - began
    assert ended(child) == 0
    return first, time.monotonic() - began


def saved(run: Path) -> int:
    """When a state was saved last, in nanoseconds."""
    return max((path.stat().st_mtime_ns for path in run.rglob(STATE)), default=0)


def killed(
    train: Callable[[Path], object], run: Path, first: float, whole: float, rng: random.Random
) -> dict[str, int]:
    """Kill it KILLS times, each at a random moment after it goes on, so that they fall all over three quarters of it;
    then let it. first, whole: of `left_alone`."""
    counts = {"kills": 0, "after the first step": 0}
    steps = set()
    while counts["kills"] < KILLS:
        before, child = saved(run), fork(lambda: train(run))
        while saved(run) == before and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            time.sleep(0.001)
        time.sleep(rng.random() * 1.5 * (whole - first) / KILLS)
        os.kill(child, signal.SIGKILL)
        if ended(child) == 0:
            break
        counts["kills"] += 1
        reached = [read_metadata(path)["step"] for path in sorted(run.rglob(STATE))]
        counts["after the first step"] += bool(reached)
        steps.add(tuple(reached))
        contents(run)
    assert ended(fork(lambda: train(run))) == 0
    return counts | {"different places": len(steps)}


def filled(train: Callable[[Path], object], run: Path, whole: float) -> bool:
    """Whether the state that was there is whole after a save that found no room, and the run goes on from it."""
    child = fork(lambda: train(run))
    while not (states := list(run.rglob(STATE))):
        time.sleep(whole / 100)
    os.kill(child, signal.SIGTERM)  # it saves, and ends
    ended(child)
    before, size = states[0].read_bytes(), states[0].stat().st_size

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))
        train(run)

    failed = ended(fork(limited)) == 1
    kept = states[0].read_bytes() == before and not list(run.rglob("*.part"))
    return failed and kept and ended(fork(lambda: train(run))) == 0


def measure(recipe: Recipe, folder: Path) -> dict[str, object]:
    source, budget = recipe.source("emoji"), recipe.budgets["smoke"]

    def train(run: Path) -> None:
        recipe.train(source, budget, run, seed=3)

    first, whole = left_alone(train, folder / "alone")
    alone = contents(folder / "alone")
    counts = killed(train, folder / "killed", first, whole, random.Random(recipe.name))
    equal = contents(folder / "killed") == alone
    kept = filled(train, folder / "filled", whole)
    return {
        "stages": len(alone) - 1,
        **counts,
        "equal bit for bit": equal,
        "full disk: state kept, run gone on with, equal": kept and contents(folder / "filled") == alone,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=["enlarger", "diffusion", "vae"])
    args = parser.parse_args()
    loop.fit.__kwdefaults__["save_every"] = 0.0
    for name in args.recipes:
        with tempfile.TemporaryDirectory() as folder:
            print(name, json.dumps(measure(recipes.find(name), Path(folder))), flush=True)


if __name__ == "__main__":
    main()
