"""A small picture world made of drawn shapes, for tests that must not need the artwork."""

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from bozzetto.world import dataset
from bozzetto.world.captions import templates
from bozzetto.world.dataset import World
from bozzetto.world.scenes import SceneObject
from bozzetto.world.styles import STYLES

# The same examples in every run, and no example fails because the machine is busy.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

# The files that train, export or walk through pages go first, the longest at the front (`--junitxml` tells): two files
# run at a time, and a long one alone at the end would keep a core idle.
LONGEST = (
    "test_recipes.py",
    "test_lesson_8.py",
    "test_processes.py",
    "test_shipped.py",
    "test_stages.py",
    "test_adapter.py",
    "test_course_page.py",
    "test_lesson_2.py",
    "test_lesson_7.py",
    "test_lesson_9.py",
    "test_course_predictions.py",
    "test_alone.py",
    "test_lesson_3.py",
    "test_course_languages_page.py",
    "test_on_ray.py",
    "test_cluster.py",
    "test_diffusion.py",
    "test_own_data.py",
    "test_course_scorm.py",
    "test_lesson_1.py",
    "test_lesson_5.py",
    "test_lesson_4.py",
    "test_steering.py",
    "test_scripts.py",
    "test_add_family.py",
    "test_course_data.py",
    "test_home.py",
    "test_gan.py",
    "test_vlm.py",
    "test_lesson_6.py",
    "test_question_bank.py",
    "test_fuzz.py",
    "test_any_browser.py",
    "test_fashion.py",
    "test_vae.py",
    "test_evaluate.py",
)

THINGS = {
    "1f436": "dog face",
    "1f431": "cat face",
    "1f34e": "red apple",
    "1f47b": "ghost",
    "1f916": "robot",
    "1f697": "automobile",
}
COLOURS = {"red": (220, 40, 40), "green": (40, 170, 60), "blue": (40, 80, 220), "yellow": (240, 210, 50)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(LONGEST)))


def draw(shape: str, colour: tuple[int, int, int], radius: float) -> np.ndarray:
    """A square, disc, ring or cross in the middle of a transparent picture."""
    y, x = np.mgrid[:64, :64] - 31.5
    inside = {
        "square": np.maximum(abs(x), abs(y)) < radius,
        "disc": np.hypot(x, y) < radius,
        "ring": abs(np.hypot(x, y) - radius * 0.8) < radius * 0.2,
        "cross": (np.minimum(abs(x), abs(y)) < radius * 0.3) & (np.maximum(abs(x), abs(y)) < radius),
    }[shape]
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[inside] = (*colour, 255)
    return picture


@pytest.fixture(scope="session")
def shapes() -> World:
    """16 concepts ("red disc", ...) in 8 styles (sizes): 128 pictures; each concept's style k is held out for one k."""
    rows = [
        (f"{colour} {shape}", list(STYLES)[k], draw(shape, rgb, 14 + 2 * k), "test" if (i + j) % 8 == k else "train")
        for i, shape in enumerate(("square", "disc", "ring", "cross"))
        for j, (colour, rgb) in enumerate(COLOURS.items())
        for k in range(8)
    ]
    names, styles, pictures, splits = zip(*rows, strict=True)
    return World(
        images=np.stack(pictures),
        codepoints=[name.replace(" ", "-") for name in names],
        emoji=[""] * len(rows),
        names=list(names),
        keywords=[[name.split()[1]] for name in names],
        groups=["objects"] * len(rows),
        subgroups=["tool"] * len(rows),
        styles=list(styles),
        splits=list(splits),
        core=np.ones(len(rows), bool),
    )


@pytest.fixture(scope="session")
def small_world(tmp_path_factory):
    """A file of six concepts in two styles, in noise: enough for sheets and scenes."""
    rng = np.random.default_rng(0)
    count = 2 * len(THINGS)
    columns = {
        "image": list(rng.integers(0, 256, (count, 64, 64, 4), dtype=np.uint8)),
        "codepoints": [*THINGS] * 2,
        "emoji": ["?"] * count,
        "name": [*THINGS.values()] * 2,
        "keywords": [["thing", "spooky" if name == "ghost" else "other"] for name in THINGS.values()] * 2,
        "group": ["objects"] * count,
        "subgroup": ["other"] * count,
        "style": ["noto"] * len(THINGS) + ["twemoji"] * len(THINGS),
        "split": ["train"] * (count - 1) + ["test"],
        "core": [True] * count,
        "license": ["MIT"] * count,
    }
    path = tmp_path_factory.mktemp("world") / "world.parquet"
    dataset.write(columns, path)
    return path


@pytest.fixture(scope="session")
def things(shapes) -> list[SceneObject]:
    """The shapes as things that stand in scenes, for no shape is in the world's list of them."""
    rows = list(zip(shapes.names, shapes.styles, shapes.splits, strict=True))
    found = []
    for name in dict.fromkeys(shapes.names):
        styles = {style: (i, split) for i, (other, style, split) in enumerate(rows) if other == name}
        shown = {style: i for style, (i, split) in styles.items() if split == "train"}
        every = {style: i for style, (i, _) in styles.items()}
        found.append(SceneObject(name.replace(" ", "-"), name, every, shown))
    return found


@pytest.fixture(scope="session")
def table(shapes, tmp_path_factory) -> Path:
    """A teacher's table for twelve words: random directions for words, their mean for captions."""
    from bozzetto.runtime.tokenizer import SPECIAL
    from bozzetto.training import teacher

    words = ["red", "green", "blue", "yellow", "square", "disc", "ring", "cross"]
    rng = np.random.default_rng(0)
    vectors = dict(zip(words, rng.standard_normal((8, 256)), strict=True))
    captions = dict.fromkeys(text for name in dict.fromkeys(shapes.names) for text in templates(name))
    for text in captions:
        vectors[text] = sum(vectors[word] for word in words if word in text.split())
    matrix = np.stack(list(vectors.values())).astype(np.float32)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = [*SPECIAL, *letters, *("##" + c for c in letters), ",", *words, "picture", "drawing", "of", "an"]
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    teacher.save(teacher.Teacher(list(vectors), unit, vocabulary), path)
    return path


@pytest.fixture
def after_steps(monkeypatch):
    """after_steps(n, act): act() is called at the start of the n-th step from now, in whichever stage it is. A step
    takes a second of the clock, and nothing else does."""
    from bozzetto.training import loop

    now, left, action = 0.0, None, None
    randomness = loop.step_randomness

    def step(*arguments):
        nonlocal left, now
        now += 1
        if left is not None:
            left -= 1
            if left == 0:
                action()
        return randomness(*arguments)

    def after(n, act):
        nonlocal left, action
        left, action = n, act

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(loop, "step_randomness", step)
    return after


@pytest.fixture
def photos(tmp_path, monkeypatch) -> None:
    """A folder `photos` of eight pictures in the folder of the test, where commands run."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(8):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(f"photos/{number}.png")
