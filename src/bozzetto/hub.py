"""Folders of models on Hugging Face's hub. A place is one only where it is written hf://owner/name; nobody is called
for any other, nor without the package huggingface_hub."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bozzetto.errors import InvalidInput, require
from bozzetto.files import write_atomically

PREFIX = "hf://"
FILES = ["*.json", "*.md", "*.onnx", "*.safetensors", "*.txt"]  # what a folder of models is made of: nothing that runs


def _repository(place: str, field: str) -> str:
    name = place.removeprefix(PREFIX)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise InvalidInput(field, f"{place!r} is no repository: write hf://owner/name")
    require("huggingface_hub")
    return name


@contextmanager
def _told(place: str, field: str) -> Iterator[None]:
    """What the hub answers is one line about the argument `field`."""
    try:
        yield
    except Exception as error:  # its errors share no narrower base
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InvalidInput(field, f"{place} cannot be had: {why}") from error


def fetched(place: str | Path, field: str) -> Path:
    """The folder that `place` is, or a copy of the repository that it names. Raises InvalidInput and MissingExtra."""
    if not str(place).startswith(PREFIX):
        return Path(place)
    name = _repository(str(place), field)
    from huggingface_hub import snapshot_download

    with _told(str(place), field):
        return Path(snapshot_download(name, allow_patterns=FILES))


@contextmanager
def leaving(place: str | Path, field: str) -> Iterator[Path]:
    """The folder to write to; for a repository one that is sent there at the end, all of it in one change. A new one
    is private until its owner opens it."""
    if not str(place).startswith(PREFIX):
        yield Path(place)
        return
    name = _repository(str(place), field)
    from huggingface_hub import HfApi

    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
        cards = [*Path(folder).glob("*/README.md")]
        if len(cards) == 1:  # the hub looks for one at the top
            write_atomically(Path(folder) / "README.md", cards[0].read_bytes())
        with _told(str(place), field):
            HfApi().create_repo(name, private=True, exist_ok=True)
            HfApi().upload_folder(repo_id=name, folder_path=folder, allow_patterns=FILES)
