"""From the shell to a picture on disk: the whole process, against what a peer needs before it can draw anything.

    python benchmarks/first_picture.py --runs 5 --out benchmarks/results/first_picture.json

Ours is `bozzetto generate` with 20 steps. The peer is the import of torch and diffusers alone, with no model and no
picture. The two are run in turn, so a machine that slows down slows both; the ratio is the median over pairs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/first_picture.json"))
    args = parser.parse_args()
    bozzetto = str(Path(sys.executable).with_name("bozzetto"))
    with tempfile.TemporaryDirectory() as folder:
        ours = [bozzetto, "generate", "a happy robot", "-o", f"{folder}/robot.png", "--steps", "20"]
        peer = [sys.executable, "-c", "import torch, diffusers; diffusers.UNet2DModel"]
        seconds(ours), seconds(peer)  # once each to warm the file cache
        pairs = [(seconds(ours), seconds(peer)) for _ in range(args.runs)]
    report = {
        "command": f"python benchmarks/first_picture.py --runs {args.runs}",
        "cores": os.cpu_count(),
        "ours": "bozzetto generate, 20 steps, process start to PNG",
        "peer": "import torch and diffusers",
        "ours_seconds": round(statistics.median(a for a, _ in pairs), 3),
        "peer_seconds": round(statistics.median(b for _, b in pairs), 3),
        "peer_over_ours": round(statistics.median(b / a for a, b in pairs), 2),
    }
    print(json.dumps(report, indent=2))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
