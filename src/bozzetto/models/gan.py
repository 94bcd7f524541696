"""A generative adversarial network: a generator draws pictures, a discriminator tells them from real ones (Goodfellow
et al. 2014, https://arxiv.org/abs/1406.2661).

Both are small residual networks without normalisation that mirror each other, 4 x 4 to 32 x 32, and are trained in
simultaneous gradient steps with the relativistic pairing loss (Jolicoeur-Martineau 2018,
https://arxiv.org/abs/1807.00734): a fake is scored next to a real picture, so the discriminator must keep *every* real
picture above the fakes near it and the generator cannot win by drawing one thing well. Zero-centred gradient penalties
on real pictures and fakes (R1 + R2, Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, eq. 9-10) make the steps
converge; Huang et al. 2024 (https://arxiv.org/abs/2501.05441) show that this loss and these penalties need no further
tricks. The classic loss is here too, for the exhibit of a game that goes wrong.

A game from nothing takes many pictures to find what there is to draw. So both may go through `Pretraining` first,
together: the discriminator describes a picture by a code, the generator draws it from the code and learns which noise
to make it of.

Pictures: float [B,C,32,32] in [-1, 1], from the generator about so. Noise: float [B,64], standard normal. Code: float
[B,64] of root mean square 1, what the generator makes of noise and label. Label: int64 [B], 0 is any class, k + 1 is
the k-th class. Logits: float [B], positive for real.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.layers import zero_init

SLOPE = 0.2  # of the leaky ReLU below zero


@dataclass(frozen=True)
class GanConfig:
    classes: tuple[str, ...]
    channels: int = 3
    noise_size: int = 64
    code_size: int = 64
    widths: tuple[int, ...] = (192, 128, 48, 24)  # at 4, 8, 16 and 32 pixels


def convolution(inside: int, outside: int, size: int, gain: float = math.sqrt(2 / (1 + SLOPE**2))) -> nn.Conv2d:
    """A convolution that keeps the picture's size and starts with outputs of variance gain^2 / 2 (He et al. 2015)."""
    layer = nn.Conv2d(inside, outside, size, padding=size // 2)
    nn.init.normal_(layer.weight, std=gain / math.sqrt(inside * size**2))
    nn.init.zeros_(layer.get_parameter("bias"))
    return layer


def to_code(x: Tensor) -> Tensor:
    """[...,D] -> the same direction with a root mean square of 1: all codes lie on one sphere."""
    return F.normalize(x.float(), dim=-1) * math.sqrt(x.shape[-1])


class Block(nn.Module):
    """x + conv(act(conv(act(x)))), which begins as the identity. [B,C,H,W] -> [B,C,H,W]. A code [B,D] scales what is
    between the two convolutions, each channel by its own."""

    def __init__(self, channels: int, code_size: int = 0):
        super().__init__()
        self.conv1 = convolution(channels, channels, 3)
        self.conv2 = zero_init(convolution(channels, channels, 3))
        self.scale = zero_init(nn.Linear(code_size, channels)) if code_size else None

    def forward(self, x: Tensor, code: Tensor | None = None) -> Tensor:
        inner = self.conv1(F.leaky_relu(x, SLOPE))
        if self.scale is not None:
            inner = inner * (1 + self.scale(code))[:, :, None, None]
        return x + self.conv2(F.leaky_relu(inner, SLOPE))


class Generator(nn.Module):
    """Noise and label -> pixels."""

    def __init__(self, config: GanConfig):
        super().__init__()
        first, last, size = config.widths[0], config.widths[-1], config.code_size
        self.label = nn.Embedding(len(config.classes) + 1, config.noise_size)
        self.mix = nn.Linear(2 * config.noise_size, 2 * size)
        self.mixed = nn.Linear(2 * size, size)
        self.start = nn.Linear(size, 16 * (first // 4))
        self.blocks = nn.ModuleList(Block(width, size) for width in config.widths)
        self.narrow = nn.ModuleList(convolution(a, b, 1, gain=1) for a, b in pairwise((first // 4, *config.widths)))
        self.paint = convolution(last, config.channels, 3, gain=0.5)

    def code(self, noise: Tensor, label: Tensor) -> Tensor:
        """[...,Z], [...] -> [...,D]."""
        x = self.mix(torch.cat([noise, self.label(label)], -1))
        return to_code(self.mixed(F.leaky_relu(x, SLOPE)))

    def draw(self, code: Tensor) -> Tensor:
        """[B,D] -> pixels [B,C,32,32]."""
        x = self.start(code).unflatten(1, (-1, 4, 4))
        for number, (narrow, block) in enumerate(zip(self.narrow, self.blocks, strict=True)):
            x = narrow(x) if number == 0 else F.interpolate(narrow(x), scale_factor=2.0, mode="bilinear")
            x = block(x, code)
        # Not squashed into [-1, 1]: white paper lies at its very end, where a tanh has no slope to learn from.
        return self.paint(F.leaky_relu(x, SLOPE)).float()

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        return self.draw(self.code(noise, label))


class Discriminator(nn.Module):
    """Pixels and label -> logits, by projection (Miyato & Koyama 2018, eq. 3)."""

    def __init__(self, config: GanConfig):
        super().__init__()
        widths = config.widths[::-1]
        self.look = convolution(config.channels, widths[0], 3, gain=1)
        self.blocks = nn.ModuleList(Block(width) for width in widths)
        self.widen = nn.ModuleList(convolution(a, b, 1, gain=1) for a, b in pairwise(widths))
        self.end = nn.Parameter(torch.randn(widths[-1], 4, 4) / 4)
        self.judge = nn.Linear(widths[-1], 1)
        self.label = nn.Embedding(len(config.classes) + 1, widths[-1])
        nn.init.normal_(self.label.weight, std=1 / math.sqrt(widths[-1]))

    def describe(self, pixels: Tensor) -> Tensor:
        """[B,C,32,32] -> what is seen, [B,W]."""
        x = self.blocks[0](self.look(pixels))
        for widen, block in zip(self.widen, self.blocks[1:], strict=True):
            x = block(widen(F.avg_pool2d(x, 2)))
        return (F.leaky_relu(x.float(), SLOPE) * self.end).sum((2, 3))

    def forward(self, pixels: Tensor, label: Tensor) -> Tensor:
        features = self.describe(pixels)
        return self.judge(features)[:, 0].float() + (features * self.label(label)).sum(1)

    @torch.no_grad()
    def reset_head(self) -> None:
        """Forget what was learned about real and fake; `describe` stays."""
        for weight in (*self.judge.parameters(), self.label.weight):
            weight.zero_()


class Gan(nn.Module):
    """Both players, so that one training loop serves both.

    progress: share of the training that is done, in [0, 1]; saved with the weights.
    """

    progress: Tensor

    def __init__(self, config: GanConfig):
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.discriminator = Discriminator(config)
        self.register_buffer("progress", torch.zeros(()))


CODE_NOISE = 0.2  # how far a code is moved, as a share of its own size, and the same picture still drawn of it
COMMITMENT = 0.25  # of a code to the generator's codes, as a share of theirs to it (van den Oord et al. 2017, eq. 3)


class Pretraining(nn.Module):
    """What both players learn before the game: an autoencoder, and which noise becomes which code.

    Of many noises for a picture's class the one whose code is nearest to the picture's is made to come nearer: implicit
    maximum likelihood (Li & Malik 2018, https://arxiv.org/abs/1809.09087, algorithm 1), on codes as in Hoshen, Li &
    Malik 2019 (https://arxiv.org/abs/1812.08985). Every picture thus gets its noise, so no kind is forgotten, and what
    lies between is soft: the game makes it sharp.
    """

    def __init__(self, gan: Gan):
        super().__init__()
        self.gan = gan
        self.read = nn.Linear(gan.config.widths[0], gan.config.code_size)

    def loss(self, real: Tensor, noise: Tensor, code_noise: Tensor, label: Tensor) -> dict[str, Tensor]:
        """real [B,C,32,32]; noise [B,N,Z], N tries for each picture; code_noise [B,D], normal; label [B].

        Half of the pictures are drawn from their own codes and half from the nearest tries'. Logged: "copied" and
        "forged", root mean square errors of both halves in pixel units of [-1, 1], and "match", codes apart.
        """
        generator, half = self.gan.generator, len(real) // 2
        code = to_code(self.read(self.gan.discriminator.describe(real)))
        with torch.no_grad():
            tries = generator.code(noise, label[:, None].expand(noise.shape[:2]))
            best = torch.einsum("bnd,bd->bn", tries, code).argmax(1)
        nearest = generator.code(noise[torch.arange(len(noise), device=noise.device), best], label)
        match = F.mse_loss(nearest, code.detach()) + COMMITMENT * F.mse_loss(nearest.detach(), code)
        error = generator.draw(torch.cat([(code + CODE_NOISE * code_noise)[:half], nearest[half:]])) - real
        square = error.square().flatten(1).mean(1)
        copied, forged = square[:half].mean().sqrt(), square[half:].mean().sqrt()
        loss = error.abs().mean() + square.mean() + match
        return {"loss": loss, "copied": copied.detach(), "forged": forged.detach(), "match": match.detach()}


Rule = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def relativistic(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Logits [B] of real pictures and of their fakes -> the discriminator's loss and the generator's, each a mean
    (Jolicoeur-Martineau 2018, section 4.1, with f = softplus)."""
    return F.softplus(fake - real).mean(), F.softplus(real - fake).mean()


def classic(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """The same for the non-saturating loss (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean(), F.softplus(-fake).mean()


RULES: dict[str, Rule] = {"relativistic": relativistic, "classic": classic}


def play(
    generator: nn.Module,
    discriminator: nn.Module,
    real: Tensor,
    noise: Tensor,
    label: Tensor,
    rule: Rule,
    gamma: float,
    augment: Callable[[Tensor], Tensor] = lambda both: both,
) -> dict[str, Tensor]:
    """One round. The gradient of "loss" is, for each player's weights, that of its own loss and of nothing else:

        discriminator: rule + gamma / 2 * (E |dD/dx (real)|^2 + E |dD/dx (fake)|^2)     generator: rule

    real [B,...], noise [B,Z], label [B] of both; augment: changes real pictures and fakes, stacked [2B,...], alike.
    Each logit must depend on its own picture alone (no batch normalisation): then dD/dx, whose length is penalised,
    is also what the generator learns from, and need not be computed twice.
    """
    fake = generator(noise, label)
    shown = augment(torch.cat([real, fake]))
    seen = shown.detach().requires_grad_()
    logits = discriminator(seen, torch.cat([label, label]))
    real_logits, fake_logits = logits.chunk(2)
    discriminator_loss, _ = rule(real_logits, fake_logits)
    (slope,) = torch.autograd.grad(logits.sum(), seen, create_graph=gamma > 0, retain_graph=True)
    penalty = slope.flatten(1).square().sum(1).mean()  # (R1 + R2) / 2

    # The chain rule by hand, for the generator: d loss / d fake = d loss / d logit * d logit / d fake.
    leaf = fake_logits.detach().requires_grad_()
    _, generator_loss = rule(real_logits.detach(), leaf)
    (pull,) = torch.autograd.grad(generator_loss, leaf)
    forged = shown.chunk(2)[1].flatten(1)
    towards = ((slope.detach().chunk(2)[1].flatten(1) * pull[:, None]) * forged).sum()
    loss = discriminator_loss + gamma * penalty + (towards - towards.detach()) + generator_loss.detach()
    return {
        "loss": loss,
        "discriminator": discriminator_loss,
        "generator": generator_loss,
        "penalty": penalty,
        "told_apart": (real_logits > fake_logits).float().mean(),
    }


def augment(
    pixels: Tensor, share: float | Tensor, generator: torch.Generator, part: tuple[int, int] = (0, 1)
) -> Tensor:
    """Move pictures by up to an eighth and cut a square out of them, each in a share of cases, so that the
    discriminator cannot learn a small set by heart (Zhao et al. 2020, https://arxiv.org/abs/2006.10738).

    pixels: real pictures and their fakes, stacked [2B,C,S,S]; picture b and fake b are changed alike. part: (k, n) when
    the pictures are every n-th of a batch, from the k-th on: then they are changed as they are in the whole.
    Differentiable in `pixels`. What comes in from outside is the picture's edge; what is cut out is grey.
    """
    count, size, device = len(pixels) // 2 * part[1], pixels.shape[-1], pixels.device

    def draw(low: int, high: int, chosen: Tensor) -> Tensor:
        return torch.randint(low, high + 1, (count, 1), generator=generator, device=device) * chosen

    moved, cut = torch.rand(2, count, 1, generator=generator, device=device) < share
    line = torch.arange(size, device=device)
    rows, columns = ((line + draw(-size // 8, size // 8, moved)).clamp(0, size - 1) for _ in range(2))
    top, left = (line - draw(0, size, cut) + size // 4 for _ in range(2))  # the square may reach over the edge
    inside = ((top >= 0) & (top < size // 2))[:, :, None] & ((left >= 0) & (left < size // 2))[:, None, :]
    kept = ~(inside & cut[:, :, None])
    rows, columns, kept = (x[part[0] :: part[1]].repeat(2, *[1] * (x.ndim - 1)) for x in (rows, columns, kept))
    picture = torch.arange(len(pixels), device=device)[:, None, None]
    shifted = pixels.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None, :]]
    return (shifted * kept[..., None]).permute(0, 3, 1, 2)
