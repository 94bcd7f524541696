"""Show the course on this machine, or write it to a folder for any static host, or to a zip file.

The server knows exactly the paths of the site's mapping, so there is no file system to wander in. It listens on
127.0.0.1 and answers only to that name, so no other website can reach it by pointing its own name here (DNS rebinding).
"""

import errno
import hashlib
import os
import shutil
import socketserver
import sys
import threading
import webbrowser
import zipfile
import zlib
from collections.abc import Collection, Mapping
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bozzetto.course.pages import CSP
from bozzetto.errors import InvalidInput, MissingFile, literal
from bozzetto.files import written

PORT = 8765
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".tsv": "text/tab-separated-values; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
}
OTHER = "application/octet-stream"  # .safetensors, .onnx, .bin
PACKED = {*TYPES, ".onnx", ".safetensors", ".bin"} - {".webp", ".avif", ".png", ".woff2"}
# Same-origin isolation lets a page use threads.
HEADERS = {
    "Content-Security-Policy": f"{CSP}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}
MARK = ".bozzetto-course"  # says that a folder or a zip file is an earlier export, which may be replaced


class Entry:
    """One file of the site as it is sent: read, hashed and compressed when it is first asked for, then kept."""

    def __init__(self, path: str, source: bytes | Path) -> None:
        self.source = source
        self.suffix = PurePosixPath(path).suffix
        self.type = TYPES.get(self.suffix, OTHER)
        self.lock = threading.Lock()

    @cached_property
    def body(self) -> bytes:
        return self.source.read_bytes() if isinstance(self.source, Path) else self.source

    @cached_property
    def tag(self) -> str:
        return hashlib.sha256(self.body).hexdigest()[:32]

    def encoded(self, accepted: Collection[str]) -> tuple[str, bytes]:
        """As it is sent to whoever takes these encodings: which it has, or "", and its bytes."""
        if "br" in accepted and self.brotli is not None:
            return "br", self.brotli
        if "gzip" in accepted and self.packed is not None:
            return "gzip", self.packed
        return "", self.body

    @cached_property
    def brotli(self) -> bytes | None:
        """As the build has packed it beside the file, if it has: ONNX Runtime, by a third smaller than with gzip."""
        beside = isinstance(self.source, Path) and self.source.with_name(f"{self.source.name}.br")
        return beside.read_bytes() if beside and beside.is_file() else None

    @cached_property
    def packed(self) -> bytes | None:
        """Compressed, if it is of a kind that gets smaller."""
        if self.suffix not in PACKED:
            return None
        # Weights never repeat themselves, so less looking for repeats packs them better, by half a percent.
        weights = self.suffix == ".safetensors"
        memory, strategy = (9, zlib.Z_FILTERED) if weights else (8, zlib.Z_DEFAULT_STRATEGY)
        packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS, memory, strategy)  # + 16: as gzip
        return packer.compress(self.body) + packer.flush()


class Answer(NamedTuple):
    status: HTTPStatus
    headers: dict[str, str]
    body: bytes = b""


class Site:
    """The files of a site by their paths, and what is answered to a request, whoever listens. `not_found`: what is sent
    for a page that is not there, by the folder that it would be in; "" is any."""

    def __init__(self, site: Mapping[str, bytes | Path], not_found: Mapping[str, bytes]) -> None:
        self.entries = {f"/{path}": Entry(path, source) for path, source in site.items()}
        self.not_found = {f"/{folder}": Entry("404.html", page) for folder, page in not_found.items()}

    def answer(self, path: str, accept_encoding: str = "", if_none_match: str = "") -> Answer:
        """To GET, with all headers but those that every answer has (HEADERS)."""
        if path.endswith("/"):
            path += "index.html"
        elif f"{path}/index.html" in self.entries:
            return Answer(HTTPStatus.MOVED_PERMANENTLY, {"Location": f"{path}/", "Content-Length": "0"})
        entry, status = self.entries.get(path), HTTPStatus.OK
        if entry is None:
            folder = max((folder for folder in self.not_found if path.startswith(folder)), key=len, default="/")
            entry, status = self.not_found[folder], HTTPStatus.NOT_FOUND
        asked = [part.split(";") for part in accept_encoding.split(",")]
        accepted = {name.strip() for name, *q in asked if "".join(q).strip() not in ("q=0", "q=0.0")}
        with entry.lock:  # two requests for one file do the work once
            encoding, body = entry.encoded(accepted)
            tag = f"{entry.tag}-{encoding}" if encoding else entry.tag
        page = entry.suffix == ".html"
        headers = {"Cache-Control": "no-cache" if page else "max-age=0, must-revalidate", "ETag": f'"{tag}"'}
        if entry.suffix in PACKED:
            headers["Vary"] = "Accept-Encoding"
        known = [name.strip().removeprefix("W/") for name in if_none_match.split(",")]
        if status == HTTPStatus.OK and headers["ETag"] in known:
            return Answer(HTTPStatus.NOT_MODIFIED, headers)
        headers |= {"Content-Type": entry.type, "Content-Length": str(len(body))}
        if encoding:
            headers["Content-Encoding"] = encoding
        return Answer(status, headers, body)


