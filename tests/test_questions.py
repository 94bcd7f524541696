import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bozzetto
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.world.documents import Document, make_document
from bozzetto.world.questions import (
    CANNOT_TELL,
    KINDS,
    Question,
    canonical,
    document_questions,
    scene_questions,
)
from bozzetto.world.scenes import Scene, make_scene, plural
from bozzetto.world.styles import STYLES
from scene_world import OBJECTS, WORLD

NOUNS = [thing.noun for thing in OBJECTS]
WORDS = ("zero", "one", "two", "three", "four", "five")
SEEDS = st.tuples(st.integers(0, 2**40), st.sampled_from(["train", "test"]), st.integers(0, 2**32))
TOKENIZER = Tokenizer.load(Path(bozzetto.__file__).parent / "weights" / "clip" / "text" / "vocabulary.txt")
ASKED: list[tuple[Scene | Document, list[Question]]] = [
    (make(WORLD, OBJECTS, seed, split), [])
    for make in (make_scene, make_document)
    for seed in range(1000)
    for split in ("train", "test")
]
for _seed, (_picture, _questions) in enumerate(ASKED):
    _ask = scene_questions if isinstance(_picture, Scene) else document_questions
    _questions += _ask(_picture, NOUNS, np.random.default_rng(_seed))


def noun_in(text: str, names: tuple[str, ...]) -> list[str]:
    """The names in a text, in its order."""
    return sorted((name for name in names if re.search(rf"\b{name}\b", text)), key=text.index)


def holds(relation: str, one, other) -> bool:
    """Whether the box of `one` stands so to the box of `other`, by the positions in the frame alone."""
    return {
        "left of": one.x + one.size <= other.x,
        "right of": other.x + other.size <= one.x,
        "above": one.y + one.size <= other.y,
        "below": other.y + other.size <= one.y,
    }[relation]


def scene_answer(scene: Scene, question: Question) -> str:
    """The answer found again, from the boxes and pictures of the scene."""
    text, boxes = question.text, {item.name: item for item in scene.objects}
    shown = noun_in(text, tuple(boxes))
    if question.kind == "what":
        (name,) = boxes
        return name
    if question.kind == "count":
        if "things" in text:
            return WORDS[len(scene.objects)]
        return WORDS[sum(bool(re.search(rf"\b{plural(item.name)}\b", text)) for item in scene.objects)]
    if question.kind == "exists":
        return "yes" if shown else "no"
    if question.kind == "color":
        return boxes[shown[0]].color
    if question.kind == "size":
        order = sorted(boxes, key=lambda name: boxes[name].size)
        assert set(shown) == set(boxes) and boxes[order[1]].size > 1.5 * boxes[order[0]].size
        return order[1] if "bigger" in text else order[0]
    if question.kind == "background":
        return scene.background or "white"
    if question.kind == "style":
        return STYLES[scene.objects[0].style].words[0]
    relations = sorted((r for r in ("left of", "right of", "above", "below") if r in text), key=text.index)
    if question.kind == "place" and len(relations) == 1:
        (found,) = (name for name in boxes if name not in shown and holds(relations[0], boxes[name], boxes[shown[0]]))
        return found
    if question.kind == "place":
        (true,) = (relation for relation in relations if holds(relation, boxes[shown[0]], boxes[shown[1]]))
        return true.split()[0]
    if question.kind == "describe":
        return canonical(scene)
    # No answer: what is asked about is not there, or nothing is there.
    assert question.kind == "unanswerable"
    for name in shown:
        (relation,) = relations
        assert not any(holds(relation, item, boxes[name]) for item in scene.objects if item.name != name)
    return CANNOT_TELL


