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


Cache = tuple[Tensor, Tensor]
"""Keys and values of all layers for the positions so far, each [B,layers,heads,P,size]."""


def turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions: pairs of numbers of x [...,T,size] turned by the angles of cos and sin [T,size/2]."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def later(count: int, before: int, device: torch.device) -> Tensor:
    """A mask [count,before+count] that hides from each of the last positions those that come after it."""
    steps = torch.arange(count, device=device)
    return F.pad((steps[:, None] < steps).float() * -1e4, (before, 0))


class DecoderLayer(nn.Module):
    """x [B,T,C], and keys and values [B,heads,P,size] of earlier positions -> x, all keys and values, and how much
    each position looked at each one [B,heads,T,P+T]."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = zero_init(nn.Linear(width, width, bias=False))
        self.up, self.down = nn.Linear(width, 4 * width, bias=False), zero_init(nn.Linear(4 * width, width, bias=False))
        self.temperature = nn.Parameter(torch.full((heads, 1, 1), 10.0))  # of the unit-norm queries and keys

    def forward(
        self, x: Tensor, before: Cache | None, cos: Tensor, sin: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, -1)
        )
        q, k = (turn(F.normalize(part.float(), dim=-1), cos, sin) for part in (q, k))
        v = v.float()
        if before is not None:
            k, v = torch.cat([before[0], k], 2), torch.cat([before[1], v], 2)
        looked = ((q @ k.transpose(-1, -2)) * self.temperature + mask).softmax(-1)
        x = x + self.out((looked @ v).transpose(1, 2).flatten(2))
        return x + self.down(F.relu(self.up(self.norm2(x))).square()), k, v, looked


class DecoderLayers(nn.ModuleList):
    """A plain pre-norm transformer with rotary positions (Su et al. 2021, https://arxiv.org/abs/2104.09864, eq. 34),
    unit-norm queries and keys, and squared ReLU (So et al. 2021, https://arxiv.org/abs/2109.08668). A mask says what
    each position may look at: 0 for all, `later` for a decoder."""

    cos: Tensor
    sin: Tensor

    def __init__(self, width: int, layers: int, heads: int, positions: int):
        super().__init__(DecoderLayer(width, heads) for _ in range(layers))
        size = width // heads
        turns = 100.0 ** (-torch.arange(size // 2) / (size // 2))
        angle = torch.arange(positions)[:, None] * turns
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, x: Tensor, past: Cache | None, mask: Tensor) -> tuple[Tensor, Cache, Tensor]:
        """x [B,T,C] -> what the layers make of it, the whole cache, and looks [B,layers,T,P+T], the mean of heads."""
        x = x.float()  # the residual stream stays exact under autocast
        start = 0 if past is None else past[0].shape[3]
        cos, sin = (table[start : start + x.shape[1]] for table in (self.cos, self.sin))
        keys, values, looks = [], [], []
        for i, layer in enumerate(self):
            before = None if past is None else (past[0][:, i], past[1][:, i])
            x, k, v, looked = layer(x, before, cos, sin, mask)
            keys.append(k)
            values.append(v)
            looks.append(looked.mean(1))
        return x, (torch.stack(keys, 1), torch.stack(values, 1)), torch.stack(looks, 1)
