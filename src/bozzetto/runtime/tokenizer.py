"""Words to numbers: a WordPiece tokenizer (Schuster & Nakajima 2012) small enough to write again in a web page.

Text is lower-cased, accents are dropped, and it is cut into runs of letters, single digits and single marks. A run that
is not in the vocabulary is cut into the longest pieces that are, from the left; pieces inside a word start with "##".
What cannot be spelt at all becomes [unk]. Every sequence starts with [start] and is padded with [pad] = 0.
"""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

CONTEXT_LENGTH = 24
SPECIAL = ("[pad]", "[start]", "[unk]")
_RUNS = re.compile(r"[a-z]+|[0-9]|[^\sa-z0-9]")


def split_words(text: str) -> list[str]:
    """'A café: 10' -> ['a', 'cafe', ':', '1', '0']."""
    plain = unicodedata.normalize("NFKD", text.lower())
    return _RUNS.findall("".join(char for char in plain if not unicodedata.combining(char)))


def join_pieces(pieces: Sequence[str]) -> list[str]:
    """Tokens as what each adds to a text: ['a', 'cat', '##s', ',', '1', '0'] -> ['a', ' cat', 's', ',', ' 1', '0']."""
    texts = []
    for before, piece in zip(["", *pieces], pieces, strict=False):
        glued = not before or piece.startswith("##") or piece in ",.:?" or (before.isdigit() and piece.isdigit())
        texts.append(piece.removeprefix("##") if glued else " " + piece)
    return texts


class Tokenizer:
    """Callable: texts -> int64 [B, context_length]. `vocabulary` lists the tokens in order of their numbers."""

    def __init__(self, vocabulary: Sequence[str], context_length: int = CONTEXT_LENGTH):
        if tuple(vocabulary[: len(SPECIAL)]) != SPECIAL:
            raise ValueError(f"a vocabulary starts with {', '.join(SPECIAL)}; this one starts with {vocabulary[:3]}")
        self.vocabulary, self.context_length = list(vocabulary), context_length
        self.number = {token: i for i, token in enumerate(self.vocabulary)}

    @classmethod
    def load(cls, path: Path, context_length: int = CONTEXT_LENGTH) -> "Tokenizer":
        """Read a vocabulary file: one token a line."""
        return cls(path.read_text(encoding="utf-8").split("\n")[:-1], context_length)

    def save(self, path: Path) -> None:
        path.write_text("\n".join(self.vocabulary) + "\n", encoding="utf-8")

    def pieces(self, word: str) -> list[str]:
        """The tokens of one word, longest first from the left; ['[unk]'] when it cannot be spelt."""
        found, start = [], 0
        while start < len(word):
            prefix = "##" if start else ""
            end = next((e for e in range(len(word), start, -1) if prefix + word[start:e] in self.number), None)
            if end is None:
                return ["[unk]"]
            found.append(prefix + word[start:end])
            start = end
        return found

    def tokenize(self, text: str) -> list[str]:
        return [piece for word in split_words(text) for piece in self.pieces(word)]

    def encode(self, text: str) -> list[int]:
        """[start] and the numbers of all tokens, not cut and not padded."""
        return [1, *(self.number[piece] for piece in self.tokenize(text))]

    def spell(self, word: str) -> list[int]:
        """A word as the numbers of its letters, one by one: 'stop' -> s, ##t, ##o, ##p."""
        return [self.number["##" * bool(i) + letter] for i, letter in enumerate(word)]

    def __call__(self, texts: str | Sequence[str]) -> np.ndarray:
        """int64 [B, context_length], after [start] one number a token; what is longer is cut."""
        texts = [texts] if isinstance(texts, str) else texts
        rows = np.zeros((len(texts), self.context_length), np.int64)
        for row, text in zip(rows, texts, strict=True):
            numbers = self.encode(text)[: self.context_length]
            row[: len(numbers)] = numbers
        return rows
