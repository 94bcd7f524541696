"""Who got better? Today's generator against yesterday's discriminators, and the reverse.

In a game the losses of a run say little: both players may improve and the score stay even. Frozen players of several
ages measure skill (Olsson et al. 2018, https://arxiv.org/abs/1808.04888, tournaments of snapshots).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bozzetto.models.gan import Discriminator, Gan, GanConfig, Generator
from bozzetto.training.data import Pictures
from bozzetto.training.export import read_weights
from bozzetto.training.loop import snapshot, step_randomness
from bozzetto.training.recipes.gan import ADVERSARIAL, milestones

BATCH = 128


@dataclass(frozen=True)
class CrossPlay:
    """fooled[f][d]: share of pairs in [0, 1] in which discriminator d takes generator f's picture for the real one;
    half is what a coin does, 1 - fooled is the share told apart. steps: how long the players of each row and column
    trained."""

    steps: tuple[int, ...]
    pairs: int
    fooled: tuple[tuple[float, ...], ...]


def load_players(run: Path, config: GanConfig, steps: int, count: int) -> dict[int, Gan]:
    """The snapshots that the recipe kept in the run's folder (as `milestones(steps, count)` says), by age in steps.

    Raises ValueError when one is missing.
    """
    players = {}
    for age in milestones(steps, count):
        player = Gan(config)
        player.load_state_dict(read_weights(snapshot(run / ADVERSARIAL, age))[0])
        players[age] = player.eval().requires_grad_(False)
    return players


@torch.inference_mode()
def cross_play(
    generators: Sequence[Generator],
    discriminators: Sequence[Discriminator],
    pictures: Pictures,
    pairs: int = 512,
    seed: int = 0,
) -> list[list[float]]:
    """Share of pairs fooled, [generators][discriminators]. A pair is a real picture and a fake of the same class; every
    generator gets the same noise. Without a class (label 0) in one pair of ten, as in training."""
    fooled = torch.zeros(len(generators), len(discriminators))
    for number, start in enumerate(range(0, pairs, BATCH)):
        rng, draws = step_randomness(seed, number, torch.device("cpu"))
        real, label = pictures.batch(rng, min(BATCH, pairs - start))
        label = label.masked_fill(torch.from_numpy(rng.random(len(label)) < 0.1), 0)
        noise = torch.randn(len(label), generators[0].label.embedding_dim, generator=draws)
        truth = [discriminator(real, label) for discriminator in discriminators]
        for f, generator in enumerate(generators):
            fake = generator(noise, label)
            for d, discriminator in enumerate(discriminators):
                fooled[f, d] += (discriminator(fake, label) > truth[d]).sum()
    return (fooled / pairs).tolist()


def tournament(players: dict[int, Gan], pictures: Pictures, pairs: int = 512, seed: int = 0) -> CrossPlay:
    """Every generator against every discriminator of one run's snapshots."""
    generators = [player.generator for player in players.values()]
    discriminators = [player.discriminator for player in players.values()]
    table = cross_play(generators, discriminators, pictures, pairs, seed)
    return CrossPlay(tuple(players), pairs, tuple(map(tuple, table)))
