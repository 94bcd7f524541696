"""What each of two processes does, started by `test_stages.py`; no test alone.

    torchrun --nproc-per-node 2 -m pytest tests/two_processes.py

Runs are left in the folder $TWO_RUNS.
"""

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from bozzetto.errors import InvalidInput
from bozzetto.training import processes
from bozzetto.training.processes import ours
from test_stages import STAGES, long_run, small, train

OUT = Path(os.environ.get("TWO_RUNS", ""))
__all__ = ["small"]  # a fixture


@pytest.fixture(autouse=True, scope="module")
def together():
    """Which of the two this is."""
    with processes.joined():
        yield processes.part()[0]


@pytest.mark.parametrize("name", STAGES)
def test_train(name, small):
    train(name, small, OUT / name)


def test_long(small):
    long_run(small["diffusion"][0], OUT / "long")


def test_what_is_gathered_has_the_gradient_of_the_whole(together):
    """A loss of every row with every other, of seven rows: this process computes four of them, or three."""
    torch.manual_seed(0)
    network, rows = nn.Linear(3, 2), torch.randn(7, 3)

    def loss(found):
        return (found @ found.T).exp().mean()

    loss(network(rows)).backward()
    wanted = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    found = processes.split(network, rows)
    torch.testing.assert_close(found, network(rows))
    loss(found).backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    numbers = processes.averaged(gradients, torch.tensor([float(together), 1.0]))
    torch.testing.assert_close(gradients, wanted)
    assert numbers.tolist() == [0.5, 1]


def test_the_mean_of_some_here_and_some_there(together):
    values = torch.arange(5.0)
    (own,) = ours(values)
    assert len(own) == 3 - together
    told = [processes.mean(own[:count]).reshape(1) for count in (3, 0)]
    (both, nothing) = (processes.averaged([], value) for value in told)
    assert both.item() == pytest.approx(2) and nothing.item() == 0


def test_what_the_leader_finds_all_find(together):
    assert processes.from_leader(lambda: together) == 0

    def refused():
        raise InvalidInput("out", "is {} taken", "data") if together == 0 else AssertionError

    with pytest.raises(InvalidInput, match="out is data taken"):
        processes.from_leader(refused)
    with pytest.raises(InvalidInput, match="process 0 and process 1 differ in seed: 0 and 1; give all one command"):
        processes.agree({"steps": 5, "seed": together})
