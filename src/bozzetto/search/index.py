"""A folder's pictures as a LanceDB table on disk: path, size, time of change and vector of each.

Only new and changed files are embedded, by size and time of change. Every change of the table is one commit of LanceDB,
which happens whole or not at all, and the table itself is made in another place and then renamed; so a run that is
killed leaves an index that opens, and the next run goes on from its last commit.
"""

from __future__ import annotations

import math
import os
import shutil
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from bozzetto import pictures
from bozzetto.runtime.requests import check_prompt
from bozzetto.search.embed import Embedder

if TYPE_CHECKING:
    from lancedb.table import Table

PLACE = ".bozzetto-index"
TABLE = "pictures"
PART = "part"  # where the table is made, in the folder of the index
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
BATCH = 64  # pictures a pass of the model
COMMIT = 1024  # pictures a commit: what a kill can cost, about three seconds of work
ANN_FROM = 100_000  # pictures from which search goes through an approximate index
NPROBES = 40  # how many partitions of that index a query visits
MAX_RESULTS = 1000
MOST = 2**63 - 1  # what a column holds; a date after 2262 or before 1678 is kept as the last or first one


@dataclass(frozen=True)
class Skipped:
    """A file that is not in the index: its kind is for counting, the reason says more."""

    path: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Report:
    """What a run has done. pictures: in the index now; animated: of those embedded, by their first frame."""

    index: Path
    folder: Path
    pictures: int
    embedded: int
    removed: int
    animated: int
    skipped: list[Skipped]
    complete: bool
    approximate: bool


