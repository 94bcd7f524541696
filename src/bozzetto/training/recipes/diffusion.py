"""Recipe: pixel diffusion at 32 px, by class or for any class, for lessons 4 and 5 and for Fashion-MNIST.

The class is dropped one time in ten, so the one network also draws without a class (Ho & Salimans 2022, algorithm 1).
An early snapshot is kept: it is the weaker guide of autoguidance (Karras et al. 2024). Last the network learns to live
with four bits a weight (see rounding.py).
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bozzetto.errors import InvalidInput
from bozzetto.models.diffusion import DiffusionConfig, PixelDenoiser
from bozzetto.training.data import Pictures
from bozzetto.training.export import Graph, begin, export_folder, read_final
from bozzetto.training.loop import TrainingSchedule, pick_device, placed
from bozzetto.training.processes import ours
from bozzetto.training.recipe import Recipe
from bozzetto.training.stages import Run, Stage


@dataclass(frozen=True)
class Budget:
    fit: TrainingSchedule
    rounded: TrainingSchedule
    widths: tuple[int, int, int] = (64, 128, 192)
    drop_label: float = 0.1
    prediction_type: str = "sample"


_schedule = partial(TrainingSchedule, warmup=100, betas=(0.9, 0.95), ema=0.998, muon=True)
BUDGETS = {
    "smoke": Budget(
        _schedule(60, 16, 3e-3, warmup=5, ema=0.9),
        _schedule(6, 16, 1e-3, warmup=2, ema=0.9, rounding=True),
        widths=(16, 32, 32),
    ),
    "cpu": Budget(_schedule(2600, 128, 1.5e-3), _schedule(500, 128, 5e-4, warmup=20, ema=0.99, rounding=True)),
    "gpu": Budget(
        _schedule(40_000, 512, 1e-3, warmup=500, ema=0.9998),
        _schedule(5000, 512, 3e-4, ema=0.999, rounding=True),
        widths=(96, 192, 256),
    ),
}
EXPECTED = {
    "smoke": "the loss falls",
    "cpu": "faces, hearts, fruit and animals that can be named",
    "gpu": "most pictures look drawn by hand",
}


def sample_times(count: int, generator: torch.Generator, device: torch.device, shift: float = 0) -> Tensor:
    """Logit-normal noise levels [count] (Esser et al. 2024, section 3.1); shift: towards noise."""
    return torch.sigmoid(shift + torch.randn(count, generator=generator, device=device))


def learn(pictures: Pictures, budget: Budget, run: Run, start: None = None) -> PixelDenoiser:
    """Train and return the averaged network."""
    device = pick_device()
    torch.manual_seed(run.seed)
    scaled = pictures.some().astype(np.float32) / 127.5 - 1
    config = DiffusionConfig(
        classes=tuple(pictures.classes),
        channels=pictures.images.shape[-1],
        widths=budget.widths,
        prediction_type=budget.prediction_type,
        data_mean=round(float(scaled.mean()), 4),
        data_std=round(float(scaled.std()), 4),
    )
    if run.first is None:
        model = PixelDenoiser(config)
    else:
        new = {name: getattr(config, name) for name in ("classes", "data_mean", "data_std")}
        model = begin(run, PixelDenoiser, DiffusionConfig, {"": "diffusion"}, jumps=False, **new)
        if model.config.channels != config.channels:
            raise InvalidInput("first", f"{run.first} draws in {model.config.channels} colours, not {config.channels}")
    model, config = placed(model, device), model.config

    def loss(model: PixelDenoiser, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        pixels, label = pictures.batch(rng, budget.fit.batch_size, device, budget.drop_label)
        noise = torch.randn(pixels.shape, generator=generator, device=device)
        return model.loss(*ours(pixels, noise, sample_times(len(pixels), generator, device), label))

    recipe = {"model": asdict(replace(config, classes=()))}
    run.advance(Stage("fit", model, loss, budget.fit, recipe, keep=(budget.fit.steps // 8,)))
    return run.train(Stage("rounded", model, loss, budget.rounded, recipe))


def export(run: Path, to: Path, name: str = "diffusion") -> None:
    """The pixel denoiser, or with `jumps` its few-step student."""
    model, config = read_final(run, PixelDenoiser, DiffusionConfig)
    inputs = {
        "x": torch.zeros(2, config.channels, 32, 32),
        "t": torch.ones(2),
        "label": torch.zeros(2, dtype=torch.long),
    }
    defaults = {"sampler": "dpmpp_2m", "num_inference_steps": 20, "guidance_scale": 2.0}
    if config.jumps:
        inputs["until"] = torch.zeros(2)
        defaults = {"num_inference_steps": 4}
    export_folder(to, name, Graph(model, inputs, ["clean"]), {"config": asdict(config), "defaults": defaults})


RECIPE = Recipe("diffusion", learn, export, BUDGETS, EXPECTED)
