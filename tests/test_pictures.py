"""Pictures from anywhere: every kind is treated alike, with the same guards, from any number of threads."""

import io
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bozzetto
from bozzetto import pictures
from bozzetto.errors import InvalidInput, MissingFile
from bozzetto.pictures import open_picture

RGBA = np.random.default_rng(0).integers(0, 256, (40, 30, 4), np.uint8)


def in_bytes(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned():
    """A note that the camera was turned by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def refused(picture, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        open_picture(picture)
    assert caught.value.field == "picture" and "\n" not in str(caught.value)


# ---------------------------------------------------------------- one way in


def test_every_kind_of_picture_is_the_same_picture(tmp_path):
    image, path = Image.fromarray(RGBA), tmp_path / "a.png"
    content = in_bytes(image)
    path.write_bytes(content)
    with open(path, "rb") as file:
        kinds = [
            str(path),
            path,
            content,
            bytearray(content),
            memoryview(content),
            io.BytesIO(content),
            file,
            RGBA,
            image,
        ]
        for picture in kinds:
            opened = open_picture(picture)
            assert opened.mode == "RGBA" and np.array_equal(np.asarray(opened), RGBA)
    assert image.mode == "RGBA" and image.size == (30, 40)


def test_arrays_are_grey_colour_or_colour_with_alpha():
    grey = np.asarray(open_picture(RGBA[..., 0]))
    assert np.array_equal(grey[..., :3], RGBA[..., :1].repeat(3, 2)) and (grey[..., 3] == 255).all()
    colour = np.asarray(open_picture(RGBA[:, ::-1, :3]))  # also from an array that is not in one piece
    assert np.array_equal(colour[..., :3], RGBA[:, ::-1, :3]) and (colour[..., 3] == 255).all()
    for array in (RGBA / 255, RGBA[..., :2], RGBA[None], RGBA[0, 0], RGBA.astype(np.int64)):
        refused(array, r"^picture must be an array uint8 \[H,W\], \[H,W,3\] or \[H,W,4\], not (float64|int64|uint8) \[")


def test_the_front_door_takes_every_kind(tmp_path):
    image = Image.fromarray(RGBA)
    seen = bozzetto.as_seen(image)
    for picture in (in_bytes(image), io.BytesIO(in_bytes(image)), RGBA):
        assert np.array_equal(bozzetto.as_seen(picture), seen)
    assert np.array_equal(bozzetto.encode_image(RGBA), bozzetto.encode_image(image))
    labels = ["dog", "robot"]
    assert (
        bozzetto.label(in_bytes(image), labels) == bozzetto.label(RGBA, iter(labels)) == bozzetto.label(image, labels)
    )
    question = "what is this?"
    assert list(bozzetto.ask(io.BytesIO(in_bytes(image)), question)) == list(bozzetto.ask(image, question))


def test_sixteen_bits_are_scaled_wherever_they_come_from():
    deep = Image.fromarray(np.full((8, 8), 0x8000, np.uint16))
    assert deep.mode == "I;16"
    for picture in (deep, deep.convert("I"), in_bytes(deep)):
        assert (np.asarray(open_picture(picture)) == (0x80, 0x80, 0x80, 255)).all()


def test_sixteen_bits_keep_orientation_and_transparent_colour():
    values = np.zeros((10, 30), np.uint16)
    values[:, :5], values[:, 5:9] = 0xFFFF, 0x1234
    deep = Image.fromarray(values)
    opened = open_picture(in_bytes(deep, exif=turned(), transparency=0x1234))
    assert opened.size == (10, 30)
    pixels = np.asarray(opened)
    assert (pixels[:5] == 255).all()  # what was on the left is on top
    assert (pixels[5:9, :, 3] == 0).all() and (pixels[9:] == (0, 0, 0, 255)).all()


def test_an_image_is_turned_upright_as_its_file_is(tmp_path):
    image = Image.new("RGB", (30, 10))
    path = tmp_path / "a.jpg"
    image.save(path, exif=turned())
    with Image.open(path) as opened:
        assert open_picture(opened).size == open_picture(path).size == (10, 30)
        assert opened.size == (30, 10)


# ---------------------------------------------------------------- what is refused


def test_an_address_is_not_opened():
    for address in ("https://example.org/a.png", "file:///a.png"):
        refused(address, rf"^picture {address.split(':')[0]}://.*a\.png is an address, and no address is opened")
    refused(Path("https://example.org/a.png"), r"^picture https://example\.org/a\.png is an address")


@pytest.mark.parametrize("name", ["nowhere.png", "x" * 5000, "a\0b"])
def test_a_name_of_no_file(name):
    with pytest.raises(MissingFile, match="is not there: check the name"):
        open_picture(name)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (b"", "^picture is empty: it has 0 bytes"),
        (b"not a picture", "^picture is none of PNG, JPEG, WEBP, GIF, BMP, or is broken"),
        (in_bytes(Image.new("RGB", (8, 8)), "TIFF"), "^picture is none of PNG"),
        (in_bytes(Image.fromarray(RGBA))[:900], "^picture is broken: "),
        (b"BM" + bytes(21 * 2**20), "^picture has more than 20 MB: make it smaller"),
        (in_bytes(Image.new("1", (9000, 9000))), "^picture is 9000 x 9000: 64 megapixels at most"),
        (Image.new("1", (9000, 9000)), "^picture is 9000 x 9000: 64 megapixels at most"),
        (Image.new("RGB", (0, 5)), "^picture is 0 x 5"),
        (np.zeros((5, 0), np.uint8), "^picture is 0 x 5"),
        (io.StringIO("text"), "^picture must be opened as a binary file"),
        (None, "^picture must be a path, bytes, an open file, an array or an image, not None"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_picture_is_one_clear_line(picture, message):
    refused(picture, message)


def test_a_large_jpeg_is_decoded_at_half_its_size():
    large, small = (in_bytes(Image.new("L", size, 200), "JPEG") for size in ((5000, 4000), (4000, 3000)))
    assert open_picture(large).size == (2500, 2000) and open_picture(small).size == (4000, 3000)
    assert open_picture(large).getpixel((9, 9)) == (200, 200, 200, 255)


def test_threads_that_open_pictures_leave_the_process_as_it_is():
    """Not a filter of warnings, not a limit of Pillow: the caller's warnings are heard while pictures are opened."""
    wide, good = (
        in_bytes(Image.new("1", (9500, 9500))),
        in_bytes(Image.fromarray(RGBA)),
    )  # Pillow would warn of the first
    limit = Image.MAX_IMAGE_PIXELS

    def work(number):
        if number % 2:
            return open_picture(good).size
        with pytest.raises(InvalidInput, match="9500 x 9500"):
            open_picture(wide)

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(work, number) for number in range(64)]
            for number in range(64):
                warnings.warn(f"mine {number}", stacklevel=1)
                assert futures[number].result() in (None, (30, 40))
        assert warnings.filters == filters
    assert [str(warning.message) for warning in heard] == [f"mine {number}" for number in range(64)]
    assert limit == Image.MAX_IMAGE_PIXELS


