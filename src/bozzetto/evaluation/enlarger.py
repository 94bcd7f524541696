"""The enlarger: held-out art at 128 pixels, shrunk, redrawn by the autoencoder and drawn at 128 again, beside the same
picture enlarged smoothly (Keys 1981, bicubic).

The judge is not asked: it learned from art of 64 pixels, and names the art itself at 128 less often."""

from pathlib import Path

import numpy as np
from PIL import Image

from bozzetto.evaluation.autoencoder import psnr
from bozzetto.evaluation.bench import EvaluationContext
from bozzetto.evaluation.scores import Measured, Scores, mean
from bozzetto.pictures import on_white
from bozzetto.progress import track
from bozzetto.runtime import enlarger
from bozzetto.runtime.session import Network, open_network
from bozzetto.runtime.text_to_image import as_pictures, as_pixels, open_part
from bozzetto.world import emoji

N = 0  # it draws nothing
PSNR = "PSNR RGB on white at 128 pixels"
EDGES = "squared steps between neighbours, share of the art's"
WAYS = ("drawn at 128", "enlarged smoothly")
SHOWN = tuple(f"{measure}, {way}" for measure in (PSNR, EDGES) for way in WAYS)  # in the README


def steps(white: np.ndarray) -> np.ndarray:
    """Mean squared step between neighbours, float [N], of pictures [N,H,W,3]."""
    return sum(np.square(np.diff(white, axis=axis)).mean((1, 2, 3)) for axis in (1, 2))


def through_latent(encoder: Network, decoder: Network, art: np.ndarray) -> np.ndarray:
    """Pictures uint8 [N,128,128,4] shrunk to half and redrawn by the autoencoder: uint8 [N,64,64,4]."""
    pixels = as_pixels(art)
    half = pixels.reshape(*pixels.shape[:2], enlarger.SIZE // 2, 2, enlarger.SIZE // 2, 2).mean((3, 5))
    back = decoder(latents=encoder(pixels=half)["latents"])["pixels"]
    return as_pictures(back)


def measure(context: EvaluationContext, weights: Path, n: int, sheet: Path | None) -> Measured:
    art = emoji.redraw(context.core.select(context.test), emoji.ARTWORK, enlarger.SIZE)
    encoder, decoder = (open_network(open_part(f"autoencoder/{half}", weights)) for half in ("encoder", "decoder"))
    network = enlarger.load(weights)
    parts = track(range(0, len(art), 64), "redrawing")
    small = np.concatenate([through_latent(encoder, decoder, art[i : i + 64]) for i in parts])
    smooth = (Image.fromarray(picture).resize(art.shape[1:3], Image.Resampling.BICUBIC) for picture in small)
    shown = {
        WAYS[0]: np.concatenate([enlarger.enlarge(network, picture[None]) for picture in small]),
        WAYS[1]: np.stack([np.asarray(picture) for picture in smooth]),
    }
    true = on_white(art) / 255
    scores: Scores = {}
    for way, pictures in shown.items():
        white = on_white(pictures) / 255
        scores |= {
            f"{PSNR}, {way}": mean(psnr(true, white), "dB"),
            f"{EDGES}, {way}": mean(steps(white) / steps(true), "share"),
        }
    return scores, {}
