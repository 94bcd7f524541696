"""Sets of pictures that are larger than memory: read and decoded once, then kept on the disk as training takes them.

A prepared set is a folder: `pictures`, uint8 [N,S,S,4] and nothing else; `rows.arrow`, what is said of each; and
`found.arrow`, what was found out when all were read. It appears whole or not at all, and is made anew when a file of
the set has changed. Every row costs the same to read, so that batches are drawn from (seed, step) as they are from
memory: no buffer that shuffles, nothing that a run which goes on would have to find again.
"""

import hashlib
import json
import mmap
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bozzetto.errors import InvalidInput, require
from bozzetto.files import PART, locked, named
from bozzetto.pictures import on_white

FOLDER = Path("data/prepared")  # below the working folder, as runs/ is
PICTURES, ROWS, FOUND = "pictures", "rows.arrow", "found.arrow"
VERSION = 1
ROW = 256  # bytes beside a picture, more or less
Note = Callable[[str], None]


def on_paper(images: np.ndarray) -> np.ndarray:
    """uint8 [N,S,S,4], straight alpha -> uint8 [N,S,S,3] over white."""
    if (images[..., 3] == 255).all():
        return images[..., :3]
    return np.round(on_white(images)).astype(np.uint8)


def is_grey(images: np.ndarray) -> bool:
    return bool((images == images[..., :1]).all())


@dataclass(frozen=True, eq=False)
class Stored:
    """N pictures on the disk. They are indexed as an array is, and only what is asked for is read.

    place: their folder. pages: of their file; pictures: the same, uint8 [M,S,S,4], straight alpha; rows: int64 [N],
    which of them; checksum: SHA-256 of all M; grey: whether they are, over white. channels: 0 for as they are; 3, or 1
    of grey ones, for over white.
    """

    place: Path
    pages: mmap.mmap
    pictures: np.ndarray
    rows: np.ndarray
    checksum: str
    grey: bool
    channels: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self.pictures.shape[1:3], self.channels or 4)

    def __getitem__(self, which: Any) -> np.ndarray:
        rows = self.rows[which]
        if hasattr(self.pages, "madvise"):  # ask for all at once: a disk gives many sooner than one after the other
            each = self.pictures[0].nbytes
            for begin in (np.atleast_1d(rows) * each // mmap.PAGESIZE * mmap.PAGESIZE).tolist():
                self.pages.madvise(mmap.MADV_WILLNEED, begin, each)
        found = self.pictures[rows]
        return on_paper(found)[..., : self.channels] if self.channels else found

    def only(self, rows: np.ndarray) -> "Stored":
        return replace(self, rows=self.rows[rows])


class Column(Sequence):
    """A column of a table on the disk, read as a list is."""

    def __init__(self, column: Any):
        self.column = column

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, row: Any) -> Any:
        return self.column[int(row)].as_py()

    def __iter__(self) -> Iterator[Any]:
        for chunk in self.column.chunks:
            yield from chunk.to_pylist()


def place_of(path: Path, title: str, size: int) -> Path:
    """Where the set at `path` is prepared at this size."""
    return FOLDER / f"{title}-{size}-{hashlib.sha256(os.path.abspath(path).encode()).hexdigest()[:8]}"


def opened(place: Path, sources: Mapping[str, str], note: Note) -> tuple[dict[str, Any], Stored, dict[str, Any]] | None:
    """What was found out about a prepared set, its pictures and its columns; None where there is none, or where it was
    made of other files, which is told. sources: the files that it must have been made of, and how each was."""
    if not (place / FOUND).is_file():
        return None
    require("pyarrow")
    try:
        rows, found = read_table(place / ROWS), read_table(place / FOUND)
        about = json.loads(found.schema.metadata[b"about"])
        if about["version"] != VERSION:
            return None
        before, size = about["sources"], about["size"]
        if changed := sorted(name for name in {**before, **sources} if before.get(name) != sources.get(name)):
            more = f" and {len(changed) - 1} more" * (len(changed) > 1)
            note(f"{changed[0]}{more} changed since {place} was prepared: it is prepared anew")
            return None
        pages = _mapped(place / PICTURES)
        pictures = np.frombuffer(pages, np.uint8).reshape(rows.num_rows, size, size, 4)
    except (OSError, ValueError, KeyError, TypeError):  # pyarrow's errors are ValueErrors and KeyErrors
        note(f"{place} is broken: it is prepared anew")
        return None
    columns = {name: Column(table[name]) for table in (rows, found) for name in table.column_names}
    return about, Stored(place, pages, pictures, np.arange(len(pictures)), about["checksum"], about["grey"]), columns


def _mapped(path: Path) -> mmap.mmap:
    """A file, of which a read brings no more than was asked for: rows are drawn at random."""
    with open(path, "rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if hasattr(pages, "madvise"):
        pages.madvise(mmap.MADV_RANDOM)
    return pages


def read_table(path: Path) -> Any:
    import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


@contextmanager
def written_table(path: Path, schema: Any) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A function that adds rows, as columns, to a new table."""
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as table:
        yield lambda columns: table.write_batch(pa.record_batch(dict(columns), schema))


def room(path: Path, count: int, size: int) -> int:
    """Bytes that so many pictures take on the disk. Raises InvalidInput where fewer are free."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    needed, free = count * (size * size * 4 + ROW), shutil.disk_usage(FOLDER).free
    if needed > free:
        why = f"{path} takes {needed / 1e9:.1f} GB in {FOLDER}, where {free / 1e9:.1f} GB are free: make room, or make"
        raise InvalidInput("data", f"{why} {FOLDER} a link to a larger disk")
    return needed


@contextmanager
def alone(place: Path, note: Note) -> Iterator[None]:
    """Hold the right to prepare a set, for which others are waited for."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        told = False
        while True:
            try:
                held.enter_context(locked(FOLDER / f".{place.name}.lock", "data", "preparing a set there"))
                break
            except InvalidInput as busy:
                if not told:
                    note(f"{busy.why.partition(';')[0]}; it is waited for")
                told = True
                time.sleep(0.2)
        yield


@contextmanager
def new(place: Path) -> Iterator[Path]:
    """A folder to prepare a set in, which takes its place at the end and is gone after an error. Whoever holds the old
    one open keeps it."""
    for left in FOLDER.glob(f".{place.name}.*{PART}"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    part = FOLDER / f".{place.name}.{secrets.token_hex(4)}{PART}"
    try:
        with named(place):
            part.mkdir()
            yield part
            shutil.rmtree(place, ignore_errors=True)
            part.replace(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)
