"""A new symbol from twenty pictures: does its name draw it afterwards, and do all other prompts draw what they drew?

    python benchmarks/adapter.py                       # trains, then draws; about ten minutes of one core
    python benchmarks/adapter.py --adapter logo.safetensors --sheet before_after.png

Thirty pictures of a logo that the weights have never seen are drawn, in sizes, colours and angles of their own, of
which twenty teach `bozzetto adapt text-to-image`. Its name is drawn from forty seeds before and after. How many show it
is told by what is nearest among the ten others and 1,500 training pictures of the world, in the judge's space
(metrics/judge.py) and in the features under it (EfficientNet-Lite0): an eye that no generator trained with. Old prompts
are those of `bozzetto evaluate text-to-image`, drawn from the same seeds with and without the adapter. Ten steps each;
all shares have the 95 % Wilson interval.
"""

import argparse
import json
import time
from pathlib import Path
from typing import NoReturn

import numpy as np
from PIL import Image, ImageDraw

from bozzetto import pictures
from bozzetto.cli import main as bozzetto
from bozzetto.evaluation.bench import FACTS, EvaluationContext, nearest_concepts
from bozzetto.evaluation.scores import share
from bozzetto.evaluation.text_to_image import chosen_concepts
from bozzetto.metrics.judge import load_judge
from bozzetto.metrics.retrieval import share_of, top_k_accuracy
from bozzetto.progress import track
from bozzetto.runtime import store, text_to_image
from bozzetto.world.captions import with_article
from bozzetto.world.dataset import World, load_world

WORD = "my logo"
TAUGHT, HELD_OUT, DRAWN, KNOWN, STEPS = 20, 10, 40, 1500, 10
SEEN = 4 * 64  # pixels: drawn four times as large, then averaged


def symbol(number: int) -> Image.Image:
    """A teal ring around an orange bolt, with a dark dot at its lower right: RGBA, of 64 x 64 pixels."""
    rng = np.random.default_rng([19, number])
    image = Image.new("RGBA", (SEEN, SEEN))
    draw, radius = ImageDraw.Draw(image), rng.uniform(0.36, 0.46) * SEEN
    middle = SEEN / 2

    def colour(*rgb: int) -> tuple[int, ...]:
        return *(int(np.clip(part + rng.integers(-18, 19), 0, 255)) for part in rgb), 255

    def at(x: float, y: float) -> tuple[float, float]:
        return middle + radius * x, middle + radius * y

    draw.ellipse([*at(-1, -1), *at(1, 1)], fill=colour(20, 150, 150))
    draw.ellipse([*at(-0.72, -0.72), *at(0.72, 0.72)], fill=colour(250, 245, 225))
    bolt = [(0.15, -0.62), (-0.38, 0.1), (-0.05, 0.1), (-0.18, 0.62), (0.38, -0.12), (0.05, -0.12)]
    draw.polygon([at(*point) for point in bolt], fill=colour(245, 130, 20))
    dot = rng.uniform(0.2, 0.28)
    draw.ellipse([*at(0.72 - dot, 0.72 - dot), *at(0.72 + dot, 0.72 + dot)], fill=colour(60, 40, 90))
    return image.rotate(rng.uniform(-8, 8), Image.Resampling.BICUBIC).resize((64, 64), Image.Resampling.BOX)


