"""A million small pictures in tar shards: what it costs to prepare them, to draw batches of them, and to hold them.

    taskset -c 0 python benchmarks/shards.py                   # a million, on one core
    taskset -c 0 python benchmarks/shards.py --pictures 100000

The pictures (32 x 32, in ten classes, one in fifty saved again darker) are made in a temporary folder as 100 tars, and
read by a process of their own, whose memory is watched: its own pages, without what the system keeps of files. Then
batches are drawn in another process, first with nothing of the set in the page cache, and pixel diffusion takes
real steps on the same batches. The same for ten thousand pictures, which are held in memory.
"""

import argparse
import json
import os
import platform
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

SHARDS, CLASSES, SMALL, BATCH = 100, 10, 10_000, 128
RESULTS = Path(__file__).parent / "results/shards.json"


def drawn(numbers: np.ndarray) -> np.ndarray:
    """Soft spots of colour and a bar, another for every number: uint8 [N,32,32,3]."""
    rng = np.random.default_rng(int(numbers[0]))
    places = np.linspace(0, 3, 32)
    blend = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(4))).astype(np.float32)  # [32,4]
    spots = rng.uniform(0, 255, (len(numbers), 4, 4, 3)).astype(np.float32)
    pictures = np.einsum("yi,nijc,xj->nyxc", blend, spots, blend, optimize=True)
    at, along = rng.integers(2, 20, (2, len(numbers), 1, 1)), np.arange(32)
    bar = (abs(along[:, None] - at[0] - 5) < 5) & (abs(along - at[1] - 5) < 5)
    return np.where(bar[..., None], rng.uniform(0, 255, (len(numbers), 1, 1, 3)), pictures).astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    """As Pillow writes it, in a tenth of the time."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    lines = np.pad(pixels.reshape(32, -1), ((0, 0), (1, 0))).tobytes()
    header = struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 1)) + chunk(b"IEND", b"")


def make(folder: Path, count: int) -> None:
    """`count` pictures in SHARDS tars; of fifty in a row the last is the first, saved again darker."""
    for shard in range(SHARDS):
        numbers = np.arange(shard * count // SHARDS, (shard + 1) * count // SHARDS)
        pictures = drawn(numbers)
        pictures[49::50] = pictures[::50][: len(pictures[49::50])] * 0.9
        with open(folder / f"shard-{shard:04}.tar", "wb") as file:
            for number, pixels in zip(numbers.tolist(), pictures, strict=True):
                content = png(pixels)
                file.write(header(f"class-{number % CLASSES}/{number:07}.png", len(content)) + content)
                file.write(bytes(-len(content) % 512))
            file.write(bytes(1024))


def header(name: str, size: int) -> bytes:
    """Of a file in a tar, which the library takes longer for than for its picture."""
    fields = name.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size + b"%011o\0" % 0
    rest = (b"0" + bytes(100) + b"ustar\x0000").ljust(356, b"\0")
    return fields + b"%06o\0 " % (sum(fields) + 8 * 32 + sum(rest)) + rest


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

    before, watch, marks, wall = own_memory(), Watch(), [time.process_time()], time.perf_counter()
    seen = 0

    def progress(done: int, total: int) -> None:
        nonlocal seen
        if done < seen:  # the second pass, for near-duplicates, begins
            marks.append(time.process_time())
        seen = done

    found = own.load(Path(data), 32, progress)
    marks.append(time.process_time())
    pictures = own_pictures(found, Path(data))
    count = len(found.names)
    twins = int((found.twins != np.arange(count)).sum())
    return {
        "pictures": count,
        "prepared": not isinstance(found.images, np.ndarray),
        "seconds": round(time.perf_counter() - wall, 1),
        "processor_seconds": round(marks[-1] - marks[0], 1),
        "of_these_for_near_duplicates": round(marks[-1] - marks[1], 1),
        "pictures_per_processor_second": round(count / (marks[-1] - marks[0])),
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
    for name, steps in (("cold", 100), ("warm", 400)):
        began = time.perf_counter()
        for step in range(steps):
            pictures.batch(np.random.default_rng([0, step]), BATCH, drop_label=0.1)
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
