"""Your own pictures, from a folder, a zip file, a tar (WebDataset) or a table (CSV, TSV, JSONL, Parquet), for training.

An archive is read as if it were a folder, and never unpacked. The class of a picture is the first folder below the one
that all share, or its table's; "train" and "test" there are a split and no classes. Its words are its table's, or those
of a text beside it: a.txt for a.png, or WebDataset's a.cls and a.json. `metadata.csv` or `metadata.jsonl` in a folder
or an archive is its table. Names are sorted, so that the same files are the same rows on every machine.

What is wrong with one picture is kept in `Own.broken`, and the others are read; what is wrong with the whole is
InvalidInput about "data".
"""

import csv
import hashlib
import io
import itertools
import json
import lzma
import operator
import os
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from bozzetto import pictures
from bozzetto.errors import InvalidInput, MissingFile, require
from bozzetto.walk import COPIES, OTHERS, SUFFIXES, Contents, Skipped, walk
from bozzetto.world.twins import sides, twins

MOST = 100_000  # pictures, which take 1.6 GB at 64 pixels
MOST_CLASSES = 1000
MOST_TEXT = 2**16  # bytes beside a picture
MOST_TABLE = 2**28
TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
METADATA = ("metadata.csv", "metadata.jsonl")  # in a folder or an archive, as Hugging Face has it
BESIDE = {".txt": "caption", ".cls": "label", ".json": ""}
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
TAKEN = f"a folder of pictures, a .zip, a .tar, or a table ({', '.join(TABLES)})"
# What columns are called, in tables and in the JSON of a WebDataset; the first that is there counts.
PICTURE = ("file_name", "filename", "file", "path", "image_path", "image", "picture", "img")
CAPTION = ("caption", "text", "sentence", "description", "prompt", "name")
LABEL = ("label", "class", "category", "subgroup")
SPLIT = ("split",)
SPLITS = {"train": "train", "training": "train", "test": "test", "val": "test", "valid": "test", "validation": "test"}
UNREADABLE: tuple[type[Exception], ...] = (OSError, EOFError, RuntimeError, zlib.error, lzma.LZMAError)
UNREADABLE += (zipfile.BadZipFile, tarfile.TarError)
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Item:
    """A picture that is not read yet. read: the bytes of its file, MAX_BYTES + 1 at most; trouble: with its words."""

    name: str
    read: Callable[[], bytes]
    caption: str = ""
    label: str = ""
    split: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class Files:
    """A folder, or an archive as if it were one.

    pictures: paths of its picture files, with "/"; texts: of what may stand beside them; tables: what says all of them.
    read(path, most): the first bytes of a file in it, `most` + 1 of them at most; KeyError or FileNotFoundError where
    there is none. inside(path): whether what a table names stays in it.
    """

    pictures: list[str]
    texts: list[str]
    tables: list[str]
    read: Callable[[str, int], bytes]
    inside: Callable[[str], bool] = lambda path: True
    skipped: list[Skipped] = field(default_factory=list)


@dataclass(frozen=True)
class Own:
    """N pictures, sorted by name; every list has one entry a picture.

    images: uint8 [N,S,S,4], straight alpha, as `square` makes them. captions, labels: "" where there are none. splits:
    "train" or "test". twins: int64 [N], the first row of nearly the same picture; copies: int64 [N], of the same bytes.
    sizes: (width, height) and modes: Pillow's, of the files; animated: whether they move, whose first frame counts.
    broken: what could not be read; skipped: what was not looked at.
    """

    images: np.ndarray
    names: list[str]
    captions: list[str]
    labels: list[str]
    splits: list[str]
    twins: np.ndarray
    copies: np.ndarray
    sizes: list[tuple[int, int]]
    modes: list[str]
    animated: list[bool]
    broken: list[Skipped]
    skipped: list[Skipped]


