"""Lesson 8 checks its pictures in the page as Python does: true scenes, and what the student draws of their words."""

import base64
import json
import subprocess
from itertools import pairwise

import numpy as np
import pytest

from bozzetto.metrics.composition import RELATIONS, find_objects, grade_scenes
from bozzetto.runtime import store
from bozzetto.runtime import text_to_image as t2i
from bozzetto.world.dataset import load_world
from bozzetto.world.scenes import KINDS, Scene, make_scene, render, scene_objects
from browser import ROOT

pytest.importorskip("scipy")
EACH = 10  # scenes of a kind, each drawn once by its true pictures and once by the student
SCRIPT = """
import { readFileSync } from "node:fs";
import { asked } from "./web/lessons/8/asked.ts";
import { findObjects, marks } from "./web/lessons/8/composition.ts";
const { names, jobs } = JSON.parse(readFileSync(0, "utf-8"));
const verdicts = jobs.map(({ sentence, picture, scores }) => {
  const wanted = asked(sentence);
  if (!picture || !wanted) return { wanted };
  const pixels = Uint8ClampedArray.from(Buffer.from(picture, "base64"));
  return { wanted, marks: marks(pixels, findObjects(pixels), wanted, scores.length ? { names, scores } : undefined) };
});
console.log(JSON.stringify(verdicts));
"""


def page(names: list[str], jobs: list[dict]) -> list[dict]:
    """What the page makes of sentences, and of pictures of them."""
    command = ["node", "--import", "tsx", "--input-type=module", "-e", SCRIPT]
    done = subprocess.run(
        command, cwd=ROOT, input=json.dumps({"names": names, "jobs": jobs}), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def scenes() -> list[tuple[Scene, np.ndarray]]:
    """Scenes and their true pictures."""
    world = load_world(ROOT / "data/world.parquet")
    things = scene_objects(world)
    made = [make_scene(world, things, seed, "test", kind) for kind in KINDS for seed in range(EACH)]
    return [(scene, render(world, scene)) for scene in made]


def test_the_page_checks_as_python_does(scenes):
    models, student = t2i.load(store.weights_folder()), t2i.load_student(store.weights_folder())
    drawn = [(scene, t2i.draw(models, scene.sentence, [7], student=student)[0]) for scene, _ in scenes]
    names = sorted(
        {name for scene, _ in scenes for name in scene.names} | {"dog", "cat", "apple", "car", "bell", "key"}
    )
    rng = np.random.default_rng(0)
    colored = [(scene, picture) for scene, picture in scenes if scene.color]
    mixed = [(scene, picture) for (scene, _), (_, picture) in pairwise(colored)]  # of another one
    pictures = [*scenes, *drawn, *mixed]
    found = [find_objects(picture) for _, picture in pictures]
    # A grader that is right about half of the things, so that both verdicts occur.
    scores = [rng.random((len(objects), len(names))) for objects in found]
    for (scene, _), table in zip(pictures, scores, strict=True):
        if len(table) == 2 and rng.random() < 0.6:
            table[range(2), [names.index(name) for name in (scene.names * 2)[:2]]] += 1
    result = grade_scenes(
        np.stack([picture for _, picture in pictures]),
        [scene.names for scene, _ in pictures],
        [scene.count for scene, _ in pictures],
        [scene.color for scene, _ in pictures],
        [scene.relation for scene, _ in pictures],
        lambda crops, labels: np.concatenate(scores),
        names,
    )
    jobs = [
        {
            "sentence": scene.sentence,
            "picture": base64.b64encode(picture.tobytes()).decode(),
            "scores": table.tolist() if len(table) == 2 else [],
        }
        for (scene, picture), table in zip(pictures, scores, strict=True)
    ]
    verdicts = page(names, jobs)
    assert len(verdicts) >= 100
    for kind in ("count", "color", "two", "place", "size"):
        mine = [next(mark["met"] for mark in verdicts[i]["marks"] if mark["fact"] == kind) for i in result.asked[kind]]
        assert mine == result.met[kind].tolist(), kind
        assert len(set(mine)) == 2, f"{kind}: one verdict only"


def test_a_scenes_sentence_is_understood_and_no_other(scenes):
    wanted = page([], [{"sentence": scene.sentence} for scene, _ in scenes])
    for (scene, _), found in zip(scenes, wanted, strict=True):
        facts = {"names": list(scene.names), "count": scene.count}
        if scene.color:
            facts["color"] = scene.color
        if scene.relation:
            assert scene.relation in RELATIONS
            facts["relation"] = scene.relation
        assert found["wanted"] == facts, scene.sentence
    others = [
        "a happy robot",
        "two red apples",
        "a white rabbit",
        "a zorgon",
        "",
        "cats",
        "a dog to the left",
        "9 dogs",
    ]
    assert [one.get("wanted") for one in page([], [{"sentence": text} for text in others])] == [None] * len(others)
    read = page([], [{"sentence": "  A red Apple. "}, {"sentence": "three mice"}])
    assert [one["wanted"] for one in read] == [
        {"names": ["apple"], "count": 1, "color": "red"},
        {"names": ["mouse"], "count": 3},
    ]
