"""Other weights for a graph, on its bytes: the few rules of ONNX that this takes, since the runtime has no package for
them.

ONNX is a protobuf message: a row of fields, each a key (its number and, in three bits, how it is written), then a
number, or a length and so many bytes, which may be a message again. A number is written seven bits a byte, the lowest
first, the last byte below 128. The field numbers are those of onnx.proto.
"""

from collections.abc import Iterator, Mapping

import numpy as np

GRAPH = 7  # of a model
NODE, INITIALIZER = 1, 5  # of a graph
OUTPUT = 2  # of a node
DIMS, TYPE, NAME, RAW = 1, 2, 8, 9  # of an initializer
FLOAT = 1
NUMBER, BYTES = 0, 2  # how a field is written
FIXED = {1: 8, 5: 4}  # ways that are only passed over, and their bytes


def with_weights(model: bytes, weights: Mapping[str, np.ndarray]) -> bytes:
    """A model in which these weights are float32 initializers with their numbers in it, and not what a node makes of
    stored ones."""

    def changed(graph: bytes) -> bytes:
        kept = [whole for number, whole, node in fields(graph) if number != NODE or _writes(node) not in weights]
        return b"".join([*kept, *(_bytes(INITIALIZER, _tensor(name, values)) for name, values in weights.items())])

    return b"".join(_bytes(GRAPH, changed(part)) if number == GRAPH else whole for number, whole, part in fields(model))


def fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The number of each field, all of it, and its content."""
    at = 0
    while at < len(message):
        key, start = _read(message, at)
        if key & 7 == BYTES:
            length, start = _read(message, start)
            end = start + length
        elif key & 7 == NUMBER:
            end = _read(message, start)[1]
        else:
            end = start + FIXED[key & 7]
        yield key >> 3, message[at:end], message[start:end]
        at = end


def _read(message: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = shift = 0
    while message[at] > 127:
        value |= (message[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return value | message[at] << shift, at + 1


def _written(number: int) -> bytes:
    return bytes([number & 127 | 128]) + _written(number >> 7) if number > 127 else bytes([number])


def _bytes(number: int, content: bytes) -> bytes:
    return _written(number << 3 | BYTES) + _written(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _written(number << 3 | NUMBER) + _written(value)


def _writes(node: bytes) -> str:
    return next((name.decode() for number, _, name in fields(node) if number == OUTPUT), "")


def _tensor(name: str, values: np.ndarray) -> bytes:
    dims = [_number(DIMS, size) for size in values.shape]
    raw = np.ascontiguousarray(values, "<f4").tobytes()
    return b"".join([*dims, _number(TYPE, FLOAT), _bytes(NAME, name.encode()), _bytes(RAW, raw)])
