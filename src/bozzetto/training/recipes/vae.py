"""Recipe: the variational autoencoder, its map of two numbers, both without noise, and the second-stage sampler.

Five networks, one after the other, each in its own folder of the run: good (32 numbers) and plain, which is the same
without noise and KL; map and plain_map with two numbers; sampler, which learns where good has put the pictures. A plain
one sees the same pictures as the other in the same order for the same number of steps.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bozzetto.models.vae import LatentSampler, SamplerConfig, Vae, VaeConfig
from bozzetto.training.data import Pictures, scaled
from bozzetto.training.export import Graph, export_folder, read_final, save_final, sha256
from bozzetto.training.loop import TrainingSchedule, pick_device, placed
from bozzetto.training.processes import gathered, leads, ours
from bozzetto.training.recipe import Recipe
from bozzetto.training.stages import Run, Stage


@dataclass(frozen=True)
class Budget:
    good: TrainingSchedule
    map: TrainingSchedule
    sampler: TrainingSchedule
    widths: tuple[int, int, int] = (48, 96, 128)
    map_widths: tuple[int, int, int] = (32, 64, 96)
    latent_size: int = 32
    drop_label: float = 0.1


BUDGETS = {
    "smoke": Budget(
        TrainingSchedule(steps=80, batch_size=32, learning_rate=4e-3, warmup=5, ema=0.9),
        TrainingSchedule(steps=40, batch_size=32, learning_rate=4e-3, warmup=5, ema=0.9),
        TrainingSchedule(steps=80, batch_size=64, learning_rate=3e-3, warmup=5, ema=0.9),
        widths=(16, 24, 32),
        map_widths=(16, 24, 32),
        latent_size=8,
    ),
    "cpu": Budget(
        TrainingSchedule(steps=2200, batch_size=64, learning_rate=2e-3, warmup=100, ema=0.997),
        TrainingSchedule(steps=1900, batch_size=64, learning_rate=2e-3, warmup=100, ema=0.997),
        TrainingSchedule(steps=6000, batch_size=256, learning_rate=1e-3, warmup=100, ema=0.998),
    ),
    "gpu": Budget(
        TrainingSchedule(steps=20_000, batch_size=256, learning_rate=2e-3, ema=0.9995),
        TrainingSchedule(steps=10_000, batch_size=256, learning_rate=2e-3, ema=0.9995),
        TrainingSchedule(steps=30_000, batch_size=1024, learning_rate=1e-3, ema=0.9995),
    ),
}
EXPECTED = {
    "smoke": "redraws the colours",
    "cpu": "soft but right redraws; second-stage samples like redraws, N(0, 1) samples like clouds",
    "gpu": "the same, sharper",
}


@torch.no_grad()
def encode_all(model: Vae, pictures: Pictures, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and standard deviation [M,L] of every picture's latent, mirrored ones too, and labels [M] (k + 1)."""
    rows = np.arange(len(pictures) * (1 + pictures.mirrored))

    def seen(some: np.ndarray) -> np.ndarray:
        images = pictures.images[some % len(pictures)]
        return np.where((some >= len(pictures))[:, None, None, None], images[:, :, ::-1], images)

    parts = [model.encoder(scaled(seen(rows[i : i + 512]), device)) for i in range(0, len(rows), 512)]
    means, logvars = (torch.cat(part) for part in zip(*parts, strict=True))
    labels = torch.from_numpy(np.resize(pictures.labels + 1, len(rows))).to(device)
    return means, (logvars / 2).exp(), labels


