"""Sets in many files, and sets that are larger than memory: the same pictures, drawn in the same order, read once, kept
whole or not at all."""

import errno
import io
import itertools
import json
import os
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from bozzetto.cli import main
from bozzetto.files import locked
from bozzetto.models.vae import Vae, VaeConfig
from bozzetto.training import data
from bozzetto.training.loop import OutOfTime, TrainingSchedule
from bozzetto.training.recipes import text_to_image, vae
from bozzetto.training.stages import Run, Stage
from bozzetto.world import own, stored, twins
from test_own_data import encoded, picture, saved_again

NUMBERS = range(24)
LABELS = ("kite", "owl", "pond")


def shard(path: Path, numbers, mode: str = "RGB") -> Path:
    """A WebDataset: n.png and n.json, in class folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for number in numbers:
            told = json.dumps({"caption": f"a {LABELS[number % 24 // 8]} number {number}"}).encode()
            for suffix, content in {"png": encoded(picture(number, mode)), "json": told}.items():
                info = tarfile.TarInfo(f"{LABELS[number % 24 // 8]}/{number:03}.{suffix}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    """Three shards of a class each."""
    monkeypatch.chdir(tmp_path)
    for k in range(3):
        shard(Path(f"set/part-{k}.tar"), NUMBERS[8 * k : 8 * k + 8])


@pytest.fixture
def large(monkeypatch):
    """Every set is larger than memory."""
    monkeypatch.setattr(own, "IN_MEMORY", 0)
    monkeypatch.setattr(own, "BLOCK", 7)


def left_behind() -> list[str]:
    return [path.name for path in stored.FOLDER.glob("*")] if stored.FOLDER.exists() else []


@pytest.mark.parametrize("form", ["set", "set/part-{0..2}.tar", "set/part-{0,1,2}.tar", "set/part-*.tar"])
def test_files_in_a_folder_or_of_a_pattern_are_one_set(form):
    """And a file that holds one class only has that class."""
    found = own.load(Path(form), 32)
    assert found.names == [f"part-{n // 8}.tar/{LABELS[n // 8]}/{n:03}.png" for n in NUMBERS]
    assert found.labels == [LABELS[n // 8] for n in NUMBERS]
    assert found.captions == [f"a {LABELS[n // 8]} number {n}" for n in NUMBERS]
    assert own.title(Path(form)) == ("set" if form == "set" else "part")


def test_a_file_that_is_missing_or_cut_short_is_named_before_a_picture_is_read(large, monkeypatch, capsys):
    monkeypatch.setattr(own.pictures, "peek", None)
    content = Path("set/part-1.tar").read_bytes()
    for size, pattern, said in (
        (len(content) // 2, "set", "set/part-1.tar is cut short"),
        (None, "set/part-{0..3}.tar", "set/part-3.tar is not there"),
        (None, "set/more-*.tar", "set/more-*.tar is neither emoji nor fashion, nor there as a file or folder"),
        (None, "set/part-{0..999999999}.tar", "is more than 100000 files: name fewer"),
    ):
        Path("set/part-1.tar").write_bytes(content[:size])
        assert main(["train", "gan", "--budget", "smoke", "--data", pattern]) == 2
        line = capsys.readouterr().err
        assert said in line and line.count("\n") == 1 and not left_behind()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_a_set_on_the_disk_gives_the_batches_that_one_in_memory_gives(monkeypatch, mode):
    shard(Path("one.tar"), NUMBERS, mode)

    def drawn():
        found = data.own_pictures(own.load(Path("one.tar"), 32), Path("one.tar"), mirrored=True)
        chances = [np.random.default_rng([3, step]) for step in range(5)]
        return found, [part for chance in chances for part in found.batch(chance, 9, drop_label=0.2)]

    in_memory, first = drawn()
    monkeypatch.setattr(own, "IN_MEMORY", 0)
    on_disk, second = drawn()
    assert isinstance(on_disk.images, stored.Stored) and not isinstance(in_memory.images, stored.Stored)
    assert on_disk.images.shape == in_memory.images.shape and on_disk.classes == in_memory.classes == sorted(LABELS)
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert (on_disk.some() == in_memory.some()).all()


def test_a_set_on_the_disk_is_what_is_said_of_it_too(large, monkeypatch):
    Path("set/part-2.tar").unlink()
    shard(Path("set/part-2.tar"), [*range(16, 24), 16])  # the same picture again
    on_disk = own.load(Path("set"), 64)
    monkeypatch.setattr(own, "IN_MEMORY", 2**28)
    monkeypatch.setattr(stored, "FOLDER", Path("elsewhere"))
    in_memory = own.load(Path("set"), 64)
    for name in ("names", "captions", "labels", "splits", "twins", "copies", "modes", "animated", "broken", "skipped"):
        assert list(getattr(on_disk, name)) == list(getattr(in_memory, name)), name
    assert [tuple(size) for size in on_disk.sizes] == in_memory.sizes
    assert (on_disk.images[:] == in_memory.images).all() and (on_disk.images[5] == in_memory.images[5]).all()
    world, other = (data.own_world(found).split("train") for found in (on_disk, in_memory))
    assert len(world) == len(other) and (world.images[:] == other.images).all() and world.names == other.names


def test_it_is_read_once_and_again_when_a_file_has_changed(large, monkeypatch):
    said = []
    first = own.load(Path("set"), 32, note=said.append)
    assert said == [f"set has 24 pictures, which are read once and kept in {first.images.place}: 0.0 GB of disk"]
    with monkeypatch.context() as patch:
        patch.setattr(own.pictures, "peek", None)
        again = own.load(Path("set"), 32, note=said.append)
    assert (again.images[:] == first.images[:]).all() and len(said) == 1
    shard(Path("set/part-1.tar"), [40, *range(9, 16)])
    changed = own.load(Path("set"), 32, note=said.append)
    assert said[1] == f"set/part-1.tar changed since {first.images.place} was prepared: it is prepared anew"
    assert (changed.images[:] != first.images[:]).any((1, 2, 3)).tolist() == [n == 8 for n in NUMBERS]
    assert data.checksum(data.own_pictures(changed, Path("set"))) != data.checksum(
        data.own_pictures(first, Path("set"))
    )
    (changed.images.place / stored.PICTURES).write_bytes(b"cut")
    assert len(own.load(Path("set"), 32, note=said.append).names) == 24 and "is broken: it is prepared anew" in said[3]
    assert len(left_behind()) == 1 + 1  # and the lock


def test_a_folder_or_a_table_is_prepared_anew_when_a_picture_or_its_words_change(large):
    folder = Path("flat/owl")
    folder.mkdir(parents=True)
    for number in range(3):
        picture(number).save(folder / f"{number}.png")
    table = Path("table.csv")
    table.write_text("file,caption\nflat/owl/0.png,an owl\nflat/owl/1.png,another\n")
    for path, change in (
        (Path("flat"), lambda: picture(9).save(folder / "1.png")),
        (Path("flat"), lambda: (folder / "2.txt").write_text("an owl")),
        (table, lambda: picture(8).save(folder / "1.png")),
    ):
        said, note = [], None
        own.load(path, 32)
        own.load(path, 32, note=said.append)
        assert not said
        change()
        own.load(path, 32, note=said.append)
        assert "changed since" in said[0], note


def test_what_goes_wrong_while_it_is_prepared_leaves_nothing(large, monkeypatch, capsys):
    (stored.FOLDER / f".{stored.place_of(Path('set'), 'set', 32).name}.killed.part").mkdir(parents=True)  # by kill -9
    command, whole = ["train", "gan", "--budget", "smoke", "--data", "set"], own._decoded
    for error, code, said in (
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 2, "No space left on device"),
        (KeyboardInterrupt(), 130, ""),
    ):

        def stops(*arguments, error=error):
            yield from itertools.islice(whole(*arguments), 15)
            raise error

        monkeypatch.setattr(own, "_decoded", stops)
        assert main(command) == code
        lines = capsys.readouterr().err.splitlines()
        assert said in lines[-1] and len(lines) == (2 if said else 1), lines
        assert all(name.endswith(".lock") for name in left_behind()) and not Path("runs").exists()
    monkeypatch.setattr(own, "_decoded", None)
    monkeypatch.setattr(stored.shutil, "disk_usage", lambda folder: os.terminal_size((0, 0)) and DiskFull)
    assert main(command) == 2
    assert "set takes 0.0 GB in data/prepared, where 0.0 GB are free: make room" in capsys.readouterr().err


class DiskFull:
    free = 99


def test_who_comes_while_it_is_prepared_waits_and_takes_it(large):
    place, said, found = stored.place_of(Path("set"), "set", 32), [], []
    stored.FOLDER.mkdir(parents=True)
    with locked(stored.FOLDER / f".{place.name}.lock", "data", "preparing a set there"):
        waiting = threading.Event()
        other = threading.Thread(
            target=lambda: found.append(own.load(Path("set"), 32, note=lambda line: (said.append(line), waiting.set())))
        )
        other.start()
        assert waiting.wait(20)
        assert said == [f"data/prepared is in use: process {os.getpid()} is preparing a set there; it is waited for"]
        assert not place.exists()
    other.join(20)
    assert len(found[0].names) == 24


def test_near_duplicates_among_many_are_found_without_comparing_all(monkeypatch):
    monkeypatch.setattr(twins, "ALL", 100)
    monkeypatch.setattr(twins, "WINDOW", 24)
    order = np.random.default_rng(0).permutation(400)
    images = [saved_again(picture(int(k) % 200), int(k) // 200) for k in order]
    found = twins.twins(np.stack([np.asarray(own.square(one.convert("RGBA"), 32)) for one in images]), np.arange(400))
    first = {}
    right = np.array([first.setdefault(int(k) % 200, row) for row, k in enumerate(order)])
    assert ((found == right) | (found == np.arange(400))).all()  # no two that differ
    assert (found == right).mean() > 0.95


def test_a_run_from_the_disk_is_the_run_from_memory_and_goes_on(monkeypatch):
    shard(Path("one.tar"), NUMBERS)

    def run(name, **options):
        found = data.own_pictures(own.load(Path("one.tar"), 32), Path("one.tar"), mirrored=True)
        torch.manual_seed(0)
        network = torch.nn.Linear(3072, 1)

        def loss(network, rng, generator):
            pixels, label = found.batch(rng, 4)
            return {"loss": (network(pixels.flatten(1))[:, 0] - label).square().mean()}

        return Run(Path(name), data=data.checksum(found), **options).train(
            Stage("fit", network, loss, TrainingSchedule(5, 4, 1e-3))
        )

    memory = run("memory")
    monkeypatch.setattr(own, "IN_MEMORY", 0)
    with pytest.raises(OutOfTime, match="stopped at step 1 of 5"):
        run("disk", deadline=0)
    monkeypatch.setattr(own.pictures, "peek", None)
    assert (run("disk").weight == memory.weight).all()


def test_the_check_tells_what_lies_on_the_disk(large, capsys):
    assert main(["data", "check", "set"]) == 0
    said, place = capsys.readouterr(), stored.place_of(Path("set"), "set", 32)
    assert "it reads them from data/prepared/set-32-" in said.out and "0.0 GB of disk, and keeps none in" in said.out
    assert said.err == f"bozzetto: set has 24 pictures, which are read once and kept in {place}: 0.0 GB of disk\n"


def test_what_recipes_measure_or_encode_beforehand_is_the_same_from_the_disk(monkeypatch):
    """The autoencoder asks for rows only; text-to-image encodes its batches one by one where it would encode all."""
    shard(Path("one.tar"), NUMBERS)
    torch.manual_seed(0)
    model, device = Vae(VaeConfig(3, 4, (8, 8, 8))), torch.device("cpu")

    def looked():
        return vae.encode_all(model, data.own_pictures(own.load(Path("one.tar"), 32), Path("one.tar"), True), device)

    def drawn():
        world = data.own_world(own.load(Path("one.tar"), 64))
        budget = text_to_image.BUDGETS["smoke"]
        draw, _, _, _ = text_to_image.training_batches(world, budget, seed=0, weights=None, device=device, see=True)
        return draw(np.random.default_rng(0), 6)

    memory, other = looked(), drawn()
    monkeypatch.setattr(own, "IN_MEMORY", 0)
    assert all((a == b).all() for a, b in zip(memory, looked(), strict=True))
    batch = drawn()
    for mine, theirs in ((batch.latents, other.latents), (batch.seen, other.seen)):
        assert torch.allclose(mine, theirs, atol=0.05)
    assert batch.condition[0].shape[0] == 6
