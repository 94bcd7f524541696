"""Muon: steepest descent for matrices (Jordan et al. 2024), beside AdamW for everything else.

The momentum of a weight matrix is replaced by the nearest matrix whose singular values are all about one, by five
Newton-Schulz steps, so that every direction learns at the same speed. A convolution is the matrix of its output
channels by everything else. The step is scaled to the size AdamW's would have (Liu et al. 2025, Moonlight, eq. 4), so
both share one learning rate. torch.optim.Muon takes no convolutions and always computes in bf16, which a CPU without
bf16 units does two hundred times slower than fp32.
"""

from collections.abc import Iterable

import torch
from torch import Tensor


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly: singular values end up between 0.7 and 1.2. [R,C] -> [R,C]."""
    a, b, c = 3.4445, -4.7750, 2.0315  # a quintic whose iteration pushes (0, 1] towards 1 fastest, from the paper
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """For parameters of two or more dimensions."""

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        dtype: torch.dtype = torch.float32,
    ):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.dtype = dtype

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # torch's takes a closure, for which there is no need here
        for group in self.param_groups:
            for parameter in group["params"]:
                state, gradient = self.state[parameter], parameter.grad
                if gradient is None:
                    continue
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                state["momentum"].lerp_(gradient, 1 - group["momentum"])
                update = gradient.lerp(state["momentum"], group["momentum"])  # Nesterov's
                matrix = update.flatten(1)
                update = orthogonalise(matrix.to(self.dtype)).to(parameter.dtype).view_as(update)
                scale = 0.2 * max(matrix.shape) ** 0.5
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update, alpha=-group["lr"] * scale)
