"""Tiny stories about scenes, told from a plot and read back: an endless grammar whose facts are exactly known.

The first sentence is the caption of a scene, "three red cats left of a robot", which text-to-image draws. The next give
a name or say where things are; then something is wanted, for a reason; something is done about it; and it ends. What is
said later speaks of the first facts again, so a reader can tell whether it agrees: the same things, colours, numbers
and places, the name once given, the thing wanted, a reason that fits. stories.toml has the sentences.

Text is in lower case, a sentence ends with " ." as the tokenizer cuts it; `readable` writes it as people do.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bozzetto.world.captions import article
from bozzetto.world.scenes.vocabulary import BACKGROUNDS, NUMBERS, OPPOSITE, plural

_TABLE = tomllib.loads((Path(__file__).parent / "stories.toml").read_text(encoding="utf-8"))
WORDS: dict[str, list[str]] = _TABLE["words"] | {"colour": list(BACKGROUNDS), "relation": list(OPPOSITE)}
TRAITS = [*BACKGROUNDS, *WORDS["trait"]]  # what stands before a noun
TOGETHER = ("and", "with")  # no place, only two things
GOALS = ("get", "do", "be", "meet")
MOST = 58  # words and marks of a story
_IRREGULAR = {"be": "is", "have": "has", "go": "goes"}
_PRONOUNS = {"they": ("it", "they"), "them": ("it", "them"), "their": ("its", "their")}
_VOWELS = ("a", "e", "i", "o", "u", "an", "or", "el", "im", "us")
_SYLLABLES = [start + end for start in "bdfgklmnprstvz" for end in _VOWELS]
_MADE_UP = re.compile(f"(?:[bdfgklmnprstvz](?:{'|'.join(_VOWELS)})){{2,3}}")


@dataclass(frozen=True)
class Thing:
    """A noun, how many, and a colour or another trait; in what is said later number 0 and trait "" are left unsaid."""

    noun: str
    count: int = 1
    trait: str = ""


@dataclass(frozen=True)
class Plot:
    """The facts of a story. relation: of the hero to the other, a key of OPPOSITE or one of TOGETHER, "" for a hero
    alone. goal: one of GOALS; aim: the thing, activity or colour that is wanted, "" where it is the other."""

    hero: Thing
    relation: str
    other: Thing | None
    name: str
    goal: str
    aim: Thing | str


Facts = list[tuple[str, Any]]
"""What a sentence states: ("who", Thing), ("name", "pip"), ("relation", "left of"), ("goal", "get"), ..."""
Forms = dict[str, list[tuple[str, bool]]]


# ---------------------------------------------------------------- telling


def make_story(seed: int, nouns: Sequence[str], invented: float = 0.1) -> str:
    """The story of a seed (from 0): three to six sentences. invented: the share of things that have a made-up noun, so
    that a writer learns to spell a word that it doesn't know."""
    rng = np.random.default_rng(seed)
    while True:
        text = tell(make_plot(rng, nouns, invented), nouns, rng)
        if len(text.split()) <= MOST:
            return text


def make_plot(rng: np.random.Generator, nouns: Sequence[str], invented: float = 0.0) -> Plot:
    def noun() -> str:
        if rng.random() < invented:
            return "".join(_pick(_SYLLABLES, rng) for _ in range(rng.integers(2, 4)))
        return _pick(nouns, rng)

    def trait(often: float) -> str:
        return _pick(_pick((list(BACKGROUNDS), WORDS["trait"]), rng), rng) if rng.random() < often else ""

    hero = Thing(noun(), int(rng.integers(2, 6)) if rng.random() < 0.25 else 1, trait(0.7))
    relation, other = "", None
    if rng.random() < 0.6:
        relation = _pick((*OPPOSITE, *TOGETHER), rng)
        other = Thing(noun(), 1, trait(0.5))
    goal = _pick(GOALS if other else GOALS[:-1], rng)
    colours = [colour for colour in BACKGROUNDS if colour != hero.trait]
    aims = {"get": Thing(noun(), 1, trait(0.4)), "do": _pick(WORDS["act"], rng), "be": _pick(colours, rng), "meet": ""}
    name = _pick(WORDS["name"], rng) if hero.count == 1 and rng.random() < 0.4 else ""
    distinct = {thing.noun for thing in (hero, other, aims[goal]) if isinstance(thing, Thing)}
    if len(distinct) < 1 + bool(other) + (goal == "get"):
        return make_plot(rng, nouns, invented)
    return Plot(hero, relation, other, name, goal, aims[goal])


