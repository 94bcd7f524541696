"""Recipe: the latent autoencoder on the picture world.

Data: the training pictures, mirrored and with their colour channels shuffled at times, and a third of collages. First
both halves learn (`whole`). Then the latents stay as they are and the decoder goes on alone with stronger noise on
them (`decoder`): what a text-to-image model imagines is never exactly a latent of the encoder, and a decoder that has
only seen exact ones turns small errors into blotches. Last it learns to live with four bits a weight (`rounded`, see
rounding.py).
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bozzetto.models.autoencoder import Autoencoder, AutoencoderConfig, reconstruction_loss
from bozzetto.training import data
from bozzetto.training.export import Graph, export_folder, read_final
from bozzetto.training.loop import TrainingSchedule, pick_device, placed
from bozzetto.training.recipe import Recipe
from bozzetto.training.rounding import restore, stored
from bozzetto.training.stages import Run, Stage
from bozzetto.world.dataset import World


@dataclass(frozen=True)
class Budget:
    whole: TrainingSchedule
    decoder: TrainingSchedule
    rounded: TrainingSchedule
    strongest_noise: float = 0.6  # on standardised latents, while the decoder learns alone


BUDGETS = {
    "smoke": Budget(
        TrainingSchedule(60, 16, 4e-3, warmup=5, ema=0.9, muon=True),
        TrainingSchedule(10, 16, 1e-3, warmup=5, ema=0.9),
        TrainingSchedule(10, 16, 2e-4, warmup=5, ema=0.9, rounding=True),
    ),
    "cpu": Budget(
        TrainingSchedule(4000, 64, 2e-3),
        TrainingSchedule(500, 64, 1e-3, warmup=20, ema=0.98),
        TrainingSchedule(2000, 64, 1e-3, warmup=20, weight_decay=0, ema=0.99, rounding=True),
    ),
    "gpu": Budget(
        TrainingSchedule(30_000, 256, 2e-3),
        TrainingSchedule(10_000, 256, 1e-3),
        TrainingSchedule(5000, 256, 1e-3, weight_decay=0, rounding=True),
    ),
}
EXPECTED = {"smoke": "over 20 dB", "cpu": "30 dB in 45 minutes of two cores with bf16", "gpu": "33 dB"}


def learn(world: World, budget: Budget, run: Run, start: None = None) -> Autoencoder:
    """Train on the world's training pictures and return the averaged model, its latents standardised."""
    device = pick_device()
    torch.manual_seed(run.seed)
    model = Autoencoder(AutoencoderConfig())
    pictures = torch.from_numpy(world.split("train").images)
    first = pictures[torch.from_numpy(np.random.default_rng(run.seed).permutation(len(pictures))[:2048])]
    model.start_from_principal_components(data.premultiplied(first))
    placed(model, device)
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

    def whole_loss(model: Autoencoder, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        batch = draw(rng, budget.whole.batch_size)
        return model.loss(batch, latent_noise(len(batch), generator))

    def decoder_loss(model: Autoencoder, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        batch = draw(rng, budget.decoder.batch_size)
        with torch.no_grad():
            latents = model.encoder(batch).float()
        strength = rng.uniform(0, budget.strongest_noise, (len(batch), 1, 1, 1)).astype(np.float32)
        noise = torch.from_numpy(strength).to(device) * latent_noise(len(batch), generator)
        return reconstruction_loss(model.decoder(latents + noise).float(), batch)

    recipe = {"model": asdict(model.config)}
    run.advance(Stage("whole", model, whole_loss, budget.whole, recipe))
    model.standardise(data.premultiplied(pictures[:: max(1, len(pictures) // 2048)], device))
    model.encoder.requires_grad_(False)
    run.advance(Stage("decoder", model, decoder_loss, budget.decoder, recipe))
    restore(model.encoder, stored(model.encoder))
    return run.train(Stage("rounded", model, decoder_loss, budget.rounded, recipe))


def export(run: Path, to: Path) -> None:
    model, config = read_final(run, Autoencoder, AutoencoderConfig)
    sizes = {"config": asdict(config)}
    pixels, latents = torch.zeros(2, 4, 64, 64), torch.zeros(2, config.latent_channels, 8, 8)
    export_folder(to, "autoencoder/encoder", Graph(model.encoder, {"pixels": pixels}, ["latents"]), sizes)
    export_folder(to, "autoencoder/decoder", Graph(model.decoder, {"latents": latents}, ["pixels"]), sizes)


RECIPE = Recipe("autoencoder", learn, export, BUDGETS, EXPECTED)
