"""Recipe: the few-step student of text-to-image, which draws a sentence in 1, 2, 4 or 8 steps.

As few_steps.py, on latents. Its teacher is the exported denoiser with its guidance, so four steps of the student cost
a tenth of the teacher's twenty.
"""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bozzetto.models.denoiser import Denoiser, DenoiserConfig
from bozzetto.runtime.text_to_image import open_part
from bozzetto.training.export import load_part
from bozzetto.training.loop import TrainingSchedule, pick_device
from bozzetto.training.recipe import Recipe
from bozzetto.training.recipes import few_steps, text_to_image
from bozzetto.training.recipes.few_steps import schedule
from bozzetto.training.stages import Run, Stage
from bozzetto.world.dataset import World


@dataclass(frozen=True)
class Budget:
    fit: TrainingSchedule
    batches: text_to_image.Budget
    short: float = 0.6


BUDGETS = {
    "smoke": Budget(schedule(28, 12, 2e-4, warmup=5, ema=0.9), text_to_image.BUDGETS["smoke"]),
    "cpu": Budget(schedule(600, 128, 5e-4), text_to_image.BUDGETS["cpu"]),
    "gpu": Budget(schedule(10_000, 512, 4e-4, ema=0.999), text_to_image.BUDGETS["gpu"]),
}
EXPECTED = {
    "smoke": "the loss falls",
    "cpu": "four steps draw much of what the teacher draws in twenty",
    "gpu": "four steps as good as the teacher's twenty",
}


def learn(world: World, budget: Budget, run: Run, start: Path | None) -> Denoiser:
    """Train and return the averaged student. start: the weights folder with text_to_image/ and the models that it needs
    (the package's own)."""
    device = pick_device()
    folder = open_part("text_to_image", start)
    trained = load_part(Denoiser(DenoiserConfig(**folder["config"])), folder.path, device)
    scale = folder["defaults"]["guidance_scale"]
    draw, at, nothing, needs = text_to_image.training_batches(
        world, budget.batches, seed=run.seed, weights=start, device=device
    )
    torch.manual_seed(run.seed)
    model = few_steps.copy_of(trained).to(device).requires_grad_(True)

    def guided_loss(model: Denoiser, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        count = budget.fit.batch_size
        batch = draw(rng, count)
        order = torch.from_numpy(rng.permutation(count)).to(device)  # pictures and scenes among both kinds of jumps
        latents, condition = batch.latents[order], tuple(part[order] for part in batch.condition)
        unwanted = nothing(round(count * budget.short))
        return few_steps.loss(model, trained, latents, condition, unwanted, scale, rng, generator)

    recipe = {"model": asdict(model.config), "needs": needs | {"text_to_image": folder.weights_sum()}}
    prepare = text_to_image.later(at, budget.batches.aligned, budget.batches.fit)
    return run.train(Stage("fit", model, guided_loss, budget.fit, recipe, prepare=prepare))


export = partial(text_to_image.export, name="text_few_steps")
RECIPE = Recipe("text-few-steps", learn, export, BUDGETS, EXPECTED)