def load(path: Path, size: int, progress: Progress = lambda done, total: None) -> Own:
    """Read all pictures at `size` x `size` pixels. progress(done, total): of the files, then of the search for twins.

    Raises MissingFile, or InvalidInput with one line about what holds the pictures.
    """
    count, items, skipped = _items(path)
    if count > MOST:
        raise InvalidInput("data", f"{path} has {count} pictures: {MOST} at most, take some of them")
    images = np.empty((count, size, size, 4), np.uint8)
    read: list[tuple[Item, bytes, tuple[int, int], str, bool]] = []
    broken = []
    for done, item in enumerate(items):
        progress(done, count)
        if item.trouble:
            broken.append(Skipped(item.name, "words", item.trouble))
        try:
            content = item.read()
            image = pictures.peek(content)
            about = image.size, image.mode, bool(getattr(image, "is_animated", False))
            image.draft(None, (8 * size, 8 * size))  # a large JPEG is decoded at a fraction of its size
            images[len(read)] = np.asarray(square(pictures.decode(image, content), size))
        except InvalidInput as error:
            broken.append(Skipped(item.name, "broken", error.why))
        except (KeyError, FileNotFoundError):
            broken.append(Skipped(item.name, "missing", "is not there: check its name in the table"))
        except Exception as error:  # a parser of strange files can fail in every way
            broken.append(Skipped(item.name, "broken", f"cannot be read: {error}"))
        else:
            read.append((item, hashlib.sha256(content).digest(), *about))
    if not read:
        first = f"; {broken[0].path} {broken[0].reason}" if broken else ""
        raise InvalidInput("data", f"{path} holds no picture that can be read ({', '.join(SUFFIXES)}){first}")
    order = sorted(range(len(read)), key=lambda i: (read[i][0].name, read[i][0].caption))
    images = images[order]
    of, digests, sizes, modes, animated = map(list, zip(*(read[i] for i in order), strict=True))
    row_of = {digest: row for row, digest in reversed(list(enumerate(digests)))}
    copies = np.array([row_of[digest] for digest in digests])
    alike = twins(images, copies, progress)
    names, labels = [item.name for item in of], [item.label for item in of]
    splits = sides(names, alike, [item.split for item in of])
    if (classes := len(set(labels))) > MOST_CLASSES:
        raise InvalidInput("data", f"{path} has {classes} classes: {MOST_CLASSES} at most, name fewer")
    if "train" not in splits:
        raise InvalidInput("data", f"{path} has test pictures only: name those to learn from")
    captions = [item.caption for item in of]
    return Own(images, names, captions, labels, splits, alike, copies, sizes, modes, animated, broken, skipped)


def square(image: Image.Image, size: int) -> Image.Image:
    """An RGBA picture as a square of `size`: whole, on more of its own paper, where its border is of one colour or of
    none, as a drawing's is; otherwise, as a photo, its middle."""
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


# ---------------------------------------------------------------- what holds the pictures


def _items(path: Path) -> tuple[int, Iterable[Item], list[Skipped]]:
    """How many pictures there are, the pictures, and what was left out."""
    suffix = path.suffix.lower()
    if not path.exists():
        raise MissingFile("data", f"{path} is not there: name {TAKEN}")
    try:
        if path.is_dir():
            files = _folder(path, walk(Path(os.path.realpath(path))))
        elif suffix == ".zip":
            files = _zip(path)
        elif path.name.lower().endswith(TARS):
            files = _tar(path)
        elif suffix == ".parquet" and path.is_file():
            return *_parquet(path, _folder(path.parent)), []
        elif suffix in TABLES and path.is_file():
            return *_table(path.name, str(path), _folder(path.parent)), []
        else:
            raise InvalidInput("data", f"{path} is no set of pictures that is known: name {TAKEN}")
        for name in files.tables:
            return *_table(name, f"{path}: {name}", files), files.skipped
        return len(files.pictures), _beside(files), files.skipped
    except UNREADABLE as error:
        raise InvalidInput("data", f"{path} is cut short, broken or locked ({error}): make it anew") from error


