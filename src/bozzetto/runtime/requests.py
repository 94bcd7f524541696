"""What a person may ask for: each check once, for the front door, the shell and a server alike.

Words are checked as the models will read them, see reading.py. All of it raises InvalidInput that names the argument.
"""

import warnings
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from bozzetto import pictures
from bozzetto.diffusion.noise import MAX_SEED
from bozzetto.errors import InputWarning, InvalidInput, whole_number
from bozzetto.pictures import Picture
from bozzetto.runtime.reading import readable
from bozzetto.runtime.tokenizer import Tokenizer, split_words

MAX_PROMPT = 300  # characters, of a question too
MAX_PICTURES = 100  # in one call
MAX_BEST_OF = 64
MAX_LABELS = 1000
MAX_LABEL = 100  # characters
MAX_QUESTION = 24  # tokens
LANGUAGE = "the model knows English words in Latin letters, and emoji"


def seeds(seed: int, n: int, best_of: int = 1) -> range:
    """The seeds of n pictures, or of the first drawing of each if it is the best of some: seed, seed + best_of, ..."""
    n, seed = whole_number("n", n, 1, MAX_PICTURES), whole_number("seed", seed, 0, MAX_SEED)
    best_of = whole_number("best_of", best_of, 1, MAX_BEST_OF)
    if seed + n * best_of - 1 > MAX_SEED:
        each = f", the best of {best_of} each" if best_of > 1 else ""
        raise InvalidInput(
            "seed", f"{seed} is too large for n = {n} pictures{each}: the last one would pass {MAX_SEED}"
        )
    return range(seed, seed + n * best_of, best_of)


# ---------------------------------------------------------------- words


def check_prompt(field: str, prompt: str, *, may_be_empty: bool = False) -> None:
    """The prompt must be text of a length that a sentence can have, with at least one word in it."""
    if not isinstance(prompt, str):
        raise InvalidInput(field, f"must be text, not {prompt!r}")
    if len(prompt) > MAX_PROMPT:
        raise InvalidInput(field, f"has {len(prompt)} characters: keep it to {MAX_PROMPT} at most")
    if not may_be_empty and not split_words(readable(prompt)):
        raise InvalidInput(field, 'is empty: say what to draw, "a happy robot" for example')


def check_drawing(
    prompt: str, negative_prompt: str, guidance_scale: float | None, tokenizer: Tokenizer
) -> list[InputWarning]:
    """The words of a picture, and of what it should move away from: what of them does nothing."""
    check_prompt("prompt", prompt)
    check_prompt("negative_prompt", negative_prompt, may_be_empty=True)
    notes = check_words("prompt", prompt, tokenizer) + check_words("negative_prompt", negative_prompt, tokenizer)
    if negative_prompt and guidance_scale == 1:
        why = "does nothing where {} is 1, which is no guidance: choose more"
        notes.append(InputWarning("negative_prompt", why, "guidance_scale"))
    return notes


def check_words(field: str, text: str, tokenizer: Tokenizer) -> list[InputWarning]:
    """Something in a text must be in letters that the model knows, unless the text is empty. What it does not read:
    words in other letters, and those that come after the end of the tower's context."""
    words = split_words(readable(text))
    foreign = {word for word in words if tokenizer.pieces(word) == ["[unk]"]}
    if foreign and foreign.issuperset(words):
        raise InvalidInput(field, f"{text!r} cannot be read: {LANGUAGE}")
    notes = []
    if foreign:
        parts = ("".join(word for word in split_words(part) if word in foreign) for part in readable(text).split())
        unread = " ".join(filter(None, parts))
        notes.append(InputWarning(field, f"has something that cannot be read: {unread!r}; {LANGUAGE}"))
    if late := unread_words(tokenizer, words):
        notes.append(InputWarning(field, f"is too long, so its end was not read: {' '.join(late)!r}"))
    return notes


def warn(notes: Iterable[InputWarning]) -> None:
    """Say it to who called the front door."""
    for note in notes:
        warnings.warn(note, stacklevel=3)


def unknown_words(tokenizer: Tokenizer, words: Iterable[str]) -> list[str]:
    """Those, each once, that are not in the vocabulary: read in pieces, or not at all."""
    return [word for word in dict.fromkeys(words) if tokenizer.pieces(word) != [word]]


def unread_words(tokenizer: Tokenizer, words: Sequence[str]) -> Sequence[str]:
    """Those at the end that do not fit the text tower's context any more."""
    room = tokenizer.context_length - 1  # the first token is [start]
    for index, word in enumerate(words):
        room -= len(tokenizer.pieces(word))
        if room < 0:
            return words[index:]
    return []


def check_labels(labels: Iterable[str], read: bool = True) -> list[str]:
    """The labels, each there once, without outer spaces; with `read` each must have a word that the model knows."""
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise InvalidInput("labels", f"must be a list of words, not {labels!r}")
    labels = list(labels)
    if not all(isinstance(label, str) for label in labels):
        raise InvalidInput("labels", f"must be a list of words, not {labels!r}")
    labels = [label.strip() for label in labels]
    if not 0 < len(labels) <= MAX_LABELS:
        example = "cat,dog,robot for example"
        raise InvalidInput("labels", f"must be 1 to {MAX_LABELS} words, {example}; there are {len(labels)}")
    for index, label in enumerate(labels):
        if not label:
            raise InvalidInput("labels", f"has an empty word at place {index + 1}: write them as cat,dog,robot")
        if len(label) > MAX_LABEL:
            raise InvalidInput("labels", f"has a word of {len(label)} characters: keep each to {MAX_LABEL} at most")
        if read and not any(word.isascii() and word.isalnum() for word in split_words(readable(label))):
            raise InvalidInput("labels", f"has {label!r}, which cannot be read: {LANGUAGE}")
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise InvalidInput("labels", f"names {twice!r} twice: name each label once")
    return labels


def check_question(question: str, tokenizer: Tokenizer) -> list[int]:
    """The question as tokens."""
    if not isinstance(question, str) or not question.strip():
        raise InvalidInput("question", "is empty: ask something, for example 'how many cats are there?'")
    if len(question) > MAX_PROMPT:
        raise InvalidInput("question", f"has {len(question):,} characters: {MAX_PROMPT} at most")
    tokens = tokenizer.encode(readable(question))[1:]
    if not tokens or tokens.count(tokenizer.number["[unk]"]) * 2 > len(tokens):
        raise InvalidInput("question", f"{question!r} cannot be read: {LANGUAGE}")
    if len(tokens) > MAX_QUESTION:
        raise InvalidInput("question", f"has {len(tokens)} tokens: {MAX_QUESTION} at most, make it shorter")
    return tokens


# ---------------------------------------------------------------- pictures


def painted(mask: Picture, size: tuple[int, int]) -> np.ndarray:
    """Where a mask for a picture of this size says to paint, when both are fitted to 64 x 64: bool [64,64]."""
    try:
        opened = pictures.open_picture(mask)
    except InvalidInput as error:
        raise type(error)("mask", error.why) from error
    (width, height), (wide, high) = opened.size, size
    if abs(width * high - height * wide) > max(width * high, height * wide) / pictures.SIZE:
        raise InvalidInput(
            "mask", f"is {width} x {height} and the picture {wide} x {high}: both must be of the same shape"
        )
    over_black = Image.alpha_composite(Image.new("RGBA", opened.size, "black"), opened)
    white = np.asarray(pictures.fit(over_black).convert("L")) > 127
    if not white.any():
        raise InvalidInput("mask", "is black everywhere: make white what is to be painted")
    return white
