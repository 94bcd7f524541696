"""The loop and the recipes: a killed run goes on bit for bit, bad runs stop with a clear line, losses fall."""

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from bozzetto.training import checkpoint, loop
from bozzetto.training.loop import Schedule, TrainingStopped, fit
from bozzetto.training.muon import orthogonalise

TINY = Schedule(steps=30, batch_size=8, learning_rate=1e-2, warmup=3, ema=0.9)


def line_fit(model):
    """Learn y = 3x with data and noise drawn from both generators."""

    def compute(rng, generator):
        x = torch.from_numpy(rng.standard_normal((8, 1)).astype(np.float32))
        noise = 0.01 * torch.randn(8, 1, generator=generator)
        return {"loss": (model(x).float() - 3 * x + noise).square().mean()}

    return compute


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

    def stops_itself(model):
        compute, calls = line_fit(model), 0

        def counted(rng, generator):
            nonlocal calls
            calls += 1
            if calls == 11:
                os.kill(os.getpid(), signal.SIGTERM)
            return compute(rng, generator)

        return counted

    with pytest.raises(KeyboardInterrupt):
        fit(parts, stops_itself, schedule, tmp_path / "parts")
    assert not equal(whole, parts)
    fresh = network()
    for parameter in fresh.parameters():  # nothing but the file may matter
        nn.init.constant_(parameter, 7.0)
    resumed = fit(fresh, line_fit, schedule, tmp_path / "parts")
    assert equal(fresh, whole) and equal(resumed, average)


SCRIPT = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_training import TINY, line_fit, network
from bozzetto.training.loop import fit
def slow(model):
    compute = line_fit(model)
    def counted(rng, generator):
        time.sleep(0.05)
        return compute(rng, generator)
    return counted
fit(network(), slow, TINY, Path(sys.argv[1]), save_every=0)
"""


def test_killed_without_warning_and_resumed_is_bit_equal(tmp_path):
    whole = network()
    average = fit(whole, line_fit, TINY, tmp_path / "whole")
    script = SCRIPT.format(tests=os.path.dirname(__file__))
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "killed")])
    state = tmp_path / "killed" / loop.STATE
    deadline = time.monotonic() + 60
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    process.kill()
    process.wait()
    resumed_model = network()
    resumed = fit(resumed_model, line_fit, TINY, tmp_path / "killed")
    lines = [json.loads(line)["step"] for line in (tmp_path / "killed/log.jsonl").read_text().splitlines()]
    assert 1 < lines[-2] < 30 and lines[-1] == 30  # it did go on from the middle
    assert equal(resumed_model, whole) and equal(resumed, average)


def test_a_nan_stops_and_names_the_step(tmp_path):
    def poisoned(model):
        compute, calls = line_fit(model), 0

        def counted(rng, generator):
            nonlocal calls
            calls += 1
            values = compute(rng, generator)
            return {"loss": values["loss"] * (float("nan") if calls == 5 else 1.0)}

        return counted

    with pytest.raises(TrainingStopped, match="step 4"):
        fit(network(), poisoned, TINY, tmp_path)


def test_minutes_end_a_run_cleanly(tmp_path, capsys):
    long = Schedule(steps=10**6, batch_size=8, learning_rate=1e-2)
    fit(network(), line_fit, long, tmp_path, minutes=0.01)
    assert "time limit" in capsys.readouterr().err
    assert (tmp_path / loop.STATE).exists()


def test_another_recipe_is_refused_by_the_field_that_differs(tmp_path):
    fit(network(), line_fit, TINY, tmp_path)
    with pytest.raises(ValueError, match=r"learning_rate = 0\.01, this run has learning_rate = 0\.5"):
        fit(network(), line_fit, Schedule(**(vars(TINY) | {"learning_rate": 0.5})), tmp_path)


def test_a_broken_state_file_is_named(tmp_path):
    fit(network(), line_fit, TINY, tmp_path)
    state = tmp_path / loop.STATE
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"state\.safetensors is not a readable training state"):
        fit(network(), line_fit, TINY, tmp_path)


def test_saving_never_leaves_half_a_file(tmp_path, monkeypatch):
    model = network()
    checkpoint.write_atomically(model.state_dict(), tmp_path / "a.safetensors", {})
    before = (tmp_path / "a.safetensors").read_bytes()

    def dies_halfway(tensors, path, metadata):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save_file", dies_halfway)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.write_atomically(model.state_dict(), tmp_path / "a.safetensors", {})
    assert (tmp_path / "a.safetensors").read_bytes() == before


def test_muon_makes_singular_values_one_and_keeps_directions():
    torch.manual_seed(0)
    for shape in ((20, 50), (50, 20)):
        matrix = torch.randn(shape)
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        out = orthogonalise(matrix)
        assert torch.linalg.svdvals(out).min() > 0.6 and torch.linalg.svdvals(out).max() < 1.3
        assert (out * (u @ v)).sum() / (out.norm() * (u @ v).norm()) > 0.97


def test_the_learning_rate_warms_up_and_comes_down():
    schedule = Schedule(steps=100, batch_size=1, learning_rate=1.0, warmup=10)
    rates = [schedule.learning_rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == pytest.approx(1.0) and rates[99] < 0.02
    assert all(a >= b for a, b in itertools.pairwise(rates[9:]))
    level = Schedule(steps=100, batch_size=1, learning_rate=0.5, warmup=10, last_rate=1.0)
    assert {level.learning_rate_at(step) for step in range(10, 100)} == {0.5}