def tell(plot: Plot, nouns: Sequence[str], rng: np.random.Generator) -> str:
    """The story of a plot, in words drawn at random."""
    named, goal = False, plot.goal

    def say(template: str) -> str:
        return " ".join(_say(item, plot, nouns, named, rng) for item in template.split())

    first = _with_a(plot.hero)
    if plot.other:
        first += f" {plot.relation} {_with_a(plot.other)}"
    sentences = [first]
    if plot.name:
        sentences.append(say(_pick(_TABLE["named"]["one"], rng)))
        named = True
    elif rng.random() < 0.6:
        placed = _TABLE["named"]["placed"][0 if plot.relation in OPPOSITE else 3 :]
        sentences.append(say(_pick(placed if plot.other and rng.random() < 0.7 else _TABLE["named"]["set"], rng)))
    sentences.append(say(_pick(_TABLE["want"][goal], rng)))
    if rng.random() < 0.6:
        sentences[-1] += " because " + say(_pick(_TABLE["reason"][_reasons(goal, plot.aim)], rng))
    for _ in range(rng.integers(0, 3)):
        sentences.append(say(_pick(_TABLE["do"]["any" if rng.random() < 0.6 else goal], rng)))
    sentences.append(say(_pick(_TABLE["end"][goal], rng)))
    return "".join(f"{sentence} . " for sentence in sentences).strip()


def _say(item: str, plot: Plot, nouns: Sequence[str], named: bool, rng: np.random.Generator) -> str:
    """One item of a template in words."""
    many, slot = plot.hero.count > 1, item[1:-1]
    if item[0] == "<":
        return _agreeing(str(plot.aim) if slot == "act" else slot, many)
    if item[0] != "{":
        return item
    if slot in _PRONOUNS:
        return _PRONOUNS[slot][many]
    if slot in ("who", "hero"):
        if slot == "who" and rng.random() < 0.5:
            return _PRONOUNS["they"][many]
        return plot.name if slot == "who" and named and rng.random() < 0.5 else _with_the(plot.hero, rng)
    if slot == "thing":
        trait = _pick(TRAITS, rng) if rng.random() < 0.5 else ""
        return _with_a(Thing(_pick(nouns, rng), 1, trait))
    told: dict[str, Callable[[], str]] = {
        "other": lambda: _with_the(plot.other, rng),
        "a_wish": lambda: _with_a(plot.aim),
        "the_wish": lambda: _with_the(plot.aim, rng),
        "act": lambda: str(plot.aim),
        "colour": lambda: str(plot.aim),
        "name": lambda: plot.name,
        "relation": lambda: plot.relation,
        "converse": lambda: OPPOSITE[plot.relation],
    }
    return told[slot]() if slot in told else _pick(WORDS[slot], rng)


def _with_a(thing: Any) -> str:
    """ "a red cat", "three cats"."""
    said = f"{thing.trait} {plural(thing.noun) if thing.count > 1 else thing.noun}".strip()
    return f"{NUMBERS[thing.count] if thing.count > 1 else article(said)} {said}"


def _with_the(thing: Any, rng: np.random.Generator) -> str:
    """ "the red cat", "the cat", "the three cats"."""
    number = NUMBERS[thing.count] if thing.count > 1 and rng.random() < 0.5 else ""
    trait = thing.trait if rng.random() < 0.4 else ""
    return " ".join(filter(None, ["the", number, trait, plural(thing.noun) if thing.count > 1 else thing.noun]))


def _agreeing(verb: str, many: bool) -> str:
    """ "want" -> "wants", for one."""
    if many:
        return "are" if verb == "be" else verb
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith(("sh", "ch", "s", "x")) else "s")


def _reasons(goal: str, aim: Any) -> str:
    return str(aim) if goal == "do" else goal


def _pick(options: Sequence, rng: np.random.Generator) -> Any:
    return options[int(rng.integers(len(options)))]


