"""The process of the server: a port, a log, and an end at which what was accepted is still done."""

import errno
import ipaddress
import logging
import os
import socket
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from bozzetto.course.serve import Site
from bozzetto.errors import InvalidInput, MissingFile, literal, real_number, whole_number
from bozzetto.server.app import create_app
from bozzetto.server.batching import Engine
from bozzetto.server.connection import Connection
from bozzetto.server.defaults import PLACES, PORT, SECONDS, WAITING
from bozzetto.server.guard import Settings

MIN_KEY = 16  # characters
KEY = "BOZZETTO_KEY"  # a variable of the environment; an argument of a command can be read by everybody


def read_key(file: Path | None) -> str | None:
    """The key of a file, or of $BOZZETTO_KEY, if there is one."""
    if file is None:
        key = os.environ.get(KEY, "")
    elif not file.is_file():
        raise MissingFile("key_file", f"{literal(file)} is no file: write a key of {MIN_KEY} characters into one")
    else:
        key = file.read_text(encoding="utf-8")
    key = key.strip()
    if key and len(key) < MIN_KEY:
        raise InvalidInput("key_file", f"holds a key of {len(key)} characters: make it {MIN_KEY} or more")
    return key or None


def bind(host: str, port: int | None, key: str | None) -> socket.socket:
    """A socket that listens. InvalidInput for an address that cannot be had, or is open to others and has no key."""
    if not is_loopback(host) and key is None:
        why = f"{host} can be reached by others, so it needs a key: see {{}}, or set {KEY}"
        raise InvalidInput("host", why, "key_file")
    wanted = PORT if port is None else whole_number("port", port, 0, 65535)
    try:
        family, kind, *_, address = socket.getaddrinfo(host, wanted, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise InvalidInput("host", f"{host!r} is no address of this machine") from error
    listener = socket.socket(family, kind)
    if os.name != "nt":  # so that a restart takes the port at once; on Windows it would share that of a running server
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise InvalidInput("port", f"{wanted} is taken or not allowed: choose another, or 0") from error
        raise InvalidInput("host", f"{host!r} is no address of this machine") from error
    return listener


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def open_log() -> None:
    """Begin to write what is asked, and what goes wrong, to stderr."""
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    logging.getLogger("bozzetto.server").setLevel(logging.INFO)


def run(
    host: str = "127.0.0.1",
    port: int | None = None,
    key_file: Path | None = None,
    *,
    site: Site | None = None,
    places: int = PLACES,
    waiting: int = WAITING,
    seconds: float = SECONDS,
    log_prompts: bool = False,
    adapter: Path | None = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM; then finish what was accepted."""
    key = read_key(key_file)
    seconds = real_number("seconds", seconds, 1, 86400)
    with bind(host, port, key) as listener, Engine(places=places, waiting=waiting, adapter=adapter) as engine:
        hosts = Settings.hosts if is_loopback(host) else None
        settings = Settings(key=key, hosts=hosts, seconds=seconds, log_prompts=log_prompts)
        app = create_app(engine, site, settings)
        open_log()
        name = f"[{host}]" if ":" in host else host
        print(f"Bozzetto serves at http://{name}:{listener.getsockname()[1]}/ (Ctrl-C ends it)", flush=True)
        uvicorn.Server(configured(app)).run(sockets=[listener])


def configured(app: FastAPI) -> uvicorn.Config:
    # What else is installed (uvloop, httptools and websockets come with other extras) changes nothing here.
    here: Any = {"loop": "asyncio", "http": Connection, "ws": "none", "log_config": None, "access_log": False}
    return uvicorn.Config(app, server_header=False, timeout_keep_alive=30, **here)
