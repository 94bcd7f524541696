"""A server as a process, and who asks it: what its tests and its benchmarks share."""

import base64
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image

PICTURES = "/v1/images/generations"
QUICK = {"num_inference_steps": 2}
BOZZETTO = ("-m", "bozzetto", "serve", "--port", "0")


@contextmanager
def served(
    *flags: str, program: Sequence[str] = BOZZETTO, cwd: str | None = None, **variables: str
) -> Iterator[tuple[str, subprocess.Popen]]:
    """A server process, ready, and its address. Its `log` is a file."""
    command = [sys.executable, *program, *flags]
    with tempfile.TemporaryFile("w+") as log:  # nobody would empty a pipe
        env = {**os.environ, **variables}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=cwd, env=env)
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


def memory(pid: int) -> float:
    """Resident, in MB, where the system tells it."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), float("nan"))


def as_png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def as_uri(image: Image.Image) -> str:
    return f"data:image/png;base64,{base64.b64encode(as_png(image)).decode()}"


def shown(b64_json: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(b64_json)))


def form(*parts: tuple[str, str | bytes]) -> tuple[bytes, str]:
    """A form; bytes are files."""
    out = b""
    for name, value in parts:
        file = b'; filename="x"' if isinstance(value, bytes) else b""
        value = value if isinstance(value, bytes) else value.encode()
        out += b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (name.encode(), file, value)
    return out + b"--b--\r\n", "multipart/form-data; boundary=b"


def raw(address: str, sent: bytes) -> socket.socket:
    connection = socket.create_connection((urlsplit(address).hostname, urlsplit(address).port), timeout=60)
    connection.sendall(sent)
    return connection


def head(length: int, *more: str, path: str = PICTURES, kind: str = "application/json") -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", f"Content-Length: {length}")
    return "\r\n".join((*lines, *more, "", "")).encode("latin-1")


def until(address: str, **wanted: float) -> dict[str, float]:
    for _ in range(1200):
        now = state(address)
        if all(now[f"bozzetto_pictures_{name}"] == value for name, value in wanted.items()):
            return now
        time.sleep(0.05)
    raise AssertionError(f"never {wanted}: {now}")
