"""OpenAI's API, asked by OpenAI's own client, and by those who mean no good: a real process on a free port."""

import asyncio
import base64
import http.client
import io
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import openai
import pytest
from fastapi import FastAPI, Request
from openai import OpenAI
from PIL import Image

import bozzetto
from bozzetto.cli import main
from bozzetto.server import guard
from bozzetto.server.answers import answer_errors

QUICK = {"num_inference_steps": 2}
ROBOT = {"prompt": "a happy robot", "extra_body": {"seed": 7, **QUICK}}


@contextmanager
def served(*flags: str, **variables: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """A server process, ready, and its address."""
    command = [sys.executable, "-m", "bozzetto", "serve", "--port", "0", *flags]
    with tempfile.TemporaryFile("w+") as log:  # nobody would empty a pipe
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **variables}
        )
        process.log = log
        try:
            line = process.stdout.readline()
            assert "http://" in line
            address = line.split()[3]
            while ask(address, "GET", "/ready").status != 200:
                time.sleep(0.1)
            yield address, process
        finally:
            process.kill()
            process.communicate()


def ask(address: str, method: str, path: str, body: bytes | None = None, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=120)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    return connection.getresponse()


def post(address: str, path: str, body: object) -> tuple[int, dict]:
    answer = ask(address, "POST", path, json.dumps(body).encode(), Content_Type="application/json")
    return answer.status, json.load(answer)


def state(address: str) -> dict[str, float]:
    lines = ask(address, "GET", "/metrics").read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def as_png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def as_uri(image: Image.Image) -> str:
    return f"data:image/png;base64,{base64.b64encode(as_png(image)).decode()}"


def shown(b64_json: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(b64_json)))


@pytest.fixture(scope="module")
def address():
    with served("--waiting", "12") as (address, _):
        yield address


@pytest.fixture(scope="module")
def client(address):
    return OpenAI(api_key="any", base_url=f"{address}v1", max_retries=0)


@pytest.fixture(scope="module")
def apple() -> Image.Image:
    return bozzetto.generate("a red apple", seed=2, num_inference_steps=8)[0]


# ---------------------------------------------------------------- pictures


def test_pictures_are_those_of_the_front_door(client):
    answer = client.images.generate(**ROBOT, n=2, user="a test")
    drawn = bozzetto.generate("a happy robot", seed=7, n=2, **QUICK)
    assert [shown(each.b64_json).tobytes() for each in answer.data] == [each.tobytes() for each in drawn]
    assert [each.seed for each in answer.data] == [7, 8]
    assert (answer.background, answer.output_format, answer.size, answer.quality) == (
        "transparent",
        "png",
        "64x64",
        "high",
    )
    assert answer.num_inference_steps == 2 and answer.notes == []


def test_a_picture_without_a_seed_can_be_drawn_again_by_the_one_it_came_with(client):
    first, other = (client.images.generate(prompt="a ghost", quality="low").data[0] for _ in range(2))
    again = client.images.generate(prompt="a ghost", quality="low", extra_body={"seed": first.seed}).data[0]
    assert first.b64_json == again.b64_json != other.b64_json


@pytest.mark.parametrize(
    ("options", "kind", "mode", "size"),
    [
        ({"output_format": "webp"}, "WEBP", "RGBA", 64),
        ({"output_format": "jpeg", "output_compression": 50, "size": "128x128"}, "JPEG", "RGB", 128),
        ({"background": "opaque", "size": "256x256"}, "PNG", "RGB", 256),
        ({"background": "transparent", "size": "auto", "model": "gpt-image-2"}, "PNG", "RGBA", 64),
    ],
)
def test_format_size_and_background_are_honoured(client, options, kind, mode, size):
    image = shown(client.images.generate(prompt="a ghost", quality="low", **options).data[0].b64_json)
    assert (image.format, image.mode, image.size) == (kind, mode, (size, size))


