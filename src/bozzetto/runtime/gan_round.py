"""A GAN that trains while one watches: its whole training round is one ONNX graph, state in and state out.

Two small players (Goodfellow et al. 2014, "Generative adversarial nets"): the *generator* makes 16 x 16 pictures from
noise, the *discriminator* scores pictures, high for real. `Game` plays rounds on states that are plain arrays: keep an
old one and it is a frozen opponent. A round in which nobody trains only looks, at the fakes and the verdicts.

The real pictures are made on the spot: a shape in a colour, a little displaced. There are exactly sixteen kinds
("modes") of them, and which kind a picture is follows from the nearest of sixteen prototypes, so the variety of the
fakes is counted and not guessed.

Everything random is a function of the seed (diffusion/noise.py), the same in web/runtime/gan-round.ts. Streams of the
seed: 0 and 1 are the starting weights of generator and discriminator; 2r and 2r + 1 are the noise and the real pictures
of round r = 1, 2, ...
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from bozzetto.diffusion.noise import normal, words
from bozzetto.runtime.session import open_network
from bozzetto.runtime.store import open_model

MODEL = "gan_round"
SIZE = 16  # pixels a side
LATENT = 16  # numbers that the generator makes a picture from
WIDTH = 96
BATCH = 64  # pictures of each kind, real and fake, in a round: fixed in the graph
PIXELS = 3 * SIZE * SIZE
GENERATOR = (LATENT, WIDTH, WIDTH, PIXELS)  # widths from layer to layer
DISCRIMINATOR = (PIXELS, WIDTH, WIDTH, 1)

SHAPES = ("ring", "square", "triangle", "cross")
COLOURS = {"red": (225, 45, 57), "yellow": (250, 195, 20), "green": (40, 160, 80), "blue": (45, 95, 215)}
MODES = len(SHAPES) * len(COLOURS)
NEAR = 0.30  # root mean square distance to a prototype, in [-1,1] units, up to which a picture is of its kind


# ---------------------------------------------------------------- the pictures


def _distance(shape: str, x: np.ndarray, y: np.ndarray, size: np.ndarray) -> np.ndarray:
    """How far a point is outside of a shape around 0 (negative: inside); x to the right, y down, all in pixels."""
    if shape == "ring":
        return abs(np.sqrt(x * x + y * y) - 0.9 * size) - 0.25 * size
    if shape == "square":
        return np.maximum(abs(x), abs(y)) - 0.9 * size
    if shape == "triangle":  # its tip is up, its sides have a slope of 2
        return np.maximum((2 * abs(x) - y - 1.1 * size) / math.sqrt(5), y - 0.9 * size)
    arm = 0.32 * size  # a cross: two bars
    upright = np.maximum(abs(x) - arm, abs(y) - 1.15 * size)
    return np.minimum(upright, np.maximum(abs(y) - arm, abs(x) - 1.15 * size))


def draw(mode: np.ndarray, dx: np.ndarray, dy: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Shapes on white, with smooth edges: [N] modes, displacements and sizes in pixels -> float32 [N,3,16,16]."""
    centre = (SIZE - 1) / 2
    at = np.arange(SIZE) - centre
    x = at[None, None, :] - dx[:, None, None]
    y = at[None, :, None] - dy[:, None, None]
    outside = np.empty((len(mode), SIZE, SIZE))
    for index, shape in enumerate(SHAPES):
        of = mode // len(COLOURS) == index
        outside[of] = _distance(shape, x[of], y[of], size[of, None, None])
    ink = np.clip(0.5 - outside, 0, 1)[:, None]
    colour = np.array(list(COLOURS.values()))[mode % len(COLOURS), :, None, None] / 127.5 - 1
    return (1 + ink * (colour - 1)).astype(np.float32)


def real_pictures(seed: int, stream: int, count: int = BATCH) -> np.ndarray:
    """Float32 [count,3,16,16] in [-1,1]. Each picture takes one block of four random words: its mode, its displacement
    to the right and down (up to half a pixel), its size (5 pixels, 6 % more or less)."""
    random = words(seed, count, stream)
    u = (random.astype(np.float64) + 0.5) / 2**31 - 1  # in (-1, 1)
    return draw(random[:, 0] % MODES, 0.5 * u[:, 1], 0.5 * u[:, 2], 5 + 0.3 * u[:, 3])


def prototypes() -> np.ndarray:
    """The sixteen kinds, undisplaced: float32 [16,3,16,16]; mode = 4 * shape + colour."""
    still = np.zeros(MODES)
    return draw(np.arange(MODES), still, still, still + 5)


