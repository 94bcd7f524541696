"""What is handed on: a wheel with all that runs and nothing else, which works where nothing can be written; a source
distribution that is as good as a clone; and a locked set of dependencies."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from PIL import Image

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# What is made or fetched in a clone, and so is in .gitignore.
LEFT = {".git", ".venv", "node_modules", "data", "runs", "out", "build", "dist", ".hypothesis"}
BUILD = """
import sys
from setuptools import build_meta
out = sys.argv[1]
build_meta.build_wheel(out)
build_meta.build_sdist(out)
"""


def files(folder: Path) -> set[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """The project as it is, after it was used: there are bytecode files, in folders of data too."""
    clone = tmp_path_factory.mktemp("clone")
    for path in ROOT.iterdir():
        if path.name in LEFT or path.name.endswith("_cache"):
            continue
        if path.is_dir():
            shutil.copytree(path, clone / path.name, ignore=shutil.ignore_patterns("*.egg-info"))
        else:
            shutil.copy(path, clone)
    for folder in ("course/__pycache__", "course/content/__pycache__", "weights/__pycache__"):
        (clone / "src/bozzetto" / folder).mkdir(exist_ok=True)
        (clone / "src/bozzetto" / folder / "old.cpython-311.pyc").write_bytes(b"old")
    return clone


@pytest.fixture(scope="module")
def made(clone, tmp_path_factory) -> dict[str, Path]:
    """The wheel and the source distribution, made offline by the build backend."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-c", BUILD, out], cwd=clone, check=True, capture_output=True)
    return {path.suffix: path for path in out.iterdir()}


@pytest.fixture(scope="module")
def installed(made, tmp_path_factory) -> Path:
    """A folder with the wheel and nothing else; what it needs comes from here."""
    target = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(made[".whl"]) as wheel:
        wheel.extractall(target)
    return target


def test_a_wheel_has_all_that_runs_and_nothing_else(clone, made):
    with zipfile.ZipFile(made[".whl"]) as wheel:
        packed = {name for name in wheel.namelist() if not re.match(r"bozzetto-[\d.]+\.dist-info/", name)}
        facts = set(wheel.namelist()) - packed
        commands = wheel.read(next(name for name in facts if name.endswith("entry_points.txt"))).decode()
    assert packed == {f"bozzetto/{name}" for name in files(clone / "src/bozzetto")}
    assert "bozzetto = bozzetto.cli:main" in commands
    assert {name.partition("/")[2] for name in facts} == {
        *("METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt"),
        *("licenses/LICENSE", "licenses/NOTICE"),
    }
    assert packed >= {
        "bozzetto/py.typed",
        "bozzetto/weights/text_to_image/model.safetensors",
        "bozzetto/weights/clip/text/vocabulary.txt",
        "bozzetto/course/content/en/1-generative-models.md",
        "bozzetto/course/data/gallery.avif",
        "bozzetto/course/static/icon.svg",
        "bozzetto/course/templates/base.html",
        "bozzetto/course/built/assets/site.css",
        "bozzetto/course/built/assets/lessons/9.css",
        "bozzetto/course/built/assets/js/main.js",
        "bozzetto/course/built/assets/ort/ort-wasm-simd-threaded.wasm",
    }
    assert not [name for name in packed if "test" in Path(name).name or name.endswith((".pyc", ".ts"))]


def test_a_source_distribution_is_as_good_as_a_clone(clone, made):
    with tarfile.open(made[".gz"]) as sdist:
        packed = {name.partition("/")[2] for name in sdist.getnames() if sdist.getmember(name).isfile()}
    added = {name for name in packed if name in ("PKG-INFO", "setup.cfg") or ".egg-info/" in name}
    assert packed - added == {name for name in files(clone) if not re.match(r"build/|src/\w+\.egg-info/", name)}


def test_the_wheel_runs_where_nothing_can_be_written(installed, tmp_path):
    """Generate, label and export, from a folder and with a home that stay as they are."""
    out, here = tmp_path / "out", tmp_path / "here"
    for folder in (out, here):
        folder.mkdir()
    here.chmod(0o555)  # enough for everybody but root, so it is looked at as well
    before = files(installed)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PYTHONPATH": str(installed), "HOME": str(here), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert Path(run("-c", "import bozzetto; print(bozzetto.__file__)")).is_relative_to(installed)
    run("-m", "bozzetto", "generate", "a red apple", "--seed", "7", "--steps", "4", "-o", f"{out}/apple.png")
    with Image.open(out / "apple.png") as picture:
        assert picture.size == (64, 64) and picture.convert("RGBA").getextrema()[3] == (0, 255)
    assert "cat" in run("-m", "bozzetto", "label", f"{out}/apple.png", "--labels", "cat,tree")
    run("-m", "bozzetto", "course", "--export", f"{out}/site")
    assert (out / "site/index.html").is_file() and (out / "site/assets/lessons/7.css").is_file()
    assert files(installed) == before
    assert list(here.iterdir()) == []


def locked() -> dict[str, Version]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = [re.fullmatch(r"([A-Za-z0-9._-]+)==([\w.]+)", line) for line in lines]
    assert all(pinned), "a line of constraints.txt is NAME==VERSION"
    return {canonicalize_name(one[1]): Version(one[2]) for one in pinned}


def test_the_locked_set_is_whole_and_what_tests_run_on():
    """Whatever `pip install '.[dev]'` brings here, directly or not, has its version in constraints.txt."""
    lock, project = locked(), PROJECT["project"]
    extras = {f"bozzetto[{name}]": wanted for name, wanted in project["optional-dependencies"].items()}
    waiting = [(name, "") for wanted in (project["dependencies"], *extras.values()) for name in wanted]
    seen: set[tuple[str, str]] = set()
    while waiting:
        line, extra = waiting.pop()
        wanted = Requirement(line)
        name = canonicalize_name(wanted.name)
        if (wanted.marker and not wanted.marker.evaluate({"extra": extra})) or name == "bozzetto":
            continue
        assert name in lock, f"{name} is not in constraints.txt: run `make constraints`"
        assert wanted.specifier.contains(lock[name]), f"{line}, but constraints.txt has {lock[name]}"
        here = distribution(name)
        assert Version(here.version).public == str(lock[name]), f"{name} {here.version} is installed"
        for one in {"", *wanted.extras}:
            if (name, one) not in seen:
                seen.add((name, one))
                waiting += [(inner, one) for inner in here.requires or []]
    assert len(seen) > 50
    assert lock["pillow"] >= Version("12.3")


def test_the_map_in_the_readme_is_true_and_whole():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").partition("```\nsrc/bozzetto/\n")[2].partition("```")[0]
    named, room = set(), "src/bozzetto"
    for line in lines.splitlines():
        names = [name for name in line[:23].split() if "<" not in name]
        if not line.startswith(" "):
            room, names = names[0].rstrip("/"), names
            named.add(room)
        else:
            named |= {f"{room}/{name.rstrip('/')}" for name in names}
    assert [path for path in named if not (ROOT / path).exists()] == []
    left_out = {"__pycache__", "py.typed"}
    for folder in ("src/bozzetto", "web"):
        there = {path.name for path in (ROOT / folder).iterdir()} - left_out
        assert {name for name in there if f"{folder}/{name}" not in named} <= {"lessons"}
