"""One server for all of these tests, OpenAI's own client, and a picture."""

import pytest
from openai import OpenAI
from PIL import Image

import bozzetto
from serving import served


@pytest.fixture(scope="session")
def address():
    with served("--waiting", "12") as (address, _):
        yield address


@pytest.fixture(scope="session")
def client(address):
    return OpenAI(api_key="any", base_url=f"{address}v1", max_retries=0)


@pytest.fixture(scope="session")
def apple() -> Image.Image:
    return bozzetto.generate("a red apple", seed=2, num_inference_steps=8)[0]
