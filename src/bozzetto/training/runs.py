"""What runs have left: their logs, how far each stage is, and the curves of the losses. It needs no PyTorch."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

LOG = "log.jsonl"  # of a stage: a line every few seconds

PANEL, GAP, SHARP = (320, 200), 16, 2  # pixels of a curve, between two, and how much larger all is drawn at first
PAPER, INK, PALE, LINE = "#ffffff", "#222222", "#dddddd", "#d9622b"


@dataclass(frozen=True)
class Logged:
    """One stage of a run, by its log. lines: as `loop.fit` wrote them, at least one; written: when, in time.time()."""

    run: str
    name: str
    lines: list[dict[str, Any]]
    written: float

    @property
    def step(self) -> int:
        return int(self.lines[-1]["step"])

    @property
    def steps(self) -> int | None:
        """Of the whole stage; None in a log that does not tell."""
        return self.lines[-1].get("steps")

    @property
    def seconds_left(self) -> float | None:
        """At the rate of the last line; None if that is not known."""
        steps, rate = self.steps, self.lines[-1]["pictures_per_second"]
        size = self.lines[-1].get("batch_size")
        return None if steps is None or size is None or rate <= 0 else (steps - self.step) * size / rate

    def summary(self) -> dict[str, Any]:
        """What is told of it."""
        last = self.lines[-1]
        return {
            "run": self.run,
            "stage": self.name,
            "step": self.step,
            "steps": self.steps,
            "loss": last["loss"],
            "pictures_per_second": last["pictures_per_second"],
            "seconds_left": self.seconds_left,
            "written": self.written,
        }


def read(folder: Path) -> list[Logged]:
    """The stages of all runs in a folder, or of the one run that it is: those of a run together in the order in which
    they were written, the run written last at the end. A line that a kill has cut is left out, and a log without one.
    """
    found: dict[str, list[Logged]] = {}
    for log in [*folder.glob(f"*/{LOG}"), *folder.glob(f"*/*/{LOG}")]:
        run = log.parents[1]
        if lines := [*_lines(log)]:
            name = (run.resolve() if run == folder else run).name
            found.setdefault(name, []).append(Logged(name, log.parent.name, lines, log.stat().st_mtime))
    runs = [sorted(stages, key=lambda stage: stage.written) for stages in found.values()]
    return [stage for stages in sorted(runs, key=lambda stages: stages[-1].written) for stage in stages]


def _lines(log: Path) -> Sequence[dict[str, Any]]:
    lines = []
    for text in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
            if {"step", "loss", "pictures_per_second"} <= line.keys():
                lines.append(line)
        except (ValueError, AttributeError):
            pass
    return lines


def ago(written: float) -> str:
    """How long ago that was, in words."""
    return f"{span(max(0.0, time.time() - written))} ago"


def span(seconds: float) -> str:
    """So many seconds, in the largest unit that fits."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def curves(stages: list[Logged], columns: int = 3) -> Image.Image:
    """A panel for each stage: its loss by its step, in a logarithmic scale where the loss is positive."""
    columns = min(columns, len(stages))
    rows = -(-len(stages) // columns)
    width, height = (SHARP * (n * side + (n + 1) * GAP) for n, side in zip((columns, rows), PANEL, strict=True))
    picture = Image.new("RGB", (width, height), PAPER)
    for number, stage in enumerate(stages):
        place = number % columns, number // columns
        left, top = (SHARP * (GAP + n * (side + GAP)) for n, side in zip(place, PANEL, strict=True))
        picture.paste(_panel(stage), (left, top))
    return picture.resize((width // SHARP, height // SHARP), Image.Resampling.LANCZOS)


def _panel(stage: Logged) -> Image.Image:
    """One curve, larger by `SHARP`."""
    width, height = (SHARP * side for side in PANEL)
    picture = Image.new("RGB", (width, height), PAPER)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(12 * SHARP)
    top, bottom, line = 24 * SHARP, height - 22 * SHARP, 16 * SHARP
    shown = [(line["step"], line["loss"]) for line in stage.lines if math.isfinite(line["loss"])]
    draw.text((0, 0), f"{stage.run} / {stage.name}", INK, font)
    draw.rectangle((0, top, width - 1, bottom), outline=PALE, width=SHARP)
    draw.text((0, bottom + 3 * SHARP), "step 0", INK, font)
    draw.text((width, bottom + 3 * SHARP), f"{stage.step:,}", INK, font, anchor="ra")
    if not shown:
        return picture
    steps, losses = zip(*shown, strict=True)
    scale = math.log if min(losses) > 0 else float
    low, high = scale(min(losses)), scale(max(losses))
    points = [
        (
            SHARP + (width - 3 * SHARP) * step / max(steps),
            bottom - SHARP - (bottom - top - 2 * SHARP) * (scale(loss) - low) / ((high - low) or 1),
        )
        for step, loss in sorted(shown)
    ]
    draw.line(points, LINE, 2 * SHARP, "curve")
    for text, y in ((f"{max(losses):.4g}", top + 2 * SHARP), (f"{min(losses):.4g}", bottom - line)):
        draw.text((width - 4 * SHARP, y), text, INK, font, anchor="ra")
    return picture