def _folder(folder: Path, found: Contents = Contents()) -> Files:  # noqa: B008  (nobody changes it)
    """A folder, and what was found in it; with nothing found, a table names its pictures."""
    root = Path(os.path.realpath(folder))

    def read(name: str, most: int) -> bytes:
        if not (root / name).is_file():  # nor a pipe, which would wait
            raise FileNotFoundError(name)
        with open(root / name, "rb") as file:
            return file.read(most + 1)

    def inside(name: str) -> bool:
        return Path(os.path.realpath(root / name)).is_relative_to(root)

    names = list(found.files)
    texts = [os.path.splitext(name)[0] + suffix for name in names for suffix in BESIDE]
    tables = [name for name in METADATA if (root / name).is_file()]
    return Files(names, texts, tables, read, inside, found.skipped)


def _zip(path: Path) -> Files:
    archive = zipfile.ZipFile(path)
    members = {info.filename: info for info in archive.infolist() if not info.is_dir()}

    def read(name: str, most: int) -> bytes:
        with archive.open(members[name]) as file:
            return file.read(most + 1)

    return _archive(members, read)


def _tar(path: Path) -> Files:
    archive = tarfile.open(path)  # noqa: SIM115  (for as long as the pictures are read)
    members = {member.name.removeprefix("./"): member for member in archive if member.isfile()}
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(512) != bytes(512):  # its end, without which the library takes what is there for all
        raise InvalidInput("data", f"{path} is cut short after {len(members)} files: fetch it again")

    def read(name: str, most: int) -> bytes:
        file = archive.extractfile(members[name])
        return file.read(most + 1) if file else b""

    return _archive(members, read)


def _archive(members: Iterable[str], read: Callable[[str, int], bytes]) -> Files:
    """The files of an archive, in its order: going back in a packed one is slow. Hidden ones apart."""
    files = Files([], [], [name for name in METADATA if name in members], read)
    for name in members:
        parts, suffix = name.lower().split("/"), os.path.splitext(name)[1].lower()
        if any(part.startswith((".", "__macosx")) or part in COPIES for part in parts):
            continue
        try:
            name.encode()
        except UnicodeEncodeError:
            files.skipped.append(Skipped(os.fsencode(name).decode(errors="replace"), "name", "it is no UTF-8"))
            continue
        if suffix in SUFFIXES:
            files.pictures.append(name)
        elif suffix in BESIDE:
            files.texts.append(name)
        elif suffix in OTHERS:
            files.skipped.append(Skipped(name, suffix, "this kind is not read: convert it to JPEG or PNG"))
    return files


# ---------------------------------------------------------------- what is said of them


def _beside(files: Files) -> list[Item]:
    """The pictures with the words beside them, and the class that their folder is."""
    beside: dict[str, dict[str, bytes]] = {os.path.splitext(name)[0]: {} for name in files.pictures}
    for text in files.texts:
        stem, suffix = os.path.splitext(text)
        with suppress(KeyError, FileNotFoundError):
            beside[stem][suffix.lower()] = files.read(text, MOST_TEXT)
    folders = [name.split("/")[:-1] for name in files.pictures]
    least, most = min(folders, default=[]), max(folders, default=[])
    shared = sum(itertools.takewhile(bool, map(operator.eq, least, most)))  # how deep the one is that all share
    below = {folder[shared] for folder in folders if len(folder) > shared}
    split = bool(below) and below <= SPLITS.keys()
    items = []
    for name, folder in zip(files.pictures, folders, strict=True):
        rest = folder[shared:]
        told = {"split": rest.pop(0) if split and rest else "", "label": rest[0] if rest else ""}
        trouble = ""
        for suffix, content in beside[os.path.splitext(name)[0]].items():
            try:
                text = content.decode("utf-8-sig")
                if len(content) > MOST_TEXT:
                    raise ValueError
                told |= json.loads(text) if suffix == ".json" else {BESIDE[suffix]: text}
            except UnicodeDecodeError:
                trouble = f"its {suffix} is no UTF-8 text: save it as UTF-8"
            except (ValueError, TypeError, RecursionError):
                trouble = f"its {suffix} cannot be used: {MOST_TEXT >> 10} KB at most, and JSON an object"
        items.append(_item(name, partial(files.read, name, pictures.MAX_BYTES), told, trouble))
    return items


