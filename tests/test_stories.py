"""Tiny stories: the grammar tells what its reader takes, and the reader finds what is broken or contradicts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bozzetto.world.scenes import OPPOSITE
from bozzetto.world.scenes.vocabulary import NOUNS
from bozzetto.world.stories import TRAITS, WORDS, contradictions, make_story, read_story, vocabulary

THINGS = [noun for noun in NOUNS if "-" not in noun]
SEEDS = st.integers(0, 2**40)


def parts(story):
    return [part.strip() for part in story.split(".") if part.strip()]


def joined(sentences):
    return " . ".join(sentences) + " ."


@given(SEEDS)
def test_every_story_is_read_and_agrees_with_itself(seed):
    story = make_story(seed, THINGS)
    reading = read_story(story, THINGS)
    assert reading is not None and contradictions(reading) == set()
    assert 3 <= len(parts(story)) <= 6 and story == make_story(seed, THINGS)
    assert read_story(story.replace(" .", ".").capitalize(), THINGS) == reading


@given(SEEDS, SEEDS)
def test_words_in_another_order_are_no_story(seed, other):
    story = make_story(seed, THINGS)
    assert read_story(" ".join(np.random.default_rng(other).permutation(story.split())), THINGS) is None


@given(SEEDS, st.data())
def test_a_word_too_few_or_strange_is_no_story(seed, data):
    words = make_story(seed, THINGS, invented=0).split()
    place = data.draw(st.integers(0, len(words) - 1))
    assert read_story(" ".join([*words[:place], "quux", *words[place + 1 :]]), THINGS) is None
    assert read_story(" ".join(words[:-1]), THINGS) is None


def test_the_first_sentence_of_another_story_contradicts_the_rest():
    """But where it is of the same things by chance."""
    agree = 0
    for seed in range(300):
        one, first = parts(make_story(seed, THINGS)), parts(make_story(seed + 1, THINGS))[0]
        reading = read_story(joined([first, *one[1:]]), THINGS)
        agree += reading is not None and not contradictions(reading)
    assert agree < 6


STORY = (
    "a red cat left of a robot . the robot is right of the cat . the red cat wants a blue key because it is bored . "
    "it walks slowly past a pear . now it has the blue key and is happy ."
)
NAMED = (
    "three sad owls . the three owls want to fly because the clouds look soft . soon a pear and a shark fly with them ."
)
CALLED = (
    "a sad owl . its name is ivy . ivy wants to be pink because a pear is pink too . now the owl is pink and proud ."
)


@pytest.mark.parametrize(
    ("story", "old", "new", "kind"),
    [
        (STORY, "the red cat", "the blue cat", "who"),
        (STORY, "the red cat", "the red dog", "who"),
        (STORY, "right of", "left of", "relation"),
        (STORY, "the robot", "the ghost", "other"),
        (STORY, "the blue key and", "the blue bell and", "wish"),
        (STORY, "now it has the blue key and is happy", "now they have the blue key and are happy", "many"),
        (STORY, "it is bored", "the music is good", "reason"),
        (STORY, "now it has the blue key and is happy", "now it can dance slowly", "goal"),
        (NAMED, "the three owls", "the four owls", "who"),
        (NAMED, "shark fly", "shark sing", "aim"),
        (NAMED, "the three owls want", "the owl wants", "who"),
        (CALLED, "ivy wants", "otto wants", "name"),
        (CALLED, "is pink and", "is blue and", "aim"),
    ],
)
def test_one_wrong_fact_is_found_and_named(story, old, new, kind):
    assert contradictions(read_story(story, THINGS)) == set()
    assert story.count(old) == 1
    changed = read_story(story.replace(old, new), THINGS)
    assert changed is not None and kind in contradictions(changed)


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "a red cat .",
        STORY[:-2],
        STORY.replace("a red cat", "an red cat"),
        STORY.replace("cat wants", "cat want"),
        STORY.replace("now it has", "now it have"),
        NAMED.replace("three sad owls", "three sad owl"),
        STORY + " it walks slowly past a pear .",
        STORY + " " + STORY,
    ],
)
def test_what_is_no_story(broken):
    assert read_story(broken, THINGS) is None


def test_every_word_of_a_story_is_in_the_vocabulary():
    known = set(vocabulary(THINGS))
    for seed in range(300):
        assert {*make_story(seed, THINGS, invented=0).split()} <= known | {"."}


def test_stories_are_many():
    stories = [make_story(seed, THINGS) for seed in range(1500)]
    assert len({tuple(parts(story)[-1].split()[:4]) for story in stories}) > 900
    said = " ".join(stories)
    assert all(word in said for word in [*TRAITS, *WORDS["act"], *OPPOSITE, *WORDS["name"]])
    assert sum(noun in said for noun in THINGS) > 0.95 * len(THINGS)
