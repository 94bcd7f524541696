"""Recipe: the latent autoencoder on the picture world.

Data: the training pictures, mirrored and with their colour channels shuffled at times, and a third of collages. First
both halves learn (`whole`). Then the latents stay as they are and the decoder goes on alone with stronger noise on
them (`decoder`): what a text-to-image model imagines is never exactly a latent of the encoder, and a decoder that has
only seen exact ones turns small errors into blotches. Last it learns to live with four bits a weight (`rounded`, see
rounding.py).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bozzetto.models.autoencoder import Autoencoder, AutoencoderConfig, reconstruction_loss
from bozzetto.training import data
from bozzetto.training.export import save_final
from bozzetto.training.loop import Loss, Schedule, fit, pick_device
from bozzetto.training.rounding import restore, stored
from bozzetto.world.dataset import World


@dataclass(frozen=True)
class Budget:
    whole: Schedule
    decoder: Schedule
    rounded: Schedule
    strongest_noise: float = 0.6  # on standardised latents, while the decoder learns alone


BUDGETS = {
    "smoke": Budget(
        Schedule(steps=60, batch_size=16, learning_rate=4e-3, warmup=5, ema=0.9, muon=True),
        Schedule(steps=10, batch_size=16, learning_rate=1e-3, warmup=5, ema=0.9),
        Schedule(steps=10, batch_size=16, learning_rate=2e-4, warmup=5, ema=0.9, rounding=True),
    ),
    "cpu": Budget(
        Schedule(steps=4000, batch_size=64, learning_rate=2e-3),
        Schedule(steps=500, batch_size=64, learning_rate=1e-3, warmup=20, ema=0.98),
        Schedule(steps=2000, batch_size=64, learning_rate=1e-3, warmup=20, weight_decay=0, ema=0.99, rounding=True),
    ),
    "gpu": Budget(
        Schedule(steps=30_000, batch_size=256, learning_rate=2e-3),
        Schedule(steps=10_000, batch_size=256, learning_rate=1e-3),
        Schedule(steps=5000, batch_size=256, learning_rate=1e-3, weight_decay=0, rounding=True),
    ),
}
EXPECTED = {"smoke": "over 20 dB", "cpu": "30 dB in 45 minutes of two cores with bf16", "gpu": "33 dB"}


def train(world: World, budget: Budget, out: Path, *, seed: int = 0, minutes: float | None = None) -> Autoencoder:
    """Train on the world's training pictures and return the averaged model, its latents standardised.

    `minutes` limits the first stage.
    """
    device = pick_device()
    torch.manual_seed(seed)
    model = Autoencoder(AutoencoderConfig())
    pictures = torch.from_numpy(world.split("train").images)
    first = pictures[torch.from_numpy(np.random.default_rng(seed).permutation(len(pictures))[:2048])]
    model.start_from_principal_components(data.premultiplied(first))
    model.to(device, memory_format=torch.channels_last)
    pictures = pictures.to(device)

    def draw(rng: np.random.Generator, count: int) -> Tensor:
        rows = torch.from_numpy(rng.integers(0, len(pictures), count)).to(device)
        batch = data.premultiplied(pictures[rows], device)
        if rng.random() < 0.5:
            batch = batch.flip(3)
        if rng.random() < 0.3:
            batch = batch[:, [*rng.permutation(3), 3]]
        return data.collage(batch, rng, 1 / 3).contiguous(memory_format=torch.channels_last)

    def latent_noise(count: int, generator: torch.Generator) -> Tensor:
        return torch.randn(count, model.config.latent_channels, 8, 8, generator=generator, device=device)

    def whole_loss(model: Autoencoder) -> Loss:
        def compute(rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
            batch = draw(rng, budget.whole.batch_size)
            return model.loss(batch, latent_noise(len(batch), generator))

        return compute

    def decoder_loss(model: Autoencoder) -> Loss:
        def compute(rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
            batch = draw(rng, budget.decoder.batch_size)
            with torch.no_grad():
                latents = model.encoder(batch).float()
            strength = rng.uniform(0, budget.strongest_noise, (len(batch), 1, 1, 1)).astype(np.float32)
            noise = torch.from_numpy(strength).to(device) * latent_noise(len(batch), generator)
            return reconstruction_loss(model.decoder(latents + noise).float(), batch)

        return compute

    recipe = {"model": asdict(model.config)}
    average = fit(model, whole_loss, budget.whole, out / "whole", seed=seed, minutes=minutes, recipe=recipe)
    average.standardise(data.premultiplied(pictures[:: max(1, len(pictures) // 2048)], device))
    model.load_state_dict(average.state_dict())
    model.encoder.requires_grad_(False)
    average = fit(model, decoder_loss, budget.decoder, out / "decoder", seed=seed, recipe=recipe)
    model.load_state_dict(average.state_dict())
    restore(model.encoder, stored(model.encoder))
    average = fit(model, decoder_loss, budget.rounded, out / "rounded", seed=seed, recipe=recipe)
    save_final(average, model.config, out)
    return average
