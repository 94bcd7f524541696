"""The text-to-image denoiser: a noisy latent and words in, the clean latent it imagines out.

A small U-Net over 8 x 8 and 4 x 4 (Ronneberger et al. 2015; Rombach et al. 2022) with attention to itself and to the
words. The latent's 16 x 16 cells enter four at a time (Shi et al. 2016, pixel unshuffle). The path is a straight line,
x_t = (1 - t) x + t e (Liu et al. 2023, eq. 1). The network predicts the clean latent x and is trained on the velocity
e - x, so an error counts more the nearer the picture is to clean (Li & He 2025, JiT, eq. 6):

    |v(x_t, t) - (e - x)|^2 = |D(x_t, t) - x|^2 / t^2,  with t not below 0.05.

Words reach it twice: as the text tower's hidden states, which know what a sentence is about, and as plain word vectors
with positions of full size, which know who stands left of whom. A head that reads "left of" can then mark a side of
the picture, and a later one asks which word belongs there; so two attentions to the words follow each other at 8 x 8,
where things have cells of their own (Circuit
Mechanisms for Spatial Relation Generation in Diffusion Transformers, arXiv 2601.06338).

Latents: float [B,8,16,16], standardised. Time t: [B] in [0, 1], 1 is pure noise. Words: the text tower's hidden
[B,T,192] and words [B,T,192], T up to 24, their mask [B,T] and the embedding [B,256]. Style: int64 [B], 0 is any, k + 1
is the k-th style.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.layers import TIME_WAVES, Clock, time_waves, zero_init

SMALLEST_TIME = 0.05


@dataclass(frozen=True)
class DenoiserConfig:
    latent_channels: int = 8
    fold: int = 2  # cells a side that enter as one
    widths: tuple[int, int] = (160, 256)  # at 8 x 8 and 4 x 4
    blocks: tuple[int, int, int] = (2, 2, 3)  # down, middle, up
    condition_size: int = 256
    hidden_size: int = 192
    embedding_size: int = 256
    styles: int = 8
    heads: tuple[int, int] = (1, 4)  # in attention to cells and to words
    words: bool = True  # plain words with positions beside the hidden states
    jumps: bool = False  # a few-step student, see models/diffusion.py


def waves(count: int, size: int) -> Tensor:
    """Positions 0 .. count - 1 as sines and cosines (Vaswani et al. 2017, section 3.5): float [count,size], size one."""
    frequency = torch.exp(-math.log(100) * torch.arange(size // 2) / (size // 2))
    angle = torch.arange(count)[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], 1) * math.sqrt(2)


def grid_waves(side: int, size: int) -> Tensor:
    """The cells of a side x side grid: half of the numbers tell the row, half the column. float [side^2,size]."""
    line = waves(side, size // 2)
    rows, columns = line[:, None].expand(-1, side, -1), line[None].expand(side, -1, -1)
    return torch.cat([rows, columns], 2).flatten(0, 1)


class Attention(nn.Module):
    """Multi-head attention of x [B,T,C] over a context [B,S,D] (x itself when there is none), queries and keys
    normalised over all heads at once (Dehghani et al. 2023, ViT-22B, with one norm instead of one a head:
    one pass over memory).

    Heads are not cut out of the tensors: every key and value is repeated once a head with all other heads' channels
    put to zero. Then two plain products give all heads' logits [B,T,H S] and their answers side by side, and nothing
    is copied. Few wide heads: on a processor the softmax costs more than the products around it.

    bias: [B,1,1,S], added to the logits: 0 where the context may be looked at, -1e4 where it is padding.
    """

    def __init__(self, channels: int, heads: int, context: int | None = None):
        super().__init__()
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k, self.to_v = (nn.Linear(context or channels, channels, bias=False) for _ in range(2))
        self.gain = nn.Parameter(torch.ones(channels))
        self.out = zero_init(nn.Linear(channels, channels))
        owner = torch.arange(channels) * heads // channels
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
        share = (logits if bias is None else logits + bias).softmax(-1)  # a bias of fp32 makes it fp32: faster when small
        return self.out(torch.bmm(share.flatten(2).to(v.dtype), v))


def cells_norm(x: Tensor) -> Tensor:
    """Every cell's channels with mean 0 and variance 1, [B,C,H,W] in channels-last order."""
    return F.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],)).permute(0, 3, 1, 2)


