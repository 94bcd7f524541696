"""Runs of several stages: stopped anywhere and resumed they are the run left alone, and no beginning is mixed up."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bozzetto import families
from bozzetto.errors import InvalidInput
from bozzetto.models.clip import Clip, ClipConfig
from bozzetto.models.denoiser import DenoiserConfig
from bozzetto.models.gan import GanConfig
from bozzetto.runtime.store import weights_folder
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.training import checkpoint, data, loop, recipes
from bozzetto.training.export import save_final
from bozzetto.training.loop import STATE, Interrupted, OutOfTime, TrainingSchedule
from bozzetto.training.recipes import diffusion, few_steps, gan, vlm, writer
from bozzetto.training.stages import FINAL, Run, Stage, with_steps
from test_processes import TESTS, environment, free_port
from test_scenes import OBJECTS, WORLD
from test_training import TINY, line_fit, network

STEPS = 3  # of each stage
STAGES = {
    "autoencoder": ["whole", "rounded"],
    "clip": ["distil", "joint", "image", "words_rounded", "image_rounded", "order", "settle", "negatives"],
    "text-to-image": ["aligned", "fit", "rounded"],
    "diffusion": ["fit", "rounded"],
    "gan": ["pretraining", "adversarial"],
    "sound": ["fit", "rounded"],
    "vae": ["good", "plain", "map", "plain_map", "sampler"],
    "film": ["fit", "rounded"],
    "vlm": ["talk", "image", "rounded"],
    "writer": ["next_word", "next_word_rounded", "unmask", "unmask_rounded"],
}


@pytest.fixture(scope="module")
def small(shapes, things, table, tmp_path_factory):
    """Of each recipe with stages: what it takes to train its smoke budget in a moment, as (source, budget, start)."""
    folder = tmp_path_factory.mktemp("clip")
    tokenizer = Tokenizer.load(weights_folder() / "clip/text/vocabulary.txt")
    torch.manual_seed(0)
    sizes = {"image_widths": (16, 24, 32), "image_blocks": (1, 1, 1), "text_layers": 1}
    save_final(Clip(ClipConfig(len(tokenizer.vocabulary), **sizes)), folder)
    tokenizer.save(folder / "vocabulary.txt")
    pictures = data.emoji(shapes)
    widths = {"clip": {"model": sizes}, "text-to-image": {"model": DenoiserConfig(widths=(32, 64), condition_size=32)}}
    sources = {"vlm": WORLD} | dict.fromkeys(("diffusion", "gan", "vae"), pictures)
    starts = {"clip": table, "vlm": folder}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "fast_dtype", lambda device: torch.float32)  # bf16 rounds the gradient of a part otherwise
        patch.setattr(data, "scene_objects", lambda world: things)
        patch.setattr(vlm, "scene_objects", lambda world: OBJECTS)
        patch.setattr(writer, "scene_objects", lambda world: OBJECTS)
        patch.setattr(gan, "GanConfig", lambda **more: GanConfig(widths=(16, 12, 8, 8), **more))
        cases = {}
        for name in STAGES:
            budget = with_steps(recipes.find(name).budgets["smoke"], STEPS)
            few = {
                field: replace(schedule, batch_size=8)
                for field, schedule in vars(budget).items()
                if isinstance(schedule, TrainingSchedule)
            }
            cases[name] = sources.get(name, shapes), replace(budget, **few, **widths.get(name, {})), starts.get(name)
        yield cases


def train(name, small, out, **options):
    source, budget, start = small[name]
    return recipes.find(name).train(source, budget, out, **{"seed": 3, "start": start} | options)


@pytest.fixture(scope="module")
def left_alone(small, tmp_path_factory):
    """Of a recipe, the folder of a run that nobody stopped; trained once."""
    found = {}

    def run(name):
        if name not in found:
            found[name] = tmp_path_factory.mktemp(name)
            train(name, small, found[name])
        return found[name]

    return run


class Killed(BaseException):
    """As if the process were gone: nothing is saved."""


def kill():
    raise Killed


def finished(out, name):
    """The marks of the stages that are finished, in their order."""
    states = {stage: out / stage / STATE for stage in STAGES[name]}
    marks = {s: checkpoint.read_metadata(path).get("finished") for s, path in states.items() if path.exists()}
    return {stage: mark for stage, mark in marks.items() if mark}


@pytest.mark.parametrize("name", STAGES)
def test_stopped_at_random_steps_and_resumed_it_is_the_run_left_alone(name, small, left_alone, after_steps, tmp_path):
    whole, rng = left_alone(name), np.random.default_rng(list(name.encode()))
    most, done = STEPS * len(STAGES[name]), {}
    stops = {
        "time limit": OutOfTime,
        "Ctrl-C": Interrupted,
        "kill": Killed,
    }
    kinds = list(rng.permutation([*stops] * 2)) if len(STAGES[name]) > 2 else list(rng.permutation([*stops]))
    for kind in kinds:
        steps = int(rng.integers(1, max(2, most // 3)))
        before = {path: path.read_bytes() for stage in done for path in (tmp_path / stage).iterdir()}
        times = {path: path.stat().st_mtime_ns for path in before if path.name == STATE}
        try:
            if kind == "time limit":
                after_steps(10**9, kill)
                train(name, small, tmp_path, minutes=(steps - 0.5) / 60)
            else:
                act = kill if kind == "kill" else lambda: os.kill(os.getpid(), signal.SIGINT)
                after_steps(steps, act)
                train(name, small, tmp_path)
        except (OutOfTime, KeyboardInterrupt, Killed) as stop:
            assert type(stop) is stops[kind]
            assert not (tmp_path / FINAL).exists()
        else:
            assert (tmp_path / FINAL).exists()
        for path, content in before.items():
            assert path.read_bytes() == content, f"{path} is finished and has changed"
        assert times == {path: path.stat().st_mtime_ns for path in times}
        done = finished(tmp_path, name)
        assert list(done) == STAGES[name][: len(done)]
        begun = [stage for stage in STAGES[name] if (tmp_path / stage).exists()]
        assert len(begun) <= len(done) + 1, "a stage began before the one before it was finished"
    after_steps(10**9, kill)
    train(name, small, tmp_path)
    assert (tmp_path / FINAL).read_bytes() == (whole / FINAL).read_bytes()
    assert finished(tmp_path, name) == finished(whole, name) and len(finished(whole, name)) == len(STAGES[name])
    for snapshot in whole.rglob("after-*"):
        assert (tmp_path / snapshot.relative_to(whole)).read_bytes() == snapshot.read_bytes()
    for path in whole.glob(f"*/{FINAL}"):
        assert (tmp_path / path.relative_to(whole)).read_bytes() == path.read_bytes()


def test_the_time_limit_is_the_runs_not_a_stages(small, after_steps, tmp_path):
    """Seven seconds are seven steps: two stages of three and one step of the third."""
    with pytest.raises(OutOfTime, match=r"stopped at step 1 of 3 \(time limit\)"):
        train("vae", small, tmp_path, minutes=6.5 / 60)
    assert list(finished(tmp_path, "vae")) == ["good", "plain"]
    assert not (tmp_path / "plain_map").exists() and not (tmp_path / FINAL).exists()


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_refuses_other_beginnings(name, small, left_alone, tmp_path):
    """As when the first stage was trained again meanwhile: the next that goes on from it says so and stays."""
    os.rmdir(tmp_path)
    subprocess.run(["cp", "-r", left_alone(name), tmp_path], check=True)
    first, following = STAGES[name][0], "sampler" if name == "vae" else STAGES[name][1]
    state = tmp_path / first / STATE
    tensors, metadata = checkpoint.read_tensors(state)
    checkpoint.write_tensors(tensors, state, metadata | {"finished": "0" * 64})
    before = (tmp_path / following / STATE).read_bytes()
    said = f"{tmp_path}: stage {following} began from other weights: delete {tmp_path / following} to train it again"
    with pytest.raises(InvalidInput) as caught:
        train(name, small, tmp_path)
    assert said in str(caught.value) and caught.value.field == "out"
    assert (tmp_path / following / STATE).read_bytes() == before


def test_a_student_refuses_another_teacher(small, left_alone, tmp_path):
    """The first stage of a run that starts from another one, too."""
    pictures, budget, _ = small["diffusion"]
    teacher, other = left_alone("diffusion"), tmp_path / "other"
    student = with_steps(few_steps.RECIPE.budgets["smoke"], STEPS)
    few_steps.RECIPE.train(pictures, student, tmp_path / "run", start=teacher)
    recipes.find("diffusion").train(pictures, budget, other, seed=4)
    with pytest.raises(InvalidInput, match="stage fit began from other weights"):
        few_steps.RECIPE.train(pictures, student, tmp_path / "run", start=other)


def test_a_first_stage_that_is_trained_again_takes_the_finish_with_it(small, left_alone, after_steps, tmp_path):
    os.rmdir(tmp_path)
    subprocess.run(["cp", "-r", left_alone("diffusion"), tmp_path], check=True)
    (tmp_path / "fit" / STATE).unlink()
    with pytest.raises(OutOfTime):
        train("diffusion", small, tmp_path, minutes=0.5 / 60)
    assert not (tmp_path / FINAL).exists()


def test_another_recipe_is_refused_by_the_field_that_differs(small, left_alone):
    source, budget, start = small["autoencoder"]
    other = replace(budget, rounded=replace(budget.rounded, learning_rate=0.5))
    with pytest.raises(
        InvalidInput, match=r"rounded/state\.safetensors was trained with learning_rate = 0\.0002, this"
    ):
        recipes.find("autoencoder").train(source, other, left_alone("autoencoder"), seed=3, start=start)


# ---------------------------------------------------------------- by two processes


def long_run(pictures, out):
    """200 steps of a small recipe."""
    budget = with_steps(diffusion.BUDGETS["smoke"], 200)
    fewer = {"fit": replace(budget.fit, batch_size=8), "rounded": replace(budget.rounded, steps=1, batch_size=8)}
    diffusion.RECIPE.train(pictures, replace(budget, **fewer), out)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder with what two processes of torchrun have trained, each recipe under its name."""
    out = tmp_path_factory.mktemp("two")
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    launch += ["--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    command = [*launch, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(TESTS / "two_processes.py")]
    done = subprocess.run(command, env=environment(TWO_RUNS=out), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def last(log):
    return json.loads(log.read_text().splitlines()[-1])


def test_two_processes_lose_what_one_loses_over_200_steps(small, two, tmp_path):
    long_run(small["diffusion"][0], tmp_path)
    alone, together = (last(out / "fit/log.jsonl") for out in (tmp_path, two / "long"))
    assert alone["step"] == together["step"] == 200
    assert together["loss"] == pytest.approx(alone["loss"], abs=1e-4)


@pytest.mark.parametrize("name", STAGES)
def test_two_processes_learn_what_one_learns(name, left_alone, two):
    """Every loss, whatever it compares, after steps of every stage; not bit for bit, for sums are taken otherwise."""
    for stage in STAGES[name]:
        alone, together = (last(out / stage / "log.jsonl") for out in (left_alone(name), two / name))
        assert together["loss"] == pytest.approx(alone["loss"], rel=1e-3), stage


# ---------------------------------------------------------------- one training a folder


HOLDER = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_stages import holding
def wait():
    print("in it", flush=True)
    time.sleep(60)
holding(wait).train(None, None, Path(sys.argv[1]))
"""


def holding(act):
    """A recipe whose training is a call of act()."""
    from bozzetto.training.recipe import Recipe

    def learn(source, budget, run, start):
        act()
        return run.train(Stage("line", network(), line_fit, TINY))

    return Recipe("gan", learn, None, {}, {})  # a name of the table; what it learns is a line


def test_one_training_a_folder_at_a_time(tmp_path, monkeypatch):
    script = HOLDER.format(tests=os.path.dirname(__file__))
    other = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "in it\n"
        with pytest.raises(InvalidInput) as caught:
            holding(lambda: pytest.fail("began beside another")).train(None, None, tmp_path)
        said = f"out {tmp_path} is in use: process {other.pid} is training in it; wait for it, or stop it"
        assert str(caught.value) == said
    finally:
        other.kill()
        other.wait()
    run = Run(tmp_path)
    monkeypatch.setattr(loop, "fit", None)
    model = network()
    model.config = TINY  # any dataclass
    holding(lambda: None)
    assert run.train(Stage("line", model, line_fit, TINY)) is not None  # the lock went with its process


def test_every_recipe_with_stages_is_tried_here():
    """A recipe is left out only where it has one stage, or is another's with other data."""
    for name in families.names(trained=True):
        recipe = recipes.find(name)
        schedules = [value for value in vars(recipe.budgets["smoke"]).values() if isinstance(value, TrainingSchedule)]
        assert len(schedules) == 1 or name in STAGES or name == "memoriser", name
        assert set(recipe.expected) == set(recipe.budgets) >= {"smoke", "cpu"}


@pytest.mark.parametrize("name", families.names(trained=True))
def test_every_recipe_says_what_it_is(name):
    recipe = recipes.find(name)
    assert recipe.name == name and callable(recipe.learn) and callable(recipe.export)
    assert recipe.family.start in ("", "teacher", "weights", *families.names(trained=True))
    assert Path(sys.modules[recipes.__name__].__file__).parent.name == "recipes"
