"""How fast each recipe trains here: pictures a second, and what share of the machine's own matrix rate that is.

    python benchmarks/training.py autoencoder clip text-to-image --steps 40 --out benchmarks/results/training.json

The matrix rate is that of a 2048 x 2048 x 2048 product, in fp32 and in bf16; the recipe's share is taken of the
precision that it trains in. FLOPs are counted by torch over one forward and backward pass of the loss.
"""

import argparse
import dataclasses
import json
import os
import platform
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bozzetto.families import TEACHER
from bozzetto.training import loop, recipes
from bozzetto.training.recipe import Recipe
from bozzetto.training.stages import Run, Stage, with_steps
from bozzetto.training.teacher import DEFAULT_PATH
from bozzetto.world.dataset import World, load_world


def matrix_rate(dtype: torch.dtype, seconds: float = 2.0) -> float:
    """GFLOP/s of a 2048^3 matrix product."""
    device = loop.pick_device()
    a, b = (torch.randn(2048, 2048, dtype=dtype, device=device) for _ in range(2))
    (a @ b).sum().item()
    began, products = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        product = a @ b
        products += 1
    product.sum().item()
    return products * 2 * 2048**3 / (time.perf_counter() - began) / 1e9


class Timed(Run):
    """A run that notes for each stage the rate over its second half, and the FLOPs of its first step."""

    def __init__(self, out: Path):
        super().__init__(out)
        self.rates: dict[str, dict[str, float]] = {}

    def train(self, stage: Stage) -> nn.Module:
        marks, counter = [], FlopCounterMode(display=False)

        def timed(*arguments: object) -> dict[str, torch.Tensor]:
            if not marks:
                counter.__enter__()
            elif len(marks) == 1:  # the whole first step, its backward pass too, is over
                counter.__exit__(None, None, None)
            marks.append(time.perf_counter())
            return stage.loss(*arguments)

        average = super().train(dataclasses.replace(stage, loss=timed))
        half, count = len(marks) // 2, stage.schedule.batch_size
        rate = (len(marks) - 1 - half) * count / (marks[-1] - marks[half])
        flops = counter.get_total_flops() / count / 1e9
        self.rates[stage.name] = {
            "pictures_per_second": rate,
            "gflop_per_picture": flops,
            "gflop_per_second": rate * flops,
        }
        return average


def measure(recipe: Recipe, world: World, budget: object) -> dict[str, dict[str, float]]:
    """Train for a few steps; the rates of each stage."""
    with tempfile.TemporaryDirectory() as folder:
        run = Timed(Path(folder))
        recipe.learn(world, budget, run, DEFAULT_PATH if recipe.family.start == TEACHER else None)
    return run.rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=["autoencoder", "clip", "text-to-image"])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--budget", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/training.json"))
    args = parser.parse_args()
    world = load_world()
    rates = {"fp32": matrix_rate(torch.float32)}
    precision = "bf16" if loop.fast_dtype(loop.pick_device()) == torch.bfloat16 else "fp32"
    if precision == "bf16":
        rates["bf16"] = matrix_rate(torch.bfloat16)
    results = {}
    for name in args.recipes:
        recipe = recipes.find(name)
        results[name] = measure(recipe, world, with_steps(recipe.budgets[args.budget], args.steps))
        for stage, row in results[name].items():
            row["share_of_matrix_rate"] = row["gflop_per_second"] / rates[precision]
            results[name][stage] = {key: round(value, 3) for key, value in row.items()}
            print(name, stage, results[name][stage])
    report = {
        "command": " ".join(
            ["python benchmarks/training.py", *args.recipes, f"--steps {args.steps} --budget {args.budget}"]
        ),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "precision": precision,
        "matrix_gflop_per_second": {key: round(value, 1) for key, value in rates.items()},
        "recipes": results,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
