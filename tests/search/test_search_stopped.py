"""Picture search: no kill breaks an index, and nothing that runs beside it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from bozzetto.cli import main
from bozzetto.search import index as module
from bozzetto.search.embed import Embedder
from bozzetto.search.index import index_folder, search
from colours import COLOURS, held, paint, truth, unit

pytest.importorskip("lancedb")


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


# Another process. It imports LanceDB, which takes longer than a whole run here, never uses it itself, and forks for
# every piece of work: a kill at a random moment then falls into the run, not into the import.
OTHER = """
import os, random, shutil, signal, sys, time, warnings
from pathlib import Path
import lancedb  # here, once: what is tested imports it when it is first needed
from bozzetto.search import index as module
from bozzetto.search import table
from bozzetto.search.embed import Embedder
from bozzetto.search.table import open_index
from colours import COLOURS, paint

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
            paint(folder / f"{i}.png", 1000 * (round + 1) + i)
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
