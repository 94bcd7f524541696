"""Top-k, recall@k and Wilson intervals against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bozzetto.metrics.retrieval import (
    cosine_similarity,
    recall_at_k,
    share_of,
    top_k_accuracy,
    wilson_interval,
)


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 9), st.integers(1, 10))
@settings(max_examples=60, deadline=None)
def test_top_k_is_brute_force(seed, n, classes, k):
    rng = np.random.default_rng(seed)
    similarity, target = rng.normal(size=(n, classes)), rng.integers(classes, size=n)
    hits = sum(t in np.argsort(-row)[:k] for row, t in zip(similarity, target, strict=True))
    share = top_k_accuracy(similarity, target, k)
    assert (share.hits, share.n) == (hits, n)
    assert share.low <= share.value <= share.high


@given(st.integers(0, 10_000), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_recall_is_brute_force_both_ways_with_shared_labels(seed, k):
    rng = np.random.default_rng(seed)
    rows, columns = rng.choice(list("abcd"), 9), rng.choice(list("abcde"), 7)
    similarity = rng.normal(size=(9, 7))

    def found(table, queries, answers):
        counted = [i for i, q in enumerate(queries) if q in answers]
        return sum(queries[i] in answers[np.argsort(-table[i])[:k]] for i in counted), len(counted)

    if not set(rows) & set(columns):
        return
    forward, backward = recall_at_k(similarity, rows, columns, k)
    assert (forward.hits, forward.n) == found(similarity, rows, columns)
    assert (backward.hits, backward.n) == found(similarity.T, columns, rows)


def test_a_constant_model_scores_nothing():
    assert top_k_accuracy(np.ones((10, 5)), np.zeros(10, int), k=4).hits == 0
    assert recall_at_k(np.ones((3, 3)), list("abc"), list("abc"))[0].hits == 0


def test_an_item_left_out_with_minus_infinity_is_not_its_own_answer():
    embedding = np.array([[1, 0], [0.9, 0.1], [0, 1]])
    similarity = cosine_similarity(embedding, embedding)
    np.fill_diagonal(similarity, -np.inf)
    forward, _ = recall_at_k(similarity, ["cat", "cat", "dog"], ["cat", "cat", "dog"])
    assert (forward.hits, forward.n) == (2, 2)


def test_wilson_is_the_textbook_interval():
    # Newcombe 1998, table I, method 3.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@given(st.integers(1, 300), st.data())
def test_wilson_holds_the_share_and_mirrors(n, data):
    hits = data.draw(st.integers(0, n))
    low, high = wilson_interval(hits, n)
    assert 0 <= low <= hits / n <= high <= 1
    mirror = wilson_interval(n - hits, n)
    assert (low, high) == pytest.approx((1 - mirror[1], 1 - mirror[0]))


@pytest.mark.parametrize(
    "call",
    [
        lambda: top_k_accuracy(np.ones((2, 3)), [0, 3]),
        lambda: top_k_accuracy(np.ones((2, 3)), [0, 1], k=0),
        lambda: top_k_accuracy(np.full((2, 3), np.nan), [0, 1]),
        lambda: recall_at_k(np.ones((2, 2)), ["a", "b"], ["c", "d"]),
        lambda: recall_at_k(np.ones((2, 3)), ["a", "b"], ["a", "b"]),
        lambda: share_of([]),
        lambda: cosine_similarity(np.zeros((1, 2)), np.ones((1, 2))),
    ],
)
def test_bad_input_is_one_clear_line(call):
    with pytest.raises(ValueError, match=r"^[^\n]{15,}$"):
        call()
