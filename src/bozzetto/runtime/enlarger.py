"""A drawn picture at more than 64 pixels: the enlarger draws it at 128, and its pixels are enlarged from there."""

from pathlib import Path

import numpy as np
from PIL import Image

from bozzetto import pictures
from bozzetto.runtime.session import Network, open_network
from bozzetto.runtime.store import once, open_model
from bozzetto.runtime.text_to_image import as_pictures, as_pixels

SIZE = 128  # what the network draws


@once
def load(weights: Path) -> Network:
    """Raises WeightsError."""
    return open_network(open_model("enlarger", weights))


def enlarge(network: Network, images: np.ndarray) -> np.ndarray:
    """Pictures uint8 [N,64,64,4], straight alpha, as uint8 [N,128,128,4]."""
    return as_pictures(network(pixels=as_pixels(images))["large"])


def check(weights: Path, size: int) -> None:
    """Raises what `at_size` would, before anything is drawn."""
    if pictures.check_size(size) >= SIZE:
        load(weights)


def at_size(weights: Path, image: Image.Image, size: int) -> Image.Image:
    """A drawn picture of 64 x 64 at `size`, 16 .. 2048: drawn anew from 128 on. It keeps its info. Raises WeightsError
    where the weights are needed and not there."""
    if size >= SIZE:
        told = image.info
        image = Image.fromarray(enlarge(load(weights), np.asarray(image)[None])[0])
        image.info |= told
    return pictures.enlarge(image, size)