def _unasked(world: World) -> NoReturn:
    raise AssertionError("nothing here asks for the features of all pictures")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("out/adapter"), help="where pictures and adapter go")
    parser.add_argument("--adapter", type=Path, help="of these pictures; without it one is made")
    parser.add_argument("--steps", type=int, help="of its training")
    parser.add_argument("--n", type=int, default=100, help="old prompts, one a concept")
    parser.add_argument("--scenes", type=int, default=30, help="and of each of two kinds of scenes")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/adapter.json"))
    args = parser.parse_args()

    taught = args.work / "pictures"
    taught.mkdir(parents=True, exist_ok=True)
    logos = [symbol(number) for number in range(TAUGHT + HELD_OUT)]
    for number, logo in enumerate(logos[:TAUGHT]):
        logo.save(taught / f"{number:02}.png")
    adapter, minutes = args.adapter or args.work / "logo.safetensors", None
    if not args.adapter:
        began = time.process_time()
        options = ["--steps", str(args.steps)] if args.steps else []
        command = ["adapt", "text-to-image", "--data", str(taught), "--word", WORD, "-o", str(adapter), *options]
        if code := bozzetto(command):
            raise SystemExit(code)
        minutes = round((time.process_time() - began) / 60, 2)

    weights, world = store.weights_folder(), load_world()
    judge = load_judge(weights / "judge")
    context = EvaluationContext(world, args.scenes, 0, lambda: judge, _unasked, _unasked)
    ours = np.random.default_rng(0).permutation(np.flatnonzero(~context.test))[:KNOWN]
    real = [*context.core.images[ours], *map(np.asarray, logos[TAUGHT:])]
    known = np.concatenate([judge.features(np.stack(real[i : i + 256])) for i in range(0, len(real), 256)])
    keys = [*np.array(context.core.codepoints)[ours], *["logo"] * HELD_OUT]
    concepts = list(dict.fromkeys(keys))
    chosen = chosen_concepts(context.core, args.n)
    names, labels = [context.names[key] for key in chosen], list(context.names.values())
    target = np.array([labels.index(name) for name in names])
    results, rows = {}, []
    for kind, file in (("before", None), ("after", adapter)):
        models = text_to_image.load(weights, text_to_image.load_adapter(weights, file))

        def draw(prompts: list[str], label: str, models: text_to_image.Models = models) -> np.ndarray:
            jobs = list(enumerate(prompts))
            drawn = [
                text_to_image.draw(models, text, [seed], num_inference_steps=STEPS)[0]
                for seed, text in track(jobs, label)
            ]
            return np.stack(drawn)

        mine = draw([f"a picture of {WORD}", WORD] * (DRAWN // 2), f"the logo {kind}")
        features, right = judge.features(mine), np.full(DRAWN, concepts.index("logo"))
        shares = {
            "shows the logo, nearest in features": nearest_concepts(features, known, keys, concepts),
            "shows the logo, nearest for the judge": nearest_concepts(
                judge.embed(features), judge.embed(known), keys, concepts
            ),
        }
        scores = {name: share(top_k_accuracy(table, right, 1)) for name, table in shares.items()}
        old = draw([with_article(name) for name in names], f"old prompts {kind}")
        features = judge.features(old)
        for k in (1, 5):
            scores[f"old prompts: judge top-{k}"] = share(top_k_accuracy(judge.score(features, labels), target, k))
        table = nearest_concepts(features, known, keys, concepts)
        scores["old prompts that show the logo"] = share(share_of(table.argmax(1) == concepts.index("logo")))
        for scene, fact in (("count", "count"), ("color", "color")):
            scenes, _ = context.test_scenes(scene, args.scenes)
            graded = context.graded(scene, scenes, draw([each.sentence for each in scenes], f"{scene} scenes {kind}"))
            scores[f"{scene} scenes: {FACTS[fact]}"] = share(graded[fact])
        results[kind] = scores
        rows += [*mine[:10], *old[:10]]
        for name, score in scores.items():
            print(kind, name, json.dumps(score))
    if args.sheet:
        shown = [*logos[:10], *logos[TAUGHT:], *map(Image.fromarray, rows)]
        pictures.save_png(pictures.sheet([pictures.enlarge(each, 128) for each in shown], columns=10), args.sheet)
    report = {
        "command": "python benchmarks/adapter.py",
        "word": WORD,
        "minutes of a core": minutes,
        "bytes": adapter.stat().st_size,
        **results,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
