"""Muon: steepest descent for matrices (Jordan et al. 2024), beside AdamW for everything else.

The momentum of a weight matrix is replaced by the nearest matrix whose singular values are all about one, by five
Newton-Schulz steps, so that every direction learns at the same speed. A convolution is the matrix of its output
channels by everything else. The step is scaled to the size AdamW's would have (Liu et al. 2025, Moonlight, eq. 4), so
both share one learning rate. torch.optim.Muon takes no convolutions and always computes in bf16, which a CPU without
bf16 units does two hundred times slower than fp32.

Matrices of one shape are stacked, so that a network of many equal layers takes few and large products.
"""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor, nn


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrices, roughly: singular values end up between 0.7 and 1.2. [N,R,C], R <= C."""
    a, b, c = 3.4445, -4.7750, 2.0315  # a quintic whose iteration pushes (0, 1] towards 1 fastest, from the paper
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = torch.bmm(x, x.transpose(1, 2))
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


class Muon(torch.optim.Optimizer):
    """For parameters of two or more dimensions."""

    def __init__(
        self,
        params: list[dict] | list[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        dtype: torch.dtype = torch.float32,
    ):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.dtype = dtype

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            learned = [parameter for parameter in group["params"] if parameter.grad is not None]
            for parameter in learned:
                if not self.state[parameter]:
                    self.state[parameter]["momentum"] = torch.zeros_like(parameter)
            gradients = [parameter.grad for parameter in learned]
            momenta = [self.state[parameter]["momentum"] for parameter in learned]
            torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
            updates = torch._foreach_lerp(gradients, momenta, group["momentum"])  # Nesterov's
            torch._foreach_mul_(learned, 1 - group["lr"] * group["weight_decay"])
            alike = defaultdict(list)
            for parameter, update in zip(learned, updates, strict=True):
                matrix = update.flatten(1)
                tall = matrix.shape[0] > matrix.shape[1]
                matrix = matrix.T if tall else matrix
                alike[matrix.shape].append((parameter, matrix, tall))
            for shape, some in alike.items():
                found = orthogonalise(torch.stack([matrix.to(self.dtype) for _, matrix, _ in some]))
                for (parameter, _, tall), matrix in zip(some, found, strict=True):
                    matrix = matrix.T if tall else matrix
                    parameter.add_(matrix.reshape(parameter.shape), alpha=-group["lr"] * 0.2 * max(shape) ** 0.5)
