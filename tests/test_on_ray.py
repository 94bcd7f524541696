"""A training handed to Ray Train: as one process learns it though a worker dies, and stopped from here."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

pytest.importorskip("ray")

from bozzetto.cli import main
from bozzetto.training import checkpoint, processes
from bozzetto.training.loop import STATE, fit
from bozzetto.training.stages import FINAL
from test_processes import COMMAND, environment, half_fit
from test_training import TINY, network

WORK = """
import sys
from functools import partial
from pathlib import Path
from bozzetto.training import on_ray
from test_on_ray import learn
out = Path(sys.argv[1])
on_ray.train(partial(learn, out), out, 2)
print(*sorted(path.name for path in out.iterdir()))
"""


def learn(out: Path) -> None:
    """In a worker. One of two dies on the way, once."""
    calls = 0

    def loss(*step):
        nonlocal calls
        calls += 1
        died = out.parent / "died"
        if calls == 12 and processes.part() == (1, 2) and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return half_fit(*step)

    fit(network(), loss, TINY, out / "fit", save_every=-1)


def test_workers_learn_as_one_process_though_one_of_them_dies(tmp_path):
    command = [sys.executable, "-c", WORK, str(tmp_path / "run")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=900)
    assert done.returncode == 0 and (tmp_path / "died").exists(), done.stderr
    assert done.stdout.splitlines()[-1] == "fit"  # what Ray wrote is gone
    model, whole = network(), network()
    fit(whole, half_fit, TINY, tmp_path / "whole")
    fit(model, half_fit, TINY, tmp_path / "run/fit")  # which is at its end
    assert checkpoint.read_metadata(tmp_path / "run/fit" / STATE)["step"] == str(TINY.steps)
    for one, other in zip(model.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_ctrl_c_here_ends_the_workers_after_a_step_and_the_command_goes_on(photos):
    command = [*COMMAND, "--steps", "100000", "--ray", "--workers", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = subprocess.Popen([sys.executable, "-m", "bozzetto", *command], env=environment(), **pipes)
    run = Path("runs/diffusion-smoke-photos")
    while not (run / "fit/log.jsonl").exists() and started.poll() is None:
        time.sleep(0.1)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=900)
    step = checkpoint.read_metadata(run / "fit" / STATE)["step"]
    again = shlex.join(["bozzetto", *command])
    wanted = f"bozzetto: stopped at step {step} of 100000 (SIGINT), and all is saved; it goes on with `{again}`"
    assert started.returncode == 130 and said.strip().splitlines()[-1] == wanted
    assert {path.name for path in run.iterdir()} == {"fit", "lock"} and not (run / FINAL).exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--workers", "2"], "--workers goes with --ray only"),
        (["--ray", "--workers", "0"], "--workers must be a whole number from 1"),
    ],
)
def test_what_cannot_be_is_said(photos, capsys, more, message):
    assert main([*COMMAND, *more]) == 2
    assert message in capsys.readouterr().err and not Path("runs").exists()
