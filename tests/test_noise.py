"""The noise generator: published Philox vectors, statistics, independence, golden values.

`python tests/test_noise.py` rewrites golden/noise.json, which the TypeScript mirror is tested against too.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bozzetto.diffusion.noise import MAX_SEED, normal, normal_batch, philox, words

GOLDEN = Path(__file__).parent / "golden" / "noise.json"

# Known answers for philox4x32-10 published with Random123 (Salmon et al. 2011): counter, key, result.
KNOWN_ANSWERS = [
    (
        [0x00000000, 0x00000000, 0x00000000, 0x00000000],
        [0x00000000, 0x00000000],
        [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8],
    ),
    (
        [0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF],
        [0xFFFFFFFF, 0xFFFFFFFF],
        [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD],
    ),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]

seeds = st.integers(0, MAX_SEED)
shapes = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)


def golden() -> dict:
    """Known answers, and for some (seed, stream, shape) the first words, the first and the last values."""
    cases = [
        (0, 0, (16, 8, 8)),
        (7, 0, (16, 8, 8)),
        (7, 1, (16, 8, 8)),
        (7, 1000, (4, 64, 64)),
        (2**32 - 1, 0, (3,)),
        (2**32 + 5, 0, (16, 8, 8)),
        (2**53 - 1, 2**32 - 1, (5, 3)),
    ]
    noise = [
        {
            "seed": seed,
            "stream": stream,
            "shape": list(shape),
            "words": words(seed, 2, stream).ravel().tolist(),
            "first": normal(seed, shape, stream).ravel()[:8].tolist(),
            "last": normal(seed, shape, stream).ravel()[-3:].tolist(),
        }
        for seed, stream, shape in cases
    ]
    return {
        "philox": [{"counter": c, "key": k, "words": w} for c, k, w in KNOWN_ANSWERS],
        "noise": noise,
    }


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_gives_the_published_answers(counter, key, expected):
    assert philox(np.array(counter, np.uint32), tuple(key)).tolist() == expected


def test_philox_is_the_same_one_by_one_and_vectorised():
    counters = np.array([counter for counter, _, _ in KNOWN_ANSWERS], np.uint32)
    together = philox(counters, (1, 2))
    assert together.dtype == np.uint32
    np.testing.assert_array_equal(together, [philox(counter, (1, 2)) for counter in counters])


def test_golden_values_still_hold():
    stored, computed = json.loads(GOLDEN.read_text()), golden()
    assert stored["philox"] == computed["philox"]
    assert len(stored["noise"]) == len(computed["noise"])
    for old, new in zip(stored["noise"], computed["noise"], strict=True):
        exact = ("seed", "stream", "shape", "words")
        assert {name: old[name] for name in exact} == {name: new[name] for name in exact}
        for part in ("first", "last"):  # log and cos of another machine may differ in the last bit
            np.testing.assert_array_max_ulp(np.float32(old[part]), np.float32(new[part]), maxulp=1)


def test_the_documented_mapping_from_words_to_values():
    w = [int(word) for word in words(11, 1, stream=3)[0]]
    u = [(word + 1) / 2**32 for word in w]
    radius = [np.sqrt(-2 * np.log(u[0])), np.sqrt(-2 * np.log(u[2]))]
    expected = [
        radius[0] * np.cos(2 * np.pi * u[1]),
        radius[0] * np.sin(2 * np.pi * u[1]),
        radius[1] * np.cos(2 * np.pi * u[3]),
        radius[1] * np.sin(2 * np.pi * u[3]),
    ]
    np.testing.assert_array_max_ulp(normal(11, (2, 2), stream=3).ravel(), np.float32(expected), maxulp=1)


def test_seed_and_block_and_stream_reach_philox_where_the_docstring_says():
    np.testing.assert_array_equal(words(2**32 + 5, 3, stream=9)[2], philox(np.uint32([2, 0, 9, 0]), (5, 1)))


def test_values_are_standard_normal():
    x = np.sort(normal(1, (500_000,)).astype(np.float64))
    assert abs(x.mean()) < 5 / np.sqrt(x.size)  # five standard errors
    assert abs(x.var() - 1) < 5 * np.sqrt(2 / x.size)
    assert abs((x**3).mean()) < 5 * np.sqrt(15 / x.size)
    assert abs((x**4).mean() - 3) < 5 * np.sqrt(96 / x.size)
    for point, below in [(-3, 0.0013499), (-1, 0.1586553), (0.5, 0.6914625), (2, 0.9772499)]:
        tolerance = 5 * np.sqrt(below * (1 - below) / x.size)
        assert abs(np.searchsorted(x, point) / x.size - below) < tolerance
    assert np.abs(x).max() < 6.7


def test_neighbours_in_place_seed_and_stream_are_uncorrelated():
    n = 100_000
    base = normal(1, (n,))
    others = [
        normal(2, (n,)),
        normal(1, (n,), stream=1),
        normal(1 + 2**32, (n,)),
        np.roll(base, 1),
        base[::-1],
    ]
    for other in others:
        assert abs(np.corrcoef(base, other)[0, 1]) < 5 / np.sqrt(n)
    assert abs(np.corrcoef(base[0::2] ** 2, base[1::2] ** 2)[0, 1]) < 5 / np.sqrt(n / 2)  # the Box-Muller pairs


@settings(deadline=None)
@given(seeds, shapes, st.integers(0, 1000))
def test_same_seed_same_noise_in_any_shape(seed, shape, stream):
    x = normal(seed, shape, stream)
    assert x.shape == shape and x.dtype == np.float32 and np.isfinite(x).all()
    longer = normal(seed, (x.size + 9,), stream)
    np.testing.assert_array_equal(x.ravel(), longer[: x.size])


@settings(deadline=None)
@given(st.lists(seeds, min_size=1, max_size=5), st.integers(0, 9))
def test_a_picture_does_not_depend_on_its_batch(batch, stream):
    together = normal_batch(batch, (3, 5), stream)
    assert together.shape == (len(batch), 3, 5) and together.dtype == np.float32
    for row, seed in zip(together, batch, strict=True):
        np.testing.assert_array_equal(row, normal(seed, (3, 5), stream))


@settings(deadline=None)
@given(seeds, seeds)
def test_two_seeds_give_two_pictures(a, b):
    assert (a == b) == np.array_equal(normal(a, (8,)), normal(b, (8,)))


def test_numpy_integers_are_seeds_too():
    np.testing.assert_array_equal(normal(np.int64(7), (4,)), normal(7, (4,)))


@pytest.mark.parametrize("seed", [-1, 2**53, 10**30, 1.0, np.float32(3), True, np.bool_(True), "7", None])
def test_bad_seed_is_one_clear_line(seed):
    with pytest.raises(ValueError, match=r"^seed must be a whole number from 0 to 9007199254740991, not .+$"):
        normal(seed, (2,))


@pytest.mark.parametrize("stream", [-1, 2**32, 0.5, False])
def test_bad_stream_is_one_clear_line(stream):
    with pytest.raises(ValueError, match=r"^stream must be a whole number"):
        normal(0, (2,), stream)


@pytest.mark.parametrize("shape", [(0,), (3, -1), (2.0,)])
def test_bad_shape_is_one_clear_line(shape):
    with pytest.raises(ValueError, match=r"^every entry of shape must be a whole number"):
        normal(0, shape)


def test_a_batch_needs_seeds():
    with pytest.raises(ValueError, match="seeds is empty"):
        normal_batch([], (2,))


if __name__ == "__main__":
    sections = [f'"{name}": [\n' + ",\n".join(map(json.dumps, cases)) + "\n]" for name, cases in golden().items()]
    GOLDEN.write_text("{" + ",\n".join(sections) + "}\n")
