"""Lesson 3's map: where the two maps of the VAE family put the pictures it has learned from.

vae-map.bin: of each picture its place in training.json and its two numbers on either map, in steps, int16; then the
colours, a byte each. A map is drawn by tanh of what lies off its middle, in spreads, so that all of it can be seen.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bozzetto.runtime import sample, vae

VAE_MAPS = ("map_", "plain_map_")
VAE_STEP = 0.001  # of a place on them, in the file


def cut(picture: Image.Image, size: int, count: int) -> np.ndarray:
    """The pictures of a sheet, row by row: uint8 [count,size,size,3]."""
    pixels = np.asarray(picture.convert("RGB"))
    rows, columns = pixels.shape[0] // size, pixels.shape[1] // size
    cells = pixels.reshape(rows, size, columns, size, 3).transpose(0, 2, 1, 3, 4)
    return cells.reshape(-1, size, size, 3)[:count]


def shrink(pictures: np.ndarray, size: int) -> np.ndarray:
    """uint8 [N,S,S,3] -> float64 [N,size,size,3] by averaging boxes."""
    side = pictures.shape[1] // size
    return pictures.reshape(len(pictures), size, side, size, side, 3).mean((2, 4))


def thumbnails(data: Path) -> np.ndarray:
    """Every training picture as the page has it: uint8 [N,32,32,3]."""
    facts, kept = json.loads((data / "training.json").read_text(encoding="utf-8")), []
    for number, name in enumerate(facts["sheets"]):
        left = len(facts["items"]) - number * facts["per_sheet"]
        with Image.open(data / name) as picture:
            kept.append(cut(picture, facts["size"], min(facts["per_sheet"], left)))
    return np.concatenate(kept)


def encode_all(model: vae.Autoencoder, pictures: np.ndarray) -> np.ndarray:
    """[N,32,32,3] in 0 .. 255 -> the means of their latents [N,L]."""
    pixels = (pictures.transpose(0, 3, 1, 2) / 127.5 - 1).astype(np.float32)
    return np.concatenate([vae.encode(model, pixels[start : start + 512])[0] for start in range(0, len(pixels), 512)])


def extent(places: np.ndarray) -> dict[str, list[float]]:
    """The middle of places [N,2], and how far off it two thirds of them lie, along each axis."""
    low, middle, high = np.percentile(places, (16, 50, 84), axis=0).astype(np.float64)
    return {"middle": middle.round(3).tolist(), "spread": ((high - low) / 2).round(3).tolist()}


def vae_map(
    good: vae.Autoencoder,
    rows: np.ndarray,
    colours: np.ndarray,
    maps: Mapping[str, np.ndarray],
    seen: np.ndarray,
    unseen: np.ndarray,
) -> tuple[dict[str, Any], bytes]:
    """What is in vae-map.json and vae-map.bin.

    rows: int [N], the pictures' places in training.json; colours: uint8 [N,3]; maps: by VAE_MAPS, float [N,2]; seen:
    their thumbnails [N,32,32,3]; unseen: other pictures [M,32,32,3], by which it is told how near redraws come.
    """
    places = [np.round(maps[kind] / VAE_STEP).astype("<i2") for kind in VAE_MAPS]
    content = b"".join(part.tobytes() for part in (rows.astype("<i2"), *places, colours.astype(np.uint8)))
    reference = shrink(seen, 16).reshape(len(seen), -1) / 255
    redraws = sample.to_bytes(vae.decode(good, encode_all(good, unseen)))
    query = [shrink(part, 16).reshape(len(part), -1) / 255 for part in (redraws, redraws[:, :, ::-1])]
    squares = [((part**2).sum(1)[:, None] + (reference**2).sum(1) - 2 * part @ reference.T).min(1) for part in query]
    nearest = np.sqrt(np.maximum(np.minimum(*squares), 0) / reference.shape[1])
    lies = {kind: extent(maps[kind]) for kind in VAE_MAPS}
    hole = round(float(np.percentile(nearest, 95)), 4)
    return {"count": len(rows), "step": VAE_STEP, "maps": lies, "hole": hole, "n": len(unseen)}, content
