"""Write the measured numbers where people read them: the README and the model cards.

    bozzetto evaluate --out benchmarks/results/scores.json
    python scripts/scores.py

Nothing is typed by hand: every figure comes from that file, or from the logs of the runs that a card names.
"""

from __future__ import annotations

import json
from pathlib import Path

from bozzetto.evaluation import autoencoder, clip, makers, text_to_image, vlm
from bozzetto.evaluation.bench import BASELINE, NAMING
from bozzetto.evaluation.report import MAKERS

ROOT = Path(__file__).parents[1]
SCORES = ROOT / "benchmarks/results/scores.json"
WEIGHTS = ROOT / "src/bozzetto/weights"
DRAWN = [
    *text_to_image.JUDGED.values(),
    text_to_image.JUDGED_ART[5],
    text_to_image.FRECHET,
    text_to_image.FRECHET_ART,
    text_to_image.NEAR["features"],
]
SHOWN = {
    "autoencoder": [autoencoder.PSNR_WHITE, autoencoder.PSNR_RGBA, autoencoder.PSNR_WHITE_SCENES],
    "clip": [*NAMING.values(), BASELINE[1], clip.SYNONYMS_ANY],
    "text-to-image": DRAWN,
    "judge": [*NAMING.values()],
    "vlm": [
        *(
            vlm.kind_measure(kind, vlm.HELD_OUT)
            for kind in ("what", "count", "color", "place", "describe", "receipt", "read")
        ),
        vlm.BLIND.format(vlm.kind_measure("count", vlm.HELD_OUT)),
        vlm.TELLS_PRECISION,
        vlm.TELLS_RECALL,
    ],
    **{name: [makers.FRECHET, makers.FRECHET_REAL, makers.COVERAGE, makers.COVERAGE_REAL] for name in MAKERS},
}
CARDS = {  # title, what it is, limits; the judge tells more of itself, by hand
    "autoencoder": (
        "The latent autoencoder",
        "A 64 x 64 picture with alpha as 16 x 8 x 8 numbers, and back. Two halves: `encoder/` and `decoder/`.",
        "Fine detail (text, thin lines, eyes of small faces) is lost. It has seen emoji art only.",
    ),
    "clip": (
        "CLIP",
        "Pictures and sentences on one sphere of 256 dimensions. Two towers: `text/`, which also steers text-to-image, "
        "with `order/` on its words, and `image/`.",
        "It knows the concepts of the picture world and English words near them; no people, brands or places. "
        "What it makes of order, counts and places in a sentence is measured above.",
    ),
    "text_to_image": (
        "Text to image",
        "A noisy latent and words in, the clean latent it imagines out; a sampler and the autoencoder's decoder make "
        "the picture.",
        "Single things come out better than scenes of several. It does not spell. Everything looks like an emoji.",
    ),
    "gan": (
        "The GAN",
        "64 random numbers and a class in, a 32 x 32 picture out, in one pass: `generator/`. And its opponent, which "
        "tells real pictures from forgeries: `discriminator/`.",
        "Faces are good, large plain things are fair, things of many parts come out as ornaments. Within a class it "
        "repeats itself: of the cat faces it draws hardly more than one.",
    ),
    "vae": (
        "The VAE",
        "A 32 x 32 picture as 32 numbers and back (`encoder/`, `decoder/`), a sampler that knows where pictures lie "
        "among those numbers (`sampler/`), a map of two numbers (`map_encoder/`, `map_decoder/`), and of both the "
        "plain autoencoder that has learned without noise (`plain_...`).",
        "Redraws are soft. The map of two numbers tells little more than colour and outline.",
    ),
    "diffusion": (
        "Pixel diffusion",
        "A noisy 32 x 32 picture, its noise level and a class in, the clean picture it imagines out; a sampler makes a "
        "picture of noise in 10 to 50 such steps.",
        "It draws by class, not by words. Small faces and letters come out as marks.",
    ),
    "text_few_steps": (
        "Text to image in few steps",
        "The student of `text_to_image`: a noisy latent, words, and the time of the next step in; the clean latent at "
        "which that step should aim out. It draws in 1, 2, 4 or 8 steps and asks its network once a step, since its "
        "teacher's guidance (scale 5) is built in. Measured in as many steps as it takes by itself.",
        "What its teacher cannot draw it cannot draw either. More of its steps draw sharper edges but are named right "
        "no more often. It knows only those four numbers of steps, one strength of guidance, and no negative prompt.",
    ),
    "vlm": (
        "The vision-language model",
        "It looks at a 64 x 64 picture once (`look.onnx`), reads a question and says an answer word by word "
        "(`graph.onnx`, the same weights): what, how many, what colour, where, which is bigger, is there one, which "
        "style, describe it, read the sign, the bars of a chart, the prices of a receipt; or that it cannot tell.",
        "It knows the things that stand in the world's scenes and those questions, in these or near words. What it has "
        "learned well and what it has not is measured above, kind by kind; a right-sounding answer can be wrong.",
    ),
    "few_steps": (
        "The few-step student",
        "The pixel denoiser, tuned to take the whole way in 1, 2, 4 or 8 steps. Each jumps two steps ahead and goes "
        "one back with fresh noise.",
        "One step is softer than eight. It knows only those four numbers of steps.",
    ),
}


def written(score: dict) -> str:
    """A score with its interval and sample size."""
    percent = score["unit"] == "share"
    value, low, high = (100 * score[k] if percent else score[k] for k in ("value", "low", "high"))
    unit = " %" if percent else f" {score['unit']}".rstrip()
    return f"{value:.1f}{unit} | {low:.1f} .. {high:.1f} | {score['n']}"


def rows(scores: dict, chosen: list[str] | None = None) -> list[str]:
    return [f"| {name} | {written(scores[name])} |" for name in (chosen or scores)]


def budget(folder: Path) -> str:
    """What training cost, from the note that lies beside the weights."""
    note = folder / "training.json"
    if not note.is_file():
        return ""
    stages = json.loads(note.read_text(encoding="utf-8"))
    cells = ["| stage | steps | examples | minutes | device |", "|---|---|---|---|---|"]
    cells += [f"| {stage} | {' | '.join(map(str, facts.values()))} |" for stage, facts in stages.items()]
    return "## Training\n\n" + "\n".join(cells)


def card(folder: str, block: dict) -> str:
    title, what, limits = CARDS[folder]
    scores = ["| measure | value | 95 % interval | n |", "|---|---|---|---|", *rows(block["scores"])]
    parts = [
        "---\nlicense: apache-2.0\nlibrary_name: bozzetto\n---",
        f"# {title}\n\n{what}",
        budget(WEIGHTS / folder),
        f"## Scores\n\n`{block['command']}`\n\n" + "\n".join(scores),
        f"## Limits\n\n{limits}",
        "## Data\n\nThe training split of the picture world and scenes made of it; NOTICE lists artists and licences.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def main() -> None:
    report = json.loads(SCORES.read_text(encoding="utf-8"))
    lines = ["| model | measure | value | 95 % interval | n |", "|---|---|---|---|---|"]
    for model, chosen in SHOWN.items():
        if model in report:
            lines += [f"| {model} {row}" for row in rows(report[model]["scores"], chosen)]
        folder = model.replace("-", "_")
        if model in report and folder in CARDS:
            (WEIGHTS / folder / "README.md").write_text(card(folder, report[model]), encoding="utf-8")
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition("<!-- scores -->")
    after = rest.partition("<!-- end of scores -->")[2]
    table = "\n".join(lines)
    readme.write_text(f"{before}<!-- scores -->\n{table}\n<!-- end of scores -->{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
