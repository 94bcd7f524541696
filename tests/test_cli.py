"""The command line: what it writes, and that it is the same picture as in Python."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import bozzetto
from bozzetto import pictures
from bozzetto.cli import main


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def world(small_world, monkeypatch):
    monkeypatch.setenv("BOZZETTO_WORLD", str(small_world))


def pixels(path):
    return np.asarray(Image.open(path))


# ---------------------------------------------------------------- generate


def test_a_fresh_process_draws_the_picture_of_python_without_torch(tmp_path):
    code = (
        "import sys; from bozzetto.cli import main;"
        "code = main(['generate', 'a happy robot', '-o', 'robot.png', '--seed', '7', '--steps', '3']);"
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "robot.png\n"
    in_python = bozzetto.generate("a happy robot", seed=0, n=8, num_inference_steps=3)[7]
    assert np.array_equal(pixels("robot.png"), np.asarray(in_python))


def test_several_pictures_are_named_by_seed_and_put_on_a_sheet(tmp_path, capsys):
    arguments = ["generate", "a dog", "-o", "dog.png", "--n", "3", "--seed", "6", "--steps", "2"]
    assert main([*arguments, "--sheet", "all.png", "--size", "128"]) == 0
    names = ["dog-6.png", "dog-7.png", "dog-8.png", "all.png"]
    assert capsys.readouterr().out.split() == names
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert main([*arguments[:3], "dog.png", "--seed", "7", "--steps", "2"]) == 0
    large, small = (np.asarray(pictures.over_white(Image.open(name)), float) for name in ("dog-7.png", "dog.png"))
    away = np.abs(large.reshape(64, 2, 64, 2, 3).mean((1, 3)) - small)
    assert 0.01 < away.mean() < 8  # the same picture, drawn finer
    assert pixels("all.png").shape == (2 * 136 + 8, 2 * 136 + 8, 3)


def test_every_step_becomes_two_frames():
    assert main(["generate", "a dog", "-o", "dog.png", "--steps", "3", "--frames", "frames"]) == 0
    names = [f"seed-0-step-{step}-{kind}.png" for step in (1, 2, 3) for kind in ("clean", "noisy")]
    assert sorted(os.listdir("frames")) == names
    assert np.array_equal(pixels("frames/seed-0-step-3-clean.png"), pixels("dog.png"))
    assert not np.array_equal(pixels("frames/seed-0-step-1-noisy.png"), pixels("frames/seed-0-step-1-clean.png"))


def test_the_options_reach_the_model():
    common = ["generate", "a dog", "--seed", "1", "--steps", "2", "-o"]
    options = [[], ["--guidance", "9"], ["--negative", "cat"], ["--style", "fluent-3d"], ["--sampler", "ddpm"]]
    for number, option in enumerate(options):
        assert main([*common, f"{number}.png", *option]) == 0
    assert len({pixels(f"{number}.png").tobytes() for number in range(5)}) == 5


def test_the_best_of_some_is_said_with_its_seed_and_match(capsys):
    assert main(["generate", "a red apple", "-o", "apple.png", "--best-of", "2", "--n", "2", "--seed", "3"]) == 0
    said = capsys.readouterr()
    assert said.out.split() == ["apple-3.png", "apple-5.png"]
    best = bozzetto.generate("a red apple", seed=3, n=2, best_of=2)
    for line, name, picture in zip(said.err.splitlines(), said.out.split(), best, strict=True):
        seed, match = picture.info["seed"], picture.info["match"]
        assert line == f"bozzetto: note: {name} is seed {seed}, the best of 2: match {match:.3f}"
        assert np.array_equal(pixels(name), np.asarray(picture))


def test_words_that_do_not_count_are_said(capsys):
    assert main(["generate", "dog " * 23 + "cat qzxv", "--steps", "1"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "bozzetto: warning: prompt is too long, so its end was not read: 'cat qzxv'",
        "bozzetto: note: not in the vocabulary, read in pieces: qzxv",
    ]


def test_interrupting_ends_cleanly(tmp_path):
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from bozzetto.cli import main;"
        "sys.exit(main(['generate', 'a dog', '--steps', '1000', '--frames', 'frames']))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    try:
        while process.poll() is None and not (tmp_path / "frames").exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["frames"]


# ---------------------------------------------------------------- label and the world


def test_label_prints_a_table_or_json(capsys):
    Image.new("RGB", (64, 64), "red").save("red.png")
    assert main(["label", "red.png", "--labels", "cat,dog, red heart", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["label"] for row in rows} == {"cat", "dog", "red heart"}
    assert [(row["label"], row["share"], row["match"]) for row in rows] == bozzetto.label(
        "red.png", ["cat", "dog", "red heart"]
    )
    assert main(["label", "red.png", "--labels", "cat,dog,red heart"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == [row["label"] for row in rows]
    assert all("share" in line and "match" in line for line in lines)


def test_world_sheet_shows_what_was_asked_for(world, capsys):
    for options, count in ([], 12), (["--style", "noto"], 6), (["--split", "test"], 1), (["--search", "SPOOKY"], 2):
        assert main(["world", "sheet", "-o", "sheet.png", *options]) == 0
        assert capsys.readouterr().out == f"sheet.png: {count} of {count} pictures\n"
    assert main(["world", "sheet", "-o", "sheet.png", "--n", "4"]) == 0
    assert capsys.readouterr().out == "sheet.png: 4 of 12 pictures\n"
    assert pixels("sheet.png").shape == (2 * 68 + 4, 2 * 68 + 4, 3)


def test_world_scenes_prints_a_sentence_for_each_picture(world, capsys):
    arguments = ["world", "scenes", "-o", "scenes.png", "--kind", "count", "--n", "4", "--seed", "5"]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert len(first.splitlines()) == 5 and first.splitlines()[-1] == "scenes.png"
    before = pixels("scenes.png")
    assert main(arguments) == 0
    assert capsys.readouterr().out == first and np.array_equal(pixels("scenes.png"), before)


# ---------------------------------------------------------------- the makers of small pictures


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("gan", []),
        ("vae", []),
        ("few-steps", ["--steps", "2"]),
        ("diffusion", ["--steps", "3", "--sampler", "ddim", "--guidance", "2"]),
    ],
)
def test_sample_draws_the_pictures_of_python(model, more, capsys):
    arguments = ["sample", model, "-o", "drawn.png", "--label", "food-fruit", "--n", "3", "--seed", "5", *more]
    assert main([*arguments, "--size", "32"]) == 0
    assert capsys.readouterr().out == "drawn.png\n"
    options = {"num_inference_steps": int(more[1])} if more else {}
    if model == "diffusion":
        options |= {"sampler": "ddim", "guidance_scale": 2}
    expected = bozzetto.sample(model, label="food-fruit", seed=6, **options)[0]
    sheet = pixels("drawn.png")
    found = [
        sheet[y : y + 32, x : x + 32]
        for y in range(len(sheet) - 31)
        for x in range(sheet.shape[1] - 31)
        if (sheet[y, x, :3] == np.asarray(expected)[0, 0]).all()
    ]
    assert any(np.array_equal(part[..., :3], np.asarray(expected)) for part in found)


def test_sample_lists_the_classes(capsys):
    assert main(["sample", "gan", "--labels"]) == 0
    shown = capsys.readouterr().out.split()
    assert "cat-face" in shown and shown == bozzetto.sample_labels("gan") == sorted(shown)


# ---------------------------------------------------------------- help


@pytest.mark.parametrize(
    "command",
    [
        "generate",
        "edit",
        "sample",
        "label",
        "train",
        "adapt",
        "plan",
        "runs",
        "export",
        "evaluate",
        "world build",
        "world sheet",
        "world scenes",
        "world teach",
    ],
)
def test_every_command_has_help_with_examples(command, capsys):
    assert main([*command.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: bozzetto {command}" in shown and f"  bozzetto {command} " in shown.split("Examples:")[1] + " "


def test_help_and_version(capsys):
    assert main([]) == 0
    assert "generate" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"bozzetto {bozzetto.__version__}\n"


def test_a_picture_in_the_terminal_has_its_colours():
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 255))
    image.putpixel((63, 63), (0, 0, 255, 0))  # transparent: white paper
    lines = pictures.in_terminal(image).split("\n")
    assert len(lines) == 32 and lines[0].count("▀") == 64
    assert lines[0].startswith("\x1b[38;2;255;0;0;48;2;255;0;0m▀")
    assert lines[-1].endswith("\x1b[38;2;255;0;0;48;2;255;255;255m▀\x1b[0m")
