"""The latent autoencoder: a 64 x 64 picture with alpha as 8 x 16 x 16 numbers, and back.

Text-to-image does not draw pixels: it draws this latent, eight times smaller, and the decoder turns it into a picture
(Rombach et al. 2022, Latent Diffusion). Convolutions and skips without normalisation at 16 x 16, one block at 32 x 32.
A linear path carries what a linear code can: down, the principal components of the 4 x 4 patches; up, the linear
filter of the 3 x 3 cells around a patch that redraws it best (least squares). Its 12 x 12 windows lap over their
neighbours, so that no border of a cell shows.

The posterior is a Gaussian of fixed width (Kingma & Welling 2014, eq. 10, with constant sigma): `latent_noise` is added
to the latents while training and their square is lightly penalised. So near latents decode to near pictures, which is
what a diffusion model needs of its space. Two more habits can make the space easier to draw in, both free of charge:

- equivariance (Kouzelis et al. 2025, EQ-VAE, arXiv 2502.09509): the latent is shrunk and turned, and what it decodes to compared
  with the picture shrunk and turned the same way. So a thing has the same code wherever and however large it is.
- a cut of the last channels (Chen et al. 2025, DC-AE 1.5, arXiv 2508.00413; Rippel et al. 2014, nested dropout): the decoder
  must do with the first few, so structure goes into the first channels and detail into the last.

Pixels: float [B,4,64,64], premultiplied RGBA in [-1, 1]. Latents: float [B,8,16,16], standardised per channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.layers import ResBlock, zero_init

PATCH = 4  # pixels a cell is wide and high
REACH = 3 * PATCH  # the window that one cell draws into


@dataclass(frozen=True)
class AutoencoderConfig:
    latent_channels: int = 8
    encoder_width: int = 96
    encoder_blocks: int = 3
    decoder_widths: tuple[int, int] = (112, 32)  # at 16 x 16 and 32 x 32
    decoder_blocks: tuple[int, int] = (4, 1)


class Encoder(nn.Module):
    """Pixels [B,4,64,64] -> standardised latents [B,8,16,16]."""

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        width, channels = config.encoder_width, config.latent_channels
        self.linear = nn.Conv2d(4, channels, PATCH, stride=PATCH)
        self.net = nn.Sequential(
            nn.PixelUnshuffle(PATCH),
            nn.Conv2d(4 * PATCH**2, width, 3, padding=1),
            *(ResBlock(width) for _ in range(config.encoder_blocks)),
            nn.SiLU(),
            zero_init(nn.Conv2d(width, channels, 1)),
        )
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))

    def raw(self, pixels: Tensor) -> Tensor:
        """Latents before standardisation: what training sees."""
        return self.linear(pixels) + self.net(pixels)

    def forward(self, pixels: Tensor) -> Tensor:
        return (self.raw(pixels) - self.mean) / self.std


class Decoder(nn.Module):
    """Standardised latents [B,8,H,W] -> pixels [B,4,4H,4W]."""

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        (w16, w32), (n16, n32), channels = config.decoder_widths, config.decoder_blocks, config.latent_channels
        self.linear = nn.ConvTranspose2d(channels, 4, REACH, stride=PATCH, padding=(REACH - PATCH) // 2)
        self.net = nn.Sequential(
            nn.Conv2d(channels, w16, 3, padding=1),
            *(ResBlock(w16) for _ in range(n16)),
            nn.Conv2d(w16, 4 * w32, 1),
            nn.PixelShuffle(2),
            *(ResBlock(w32) for _ in range(n32)),
            nn.SiLU(),
            zero_init(nn.Conv2d(w32, 16, 3, padding=1)),
            nn.PixelShuffle(2),
        )
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))

    def raw(self, latents: Tensor) -> Tensor:
        """Pixels from latents before standardisation: what training sees."""
        return self.linear(latents) + self.net(latents)

    def forward(self, latents: Tensor) -> Tensor:
        return self.raw(latents * self.std + self.mean)


def reconstruction_loss(redrawn: Tensor, pixels: Tensor) -> dict[str, Tensor]:
    """Square and absolute error of pictures [B,4,H,W] in [-1, 1], and the PSNR in dB for the log."""
    square = (redrawn - pixels).square()
    loss = square.mean() + 0.1 * F.l1_loss(redrawn, pixels)
    return {"loss": loss, "psnr": -10 * torch.log10(square.detach().mean((1, 2, 3)) / 4).mean()}


def shrink_and_turn(latents: Tensor, pixels: Tensor, cells: int, turns: int) -> tuple[Tensor, Tensor]:
    """Both to `cells` cells a side and by `turns` quarter turns: [B,C,16,16], [B,4,64,64] -> the same, smaller."""
    if cells < latents.shape[2]:
        latents = F.interpolate(latents, (cells, cells), mode="bilinear", antialias=True)
        pixels = F.interpolate(pixels, (PATCH * cells, PATCH * cells), mode="bilinear", antialias=True)
    return latents.rot90(turns, (2, 3)), pixels.rot90(turns, (2, 3))


def first_channels(latents: Tensor, rng: np.random.Generator, share: float, least: int = 2) -> Tensor:
    """Put zeros into the last channels of a share of the latents [B,C,H,W], leaving a random number of the first."""
    count, channels = latents.shape[:2]
    left = rng.integers(least, channels, count)
    left[rng.random(count) >= share] = channels
    kept = np.arange(channels) < left[:, None]
    return latents * torch.from_numpy(kept.astype(np.float32)).to(latents.device)[:, :, None, None]


class Autoencoder(nn.Module):
    def __init__(self, config: AutoencoderConfig | None = None):
        super().__init__()
        self.config = config or AutoencoderConfig()
        self.encoder = Encoder(self.config)
        self.decoder = Decoder(self.config)

    def loss(
        self,
        pixels: Tensor,
        noise: Tensor,
        rng: np.random.Generator,
        *,
        latent_noise: float = 0.1,
        relative: float = 0.0,
        move: float = 0.0,
        turn: bool = True,
        cut: float = 0.0,
    ) -> dict[str, Tensor]:
        """Reconstruction and size of the latents. pixels [B,4,64,64]; noise [B,8,16,16], standard normal.

        latent_noise: the noise's size; or relative: at most so much of each channel's deviation, a random share of it
        for each picture, so that growing latents gains nothing. move: how often the batch is shrunk (and turned) between encoder and decoder; cut: the share of the batch that
        loses its last channels there.
        """
        latents = self.encoder.raw(pixels).float()
        size = 1e-5 * latents.square().mean()
        if cut:
            latents = first_channels(latents, rng, cut)
        if rng.random() < move:
            cells = int(rng.integers(latents.shape[2] // 2, latents.shape[2] + 1))
            turns = int(rng.integers(4)) if turn else 0
            latents, pixels = shrink_and_turn(latents, pixels, cells, turns)
        noise = noise[..., : latents.shape[2], : latents.shape[3]]
        if relative:
            strength = torch.from_numpy(rng.uniform(0, relative, (len(pixels), 1, 1, 1)).astype(np.float32))
            latents = latents + latents.detach().std((0, 2, 3), keepdim=True) * strength.to(latents.device) * noise
        else:
            latents = latents + latent_noise * noise
        values = reconstruction_loss(self.decoder.raw(latents).float(), pixels)
        return values | {"loss": values["loss"] + size}

    @torch.no_grad()
    def start_from_principal_components(self, pixels: Tensor) -> None:
        """Set the linear path: down, the principal components of the patches of `pixels` [N,4,64,64]; up, the least
        squares from 3 x 3 cells to a patch."""
        count = self.config.latent_channels
        patches = F.unfold(pixels, PATCH, stride=PATCH).transpose(1, 2).flatten(0, 1).double()
        mean = patches.mean(0)
        values, vectors = torch.linalg.eigh(torch.cov((patches - mean).T))
        scale, basis = values[-count:].flip(0).sqrt(), vectors[:, -count:].flip(1).T  # largest first
        down = basis / scale[:, None]  # whitened: every channel has unit variance
        self.encoder.linear.weight.copy_(down.view(count, 4, PATCH, PATCH))
        self.encoder.linear.bias.copy_(-down @ mean)
        # A transposed convolution has one bias a channel, so the mean patch is kept as the mean colour.
        colour = mean.view(4, PATCH**2).mean(1)
        self.decoder.linear.bias.copy_(colour)
        latents = self.encoder.linear(pixels)
        around = F.unfold(latents, 3, padding=1).transpose(1, 2).flatten(0, 1).double()  # [N*256, C*9]
        rest = patches - colour.repeat_interleave(PATCH**2).double()
        ridge = 1e-2 * torch.eye(around.shape[1], dtype=torch.float64)
        best = torch.linalg.solve(around.T @ around / len(around) + ridge, around.T @ rest / len(around))
        # best[c, i, j, o, y, x]: what the cell i - 1 down and j - 1 right of a patch adds to its pixel y, x.
        best = best.view(count, 3, 3, 4, PATCH, PATCH).flip(1, 2)  # seen from the cell, the patch is the other way
        window = best.permute(0, 3, 1, 4, 2, 5).reshape(count, 4, REACH, REACH)
        self.decoder.linear.weight.copy_(window)

    @torch.no_grad()
    def standardise(self, pixels: Tensor) -> None:
        """Measure the latents of `pixels` and store their mean and deviation, so that forward() has unit variance."""
        latents = torch.cat([self.encoder.raw(part).float() for part in pixels.split(256)])
        mean, std = latents.mean((0, 2, 3)).view(-1, 1, 1), latents.std((0, 2, 3)).view(-1, 1, 1)
        for half in (self.encoder, self.decoder):
            half.mean.copy_(mean)
            half.std.copy_(std)
