"""Words for pictures: what a person would type to get this picture.

A training caption is drawn at random from templates over a picture's name, its everyday keywords and its
style. Several wordings of one fact teach a text tower that the wording is not the fact, and averaging such
templates is the prompt ensemble of zero-shot CLIP (Radford et al. 2021, arXiv 2103.00020, section 3.1.4).

To grade words that were never seen, about a tenth of all (concept, single-word keyword) pairs is held out by
a hash: it never enters a caption, whatever the seed, the machine or the order of the data.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

import numpy as np

from bozzetto.errors import one_of
from bozzetto.world.styles import STYLES

HELD_OUT_SHARE = 0.1


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SPOKEN = str.maketrans({"#": " hash ", "*": " asterisk ", "&": " and ", "’": "'", "_": " "})
# True of hundreds of pictures, so never a whole caption.
_TOO_GENERAL = _words(
    "face animal nature food fruit drink person people symbol sign object vehicle body thing emotion "
    "emoji plant place building sport activity tool clothing music item travel man woman adult gesture"
)
_SMALL_WORDS = _words("with of in on over without under at for behind blowing wearing")
_NO_ARTICLE = _words(
    "popcorn bread bacon butter salt rice food broccoli garlic ice sake mate spaghetti sushi oden fondue "
    "yarn thread soap wood confetti fog fire clothing jewelry dna up down money tennis badminton bowling "
    "hockey lacrosse pong camping cooking racing breast-feeding coral hair fuji star-struck cinema "
    "wireless infinity information customs zzz rolling kiss"
)
_PERSON = _words("person man woman face")
_PLURAL = _words("two men women people santa mount")
_TEMPLATE_WORDS = _words("picture drawing icon emoji style") | _words(
    " ".join(word for style in STYLES.values() for word in style.words)
)
# Letters that mislead: spelled with a vowel but said with a consonant, and the other way round.
_SAYS_A = ("uni", "use", "eu", "one", "once", "ukulele", "ufo", "utensil")
_SAYS_AN = ("hour", "honest", "x-ray", "mri")


def hash_draw(*parts: str) -> float:
    """A fixed pseudo-random number in [0, 1) for these strings (SHA-256), the same on every machine."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def plain_name(name: str) -> str:
    """The name as a class label: lower case, no accents, no punctuation but inner hyphens and apostrophes.

    `plain_name("Japanese “here” button") == "japanese here button"`. Raises ValueError when no word is left.
    """
    folded = unicodedata.normalize("NFKD", name.translate(_SPOKEN)).encode("ascii", "ignore").decode().lower()
    words = [word.strip("'-") for word in re.sub(r"[^a-z0-9'\- ]", " ", folded).split()]
    plain = " ".join(word for word in words if word)
    if not plain:
        raise ValueError(f"name has no word in it: {name!r}; give a name with at least one letter or digit")
    return plain


def article(phrase: str) -> str:
    """The article said before a phrase: "a" or "an"."""
    if phrase.startswith(_SAYS_AN):
        return "an"
    return "an" if phrase[0] in "aeiou" and not phrase.startswith(_SAYS_A) else "a"


def with_article(name: str) -> str:
    """A plain name as a noun phrase: "a robot", "an owl", but "grapes" and "popcorn" as they are."""
    words = name.split()
    before = next((i for i, word in enumerate(words) if i and word in _SMALL_WORDS), len(words))
    first, head = words[0], words[before - 1]
    plural = head.endswith("s") and not head.endswith(("ss", "us", "is", "eros", "'s", "lens"))
    bare = plural or head in _NO_ARTICLE or first in _PLURAL or first[0].isdigit()
    if bare and first not in _PERSON:
        return name
    return f"{article(name)} {name}"


def templates(name: str) -> list[str]:
    """Wordings of one name to average for a zero-shot label; all of them also occur in training captions."""
    plain = plain_name(name)
    noun = with_article(plain)
    return [plain, noun, f"{plain} emoji", f"a picture of {noun}", f"a drawing of {noun}", f"an icon of {noun}"]


def held_out_keywords(codepoints: str, keywords: Iterable[str], name: str) -> set[str]:
    """The keywords of this concept that no training caption may use: about a tenth of its single words.

    A word of the name or of the templates is never held out (any caption may say it), and singular and plural
    of a word are held out together. Depends on nothing but the arguments.
    """
    always = {_stem(word) for word in re.split(r"[ \-]", plain_name(name))} | _TEMPLATE_WORDS
    words = {word for word in map(_clean, keywords) if word and " " not in word}
    stems = {word: _stem(word) for word in words}
    return {word for word, stem in stems.items() if stem not in always and hash_draw(codepoints, stem) < HELD_OUT_SHARE}


def caption(name: str, keywords: Iterable[str], style: str | None, rng: np.random.Generator, *, codepoints: str) -> str:
    """One training caption: mostly the name, sometimes keywords, sometimes the style (never if it is None). With the
    style "", of one's own pictures, it is the name as it is.

    `codepoints` is the concept's key; its held-out keywords are left out. Raises ValueError on an
    unknown style.
    """
    if style == "":
        return name
    if style is not None:
        one_of("style", style, STYLES)
    plain = plain_name(name)
    words = usable_keywords(codepoints, keywords, name)
    alone = [word for word in words if word not in _TOO_GENERAL]
    draw = rng.random()
    if draw < 0.2 and alone:
        word = _pick(alone, rng)
        text = word if rng.random() < 0.7 else f"{word} emoji"
    elif draw < 0.4 and words:
        extra = [words[i] for i in rng.permutation(len(words))[: 1 + (rng.random() < 0.4)]]
        noun = plain if rng.random() < 0.5 else with_article(plain)
        text = ", ".join([noun, *extra])
    else:
        text = _pick(templates(name), rng, [0.3, 0.3, 0.1, 0.1, 0.1, 0.1])
    if style is None or rng.random() >= 0.3:
        return text
    spoken = _pick(STYLES[style].words, rng, None if rng.random() < 0.5 else [1.0, 0.0])
    if text == plain and rng.random() < 0.5:
        return f"{spoken} style {text}"
    return f"{text}, {spoken} style"


def usable_keywords(codepoints: str, keywords: Iterable[str], name: str) -> list[str]:
    """The clean keywords (one or two words, letters only) that captions may use, in order, each once."""
    held_out = {_stem(word) for word in held_out_keywords(codepoints, keywords, name)}
    plain = plain_name(name)
    cleaned = dict.fromkeys(word for word in map(_clean, keywords) if word and word != plain)
    return [word for word in cleaned if not held_out & {_stem(part) for part in re.split(r"[ \-]", word)}]


def _clean(keyword: str) -> str:
    """A keyword as it would be typed, or "" if it is no everyday word (":D", "cursed face of doom")."""
    text = keyword.translate(_SPOKEN).lower().strip()
    return text if re.fullmatch(r"[a-z][a-z\-']+( [a-z\-']+)?", text) and 3 <= len(text) <= 20 else ""


def _stem(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us")) and len(word) > 3 else word


def _pick(options: list[str] | tuple[str, ...], rng: np.random.Generator, weights=None) -> str:
    if weights is None:
        return options[int(rng.integers(len(options)))]
    return options[int(rng.choice(len(options), p=weights))]
