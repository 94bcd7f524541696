"""What stands before the app: who may ask, how much may come in, what is logged and counted."""

import asyncio
import hmac
import logging
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bozzetto.course.serve import HEADERS
from bozzetto.diffusion.noise import MAX_SEED
from bozzetto.server.defaults import SECONDS
from bozzetto.server.wire import MAX_IMAGES, Refused

MAX_BODY = 32 * 2**20  # a picture of 20 MB as base64, and words
MAX_COMING = 8 * MAX_BODY  # of all bodies that are here at once
PRIVATE = ("/v1/", "/metrics")  # what a key is needed for
log = logging.getLogger("bozzetto.server")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """key: what who asks must know, if anything. hosts: the names that this server answers to; None is any. seconds:
    what a request may take, to come as well as to be done; body_seconds: how long the next part of its body may take to
    come. log_prompts: whether the log may hold what was asked for."""

    key: str | None = None
    hosts: frozenset[str] | None = frozenset({"127.0.0.1", "localhost", "[::1]"})
    seconds: float = SECONDS
    body_seconds: float = 30.0
    log_prompts: bool = False


@dataclass
class Log:
    """What is known of one request."""

    number: str  # of 16 hexadecimal digits
    began: float = field(default_factory=time.monotonic)
    status: int = 0
    user: str | None = None
    asked: object = None
    trouble: Exception | None = None

    def apology(self) -> Refused:
        message = f"Something went wrong here. The server's log says what, under {self.number}."
        return Refused(message, status=500, kind="server_error")


def own_seed(request: Request) -> int:
    """The seed of a request that names none: one of its number, so whoever draws it draws the same picture."""
    about: Log = request.scope["log"]
    return int(about.number, 16) % (MAX_SEED - MAX_IMAGES)


def noted(request: Request, user: str | None, asked: object) -> None:
    """For the log."""
    about: Log = request.scope["log"]
    about.user, about.asked = user, asked


class Counts:
    """Requests by route and status, and their seconds."""

    def __init__(self) -> None:
        self.requests, self.seconds = Counter[tuple[str, int]](), Counter[str]()

    def add(self, route: str, status: int, seconds: float) -> None:
        self.requests[route, status] += 1
        self.seconds[route] += seconds  # type: ignore[assignment]

    def prometheus(self, engine: dict[str, int]) -> str:
        """In Prometheus' text format."""
        now = ("waiting", "drawing")
        ends = ("drawn", "left", "overdue", "failed", "refused")
        lines = [f"# TYPE bozzetto_pictures_{name} gauge\nbozzetto_pictures_{name} {engine[name]}" for name in now]
        lines += ["# TYPE bozzetto_pictures_total counter"]
        lines += [f'bozzetto_pictures_total{{end="{end}"}} {engine[end]}' for end in ends]
        for name, what in (("batches", "batches"), ("batch_rows", "rows"), ("batches_apart", "apart")):
            lines += [f"# TYPE bozzetto_{name}_total counter\nbozzetto_{name}_total {engine[what]}"]
        lines += ["# TYPE bozzetto_requests_total counter"]
        lines += [
            f'bozzetto_requests_total{{route="{route}",status="{status}"}} {count}'
            for (route, status), count in sorted(self.requests.items())
        ]
        lines += ["# TYPE bozzetto_request_seconds_total counter"]
        lines += [f'bozzetto_request_seconds_total{{route="{route}"}} {s:.3f}' for route, s in self.seconds.items()]
        return "\n".join(lines) + "\n"


class Guard:
    """An ASGI middleware around everything."""

    def __init__(self, app: ASGIApp, settings: Settings, counts: Counts):
        self.app, self.settings, self.counts = app, settings, counts
        self.here = 0  # bytes of bodies
        # As bytes, for a header need not be text, and a key may have any letters.
        self.key = None if settings.key is None else b"Bearer " + settings.key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":  # there are none here
                await send({"type": "websocket.close"})
                return
            await self.app(scope, receive, send)
            return
        about = scope["log"] = Log(scope.get("bozzetto.number") or secrets.token_hex(8))
        came, more = 0, True

        async def counted() -> Message:
            nonlocal came, more
            try:
                # After the body there is only the leaving of who asked, for which no time is too long.
                left = min(self.settings.body_seconds, about.began + self.settings.seconds - time.monotonic())
                async with asyncio.timeout(left if more else None):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "The body did not come in time.") from None
            size, more = len(message.get("body", b"")), message.get("more_body", False)
            came, self.here = came + size, self.here + size
            if came > MAX_BODY:
                raise HTTPException(413, TOO_LARGE)
            if self.here > MAX_COMING:
                raise HTTPException(429, "Too much comes in at once: try again in a second.", {"Retry-After": "1"})
            return message

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                about.status = message["status"]
                own = {"x-request-id": about.number, **HEADERS}
                own["Cache-Control"] = "no-store"  # of what does not say otherwise
                names = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((k.lower().encode(), v.encode()) for k, v in own.items() if k.lower().encode() not in names),
                ]
            await send(message)

        try:
            if refused := self._refused(scope):
                await JSONResponse(refused.body, refused.status, refused.headers)(scope, counted, headed)
            else:
                await self.app(scope, counted, headed)
        except Exception as error:
            about.trouble = error
            if not about.status:
                sorry = about.apology()
                await JSONResponse(sorry.body, sorry.status)(scope, counted, headed)
        finally:
            self.here -= came
            self._log(scope, about)

    def _refused(self, scope: Scope) -> Refused | None:
        headers, path = Headers(scope=scope), scope["path"]
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.settings.hosts is not None and _name(host) not in self.settings.hosts:
            # So no other website can reach this server by pointing its own name here (DNS rebinding).
            return Refused("This server does not answer to that name.", status=421)
        if origin is not None and origin.partition("://")[2] != host:
            return Refused("Pages of other places may not ask this server.", status=403, kind="permission_error")
        if self.key is not None and path.startswith(PRIVATE):
            told = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(told, self.key):
                why = "The key is missing or wrong: send it as `Authorization: Bearer KEY`."
                return Refused(
                    why,
                    status=401,
                    kind="authentication_error",
                    code="invalid_api_key",
                    headers={"WWW-Authenticate": "Bearer"},
                )
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length[:20]) > MAX_BODY:
            return Refused(TOO_LARGE, status=413, headers={"Connection": "close"})
        return None

    def _log(self, scope: Scope, about: Log) -> None:
        route = getattr(scope.get("route"), "path", "other")
        seconds = time.monotonic() - about.began
        self.counts.add(route, about.status, seconds)
        told = {"user": about.user, "asked": about.asked if self.settings.log_prompts else None}
        rest = "".join(f" {name}={value!r}" for name, value in told.items() if value is not None)
        log.info("%s %s %s %d %.3fs%s", about.number, scope["method"], route, about.status, seconds, rest)
        if about.trouble:
            log.error("%s failed", about.number, exc_info=about.trouble)


TOO_LARGE = f"The body is too large: {MAX_BODY // 2**20} MB at most."


def _name(host: str) -> str:
    """Without the port."""
    return host if host.endswith("]") else host.rpartition(":")[0] or host
