"""A file of prompts as a folder of pictures: the same pictures as one by one, and again after it was stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext

import pytest
from PIL import Image

import bozzetto
from bozzetto.cli import main


def run(*arguments):
    return main(["generate", *map(str, arguments)])


def test_each_line_is_the_picture_that_is_drawn_alone(tmp_path, capsys):
    prompts, out = tmp_path / "prompts.jsonl", tmp_path / "out"
    lines = [
        {"prompt": "a red apple", "seed": 7, "n": 2},
        {"prompt": "a dog яблоко", "few_steps": True},
        {"prompt": "a robot", "style": "noto", "guidance_scale": None, "sampler": "euler"},
    ]
    prompts.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    assert run("--prompts", prompts, "-o", out, "--steps", 2, "--seed", 3) == 0
    told = capsys.readouterr()
    assert told.out == f"{out}: 4 pictures drawn\n"
    assert "line 2: prompt has something that cannot be read: 'яблоко'" in told.err
    rows = [json.loads(line) for line in (out / "index.jsonl").read_text().splitlines()]
    assert [(row["prompt"], row["seed"]) for row in rows] == [
        ("a red apple", 7),
        ("a red apple", 8),
        ("a dog яблоко", 3),
        ("a robot", 3),
    ]
    for row in rows:
        options = {name: value for name, value in row.items() if name != "file"}
        with pytest.warns() if "яблоко" in row["prompt"] else nullcontext():
            drawn = bozzetto.generate(**options)[0]
        assert Image.open(out / row["file"]).tobytes() == drawn.tobytes()

    before = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    (out / rows[1]["file"]).unlink()
    assert run("--prompts", prompts, "-o", out, "--steps", 2, "--seed", 3) == 0
    assert capsys.readouterr().out == f"{out}: 2 pictures drawn, 2 were there\n"  # those of a line go together
    kept = [row["file"] for row in rows[2:]]
    assert all((out / name).stat().st_mtime_ns == before[out / name] for name in kept)
    assert run("--prompts", prompts, "-o", out, "--steps", 1, "--seed", 3) == 0  # other pictures, under other names
    assert capsys.readouterr().out == f"{out}: 4 pictures drawn\n"


def test_lines_are_drawn_in_layers_where_they_are_read_so(tmp_path, capsys):
    prompts, out = tmp_path / "prompts.jsonl", tmp_path / "out"
    asked = [("a sun above a house", None), ("a dog", None), ("two cats", False), ("two cats", True)]
    lines = [{"prompt": prompt} | ({} if layers is None else {"layers": layers}) for prompt, layers in asked]
    prompts.write_text("\n".join(map(json.dumps, lines)))
    assert run("--prompts", prompts, "-o", out, "--few-steps", "--steps", 1, "--layers") == 0
    told = capsys.readouterr()
    assert told.out == f"{out}: 4 pictures drawn\n"
    assert told.err.count("warning") == 1
    assert "line 2: prompt names nothing that could be drawn in layers: it is drawn as a whole" in told.err
    rows = [json.loads(line) for line in (out / "index.jsonl").read_text().splitlines()]
    pictures = [Image.open(out / row["file"]).tobytes() for row in rows]
    for (prompt, _), picture, laid in zip(asked, pictures, (True, False, False, True), strict=True):
        drawn = bozzetto.generate(prompt, few_steps=True, num_inference_steps=1, layers=laid)[0]
        assert picture == drawn.tobytes()
    prompts.write_text('{"prompt": "a dog", "layers": true}')
    assert run("--prompts", prompts, "-o", out, "--steps", 1) == 2
    assert "line 1: prompt names nothing that layers could put together" in capsys.readouterr().err


def test_it_can_be_killed_and_goes_on(tmp_path):
    prompts, out = tmp_path / "prompts.txt", tmp_path / "out"
    prompts.write_text("".join(f"{number} cats\n" for number in range(40)))
    command = [sys.executable, "-m", "bozzetto", "generate", "--prompts", prompts, "-o", out, "--steps", "4"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(out.glob("[!.]*.png")) if out.exists() else []) < 3:
        assert first.poll() is None
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
    first.wait()
    there = len(list(out.glob("[!.]*.png")))
    assert 3 <= there < 40 and not (out / "index.jsonl").exists()
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert second.stdout == f"{out}: {40 - there} pictures drawn, {there} were there\n"
    rows = [json.loads(line) for line in (out / "index.jsonl").read_text().splitlines()]
    assert [row["prompt"] for row in rows] == prompts.read_text().splitlines()
    assert all(Image.open(out / row["file"]).size == (64, 64) for row in rows)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.txt", "", "has no prompt in it"),
        ("a.txt", "a dog\n\nяблоко\n", "line 3: prompt 'яблоко' cannot be read"),
        ("a.txt", "x" * 301, "line 1: prompt has 301 characters"),
        ("a.txt", b"\xff\xfe", "is no UTF-8 text"),
        ("a.jsonl", "a dog", "line 1: prompts must have a JSON object"),
        ("a.jsonl", "[" * 100_000, "line 1: prompts must have a JSON object"),
        ("a.jsonl", '{"seed": 1}', "line 1: prompts must have a JSON object"),
        ("a.jsonl", '{"prompt": "a dog", "colour": "{red}"}', "line 1: prompts has 'colour', which is none of prompt,"),
        ("a.jsonl", '{"prompt": 5}', "line 1: prompt must be text, not 5"),
        ("a.jsonl", '{"prompt": "a dog", "seed": "1"}', "line 1: seed must be a whole number"),
        ("a.jsonl", '{"prompt": "a dog", "style": "x"}', "line 1: style 'x' is unknown"),
        ("a.jsonl", '{"prompt": "a dog"}\n{"prompt": "a dog", "few_steps": 1}', "line 2: few_steps must be true or"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be(tmp_path, capsys, name, content, why):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert run("--prompts", tmp_path / name, "-o", tmp_path / "out") == 2
    told = capsys.readouterr().err
    assert why in told and told.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_call_that_cannot_be(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("a dog")
    for arguments, why in (
        ([], "prompt is missing: say what to draw, or name a file with --prompts"),
        (["a dog", "--prompts", tmp_path / "a.txt"], "prompt does not go with --prompts"),
        (["--prompts", tmp_path / "a.txt", "--best-of", 2], "--best-of does not go with --prompts"),
        (["--prompts", tmp_path / "b.txt"], "is no file"),
        (["--prompts", tmp_path / "a.txt", "-o", tmp_path / "a.txt"], "is a file: name a folder"),
        (["--prompts", tmp_path / "a.txt", "-o", tmp_path / "b" / "c"], "is not there, make it first"),
        (["--prompts", tmp_path / "a.txt", "-o", tmp_path, "--size", 1], "--size must be a whole number"),
    ):
        assert run(*arguments) == 2
        assert why in capsys.readouterr().err
