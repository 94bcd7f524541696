"""Clients of all kinds that leave whenever they like, and at the end one that only wants a picture."""

import json
import random
import socket
import threading
import time
from collections import Counter
from typing import Any

import bozzetto
from serving import PICTURES, as_png, as_uri, form, head, memory, post, raw, served, until

CLIENTS = 12
CLOSE = "Connection: close"


def soaked(seconds: float) -> dict[str, Any]:
    """What a server of its own answers meanwhile, and what is left of it."""
    apple = bozzetto.generate("a red apple", seed=2, num_inference_steps=4)[0]
    wishes = [
        (PICTURES, {"prompt": "a dog", "n": 2, "num_inference_steps": 4}),
        (PICTURES, {"prompt": "a ghost", "stream": True, "partial_images": 3, "num_inference_steps": 8}),
        (PICTURES, {"prompt": "a cat", "n": 4, "num_inference_steps": 20, "stream": True, "size": "512x512"}),
        (PICTURES, {"prompt": "a robot", "quality": "low"}),
        ("/v1/embeddings", {"model": "clip", "input": ["a red apple", as_uri(apple)]}),
        ("/v1/chat/completions", chat(apple)),
        ("/v1/chat/completions", chat(apple) | {"stream": True}),
    ]
    requests = [head(len(body := json.dumps(wish).encode()), CLOSE, path=path) + body for path, wish in wishes]
    body, kind = form(("image", as_png(apple)), ("prompt", "a hat"), ("num_inference_steps", "4"))
    requests.append(head(len(body), CLOSE, path="/v1/images/edits", kind=kind) + body)

    ends = Counter[str]()
    with served("--no-course") as (address, server):
        leave_at_will(address, requests, min(5, seconds / 4), ends)  # it opens its networks
        ends.clear()
        before = memory(server.pid)
        leave_at_will(address, requests, seconds, ends)
        until(address, drawing=0, waiting=0)
        after = memory(server.pid)
        status, _ = post(address, PICTURES, {"prompt": "a dog", "quality": "low"})
        server.log.seek(0)
        tracebacks = server.log.read().count("Traceback")
    return {
        "seconds": seconds,
        "clients": CLIENTS,
        "ends": dict(sorted(ends.items())),
        "then_answered": status,
        "tracebacks": tracebacks,
        "server_mb_before": round(before, 1),
        "server_mb_after": round(after, 1),
    }


def chat(picture: Any) -> dict[str, Any]:
    parts = [{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": as_uri(picture)}}]
    return {"model": "vlm", "messages": [{"role": "user", "content": parts}]}


def leave_at_will(address: str, requests: list[bytes], seconds: float, ends: Counter[str]) -> None:
    """CLIENTS ask for this long, each again as soon as it is done with what it asked."""
    end = time.monotonic() + seconds

    def client(dice: random.Random) -> None:
        while time.monotonic() < end:
            ends[asked(address, dice.choice(requests), dice)] += 1

    threads = [threading.Thread(target=client, args=(random.Random(number),)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def asked(address: str, request: bytes, dice: random.Random) -> str:
    """How one request ends: with its status, or because who asked left at some point of it."""
    how = dice.choice(("whole", "whole", "in the body", "before the answer", "in the answer"))
    sent = request[: dice.randrange(len(request))] if how == "in the body" else request
    with raw(address, sent) as connection:
        if dice.random() < 0.5:  # away at once, not in order
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if how in ("in the body", "before the answer"):
            time.sleep(dice.random() * 0.3)
            return f"left {how}"
        answer = connection.recv(1000)
        if how == "in the answer":
            time.sleep(dice.random() * 0.3)
            return f"left {how}"
        while connection.recv(2**16):
            pass
        return answer[9:12].decode()