# ---------------------------------------------------------------- saving

WRITER = """
import sys
import numpy as np
from pathlib import Path
from PIL import Image
from bozzetto.pictures import save_png
image = Image.fromarray(np.full((256, 256, 4), int(sys.argv[2]), np.uint8))
for _ in range(40):
    save_png(image, Path(sys.argv[1]))
"""


def test_four_processes_write_one_name_and_every_reader_sees_a_whole_picture(tmp_path):
    path = tmp_path / "same.png"
    pictures.save_png(Image.fromarray(np.full((256, 256, 4), 9, np.uint8)), path)
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, str(i)], stderr=subprocess.PIPE) for i in range(4)]
    while any(writer.poll() is None for writer in writers):
        pixels = np.asarray(open_picture(path))
        assert pixels.shape == (256, 256, 4) and (pixels == pixels[0, 0, 0]).all()
    assert [(writer.returncode, writer.stderr.read()) for writer in writers] == [(0, b"")] * 4
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["x" * 251 + ".png", "ü" * 125 + "x.png"])
def test_the_longest_name_that_a_disk_takes(tmp_path, name):
    path = tmp_path / name
    assert len(name.encode()) == 255
    pictures.save_png(Image.fromarray(RGBA), path)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InvalidInput, match=r"has a name of 256 bytes: 255 at most"):
        pictures.check_output(tmp_path / f"x{name}")


def test_a_sheet_of_nothing_is_refused_and_sizes_are_whole_numbers():
    with pytest.raises(InvalidInput, match=r"^pictures is empty"):
        pictures.sheet([])
    assert pictures.enlarge(Image.fromarray(RGBA), np.int64(128)).size == (128, 128)
    with pytest.raises(InvalidInput, match=r"^size must be a whole number from 16 to 2048 pixels, not 15$"):
        pictures.enlarge(Image.fromarray(RGBA), 15)
