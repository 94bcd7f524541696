"""Recipe: the enlarger, on the picture world drawn at 128 pixels.

A picture is shrunk to 64 pixels and goes through the autoencoder and back, its latent a little noisy, as what is drawn
is never an exact one; the network learns to give back what it was at 128. Of a part of the pictures nothing but the
size is lost, so that finished art is enlarged as well. Squared and absolute error are enough: unlike a texture, an edge
of flat art can nearly be known.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bozzetto.models.autoencoder import Autoencoder, AutoencoderConfig, reconstruction_loss
from bozzetto.models.enlarger import Enlarger, EnlargerConfig
from bozzetto.runtime.enlarger import SIZE
from bozzetto.runtime.text_to_image import open_part
from bozzetto.training import data
from bozzetto.training.export import Graph, export_folder, load_part, read_final
from bozzetto.training.loop import TrainingSchedule, pick_device, placed
from bozzetto.training.processes import ours
from bozzetto.training.recipe import Recipe
from bozzetto.training.recipes.autoencoder import latent_noise
from bozzetto.training.stages import Run, Stage
from bozzetto.world import emoji
from bozzetto.world.dataset import World


@dataclass(frozen=True)
class Budget:
    fit: TrainingSchedule
    pictures: int = 0  # of the world's training pictures; 0 is all
    strongest_noise: float = 0.3  # in deviations of a latent's channel; of every picture a random share of it
    exact: float = 0.2  # the share of pictures that are only shrunk


BUDGETS = {
    "smoke": Budget(TrainingSchedule(60, 8, 4e-3, warmup=5, ema=0.9, muon=True, rounding=True), pictures=64),
    "cpu": Budget(TrainingSchedule(3000, 32, 2e-3, warmup=50, weight_decay=0, ema=0.995, muon=True, rounding=True)),
    "gpu": Budget(TrainingSchedule(20_000, 128, 2e-3, weight_decay=0, muon=True, rounding=True)),
}
EXPECTED = {
    "smoke": "the loss falls",
    "cpu": "4.6 dB over smooth enlarging, after half an hour of one core with bf16",
    "gpu": "a little sharper",
}


def learn(world: World, budget: Budget, run: Run, start: Path | None) -> Enlarger:
    """Train and return the averaged network. start: the weights folder with autoencoder/ (the package's own). Raises
    MissingFile where `npm ci` has not put the artwork."""
    device = pick_device()
    shown = world.split("train")
    shown = shown.select(range(min(len(shown), budget.pictures or len(shown))))
    art = torch.from_numpy(emoji.redraw(shown, emoji.ARTWORK, SIZE)).to(device)
    halves = [open_part(f"autoencoder/{half}", start) for half in ("encoder", "decoder")]
    drawing = Autoencoder(AutoencoderConfig(**halves[0]["config"]))
    encoder, decoder = (
        placed(load_part(half, folder.path, device), device)
        for half, folder in zip((drawing.encoder, drawing.decoder), halves, strict=True)
    )
    torch.manual_seed(run.seed)
    model = placed(Enlarger(EnlargerConfig()), device)

    def draw(rng: np.random.Generator, count: int) -> Tensor:
        batch = data.premultiplied(art[torch.from_numpy(rng.integers(0, len(art), count)).to(device)], device)
        return data.varied(batch, rng).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def drawn_small(large: Tensor, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
        small, noise = F.avg_pool2d(large, 2), latent_noise(len(large), budget.strongest_noise, rng, generator)
        exact = torch.from_numpy(rng.random((len(large), 1, 1, 1)) < budget.exact).to(device)
        small, noise, exact = ours(small, noise, exact)
        return torch.where(exact, small, decoder(encoder(small).float() + noise).float().clamp(-1, 1))

    def loss(model: Enlarger, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        large = draw(rng, budget.fit.batch_size)
        drawn = model(drawn_small(large, rng, generator)).float()
        return reconstruction_loss(drawn, *ours(large))

    needs = {folder["model"]: folder.weights_sum() for folder in halves}
    return run.train(Stage("fit", model, loss, budget.fit, {"model": asdict(model.config), "needs": needs}))


def export(run: Path, to: Path) -> None:
    model, config = read_final(run, Enlarger, EnlargerConfig)
    graph = Graph(model, {"pixels": torch.zeros(2, 4, SIZE // 2, SIZE // 2)}, ["large"])
    export_folder(to, "enlarger", graph, {"config": asdict(config)})


RECIPE = Recipe("enlarger", learn, export, BUDGETS, EXPECTED)
