"""A million small pictures in tar shards: what it costs to prepare them, to draw batches of them, and to hold them.

    taskset -c 0 python benchmarks/shards.py                   # a million, on one core
    taskset -c 0 python benchmarks/shards.py --pictures 100000

The pictures (32 x 32, in ten classes, one in fifty saved again lighter) are made in a temporary folder as 100 tars, and
read by a process of their own, whose memory is watched: its own pages, without what the system keeps of files. Then
batches are drawn in another process, first with nothing of the set in the page cache, and pixel diffusion takes
real steps on the same batches. The same for ten thousand pictures, which are held in memory.
"""

import argparse
import io
import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

SHARDS, CLASSES, SMALL, BATCH = 100, 10, 10_000, 128
RESULTS = Path(__file__).parent / "results/shards.json"


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def drawn(number: int) -> np.ndarray:
    """Soft spots of colour and one shape: uint8 [32,32,3], another for every number."""
    rng = np.random.default_rng(number)
    spots = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((32, 32), Image.Resampling.BICUBIC)
    x, y, side = rng.integers(2, 16, 3).tolist()
    draw = ImageDraw.Draw(spots)
    (draw.ellipse if number % 2 else draw.rectangle)(
        (x, y, x + side, y + side), tuple(rng.integers(0, 256, 3).tolist())
    )
    return np.asarray(spots)


def make(folder: Path, count: int) -> None:
    """`count` pictures in SHARDS tars; of fifty in a row the last is the first, saved again lighter."""
    for shard in range(SHARDS):
        with tarfile.open(folder / f"shard-{shard:04}.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
            for number in range(shard * count // SHARDS, (shard + 1) * count // SHARDS):
                again = number % 50 == 49
                pixels = (drawn(number - 49) * 0.9).astype(np.uint8) if again else drawn(number)
                content = png(pixels)
                info = tarfile.TarInfo(f"class-{number % CLASSES}/{number:07}.png")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))


class Watch:
    """Megabytes of its own that this process holds at most, from now on: what the system keeps of files is not its."""

    def __init__(self) -> None:
        self.most, self.over = 0.0, threading.Event()
        threading.Thread(target=self.look, daemon=True).start()

    def look(self) -> None:
        while not self.over.wait(0.05):
            self.most = max(self.most, own_memory())


def own_memory() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


def read(data: str) -> dict[str, Any]:
    """Prepare the set, or read it into memory."""
    import torch  # noqa: F401  (as a training has it, before the watch)

    from bozzetto.training.data import own_pictures
    from bozzetto.world import own

    before, watch, marks = own_memory(), Watch(), [time.perf_counter()]
    seen = 0

    def progress(done: int, total: int) -> None:
        nonlocal seen
        if done < seen:  # the second pass, for near-duplicates, begins
            marks.append(time.perf_counter())
        seen = done

    found = own.load(Path(data), 32, progress)
    marks.append(time.perf_counter())
    pictures = own_pictures(found, Path(data))
    count = len(found.names)
    twins = int((found.twins != np.arange(count)).sum())
    return {
        "pictures": count,
        "prepared": not isinstance(found.images, np.ndarray),
        "seconds": round(marks[-1] - marks[0], 1),
        "reading_seconds": round(marks[1] - marks[0], 1),
        "pictures_per_second": round(count / (marks[-1] - marks[0])),
        "near_duplicates_found": twins,
        "near_duplicates_made": count // 50,
        "train": len(pictures),
        "own_memory_before_mb": round(before),
        "own_memory_most_mb": round(watch.most),
    }


def draw(data: str) -> dict[str, Any]:
    """Batches alone, then steps of pixel diffusion on them."""
    import torch

    from bozzetto.training import plan
    from bozzetto.training.data import own_pictures
    from bozzetto.training.recipes import diffusion
    from bozzetto.world import own

    before, watch, began = own_memory(), Watch(), time.perf_counter()
    found = own.load(Path(data), 32)
    pictures = own_pictures(found, Path(data))
    opening = time.perf_counter() - began
    if not isinstance(found.images, np.ndarray):
        with open(found.images.place / "pictures", "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    rates = {}
    for name, seconds in (("first", 5), ("warm", 10)):
        began, steps = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            pictures.batch(np.random.default_rng([0, steps]), BATCH, drop_label=0.1)
            steps += 1
        rates[f"loader_{name}_per_second"] = round(steps * BATCH / (time.perf_counter() - began))
    budget = diffusion.BUDGETS["cpu"]
    budget = replace(budget, fit=replace(budget.fit, batch_size=BATCH), rounded=replace(budget.rounded, steps=1))
    costs, _ = plan.measure(diffusion.RECIPE, pictures, budget, 15)
    return {
        **rates,
        "step_per_second": round(costs[0].rate, 1),
        "loader_by_step": round(rates["loader_warm_per_second"] / costs[0].rate, 1),
        "opening_seconds": round(opening, 2),
        "threads": torch.get_num_threads(),
        "own_memory_before_mb": round(before),
        "own_memory_most_mb": round(watch.most),
    }


def apart(part: str, data: Path, where: Path) -> dict[str, Any]:
    """One of the above in a process of its own, in a folder of its own."""
    command = [sys.executable, __file__, "--part", part, "--data", str(data)]
    return json.loads(subprocess.run(command, cwd=where, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--part", choices=["read", "draw"], help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.part:
        print(json.dumps({"read": read, "draw": draw}[chosen.part](chosen.data)))
        return
    report: dict[str, Any] = {"machine": platform.machine(), "cores": len(os.sched_getaffinity(0)), "sets": []}
    for count in (SMALL, chosen.pictures):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "set").mkdir()
            began = time.perf_counter()
            make(folder / "set", count)
            print(f"made {count:,} pictures in {time.perf_counter() - began:.0f} s", file=sys.stderr)
            tars = sum(path.stat().st_size for path in (folder / "set").iterdir())
            reading = apart("read", folder / "set", folder)
            print(json.dumps(reading), file=sys.stderr)
            kept = sum(path.stat().st_size for path in folder.glob("data/prepared/*/*"))
            drawing = apart("draw", folder / "set", folder)
            print(json.dumps(drawing), file=sys.stderr)
        disk = {"tars_mb": round(tars / 1e6), "prepared_mb": round(kept / 1e6)}
        report["sets"].append({"pictures": count, **disk, "read": reading, "draw": drawing})
        chosen.out.write_text(json.dumps(report, indent=2) + "\n")
    print(chosen.out)


if __name__ == "__main__":
    main()
