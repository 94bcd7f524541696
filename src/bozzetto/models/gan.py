"""A generative adversarial network: a forger draws pictures, a detective tells them from real ones (Goodfellow et al.
2014, https://arxiv.org/abs/1406.2661).

Both are small residual networks without normalisation that mirror each other, 4 x 4 to 32 x 32, and are trained in
simultaneous gradient steps with the relativistic pairing loss (Jolicoeur-Martineau 2018,
https://arxiv.org/abs/1807.00734): a forgery is judged next to a real picture, so the detective must keep *every* real
picture above the forgeries near it and the forger cannot win by drawing one thing well. Zero-centred gradient
penalties on real pictures and forgeries (R1 + R2, Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, eq. 9-10)
make the steps converge; Huang et al. 2024 (https://arxiv.org/abs/2501.05441) show that this loss and these penalties
need no further tricks. The classic loss is here too, for the exhibit of a game that goes wrong.

Pictures: float [B,C,32,32] in [-1, 1], from the forger about so. Noise: float [B,64], standard normal. Label: int64
[B], 0 is any class, k + 1 is the k-th class. Logits: float [B], positive for real.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.layers import zero_init

SLOPE = 0.2  # of the leaky ReLU below zero


@dataclass(frozen=True)
class GanConfig:
    classes: tuple[str, ...]
    channels: int = 3
    noise_size: int = 64
    widths: tuple[int, ...] = (192, 128, 48, 24)  # at 4, 8, 16 and 32 pixels


def convolution(inside: int, outside: int, size: int, gain: float = math.sqrt(2 / (1 + SLOPE**2))) -> nn.Conv2d:
    """A convolution that keeps the picture's size and starts with outputs of variance gain^2 / 2 (He et al. 2015)."""
    layer = nn.Conv2d(inside, outside, size, padding=size // 2)
    nn.init.normal_(layer.weight, std=gain / math.sqrt(inside * size**2))
    nn.init.zeros_(layer.bias)
    return layer


class Block(nn.Module):
    """x + conv(act(conv(act(x)))), which begins as the identity. [B,C,H,W] -> [B,C,H,W]."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = convolution(channels, channels, 3)
        self.conv2 = zero_init(convolution(channels, channels, 3))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.leaky_relu(self.conv1(F.leaky_relu(x, SLOPE)), SLOPE))


class Generator(nn.Module):
    """The forger: noise and label -> pixels."""

    def __init__(self, config: GanConfig):
        super().__init__()
        first, last = config.widths[0], config.widths[-1]
        self.label = nn.Embedding(len(config.classes) + 1, config.noise_size)
        self.mix = nn.Linear(2 * config.noise_size, first)
        self.start = nn.Parameter(torch.randn(first, 4, 4))
        self.blocks = nn.ModuleList(Block(width) for width in config.widths)
        self.narrow = nn.ModuleList(convolution(a, b, 1, gain=1) for a, b in pairwise(config.widths))
        self.paint = convolution(last, config.channels, 3, gain=0.5)

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        style = self.mix(torch.cat([noise, self.label(label)], 1))
        x = self.blocks[0](style[:, :, None, None] * self.start)
        for narrow, block in zip(self.narrow, self.blocks[1:], strict=True):
            x = block(F.interpolate(narrow(x), scale_factor=2.0, mode="bilinear"))
        # Not squashed into [-1, 1]: white paper lies at its very end, where a tanh has no slope to learn from.
        return self.paint(F.leaky_relu(x, SLOPE)).float()


class Discriminator(nn.Module):
    """The detective: pixels and label -> logits, by projection (Miyato & Koyama 2018, eq. 3)."""

    def __init__(self, config: GanConfig):
        super().__init__()
        widths = config.widths[::-1]
        self.look = convolution(config.channels, widths[0], 3, gain=1)
        self.blocks = nn.ModuleList(Block(width) for width in widths)
        self.widen = nn.ModuleList(convolution(a, b, 1, gain=1) for a, b in pairwise(widths))
        self.end = nn.Parameter(torch.randn(widths[-1], 4, 4) / 4)
        self.judge = nn.Linear(widths[-1], 1)
        self.label = nn.Embedding(len(config.classes) + 1, widths[-1])
        nn.init.normal_(self.label.weight, std=1 / math.sqrt(widths[-1]))

    def forward(self, pixels: Tensor, label: Tensor) -> Tensor:
        x = self.blocks[0](self.look(pixels))
        for widen, block in zip(self.widen, self.blocks[1:], strict=True):
            x = block(widen(F.avg_pool2d(x, 2)))
        features = (F.leaky_relu(x.float(), SLOPE) * self.end).sum((2, 3))
        return self.judge(features)[:, 0].float() + (features * self.label(label)).sum(1)


class Gan(nn.Module):
    """Both players, so that one training loop serves both.

    progress: share of the training that is done, in [0, 1]; saved with the weights.
    """

    def __init__(self, config: GanConfig):
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.discriminator = Discriminator(config)
        self.register_buffer("progress", torch.zeros(()))


Rule = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def relativistic(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Logits [B] of real pictures and of their forgeries -> the detective's loss and the forger's, each a mean
    (Jolicoeur-Martineau 2018, section 4.1, with f = softplus)."""
    return F.softplus(fake - real).mean(), F.softplus(real - fake).mean()


def classic(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """The same for the non-saturating loss (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean(), F.softplus(-fake).mean()


RULES: dict[str, Rule] = {"relativistic": relativistic, "classic": classic}


def play(
    generator: nn.Module,
    discriminator: nn.Module,
    real: Tensor,
    noise: Tensor,
    label: Tensor,
    rule: Rule,
    gamma: float,
    augment: Callable[[Tensor], Tensor] = lambda both: both,
) -> dict[str, Tensor]:
    """One round. The gradient of "loss" is, for each player's weights, that of its own loss and of nothing else:

        detective:  rule + gamma / 2 * (E |dD/dx (real)|^2 + E |dD/dx (fake)|^2)        forger: rule

    real [B,...], noise [B,Z], label [B] of both; augment: changes real pictures and forgeries, stacked [2B,...], alike.
    Each logit must depend on its own picture alone (no batch normalisation): then dD/dx, whose length is penalised,
    is also what the forger learns from, and need not be computed twice.
    """
    fake = generator(noise, label)
    shown = augment(torch.cat([real, fake]))
    seen = shown.detach().requires_grad_()
    logits = discriminator(seen, torch.cat([label, label]))
    real_logits, fake_logits = logits.chunk(2)
    detective, _ = rule(real_logits, fake_logits)
    (slope,) = torch.autograd.grad(logits.sum(), seen, create_graph=gamma > 0, retain_graph=True)
    penalty = slope.flatten(1).square().sum(1).mean()  # (R1 + R2) / 2

    # The chain rule by hand, for the forger: d forger / d fake = d forger / d logit * d logit / d fake.
    leaf = fake_logits.detach().requires_grad_()
    _, forger = rule(real_logits.detach(), leaf)
    (pull,) = torch.autograd.grad(forger, leaf)
    forged = shown.chunk(2)[1].flatten(1)
    towards = ((slope.detach().chunk(2)[1].flatten(1) * pull[:, None]) * forged).sum()
    loss = detective + gamma * penalty + (towards - towards.detach()) + forger.detach()
    return {
        "loss": loss,
        "detective": detective,
        "forger": forger,
        "penalty": penalty,
        "told_apart": (real_logits > fake_logits).float().mean(),
    }


def augment(pixels: Tensor, share: float | Tensor, generator: torch.Generator) -> Tensor:
    """Move pictures by up to an eighth and cut a square out of them, each in a share of cases, so that the detective
    cannot learn a small set by heart (Zhao et al. 2020, https://arxiv.org/abs/2006.10738).

    pixels: real pictures and their forgeries, stacked [2B,C,S,S]; picture b and forgery b are changed alike.
    Differentiable in `pixels`. What comes in from outside is the picture's edge; what is cut out is grey.
    """
    count, size, device = len(pixels) // 2, pixels.shape[-1], pixels.device

    def draw(low: int, high: int, chosen: Tensor) -> Tensor:
        return torch.randint(low, high + 1, (count, 1), generator=generator, device=device) * chosen

    moved, cut = torch.rand(2, count, 1, generator=generator, device=device) < share
    line = torch.arange(size, device=device)
    rows, columns = ((line + draw(-size // 8, size // 8, moved)).clamp(0, size - 1) for _ in range(2))
    top, left = (line - draw(0, size, cut) + size // 4 for _ in range(2))  # the square may reach over the edge
    inside = ((top >= 0) & (top < size // 2))[:, :, None] & ((left >= 0) & (left < size // 2))[:, None, :]
    kept = ~(inside & cut[:, :, None])
    rows, columns, kept = (x.repeat(2, *[1] * (x.ndim - 1)) for x in (rows, columns, kept))
    picture = torch.arange(2 * count, device=device)[:, None, None]
    shifted = pixels.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None, :]]
    return (shifted * kept[..., None]).permute(0, 3, 1, 2)
