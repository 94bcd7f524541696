"""The table of families: every row is complete, and nothing else lists families."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

from bozzetto import families
from bozzetto.course import build
from bozzetto.evaluation import report
from bozzetto.families import BY_NAME, FAMILIES, TEACHER, WEIGHTS, names
from bozzetto.runtime import sample, store
from bozzetto.training import recipes
from bozzetto.training.recipe import Recipe

SOURCE = Path(families.__file__).parent


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_row_is_complete(family):
    for folder in family.folders:
        assert store.open_model(folder)["model"] == folder
    assert (store.weights_folder() / family.home / "README.md").is_file()
    assert set(family.served) <= set(family.folders) and family.sampled in ("", *family.folders)
    assert family.start in ("", TEACHER, WEIGHTS, *BY_NAME)
    if family.runtime:
        import_module(f"bozzetto.runtime.{family.runtime}")
    if family.trained:
        recipe = recipes.find(family.name)
        assert isinstance(recipe, Recipe) and recipe.name == family.name
        assert "smoke" in recipe.budgets and recipe.budgets.keys() == recipe.expected.keys()
    if family.scorer:
        scorer = report.SCORERS[family.name]
        assert scorer.SHOWN and callable(scorer.measure) and isinstance(scorer.N, int)


def test_every_folder_of_the_weights_belongs_to_one_family():
    shipped = {
        path.parent.relative_to(store.weights_folder()).as_posix()
        for path in store.weights_folder().rglob("config.json")
    }
    assert sorted(shipped) == sorted(folder for family in FAMILIES for folder in family.folders)


def test_whoever_lists_families_reads_the_table():
    assert list(report.RUNS) == names(scorer=True)
    assert list(sample.MAKERS) == names(sampled=True)
    assert set(build.MODELS) == {folder for family in FAMILIES for folder in family.served}
    modules = {path.stem for path in (SOURCE / "training/recipes").iterdir()} - {"__init__", "__pycache__"}
    assert modules == {BY_NAME[name].module for name in names(trained=True)}


def lists(source: str) -> bool:
    """Whether a program has a list, or the keys of a dict, of three families or more."""
    every = {*BY_NAME, *(family.module for family in FAMILIES)}
    for node in ast.walk(ast.parse(source)):
        items = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
        if len({item.value for item in items if isinstance(item, ast.Constant)} & every) >= 3:
            return True
    return False


def test_nothing_else_lists_families():
    assert lists('Literal["gan", "vae", "few-steps"]') and lists('{"gan": 1, "clip": 2, "vlm": 3}')
    modules = [path for path in SOURCE.rglob("*.py") if path.name != "families.py"]
    assert [path for path in modules if lists(path.read_text(encoding="utf-8"))] == []
