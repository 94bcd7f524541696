"""Recipe: the classifier of Fashion-MNIST in whose features the Fashion benchmark measures.

Pictures are moved by up to two pixels, which is as far as their black border reaches, and never mirrored: in this world
all shoes point to the left, and a feature net should notice one that does not. It shares no weight and no training step
with what it judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bozzetto.models.fashion_classifier import ClassifierConfig, FashionClassifier
from bozzetto.training.data import Pictures
from bozzetto.training.export import save_final
from bozzetto.training.loop import Loss, Schedule, fit, pick_device

FARTHEST = 2  # pixels


@dataclass(frozen=True)
class Budget:
    fit: Schedule
    widths: tuple[int, int, int] = (32, 64, 88)


BUDGETS = {
    "smoke": Budget(Schedule(60, 32, 4e-3, warmup=5, ema=0.9), widths=(16, 16, 16)),
    "cpu": Budget(Schedule(2800, 128, 2e-3, warmup=100, weight_decay=0.05, ema=0.998)),
}
EXPECTED = {"smoke": "the loss falls", "cpu": "91 to 92 % of the test pictures named right"}


def shifted(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Each picture moved by up to `FARTHEST` pixels; what leaves on one side (black) comes back on the other."""
    count, size = len(pixels), pixels.shape[-1]
    across, down = torch.from_numpy(rng.integers(-FARTHEST, FARTHEST + 1, (2, count, 1))).to(pixels.device)
    line = torch.arange(size, device=pixels.device)
    rows, columns = (line + down) % size, (line + across) % size
    batch = torch.arange(count, device=pixels.device)[:, None, None]
    return pixels[batch, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


@torch.no_grad()
def accuracy(model: FashionClassifier, pictures: Pictures) -> float:
    """Share of pictures named right, in [0, 1]."""
    device = next(model.parameters()).device
    right = 0
    for start in range(0, len(pictures), 500):
        pixels = torch.from_numpy(pictures.images[start : start + 500]).to(device).permute(0, 3, 1, 2) / 127.5 - 1
        right += int((model(pixels)[1].argmax(1).cpu().numpy() == pictures.labels[start : start + 500]).sum())
    return right / len(pictures)


def train(
    pictures: Pictures, budget: Budget, out: Path, *, seed: int = 0, minutes: float | None = None
) -> FashionClassifier:
    """Train and return the averaged network."""
    device = pick_device()
    torch.manual_seed(seed)
    config = ClassifierConfig(tuple(pictures.classes), budget.widths)
    model = FashionClassifier(config).to(device, memory_format=torch.channels_last)

    def loss(model: FashionClassifier) -> Loss:
        def compute(rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
            pixels, label = pictures.batch(rng, budget.fit.batch_size, device)
            _, logits = model(shifted(pixels, rng))
            target = label - 1  # 0 stands for any class, which no picture is
            right = (logits.argmax(1) == target).float().mean()
            return {"loss": F.cross_entropy(logits.float(), target, label_smoothing=0.05), "accuracy": right}

        return compute

    average = fit(model, loss, budget.fit, out, seed=seed, minutes=minutes, recipe={"widths": list(budget.widths)})
    save_final(average, config, out)
    return average
