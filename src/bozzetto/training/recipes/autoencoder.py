"""Recipe: the latent autoencoder on the picture world.

Data: the training pictures, mirrored and with their colour channels shuffled at times, half of them collages. First
both halves learn (`whole`), with noise on the latents: what a text-to-image model imagines is never exactly a latent of
the encoder, and a decoder that has only seen exact ones turns small errors into blotches. Then the latents stay as they
are and the decoder learns to live with four bits a weight (`rounded`, see rounding.py), on scenes as often as on
pictures, and to look right to CLIP's picture tower where it still sees edges (Zhang et al. 2018, eq. 1, all channels
alike).
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bozzetto.models.autoencoder import Autoencoder, AutoencoderConfig, reconstruction_loss
from bozzetto.models.clip import ClipConfig, ImageTower
from bozzetto.runtime import store
from bozzetto.runtime.text_to_image import LATENT_SHAPE
from bozzetto.training import data
from bozzetto.training.export import Graph, begin, export_folder, load_part, read_final
from bozzetto.training.loop import TrainingSchedule, pick_device, placed
from bozzetto.training.processes import gathered, ours
from bozzetto.training.recipe import Recipe
from bozzetto.training.rounding import restore, stored
from bozzetto.training.stages import Run, Stage
from bozzetto.world.dataset import World


@dataclass(frozen=True)
class Budget:
    whole: TrainingSchedule
    rounded: TrainingSchedule
    strongest_noise: float = 0.3  # in deviations of a latent's channel; of every picture a random share of it
    scenes: int = 6000  # of all kinds, for half of each batch of the last stage
    look: float = 0.03  # the weight of how the picture looks to CLIP in the loss of the last stage


BUDGETS = {
    "smoke": Budget(
        TrainingSchedule(60, 16, 4e-3, warmup=5, ema=0.9, muon=True),
        TrainingSchedule(10, 16, 2e-4, warmup=5, ema=0.9, muon=True, rounding=True),
        scenes=16,
    ),
    "cpu": Budget(
        TrainingSchedule(7000, 64, 2e-3, warmup=60, last_rate=0.02, ema=0.995, muon=True),
        TrainingSchedule(2000, 64, 1e-3, warmup=20, weight_decay=0, ema=0.99, muon=True, rounding=True),
    ),
    "gpu": Budget(
        TrainingSchedule(30_000, 256, 2e-3, muon=True),
        TrainingSchedule(5000, 256, 1e-3, weight_decay=0, muon=True, rounding=True),
    ),
}
EXPECTED = {
    "smoke": "over 20 dB",
    "cpu": "31 dB after eleven minutes of one core with bf16, 35 dB after fifty, before rounding",
    "gpu": "34 dB",
}


def unlike(tower: ImageTower, one: Tensor, other: Tensor, background: Tensor) -> Tensor:
    """How differently CLIP's picture tower sees two batches of premultiplied pixels [B,4,64,64] over colours [B,3,1,1]:
    the squared distance of its early cells, each of unit length; the mean over cells, both grids added."""
    grids = (tower.early_grids(data.over(pixels, background)) for pixels in (one, other))
    pairs = ([F.normalize(grid.float(), dim=1) for grid in pair] for pair in zip(*grids, strict=True))
    return torch.stack([(a - b).square().sum(1).mean() for a, b in pairs]).sum()


def latent_noise(count: int, strongest: float, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    """Noise [count,8,16,16] on latents, of each picture a random share of the strongest."""
    strength = torch.from_numpy(rng.uniform(0, strongest, (count, 1, 1, 1)).astype(np.float32)).to(generator.device)
    return strength * torch.randn(count, *LATENT_SHAPE, generator=generator, device=generator.device)


def learn(world: World, budget: Budget, run: Run, start: None = None) -> Autoencoder:
    """Train on the world's training pictures and return the averaged model, its latents standardised."""
    device = pick_device()
    torch.manual_seed(run.seed)
    parts = {half: f"autoencoder/{half}" for half in ("encoder", "decoder")}
    model = begin(run, Autoencoder, AutoencoderConfig, parts) if run.first else Autoencoder(AutoencoderConfig())
    pictures = world.split("train").images
    some = pictures[np.random.default_rng(run.seed).permutation(len(pictures))[:2048]]
    if run.first is None:
        model.start_from_principal_components(data.premultiplied(some))
    placed(model, device)

    def draw(rng: np.random.Generator, count: int) -> Tensor:
        return data.varied(data.premultiplied(pictures[rng.integers(0, len(pictures), count)], device), rng)

    def whole_loss(model: Autoencoder, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        batch = draw(rng, budget.whole.batch_size)
        batch, noise = ours(batch, latent_noise(len(batch), budget.strongest_noise, rng, generator))
        return model.loss(batch.contiguous(memory_format=torch.channels_last), noise, gathered)

    def decoder_loss(model: Autoencoder, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        count = budget.rounded.batch_size // 2 if len(scenes.pictures) else 0
        chosen = scenes.pictures[rng.integers(0, max(1, len(scenes.pictures)), count)]
        batch = torch.cat([draw(rng, budget.rounded.batch_size - count), data.premultiplied(chosen, device)])
        noise = latent_noise(len(batch), budget.strongest_noise, rng, generator)
        colour = torch.from_numpy(rng.uniform(-1, 1, (len(batch), 3, 1, 1)).astype(np.float32)).to(device)
        batch, noise, colour = ours(batch.contiguous(memory_format=torch.channels_last), noise, colour)
        with torch.no_grad():
            latents = model.encoder(batch).float()
        redrawn = model.decoder(latents + noise).float()
        values = reconstruction_loss(redrawn, batch)
        look = unlike(tower, redrawn, batch, colour)
        return values | {"loss": values["loss"] + budget.look * look, "unlike": look}

    recipe = {"model": asdict(model.config)}
    run.advance(Stage("whole", model, whole_loss, budget.whole, recipe))
    model.encoder.requires_grad_(False)
    restore(model.encoder, stored(model.encoder, four_bits=False))
    model.standardise(data.premultiplied(pictures[:: max(1, len(pictures) // 2048)], device))
    picture = store.open_model("clip/image")
    tower = load_part(ImageTower(ClipConfig(**picture["config"])), picture.path, device)
    scenes = data.Scenes(world, budget.scenes * any(world.styles))  # one's own pictures make none
    return run.train(Stage("rounded", model, decoder_loss, budget.rounded, recipe))


def export(run: Path, to: Path) -> None:
    model, config = read_final(run, Autoencoder, AutoencoderConfig)
    sizes = {"config": asdict(config)}
    pixels, latents = torch.zeros(2, 4, 64, 64), torch.zeros(2, *LATENT_SHAPE)
    encoder = Graph(model.encoder, {"pixels": pixels}, ["latents"])
    export_folder(to, "autoencoder/encoder", encoder, sizes, four_bits=False)  # every latent depends on it
    export_folder(to, "autoencoder/decoder", Graph(model.decoder, {"latents": latents}, ["pixels"]), sizes)


RECIPE = Recipe("autoencoder", learn, export, BUDGETS, EXPECTED)
