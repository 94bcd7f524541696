"""The text-to-image denoiser: a noisy latent and words in, the clean latent it imagines out.

A small U-Net over 8 x 8 and 4 x 4 (Ronneberger et al. 2015; Rombach et al. 2022) with attention to itself and to the
words. The latent's 16 x 16 cells enter four at a time (Shi et al. 2016, pixel unshuffle). Path and loss are those of
flow.py.

Words reach it twice: as the text tower's hidden states, which know what a sentence is about, and as plain word vectors
with positions of full size, which know who stands left of whom. A head that reads "left of" can then mark a side of the
picture, and a later one asks which word belongs there; so two attentions to the words follow each other at 8 x 8, where
things have cells of their own (Circuit Mechanisms for Spatial Relation Generation in Diffusion Transformers,
arXiv 2601.06338).

Latents: float [B,8,16,16], standardised. Time t: [B] in [0, 1], 1 is pure noise. Words: the text tower's hidden
[B,T,192] and words [B,T,192], T up to 24, their mask [B,T] and the embedding [B,256]. Style: int64 [B], 0 is any, k + 1
is the k-th style.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.cells import CellBlock, Conv, PerCell, WideAttention, cells_norm, gather, scatter
from bozzetto.models.flow import blind_guess, noisy, velocity_loss
from bozzetto.models.layers import TIME_WAVES, TimestepEmbedding, timestep_embedding, zero_init

FOLD = 2  # cells a side that enter as one
WORDS = 32  # room for 24 tokens: matrix units take 16 at a time


@dataclass(frozen=True)
class DenoiserConfig:
    latent_channels: int = 8
    widths: tuple[int, int] = (160, 256)  # at 8 x 8 and 4 x 4
    blocks: tuple[int, int, int] = (2, 2, 3)  # down, middle, up
    condition_size: int = 256
    hidden_size: int = 192
    embedding_size: int = 256
    styles: int = 8
    heads: tuple[int, int] = (1, 4)  # in attention to cells and to words
    jumps: bool = False  # a few-step student, see models/diffusion.py


def waves(count: int, size: int) -> Tensor:
    """Positions 0 .. count - 1 as sines and cosines (Vaswani et al. 2017, section 3.5): [count,size], size one."""
    frequency = torch.exp(-math.log(100) * torch.arange(size // 2) / (size // 2))
    angle = torch.arange(count)[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], 1) * math.sqrt(2)


def grid_waves(side: int, size: int) -> Tensor:
    """The cells of a side x side grid: half of the numbers tell the row, half the column. float [side^2,size]."""
    line = waves(side, size // 2)
    rows, columns = line[:, None].expand(-1, side, -1), line[None].expand(side, -1, -1)
    return torch.cat([rows, columns], 2).flatten(0, 1)


class SpatialTransformer(nn.Module):
    """Attention of a picture's cells to each other (if they have heads for it), then to the words (Rombach et al.
    2022). [B,C,H,W] -> [B,C,H,W]."""

    def __init__(self, channels: int, hidden: int, side: int, heads: tuple[int, int]):
        super().__init__()
        self.position = nn.Parameter(grid_waves(side, channels))
        self.cells = WideAttention(channels, heads[0]) if heads[0] else None
        self.words = WideAttention(channels, heads[1], hidden)

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
        hidden, folded = config.hidden_size, config.latent_channels * FOLD**2

        def look(width: int, side: int, heads: tuple[int, int] = config.heads) -> SpatialTransformer:
            return SpatialTransformer(width, hidden, side, heads)

        def twice() -> nn.ModuleList:
            return nn.ModuleList([look(w8, 8, (0, config.heads[1])), look(w8, 8)])

        def blocks(width: int, count: int) -> nn.ModuleList:
            return nn.ModuleList(CellBlock(width, size) for _ in range(count))

        self.time = nn.Sequential(nn.Linear(TIME_WAVES, size), nn.SiLU(), nn.Linear(size, size))
        self.until = TimestepEmbedding(size) if config.jumps else None
        self.meaning = nn.Linear(config.embedding_size, size)
        self.style = nn.Embedding(config.styles + 1, size)
        nn.init.normal_(self.style.weight, std=0.5)
        self.read, self.read_norm = nn.Linear(2 * hidden, hidden), nn.LayerNorm(hidden)
        self.order = nn.Parameter(waves(WORDS, hidden))
        self.enter = Conv(folded, w8)
        self.down, self.look_down = blocks(w8, down), twice()
        self.shrink = PerCell(4 * w8, w4)
        self.middle, self.look_middle = blocks(w4, middle), look(w4, 4)
        self.grow = PerCell(w4, 4 * w8)
        self.merge = PerCell(2 * w8, w8)
        self.up, self.look_up = blocks(w8, up), twice()
        self.leave = zero_init(Conv(w8, folded))

    def condition(self, t: Tensor, embedding: Tensor, style: Tensor, until: Tensor | None) -> Tensor:
        """Time, meaning and style as one vector [B,256]."""
        # The embedding has unit norm; scaled so that its entries are about one, like the other terms.
        meaning = self.meaning(embedding * math.sqrt(embedding.shape[1]))
        condition = self.time(timestep_embedding(t)) + meaning + self.style(style)
        if self.until is not None and until is not None:
            condition = condition + self.until(t - until)
        return F.silu(condition)

    def context(self, hidden: Tensor, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What the cells read [B,T,192], and the bias that hides padding [B,1,1,T]; T becomes a multiple of 16."""
        room = -hidden.shape[1] % 16
        hidden, words = (F.pad(part, (0, 0, 0, room)) for part in (hidden, words))
        read = self.read_norm(self.read(torch.cat([hidden, F.layer_norm(words, words.shape[-1:])], -1)))
        return read + self.order[: read.shape[1]], ((F.pad(mask, (0, room)) - 1) * 1e4)[:, None, None, :]

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
        """-> the clean latent, float [B,8,16,16]. until: [B], of a student only, the time of the next step."""
        condition = self.condition(t, embedding, style, until)
        y = self.enter(F.pixel_unshuffle(x, FOLD).contiguous(memory_format=torch.channels_last))
        context, bias = self.context(hidden, words, mask)
        context = context.to(y.dtype)
        for block, look in zip(self.down, self.look_down, strict=True):
            y = look(block(y, condition), context, bias)
        skip = y
        y = self.look_middle(self.middle[0](self.shrink(gather(y)), condition), context, bias)
        for block in self.middle[1:]:
            y = block(y, condition)
        y = self.merge(torch.cat([scatter(self.grow(y)), skip], 1))
        for block, look in zip(self.up, self.look_up, strict=False):
            y = look(block(y, condition), context, bias)
        for block in self.up[len(self.look_up) :]:
            y = block(y, condition)
        return blind_guess(x, t) + F.pixel_shuffle(self.leave(F.silu(cells_norm(y))).float(), FOLD)

    def loss(self, latents: Tensor, noise: Tensor, t: Tensor, *condition: Tensor) -> dict[str, Tensor]:
        """Velocity loss of the clean prediction. latents, noise [B,8,16,16]; t [B]; condition as in forward."""
        return velocity_loss(self(noisy(latents, noise, t), t, *condition), latents, t)
