"""OpenAI's API over the engine, as a FastAPI app; the course lies at /.

A field of a request is honoured or refused (wire.py). Whoever leaves gives their places free. Errors have OpenAI's
shape and say nothing of the inside: that goes to the log, under the number of the request.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from bozzetto.course.serve import Site
from bozzetto.server import images, words
from bozzetto.server.answers import answer_errors
from bozzetto.server.batching import Closed, Engine
from bozzetto.server.guard import Counts, Guard, Settings
from bozzetto.server.wire import check_model


def create_app(engine: Engine, site: Site | None = None, settings: Settings | None = None) -> FastAPI:
    """The whole service. When it ends it closes the engine, after what was accepted is done."""
    settings, counts, ready = settings or Settings(), Counts(), asyncio.Event()

    async def warm() -> None:
        with suppress(Closed):
            student = engine.adapter is None
            first = partial(engine.generate, "a dot", few_steps=student, num_inference_steps=1)
            await run_in_threadpool(lambda: first().results())
            ready.set()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.create_task(warm())
        yield
        await run_in_threadpool(engine.close)
        await warming

    app = FastAPI(
        title="Bozzetto",
        description="Small real models that draw: OpenAI's API, in which every field is honoured or refused.",
        version="1",
        docs_url=None,  # these pages would come from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.ready = ready
    app.add_middleware(Guard, settings=settings, counts=counts)
    answer_errors(app)
    app.include_router(images.router(engine, settings))
    app.include_router(words.router(engine))

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready")
    async def is_ready() -> Response:
        return JSONResponse({"status": "ready"}) if ready.is_set() else JSONResponse({"status": "opening"}, 503)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> str:
        return counts.prometheus(engine.state())

    rows = [
        {"id": name, "object": "model", "created": 0, "owned_by": "bozzetto", **row}
        for name, row in {**images.listed(engine), **words.listed()}.items()
    ]

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": rows}

    @app.get("/v1/models/{name}")
    async def model(name: str) -> dict[str, Any]:
        check_model(name, *(str(row["id"]) for row in rows))
        return next(row for row in rows if row["id"] == name)

    if site is not None:

        @app.api_route("/{path:path}", methods=["GET", "HEAD"], include_in_schema=False)
        async def course(path: str, request: Request) -> Response:
            if path.startswith("v1/"):
                raise HTTPException(404)
            asked = (request.headers.get(name, "") for name in ("Accept-Encoding", "If-None-Match"))
            status, headers, body = await run_in_threadpool(site.answer, f"/{path}", *asked)
            return Response(body if request.method == "GET" else b"", status, headers)

    return app
