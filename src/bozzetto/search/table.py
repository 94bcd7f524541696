"""The index on disk, a LanceDB table: path, size, time of change and vector of every picture of one folder.

Every change is one commit of LanceDB, which happens whole or not at all, and in it a new vector takes the place of the
old one. So a run that is killed leaves an index that opens, and whoever reads beside a run sees what one commit holds.
"""

from __future__ import annotations

import errno
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from bozzetto.errors import BozzettoError, InvalidInput, MissingFile, NotBuilt, literal
from bozzetto.files import locked

if TYPE_CHECKING:
    from lancedb.table import Table

    from bozzetto.search.embed import Embedder

PLACE = ".bozzetto-index"
TABLE = "pictures"
LOCK = "lock"
ANN_FROM = 100_000  # pictures from which search goes through an approximate index
NPROBES = 40  # how many partitions of that index a query visits
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
Status = tuple[int, int]  # bytes, and time of change in ns
Found = TypeVar("Found")


def exists(index: Path) -> bool:
    """Is an index there, whole or damaged? One that was never finished is none."""
    return any(_versions(index))


def check_place(index: Path) -> None:
    """InvalidInput unless an index is there or can be made there. Nothing is written."""
    check_name("index", index)
    if index.exists() and not (
        index.is_dir() and ({path.name for path in index.iterdir()} <= {LOCK} or (index / f"{TABLE}.lance").is_dir())
    ):
        raise InvalidInput("index", f"{index} is not an index: name an empty folder, or one that is not there")
    if not index.parent.is_dir():
        raise MissingFile("index", f"{index}: the folder {index.parent} is not there, make it first")


def check_name(field: str, path: Path) -> None:
    """InvalidInput unless the engine can write the path down."""
    try:
        os.fsencode(path).decode()
    except UnicodeDecodeError:
        shown = os.fsencode(path).decode(errors="replace")
        raise InvalidInput(field, f"{shown} has a name that is no UTF-8: rename it to be indexed") from None


def _forget_unfinished(index: Path) -> None:
    if not exists(index):
        shutil.rmtree(index, ignore_errors=True)


@contextmanager
def writing(index: Path) -> Iterator[None]:
    """Hold an index alone; InvalidInput when it cannot be written to, or another process holds it.

    A folder that is made for it and gets no index is removed again.
    """
    with ExitStack() as stack:
        with _engine(index, "written to"):
            if not index.exists():
                index.mkdir(exist_ok=True)
                stack.callback(_forget_unfinished, index)
            stack.enter_context(locked(index / LOCK, "index", "indexing"))
        yield


def create(index: Path, folder: Path, embedder: Embedder) -> Table:
    """An empty index of a folder in the place of what was there."""
    import lancedb
    import pyarrow as pa

    # From its usual place the index finds the folder even when both are moved.
    said = {"model": embedder.id, "folder": ".." if index.parent == folder else str(folder)}
    schema = pa.schema(
        {
            "path": pa.string(),
            "bytes": pa.int64(),
            "modified": pa.int64(),
            "vector": pa.list_(pa.float32(), embedder.width),
        },
        metadata=said,
    )
    with _engine(index, "written to"):
        database = lancedb.connect(index)
        try:
            database.open_table(TABLE)
        except Exception:  # not there, or damaged
            shutil.rmtree(index / f"{TABLE}.lance", ignore_errors=True)
            return database.create_table(TABLE, schema=schema)
        return database.create_table(TABLE, schema=schema, mode="overwrite")  # in one commit


def open_index(index: str | Path, embedder: Embedder, of: Path | None = None) -> tuple[Table, Path]:
    """The table of an index and the folder it is of.

    Raises NotBuilt when there is none, InvalidInput when it is damaged, by another model, or not `of` this folder.
    """
    import lancedb

    index = Path(index).absolute()
    check_name("index", index)
    if not exists(index):
        raise NotBuilt(f"{index} is no index: run `bozzetto search index` on the folder first")
    with _engine(index, "read"):
        table = lancedb.connect(index).open_table(TABLE)
        said = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
        maker, folder = said["model"], (index / said["folder"]).resolve()
    if maker != embedder.id:
        raise InvalidInput(
            "index",
            f"{literal(index)} was made by another model ({literal(maker)}, not {literal(embedder.id)}): "
            "name that one as {}, or index the folder again with {}",
            "model",
            "rebuild",
        )
    if of not in (None, folder):
        why = f"{literal(index)} is the index of {literal(folder)}: name another {{}}, or use {{}}"
        raise InvalidInput("index", why, "index", "rebuild")
    return table, folder


