"""What a training would cost, and how trainings go: both from what the loop itself does and writes."""

import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from bozzetto.cli import main
from bozzetto.training import runs
from bozzetto.training.plan import Trial
from bozzetto.training.recipes import diffusion
from bozzetto.training.stages import Stage
from test_training import TINY, line_fit, network

SMOKE = ["diffusion", "--budget", "smoke", "--data", "photos"]


# ---------------------------------------------------------------- plan


def test_a_plan_tells_what_each_stage_costs_and_leaves_nothing(photos, capsys):
    assert main(["plan", *SMOKE, "--seconds", "0", "--json"]) == 0
    told = capsys.readouterr()
    plan = json.loads(told.out)
    assert told.err == "" and os.listdir() == ["photos"]
    assert (plan["recipe"], plan["budget"], plan["expected"]) == ("diffusion", "smoke", diffusion.EXPECTED["smoke"])
    fit, rounded = plan["stages"]
    assert (fit["stage"], fit["steps"], rounded["stage"], rounded["steps"]) == ("fit", 60, "rounded", 6)
    for stage in (fit, rounded):
        assert stage["weights"] == stage["learning"]
        assert 16 * stage["weights"] < stage["state"] < 17 * stage["weights"]  # AdamW has a second moment, but of few
        assert stage["minutes"] * 60 == pytest.approx(stage["steps"] * 16 / stage["pictures_per_second"])
        assert stage["peak"] > stage["state"] or sys.platform == "win32"
    assert fit["flops"] == rounded["flops"] > 2 * 3 * 16 * fit["weights"]  # forward, backward, 16 pictures of cells
    assert plan["minutes"] == pytest.approx(fit["minutes"] + rounded["minutes"] + plan["other_minutes"])


def test_a_plan_is_a_table_for_people(photos, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["plan", *SMOKE, "--seconds", "0", "--steps", "2"]) == 0
    said = capsys.readouterr().out
    for word in ("GFLOP a step", "pictures/s", "fit", "rounded", "data and between", "expected: the loss falls"):
        assert word in said


def test_a_trial_counts_and_times_the_steps_of_the_loop(tmp_path, monkeypatch):
    """A step takes a second of the clock."""
    now = 0.0

    def slow(*step):
        nonlocal now
        now += 1
        return line_fit(*step)

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    trial, model = Trial(tmp_path, seconds=5), network()
    trial.train(Stage("line", model, slow, TINY))
    (cost,) = trial.costs
    assert (cost.seconds, cost.rate, cost.minutes) == (1, 8, 0.5) and now == 8  # two steps before, then past five
    assert cost.weights == 49 and cost.flops == 2 * 8 * (16 + 16) + 2 * 8 * (16 + 16 + 16)  # no slope of x is needed


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("plan gan --budget smoke --seconds -1", "--seconds must be a number from 0 to 3600, not -1.0"),
        ("plan gan --budget smoke --data shoes", "--data shoes is neither emoji nor fashion"),
        ("plan few-steps --budget smoke --data photos", "run `bozzetto train diffusion` to its end first"),
        (
            "train gan --budget smoke --data photos --log tensorboard",
            "--log tensorboard: tensorboard is not installed: run `pip install tensorboard`",
        ),
        ("plan clip --budget smoke --data photos", "`bozzetto adapt clip` teaches CLIP your own"),
        ("runs", "folder runs is not there: name the folder that `bozzetto train` writes to"),
        ("runs photos", "folder photos has no logs of trainings, RUN/STAGE/log.jsonl"),
        ("runs photos -o curves.jpg", "curves.jpg"),
    ],
)
def test_bad_input_is_one_line(photos, capsys, monkeypatch, line, said):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert main(shlex.split(line)) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and said in err and os.listdir() == ["photos"]


# ---------------------------------------------------------------- runs


def log(path, *lines, written):
    path = Path("runs", path, "log.jsonl")
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    os.utime(path, (written, written))


def line(step, loss, **more):
    return {"loss": loss, "step": step, "pictures_per_second": 20.0, "seconds": 1.0, **more}


