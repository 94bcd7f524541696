"""Model folders: find one by name, check every file against its checksum, read its config.

A weights folder holds model folders such as `clip/text` or `text_to_image`. Each has a `config.json` that lists its
other files with their sizes and SHA-256 sums, so a download that was cut or a file of another model is named at once
instead of drawing nonsense. A model that was trained on top of others lists their weights under "needs".
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, TypeVar

from bozzetto.errors import WeightsError

FORMAT = 1
ALWAYS = ("model.safetensors",)
FIX = "reinstall bozzetto, or write the model again with `bozzetto export`"


Loader = TypeVar("Loader", bound=Callable[..., Any])


def once(load: Loader) -> Loader:
    """A function that remembers its last answers; of threads that ask at once, one works and the others wait for it."""
    remembered, lock = lru_cache(maxsize=8)(load), threading.RLock()

    @wraps(load)
    def wait(*arguments: Any) -> Any:
        with lock:
            while arguments and arguments[-1] is None:  # left out or said, it is the same question
                arguments = arguments[:-1]
            return remembered(*arguments)

    return wait  # type: ignore[return-value]


@dataclass(frozen=True)
class ModelFolder:
    """A checked model folder; `config` is its config.json."""

    path: Path
    config: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        """An entry of config.json. Raises WeightsError when it is not there."""
        if key not in self.config:
            raise WeightsError(f"{self.path / 'config.json'} has no {key!r}: {FIX}")
        return self.config[key]

    def weights_sum(self) -> str:
        return str(self.config["files"]["model.safetensors"]["sha256"])


def weights_folder() -> Path:
    """$BOZZETTO_WEIGHTS, or the folder that comes with the package."""
    return Path(os.environ.get("BOZZETTO_WEIGHTS") or Path(__file__).parents[1] / "weights")


def open_model(name: str, weights: Path | None = None) -> ModelFolder:
    """The model `name` ("clip/text", ...) of a weights folder, by default `weights_folder()`, all of its files checked.

    Raises WeightsError when a file is missing, cut or changed, or when a model it needs is another one.
    """
    weights = weights or weights_folder()
    model = open_folder(folder := weights / name, name)
    for other, expected in model.config.get("needs", {}).items():
        if open_model(other, weights).weights_sum() != expected:
            raise WeightsError(f"{folder} was trained with another {other} than the one in {weights}: {FIX}")
    return model


def open_folder(folder: Path, name: str | None = None) -> ModelFolder:
    """One model folder, all of its files checked, wherever it lies; name: what it must hold. Raises WeightsError."""
    model = ModelFolder(folder, _read_config(folder / "config.json", name))
    for file, expected in model.config["files"].items():
        _check_file(folder / file, expected)
    return model


def _read_config(path: Path, name: str | None) -> dict[str, Any]:
    if not path.is_file():
        raise WeightsError(f"{path} is missing: {FIX}")
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        usable = (
            (config["format"], config["model"]) == (FORMAT, name or config["model"])
            and all(file in config["files"] for file in ALWAYS)
            and all(Path(file).name == file for file in config["files"])
            and all({"bytes", "sha256"} <= entry.keys() for entry in config["files"].values())
            and isinstance(config.get("needs", {}), dict)
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        usable = False
    if not usable:
        raise WeightsError(f"{path} does not describe a {name or 'known'} model of format {FORMAT}: {FIX}")
    return config


def _check_file(path: Path, expected: dict[str, Any]) -> None:
    if not path.is_file():
        raise WeightsError(f"{path} is missing: {FIX}")
    status = path.stat()
    size = status.st_size
    if size != expected["bytes"]:
        raise WeightsError(f"{path} has {size} bytes, not {expected['bytes']}: {FIX}")
    with _HASHING:  # so that of several threads one reads the file
        found = _sha256(path, size, status.st_mtime_ns)
    if found != expected["sha256"]:
        raise WeightsError(f"{path} is damaged, or is the file of another model (its checksum differs): {FIX}")


_HASHING = threading.Lock()


@lru_cache(maxsize=1024)
def _sha256(path: Path, size: int, changed: int) -> str:
    """Of a file; what has the size and the time of change that it had is not read again."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
