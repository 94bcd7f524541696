"""How a request ends that is no picture: with an error in OpenAI's shape, or because who asked has left."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from bozzetto.errors import InvalidInput
from bozzetto.server import wire
from bozzetto.server.batching import Busy, Closed, Overdue
from bozzetto.server.guard import Log
from bozzetto.server.wire import Refused

LEFT = 499  # what the log says of who has left
T = TypeVar("T")


class Gone(Exception):
    """Who asked has left."""


LEAVING = (Gone, ClientDisconnect)  # this one comes from where the body is read


async def unless_gone(request: Request, awaited: Awaitable[T], give_up: Callable[[], None]) -> T:
    """What is awaited; or, if who asked leaves first, `give_up` and Gone."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    result, left = asyncio.ensure_future(awaited), asyncio.create_task(gone())
    try:
        await asyncio.wait({result, left}, return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            give_up()
            raise Gone
        return await result
    finally:
        left.cancel()
        if not result.done():
            result.cancel()


def as_refused(error: Exception, request: Request) -> Refused:
    """What is told of an error. What is nobody's business goes to the log."""
    match error:
        case Refused():
            return error
        case InvalidInput():
            return wire.refused_input(error)
        case Busy():
            after = {"Retry-After": str(error.retry_after)}
            return Refused(f"{error}.", status=429, kind="rate_limit_error", code="busy", headers=after)
        case Overdue():
            never = {"x-should-retry": "false"}
            return Refused(f"{error}.", status=408, kind="timeout_error", code="overdue", headers=never)
        case Closed():
            soon = {"Retry-After": "5"}
            return Refused("This server is about to end.", status=503, kind="server_error", headers=soon)
    log: Log = request.scope["log"]
    log.trouble = error
    return log.apology()


def answer_errors(app: FastAPI) -> None:
    async def answer(request: Request, error: Exception) -> Response:
        if isinstance(error, LEAVING):
            return Response(status_code=LEFT)
        refused = as_refused(error, request)
        return JSONResponse(refused.body, refused.status, refused.headers)

    for kind in (*LEAVING, Refused, InvalidInput, Busy, Overdue, Closed):
        app.add_exception_handler(kind, answer)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        body = getattr(request.scope.get("route"), "body_field", None)
        fields = list(body.field_info.annotation.model_fields) if body else []
        return await answer(request, wire.refused(list(error.errors()), fields))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        missing = f"There is no {request.method} {request.url.path[:80]} here."
        message = missing if error.status_code in (404, 405) else str(error.detail)
        return await answer(request, Refused(message, status=error.status_code, headers=dict(error.headers or {})))
