"""The autoencoder: how near a picture comes back, and whether small things do."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from bozzetto.evaluation.bench import FACTS, EvaluationContext
from bozzetto.evaluation.scores import BORDERS, Measured, Scores, border_ratio, mean, share
from bozzetto.progress import track
from bozzetto.runtime.text_to_image import open_part, premultiplied, straight
from bozzetto.world.scenes import KINDS

N = 0  # it draws nothing
PSNR_WHITE = "PSNR RGB on white, test pictures"
PSNR_RGBA = "PSNR RGBA, test pictures"
PSNR_WHITE_SCENES = "PSNR RGB on white, test scenes"
PSNR_RGBA_SCENES = "PSNR RGBA, test scenes"
WORST = "{}, worst 5 %"
BORDERS_ART = f"{BORDERS}, test pictures"
BORDERS_REDRAWN = f"{BORDERS_ART} redrawn"
ROUND_TRIP = "{} scenes redrawn, latent noise {}: {}"
GRADED = ("two", "place", "count")  # kinds of scenes that must come back as they were
NOISE = (0.0, 0.2)  # in deviations of the latents
SHOWN = (PSNR_WHITE, PSNR_RGBA, PSNR_WHITE_SCENES)  # in the README


def psnr(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Peak signal to noise ratio in dB, float [N], of pictures [N,...] in [0,1]; equal ones have 100."""
    error = ((one.astype(np.float64) - other) ** 2).reshape(len(one), -1).mean(1)
    return -10 * np.log10(np.maximum(error, 1e-10))


def score(context: EvaluationContext, reconstruct: Callable[[np.ndarray, float], np.ndarray]) -> Scores:
    """`reconstruct`: premultiplied RGBA float32 [N,64,64,4] in [0,1], and noise -> the same from its noisy latent."""

    def redrawn(true: np.ndarray, noise: float = 0.0) -> np.ndarray:
        parts = track(range(0, len(true), 64), "redrawing")
        return np.concatenate([reconstruct(true[i : i + 64], noise) for i in parts])

    scenes = np.concatenate([context.test_scenes(kind, context.scenes)[1] for kind in KINDS])
    pictures = context.world.split("test").images
    scores: Scores = {}
    for images, on_white, with_alpha in (
        (pictures, PSNR_WHITE, PSNR_RGBA),
        (scenes, PSNR_WHITE_SCENES, PSNR_RGBA_SCENES),
    ):
        true = premultiplied(images)
        back = redrawn(true)
        white = [picture[..., :3] + 1 - picture[..., 3:] for picture in (true, back)]
        for measure, values in ((on_white, psnr(*white)), (with_alpha, psnr(true, back))):
            worst = np.sort(values)[: max(1, round(len(values) * 0.05))]
            scores |= {measure: mean(values, "dB"), WORST.format(measure): mean(worst, "dB")}
        if images is pictures:
            scores |= {BORDERS_REDRAWN: border_ratio(white[1]), BORDERS_ART: border_ratio(white[0])}
    for kind in GRADED:
        facts, renders = context.test_scenes(kind, context.scenes)
        for noise in NOISE:
            graded = context.graded(kind, facts, straight(redrawn(premultiplied(renders), noise)))
            scores |= {ROUND_TRIP.format(kind, noise, FACTS[fact]): share(value) for fact, value in graded.items()}
    return scores


def measure(context: EvaluationContext, weights: Path, n: int, sheet: Path | None) -> Measured:
    from bozzetto.runtime.session import open_network

    encoder, decoder = (open_network(open_part(f"autoencoder/{half}", weights)) for half in ("encoder", "decoder"))
    rng = np.random.default_rng(context.seed)

    def reconstruct(pictures: np.ndarray, noise: float) -> np.ndarray:
        latents = encoder(pixels=pictures.transpose(0, 3, 1, 2) * 2 - 1)["latents"]
        latents += noise * rng.standard_normal(latents.shape, np.float32)
        return np.clip((decoder(latents=latents)["pixels"].transpose(0, 2, 3, 1) + 1) / 2, 0, 1)

    return score(context, reconstruct), {}
