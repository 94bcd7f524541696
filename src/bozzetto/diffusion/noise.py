"""Noise that depends on the seed and nothing else.

Most generators are a state that each draw changes, so the noise of a picture depends on what was drawn before
it. A *counter-based* generator has no state: the k-th random block is a keyed scramble of the number k. We
use Philox-4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011), which
needs 32-bit integers only, so Python and the browser can compute the same picture from the same seed.

From seed to numbers, all that another language has to follow:

    key     = (seed mod 2^32, seed div 2^32)
    counter = (block mod 2^32, block div 2^32, stream, 0)         block = 0, 1, 2, ...
    words   = philox(counter, key) = (w0, w1, w2, w3)             four u32
    u_i     = (w_i + 1) / 2^32                                    in (0, 1], float64
    values  = r(u0) cos(2 pi u1), r(u0) sin(2 pi u1),             Box-Muller, r(u) = sqrt(-2 ln u), float64,
              r(u2) cos(2 pi u3), r(u2) sin(2 pi u3)              rounded to float32 at the very end

Block b gives the elements 4b .. 4b+3 of the array in C order; the last block is cut where the array ends. The
integers are exact everywhere. log, cos and sin of two machines may differ in the last float64 bit, so the
float32 values are equal but for a last bit once in some hundred million.

Streams keep uses of one seed apart: stream 0 is the starting noise, stream s is the noise added by the s-th
step of a stochastic sampler, counting from 1 (so step i, counting from 0, uses stream i + 1).
"""

import math
from collections.abc import Sequence

import numpy as np

from bozzetto.errors import InvalidInput, whole_number

MAX_SEED = 2**53 - 1  # the largest integer that JavaScript numbers hold exactly

_MULTIPLY = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_ADD_TO_KEY = 0x9E3779B9, 0xBB67AE85  # the golden ratio and sqrt(3) - 1, as 32-bit fractions
_ROUNDS = 10
_U32 = 2**32
_LOW, _SHIFT = np.uint64(_U32 - 1), np.uint64(32)


def philox(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Ten Philox rounds: uint32 [..., 4] counters, a key of two u32 words -> uint32 [..., 4] random words."""
    c0, c1, c2, c3 = (counter[..., i].astype(np.uint64) for i in range(4))
    k0, k1 = key
    for _ in range(_ROUNDS):
        product0, product1 = c0 * _MULTIPLY[0], c2 * _MULTIPLY[1]  # 32 x 32 -> 64 bits, never overflows
        c0, c1, c2, c3 = (
            (product1 >> _SHIFT) ^ c1 ^ np.uint64(k0),
            product1 & _LOW,
            (product0 >> _SHIFT) ^ c3 ^ np.uint64(k1),
            product0 & _LOW,
        )
        k0, k1 = (k0 + _ADD_TO_KEY[0]) % _U32, (k1 + _ADD_TO_KEY[1]) % _U32
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def words(seed: int, blocks: int, stream: int = 0) -> np.ndarray:
    """The first `blocks` blocks of a stream as uint32 [blocks, 4]. InvalidInput as in `normal`."""
    seed = whole_number("seed", seed, 0, MAX_SEED)
    stream = whole_number("stream", stream, 0, _U32 - 1)
    block = np.arange(blocks, dtype=np.uint64)
    counter = np.zeros((blocks, 4), np.uint32)
    counter[:, 0], counter[:, 1], counter[:, 2] = block & _LOW, block >> _SHIFT, stream
    return philox(counter, key=(seed % _U32, seed // _U32))


def normal(seed: int, shape: Sequence[int], stream: int = 0) -> np.ndarray:
    """Standard normal noise for ONE picture: float32 of the given shape, the same on every machine.

    No value is further from 0 than 6.7, the radius of the smallest uniform.

    seed: 0 .. 2^53 - 1; stream: 0 .. 2^32 - 1 (0 = starting noise, s = noise of the s-th step, from 1).
    InvalidInput if a number is out of range or not an integer.
    """
    shape = tuple(whole_number("every entry of shape", size, 1, _U32) for size in shape)
    count = math.prod(shape)
    uniform = (words(seed, -(-count // 4), stream) + 1.0) / _U32
    radius = np.sqrt(-2.0 * np.log(uniform[:, 0::2]))
    angle = 2.0 * np.pi * uniform[:, 1::2]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return pairs.reshape(-1)[:count].reshape(shape).astype(np.float32)


def normal_batch(seeds: Sequence[int], shape: Sequence[int], stream: int = 0) -> np.ndarray:
    """Noise for several pictures: float32 [len(seeds), *shape]. Row i is `normal(seeds[i], shape, stream)`,
    so a picture does not depend on its batch. InvalidInput as in `normal`, and for no seeds at all."""
    if len(seeds) == 0:
        raise InvalidInput("seeds", "is empty: give one seed for each picture")
    return np.stack([normal(seed, shape, stream) for seed in seeds])