def vocabulary(nouns: Sequence[str]) -> list[str]:
    """Every word of the grammar, in a fixed order."""
    parts = [templates for part in _TABLE if part != "words" for templates in _TABLE[part].values()]
    items = [item for templates in parts for template in templates for item in template.split()]
    verbs = [*WORDS["act"], *(item[1:-1] for item in items if item[0] == "<" and item != "<act>")]
    words = [
        *("a", "an", "the", "because", *TOGETHER, *NUMBERS[2:]),
        *(item for item in items if item[0] not in "<{"),
        *(_agreeing(verb, many) for verb in verbs for many in (False, True)),
        *(pronoun for pair in _PRONOUNS.values() for pronoun in pair),
        *(phrase for phrases in WORDS.values() for phrase in phrases),
        *(form for noun in nouns for form in (noun, plural(noun))),
    ]
    return list(dict.fromkeys(word for phrase in words for word in phrase.split()))


# ---------------------------------------------------------------- reading


def read_story(text: str, nouns: Sequence[str]) -> list[list[Facts]] | None:
    """For each sentence every way to read it, as the facts it states; None where the text is no story of the grammar.

    nouns: those it may use, beside the grammar's made-up ones.
    """
    *lines, end = [part.split() for part in text.lower().split(".")]
    if end or not 3 <= len(lines) <= 6:
        return None
    forms = _forms(tuple(nouns))
    first, last = list(_first(lines[0], forms)), list(_line("end", lines[-1], forms))
    for place in (1, 2):  # of the sentence that says what is wanted
        parts = ["named"] * (place - 1) + ["want"] + ["do"] * (len(lines) - place - 2)
        if len(parts) + 2 == len(lines) and parts.count("do") < 3:
            story = [first, *(list(_line(*pair, forms)) for pair in zip(parts, lines[1:-1], strict=True)), last]
            if all(story):
                return story
    return None


def contradictions(story: list[list[Facts]]) -> set[str]:
    """The kinds of facts in which a sentence disagrees with the first one, or with what is wanted: none where all is
    well. A sentence is read in the way that agrees best."""
    found = []
    for opening in story[0]:
        for way in (dict(facts) for ways in story[1:3] for facts in ways if "want" in dict(facts)):
            names = [value for ways in story[1:2] for facts in ways for key, value in facts if key == "named"]
            facts = dict(opening)
            name, aim = (names or [""])[0], way.get("aim", "")
            plot = Plot(facts["hero"], facts["joined"], facts["second"], name, way["want"], aim)
            wrong = ({min((_wrong(plot, facts) for facts in ways), key=len)} for ways in story)
            found.append(set().union(*(kinds for kind in wrong for kinds in kind)))
    return min(found, key=len)


def _wrong(plot: Plot, facts: Facts) -> frozenset[str]:
    return frozenset(key for key, value in facts if not _agrees(plot, key, value))


def _agrees(plot: Plot, key: str, value: Any) -> bool:
    things = {"who": plot.hero, "other": plot.other, "wish": plot.aim}
    if key in things:
        true = things[key]
        if not isinstance(true, Thing):
            return False
        number = value.count == true.count or (value.count == 0 and true.count > 1)
        return number and value.noun == true.noun and value.trait in ("", true.trait)
    told = {"many": plot.hero.count > 1, "name": plot.name, "relation": plot.relation, "goal": plot.goal}
    told |= {"aim": plot.aim, "reason": _reasons(plot.goal, plot.aim)}
    return key not in told or value == told[key]


@lru_cache(maxsize=8)
def _forms(nouns: tuple[str, ...]) -> Forms:
    """Of each noun in the singular and in the plural: the noun, and whether it is many."""
    forms: Forms = {}
    for noun in nouns:
        forms.setdefault(noun, []).append((noun, False))
        forms.setdefault(plural(noun), []).append((noun, True))
    return forms


@cache
def _templates(part: str) -> list[tuple[list[str], Facts]]:
    """The sentences of a part, cut in items, with what each states by itself."""
    states: dict[str, Callable[[str], Facts]] = {
        "named": lambda key: [],
        "want": lambda key: [("want", key)],
        "reason": lambda key: [("reason", key)],
    }
    state = states.get(part, lambda key: [] if key == "any" else [("goal", key)])
    return [(template.split(), state(key)) for key, templates in _TABLE[part].items() for template in templates]


def _first(words: list[str], forms: Forms) -> Iterator[Facts]:
    for hero, at in _things(words, 0, False, forms):
        if at == len(words):
            yield [("hero", hero), ("joined", ""), ("second", None)]
        for relation, after in _phrases(words, at, (*OPPOSITE, *TOGETHER)):
            for other, end in _things(words, after, False, forms):
                if end == len(words) and other.count == 1:
                    yield [("hero", hero), ("joined", relation), ("second", other)]