def steady(index: Path, read: Callable[[], Found]) -> Found:
    """What `read` returns. A run that ends meanwhile takes old files away; then it reads once more."""
    while True:
        before = _versions(index)
        try:
            return read()
        except BozzettoError:
            if _versions(index) == before:
                raise


def rows(index: Path, table: Table) -> list[tuple[str, Status]]:
    """Path and status of every picture."""
    with _engine(index, "read"):
        found = table.search().select(["path", "bytes", "modified"]).to_arrow().to_pydict()
    return list(zip(found["path"], zip(found["bytes"], found["modified"], strict=True), strict=True))


def put(index: Path, table: Table, vectors: Sequence[tuple[str, np.ndarray]], files: dict[str, Status]) -> None:
    """Write the vectors of some paths in one commit, in the place of those they had."""
    import pyarrow as pa

    if not vectors:
        return
    paths, arrays = zip(*vectors, strict=True)
    sizes, times = zip(*(files[path] for path in paths), strict=True)
    flat = pa.array(np.concatenate(arrays), pa.float32())
    columns = [
        pa.array(paths),
        pa.array(sizes),
        pa.array(times),
        pa.FixedSizeListArray.from_arrays(flat, len(arrays[0])),
    ]
    with _engine(index, "written to"):
        merge = table.merge_insert("path").when_matched_update_all().when_not_matched_insert_all()
        merge.execute(pa.table(columns, schema=table.schema))


def remove(index: Path, table: Table, paths: Sequence[str]) -> None:
    with _engine(index, "written to"):
        for start in range(0, len(paths), 500):
            quoted = ("'" + path.replace("'", "''") + "'" for path in paths[start : start + 500])
            table.delete(f"path IN ({', '.join(quoted)})")


def tidy(index: Path, table: Table) -> None:
    """Join small files, drop old versions; a large table gets an approximate index, to which later rows are added."""
    with _engine(index, "written to"):
        time.sleep(0.02)  # until the version before is surely older than that: the times of files tick in milliseconds
        table.optimize(cleanup_older_than=timedelta(milliseconds=1))
        if table.count_rows() >= ANN_FROM and not table.list_indices():
            build_ann(table)


def build_ann(table: Table) -> None:
    """An approximate index over the vectors.

    An inverted file (Sivic and Zisserman 2003): k-means cuts the vectors into partitions, and a query is compared,
    exactly, with those of the nearest ones. It keeps whole vectors: product quantization (IVF-PQ) needs to look at
    hundreds of candidates again to find the same ten, and takes ten times as long to build.
    """
    from lancedb.index import IvfFlat

    partitions = math.isqrt(table.count_rows())
    table.create_index(
        "vector", config=IvfFlat(distance_type="dot", num_partitions=partitions, sample_rate=64, max_iterations=10)
    )


def nearest(index: Path, table: Table, vector: np.ndarray, k: int) -> list[tuple[str, float]]:
    """The k rows nearest to a unit vector: (path, cosine). Exact, unless the table has an approximate index."""
    with _engine(index, "read"):
        query: Any = table.search(vector)  # of a vector, which LanceDB's types do not tell from other queries
        query = query.distance_type("dot").select(["path", "_distance"]).limit(k)
        found = query.nprobes(NPROBES).to_arrow()
    scores = 1 - found["_distance"].to_numpy()
    return list(zip(found["path"].to_pylist(), scores.tolist(), strict=True))


def _versions(index: Path) -> list[str]:
    return sorted(path.name for path in (index / f"{TABLE}.lance" / "_versions").glob("*.manifest"))


@contextmanager
def _engine(index: Path, doing: str) -> Iterator[None]:
    """What the engine and the disk raise, as InvalidInput: no room, no rights, or else a damaged index."""
    try:
        yield
    except BozzettoError:
        raise
    except Exception as error:  # the engine's share no narrower base, and speak of the disk's in their text
        said = re.search(r"\(os error (\d+)\)", str(error))
        number = error.errno if isinstance(error, OSError) else said and int(said[1])
        if not number or number == errno.ENOENT:
            reason, fix, other = str(error).splitlines()[0][:200], "index the folder again with {}", "rebuild"
        elif doing == "read":
            raise InvalidInput("index", f"{index} cannot be read ({os.strerror(number)}): check its rights") from error
        else:
            reason, other = os.strerror(number), "index"
            fix = "make room there, or " * (number in FULL) + "keep it elsewhere with {}"
        raise InvalidInput("index", f"{literal(index)} cannot be {doing} ({literal(reason)}): {fix}", other) from error
