"""/v1/embeddings and /v1/chat/completions: what CLIP and the vision-language model say of words and pictures."""

import base64
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

import bozzetto
from bozzetto.errors import InputWarning, InvalidInput
from bozzetto.runtime import ask, clip, requests
from bozzetto.runtime.ask import Word
from bozzetto.runtime.reading import readable
from bozzetto.server import wire
from bozzetto.server.batching import Engine
from bozzetto.server.guard import noted
from bozzetto.server.wire import Chat, Embeddings, Refused

EMBEDDER, ANSWERER = "clip", "vlm"
AT_ONCE = 2  # these are quick; more at once would only hold each other up


def router(engine: Engine) -> APIRouter:
    api, places = APIRouter(prefix="/v1"), anyio.CapacityLimiter(AT_ONCE)
    weights = engine.weights

    @api.post("/embeddings")
    async def embeddings(request: Request, asked: Embeddings) -> Response:
        wire.check_model(asked.model, EMBEDDER)
        noted(request, asked.user, asked.input)
        inputs = [asked.input] if isinstance(asked.input, str) else asked.input
        towers, notes, tokens, data = clip.load(weights), list[str](), 0, list[dict[str, Any]]()

        def embed(text: str, param: str) -> tuple[np.ndarray, list[InputWarning], int]:
            """Each alone, so that its bits do not depend on what it came with."""
            if text.startswith("data:"):
                image = wire.opened(wire.from_data_uri(text, param), param)
                return clip.encode_image(towers, bozzetto.as_seen(image)[None])[0], [], 0
            try:
                if not text.strip():
                    raise InvalidInput("input", "is empty")
                requests.check_prompt("input", text)
                unread = requests.check_words("input", text, towers.tokenizer)
            except InvalidInput as error:
                raise wire.refused_input(error, param) from None
            return clip.encode_text(towers, [text])[0], unread, int((towers.tokenizer(readable(text)) != 0).sum())

        for index, text in enumerate(inputs):
            param = "input" if isinstance(asked.input, str) else f"input[{index}]"
            vector, unread, read = await anyio.to_thread.run_sync(embed, text, param, limiter=places)
            if asked.dimensions not in (None, len(vector)):
                raise Refused(f"dimensions: is {len(vector)} here. Leave it out.", "dimensions")
            coded = base64.b64encode(vector.astype("<f4").tobytes()).decode()
            embedding = coded if asked.encoding_format == "base64" else vector.tolist()
            data.append({"object": "embedding", "index": index, "embedding": embedding})
            notes += [f"{param}: {note.why}" for note in unread]
            tokens += read
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return JSONResponse({"object": "list", "model": EMBEDDER, "data": data, "usage": usage, "notes": notes})

    @api.post("/chat/completions")
    async def completions(request: Request, asked: Chat) -> Response:
        wire.check_model(asked.model, ANSWERER)
        question, uri = asked.question()
        noted(request, asked.user, question)
        model, most = ask.load(weights), asked.most()

        def begin() -> tuple[Iterator[Word], int]:
            image = bozzetto.as_seen(wire.opened(wire.from_data_uri(uri, "messages"), "messages"))
            read = len(requests.check_question(question, model.tokenizer))
            return ask.answer(model, ask.see(model, image[None]), question), read

        words, read = await anyio.to_thread.run_sync(begin, limiter=places)
        same = {"id": f"chatcmpl-{request.scope['log'].number}", "created": int(time.time()), "model": ANSWERER}

        async def pieces() -> AsyncIterator[tuple[str, str | None]]:
            """Word by word, each with None; at last no word, and why the answer ends."""
            said = 0
            while word := await anyio.to_thread.run_sync(lambda: next(words, None), limiter=places):
                if said == most:
                    yield "", "length"
                    return
                said += 1
                yield word.text, None
            yield "", "stop"

        def usage(said: int) -> dict[str, int]:
            return {"prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said}

        async def chunks() -> AsyncIterator[bytes]:
            def chunk(delta: dict[str, str], end: str | None = None) -> bytes:
                choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": end}
                return as_data({**same, "object": "chat.completion.chunk", "choices": [choice]})

            yield chunk({"role": "assistant", "content": ""})
            said = 0
            async for text, end in pieces():
                said += end is None
                yield chunk({"content": text} if end is None else {}, end)
            if asked.stream_options and asked.stream_options.include_usage:
                yield as_data({**same, "object": "chat.completion.chunk", "choices": [], "usage": usage(said)})
            yield b"data: [DONE]\n\n"

        if asked.stream:
            return StreamingResponse(chunks(), media_type="text/event-stream")
        *said, (_, end) = [piece async for piece in pieces()]
        message = {"role": "assistant", "content": "".join(text for text, _ in said), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": end}
        return JSONResponse({**same, "object": "chat.completion", "choices": [choice], "usage": usage(len(said))})

    return api


def as_data(body: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()


def listed() -> dict[str, dict[str, Any]]:
    return {
        EMBEDDER: {"limits": {"input": wire.MAX_INPUTS, "dimensions": 256, "characters": requests.MAX_PROMPT}},
        ANSWERER: {"limits": {"question_characters": requests.MAX_PROMPT, "answer_tokens": ask.MAX_TOKENS}},
    }
