"""Recipe: the judge, an independent reader of pictures that grades what the other models draw.

Frozen EfficientNet-Lite0 features and a small head (1280 -> 512 -> 256, unit norm) that puts a picture where the
teacher puts its name: softmax over the names of all core concepts with a learned temperature, as in CLIP's image half
(Radford et al. 2021, arXiv 2103.00020, figure 3) but with the text side fixed. A second softmax over the nouns of
scenes makes it read small objects that were cut out of scenes.

Data: every core training picture as it is and in augmented views, and objects cut out of training scenes. The judge
shares no weight, no picture feature and no training step with the generator.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.metrics.composition import cut_out, find_objects
from bozzetto.metrics.features import efficientnet_features, opaque
from bozzetto.metrics.judge import Judge, save_judge
from bozzetto.training import data
from bozzetto.training.loop import Loss, Schedule, fit
from bozzetto.training.teacher import Teacher
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
    head: Schedule


BUDGETS = {
    "smoke": Budget(0, 20, Schedule(steps=60, batch_size=128, learning_rate=2e-3, warmup=5, ema=0.9)),
    "cpu": Budget(
        2, 3000, Schedule(steps=2000, batch_size=256, learning_rate=3e-3, warmup=100, weight_decay=0.1, ema=0.995)
    ),
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


class Head(nn.Module):
    """Standardised features [N,1280] -> unit vectors [N,256]; `heat` is the log of the inverse temperature."""

    def __init__(self, features: Tensor, directions: int):
        super().__init__()
        roots = features.sqrt()  # the features are means of a ReLU6, most of them small: roots are spread more evenly
        self.register_buffer("mean", roots.mean(0))
        self.register_buffer("scale", 1 / (roots.std(0) + 1e-3))
        self.first = nn.Linear(features.shape[1], HIDDEN)
        self.second = nn.Linear(HIDDEN, directions)
        self.heat = nn.Parameter(torch.tensor(3.0))

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
        raise ValueError(f"{out} holds the features of another world or budget: use another --out folder or delete it")
    (out / "plan.json").write_text(json.dumps(plan))

    def pictures(view: int, start: int) -> tuple[np.ndarray, list[str]]:
        part = shown.select(np.arange(start, min(start + CHUNK, len(shown))))
        rng = np.random.default_rng([seed, view, start])
        return (picture_view(part.images, part.names, rng) if view else part.images), part.codepoints

    jobs = [
        (f"view{view}-{start:05d}", lambda view=view, start=start: pictures(view, start))
        for view in range(budget.views + 1)
        for start in range(0, len(shown), CHUNK)
    ] + [
        (
            f"scenes-{start:05d}",
            lambda start=start: scene_crops(world, objects, range(start, min(start + CHUNK, budget.scenes))),
        )
        for start in range(0, budget.scenes, CHUNK)
    ]
    features, codepoints = [], []
    for name, draw in jobs:
        path = out / f"{name}.npz"
        if not path.exists():
            images, keys = draw()
            part = path.with_suffix(".part.npz")
            np.savez(part, features=efficientnet_features(images, SIZE).astype(np.float16), codepoints=np.array(keys))
            part.replace(path)
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


def train(
    world: World, teacher: Teacher, budget: Budget, out: Path, *, seed: int = 0, minutes: float | None = None
) -> Judge:
    """Extract features (kept in `out`/features), train the head, write the judge to `out`/judge and return it.

    `minutes` limits the training of the head.
    """
    views = extract(world, budget, out / "features", seed)
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
    torch.manual_seed(seed)
    head = Head(features, names.shape[1])

    def loss(head: Head) -> Loss:
        def compute(rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
            rows = torch.from_numpy(rng.integers(0, len(features), budget.head.batch_size))
            embedding = head(features[rows], generator, 0.3) * head.heat.exp()
            naming = F.cross_entropy(embedding @ names.T, name_of[rows])
            reading = F.cross_entropy(embedding @ words.T, word_of[rows])
            return {"loss": naming + 0.5 * reading, "naming": naming, "reading": reading}

        return compute

    average = fit(
        head, loss, budget.head, out, seed=seed, minutes=minutes, recipe={"plan": [budget.views, budget.scenes]}
    )
    weights = {name: tensor.numpy().astype(np.float32) for name, tensor in average.state_dict().items()}
    judge = Judge(SIZE, weights, list(table), np.stack(list(table.values())))
    save_judge(judge, out / "judge")
    return judge