def test_the_students_and_what_else_can_be_chosen(client):
    low = client.images.generate(prompt="a dog", quality="low", extra_body={"seed": 3, "num_inference_steps": 2})
    drawn = bozzetto.generate("a dog", seed=3, few_steps=True, num_inference_steps=2)[0]
    assert shown(low.data[0].b64_json).tobytes() == drawn.tobytes() and low.quality == "low"
    chosen = {**QUICK, "guidance_scale": 2, "negative_prompt": "cat", "style": "noto", "sampler": "euler", "seed": 4}
    answer = client.images.generate(prompt="a dog", extra_body=chosen)
    assert shown(answer.data[0].b64_json).tobytes() == bozzetto.generate("a dog", **chosen)[0].tobytes()
    assert client.images.generate(prompt="a dog", quality="medium").num_inference_steps == 10


def test_what_was_not_read_is_said(client):
    answer = client.images.generate(prompt="a blorf яблоко", quality="low")
    assert any("cannot be read" in note for note in answer.notes)
    assert any("blorf" in note for note in answer.notes)


def test_pictures_are_seen_as_they_come_to_be(client):
    events = list(
        client.images.generate(
            prompt="a ghost", stream=True, partial_images=3, n=2, extra_body={"seed": 5, "num_inference_steps": 8}
        )
    )
    frames = {}

    def on_step(step, steps, index, noisy, clean):
        frames[index, step] = clean

    final = bozzetto.generate("a ghost", seed=5, n=2, num_inference_steps=8, callback_on_step_end=on_step)
    parts = [event for event in events if event.type == "image_generation.partial_image"]
    assert len(parts) == 6
    for event in parts:
        frame = frames[event.seed - 5, (1, 3, 5)[event.partial_image_index]]
        assert shown(event.b64_json).tobytes() == frame.tobytes()
    ends = {event.seed: event for event in events if event.type == "image_generation.completed"}
    assert [shown(ends[seed].b64_json).tobytes() for seed in (5, 6)] == [each.tobytes() for each in final]
    assert ends[5].usage.input_tokens == 3 and ends[5].size == "64x64"


def test_edits_and_variations(client, apple):
    mask = Image.new("RGBA", (64, 64), "black")
    mask.paste((0, 0, 0, 0), (0, 0, 64, 20))  # OpenAI's way: transparent where to paint
    white = Image.new("L", (64, 64))
    white.paste(255, (0, 0, 64, 20))
    options = {"seed": 9, "num_inference_steps": 2}
    picture = ("apple.png", as_png(apple))
    answer = client.images.edit(image=picture, mask=as_png(mask), prompt="a hat", extra_body=options)
    drawn = bozzetto.edit(apple, "a hat", mask=white, **options)[0]
    assert shown(answer.data[0].b64_json).tobytes() == drawn.tobytes() and answer.data[0].seed == 9
    answer = client.images.edit(image=[picture], prompt="a hat", n=2, extra_body={**options, "strength": 0.3})
    assert [shown(each.b64_json).tobytes() for each in answer.data] == [
        each.tobytes() for each in bozzetto.edit(apple, "a hat", strength=0.3, n=2, **options)
    ]
    kinds = [
        event.type
        for event in client.images.edit(
            image=picture, prompt="a hat", stream=True, partial_images=1, extra_body={"num_inference_steps": 4}
        )
    ]
    assert kinds == ["image_edit.partial_image", "image_edit.completed"]
    varied = client.images.create_variation(image=picture, n=2, extra_body={"num_inference_steps": 2})
    assert len(varied.data) == 2 and "apple" in varied.data[0].revised_prompt


# ---------------------------------------------------------------- words


def test_embeddings_in_both_encodings(client, apple):
    asked = ["a red apple", as_uri(apple)]
    wanted = [bozzetto.encode_text("a red apple"), bozzetto.encode_image(apple)]
    by_default, floats = (
        client.embeddings.create(model="clip", input=asked, **options) for options in ({}, {"encoding_format": "float"})
    )
    for answer in (by_default, floats):
        for row, vector in zip(answer.data, wanted, strict=True):
            np.testing.assert_allclose(row.embedding, vector, atol=1e-6)
    raw = client.embeddings.with_raw_response.create(
        model="clip", input="a dog", encoding_format="base64", dimensions=256
    )
    assert isinstance(json.loads(raw.text)["data"][0]["embedding"], str)
    with pytest.raises(openai.BadRequestError, match="dimensions: is 256"):
        client.embeddings.create(model="clip", input="a dog", dimensions=100)


