"""Low-rank adapters: a small file that changes a network a little (Hu et al. 2021, LoRA).

For each of some weights W [O,I,...] it holds two thin matrices, A [r,I,...] and B [O,r]; the network computes with
W + B A (eq. 3, whose factor alpha / r is in B). They are added when the network is opened, so that it is as quick as
without. `bozzetto adapt` makes one (training/adapter.py).

The file is a safetensors file with `<weight>.A` and `<weight>.B` in fp16. Its metadata say for which network it is, by
the checksum of its weights, since on others it would draw nonsense.
"""

import hashlib
import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bozzetto.errors import InvalidInput, MissingFile
from bozzetto.runtime.store import ModelFolder

FORMAT = 1
METADATA = "bozzetto_adapter"  # the key of what it says of itself, in JSON
MOST = 2**27  # bytes
DTYPES: dict[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "U8": np.dtype("u1")}
OF = {"text_to_image": "text-to-image", "clip/image": "clip"}  # what can be adapted: the network, and its family


@dataclass(frozen=True)
class Adapter:
    """digest: SHA-256 of the file; base: the network that it is for, and base_sum the checksum of that one's weights;
    matrices: A and B by the name of their weight."""

    path: Path
    digest: str
    base: str
    base_sum: str
    matrices: dict[str, tuple[np.ndarray, np.ndarray]] = field(compare=False, repr=False)


def read_tensors(content: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata of a safetensors file. What is no such file raises one of many exceptions."""
    length = int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        part = content[8 + length + begin : 8 + length + end]
        tensors[name] = np.frombuffer(part, DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


def read(path: str | os.PathLike[str]) -> Adapter:
    """Raises MissingFile, or InvalidInput about "adapter" for what is none."""
    path = Path(path)
    if not path.is_file():
        raise MissingFile("adapter", f"{path} is no file: make one with `bozzetto adapt`")
    try:
        if path.stat().st_size > MOST:
            raise ValueError(f"it is larger than {MOST >> 20} MB")
        content = path.read_bytes()
        tensors, metadata = read_tensors(content)
        about = json.loads(metadata[METADATA])
        if about["format"] != FORMAT:
            raise ValueError(f"its format is {about['format']}, not {FORMAT}")
        names = sorted({name.rpartition(".")[0] for name in tensors})
        matrices = {name: (tensors.pop(f"{name}.A"), tensors.pop(f"{name}.B")) for name in names}
        for name, (a, b) in matrices.items():
            if tensors or b.ndim != 2 or a.ndim < 2 or len(a) != b.shape[1]:
                raise ValueError(f"{name} has matrices that do not fit each other")
            if not (np.isfinite(a).all() and np.isfinite(b).all()):
                raise ValueError(f"{name} has numbers that are not finite")
        return Adapter(path, hashlib.sha256(content).hexdigest(), about["base"], about["sha256"], matrices)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError, OverflowError) as error:
        told = f"{path} is no adapter, or is damaged ({error}): make it anew with `bozzetto adapt`"
        raise InvalidInput("adapter", told) from error


def fitting(path: str | os.PathLike[str], model: ModelFolder) -> Adapter:
    """The adapter in a file, which must be for this model. Raises what `read` raises, and InvalidInput for one of
    another network, or of other weights."""
    adapter = read(path)
    if adapter.base != model["model"]:
        made, wanted = (OF.get(base, base) for base in (adapter.base, model["model"]))
        raise InvalidInput("adapter", f"{path} is for {made}, not for {wanted}")
    if adapter.base_sum != model.weights_sum():
        why = f"{path} was made for other weights than those in {model.path}: make it anew with `bozzetto adapt`"
        raise InvalidInput("adapter", f"{why}, or name its own with BOZZETTO_WEIGHTS")
    return adapter


def merged(model: ModelFolder, adapter: Adapter) -> dict[str, np.ndarray]:
    """W + B A, float32 [O,I,...], of every weight that it changes. Raises InvalidInput where one does not fit."""
    stored, _ = read_tensors((model.path / "model.safetensors").read_bytes())
    weights = {}
    for name, (a, b) in adapter.matrices.items():
        shape = len(b), *a.shape[1:]
        base = exact(stored, name)
        if base.size != math.prod(shape):
            raise InvalidInput("adapter", f"{adapter.path} does not fit {model.path}: {name} has another size")
        low_rank = b.astype(np.float32) @ a.reshape(len(a), -1).astype(np.float32)
        weights[name] = (base.reshape(low_rank.shape) + low_rank).reshape(shape)
    return weights


def exact(stored: dict[str, np.ndarray], name: str) -> np.ndarray:
    """A stored weight, flat, in float32: of four bits (see training/rounding.py) or fp16. Empty where there is none."""
    values = stored.get(name, np.empty(0, np.float16))
    if values.dtype == np.uint8:
        halves = np.stack([values & 15, values >> 4], -1).reshape(len(values), -1).astype(np.int8)
        whole = np.where(halves > 7, halves - 16, halves)
        return (whole.astype(np.float32) * stored[f"{name}.scale"].astype(np.float32)[:, None]).ravel()
    return values.astype(np.float32).ravel()
