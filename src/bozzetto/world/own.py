"""Your own pictures for training: those that listing.py finds, decoded to one size, split by near-twins.

A set larger than IN_MEMORY is read once, block by block, and kept on the disk (stored.py); its rows are in the order of
its files, and neither its pictures nor what is said of them is in memory.

What is wrong with one picture is kept in `Own.broken`, and the others are read; what is wrong with the whole is
InvalidInput about "data".
"""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from bozzetto import pictures
from bozzetto.errors import InvalidInput, require
from bozzetto.walk import SUFFIXES, Skipped
from bozzetto.world import stored
from bozzetto.world.listing import Item, items_of, sources
from bozzetto.world.twins import sides, twins

IN_MEMORY = 2**28  # bytes of pictures: 65,000 of them at 32 pixels, 16,000 at 64
BLOCK = 1024  # pictures that are read at a time for the disk
MOST_CLASSES = 1000
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Own:
    """N pictures, sorted by name or, on the disk, in the order of their files; every list has one entry a picture.

    images: uint8 [N,S,S,4], straight alpha, as `square` makes them. captions, labels: "" where there are none. splits:
    "train" or "test". twins: int64 [N], the first row of nearly the same picture; copies: int64 [N], of the same bytes.
    sizes: (width, height) and modes: Pillow's, of the files; animated: whether they move, whose first frame counts.
    broken: what could not be read; skipped: what was not looked at.
    """

    images: np.ndarray | stored.Stored
    names: Sequence[str]
    captions: Sequence[str]
    labels: Sequence[str]
    splits: Sequence[str]
    twins: np.ndarray
    copies: np.ndarray
    sizes: Sequence[tuple[int, int]]
    modes: Sequence[str]
    animated: Sequence[bool]
    broken: list[Skipped]
    skipped: list[Skipped]


def load(
    path: Path, size: int, progress: Progress = lambda done, total: None, note: stored.Note = lambda line: None
) -> Own:
    """Read all pictures at `size` x `size` pixels. progress(done, total): of the files, then of the search for twins;
    note(line): of what takes long, or the disk.

    Raises MissingFile, or InvalidInput with one line about what holds the pictures or has no room for them.
    """
    place = stored.place_of(path, title(path), size)
    if place.is_dir() and (kept := stored.opened(place, sources(path), note)):
        return _kept(*kept)
    count, items, skipped = items_of(path)
    if count * size * size * 4 <= IN_MEMORY:
        return _gathered(path, size, count, items, skipped, progress)
    require("pyarrow")
    with stored.alone(place, note):
        made_of = sources(path)
        if not (place.is_dir() and (kept := stored.opened(place, made_of, lambda line: None))):
            needed = stored.room(path, count, size) / 1e9
            note(f"{path} has {count:,} pictures, which are read once and kept in {place}: {needed:.1f} GB of disk")
            with stored.new(place) as folder:
                _prepare(path, size, count, items, skipped, made_of, folder, progress)
            kept = stored.opened(place, made_of, note)
    if not kept:
        raise InvalidInput("data", f"{path} cannot be read back from {place}: is the disk in order?")
    return _kept(*kept)


def title(path: Path) -> str:
    """What a set is called: its file or folder without the end, or what is plain in a pattern."""
    stem = path.resolve().stem
    return stem if path.exists() else re.sub(r"\{.*?\}|[^\w.-]", "", stem).strip("-_.") or "set"


def _decoded(
    items: Iterable[Item], count: int, size: int, broken: list[Skipped], progress: Progress
) -> Iterator[tuple[Item, bytes, np.ndarray, tuple[int, int], str, bool]]:
    """Of each picture that can be read, its item, SHA-256, pixels uint8 [S,S,4], size, mode and whether it moves; the
    others go to `broken`."""
    for done, item in enumerate(items):
        progress(done, count)
        if item.trouble:
            broken.append(Skipped(item.name, "words", item.trouble))
        try:
            content = item.read()
            image = pictures.peek(content)
            about = image.size, image.mode, bool(getattr(image, "is_animated", False))
            image.draft(None, (8 * size, 8 * size))  # a large JPEG is decoded at a fraction of its size
            pixels = np.asarray(square(pictures.decode(image, content), size))
        except InvalidInput as error:
            broken.append(Skipped(item.name, "broken", error.why))
        except (KeyError, FileNotFoundError):
            broken.append(Skipped(item.name, "missing", "is not there: check its name in the table"))
        except Exception as error:  # a parser of strange files can fail in every way
            broken.append(Skipped(item.name, "broken", f"cannot be read: {error}"))
        else:
            yield item, hashlib.sha256(content).digest(), pixels, *about


def _check(path: Path, read: int, classes: int, broken: list[Skipped]) -> None:
    if not read:
        first = f"; {broken[0].path} {broken[0].reason}" if broken else ""
        raise InvalidInput("data", f"{path} holds no picture that can be read ({', '.join(SUFFIXES)}){first}")
    if classes > MOST_CLASSES:
        raise InvalidInput("data", f"{path} has {classes} classes: {MOST_CLASSES} at most, name fewer")


def _split(path: Path, names: Sequence[str], alike: np.ndarray, given: Sequence[str]) -> list[str]:
    splits = sides(names, alike, given)
    if "train" not in splits:
        raise InvalidInput("data", f"{path} has test pictures only: name those to learn from")
    return splits