def modes(pictures: np.ndarray) -> np.ndarray:
    """The kind of each picture [N,3,16,16]: int64 [N], the nearest prototype, or -1 where none is near."""
    difference = pictures[:, None].astype(np.float64) - prototypes()
    distance = np.sqrt((difference**2).mean((2, 3, 4)))
    return np.where(distance.min(1) < NEAR, distance.argmin(1), -1)


def variety(pictures: np.ndarray) -> int:
    """How many of the sixteen modes are among the pictures [N,3,16,16]."""
    return len(set(modes(pictures).tolist()) - {-1})


# ---------------------------------------------------------------- the game


@dataclass(frozen=True)
class Settings:
    """How a round is trained.

    rates: Adam's learning rates of generator and discriminator; pairing: 1 compares fakes with real pictures, 0 judges
    each by itself; gamma: the weight of the penalties that keep the discriminator smooth.
    """

    rates: tuple[float, float]
    pairing: float
    gamma: float


BALANCED = Settings(rates=(1.5e-3, 1.5e-3), pairing=1.0, gamma=2.0)
COLLAPSING = Settings(rates=(5e-4, 2e-3), pairing=0.0, gamma=0.02)  # from the start of a game: few modes, for long


@dataclass(frozen=True, eq=False)
class State:
    """Both players: parameters and Adam's moments [3,P] and [3,Q], the steps each has trained [2], rounds played."""

    generator: np.ndarray
    discriminator: np.ndarray
    steps: np.ndarray
    rounds: int


def start(seed: int) -> State:
    """Untrained players: weights of standard deviation sqrt(2 / fan_in) (He et al. 2015), biases 0."""

    def player(widths: tuple[int, ...], stream: int) -> np.ndarray:
        sizes = list(pairwise(widths))
        noise = normal(seed, (sum(a * b for a, b in sizes),), stream)
        parts: list[np.ndarray] = []
        at = 0
        for fan_in, fan_out in sizes:
            parts += [noise[at : at + fan_in * fan_out] * np.float32(math.sqrt(2 / fan_in)), np.zeros(fan_out)]
            at += fan_in * fan_out
        parameters = np.concatenate(parts)
        return np.stack([parameters, np.zeros_like(parameters), np.zeros_like(parameters)]).astype(np.float32)

    return State(player(GENERATOR, 0), player(DISCRIMINATOR, 1), np.zeros(2, np.float32), 0)


def inputs(
    state: State, settings: Settings, seed: int, trains: tuple[bool, bool] = (True, True)
) -> dict[str, np.ndarray]:
    """What the graph is given for the round after `state`."""
    stream = 2 * (state.rounds + 1)
    return {
        "generator": state.generator,
        "discriminator": state.discriminator,
        "steps": state.steps,
        "real": real_pictures(seed, stream + 1),
        "latents": normal(seed, (BATCH, LATENT), stream),
        "trains": np.array(trains, np.float32),
        "rates": np.array(settings.rates, np.float32),
        "pairing": np.array(settings.pairing, np.float32),
        "gamma": np.array(settings.gamma, np.float32),
    }


@dataclass(frozen=True, eq=False)
class Played:
    """What a round showed: losses of generator and discriminator before they learned [2], the fakes [64,3,16,16], and
    the verdicts [64] on the real pictures and the fakes, the probability that each is real."""

    losses: np.ndarray
    fakes: np.ndarray
    verdicts_real: np.ndarray
    verdicts_fake: np.ndarray


class Game:
    """The graph, opened. A game is its seed, its settings and a State; none of them is kept here.

    Raises WeightsError when the graph is missing or damaged.
    """

    def __init__(self, weights: Path | None = None):
        self._network = open_network(open_model(MODEL, weights))

    def play(
        self, state: State, settings: Settings, seed: int, trains: tuple[bool, bool] = (True, True)
    ) -> tuple[State, Played]:
        """The round after `state`; trains: whether generator and discriminator learn in it."""
        out = self._network(**inputs(state, settings, seed, trains))
        shown = Played(out["losses"], out["fakes"], out["verdicts_real"], out["verdicts_fake"])
        return State(out["new_generator"], out["new_discriminator"], out["new_steps"], state.rounds + 1), shown

    def evaluate(self, generator: State, discriminator: State, seed: int, batches: int = 4) -> Played:
        """A generator before a discriminator, perhaps of different times, and nobody learns: 64 pictures a batch."""
        state = State(generator.generator, discriminator.discriminator, np.zeros(2, np.float32), 0)
        shown = []
        for _ in range(batches):
            state, one = self.play(state, BALANCED, seed, (False, False))
            shown.append(one)
        return Played(
            losses=np.mean([one.losses for one in shown], 0),
            fakes=np.concatenate([one.fakes for one in shown]),
            verdicts_real=np.concatenate([one.verdicts_real for one in shown]),
            verdicts_fake=np.concatenate([one.verdicts_fake for one in shown]),
        )
