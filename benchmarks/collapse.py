"""Does the classic GAN forget, and does the relativistic one remember? Variety over training, for several seeds.

    python benchmarks/collapse.py --steps 600 --seeds 3     # about an hour on two cores; a killed run goes on

Both players, data, batches and learning rate are the same; the exhibit has the classic loss and no penalty (recipes/
gan.py, `exhibit`). At every snapshot the averaged generator draws pictures, and three things are counted against the
training pictures: kinds of picture drawn (variety.py, a kind is a class), recall and coverage
(metrics/coverage.py), each beside what as many real pictures score. After so short a training the pictures are blots,
which these hardly tell apart; whether they are all the *same* blot is told by their `spread` in pixels, as a share of
that of real ones.
"""

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from bozzetto.evaluation.bench import small_reference
from bozzetto.metrics.coverage import coverage_metrics
from bozzetto.metrics.makers import NEIGHBOURS, Reference, features
from bozzetto.models.gan import Gan, GanConfig
from bozzetto.runtime.sample import to_bytes
from bozzetto.training.data import emoji
from bozzetto.training.recipes import gan
from bozzetto.world.dataset import load_world
from crossplay import load_players
from variety import spread, variety


@torch.inference_mode()
def drawn(player: Gan, count: int) -> np.ndarray:
    """uint8 [count,32,32,3] of any class, always from the same noise."""
    noise = torch.randn(count, player.config.noise_size, generator=torch.Generator().manual_seed(0))
    pixels = [player.generator(part, torch.zeros(len(part), dtype=torch.long)) for part in noise.split(100)]
    return to_bytes(torch.cat(pixels).numpy())


def measured(pictures: np.ndarray, reference: Reference, rows: np.ndarray) -> dict:
    """Pictures uint8 [n,32,32,3] against as many `rows` of the reference."""
    found = features(pictures)
    against = coverage_metrics(reference.features[rows], found, NEIGHBOURS)
    kinds = variety(reference.features, reference.labels, found)
    shares = {name: getattr(against, name) for name in ("precision", "recall", "coverage")}
    share = spread(pictures) / spread(reference.pictures[rows])
    return {"spread": share, "kinds": kinds.covered, "divergence": kinds.divergence, **shares}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=6e-4, help="learning rate of both players")
    parser.add_argument("--n", type=int, default=500, help="pictures drawn at each snapshot")
    parser.add_argument("--runs", type=Path, default=Path("runs/collapse"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/collapse.json"))
    arguments = parser.parse_args()

    world = load_world()
    pictures, reference = emoji(world), small_reference(world, Path("data/features-32.npz"))
    order = np.random.default_rng(0).permutation(len(reference.features))
    rows, others = order[: arguments.n], order[arguments.n : 2 * arguments.n]
    report = {
        "command": f"python {' '.join(sys.argv)}",
        "n": arguments.n,
        "classes": len(pictures.classes),
        "real": measured(reference.pictures[others], reference, rows),
        "games": [],
    }
    cpu = gan.BUDGETS["cpu"]
    share = arguments.steps / cpu.adversarial.steps  # the averages reach as far back as in the whole training
    ema = 1 - (1 - cpu.adversarial.ema) / share
    shorter = replace(cpu.adversarial, steps=arguments.steps, learning_rate=arguments.rate, ema=ema)
    fair = replace(cpu, pretraining=None, adversarial=shorter, snapshots=5)  # both begin from nothing
    for seed in range(arguments.seeds):
        for name, budget in (("classic, no penalty", gan.exhibit(fair)), ("relativistic, R1 + R2", fair)):
            out = arguments.runs / f"{budget.loss}-{seed}"
            gan.RECIPE.train(pictures, budget, out, seed=seed)
            config = GanConfig(classes=tuple(pictures.classes))
            players = load_players(out, config, budget.adversarial.steps, budget.snapshots)
            ages = {age: measured(drawn(player, arguments.n), reference, rows) for age, player in players.items()}
            report["games"].append({"game": name, "seed": seed, "budget": asdict(budget), "ages": ages})
            arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
            print(name, seed, {age: (round(row["spread"], 3), row["kinds"]) for age, row in ages.items()}, flush=True)
    print("real pictures:", report["real"])


if __name__ == "__main__":
    main()
