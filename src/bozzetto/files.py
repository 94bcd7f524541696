"""Files that appear whole or not at all, whoever else is writing, and folders that one process at a time may change."""

import errno
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bozzetto.errors import InvalidInput

PART = ".part"  # how unfinished files end; they begin with a dot


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to. It takes the place of `path` at the end, and is gone after an error.

    Its name is its own, so that several may write the same file: one of them wins, and nobody sees half a file.
    """
    part = path.with_name(f".{secrets.token_hex(8)}{PART}")  # short, however long the name is
    try:
        with named(path, part):
            yield part
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def named(path: Path, part: Path | None = None) -> Iterator[None]:
    """An OSError in here that names no file (a full disk does not), or only the unfinished `part`, names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(part)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file, text as UTF-8; it appears whole or not at all."""
    with written(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def locked(path: Path, field: str, doing: str) -> Iterator[None]:
    """Hold the lock file `path`, or raise InvalidInput about the argument `field` that says which process holds it.

    doing: what a holder does, "training in it" for example. The lock goes with the process, however that ends. On a
    drive that knows no locks there is none.
    """
    with open(path, "a+", encoding="utf-8") as file:
        try:
            _lock(file.fileno())
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise InvalidInput(
                field, f"{path.parent} is in use: process {holder} is {doing}; wait for it, or stop it"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


if sys.platform == "win32":
    import msvcrt

    def _lock(number: int) -> None:
        os.lseek(number, 1 << 30, os.SEEK_SET)  # far behind the text, which others may still read
        try:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError from error
else:
    import fcntl

    def _lock(number: int) -> None:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise BlockingIOError from error