def _line(part: str, words: list[str], forms: Forms) -> Iterator[Facts]:
    if part == "want" and "because" in words:
        at = words.index("because")
        for wanted in _line(part, words[:at], forms):
            for reason in _line("reason", words[at + 1 :], forms):
                yield wanted + reason
        return
    for items, stated in _templates(part):
        for facts in _match(items, words, 0, None, forms):
            yield stated + facts


def _match(items: list[str], words: list[str], at: int, many: bool | None, forms: Forms) -> Iterator[Facts]:
    """The ways in which words from a place on are these items. many: whether the hero is, as far as was said."""
    if not items:
        if at == len(words):
            yield []
        return
    for facts, end, number in _item(items[0], words, at, forms):
        if None in (many, number) or many == number:
            for more in _match(items[1:], words, end, number if many is None else many, forms):
                yield facts + more


def _item(item: str, words: list[str], at: int, forms: Forms) -> Iterator[tuple[Facts, int, bool | None]]:
    """What one item states, where it ends, and whether it says that the hero is many."""
    slot, word = item[1:-1], words[at] if at < len(words) else ""
    if item[0] == "<":
        for verb in WORDS["act"] if slot == "act" else [slot]:
            for number in (False, True):
                if word == _agreeing(verb, number):
                    yield [("aim", verb)] if slot == "act" else [], at + 1, number
    elif item[0] != "{":
        if word == item:
            yield [], at + 1, None
    elif slot in _PRONOUNS:
        for number in (False, True):
            if word == _PRONOUNS[slot][number]:
                yield [("many", number)], at + 1, number
    elif slot in ("who", "hero"):
        if slot == "who":
            yield from _item("{they}", words, at, forms)
        if word in WORDS["name"]:
            yield [("name", word)], at + 1, False
        for thing, end in _things(words, at, True, forms):
            yield [("who", thing)], end, thing.count != 1
    elif slot in ("thing", "other", "a_wish", "the_wish"):
        for thing, end in _things(words, at, slot in ("other", "the_wish"), forms):
            if thing.count == 1:
                keys = {"other": "other", "a_wish": "aim", "the_wish": "wish"}
                yield [(keys[slot], thing)] if slot in keys else [], end, None
    else:
        keys = {"act": "aim", "colour": "aim", "name": "named", "relation": "relation", "converse": "relation"}
        for phrase, end in _phrases(words, at, WORDS["relation" if slot == "converse" else slot]):
            value = OPPOSITE[phrase] if slot == "converse" else phrase
            yield [(keys[slot], value)] if slot in keys else [], end, None


def _phrases(words: list[str], at: int, options: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Of these phrases those that stand at a place, and where each ends."""
    for size in range(1, 5):
        if (phrase := " ".join(words[at : at + size])) in options and at + size <= len(words):
            yield phrase, at + size


def _things(words: list[str], at: int, known: bool, forms: Forms) -> Iterator[tuple[Thing, int]]:
    """The things that are named at a place: "the three cats" where they are known, "three cats" or "a cat" else. The
    count of "the cats" is 0."""
    if at >= len(words) or (words[at] == "the") != known:
        return
    begin = at + known
    count = NUMBERS.index(words[begin]) if words[begin : begin + 1] and words[begin] in NUMBERS[2:] else 0
    determiner = words[begin : begin + 1] if not known and not count else []
    after = begin + bool(count) + len(determiner)
    traits = ["", *words[after : after + 1]] if words[after : after + 1] and words[after] in TRAITS else [""]
    for trait in traits:
        start = after + bool(trait)
        for noun, many, end in _nouns(words, start, forms):
            right = determiner in ([], [article(" ".join(words[after:end]))])
            if right and (many if count else known or not many):
                yield Thing(noun, count or (0 if many else 1), trait), end


def _nouns(words: list[str], at: int, forms: Forms) -> Iterator[tuple[str, bool, int]]:
    for size in (1, 2, 3):
        for noun, many in forms.get(" ".join(words[at : at + size]), ()) if at + size <= len(words) else ():
            yield noun, many, at + size
    for noun in {words[at][:cut] for cut in (None, -1, -2)} if at < len(words) else ():
        if _MADE_UP.fullmatch(noun):
            if noun == words[at]:
                yield noun, False, at + 1
            elif plural(noun) == words[at]:
                yield noun, True, at + 1