def reason_for(picture: Scene | Document, question: Question) -> str:
    """What is to be said before the answer, found again: what has to be looked at first."""
    if isinstance(picture, Scene):
        both = len(noun_in(question.text, picture.names)) > 0
        compares = question.kind == "place" or (question.kind == "unanswerable" and both)
        return canonical(picture).split(" on a")[0] if compares else ""
    if picture.kind == "receipt":
        prices = zip(picture.things, picture.prices, strict=True)
        lines = " and ".join(f"{thing.name} {price}" for thing, price in prices)
        one_by_one = re.search("how much is the |cost|price of|higher|lower", question.text)
        return lines if one_by_one and question.kind in ("receipt", "unanswerable") else ""
    level = dict(picture.bars)
    pair = noun_in(question.text, tuple(level)) if question.kind == "chart" else []
    return " and ".join(f"{color} {WORDS[level[color]]}" for color in pair) if len(pair) == 2 else ""


def paper_answer(document: Document, question: Question) -> str:
    text, level = question.text, dict(document.bars)
    price = {thing.name: cost for thing, cost in zip(document.things, document.prices, strict=True)}
    name = {"sign": "sign", "chart": "bar chart", "receipt": "receipt"}[document.kind]
    shown, bars = noun_in(text, tuple(price)), noun_in(text, tuple(level))
    if question.kind == "what":
        return name
    if question.kind == "exists":
        return "yes" if shown or name in text else "no"
    if question.kind == "read":
        return document.word
    if question.kind == "color":
        assert "sign" in text
        return document.color
    if question.kind == "background":
        return document.background
    if question.kind == "describe":
        return {
            "sign": "a sign",
            "chart": f"a bar chart with {WORDS[len(level)]} bars",
            "receipt": f"a receipt with {WORDS[len(price)]} things",
        }[document.kind]
    if question.kind == "chart":
        if re.search("read|say|list|bars", text) and not re.search("many|count", text):
            return " and ".join(f"{color} {WORDS[height]}" for color, height in document.bars)
        if "many" in text or "count" in text:
            return WORDS[len(level)]
        if "est" in text:
            return (max if "tallest" in text else min)(level, key=level.__getitem__)
        if len(bars) == 2:
            return "yes" if (level[bars[0]] > level[bars[1]]) != ("shorter" in text) else "no"
        return WORDS[level[bars[0]]]
    if question.kind == "receipt":
        if re.search("read|say|prices", text):
            return " and ".join(f"{thing} {cost}" for thing, cost in price.items())
        if len(shown) == 2:
            assert len({price[name] for name in shown}) == 2
            return (max if "more" in text or "higher" in text else min)(shown, key=price.__getitem__)
        if len(shown) == 1:
            return str(price[shown[0]])
        return WORDS[len(price)] if "how many" in text else str(sum(price.values()))
    assert question.kind == "unanswerable" and not shown and not bars
    own = {"sign": "sign", "chart": "est|chart|bars", "receipt": "total|sum|everything|receipt|prices"}[document.kind]
    assert not re.search(own, text)
    return CANNOT_TELL


@settings(deadline=None, max_examples=200)
@given(SEEDS)
def test_every_answer_is_true(seeds: tuple[int, str, int]) -> None:
    seed, split, order = seeds
    scene, document = make_scene(WORLD, OBJECTS, seed, split), make_document(WORLD, OBJECTS, seed, split)
    for question in scene_questions(scene, NOUNS, np.random.default_rng(order)):
        assert question.answer == scene_answer(scene, question), (scene.sentence, question)
        assert question.reason == reason_for(scene, question), (scene.sentence, question)
    for question in document_questions(document, NOUNS, np.random.default_rng(order)):
        assert question.answer == paper_answer(document, question), (document, question)
        # Sides are named in the order of the comparison: "shorter" names them the other way round.
        assert sorted(question.reason.split(" and ")) == sorted(reason_for(document, question).split(" and "))


@settings(deadline=None, max_examples=30)
@given(SEEDS)
def test_the_same_generator_asks_the_same(seeds: tuple[int, str, int]) -> None:
    seed, split, order = seeds
    scene, document = make_scene(WORLD, OBJECTS, seed, split), make_document(WORLD, OBJECTS, seed, split)
    for ask, picture in ((scene_questions, scene), (document_questions, document)):
        first, again = (ask(picture, NOUNS, np.random.default_rng(order)) for _ in range(2))
        assert first == again
        others = [ask(picture, NOUNS, np.random.default_rng(order + more)) for more in range(1, 9)]
        assert any(other != first for other in others)


