"""What cannot be: wrong fields, forms and bodies, each refused by its name."""

import json

import openai
import pytest
from PIL import Image

from serving import PICTURES, QUICK, as_png, ask, form, post

WRONG = [
    ({}, "prompt"),
    ({"prompt": 7}, "prompt"),
    ({"prompt": ""}, "prompt"),
    ({"prompt": "x" * 301}, "prompt"),
    ({"prompt": "яблоко"}, "prompt"),
    *(
        ({"prompt": "a dog", field: value}, field)
        for field, values in {
            "n": (0, 11, 1.5, "2", True, []),
            "size": ("63x63", "1536x1024", 64, "AUTO"),
            "background": ("green", 1),
            "output_format": ("gif", "PNG"),
            "output_compression": (50, -1, "9"),
            "response_format": ("url",),
            "quality": ("hd", "max"),
            "stream": ("yes", 1),
            "partial_images": (4, 1, -1),
            "user": (5, "x" * 101),
            "model": (5,),
            "seed": (-1, 2**53, 1.5, "7"),
            "num_inference_steps": (0, 101, 2.5),
            "guidance_scale": (-1, 31, "5", 10**400),
            "negative_prompt": (5, "x" * 301),
            "style": ("vivid", ["noto"]),
            "sampler": ("dpm", {}),
            "layers": ("yes", 1),
            "moderation": ("low",),
            "colour": ("red",),
        }.items()
        for value in values
    ),
    ({"prompt": "a dog", "layers": True}, "prompt"),
    ({"prompt": "a dog", "quality": "low", "guidance_scale": 2}, "guidance_scale"),
    ({"prompt": "a dog", "quality": "low", "num_inference_steps": 3}, "num_inference_steps"),
    ({"prompt": "a dog", "quality": "medium", "num_inference_steps": 3}, "num_inference_steps"),
    ({"prompt": "a dog", "output_format": "jpeg", "background": "transparent"}, "background"),
]


@pytest.mark.parametrize(("body", "param"), WRONG, ids=lambda value: str(value)[:40])
def test_every_wrong_field_is_named(address, body, param):
    status, answer = post(address, PICTURES, body)
    error = answer["error"]
    assert status == 400 and error["param"] == param and error["type"] == "invalid_request_error"
    assert error["message"].startswith(f"{param}: ") and "Traceback" not in error["message"]


def test_null_is_as_left_out(address):
    fields = ("n", "size", "quality", "seed", "style", "stream", "user", "model", "background", "output_format")
    status, answer = post(address, PICTURES, {"prompt": "a dog", **QUICK, **dict.fromkeys(fields)})
    assert status == 200 and answer["size"] == "64x64"


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("embeddings", {"model": "clip"}, "input"),
        ("embeddings", {"model": "clip", "input": []}, "input"),
        ("embeddings", {"model": "clip", "input": ["a dog", " "]}, "input[1]"),
        ("embeddings", {"model": "clip", "input": [[1, 2]]}, "input"),
        ("embeddings", {"model": "clip", "input": "яблоко"}, "input"),
        ("embeddings", {"model": "clip", "input": "a dog", "encoding_format": "hex"}, "encoding_format"),
        ("embeddings", {"model": "clip", "input": "data:image/png;base64,"}, "input"),
        ("embeddings", {"model": "clip", "input": "data:image/png;base64,AAAA"}, "input"),
        ("embeddings", {"model": "clip", "input": "data:image/png;base64,***"}, "input"),
        ("embeddings", {"model": "clip", "input": "data:text/html,hello"}, "input"),
        ("embeddings", {"model": "clip", "input": ["a dog"] * 129}, "input"),
        ("chat/completions", {"model": "vlm"}, "messages"),
        ("chat/completions", {"model": "vlm", "messages": []}, "messages"),
        ("chat/completions", {"model": "vlm", "messages": [{"role": "system", "content": []}]}, "messages[0].role"),
        ("chat/completions", {"model": "vlm", "messages": [{"role": "user", "content": "hi"}]}, "messages[0].content"),
        ("chat/completions", {"model": "vlm", "messages": [{"role": "user", "content": []}]}, "messages"),
    ],
)
def test_words_that_cannot_be(address, path, body, param):
    status, answer = post(address, f"/v1/{path}", body)
    assert status == 400 and answer["error"]["param"].startswith(param)


