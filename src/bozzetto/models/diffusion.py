"""The pixel denoiser of lessons 4 and 5: a noisy picture in, the clean picture it imagines out.

A small U-Net (Ronneberger et al. 2015; Ho et al. 2020) over 16 x 16, 8 x 8 and 4 x 4 cells of a 32 x 32 picture, whose
pixels enter four at a time (Shi et al. 2016, pixel unshuffle), so that no time is spent on convolutions at full size.
Path and loss are those of flow.py. Whatever its last layer predicts (see diffusion/prediction.py), `forward` answers
with the clean picture.

With `jumps` the network is a few-step student. It is told also the time `until` which the next straight step will go,
and answers with the picture D at which that step should aim: x_s = x_t + (s - t) (x_t - D) / t. So (x_t - D) / t is
the average velocity between t and s (Geng et al. 2025, MeanFlow, eq. 3), and s = t is the plain denoiser.

Spectrograms of 64 x 64 are drawn by the same network, whose pixels enter sixteen at a time.

Pictures: float [B,C,32,32] in [-1, 1]. Times: [B] in [0, 1], 1 is pure noise. Label: int64 [B], 0 is any class, k + 1
the k-th one; or [B,W], as many words, 0 for one that is not said.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.diffusion.prediction import clean_from
from bozzetto.models.flow import blind_guess, like, noisy, velocity_loss
from bozzetto.models.layers import Attention, FilmBlock, TimestepEmbedding, zero_init


@dataclass(frozen=True)
class DiffusionConfig:
    classes: tuple[str, ...]
    channels: int = 3
    widths: tuple[int, int, int] = (64, 128, 192)  # at 16 x 16, 8 x 8 and 4 x 4
    condition_size: int = 256
    head_size: int = 32
    prediction_type: str = "sample"
    data_mean: float = 0.0  # of all pixels of the training pictures
    data_std: float = 0.5
    jumps: bool = False
    patch: int = 2  # pixels of a side that enter as one cell: 4 for pictures of 64 x 64


class SpatialAttention(nn.Module):
    """Attention of a picture's cells to each other. [B,C,H,W] -> [B,C,H,W] with H W = cells."""

    def __init__(self, channels: int, cells: int, head_size: int):
        super().__init__()
        self.position = nn.Parameter(0.02 * torch.randn(cells, channels))
        self.norm = nn.LayerNorm(channels)
        self.cells = Attention(channels, channels // head_size)

    def forward(self, x: Tensor) -> Tensor:
        y = x.flatten(2).transpose(1, 2)
        y = y + self.cells(self.norm(y + self.position))
        return y.transpose(1, 2).reshape(x.shape)


class PixelDenoiser(nn.Module):
    def __init__(self, config: DiffusionConfig):
        super().__init__()
        self.config = config
        w16, w8, w4 = config.widths
        size, patch = config.condition_size, config.patch**2 * config.channels

        def attention(width: int, cells: int) -> SpatialAttention:
            return SpatialAttention(width, cells, config.head_size)

        def blocks(width: int, count: int) -> nn.ModuleList:
            return nn.ModuleList(FilmBlock(width, size) for _ in range(count))

        self.time = TimestepEmbedding(size)
        self.until = TimestepEmbedding(size) if config.jumps else None
        self.label = nn.Embedding(len(config.classes) + 1, size)
        nn.init.normal_(self.label.weight, std=0.5)
        self.enter = nn.Conv2d(patch, w16, 3, padding=1)
        self.down16, self.down8 = blocks(w16, 2), blocks(w8, 2)
        self.shrink16, self.shrink8 = nn.Conv2d(w16, w8, 2, stride=2), nn.Conv2d(w8, w4, 2, stride=2)
        self.look_down = attention(w8, 64)
        self.middle, self.look_middle = blocks(w4, 2), attention(w4, 16)
        self.grow8, self.grow16 = nn.ConvTranspose2d(w4, w8, 2, stride=2), nn.ConvTranspose2d(w8, w16, 2, stride=2)
        self.merge8, self.merge16 = nn.Conv2d(2 * w8, w8, 1), nn.Conv2d(2 * w16, w16, 1)
        self.up8, self.look_up, self.up16 = blocks(w8, 2), attention(w8, 64), blocks(w16, 3)
        self.leave = nn.Sequential(nn.GroupNorm(8, w16), nn.SiLU(), zero_init(nn.Conv2d(w16, patch, 3, padding=1)))

    def forward(self, x: Tensor, t: Tensor, label: Tensor, until: Tensor | None = None) -> Tensor:
        """-> the clean picture, float [B,C,32,32]. until: [B], of a student only, the time s <= t of the next step."""
        config = self.config
        t = t.float()
        said = self.label(label)
        condition = self.time(t) + (said if label.ndim == 1 else said.sum(1))
        if self.until is not None and until is not None:
            condition = condition + self.until(t - until)
        condition = F.silu(condition)
        time = like(t, x)
        # On the way in the picture has mean 0 and variance 1 at every time, whatever the data are like.
        spread = ((1 - time) * config.data_std) ** 2 + time**2
        centred = x - (1 - time) * config.data_mean
        y = skip16 = self._through(
            self.down16, self.enter(F.pixel_unshuffle(centred / spread.sqrt(), config.patch)), condition
        )
        y = skip8 = self.look_down(self._through(self.down8, self.shrink16(y), condition))
        y = self.look_middle(self._through(self.middle, self.shrink8(y), condition))
        y = self.merge8(torch.cat([self.grow8(y), skip8], 1))
        y = self.look_up(self._through(self.up8, y, condition))
        y = self.merge16(torch.cat([self.grow16(y), skip16], 1))
        answer = F.pixel_shuffle(self.leave(self._through(self.up16, y, condition)), config.patch).float()
        if config.prediction_type == "sample":
            return blind_guess(x, t, config.data_mean, config.data_std) + answer * config.data_std
        return clean_from(answer, x, (1 - time).clamp(min=1e-3), time, config.prediction_type)

    @staticmethod
    def _through(blocks: nn.ModuleList, y: Tensor, condition: Tensor) -> Tensor:
        for block in blocks:
            y = block(y, condition)
        return y

    def loss(self, pixels: Tensor, noise: Tensor, t: Tensor, label: Tensor) -> dict[str, Tensor]:
        """Velocity loss, or of a network that predicts the noise that of Ho et al. 2020, eq. 14: from an answer about
        the noise the velocity of pure noise cannot be told. pixels, noise [B,C,32,32]; t, label [B]."""
        epsilon = self.config.prediction_type == "epsilon"
        weight = (1 - t).clamp(min=1e-3) ** 2 if epsilon else 1.0
        return velocity_loss(self(noisy(pixels, noise, t), t, label), pixels, t, weight)
