"""Pictures as files: open one from anywhere without harm, fit it to 64 x 64, enlarge it for viewing, save it whole.

A picture from a user is bounded before it is decoded, by the size of its file and by the size its header claims, so
that a few bytes cannot ask for gigabytes. In memory a picture is a PIL image in RGBA with straight alpha; where it is
resized, colours are weighted by their alpha, so that hidden colours do not bleed into edges (Pillow does this for every
filter but NEAREST).
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SIZE = 64
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MAX_BYTES = 20 * 2**20
MAX_PIXELS = 64 * 10**6
SIZES = (16, 2048)  # for viewing


def open_picture(path: str | Path) -> Image.Image:
    """The picture in a file (of an animation, its first frame), upright, as RGBA.

    Raises FileNotFoundError, or ValueError for what is no picture: broken, unknown, over 20 MB or 64 megapixels.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"picture {path} is not there: check the name")
    if not path.is_file():
        raise ValueError(f"picture {path} is not a file: name one picture")
    size = path.stat().st_size
    if size == 0:
        raise ValueError(f"picture {path} is empty: it has 0 bytes")
    if size > MAX_BYTES:
        raise ValueError(f"picture {path} has {size / 2**20:.0f} MB: {MAX_BYTES // 2**20} MB at most, make it smaller")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit is stricter than the one Pillow warns of
            image = Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:
        raise ValueError(f"picture {path} is none of {', '.join(FORMATS)}, or is broken: convert it to PNG") from None
    except Image.DecompressionBombError:
        raise ValueError(f"picture {path} is too large: {MAX_PIXELS // 10**6} megapixels at most") from None
    except Exception as error:  # a parser of strange files can fail in every way
        raise ValueError(f"picture {path} is broken: {error}") from error
    with image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(
                f"picture {path} is {image.width} x {image.height}: {MAX_PIXELS // 10**6} megapixels at most"
            )
        try:
            image.load()
            if image.mode.startswith("I"):  # 16 bits a pixel, which convert() would cut instead of scale
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            return ImageOps.exif_transpose(image).convert("RGBA")
        except Exception as error:
            raise ValueError(f"picture {path} is broken: {error}") from error


def fit(image: Image.Image, size: int = SIZE) -> Image.Image:
    """The whole picture in the middle of a transparent square of `size`, RGBA."""
    image = image.convert("RGBA")
    longest = max(image.size)
    scale = size / longest
    shape = tuple(max(1, round(side * scale)) for side in image.size)
    # Averaging undoes an enlargement by whole pixels exactly.
    image = image.resize(shape, Image.Resampling.BOX if longest % size == 0 else Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (size, size))
    square.paste(image, tuple((size - side) // 2 for side in shape))
    return square


def over_white(image: Image.Image) -> Image.Image:
    """An RGBA picture on white paper, RGB."""
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")


def enlarge(image: Image.Image, size: int) -> Image.Image:
    """A square picture at `size` for viewing: whole pixels for a multiple of its own size, smooth otherwise."""
    check_size(size)
    sharp = size % image.width == 0
    return image.resize((size, size), Image.Resampling.NEAREST if sharp else Image.Resampling.LANCZOS)


def check_size(size: int) -> None:
    """ValueError unless a picture may be enlarged to this."""
    low, high = SIZES
    if isinstance(size, bool) or not isinstance(size, int) or not low <= size <= high:
        raise ValueError(f"size must be a whole number from {low} to {high} pixels, not {size!r}")


def sheet(pictures: Sequence[Image.Image], columns: int | None = None) -> Image.Image:
    """A contact sheet on white, RGB: pictures of one size, row by row with a gap; about square without `columns`."""
    if not pictures:
        raise ValueError("pictures is empty: a sheet needs one at least")
    columns = min(columns or math.ceil(math.sqrt(len(pictures))), len(pictures))
    width, height = pictures[0].size
    gap = max(2, width // 16)
    rows = -(-len(pictures) // columns)
    paper = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), "white")
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        paper.paste(over_white(picture), (gap + column * (width + gap), gap + row * (height + gap)))
    return paper


def check_output(path: Path, suffix: str = ".png") -> None:
    """ValueError unless a file can be written there. Nothing is written."""
    if path.is_dir():
        raise ValueError(f"output {path} is a folder: name a file in it")
    if path.suffix.lower() != suffix:
        raise ValueError(f"output {path} must end in {suffix}")
    if not path.parent.is_dir():
        raise ValueError(f"output {path}: the folder {path.parent} is not there, make it first")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"output {path}: the folder {path.parent} cannot be written to")


def save_png(image: Image.Image, path: Path) -> None:
    """Write a PNG file; it appears whole or not at all."""
    check_output(path)
    part = path.with_name(path.name + ".part")
    try:
        image.save(part, "PNG")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def in_terminal(image: Image.Image) -> str:
    """The picture as text, over white: half a character a pixel, in 24-bit colour, 64 columns by 32 lines."""
    pixels = np.asarray(over_white(fit(image)))
    lines = []
    for top, bottom in zip(pixels[::2], pixels[1::2], strict=True):
        cells = (
            f"\x1b[38;2;{';'.join(map(str, upper))};48;2;{';'.join(map(str, lower))}m▀"
            for upper, lower in zip(top.tolist(), bottom.tolist(), strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)
