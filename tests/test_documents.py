import dataclasses
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bozzetto.world.documents import KINDS, LEVELS, Document, combinations, make_document, render_document, sign_words
from bozzetto.world.scenes import BACKGROUNDS, COLORS, is_held_out
from scene_world import OBJECTS, WORLD

KEYS = st.tuples(st.integers(0, 2**40), st.sampled_from(["train", "test"]), st.sampled_from(KINDS))


def document_of(kind: str, seed: int = 0, split: str = "train") -> Document:
    return make_document(WORLD, OBJECTS, seed, split, kind)


def painted(picture: np.ndarray, color: str) -> np.ndarray:
    """The mask [64,64] of the pixels of exactly this colour."""
    return (picture[..., :3] == BACKGROUNDS[color]).all(-1)


def changed(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The box (top, left, bottom, right) of the pixels that differ."""
    at = np.argwhere((one != other).any(-1))
    return np.concatenate([at.min(0), at.max(0)])


@settings(deadline=None, max_examples=60)
@given(KEYS)
def test_a_picture_is_opaque_and_always_the_same(key: tuple[int, str, str]) -> None:
    document = make_document(WORLD, OBJECTS, *key)
    assert document.kind == key[2] and make_document(WORLD, OBJECTS, *key) == document
    picture = render_document(WORLD, document)
    assert picture.shape == (64, 64, 4) and picture.dtype == np.uint8 and (picture[..., 3] == 255).all()
    assert (render_document(WORLD, document) == picture).all()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**40), st.sampled_from(["train", "test"]))
def test_a_bar_is_as_tall_as_it_says_and_the_bars_stand_in_order(seed: int, split: str) -> None:
    document = document_of("chart", seed, split)
    colors, levels = zip(*document.bars, strict=True)
    assert 2 <= len(document.bars) <= 4 and set(colors) <= set(COLORS) and set(levels) <= set(LEVELS)
    assert len(set(colors)) == len(set(levels)) == len(document.bars)
    picture = render_document(WORLD, document)
    boxes = [np.argwhere(painted(picture, color)) for color in colors]
    heights = [np.ptp(box[:, 0]) + 1 for box in boxes]
    units = [height / level for height, level in zip(heights, levels, strict=True)]
    assert max(units) - min(units) < 0.1 and 9.9 < units[0] < 11.1
    for left, right in pairwise(boxes):
        assert left[:, 1].max() < right[:, 1].min()
    assert len({box[:, 0].max() for box in boxes}) == 1


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**40), st.sampled_from(["train", "test"]))
@example(536, "train")  # a letter that hangs low
@example(1311, "train")
def test_a_sign_has_its_colors_and_the_whole_word_lies_on_the_board(seed: int, split: str) -> None:
    document = document_of("sign", seed, split)
    known = document.word in sign_words(WORLD)
    assert known or (split == "train" and re.fullmatch("[a-z]{3,5}", document.word))
    assert len({document.color, document.ink}) == len({document.color, document.background}) == 2
    picture = render_document(WORLD, document)
    blank = render_document(WORLD, dataclasses.replace(document, word=" "))
    assert painted(blank, document.color).sum() > 54 * 24 * 0.95
    assert painted(blank, document.background).sum() > 64 * 64 / 4
    top, left, bottom, right = changed(picture, blank)
    board = np.argwhere(painted(blank, document.color))
    assert (board.min(0) < (top, left)).all() and (board.max(0) > (bottom, right)).all()
    assert bottom - top >= 6 and right - left >= (4 if known else 2) * len(document.word)  # "ili" is narrow
    inside = picture[top : bottom + 1, left : right + 1, :3].astype(int)
    assert np.abs(inside - BACKGROUNDS[document.ink]).sum(-1).min() < 30


def test_every_other_training_sign_has_letters_at_random_that_no_test_sign_has() -> None:
    words = [document_of("sign", seed, "train").word for seed in range(300)]
    made_up = [word for word in words if word not in sign_words(WORLD)]
    assert 100 < len(made_up) < 200
    assert not [word for word in words if is_held_out("sign", word)]


def test_every_word_makes_another_picture() -> None:
    document = document_of("sign")
    words = sign_words(WORLD)
    assert {"dog", "owl", "apple", "drum"} <= set(words) and "automobile" not in words
    pictures = {render_document(WORLD, dataclasses.replace(document, word=word)).tobytes() for word in words}
    assert len(pictures) == len(words)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**40), st.sampled_from(["train", "test"]))
def test_a_receipt_shows_each_price_beside_its_thing_and_the_total_below(seed: int, split: str) -> None:
    document = document_of("receipt", seed, split)
    assert len(document.things) == len(document.prices) == len({thing.name for thing in document.things}) in (2, 3)
    assert all(price in range(1, 10) for price in document.prices)
    picture = render_document(WORLD, document)
    for at, thing in enumerate(document.things):
        box = picture[thing.y : thing.y + thing.size, thing.x : thing.x + thing.size, :3]
        assert (box.min(-1) < 200).mean() > 0.2
        other = list(document.prices)
        other[at] = other[at] % 9 + 1
        rows = np.argwhere(
            (picture != render_document(WORLD, dataclasses.replace(document, prices=tuple(other)))).any(-1)
        )
        beside = rows[rows[:, 0] < thing.y + thing.size]
        assert thing.y - 1 <= beside[:, 0].min() and thing.x + thing.size < beside[:, 1].min()
        assert rows[:, 0].max() > document.things[-1].y + document.things[-1].size + 2, "the total follows"
    dark = (picture[..., :3].max(-1) < 100).any(1)
    assert not dark[63:].any() and (picture[:, 63, :3] == 255).all(), "nothing is cut off at the edge"


def test_the_sum_is_what_stands_below() -> None:
    document = document_of("receipt")
    while len(document.prices) != 2:
        document = document_of("receipt", document.layout_seed)
    swapped = dataclasses.replace(document, prices=(4, 8)), dataclasses.replace(document, prices=(8, 4))
    below = document.things[-1].y + document.things[-1].size + 2
    one, other = (render_document(WORLD, each) for each in swapped)
    assert (one[below:] == other[below:]).all() and (one[:below] != other[:below]).any()
    more = render_document(WORLD, dataclasses.replace(document, prices=(5, 8)))
    assert (one[below:] != more[below:]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_held_out_is_in_training_and_always_something_in_tests(kind: str) -> None:
    seen: dict[str, set] = {"train": set(), "test": set()}
    for split, found in seen.items():
        for seed in range(250):
            document = document_of(kind, seed, split)
            held_out = [pair for pair in combinations(document) if is_held_out(*pair)]
            assert bool(held_out) == (split == "test")
            found.update(held_out if held_out else combinations(document))
            if split == "train":
                assert all(WORLD.splits[thing.row] == "train" for thing in document.things)
    assert not seen["train"] & seen["test"]
    assert len(seen["train"]) > 3 * len(seen["test"]) > 3


def test_a_seed_alone_draws_every_kind_and_facts_hang_together() -> None:
    documents = [make_document(WORLD, OBJECTS, seed) for seed in range(60)]
    assert {document.kind for document in documents} == set(KINDS)
    for document in documents:
        assert bool(document.word) == bool(document.color) == bool(document.ink) == (document.kind == "sign")
        assert bool(document.bars) == (document.kind == "chart") and bool(document.things) == (
            document.kind == "receipt"
        )
        assert len({thing.style for thing in document.things}) <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed must be a whole number from 0, not -1"),
        ({"seed": "a"}, "seed must be a whole number from 0, not 'a'"),
        ({"seed": 0, "split": "dev"}, "split 'dev' is unknown: choose one of train, test"),
        ({"seed": 0, "kind": "poster"}, "kind 'poster' is unknown: choose one of sign, chart, receipt"),
        ({"seed": 0, "kind": "receipt", "objects": OBJECTS[:1]}, "no train document of kind 'receipt'; give more"),
        (
            {"seed": 0, "kind": "sign", "world": dataclasses.make_dataclass("Empty", ["names"])(["automobile"])},
            "no train document of kind 'sign'; give more",
        ),
    ],
)
def test_bad_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_document(**{"world": WORLD, "objects": OBJECTS, **arguments})