class CourseServer(ThreadingHTTPServer):
    """Serves a site's mapping, and `not_found` as Site has it, on 127.0.0.1; port 0 takes any free one."""

    daemon_threads = True
    # Elsewhere it lets a restart take the port at once; on Windows it would share the port of a running server.
    allow_reuse_address = os.name != "nt"

    def __init__(self, site: Mapping[str, bytes | Path], not_found: Mapping[str, bytes], port: int = PORT) -> None:
        self.site = Site(site, not_found)
        self.entries = self.site.entries
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's asks a name server for our name, which may take long
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: CourseServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "bozzetto", ""

    def do_GET(self) -> None:
        host = self.headers.get("Host", "")
        if host.removesuffix(f":{self.server.server_port}") not in ("127.0.0.1", "localhost"):
            return self._empty(HTTPStatus.MISDIRECTED_REQUEST)
        asked = (self.headers.get(name, "") for name in ("Accept-Encoding", "If-None-Match"))
        status, headers, body = self.server.site.answer(urlsplit(self.path).path, *asked)
        self._head(status, headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def _refuse(self) -> None:
        self.close_connection = True  # whatever it wanted to send stays unread
        self._empty(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = _refuse

    def _empty(self, status: HTTPStatus, headers: Mapping[str, str] | None = None) -> None:
        self._head(status, {**(headers or {}), "Content-Length": "0"})

    def _head(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is for the address of the course."""


def open_server(
    site: Mapping[str, bytes | Path], not_found: Mapping[str, bytes], port: int | None = None
) -> CourseServer:
    """A server on the port asked for, or on the usual one, or on a free one when the usual one is taken.

    Raises InvalidInput when the port asked for cannot be had.
    """
    try:
        return CourseServer(site, not_found, PORT if port is None else port)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        if port is not None:
            raise InvalidInput("port", f"{port} is taken or not allowed: leave it away, or choose another") from error
        return CourseServer(site, not_found, 0)


def serve(server: CourseServer, browser: bool = True) -> None:
    """Serve until Ctrl-C."""
    try:
        with server:
            print(f"The course is open at {server.url} (Ctrl-C ends it)", flush=True)
            if browser:
                threading.Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
            server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        print()


def export(site: Mapping[str, bytes | Path], out: Path, force: bool = False) -> int:
    """Write the site to the folder `out`, whole or not at all, and return its size in bytes.

    A folder that holds something else than an earlier export is only replaced by `force`. Raises InvalidInput for a
    folder that cannot be used.
    """
    folder = out.resolve()
    if folder.exists() and not folder.is_dir():
        raise InvalidInput("out", f"{folder} is a file: name a folder")
    if Path.cwd().is_relative_to(folder):
        raise InvalidInput("out", f"{folder} holds the folder you are in: name another")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file() and not force:
        raise InvalidInput(
            "out", f"{literal(folder)} holds other files: name another folder, or replace it all with {{}}", "force"
        )
    _expect_parent(folder)
    new, old = (folder.with_name(f".{folder.name}.{word}-{os.getpid()}") for word in ("new", "old"))
    try:
        new.mkdir()
        for path, source in {**site, MARK: b""}.items():
            target = new / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes() if isinstance(source, Path) else source)
        size = sum(path.stat().st_size for path in new.rglob("*") if path.is_file())
        if folder.is_dir():
            folder.rename(old)
        new.rename(folder)
    finally:
        if old.is_dir() and not folder.exists():  # the new one could not take its place
            old.rename(folder)
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return size


def export_zip(site: Mapping[str, bytes | Path], out: Path, force: bool = False) -> int:
    """Write the site to the zip file `out`, whole or not at all, and return its size in bytes. The same site is the
    same bytes.

    A file that is no earlier export is only replaced by `force`. Raises InvalidInput for a file that cannot be used.
    """
    file = out.resolve()
    if file.suffix.lower() != ".zip":
        raise InvalidInput("out", f"{literal(file)} is to be a zip file: name one that ends in .zip")
    if file.is_dir():
        raise InvalidInput("out", f"{literal(file)} is a folder: name a file")
    if file.exists() and not _is_our_zip(file) and not force:
        raise InvalidInput("out", f"{literal(file)} is another file: name a new one, or replace it with {{}}", "force")
    _expect_parent(file)
    with written(file) as part, zipfile.ZipFile(part, "w") as package:
        package.comment = MARK.encode()
        for path, source in site.items():
            entry = zipfile.ZipInfo(path)  # without the time
            entry.external_attr = 0o644 << 16
            package.writestr(entry, source.read_bytes() if isinstance(source, Path) else source, zipfile.ZIP_DEFLATED)
    return file.stat().st_size


def _is_our_zip(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as package:
            return package.comment == MARK.encode()
    except zipfile.BadZipFile:
        return False


def _expect_parent(out: Path) -> None:
    if not out.parent.is_dir():
        raise MissingFile("out", f"{out}: the folder {out.parent} is not there, make it first")
