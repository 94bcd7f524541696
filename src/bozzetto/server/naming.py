"""What a picture shows, in words that the drawer knows: for a variation, which comes without a prompt."""

import threading
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL.Image import Image

import bozzetto
from bozzetto.runtime import clip
from bozzetto.search.captions import world_names


class Namer:
    def __init__(self, weights: Path):
        self.weights, self.lock = weights, threading.Lock()

    def name(self, image: Image) -> str:
        """The name in the picture world that is nearest by CLIP: "a red apple"."""
        with self.lock:  # the first one reads all names, a second or two
            names, vectors = self._names
        seen = clip.encode_image(clip.load(self.weights), bozzetto.as_seen(image)[None])[0]
        return names[int((vectors @ seen).argmax())]

    @cached_property
    def _names(self) -> tuple[list[str], np.ndarray]:
        names = world_names()
        return names, clip.encode_text(clip.load(self.weights), names)
