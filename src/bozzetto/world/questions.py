"""Questions about a picture with answers that are true by construction.

Scenes and documents know their facts, so every question below has exactly one right answer: it can train the
vision-language model and grade it by comparing strings, with no judge in between (as CLEVR did for reasoning, Johnson
et al. 2017, arXiv 1612.06890). A share of the questions has no answer in the picture; saying so is the right answer
(POPE, Li et al. 2023, arXiv 2305.10355, measures how rarely large models do).

A question that needs two looks is answered after a reason, "a cat left of a dog: left": a small network learns to find
one thing at a time, and what it has said it can look at again (Nye et al. 2021, arXiv 2112.00114).

Answers are balanced against a guesser that sees the question only: yes and no come equally often, things are named in
a random order, and a question whose answer is nearly always the same is asked rarely.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bozzetto.world.captions import article
from bozzetto.world.documents import Document
from bozzetto.world.scenes import COLORS, NUMBERS, OPPOSITE, Scene, describe, plural
from bozzetto.world.styles import STYLES

KINDS = (
    "what",
    "count",
    "color",
    "place",
    "size",
    "exists",
    "style",
    "background",
    "describe",
    "read",
    "chart",
    "receipt",
    "unanswerable",
)
CANNOT_TELL = "i cannot tell"
DOCUMENT_NAMES = {"sign": "sign", "chart": "bar chart", "receipt": "receipt"}

_WORDS = tomllib.loads((Path(__file__).parent / "questions.toml").read_text(encoding="utf-8"))
# Questions about one kind of document: asked of another picture, they have no answer.
_ONLY = {"sign": ("read",), "chart": ("tallest", "shortest", "bars"), "receipt": ("total", "lines")}
# How often a question is asked whose answer can nearly be guessed, such as one object and not five.
_RARELY = 1 / 16
# How often for a question of the unanswerable kinds, so that about as many of their form have an answer.
_SOMETIMES = 1 / 4
_MAX_DRAWS = 1000


@dataclass(frozen=True)
class Question:
    """A question, its kind and the one right answer; `spelled` answers are to be said letter by letter. `reason`: what
    of the picture is to be said before the answer, or nothing."""

    kind: str
    text: str
    answer: str
    spelled: bool = False
    reason: str = ""

    @property
    def said(self) -> str:
        """The whole answer as it is to be said."""
        return f"{self.reason}: {self.answer}" if self.reason else self.answer


def scene_questions(scene: Scene, nouns: Sequence[str], rng: np.random.Generator) -> list[Question]:
    """Questions the scene answers, or does not, in wordings drawn at random; a rare kind not every time.

    nouns: names of things to ask for that are not there. Raises ValueError when all of them are there.
    """
    names = scene.names
    first, last = names[0], names[-1]
    absent = _absent(nouns, names, rng)
    asked = []
    if not scene.color:  # a thing in another colour has lost the shades that tell a style
        asked.append(_ask("style", "style", STYLES[scene.objects[0].style].words[0], rng))
    if len(names) == 1:
        asked.append(_ask("what", "what", first, rng))
    # Most scenes show one of a thing, or two things.
    if scene.kind == "count" or rng.random() < _RARELY:
        count = scene.count if len(names) == 1 else 1
        asked.append(_ask("count", "count", NUMBERS[count], rng, many=plural(_pick(names, rng))))
    if scene.kind == "count" or rng.random() < _RARELY:
        asked.append(_ask("count", "count", NUMBERS[scene.count], rng, many="things"))
    if rng.random() < _RARELY:
        asked.append(_ask("count", "count", "zero", rng, many=plural(absent)))
    if scene.background or rng.random() < _RARELY:
        asked.append(_ask("background", "background", scene.background or "white", rng))
    if scene.color:
        asked.append(_ask("color", "color", scene.color, rng, one=first))
    if scene.kind == "place" and scene.relation:
        asked += _place(first, last, scene.relation, canonical(replace(scene, background=None)), rng)
    if scene.kind == "size":
        big, small = names if scene.relation == "bigger than" else names[::-1]
        one, other = _shuffled(names, rng)
        asked.append(_ask("size", "bigger", big, rng, one=one, other=other))
        one, other = _shuffled(names, rng)
        asked.append(_ask("size", "smaller", small, rng, one=one, other=other))
    asked += _exist([name for name in names if name not in _WORDS["parts"]], absent, rng)
    asked.append(_ask("describe", "describe", canonical(scene), rng))
    if rng.random() < _SOMETIMES:
        wordings, relation = _pick(("color", "place"), rng), _pick(("left of", "right of", "above", "below"), rng)
        asked.append(_ask("unanswerable", wordings, CANNOT_TELL, rng, one=absent, relation=relation))
    documents = [kind for kind in _ONLY if kind != "sign" or not any("sign" in name for name in names)]
    return asked + _untold(documents, rng)


def document_questions(document: Document, nouns: Sequence[str], rng: np.random.Generator) -> list[Question]:
    """Questions the document answers, or does not; arguments and errors as for scene_questions."""
    names = tuple(thing.name for thing in document.things)
    absent = _absent(nouns, names, rng)
    name = DOCUMENT_NAMES[document.kind]
    asked = [_ask("what", "what", name, rng)]
    asked += _exist([name], _pick([other for other in DOCUMENT_NAMES.values() if other != name], rng), rng)
    if document.kind == "sign":
        shown = "a sign"
        asked.append(_ask("read", "read", document.word, rng, spelled=True))
        asked.append(_ask("color", "color", document.color, rng, one="sign"))
        asked.append(_ask("background", "background", document.background, rng))
    elif document.kind == "chart":
        shown = f"a bar chart with {NUMBERS[len(document.bars)]} bars"
        asked += _chart(document.bars, rng)
    else:
        shown = f"a receipt with {NUMBERS[len(names)]} things"
        asked += _exist([name for name in names if name not in _WORDS["parts"]], absent, rng)
        asked += _receipt(names, document.prices, absent, rng)
    asked.append(_ask("describe", "describe", shown, rng))
    return asked + _untold([kind for kind in _ONLY if kind != document.kind], rng)


def canonical(scene: Scene) -> str:
    """The one sentence that describes a scene, so that an answer can be compared with it.

    What is left, above or bigger comes first; two things without a relation come in reading order.
    """
    names, relation = scene.names, scene.relation
    if relation in ("right of", "below", "smaller than"):
        names, relation = names[::-1], OPPOSITE[relation]
    elif scene.kind == "two":
        in_order = sorted(scene.objects, key=lambda item: (item.y // 32, item.x // 32))
        names = tuple(item.name for item in in_order)
    return describe(scene.kind, names, scene.count, scene.color, relation, scene.background, 0)


def _place(one: str, other: str, relation: str, reason: str, rng: np.random.Generator) -> list[Question]:
    """`relation` holds of one to the other, and `reason` says so."""
    if rng.random() < 0.5:
        one, other, relation = other, one, OPPOSITE[relation]
    asked = [_ask("place", "place", one, rng, reason=reason, relation=relation, one=other)]
    if rng.random() < 0.5:
        # Nothing is on that side: without this question, to name the other thing would always be right.
        asked.append(_ask("unanswerable", "place", CANNOT_TELL, rng, reason=reason, relation=relation, one=one))
    if rng.random() < 0.5:
        one, other, relation = other, one, OPPOSITE[relation]
    side, opposite = relation.split()[0], OPPOSITE[relation]
    return [
        *asked,
        _ask("place", "side", side, rng, reason=reason, one=one, other=other, relation=relation, opposite=opposite),
    ]


def _chart(bars: tuple[tuple[str, int], ...], rng: np.random.Generator) -> list[Question]:
    level = dict(bars)
    lowest, *_, highest = sorted(level, key=level.__getitem__)
    one, other = [bars[at][0] for at in rng.permutation(len(bars))[:2]]
    asked = [
        _ask("chart", "tallest", highest, rng),
        _ask("chart", "shortest", lowest, rng),
        *(_ask("chart", "level", NUMBERS[level[some]], rng, one=some) for some in (one, other)),
        _ask("chart", "count", NUMBERS[len(bars)], rng, many="bars"),
        _ask(
            "chart",
            "taller",
            "yes" if level[one] > level[other] else "no",
            rng,
            reason=_read_aloud({one: NUMBERS[level[one]], other: NUMBERS[level[other]]}),
            one=one,
            other=other,
        ),
        _ask("chart", "bars", _read_aloud({color: NUMBERS[level] for color, level in bars}), rng),
    ]
    if rng.random() < _SOMETIMES:
        missing = _pick([color for color in COLORS if color not in level], rng)
        asked.append(_ask("unanswerable", "level", CANNOT_TELL, rng, one=missing))
    return asked


def _receipt(names: tuple[str, ...], prices: tuple[int, ...], absent: str, rng: np.random.Generator) -> list[Question]:
    price = dict(zip(names, prices, strict=True))
    reading = _read_aloud(price)
    asked = [
        _ask("receipt", "total", str(sum(prices)), rng),
        _ask("receipt", "bought", NUMBERS[len(names)], rng),
        _ask("receipt", "lines", reading, rng),
    ]
    one, other = _shuffled(names, rng)[:2]
    asked += [_ask("receipt", "price", str(price[some]), rng, reason=reading, one=some) for some in (one, other)]
    if price[one] != price[other]:
        cheap, dear = sorted((one, other), key=price.__getitem__)
        key, answer = _pick((("dearer", dear), ("cheaper", cheap)), rng)
        asked.append(_ask("receipt", key, answer, rng, reason=reading, one=one, other=other))
    if rng.random() < _SOMETIMES:
        asked.append(_ask("unanswerable", "price", CANNOT_TELL, rng, reason=reading, one=absent))
    return asked


def _read_aloud(values: Mapping[str, str | int]) -> str:
    """{"red": "two", "blue": "five"} -> "red two and blue five"."""
    return " and ".join(f"{name} {value}" for name, value in values.items())


def _exist(present: list[str], absent: str, rng: np.random.Generator) -> list[Question]:
    """One question to be answered with yes and one with no; none when nothing may be asked for."""
    if not present:
        return []
    pair = ((_pick(present, rng), "yes"), (absent, "no"))
    return [_ask("exists", "exists", answer, rng, a=f"{article(name)} {name}") for name, answer in pair]


def _untold(documents: list[str], rng: np.random.Generator) -> list[Question]:
    """Sometimes a question about a document that is not there, sometimes one that no picture answers."""
    keys = []
    if rng.random() < _SOMETIMES:
        keys.append(_pick(_ONLY[_pick(documents, rng)], rng))
    if rng.random() < _SOMETIMES:
        keys.append("untold")
    return [_ask("unanswerable", key, CANNOT_TELL, rng) for key in keys]


def _ask(
    kind: str,
    wordings: str,
    answer: str,
    rng: np.random.Generator,
    *,
    spelled: bool = False,
    reason: str = "",
    **words: str,
) -> Question:
    return Question(kind, _pick(_WORDS["wordings"][wordings], rng).format(**words), answer, spelled, reason)


def _absent(nouns: Sequence[str], names: Sequence[str], rng: np.random.Generator) -> str:
    """A noun for something that is certainly not there: not "car" when there is a police car or a taxi."""
    for _ in range(_MAX_DRAWS if nouns else 0):
        noun = _pick(nouns, rng)
        alike = any(noun in name or name in noun or name in _WORDS["may_mean"].get(noun, ()) for name in names)
        if not alike and noun not in _WORDS["parts"]:
            return noun
    raise ValueError("nouns must name a thing that is not in the picture; give the nouns of all objects")


def _shuffled(names: Sequence[str], rng: np.random.Generator) -> list[str]:
    return [names[at] for at in rng.permutation(len(names))]


def _pick(options: Sequence, rng: np.random.Generator):
    return options[int(rng.integers(len(options)))]