def train_vae(pictures: Pictures, config: VaeConfig, schedule: TrainingSchedule, run: Run, name: str) -> Vae:
    """One autoencoder, with the statistics of its latents."""
    device = pick_device()
    torch.manual_seed(run.seed)
    model = placed(Vae(config), device)

    def loss(model: Vae, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        pixels, _ = pictures.batch(rng, schedule.batch_size, device)
        noise = torch.randn(len(pixels), config.latent_size, generator=generator, device=device)
        pixels, noise = ours(pixels, noise)
        return model.loss(pixels.contiguous(memory_format=torch.channels_last), noise, gathered)

    recipe = {"model": asdict(config), "pictures": len(pictures)}
    average = run.train(Stage(name, model, loss, schedule, recipe, after=""))
    means, stds, _ = encode_all(average, pictures, device)
    average.latent_mean.copy_(means.mean(0))
    average.latent_std.copy_((means.var(0) + stds.square().mean(0)).sqrt())
    if leads():
        save_final(average, run.out / name)
    return average


def train_sampler(
    vae: Vae, pictures: Pictures, schedule: TrainingSchedule, drop_label: float, run: Run
) -> LatentSampler:
    """The second stage: flow matching on draws from the bell curves of the training pictures, standardised."""
    device = pick_device()
    means, stds, labels = encode_all(vae, pictures, device)
    means, stds = (means - vae.latent_mean) / vae.latent_std, stds / vae.latent_std
    torch.manual_seed(run.seed)
    config = SamplerConfig(vae.config.latent_size, classes=tuple(pictures.classes))
    model = LatentSampler(config).to(device)

    def loss(model: LatentSampler, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        count = schedule.batch_size
        rows = torch.from_numpy(rng.integers(0, len(means), count)).to(device)
        dropped = torch.from_numpy(rng.random(count) < drop_label).to(device)
        spread, noise = torch.randn(2, count, config.latent_size, generator=generator, device=device)
        t = torch.rand(count, generator=generator, device=device)
        latents = means[rows] + stds[rows] * spread
        return model.loss(*ours(latents, noise, t, labels[rows].masked_fill(dropped, 0)))

    recipe = {"model": asdict(config), "drop_label": drop_label}
    return run.train(Stage("sampler", model, loss, schedule, recipe, after="good"))


def learn(pictures: Pictures, budget: Budget, run: Run, start: None = None) -> LatentSampler:
    """All five; returns the sampler, the last."""
    good = VaeConfig(pictures.images.shape[3], budget.latent_size, budget.widths, tuple(pictures.classes))
    two = replace(good, latent_size=2, widths=budget.map_widths)
    vae = train_vae(pictures, good, budget.good, run, "good")
    train_vae(pictures, replace(good, variational=False), budget.good, run, "plain")
    train_vae(pictures, two, budget.map, run, "map")
    train_vae(pictures, replace(two, variational=False), budget.map, run, "plain_map")
    return train_sampler(vae, pictures, budget.sampler, budget.drop_label, run)


def export(run: Path, to: Path) -> None:
    """Four autoencoders, and the sampler of the good one's latents. Four bits cost them a tenth of a decibel."""
    for stage, prefix in (("good", ""), ("plain", "plain_"), ("map", "map_"), ("plain_map", "plain_map_")):
        model, config = read_final(run / stage, Vae, VaeConfig)
        extras = {
            "config": asdict(config),
            "latent_mean": model.latent_mean.tolist(),
            "latent_std": model.latent_std.tolist(),
        }
        pixels, latents = torch.zeros(2, config.channels, 32, 32), torch.zeros(2, config.latent_size)
        export_folder(to, f"vae/{prefix}encoder", Graph(model.encoder, {"pixels": pixels}, ["mean", "logvar"]), extras)
        export_folder(to, f"vae/{prefix}decoder", Graph(model.decoder, {"latents": latents}, ["pixels"]), extras)
    sampler, sizes = read_final(run, LatentSampler, SamplerConfig)
    inputs = {"z": torch.zeros(2, sizes.latent_size), "t": torch.ones(2), "label": torch.zeros(2, dtype=torch.long)}
    extras = {"config": asdict(sizes), "needs": {"vae/decoder": sha256(to / "vae/decoder/model.safetensors")}}
    export_folder(to, "vae/sampler", Graph(sampler, inputs, ["clean"]), extras)


RECIPE = Recipe("vae", learn, export, BUDGETS, EXPECTED)
