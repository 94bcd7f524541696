"""One module a family, each with its RECIPE."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from bozzetto.errors import one_of
from bozzetto.training.recipe import Recipe


def names() -> list[str]:
    """Of all recipes, as in the shell."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def find(name: str) -> Recipe:
    """The recipe called `name`. Raises InvalidInput that lists all names."""
    one_of("recipe", name, names())
    return import_module(f"{__name__}.{name.replace('-', '_')}").RECIPE
