"""A GAN's training round as one ONNX inference graph: losses, gradients of gradients and Adam, state in and state out.

`play` is the round as a function of arrays alone. Its gradients are torch.func.grad's; make_fx writes down every
operation that they take, and the exporter sees a network like any other. `export_gan_round` leaves the graph where
runtime/gan_round.py and the page find it; there are no weights to train or ship, for a game begins with its seed.

    python scripts/gan_round_graph.py src/bozzetto/weights
"""

import sys
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._decomp import core_aten_decompositions
from torch.fx.experimental.proxy_tensor import make_fx

from bozzetto.runtime import gan_round as game
from bozzetto.runtime.gan_round import DISCRIMINATOR, GENERATOR
from bozzetto.training.export import Graph, graph_bytes, write_folder

BETA1, BETA2, EPSILON = 0.0, 0.9, 1e-8

Player = dict[str, Tensor]


def unpack(flat: Tensor, widths: tuple[int, ...]) -> Player:
    """A player's parameters by name, from one row of numbers [P]: each layer's weight [out,in] and bias [out]."""
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (fan_in, fan_out) in enumerate(pairwise(widths), 1):
        shapes |= {f"weight{i}": (fan_out, fan_in), f"bias{i}": (fan_out,)}
    parts = flat.split([torch.Size(shape).numel() for shape in shapes.values()])
    return {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def layers(player: Player, x: Tensor) -> Tensor:
    """Linear layers with leaky ReLU between them, as a product: it is linear in x again, so its gradient and that
    gradient's gradient need no more than the same slopes."""
    count = len(player) // 2
    for i in range(1, count + 1):
        x = F.linear(x, player[f"weight{i}"], player[f"bias{i}"])
        if i < count:
            x = x * torch.where(x > 0, 1.0, 0.2)
    return x


def generate(generator: Player, latents: Tensor) -> Tensor:
    """[B,16] -> flat pictures [B,768] in (-1, 1)."""
    return torch.tanh(layers(generator, latents))


def score(discriminator: Player, pictures: Tensor) -> Tensor:
    """Flat pictures [B,768] -> [B], the higher the more real."""
    return layers(discriminator, pictures)[:, 0]


def penalty(discriminator: Player, pictures: Tensor) -> Tensor:
    """The mean squared norm of the score's gradient by the picture: R1 on real ones, R2 on fakes (Mescheder et al.
    2018, "Which training methods for GANs do actually converge?", eq. 9)."""
    slope = torch.func.grad(lambda x: score(discriminator, x).sum())(pictures)
    return slope.square().sum(1).mean()


def discriminator_loss(discriminator: Player, real: Tensor, fake: Tensor, pairing: Tensor, gamma: Tensor) -> Tensor:
    """pairing 1: each fake is compared with a real picture (Jolicoeur-Martineau 2018, "The relativistic
    discriminator", eq. 10); 0: each picture is judged by itself (Goodfellow et al. 2014, eq. 1); between: a mix.
    gamma weighs both penalties, as in Huang et al. 2024, "The GAN is dead; long live the GAN!"."""
    on_real, on_fake = score(discriminator, real), score(discriminator, fake)
    pairs = F.softplus(on_fake - on_real).mean()
    alone = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
    return (
        pairing * pairs
        + (1 - pairing) * alone
        + gamma / 2 * (penalty(discriminator, real) + penalty(discriminator, fake))
    )


def generator_loss(
    generator: Player, discriminator: Player, real: Tensor, latents: Tensor, pairing: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """The same pairs the other way round, and the non-saturating loss of Goodfellow et al. 2014, section 3. Also the
    fakes and both scores."""
    fake = generate(generator, latents)
    on_real, on_fake = score(discriminator, real), score(discriminator, fake)
    loss = pairing * F.softplus(on_real - on_fake).mean() + (1 - pairing) * F.softplus(-on_fake).mean()
    return loss, (fake, on_real, on_fake)


def adam(state: Tensor, gradient: Player, steps: Tensor, rate: Tensor) -> Tensor:
    """Kingma & Ba 2015, algorithm 1, of one player's [3,P]: parameters, first and second moments; `steps` were taken
    before this one."""
    parameters, first, second = state
    g = torch.cat([part.flatten() for part in gradient.values()])
    first = BETA1 * first + (1 - BETA1) * g
    second = BETA2 * second + (1 - BETA2) * g * g
    unbiased1, unbiased2 = first / (1 - BETA1 ** (steps + 1)), second / (1 - BETA2 ** (steps + 1))
    return torch.stack([parameters - rate * unbiased1 / (unbiased2.sqrt() + EPSILON), first, second])


def play(
    generator: Tensor, discriminator: Tensor, steps: Tensor, real: Tensor, latents: Tensor,
    trains: Tensor, rates: Tensor, pairing: Tensor, gamma: Tensor,
) -> tuple[Tensor, ...]:  # fmt: skip
    """One round: the discriminator learns, then the generator from the discriminator that has learned.

    In: generator [3,P] and discriminator [3,Q], each its parameters and Adam's two moments; steps [2], how many each
    has trained; real [B,3,16,16] in [-1,1]; latents [B,16]; trains [2], 1 or 0, whether it does so now; rates [2];
    pairing and gamma [], see `discriminator_loss`. Where there are two, the generator is first.

    Out: generator, discriminator and steps after the round; losses [2], each before its player learned; fakes
    [B,3,16,16] of the generator before; verdicts on real and fake [B], of the discriminator after: the probability that
    the picture is real. In pairs only differences of scores mean anything, so there the round's mean score is the point
    of doubt.
    """
    real_rows, fake_rows = real.flatten(1), generate(unpack(generator[0], GENERATOR), latents)
    gradient, loss_d = torch.func.grad_and_value(discriminator_loss)(
        unpack(discriminator[0], DISCRIMINATOR), real_rows, fake_rows, pairing, gamma
    )
    discriminator = torch.where(trains[1] > 0, adam(discriminator, gradient, steps[1], rates[1]), discriminator)
    gradient, (loss_f, (fakes, on_real, on_fake)) = torch.func.grad_and_value(generator_loss, has_aux=True)(
        unpack(generator[0], GENERATOR), unpack(discriminator[0], DISCRIMINATOR), real_rows, latents, pairing
    )
    generator = torch.where(trains[0] > 0, adam(generator, gradient, steps[0], rates[0]), generator)
    doubt = pairing * (on_real.mean() + on_fake.mean()) / 2
    losses = torch.stack([loss_f, loss_d])
    verdicts = torch.sigmoid(on_real - doubt), torch.sigmoid(on_fake - doubt)
    return generator, discriminator, steps + trains, losses, fakes.view_as(real), *verdicts


OUTPUTS = ("new_generator", "new_discriminator", "new_steps", "losses", "fakes", "verdicts_real", "verdicts_fake")


def export_gan_round(to: Path) -> None:
    """Write the model folder gan_round to the weights folder `to`: the graph, and the sizes and settings of the game.

    Its model.safetensors is empty: the weights that a game begins with are made from its seed.
    """
    start = game.inputs(game.start(0), game.BALANCED, 0)
    inputs = {name: torch.as_tensor(value) for name, value in start.items()}
    table: Any = core_aten_decompositions()  # a mapping from more than make_fx asks for
    traced = make_fx(play, decomposition_table=table)(*inputs.values())
    description = {
        "parameters": inputs["generator"].shape[1] + inputs["discriminator"].shape[1],
        "config": {"generator": GENERATOR, "discriminator": DISCRIMINATOR, "batch": game.BATCH},
        "settings": {"balanced": asdict(game.BALANCED), "collapsing": asdict(game.COLLAPSING)},
    }
    graph = partial(graph_bytes, Graph(traced, inputs, list(OUTPUTS), batch=False))
    write_folder(to, game.MODEL, {}, description, {"graph.onnx": graph}, {})


if __name__ == "__main__":
    export_gan_round(Path(sys.argv[1]))
