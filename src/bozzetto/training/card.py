"""Model cards: the README.md beside a model's weights, of which commands fill in what stands between marks."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bozzetto.errors import InvalidInput
from bozzetto.files import write_atomically

ABOUT = "run.json"  # in the folder of a run: what it learned from
UNMEASURED = "Not measured."
UNSTATED = "Not stated. Without one, nobody else may use these weights: `--licence` says it."
LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,60}")  # as the hub calls them, in a line of YAML
NEW = """---
license: unknown
library_name: bozzetto
---

# {title}

{what}

## Training

<!-- training -->
<!-- end of training -->

## Scores

<!-- scores -->
<!-- end of scores -->

## Limits

<!-- limits -->
<!-- end of limits -->

## Data

<!-- data -->
<!-- end of data -->

## Licence

<!-- licence -->
<!-- end of licence -->
"""


def check_licence(licence: str | None) -> None:
    """InvalidInput unless it is one, or None."""
    if licence is not None and not LICENCE.fullmatch(licence):
        raise InvalidInput("licence", f"must be a short name such as cc-by-4.0, mit or other, not {licence[:40]!r}")


def fill(text: str, **parts: str) -> str:
    """A card with texts between their marks, <!-- name --> and <!-- end of name -->; without the marks it stays."""
    for name, part in parts.items():
        before, mark, rest = text.partition(f"<!-- {name} -->\n")
        after = rest.partition(f"<!-- end of {name} -->")[2]
        text = f"{before}{mark}{part}\n<!-- end of {name} -->{after}" if mark else text
    return text


def written(score: Mapping[str, Any]) -> str:
    """A score with its interval and sample size."""
    percent = score["unit"] == "share"
    value, low, high = (100 * score[k] if percent else score[k] for k in ("value", "low", "high"))
    unit = " %" if percent else f" {score['unit']}".rstrip()
    return f"{value:.1f}{unit} | {low:.1f} .. {high:.1f} | {score['n']}"


def scores(block: Mapping[str, Any]) -> str:
    """What `bozzetto evaluate` has measured of one model."""
    head = [f"`{block['command']}`\n", "| measure | value | 95 % interval | n |", "|---|---|---|---|"]
    return "\n".join(head + [f"| {name} | {written(score)} |" for name, score in block["scores"].items()])


def training(note: Mapping[str, Mapping[str, Any]]) -> str:
    """What training cost, by stage, as `export.training_note` tells it."""
    cells = ["| stage | steps | examples | minutes | device |", "|---|---|---|---|---|"]
    return "\n".join(cells + [f"| {stage} | {' | '.join(map(str, facts.values()))} |" for stage, facts in note.items()])


def about(run: Path | None) -> dict[str, Any]:
    """What a run has written down of itself; of one that is older than that, nothing."""
    try:
        return dict(json.loads((run / ABOUT).read_text(encoding="utf-8"))) if run else {}
    except (OSError, ValueError, TypeError):
        return {}


def _quoted(name: object) -> str:
    """A name from outside as code in Markdown, which can end neither that nor a mark nor a line."""
    return f"`{''.join(char if char.isprintable() and char not in '`<>|' else '?' for char in str(name))}`"


def _data(told: Mapping[str, Any]) -> str:
    if not told:
        return "Not recorded."
    classes = told["classes"]
    some = ", ".join(_quoted(name) for name in classes[:12]) + (", ..." if len(classes) > 12 else "")
    of = f" in {len(classes)} classes: {some}" if classes else ""
    whose = "own pictures" if told["own"] else "the project's own data; NOTICE lists artists and licences"
    return f"{_quoted(told['data'])}, {told['pictures']} pictures to learn from{of} ({whose})."


def _limits(told: Mapping[str, Any], expected: str) -> str:
    lines = ["A small model. It knows what its data shows and nothing else, and of few pictures it may draw copies."]
    if expected:
        lines.append(f"Of its budget, {told['budget']}, this is expected: {expected}.")
    return " ".join(lines)


def write(
    path: Path,
    title: str,
    what: str,
    run: Path | None,
    note: Mapping[str, Mapping[str, Any]],
    expected: Mapping[str, str],
    licence: str | None = None,
) -> None:
    """Write the card of a model, or bring the one that is there up to date: what stands outside its marks stays.

    what: it is, in a sentence. run: where its records are; note: of its training; expected: by budget.
    """
    check_licence(licence)
    told, there = about(run), path.is_file()
    text = path.read_text(encoding="utf-8") if there else NEW.format(title=title, what=what)
    parts = {"training": training(note) if note else "Not recorded.", "scores": UNMEASURED, "data": _data(told)}
    parts["limits"] = _limits(told, expected.get(told.get("budget", ""), ""))
    if licence:
        text = re.sub(r"^license: .*$", f"license: {licence.lower()}", text, count=1, flags=re.MULTILINE)
    if licence or not there:
        parts["licence"] = licence or UNSTATED
    write_atomically(path, fill(text, **parts))
