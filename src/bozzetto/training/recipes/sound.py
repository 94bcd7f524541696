"""Recipe: one-second sound effects as log-mel spectrograms, by the pixel denoiser, from a class and words.

The synthesiser's sounds with numbers below `sounds` are made once, at the start. Of a sound's words each may stay
unsaid: then the network learns all sounds that the others leave. One time in ten no word is said, for guidance (Ho &
Salimans 2022, algorithm 1). Last the network learns to live with four bits a weight (see rounding.py).
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bozzetto.models.diffusion import DiffusionConfig, PixelDenoiser
from bozzetto.progress import track
from bozzetto.runtime import spectrogram
from bozzetto.training.export import Graph, export_folder, read_final
from bozzetto.training.loop import TrainingSchedule, pick_device, placed
from bozzetto.training.processes import ours
from bozzetto.training.recipe import Recipe
from bozzetto.training.recipes.diffusion import sample_times
from bozzetto.training.stages import Run, Stage
from bozzetto.world.dataset import World
from bozzetto.world.sounds import SLOTS, WORDS, make_sound, render


@dataclass(frozen=True)
class Budget:
    fit: TrainingSchedule
    rounded: TrainingSchedule
    widths: tuple[int, int, int] = (48, 64, 96)
    condition_size: int = 128
    sounds: int = 12_000  # how many there are to learn from
    unsaid: tuple[float, float] = (0.1, 0.3)  # share of sounds whose class, and of whose other words each, is not said
    without: float = 0.1  # share of sounds with no word at all
    shift: float = 0.5  # of noise levels towards noise: these pictures are larger and smoother than most


_schedule = partial(TrainingSchedule, warmup=100, betas=(0.9, 0.95), ema=0.998, muon=True)
BUDGETS = {
    "smoke": Budget(
        _schedule(60, 16, 3e-3, warmup=5, ema=0.9),
        _schedule(6, 16, 1e-3, warmup=2, ema=0.9, rounding=True),
        widths=(16, 32, 32),
        sounds=32,
    ),
    "cpu": Budget(_schedule(4000, 64, 2e-3), _schedule(400, 64, 5e-4, warmup=10, ema=0.99, rounding=True)),
    "gpu": Budget(
        _schedule(30_000, 512, 1e-3, warmup=500, ema=0.9995),
        _schedule(3000, 512, 3e-4, ema=0.999, rounding=True),
        sounds=200_000,
    ),
}
EXPECTED = {
    "smoke": "the loss falls",
    "cpu": "nine in ten of its sounds are of the class that was asked for, and as high, long and rising",
    "gpu": "as good as the synthesiser",
}


def make_table(sounds: int) -> tuple[np.ndarray, np.ndarray]:
    """The first sounds as pictures uint8 [N,1,64,64], and their words as labels int64 [N,4]: of each kind the number of
    one in WORDS plus 1, or 0."""
    pictures = np.empty((sounds, 1, spectrogram.BANDS, spectrogram.FRAMES), np.uint8)
    labels = np.empty((sounds, SLOTS), np.int64)
    for number in track(range(sounds), "sounds"):
        sound = make_sound(number)
        pictures[number] = np.round(spectrogram.picture(render(sound)) * 127.5 + 127.5)
        labels[number] = [WORDS.index(word) + 1 if word else 0 for word in sound.words]
    return pictures, labels


def learn(world: World, budget: Budget, run: Run, start: None = None) -> PixelDenoiser:
    """Train and return the averaged network; the world's pictures are not needed."""
    device = pick_device()
    torch.manual_seed(run.seed)
    pictures, labels = make_table(budget.sounds)
    few = pictures[:2000].astype(np.float32) / 127.5 - 1
    config = DiffusionConfig(
        classes=WORDS,
        channels=1,
        widths=budget.widths,
        condition_size=budget.condition_size,
        data_mean=round(float(few.mean()), 3),
        data_std=round(float(few.std()), 3),
        patch=4,
    )
    model = placed(PixelDenoiser(config), device)

    def loss(model: PixelDenoiser, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        rows = rng.integers(0, len(pictures), budget.fit.batch_size)
        silent = rng.random((len(rows), SLOTS)) < [budget.unsaid[0], *[budget.unsaid[1]] * (SLOTS - 1)]
        silent |= rng.random((len(rows), 1)) < budget.without
        label = torch.from_numpy(np.where(silent, 0, labels[rows])).to(device)
        pixels = torch.from_numpy(pictures[rows]).to(device).float() / 127.5 - 1
        noise = torch.randn(pixels.shape, generator=generator, device=device)
        times = sample_times(len(pixels), generator, device, budget.shift)
        return model.loss(*ours(pixels, noise, times, label))

    recipe = {"model": asdict(replace(config, classes=())), "sounds": budget.sounds}
    run.advance(Stage("fit", model, loss, budget.fit, recipe))
    return run.train(Stage("rounded", model, loss, budget.rounded, recipe))


def export(run: Path, to: Path) -> None:
    """The denoiser of spectrograms."""
    model, config = read_final(run, PixelDenoiser, DiffusionConfig)
    side = spectrogram.BANDS
    label = torch.zeros(2, SLOTS, dtype=torch.long)
    inputs = {"x": torch.zeros(2, 1, side, side), "t": torch.ones(2), "label": label}
    defaults = {"sampler": "dpmpp_2m", "num_inference_steps": 12, "guidance_scale": 2.0}
    export_folder(to, "sound", Graph(model, inputs, ["clean"]), {"config": asdict(config), "defaults": defaults})


RECIPE = Recipe("sound", learn, export, BUDGETS, EXPECTED)
