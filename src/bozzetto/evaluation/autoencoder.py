"""The autoencoder: how near a picture comes back."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from bozzetto.evaluation.bench import EvaluationContext
from bozzetto.evaluation.scores import Measured, Scores, mean
from bozzetto.progress import track
from bozzetto.world.scenes import KINDS

N = 0  # it draws nothing
PSNR_WHITE = "PSNR RGB on white, test pictures"
PSNR_RGBA = "PSNR RGBA, test pictures"
PSNR_WHITE_SCENES = "PSNR RGB on white, test scenes"
PSNR_RGBA_SCENES = "PSNR RGBA, test scenes"
WORST = "{}, worst 5 %"
SHOWN = (PSNR_WHITE, PSNR_RGBA, PSNR_WHITE_SCENES)  # in the README


def psnr(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Peak signal to noise ratio in dB, float [N], of pictures [N,...] in [0,1]; equal ones have 100."""
    error = ((one.astype(np.float64) - other) ** 2).reshape(len(one), -1).mean(1)
    return -10 * np.log10(np.maximum(error, 1e-10))


def premultiplied(images: np.ndarray) -> np.ndarray:
    """uint8 straight alpha [N,H,W,4] -> float32 premultiplied in [0,1]."""
    rgba = images.astype(np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    return rgba


def score(context: EvaluationContext, reconstruct: Callable[[np.ndarray], np.ndarray]) -> Scores:
    """`reconstruct`: premultiplied RGBA float32 [N,64,64,4] in [0,1] -> the same from its latent."""
    scenes = np.concatenate([context.test_scenes(kind, context.scenes)[1] for kind in KINDS])
    pictures = context.world.split("test").images
    scores: Scores = {}
    for images, on_white, with_alpha in (
        (pictures, PSNR_WHITE, PSNR_RGBA),
        (scenes, PSNR_WHITE_SCENES, PSNR_RGBA_SCENES),
    ):
        true = premultiplied(images)
        back = np.concatenate([reconstruct(true[i : i + 64]) for i in track(range(0, len(true), 64), "redrawing")])
        white = [picture[..., :3] + 1 - picture[..., 3:] for picture in (true, back)]
        for measure, values in ((on_white, psnr(*white)), (with_alpha, psnr(true, back))):
            worst = np.sort(values)[: max(1, round(len(values) * 0.05))]
            scores |= {measure: mean(values, "dB"), WORST.format(measure): mean(worst, "dB")}
    return scores


def measure(context: EvaluationContext, weights: Path, n: int, sheet: Path | None) -> Measured:
    from bozzetto.runtime.session import open_network
    from bozzetto.runtime.store import open_model

    encoder, decoder = (open_network(open_model(f"autoencoder/{half}", weights)) for half in ("encoder", "decoder"))

    def reconstruct(pictures: np.ndarray) -> np.ndarray:
        latents = encoder(pixels=pictures.transpose(0, 3, 1, 2) * 2 - 1)["latents"]
        return np.clip((decoder(latents=latents)["pixels"].transpose(0, 2, 3, 1) + 1) / 2, 0, 1)

    return score(context, reconstruct), {}
