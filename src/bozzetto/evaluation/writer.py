"""The writers of tiny stories, held to the grammar by its parser: exact checks, beside those of stories that the
grammar itself tells, and of stories that cannot be right."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

from bozzetto.evaluation.bench import HELD_OUT_SEED, EvaluationContext
from bozzetto.evaluation.scores import Measured, Scores, share
from bozzetto.metrics.retrieval import share_of
from bozzetto.progress import track
from bozzetto.world.stories import contradictions, make_story, read_story

N = 0  # it draws nothing
GRAMMAR, FACTS = "grammar holds", "facts agree"
REPEATS = "says a sentence twice"
NOVEL = "no run of 8 words from 20,000 training stories"
KINDS = ("next word", "unmasking", "the grammar's own", "words shuffled", "another's first sentence")
RUN, SHOWN_STORIES = 8, 20_000


def measure_of(check: str, kind: str) -> str:
    return f"{check}, {kind}"


SHOWN = (  # in the README
    *(measure_of(check, kind) for kind in KINDS[:2] for check in (GRAMMAR, FACTS, NOVEL)),
    measure_of(GRAMMAR, KINDS[3]),
    measure_of(FACTS, KINDS[4]),
    measure_of(NOVEL, KINDS[2]),
)


def runs(text: str) -> set[str]:
    """All runs of 8 words and marks."""
    words = text.split()
    return {" ".join(words[at : at + RUN]) for at in range(len(words) - RUN + 1)}


def checked(stories: list[str], nouns: list[str], training: Iterable[str]) -> dict[str, list[bool]]:
    """Of each check, which of the stories pass: lower case, marks apart, as the grammar tells them."""
    readings = [read_story(story, nouns) for story in stories]
    found = [runs(story) for story in stories]
    every, known = set[str]().union(*found), set[str]()
    for story in training:
        known |= every & runs(story)
    sentences = [[part.strip() for part in story.split(".") if part.strip()] for story in stories]
    return {
        GRAMMAR: [reading is not None for reading in readings],
        FACTS: [reading is not None and not contradictions(reading) for reading in readings],
        REPEATS: [len(set(parts)) < len(parts) for parts in sentences],
        NOVEL: [not some & known for some in found],
    }


def score(kinds: dict[str, list[str]], nouns: list[str], training: Iterable[str]) -> Scores:
    """kinds: stories by whose they are. Every check of each."""
    whole, scores = list(training), {}
    for kind, stories in kinds.items():
        for check, passed in checked(stories, nouns, whole).items():
            scores[measure_of(check, kind)] = share(share_of(np.array(passed)))
    return scores


def beginning(story: str) -> str:
    return story.partition(" .")[0]


def measure(context: EvaluationContext, weights: Path, n: int, sheet: Path | None) -> Measured:
    """Half of the stories begin from nothing, half with the first sentence of one that no training showed."""
    from bozzetto.runtime import write
    from bozzetto.training.recipes.writer import story_nouns

    nouns, count = story_nouns(context.world), context.questions
    tell = partial(make_story, nouns=nouns)
    real = [tell(HELD_OUT_SEED + context.seed + i) for i in range(count)]
    kinds: dict[str, list[str]] = {}
    for kind, method in zip(KINDS, write.METHODS, strict=False):
        writer = write.load(weights, method)
        kinds[kind] = []
        for i in track(range(count), f"writing, {kind}"):
            *_, draft = write.prepare(writer, beginning(real[i]) + " ." if i % 2 else "", seed=context.seed + i)
            kinds[kind].append(write.told(writer, draft).lower().replace(".", " ."))
    rng = np.random.default_rng(context.seed)
    kinds[KINDS[2]] = real
    kinds[KINDS[3]] = [" ".join(rng.permutation(story.split())) for story in real]
    kinds[KINDS[4]] = [
        beginning(other) + story.removeprefix(beginning(story))
        for story, other in zip(real, real[1:] + real[:1], strict=True)
    ]
    training = (tell(number) for number in track(range(SHOWN_STORIES), "training stories"))
    return score(kinds, nouns, training), {"example": {kind: stories[0] for kind, stories in kinds.items()}}