def sheet(pictures: Tensor) -> Tensor:
    """Pictures [B,C,H,W] side by side, with an empty column after each: [1,C,H,B (W+1)], channels last."""
    b, c, h, w = pictures.shape
    wide = pictures.new_empty(h, b, w + 1, c)
    wide[:, :, :w] = pictures.permute(2, 0, 3, 1)
    wide[:, :, w] = 0
    return wide.view(1, h, b * (w + 1), c).permute(0, 3, 1, 2)


def _conv_backward(gradient: Tensor, x: Tensor, weight: Tensor, wanted: list[bool]) -> tuple[Tensor, Tensor, Tensor]:
    ones = [1, 1]
    return torch.ops.aten.convolution_backward(gradient, x, weight, None, ones, ones, ones, False, [0, 0], 1, wanted)


class SheetConv(torch.autograd.Function):
    """A 3 x 3 convolution whose weight's gradient is computed on one wide sheet of all pictures. A processor's matrix
    units sum along a row of a picture, and rows of 8 or 4 cells leave them mostly empty: 1.5 times the library's speed
    at 8 x 8, 4 times at 4 x 4, with the same numbers."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias, padding=1)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        dx = _conv_backward(gradient, x, weight, [True, False, False])[0]
        dw = _conv_backward(sheet(gradient), sheet(x), weight, [False, True, False])[1]
        return dx, dw, gradient.sum((0, 2, 3))


class Conv(nn.Conv2d):
    """3 x 3."""

    def __init__(self, channels: int, to: int | None = None):
        super().__init__(channels, to or channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            x, weight, bias = (part.bfloat16() for part in (x, self.weight, self.bias))
            return SheetConv.apply(x, weight, bias)
        return super().forward(x)


class PerCell(nn.Linear):
    """A linear layer for each cell, [B,C,H,W] -> [B,D,H,W] in channels-last order: a product, which a 1 x 1 convolution
    should be and is not when it learns."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def gather(x: Tensor) -> Tensor:
    """Four cells as one: [B,C,H,W] -> [B,4C,H/2,W/2], channels last."""
    b, c, h, w = x.shape
    four = x.permute(0, 2, 3, 1).reshape(b, h // 2, 2, w // 2, 2 * c).transpose(2, 3)
    return four.reshape(b, h // 2, w // 2, 4 * c).permute(0, 3, 1, 2)


def scatter(x: Tensor) -> Tensor:
    """The reverse of `gather`."""
    b, c, h, w = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(b, h, w, 2, c // 2).transpose(2, 3)
    return rows.reshape(b, 2 * h, 2 * w, c // 4).permute(0, 3, 1, 2)


class FilmBlock(nn.Module):
    """A residual block with one normalisation, of the channels of a cell, steered by a condition (Perez et al. 2018,
    FiLM), and one activation (Liu et al. 2022, ConvNeXt, section 2.6). [B,C,H,W], [B,D] -> [B,C,H,W]."""

    def __init__(self, channels: int, condition: int):
        super().__init__()
        self.conv1, self.conv2 = Conv(channels), Conv(channels)
        zero_init(self.conv2)
        self.film = zero_init(nn.Linear(condition, 2 * channels))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.film(condition)[:, :, None, None].chunk(2, 1)
        y = torch.addcmul(shift, cells_norm(x), 1 + scale)
        return x + self.conv2(F.hardswish(self.conv1(y)))


class Look(nn.Module):
    """Attention of a picture's cells to each other (if they have heads for it), then to the words. [B,C,H,W] -> the
    same."""

    def __init__(self, channels: int, hidden: int, side: int, heads: tuple[int, int]):
        super().__init__()
        self.position = nn.Parameter(grid_waves(side, channels))
        self.cells = Attention(channels, heads[0]) if heads[0] else None
        self.words = Attention(channels, heads[1], hidden)

    def forward(self, x: Tensor, context: Tensor, bias: Tensor) -> Tensor:
        y = x.flatten(2).transpose(1, 2)
        position, size = self.position.to(y.dtype), y.shape[-1:]
        if self.cells is not None:
            y = y + self.cells(F.layer_norm(y, size) + position)
        y = y + self.words(F.layer_norm(y, size) + position, context, bias)
        return y.transpose(1, 2).reshape(x.shape)


class Denoiser(nn.Module):
    def __init__(self, config: DenoiserConfig | None = None):
        super().__init__()
        self.config = config = config or DenoiserConfig()
        (w8, w4), size, (down, middle, up) = config.widths, config.condition_size, config.blocks
        folded = config.latent_channels * config.fold**2

        def look(width: int, side: int, alone: bool = False) -> Look:
            return Look(width, config.hidden_size, side, (0 if alone else config.heads[0], config.heads[1]))

        self.time = nn.Sequential(nn.Linear(TIME_WAVES, size), nn.SiLU(), nn.Linear(size, size))
        self.until = Clock(size) if config.jumps else None
        self.meaning = nn.Linear(config.embedding_size, size)
        self.style = nn.Embedding(config.styles + 1, size)
        nn.init.normal_(self.style.weight, std=0.5)
        self.read = nn.Linear(2 * config.hidden_size, config.hidden_size) if config.words else None
        self.order = nn.Parameter(waves(32, config.hidden_size)) if config.words else None
        self.read_norm = nn.LayerNorm(config.hidden_size)
        self.enter = Conv(folded, w8)
        self.down = nn.ModuleList(FilmBlock(w8, size) for _ in range(down))
        self.look_down = nn.ModuleList([look(w8, 8, alone=True), look(w8, 8)])
        self.shrink = PerCell(4 * w8, w4)
        self.middle = nn.ModuleList(FilmBlock(w4, size) for _ in range(middle))
        self.look_middle = look(w4, 4)
        self.grow = PerCell(w4, 4 * w8)
        self.merge = PerCell(2 * w8, w8)
        self.up = nn.ModuleList(FilmBlock(w8, size) for _ in range(up))
        self.look_up = nn.ModuleList([look(w8, 8, alone=True), look(w8, 8)])
        self.leave = zero_init(Conv(w8, folded))

    def condition(self, t: Tensor, embedding: Tensor, style: Tensor, until: Tensor | None) -> Tensor:
        """Time, meaning and style as one vector [B,256]."""
        # The embedding has unit norm; scaled so that its entries are about one, like the other terms.
        meaning = self.meaning(embedding * math.sqrt(embedding.shape[1]))
        told = self.time(time_waves(t)) + meaning + self.style(style)
        return F.silu(told if self.until is None else told + self.until(t - until))

    def context(self, hidden: Tensor, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What the cells read [B,T,192], and the bias that hides padding [B,1,1,T]; T becomes a multiple of 16."""
        room = -hidden.shape[1] % 16
        hidden, words = (F.pad(part, (0, 0, 0, room)) for part in (hidden, words))
        mask = F.pad(mask, (0, room))
        if self.read is not None:
            hidden = self.read(torch.cat([hidden, F.layer_norm(words, words.shape[-1:])], -1))
            hidden = self.read_norm(hidden) + self.order[: hidden.shape[1]]
        return hidden, ((mask - 1) * 1e4)[:, None, None, :]

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        hidden: Tensor,
        words: Tensor,
        mask: Tensor,
        embedding: Tensor,
        style: Tensor,
        until: Tensor | None = None,
    ) -> Tensor:
        """-> the clean latent, float like x. until: [B], of a student only, the time of the next step."""
        condition = self.condition(t, embedding, style, until)
        fold = self.config.fold
        y = self.enter(F.pixel_unshuffle(x, fold).contiguous(memory_format=torch.channels_last))
        context, bias = self.context(hidden, words, mask)
        context = context.to(y.dtype)
        for block, look in zip(self.down, self.look_down, strict=True):
            y = look(block(y, condition), context, bias)
        skip = y
        y = self.shrink(gather(y))
        for number, block in enumerate(self.middle):
            y = block(y, condition)
            if number == 0:
                y = self.look_middle(y, context, bias)
        y = self.merge(torch.cat([scatter(self.grow(y)), skip], 1))
        for number, block in enumerate(self.up):
            y = block(y, condition)
            if number < len(self.look_up):
                y = self.look_up[number](y, context, bias)
        # The best guess without looking is the noisy latent shrunk towards the mean (zero); the net adds to it.
        t = t.float()[:, None, None, None]
        return x * (1 - t) / ((1 - t) ** 2 + t**2) + F.pixel_shuffle(self.leave(F.silu(cells_norm(y))).float(), fold)

    def loss(self, latents: Tensor, noise: Tensor, t: Tensor, *condition: Tensor) -> dict[str, Tensor]:
        """Velocity loss of the clean prediction. latents, noise [B,8,16,16]; t [B]; condition as in forward."""
        time = t[:, None, None, None]
        clean = self((1 - time) * latents + time * noise, t, *condition)
        squared = (clean.float() - latents).square().mean((1, 2, 3))
        return {"loss": (squared / t.clamp(min=SMALLEST_TIME) ** 2).mean(), "clean_error": squared.mean()}
