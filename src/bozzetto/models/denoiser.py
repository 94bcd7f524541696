"""The text-to-image denoiser: a noisy latent and words in, the clean latent it imagines out.

A small U-Net over 8 x 8 and 4 x 4 (Ronneberger et al. 2015; Rombach et al. 2022) with attention to itself and to the
words. Path and loss are those of flow.py.

Latents: float [B,16,8,8], standardised. Time t: [B] in [0, 1], 1 is pure noise. Words: the text tower's hidden
[B,24,192], its mask [B,24] and its embedding [B,256]. Style: int64 [B], 0 is any, k + 1 is the k-th style.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.flow import blind_guess, noisy, velocity_loss
from bozzetto.models.layers import TIME_WAVES, Attention, FilmBlock, TimestepEmbedding, timestep_embedding, zero_init


@dataclass(frozen=True)
class DenoiserConfig:
    latent_channels: int = 16
    widths: tuple[int, int] = (160, 256)  # at 8 x 8 and 4 x 4
    condition_size: int = 256
    hidden_size: int = 192
    embedding_size: int = 256
    styles: int = 8
    head_size: int = 32
    jumps: bool = False  # a few-step student, see models/diffusion.py


class SpatialTransformer(nn.Module):
    """Attention of a picture's cells to each other, then to the words (Rombach et al. 2022). [B,C,H,W] -> [B,C,H,W]."""

    def __init__(self, channels: int, hidden: int, cells: int, head_size: int):
        super().__init__()
        self.position = nn.Parameter(0.02 * torch.randn(cells, channels))
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.cells = Attention(channels, channels // head_size)
        self.words = Attention(channels, channels // head_size, hidden)

    def forward(self, x: Tensor, hidden: Tensor, mask: Tensor) -> Tensor:
        y = x.flatten(2).transpose(1, 2)
        y = y + self.cells(self.norm1(y + self.position))
        y = y + self.words(self.norm2(y + self.position), hidden, mask)
        return y.transpose(1, 2).reshape(x.shape)


class Denoiser(nn.Module):
    def __init__(self, config: DenoiserConfig | None = None):
        super().__init__()
        self.config = config = config or DenoiserConfig()
        w8, w4 = config.widths
        size = config.condition_size

        def attention(width: int, cells: int) -> SpatialTransformer:
            return SpatialTransformer(width, config.hidden_size, cells, config.head_size)

        self.time = nn.Sequential(nn.Linear(TIME_WAVES, size), nn.SiLU(), nn.Linear(size, size))
        self.until = TimestepEmbedding(size) if config.jumps else None
        self.meaning = nn.Linear(config.embedding_size, size)
        self.style = nn.Embedding(config.styles + 1, size)
        nn.init.normal_(self.style.weight, std=0.5)
        self.enter = nn.Conv2d(config.latent_channels, w8, 3, padding=1)
        self.down = nn.ModuleList(FilmBlock(w8, size) for _ in range(2))
        self.look_down = attention(w8, 64)
        self.shrink = nn.Conv2d(w8, w4, 2, stride=2)
        self.middle = nn.ModuleList(FilmBlock(w4, size) for _ in range(2))
        self.look_middle = nn.ModuleList(attention(w4, 16) for _ in range(2))
        self.grow = nn.ConvTranspose2d(w4, w8, 2, stride=2)
        self.merge = nn.Conv2d(2 * w8, w8, 1)
        self.up = nn.ModuleList(FilmBlock(w8, size) for _ in range(3))
        self.look_up = attention(w8, 64)
        self.leave = nn.Sequential(
            nn.GroupNorm(8, w8), nn.SiLU(), zero_init(nn.Conv2d(w8, config.latent_channels, 3, padding=1))
        )

    def condition(self, t: Tensor, embedding: Tensor, style: Tensor, until: Tensor | None) -> Tensor:
        """Time, meaning and style as one vector [B,256]."""
        # The embedding has unit norm; scaled so that its entries are about one, like the other terms.
        meaning = self.meaning(embedding * math.sqrt(embedding.shape[1]))
        condition = self.time(timestep_embedding(t)) + meaning + self.style(style)
        if self.until is not None and until is not None:
            condition = condition + self.until(t - until)
        return F.silu(condition)

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        hidden: Tensor,
        mask: Tensor,
        embedding: Tensor,
        style: Tensor,
        until: Tensor | None = None,
    ) -> Tensor:
        """-> the clean latent, float [B,16,8,8]. until: [B], of a student only, the time of the next step."""
        condition = self.condition(t, embedding, style, until)
        y = self.enter(x)
        for block in self.down:
            y = block(y, condition)
        skip = y = self.look_down(y, hidden, mask)
        y = self.shrink(y)
        for block, look in zip(self.middle, self.look_middle, strict=True):
            y = look(block(y, condition), hidden, mask)
        y = self.merge(torch.cat([self.grow(y), skip], 1))
        y = self.up[0](y, condition)
        y = self.look_up(y, hidden, mask)
        for block in self.up[1:]:
            y = block(y, condition)
        return blind_guess(x, t) + self.leave(y).float()

    def loss(self, latents: Tensor, noise: Tensor, t: Tensor, *condition: Tensor) -> dict[str, Tensor]:
        """Velocity loss of the clean prediction. latents, noise [B,16,8,8]; t [B]; condition as in forward."""
        return velocity_loss(self(noisy(latents, noise, t), t, *condition), latents, t)
