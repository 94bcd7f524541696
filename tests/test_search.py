"""Picture search: what the index holds, that no kill breaks it, and that words find pictures.

The models are real where quality is the question; elsewhere a picture's vector is its colours.
The test of quality needs data/world.parquet, which `make test` makes first (`bozzetto world build`).
"""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bozzetto
from bozzetto import pictures
from bozzetto.cli import main
from bozzetto.errors import InvalidInput, MissingFile, NotBuilt, WeightsError
from bozzetto.runtime import store
from bozzetto.runtime.session import cores
from bozzetto.search import index as module
from bozzetto.search import table, walk
from bozzetto.search.captions import world_names
from bozzetto.search.embed import Embedder, open_embedder
from bozzetto.search.index import index_folder, query_vector, search
from bozzetto.search.table import open_index
from bozzetto.world.captions import plain_name, with_article

pytest.importorskip("lancedb")


def unit(rows):
    rows = np.asarray(rows, np.float32).reshape(len(rows), -1) - 0.5
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


COLOURS = Embedder(
    id="colours",
    width=48,
    prepare=lambda image: np.asarray(pictures.over_white(image).resize((4, 4))) / 255,
    encode_image=unit,
    encode_text=lambda texts: unit([np.random.default_rng(list(text.encode())).random(48) for text in texts]),
)


def paint(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    Image.fromarray(colours).save(path, path.suffix[1:].lower().replace("jpg", "jpeg"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(["a.png", "b.PNG", "deep/c.webp", "deep/er/d.jpg", "e.bmp", "f.gif"]):
        paint(tmp_path / "photos" / name, i)
    return tmp_path / "photos"


def held(folder, embedder=COLOURS):
    """What the index holds: path -> vector."""
    pictures_table, _ = open_index(folder / ".bozzetto-index", embedder)
    rows = pictures_table.search().to_arrow().to_pylist()
    assert len({row["path"] for row in rows}) == len(rows)
    return {row["path"]: row["vector"] for row in rows}


def truth(folder, embedder=COLOURS):
    """What it should hold: every picture, embedded one by one."""
    paths = [path for path in folder.rglob("*.*") if path.suffix.lower() in walk.SUFFIXES]
    vectors = embedder.encode_image(np.stack([embedder.prepare(pictures.open_picture(path)) for path in paths]))
    return {path.relative_to(folder).as_posix(): vector.tolist() for path, vector in zip(paths, vectors, strict=True)}


# ---------------------------------------------------------------- the index


def test_only_new_and_changed_files_are_read_and_removed_ones_leave(folder):
    assert index_folder(folder, COLOURS).embedded == 6
    assert held(folder) == truth(folder)

    paint(folder / "a.png", 100)
    (folder / "deep/c.webp").unlink()
    paint(folder / "new/g.png", 101)
    (folder / "e.bmp").rename(folder / "h.bmp")
    read = []
    spy = Embedder(**vars(COLOURS) | {"prepare": lambda image: read.append(image) or COLOURS.prepare(image)})
    report = index_folder(folder, spy)
    assert (report.embedded, report.removed, report.pictures, len(read)) == (3, 2, 6, 3)
    assert held(folder) == truth(folder)
    assert index_folder(folder, spy).embedded == 0 and len(read) == 3

    # A picture with the same size and another time of change is read again.
    os.utime(folder / "b.PNG", ns=(0, 0))
    assert index_folder(folder, spy).embedded == 1 and len(read) == 4


def test_odd_dates_are_kept_and_do_not_stop_an_index(folder):
    for name, seconds in (("a.png", 2**34), ("b.PNG", -(2**31)), ("e.bmp", 10_413_792_000)):  # 2514, 1901, 2300
        os.utime(folder / name, (seconds, seconds))
    assert index_folder(folder, COLOURS).embedded == 6 and held(folder) == truth(folder)
    assert index_folder(folder, COLOURS).embedded == 0
    os.utime(folder / "a.png", (0, 0))
    assert index_folder(folder, COLOURS).embedded == 1


def test_strange_names_are_kept_updated_and_removed(folder):
    strange = ["it's.png", "a' OR path LIKE '%.png", '"q".png', "100%_.png", "日本 é.png", "e\u0301.png", "back\\.png"]
    strange += ["two\nlines.png", "';DROP TABLE x.png"]
    for i, name in enumerate(strange):
        paint(folder / name, 200 + i)
    index_folder(folder, COLOURS)
    assert held(folder) == truth(folder)
    for i, name in enumerate(strange[:5]):
        paint(folder / name, 300 + i)
    for name in strange[5:]:
        (folder / name).unlink()
    report = index_folder(folder, COLOURS)
    assert (report.embedded, report.removed) == (5, 4)
    assert held(folder) == truth(folder)


def test_what_is_no_picture_is_skipped_by_kind(folder, tmp_path):
    good = (folder / "a.png").read_bytes()
    Image.effect_noise((64, 64), 50).save(folder / "cut.png")
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:1000])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("not a picture")
    with open(folder / "heavy.png", "wb") as file:
        file.truncate(30 * 2**20)  # sparse
    Image.new("1", (9000, 9000)).save(folder / "wide.png")
    header = b"IHDR" + (30_000).to_bytes(4, "big") * 2 + good[24:29]
    (folder / "bomb.png").write_bytes(good[:12] + header + zlib.crc32(header).to_bytes(4, "big") + good[33:])
    Image.new("RGB", (8, 8), "red").save(folder / "jpeg.png", "JPEG")  # wrongly named, yet a picture
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "moves.gif", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "moves.webp", save_all=True, append_images=frames[1:])
    shutil.copy(folder / "a.png", tmp_path / "secret.png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "inside.png").symlink_to(folder / "a.png")
    (folder / "nowhere.png").symlink_to(folder / "gone.png")
    (folder / "up").symlink_to(tmp_path)  # a loop, not entered
    (folder / ".hidden.png").write_bytes(good)
    (folder / "notes.txt").write_text("no picture, and not named as one")
    os.mkfifo(folder / "pipe.png")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).write_bytes(good)

    report = index_folder(folder, COLOURS)
    assert {item.path: item.kind for item in report.skipped} == {
        "cut.png": "broken",
        "empty.png": "empty",
        "text.png": "not a picture",
        "heavy.png": "too large",
        "wide.png": "too large",
        "bomb.png": "too large",
        "link.png": "link",
        "up": "link",
        "nowhere.png": "unreadable",
        "pipe.png": "no file",
        "�.png": "name",
    }
    assert report.animated == 2
    assert report.pictures == report.embedded == 6 + len({"jpeg.png", "moves.gif", "moves.webp", "inside.png"})
    red = held(folder)["moves.gif"]
    assert red == pytest.approx(unit([np.tile([1.0, 0.0, 0.0], 16)])[0].tolist())


