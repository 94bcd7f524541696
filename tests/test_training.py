"""The loop and the recipes: a killed run goes on bit for bit, bad runs stop with a clear line, losses fall."""

import dataclasses
import errno
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bozzetto.training import checkpoint, loop
from bozzetto.training.loop import OutOfTime, TrainingSchedule, TrainingStopped, fit
from bozzetto.training.muon import Muon, orthogonalise

TINY = TrainingSchedule(steps=30, batch_size=8, learning_rate=1e-2, warmup=3, ema=0.9)


def line_fit(model, rng, generator):
    """Learn y = 3x with data and noise drawn from both generators."""
    x = torch.from_numpy(rng.standard_normal((8, 1)).astype(np.float32))
    noise = 0.01 * torch.randn(8, 1, generator=generator)
    return {"loss": (model(x).float() - 3 * x + noise).square().mean()}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 16), nn.SiLU(), nn.Linear(16, 1))


def equal(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize(("muon", "rate"), [(False, 1e-2), (True, 1e-1)])
def test_the_loss_falls_and_the_log_says_so(tmp_path, muon, rate):
    fit(network(), line_fit, dataclasses.replace(TINY, steps=300, learning_rate=rate, muon=muon), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines[0]["step"] == 1 and lines[-1]["step"] == 300
    assert lines[-1]["loss"] < 0.05 * lines[0]["loss"]
    assert {"lr", "pictures_per_second", "seconds"} <= lines[-1].keys()


@pytest.mark.parametrize("muon", [False, True])
def test_stopped_and_resumed_is_bit_equal(tmp_path, muon):
    schedule = dataclasses.replace(TINY, muon=muon)
    whole, parts = network(), network()
    average = fit(whole, line_fit, schedule, tmp_path / "whole")

    calls = 0

    def stops_itself(*step):
        nonlocal calls
        calls += 1
        if calls == 11:
            os.kill(os.getpid(), signal.SIGTERM)
        return line_fit(*step)

    with pytest.raises(KeyboardInterrupt):
        fit(parts, stops_itself, schedule, tmp_path / "parts")
    assert not equal(whole, parts)
    fresh = network()
    for parameter in fresh.parameters():  # nothing but the file may matter
        nn.init.constant_(parameter, 7.0)
    resumed = fit(fresh, line_fit, schedule, tmp_path / "parts")
    assert equal(fresh, whole) and equal(resumed, average)


SCRIPT = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_training import TINY, line_fit, network
from bozzetto.training.loop import fit
calls = 0
def kills_itself(*step):
    global calls
    calls += 1
    if calls == 12:
        os.kill(os.getpid(), signal.SIGKILL)
    return line_fit(*step)
fit(network(), kills_itself, TINY, Path(sys.argv[1]), save_every=-1)
"""


def test_killed_without_warning_and_resumed_is_bit_equal(tmp_path):
    whole = network()
    average = fit(whole, line_fit, TINY, tmp_path / "whole")
    script = SCRIPT.format(tests=os.path.dirname(__file__))
    process = subprocess.run([sys.executable, "-c", script, str(tmp_path / "killed")])
    assert process.returncode == -signal.SIGKILL
    assert checkpoint.read_metadata(tmp_path / "killed" / loop.STATE)["step"] == "11"
    resumed_model = network()
    resumed = fit(resumed_model, line_fit, TINY, tmp_path / "killed")
    lines = [json.loads(line)["step"] for line in (tmp_path / "killed/log.jsonl").read_text().splitlines()]
    assert 12 in lines and lines[-1] == 30  # it did go on from the middle
    assert equal(resumed_model, whole) and equal(resumed, average)


def test_a_nan_stops_and_names_the_step(tmp_path):
    calls = 0

    def poisoned(*step):
        nonlocal calls
        calls += 1
        return {"loss": line_fit(*step)["loss"] * (float("nan") if calls == 5 else 1.0)}

    with pytest.raises(TrainingStopped, match="step 4"):
        fit(network(), poisoned, TINY, tmp_path)


def test_a_deadline_ends_a_stage_after_a_step_and_is_no_finish(tmp_path):
    with pytest.raises(OutOfTime, match=r"stopped at step 1 of 30 \(time limit\), and all is saved"):
        fit(network(), line_fit, TINY, tmp_path, deadline=0)
    assert "finished" not in checkpoint.read_metadata(tmp_path / loop.STATE)


def test_a_finished_stage_is_only_read(tmp_path):
    model = network()
    average = fit(model, line_fit, TINY, tmp_path)
    metadata = checkpoint.read_metadata(tmp_path / loop.STATE)
    assert metadata["finished"] == checkpoint.checksum(average)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    again = network()
    assert equal(fit(again, None, TINY, tmp_path), average) and equal(again, model)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before


def test_another_recipe_is_refused_by_the_field_that_differs(tmp_path):
    fit(network(), line_fit, TINY, tmp_path)
    with pytest.raises(ValueError, match=r"learning_rate = 0\.01, this run has learning_rate = 0\.5"):
        fit(network(), line_fit, TrainingSchedule(**(vars(TINY) | {"learning_rate": 0.5})), tmp_path)


def test_a_broken_state_file_is_named(tmp_path):
    fit(network(), line_fit, TINY, tmp_path)
    state = tmp_path / loop.STATE
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"state\.safetensors is not a readable training state"):
        fit(network(), line_fit, TINY, tmp_path)


def test_saving_never_leaves_half_a_file(tmp_path, monkeypatch):
    model = network()
    checkpoint.write_tensors(model.state_dict(), tmp_path / "a.safetensors", {})
    before = (tmp_path / "a.safetensors").read_bytes()

    def dies_halfway(path, content):
        write_bytes(path, content[: len(content) // 2])
        raise KeyboardInterrupt

    write_bytes = Path.write_bytes

    monkeypatch.setattr(Path, "write_bytes", dies_halfway)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.write_tensors(model.state_dict(), tmp_path / "a.safetensors", {})
    monkeypatch.undo()
    assert (tmp_path / "a.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def full_disk(monkeypatch, name):
    """Whatever is written to a file called `name`, or to the unfinished one that takes its place, finds no room."""
    write_bytes, opened = Path.write_bytes, open

    def no_room(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def opening(path, *args, **kwargs):
        file = opened(path, *args, **kwargs)
        if Path(path).name == name:
            file.write = no_room
        return file

    monkeypatch.setattr(Path, "write_bytes", no_room if name == loop.STATE else write_bytes)
    monkeypatch.setattr("builtins.open", opening)


@pytest.mark.parametrize("name", [loop.STATE, loop.LOG])
def test_a_full_disk_ends_in_one_error_that_names_the_file(tmp_path, monkeypatch, name):
    full_disk(monkeypatch, name)
    with pytest.raises(OSError, match="No space left on device") as caught:
        fit(network(), line_fit, TINY, tmp_path)
    assert caught.value.filename == str(tmp_path / name) and caught.value.errno == errno.ENOSPC
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".part"]


def test_the_bar_is_drawn_where_it_asks(tmp_path, monkeypatch, capsys):
    """On stderr, if that is a terminal: `train > log` leaves stdout alone."""
    fit(network(), line_fit, TINY, tmp_path / "quiet")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fit(network(), line_fit, TINY, tmp_path / "shown")
    out, err = capsys.readouterr()
    assert out == "" and "30/30" in err


def test_muon_makes_singular_values_one_and_keeps_directions():
    torch.manual_seed(0)
    matrices = torch.randn(3, 20, 50)
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    for out, aim in zip(orthogonalise(matrices), u @ v, strict=True):
        assert torch.linalg.svdvals(out).min() > 0.6 and torch.linalg.svdvals(out).max() < 1.3
        assert (out * aim).sum() / (out.norm() * aim.norm()) > 0.97


def test_muon_over_stacks_is_muon_of_each_matrix_alone():
    """Wide, tall and of four dimensions, in company and each by its own optimizer, over three steps."""
    torch.manual_seed(0)
    shapes = [(20, 50), (50, 20), (20, 50), (4, 8, 3, 3), (8, 4), (4, 8)]
    start = [torch.randn(shape) for shape in shapes]
    together, alone = ([nn.Parameter(tensor.clone()) for tensor in start] for _ in range(2))
    optimizers = [Muon(together, 0.1), *(Muon([parameter], 0.1) for parameter in alone)]
    for _ in range(3):
        for one, other in zip(together, alone, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert (together[1] - start[1]).std() > 0.02


def test_the_learning_rate_warms_up_and_comes_down():
    schedule = TrainingSchedule(steps=100, batch_size=1, learning_rate=1.0, warmup=10)
    rates = [schedule.learning_rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == pytest.approx(1.0) and rates[99] < 0.02
    assert all(a >= b for a, b in itertools.pairwise(rates[9:]))
    level = TrainingSchedule(steps=100, batch_size=1, learning_rate=0.5, warmup=10, last_rate=1.0)
    assert {level.learning_rate_at(step) for step in range(10, 100)} == {0.5}
