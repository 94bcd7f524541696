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
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from bozzetto.training import loop
from bozzetto.training.recipes import autoencoder, clip, text_to_image
from bozzetto.world.dataset import load_world


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


def measure(recipe: object, world: object, budget: object, batch_size: int, steps: int) -> dict[str, float]:
    """Train for some steps; rate over the second half, FLOPs from the first step."""
    marks: list[tuple[float, float]] = []
    original = loop.step_randomness
    counter = FlopCounterMode(display=False)

    def marked(seed: int, step: int, device: torch.device) -> tuple:
        """Called at the start of every step: count the FLOPs of step 0, note the time of the others."""
        if step == 0:
            counter.__enter__()
        elif step == 1 and not marks:
            counter.__exit__(None, None, None)
        marks.append((step, time.perf_counter()))
        return original(seed, step, device)

    with tempfile.TemporaryDirectory() as folder:
        loop.step_randomness = marked
        try:
            recipe.train(world, budget, Path(folder))
        finally:
            loop.step_randomness = original
    last = [i for i, (step, _) in enumerate(marks) if step == 0][-1]  # CLIP fits twice: its last stage counts
    marks = marks[last:]
    half = len(marks) // 2
    rate = (len(marks) - 1 - half) * batch_size / (marks[-1][1] - marks[half][1])
    return {"pictures_per_second": rate, "gflop_per_picture": counter.get_total_flops() / batch_size / 1e9}


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
    for name, recipe, schedule in (
        ("autoencoder", autoencoder, lambda budget: budget),
        ("clip", clip, lambda budget: budget.joint),
        ("text-to-image", text_to_image, lambda budget: budget.fit),
    ):
        budget = shortened(recipe.BUDGETS[args.budget], args.steps)
        row = measure(recipe, world, budget, schedule(budget).batch_size, args.steps)
        row["gflop_per_second"] = row["pictures_per_second"] * row["gflop_per_picture"]
        row["share_of_matrix_rate"] = row["gflop_per_second"] / rates[precision]
        results[name] = {key: round(value, 3) for key, value in row.items()}
        print(name, results[name])
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
