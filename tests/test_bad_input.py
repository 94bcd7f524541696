"""Every bad input is exactly one line on stderr, `bozzetto: ...`, exit code 2, and nothing is written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import bozzetto
from bozzetto.cli import main
from bozzetto.runtime import store


@pytest.fixture(scope="session")
def strange_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strange")
    (folder / "folder").mkdir()
    (folder / "file").write_text("text")
    Image.new("RGB", (8, 8), "red").save(folder / "good.png")
    good = (folder / "good.png").read_bytes()
    (folder / "cut.png").write_bytes(good[: len(good) // 2])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("not a picture")
    with open(folder / "heavy.png", "wb") as file:
        file.write(good)
        file.truncate(30 * 2**20)  # sparse
    Image.new("1", (9000, 9000)).save(folder / "wide.png")
    (folder / "bomb.png").write_bytes(good[:16] + (30_000).to_bytes(4, "big") * 2 + good[24:])
    return folder


@pytest.fixture(autouse=True)
def in_a_folder(strange_files, tmp_path, monkeypatch):
    """A folder with a few strange files, and no world below it."""
    shutil.copytree(strange_files, tmp_path / "here", copy_function=os.link)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("BOZZETTO_WORLD", raising=False)
    monkeypatch.setenv("BOZZETTO_FASHION", "nowhere")


def files():
    return {path: path.stat().st_mtime_ns for path in Path().rglob("*")}


def refused(capsys, *arguments, code=2):
    """The one line with which these arguments are refused."""
    before = files()
    assert main(list(arguments)) == code
    said = capsys.readouterr()
    assert files() == before
    assert said.out == "" and said.err.count("\n") == 1 and said.err.startswith("bozzetto: ")
    return said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([""], "prompt is empty: say what to draw"),
        (["  "], "prompt is empty"),
        (["x" * 10_000], "prompt has 10000 characters: keep it to 300 at most"),
        (["dog", "--negative", "x" * 301], "--negative has 301 characters"),
        (["dog", "--style", "notto"], "did you mean noto? choose one of noto, noto-v1, twemoji"),
        (["dog", "--style", ""], "choose one of noto"),
        (["dog", "--sampler", "heum"], "did you mean heun? choose one of euler,"),
        (["dog", "--steps", "0"], "--steps must be a whole number from 1 to 1000, not 0"),
        (["dog", "--steps", "-1"], "--steps must be a whole number from 1 to 1000, not -1"),
        (["dog", "--steps", "1000000"], "--steps must be a whole number from 1 to 1000, not 1000000"),
        (["dog", "--steps", "many"], "'--steps'"),
        (["dog", "--guidance", "nan"], "--guidance must be a number from 0 to 30, not nan"),
        (["dog", "--guidance", "inf"], "--guidance must be a number from 0 to 30, not inf"),
        (["dog", "--guidance", "-1"], "--guidance must be a number from 0 to 30, not -1.0"),
        (["dog", "--n", "0"], "n must be a whole number from 1 to 100, not 0"),
        (["dog", "--n", "1000000"], "n must be a whole number from 1 to 100, not 1000000"),
        (["dog", "--seed", "-1"], "seed must be a whole number from 0 to 9007199254740991, not -1"),
        (["dog", "--seed", "9" * 30], "seed must be a whole number from 0"),
        (["dog", "--seed", "1.5"], "'--seed'"),
        (["dog", "--seed", str(2**53 - 1), "--n", "2"], "is too large for n = 2"),
        (["dog", "-o", "missing/dog.png"], "output missing/dog.png: the folder missing is not there"),
        (["dog", "-o", "file/dog.png"], "the folder file is not there"),
        (["dog", "-o", "folder"], "output folder is a folder: name a file in it"),
        (["dog", "-o", "dog.bmp"], "output dog.bmp must end in .png"),
        (["dog", "-o", "dog"], "output dog must end in .png"),
        (["dog", "--sheet", "sheet.jpg"], "--sheet sheet.jpg must end in .png"),
        (["dog", "--sheet", "picture.png"], "--sheet picture.png is an output already"),
        (["dog", "--n", "2", "--sheet", "picture-1.png"], "--sheet picture-1.png is an output already"),
        (["dog", "--size", "0"], "size must be a whole number from 16 to 2048 pixels, not 0"),
        (["dog", "--size", "100000"], "size must be a whole number from 16 to 2048 pixels, not 100000"),
        (["dog", "--frames", "file"], "--frames file is a file: name a folder"),
        (["dog", "--frames", "missing/frames"], "is not there, make it first"),
        (["dog", "--colour", "red"], "No such option"),
        ([], "prompt is missing: say what to draw"),
    ],
    ids=str,
)
def test_generate(capsys, arguments, message):
    assert message in refused(capsys, "generate", *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dragon"], "'dragon' is not one of 'gan', 'vae', 'diffusion', 'few-steps'"),
        (
            ["gan", "--label", "food-friut"],
            "--label 'food-friut' is not one of the 80 classes: the nearest is 'food-fruit'",
        ),
        (["vae", "--label", "a pizza"], "classes: the nearest is 'food-"),
        (["gan", "--label", "x" * 10_000], "classes: the nearest is "),
        (["gan", "--steps", "4"], "--steps means nothing to the gan model: leave it out"),
        (["vae", "--sampler", "ddim"], "sampler means nothing to the vae model"),
        (["few-steps", "--steps", "3"], "--steps must be 1, 2, 4 or 8 for a few-step student, not 3"),
        (["few-steps", "--guidance", "2"], "--guidance means nothing to the few-steps model"),
        (["diffusion", "--steps", "0"], "--steps must be a whole number from 1 to 1000, not 0"),
        (["diffusion", "--sampler", "heum"], "did you mean heun?"),
        (["diffusion", "--guidance", "31"], "--guidance must be a number from 0 to 30"),
        (["diffusion", "--guidance", "nan"], "--guidance must be a number from 0 to 30"),
        (["gan", "--n", "0"], "n must be a whole number from 1 to 100, not 0"),
        (["gan", "--seed", "-1"], "seed must be a whole number from 0"),
        (["gan", "--size", "0"], "must be a whole number from 16 to 2048"),
        (["gan", "-o", "nowhere/drawn.png"], "nowhere is not there"),
        (["gan", "-o", "drawn.txt"], "must end in .png"),
    ],
)
def test_sample(capsys, arguments, message):
    assert message in refused(capsys, "sample", *arguments)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        ("missing.png", "picture missing.png is not there"),
        ("folder", "picture folder is not a file"),
        ("empty.png", "picture empty.png is empty: it has 0 bytes"),
        ("cut.png", "picture cut.png is "),
        ("text.png", "picture text.png is none of PNG, JPEG, WEBP, GIF, BMP"),
        ("heavy.png", "picture heavy.png has 30 MB: 20 MB at most"),
        ("wide.png", "picture wide.png is 9000 x 9000: 64 megapixels at most"),
        ("bomb.png", "picture bomb.png is "),
    ],
)
def test_label_pictures(capsys, picture, message):
    assert message in refused(capsys, "label", picture, "--labels", "cat,dog")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("", "labels has an empty word"),
        ("cat,,dog", "an empty word at place 2"),
        ("cat,cat", "labels names 'cat' twice"),
    ],
)
def test_label_labels(capsys, labels, message):
    assert message in refused(capsys, "label", "good.png", "--labels", labels)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("label good.png", "Missing option '--labels'"),
        ("genrate dog", "No such command 'genrate'"),
        ("world", "Missing command"),
        ("world sheet", "run `bozzetto world build` first"),
        ("world scenes", "run `bozzetto world build` first"),
        ("world teach", "run `bozzetto world build` first"),
        ("world sheet --style notto", "did you mean noto?"),
        ("world sheet --split trian", "did you mean train?"),
        ("world sheet --n 0", "--n must be a whole number from 1 to 5000, not 0"),
        ("world sheet --seed -1", "--seed must be a whole number from 0"),
        ("world sheet -o missing/a.png", "the folder missing is not there"),
        ("world scenes --kind counts", "did you mean count?"),
        ("world scenes --n 100000", "--n must be a whole number from 1 to 1000"),
        ("world build", "the artwork folder node_modules is not there: run `npm ci`"),
        ("world build --artwork folder", "folder"),
        ("world build --artwork folder --out folder", "output folder is a folder"),
        ("world teach --words missing.txt", "the word list missing.txt is not there"),
        ("train painter --budget smoke", "'painter'"),
        ("train clip", "Missing option '--budget'"),
        ("train clip --budget huge", "'huge'"),
        ("train clip --budget smoke --minutes nan", "--minutes must be a number above 0, not nan"),
        ("train clip --budget smoke --minutes -1", "--minutes must be a number above 0"),
        ("train clip --budget smoke --steps 0", "--steps must be a whole number from 1"),
        ("train clip --budget smoke --seed -1", "--seed must be a whole number from 0"),
        ("train clip --budget smoke --out file", "--out file is a file"),
        ("train autoencoder --budget smoke", "run `bozzetto world build` first"),
        ("train gan --budget smoke", "run `bozzetto world build` first"),
        ("train clip --budget smoke --data fashion", "--data fashion is for gan, vae, diffusion, few-steps"),
        ("train gan --budget smoke --data fashion", "install it with `sudo apt install dataset-fashion-mnist`"),
        (
            "train gan --budget smoke --data shoes",
            "--data shoes is neither emoji nor fashion, nor there as a file or folder",
        ),
        ("export clip --from missing --to folder", "--from missing is not a folder"),
        ("export clip --from folder --to file", "--to file is a file"),
        ("export clip --from folder --to folder", "run `bozzetto train clip`"),
        ("export painter --from folder --to folder", "'painter'"),
        ("evaluate --out results.txt", "output results.txt must end in .json"),
        ("evaluate --out missing/results.json", "the folder missing is not there"),
    ],
)
def test_other_commands(capsys, line, message):
    assert message in refused(capsys, *line.split())


# ---------------------------------------------------------------- weights


@pytest.fixture
def weights(tmp_path_factory, monkeypatch):
    """The weights as links in a folder of their own, which a test may break."""
    folder = tmp_path_factory.mktemp("weights") / "weights"
    source = store.weights_folder().resolve()
    shutil.copytree(source, folder, copy_function=os.symlink)
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(folder))
    return folder


def replace(path, content):
    path.unlink()
    path.write_bytes(content)


def test_truncated_weights(capsys, weights):
    path = weights / "text_to_image/model.safetensors"
    replace(path, path.read_bytes()[:-1000])
    message = refused(capsys, "generate", "dog")
    assert "model.safetensors has" in message and "bozzetto export" in message


def test_flipped_weights(capsys, weights):
    path = weights / "autoencoder/decoder/model.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    replace(path, data)
    assert "decoder/model.safetensors is damaged" in refused(capsys, "generate", "dog")


@pytest.mark.parametrize("missing", ["clip/text/vocabulary.txt", "clip/text/config.json", "text_to_image/graph.onnx"])
def test_missing_weights(capsys, weights, missing):
    (weights / missing).unlink()
    assert f"{missing} is missing: reinstall bozzetto" in refused(capsys, "generate", "dog")


def test_no_weights_at_all(capsys, monkeypatch):
    monkeypatch.setenv("BOZZETTO_WEIGHTS", "folder")
    assert "folder/text_to_image/config.json is missing" in refused(capsys, "generate", "dog")
    assert "folder/clip/text/config.json is missing" in refused(capsys, "label", "good.png", "--labels", "cat")


def test_weights_of_another_model(capsys, weights):
    shutil.rmtree(weights / "text_to_image")
    shutil.copytree(weights / "autoencoder/decoder", weights / "text_to_image")
    assert "text_to_image/config.json does not describe a text_to_image model" in refused(capsys, "generate", "dog")


def test_weights_of_another_training(capsys, weights):
    """Whole in itself, but not the text tower that the denoiser learnt from."""
    path = weights / "clip/text/config.json"
    config = json.loads(path.read_text())
    other = (weights / "clip/image/model.safetensors").read_bytes()
    replace(weights / "clip/text/model.safetensors", other)
    config["files"]["model.safetensors"] = json.loads((weights / "clip/image/config.json").read_text())["files"][
        "model.safetensors"
    ]
    replace(path, json.dumps(config).encode())
    assert "was trained with another clip/text" in refused(capsys, "generate", "dog")


# ---------------------------------------------------------------- the machine


@pytest.mark.parametrize(
    ("module", "line", "extra"),
    [
        ("resvg_py", "world build --artwork folder", "world"),
        ("pyarrow", "world sheet", "world"),
        ("torch", "train clip --budget smoke", "train"),
        ("torch", "export clip --from folder --to folder", "train"),
        ("torch", "plan gan --budget smoke", "train"),
        ("huggingface_hub", "course --weights hf://owner/name", "hub"),
    ],
)
def test_a_missing_extra_says_how_to_get_it(capsys, monkeypatch, module, line, extra):
    monkeypatch.setitem(sys.modules, module, None)
    message = refused(capsys, *line.split())
    assert f"{module} is not installed: run `pip install 'bozzetto[{extra}]'`" in message


def test_a_disk_that_is_full(capsys, monkeypatch):
    def fail(*arguments, **options):
        raise OSError(28, "No space left on device", "picture.png")

    monkeypatch.setattr(bozzetto, "generate", fail)
    assert refused(capsys, "generate", "dog") == "bozzetto: picture.png: No space left on device\n"


def test_a_bug_is_one_line_unless_debugging(capsys, monkeypatch):
    def bug(*arguments, **options):
        raise KeyError("oh")

    monkeypatch.setattr(bozzetto, "generate", bug)
    assert "failed, KeyError: 'oh': `bozzetto --debug ...`" in refused(capsys, "generate", "dog", code=1)
    with pytest.raises(KeyError):
        main(["--debug", "generate", "dog"])
    monkeypatch.setenv("BOZZETTO_DEBUG", "1")
    with pytest.raises(KeyError):
        main(["generate", "dog"])


def test_the_real_command():
    before = files()
    command = [sys.executable, "-m", "bozzetto", "generate", "dog", "--guidance", "nan"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "bozzetto: --guidance must be a number from 0 to 30, not nan\n"
    assert files() == before


def test_good_input_still_works_in_such_a_folder(capsys):
    assert main(["label", "good.png", "--labels", "cat", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["label"] == "cat" and row["share"] == 1
