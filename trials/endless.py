"""Scenes without end: the k-th scene has seed k, and a ring holds the latest ones with their latents and sentences.

Drawing and encoding a scene costs 1 to 1.5 ms of one core, so each is shown a few times before a new one takes its place.
What the ring holds depends only on how many scenes were ever asked for, so a resumed run goes on exactly where it was.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.training import data
from bozzetto.world.dataset import World
from bozzetto.world.emoji import STYLES
from bozzetto.world.scenes import make_scene, render, scene_objects

EASY = ("single", "count", "color")
ALL = ("two", "place", "count", "color", "two", "place", "size", "count", "color", "single")


def curriculum(k: int, easy: int = 200_000) -> str:
    """The kind of the k-th scene: easy ones first, and more and more of all kinds; after `easy` scenes all kinds."""
    rng = np.random.default_rng([k, 5])
    kinds = ALL if rng.random() < min(1.0, 0.2 + 0.8 * k / easy) else EASY
    return kinds[rng.integers(len(kinds))]


class Endless:
    def __init__(
        self,
        world: World,
        encode: Callable[[np.ndarray], Tensor],
        tokenizer: Tokenizer,
        size: int = 8192,
        kind: Callable[[int], str] = curriculum,
    ):
        self.world, self.objects, self.encode, self.tokenizer, self.kind = world, scene_objects(world), encode, tokenizer, kind
        self.size, self.latents, self.tokens, self.styles = size, None, None, np.zeros(size, np.int64)
        self.drawn = 0

    def upto(self, count: int) -> None:
        """Make the ring hold the last `size` of the first `count` scenes (at least `size`)."""
        count = max(count, self.size)
        while self.drawn < count:
            first = max(self.drawn, count - self.size)
            part = range(first, min(first + 256, count))
            scenes = [make_scene(self.world, self.objects, k, "train", self.kind(k)) for k in part]
            latents = self.encode(np.stack([render(self.world, scene) for scene in scenes]))
            tokens = self.tokenizer([scene.sentence for scene in scenes])
            if self.latents is None:
                self.latents = torch.zeros(self.size, *latents.shape[1:], dtype=torch.float16)
                self.tokens = np.zeros((self.size, tokens.shape[1]), tokens.dtype)
            at = np.array(part) % self.size
            self.latents[torch.from_numpy(at)] = latents.half()
            self.tokens[at] = tokens
            self.styles[at] = [STYLES.index(scene.objects[0].style) + 1 for scene in scenes]
            self.drawn = part[-1] + 1
