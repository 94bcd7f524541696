"""Recipe: the latent autoencoder on the picture world.

Data: the training pictures, mirrored and with their colour channels shuffled at times, and a third of collages.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from bozzetto.models.autoencoder import Autoencoder, AutoencoderConfig
from bozzetto.training import data
from bozzetto.training.export import save_final
from bozzetto.training.loop import Loss, Schedule, fit, pick_device
from bozzetto.world.dataset import World

BUDGETS = {
    "smoke": Schedule(steps=100, batch_size=16, learning_rate=2e-3, warmup=5, ema=0.9),
    "cpu": Schedule(steps=4000, batch_size=64, learning_rate=2e-3),
    "gpu": Schedule(steps=40000, batch_size=256, learning_rate=2e-3),
}
EXPECTED = {"smoke": "over 20 dB", "cpu": "30 dB in half an hour of two cores with bf16", "gpu": "33 dB"}


def train(world: World, budget: Schedule, out: Path, *, seed: int = 0, minutes: float | None = None) -> Autoencoder:
    """Train on the world's training pictures and return the averaged model, its latents standardised."""
    device = pick_device()
    torch.manual_seed(seed)
    model = Autoencoder(AutoencoderConfig())
    pictures = torch.from_numpy(world.split("train").images)
    first = pictures[torch.from_numpy(np.random.default_rng(seed).permutation(len(pictures))[:2048])]
    model.start_from_principal_components(data.premultiplied(first))
    model.to(device, memory_format=torch.channels_last)
    pictures = pictures.to(device)

    def loss(model: Autoencoder) -> Loss:
        def compute(rng: np.random.Generator, generator: torch.Generator) -> dict[str, torch.Tensor]:
            rows = torch.from_numpy(rng.integers(0, len(pictures), budget.batch_size)).to(device)
            batch = data.premultiplied(pictures[rows], device)
            if rng.random() < 0.5:
                batch = batch.flip(3)
            if rng.random() < 0.3:
                batch = batch[:, [*rng.permutation(3), 3]]
            batch = data.collage(batch, rng, 1 / 3).contiguous(memory_format=torch.channels_last)
            noise = torch.randn(len(batch), model.config.latent_channels, 8, 8, generator=generator, device=device)
            return model.loss(batch, noise)

        return compute

    average = fit(model, loss, budget, out, seed=seed, minutes=minutes, recipe={"model": asdict(model.config)})
    average.standardise(data.premultiplied(pictures[:: max(1, len(pictures) // 2048)], device))
    save_final(average, model.config, out)
    return average
