"""An embedder whose vector of a picture is its colours, and what an index holds and should hold."""

import numpy as np
from PIL import Image

from bozzetto import pictures, walk
from bozzetto.search.embed import Embedder
from bozzetto.search.table import open_index


def unit(rows):
    rows = np.asarray(rows, np.float32).reshape(len(rows), -1) - 0.5
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


COLOURS = Embedder(
    id="colours",
    width=48,
    prepare=lambda image: np.asarray(pictures.over_white(image).resize((4, 4))) / 255,
    encode_image=unit,
    encode_text=lambda texts: unit([np.random.default_rng(list(text.encode())).random(48) for text in texts]),
)


def paint(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    Image.fromarray(colours).save(path, path.suffix[1:].lower().replace("jpg", "jpeg"))


def held(folder, embedder=COLOURS):
    """What the index holds: path -> vector."""
    pictures_table, _ = open_index(folder / ".bozzetto-index", embedder)
    rows = pictures_table.search().to_arrow().to_pylist()
    assert len({row["path"] for row in rows}) == len(rows)
    return {row["path"]: row["vector"] for row in rows}


def truth(folder, embedder=COLOURS):
    """What it should hold: every picture, embedded one by one."""
    paths = [path for path in folder.rglob("*.*") if path.suffix.lower() in walk.SUFFIXES]
    vectors = embedder.encode_image(np.stack([embedder.prepare(pictures.open_picture(path)) for path in paths]))
    return {path.relative_to(folder).as_posix(): vector.tolist() for path, vector in zip(paths, vectors, strict=True)}
