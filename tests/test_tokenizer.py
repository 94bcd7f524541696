"""The tokenizer: pieces, unknowns, cutting, and what must never happen with any text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bozzetto.runtime.tokenizer import CONTEXT_LENGTH, SPECIAL, Tokenizer, split_words

VOCABULARY = [*SPECIAL, *"abcdefghijklmnopqrstuvwxyz", "##b", "##ful", "##s", "joy", "joyous", "cat", ":", "1"]
TOKENIZER = Tokenizer(VOCABULARY)


def test_words_are_cut_into_letters_digits_and_marks():
    assert split_words("A Café: 10!") == ["a", "cafe", ":", "1", "0", "!"]


def test_the_longest_piece_from_the_left_wins():
    assert TOKENIZER.pieces("joyful") == ["joy", "##ful"]
    assert TOKENIZER.pieces("joyous") == ["joyous"]
    assert TOKENIZER.pieces("cats") == ["cat", "##s"]


def test_a_word_that_cannot_be_spelt_is_unknown_as_a_whole():
    assert TOKENIZER.pieces("catx") == ["[unk]"]  # no "##x"
    assert TOKENIZER.tokenize("猫 cat") == ["[unk]", "cat"]


def test_rows_start_with_start_and_end_in_padding():
    row = TOKENIZER("cat")[0]
    assert row.dtype == np.int64
    assert list(row[:3]) == [1, VOCABULARY.index("cat"), 0]
    assert list(TOKENIZER("")[0]) == [1] + [0] * (CONTEXT_LENGTH - 1)


def test_a_vocabulary_must_start_with_the_special_tokens():
    with pytest.raises(ValueError, match=r"\[pad\]"):
        Tokenizer(["a", "b", "c"])


def test_a_file_keeps_the_numbers(tmp_path):
    TOKENIZER.save(tmp_path / "vocabulary.txt")
    assert Tokenizer.load(tmp_path / "vocabulary.txt").vocabulary == VOCABULARY


@given(st.text(max_size=200))
def test_any_text_fits_and_stays_in_range(text):
    rows = TOKENIZER([text, "cat"])
    assert rows.shape == (2, CONTEXT_LENGTH)
    assert rows.min() >= 0 and rows.max() < len(VOCABULARY)
    assert (rows[:, 0] == 1).all()


@given(st.text(alphabet="abcjoyfuls ", max_size=60))
def test_pieces_spell_the_word_again(text):
    for word in split_words(text):
        pieces = TOKENIZER.pieces(word)
        if pieces != ["[unk]"]:
            assert "".join(piece.removeprefix("##") for piece in pieces) == word
