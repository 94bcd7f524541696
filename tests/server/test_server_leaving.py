"""Who leaves, who is slow, and who has to wait."""

import asyncio
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlsplit

import openai
import pytest
import uvicorn
from fastapi import FastAPI, Request

from bozzetto.server import connection, guard
from bozzetto.server.answers import answer_errors
from bozzetto.server.app import create_app
from bozzetto.server.batching import Engine
from bozzetto.server.run import bind, configured
from loops import in_a_loop
from serving import PICTURES, QUICK, head, post, raw, shown, state, until


def test_a_body_that_is_cut_or_too_large(address):
    raw(address, head(1000) + b'{"prompt": ').close()
    with raw(address, head(100 * 2**20)) as connection:  # refused before it comes
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")
    chunked = b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % PICTURES.encode()
    with raw(address, chunked) as connection:
        chunk, answer = b"100000\r\n" + b"[" * 2**20 + b"\r\n", b""
        try:
            for _ in range(40):
                connection.sendall(chunk)
            answer = connection.recv(1000)
        except OSError:
            pass  # it hung up on us, which is as good
        assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")
    assert post(address, PICTURES, {"prompt": "a dog", "quality": "low"})[0] == 200


@pytest.mark.parametrize(("size", "status"), [(None, 408), (1, 408), (guard.MAX_BODY + 1, 413), (guard.MAX_BODY, 429)])
def test_a_body_that_stalls_or_comes_with_too_many(monkeypatch, size, status):
    app, sent = FastAPI(), []
    monkeypatch.setattr(guard, "MAX_COMING", guard.MAX_BODY // 2)
    app.add_middleware(guard.Guard, settings=guard.Settings(body_seconds=0.05, seconds=0.1), counts=guard.Counts())
    answer_errors(app)

    @app.post("/")
    async def post(request: Request) -> None:
        await request.body()

    async def receive():
        if size is None:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return {"type": "http.request", "body": bytes(size), "more_body": True}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"localhost")], "query_string": b""}
    in_a_loop(app(scope, receive, send))
    assert sent[0]["status"] == status and json.loads(sent[1]["body"])["error"]["message"]


def test_who_leaves_frees_the_places(address):
    left = 'bozzetto_pictures_total{end="left"}'
    before = state(address)[left]
    body = {"prompt": "a dog", "n": 10, "num_inference_steps": 100}
    for more in ({}, {"stream": True, "partial_images": 3}):
        sent = json.dumps(body | more).encode()
        with raw(address, head(len(sent)) + sent) as connection:
            until(address, drawing=8)
            if more:
                assert connection.recv(20).startswith(b"HTTP/1.1 200")
        now = until(address, drawing=0, waiting=0)
        assert now[left] == before + 10
        before = now[left]


def test_a_reader_that_stops_reading_holds_up_nobody(address):
    body = json.dumps({"prompt": "a dog", "n": 10, "stream": True, "partial_images": 3, "size": "1024x1024", **QUICK})
    with raw(address, head(len(body)) + body.encode()):
        assert post(address, PICTURES, {"prompt": "a dog", "quality": "low"})[0] == 200
        until(address, drawing=0, waiting=0)


def test_who_leaves_in_a_form_is_no_trouble(address):
    left = 'bozzetto_requests_total{route="/v1/images/edits",status="499"}'
    raw(address, head(1000, path="/v1/images/edits", kind="multipart/form-data; boundary=b") + b"--b\r\n").close()
    while not state(address).get(left):
        time.sleep(0.05)


def test_a_full_queue_says_when_to_come_back(client, address):
    sent = json.dumps({"prompt": "a dog", "n": 10, "num_inference_steps": 100}).encode()
    with raw(address, head(len(sent)) + sent):
        until(address, drawing=8, waiting=2)
        with raw(address, head(len(sent)) + sent):
            until(address, drawing=8, waiting=12)
            with pytest.raises(openai.RateLimitError, match="12 pictures are waiting") as error:
                client.images.generate(prompt="a dog")
            assert int(error.value.response.headers["Retry-After"]) >= 1
    until(address, drawing=0, waiting=0)


# ---------------------------------------------------------------- connections on which nothing moves


@pytest.fixture
def impatient(monkeypatch):
    """An engine, and the port of a server of it that looks at its connections often."""
    monkeypatch.setattr(connection, "PATIENCE", 0.2)
    with Engine(places=1) as engine, bind("127.0.0.1", 0, None) as listener, ThreadPoolExecutor(1) as thread:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        server = uvicorn.Server(configured(create_app(engine)))
        thread.submit(server.run, sockets=[listener])
        yield engine, f"http://127.0.0.1:{listener.getsockname()[1]}/"
        server.should_exit = True


def test_who_stops_reading_a_stream_frees_the_places(impatient):
    engine, address = impatient
    body = {"prompt": "a dog", "n": 10, "stream": True, "partial_images": 3, "num_inference_steps": 40}
    sent = json.dumps(body | {"size": "1024x1024"}).encode()
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((urlsplit(address).hostname, urlsplit(address).port))
        reader.sendall(head(len(sent)) + sent)
        while not engine.state()["left"]:
            assert engine.state()["drawn"] < 10
            time.sleep(0.05)
    assert post(address, PICTURES, {"prompt": "a dog", "quality": "low"})[0] == 200


def test_who_reads_slowly_gets_all(impatient):
    _, address = impatient
    sent = json.dumps({"prompt": "a dog", "quality": "low", "size": "1024x1024", "seed": 1}).encode()
    with raw(address, head(len(sent), "Connection: close") + sent) as reader:
        answer = b""
        while part := reader.recv(2000):
            answer += part
            time.sleep(0.01)
    assert shown(json.loads(answer.partition(b"\r\n\r\n")[2])["data"][0]["b64_json"]).size == (1024, 1024)


@pytest.mark.parametrize("sent", [b"", b"POST / HTTP/1.1\r\nHost: loc", head(9)[:-2]])
def test_who_never_asks_to_the_end_is_hung_up_on(impatient, sent):
    with raw(impatient[1], sent) as asker, suppress(ConnectionResetError):
        assert asker.recv(1) == b""
