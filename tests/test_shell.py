"""The shell as a process among others: streams in other encodings, closed or full, Ctrl-C, a machine that cannot; and
what a person is told of each kind of error."""

import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

import bozzetto
from bozzetto.cli import main
from bozzetto.errors import BozzettoError, InvalidInput, MissingExtra, MissingFile, NotBuilt, WeightsError
from bozzetto.files import written

BOZZETTO = [sys.executable, "-m", "bozzetto"]
DRAW = ["generate", "a dog", "-o", "dog.png", "--steps", "1"]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64), "red").save("red.png")


def run(*arguments, **options):
    """A real process; what it wrote is given as it is, undecoded."""
    return subprocess.run([*BOZZETTO, *arguments], **{"capture_output": True, **options})


# ---------------------------------------------------------------- streams


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_what_the_encoding_does_not_have_is_escaped_and_every_picture_is_written(encoding):
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    more = ["--n", "2", "--sheet", "blätter.png", "--show"]
    done = run("generate", "a dog", "-o", "猫.png", "--steps", "1", *more, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    said = done.stdout.decode(encoding).splitlines()
    sheet = "blätter.png" if encoding == "cp1252" else "bl\\xe4tter.png"
    assert said[:3] == ["\\u732b-0.png", "\\u732b-1.png", sheet] and "\\u2580" in said[3]
    for name in ("猫-0.png", "猫-1.png", "blätter.png"):
        Image.open(name).load()
    done = run("label", "red.png", "--labels", "cat 🍎,dog", env=environment)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2 and b"\\U0001f34e" in done.stdout


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&-"])
def test_without_a_stream_the_work_is_done(closed):
    def shell(*arguments):
        line = f'exec "$@" {closed}'
        return subprocess.run(["sh", "-c", line, "sh", *BOZZETTO, *arguments], capture_output=True)

    done = shell(*DRAW, "--n", "2")
    assert done.returncode == 0 and done.stderr == b""
    assert done.stdout == (b"dog-0.png\ndog-1.png\n" if closed == "2>&-" else b"")
    Image.open("dog-1.png").load()
    done = shell("sample", "gan", "--n", "0")
    assert done.returncode == 2 and done.stdout == b""  # an error is no output
    assert done.stderr.startswith(b"bozzetto: --n must" if "2" not in closed else b"")


def test_a_closed_pipe_costs_no_picture():
    """Every verb saves first and prints after; nothing is said by the interpreter at its end."""
    drawn = ["dog-0.png", "dog-1.png", "dog-2.png", "all.png"]
    explained = ["ask", "red.png", "what is this?", "--explain", "why.png"]
    for unbuffered, arguments, files in (
        ("", [*DRAW, "--n", "3", "--sheet", "all.png", "--show"], drawn),
        ("1", [*DRAW, "--n", "3", "--sheet", "all.png"], drawn),
        ("1", explained, ["why.png"]),
    ):
        reader, writer = os.pipe()
        os.close(reader)
        environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
        done = run(*arguments, env=environment, capture_output=False, stdout=writer, stderr=subprocess.PIPE)
        os.close(writer)
        assert (done.returncode, done.stderr) == (141, b"")
        for name in files:
            Image.open(name).load()
            os.remove(name)


def test_what_was_said_stands_beside_its_explanation(capsys):
    assert main(["ask", "red.png", "what is this?"]) == 0
    said = capsys.readouterr().out
    assert main(["ask", "red.png", "what is this?", "--explain", "why.png"]) == 0
    assert said.endswith("%)\n") and capsys.readouterr() == (said, "why.png\n")


def test_an_error_that_nobody_hears_keeps_its_code():
    reader, writer = os.pipe()
    os.close(reader)
    done = run("generate", "", capture_output=False, stdout=writer, stderr=writer)
    os.close(writer)
    assert done.returncode == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_output_to_a_full_disk_is_one_line():
    with open("/dev/full", "w") as full:
        done = run("label", "red.png", "--labels", "cat", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (2, b"bozzetto: No space left on device\n")


def test_ctrl_c_while_packages_are_imported_prints_nothing():
    code = """
import sys
class Impatient:
    def find_spec(self, name, path, target=None):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Impatient())
from bozzetto.cli import main
sys.exit(main(["--help"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_hardly_anything_is_imported_before_ctrl_c_is_caught():
    code = "import sys, bozzetto.cli; assert not {'typing', 'pathlib', 'typer'} & sys.modules.keys()"
    environment = os.environ | {"PYTHONPATH": str(Path(bozzetto.__file__).parents[1])}
    subprocess.run([sys.executable, "-S", "-c", code], check=True, env=environment)


def test_help_needs_nothing_heavy():
    code = """
import sys
from bozzetto.cli import main
for verb in ("generate", "train", "evaluate", "world"):
    assert main([verb, "--help"]) == 0
assert not {"numpy", "PIL", "onnxruntime", "torch", "rich"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


# ---------------------------------------------------------------- a machine that cannot


@contextmanager
def files_of(most_bytes):
    """No file may grow beyond this, as on a disk that is nearly full."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@pytest.mark.parametrize(
    "line",
    [
        "generate dog -o dog.png --steps 1",
        "generate dog -o dog.png --steps 1 --frames frames",
        "sample gan -o drawn.png --n 1",
        "ask red.png what? --explain why.png",
        "world scenes -o scenes.png --n 1",
        "world sheet -o sheet.png --n 1",
        "train autoencoder --budget smoke --steps 1",
        "course --export site",
    ],
)
def test_a_full_disk_is_one_line_in_every_verb(line, small_world, capsys, monkeypatch):
    monkeypatch.setenv("BOZZETTO_WORLD", str(small_world))
    with files_of(10):
        code = main(line.split())
    said = capsys.readouterr()
    assert code == 2 and said.err.startswith("bozzetto: ") and said.err.endswith("File too large\n")
    assert said.err.count("\n") == 1
    assert not list(os.scandir("frames" if "--frames" in line else "."))[1:] or line.startswith("train")


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "picture.png"
    with files_of(10), pytest.raises(OSError) as caught, written(path) as part:
        part.write_bytes(bytes(20))
    assert caught.value.filename == str(path) and os.listdir(tmp_path) == ["red.png"]
    with pytest.raises(OSError) as caught, written(tmp_path / "gone/picture.png") as part:
        part.write_bytes(b"")
    assert caught.value.filename == str(tmp_path / "gone/picture.png")
    with pytest.raises(OSError) as caught, written(path):
        os.stat("other")
    assert caught.value.filename == "other"


# ---------------------------------------------------------------- what a person is told


class EngineError(Exception):
    """As the engines that are written in Rust raise it."""


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InvalidInput("negative_prompt", "is long"), 2, "--negative is long"),
        (InvalidInput("prompt", "is empty"), 2, "prompt is empty"),
        (
            InvalidInput("guidance_scale", "is {}: 'few_steps prompt' with {}", "few_steps", "sampler"),
            2,
            "--guidance is --few-steps: 'few_steps prompt' with --sampler",
        ),
        (MissingFile("picture", "few_steps.png is not there"), 2, "picture few_steps.png is not there"),
        (NotBuilt("no world: run `bozzetto world build`"), 2, "no world: run `bozzetto world build`"),
        (WeightsError("model.safetensors is damaged"), 2, "model.safetensors is damaged"),
        (
            MissingExtra("torch", "train"),
            2,
            "torch is not installed: run `pip install 'bozzetto[train]'`",
        ),
        (BozzettoError("two\nlines"), 2, "two lines"),
        (PermissionError(13, "Permission denied", "dog.png"), 2, "dog.png: Permission denied"),
        (OSError(28, "No space left on device"), 2, "No space left on device"),
        (EngineError("/build/src/io.rs:7: No space left (os error 28)"), 2, "No space left on device"),
        (KeyError("oh"), 1, "failed, KeyError: 'oh': `bozzetto --debug ...` shows where"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_kind_of_error_has_its_line_and_its_code(error, code, line, capsys, monkeypatch):
    def draw(*arguments, **options):
        raise error

    monkeypatch.setattr(bozzetto, "generate", draw)
    assert main(DRAW) == code
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"bozzetto: {line}\n")


def test_an_argument_has_the_name_that_it_has_in_this_verb(capsys, monkeypatch):
    def refuse(field):
        def draw(*arguments, **options):
            raise InvalidInput(field, "is wrong")

        monkeypatch.setattr(bozzetto, "sample", draw)
        assert main(["sample", "diffusion"]) == 2
        return capsys.readouterr().err

    assert refuse("prompt") == "bozzetto: --towards is wrong\n"
    assert refuse("label") == "bozzetto: --label is wrong\n"
    assert refuse("clip_guidance_scale") == "bozzetto: --clip-guidance is wrong\n"
    assert refuse("model") == "bozzetto: model is wrong\n"


def test_nothing_is_replaced_in_what_a_person_wrote(capsys):
    assert main(["sample", "gan", "--label", "prompt"]) == 2
    assert "--label 'prompt' is not one of the 80 classes" in capsys.readouterr().err
    assert main(["generate", "dog", "--style", "few_steps"]) == 2
    assert "--style 'few_steps' is unknown" in capsys.readouterr().err
    assert main(["generate", "dog " * 23 + "guidance_scale", "--steps", "1"]) == 0
    assert "so its end was not read: 'guidance _ scale'" in capsys.readouterr().err


def test_a_word_of_the_prompt_that_is_a_verb_is_no_verb(capsys):
    assert main(["generate", "world", "--steps", "0"]) == 2
    assert capsys.readouterr().err.startswith("bozzetto: --steps must be")
