"""How fast each recipe trains here: pictures a second, and what share of the machine's own matrix rate that is.

    python benchmarks/training.py --steps 40 --out benchmarks/results/training.json

The matrix rate is that of a 2048 x 2048 x 2048 product, in fp32 and in bf16; the recipe's share is taken of the
precision that it trains in. FLOPs are counted by torch over one forward and backward pass of the loss.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bozzetto.training import loop
from bozzetto.training.recipes import autoencoder, clip, text_to_image
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


def shortened(budget: object, steps: int) -> object:
    """The same budget with every schedule cut to `steps`."""
    if isinstance(budget, loop.Schedule):
        return dataclasses.replace(budget, steps=steps)
    changed = {
        field.name: shortened(getattr(budget, field.name), steps)
        for field in dataclasses.fields(budget)
        if isinstance(getattr(budget, field.name), loop.Schedule)
    }
    return dataclasses.replace(budget, **changed)


def measure(recipe: ModuleType, world: World, budget: object) -> dict[str, dict[str, float]]:
    """Train for a few steps; for each stage the rate over its second half, and the FLOPs of its first step."""
    stages, fit = {}, recipe.fit

    def timed_fit(model: nn.Module, loss: Callable, schedule: loop.Schedule, out: Path, **options: object) -> nn.Module:
        marks, counter = [], FlopCounterMode(display=False)

        def timed_loss(model: nn.Module) -> loop.Loss:
            compute = loss(model)

            def timed(*randomness: object) -> dict[str, torch.Tensor]:
                if not marks:
                    counter.__enter__()
                elif len(marks) == 1:  # the whole first step, its backward pass too, is over
                    counter.__exit__(None, None, None)
                marks.append(time.perf_counter())
                return compute(*randomness)

            return timed

        average = fit(model, timed_loss, schedule, out, **options)
        half = len(marks) // 2
        rate = (len(marks) - 1 - half) * schedule.batch_size / (marks[-1] - marks[half])
        flops = counter.get_total_flops() / schedule.batch_size / 1e9
        stages[out.name] = {"pictures_per_second": rate, "gflop_per_picture": flops, "gflop_per_second": rate * flops}
        return average

    with tempfile.TemporaryDirectory() as folder:
        recipe.fit = timed_fit
        try:
            recipe.train(world, budget, Path(folder) / "all")
        finally:
            recipe.fit = fit
    return stages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    for name, recipe in (("autoencoder", autoencoder), ("clip", clip), ("text-to-image", text_to_image)):
        results[name] = measure(recipe, world, shortened(recipe.BUDGETS[args.budget], args.steps))
        for stage, row in results[name].items():
            row["share_of_matrix_rate"] = row["gflop_per_second"] / rates[precision]
            results[name][stage] = {key: round(value, 3) for key, value in row.items()}
            print(name, stage, results[name][stage])
    report = {
        "command": f"python benchmarks/training.py --steps {args.steps} --budget {args.budget}",
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