def _gathered(
    path: Path, size: int, count: int, items: Iterable[Item], skipped: list[Skipped], progress: Progress
) -> Own:
    """All of a set in memory."""
    images, broken = np.empty((count, size, size, 4), np.uint8), list[Skipped]()
    read: list[tuple[Any, ...]] = []  # the item, and what `_decoded` says beside its pixels
    for item, digest, pixels, *about in _decoded(items, count, size, broken, progress):
        images[len(read)] = pixels
        read.append((item, digest, *about))
    _check(path, len(read), 0, broken)
    order = sorted(range(len(read)), key=lambda i: (read[i][0].name, read[i][0].caption))
    images = images[order]
    of, digests, sizes, modes, animated = map(list, zip(*(read[i] for i in order), strict=True))
    row_of = {digest: row for row, digest in reversed(list(enumerate(digests)))}
    copies = np.array([row_of[digest] for digest in digests])
    alike = twins(images, copies, progress)
    names, labels = [item.name for item in of], [item.label for item in of]
    splits = _split(path, names, alike, [item.split for item in of])
    _check(path, len(read), len(set(labels)), broken)
    captions = [item.caption for item in of]
    return Own(images, names, captions, labels, splits, alike, copies, sizes, modes, animated, broken, skipped)


def square(image: Image.Image, size: int) -> Image.Image:
    """An RGBA picture as a square of `size`: whole, on more of its own paper, where its border is of one colour or of
    none, as a drawing's is; otherwise, as a photo, its middle."""
    if image.size == (size, size):
        return image
    border = np.asarray(image.resize((min(image.width, 256), min(image.height, 256)), Image.Resampling.BOX)).astype(int)
    border = np.concatenate([border[0], border[-1], border[:, 0], border[:, -1]])
    if not border[:, 3].any():
        return pictures.fit(image, size)
    if image.width == image.height or np.ptp(border, axis=0).max() > 24:  # what a JPEG makes of one colour
        return ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    paper = Image.new("RGBA", (size, size), tuple(int(value) for value in np.median(border, axis=0)))
    whole = ImageOps.contain(image, (size, size), Image.Resampling.LANCZOS)
    paper.paste(whole, ((size - whole.width) // 2, (size - whole.height) // 2))
    return paper


# ---------------------------------------------------------------- on the disk


def _prepare(
    path: Path,
    size: int,
    count: int,
    items: Iterable[Item],
    skipped: list[Skipped],
    made_of: dict[str, str],
    folder: Path,
    progress: Progress,
) -> None:
    """Read a set into a folder, as stored.py has it: a block of pictures is in memory at a time, and of all of them 8
    bytes of their checksum, and later of what tells near-duplicates."""
    import pyarrow as pa

    text = ("name", "caption", "label", "split", "mode")
    strings = [(name, pa.string()) for name in text]
    schema = pa.schema([*strings, ("size", pa.list_(pa.int32(), 2)), ("animated", pa.bool_())])
    broken, classes, grey, read = list[Skipped](), set[str](), True, 0
    digests, checksum = np.zeros(count, np.uint64), hashlib.sha256()
    decoded = _decoded(items, count, size, broken, progress)
    with open(folder / stored.PICTURES, "wb") as file, stored.written_table(folder / stored.ROWS, schema) as write:
        while block := list(itertools.islice(decoded, BLOCK)):
            of, seen, shown, sizes, modes, animated = zip(*block, strict=True)
            pixels = np.stack(shown)
            file.write(pixels.data)
            checksum.update(pixels.data)
            grey = grey and stored.is_grey(stored.on_paper(pixels))
            digests[read : read + len(of)] = [int.from_bytes(digest[:8], "little") for digest in seen]
            classes.update(item.label for item in of)
            _check(path, read := read + len(of), len(classes), broken)
            said = {name: [getattr(item, name).encode(errors="replace").decode() for item in of] for name in text[:4]}
            write({**said, "mode": modes, "size": sizes, "animated": animated})
    _check(path, read, len(classes), broken)
    told = {name: [vars(item) for item in some] for name, some in (("broken", broken), ("skipped", skipped))}
    about = {"version": stored.VERSION, "sources": made_of, "size": size, "grey": grey}
    about |= {"checksum": checksum.hexdigest(), **told}
    _, first, same = np.unique(digests[:read], return_index=True, return_inverse=True)
    copies = first[same]
    images = np.memmap(folder / stored.PICTURES, np.uint8, "r").reshape(read, size, size, 4)
    alike = twins(images, copies, progress)
    rows = stored.read_table(folder / stored.ROWS)
    splits = _split(path, stored.Column(rows["name"]), alike, stored.Column(rows["split"]))
    schema = pa.schema([("side", pa.string()), ("twin", pa.int64()), ("copy", pa.int64())])
    schema = schema.with_metadata({"about": json.dumps(about)})
    with stored.written_table(folder / stored.FOUND, schema) as write:
        for part in (slice(start, start + BLOCK) for start in range(0, read, BLOCK)):
            write({"side": splits[part], "twin": alike[part], "copy": copies[part]})


def _kept(about: Mapping[str, Any], images: stored.Stored, columns: Mapping[str, Any]) -> Own:
    said = (columns[name] for name in ("name", "caption", "label", "side"))
    first = (columns[name].column.to_numpy() for name in ("twin", "copy"))
    seen = (columns[name] for name in ("size", "mode", "animated"))
    left = ([Skipped(**item) for item in about[name]] for name in ("broken", "skipped"))
    return Own(images, *said, *first, *seen, *left)