def _item(name: str, read: Callable[[], bytes], told: Mapping[str, Any], trouble: str = "") -> Item:
    """With what a record says of it, whatever it calls that."""
    record = {str(key).strip().lower(): value for key, value in told.items()}

    def said(columns: Iterable[str]) -> str:
        value = next((record[key] for key in columns if record.get(key) not in (None, "", [])), "")
        return " ".join(str(value[0] if isinstance(value, list) else value).split())

    return Item(name, read, said(CAPTION), said(LABEL), SPLITS.get(said(SPLIT).lower(), ""), trouble)


def _table(name: str, title: str, files: Files) -> tuple[int, Iterable[Item]]:
    """How many rows a table has, and the picture of each."""
    content = files.read(name, MOST_TABLE)
    if len(content) > MOST_TABLE:
        raise InvalidInput("data", f"{title} is larger than {MOST_TABLE >> 20} MB: cut it in parts")
    try:
        text = content.decode("utf-8-sig")
        if name.lower().endswith(".jsonl"):
            lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
            records = [(n, dict(json.loads(line))) for n, line in lines]
        else:
            header = text.partition("\n")[0]
            reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
            records = [(reader.line_num, record) for record in reader]
    except UnicodeDecodeError:
        raise InvalidInput("data", f"{title} is no UTF-8 text: save it as UTF-8") from None
    except (csv.Error, ValueError, TypeError, RecursionError) as error:
        raise InvalidInput("data", f"{title} is no such table: {error}") from error
    column = _column(title, [str(key) for _, record in records[:1] for key in record])
    return len(records), [_row(f"{title}, line {n}", f"line {n:06}", record, column, files) for n, record in records]


def _parquet(path: Path, files: Files) -> tuple[int, Iterable[Item]]:
    """The same of a Parquet file, which is read bit by bit; its pictures are in it, or paths."""
    require("pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    broken = f"{path} is cut short, or no Parquet file: make it anew"
    try:
        table = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput("data", broken) from error
    text = pa.types.is_string, pa.types.is_large_string
    held = [field.name for field in table.schema_arrow if not any(kind(field.type) for kind in text)]
    names = table.schema_arrow.names
    column = next((key for key in held if key.lower() in PICTURE), "") or _column(str(path), names)
    wanted = [key for key in names if key == column or key.lower() in {*CAPTION, *LABEL, *SPLIT}]

    def items() -> Iterator[Item]:
        try:
            for batch in table.iter_batches(64, columns=wanted):
                for record in batch.to_pylist():
                    yield _row(f"{path}, row {(number := next(count))}", f"row {number:06}", record, column, files)
        except (pa.ArrowException, OSError) as error:
            raise InvalidInput("data", broken) from error

    count = itertools.count(1)
    return table.metadata.num_rows, items()


def _column(title: str, names: Iterable[str]) -> str:
    """The column of the pictures."""
    names = list(names)
    found = next((name for key in PICTURE for name in names if name.strip().lower() == key), None)
    if found is None:
        raise InvalidInput(
            "data", f"{title} has no column of pictures: call it {PICTURE[0]}, and {CAPTION[0]}, {LABEL[0]}"
        )
    return found


def _row(place: str, number: str, record: Mapping[str, Any], column: str, files: Files) -> Item:
    """The picture of a row: bytes, Hugging Face's {bytes, path}, or a path below the folder of the table."""
    picture, told = record.get(column), {key: value for key, value in record.items() if key != column}
    if isinstance(picture, dict):
        number = str(picture.get("path") or number)
        picture = picture.get("bytes") or picture.get("path")
    if isinstance(picture, bytes):
        return _item(number, lambda: picture, told)
    name = posixpath.normpath(str(picture or "").replace("\\", "/"))
    if name.startswith(("/", "../")) or name == ".." or "\0" in name or not files.inside(name):
        raise InvalidInput("data", f"{place}: {name} leads out of the table's folder: name files below it")
    return _item(name if picture else number, partial(files.read, name, pictures.MAX_BYTES), told)
