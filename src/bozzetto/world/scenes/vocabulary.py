"""The words and colours that scenes are made of, and how a sentence says each kind of fact."""

import tomllib
from pathlib import Path

KINDS = ("single", "count", "color", "place", "size", "two")
COUNTS = (2, 3, 4, 5)
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (222, 45, 45),
    "orange": (250, 140, 25),
    "yellow": (252, 214, 48),
    "green": (62, 168, 66),
    "blue": (45, 110, 225),
    "purple": (138, 66, 190),
    "pink": (250, 140, 190),
    "brown": (132, 84, 50),
}
BACKGROUNDS = {**COLORS, "white": (255, 255, 255), "gray": (140, 140, 140), "black": (20, 20, 20)}
OPPOSITE = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
    "bigger than": "smaller than",
    "smaller than": "bigger than",
}

_WORDS = tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))
# What can stand in a scene, by its noun: the name of the concept.
NOUNS: dict[str, str] = {noun: _WORDS["concepts"].get(noun, noun) for noun in _WORDS["nouns"]}
WORDINGS: dict[str, list[str]] = _WORDS["wordings"]
BACKGROUND_WORDINGS = (" on {a} background", " with {a} background", " on {color}", ", {color} background")
NUMBERS = ("zero", "one", "two", "three", "four", "five")


def plural(noun: str) -> str:
    """The plural of an English noun phrase: "hot dog" -> "hot dogs", "mouse" -> "mice", "fish" -> "fish"."""
    *before, word = noun.split()
    if word in _WORDS["plurals"]:
        many = _WORDS["plurals"][word]
    elif word.endswith(("s", "sh", "ch", "x", "z")):
        many = word + "es"
    elif word.endswith("y") and word[-2:-1] not in ("a", "e", "o", "u"):
        many = word[:-1] + "ies"
    else:
        many = word + "s"
    return " ".join([*before, many])
