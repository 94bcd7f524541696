"""Write the measured numbers where people read them: the README and the model cards.

    bozzetto evaluate --out benchmarks/results/scores.json
    python scripts/scores.py

Nothing is typed by hand: every figure comes from that file, or from the logs of the runs that a card names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bozzetto.evaluation.report import SCORERS
from bozzetto.families import BY_NAME, Family

ROOT = Path(__file__).parents[1]
SCORES = ROOT / "benchmarks/results/scores.json"
WEIGHTS = ROOT / "src/bozzetto/weights"


def written(score: dict) -> str:
    """A score with its interval and sample size."""
    percent = score["unit"] == "share"
    value, low, high = (100 * score[k] if percent else score[k] for k in ("value", "low", "high"))
    unit = " %" if percent else f" {score['unit']}".rstrip()
    return f"{value:.1f}{unit} | {low:.1f} .. {high:.1f} | {score['n']}"


def rows(scores: dict, chosen: Sequence[str] = ()) -> list[str]:
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


def card(family: Family, block: dict) -> str:
    card = family.card
    scores = ["| measure | value | 95 % interval | n |", "|---|---|---|---|", *rows(block["scores"])]
    parts = [
        "---\nlicense: apache-2.0\nlibrary_name: bozzetto\n---",
        f"# {card.title}\n\n{card.what}",
        budget(WEIGHTS / family.home),
        f"## Scores\n\n`{block['command']}`\n\n" + "\n".join(scores),
        f"## Limits\n\n{card.limits}",
        "## Data\n\nThe training split of the picture world and scenes made of it; NOTICE lists artists and licences.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def main() -> None:
    report = json.loads(SCORES.read_text(encoding="utf-8"))
    lines = ["| model | measure | value | 95 % interval | n |", "|---|---|---|---|---|"]
    for name, scorer in SCORERS.items():
        if name not in report:
            continue
        family = BY_NAME[name]
        lines += [f"| {name} {row}" for row in rows(report[name]["scores"], scorer.SHOWN)]
        if family.card:
            (WEIGHTS / family.home / "README.md").write_text(card(family, report[name]), encoding="utf-8")
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition("<!-- scores -->")
    after = rest.partition("<!-- end of scores -->")[2]
    table = "\n".join(lines)
    readme.write_text(f"{before}<!-- scores -->\n{table}\n<!-- end of scores -->{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