def test_what_pillow_reads_is_indexed_and_the_rest_is_counted_by_kind(folder, capsys, monkeypatch):
    good = (folder / "deep/er/d.jpg").read_bytes()
    for name in ("a.jfif", "b.JPE", "c.jpeg"):
        (folder / name).write_bytes(good)
    (folder / "d.apng").write_bytes((folder / "a.png").read_bytes())
    others = ["1.heic", "2.HEIC", "3.avif", "4.tif", "5.svg", "6.jxl", "7.CR2", "8.mp4", "9.dng", "notes.txt", ".x.tif"]
    for name in others:
        (folder / name).touch()
    for name in ("@eaDir/a.png/SYNO_S.jpg", ".thumbnails/t.png", "deep/#recycle/old.png", "Thumbs/a.jpg"):
        paint(folder / name, 5)
    (folder / "album").symlink_to(folder / "deep")
    monkeypatch.setattr("bozzetto.search.embed.open_embedder", lambda _: COLOURS)
    assert main(["search", "index", "photos"]) == 0
    said = capsys.readouterr().out
    assert "10 pictures, 10 of them embedded now" in said
    assert "skipped 14: 4 thumbnails or trash, 2 .heic, 1 .avif, 1 .tif, 1 .svg, 1 .jxl, 1 .cr2, 1 .mp4, 1 .dng" in said
    assert "  album: a link to a folder, which is not followed\n" in said and "and 4 more, see --verbose" in said
    assert main(["search", "index", "photos", "--verbose"]) == 0
    said = capsys.readouterr().out
    assert "  2.HEIC: this kind is not read: convert it to JPEG or PNG\n" in said and "  9.dng: this" in said
    assert "notes.txt" not in said and ".x.tif" not in said
    assert set(walk.SUFFIXES) == {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp"}


def test_what_cannot_be_read_stays_in_the_index(folder, monkeypatch, capsys):
    index_folder(folder, COLOURS)
    before = held(folder)
    paint(folder / "g.png", 50)
    scandir = os.scandir

    def no_rights(path):
        if str(path) == str(folder / "deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", no_rights)
        report = index_folder(folder, COLOURS)
    assert (report.pictures, report.embedded, report.removed, report.kept) == (7, 1, 0, 2)
    assert report.skipped == [walk.Skipped("deep", "unreadable", "Permission denied")]
    assert before.items() <= held(folder).items()

    # A changed file that cannot be read keeps its old vector; one that is no picture any more loses it.
    for name in ("a.png", "b.PNG"):
        (folder / name).write_bytes(b"no picture")

    def no_a(path, *mode):
        if path == folder / "a.png":
            raise OSError(5, "Input/output error", str(path))
        return open(path, *mode)

    monkeypatch.setattr(pictures, "open", no_a, raising=False)
    report = index_folder(folder, COLOURS)
    assert [(item.path, item.kind) for item in report.skipped] == [("a.png", "unreadable"), ("b.PNG", "not a picture")]
    assert set(held(folder)) == {*before, "g.png"} - {"b.PNG"} and held(folder)["a.png"] == before["a.png"]

    def none(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", none)
    with pytest.raises(InvalidInput, match=r"folder .*photos cannot be read \(Permission denied\)"):
        index_folder(folder, COLOURS)


def test_a_folder_that_has_become_empty_asks_first(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("bozzetto.search.embed.open_embedder", lambda _: COLOURS)
    command = ["search", "index", "photos", "--index", "elsewhere"]
    assert main(command) == 0
    away = tmp_path / "away"
    (folder / "deep").rename(away)
    (folder / "deep").mkdir()  # as the place of a drive that is not there
    capsys.readouterr()
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "6 pictures, 0 of them embedded now, 2 kept that cannot be seen" in said
    assert "skipped 1: 1 emptied\nkept the pictures of folders that are empty now: --emptied forgets them\n" in said
    (folder / "deep").rmdir()
    away.rename(folder / "deep")
    assert index_folder(folder, COLOURS, "elsewhere").embedded == 0

    folder.rename(away)
    folder.mkdir()
    for more in ([], ["--rebuild"]):
        capsys.readouterr()
        assert main(command + more) == 2
        said = capsys.readouterr()
        assert said.out == "" and said.err.count("\n") == 1
        assert "photos has no pictures" in said.err and ("--emptied" in said.err or more)
    with pytest.raises(InvalidInput, match=r"its index has 6: .*with emptied$"):
        index_folder(folder, COLOURS, "elsewhere")
    report = index_folder(folder, COLOURS, "elsewhere", emptied=True)
    assert (report.pictures, report.removed) == (0, 6)
    folder.rmdir()
    away.rename(folder)
    assert index_folder(folder, COLOURS, "elsewhere").embedded == 6
    shutil.rmtree(folder / "deep")
    (folder / "deep").mkdir()
    assert index_folder(folder, COLOURS, "elsewhere", emptied=True).removed == 2


def test_a_picture_that_changes_while_it_is_read_is_read_again(folder):
    def prepare(image):
        paint(folder / "a.png", 70)
        os.utime(folder / "a.png", ns=(0, 70))
        return COLOURS.prepare(image)

    index_folder(folder, Embedder(**vars(COLOURS) | {"prepare": prepare}))
    assert index_folder(folder, COLOURS).embedded == 1
    assert held(folder) == truth(folder)


def test_pictures_read_at_once_share_a_bound(folder, monkeypatch):
    pair, active, most = threading.Barrier(2), [], []

    def prepare(image):
        active.append(image)
        most.append(len(active))
        pair.wait(60)
        active.pop()
        pair.wait(60)
        return COLOURS.prepare(image)

    monkeypatch.setattr(pictures, "MAX_PIXELS", 40)  # two of 4 x 4, and not three
    monkeypatch.setattr(module, "cores", lambda: 6)
    assert index_folder(folder, Embedder(**vars(COLOURS) | {"prepare": prepare})).embedded == 6
    assert max(most) == 2
    if hasattr(os, "sched_getaffinity"):
        assert cores() == len(os.sched_getaffinity(0))


def test_a_stopped_run_keeps_what_is_done_and_the_next_goes_on(folder, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 2)
    answers = iter([False, True])
    report = index_folder(folder, COLOURS, stop=lambda: next(answers))
    assert (report.complete, report.embedded, report.pictures) == (False, 4, 4)
    report = index_folder(folder, COLOURS)
    assert (report.complete, report.embedded) == (True, 2)
    assert held(folder) == truth(folder)


def test_ctrl_c_ends_with_130_after_the_batch(folder, monkeypatch, capsys):
    usual = signal.getsignal(signal.SIGINT)  # in a background job it is ignored

    def encode_image(pixels):
        signal.raise_signal(signal.SIGINT)
        return unit(pixels)

    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(
        "bozzetto.search.embed.open_embedder", lambda _: Embedder(**vars(COLOURS) | {"encode_image": encode_image})
    )
    assert main(["search", "index", "photos"]) == 130
    assert len(held(folder)) == 2
    assert "what is done is kept" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is usual


# Another process. It forks for every piece of work, since the import of LanceDB takes longer than a whole run here, and
# never uses LanceDB itself.
OTHER = """
import os, random, shutil, signal, sys, time, warnings
from pathlib import Path
from test_search import COLOURS, Embedder, module, open_index, paint, table

warnings.simplefilter("ignore")  # LanceDB warns of forks

def end(child):
    return os.waitpid(child, 0)[1]

def kill(folder, log, seed):
    rng = random.Random(seed)
    module.BATCH, module.COMMIT = 2, 4

    def slowly(pixels):
        time.sleep(0.002)
        return COLOURS.encode_image(pixels)

    def say(*words):
        with log.open("a") as file:
            print(*words, file=file)

    def start():
        if not (child := os.fork()):
            slow = Embedder(**vars(COLOURS) | {"encode_image": slowly})
            if table.exists(folder / ".bozzetto-index"):
                say("opened", open_index(folder / ".bozzetto-index", slow)[0].count_rows())
            say("ended", module.index_folder(folder, slow).embedded)
            os._exit(0)
        return child

    began = time.monotonic()
    end(start())
    whole = time.monotonic() - began
    shutil.rmtree(folder / ".bozzetto-index")
    log.write_text("")
    for round in range(20):
        child = start()
        time.sleep(rng.random() * whole)
        os.kill(child, signal.SIGKILL)
        say("killed" if os.WIFSIGNALED(end(child)) else "too late")
        for i in rng.sample(range(40), 8):
            paint(folder / f"{i}.png", 1000 * round + i)
        (folder / f"{rng.randrange(40)}.png").unlink(missing_ok=True)
    end(start())

def write(folder):
    module.BATCH, module.COMMIT = 4, 8
    for round in range(3):
        for i in range(30):
            paint(folder / f"{i}.bmp", 100 * round + i)
        assert module.index_folder(folder, COLOURS).embedded == 30
    (folder / "rebuilding").touch()
    module.index_folder(folder, COLOURS, rebuild=True)
    paint(folder / "30.bmp", 1)
    module.index_folder(folder, COLOURS, stop=lambda: print(os.getpid(), flush=True) or bool(input()))

while work := input():
    if not (child := os.fork()):
        exec(work)
        os._exit(0)
    print("ended", end(child), flush=True)
"""


@pytest.fixture(scope="module")
def other_process():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", OTHER]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True, bufsize=1) as process:
        yield process
        process.communicate("\n")


def test_killed_at_twenty_random_moments_the_index_opens_and_ends_whole(tmp_path, other_process):
    folder, log = tmp_path / "photos", tmp_path / "log"
    for i in range(40):
        paint(folder / f"{i}.png", i)
    other_process.stdin.write(f"kill(Path({str(folder)!r}), Path({str(log)!r}), 7)\n")
    assert other_process.stdout.readline() == "ended 0\n"
    said = log.read_text().split("\n")
    opened = [line for line in said if line.startswith("opened")]
    assert said.count("killed") >= 10 and said.count("killed") + said.count("too late") == 20
    assert len(opened) >= 5 and said[-2].startswith("ended")
    assert held(folder) == truth(folder)
    assert {path.name for path in (folder / ".bozzetto-index").iterdir()} == {"pictures.lance", "lock"}
    versions = list((folder / ".bozzetto-index/pictures.lance/_versions").glob("*.manifest"))
    assert len(versions) == 1  # compact: old versions are dropped


def test_beside_a_run_a_search_is_whole_and_a_second_run_is_refused(tmp_path, other_process, monkeypatch, capsys):
    folder = tmp_path / "photos"
    for i in range(30):
        paint(folder / f"{i}.bmp", i)
    index = index_folder(folder, COLOURS).index
    other_process.stdin.write(f"write(Path({str(folder)!r}))\n")
    said = []
    holding = threading.Thread(target=lambda: said.append(other_process.stdout.readline().strip()))
    holding.start()  # it ends when the other process holds the index
    query = np.ones(48, np.float32)
    while holding.is_alive():
        found = [path.name for path, _ in search(index, COLOURS, query, 1000)]
        assert len(set(found)) == len(found)
        assert len(found) == 30 or (folder / "rebuilding").exists()
        time.sleep(0.003)  # the writer may have but this core
    assert len(search(index, COLOURS, query, 1000)) == 30
    monkeypatch.setattr("bozzetto.search.embed.open_embedder", lambda _: COLOURS)
    for more in ([], ["--rebuild"]):
        assert main(["search", "index", str(folder), *more]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert f"is in use: process {said[0]} is indexing; wait for it, or stop it" in error
    other_process.stdin.write("\n")
    assert other_process.stdout.readline() == "ended 0\n"
    assert index_folder(folder, COLOURS).embedded == 0 and held(folder) == truth(folder)


def test_a_moved_folder_takes_its_index_along(folder):
    index_folder(folder, COLOURS)
    moved = folder.rename(folder.with_name("moved"))
    assert index_folder(moved, COLOURS).embedded == 0
    path, score = search(moved / ".bozzetto-index", COLOURS, np.float32(held(moved)["a.png"]), 1)[0]
    assert path == moved.resolve() / "a.png" and score == pytest.approx(1)


def test_an_index_elsewhere_is_of_one_folder(folder, tmp_path):
    index_folder(folder, COLOURS, tmp_path / "elsewhere")
    assert not (folder / ".bozzetto-index").exists()
    paint(tmp_path / "others/z.png", 9)
    with pytest.raises(ValueError, match=r"elsewhere is the index of .*photos: name another index, or use rebuild"):
        index_folder(tmp_path / "others", COLOURS, tmp_path / "elsewhere")
    assert index_folder(tmp_path / "others", COLOURS, tmp_path / "elsewhere", rebuild=True).pictures == 1


def test_another_model_is_refused_until_rebuilt(folder):
    index_folder(folder, COLOURS)
    other = Embedder(**vars(COLOURS) | {"id": "colours 2"})
    with pytest.raises(ValueError, match=r"made by another model \(colours, not colours 2\).*as model.*with rebuild"):
        index_folder(folder, other)
    with pytest.raises(ValueError, match="made by another model"):
        search(folder / ".bozzetto-index", other, np.ones(48, np.float32))
    assert held(folder) == truth(folder)
    assert index_folder(folder, other, rebuild=True).embedded == 6
    assert held(folder, other) == truth(folder)


def test_a_damaged_index_is_named_and_rebuilt(folder):
    index_folder(folder, COLOURS)
    for manifest in (folder / ".bozzetto-index").rglob("*.manifest"):
        manifest.write_bytes(manifest.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"\.bozzetto-index cannot be read .*with rebuild"):
        index_folder(folder, COLOURS)
    index_folder(folder, COLOURS, rebuild=True)
    for data in (folder / ".bozzetto-index").rglob("data/*.lance"):
        data.unlink()
    with pytest.raises(ValueError, match=r"\.bozzetto-index cannot be read .*with rebuild"):
        search(folder / ".bozzetto-index", COLOURS, np.ones(48, np.float32))
    index_folder(folder, COLOURS, rebuild=True)
    assert held(folder) == truth(folder)


@pytest.mark.parametrize("rebuild", [False, True])
def test_a_folder_of_other_files_is_no_place_for_an_index(folder, rebuild):
    before = sorted(folder.rglob("*"))
    with pytest.raises(ValueError, match="photos is not an index: name an empty folder"):
        index_folder(folder, COLOURS, folder, rebuild=rebuild)
    with pytest.raises(ValueError, match=r"a\.png is not an index"):
        index_folder(folder, COLOURS, folder / "a.png", rebuild=rebuild)
    with pytest.raises(ValueError, match="nowhere is not there, make it first"):
        index_folder(folder, COLOURS, folder / "nowhere/index", rebuild=rebuild)
    assert sorted(folder.rglob("*")) == before


def test_a_name_that_is_no_utf8_is_told_and_nothing_is_left(folder, capsys):
    strange = Path(os.fsdecode(os.fsencode(folder.parent) + b"/f\xff"))
    shutil.copytree(folder, strange)
    before = sorted(strange.parent.rglob("*"))
    for field, arguments in (("folder", [strange]), ("--index", [folder, "--index", strange])):
        assert main(["search", "index", *map(str, arguments)]) == 2
        assert re.search(rf"bozzetto: {field} \S*/f\S+ has a name that is no UTF-8: rename it", capsys.readouterr().err)
    assert main(["search", "find", "dog", "--in", str(strange)]) == 2
    assert "has a name that is no UTF-8" in capsys.readouterr().err
    assert sorted(strange.parent.rglob("*")) == before


def test_a_full_disk_is_told_and_leaves_what_was_there(folder, tmp_path):
    resource = pytest.importorskip("resource")
    index_folder(folder, COLOURS)
    for i in range(40):
        paint(folder / f"{i}.png", i)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, usual[1]))  # no file may be larger
    try:
        full = (
            r"index \S*index cannot be written to \(File too large\): make room there, or keep it elsewhere with index$"
        )
        with pytest.raises(InvalidInput, match=full):
            index_folder(folder, COLOURS)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, usual[1]))
        with pytest.raises(InvalidInput, match=full):
            index_folder(folder, COLOURS, tmp_path / "index")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert not (tmp_path / "index").exists()
    assert len(held(folder)) == 6 and index_folder(folder, COLOURS).embedded == 40


