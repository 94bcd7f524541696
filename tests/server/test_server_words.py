"""Embeddings and questions over OpenAI's API, asked for by OpenAI's own client."""

import json

import numpy as np
import openai
import pytest

import bozzetto
from serving import as_uri


def test_embeddings_in_both_encodings(client, apple):
    asked = ["a red apple", as_uri(apple)]
    wanted = [bozzetto.encode_text("a red apple"), bozzetto.encode_image(apple)]
    by_default, floats = (
        client.embeddings.create(model="clip", input=asked, **options) for options in ({}, {"encoding_format": "float"})
    )
    for answer in (by_default, floats):
        for row, vector in zip(answer.data, wanted, strict=True):
            np.testing.assert_allclose(row.embedding, vector, atol=1e-6)
    raw = client.embeddings.with_raw_response.create(
        model="clip", input="a dog", encoding_format="base64", dimensions=256
    )
    assert isinstance(json.loads(raw.text)["data"][0]["embedding"], str)
    with pytest.raises(openai.BadRequestError, match="dimensions: is 256"):
        client.embeddings.create(model="clip", input="a dog", dimensions=100)


def test_questions_about_a_picture(client, apple):
    def asked(question, **options):
        parts = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": as_uri(apple)}}]
        return client.chat.completions.create(model="vlm", messages=[{"role": "user", "content": parts}], **options)

    wanted = "".join(word.text for word in bozzetto.ask(apple, "what color is the apple?"))
    answer = asked("what color is the apple?", temperature=0, seed=1)
    assert answer.choices[0].message.content == wanted and answer.choices[0].finish_reason == "stop"
    chunks = list(asked("what color is the apple?", stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == wanted
    assert chunks[-1].usage.completion_tokens == answer.usage.completion_tokens
    short = asked("describe the picture.", max_completion_tokens=1).choices[0]
    assert short.finish_reason == "length" and len(short.message.content.split()) == 1
    for options, param in (
        ({"temperature": 1}, "temperature"),
        ({"top_p": 0.5}, "top_p"),
        ({"n": 2}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
    ):
        with pytest.raises(openai.BadRequestError) as error:
            asked("what is this?", **options)
        assert error.value.param == param
    with pytest.raises(openai.BadRequestError, match="messages: has 33 tokens"):
        asked("is this " + "a very " * 14 + "red apple?")
