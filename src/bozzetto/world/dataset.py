"""The picture world as one Parquet file, and as arrays in memory.

A row is a picture: `image` (PNG bytes, 64 x 64 RGBA), `codepoints`, `emoji`, `name`, `keywords`, `group`, `subgroup`,
`style`, `split` ("train" or "test"), `core`, `license`. Ten thousand pictures fit in memory, so a World is plain
parallel arrays.
"""

import io
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bozzetto.errors import InvalidInput, NotBuilt
from bozzetto.files import written
from bozzetto.world.stored import Stored

DEFAULT_PATH = Path("data/world.parquet")


@dataclass(frozen=True)
class World:
    """N pictures: `images` uint8 [N,64,64,4] (straight alpha); every other field has one entry a picture."""

    images: np.ndarray  # or Stored, where it is one's own and large: what trains on it indexes rows, and no more
    codepoints: list[str]
    emoji: list[str]
    names: list[str]
    keywords: list[list[str]]
    groups: list[str]
    subgroups: list[str]
    styles: list[str]
    splits: list[str]
    core: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def select(self, rows: np.ndarray | Sequence[int] | Sequence[bool]) -> "World":
        """The pictures chosen by a boolean mask [N] or by indices."""
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(int)
        chosen: dict[str, Any] = {}
        for field in fields(self):
            column = getattr(self, field.name)
            if isinstance(column, Stored):
                chosen[field.name] = column.only(rows)
            else:
                chosen[field.name] = column[rows] if isinstance(column, np.ndarray) else [column[i] for i in rows]
        return World(**chosen)

    def split(self, name: str) -> "World":
        """The pictures of one split, "train" or "test"."""
        return self.select([s == name for s in self.splits])


def _png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def write(columns: dict[str, list], path: Path) -> None:
    """Write the columns of emoji.build as Parquet; the file appears whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with ProcessPoolExecutor(initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:
        encoded = list(pool.map(_png, columns["image"], chunksize=64))
    table = pa.table({**columns, "image": encoded})
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(path) as part:
        pq.write_table(table, part, compression="zstd")


def load_world(path: str | Path | None = None) -> World:
    """Read the world into memory (about two seconds).

    path: the Parquet file; by default $BOZZETTO_WORLD or data/world.parquet below the working folder.
    Raises NotBuilt when it has not been built, InvalidInput when it is not such a table.
    """
    path = Path(path or os.environ.get("BOZZETTO_WORLD") or DEFAULT_PATH)
    if not path.is_file():
        raise NotBuilt(f"the picture world {path} is not there: run `bozzetto world build` first")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path).to_pydict()
        images = np.stack([np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")) for data in table["image"]])
        return World(
            images=images,
            codepoints=table["codepoints"],
            emoji=table["emoji"],
            names=table["name"],
            keywords=table["keywords"],
            groups=table["group"],
            subgroups=table["subgroup"],
            styles=table["style"],
            splits=table["split"],
            core=np.array(table["core"]),
        )
    except (pa.ArrowInvalid, KeyError, OSError) as error:
        raise InvalidInput(
            "world", f"{path} is no picture world ({error}): run `bozzetto world build` again"
        ) from error
