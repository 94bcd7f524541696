"""Many processes, one training: as one process learns it, stopped by one for all, and no state lost with a process."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from bozzetto.errors import InvalidInput
from bozzetto.files import locked
from bozzetto.models.diffusion import DiffusionConfig, PixelDenoiser
from bozzetto.models.gan import augment
from bozzetto.training import checkpoint, data, processes
from bozzetto.training.loop import STATE, fit
from bozzetto.training.recipes import few_steps
from bozzetto.training.stages import FINAL
from test_training import TINY, network

TESTS = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def environment(**more: object) -> dict[str, str]:
    source = Path(data.__file__).resolve().parents[2]
    path = os.pathsep.join([str(source), str(TESTS)])
    return (
        os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"} | {name: str(value) for name, value in more.items()}
    )


def start(*commands: list[str]) -> list[subprocess.Popen]:
    """The processes of one training, each with its command, without the launcher, which would end the others when one
    has ended."""
    count = len(commands)
    shared = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return [
        subprocess.Popen([sys.executable, *command], env=environment(RANK=rank, LOCAL_RANK=rank, **shared), **pipes)
        for rank, command in enumerate(commands)
    ]


def ended(started: list[subprocess.Popen]) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of each."""
    try:
        said = [process.communicate(timeout=900) for process in started]
        return [(process.returncode, *texts) for process, texts in zip(started, said, strict=True)]
    finally:
        for process in started:
            process.kill()


SCRIPT = """
import os, signal, sys
from pathlib import Path
from test_processes import half_fit
from test_training import TINY, network
from bozzetto.training import processes
from bozzetto.training.loop import TrainingStopped, fit
calls = 0
def loss(*step):
    global calls
    calls += 1
    if calls == 12 and processes.part()[0] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return half_fit(*step)
with processes.joined():
    try:
        fit(network(), loss, TINY, Path(sys.argv[1]), save_every=-1)
    except TrainingStopped as error:
        sys.exit(str(error))
"""


def half_fit(model, rng, generator):
    """As `line_fit`, of this process's share."""
    x = torch.from_numpy(rng.standard_normal((8, 1)).astype(np.float32))
    noise = 0.01 * torch.randn(8, 1, generator=generator)
    x, noise = processes.ours(x, noise)
    return {"loss": (model(x).float() - 3 * x + noise).square().mean()}


def test_a_killed_process_ends_the_other_with_a_line_and_the_state_goes_on_with_one(tmp_path):
    (code, _, said), killed = ended(start(*[["-c", SCRIPT, str(tmp_path / "run")]] * 2))
    assert killed[0] == -signal.SIGKILL
    wanted = "another process of this training is gone, at step 11 of 30: the same command goes on from what was last "
    assert code == 1 and said.strip().splitlines()[-1] == f"{wanted}saved in {tmp_path / 'run'}"
    assert checkpoint.read_metadata(tmp_path / "run" / STATE)["step"] == "11"
    model, whole = network(), network()
    fit(whole, half_fit, TINY, tmp_path / "whole")
    fit(model, half_fit, TINY, tmp_path / "run")
    for one, other in zip(model.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


COMMAND = ["train", "diffusion", "--budget", "smoke", "--data", "photos"]


def test_ctrl_c_at_one_process_ends_all_after_the_same_step(photos):
    started = start(*[["-m", "bozzetto", *COMMAND, "--steps", "100000"]] * 2)
    log = Path("runs/diffusion-smoke-photos/fit/log.jsonl")
    while not log.exists() and started[0].poll() is None:
        time.sleep(0.1)
    started[1].send_signal(signal.SIGINT)
    (code, out, said), other = ended(started)
    assert code == 130 and other == (130, "", "")
    step = checkpoint.read_metadata(log.parent / STATE)["step"]
    command = shlex.join(["bozzetto", *COMMAND, "--steps", "100000"])
    again = f"torchrun --nproc-per-node 2 -m {command}"
    assert said == f"bozzetto: stopped at step {step} of 100000 (SIGINT), and all is saved; it goes on with `{again}`\n"
    assert out.count("\n") == 1 and not Path("runs/diffusion-smoke-photos", FINAL).exists()


def test_a_folder_in_use_is_said_once(photos):
    out = Path("runs/diffusion-smoke-photos")
    out.mkdir(parents=True)
    with locked(out / "lock", "out", "training in it"):
        (code, _, said), other = ended(start(*[["-m", "bozzetto", *COMMAND]] * 2))
    assert code == 2 and said.count("\n") == 1 and f"{out} is in use: process {os.getpid()}" in said
    assert other == (2, "", "")


@pytest.mark.parametrize(("size", "count"), [(16, 3), (16, 8), (6, 2)])
def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch, size, count):
    monkeypatch.setattr(processes, "part", lambda: (0, count))
    fits = {16: "start 1 or 2" if count == 3 else "start 1 or 2 or 4", 6: "start 1"}[size]
    with pytest.raises(InvalidInput) as caught:
        processes.check_batch(size)
    assert str(caught.value) == f"{count} processes cannot share batches of {size} pictures, by 4 or a multiple: {fits}"


def test_the_parts_of_a_student_lose_what_the_whole_does(monkeypatch):
    """Five short jumps of eight: one part has three of them, the other two."""
    torch.manual_seed(0)
    teacher = PixelDenoiser(DiffusionConfig(classes=("a",), widths=(32, 32, 32)))
    torch.nn.init.normal_(teacher.leave[-1].weight, std=0.1)
    student, clean, label = few_steps.copy_of(teacher), torch.randn(8, 3, 32, 32), torch.arange(8) % 2
    torch.nn.init.normal_(student.until.second.weight, std=0.1)

    def lost(number, count):
        monkeypatch.setattr(processes, "part", lambda: (number, count))
        chance = np.random.default_rng(1), torch.Generator().manual_seed(1)
        values = few_steps.loss(student, teacher, clean, (label,), (label[:5] * 0,), 2.0, *chance)
        return values["loss"].item()

    assert lost(0, 2) != pytest.approx(lost(1, 2), rel=1e-3)
    assert (lost(0, 2) + lost(1, 2)) / 2 == pytest.approx(lost(0, 1), rel=1e-5)


def test_a_part_is_augmented_as_it_is_in_the_whole():
    real, fake = torch.randn(2, 8, 1, 16, 16)
    whole = augment(torch.cat([real, fake]), 0.7, torch.Generator().manual_seed(0)).view(2, 8, 1, 16, 16)
    for number in (0, 1):
        mine = torch.cat([real[number::2], fake[number::2]])
        found = augment(mine, 0.7, torch.Generator().manual_seed(0), (number, 2))
        assert torch.equal(found, whole[:, number::2].flatten(0, 1))


def test_alone_a_process_computes_all_itself():
    rows = torch.randn(5, 2)
    assert processes.ours(rows, [1, 2]) == (rows, [1, 2]) and processes.gathered(rows) is rows
    assert processes.leads() and processes.mean(rows[:, 0]).item() == pytest.approx(rows[:, 0].mean().item())
