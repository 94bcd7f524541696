"""The few pieces that several networks share. Shapes: pictures [B,C,H,W], token sequences [B,T,C]."""

import math
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)
TIME_WAVES = 64  # numbers that stand for a time


def zero_init(module: Layer) -> Layer:
    """Start a residual branch at zero, so that a deep network begins as the identity (Zhang et al. 2019, Fixup)."""
    nn.init.zeros_(module.weight)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module


def timestep_embedding(t: Tensor) -> Tensor:
    """Times [B] in [0, 1] as sines and cosines of 32 frequencies (Vaswani et al. 2017, section 3.5): float [B,64]."""
    frequency = torch.exp(torch.arange(TIME_WAVES // 2, device=t.device) * (math.log(1000) / (TIME_WAVES // 2 - 1)))
    angle = t.float()[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], 1)


class TimestepEmbedding(nn.Module):
    """Times [B] in [0, 1] -> [B,size]."""

    def __init__(self, size: int):
        super().__init__()
        self.first, self.second = nn.Linear(TIME_WAVES, size), nn.Linear(size, size)

    def forward(self, t: Tensor) -> Tensor:
        return self.second(F.silu(self.first(timestep_embedding(t))))


class ResBlock(nn.Module):
    """x + conv(silu(conv(silu(x)))), 3x3, without normalisation. [B,C,H,W] -> [B,C,H,W]."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = zero_init(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.silu(self.conv1(F.silu(x))))


class Attention(nn.Module):
    """Multi-head attention of x [B,T,C] over a context [B,S,D] (x itself when D is None), with unit-norm queries and
    keys.

    mask: [B,S], 1 where the context may be looked at, 0 where it is padding.
    """

    def __init__(self, channels: int, heads: int, context: int | None = None):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_kv = nn.Linear(context or channels, 2 * channels, bias=False)
        self.out = zero_init(nn.Linear(channels, channels))
        # Queries and keys have unit norm (Henry et al. 2020), so the logits need a learned temperature.
        self.temperature = nn.Parameter(torch.full((heads, 1, 1), 10.0))

    def forward(self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        context = x if context is None else context
        q = self.to_q(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.to_kv(context).chunk(2, -1))
        q, k = F.normalize(q.float(), dim=-1), F.normalize(k.float(), dim=-1)
        logits = (q @ k.transpose(-1, -2)) * self.temperature
        if mask is not None:
            logits = logits + (mask[:, None, None, :] - 1) * 1e4
        y = logits.softmax(-1).to(v.dtype) @ v
        return self.out(y.transpose(1, 2).flatten(2))


class FilmBlock(nn.Module):
    """A residual block with group normalisation, steered by a condition (Perez et al. 2018, FiLM) when there is one.

    x [B,C,H,W], condition [B,D] -> [B,C,H,W].
    """

    def __init__(self, channels: int, condition: int | None = None):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, channels), nn.GroupNorm(8, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = zero_init(nn.Conv2d(channels, channels, 3, padding=1))
        self.film = zero_init(nn.Linear(condition, 2 * channels)) if condition else None

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        y = self.norm2(self.conv1(F.silu(self.norm1(x))))
        if self.film is not None:
            scale, shift = self.film(condition)[:, :, None, None].chunk(2, 1)
            y = y * (1 + scale) + shift
        return x + self.conv2(F.silu(y))