@pytest.fixture
def without_rights():
    """A folder that may be read and not be written to, by a user that is not root."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name, "photos")
        for i in range(3):
            paint(place / f"{i}.png", i)
        place.parent.chmod(0o755)
        place.chmod(0o555)
        user = os.geteuid()
        try:
            if not user:
                os.seteuid(65534)
            yield place
        finally:
            os.seteuid(user)
            place.chmod(0o755)


def test_a_folder_that_cannot_be_written_to_is_told_of_the_index_elsewhere(without_rights, monkeypatch, capfd):
    monkeypatch.setattr("bozzetto.search.embed.open_embedder", lambda _: COLOURS)
    assert main(["search", "index", str(without_rights)]) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and ".bozzetto-index cannot be written to (Permission denied)" in said
    assert said.endswith(": keep it elsewhere with --index\n")
    elsewhere = without_rights.parent / "index"
    os.seteuid(os.getuid())
    assert main(["search", "index", str(without_rights), "--index", str(elsewhere)]) == 0


def test_errors_say_which_argument(folder):
    index_folder(folder, COLOURS)
    odd = folder.rename(folder.with_name("{odd} {}"))  # a text with places for names of arguments may hold braces
    other = Embedder(**vars(COLOURS) | {"id": "{1}"})
    with pytest.raises(InvalidInput, match=r"odd\} \{\}.*made by another model \(colours, not \{1\}\)") as raised:
        index_folder(odd, other)
    assert (raised.value.field, raised.value.others) == ("index", ("model", "rebuild"))
    assert "as --model, or index the folder again with --rebuild" in raised.value.text(lambda name: f"--{name}")
    with pytest.raises(MissingFile, match="folder nowhere is not there"):
        index_folder("nowhere", COLOURS)
    with pytest.raises(NotBuilt, match="nowhere is no index"):
        search("nowhere", COLOURS, np.ones(48, np.float32))
    with pytest.raises(InvalidInput, match="k must be a whole number from 1 to 1000, not True"):
        search(odd / ".bozzetto-index", COLOURS, np.ones(48, np.float32), True)
    assert len(search(odd / ".bozzetto-index", COLOURS, np.ones(48, np.float32), np.int64(3))) == 3


def test_pictures_that_have_gone_are_marked(folder, monkeypatch, capsys):
    monkeypatch.setattr("bozzetto.search.embed.open_embedder", lambda _: COLOURS)
    index_folder(folder, COLOURS)
    (folder / "a.png").unlink()
    assert main(["search", "find", "dog", "--in", "photos", "--sheet", "sheet.png"]) == 0
    marked = [line for line in capsys.readouterr().out.splitlines() if "gone" in line]
    assert len(marked) == 1 and marked[0].endswith("photos/a.png  (gone since it was indexed)")
    assert main(["search", "find", "dog", "--in", "photos", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [Path(row["path"]).name for row in found if row["gone"]] == ["a.png"] and len(found) == 6


def test_the_approximate_index_finds_what_exact_search_finds(tmp_path, monkeypatch):
    for i in range(320):
        paint(tmp_path / f"{i}.bmp", i)
    assert not index_folder(tmp_path, COLOURS).approximate
    monkeypatch.setattr(table, "ANN_FROM", 330)
    for i in range(320, 340):
        paint(tmp_path / f"{i}.bmp", i)
    assert index_folder(tmp_path, COLOURS).approximate
    for i in range(340, 360):  # they join it
        paint(tmp_path / f"{i}.bmp", i)
    report = index_folder(tmp_path, COLOURS)
    assert report.approximate and report.embedded == 20

    vectors = held(tmp_path)
    opened, _ = open_index(report.index, COLOURS)
    assert opened.index_stats("vector_idx").num_unindexed_rows == 0
    paths, matrix = list(vectors), np.array(list(vectors.values()))
    shared = 0
    for query in matrix[::6] + 0.05:
        query = np.float32(query / np.linalg.norm(query))
        exact = {paths[i] for i in np.argsort(-matrix @ query)[:10]}
        found = search(report.index, COLOURS, query, 10)
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
        shared += len(exact & {path.name for path, _ in found})
    assert shared >= 0.98 * 10 * 60


# ---------------------------------------------------------------- queries


def test_a_query_is_the_sum_of_its_unit_vectors(folder):
    image = pictures.open_picture(folder / "a.png")
    words, less = COLOURS.encode_text(["red", "blue"])
    like = unit([COLOURS.prepare(image)])[0]
    total = words + like - less
    made = query_vector(COLOURS, "red", image, "blue")
    assert made == pytest.approx(total / np.linalg.norm(total), abs=1e-6)
    assert query_vector(COLOURS, picture=image) == pytest.approx(like, abs=1e-6)
    with pytest.raises(ValueError, match="less takes away all"):
        query_vector(COLOURS, "red", less="red")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    """200 held-out pictures of the world with names of their own, as PNG, JPEG and WebP files, indexed by our CLIP."""
    import pyarrow.parquet as parquet

    world = parquet.read_table(
        os.environ.get("BOZZETTO_WORLD") or Path(__file__).parents[1] / "data/world.parquet",
        columns=["image", "name", "split"],
        filters=[("split", "=", "test")],
    )
    folder = tmp_path_factory.mktemp("world")
    first = {}
    for i, name in enumerate(world["name"].to_pylist()):
        first.setdefault(re.sub(r"[^a-z ]", "", plain_name(name)), i)
    chosen = np.random.default_rng(0).permutation(sorted(first))[:200]
    for number, name in enumerate(chosen):
        image = Image.open(io.BytesIO(world["image"][first[name]].as_py()))
        pictures.over_white(image).save(folder / f"{name}.{('png', 'jpg', 'webp')[number % 3]}")
    assert main(["search", "index", str(folder)]) == 0
    return folder


def test_words_find_the_picture_and_the_picture_finds_words(indexed):
    embedder = open_embedder()
    rows = held(indexed, embedder)
    vectors = np.array(list(rows.values()), np.float32)
    names = [Path(path).stem for path in rows]
    assert len(names) == 200

    def recall(scores):  # is the right one among the first ten?
        return np.mean([(scores[i] > scores[i, i]).sum() < 10 for i in range(200)])

    words = embedder.encode_text([with_article(name) for name in names])
    assert recall(words @ vectors.T) >= 0.9  # chance is 0.05
    candidates = list(dict.fromkeys([with_article(name) for name in names] + world_names()))
    assert len(candidates) > 1000
    assert recall(vectors @ embedder.encode_text(candidates).T) >= 0.6  # chance is below 0.01
    assert [path.stem for path, _ in search(indexed / ".bozzetto-index", embedder, vectors[7], 1)] == [names[7]]


def test_find_prints_writes_a_sheet_and_json(indexed, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(indexed)
    name = sorted(path.name for path in indexed.glob("*.png"))[5]
    assert main(["search", "find", "--picture", name, "-k", "3", "--sheet", str(tmp_path / "sheet.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f" 1.000  {name}" and len(lines) == 4
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.size == (2 * 136 + 8, 2 * 152 + 8) and len(sheet.getcolors(2**16)) > 50

    command = ["search", "find", "a drawing", "--picture", name, "--less", "a face", "--in", str(indexed), "--json"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 12 and {path.suffix for path in map(Path, (row["path"] for row in found))} <= {
        ".png",
        ".jpg",
        ".webp",
    }
    assert all(Path(row["path"]).is_file() for row in found)
    scores = [row["score"] for row in found]
    assert scores == sorted(scores, reverse=True) and scores[-1] >= -1 and scores[0] <= 1

    assert main(["search", "index", ".", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["pictures"], told["embedded"], told["skipped"], told["complete"]) == (200, 0, [], True)


def test_captions_of_a_file_by_fit(tmp_path, capsys):
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    (tmp_path / "captions.txt").write_text("a blue circle\n\n a red square \na dog\na red square\n", encoding="utf-8")
    command = ["search", "caption", str(tmp_path / "red.png"), "--from", str(tmp_path / "captions.txt")]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[0].endswith("  a red square")
    assert main([*command, "--json", "-k", "1"]) == 0
    [best] = json.loads(capsys.readouterr().out)
    vectors = bozzetto.encode_text("a red square"), bozzetto.encode_image(tmp_path / "red.png")
    assert best == {"caption": "a red square", "score": pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-4)}


def test_the_names_of_the_world_are_those_of_the_judge_that_is_whole(tmp_path, monkeypatch):
    assert len(world_names()) > 1000 and world_names()[0] == "a grinning face"
    shutil.copytree(store.weights_folder() / "judge", tmp_path / "judge")
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(tmp_path))
    assert len(world_names()) > 1000
    with (tmp_path / "judge/model.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(WeightsError, match=r"judge/model\.safetensors has \d+ bytes, not"):
        world_names()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["find"], "say what to find: words, a picture, or both"),
        (["find", ""], 'words is empty: write "a red fruit"'),
        (["find", " \n"], "words is empty"),
        (["find", "x" * 10_000], "words has 10000 characters: keep it to 300 at most"),
        (["find", "красное яблоко"], "has no word that this model can read: use English words"),
        (["find", "∞"], "has no word that this model can read"),
        (["find", "dog", "--less", ""], "less is empty"),
        (["find", "dog", "--less", "dog"], "less takes away all that is asked for"),
        (["find", "dog", "-k", "0"], "k must be a whole number from 1 to 1000, not 0"),
        (["find", "dog", "-k", "many"], "'-k'"),
        (["find", "dog", "--picture", "none.png"], "picture none.png is not there"),
        (["find", "dog", "--sheet", "sheet.jpg"], "output sheet.jpg must end in .png"),
        (["find", "dog", "--in", "photos"], "photos/.bozzetto-index is no index: run `bozzetto search index`"),
        (["find", "dog", "--model", "nowhere/clip"], "model nowhere/clip cannot be opened"),
        (["index", "nowhere"], "folder nowhere is not there"),
        (["index", "photos/a.png"], "folder photos/a.png is a file"),
        (["index", "hollow"], "hollow has no pictures: name one with .png, .jpg"),
        (["caption", "photos/a.png", "--from", "none.txt"], "captions none.txt is no file"),
        (["caption", "photos/a.png", "--from", "blank.txt"], "blank.txt has 0 lines with words"),
        (["caption", "photos/a.png", "--from", "photos/a.png"], "captions photos/a.png is no UTF-8 text"),
        (["caption", "photos/a.png", "--from", "long.txt"], "long.txt has a line of 301 characters"),
        (["caption", "photos/a.png", "--from", "other.txt"], "has no word that this model can read"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(folder, capsys, arguments, message, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (folder.parent / "hollow").mkdir()
    (folder.parent / "blank.txt").write_text("\n \n")
    (folder.parent / "long.txt").write_text("x" * 301)
    (folder.parent / "other.txt").write_text("a dog\nсобака", encoding="utf-8")
    before = sorted(folder.parent.rglob("*"))
    assert main(["search", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and message in said.err
    assert sorted(folder.parent.rglob("*")) == before


# ---------------------------------------------------------------- another model


@pytest.fixture(scope="module")
def their_clip(tmp_path_factory):
    """A tiny random CLIP as transformers saves it."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")

    folder = tmp_path_factory.mktemp("model")
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tower = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    special = {"bos_token_id": len(tokens) - 2, "eos_token_id": len(tokens) - 1}
    config = transformers.CLIPConfig(
        text_config={**tower, **special, "vocab_size": len(tokens), "max_position_embeddings": 12},
        vision_config={**tower, "image_size": 32, "patch_size": 16},
        projection_dim=24,
    )
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(folder)
    image_processor = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    transformers.CLIPProcessor(image_processor, tokenizer).save_pretrained(folder)
    return folder


