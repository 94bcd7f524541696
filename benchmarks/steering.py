"""Does CLIP guidance steer an unconditional model, or only please CLIP? Steered against unsteered, on the same seeds.

    python benchmarks/steering.py            # 100 prompts, about four minutes of one core
    python benchmarks/steering.py --n 20

The prompts are names of concepts that the judge knows, chosen by hash. Each is drawn from its own seed by pixel
diffusion with the sampler and steps of runtime/sample.py's STEERED: without words, steered by them, and by the
classifier-free guidance of the concept's class. Counted are CLIP's cosine of picture and words, which steering climbs,
so its rise proves little, and what an independent eye says (metrics/judge.py, on other features, never seen by any
generator): its score of the concept, and where the concept stands among the names of all 100 prompts. Shares have the
95 % Wilson interval, means the normal one. A sheet of the first pictures goes to --sheet.
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from rich.progress import track

from bozzetto.evaluation.scores import mean, share
from bozzetto.metrics.features import opaque
from bozzetto.metrics.judge import load_judge
from bozzetto.metrics.retrieval import share_of
from bozzetto.pictures import enlarge
from bozzetto.runtime import clip as towers
from bozzetto.runtime import sample, store
from bozzetto.world.captions import hash_draw, plain_name
from bozzetto.world.dataset import load_world

SHOWN, CELL = 12, 96


def prompts(n: int, classes: list[str]) -> dict[str, str]:
    """n names of core concepts and the class of each, always the same ones."""
    world = load_world()
    named = {plain_name(name): kind for name, kind in zip(world.names, world.subgroups, strict=True) if kind in classes}
    return dict(sorted(named.items(), key=lambda item: hash_draw("steering", item[0]))[:n])


def sheet(rows: list[np.ndarray], words: list[str]) -> Image.Image:
    """One row of pictures uint8 [N,32,32,3] a method, over the prompts."""
    page = Image.new("RGB", (CELL * len(words), CELL * len(rows) + 28), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            page.paste(enlarge(Image.fromarray(picture), CELL).convert("RGB"), (x * CELL, y * CELL))
    draw = ImageDraw.Draw(page)
    for x, text in enumerate(words):
        lines = [text[:15], text[15:30]]
        draw.multiline_text((x * CELL + 3, CELL * len(rows) + 2), "\n".join(lines), fill="black")
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--scale", type=float, default=sample.CLIP_GUIDANCE)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/steering.json"))
    parser.add_argument("--sheet", type=Path, default=Path("docs/steering.png"))
    arguments = parser.parse_args()

    weights = store.weights_folder()
    maker, clip, judge = sample.load("diffusion", weights), towers.load(weights), load_judge(weights / "judge")
    chosen = prompts(arguments.n, maker.classes)
    words = list(chosen)
    settings = replace(maker.defaults, **sample.STEERED)
    plain = replace(settings, guidance_scale=1.0)
    drawn = {"unsteered": [], "steered": [], "by class": []}
    for seed, text in enumerate(track(words, "drawing")):
        anything, kind = np.zeros(1, np.int64), np.array([maker.classes.index(chosen[text]) + 1])
        drawn["unsteered"].append(sample.make(maker, [seed], anything, plain)[0])
        steer = sample.Steer(sample.towards([text], weights), arguments.scale)
        drawn["steered"].append(sample.make(maker, [seed], anything, plain, steer=steer)[0])
        drawn["by class"].append(sample.make(maker, [seed], kind, settings)[0])

    embeddings = towers.encode_text(clip, words)
    own = np.arange(len(words))
    scores = {}
    for method, row in drawn.items():
        pictures = np.stack(row).repeat(2, 1).repeat(2, 2)
        cosine = (towers.encode_image(clip, pictures) * embeddings).sum(1)
        judged = judge(opaque(pictures), words)
        rank = (judged > judged[own, own][:, None]).sum(1)
        scores[method] = {"clip": cosine, "judge": judged[own, own], "top 10": rank < 10, "rank": rank}
    result = {"prompts": words, "settings": asdict(settings) | {"clip_guidance_scale": arguments.scale}}
    for method, found in scores.items():
        result[method] = {
            "clip cosine": mean(found["clip"], "cosine"),
            "judge": mean(found["judge"], "cosine"),
            f"judge: among the first 10 of {len(words)}": share(share_of(found["top 10"])),
            "judge: median rank": float(np.median(found["rank"])),
        }
        for eye in ("clip", "judge") if method != "unsteered" else ():
            rise = found[eye] - scores["unsteered"][eye]
            result[method][f"{eye} rise"] = mean(rise, "cosine")
            result[method][f"{eye} rises"] = share(share_of(rise > 0))
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sheet([np.stack(row[:SHOWN]) for row in drawn.values()], words[:SHOWN]).save(arguments.sheet)
    print(json.dumps({method: result[method] for method in drawn}, indent=1))


if __name__ == "__main__":
    main()
