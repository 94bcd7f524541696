"""The variational autoencoder: a 32 x 32 picture as a few numbers and back, and a sampler for those numbers.

The encoder gives a bell curve for each picture, mean and variance; the decoder draws from a point of it (Kingma &
Welling 2014). Minimised, in nats, is the negative evidence lower bound (their eq. 3)

    -log N(x; D(z), sigma^2) + KL(N(mean, var) || N(0, 1)),  z ~ N(mean, var)

with one sigma for all pixels, always the best one, which is the root of the mean squared error (Rybkin et al. 2021,
sigma-VAE, eq. 5). So the weight between the two terms is not a knob.

The bell curves of all pictures together do not fill N(0, 1) evenly, and a draw from N(0, 1) may land where no picture
is. `LatentSampler` learns where they are: the second stage of Dai & Wipf 2019, here by flow matching.

Pixels: float [B,C,32,32] in [-1, 1]. Latents: float [B,L]. Labels: int64 [B], 0 is any class, k + 1 is the k-th.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.flow import blind_guess, noisy, velocity_loss
from bozzetto.models.layers import TIME_WAVES, ResBlock, timestep_embedding, zero_init

SMALLEST_SIGMA = 2 / 255 / math.sqrt(12)  # what rounding a picture to 8 bits does to it
NO_NOISE = -30.0  # the log-variance of a plain autoencoder's code


@dataclass(frozen=True)
class VaeConfig:
    channels: int = 3
    latent_size: int = 32
    widths: tuple[int, int, int] = (48, 96, 128)  # at 16 x 16, 8 x 8 and 4 x 4
    classes: tuple[str, ...] = ()
    variational: bool = True  # False: the plain twin, without noise and without KL


@dataclass(frozen=True)
class SamplerConfig:
    latent_size: int = 32
    width: int = 192
    blocks: int = 4
    classes: tuple[str, ...] = ()


class Encoder(nn.Module):
    """Pixels [B,C,32,32] -> mean and log-variance of the latent, both [B,L]."""

    def __init__(self, config: VaeConfig):
        super().__init__()
        w16, w8, w4 = config.widths
        self.variational = config.variational
        self.net = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * config.channels, w16, 3, padding=1),
            ResBlock(w16),
            nn.Conv2d(w16, w8, 2, stride=2),
            ResBlock(w8),
            nn.Conv2d(w8, w4, 2, stride=2),
            ResBlock(w4),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(16 * w4, config.latent_size * (2 if config.variational else 1)),
        )

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        code = self.net(pixels).float()
        if self.variational:
            mean, logvar = code.chunk(2, 1)
            return mean, logvar
        return code, torch.full_like(code, NO_NOISE)


class Decoder(nn.Module):
    """Latents [B,L] -> pixels [B,C,32,32], not clipped."""

    def __init__(self, config: VaeConfig):
        super().__init__()
        w16, w8, w4 = config.widths
        self.net = nn.Sequential(
            nn.Linear(config.latent_size, 16 * w4),
            nn.Unflatten(1, (w4, 4, 4)),
            ResBlock(w4),
            nn.Conv2d(w4, 4 * w8, 1),
            nn.PixelShuffle(2),
            ResBlock(w8),
            nn.Conv2d(w8, 4 * w16, 1),
            nn.PixelShuffle(2),
            ResBlock(w16),
            nn.SiLU(),
            nn.Conv2d(w16, 4 * config.channels, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def forward(self, latents: Tensor) -> Tensor:
        return self.net(latents)


def kl_divergence(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, e^logvar) || N(0, 1)) in nats (Kingma & Welling 2014, appendix B). [B,L] twice -> [B]."""
    return 0.5 * (mean.square() + logvar.exp() - logvar - 1).sum(1)


def calibrated_nll(mse: Tensor) -> Tensor:
    """-log N(x; y, sigma^2), nats a number, for the best sigma, sqrt(mse) (Rybkin et al. 2021, eq. 5 and 6)."""
    return 0.5 * (math.log(2 * math.pi) + mse.clamp(min=SMALLEST_SIGMA**2).log() + 1)


class Vae(nn.Module):
    """Encoder, decoder, and the mean and standard deviation [L] of the latents of all training pictures."""

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: VaeConfig | None = None):
        super().__init__()
        self.config = config = config or VaeConfig()
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.register_buffer("latent_mean", torch.zeros(config.latent_size))
        self.register_buffer("latent_std", torch.ones(config.latent_size))

    def loss(
        self, pixels: Tensor, noise: Tensor, gather: Callable[[Tensor], Tensor] = lambda rows: rows
    ) -> dict[str, Tensor]:
        """The negative evidence lower bound, nats a number of the picture; for a plain twin without the KL.

        pixels [B,C,32,32], noise [B,L]; gather: gives the rows [N] of a larger batch that these are part of, for sigma
        is one for all of it. Logged: sigma, and kl in nats a picture.
        """
        mean, logvar = self.encoder(pixels)
        drawn = self.decoder(mean + (logvar / 2).exp() * noise).float()
        mse = gather((drawn - pixels).square().flatten(1).mean(1)).mean()
        kl = kl_divergence(mean, logvar).mean() if self.config.variational else torch.zeros_like(mse)
        return {"loss": calibrated_nll(mse) + kl / pixels[0].numel(), "sigma": mse.detach().sqrt(), "kl": kl.detach()}


class LatentBlock(nn.Module):
    """A residual block on vectors, steered by a condition of the same width. [B,D] twice -> [B,D]."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.film = zero_init(nn.Linear(width, 2 * width))
        self.enter, self.leave = nn.Linear(width, width), zero_init(nn.Linear(width, width))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.film(condition).chunk(2, 1)
        return x + self.leave(F.silu(self.enter(self.norm(x) * (1 + scale) + shift)))


class LatentSampler(nn.Module):
    """A denoiser of standardised latents on the straight path of flow.py, which predicts the clean one."""

    def __init__(self, config: SamplerConfig | None = None):
        super().__init__()
        self.config = config = config or SamplerConfig()
        width = config.width
        self.time = nn.Sequential(nn.Linear(TIME_WAVES, width), nn.SiLU(), nn.Linear(width, width))
        self.label = nn.Embedding(len(config.classes) + 1, width)
        self.enter = nn.Linear(config.latent_size, width)
        self.blocks = nn.ModuleList(LatentBlock(width) for _ in range(config.blocks))
        self.leave = nn.Sequential(nn.LayerNorm(width), zero_init(nn.Linear(width, config.latent_size)))
        nn.init.normal_(self.label.weight, std=0.5)

    def forward(self, z: Tensor, t: Tensor, label: Tensor) -> Tensor:
        """z [B,L], t [B] in [0, 1], label int64 [B] -> the clean latent, float [B,L]."""
        condition = F.silu(self.time(timestep_embedding(t)) + self.label(label))
        y = self.enter(z)
        for block in self.blocks:
            y = block(y, condition)
        return blind_guess(z, t) + self.leave(y).float()

    def loss(self, latents: Tensor, noise: Tensor, t: Tensor, label: Tensor) -> dict[str, Tensor]:
        """Velocity loss of the clean prediction. latents, noise [B,L]; t [B]; label [B]."""
        return velocity_loss(self(noisy(latents, noise, t), t, label), latents, t)
