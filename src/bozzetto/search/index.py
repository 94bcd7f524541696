"""The pictures of a folder as vectors: bring an index up to date, and search it.

Only new and changed files are embedded, by size and time of change. What cannot be read keeps its place in the index: a
picture leaves it only when its folder was seen without it. A run that is killed is gone on with by the next.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from bozzetto import pictures
from bozzetto.errors import InvalidInput, literal, whole_number
from bozzetto.runtime.requests import check_prompt
from bozzetto.runtime.session import cores
from bozzetto.search import table as store
from bozzetto.search.embed import Embedder, open_embedder
from bozzetto.search.table import PLACE
from bozzetto.spread import spread
from bozzetto.walk import UNREADABLE, Skipped, check_folder, walk

BATCH = 64  # pictures a pass of the model
COMMIT = 1024  # pictures a commit: what a kill can cost, about three seconds of work
MAX_RESULTS = 1000


Seen = tuple[str, np.ndarray, bool]  # a picture's path, its vector, and whether it moves
Embedded = Generator[list[Seen | Skipped], None, None]
"""Of the pictures of a folder, in order, BATCH at a time: together they are rounded as they are."""


@dataclass(frozen=True)
class Report:
    """What a run has done.

    pictures: in the index now; kept: those of them that could not be seen; animated: embedded, by their first frame.
    """

    index: Path
    folder: Path
    pictures: int
    embedded: int
    removed: int
    kept: int
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
    emptied: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
    embed: Callable[[Path, list[str]], Embedded] | None = None,
) -> Report:
    """Bring the index of a folder up to date, and make it first if need be; hidden files and folders are left out.

    index: where it is, by default `.bozzetto-index` in the folder. rebuild: drop it, and embed every picture anew.
    emptied: forget the pictures of folders that are empty now; without it they are kept, since a drive may be away.
    progress(pictures done, pictures to embed). stop(): asked after every batch; if true, what is done is committed.
    embed(folder, paths): who embeds, this process by default.

    Raises MissingFile without the folder, InvalidInput for one without pictures, and for an index that is of another
    model or folder, damaged, in use by another process, or in a place that cannot be written to.
    """
    folder = check_folder(folder)
    store.check_name("folder", folder)
    index = Path(index or folder / PLACE).absolute()
    store.check_place(index)
    with store.writing(index):
        return _update(
            folder, embedder, index, rebuild, emptied, progress, stop, embed or partial(embed_here, embedder)
        )


def _update(
    folder: Path,
    embedder: Embedder,
    index: Path,
    rebuild: bool,
    emptied: bool,
    progress: Callable[[int, int], None],
    stop: Callable[[], bool],
    embed: Callable[[Path, list[str]], Embedded],
) -> Report:
    new = rebuild or not store.exists(index)
    known: dict[str, store.Status] = {}
    twice: set[str] = set()
    if not new:
        table, _ = store.open_index(index, embedder, folder)
        rows = store.rows(index, table)
        twice = {path for path, count in Counter(path for path, _ in rows).items() if count > 1}  # by two runs at once
        known = {path: status for path, status in rows if path not in twice}
    there = walk(folder, () if emptied else known)
    gone = [path for path in known if not there.may_hold(path)]
    if not there.files and gone and not emptied:
        raise InvalidInput(
            "folder",
            f"{literal(folder)} has no pictures now, and its index has {len(known)}: "
            "look whether its drive is there, or forget them with {}",
            "emptied",
        )
    if not there.files and new and not (emptied and store.exists(index)):
        raise InvalidInput("folder", f"{folder} has no pictures: name one with .png, .jpg, .webp, .gif or .bmp files")
    if new:
        table = store.create(index, folder, embedder)
    store.remove(index, table, [*gone, *twice])

    wanted = [path for path, status in there.files.items() if known.get(path) != status]
    skipped, spoiled = there.skipped, list[str]()
    pending: list[tuple[str, np.ndarray]] = []
    embedded = animated = done = 0
    complete = True
    with closing(embed(folder, wanted)) as batches:
        for batch in batches:
            bad = [item for item in batch if isinstance(item, Skipped)]
            good = [item for item in batch if not isinstance(item, Skipped)]
            skipped += bad
            spoiled += [item.path for item in bad if item.path in known and item.kind != UNREADABLE]
            pending += [(path, vector) for path, vector, _ in good]
            embedded += len(good)
            animated += sum(moves for _, _, moves in good)
            done += len(batch)
            progress(done, len(wanted))
            if len(pending) >= COMMIT:
                store.put(index, table, pending, there.files)
                pending = []
            if stop():
                complete = False
                break
    store.put(index, table, pending, there.files)
    store.remove(index, table, spoiled)
    if complete and (embedded or gone or twice or spoiled):
        store.tidy(index, table)
    return Report(
        index=index,
        folder=folder,
        pictures=table.count_rows(),
        embedded=embedded,
        removed=len(gone),
        kept=sum(path not in there.files for path in known) - len(gone),
        animated=animated,
        skipped=sorted(skipped, key=lambda item: item.path),
        complete=complete,
        approximate=bool(table.list_indices()),
    )


def embed_here(embedder: Embedder, folder: Path, paths: list[str]) -> Embedded:
    """Embed pictures of a folder in this process; their files are read by a thread a core, some ahead."""
    memory = _Memory()
    with ThreadPoolExecutor(cores()) as pool:
        ahead = _ahead(pool, lambda path: _read(folder, path, embedder, memory), paths, 4 * BATCH)
        try:
            while batch := list(islice(ahead, BATCH)):
                good = [item for item in batch if not isinstance(item, Skipped)]
                vectors = iter(embedder.encode_image(np.stack([pixels for _, pixels, _ in good])) if good else ())
                yield [item if isinstance(item, Skipped) else (item[0], next(vectors), item[2]) for item in batch]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def embed_spread(model: str | None, folder: Path, paths: list[str]) -> Embedded:
    """Embed them with the workers of Ray, all of which see the folder, in the same batches. model: of open_embedder."""
    yield from spread(partial(_Worker, model, folder), [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)])


class _Worker:
    def __init__(self, model: str | None, folder: Path):
        self.embedder, self.folder = open_embedder(model), folder

    def __call__(self, paths: list[str]) -> list[Seen | Skipped]:
        (batch,) = embed_here(self.embedder, self.folder, paths)
        return batch


def search(index: str | Path, embedder: Embedder, vector: np.ndarray, k: int = 12) -> list[tuple[Path, float]]:
    """The k pictures nearest to a unit vector [width], best first: (path, cosine). A file may have gone since.

    Raises NotBuilt without an index, InvalidInput for one that is damaged or of another model.
    """
    k = whole_number("k", k, 1, MAX_RESULTS)
    index = Path(index).absolute()

    def read() -> list[tuple[Path, float]]:
        table, folder = store.open_index(index, embedder)
        return [(folder / path, score) for path, score in store.nearest(index, table, vector, k)]

    return store.steady(index, read)


def query_vector(
    embedder: Embedder, words: str | None = None, picture: Image.Image | None = None, less: str | None = None
) -> np.ndarray:
    """A unit vector [width]: the sum of the vectors of words and picture, minus that of what there should be less of.

    Raises InvalidInput without words and picture, for words that are none or too long, or when nothing is left.
    """
    if words is None and picture is None:
        raise InvalidInput("words", "or a picture is needed: say what to find: words, a picture, or both")
    total = np.zeros(embedder.width, np.float32)
    for name, text, sign in (("words", words, 1), ("less", less, -1)):
        if text is not None:
            check_prompt(name, text, may_be_empty=True)
            if not text.strip():
                raise InvalidInput(name, 'is empty: write "a red fruit" for example')
            total += sign * embedder.encode_text([text])[0]
    if picture is not None:
        total += embedder.encode_image(embedder.prepare(picture)[None])[0]
    length = np.linalg.norm(total)
    if length < 1e-3:
        raise InvalidInput("less", "takes away all that is asked for: use other words")
    return total / length


class _Memory:
    """Bounds what threads hold at once: as many pixels as the largest picture may have."""

    def __init__(self) -> None:
        self.free, self.changed = pictures.MAX_PIXELS, threading.Condition()

    @contextmanager
    def held(self, pixels: int) -> Iterator[None]:
        pixels = min(pixels, pictures.MAX_PIXELS)
        with self.changed:
            self.changed.wait_for(lambda: self.free >= pixels)
            self.free -= pixels
        try:
            yield
        finally:
            with self.changed:
                self.free += pixels
                self.changed.notify_all()


def _read(folder: Path, path: str, embedder: Embedder, memory: _Memory) -> tuple[str, np.ndarray, bool] | Skipped:
    """(path, what the model takes, is it animated?) of one picture file."""
    file = folder / path
    try:
        image = pictures.peek(file)
        with memory.held(image.width * image.height):
            return path, embedder.prepare(pictures.decode(image, file)), getattr(image, "is_animated", False)
    except Exception as error:  # a parser of strange files can fail in every way
        cause = error.__cause__ or error
        if isinstance(cause, OSError) and cause.errno:  # the disk, not the picture
            return Skipped(path, UNREADABLE, cause.strerror or str(cause))
        reason = str(error).removeprefix(f"picture {file} ")
        kinds = {"0 bytes": "empty", " at most": "too large", "is none of": "not a picture"}
        return Skipped(path, next((kind for text, kind in kinds.items() if text in reason), "broken"), reason)


def _ahead(pool: ThreadPoolExecutor, function: Callable, items: Iterable, count: int) -> Iterator:
    """map() in threads, in order, that runs at most `count` items ahead of who takes the results."""
    items = iter(items)
    waiting = deque(pool.submit(function, item) for item in islice(items, count))
    while waiting:
        yield waiting.popleft().result()
        waiting.extend(pool.submit(function, item) for item in islice(items, 1))
