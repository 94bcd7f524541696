"""What pixel diffusion tells from one look at a noisy picture, by the level of the noise.

    python benchmarks/noise_levels.py            # all held-out pictures, a few minutes on a core

Every held-out picture is mixed with noise of its own, (1 - t) picture + t noise, and the network is asked once, without
a class, for the clean picture D. Two marks, 1 for a perfect answer, 0 for one that is as far off as a blind one:

    picture: 1 - |D - picture|^2 / |mean - picture|^2, with the mean of all training pictures
    noise:   1 - |e - noise|^2 / |noise|^2, with e = (mixture - (1 - t) D) / t, the noise that there must be by D

Each as its median over the pictures, with the marks that one picture in ten stays below and one in ten passes.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from bozzetto.diffusion import normal_batch
from bozzetto.runtime import sample, store
from bozzetto.training.data import emoji
from bozzetto.world.dataset import load_world

LEVELS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
OUT = Path("benchmarks/results/noise_levels.json")
BATCH = 64


def planes(images: np.ndarray) -> np.ndarray:
    """uint8 [N,32,32,3] -> float32 [N,3,32,32] in [-1, 1]."""
    return images.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1


def marks(clean: np.ndarray, mean: np.ndarray, t: float, seeds: range) -> dict[str, np.ndarray]:
    """The two marks of each picture, float [N]. clean: [N,3,32,32], mean: [3,32,32]."""
    noise = normal_batch(seeds, clean.shape[1:])
    noisy = ((1 - t) * clean + t * noise).astype(np.float32)
    maker = sample.load("diffusion", store.weights_folder())
    parts = [
        maker.network(x=part, t=np.full(len(part), t, np.float32), label=np.zeros(len(part), np.int64))["clean"]
        for part in np.split(noisy, range(BATCH, len(noisy), BATCH))
    ]
    imagined = np.concatenate(parts)
    seen = (noisy - (1 - t) * imagined) / t

    def found(answer: np.ndarray, right: np.ndarray, blind: np.ndarray | float) -> np.ndarray:
        return 1 - np.square(answer - right).mean((1, 2, 3)) / np.square(blind - right).mean((1, 2, 3))

    return {"picture": found(imagined, clean, mean), "noise": found(seen, noise, 0.0)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, help="pictures; all by default")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    world = load_world()
    mean = planes(emoji(world).images).mean(0)
    clean = planes(emoji(world, "test").images)[: arguments.n]
    rows = []
    for t in LEVELS:
        found = marks(clean, mean, t, range(len(clean)))
        row: dict = {"t": t}
        for name, values in found.items():
            low, median, high = (float(np.quantile(values, q)) for q in (0.1, 0.5, 0.9))
            row[name] = {"median": median, "low": low, "high": high}
        rows.append(row)
        print(json.dumps(row), flush=True)
    report = {
        "command": "python benchmarks/noise_levels.py",
        "weights": store.open_model("diffusion").weights_sum()[:12],
        "n": len(clean),
        "rows": rows,
    }
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
