"""The judge: its recipe on stand-in features, and its folder."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")

from bozzetto.errors import NotBuilt, WeightsError  # noqa: E402
from bozzetto.metrics.judge import Judge, load_judge  # noqa: E402
from bozzetto.runtime.store import FORMAT  # noqa: E402
from bozzetto.training.export import read_final  # noqa: E402
from bozzetto.training.loop import TrainingSchedule  # noqa: E402
from bozzetto.training.recipe import export_run  # noqa: E402
from bozzetto.training.recipes import judge as recipe  # noqa: E402
from bozzetto.training.teacher import Teacher  # noqa: E402
from bozzetto.training.teacher import save as save_teacher  # noqa: E402
from bozzetto.world.dataset import World  # noqa: E402
from bozzetto.world.scenes import scene_objects  # noqa: E402
from patterned_world import NAMES, Oracle, patterned_world, thumbnails  # noqa: E402


@pytest.fixture(scope="module")
def world() -> World:
    return patterned_world()


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """A teacher's table of random unit vectors; the noun "dog" and what else is no name here are known by their
    words."""
    texts = sorted({word for name in NAMES for word in (name, *name.split())})
    vectors = np.random.default_rng(0).normal(size=(len(texts), 256)).astype(np.float32)
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_teacher(Teacher(texts, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), []), path)
    return path


BUDGET = recipe.Budget(1, 20, TrainingSchedule(150, 32, 3e-3, warmup=5, ema=0.9, weight_decay=0))


@pytest.fixture(scope="module")
def trained(world: World, table: Path, tmp_path_factory) -> tuple[Path, int]:
    """The run of a judge on stand-in features, and how often features were asked for when it was trained again."""
    out, calls = tmp_path_factory.mktemp("judge"), []

    def features(pictures: np.ndarray, size: int) -> np.ndarray:
        calls.append(len(pictures))
        return thumbnails(pictures)

    patch = pytest.MonkeyPatch()
    patch.setattr(recipe, "efficientnet_features", features)
    recipe.RECIPE.train(world, BUDGET, out, start=table)
    before = len(calls)
    recipe.RECIPE.train(world, BUDGET, out, start=table)
    with pytest.raises(ValueError, match="another world or budget"):
        recipe.RECIPE.train(world, replace(BUDGET, views=2), out, start=table)
    patch.undo()
    return out, len(calls) - before


@pytest.fixture(scope="module")
def judge(trained: tuple[Path, int], tmp_path_factory) -> Judge:
    folder = tmp_path_factory.mktemp("weights")
    recipe.export(trained[0], folder)
    return load_judge(folder / "judge")


def test_the_recipe_learns_and_keeps_its_features(trained: tuple[Path, int], judge: Judge, world: World):
    assert trained[1] == 0
    held_out = world.split("test")
    scores = judge.score(thumbnails(held_out.images), NAMES)
    assert (scores.argmax(1) == [NAMES.index(name) for name in held_out.names]).mean() > 0.9
    assert {thing.noun for thing in scene_objects(world)} | set(NAMES) == set(judge.labels)


def test_scene_crops_show_the_object_they_are_named_after(world: World):
    crops, codepoints = recipe.scene_crops(world, scene_objects(world), range(40))
    named = Oracle()(crops, NAMES).argmax(1)
    right = [NAMES[i] == NAMES[int(key, 16)] for i, key in zip(named, codepoints, strict=True)]
    assert len(right) > 40 and np.mean(right) > 0.8  # recoloured objects are hard to tell for this oracle


def test_the_judge_in_numpy_is_the_head_in_torch(trained: tuple[Path, int], judge: Judge, world: World):
    head, config = read_final(trained[0], recipe.Head, recipe.HeadConfig)
    features = torch.from_numpy(thumbnails(world.images))
    with torch.no_grad():
        expected = head(features, torch.Generator(), drop=0).numpy()
    found = judge.embed(features.numpy())
    assert found == pytest.approx(expected, abs=0.01)  # the weights are stored in fp16
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)
    assert judge.labels == list(config.labels)
    scores = judge.score(features.numpy(), NAMES)
    assert judge.score(features.numpy(), NAMES[::-1]) == pytest.approx(scores[:, ::-1])
    assert np.abs(scores - expected @ head.labels.numpy()[[judge.labels.index(name) for name in NAMES]].T).max() < 0.01
    with pytest.raises(ValueError, match="does not know 'unicorn'"):
        judge.score(features.numpy(), ["robot", "unicorn"])


def test_a_judge_is_a_model_folder_like_the_others(trained: tuple[Path, int], tmp_path):
    export_run(recipe.RECIPE, trained[0], tmp_path)
    config = json.loads((tmp_path / "judge/config.json").read_text(encoding="utf-8"))
    weights = (tmp_path / "judge/model.safetensors").read_bytes()
    listed = {"bytes": len(weights), "sha256": hashlib.sha256(weights).hexdigest()}
    assert config["format"] == FORMAT and config["files"] == {"model.safetensors": listed}
    assert list(json.loads((tmp_path / "judge/training.json").read_text())) == ["head"]


def test_a_broken_judge_is_named(trained: tuple[Path, int], tmp_path):
    with pytest.raises(NotBuilt, match=r"config\.json is not there"):
        load_judge(tmp_path / "judge")
    recipe.export(trained[0], tmp_path)
    weights = tmp_path / "judge/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(WeightsError, match="is not a judge"):
        load_judge(tmp_path / "judge")
