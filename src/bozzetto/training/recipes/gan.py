"""Recipe: generator and discriminator, in simultaneous steps, on small pictures with a class each.

First both learn together what there is to draw (`pretraining`, see `Pretraining` in models/gan.py), then against each
other (`adversarial`). A class is dropped now and then, so that both also know what *any* picture looks like. What is
exported is the average of each player's weights over the last part of training: the players circle around each other,
their averages hardly do. Snapshots of both on the way there are kept for cross-play (see benchmarks/crossplay.py).
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bozzetto.models.gan import RULES, Gan, GanConfig, Pretraining, augment, play
from bozzetto.training.data import Pictures
from bozzetto.training.export import Graph, export_folder, read_final
from bozzetto.training.loop import TrainingSchedule, pick_device, placed
from bozzetto.training.processes import ours, part
from bozzetto.training.recipe import Recipe
from bozzetto.training.stages import Run, Stage

ADVERSARIAL = "adversarial"  # the stage that leaves the snapshots


@dataclass(frozen=True)
class Budget:
    pretraining: TrainingSchedule | None  # None: the game begins from nothing
    adversarial: TrainingSchedule
    loss: str = "relativistic"  # or "classic"
    gamma: float = 1.0  # weight of the gradient penalties at first ...
    last_gamma: float = 0.3  # ... and at the end: the better the generator, the sharper the discriminator may look
    augmented: float = 0.1  # share of pictures that are augmented at the end; it grows from 0
    drop_label: float = 0.1
    tries: int = 512  # noises that the generator tries for a picture in its pretraining
    snapshots: int = 8


def _pretraining(steps: int, batch_size: int, ema: float) -> TrainingSchedule:
    return TrainingSchedule(steps, batch_size, 3e-3, warmup=steps // 20, weight_decay=0, ema=ema, muon=True)


# Momentum makes simultaneous steps circle (Gidel et al. 2019), and no gradient of a fair game needs clipping. The rate
# does not fall: the average is good because the players circle, and so it is of many places.
_adversarial = partial(TrainingSchedule, warmup=20, last_rate=1.0, weight_decay=0, betas=(0.0, 0.99), clip=1e9)
BUDGETS = {
    "smoke": Budget(_pretraining(20, 16, 0.9), _adversarial(40, 16, 2e-3, ema=0.9)),
    "cpu": Budget(_pretraining(1000, 64, 0.99), _adversarial(10_000, 32, 4e-4, ema=0.999)),
    "gpu": Budget(_pretraining(10_000, 256, 0.999), _adversarial(60_000, 256, 2e-4, ema=0.9998)),
}
EXPECTED = {
    "smoke": "the discriminator catches the first generator, the last generator fools that discriminator",
    "cpu": "things of every kind with edges and shading, faces that look at you; small parts are guesses (80 minutes)",
    "gpu": "not tried yet",
}


def exhibit(budget: Budget) -> Budget:
    """The same budget made to collapse: the classic loss, no penalty, no augmentation, no class to hold on to,
    and nothing known beforehand."""
    return replace(budget, pretraining=None, loss="classic", gamma=0.0, last_gamma=0.0, augmented=0.0, drop_label=1.0)


def milestones(steps: int, count: int) -> list[int]:
    """After how many steps both players are kept: `count` numbers, each the same factor above the last."""
    first = max(1, steps // 100)
    return sorted({round(step) for step in np.geomspace(first, steps, count)})


def build_model(pictures: Pictures, seed: int) -> Gan:
    """Both players, who have learned nothing yet."""
    torch.manual_seed(seed)
    config = GanConfig(classes=tuple(pictures.classes), channels=pictures.images.shape[-1])
    return placed(Gan(config), pick_device())


def pretrain(pictures: Pictures, model: Gan, budget: Budget, run: Run) -> None:
    """Both players learn what there is to draw, in place, if the budget says so."""
    device, schedule, config = pick_device(), budget.pretraining, model.config
    if schedule is None:
        return
    together = placed(Pretraining(model), device)

    def loss(together: Pretraining, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        real, label = pictures.batch(rng, schedule.batch_size, device, budget.drop_label)
        noise = torch.randn(len(label), budget.tries, config.noise_size, generator=generator, device=device)
        code_noise = torch.randn(len(label), config.code_size, generator=generator, device=device)
        real, noise, code_noise, label = ours(real, noise, code_noise, label)
        return together.loss(real.contiguous(memory_format=torch.channels_last), noise, code_noise, label)

    recipe = {"model": asdict(config), "tries": budget.tries, "drop_label": budget.drop_label}
    run.advance(Stage("pretraining", together, loss, schedule, recipe))
    model.discriminator.reset_head()


def play_against(pictures: Pictures, model: Gan, budget: Budget, run: Run) -> Gan:
    """The adversarial stage: both players learn against each other; returns their averages."""
    device, schedule, config = pick_device(), budget.adversarial, model.config

    def loss(model: Gan, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        real, label = pictures.batch(rng, schedule.batch_size, device, budget.drop_label)
        noise = torch.randn(len(label), config.noise_size, generator=generator, device=device)
        real, noise, label = ours(real, noise, label)
        real = real.contiguous(memory_format=torch.channels_last)
        share = budget.augmented * model.progress
        gamma = budget.gamma and budget.gamma * (budget.last_gamma / budget.gamma) ** model.progress.item()
        model.progress += 1 / schedule.steps
        augmented = partial(augment, share=share, generator=generator, part=part())
        return play(model.generator, model.discriminator, real, noise, label, RULES[budget.loss], gamma, augmented)

    recipe = {name: value for name, value in asdict(budget).items() if name != ADVERSARIAL} | {"model": asdict(config)}
    keep = milestones(schedule.steps, budget.snapshots)
    return run.train(Stage(ADVERSARIAL, model, loss, schedule, recipe, keep=keep))


def learn(pictures: Pictures, budget: Budget, run: Run, start: None = None) -> Gan:
    """Both stages; returns the averages of both players."""
    model = build_model(pictures, run.seed)
    pretrain(pictures, model, budget, run)
    return play_against(pictures, model, budget, run)


def export(run: Path, to: Path) -> None:
    model, config = read_final(run, Gan, GanConfig)
    sizes = {"config": asdict(config)}
    label = torch.zeros(2, dtype=torch.long)
    noise, pixels = torch.zeros(2, config.noise_size), torch.zeros(2, config.channels, 32, 32)
    generator = Graph(model.generator, {"noise": noise, "label": label}, ["pixels"])
    discriminator = Graph(model.discriminator, {"pixels": pixels, "label": label}, ["logits"])
    export_folder(to, "gan/generator", generator, sizes)
    export_folder(to, "gan/discriminator", discriminator, sizes, four_bits=False)


RECIPE = Recipe("gan", learn, export, BUDGETS, EXPECTED)
