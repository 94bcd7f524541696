"""What all models are measured on: the world, its held-out part, and what is slow to get."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bozzetto.evaluation.scores import Scores, share
from bozzetto.files import written
from bozzetto.metrics.composition import grade_scenes
from bozzetto.metrics.features import efficientnet_features
from bozzetto.metrics.judge import Judge
from bozzetto.metrics.makers import Reference, features
from bozzetto.metrics.retrieval import Share, cosine_similarity, top_k_accuracy
from bozzetto.progress import track
from bozzetto.world.captions import plain_name
from bozzetto.world.dataset import World
from bozzetto.world.scenes import Scene, SceneObject, make_scene, render, scene_objects

NAMING = {k: f"naming top-{k}" for k in (1, 5)}
BASELINE = {k: f"{naming}, EfficientNet-Lite0 nearest neighbour" for k, naming in NAMING.items()}
FACTS = {  # what a grader sees in a scene
    "count": "as many objects",
    "object": "every object named right",
    "color": "the colour",
    "two": "just the two objects",
    "place": "the two and their place",
    "size": "the two and their sizes",
}
FEATURE_SIZE = 128
HELD_OUT_SEED = 10**9  # seeds of scenes and documents that no training reaches


@dataclass(frozen=True)
class EvaluationContext:
    """The world, the sizes of the samples, and how to get what is slow to get: the judge, and features of pictures."""

    world: World
    scenes: int  # of a kind
    seed: int
    load_judge: Callable[[], Judge]
    load_features: Callable[[World], np.ndarray]  # of the core pictures, float32 [N,1280]
    load_reference: Callable[[World], Reference]  # of pictures at 32 px, which makers of small pictures are held to
    questions: int = 200  # of a kind; and pairs of a true and a false sentence, of a kind

    @cached_property
    def judge(self) -> Judge:
        return self.load_judge()

    @cached_property
    def core(self) -> World:
        return self.world.select(self.world.core)

    @cached_property
    def features(self) -> np.ndarray:
        return self.load_features(self.core)

    @cached_property
    def reference(self) -> Reference:
        return self.load_reference(self.world)

    @cached_property
    def test(self) -> np.ndarray:
        """Which core pictures are held out, bool [N]."""
        return np.array([split == "test" for split in self.core.splits])

    @cached_property
    def names(self) -> dict[str, str]:
        """The plain name of every core concept by its code points: the classes of every naming task."""
        return {key: plain_name(name) for key, name in zip(self.core.codepoints, self.core.names, strict=True)}

    @cached_property
    def objects(self) -> list[SceneObject]:
        return scene_objects(self.world)

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """Which class each of these core pictures is."""
        number = {key: i for i, key in enumerate(self.names)}
        return np.array([number[self.core.codepoints[row]] for row in rows])

    def test_scenes(self, kind: str, n: int) -> tuple[list[Scene], np.ndarray]:
        """n held-out scenes of a kind and their true renders uint8 [n,64,64,4]."""
        scenes = [make_scene(self.world, self.objects, self.seed + i, "test", kind) for i in range(n)]
        return scenes, np.stack([render(self.world, scene) for scene in scenes])

    def baseline(self) -> Scores:
        """Naming test pictures by their nearest training picture."""
        rows = np.flatnonzero(self.test)
        train = self.core.select(~self.test)
        table = nearest_concepts(self.features[rows], self.features[~self.test], train.codepoints, list(self.names))
        target = self.targets(rows)
        return {measure: share(top_k_accuracy(table, target, k)) for k, measure in BASELINE.items()}

    def graded(self, kind: str, scenes: list[Scene], pictures: np.ndarray) -> dict[str, Share]:
        """What the grader sees of scenes of one kind in pictures: a share for each of FACTS that the kind asks for."""
        return grade_scenes(
            pictures,
            [scene.names for scene in scenes],
            [scene.count if kind == "count" else None for scene in scenes],
            [scene.color for scene in scenes],
            [scene.relation for scene in scenes],
            self.judge,
            [thing.noun for thing in self.objects],
        ).shares


def nearest_concepts(
    query: np.ndarray, known: np.ndarray, codepoints: Sequence[str], concepts: list[str]
) -> np.ndarray:
    """Similarity [n,C] of query features [n,d] to concepts: to the nearest known picture of each, untrained.

    Cosines of features less the mean of the known ones [m,d]; -inf for a concept without a known picture.
    """
    centre = known.mean(0)
    similarity = cosine_similarity(query - centre, known - centre)
    rows = defaultdict(list)
    for row, key in enumerate(codepoints):
        rows[key].append(row)
    nothing = np.full(len(query), -np.inf)
    return np.stack([similarity[:, rows[key]].max(1) if key in rows else nothing for key in concepts], axis=1)


def core_features(core: World, cache: Path | None) -> np.ndarray:
    """EfficientNet features of all pictures, float32 [N,1280]."""
    return _cached(lambda images: efficientnet_features(images, FEATURE_SIZE), core.images, cache)


def small_reference(world: World, cache: Path | None) -> Reference:
    """The training pictures as the makers of small pictures see them, and the held-out ones."""
    from bozzetto.training.data import emoji

    train, test = emoji(world), emoji(world, "test")
    found = _cached(features, train.images, cache)
    return Reference(train.images, train.labels, found, test.images)


def _cached(compute: Callable[[np.ndarray], np.ndarray], images: np.ndarray, cache: Path | None) -> np.ndarray:
    """Computed in parts; kept in `cache` for the same pictures, as it takes minutes."""
    digest = hashlib.sha256(images.tobytes()).hexdigest()
    if cache and cache.is_file():
        with np.load(cache) as kept:
            if str(kept["digest"]) == digest:
                return kept["features"].astype(np.float32)
    parts = track(range(0, len(images), 256), "features of the world")
    found = np.concatenate([compute(images[i : i + 256]) for i in parts])
    if cache:
        with written(cache) as part, open(part, "wb") as file:
            np.savez(file, features=found.astype(np.float16), digest=digest)
    return found
