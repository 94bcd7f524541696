"""Write the measured numbers where people read them: the README and the model cards.

    bozzetto evaluate --out benchmarks/results/scores.json
    python scripts/scores.py

Nothing is typed by hand: every figure comes from that file, or from the logs of the runs that a card names.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from bozzetto.evaluation.report import SCORERS
from bozzetto.families import BY_NAME

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


def training(note: Path) -> str:
    """What training cost, from the note that lies beside the weights."""
    stages = json.loads(note.read_text(encoding="utf-8"))
    cells = ["| stage | steps | examples | minutes | device |", "|---|---|---|---|---|"]
    return "\n".join(
        cells + [f"| {stage} | {' | '.join(map(str, facts.values()))} |" for stage, facts in stages.items()]
    )


def fill(path: Path, **parts: str) -> None:
    """Put texts between their marks, <!-- name --> and <!-- end of name -->; without the marks a file stays."""
    text = path.read_text(encoding="utf-8")
    for name, part in parts.items():
        before, mark, rest = text.partition(f"<!-- {name} -->\n")
        after = rest.partition(f"<!-- end of {name} -->")[2]
        text = f"{before}{mark}{part}\n<!-- end of {name} -->{after}" if mark else text
    path.write_text(text, encoding="utf-8")


def main() -> None:
    report = json.loads(SCORES.read_text(encoding="utf-8"))
    lines = ["| model | measure | value | 95 % interval | n |", "|---|---|---|---|---|"]
    for name, scorer in SCORERS.items():
        if name not in report:
            continue
        block, folder = report[name], WEIGHTS / BY_NAME[name].home
        lines += [f"| {name} {row}" for row in rows(block["scores"], scorer.SHOWN)]
        scores = [f"`{block['command']}`\n", "| measure | value | 95 % interval | n |", "|---|---|---|---|"]
        parts = {"scores": "\n".join(scores + rows(block["scores"]))}
        if (note := folder / "training.json").is_file():
            parts["training"] = training(note)
        fill(folder / "README.md", **parts)
    fill(ROOT / "README.md", scores="\n".join(lines))


if __name__ == "__main__":
    main()
