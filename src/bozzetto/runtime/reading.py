"""Text as people type it, made readable for the tokenizer: emoji become their names, what cannot be seen is dropped.

Emoji are the subject of the picture world, so "a 🐶 with a 🎩" is read as "a dog face with a top hat", by the names of
Unicode CLDR, in emoji.tsv (scripts/emoji_names.py writes it). Variation selectors and skin tones are left out first;
then, from the left, the longest sequence of characters that has a name becomes that name, with a space on both sides.
What is invisible after that goes: it is no word, and nobody could tell why a picture changed.

Ordinary text stays as it is. web/runtime/ must read in the same way; tests/golden/reading.json holds it to that.
"""

import re
from functools import cache
from pathlib import Path

NAMES = Path(__file__).with_name("emoji.tsv")
_VARIANTS = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")
# Unicode's Default_Ignorable_Code_Point, and the control characters that are no white space.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)


@cache
def emoji_names() -> dict[str, str]:
    """The name of each emoji, a sequence of characters without variation selectors and skin tones."""
    lines = NAMES.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


def readable(text: str) -> str:
    """'two 🍎🍎' -> 'two  red apple  red apple '. Text without emoji and invisible characters is returned as it is."""
    if not text.isascii():
        names, text = emoji_names(), _VARIANTS.sub("", text)
        longest = max(map(len, names))
        said, at = [], 0
        while at < len(text):
            ends = range(min(len(text), at + longest), at, -1)
            end = next((end for end in ends if text[at:end] in names), None)
            said.append(text[at] if end is None else f" {names[text[at:end]]} ")
            at = end or at + 1
        text = "".join(said)
    return _INVISIBLE.sub("", text)
