"""The latent autoencoder: a 64 x 64 picture with alpha as 16 x 8 x 8 numbers, and back.

Text-to-image does not draw pixels: it draws this latent, sixteen times smaller, and the decoder turns it into a picture
(Rombach et al. 2022, Latent Diffusion). Convolutions and skips without normalisation, most of the work at 8 x 8 and
16 x 16 where it is cheap. A linear path from pixels to latents and back (an 8 x 8 patch to 16 numbers) carries the
principal components of the patches, so the convolutions only learn what a linear code misses.

The posterior is a Gaussian of fixed width (Kingma & Welling 2014, eq. 10, with constant sigma): `latent_noise` is added
to the latents while training and their square is lightly penalised. So near latents decode to near pictures, which is
what a diffusion model needs of its space.

Pixels: float [B,4,64,64], premultiplied RGBA in [-1, 1]. Latents: float [B,16,8,8], standardised per channel.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.layers import ResBlock, zero_init


@dataclass(frozen=True)
class AutoencoderConfig:
    latent_channels: int = 16
    encoder_widths: tuple[int, int] = (64, 160)  # at 16 x 16 and 8 x 8
    encoder_blocks: tuple[int, int] = (1, 2)
    decoder_widths: tuple[int, int, int] = (192, 80, 32)  # at 8 x 8, 16 x 16 and 32 x 32
    decoder_blocks: tuple[int, int, int] = (3, 3, 1)


class Encoder(nn.Module):
    """Pixels [B,4,64,64] -> standardised latents [B,16,8,8]."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        (w16, w8), (n16, n8) = config.encoder_widths, config.encoder_blocks
        self.linear = nn.Conv2d(4, config.latent_channels, 8, stride=8)
        self.net = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(64, w16, 3, padding=1),
            *(ResBlock(w16) for _ in range(n16)),
            nn.Conv2d(w16, w8, 2, stride=2),
            *(ResBlock(w8) for _ in range(n8)),
            nn.SiLU(),
            zero_init(nn.Conv2d(w8, config.latent_channels, 1)),
        )
        self.register_buffer("mean", torch.zeros(config.latent_channels, 1, 1))
        self.register_buffer("std", torch.ones(config.latent_channels, 1, 1))

    def raw(self, pixels: Tensor) -> Tensor:
        """Latents before standardisation: what training sees."""
        return self.linear(pixels) + self.net(pixels)

    def forward(self, pixels: Tensor) -> Tensor:
        return (self.raw(pixels) - self.mean) / self.std


class Decoder(nn.Module):
    """Standardised latents [B,16,8,8] -> pixels [B,4,64,64]."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        (w8, w16, w32), (n8, n16, n32) = config.decoder_widths, config.decoder_blocks
        self.linear = nn.ConvTranspose2d(config.latent_channels, 4, 8, stride=8)
        self.net = nn.Sequential(
            nn.Conv2d(config.latent_channels, w8, 3, padding=1),
            *(ResBlock(w8) for _ in range(n8)),
            nn.Conv2d(w8, 4 * w16, 1),
            nn.PixelShuffle(2),
            *(ResBlock(w16) for _ in range(n16)),
            nn.Conv2d(w16, 4 * w32, 1),
            nn.PixelShuffle(2),
            *(ResBlock(w32) for _ in range(n32)),
            nn.SiLU(),
            zero_init(nn.Conv2d(w32, 16, 3, padding=1)),
            nn.PixelShuffle(2),
        )
        self.register_buffer("mean", torch.zeros(config.latent_channels, 1, 1))
        self.register_buffer("std", torch.ones(config.latent_channels, 1, 1))

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

    def loss(self, pixels: Tensor, noise: Tensor, latent_noise: float = 0.1) -> dict[str, Tensor]:
        """Reconstruction and size of the latents. pixels [B,4,64,64]; noise [B,16,8,8], standard normal."""
        latents = self.encoder.raw(pixels).float()
        redrawn = self.decoder.raw(latents + latent_noise * noise).float()
        values = reconstruction_loss(redrawn, pixels)
        return values | {"loss": values["loss"] + 1e-5 * latents.square().mean()}

    @torch.no_grad()
    def start_from_principal_components(self, pixels: Tensor) -> None:
        """Set the linear path to the principal components of the 8 x 8 patches of `pixels` [B,4,64,64]."""
        patches = F.unfold(pixels, 8, stride=8).transpose(1, 2).flatten(0, 1).double()
        mean = patches.mean(0)
        values, vectors = torch.linalg.eigh(torch.cov((patches - mean).T))
        count = self.config.latent_channels
        scale, basis = values[-count:].flip(0).sqrt(), vectors[:, -count:].flip(1).T  # largest first
        down, up = basis / scale[:, None], basis * scale[:, None]  # whitened: every channel has unit variance
        self.encoder.linear.weight.copy_(down.view(count, 4, 8, 8))
        self.encoder.linear.get_parameter("bias").copy_(-down @ mean)
        self.decoder.linear.weight.copy_(up.view(count, 4, 8, 8))
        # A transposed convolution has one bias a channel, so the mean patch is kept as the mean colour.
        self.decoder.linear.get_parameter("bias").copy_(mean.view(4, 64).mean(1))

    @torch.no_grad()
    def standardise(self, pixels: Tensor) -> None:
        """Measure the latents of `pixels` and store their mean and deviation, so that forward() has unit variance."""
        latents = torch.cat([self.encoder.raw(part).float() for part in pixels.split(256)])
        mean, std = latents.mean((0, 2, 3)).view(-1, 1, 1), latents.std((0, 2, 3)).view(-1, 1, 1)
        for half in (self.encoder, self.decoder):
            half.mean.copy_(mean)
            half.std.copy_(std)
