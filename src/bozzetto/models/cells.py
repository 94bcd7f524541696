"""Layers for pictures of few cells and many channels, 8 x 8 and smaller, that a processor's matrix units like.

At these sizes passes over memory cost more than arithmetic: so no channel is copied that need not be, a convolution
learns from all pictures of a batch at once, and every stride is a product. Pictures [B,C,H,W] in channels-last order.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.layers import zero_init


def cells_norm(x: Tensor) -> Tensor:
    """Every cell's channels with mean 0 and variance 1, [B,C,H,W]."""
    return F.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],)).permute(0, 3, 1, 2)


def sheet(pictures: Tensor) -> Tensor:
    """Pictures [B,C,H,W] side by side, with an empty column after each: [1,C,H,B (W+1)]."""
    b, c, h, w = pictures.shape
    wide = pictures.new_empty(h, b, w + 1, c)
    wide[:, :, :w] = pictures.permute(2, 0, 3, 1)
    wide[:, :, w] = 0
    return wide.view(1, h, b * (w + 1), c).permute(0, 3, 1, 2)


def _gradients(gradient: Tensor, x: Tensor, weight: Tensor, wanted: list[bool]) -> tuple[Tensor, Tensor, Tensor]:
    ones = [1, 1]
    return torch.ops.aten.convolution_backward(gradient, x, weight, None, ones, ones, ones, False, [0, 0], 1, wanted)


class SheetConv(torch.autograd.Function):
    """A 3 x 3 convolution whose weight's gradient is computed on one wide sheet of all pictures. Matrix units sum along
    a row of a picture, and rows of 8 or 4 cells leave them mostly empty: 1.5 times the library's speed at 8 x 8, 4
    times at 4 x 4, with the same numbers."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias, padding=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        dx = _gradients(gradient, x, weight, [True, False, False])[0]
        if not ctx.needs_input_grad[1]:  # frozen
            return dx, None, None
        dw = _gradients(sheet(gradient), sheet(x), weight, [False, True, False])[1]
        return dx, dw, gradient.sum((0, 2, 3))


class Conv(nn.Conv2d):
    """3 x 3, [B,C,H,W] -> [B,D,H,W]."""

    def __init__(self, channels: int, to: int):
        super().__init__(channels, to, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if not torch.is_grad_enabled() or x.device.type != "cpu":
            return super().forward(x)
        assert self.bias is not None
        parts = (x, self.weight, self.bias)
        return SheetConv.apply(*(part.bfloat16() for part in parts) if torch.is_autocast_enabled("cpu") else parts)


class PerCell(nn.Linear):
    """A linear layer for each cell, [B,C,H,W] -> [B,D,H,W]: a product, which a 1 x 1 convolution should be and is not
    when it learns."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def gather(x: Tensor) -> Tensor:
    """Four cells as one: [B,C,H,W] -> [B,4C,H/2,W/2]."""
    b, c, h, w = x.shape
    four = x.permute(0, 2, 3, 1).reshape(b, h // 2, 2, w // 2, 2 * c).transpose(2, 3)
    return four.reshape(b, h // 2, w // 2, 4 * c).permute(0, 3, 1, 2)


def scatter(x: Tensor) -> Tensor:
    """The reverse of `gather`."""
    b, c, h, w = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(b, h, w, 2, c // 2).transpose(2, 3)
    return rows.reshape(b, 2 * h, 2 * w, c // 4).permute(0, 3, 1, 2)


class WideAttention(nn.Module):
    """Multi-head attention of x [B,T,C] over a context [B,S,D] (x itself when there is none), queries and keys
    normalised over all heads at once (Dehghani et al. 2023, ViT-22B, with one norm instead of one a head: one pass over
    memory).

    Heads are not cut out of the tensors: every key and value is repeated once a head with all other heads' channels
    put to zero. Then two plain products give all heads' logits [B,T,H S] and their answers side by side, and nothing
    is copied. Few wide heads: on a processor the softmax costs more than the products around it.

    bias: [B,1,1,S], added to the logits: 0 where the context may be looked at, -1e4 where it is padding.
    """

    mine: Tensor

    def __init__(self, channels: int, heads: int, context: int | None = None):
        super().__init__()
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k, self.to_v = (nn.Linear(context or channels, channels, bias=False) for _ in range(2))
        self.gain = nn.Parameter(torch.ones(channels))
        self.out = zero_init(nn.Linear(channels, channels))
        owner = torch.arange(channels) * heads // channels
        self.share = nn.Softmax(-1)  # a module, so that training can ask who looked where
        self.register_buffer("mine", (owner == torch.arange(heads)[:, None]).float()[:, None], persistent=False)

    def forward(self, x: Tensor, context: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        heads, size = len(self.mine), x.shape[-1:]
        context = x if context is None else context
        q = F.layer_norm(self.to_q(x), size, self.gain * (heads / size[0]) ** 0.5)
        k, v = F.layer_norm(self.to_k(context), size), self.to_v(context)
        if heads > 1:
            mine = self.mine.to(v.dtype)  # [H,1,C]
            k, v = ((part[:, None] * mine).flatten(1, 2) for part in (k, v))
        logits = torch.bmm(q.to(k.dtype), k.transpose(1, 2)).unflatten(-1, (heads, -1))  # [B,T,H,S]
        # A bias of fp32 makes the softmax fp32, which is quicker when it is small.
        share = self.share(logits if bias is None else logits + bias)
        return self.out(torch.bmm(share.flatten(2).to(v.dtype), v))


class CellBlock(nn.Module):
    """A residual block with one normalisation, of the channels of a cell, steered by a condition (Perez et al. 2018,
    FiLM), and one activation (Liu et al. 2022, ConvNeXt, section 2.6). [B,C,H,W], [B,D] -> [B,C,H,W]."""

    def __init__(self, channels: int, condition: int):
        super().__init__()
        self.conv1, self.conv2 = Conv(channels, channels), zero_init(Conv(channels, channels))
        self.film = zero_init(nn.Linear(condition, 2 * channels))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.film(condition)[:, :, None, None].chunk(2, 1)
        y = torch.addcmul(shift, cells_norm(x), 1 + scale)
        return x + self.conv2(F.hardswish(self.conv1(y)))
