"""What a set of your own pictures consists of: a folder, a zip file, a tar (WebDataset), a table (CSV, TSV, JSONL,
Parquet), or several of these, as one list of pictures that are not read yet.

An archive is read as if it were a folder, and never unpacked; many archives or Parquet files, of a folder or of a
pattern (`shards-{0000..0099}.tar`), are one set. The class of a picture is the first folder below the one that all
share, or its table's; "train" and "test" there are a split and no classes. Its words are its table's, or those of a
text beside it: a.txt for a.png, or WebDataset's a.cls and a.json. `metadata.csv` or `metadata.jsonl` in a folder or an
archive is its table. Names are sorted, so that the same files are the same rows on every machine.
"""

import csv
import glob
import hashlib
import io
import itertools
import json
import lzma
import operator
import os
import posixpath
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from bozzetto import pictures
from bozzetto.errors import InvalidInput, MissingFile, require
from bozzetto.walk import COPIES, OTHERS, SUFFIXES, Contents, Skipped, walk

MOST = 100_000  # pictures of one archive or one table of text, whose list is in memory
MOST_TEXT = 2**16  # bytes beside a picture
MOST_TABLE = 2**28
TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
METADATA = ("metadata.csv", "metadata.jsonl")  # in a folder or an archive, as Hugging Face has it
BESIDE = {".txt": "caption", ".cls": "label", ".json": ""}
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
SHARDS = (*TARS, ".zip", ".parquet")  # what a set in several files may consist of
TAKEN = f"a folder of pictures, a .zip, a .tar, or a table ({', '.join(TABLES)})"
# What columns are called, in tables and in the JSON of a WebDataset; the first that is there counts.
PICTURE = ("file_name", "filename", "file", "path", "image_path", "image", "picture", "img")
CAPTION = ("caption", "text", "sentence", "description", "prompt", "name")
LABEL = ("label", "class", "category", "subgroup")
SPLIT = ("split",)
SPLITS = {"train": "train", "training": "train", "test": "test", "val": "test", "valid": "test", "validation": "test"}
CUT = "{} is cut short, or no Parquet file: make it anew"
UNREADABLE: tuple[type[Exception], ...] = (OSError, EOFError, RuntimeError, zlib.error, lzma.LZMAError)
UNREADABLE += (zipfile.BadZipFile, tarfile.TarError)
Layout = tuple[int, bool]  # how deep the folder is that all pictures share, and whether those below it are a split


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

    pictures: paths of its picture files, with "/"; texts: of what stands beside them, None where that is to be tried;
    tables: what says all of them.
    read(path, most): the first bytes of a file in it, `most` + 1 of them at most; KeyError or FileNotFoundError where
    there is none. inside(path): whether what a table names stays in it.
    """

    pictures: list[str]
    texts: list[str] | None
    tables: list[str]
    read: Callable[[str, int], bytes]
    inside: Callable[[str], bool] = lambda path: True
    skipped: list[Skipped] = field(default_factory=list)


# ---------------------------------------------------------------- what holds the pictures


def shards(path: Path) -> list[Path]:
    """The files of a set in several: of a folder with nothing else in it, or of a pattern. [] for any other set."""
    if path.is_dir():
        with os.scandir(path) as all_of_them:
            entries = [entry for entry in all_of_them if not entry.name.startswith(".")]
        if any(e.is_dir() or e.name.lower().endswith(SUFFIXES) or e.name in METADATA for e in entries):
            return []
        return sorted(path / entry.name for entry in entries if entry.name.lower().endswith(SHARDS))
    names = [] if path.exists() else _expanded(str(path))
    found = [Path(file) for name in names for file in (sorted(glob.glob(name)) if glob.has_magic(name) else [name])]
    return found if found != [path] else []


def _expanded(pattern: str) -> list[str]:
    """What a shell makes of {0000..0099} and {a,b}."""
    braces = re.search(r"\{(?:(\d+)\.\.(\d+)|([^{}]*,[^{}]*))\}", pattern)
    if not braces:
        return [pattern]
    first, last, words = braces.groups()
    if first and int(last) - int(first) > MOST:
        raise InvalidInput("data", f"{pattern} is more than {MOST} files: name fewer")
    numbers = (f"{n:0{len(first)}}" for n in range(int(first), int(last) + 1)) if first else words.split(",")
    before, after = pattern[: braces.start()], pattern[braces.end() :]
    return [name for number in numbers for name in _expanded(f"{before}{number}{after}")]


@dataclass(frozen=True)
class _Part:
    """A set, or one file of several. folders: of its pictures; items: its pictures, once all folders are known."""

    count: int
    items: Callable[[Layout], Iterable[Item]]
    folders: set[tuple[str, ...]] = field(default_factory=set)
    skipped: list[Skipped] = field(default_factory=list)


def items_of(path: Path) -> tuple[int, Iterable[Item], list[Skipped]]:
    """How many pictures there are, the pictures, and what was left out. Every file is looked through before a picture
    is read, so that a broken one costs no time."""
    several = shards(path)
    one = None if several else _part(path)
    count, folders, skipped = 0, set[tuple[str, ...]](), list[Skipped]()
    for part in [one] if one else map(_part, several):
        count += part.count
        folders |= part.folders
        skipped += part.skipped
    layout = _layout(folders)

    def items() -> Iterator[Item]:
        for file in several or [path]:
            with _whole(file):
                for item in (one or _part(file)).items(layout):
                    yield replace(item, name=f"{file.name}/{item.name}") if several else item

    return count, items(), skipped


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise InvalidInput("data", f"{path} is cut short, broken or locked ({error}): make it anew") from error


def _part(path: Path) -> _Part:
    suffix = path.suffix.lower()
    if not path.exists():
        raise MissingFile("data", f"{path} is not there: name {TAKEN}")
    with _whole(path):
        if path.is_dir():
            files = _folder(path, walk(Path(os.path.realpath(path))))
        elif suffix == ".zip":
            files = _zip(path)
        elif path.name.lower().endswith(TARS):
            files = _tar(path)
        elif suffix == ".parquet" and path.is_file():
            number, rows = _parquet(path, _folder(path.parent))
            return _Part(number, lambda layout: rows)
        elif suffix in TABLES and path.is_file():
            return _listed(path, _table(path.name, str(path), _folder(path.parent)))
        else:
            raise InvalidInput("data", f"{path} is no set of pictures that is known: name {TAKEN}")
        for name in files.tables:
            return _listed(path, _table(name, f"{path}: {name}", files), files.skipped)
        if not path.is_dir():
            _check_list(path, len(files.pictures))
        folders = {tuple(name.split("/")[:-1]) for name in files.pictures}
        return _Part(len(files.pictures), partial(_beside, files), folders, files.skipped)


def _listed(path: Path, items: list[Item], skipped: Iterable[Skipped] = ()) -> _Part:
    _check_list(path, len(items))
    return _Part(len(items), lambda layout: items, skipped=list(skipped))


def _check_list(path: Path, count: int) -> None:
    if count > MOST:
        why = f"{path} has {count} pictures: {MOST} at most in one file, make several in one folder, or unpack it"
        raise InvalidInput("data", why)


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

    tables = [name for name in METADATA if (root / name).is_file()]
    return Files(list(found.files), None, tables, read, inside, found.skipped)


def _zip(path: Path) -> Files:
    archive = zipfile.ZipFile(path)
    members = {info.filename: info for info in archive.infolist() if not info.is_dir()}

    def read(name: str, most: int) -> bytes:
        with archive.open(members[name]) as file:
            return file.read(most + 1)

    return _archive(members, read)


def _tar(path: Path) -> Files:
    archive = tarfile.open(path)  # noqa: SIM115  (for as long as the pictures are read)
    file, members = archive.fileobj, dict[str, tuple[int, int]]()  # where each begins, and its bytes
    assert file is not None
    while member := archive.next():
        if member.isfile() and not member.issparse():
            members[member.name.removeprefix("./")] = member.offset_data, member.size
        archive.members.clear()  # type: ignore[attr-defined]  # they would take a kilobyte each
    file.seek(archive.offset)
    if file.read(512) != bytes(512):  # its end, without which the library takes what is there for all
        raise InvalidInput("data", f"{path} is cut short after {len(members)} files: fetch it again")

    def read(name: str, most: int) -> bytes:
        begin, size = members[name]
        file.seek(begin)
        return file.read(min(size, most + 1))

    return _archive(members, read)


def _archive(members: Iterable[str], read: Callable[[str, int], bytes]) -> Files:
    """The files of an archive, in its order: going back in a packed one is slow. Hidden ones apart."""
    texts = list[str]()
    files = Files([], texts, [name for name in METADATA if name in members], read)
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
            texts.append(name)
        elif suffix in OTHERS:
            files.skipped.append(Skipped(name, suffix, "this kind is not read: convert it to JPEG or PNG"))
    return files


# ---------------------------------------------------------------- what is said of them


def _layout(folders: set[tuple[str, ...]]) -> Layout:
    least, most = min(folders, default=()), max(folders, default=())
    shared = sum(itertools.takewhile(bool, map(operator.eq, least, most)))
    below = {folder[shared] for folder in folders if len(folder) > shared}
    return shared, bool(below) and below <= SPLITS.keys()


def _beside(files: Files, layout: Layout) -> Iterator[Item]:
    """The pictures with the words beside them, and the class that their folder is."""
    stems = (os.path.splitext(name)[0] for name in files.pictures if files.texts is not None)
    beside: dict[str, dict[str, bytes]] = {stem: {} for stem in stems}

    def look(texts: Iterable[str], told: Mapping[str, dict[str, bytes]]) -> None:
        for text in texts:
            stem, suffix = os.path.splitext(text)
            with suppress(KeyError, FileNotFoundError):
                told[stem][suffix.lower()] = files.read(text, MOST_TEXT)

    look(files.texts or (), beside)  # at once, in the order of the archive
    shared, split = layout
    for name in files.pictures:
        rest = name.split("/")[:-1][shared:]
        told = {"split": rest.pop(0) if split and rest else "", "label": rest[0] if rest else ""}
        stem = os.path.splitext(name)[0]
        texts = beside.get(stem, {})
        if files.texts is None:
            look((stem + suffix for suffix in BESIDE), {stem: texts})
        trouble = ""
        for suffix, content in texts.items():
            try:
                text = content.decode("utf-8-sig")
                if len(content) > MOST_TEXT:
                    raise ValueError
                told |= json.loads(text) if suffix == ".json" else {BESIDE[suffix]: text}
            except UnicodeDecodeError:
                trouble = f"its {suffix} is no UTF-8 text: save it as UTF-8"
            except (ValueError, TypeError, RecursionError):
                trouble = f"its {suffix} cannot be used: {MOST_TEXT >> 10} KB at most, and JSON an object"
        yield _item(name, partial(files.read, name, pictures.MAX_BYTES), told, trouble)


def _item(name: str, read: Callable[[], bytes], told: Mapping[str, Any], trouble: str = "") -> Item:
    """With what a record says of it, whatever it calls that."""
    record = {str(key).strip().lower(): value for key, value in told.items()}

    def said(columns: Iterable[str]) -> str:
        value = next((record[key] for key in columns if record.get(key) not in (None, "", [])), "")
        return " ".join(str(value[0] if isinstance(value, list) else value).split())

    return Item(name, read, said(CAPTION), said(LABEL), SPLITS.get(said(SPLIT).lower(), ""), trouble)


def _table(name: str, title: str, files: Files) -> list[Item]:
    """The picture of each row of a table."""
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
    return [_row(f"{title}, line {n}", f"line {n:06}", record, column, files) for n, record in records]


def _parquet(path: Path, files: Files) -> tuple[int, Iterable[Item]]:
    """How many rows a Parquet file has, and the picture of each, read bit by bit; it is in the file, or a path."""
    import pyarrow as pa

    table, column, _ = _opened_parquet(path)
    wanted = [key for key in table.schema_arrow.names if key == column or key.lower() in {*CAPTION, *LABEL, *SPLIT}]

    def items() -> Iterator[Item]:
        try:
            for batch in table.iter_batches(64, columns=wanted):
                for record in batch.to_pylist():
                    yield _row(f"{path}, row {(number := next(count))}", f"row {number:06}", record, column, files)
        except (pa.ArrowException, OSError) as error:
            raise InvalidInput("data", CUT.format(path)) from error

    count = itertools.count(1)
    return table.metadata.num_rows, items()


def _opened_parquet(path: Path) -> tuple[Any, str, bool]:
    """A Parquet file, the column of its pictures, and whether that holds paths."""
    require("pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput("data", CUT.format(path)) from error
    text = pa.types.is_string, pa.types.is_large_string
    held = [field.name for field in table.schema_arrow if not any(kind(field.type) for kind in text)]
    column = next((key for key in held if key.lower() in PICTURE), "")
    return table, column or _column(str(path), table.schema_arrow.names), not column


def _names_files(path: Path) -> bool:
    """Whether the pictures of this table are files beside it."""
    return path.suffix.lower() != ".parquet" or _opened_parquet(path)[2]


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


# ---------------------------------------------------------------- what it was made of


def sources(path: Path) -> dict[str, str]:
    """What a set consists of, and how each was when: files; of a folder all folders in it; of a table what it names."""
    found = {}
    for part in shards(path) or [path]:
        if part.is_dir():
            for where, folders, names in os.walk(part):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                kept = (name for name in sorted(names) if name.lower().endswith((*SUFFIXES, *BESIDE, *METADATA)))
                found[os.fsencode(where).decode(errors="replace")] = _summed(os.path.join(where, name) for name in kept)
        else:
            found[str(part)] = _summed([part])
            if part.suffix.lower() in TABLES and _names_files(part):
                named = (part.parent / item.name for item in _part(part).items((0, False)))
                found[f"what {part} names"] = _summed(named)
    return found


def _summed(files: Iterable[str | Path]) -> str:
    """A sum of how large files are and when they were changed."""
    summed = hashlib.sha256()
    for file in files:
        with suppress(OSError, ValueError):
            status = os.stat(file)
            summed.update(f"{os.path.basename(file)!r} {status.st_size} {status.st_mtime_ns}\n".encode())
    return summed.hexdigest()
