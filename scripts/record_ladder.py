"""Draw the same prompts with snapshots of text-to-image's training, for lesson 8: what more pictures buy.

    python scripts/record_ladder.py 194304:early/state.safetensors 519936:middle/state.safetensors

A snapshot is a state of its recipe and how many pictures it had seen; the last row is the model that ships. Every row
is drawn as `generate` draws, with the decoder of today, and named by the judge. Needs data/world.parquet.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from bozzetto.evaluation.text_to_image import chosen_concepts
from bozzetto.metrics.judge import load_judge
from bozzetto.metrics.retrieval import top_k_accuracy
from bozzetto.models.denoiser import Denoiser, DenoiserConfig
from bozzetto.progress import track
from bozzetto.runtime import store, text_to_image
from bozzetto.runtime.session import Network
from bozzetto.training.checkpoint import read_tensors
from bozzetto.world.captions import plain_name, with_article
from bozzetto.world.dataset import load_world
from record_course import DATA, save, sheet, white, write

PROMPTS = ("a red apple", "a cat face", "a house", "a penguin", "three apples")
SEED = 7
NAMED = 100  # concepts for the judge
GUESSES = 5


def snapshot(path: Path) -> Network:
    """The averaged denoiser of a state, as the runtime's network."""
    tensors, metadata = read_tensors(path)
    config = json.loads(metadata["recipe"])["model"]
    averaged = {key.removeprefix("ema.").removeprefix("denoiser."): tensor for key, tensor in tensors.items()}
    model = Denoiser(DenoiserConfig(**config)).eval().requires_grad_(False)
    model.load_state_dict({key: averaged[key] for key in model.state_dict()})
    order = ("x", "t", "hidden", "words", "mask", "embedding", "style")
    return lambda **inputs: {"clean": model(*(torch.from_numpy(inputs[name]) for name in order)).numpy()}


def row(models: text_to_image.Models, seen: int, concepts: dict[str, str], targets: list[int]) -> dict[str, object]:
    """The prompts' pictures in a file, and how many of the concepts the judge names."""
    drawn = np.stack([text_to_image.draw(models, prompt, [SEED])[0] for prompt in PROMPTS])
    name = f"{seen}.avif"
    save(sheet(white(drawn), len(PROMPTS)), f"ladder/{name}", 60)
    labels = list(concepts.values())
    jobs = list(enumerate(with_article(labels[target]) for target in targets))
    named = np.stack([text_to_image.draw(models, prompt, [seed])[0] for seed, prompt in track(jobs, f"after {seen:,}")])
    found = top_k_accuracy(load_judge(store.weights_folder() / "judge")(named, labels), targets, GUESSES)
    return {"seen": seen, "file": name, "named": found.hits, "of": found.n}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("snapshots", nargs="+", metavar="PICTURES:STATE")
    args = parser.parse_args()
    states = [(int(seen), Path(path)) for seen, _, path in (each.partition(":") for each in args.snapshots)]
    world = load_world()
    core = world.select(world.core)
    concepts = {key: plain_name(name) for key, name in zip(core.codepoints, core.names, strict=True)}
    targets = [list(concepts).index(key) for key in chosen_concepts(core, NAMED)]
    weights = store.weights_folder()
    shipped = text_to_image.load(weights)
    stages = json.loads((weights / "text_to_image/training.json").read_text(encoding="utf-8"))
    rows = [row(replace(shipped, denoiser=snapshot(path)), seen, concepts, targets) for seen, path in states]
    rows.append(row(shipped, sum(stage["examples"] for stage in stages.values()), concepts, targets))
    for old in set((DATA / "ladder").iterdir()) - {DATA / "ladder" / str(each["file"]) for each in rows}:
        old.unlink()
    facts = {"prompts": PROMPTS, "seed": SEED, "guesses": GUESSES, "rows": rows}
    write("ladder.json", facts | {"weights": store.open_model("text_to_image").weights_sum()})


if __name__ == "__main__":
    main()
