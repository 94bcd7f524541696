"""Recipe: the judge, an independent reader of pictures that grades what the other models draw.

Frozen EfficientNet-Lite0 features and a small head (1280 -> 512 -> 256, unit norm) that puts a picture where the
teacher puts its name: softmax over the names of all core concepts with a learned temperature, as in CLIP's image half
(Radford et al. 2021, arXiv 2103.00020, figure 3) but with the text side fixed. A second softmax over the nouns of
scenes makes it read small objects that were cut out of scenes.

Data: every core training picture as it is and in augmented views, and objects cut out of training scenes. The judge
shares no weight, no picture feature and no training step with the generator.
"""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.errors import InvalidInput
from bozzetto.files import write_atomically, written
from bozzetto.metrics.composition import cut_out, find_objects
from bozzetto.metrics.features import efficientnet_features, opaque
from bozzetto.training import data
from bozzetto.training.export import read_final, write_folder
from bozzetto.training.loop import TrainingSchedule
from bozzetto.training.recipe import Recipe
from bozzetto.training.stages import Run, Stage
from bozzetto.training.teacher import Teacher
from bozzetto.training.teacher import load as load_teacher
from bozzetto.world.captions import plain_name
from bozzetto.world.dataset import World
from bozzetto.world.scenes import SceneObject, make_scene, render, scene_objects

CHUNK = 512  # views whose features are saved together
SIZE = 128  # pixels that EfficientNet sees
HIDDEN = 512


@dataclass(frozen=True)
class Budget:
    views: int  # augmented views of every core training picture, besides the picture as it is
    scenes: int  # training scenes whose objects are cut out
    head: TrainingSchedule


BUDGETS = {
    "smoke": Budget(0, 20, TrainingSchedule(60, 128, 2e-3, warmup=5, ema=0.9)),
    "cpu": Budget(2, 3000, TrainingSchedule(2000, 256, 3e-3, warmup=100, weight_decay=0.1, ema=0.995)),
}
EXPECTED = {
    "smoke": "the loss falls",
    "cpu": "60 % of held-out core pictures named right, 84 % in the first five; half an hour of one core",
}


@dataclass(frozen=True)
class Views:
    """`features` float32 [M,1280] of M views, and which concept (its code points) each of them shows."""

    features: np.ndarray
    codepoints: np.ndarray


@dataclass(frozen=True)
class HeadConfig:
    labels: tuple[str, ...]  # what the judge has a vector for
    features: int = 1280
    directions: int = 256
    size: int = SIZE


class Head(nn.Module):
    """Features [N,1280] -> unit vectors [N,256]; `heat` is the log of the inverse temperature, `labels` [L,256] are the
    unit vectors of the labels."""

    def __init__(self, config: HeadConfig):
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.features))
        self.register_buffer("scale", torch.ones(config.features))
        self.register_buffer("labels", torch.zeros(len(config.labels), config.directions))
        self.first = nn.Linear(config.features, HIDDEN)
        self.second = nn.Linear(HIDDEN, config.directions)
        self.heat = nn.Parameter(torch.tensor(3.0))

    def standardise(self, features: Tensor) -> None:
        roots = features.sqrt()  # the features are means of a ReLU6, most of them small: roots are spread more evenly
        self.mean, self.scale = roots.mean(0), 1 / (roots.std(0) + 1e-3)

    def forward(self, features: Tensor, generator: torch.Generator, drop: float) -> Tensor:
        hidden = dropout((features.sqrt() - self.mean) * self.scale, drop, generator)
        return F.normalize(self.second(dropout(F.relu(self.first(hidden)), drop, generator)), dim=-1)


def dropout(x: Tensor, drop: float, generator: torch.Generator) -> Tensor:
    """Dropout from the step's own generator, so that a resumed run draws the same masks."""
    return x * (torch.rand(x.shape, generator=generator) >= drop) / (1 - drop)


def picture_view(pictures: np.ndarray, names: list[str], rng: np.random.Generator) -> np.ndarray:
    """An augmented view of each picture: uint8 [N,64,64,4] -> the same, opaque; mirrored unless it has a side."""
    sided = np.array(["left" in name or "right" in name for name in names])
    mirror = (rng.random(len(pictures)) < 0.5) & ~sided
    turned = np.where(mirror[:, None, None, None], pictures[:, :, ::-1], pictures)
    rgb = data.augment(data.premultiplied(turned), rng)
    return opaque(to_bytes(rgb))


