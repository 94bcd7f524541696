"""Fashion-MNIST (Xiao et al. 2017, https://arxiv.org/abs/1708.07747): 70,000 grey pictures of ten kinds of clothes.

It comes with the Debian package `dataset-fashion-mnist`, as gzipped files in the format IDX: two zero bytes, the type
of the numbers (8 is uint8), how many dimensions there are, each size as a big-endian uint32, and then the numbers. What
is read is checked before it is believed: no header can make the reader take more than `LARGEST` bytes of memory.
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from bozzetto.errors import InvalidInput, NotBuilt, one_of

CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
SPLITS = {"train": "train", "test": "t10k"}  # and what their files begin with
SIDE = 28  # pixels
LARGEST = 100_000_000  # bytes that a file may hold, packed or not; the training pictures are 47 million
FIX = (
    "install it with `sudo apt install dataset-fashion-mnist`, or let $BOZZETTO_FASHION be a folder with its .gz files"
)


def folder() -> Path:
    """$BOZZETTO_FASHION, or where the Debian package puts its files."""
    return Path(os.environ.get("BOZZETTO_FASHION") or "/usr/share/datasets/fashion-mnist")


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array of a gzipped IDX file, of one to four dimensions.

    Raises NotBuilt where there is no file, and InvalidInput for one that is cut, too long, too large or no IDX.
    """
    if not path.is_file():
        raise NotBuilt(f"Fashion-MNIST: {path} is not there; {FIX}")
    if path.stat().st_size > LARGEST:
        raise InvalidInput("data", f"fashion: {path} is larger than {LARGEST} bytes, so it is another file; {FIX}")
    try:
        with gzip.open(path) as file:
            magic = file.read(4)
            dimensions = magic[3] if len(magic) == 4 else 0
            header = file.read(4 * dimensions) if 1 <= dimensions <= 4 else b""
            if magic[:3] != b"\0\0\x08" or not header or len(header) < 4 * dimensions:
                raise InvalidInput("data", f"fashion: {path} does not begin like an IDX file of bytes; {FIX}")
            shape = struct.unpack(f">{dimensions}I", header)
            size = math.prod(shape)
            if size > LARGEST:
                raise InvalidInput("data", f"fashion: {path} claims to hold {size} bytes, more than {LARGEST}; {FIX}")
            content = file.read(size + 1)  # one more than there should be, to notice what is too long
    except (EOFError, OSError, zlib.error) as error:
        raise InvalidInput("data", f"fashion: {path} is cut or damaged ({error}); {FIX}") from error
    if len(content) != size:
        found = "more" if len(content) > size else f"{len(content)}"
        raise InvalidInput("data", f"fashion: {path} should hold {size} bytes and holds {found}; {FIX}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def load(split: str = "train", where: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 [N,28,28], light on black, and their classes int64 [N], each a row of `CLASSES`.

    split: "train" (60,000) or "test" (10,000). where: the folder with the files, by default `folder()`.
    Raises NotBuilt or InvalidInput with one line that says which file is wrong and what to do.
    """
    one_of("split", split, SPLITS)
    where = where or folder()
    images = read_idx(where / f"{SPLITS[split]}-images-idx3-ubyte.gz")
    labels = read_idx(where / f"{SPLITS[split]}-labels-idx1-ubyte.gz")
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or labels.shape != images.shape[:1] or not len(images):
        shapes = f"pictures {list(images.shape)} and labels {list(labels.shape)}"
        raise InvalidInput("data", f"fashion: {where} holds {shapes}, not [N,{SIDE},{SIDE}] and [N]; {FIX}")
    if labels.max() >= len(CLASSES):
        raise InvalidInput("data", f"fashion: {where} has a label above {len(CLASSES) - 1}; {FIX}")
    return images, labels.astype(np.int64)
