"""One's own pictures: every form of a set is the same set, bad ones are refused in one line, twins stay together, and
recipes learn from them."""

import csv
import io
import json
import os
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from safetensors.torch import load_file

from bozzetto.cli import main
from bozzetto.errors import InvalidInput
from bozzetto.training import data
from bozzetto.training.recipes import autoencoder, text_few_steps, text_to_image
from bozzetto.training.stages import with_steps
from bozzetto.world import listing, own
from bozzetto.world.twins import sides, twins

KINDS = ("kite", "pond")


def picture(number: int, mode: str = "RGB", size: tuple[int, int] = (48, 48)) -> Image.Image:
    """A picture that no other number gives: soft spots of colour, and one disc or bar."""
    rng = np.random.default_rng(number)
    spots = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(spots)
    (draw.ellipse if number % 2 else draw.rectangle)((8, 8, 20, 30), "yellow" if number % 3 else "navy")
    return spots.convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


ROWS = [(f"{KINDS[n % 2]}/{n:02}.png", f"a {KINDS[n % 2]} number {n}", KINDS[n % 2]) for n in range(20)]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """Twenty pictures in class folders with words beside them, and tables of them."""
    folder = tmp_path_factory.mktemp("own") / "mine"
    for number, (name, words, _) in enumerate(ROWS):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path)
        path.with_suffix(".txt").write_text(words + "\n")
    with open(folder / "rows.csv", "w", newline="") as file:
        csv.writer(file).writerows([("File_Name", "Caption", "label"), *ROWS])
    with open(folder / "rows.tsv", "w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([("path", "text", "class"), *ROWS])
    records = [dict(zip(("image", "caption", "label"), row, strict=True)) for row in ROWS]
    (folder / "rows.jsonl").write_text("\n\n".join(map(json.dumps, records)))
    pq.write_table(pa.Table.from_pylist(records), folder / "paths.parquet")
    for name, held in (("bytes", lambda path, content: content), ("face", lambda p, c: {"bytes": c, "path": p})):
        rows = [{**row, "image": held(row["image"], (folder / row["image"]).read_bytes())} for row in records]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    return folder


def archived(base: Path, form: str, to: Path) -> Path:
    """The set in this form."""
    if form == "folder":
        return base
    if form in ("zip", "metadata.zip"):
        with zipfile.ZipFile(to / "set.zip", "w") as archive:
            for path in sorted(base.glob("*/*")):
                if form == "zip" or path.suffix == ".png":
                    archive.write(path, f"outer/{path.relative_to(base)}" if form == "zip" else path.relative_to(base))
            archive.writestr("__MACOSX/outer/kite/._00.png", b"not a picture")
            if form != "zip":
                archive.write(base / "rows.csv", "metadata.csv")
        return to / "set.zip"
    if form in (".tar", ".tar.gz"):
        with tarfile.open(to / f"set{form}", "w:gz" if form.endswith("gz") else "w") as archive:
            for name, words, label in reversed(ROWS):  # WebDataset
                stem = name.partition("/")[2].removesuffix(".png")
                told = {"png": (base / name).read_bytes(), "cls": label.encode()}
                told |= {"json": json.dumps({"caption": words}).encode()}
                for suffix, content in told.items():
                    info = tarfile.TarInfo(f"{stem}.{suffix}")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
        return to / f"set{form}"
    return base / form


FORMS = ["folder", "zip", "metadata.zip", ".tar", ".tar.gz", "rows.csv", "rows.tsv", "rows.jsonl"]
FORMS += ["paths.parquet", "bytes.parquet", "face.parquet"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_set_is_the_same_set(base, tmp_path, form):
    found = own.load(archived(base, form, tmp_path), 32)
    assert not found.broken and found.images.shape == (20, 32, 32, 4)
    columns = zip(found.captions, found.images, found.labels, strict=True)
    rows = {words: (image.tobytes(), label) for words, image, label in columns}
    for number, (_, words, label) in enumerate(ROWS):
        image = np.asarray(own.square(picture(number).convert("RGBA"), 32))
        assert rows[words] == (image.tobytes(), label)
    if form != "bytes.parquet":  # which has no names
        assert found.names == sorted(found.names)


def test_the_same_files_are_the_same_rows_and_any_change_shows(base, tmp_path):
    def summed(path):
        return data.checksum(data.own_pictures(own.load(path, 32), Path("mine")))

    first = summed(base)
    assert first == summed(archived(base, "metadata.zip", tmp_path)) == summed(base / "rows.csv")
    other = tmp_path / "other"
    for number in reversed(range(20)):  # written in another order, one of them lighter by one level
        path = other / ROWS[number][0]
        path.parent.mkdir(parents=True, exist_ok=True)
        image = picture(number)
        image.save(path)
    assert summed(other) == first
    lighter = np.asarray(image).copy()
    lighter[0, 0] ^= 255
    Image.fromarray(lighter).save(path)
    assert summed(other) != first


def test_flat_split_and_mixed_folders(tmp_path):
    for number, name in enumerate(("train/cat/1.png", "train/dog/2.png", "val/cat/3.png", "val/dog/4.png")):
        (tmp_path / "split" / name).parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(tmp_path / "split" / name)
    found = own.load(tmp_path / "split", 32)
    assert found.labels == ["cat", "dog", "cat", "dog"] and found.splits == ["train", "train", "test", "test"]
    flat = data.own_pictures(own.load(tmp_path / "split/train/cat", 32), tmp_path / "split/train/cat")
    assert flat.classes == ["cat"] and len(flat) == 1
    picture(9).save(tmp_path / "split/9.png")
    picture(8).save(tmp_path / "split/odd.png")
    found = own.load(tmp_path / "split", 32)
    assert found.labels.count("") == 2  # they lie above the classes
    with pytest.raises(InvalidInput, match="test pictures only"):
        for path in (tmp_path / "split/val").rglob("*.png"):
            path.rename(tmp_path / path.name)
        table = tmp_path / "t.csv"
        table.write_text("file,split\n3.png,test\n4.png,test\n")
        own.load(table, 32)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_all_modes_are_read_and_grey_sets_stay_grey(tmp_path, mode):
    deep = Image.fromarray(np.asarray(picture(1, "L")).astype(np.uint16) << 8)
    image = deep if mode == "I;16" else picture(1, mode)
    kind = "JPEG" if mode == "CMYK" else "PNG"
    (tmp_path / f"a.{kind.lower()}").write_bytes(encoded(image, kind))
    found = own.load(tmp_path, 32)
    assert found.modes == [mode] and found.sizes == [(48, 48)]
    channels = 1 if mode in ("1", "L", "LA", "I;16") else 3
    assert data.own_pictures(found, tmp_path).images.shape == (1, 32, 32, channels)


def test_a_drawing_is_seen_whole_and_a_photo_from_its_middle():
    paper = Image.new("RGBA", (128, 64), "beige")
    paper.paste("red", (0 + 4, 20, 124, 40))
    whole = np.asarray(own.square(paper, 32))
    beige = np.array(paper.getpixel((0, 0)))
    assert (whole[[0, -1]] == beige).all() and (whole[16, 2:30, 1] < 100).all()
    clear = Image.new("RGBA", (64, 128))
    clear.paste("red", (20, 4, 40, 124))
    whole = np.asarray(own.square(clear, 32))
    assert not whole[:, [0, -1], 3].any() and whole[2:30, 15, 3].all()
    photo = picture(3, "RGBA", (128, 64))
    middle = photo.crop((32, 0, 96, 64)).resize((32, 32), Image.Resampling.LANCZOS)
    assert abs(np.asarray(own.square(photo, 32)).astype(int) - np.asarray(middle)).max() <= 2


def test_the_first_frame_of_what_moves_counts(tmp_path):
    frames = [picture(1), picture(2)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "b.webp", save_all=True, append_images=frames[1:], lossless=True)
    found = own.load(tmp_path, 32)
    assert found.animated == [True, True] and len(set(found.twins)) == 1
    assert abs(found.images[1, ..., :3].astype(int) - np.asarray(frames[0].resize((32, 32), 1))).mean() < 3


# ---------------------------------------------------------------- bad sets


def broken_set(folder: Path, kind: str) -> Path:
    """A set with which something is wrong as a whole."""
    folder.mkdir()
    good = encoded(picture(1))
    (folder.parent / "outside.png").write_bytes(good)
    (folder / "a.png").write_bytes(good)
    table = folder / "t.csv"
    tables = {
        "leaves": "file_name\na.png\n../outside.png\n",
        "windows": "file_name\n..\\outside.png\n",
        "absolute": f"file_name\n{folder.parent / 'outside.png'}\n",
        "linked": "file_name\nlink.png\n",
        "hidden way": "file_name\nx/../../outside.png\n",
        "nul": '"file_name"\n"a\0.png"\n',
        "column": "photo,words\na.png,a dog\n",
    }
    if kind == "linked":
        (folder / "link.png").symlink_to(folder.parent / "outside.png")
    if kind in tables:
        table.write_text(tables[kind])
        return table
    if kind == "latin":
        table.write_bytes("file_name,caption\na.png,un café\n".encode("latin-1"))
        return table
    if kind in ("jsonl", "list"):
        (folder / "t.jsonl").write_text('{"image": "a.png"}\n' + ("{" if kind == "jsonl" else "[1]"))
        return folder / "t.jsonl"
    if kind == "parquet":
        pq.write_table(pa.table({"image": [good] * 9}), folder / "t.parquet")
        content = (folder / "t.parquet").read_bytes()
        (folder / "t.parquet").write_bytes(content[:-9])
        return folder / "t.parquet"
    if kind in ("tar", "tar end", "tgz"):
        suffix = "tgz" if kind == "tgz" else "tar"
        packing = "w:gz" if kind == "tgz" else "w"
        with tarfile.open(folder / f"t.{suffix}", packing, format=tarfile.USTAR_FORMAT) as archive:
            for name in ("1.png", "2.png"):
                archive.add(folder / "a.png", name)
        content = (folder / f"t.{suffix}").read_bytes()
        each = 512 + -(-len(good) // 512) * 512
        cut = {"tar": each + 700, "tar end": each, "tgz": len(content) // 2}[kind]
        (folder / f"t.{suffix}").write_bytes(content[:cut])
        return folder / f"t.{suffix}"
    if kind == "zip":
        with zipfile.ZipFile(folder / "t.zip", "w") as archive:
            archive.write(folder / "a.png", "a.png")
        (folder / "t.zip").write_bytes((folder / "t.zip").read_bytes()[:-30])
        return folder / "t.zip"
    if kind == "classes":
        table.write_text("file_name,label\n" + "".join(f"a.png,{n}\n" for n in range(1001)))
        return table
    (folder / "a.png").unlink()
    if kind == "text":
        (folder / "a.rar").write_text("")
        return folder / "a.rar"
    if kind == "missing":
        return folder / "nothing"
    if kind == "all broken":
        (folder / "a.png").write_bytes(good[:60])
    return folder


BAD = {
    "leaves": "t.csv, line 3: ../outside.png leads out of the table's folder",
    "windows": "leads out of the table's folder",
    "absolute": "leads out of the table's folder",
    "linked": "link.png leads out of the table's folder",
    "hidden way": "leads out of the table's folder",
    "nul": "t.csv",
    "column": "t.csv has no column of pictures: call it file_name, and caption, label",
    "latin": "t.csv is no UTF-8 text: save it as UTF-8",
    "jsonl": "t.jsonl is no such table",
    "list": "t.jsonl is no such table",
    "parquet": "t.parquet is cut short, or no Parquet file",
    "tar": "t.tar is cut short",
    "tar end": "t.tar is cut short after 1 files: fetch it again",
    "tgz": "t.tgz is cut short",
    "zip": "t.zip is cut short",
    "classes": "has 1001 classes: 1000 at most",
    "text": "a.rar is no set of pictures that is known: name a folder of pictures, a .zip",
    "missing": "nothing is",
    "empty": "set holds no picture that can be read (",
    "all broken": "a.png is broken",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_set_is_refused_in_one_line_and_nothing_is_written(tmp_path, monkeypatch, capsys, kind):
    path = broken_set(tmp_path / "set", kind)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for arguments in (["data", "check", str(path)], ["train", "gan", "--budget", "smoke", "--data", str(path)]):
        assert main(arguments) == 2
        said = capsys.readouterr()
        assert said.out == "" and said.err.count("\n") == 1 and said.err.startswith("bozzetto: ")
        assert BAD[kind] in said.err
    assert sorted(tmp_path.rglob("*")) == before


def test_too_many_pictures_of_one_file_are_refused_before_one_is_read(base, tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "MOST", 19)
    monkeypatch.setattr(own.pictures, "peek", None)
    for form in ("rows.csv", "zip", ".tar"):
        with pytest.raises(InvalidInput, match="has 20 pictures: 19 at most in one file, make several in one folder"):
            own.load(archived(base, form, tmp_path), 32)


def test_one_bad_picture_is_named_and_the_others_are_read(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "set"
    (folder / "sub").mkdir(parents=True)
    good = encoded(picture(1))
    header = b"IHDR" + (30_000).to_bytes(4, "big") * 2 + good[24:29]
    for name, content in {
        "good.png": good,
        "cut.png": good[: len(good) // 2],
        "empty.png": b"",
        "text.jpg": b"hello",
        "bomb.png": good[:12] + header + zlib.crc32(header).to_bytes(4, "big") + good[33:],
        "sub/latin.png": encoded(picture(2)),
        "sub/latin.txt": "un café".encode("latin-1"),
        "sub/long.png": encoded(picture(3)),
        "sub/long.txt": b"x" * 70_000,
    }.items():
        (folder / name).write_bytes(content)
    with open(folder / "heavy.png", "wb") as file:
        file.truncate(30 * 2**20)
    (folder / "sub/loop").symlink_to(folder, target_is_directory=True)
    (folder / "self.png").symlink_to("self.png")
    os.mkfifo(folder / "good.txt")  # nobody writes to it
    with open(os.fsencode(folder) + b"/caf\xe9.png", "wb") as file:
        file.write(good)
    assert main(["data", "check", "set", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["pictures"] == 3 and report["uncaptioned"] == ["good.png", "sub/latin.png", "sub/long.png"]
    for name, why in {
        "cut.png": "is broken",
        "empty.png": "is empty",
        "text.jpg": "is none of PNG",
        "bomb.png": "is 30000 x 30000: 64 megapixels at most",
        "heavy.png": "has more than 20 MB",
        "sub/latin.png": "its .txt is no UTF-8 text: save it as UTF-8",
        "sub/long.png": "its .txt cannot be used: 64 KB at most",
    }.items():
        assert report["broken"].pop(name).startswith(why)
    assert not report["broken"]
    assert {"sub/loop", "self.png", "caf\N{REPLACEMENT CHARACTER}.png"} == report["skipped"].keys()
    (folder / "t.csv").write_text("file_name\ngood.png\ngone.png\n")
    assert main(["data", "check", "set/t.csv"]) == 1
    assert "  gone.png: is not there: check its name in the table\n" in capsys.readouterr().out


def test_what_a_packed_file_hides_is_left_out(tmp_path):
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        picture(1).save(tmp_path / "a.png")
        archive.add(tmp_path / "a.png", "./in/a.png")
        archive.add(tmp_path / "a.png", "in/.hidden.png")
        archive.add(tmp_path / "a.png", "in/a.heic")
        (tmp_path / "link.png").symlink_to("/etc/passwd")
        archive.add(tmp_path / "link.png", "in/link.png")
        archive.add(tmp_path / "a.png", os.fsdecode(b"in/caf\xe9.png"))
    found = own.load(tmp_path / "t.tar", 32)
    assert found.names == ["in/a.png"]
    assert {item.kind for item in found.skipped} == {".heic", "name"}
    with zipfile.ZipFile(tmp_path / "t.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "a.png", "a.png")
        archive.writestr("b.png", bytes(30 * 2**20))  # 30 KB, packed
        archive.writestr("c.png", (tmp_path / "a.png").read_bytes(), zipfile.ZIP_STORED)
        archive.writestr("a.txt", b"a spot of ink", zipfile.ZIP_STORED)
    found = own.load(tmp_path / "t.zip", 32)
    assert found.names == ["a.png", "c.png"] and "20 MB" in found.broken[0].reason
    content = (tmp_path / "t.zip").read_bytes()
    at = content.rindex(b"IEND")
    (tmp_path / "t.zip").write_bytes(content[:at] + b"X" + content[at + 1 :])
    assert "c.png" in own.load(tmp_path / "t.zip", 32).broken[1].reason  # its checksum
    (tmp_path / "t.zip").write_bytes(content.replace(b"a spot", b"a blot"))
    with pytest.raises(InvalidInput, match=r"t\.zip is cut short, broken or locked \(Bad CRC-32 for file 'a\.txt'\)"):
        own.load(tmp_path / "t.zip", 32)


# ---------------------------------------------------------------- twins


def saved_again(image: Image.Image, how: int) -> Image.Image:
    if how == 0:
        return Image.open(io.BytesIO(encoded(image, "JPEG", quality=60)))
    if how == 1:
        return image.resize((31, 31))
    return image.point(lambda level: int(level * 0.9))


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 2)), min_size=1, max_size=30), st.randoms())
def test_twins_are_found_and_are_never_parted(drawn, chance):
    names = [f"{number}-{chance.random()}.png" for number, _ in drawn]
    images = [own.square(saved_again(picture(number), how).convert("RGBA"), 32) for number, how in drawn]
    found = twins(np.stack([np.asarray(image) for image in images]), np.arange(len(images)))
    numbers = [number for number, _ in drawn]
    assert found.tolist() == [numbers.index(number) for number in numbers]
    split = sides(names, found, [""] * len(names))
    for number in numbers:
        assert len({side for side, other in zip(split, numbers, strict=True) if other == number}) == 1
    assert "train" in split


def test_twins_of_twins_belong_together_and_blank_pictures_to_none():
    first, last = (np.asarray(picture(n, "RGBA")).astype(float) for n in (1, 2))
    steps = [first + (last - first) * share for share in np.linspace(0, 1, 40)]  # a film, each frame near the next
    film = np.stack([np.asarray(Image.fromarray(step.astype(np.uint8)).resize((32, 32))) for step in steps])
    order = np.random.default_rng(0).permutation(40)
    assert set(twins(film[order], np.arange(40))) == {0}
    assert len(set(twins(film[[0, -1]], np.arange(2)))) == 2
    blank = np.full((3, 32, 32, 4), 255, np.uint8)
    assert twins(blank, np.array([0, 0, 2])).tolist() == [0, 0, 2]  # the same bytes, and another white


def test_a_tenth_is_held_out_whatever_is_added():
    names = [f"{n}.png" for n in range(2000)]
    split = sides(names, np.arange(2000), [""] * 2000)
    assert 150 < split.count("test") < 250
    assert sides(names[:500], np.arange(500), [""] * 500)[1:] == split[1:500]  # but for those that always train
    assert sides(["a", "b"], np.array([0, 0]), ["test", ""]) == ["test", "train"]  # what is given counts


def test_the_check_tells_of_copies_twins_words_and_a_split_that_parts(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, side in ((1, "train"), (2, "train"), (3, "test")):
        (tmp_path / "set" / side / "owl").mkdir(parents=True, exist_ok=True)
        picture(number).save(f"set/{side}/owl/{number}.png")
    Path("set/train/owl/1.txt").write_text("an owl " * 20)
    Path("set/train/owl/again.png").write_bytes(Path("set/train/owl/1.png").read_bytes())
    saved_again(picture(2), 0).save("set/test/owl/small.jpg")
    assert main(["data", "check", "set", "--sheet", "seen.png"]) == 0
    said = capsys.readouterr().out
    for line in (
        "set: 5 pictures in 1 classes",
        "  train/owl/1.png, train/owl/again.png",
        "  test/owl/small.jpg, train/owl/2.png",
        "with more words than the 24 tokens that are read: 1",
        "without words: 4",
        "a recipe sees 3 of them at 32 x 32 pixels; 2 are held out",
        "of 1 near-duplicates some are held out and some are not, as the set says",
        "seen.png",
    ):
        assert line + "\n" in said
    assert Image.open("seen.png").size == (3 * 68 + 4, 2 * 68 + 4)
    assert main(["data", "check", "set", "--sheet", "seen.jpg"]) == 2
    capsys.readouterr()
    assert main(["data", "check", "--help"]) == 0
    assert "bozzetto data check photos.zip --sheet seen.png" in capsys.readouterr().out


# ---------------------------------------------------------------- training


def losses(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()]


def test_gan_and_diffusion_learn_from_a_folder_and_a_zip(base, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    packed = archived(base, "zip", tmp_path)
    common = ["--budget", "smoke", "--data"]
    assert main(["train", "gan", *common, str(base), "--steps", "10"]) == 0
    assert main(["train", "diffusion", *common, str(packed), "--mirror"]) == 0
    assert main(["train", "few-steps", *common, str(packed), "--steps", "2"]) == 0  # finds its teacher's run
    picture(1, "L").save("grey.png")
    Path("grey.csv").write_text("file,label\ngrey.png,kite\n")
    assert capsys.readouterr().err == ""
    assert main(["train", "few-steps", *common, "grey.csv", "--teacher", "runs/diffusion-smoke-set"]) == 2
    assert "--teacher runs/diffusion-smoke-set has learned other classes or colours" in capsys.readouterr().err
    runs = ("gan-smoke-mine", "diffusion-smoke-set", "few-steps-smoke-set")
    assert all((Path("runs") / name / "model.safetensors").is_file() for name in runs)
    fell = losses(Path("runs/diffusion-smoke-set/fit"))
    assert fell[-1] < 0.7 * fell[0]


def test_a_run_goes_on_with_the_same_pictures_only(base, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    mine = Path("mine")
    for number in range(6):
        mine.mkdir(exist_ok=True)
        picture(number).save(mine / f"{number}.png")
    command = ["train", "diffusion", "--budget", "smoke", "--steps", "4", "--data", "mine"]
    assert main([*command, "--minutes", "1e-9"]) == 3
    state = Path("runs/diffusion-smoke-mine/fit/state.safetensors")
    before = state.read_bytes()
    capsys.readouterr()
    for change in (lambda: picture(99).save(mine / "3.png"), (mine / "3.png").unlink):
        change()
        assert main(command) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "--out runs/diffusion-smoke-mine learned from other pictures" in said
        assert state.read_bytes() == before
    picture(3).save(mine / "3.png")
    assert main(command) == 0


def test_the_larger_recipes_learn_from_words_and_pictures_without_scenes(base, tmp_path):
    """The autoencoder's last stage and text-to-image have no scenes to draw from."""
    world = data.own_world(own.load(base, 64))
    for recipe in (autoencoder.RECIPE, text_to_image.RECIPE, text_few_steps.RECIPE):
        model = recipe.train(world, with_steps(recipe.budgets["smoke"], 1), tmp_path / recipe.name, own=True)
        assert all(torch.isfinite(weight).all() for weight in model.parameters())
    assert world.names[0] == "a kite number 0" and set(world.subgroups) == set(KINDS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "train vlm --budget smoke --data mine",
            "--data mine is for autoencoder, text-to-image, text-few-steps, gan, vae",
        ),
        ("train gan --budget smoke --data emojis", "--data emojis is neither emoji nor fashion, nor there as a file"),
        ("train gan --budget smoke --mirror", "--mirror is for your own pictures, which --data names, of gan, vae"),
        ("train text-to-image --budget smoke --data mine", "--data mine has no words to learn: put a.txt beside a.png"),
    ],
)
def test_what_cannot_be_asked_is_said(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    picture(1).save("mine/1.png")
    assert main(arguments.split()) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and message in said and not Path("runs").exists()


def test_training_goes_on_from_a_run_of_other_classes(base, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    os.mkdir("owls")
    picture(31).save("owls/1.png")
    os.mkdir("grey")
    picture(32, "L").save("grey/1.png")
    command = ["train", "diffusion", "--budget", "smoke", "--steps", "1", "--data"]
    assert main([*command, str(base)]) == 0
    first = Path("runs/diffusion-smoke-mine")
    assert main([*command, "owls", "--from", str(first)]) == 0
    assert main([*command, "owls", "--out", "runs/new"]) == 0
    began, on, new = (
        load_file(run / "model.safetensors") for run in (first, Path("runs/diffusion-smoke-owls"), Path("runs/new"))
    )
    assert len(began["label.weight"]) == 3 and len(on["label.weight"]) == 2
    shared = [name for name in began if name != "label.weight" and began[name].ndim > 1]
    away = [
        sum((run[name] - began[name]).square().sum() for name in shared) ** 0.5 for run in (on, new)
    ]  # one step away, and another beginning
    assert away[0] < 0.3 * away[1]
    for arguments, said in (
        (["gan", "--from", str(first)], "--from is for autoencoder, text-to-image, diffusion: leave it out for gan"),
        (["diffusion", "--from", "owls"], "--from owls is neither a finished run of diffusion nor a weights folder"),
        (["text-to-image", "--from", str(first)], "holds no network of this kind"),
        (["diffusion", "--data", "grey", "--from", str(first)], "draws in 3 colours, not 1"),
    ):
        capsys.readouterr()
        words = ["--data", str(base)] if "--data" not in arguments else []
        assert main(["train", *arguments, *words, "--budget", "smoke", "--out", "runs/bad"]) == 2
        line = capsys.readouterr().err
        assert said in line and line.count("\n") == 1
