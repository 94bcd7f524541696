"""Ray: the same files and pictures as without it, and nothing is lost when its processes are killed."""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from bozzetto import spread
from bozzetto.cli import main
from bozzetto.search import table
from bozzetto.search.embed import open_embedder
from bozzetto.server import cluster, guard
from bozzetto.server.cluster import Front
from loops import in_a_loop

ROOT = Path(__file__).parents[1]
HARD_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


# ---------------------------------------------------------------- with Ray, started once


@pytest.fixture(scope="module")
def ray():
    """Ray, on this machine and in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)
        # Its many processes would compile all of Ray again, each for itself.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setattr(sys, "dont_write_bytecode", False)
        assert spread.join(cpus=2, quiet=True)
        import ray

        yield ray
        ray.shutdown()


def ours(text: str) -> str:
    """Without what Ray says, whenever it gets to it, of a worker that a test has killed."""
    return "".join(line for line in text.splitlines(keepends=True) if "(raylet)" not in line)


def processes(name: str) -> list[int]:
    """Those of Ray that are called so."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_text().startswith(f"ray::{name}") and " Z " not in (path.parent / "stat").read_text():
                found.append(int(path.parent.name))
        except OSError:  # it has ended
            continue
    return sorted(found)


def test_ray_is_reached_from_here_only_and_reports_nothing(ray):
    assert ray.get_runtime_context().gcs_address.startswith("127.0.0.1:")
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_prompts_are_drawn_by_workers_alike_though_one_is_killed(ray, tmp_path, capsys):
    prompts, here, there = tmp_path / "prompts.txt", tmp_path / "here", tmp_path / "there"
    prompts.write_text("".join(f"{number} cats\n" for number in range(24)))
    command = ["generate", "--prompts", str(prompts), "--steps", "1", "--size", "128", "-o"]
    assert main([*command, str(here)]) == 0
    there.mkdir()
    first = sorted(here.glob("*.png"))[0]
    shutil.copy(first, there)
    killed = list[int]()

    def kill() -> None:
        while len(list(there.glob("[!.]*.png"))) < 2:
            time.sleep(0.01)
        killed.extend(processes("MapWorker"))
        for pid in killed:
            os.kill(pid, HARD_KILL)

    killer = threading.Thread(target=kill)
    killer.start()
    capsys.readouterr()
    assert main([*command, str(there), "--ray"]) == 0
    killer.join()
    assert killed
    told = capsys.readouterr()
    assert ours(told.out) == f"{there}: 23 pictures drawn, 1 were there\n" and told.err == ""
    assert {path.name: path.read_bytes() for path in here.iterdir()} == {
        path.name: path.read_bytes() for path in there.iterdir()
    }


