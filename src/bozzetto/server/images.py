"""/v1/images: pictures of words, and pictures from pictures, also as they come to be."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from PIL.Image import Image
from starlette.concurrency import run_in_threadpool

from bozzetto.diffusion import JUMPS, SAMPLERS
from bozzetto.diffusion.noise import MAX_SEED
from bozzetto.runtime import requests
from bozzetto.runtime.reading import readable
from bozzetto.runtime.tokenizer import split_words
from bozzetto.server import forms, wire
from bozzetto.server.answers import Gone, as_refused, unless_gone
from bozzetto.server.batching import Drawing, Engine, Order
from bozzetto.server.guard import Settings, noted, own_seed
from bozzetto.server.naming import Namer
from bozzetto.server.wire import Edit, Generation, ImagesAsked, Look, Streamed, Variation

DRAWER = "text-to-image"
ALIASES = ("gpt-image-", "dall-e-")  # what clients that know OpenAI's models only ask for
AT_ONCE = 2  # pictures that come in are opened, each of up to 64 MB in memory
LISTED_ALIASES = ("gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "gpt-image-2", "dall-e-2", "dall-e-3")


def router(engine: Engine, settings: Settings) -> APIRouter:
    api, namer = APIRouter(prefix="/v1/images"), Namer(engine.weights)
    places = anyio.CapacityLimiter(AT_ONCE)

    @api.post("/generations")
    async def generations(request: Request, asked: Generation) -> Response:
        begin = partial(engine.generate, asked.prompt, few_steps=asked.quality == "low", layers=bool(asked.layers))
        return await draw(request, asked, asked.prompt, "image_generation", begin)

    @api.post("/edits", openapi_extra=forms.described(Edit))
    async def edits(request: Request) -> Response:
        asked = await forms.read(request, Edit)
        image = await run_sync(wire.opened, asked.image, "image", limiter=places)
        mask = None if asked.mask is None else await run_sync(wire.opened_mask, asked.mask, limiter=places)
        begin = partial(engine.edit, image, asked.prompt, mask=mask)
        return await draw(request, asked, asked.prompt, "image_edit", begin)

    @api.post("/variations", openapi_extra=forms.described(Variation))
    async def variations(request: Request) -> Response:
        asked = await forms.read(request, Variation)
        image = await run_sync(wire.opened, asked.image, "image", limiter=places)
        prompt = await run_sync(namer.name, image, limiter=places)
        return await draw(request, asked, prompt, "", partial(engine.edit, image, prompt))

    async def draw(
        request: Request, asked: ImagesAsked, prompt: str, event: str, begin: Callable[..., Order]
    ) -> Response:
        """begin(**wish) puts an order of this prompt in the queue. event: what those of a stream are called."""
        wire.check_model(asked.model, DRAWER, ALIASES)
        asked.check()
        noted(request, asked.user, prompt)
        wish = asked.wish() | {"seconds": settings.seconds}
        wish.setdefault("seed", own_seed(request))
        if isinstance(asked, Streamed) and asked.quality == "medium":
            wish["num_inference_steps"] = max(1, engine.models.defaults.num_inference_steps // 2)
        begin, look = partial(begin, **wish), Look(asked, engine.weights)
        if isinstance(asked, Streamed) and asked.stream:
            return await stream(request, asked, look, event, begin)
        order = await run_in_threadpool(begin)
        images = await unless_gone(request, finished(order), order.cancel)
        data = await run_in_threadpool(lambda: [look.datum(image) for image in images])
        if isinstance(asked, Variation):
            data = [each | {"revised_prompt": prompt} for each in data]
        return JSONResponse({"created": int(time.time()), "data": data} | about(asked, prompt, look, order))

    async def stream(
        request: Request, asked: Streamed, look: Look, event: str, begin: Callable[..., Order]
    ) -> StreamingResponse:
        loop, happened = asyncio.get_running_loop(), asyncio.Queue[tuple[int, int | None, Any]]()

        def tell(index: int, number: int | None, what: Drawing | Image) -> None:
            with suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(happened.put_nowait, (index, number, what))

        order = await run_in_threadpool(begin, partial_images=asked.partial_images or 0, on_partial=tell)
        for index, drawing in enumerate(order.pictures):
            drawing.add_done_callback(partial(tell, index, None))
        told = about(asked, asked.prompt, look, order)

        async def events() -> AsyncIterator[bytes]:
            left = len(order.pictures)
            try:
                while left:
                    index, number, what = await unless_gone(request, happened.get(), order.cancel)
                    if number is None:
                        left -= 1
                        kind, body, what = "completed", dict(told), what.result()
                    else:
                        kind, body = "partial_image", {"partial_image_index": number, **look.told()}
                        body["quality"] = asked.quality_told()
                    coded = await run_in_threadpool(look.encode, what)
                    body |= {"type": f"{event}.{kind}", "created_at": int(time.time()), "b64_json": coded}
                    body["seed"] = order.pictures[index].seed
                    yield as_event(f"{event}.{kind}", body)
            except Gone:
                return
            except Exception as error:
                yield as_event("error", {"type": "error", **as_refused(error, request).body})
            finally:
                order.cancel()

        return StreamingResponse(events(), media_type="text/event-stream")

    def about(asked: ImagesAsked, prompt: str, look: Look, order: Order) -> dict[str, Any]:
        """What is told of all pictures of an order."""
        tokenizer = engine.models.tokenizer
        unknown = requests.unknown_words(tokenizer, split_words(readable(prompt)))
        unknown = [word for word in unknown if tokenizer.pieces(word) != ["[unk]"]]
        read = int((tokenizer(readable(prompt)) != 0).sum())
        return {
            **look.told(),
            "quality": asked.quality_told(),
            "num_inference_steps": order.num_inference_steps,
            "notes": wire.said(order.notes, unknown),
            "usage": {
                "input_tokens": read,
                "output_tokens": 0,
                "total_tokens": read,
                "input_tokens_details": {"text_tokens": read, "image_tokens": 0},
            },
        }

    return api


async def finished(order: Order) -> list[Image]:
    try:
        return list(await asyncio.gather(*(asyncio.wrap_future(drawing) for drawing in order.pictures)))
    finally:
        order.cancel()  # if one could not be drawn, the others are not needed


def as_event(name: str, body: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(body)}\n\n".encode()


def listed(engine: Engine) -> dict[str, dict[str, Any]]:
    """The models that draw: what may be asked of them, and what is taken where it is left out."""
    defaults, student = engine.models.defaults, engine.student[1]
    drawer = {
        "defaults": {
            "num_inference_steps": defaults.num_inference_steps,
            "guidance_scale": defaults.guidance_scale,
            "sampler": defaults.sampler,
            "quality": "high",
            "size": wire.DRAWN_AT,
        },
        "low": {"num_inference_steps": student.num_inference_steps},
        "limits": {
            "n": wire.MAX_IMAGES,
            "prompt_characters": requests.MAX_PROMPT,
            "num_inference_steps": wire.MAX_STEPS,
            "num_inference_steps_low": list(JUMPS),
            "sizes": list(wire.SIZES),
            "styles": engine.models.styles,
            "samplers": list(SAMPLERS),
            "seed": MAX_SEED,
        },
    }
    return {DRAWER: drawer} | {alias: {"alias_of": DRAWER} for alias in LISTED_ALIASES}
