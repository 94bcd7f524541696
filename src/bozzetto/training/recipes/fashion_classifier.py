"""Recipe: the classifier of Fashion-MNIST in whose features the Fashion benchmark measures.

Pictures are moved by up to two pixels, which is as far as their black border reaches, and never mirrored: in this world
all shoes point to the left, and a feature net should notice one that does not. It shares no weight and no training step
with what it judges.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bozzetto.models.fashion_classifier import ClassifierConfig, FashionClassifier
from bozzetto.training.data import Pictures, scaled
from bozzetto.training.export import Graph, export_folder, read_final
from bozzetto.training.loop import TrainingSchedule, pick_device, placed
from bozzetto.training.processes import ours
from bozzetto.training.recipe import Recipe
from bozzetto.training.stages import Run, Stage

FARTHEST = 2  # pixels


@dataclass(frozen=True)
class Budget:
    fit: TrainingSchedule
    widths: tuple[int, int, int] = (32, 64, 88)


BUDGETS = {
    "smoke": Budget(TrainingSchedule(60, 32, 4e-3, warmup=5, ema=0.9), widths=(16, 16, 16)),
    "cpu": Budget(TrainingSchedule(2800, 128, 2e-3, warmup=100, weight_decay=0.05, ema=0.998)),
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
        _, logits = model(scaled(pictures.images[start : start + 500], device))
        right += int((logits.argmax(1).cpu().numpy() == pictures.labels[start : start + 500]).sum())
    return right / len(pictures)


def learn(pictures: Pictures, budget: Budget, run: Run, start: None = None) -> FashionClassifier:
    """Train and return the averaged network."""
    device = pick_device()
    torch.manual_seed(run.seed)
    config = ClassifierConfig(tuple(pictures.classes), budget.widths)
    model = placed(FashionClassifier(config), device)

    def loss(model: FashionClassifier, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        pixels, label = pictures.batch(rng, budget.fit.batch_size, device)
        pixels, label = ours(shifted(pixels, rng), label)
        _, logits = model(pixels)
        target = label - 1  # 0 stands for any class, which no picture is
        right = (logits.argmax(1) == target).float().mean()
        return {"loss": F.cross_entropy(logits.float(), target, label_smoothing=0.05), "accuracy": right}

    return run.train(Stage("fit", model, loss, budget.fit, {"widths": list(budget.widths)}))


def export(run: Path, to: Path) -> None:
    model, config = read_final(run, FashionClassifier, ClassifierConfig)
    graph = Graph(model, {"pixels": torch.zeros(2, 1, 32, 32)}, ["features", "logits"])
    export_folder(to, "fashion_classifier", graph, {"config": asdict(config)}, four_bits=False)


RECIPE = Recipe("fashion-classifier", learn, export, BUDGETS, EXPECTED)