def test_a_model_in_the_transformers_format_is_used(their_clip, folder, capsys):
    import torch
    import transformers

    assert main(["search", "index", "photos", "--model", str(their_clip)]) == 0
    assert main(["search", "find", "a b", "--in", "photos", "--model", str(their_clip), "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])

    model = transformers.CLIPModel.from_pretrained(their_clip)
    processor = transformers.CLIPProcessor.from_pretrained(their_clip)
    paths = [Path(row["path"]) for row in found]
    assert len(paths) == 6
    images = [pictures.over_white(pictures.open_picture(path)) for path in paths]
    with torch.no_grad():
        out = model(**processor(text=["a b"], images=images, return_tensors="pt", padding=True))
    wanted = (out.text_embeds @ out.image_embeds.T)[0].tolist()
    assert [row["score"] for row in found] == pytest.approx(wanted, abs=1e-5)

    assert main(["search", "find", "dog", "--in", "photos"]) == 2  # by our own model
    assert re.search(r"made by another model .* as --model, .* with --rebuild$", capsys.readouterr().err.strip())


def test_a_changed_or_pickled_model_is_told(their_clip, folder, tmp_path, capsys):
    import torch
    from safetensors.torch import load_file, save_file

    other = shutil.copytree(their_clip, tmp_path / their_clip.name / "again")
    weights = load_file(other / "model.safetensors")
    assert open_embedder(str(other)).width == 24
    weights["logit_scale"] += 1
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    assert open_embedder(str(other)).id != open_embedder(str(their_clip)).id

    torch.save(weights, other / "pytorch_model.bin")
    (other / "model.safetensors").unlink()
    assert main(["search", "index", "photos", "--model", str(other)]) == 2
    assert "again cannot be opened" in capsys.readouterr().err
    assert not (folder / ".bozzetto-index").exists()
