"""Requests that mean no good: those that schemathesis makes of the server's own document, pictures that are none, and
bodies that break off. Each must be answered or hung up on, in OpenAI's shape of an error, and leave nothing behind."""

import base64
import http.client
import io
import json
import random
import socket
import struct
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hypothesis
import requests
import schemathesis
from PIL import Image
from schemathesis.generation import GenerationMode

from serving import PICTURES, ask, form, head, memory, raw, served

CHEAP = {"num_inference_steps": 1}  # of what is valid after all, so that the server's time is not spent in drawing
KEY = "a key that nobody knows"
FORM = "multipart/form-data; boundary=b"
Send = Callable[..., None]
"""send(method, path, body, headers), or send(bytes) for what is no HTTP."""


def attacked(count: int) -> dict[str, Any]:
    """What a server of its own answers to so many, and what is left of them."""
    statuses, troubles, megabytes, sent = Counter[str](), list[str](), list[int](), 0
    with (
        tempfile.TemporaryDirectory() as folder,
        served(cwd=folder, TMPDIR=folder, BOZZETTO_KEY=KEY) as (address, server),
    ):

        def send(*request: Any) -> None:
            nonlocal sent
            sent += 1
            if sent % max(1, count // 10) == 0:
                megabytes.append(round(memory(server.pid)))
            status, trouble = told(address, *request)
            statuses[status] += 1
            if trouble:
                troubles.append(f"{trouble}: {str(request)[:300]}")

        dice = random.Random(1)
        from_corpus(min(count // 4, 200), dice, send)  # it opens its networks
        began = time.monotonic()
        document = json.load(ask(address, "GET", "/openapi.json"))
        from_document(document, (count - sent) // 2, send)
        from_corpus(count - sent, dice, send)
        seconds = time.monotonic() - began
        fresh = told(address, "POST", PICTURES, json.dumps({"prompt": "a dog", **CHEAP}).encode(), as_json())
        written = sorted(path.name for path in Path(folder).rglob("*"))
        server.log.seek(0)
        tracebacks = server.log.read().count("Traceback")
    return {
        "requests": sent,
        "by_status": dict(sorted(statuses.items())),
        "troubles": troubles,
        "tracebacks": tracebacks,
        "written": written,
        "then_answered": fresh[0],
        "server_mb": megabytes,  # after each tenth
        "seconds": round(seconds),
    }


def told(address: str, *request: Any) -> tuple[str, str]:
    """The status, and what is wrong with the answer, if anything is."""
    try:
        reply = thrown(address, *request) if len(request) == 1 else asked(address, *request)
        with reply:
            content = reply.read()
    except (ConnectionError, http.client.BadStatusLine) as error:
        return "hung up", "" if len(request) == 1 else repr(error)
    return str(reply.status), trouble_of(reply, content, request[0] == "HEAD")


def asked(address: str, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> HTTPResponse:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    connection.request(method, path, body, {name: value.encode() for name, value in headers.items()})
    return connection.getresponse()


def thrown(address: str, sent: bytes) -> HTTPResponse:
    """What comes back for bytes after which nothing more comes."""
    with raw(address, sent) as connection:
        connection.shutdown(socket.SHUT_WR)
        reply = HTTPResponse(connection)
        reply.begin()
        return reply


def trouble_of(reply: HTTPResponse, content: bytes, bare: bool) -> str:
    if reply.status >= 500:
        return f"answered {reply.status}"
    if reply.status < 400 or bare or reply.headers.get_content_type() != "application/json":
        return ""  # nothing wrong, or no HTTP
    try:
        error = json.loads(content)["error"]
        good = set(error) == {"message", "type", "param", "code"} and bool(error["message"])
    except (ValueError, TypeError, KeyError):
        good = False
    return "" if good else f"no error of OpenAI's shape: {content[:200]!r}"


def as_json(**more: str) -> dict[str, str]:
    return {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}", **more}


# ---------------------------------------------------------------- of the document

REQUEST = ("method", "url", "headers", "files", "data", "json", "params", "cookies")


def from_document(document: dict[str, Any], count: int, send: Send) -> None:
    """As many as are asked for, less those of paths that take nothing; half of them break the schema."""
    schema = schemathesis.openapi.from_dict(document)
    operations = [result.ok() for result in schema.get_all_operations()]
    operations = [each for each in operations if each.method == "post" or each.path_parameters]
    for operation in operations:
        for mode in GenerationMode:
            part = count // len(operations) // len(GenerationMode)

            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            @hypothesis.settings(
                max_examples=max(1, part),
                database=None,
                deadline=None,
                derandomize=True,
                phases=[hypothesis.Phase.generate],
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            def run(case: schemathesis.Case) -> None:
                if isinstance(case.body, dict) and case.body.get("num_inference_steps") in (None, *range(1, 101)):
                    case.body |= CHEAP
                made = case.as_transport_kwargs(base_url="http://localhost")
                prepared = requests.Request(**{name: made[name] for name in REQUEST if name in made}).prepare()
                headers = {name: value for name, value in prepared.headers.items() if name != "Content-Length"}
                body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
                send(prepared.method, prepared.path_url, body, headers | {"Authorization": f"Bearer {KEY}"})

            with suppress(hypothesis.errors.Unsatisfiable):  # what takes any word cannot be broken
                run()


# ---------------------------------------------------------------- of pictures


def from_corpus(count: int, dice: random.Random, send: Send) -> None:
    for _ in range(count):
        if dice.random() < 0.25:
            send(*dice.choice(LINES)(dice))
        else:
            send(*with_picture(dice, dice.choice(CONTENTS)(dice)))


@cache
def pictures() -> tuple[bytes, ...]:
    """A small picture in all formats that are taken."""
    image = Image.radial_gradient("L").resize((48, 40)).convert("RGB")
    found = []
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP"):
        out = io.BytesIO()
        image.save(out, kind, **({"save_all": True, "append_images": [image.rotate(90)]} if kind == "GIF" else {}))
        found.append(out.getvalue())
    return tuple(found)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, kind: int = 6, rows: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + data + chunk(b"IEND", b"")


def truncated(dice: random.Random) -> bytes:
    whole = dice.choice(pictures())
    return whole[: dice.randrange(len(whole))]


def scratched(dice: random.Random) -> bytes:
    content = bytearray(dice.choice(pictures()))
    for _ in range(dice.choice((1, 3, 30))):
        content[dice.randrange(len(content))] = dice.randrange(256)
    return bytes(content)


def polyglot(dice: random.Random) -> bytes:
    """Two things in one, or one in the dress of another."""
    one, other = dice.choice(pictures()), dice.choice(pictures())
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("../../evil", "x")
    page = b"<html><script>alert(1)</script></html>"
    text = b"%PDF-1.7\n" + one
    return dice.choice((one + other, one[:12] + other, one + packed.getvalue(), page + one, text, b"GIF89a" + page))


@cache
def bomb(number: int) -> bytes:
    """A few bytes that ask for much."""
    match number:
        case 0:
            return png(5000, 5000, depth=1, kind=0, rows=bytes(626 * 5000))
        case 1:
            return png(4000, 4000, depth=1, kind=0, rows=bytes(501 * 4000))  # the largest that is taken
        case 2:
            return png(8, 8, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(60 * 2**20))), rows=bytes(33 * 8))
        case 3:
            return png(8, 8, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(60 * 2**20))), rows=bytes(33 * 8))
        case 4:
            return png(8, 8, rows=bytes(60 * 2**20))
        case _:
            frames = [Image.new("P", (64, 64), number % 256) for number in range(400)]
            out = io.BytesIO()
            frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
            return out.getvalue()


def claims(dice: random.Random) -> bytes:
    """A header that claims what does not follow."""
    side = dice.choice((0, 1, 60_000, 2**31 - 1))
    gif = b"GIF89a" + struct.pack("<HH", min(side, 65535), min(side, 65535)) + pictures()[3][10:]
    bmp = pictures()[4][:18] + struct.pack("<ii", min(side, 2**31 - 1), -min(side, 2**31 - 1)) + pictures()[4][26:]
    return dice.choice((png(side, side), png(side, 1), png(8, 8, kind=dice.randrange(256)), gif, bmp))


CONTENTS: tuple[Callable[[random.Random], bytes], ...] = (
    truncated,
    scratched,
    polyglot,
    claims,
    lambda dice: bomb(dice.randrange(6)) if dice.random() < 0.1 else claims(dice),
    lambda dice: dice.randbytes(dice.randrange(200)),
    lambda dice: dice.choice(
        (b"", b"\0", b"II*\0\x08\0\0\0", b"\0\0\1\0\1\0", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    ),
    lambda dice: dice.choice(pictures()),
)


def with_picture(dice: random.Random, content: bytes) -> tuple[str, str, bytes, dict[str, str]]:
    """A request with it, wherever one may be."""
    good, steps = pictures()[0], ("num_inference_steps", "1")
    place = dice.randrange(8)
    if place < 5:
        parts: list[tuple[str, str | bytes]] = [
            [("image", content), ("prompt", "a hat")],
            [("image", good), ("mask", content), ("prompt", "a hat")],
            [("image", good), ("mask", content), ("mask", good), ("prompt", "a hat")],
            [(dice.choice(("image", "image[]", "bild", "../image", "image\0")), content), ("prompt", "a hat")],
            [("image", content)],
        ][place]
        path = "/v1/images/" + ("variations" if place == 4 else "edits")
        return "POST", path, form(*parts, steps)[0], as_json(**{"Content-Type": FORM})
    coded = base64.b64encode(content).decode()
    kind = dice.choice(("png", "png", "jpeg", "svg+xml", "../../x"))
    whole = f"data:image/{kind};base64,{coded}"
    uri = dice.choice((whole, whole, whole, f"data:image/{kind},{coded}", f"data:;base64,{coded}", coded))
    if place == 5:
        words: dict[str, Any] = {"model": "clip", "input": dice.choice((uri, [uri], ["a dog", uri, uri]))}
        return "POST", "/v1/embeddings", json.dumps(words).encode(), as_json()
    address = {"type": "image_url", "image_url": {"url": uri}}
    asked = {"type": "text", "text": dice.choice(("what is this?", "", "\ud800", "\0", "x" * 400))}
    content_parts = dice.choice(([asked, address], [address, asked], [address], [asked, address, address]))
    chat = {"model": "vlm", "messages": [{"role": "user", "content": content_parts}], "stream": place == 6}
    return "POST", "/v1/chat/completions", json.dumps(chat).encode(), as_json()


# ---------------------------------------------------------------- of lines and bodies

TEXTS = ("a dog", "", "\ud800", "a\0dog", "\u202edog", "é" * 300, "🦊" * 300, "%s%n{0}{{}}", "a" * 10**6)
NUMBERS = ("NaN", "Infinity", "-Infinity", "1e400", "-0.0", "9" * 400, "1" * 5000, "0x10", "1_0", "01", "null", "true")


def with_text(dice: random.Random) -> tuple[Any, ...]:
    body = {"prompt": dice.choice(TEXTS), **CHEAP}
    for name in dice.sample(("negative_prompt", "user", "style", "model", "sampler", "size"), 2):
        body[name] = dice.choice(TEXTS)
    return "POST", PICTURES, json.dumps(body).encode(), as_json()


def with_number(dice: random.Random) -> tuple[Any, ...]:
    name = dice.choice(("seed", "n", "guidance_scale", "num_inference_steps", "partial_images", "output_compression"))
    return "POST", PICTURES, f'{{"prompt": "a dog", "{name}": {dice.choice(NUMBERS)}}}'.encode(), as_json()


def with_body(dice: random.Random) -> tuple[Any, ...]:
    bodies = (b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000, b'"' + b"a" * 10**6)
    doubled = (b'{"prompt": "a dog", "prompt": 7}', '{"prompt": "a dog"}'.encode("utf-16"), b"\xef\xbb\xbf{}")
    kinds = ("application/json", "application/json; charset=utf-16", "text/plain", FORM, "multipart/form-data", "", "é")
    path = dice.choice((PICTURES, "/v1/images/edits", "/v1/embeddings", "/v1/chat/completions"))
    return "POST", path, dice.choice(bodies + doubled), as_json(**{"Content-Type": dice.choice(kinds)})


def with_header(dice: random.Random) -> tuple[Any, ...]:
    odd = {
        "Authorization": "Bearer ключ",
        "Host": dice.choice(("elsewhere.example", "", "localhost:99999999", "[::1")),
        "Origin": dice.choice(("null", "http://[", "https://elsewhere.example")),
        "Content-Encoding": "gzip",
        "Accept-Encoding": "gzip;q=é, *;q=x",
        "If-None-Match": '"' + "x" * 5000,
        "X-Forwarded-Host": "elsewhere.example",
        "Expect": "100-continue",
    }
    name = dice.choice(list(odd))
    return "POST", PICTURES, json.dumps({"prompt": "a dog", **CHEAP}).encode(), as_json(**{name: odd[name]})


PATHS = ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/%00", "/v1/models/%ff%fe", "//etc/passwd", "/..%5c..%5cx")


def with_path(dice: random.Random) -> tuple[Any, ...]:
    path = dice.choice((*PATHS, "/" + "a/" * 5000))
    return dice.choice(("GET", "HEAD", "PUT", "OPTIONS", "TRACE", "BREW")), path, None, as_json()


def broken_off(dice: random.Random) -> tuple[bytes]:
    """What ends too early, or is too much, or no HTTP at all."""
    key = f"Authorization: Bearer {KEY}"
    body = json.dumps({"prompt": "a dog", **CHEAP}).encode()
    whole = head(len(body), key) + body
    return (
        dice.choice(
            (
                lambda: whole[: dice.randrange(1, len(whole))],
                lambda: head(100 * 2**20, key) + b"[",
                lambda: head(-1, key) + body,
                lambda: head(len(body), key, "Transfer-Encoding: chunked") + b"zz\r\n" + body,
                lambda: head(len(body), key, "X: " + "y" * 100_000) + body,
                lambda: dice.randbytes(200) + b"\r\n\r\n",
                lambda: whole * 5,
                lambda: b"GET / HTTP/9.9\r\n\r\n",
                lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            )
        )(),
    )


LINES = (with_text, with_number, with_body, with_header, with_path, broken_off)
