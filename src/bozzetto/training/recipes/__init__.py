"""One module a family, each with its RECIPE."""

from importlib import import_module

from bozzetto.errors import one_of
from bozzetto.families import BY_NAME, names
from bozzetto.training.recipe import Recipe


def find(name: str) -> Recipe:
    """The recipe of the family `name`. Raises InvalidInput that lists all of them."""
    one_of("recipe", name, names(trained=True))
    return import_module(f"{__name__}.{BY_NAME[name].module}").RECIPE