def to_bytes(rgb: Tensor) -> np.ndarray:
    """RGB [N,3,H,W] in [-1, 1] -> uint8 [N,H,W,3]."""
    return ((rgb + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def scene_crops(world: World, objects: list[SceneObject], seeds: range) -> tuple[np.ndarray, list[str]]:
    """One object a name, cut out of each training scene: uint8 [M,64,64,4], code points. Unclear scenes give none."""
    crops, codepoints = [], []
    for seed in seeds:
        scene = make_scene(world, objects, seed)
        picture = render(world, scene)
        found = find_objects(picture)
        if len(found) != len(scene.objects):
            continue
        for placed in {item.name: item for item in scene.objects}.values():
            x, y = placed.x + placed.size / 2, placed.y + placed.size / 2
            nearest = min(found, key=lambda f: abs(f.left + f.right - 2 * x) + abs(f.top + f.bottom - 2 * y))
            crops.append(cut_out(picture, nearest))
            codepoints.append(placed.codepoints)
    return np.stack(crops), codepoints


def extract(world: World, budget: Budget, out: Path, seed: int) -> Views:
    """Features of all views, a file a chunk in `out`; what a killed run left there is kept."""
    shown = world.select(world.core & np.array([split == "train" for split in world.splits]))
    objects = scene_objects(world)
    plan = {"pictures": len(shown), "views": budget.views, "scenes": budget.scenes, "seed": seed, "size": SIZE}
    out.mkdir(parents=True, exist_ok=True)
    if (out / "plan.json").exists() and json.loads((out / "plan.json").read_text()) != plan:
        raise InvalidInput(
            "out", f"{out} holds the features of another world or budget: delete it, or use another folder"
        )
    write_atomically(out / "plan.json", json.dumps(plan))

    def pictures(view: int, start: int) -> tuple[np.ndarray, list[str]]:
        part = shown.select(np.arange(start, min(start + CHUNK, len(shown))))
        rng = np.random.default_rng([seed, view, start])
        return (picture_view(part.images, part.names, rng) if view else part.images), part.codepoints

    def crops(start: int) -> tuple[np.ndarray, list[str]]:
        return scene_crops(world, objects, range(start, min(start + CHUNK, budget.scenes)))

    starts, views = range(0, len(shown), CHUNK), range(budget.views + 1)
    jobs = [(f"view{view}-{start:05d}", partial(pictures, view, start)) for view in views for start in starts]
    jobs += [(f"scenes-{start:05d}", partial(crops, start)) for start in range(0, budget.scenes, CHUNK)]
    features, codepoints = [], []
    for name, draw in jobs:
        path = out / f"{name}.npz"
        if not path.exists():
            images, keys = draw()
            found = efficientnet_features(images, SIZE).astype(np.float16)
            with written(path) as part, open(part, "wb") as file:
                np.savez(file, features=found, codepoints=np.array(keys))
        with np.load(path) as saved:
            features.append(saved["features"].astype(np.float32))
            codepoints.append(saved["codepoints"])
    return Views(np.concatenate(features), np.concatenate(codepoints))


def label_table(world: World, teacher: Teacher) -> dict[str, np.ndarray]:
    """The teacher's unit vector for the plain name of every concept and for every noun of scenes.

    A phrase that it was not asked about has the mean direction of its words.
    """
    number = {text: i for i, text in enumerate(teacher.texts)}
    labels = [plain_name(name) for name in world.names] + [thing.noun for thing in scene_objects(world)]
    table = {}
    for label in dict.fromkeys(labels):
        vector = teacher.vectors[[number[part] for part in ([label] if label in number else label.split())]].mean(0)
        table[label] = vector / np.linalg.norm(vector)
    return table


def learn(world: World, budget: Budget, run: Run, start: Path) -> Head:
    """Extract features (kept in the run's folder), train the head and return it. start: the teacher's table."""
    views = extract(world, budget, run.out / "features", run.seed)
    teacher = load_teacher(start)
    table = label_table(world, teacher)
    core = {key: plain_name(name) for key, name, c in zip(world.codepoints, world.names, world.core, strict=True) if c}
    nouns = {thing.codepoints: thing.noun for thing in scene_objects(world)}

    def targets(label_of: dict[str, str]) -> tuple[Tensor, Tensor]:
        """The label vectors [L,256], and for each view the row of its own label, or -100 where it has none."""
        labels = list(dict.fromkeys(label_of.values()))
        row = {label: i for i, label in enumerate(labels)}
        rows = [row.get(label_of.get(key, ""), -100) for key in views.codepoints]
        return torch.from_numpy(np.stack([table[label] for label in labels])), torch.tensor(rows)

    names, name_of = targets(core)
    words, word_of = targets(nouns)
    features = torch.from_numpy(views.features)
    torch.manual_seed(run.seed)
    head = Head(HeadConfig(tuple(table), features.shape[1], names.shape[1]))
    head.standardise(features)
    head.labels = torch.from_numpy(np.stack(list(table.values())))

    def loss(head: Head, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        rows = torch.from_numpy(rng.integers(0, len(features), budget.head.batch_size))
        embedding = head(features[rows], generator, 0.3) * head.heat.exp()
        naming = F.cross_entropy(embedding @ names.T, name_of[rows])
        reading = F.cross_entropy(embedding @ words.T, word_of[rows])
        return {"loss": naming + 0.5 * reading, "naming": naming, "reading": reading}

    return run.train(Stage("head", head, loss, budget.head, {"plan": [budget.views, budget.scenes]}))


def export(run: Path, to: Path) -> None:
    """No graph: metrics/judge.py computes the head in numpy."""
    head, config = read_final(run, Head, HeadConfig)
    tensors = {f"head.{name}": tensor.half() for name, tensor in head.state_dict().items()}
    tensors["labels"] = tensors.pop("head.labels")
    description = {
        "parameters": sum(parameter.numel() for parameter in head.parameters()),
        "features": "efficientnet-lite0",
        "size": config.size,
        "labels": config.labels,
    }
    write_folder(to, "judge", tensors, description, {}, {})


RECIPE = Recipe("judge", learn, export, BUDGETS, EXPECTED)
