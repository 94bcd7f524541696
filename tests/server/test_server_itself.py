"""What the server says of itself, and the examples of others that it must run."""

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import openai
import pytest

from serving import ask, state


def test_what_it_says_of_itself(client, address):
    models = {row.id: row for row in client.models.list()}
    assert {"text-to-image", "clip", "vlm", "gpt-image-1", "dall-e-3"} <= models.keys()
    assert models["gpt-image-1"].alias_of == "text-to-image"
    assert models["text-to-image"].limits["n"] == 10 and "noto" in models["text-to-image"].limits["styles"]
    assert client.models.retrieve("clip").id == "clip"
    with pytest.raises(openai.NotFoundError, match="'gpt-5'"):
        client.models.retrieve("gpt-5")
    assert json.load(ask(address, "GET", "/health")) == {"status": "ok"}
    assert state(address)['bozzetto_pictures_total{end="drawn"}'] >= 1


def test_the_examples_of_its_document_run(address):
    document = json.load(ask(address, "GET", "/openapi.json"))
    examples = {
        path: schema.get("examples", [])
        for path, item in document["paths"].items()
        for content in item.get("post", {}).get("requestBody", {}).get("content", {}).values()
        for schema in [document["components"]["schemas"].get(content["schema"].get("$ref", "").rpartition("/")[2], {})]
    }
    assert len(examples["/v1/images/generations"]) >= 3 and len(examples) == 5
    for path, bodies in examples.items():
        for body in bodies:
            answer = ask(address, "POST", path, json.dumps(body).encode(), Content_Type="application/json")
            assert answer.status == 200 and len(answer.read()) > 500


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
def test_the_examples_of_the_readme_run(address):
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    lines = [line for line in readme.splitlines() if line.startswith("curl ")]
    assert len(lines) == 4
    for line in lines:
        command = shlex.split(line.replace("http://127.0.0.1:8766/", address))
        answer = subprocess.run([*command, "--silent", "--fail"], capture_output=True, check=True).stdout
        assert b"b64_json" in answer or b'"object":"list"' in answer


def test_the_course_is_at_the_root(address):
    page = ask(address, "GET", "/")
    assert page.status == 200 and b"Bozzetto" in page.read() and page.headers["X-Content-Type-Options"] == "nosniff"
    assert ask(address, "GET", "/lessons/nowhere").status == 404
    tag = page.headers["ETag"]
    assert ask(address, "GET", "/", If_None_Match=tag).status == 304
    assert ask(address, "GET", "/", Accept_Encoding="gzip").headers["Content-Encoding"] == "gzip"
