"""Recipe: forger and detective, in simultaneous steps, on small pictures with a class each.

A class is dropped now and then, so that both players also know what *any* picture looks like. What is exported is the
average of each player's weights over the last part of training: the players circle around each other, their averages
hardly do. Snapshots of both on the way there are kept for cross-play (see crossplay.py).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bozzetto.models.gan import RULES, Gan, GanConfig, augment, play
from bozzetto.training.data import Pictures
from bozzetto.training.export import save_final
from bozzetto.training.loop import Loss, Schedule, fit, pick_device


@dataclass(frozen=True)
class Budget:
    fit: Schedule
    loss: str = "relativistic"  # or "classic"
    gamma: float = 1.0  # weight of the gradient penalties
    augmented: float = 0.3  # share of pictures that are augmented at the end; it grows from 0
    drop_label: float = 0.1
    snapshots: int = 8


def _budget(steps: int, batch_size: int, learning_rate: float, ema: float) -> Budget:
    # Momentum makes simultaneous steps circle (Gidel et al. 2019), and no gradient of a fair game needs clipping.
    return Budget(Schedule(steps, batch_size, learning_rate, 20, weight_decay=0, betas=(0.0, 0.99), ema=ema, clip=1e9))


BUDGETS = {
    "smoke": _budget(40, 16, 2e-3, 0.9),
    "cpu": _budget(2600, 64, 2e-4, 0.997),
    "gpu": _budget(60_000, 256, 2e-4, 0.9998),
}
EXPECTED = {
    "smoke": "the detective catches the first forger, the last forger fools that detective",
    "cpu": "many simple shapes, discs and hearts, without detail; half an hour is short for this game",
    "gpu": "not tried yet",
}


def exhibit(budget: Budget) -> Budget:
    """The same budget made to collapse: the classic loss, no penalty, no augmentation, no class to hold on to."""
    return replace(budget, loss="classic", gamma=0.0, augmented=0.0, drop_label=1.0)


def milestones(steps: int, count: int) -> list[int]:
    """After how many steps both players are kept: `count` numbers, each the same factor above the last."""
    first = max(1, steps // 100)
    return sorted({round(step) for step in np.geomspace(first, steps, count)})


def train(pictures: Pictures, budget: Budget, out: Path, *, seed: int = 0, minutes: float | None = None) -> Gan:
    """Train both players in turn-less rounds and return their averages."""
    device = pick_device()
    torch.manual_seed(seed)
    config = GanConfig(classes=tuple(pictures.classes), channels=pictures.images.shape[-1])
    model = Gan(config).to(device, memory_format=torch.channels_last)
    schedule = budget.fit

    def loss(model: Gan) -> Loss:
        def compute(rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
            real, label = pictures.batch(rng, schedule.batch_size, device)
            dropped = torch.from_numpy(rng.random(len(label)) < budget.drop_label).to(device)
            label = label.masked_fill(dropped, 0)
            noise = torch.randn(len(label), config.noise_size, generator=generator, device=device)
            share = budget.augmented * model.progress
            model.progress += 1 / schedule.steps
            return play(
                model.generator,
                model.discriminator,
                real.contiguous(memory_format=torch.channels_last),
                noise,
                label,
                RULES[budget.loss],
                budget.gamma,
                lambda both: augment(both, share, generator),
            )

        return compute

    recipe = {name: value for name, value in asdict(budget).items() if name != "fit"} | {"model": asdict(config)}
    keep = milestones(schedule.steps, budget.snapshots)
    average = fit(model, loss, schedule, out, seed=seed, minutes=minutes, recipe=recipe, keep=keep)
    save_final(average, config, out)
    return average