def test_questions_about_a_picture(client, apple):
    def asked(question, **options):
        parts = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": as_uri(apple)}}]
        return client.chat.completions.create(model="vlm", messages=[{"role": "user", "content": parts}], **options)

    wanted = "".join(word.text for word in bozzetto.ask(apple, "what color is the apple?"))
    answer = asked("what color is the apple?", temperature=0, seed=1)
    assert answer.choices[0].message.content == wanted and answer.choices[0].finish_reason == "stop"
    chunks = list(asked("what color is the apple?", stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == wanted
    assert chunks[-1].usage.completion_tokens == answer.usage.completion_tokens
    short = asked("describe the picture.", max_completion_tokens=1).choices[0]
    assert short.finish_reason == "length" and len(short.message.content.split()) == 1
    for options, param in (
        ({"temperature": 1}, "temperature"),
        ({"top_p": 0.5}, "top_p"),
        ({"n": 2}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
    ):
        with pytest.raises(openai.BadRequestError) as error:
            asked("what is this?", **options)
        assert error.value.param == param
    with pytest.raises(openai.BadRequestError, match="messages: has 33 tokens"):
        asked("is this " + "a very " * 14 + "red apple?")


# ---------------------------------------------------------------- about itself


def test_what_it_says_of_itself(client, address):
    models = {row.id: row for row in client.models.list()}
    assert {"text-to-image", "clip", "vlm", "gpt-image-1", "dall-e-3"} <= models.keys()
    assert models["gpt-image-1"].alias_of == "text-to-image"
    assert models["text-to-image"].limits["n"] == 10 and "noto" in models["text-to-image"].limits["styles"]
    assert client.models.retrieve("clip").id == "clip"
    with pytest.raises(openai.NotFoundError, match="'gpt-5'"):
        client.models.retrieve("gpt-5")
    assert json.load(ask(address, "GET", "/health")) == {"status": "ok"}
    assert state(address)['bozzetto_pictures_total{end="drawn"}'] >= 1


def test_the_examples_of_its_document_run(address):
    document = json.load(ask(address, "GET", "/openapi.json"))
    examples = {
        path: schema.get("examples", [])
        for path, item in document["paths"].items()
        for content in item.get("post", {}).get("requestBody", {}).get("content", {}).values()
        for schema in [document["components"]["schemas"].get(content["schema"].get("$ref", "").rpartition("/")[2], {})]
    }
    assert len(examples["/v1/images/generations"]) >= 3 and len(examples) == 5
    for path, bodies in examples.items():
        for body in bodies:
            answer = ask(address, "POST", path, json.dumps(body).encode(), Content_Type="application/json")
            assert answer.status == 200 and len(answer.read()) > 500


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
def test_the_examples_of_the_readme_run(address):
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    lines = [line for line in readme.splitlines() if line.startswith("curl ")]
    assert len(lines) == 4
    for line in lines:
        command = shlex.split(line.replace("http://127.0.0.1:8766/", address))
        answer = subprocess.run([*command, "--silent", "--fail"], capture_output=True, check=True).stdout
        assert b"b64_json" in answer or b'"object":"list"' in answer


def test_the_course_is_at_the_root(address):
    page = ask(address, "GET", "/")
    assert page.status == 200 and b"Bozzetto" in page.read() and page.headers["X-Content-Type-Options"] == "nosniff"
    assert ask(address, "GET", "/lessons/nowhere").status == 404
    tag = page.headers["ETag"]
    assert ask(address, "GET", "/", If_None_Match=tag).status == 304
    assert ask(address, "GET", "/", Accept_Encoding="gzip").headers["Content-Encoding"] == "gzip"


# ---------------------------------------------------------------- what cannot be

PICTURES = "/v1/images/generations"
WRONG = [
    ({}, "prompt"),
    ({"prompt": 7}, "prompt"),
    ({"prompt": ""}, "prompt"),
    ({"prompt": "x" * 301}, "prompt"),
    ({"prompt": "яблоко"}, "prompt"),
    *(
        ({"prompt": "a dog", field: value}, field)
        for field, values in {
            "n": (0, 11, 1.5, "2", True, []),
            "size": ("63x63", "1536x1024", 64, "AUTO"),
            "background": ("green", 1),
            "output_format": ("gif", "PNG"),
            "output_compression": (50, -1, "9"),
            "response_format": ("url",),
            "quality": ("hd", "max"),
            "stream": ("yes", 1),
            "partial_images": (4, 1, -1),
            "user": (5, "x" * 101),
            "model": (5,),
            "seed": (-1, 2**53, 1.5, "7"),
            "num_inference_steps": (0, 101, 2.5),
            "guidance_scale": (-1, 31, "5", 10**400),
            "negative_prompt": (5, "x" * 301),
            "style": ("vivid", ["noto"]),
            "sampler": ("dpm", {}),
            "moderation": ("low",),
            "colour": ("red",),
        }.items()
        for value in values
    ),
    ({"prompt": "a dog", "quality": "low", "guidance_scale": 2}, "guidance_scale"),
    ({"prompt": "a dog", "quality": "low", "num_inference_steps": 3}, "num_inference_steps"),
    ({"prompt": "a dog", "quality": "medium", "num_inference_steps": 3}, "num_inference_steps"),
    ({"prompt": "a dog", "output_format": "jpeg", "background": "transparent"}, "background"),
]


@pytest.mark.parametrize(("body", "param"), WRONG, ids=lambda value: str(value)[:40])
def test_every_wrong_field_is_named(address, body, param):
    status, answer = post(address, PICTURES, body)
    error = answer["error"]
    assert status == 400 and error["param"] == param and error["type"] == "invalid_request_error"
    assert error["message"].startswith(f"{param}: ") and "Traceback" not in error["message"]


def test_null_is_as_left_out(address):
    fields = ("n", "size", "quality", "seed", "style", "stream", "user", "model", "background", "output_format")
    status, answer = post(address, PICTURES, {"prompt": "a dog", **QUICK, **dict.fromkeys(fields)})
    assert status == 200 and answer["size"] == "64x64"


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("embeddings", {"model": "clip"}, "input"),
        ("embeddings", {"model": "clip", "input": []}, "input"),
        ("embeddings", {"model": "clip", "input": ["a dog", " "]}, "input[1]"),
        ("embeddings", {"model": "clip", "input": [[1, 2]]}, "input"),
        ("embeddings", {"model": "clip", "input": "яблоко"}, "input"),
        ("embeddings", {"model": "clip", "input": "a dog", "encoding_format": "hex"}, "encoding_format"),
        ("embeddings", {"model": "clip", "input": "data:image/png;base64,"}, "input"),
        ("embeddings", {"model": "clip", "input": "data:image/png;base64,AAAA"}, "input"),
        ("embeddings", {"model": "clip", "input": "data:image/png;base64,***"}, "input"),
        ("embeddings", {"model": "clip", "input": "data:text/html,hello"}, "input"),
        ("embeddings", {"model": "clip", "input": ["a dog"] * 129}, "input"),
        ("chat/completions", {"model": "vlm"}, "messages"),
        ("chat/completions", {"model": "vlm", "messages": []}, "messages"),
        ("chat/completions", {"model": "vlm", "messages": [{"role": "system", "content": []}]}, "messages[0].role"),
        ("chat/completions", {"model": "vlm", "messages": [{"role": "user", "content": "hi"}]}, "messages[0].content"),
        ("chat/completions", {"model": "vlm", "messages": [{"role": "user", "content": []}]}, "messages"),
    ],
)
def test_words_that_cannot_be(address, path, body, param):
    status, answer = post(address, f"/v1/{path}", body)
    assert status == 400 and answer["error"]["param"].startswith(param)


def test_no_address_is_opened(client, address):
    parts = [{"type": "text", "text": "what is this?"}]
    for url in (f"{address}favicon.png", "file:///etc/passwd", "/etc/passwd"):
        content = [*parts, {"type": "image_url", "image_url": {"url": url}}]
        with pytest.raises(openai.BadRequestError, match="data URI"):
            client.chat.completions.create(model="vlm", messages=[{"role": "user", "content": content}])


def form(*parts: tuple[str, str | bytes]) -> tuple[bytes, str]:
    """A form; bytes are files."""
    out = b""
    for name, value in parts:
        file = b'; filename="x"' if isinstance(value, bytes) else b""
        value = value if isinstance(value, bytes) else value.encode()
        out += b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (name.encode(), file, value)
    return out + b"--b--\r\n", "multipart/form-data; boundary=b"


def test_forms_that_cannot_be(address, apple):
    png, words = as_png(apple), ("prompt", "a hat")
    bomb = Image.new("1", (5000, 5000))
    large = bytearray(png)
    large[16:24] = (60000).to_bytes(4, "big") * 2  # what its header claims
    for parts, param in (
        ((words,), "image"),
        ((("image", png),), "prompt"),
        ((("image", "text"), words), "image"),
        ((("image", b""), words), "image"),
        ((("image", png[:200]), words), "image"),
        ((("image", b"GIF89a" + png), words), "image"),
        ((("image", as_png(bomb)), words), "image"),
        ((("image", bytes(large)), words), "image"),
        ((("image", png), ("image", png), words), "image"),
        ((("image[]", png), ("image[]", png), words), "image"),
        ((("image", png), ("mask", png), ("mask", png), words), "mask"),
        ((("image", png), ("mask", as_png(Image.new("L", (64, 64)))), words), "mask"),
        ((("image", png), ("mask", as_png(Image.new("L", (64, 32), 255))), words), "mask"),
        ((("image", png), words, ("strength", "2")), "strength"),
        ((("image", png), words, ("strength", "much")), "strength"),
        ((("image", png), words, ("n", "0")), "n"),
        ((("image", png), words, ("quality", "low")), "quality"),
        ((("image", png), words, ("input_fidelity", "high")), "input_fidelity"),
        ((("image", png), ("prompt", b"a hat")), "prompt"),
    ):
        body, kind = form(*parts)
        answer = ask(address, "POST", "/v1/images/edits", body, Content_Type=kind)
        told = json.load(answer)["error"]
        assert (answer.status, told["param"]) == (400, param), told
    bare, whole = "multipart/form-data", "multipart/form-data; boundary=b"
    many = form(*[("a", "b")] * 60)[0]
    for body, kind in ((b"x", bare), (b"--b\r\n", whole), (b"{}", "text/plain"), (many, whole)):
        answer = ask(address, "POST", "/v1/images/edits", body, Content_Type=kind)
        assert answer.status == 400 and json.load(answer)["error"]["message"]


def test_bodies_that_cannot_be(address):
    for body in (
        b"",
        b"{",
        b'{"prompt": "a dog"',
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"prompt": "a dog"} x',
        b"[" * 10_000,
    ):
        answer = ask(address, "POST", PICTURES, body, Content_Type="application/json")
        assert answer.status == 400 and json.load(answer)["error"]["type"] == "invalid_request_error", body[:20]
    text = ask(address, "POST", PICTURES, b'{"prompt": "a dog"}', Content_Type="text/plain")
    assert text.status == 400  # so no page of another place can send it without asking
    for method, path in (("GET", PICTURES), ("POST", "/v1/nothing"), ("DELETE", "/v1/models"), ("POST", "/")):
        answer = ask(address, method, path)
        assert answer.status in (404, 405) and json.load(answer)["error"]["message"].startswith("There is no ")