def test_all_kinds_are_asked_in_several_wordings_and_never_with_two_answers() -> None:
    texts = defaultdict(set)
    for picture, questions in ASKED:
        answers = {}
        for question in questions:
            texts[question.kind].add(question.text)
            assert answers.setdefault(question.text, question.answer) == question.answer, picture
            assert question.spelled == (question.kind == "read")
    assert set(texts) == set(KINDS)
    assert all(len(found) >= 3 for found in texts.values())


def test_every_text_can_be_said_by_the_shipped_tokenizer() -> None:
    asked = [question for _, questions in ASKED for question in questions]
    texts = {text for question in asked for text in (question.text, question.answer)}
    assert len(texts) > 1000
    for text in texts | {question.reason for question in asked} - {""}:
        assert re.fullmatch(r"[a-z0-9 ,?.\-]+", text), text
    for text in texts | {question.said for question in asked}:
        tokens = TOKENIZER.tokenize(text)
        assert "[unk]" not in tokens and len(tokens) <= 22, text


def test_to_know_the_question_only_helps_little() -> None:
    answers: dict[str, Counter] = defaultdict(Counter)
    for picture, questions in ASKED:
        for question in questions:
            form = question.kind
            if question.kind == "count":
                form = "things" if "things" in question.text else "nouns"
            if question.answer in ("yes", "no"):
                form += "?"
            if {"left of", "right of"} <= set(re.findall("left of|right of", question.text)):
                form = "left or right"
            if question.kind == "unanswerable" and re.search("left of|right of|above|below", question.text):
                form = "place"
            answers[form][question.answer] += 1
            if "which is bigger" in question.text and isinstance(picture, Scene):
                answers["first named"][question.text.index(question.answer) < 25] += 1
    share = {form: max(found.values()) / found.total() for form, found in answers.items()}
    assert share["exists?"] == 0.5
    assert share["chart?"] < 0.6 and share["left or right"] < 0.6
    assert share["nouns"] < 0.35 and share["things"] < 0.5
    assert share["background"] < 0.25 and share["color"] < 0.25
    assert share["place"] < 0.6


def test_a_sensible_number_has_no_answer() -> None:
    found = Counter(question.answer == CANNOT_TELL for _, questions in ASKED for question in questions)
    assert 0.08 < found[True] / found.total() < 0.25


def test_a_thing_by_another_name_is_never_said_to_be_absent() -> None:
    scene = next(scene for scene, _ in ASKED if scene.kind == "single" and scene.names == ("taxi",))
    for seed in range(200):
        questions = scene_questions(scene, ["car", "eye", "taxi", "owl"], np.random.default_rng(seed))
        assert not any(re.search(r"\b(car|eye)s?\b", question.text) for question in questions)


def test_a_description_does_not_depend_on_how_the_scene_was_told() -> None:
    for scene, _ in ASKED:
        if scene.kind in ("place", "size", "two"):
            names = noun_in(canonical(scene), scene.names)
            first, second = (next(item for item in scene.objects if item.name == name) for name in names)
            if scene.kind == "size":
                assert first.size > second.size
            elif scene.kind == "place":
                relation = "left of" if " left of " in canonical(scene) else "above"
                assert relation in canonical(scene) and holds(relation, first, second)
            else:
                assert holds("above", first, second) or holds("left of", first, second)


@pytest.mark.parametrize("nouns", [[], ["dog"], ["nose", "dog"]])
def test_nouns_that_are_all_there_are_an_error(nouns: list[str]) -> None:
    scene = next(scene for scene, _ in ASKED if scene.kind == "single" and scene.names == ("dog",))
    with pytest.raises(ValueError, match="nouns must name a thing that is not in the picture"):
        scene_questions(scene, nouns, np.random.default_rng(0))
    receipt = next(document for document, _ in ASKED if document.kind == "receipt")
    with pytest.raises(ValueError, match="nouns must name a thing that is not in the picture"):
        document_questions(receipt, [thing.name for thing in receipt.things], np.random.default_rng(0))
