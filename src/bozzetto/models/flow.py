"""The straight path between noise and pictures, and what a network that walks it is trained on.

At time t in [0, 1] a picture x and noise e are mixed to x_t = (1 - t) x + t e (Liu et al. 2023, eq. 1). The networks
answer with the clean picture D and are trained on the velocity e - x, so an error counts more the nearer the picture is
to clean (Li & He 2025, JiT, eq. 6):

    |v(x_t, t) - (e - x)|^2 = |D(x_t, t) - x|^2 / t^2,  with t not below 0.05.

Pictures, latents: float [B,...]. Times: [B].
"""

from torch import Tensor

SMALLEST_TIME = 0.05


def like(t: Tensor, x: Tensor) -> Tensor:
    """Times [B] in the shape that multiplies x [B,...]."""
    return t.float().view(-1, *[1] * (x.ndim - 1))


def noisy(clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """x_t."""
    time = like(t, clean)
    return (1 - time) * clean + time * noise


def blind_guess(x: Tensor, t: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """The best guess at the clean picture without looking at more than one number of x at a time: x shrunk towards the
    mean of the data (the posterior mean of a bell curve with this mean and std). Networks add to it."""
    time = like(t, x)
    spread = ((1 - time) * std) ** 2 + time**2
    return mean + (x - (1 - time) * mean) * (1 - time) * std**2 / spread


def velocity_loss(estimate: Tensor, clean: Tensor, t: Tensor, weight: Tensor | float = 1.0) -> dict[str, Tensor]:
    """The loss of an estimate of the clean picture, each picture's times `weight` [B]; logged: its squared error."""
    squared = (estimate.float() - clean).square().flatten(1).mean(1)
    return {"loss": (weight * squared / t.clamp(min=SMALLEST_TIME) ** 2).mean(), "clean_error": squared.mean()}
