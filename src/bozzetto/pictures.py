"""Pictures as files: open one from anywhere without harm, fit it to 64 x 64, enlarge it for viewing, save it whole.

A picture from a user is bounded before it is decoded, by the size of its file and by the size its header claims, so
that a few bytes cannot ask for gigabytes. In memory a picture is a PIL image in RGBA with straight alpha; where it is
resized, colours are weighted by their alpha, so that hidden colours do not bleed into edges (Pillow does this for every
filter but NEAREST).
"""

import io
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from bozzetto.errors import InvalidInput, MissingFile, whole_number
from bozzetto.files import PART, named, written

Picture = str | Path | bytes | BinaryIO | np.ndarray | Image.Image
"""Whatever `open_picture` opens."""

SIZE = 64
# Readers of files, by name. They are called here and not by Image.open, whose limit for large pictures is a warning and
# a variable of the whole process: warnings cannot be switched off in one thread alone.
READERS: dict[str, type[ImageFile]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
}
FORMATS = tuple(READERS)
_BEGINS = re.compile(
    rb"(?s)(?P<PNG>\x89PNG\r\n\x1a\n)|(?P<JPEG>\xff\xd8\xff)|(?P<WEBP>RIFF....WEBP)|(?P<GIF>GIF8[79]a)|(?P<BMP>BM)"
)
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+", re.IGNORECASE)  # Path makes one slash of two
MAX_BYTES = 20 * 2**20
MAX_PIXELS = 64 * 10**6
MAX_NAME = 255  # bytes, on all common file systems
SIZES = (16, 2048)  # for viewing


def open_picture(picture: Picture) -> Image.Image:
    """A picture from anywhere, upright, as RGBA; of an animation the first frame.

    picture: a path, the bytes of a file or an open binary file (PNG, JPEG, WebP, GIF, BMP), an array uint8 [H,W], grey,
        [H,W,3] or [H,W,4], or a PIL image, which stays as it is. A JPEG of more than 16 megapixels comes in half its
        size, which is decoded in a quarter of the memory.
    Raises MissingFile, or InvalidInput for what is no picture: broken, unknown, over 20 MB or 64 megapixels.
    """
    return decode(peek(picture), picture)


def peek(picture: Picture) -> Image.Image:
    """A picture as `open_picture` takes it, checked, and not decoded yet unless it is an array or an image. Raises what
    that does but for what is only found in decoding."""
    name = ""
    if isinstance(picture, np.ndarray):
        image = _from_array(picture)
    elif isinstance(picture, Image.Image):
        image = picture
    elif isinstance(picture, str | Path):
        name = f"{picture} "
        image = _from_file(_read(picture), name)
    elif isinstance(picture, bytes | bytearray | memoryview) or hasattr(picture, "read"):
        content = picture.read(MAX_BYTES + 1) if hasattr(picture, "read") else bytes(picture)
        if not isinstance(content, bytes):
            raise InvalidInput("picture", "must be opened as a binary file")
        image = _from_file(content, name)
    else:
        raise InvalidInput("picture", f"must be a path, bytes, an open file, an array or an image, not {picture!r}")
    if not 0 < image.width * image.height <= MAX_PIXELS:
        most = MAX_PIXELS // 10**6
        raise InvalidInput("picture", f"{name}is {image.width} x {image.height}: {most} megapixels at most")
    return image


def decode(image: Image.Image, picture: Picture) -> Image.Image:
    """What `peek` gave for this picture, upright, as RGBA."""
    try:
        if image is picture:
            return _as_rgba(ImageOps.exif_transpose(image))
        if image.width * image.height > MAX_PIXELS // 4:
            image.draft(None, (image.width // 2, image.height // 2))
        ImageOps.exif_transpose(image, in_place=True)
        return _as_rgba(image)
    except Exception as error:  # a parser of strange files can fail in every way
        name = f"{picture} " if isinstance(picture, str | Path) else ""
        raise InvalidInput("picture", f"{name}is broken: {error}") from error


def _read(path: str | Path) -> bytes:
    if not os.path.exists(path):
        if scheme := _ADDRESS.match(str(path)):
            address = f"{scheme[1]}://{str(path)[scheme.end() :]}"
            raise InvalidInput("picture", f"{address} is an address, and no address is opened: download it first")
        raise MissingFile("picture", f"{path} is not there: check the name")
    if not os.path.isfile(path):
        raise InvalidInput("picture", f"{path} is not a file: name one picture")
    try:
        with open(path, "rb") as file:
            if (size := os.fstat(file.fileno()).st_size) > MAX_BYTES:
                raise InvalidInput(
                    "picture", f"{path} has {size / 2**20:.0f} MB: {MAX_BYTES // 2**20} MB at most, make it smaller"
                )
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput("picture", f"{path} cannot be read: {error.strerror}") from error


def _from_file(content: bytes, name: str) -> Image.Image:
    if not content:
        raise InvalidInput("picture", f"{name}is empty: it has 0 bytes")
    if len(content) > MAX_BYTES:
        raise InvalidInput("picture", f"{name}has more than {MAX_BYTES // 2**20} MB: make it smaller")
    if not (begins := _BEGINS.match(content)):
        raise InvalidInput("picture", f"{name}is none of {', '.join(FORMATS)}, or is broken: convert it to PNG")
    try:
        return READERS[begins.lastgroup or ""](io.BytesIO(content))
    except Exception as error:
        raise InvalidInput("picture", f"{name}is broken: {error}") from error


def _from_array(pixels: np.ndarray) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,), (4,)):
        raise InvalidInput(
            "picture", f"must be an array uint8 [H,W], [H,W,3] or [H,W,4], not {pixels.dtype} {list(pixels.shape)}"
        )
    return Image.fromarray(np.ascontiguousarray(pixels))


