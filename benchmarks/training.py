"""How fast each recipe trains here: pictures a second, and what share of the machine's own matrix rate that is.

    python benchmarks/training.py autoencoder clip text-to-image --steps 40 --out benchmarks/results/training.json

The matrix rate is that of a 2048 x 2048 x 2048 product, in fp32 and in bf16; the recipe's share is taken of the
precision that it trains in. FLOPs are counted by torch over one whole step, as in `bozzetto plan`.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import torch

from bozzetto.training import loop, plan, recipes
from bozzetto.training.recipe import Recipe
from bozzetto.training.stages import with_steps
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


def measure(recipe: Recipe, world: World, budget: object) -> dict[str, dict[str, float]]:
    """Train for a few steps; the rates of each stage over its second half, and the FLOPs of its first step."""
    return {
        cost.stage: {
            "pictures_per_second": cost.rate,
            "gflop_per_picture": cost.flops / cost.batch_size / 1e9,
            "gflop_per_second": cost.rate * cost.flops / cost.batch_size / 1e9,
        }
        for cost in plan.measure(recipe, world, budget)[0]
    }


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