def test_no_address_is_opened(client, address):
    parts = [{"type": "text", "text": "what is this?"}]
    for url in (f"{address}favicon.png", "file:///etc/passwd", "/etc/passwd"):
        content = [*parts, {"type": "image_url", "image_url": {"url": url}}]
        with pytest.raises(openai.BadRequestError, match="data URI"):
            client.chat.completions.create(model="vlm", messages=[{"role": "user", "content": content}])


def test_forms_that_cannot_be(address, apple):
    png, words = as_png(apple), ("prompt", "a hat")
    bomb = Image.new("1", (5000, 5000))
    large = bytearray(png)
    large[16:24] = (60000).to_bytes(4, "big") * 2  # what its header claims
    for parts, param in (
        ((words,), "image"),
        ((("image", png),), "prompt"),
        ((("image", "text"), words), "image"),
        ((("image", b""), words), "image"),
        ((("image", png[:200]), words), "image"),
        ((("image", b"GIF89a" + png), words), "image"),
        ((("image", as_png(bomb)), words), "image"),
        ((("image", bytes(large)), words), "image"),
        ((("image", png), ("image", png), words), "image"),
        ((("image[]", png), ("image[]", png), words), "image"),
        ((("image", png), ("mask", png), ("mask", png), words), "mask"),
        ((("image", png), ("mask", as_png(Image.new("L", (64, 64)))), words), "mask"),
        ((("image", png), ("mask", as_png(Image.new("L", (64, 32), 255))), words), "mask"),
        ((("image", png), words, ("strength", "2")), "strength"),
        ((("image", png), words, ("strength", "much")), "strength"),
        ((("image", png), words, ("n", "0")), "n"),
        ((("image", png), words, ("quality", "low")), "quality"),
        ((("image", png), words, ("input_fidelity", "high")), "input_fidelity"),
        ((("image", png), ("prompt", b"a hat")), "prompt"),
    ):
        body, kind = form(*parts)
        answer = ask(address, "POST", "/v1/images/edits", body, Content_Type=kind)
        told = json.load(answer)["error"]
        assert (answer.status, told["param"]) == (400, param), told
    bare, whole = "multipart/form-data", "multipart/form-data; boundary=b"
    many = form(*[("a", "b")] * 60)[0]
    for body, kind in ((b"x", bare), (b"--b\r\n", whole), (b"{}", "text/plain"), (many, whole)):
        answer = ask(address, "POST", "/v1/images/edits", body, Content_Type=kind)
        assert answer.status == 400 and json.load(answer)["error"]["message"]


def test_bodies_that_cannot_be(address):
    for body in (
        b"",
        b"{",
        b'{"prompt": "a dog"',
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"prompt": "a dog"} x',
        b"[" * 10_000,
    ):
        answer = ask(address, "POST", PICTURES, body, Content_Type="application/json")
        assert answer.status == 400 and json.load(answer)["error"]["type"] == "invalid_request_error", body[:20]
    text = ask(address, "POST", PICTURES, b'{"prompt": "a dog"}', Content_Type="text/plain")
    assert text.status == 400  # so no page of another place can send it without asking
    for method, path in (("GET", PICTURES), ("POST", "/v1/nothing"), ("DELETE", "/v1/models"), ("POST", "/")):
        answer = ask(address, method, path)
        assert answer.status in (404, 405) and json.load(answer)["error"]["message"].startswith("There is no ")


def test_who_may_ask(address):
    for headers, status in (
        ({"Host": "elsewhere.example"}, 421),
        ({"Host": "localhost"}, 200),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
    ):
        assert ask(address, "GET", "/v1/models", **headers).status == status