def test_a_folder_is_indexed_by_workers_alike(ray, tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(70):  # more than one batch
        Image.new("RGB", (8, 8), (3 * number, 99, 255 - number)).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n")
    rows, told = [], []
    for flags in ([], ["--ray"]):
        index = tmp_path / f"index{len(flags)}"
        assert main(["search", "index", str(folder), "--index", str(index), *flags]) == 0
        told.append(ours(capsys.readouterr().out).replace(str(index), ""))
        opened, _ = table.open_index(index, open_embedder(), folder)
        rows.append(opened.to_arrow())
    assert told[0] == told[1] and "70 pictures" in told[0] and "broken.png" in told[0]
    assert rows[0].num_rows == 70 and rows[0].equals(rows[1])


# ---------------------------------------------------------------- what stands in a proxy, without Ray


SCOPE = {"type": "http", "method": "POST", "path": "/v1/images/generations", "headers": [], "server": ("127.0.0.1", 1)}
EVENTS = [f"event: e\ndata: {json.dumps({'type': 'partial', 'index': index})}\n\n".encode() for index in range(4)]


def fronted(app, body=b"{}", open_to_others=False, **scope):
    """The status and body that an app gives behind Front and Guard."""
    told, coming = [], [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        if coming:
            return coming.pop()
        return await asyncio.Event().wait()

    async def send(message):
        told.append(message)

    key = "k" * 16 if open_to_others else None
    settings = guard.Settings(key=key, hosts=None)
    whole = guard.Guard(Front(app, open_to_others, 5.0), settings, guard.Counts())
    in_a_loop(whole({**SCOPE, **scope}, receive, send))
    return told[0]["status"], b"".join(message.get("body", b"") for message in told)


def start(kind: bytes, status: int = 200) -> dict:
    return {"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(cluster, "PAUSE", 0.01)


def test_an_answer_that_breaks_off_is_begun_again_and_its_events_are_sent_once():
    numbers, lives = [], iter(range(5))

    async def app(scope, receive, send):
        assert (await receive())["body"] == b"{}"
        numbers.append(scope["bozzetto.number"])
        life = next(lives)
        if life == 0:
            return  # dead before the first word
        await send(start(b"text/event-stream"))
        for event in EVENTS[: life + 1]:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        if life == 3:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    assert fronted(app) == (200, b"".join(EVENTS))
    assert len(numbers) == 4 and len(set(numbers)) == 1


def test_half_an_answer_is_not_passed_on():
    lives = iter((b'{"half', b'{"whole": 1}'))

    async def app(scope, receive, send):
        body = next(lives)
        await send(start(b"application/json"))
        await send({"type": "http.response.body", "body": body, "more_body": body.endswith(b"half")})

    assert fronted(app) == (200, b'{"whole": 1}')


@pytest.mark.parametrize(("words", "first"), [("data", b""), ("stream", EVENTS[0])])
def test_after_some_deaths_a_request_is_refused_with_a_reason(words, first):
    tries = []

    async def app(scope, receive, send):
        tries.append(1)
        if first:
            await send(start(b"text/event-stream"))
            await send({"type": "http.response.body", "body": first, "more_body": True})

    status, body = fronted(app)
    assert len(tries) == cluster.TRIES
    assert status == (200 if first else 503) and body.startswith(first)
    error = json.loads(body.partition(b"event: error\ndata: ")[2] if first else body)["error"]
    assert (
        "have ended" in error["message"]
        and error["type"] == "server_error"
        and set(error) == {"message", "type", "param", "code"}
    )


@pytest.mark.parametrize(("status", "kind"), [(408, "timeout_error"), (429, "rate_limit_error"), (503, "server_error")])
def test_what_ray_says_is_said_in_openais_shape(status, kind):
    async def app(scope, receive, send):
        await send(start(b"text/plain", status))
        await send({"type": "http.response.body", "body": b"Ray says no", "more_body": False})

    told, body = fronted(app)
    assert told == status and json.loads(body)["error"]["type"] == kind and b"Ray" not in body


def test_who_comes_from_elsewhere_needs_a_key():
    async def app(scope, receive, send):
        await send(start(b"application/json"))
        await send({"type": "http.response.body", "body": b"{}", "more_body": False})

    elsewhere = {"server": ("192.0.2.7", 8000)}
    status, body = fronted(app, **elsewhere)
    assert status == 403 and "BOZZETTO_KEY" in json.loads(body)["error"]["message"]
    assert fronted(app, open_to_others=True, **elsewhere)[0] == 401
    told = [(b"authorization", b"Bearer " + b"k" * 16)]
    assert fronted(app, open_to_others=True, headers=told, **elsewhere) == (200, b"{}")


def test_a_body_that_is_too_large_is_refused_before_a_replica_hears_of_it():
    async def app(scope, receive, send):
        raise AssertionError

    status, body = fronted(app, b"x" * (guard.MAX_BODY + 1))
    assert status == 413 and "too large" in json.loads(body)["error"]["message"]


def test_a_replica_refuses_what_came_past_the_front():
    async def app(scope, receive, send):
        await cluster.Fronted(None)({**scope, "type": "http"}, receive, send)

    told = []

    async def send(message):
        told.append(message)

    in_a_loop(app(SCOPE, None, send))
    assert told[0]["status"] == 503 and cluster.FRONT.encode() in told[1]["body"]


# ---------------------------------------------------------------- what is asked wrongly


@pytest.mark.parametrize(
    "line", ["generate --prompts prompts.txt -o out --ray", "search index . --ray", "train vae --budget smoke --ray"]
)
def test_without_ray_one_line_says_how_to_get_it(line, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.txt").write_text("a dog\n")
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(line.split()) == 2
    told = capsys.readouterr().err
    assert told == "bozzetto: ray is not installed: run `pip install 'bozzetto[cluster]'`\n"
    assert [path.name for path in tmp_path.iterdir()] == ["prompts.txt"]


def test_ray_goes_with_a_file_of_prompts(capsys):
    assert main(["generate", "a dog", "--ray"]) == 2
    assert "--ray goes with --prompts only" in capsys.readouterr().err


# ---------------------------------------------------------------- deploy/


def options(line: str) -> set[str]:
    return set(re.findall(r"--[a-z-]+", line))


def test_what_is_deployed_calls_the_shell_as_it_is(capsys):
    assert main(["serve", "--help"]) == 0
    known = options(capsys.readouterr().out)
    container = (ROOT / "deploy/Containerfile").read_text()
    command = " ".join(json.loads(re.search(r"^CMD (\[.*\])", container, re.M)[1]))
    unit = (ROOT / "deploy/bozzetto.service").read_text()
    for called in (command, *re.findall(r"^(?:ExecStart=|#   )(.*--.*)", unit, re.M)):
        assert options(called) and options(called) <= known, called
    assert "--host 0.0.0.0" in command and "--key-file" in command
    port = re.search(r"--port (\d+)", command)[1]
    assert f"EXPOSE {port}\n" in container and f":{port}/ready" in container and f"--port {port}" in unit
    assert f"TimeoutStopSec={int(guard.Settings.seconds) + 10}\n" in unit
