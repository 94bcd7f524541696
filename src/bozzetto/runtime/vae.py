"""Pictures as a few numbers: encode, decode, morph, sample, the map and attribute directions, on numpy arrays.

Pixels: float32 [B,C,32,32] in [-1, 1]. Latents: float32 [B,L], L = 32 for `good` and `plain`, 2 for the maps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bozzetto.diffusion import SAMPLERS, flow
from bozzetto.diffusion.noise import normal_batch
from bozzetto.errors import one_of
from bozzetto.runtime.session import Network, open_network
from bozzetto.runtime.store import ModelFolder, once, open_model

PRIORS = ("standard", "second-stage")


@dataclass(frozen=True, eq=False)
class Autoencoder:
    """The networks, and mean and standard deviation [L] of the latents of all training pictures."""

    encoder: Network
    decoder: Network
    latent_mean: np.ndarray
    latent_std: np.ndarray


@dataclass(frozen=True, eq=False)
class Generator:
    """What draws new pictures: the sampler finds latents, which the decoder of `good` turns into pictures."""

    sampler: Network
    decoder: Network
    latent_mean: np.ndarray
    latent_std: np.ndarray
    classes: list[str]


@once
def load(weights: Path, kind: str = "") -> Autoencoder:
    """An autoencoder of a weights folder: "" is `good`, and there are "plain_", "map_" and "plain_map_". Raises
    WeightsError."""
    encoder, decoder = (open_model(f"vae/{kind}{half}", weights) for half in ("encoder", "decoder"))
    return Autoencoder(open_network(encoder), open_network(decoder), *_bell(encoder))


@once
def load_generator(weights: Path) -> Generator:
    """The two networks that draw. Raises WeightsError."""
    sampler = open_model("vae/sampler", weights)  # checks that it belongs to this decoder
    decoder = open_model("vae/decoder", weights)
    return Generator(open_network(sampler), open_network(decoder), *_bell(decoder), sampler["config"]["classes"])


def _bell(model: ModelFolder) -> tuple[np.ndarray, np.ndarray]:
    return np.array(model["latent_mean"], np.float32), np.array(model["latent_std"], np.float32)


def encode(model: Autoencoder, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels -> mean and standard deviation of their latents, both [B,L]; the latter is 0 for a plain twin."""
    code = model.encoder(pixels=pixels)
    return code["mean"], np.exp(code["logvar"] / 2)


def decode(model: Autoencoder | Generator, latents: np.ndarray) -> np.ndarray:
    """Latents -> pixels, clipped to [-1, 1]."""
    return np.clip(model.decoder(latents=latents)["pixels"], -1, 1)


def morph(model: Autoencoder, a: np.ndarray, b: np.ndarray, n: int) -> np.ndarray:
    """n pictures [n,C,32,32] from picture a to picture b, both [C,32,32]; the first and the last are their redraws.

    The path is an arc about the middle of all latents (Shoemake 1985, slerp), not a line: among 32 numbers pictures lie
    in a shell around the middle, and a line would cut through the hollow inside. ValueError when n is below 2.
    """
    if n < 2:
        raise ValueError(f"a morph has 2 pictures at least, not {n}")
    means, _ = encode(model, np.stack([a, b]))
    start, end = means - model.latent_mean
    return decode(model, slerp(start, end, np.linspace(0, 1, n)) + model.latent_mean)


def slerp(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Points on the arc from a [L] to b [L] about zero, share [n] of the way: float32 [n,L].

    It turns evenly and its length changes smoothly. A line where a and b point the same or exactly opposite ways, which
    no arc joins or no single one.
    """
    share = np.asarray(share, np.float64)[:, None]
    cosine = a.astype(np.float64) @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12)
    angle = np.arccos(np.clip(cosine, -1, 1))
    if np.sin(angle) < 1e-4:
        return ((1 - share) * a + share * b).astype(np.float32)
    return ((np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)).astype(np.float32)


def sample_latents(
    generator: Generator,
    seeds: Sequence[int],
    labels: int | Sequence[int] | np.ndarray = 0,
    prior: str = "second-stage",
    num_inference_steps: int = 20,
) -> np.ndarray:
    """Latents [N,L] for `good`, one a seed. "standard": N(0, 1); "second-stage": from the same noise by the sampler.

    labels: 0 is any class, k + 1 the k-th; only the second stage can heed it, so ValueError with "standard".
    """
    numbers = np.broadcast_to(np.asarray(labels, np.int64), (len(seeds),))
    one_of("prior", prior, PRIORS)
    if numbers.min() < 0 or numbers.max() > len(generator.classes):
        raise ValueError(f"a label must be from 0 (any) to {len(generator.classes)}, not {numbers.tolist()}")
    noise = normal_batch(seeds, generator.latent_mean.shape)
    if prior == "standard":
        if numbers.any():
            raise ValueError('the prior "standard" knows no classes: use "second-stage", or label 0')
        return noise

    def denoise(z: np.ndarray, t: float) -> np.ndarray:
        return generator.sampler(z=z, t=np.full(len(z), t, np.float32), label=numbers)["clean"]

    clean = SAMPLERS["dpmpp_2m"](denoise, noise, flow(num_inference_steps))
    return clean * generator.latent_std + generator.latent_mean


def sample_plain(plain: Autoencoder, seeds: Sequence[int]) -> np.ndarray:
    """Pictures [N,C,32,32] of a plain twin, one a seed, from a bell curve as wide as its latents: most draws fall into
    holes."""
    return decode(plain, normal_batch(seeds, plain.latent_mean.shape) * plain.latent_std + plain.latent_mean)


def attribute_direction(latents: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """From the mean latent of the pictures without an attribute to that of those with it (Larsen et al. 2016).

    latents [N,L], flags [N] -> float32 [L]; added to a latent it adds the attribute. ValueError unless both kinds are
    there.
    """
    flags = np.asarray(flags, bool)
    if flags.all() or not flags.any():
        raise ValueError("an attribute direction needs pictures with the attribute and pictures without it")
    return (latents[flags].mean(0) - latents[~flags].mean(0)).astype(np.float32)
