"""The latent autoencoder: a 64 x 64 picture with alpha as 8 x 16 x 16 numbers, and back.

Text-to-image does not draw pixels: it draws this latent, eight times smaller, and the decoder turns it into a picture
(Rombach et al. 2022, Latent Diffusion). Convolutions and skips without normalisation at 16 x 16, one block at 32 x 32.
A linear path carries what a linear code can, so the convolutions only learn what it misses. Down it is the principal
components of the 4 x 4 patches; up, the linear filter of the 3 x 3 cells around a patch that redraws it best (least
squares, with a little noise on the latents). Its 12 x 12 windows lap over their neighbours, so that no border of a cell
shows.

The posterior is a Gaussian (Kingma & Welling 2014, eq. 10): noise is added to the latents while training and their
square is lightly penalised. So near latents decode to near pictures, which is what a diffusion model needs of its
space. The noise is a share of each channel's deviation, so that nothing is gained by growing latents.

Pixels: float [B,4,64,64], premultiplied RGBA in [-1, 1]. Latents: float [B,8,16,16], standardised per channel.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.layers import ResBlock, zero_init

PATCH = 4  # pixels a cell is wide and high
REACH = 3 * PATCH  # the window that a cell draws into


@dataclass(frozen=True)
class AutoencoderConfig:
    latent_channels: int = 8
    encoder_width: int = 96
    encoder_blocks: int = 3
    decoder_widths: tuple[int, int] = (112, 32)  # at 16 x 16 and 32 x 32
    decoder_blocks: tuple[int, int] = (4, 1)


class Encoder(nn.Module):
    """Pixels [B,4,64,64] -> standardised latents [B,8,16,16]."""

    mean: Tensor
    std: Tensor

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
    """Standardised latents [B,8,16,16] -> pixels [B,4,64,64]."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        (w16, w32), (n16, n32), channels = config.decoder_widths, config.decoder_blocks, config.latent_channels
        self.linear = nn.ConvTranspose2d(channels, 4, REACH, stride=PATCH, padding=PATCH)
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
    """Square and absolute error of pictures [B,4,64,64] in [-1, 1], and the PSNR in dB for the log."""
    square = (redrawn - pixels).square()
    loss = square.mean() + 0.1 * F.l1_loss(redrawn, pixels)
    return {"loss": loss, "psnr": -10 * torch.log10(square.detach().mean((1, 2, 3)) / 4).mean()}


class Autoencoder(nn.Module):
    def __init__(self, config: AutoencoderConfig | None = None):
        super().__init__()
        self.config = config or AutoencoderConfig()
        self.encoder = Encoder(self.config)
        self.decoder = Decoder(self.config)

    def loss(
        self, pixels: Tensor, noise: Tensor, gather: Callable[[Tensor], Tensor] = lambda rows: rows
    ) -> dict[str, Tensor]:
        """Reconstruction and size of the latents. pixels [B,4,64,64]; noise [B,8,16,16], in deviations of a channel;
        gather: gives the latents of a larger batch that these are part of, whose deviations count."""
        latents = self.encoder.raw(pixels).float()
        deviation = gather(latents.detach()).std((0, 2, 3), keepdim=True)
        values = reconstruction_loss(self.decoder.raw(latents + deviation * noise).float(), pixels)
        return values | {"loss": values["loss"] + 1e-5 * latents.square().mean()}

    @torch.no_grad()
    def start_from_principal_components(self, pixels: Tensor) -> None:
        """Set the linear path, down and up as the module says, from `pixels` [N,4,64,64]."""
        count = self.config.latent_channels
        patches = F.unfold(pixels, PATCH, stride=PATCH).transpose(1, 2).flatten(0, 1).double()
        mean = patches.mean(0)
        values, vectors = torch.linalg.eigh(torch.cov((patches - mean).T))
        scale, basis = values[-count:].flip(0).sqrt(), vectors[:, -count:].flip(1).T  # largest first
        down = basis / scale[:, None]  # whitened: every channel has unit variance
        self.encoder.linear.weight.copy_(down.view(count, 4, PATCH, PATCH))
        self.encoder.linear.get_parameter("bias").copy_(-down @ mean)
        # A transposed convolution has one bias a channel, so the mean patch is kept as the mean colour.
        colour = mean.view(4, PATCH**2).mean(1)
        self.decoder.linear.get_parameter("bias").copy_(colour)
        around = F.unfold(self.encoder.linear(pixels), 3, padding=1).transpose(1, 2).flatten(0, 1).double()
        rest = patches - colour.repeat_interleave(PATCH**2)
        noise = 0.1**2 * torch.eye(around.shape[1], dtype=torch.float64)  # the covariance of some noise on the latents
        best = torch.linalg.solve(around.T @ around / len(around) + noise, around.T @ rest / len(around))
        # best[c, i, j, o, y, x]: what the cell i - 1 down and j - 1 right of a patch adds to its pixel y, x.
        best = best.view(count, 3, 3, 4, PATCH, PATCH).flip(1, 2)  # seen from the cell, the patch is the other way
        self.decoder.linear.weight.copy_(best.permute(0, 3, 1, 4, 2, 5).reshape(count, 4, REACH, REACH))

    @torch.no_grad()
    def standardise(self, pixels: Tensor) -> None:
        """Measure the latents of `pixels` and store their mean and deviation, so that forward() has unit variance."""
        latents = torch.cat([self.encoder.raw(part).float() for part in pixels.split(256)])
        mean, std = latents.mean((0, 2, 3)).view(-1, 1, 1), latents.std((0, 2, 3)).view(-1, 1, 1)
        for half in (self.encoder, self.decoder):
            half.mean.copy_(mean)
            half.std.copy_(std)
