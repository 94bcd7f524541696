"""Picture search: what the index holds, where it may be, and what is said of what it cannot hold."""

import json
import os
import re
import shutil
import tempfile
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bozzetto import pictures, walk
from bozzetto.cli import main
from bozzetto.errors import InvalidInput, MissingFile, NotBuilt
from bozzetto.runtime.session import cores
from bozzetto.search import index as module
from bozzetto.search import table
from bozzetto.search.embed import Embedder
from bozzetto.search.index import index_folder, search
from bozzetto.search.table import open_index
from colours import COLOURS, held, paint, truth, unit

pytest.importorskip("lancedb")


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