def _as_rgba(image: Image.Image) -> Image.Image:
    if not image.mode.startswith("I"):
        return image.convert("RGBA")
    deep = np.asarray(image)  # 16 bits a pixel, which convert() would cut instead of scale
    grey = (np.clip(deep, 0, 2**16 - 1) >> 8).astype(np.uint8)
    alpha = np.where(deep == image.info.get("transparency", -1), 0, 255).astype(np.uint8)
    return Image.fromarray(np.stack([grey, grey, grey, alpha], axis=-1))


def fit(image: Image.Image, size: int = SIZE) -> Image.Image:
    """The whole picture in the middle of a transparent square of `size`, RGBA."""
    image = image.convert("RGBA")
    longest = max(image.size)
    scale = size / longest
    width, height = (max(1, round(side * scale)) for side in image.size)
    # Averaging undoes an enlargement by whole pixels exactly.
    image = image.resize((width, height), Image.Resampling.BOX if longest % size == 0 else Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (size, size))
    square.paste(image, ((size - width) // 2, (size - height) // 2))
    return square


def over_white(image: Image.Image) -> Image.Image:
    """An RGBA picture on white paper, RGB."""
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")


def on_white(images: np.ndarray) -> np.ndarray:
    """Composite uint8 straight-alpha RGBA [N,H,W,4] on white: float32 RGB [N,H,W,3] in [0, 255].

    Raises ValueError when `images` is no batch of uint8 RGBA pictures.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 4:
        raise ValueError(f"images must be uint8 [N,H,W,4] RGBA, got {images.dtype} {list(images.shape)}")
    alpha = images[..., 3:].astype(np.float32) / 255
    return images[..., :3] * alpha + 255 * (1 - alpha)


def as_planes(pictures: np.ndarray) -> np.ndarray:
    """Pictures uint8 [N,H,W,C] as the networks take them: float32 [N,C,H,W] in [-1, 1]."""
    return pictures.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1


def check_size(size: int) -> int:
    """InvalidInput unless pictures can be shown at this size."""
    return whole_number("size", size, *SIZES, unit="pixels")


def enlarge(image: Image.Image, size: int) -> Image.Image:
    """A square picture at `size` for viewing: whole pixels for a multiple of its own size, smooth otherwise."""
    size = check_size(size)
    sharp = size % image.width == 0
    return image.resize((size, size), Image.Resampling.NEAREST if sharp else Image.Resampling.LANCZOS)


def sheet(pictures: Sequence[Image.Image], columns: int | None = None) -> Image.Image:
    """A contact sheet on white, RGB: pictures of one size, row by row with a gap; about square without `columns`."""
    if not pictures:
        raise InvalidInput("pictures", "is empty: a sheet needs one at least")
    columns = min(columns or math.ceil(math.sqrt(len(pictures))), len(pictures))
    width, height = pictures[0].size
    gap = max(2, width // 16)
    rows = -(-len(pictures) // columns)
    paper = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), "white")
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        paper.paste(over_white(picture), (gap + column * (width + gap), gap + row * (height + gap)))
    return paper


def check_output(path: Path, suffix: str = ".png", field: str = "output") -> None:
    """InvalidInput about the argument `field` unless a file can be written there. Nothing is left there."""
    if os.path.isdir(path):
        raise InvalidInput(field, f"{path} is a folder: name a file in it")
    if path.suffix.lower() != suffix:
        raise InvalidInput(field, f"{path} must end in {suffix}")
    if (length := len(os.fsencode(path.name))) > MAX_NAME:
        raise InvalidInput(field, f"{path} has a name of {length} bytes: {MAX_NAME} at most")
    if not os.path.isdir(path.parent):
        raise InvalidInput(field, f"{path}: the folder {path.parent} is not there, make it first")
    try:
        TemporaryFile(dir=path.parent).close()  # permissions do not tell it: nobody can write into /proc
    except OSError:
        raise InvalidInput(field, f"{path}: the folder {path.parent} cannot be written to") from None


def save_png(image: Image.Image, path: Path) -> None:
    """Write a PNG file; it appears whole or not at all."""
    check_output(path)
    with written(path) as part:
        image.save(part, "PNG")


FILMS = (".webp", ".gif", ".png")


def check_film_output(path: Path) -> None:
    """InvalidInput unless a film can be written there: a file that ends in one of FILMS, or a new folder."""
    if path.suffix:
        if path.suffix.lower() not in FILMS:
            raise InvalidInput("output", f"{path} must end in {', '.join(FILMS)}, or name a new folder")
        check_output(path, path.suffix.lower())
    elif path.exists():
        raise InvalidInput("output", f"{path} is there already: name a new folder, or a file that ends in .webp")
    else:
        check_output(path, "")


def save_film(frames: Sequence[Image.Image], path: Path, milliseconds: int = 125) -> None:
    """Write an animation that begins again and again: WebP, GIF (over white) or APNG; or a folder of frame-0.png,
    frame-1.png, ... It appears whole or not at all."""
    check_film_output(path)
    if not path.suffix:
        with TemporaryDirectory(dir=path.parent, prefix=".", suffix=PART) as part, named(path):
            whole = Path(part) / "frames"
            whole.mkdir()
            for index, frame in enumerate(frames):
                frame.save(whole / f"frame-{index}.png")
            whole.rename(path)
        return
    kind = path.suffix.lower().lstrip(".").upper()
    first, *others = [over_white(frame) for frame in frames] if kind == "GIF" else frames
    options = {"lossless": True} if kind == "WEBP" else {}
    with written(path) as part:
        first.save(part, kind, save_all=True, append_images=others, duration=milliseconds, loop=0, **options)


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
