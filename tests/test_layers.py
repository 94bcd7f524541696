"""Layers: what is read of a sentence, how things are put together, and drawing them so in Python and in the shell."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import bozzetto
from bozzetto.cli import main
from bozzetto.errors import InputWarning, InvalidInput
from bozzetto.metrics.composition import find_objects, relation_holds
from bozzetto.runtime import layers
from bozzetto.runtime.reading import emoji_names
from bozzetto.world.scenes import BACKGROUNDS, COUNTS, OPPOSITE, describe
from bozzetto.world.scenes.vocabulary import NOUNS

NAMES = sorted(
    name for name in {*NOUNS, *NOUNS.values()} if len(name.split()) < 3 and not layers.LINKS & {*name.split()}
)
nouns = st.sampled_from(NAMES)
grounds = st.sampled_from([None, *BACKGROUNDS])
wordings = st.integers(0, 2**16)


def bare(thing: str) -> str:
    return re.sub("^(an?|the) ", "", thing)


@given(nouns, st.sampled_from(COUNTS), grounds, wordings)
def test_a_number_of_things_is_read_as_it_was_said(noun, count, background, wording):
    said = describe("count", (noun,), count, None, None, background, wording)
    assert layers.read(said) == layers.Plan((noun,), str(count), background)


@given(nouns, nouns, st.sampled_from([None, *OPPOSITE]), grounds, wordings)
def test_two_things_are_read_as_they_were_said(one, other, relation, background, wording):
    said = describe("two", (one, other), 2, None, relation, background, wording)
    found = layers.read(said)
    assert found and tuple(map(bare, found.things)) == (one, other)
    assert (found.layout, found.background) == (relation or "two", background)


WORDS = ["a", "b", "and", "of", "left", "two", "on", "blue", "cats", "background", ".", ", ", "with", " "]


ONE = (
    "a black and white cat; a man with a beard; a cat, cute, high quality; four leaf clover; a bow and arrow; "
    "sunrise over mountains; two people holding hands; five o'clock; a red and blue ball; two horses and a cow"
)


@pytest.mark.parametrize("said", ONE.split("; "))
def test_what_only_sounds_like_several_things_is_one(said):
    assert layers.read(said) is None


def test_an_emoji_is_hardly_ever_several_things():
    read = [name for name in emoji_names().values() if layers.read(name)]
    assert read == ["two hearts", "locked with pen", "locked with key", "hammer and wrench"]


@pytest.mark.parametrize(
    ("said", "things"),
    [
        ("3 sleepy mice", ["sleepy mouse"]),
        ("two Cherries.", ["cherry"]),
        ("four boxes", ["box"]),
        ("a pair of horses", ["horse"]),
        ("an image of a wizard left of a castle", ["a wizard", "a castle"]),
        ("the cat, a dog, and a bird", ["the cat", "a dog", "a bird"]),
        ("red car & blue bus", ["red car", "blue bus"]),
    ],
)
def test_what_people_say_is_read(said, things):
    found = layers.read(said)
    assert found and list(found.things) == things


def test_words_of_a_thing_that_cannot_be_read_are_named():
    with pytest.warns(InputWarning, match="cannot be read: '猫'"):
        bozzetto.generate("a 猫 left of a dog", layers=True, few_steps=True)


@given(st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_anything_else_is_read_or_not_but_never_breaks(text):
    found = layers.read(text)
    assert found is None or (found.layout in layers.LAYOUTS and all(map(str.strip, found.things)))


@pytest.mark.parametrize(("old", "new"), [(64, 30), (41, 40), (7, 18), (1, 5), (5, 1), (30, 30)])
def test_lines_are_resampled_as_pillow_does(old, new):
    line = np.random.default_rng(old).random(old, np.float32)
    expected = np.asarray(Image.fromarray(line[None]).resize((new, 1), Image.Resampling.BILINEAR))[0]
    assert np.abs(layers.resampling(old, new) @ line - expected).max() < 1e-5


def shape(width: int, height: int, rgb: tuple[int, int, int]) -> np.ndarray:
    """A full box of a colour somewhere in a picture."""
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[5 : 5 + height, 9 : 9 + width] = (*rgb, 255)
    return picture


THINGS = [shape(50, 20, (200, 30, 30)), shape(12, 33, (30, 30, 200))]


@pytest.mark.parametrize("layout", sorted(layers.LAYOUTS))
@pytest.mark.parametrize("background", [None, "yellow"])
def test_things_stand_where_the_words_say(layout, background):
    number = layout.isdigit()
    things = THINGS[:1] if number else THINGS
    found = find_objects(layers.together(layers.Plan(("a",) * len(things), layout, background), things))
    assert len(found) == (int(layout) if number else 2)
    if layout in OPPOSITE:
        red, blue = sorted(found, key=lambda one: (one.bottom - one.top) / (one.right - one.left))
        assert relation_holds(red, blue, layout)
    for left, top, side in layers.LAYOUTS[layout]:
        assert any(one.side == side and left <= one.left and top <= one.top for one in found)


def test_a_thing_that_cannot_be_seen_leaves_the_rest():
    plan = layers.Plan(("a", "b"), "two", None)
    both = layers.together(plan, [np.zeros((64, 64, 4), np.uint8), THINGS[1]])
    assert len(find_objects(both)) == 1


def test_each_thing_is_drawn_as_if_it_were_alone():
    told, steps = [], []
    options = {"seed": 4, "n": 2, "few_steps": True, "num_inference_steps": 2}
    drawn = bozzetto.generate(
        "a red apple above the sun on green",
        layers=True,
        progress=lambda *at: told.append(at),
        callback_on_step_end=lambda step, of, index, *_: steps.append((step, of, index)),
        **options,
    )
    assert told == [(done, 8) for done in range(1, 9)]
    assert steps == [(2 * thing + step, 4, index) for thing in range(2) for index in range(2) for step in range(2)]
    plan = layers.read("a red apple above the sun on green")
    alone = zip(*(bozzetto.generate(thing, **options) for thing in plan.things), strict=True)
    for picture, things in zip(drawn, alone, strict=True):
        assert np.array_equal(picture, layers.together(plan, [np.asarray(thing) for thing in things]))
    assert [picture.info["seed"] for picture in drawn] == [4, 5]
    common = {"few_steps": True, "num_inference_steps": 1}
    for prompt, laid in (("a sun and a cat", True), ("a sun", False)):  # where it is read so
        wherever, whole = (bozzetto.generate(prompt, layers=way, **common)[0] for way in (None, laid))
        assert wherever.tobytes() == whole.tobytes()


def test_the_best_of_each_thing_is_chosen():
    [picture] = bozzetto.generate("a cat and a dog", layers=True, best_of=3, size=128)
    parts = [bozzetto.generate(thing, best_of=3)[0] for thing in ("a cat", "a dog")]
    assert picture.info["seed"] == 0  # and not that of one of its things
    assert picture.size == (128, 128)
    assert picture.info["match"] == pytest.approx(np.mean([part.info["match"] for part in parts]))


@pytest.mark.parametrize("prompt", ["a cat", "a cat left of a dog above a bird", "six apples"])
def test_what_cannot_be_laid_out_is_refused(prompt, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match="prompt names nothing that layers could put together"):
        bozzetto.generate(prompt, layers=True)
    with pytest.raises(InvalidInput, match="layers must be true or false, not 'yes'"):
        bozzetto.generate(prompt, layers="yes")
    assert main(["generate", prompt, "--layers"]) == 2
    assert "prompt names nothing that --layers could" in capsys.readouterr().err and not Path("picture.png").exists()


def test_the_shell_draws_layers_and_says_where_they_would_help(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    common = ["generate", "two red cars", "--few-steps", "--steps", "1", "-o"]
    assert main([*common, "plain.png"]) == 0
    hint = "with --layers each thing is drawn alone and put where the words say"
    assert capsys.readouterr().err == f"bozzetto: note: {hint}\n"
    assert main([*common, "layers.png", "--layers"]) == 0
    assert not capsys.readouterr().err
    with Image.open("layers.png") as picture:
        assert len(find_objects(np.asarray(picture))) == 2
    assert main(["generate", "two cats", "--layers", "--best-of", "2", "-o", "best.png"]) == 0
    assert "best.png is the best of 2 of each thing, from seed 0 on: match " in capsys.readouterr().err
