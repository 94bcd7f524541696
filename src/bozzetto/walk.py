"""What is in a folder: the pictures that can be read, and what is left out and why."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from bozzetto.errors import InvalidInput, MissingFile
from bozzetto.pictures import FORMATS

SUFFIXES = tuple(suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS)
# Other pictures and films: they are not read, and said to be there.
_NAMES = """
    .heic .heif .hif .avif .tif .tiff .svg .svgz .jxl .jp2 .j2k .jpf .jpx .psd .xcf .kra .ai .eps .dds .exr .hdr .tga
    .ico .icns .pcx .ppm .pgm .pbm .pnm .qoi .dib .dng .raw .cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .raf .orf .rw2 .pef
    .srw .x3f .3fr .fff .iiq .mos .dcr .kdc .erf .mrw .rwl .mov .mp4 .m4v .avi .mkv .webm .mpg .mpeg .wmv .flv .3gp
    .mts .m2ts .insv
"""
OTHERS = frozenset(_NAMES.split())
# Where network drives and systems keep what is no picture of the user's: small copies, and what was thrown away.
COPIES = frozenset(("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "$recycle.bin", "thumbs"))
COPIES |= {".thumbnails", ".@__thumb", ".trash", ".trashes"}
UNREADABLE, EMPTIED = "unreadable", "emptied"
MOST = 2**63 - 1  # what a column holds; a date after 2262 or before 1678 is kept as the last or first one


@dataclass(frozen=True)
class Skipped:
    """A file or folder that is left out: its kind is for counting, the reason says more."""

    path: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Contents:
    """files: path from the folder -> (bytes, time of change in ns). unseen: paths below which there may be more."""

    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    unseen: set[str] = field(default_factory=set)

    def may_hold(self, path: str) -> bool:
        """Is this file there, or somewhere that could not be read?"""
        return path in self.files or not self.unseen.isdisjoint({path, *_above({path})})


def check_folder(folder: str | Path) -> Path:
    """The folder as an absolute path without links. Raises MissingFile or InvalidInput."""
    folder = Path(folder)
    if not folder.exists():
        raise MissingFile("folder", f"{folder} is not there: check the name")
    if not folder.is_dir():
        raise InvalidInput("folder", f"{folder} is a file: name a folder of pictures")
    return folder.resolve()


def walk(folder: Path, known: Iterable[str] = ()) -> Contents:
    """Look through a folder, hidden files and folders apart; links to folders are not followed.

    known: paths that were there. A folder that held some and is empty now may be a drive that is not mounted.
    """
    found = Contents()
    held = _above(known)

    def relative(path: str) -> str:
        return Path(path).relative_to(folder).as_posix()

    def skip(path: str, kind: str, reason: str) -> None:
        found.skipped.append(Skipped(os.fsencode(relative(path)).decode(errors="replace"), kind, reason))

    def unreadable(error: OSError) -> None:
        if error.filename == str(folder):
            raise InvalidInput("folder", f"{folder} cannot be read ({error.strerror}): check its rights") from error
        found.unseen.add(relative(error.filename))
        skip(error.filename, UNREADABLE, str(error.strerror))

    for where, folders, names in os.walk(folder, onerror=unreadable):
        if not folders and not names and where != str(folder) and relative(where) in held:
            found.unseen.add(relative(where))
            skip(where, EMPTIED, "it is empty now, so the pictures that were in it are kept")
        for name in list(folders):
            path = os.path.join(where, name)
            if name.lower() in COPIES:
                skip(path, "thumbnails or trash", "a folder that a network drive or a system keeps for itself")
            elif not name.startswith(".") and os.path.islink(path):
                skip(path, "link", "a link to a folder, which is not followed")
            elif not name.startswith("."):
                continue
            folders.remove(name)
        folders.sort()
        for name in sorted(names):
            path, suffix = os.path.join(where, name), os.path.splitext(name)[1].lower()
            if name.startswith(".") or suffix not in SUFFIXES:
                if not name.startswith(".") and suffix in OTHERS:
                    skip(path, suffix, "this kind is not read: convert it to JPEG or PNG")
                continue
            try:
                relative(path).encode()
                if os.path.islink(path) and not Path(os.path.realpath(path)).is_relative_to(folder):
                    skip(path, "link", "it leads out of the folder")
                    continue
                status = os.stat(path)
            except UnicodeEncodeError:
                skip(path, "name", "it is no UTF-8")
            except OSError as error:
                unreadable(error)
            else:
                if stat.S_ISREG(status.st_mode):
                    found.files[relative(path)] = status.st_size, min(max(status.st_mtime_ns, -MOST), MOST)
                else:
                    skip(path, "no file", "it is no file")
    return found


def _above(paths: Iterable[str]) -> set[str]:
    """The folders that hold these paths, and those that hold these folders."""
    folders = {path.rpartition("/")[0] for path in paths} - {""}
    return folders | _above(folders) if folders else folders