def index_folder(
    folder: str | Path,
    embedder: Embedder,
    index: str | Path | None = None,
    *,
    rebuild: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> Report:
    """Bring the index of a folder up to date, and make it first if need be; hidden files and folders are left out.

    index: where it is, by default `.bozzetto-index` in the folder. rebuild: embed every picture anew.
    progress(pictures done, pictures to embed). stop(): asked after every batch; if true, what is done is committed.

    Raises FileNotFoundError without the folder, ValueError for an index of another model or another folder.
    """
    folder = _folder(folder)
    index = Path(index or folder / PLACE).absolute()
    files, skipped = _walk(folder)
    if not files and not _exists(index):
        raise ValueError(f"folder {folder} has no pictures: name one with {', '.join(SUFFIXES)} files")
    if _exists(index) and not rebuild:
        table, indexed = open_index(index, embedder)
        if indexed != folder:
            raise ValueError(f"{index} is the index of {indexed}: name another --index, or use --rebuild")
    else:
        table = _create(index, folder, embedder)

    with _readable(index):
        rows = table.search().select(["path", "bytes", "modified"]).to_arrow().to_pylist()
    fresh, stale = set(), set()
    for row in rows:
        path = row["path"]
        # A path that is there twice was written by two runs at once.
        known = path in fresh or files.get(path) != (row["bytes"], row["modified"])
        (stale if known else fresh).add(path)
    gone = [path for path in stale if path not in files]
    fresh -= stale
    _delete(table, sorted(stale))

    wanted = [path for path in files if path not in fresh]
    embedded = animated = 0
    pending: list[tuple[str, np.ndarray]] = []
    complete = True

    def read(path: str) -> tuple[str, np.ndarray, bool] | Skipped:
        return _read(folder, path, embedder)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = 0
        for batch in _batches(_ahead(pool, read, wanted, 4 * BATCH), BATCH):
            skipped += [item for item in batch if isinstance(item, Skipped)]
            good = [item for item in batch if not isinstance(item, Skipped)]
            if good:
                vectors = embedder.encode_image(np.stack([pixels for _, pixels, _ in good]))
                pending += zip([path for path, _, _ in good], vectors, strict=True)
                embedded += len(good)
                animated += sum(moves for _, _, moves in good)
            done += len(batch)
            progress(done, len(wanted))
            if len(pending) >= COMMIT:
                _add(table, pending, files)
                pending = []
            if stop():
                complete = False
                pool.shutdown(wait=False, cancel_futures=True)
                break
    _add(table, pending, files)
    if complete and (embedded or stale):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a search that is under way may fail now, and can be run again
            table.optimize(cleanup_older_than=timedelta(0))
        if table.count_rows() >= ANN_FROM and not table.list_indices():
            _build_ann(table)
    return Report(
        index=index,
        folder=folder,
        pictures=table.count_rows(),
        embedded=embedded,
        removed=len(gone),
        animated=animated,
        skipped=sorted(skipped, key=lambda item: item.path),
        complete=complete,
        approximate=bool(table.list_indices()),
    )


def open_index(index: str | Path, embedder: Embedder) -> tuple[Table, Path]:
    """The table of an index and the folder it is of. ValueError unless it is there, whole and made by this model."""
    import lancedb

    index = Path(index).absolute()
    if not _exists(index):
        raise FileNotFoundError(f"{index} is no index: run `bozzetto search index` on the folder first")
    with _readable(index):
        table = lancedb.connect(index).open_table(TABLE)
        said = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
        model, folder = said["model"], (index / said["folder"]).resolve()
    if model != embedder.id:
        raise ValueError(
            f"{index} was made by another model ({model}, not {embedder.id}): "
            "name that one with --model, or index the folder again with --rebuild"
        )
    return table, folder


def search(index: str | Path, embedder: Embedder, vector: np.ndarray, k: int = 12) -> list[tuple[Path, float]]:
    """The k pictures nearest to a unit vector [width], best first: (path, cosine)."""
    check_count(k)
    table, folder = open_index(index, embedder)
    with _readable(Path(index)):
        found = nearest(table, vector, k)
    return [(folder / path, score) for path, score in found]


def check_count(k: int) -> None:
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MAX_RESULTS:
        raise ValueError(f"k must be a whole number from 1 to {MAX_RESULTS}, not {k!r}")


def nearest(table: Table, vector: np.ndarray, k: int) -> list[tuple[str, float]]:
    """The k rows nearest to a unit vector: (path, cosine). Exact, unless the table has an approximate index."""
    query = table.search(vector).distance_type("dot").select(["path", "_distance"]).limit(k)
    found = query.nprobes(NPROBES).to_arrow()
    scores = 1 - found["_distance"].to_numpy()
    return list(zip(found["path"].to_pylist(), scores.tolist(), strict=True))


def query_vector(
    embedder: Embedder, words: str | None = None, picture: Image.Image | None = None, less: str | None = None
) -> np.ndarray:
    """A unit vector [width]: the sum of the vectors of words and picture, minus that of what there should be less of.

    Raises ValueError without words and picture, for words that are none or too long, or when nothing is left.
    """
    if words is None and picture is None:
        raise ValueError("say what to find: words, a picture, or both")
    total = np.zeros(embedder.width, np.float32)
    for name, text, sign in (("words", words, 1), ("less", less, -1)):
        if text is not None:
            check_prompt(name, text, may_be_empty=True)
            if not text.strip():
                raise ValueError(f'{name} is empty: write "a red fruit" for example')
            total += sign * embedder.encode_text([text])[0]
    if picture is not None:
        total += embedder.encode_image(embedder.prepare(picture)[None])[0]
    length = np.linalg.norm(total)
    if length < 1e-3:
        raise ValueError("less takes away all that is asked for: use other words")
    return total / length


def _folder(folder: str | Path) -> Path:
    folder = Path(folder)
    if not folder.exists():
        raise FileNotFoundError(f"folder {folder} is not there: check the name")
    if not folder.is_dir():
        raise ValueError(f"folder {folder} is a file: name a folder of pictures")
    return folder.resolve()


def _walk(folder: Path) -> tuple[dict[str, tuple[int, int]], list[Skipped]]:
    """Every picture file below a folder, as path from there -> (bytes, time of change in ns), and what is left out."""
    files, skipped = {}, []

    def skip(path: str, kind: str, error: object = "") -> None:
        skipped.append(Skipped(os.fsencode(os.path.relpath(path, folder)).decode(errors="replace"), kind, str(error)))

    def unreadable(error: OSError) -> None:
        skip(error.filename, "unreadable", error.strerror)

    for where, folders, names in os.walk(folder, onerror=unreadable):  # which does not follow links to folders
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(where, name)
            if name.startswith(".") or not name.lower().endswith(SUFFIXES):
                continue
            try:
                relative = Path(path).relative_to(folder).as_posix()
                relative.encode()
                if not Path(os.path.realpath(path)).is_relative_to(folder):
                    skip(path, "link", "it leads out of the folder")
                    continue
                status = os.stat(path)
            except UnicodeEncodeError:
                skip(path, "name", "it is no UTF-8")
            except OSError as error:
                unreadable(error)
            else:
                files[relative] = status.st_size, min(max(status.st_mtime_ns, -MOST), MOST)
    return files, skipped


def _read(folder: Path, path: str, embedder: Embedder) -> tuple[str, np.ndarray, bool] | Skipped:
    """(path, what the model takes, is it animated?) of one picture file."""
    file = folder / path
    try:
        image = pictures.open_picture(file)
        with Image.open(file, formats=pictures.FORMATS) as opened:  # the header only
            animated = getattr(opened, "is_animated", False)
        return path, embedder.prepare(image), animated
    except Exception as error:  # a parser of strange files can fail in every way
        reason = str(error).removeprefix(f"picture {file} ")
        kinds = {"0 bytes": "empty", " at most": "too large", "is none of": "not a picture", "not a file": "no file"}
        return Skipped(path, next((kind for text, kind in kinds.items() if text in reason), "broken"), reason)


def _ahead(pool: ThreadPoolExecutor, function: Callable, items: Iterable, count: int) -> Iterator:
    """map() in threads, in order, that runs at most `count` items ahead of who takes the results."""
    items = iter(items)
    waiting = deque(pool.submit(function, item) for item in islice(items, count))
    while waiting:
        yield waiting.popleft().result()
        waiting.extend(pool.submit(function, item) for item in islice(items, 1))


def _batches(items: Iterator, size: int) -> Iterator[list]:
    while batch := list(islice(items, size)):
        yield batch


# ---------------------------------------------------------------- the table


def _table_folder(index: Path) -> Path:
    return index / f"{TABLE}.lance"


def _exists(index: Path) -> bool:
    return _table_folder(index).is_dir()


@contextmanager
def _readable(index: Path) -> Iterator[None]:
    """What LanceDB raises for a table that is damaged, as ValueError."""
    try:
        yield
    except Exception as error:  # its exceptions share no narrower base
        raise ValueError(
            f"{index} cannot be read ({str(error).splitlines()[0][:200]}): index the folder again with --rebuild"
        ) from error


def _schema(width: int, **said: str):
    import pyarrow as pa

    return pa.schema(
        {"path": pa.string(), "bytes": pa.int64(), "modified": pa.int64(), "vector": pa.list_(pa.float32(), width)},
        metadata=said,
    )


def _create(index: Path, folder: Path, embedder: Embedder) -> Table:
    """An empty index in the place of what was there; it appears whole."""
    import lancedb

    if index.exists() and not (
        _exists(index) or (index.is_dir() and {path.name for path in index.iterdir()} <= {PART})
    ):
        raise ValueError(f"{index} is not an index: name an empty folder, or one that is not there")
    if not index.parent.is_dir():
        raise ValueError(f"{index}: the folder {index.parent} is not there, make it first")
    shutil.rmtree(index / PART, ignore_errors=True)
    # From its usual place the index finds the folder even when both are moved.
    where = ".." if index.parent == folder else str(folder)
    schema = _schema(embedder.width, model=embedder.id, folder=where)
    lancedb.connect(index / PART).create_table(TABLE, schema=schema)
    if _exists(index):
        shutil.rmtree(_table_folder(index))
    os.replace(_table_folder(index / PART), _table_folder(index))
    shutil.rmtree(index / PART)
    return lancedb.connect(index).open_table(TABLE)


def _add(table: Table, rows: Sequence[tuple[str, np.ndarray]], files: dict[str, tuple[int, int]]) -> None:
    import pyarrow as pa

    if not rows:
        return
    paths, vectors = zip(*rows, strict=True)
    sizes, times = zip(*(files[path] for path in paths), strict=True)
    flat = pa.array(np.concatenate(vectors), pa.float32())
    columns = [
        pa.array(paths),
        pa.array(sizes),
        pa.array(times),
        pa.FixedSizeListArray.from_arrays(flat, len(vectors[0])),
    ]
    table.add(pa.table(columns, schema=table.schema))


def _delete(table: Table, paths: Sequence[str]) -> None:
    for start in range(0, len(paths), 500):
        quoted = ("'" + path.replace("'", "''") + "'" for path in paths[start : start + 500])
        table.delete(f"path IN ({', '.join(quoted)})")


def _build_ann(table: Table) -> None:
    """An approximate index over the vectors; later runs add to it as they optimize.

    An inverted file (Sivic and Zisserman 2003): k-means cuts the vectors into partitions, and a query is compared,
    exactly, with those of the nearest ones. It keeps whole vectors: product quantization (IVF-PQ) needs to look at
    hundreds of candidates again to find the same ten, and takes ten times as long to build.
    """
    from lancedb.index import IvfFlat

    partitions = math.isqrt(table.count_rows())
    table.create_index(
        "vector",
        config=IvfFlat(distance_type="dot", num_partitions=partitions, sample_rate=64, max_iterations=10),
    )
