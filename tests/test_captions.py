import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bozzetto.world.captions import (
    caption,
    held_out_keywords,
    plain_name,
    templates,
    with_article,
)
from bozzetto.world.styles import STYLES

KEYWORDS = ["dog_face", "animal", "puppy", "puppies", "pet", "woof", "faithful", ":D", "best friend ever"]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("dog face", "dog face"),
        ("person: blond hair", "person blond hair"),
        ("Japanese “here” button", "japanese here button"),
        ("woman’s hat", "woman's hat"),
        ("piñata", "pinata"),
        ("keycap: #", "keycap hash"),
        ("T-Rex", "t-rex"),
        ("ON! arrow", "on arrow"),
    ],
)
def test_plain_name(name: str, plain: str) -> None:
    assert plain_name(name) == plain
    assert plain_name(plain) == plain


@pytest.mark.parametrize("name", ["", "!!!", "“”"])
def test_a_name_without_words_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="name has no word"):
        plain_name(name)


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("robot", "a robot"),
        ("owl", "an owl"),
        ("unicorn", "a unicorn"),
        ("hourglass done", "an hourglass done"),
        ("glass of milk", "a glass of milk"),
        ("smiling face with hearts", "a smiling face with hearts"),
        ("octopus", "an octopus"),
        ("grapes", "grapes"),
        ("french fries", "french fries"),
        ("popcorn", "popcorn"),
        ("money bag", "a money bag"),
        ("men wrestling", "men wrestling"),
        ("man wrestling", "a man wrestling"),
        ("two hearts", "two hearts"),
    ],
)
def test_articles(name: str, phrase: str) -> None:
    assert with_article(name) == phrase


def captions(count: int, style: str | None = "twemoji", codepoints: str = "1f436") -> list[str]:
    rng = np.random.default_rng(0)
    return [caption("dog face", KEYWORDS, style, rng, codepoints=codepoints) for _ in range(count)]


def test_captions_are_short_varied_and_mostly_say_the_name() -> None:
    texts = captions(1000)
    assert all(text == text.strip().lower() and len(text.split()) <= 10 for text in texts)
    assert len(set(texts)) > 30
    assert 0.6 < np.mean(["dog face" in text for text in texts]) < 0.95
    assert np.mean([text in ("dog face", "a dog face") for text in texts]) > 0.15
    assert not any("ever" in text or ":" in text for text in texts)


def test_style_is_said_sometimes_and_never_when_there_is_none() -> None:
    assert 0.2 < np.mean(["style" in text for text in captions(1000)]) < 0.4
    assert not any("style" in text for text in captions(500, style=None))
    assert len({style.words[0] for style in STYLES.values()}) == 8


def test_same_rng_same_captions() -> None:
    assert captions(50) == captions(50)


def test_zero_shot_templates_are_training_captions() -> None:
    assert set(templates("dog face")) <= set(captions(2000, style=None))
    assert len(set(templates("dog face"))) == len(templates("dog face"))


def test_an_unknown_style_is_an_error() -> None:
    with pytest.raises(ValueError, match="style 'oil' is unknown: choose one of noto"):
        caption("dog", [], "oil", np.random.default_rng(0), codepoints="1f415")


def test_about_a_tenth_of_the_keywords_is_held_out() -> None:
    words = [f"{first}{last}" for first in "bcdfghjklm" for last in ("anana", "otter", "ilk", "urn", "ape")]
    shares = [len(held_out_keywords(f"1f{i:03x}", words, "robot")) / len(words) for i in range(100)]
    assert 0.08 < np.mean(shares) < 0.12


# The set of a concept is fixed for ever: a different hash would leak old test words into new training.
def test_the_held_out_words_do_not_change() -> None:
    words = ["computer", "machine", "bot", "monster", "android", "metal", "toy", "droid", "automaton"]
    held_out = {key: held_out_keywords(key, words, "robot") for key in ("1f436", "1f47e", "1f916")}
    assert held_out == {"1f436": {"android"}, "1f47e": {"metal"}, "1f916": set()}


@given(st.integers(0, 10**6), st.integers(0, 2**32))
def test_captions_never_use_a_held_out_keyword(concept: int, seed: int) -> None:
    codepoints = f"{concept:x}"
    held_out = held_out_keywords(codepoints, [*KEYWORDS, "pet_shop"], "dog face")
    assert not held_out & {"dog", "face"}
    assert ("puppy" in held_out) == ("puppies" in held_out)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        text = caption("dog face", [*KEYWORDS, "pet_shop"], "noto", rng, codepoints=codepoints)
        assert not held_out & set(text.replace(",", "").split())


def test_held_out_ignores_order_and_repeats() -> None:
    assert held_out_keywords("1f436", KEYWORDS, "dog face") == held_out_keywords(
        "1f436", KEYWORDS[::-1] * 2, "dog face"
    )