@pytest.fixture
def three(tmp_path, monkeypatch):
    """A run of two stages that goes on, one of before that tells no number of steps, and a folder without a log."""
    monkeypatch.chdir(tmp_path)
    now, sizes = time.time(), {"steps": 50, "batch_size": 8}
    log("clip-cpu/joint", line(1, 2.0, **sizes), line(30, 0.5, **sizes), '{"loss": 0.4, "st', written=now - 90)
    log("clip-cpu/distil", line(1, 3.0, **sizes), line(50, float("nan"), **sizes), written=now - 7200)
    log("gan-old/adversarial", line(5, -1.0), written=now - 9000)
    Path("runs/empty/fit").mkdir(parents=True)


def test_runs_are_listed_with_what_is_left(three, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["runs"]) == 0
    rows = [" ".join(row.split()) for row in capsys.readouterr().out.splitlines() if row.strip()][2:]
    assert rows == [
        "gan-old adversarial 5 of ? -1.0000 20.0 ? 2.5 h ago",
        "clip-cpu joint 30 of 50 0.5000 20.0 8 s 1.5 min ago",
    ]
    assert main(["runs", "runs/clip-cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["run"], one["stage"], one["step"]) for one in found] == [
        ("clip-cpu", "distil", 50),
        ("clip-cpu", "joint", 30),
    ]
    assert found[1]["seconds_left"] == 8


def test_curves_fall_where_the_loss_falls(three, capsys):
    assert main(["runs", "-o", "curves.png"]) == 0
    assert capsys.readouterr().out.endswith("curves.png\n")
    picture = np.asarray(Image.open("curves.png").convert("RGB"), int)
    assert picture.shape == (200 + 2 * 16, 3 * 320 + 4 * 16, 3)
    joint = picture[16:216, 2 * 336 + 16 : 3 * 336]  # the last panel
    line = np.abs(joint - [0xD9, 0x62, 0x2B]).sum(2) < 60
    heights = [np.flatnonzero(column).mean() for column in line.T if column.any()]
    assert len(heights) > 200 and heights[0] < 40 and heights[-1] > 160 and (np.diff(heights) > -1).all()


def test_a_training_is_listed_while_its_log_grows(photos, capsys):
    assert main(["train", *SMOKE, "--steps", "3", "--minutes", "1e-9"]) == 3
    assert capsys.readouterr().err.endswith(
        "(time limit), and all is saved; it goes on with "
        f"`{shlex.join(['bozzetto', 'train', *SMOKE, '--steps', '3', '--minutes', '1e-9'])}`\n"
    )
    (stage,) = runs.read(Path("runs"))
    assert (stage.run, stage.name, stage.step, stage.steps) == ("diffusion-smoke-photos", "fit", 1, 3)
    assert stage.seconds_left > 0


def test_ctrl_c_says_how_to_go_on(photos, capsys, after_steps):
    after_steps(2, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert main(["train", *SMOKE]) == 130
    said = capsys.readouterr().err
    command = shlex.join(["bozzetto", "train", *SMOKE])
    assert said == f"bozzetto: stopped at step 2 of 60 (SIGINT), and all is saved; it goes on with `{command}`\n"


def test_another_log_is_told_what_ours_is(photos, monkeypatch):
    told = []
    fake = SimpleNamespace(init=lambda **about: told.append(about), log=told.append)
    monkeypatch.setitem(sys.modules, "trackio", fake)
    assert main(["train", *SMOKE, "--steps", "1", "--log", "trackio"]) == 0
    ours = [json.loads(Path(f"runs/diffusion-smoke-photos/{s}/log.jsonl").read_text()) for s in ("fit", "rounded")]
    assert told[0] == {"project": "bozzetto", "name": "diffusion-smoke-photos", "resume": "allow"}
    assert [line["fit/loss"] for line in told[1:2]] == [ours[0]["loss"]]
    assert told[2]["rounded/step"] == 1 and "rounded/device" not in told[2]