def raw(address: str, sent: bytes) -> socket.socket:
    connection = socket.create_connection((urlsplit(address).hostname, urlsplit(address).port), timeout=60)
    connection.sendall(sent)
    return connection


def head(length: int, *more: str) -> bytes:
    lines = (
        f"POST {PICTURES} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    )
    return "\r\n".join((*lines, *more, "", "")).encode("latin-1")


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


@pytest.mark.parametrize(("size", "status"), [(None, 408), (guard.MAX_BODY + 1, 413), (guard.MAX_BODY, 429)])
def test_a_body_that_stalls_or_comes_with_too_many(monkeypatch, size, status):
    app, sent = FastAPI(), []
    monkeypatch.setattr(guard, "MAX_COMING", guard.MAX_BODY // 2)
    app.add_middleware(guard.Guard, settings=guard.Settings(body_seconds=0.01), counts=guard.Counts())
    answer_errors(app)

    @app.post("/")
    async def post(request: Request) -> None:
        await request.body()

    async def receive():
        if size is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": bytes(size)}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"localhost")], "query_string": b""}
    with ThreadPoolExecutor(1) as thread:  # in this one the browser's loop may run
        thread.submit(asyncio.run, app(scope, receive, send)).result()
    assert sent[0]["status"] == status and json.loads(sent[1]["body"])["error"]["message"]


def test_who_may_ask(address):
    for headers, status in (
        ({"Host": "elsewhere.example"}, 421),
        ({"Host": "localhost"}, 200),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
    ):
        assert ask(address, "GET", "/v1/models", **headers).status == status


# ---------------------------------------------------------------- who leaves, and who waits


def until(address: str, **wanted: float) -> dict[str, float]:
    for _ in range(1200):
        now = state(address)
        if all(now[f"bozzetto_pictures_{name}"] == value for name, value in wanted.items()):
            return now
        time.sleep(0.05)
    raise AssertionError(f"never {wanted}: {now}")


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


# ---------------------------------------------------------------- other servers


def test_a_key_a_deadline_and_an_end_in_order():
    key = "correct horse ñ battery"
    with served("--no-course", "--seconds", "1", BOZZETTO_KEY=key) as (address, process):
        bearer = f"Bearer {key}".encode().decode("latin-1")
        for told, status in (("", 401), ("Bearer wrong", 401), (bearer[:-1], 401), ("Bearer ÿÿ", 401), (bearer, 200)):
            assert ask(address, "GET", "/v1/models", Authorization=told).status == status
        assert ask(address, "GET", "/metrics").status == 401 and ask(address, "GET", "/").status == 404
        body = json.dumps({"prompt": "a secret dog", "n": 10, "num_inference_steps": 100}).encode()
        headers = {"Content_Type": "application/json", "Authorization": bearer}
        late = ask(address, "POST", PICTURES, body, **headers)
        assert late.status == 408 and json.load(late)["error"]["code"] == "overdue"
        body = json.dumps({"prompt": "a secret dog", "quality": "low"}).encode()
        connection = raw(address, head(len(body), f"Authorization: {bearer}"))
        process.send_signal(signal.SIGTERM)
        connection.sendall(body)
        assert connection.recv(20).startswith(b"HTTP/1.1 200")
        connection.close()
        process.wait(60)
        process.log.seek(0)
        log = process.log.read()
        assert "secret" not in log and key not in log and "Traceback" not in log
        assert f"POST {PICTURES} 408" in log


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--host", "0.0.0.0"], "can be reached by others, so it needs a key: see --key-file"),
        (["--host", "0.0.0.0", "--key-file", "nothing"], "--key-file nothing is no file"),
        (["--host", "0.0.0.0", "--key-file", "short"], "--key-file holds a key of 3 characters"),
        (["--host", "no.such.host.invalid", "--key-file", "key"], "is no address of this machine"),
        (["--port", "99999"], "--port must be a whole number from 0 to 65535"),
        (["--places", "0"], "--places must be a whole number from 1 to 64"),
        (["--waiting", "0"], "--waiting must be a whole number from 1"),
        (["--seconds", "0"], "--seconds must be a number from 1"),
    ],
)
def test_a_server_that_cannot_be(tmp_path, monkeypatch, capsys, flags, why):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOZZETTO_KEY", raising=False)
    (tmp_path / "key").write_text("correct horse battery\n")
    (tmp_path / "short").write_text("abc")
    assert main(["serve", "--no-course", *flags]) == 2
    told = capsys.readouterr()
    assert why in told.err and told.err.count("\n") == 1 and told.out == ""
