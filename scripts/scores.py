"""Write the measured numbers where people read them: the README and the model cards.

    bozzetto evaluate --out benchmarks/results/scores.json
    python scripts/scores.py

Nothing is typed by hand: every figure comes from that file, or from the logs of the runs that a card names.
"""

import json
from pathlib import Path

from bozzetto.evaluation.report import SCORERS
from bozzetto.families import BY_NAME
from bozzetto.training import card

ROOT = Path(__file__).parents[1]
SCORES = ROOT / "benchmarks/results/scores.json"
WEIGHTS = ROOT / "src/bozzetto/weights"


def fill(path: Path, **parts: str) -> None:
    path.write_text(card.fill(path.read_text(encoding="utf-8"), **parts), encoding="utf-8")


def main() -> None:
    report = json.loads(SCORES.read_text(encoding="utf-8"))
    lines = ["| model | measure | value | 95 % interval | n |", "|---|---|---|---|---|"]
    for name, scorer in SCORERS.items():
        if name not in report:
            continue
        block, folder = report[name], WEIGHTS / BY_NAME[name].home
        chosen = scorer.SHOWN or block["scores"]
        lines += [f"| {name} | {measure} | {card.written(block['scores'][measure])} |" for measure in chosen]
        parts = {"scores": card.scores(block)}
        if (note := folder / "training.json").is_file():
            parts["training"] = card.training(json.loads(note.read_text(encoding="utf-8")))
        fill(folder / "README.md", **parts)
    fill(ROOT / "README.md", scores="\n".join(lines))


if __name__ == "__main__":
    main()
