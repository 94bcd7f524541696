"""The same app on many machines, by Ray Serve: any number of replicas, each with an engine, behind Ray's proxies.

    serve run bozzetto.server.cluster:app                          one replica, on this machine
    serve run bozzetto.server.cluster:app replicas=2 most=8        2 replicas, up to 8 when there is much to do

A replica that dies loses nothing: `Front` stands in each proxy and keeps a request until it is answered. If the replica
is gone, it asks another; the same seed is the same picture, so what was sent already need not be sent again. Like
`bozzetto serve`, all of it is reached from this machine only, unless there is a key.
"""

import asyncio
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bozzetto import spread
from bozzetto.errors import InvalidInput, require
from bozzetto.server.defaults import PLACES, SECONDS, WAITING
from bozzetto.server.guard import Counts, Guard, Log, Settings
from bozzetto.server.run import KEY, is_loopback, open_log, read_key
from bozzetto.server.wire import Refused

# Read by the proxies when they start: on a cluster it must be set where `ray start` is run, and so must the key.
FRONT = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
os.environ.setdefault(FRONT, "bozzetto.server.cluster:in_front")
os.environ.setdefault("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "60")  # a proxy of a busy machine is not broken

require("ray")
from ray import serve  # noqa: E402  (after what it reads)

TRIES = 5  # replicas that a request may outlive
PAUSE = 0.5  # seconds before a replica is asked for again
OPENING = 60  # seconds that a replica may take to be ready
OWN = (b"x-request-timeout-seconds", b"x-request-disconnect-disabled", b"x-session-id", b"x-request-id")
ADDED = ("created", "created_at", "b64_json")  # what differs in an event that is sent again, or follows from the rest
log = logging.getLogger("bozzetto.server")


# ---------------------------------------------------------------- replicas


class Sizes(BaseModel):
    """What may be said after `serve run bozzetto.server.cluster:app`, or as `args` in a file for `serve deploy`."""

    model_config = ConfigDict(extra="forbid")

    replicas: int = Field(1, ge=1, description="How many there are, or how many at least.")
    most: int | None = Field(None, ge=1, description="Ray adds replicas up to so many when there is much to do.")
    cores: int = Field(spread.WORKER_CORES, ge=1, description="Of a replica.")
    places: int = Field(PLACES, ge=1, le=64, description="How many pictures a replica draws at once.")
    waiting: int = Field(WAITING, ge=1, description="How many more may wait in a replica.")
    seconds: float = Field(SECONDS, ge=1, le=86400, description="How long a replica may take for a request.")
    host: str = Field("127.0.0.1", description="Where Ray listens, if this starts it. Others need a key.")
    port: int = Field(8000, ge=1, le=65535, description="Where Ray listens, if this starts it.")
    log_prompts: bool = Field(False, description="Write what is asked for into the log.")
    course: bool = Field(True, description="The course, at /.")


def app(sizes: Sizes) -> serve.Application:
    """What `serve run` runs."""
    if read_key(None) is None and not is_loopback(sizes.host):
        raise InvalidInput("host", f"{sizes.host} can be reached by others, so it needs a key: set {KEY}")
    most = max(sizes.replicas, sizes.most or 0)
    if spread.join(cpus=most * sizes.cores):
        serve.start(http_options={"host": sizes.host, "port": sizes.port})
    scale: dict[str, Any] = {"num_replicas": sizes.replicas}
    if most > sizes.replicas:
        limits = {"min_replicas": sizes.replicas, "max_replicas": most, "target_ongoing_requests": sizes.places}
        scale = {"autoscaling_config": limits}
    deployment = serve.deployment(
        name="bozzetto",
        ray_actor_options={"num_cpus": sizes.cores},
        max_ongoing_requests=sizes.places + sizes.waiting,
        max_queued_requests=4 * (sizes.places + sizes.waiting),  # of one proxy
        health_check_period_s=5,
        health_check_timeout_s=OPENING,
        **scale,
    )(Replica)
    return deployment.bind(sizes)


@serve.ingress()
class Replica:
    """One process with an engine and the app."""

    def __init__(self, sizes: Sizes):
        self.sizes = sizes

    def __serve_build_asgi_app__(self) -> ASGIApp:
        from bozzetto.course import build
        from bozzetto.course.serve import Site
        from bozzetto.runtime.session import use_cores
        from bozzetto.server.app import create_app
        from bozzetto.server.batching import Engine

        open_log()
        use_cores(self.sizes.cores)
        site = Site(build.site("en"), build.not_found_pages("en")) if self.sizes.course else None
        # Who asks was looked at by Front; a proxy without it is none of ours.
        settings = Settings(hosts=None, seconds=self.sizes.seconds, log_prompts=self.sizes.log_prompts)
        engine = Engine(places=self.sizes.places, waiting=self.sizes.waiting)
        self.built = create_app(engine, site, settings)
        self.built.add_middleware(Fronted)
        return self.built

    async def check_health(self) -> None:
        """What /ready tells; Ray waits for it, and starts another replica if it does not come."""
        await self.built.state.ready.wait()


class Fronted:
    """Refuses what came past Front."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "bozzetto.number" not in scope:
            why = f"This cluster was started without {FRONT}={os.environ[FRONT]}: set it where `ray start` is run."
            await answer(Refused(why, status=503, kind="server_error"), scope, receive, send)
        else:
            await self.app(scope, receive, send)


# ---------------------------------------------------------------- what stands in the proxies


def in_front() -> list[Middleware]:
    """What each proxy of Ray puts around itself, the innermost first."""
    key = read_key(None)
    settings = Settings(key=key, hosts=Settings.hosts if key is None else None)
    front = Middleware(Front, open_to_others=key is not None, seconds=settings.seconds)
    return [front, Middleware(Guard, settings=settings, counts=Counts())]


class Front:
    """An ASGI middleware that asks as many replicas as it takes."""

    def __init__(self, app: ASGIApp, open_to_others: bool, seconds: float):
        self.app, self.open_to_others, self.seconds = app, open_to_others, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.open_to_others and not is_loopback(scope["server"][0]):
            why = f"Who comes from elsewhere needs a key, and there is none: set {KEY} where Ray is started."
            return await answer(Refused(why, status=403, kind="permission_error"), scope, receive, send)
        if scope["path"].startswith("/-/"):  # Ray's own: is the proxy well?
            return await self.app(scope, receive, send)
        try:
            body = await whole(receive)
        except HTTPException as error:
            refused = Refused(str(error.detail), status=error.status_code, headers=dict(error.headers or {}))
            return await answer(refused, scope, receive, send)
        if body is not None:
            await self._ask(scope, body, receive, send)

    async def _ask(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        about: Log = scope["log"]
        until, left, unread = time.monotonic() + 2 * self.seconds, False, True
        given, tries = Given(send), 0

        async def again() -> Message:
            nonlocal left, unread
            if unread:
                unread = False
                return {"type": "http.request", "body": body, "more_body": False}
            message = await receive()
            left = left or message["type"] == "http.disconnect"
            return message

        while True:
            unread = True
            remaining = max(0.1, until - time.monotonic())
            headers = [pair for pair in scope["headers"] if pair[0] not in OWN]
            headers += [(b"x-request-id", about.number.encode()), (OWN[0], b"%.1f" % remaining)]
            asked = {**scope, "headers": headers, "bozzetto.number": about.number}
            del asked["log"]
            refused = await given.by(self.app, asked, again)
            if given.done or left:
                return
            if refused is None:
                log.warning("%s lost its replica", about.number)
                refused = LOST
            tries += refused.status == 503
            waits = refused.status == 503 or (refused.status == 429 and tries)
            if not waits or tries == TRIES or time.monotonic() > until:
                return await given.refuse(refused, scope, receive)
            await asyncio.sleep(PAUSE)


SOON = {"Retry-After": "5"}
RAYS = {  # what Ray answers in words of its own
    408: Refused(
        "this took longer than it was given: ask for fewer steps or pictures.", status=408, kind="timeout_error"
    ),
    429: Refused(
        "All replicas have much to do: try again.", status=429, kind="rate_limit_error", code="busy", headers=SOON
    ),
}
LOST = Refused("The replicas that worked on this have ended: try again.", status=503, kind="server_error", headers=SOON)
NOBODY = Refused("No replica is there yet: try again.", status=503, kind="server_error", headers=SOON)


class Given:
    """What who asked was given so far, of one answer that several replicas may have begun."""

    def __init__(self, send: Send):
        self.send, self.done = send, False
        self.begun = False  # an answer of events, of which the first is out
        self.events = Counter[str]()

    async def by(self, app: ASGIApp, scope: Scope, receive: Receive) -> Refused | None:
        """Let a replica answer. What Ray itself says instead, or a replica that is about to end, if they do."""
        start: Message = {}
        body, known, refused = bytearray(), self.events.copy(), None

        async def take(message: Message) -> None:
            nonlocal start, refused
            if message["type"] == "http.response.start":
                headers = dict(message["headers"])  # of two of a name, Ray has added one
                start = {**message, "headers": list(headers.items())}
                return
            headers, more = dict(start["headers"]), message.get("more_body", False)
            kind = headers.get(b"content-type", b"")
            body.extend(message.get("body", b""))
            if start["status"] == 503 or (start["status"] >= 400 and kind.startswith(b"text/plain")):
                refused = RAYS.get(start["status"], NOBODY)
            elif kind.startswith(b"text/event-stream"):
                await self._events(start, body, known, more)
            elif not more:
                self.done = True
                await self.send(start)
                await self.send({"type": "http.response.body", "body": bytes(body)})

        await app(scope, receive, take)
        return refused

    async def _events(self, start: Message, body: bytearray, known: Counter[str], more: bool) -> None:
        """Pass on the events that are whole and new."""
        if not self.begun:
            self.begun = True
            await self.send(start)
        for event in whole_events(body):
            name = essence(event)
            if known[name]:
                known[name] -= 1
                continue
            self.events[name] += 1
            await self.send({"type": "http.response.body", "body": event, "more_body": True})
        if not more:
            self.done = True
            await self.send({"type": "http.response.body", "body": b""})

    async def refuse(self, refused: Refused, scope: Scope, receive: Receive) -> None:
        if not self.begun:
            return await answer(refused, scope, receive, self.send)
        event = f"event: error\ndata: {json.dumps({'type': 'error', **refused.body})}\n\n".encode()
        await self.send({"type": "http.response.body", "body": event})


def whole_events(body: bytearray) -> Iterator[bytes]:
    """Server-sent events, taken from the front of what has come."""
    while (end := body.find(b"\n\n")) >= 0:
        event = bytes(body[: end + 2])
        del body[: end + 2]
        yield event


def essence(event: bytes) -> str:
    """What two events have in common that say the same of one request."""
    said = event.decode().partition("data: ")[2]
    try:
        found = json.loads(said)
    except ValueError:
        return said  # [DONE]
    return json.dumps({name: value for name, value in found.items() if name not in ADDED}, sort_keys=True)


async def whole(receive: Receive) -> bytes | None:
    """The body of a request; None if who asked has left."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


async def answer(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse(refused.body, refused.status, refused.headers)(scope, receive, send)
