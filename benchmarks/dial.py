"""The speed-quality dial: quality against steps and milliseconds, for every sampler, the student, the GAN and the VAE.

    python benchmarks/dial.py            # 150 pictures a setting, about a quarter of an hour on two cores
    python benchmarks/dial.py --n 2000

All makers learned from the same pictures and draw the same classes from the same seeds. Quality is the Frechet distance
of EfficientNet-Lite0 features to the training pictures (metrics/makers.py): lower is better, `floor` is what as many
real pictures score. Its interval is a bootstrap over the drawn pictures. Milliseconds are those of one picture drawn
alone in ONNX Runtime, the median of seven, all measured at the end. A killed run goes on where it stopped: rows of the
same weights and settings are kept.
"""

import argparse
import json
import os
import statistics
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bozzetto.diffusion import JUMPS, SAMPLERS, TWICE
from bozzetto.families import BY_NAME
from bozzetto.metrics.coverage import coverage_metrics
from bozzetto.metrics.frechet import frechet_between, gaussian
from bozzetto.metrics.makers import NEIGHBOURS, features, real_instead
from bozzetto.runtime import sample, store
from bozzetto.runtime.denoising import Guided, OnePass, Steps
from distances import kernel_distance

STEPS = (1, 2, 4, 10, 20, 50)
TWINS = ("euler", "euler_ancestral")  # the same steps as ddim and ddpm


def settings(makers: list[str]) -> list[dict]:
    """Every point of the dial: (maker, sampler, steps)."""
    rows = []
    for name in makers:
        if name == "diffusion":
            rows += [{"maker": name, "sampler": "ddim", "steps": 100}]
            named = [s for s in SAMPLERS if s not in TWINS]
            rows += [
                {"maker": name, "sampler": s, "steps": n}
                for s in named
                for n in STEPS
                if s == "ddim" or (n > 1 and n * (1 + (s in TWICE)) <= STEPS[-1])
            ]
        elif name == "few-steps":
            rows += [{"maker": name, "sampler": None, "steps": n} for n in JUMPS]
        else:
            rows += [{"maker": name, "sampler": None, "steps": 1}]
    return rows


def options(row: dict, maker: sample.Maker, guidance_scale: float) -> OnePass:
    if row["maker"] == "diffusion":
        return Guided(row["steps"], guidance_scale, row["sampler"])
    return Steps(row["steps"]) if row["maker"] == "few-steps" else maker.defaults


def milliseconds(maker: sample.Maker, chosen: OnePass) -> float:
    """The median of seven pictures, each drawn alone."""
    label, times = np.array([1]), []
    for seed in range(8):
        began = time.perf_counter()
        sample.make(maker, [seed], label, chosen)
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[1:])


def bootstrap(found: np.ndarray, real: object, repeats: int = 20) -> tuple[float, float]:
    """How far below and above its value the distance of other pictures by the same maker would be, 95 %."""
    rng = np.random.default_rng(0)
    picked = [found[rng.integers(len(found), size=len(found))] for _ in range(repeats)]
    values = [frechet_between(gaussian(rows), real) for rows in picked]
    low, high = np.quantile(values, [0.025, 0.975]) - np.mean(values)
    return float(low), float(high)


def plot(rows: list[dict], of: float, path: Path) -> None:
    """Frechet distance against milliseconds, both on log scales, as a small SVG without any library."""
    width, height, left, top = 720, 420, 60, 20
    x_range = [min(r["milliseconds"] for r in rows) * 0.8, max(r["milliseconds"] for r in rows) * 1.25]
    y_range = [min(of, *(r["frechet"] for r in rows)) * 0.9, max(r["frechet"] for r in rows) * 1.1]

    def place(row: dict) -> tuple[float, float]:
        x, y = (
            (np.log(value) - np.log(low)) / (np.log(high) - np.log(low))
            for value, (low, high) in ((row["milliseconds"], x_range), (row["frechet"], y_range))
        )
        return left + x * (width - left - 150), top + (1 - y) * (height - top - 40)

    lines = {}
    for row in rows:
        lines.setdefault(row["sampler"] or row["maker"], []).append(row)
    parts = []
    for i, (name, own) in enumerate(lines.items()):
        colour = f"hsl({i * 360 // len(lines)} 60% 40%)"
        own = sorted(own, key=lambda row: row["milliseconds"])
        points = [place(row) for row in own]
        path_points = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path_points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        for (x, y), row in zip(points, own, strict=True):
            title = f"<title>{name}, {row['steps']} steps: {row['frechet']:.0f} in {row['milliseconds']:.0f} ms</title>"
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}">{title}</circle>')
        parts.append(f'<text x="{width - 140}" y="{top + 16 * i + 10}" fill="{colour}">{name}</text>')
    floor_y = place({"milliseconds": x_range[0], "frechet": of})[1]
    parts.append(f'<path d="M{left} {floor_y:.1f}H{width - 150}" stroke="#888" stroke-dasharray="4 4"/>')
    parts.append(f'<text x="{left + 4}" y="{floor_y - 4:.1f}" fill="#666">real pictures: {of:.0f}</text>')
    for value in (1, 3, 10, 30, 100, 300, 1000, 3000):
        if x_range[0] <= value <= x_range[1]:
            x = place({"milliseconds": value, "frechet": y_range[1]})[0]
            parts.append(f'<text x="{x:.1f}" y="{height - 24}" text-anchor="middle" fill="#666">{value}</text>')
    parts.append(f'<text x="{left}" y="{height - 6}" fill="#666">milliseconds for one picture</text>')
    for value in (100, 200, 400, 700, 1000, 1500, 2000, 3000, 4000):
        if y_range[0] <= value <= y_range[1]:
            y = place({"milliseconds": x_range[0], "frechet": value})[1]
            parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#666">{value}</text>')
    parts.append(
        f'<text x="14" y="{height / 2}" transform="rotate(-90 14 {height / 2})" fill="#666">Frechet distance</text>'
    )
    size = f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    path.write_text("\n".join([head, f'<rect width="{width}" height="{height}" fill="#fff"/>', *parts, "</svg>\n"]))


def table(rows: list[dict]) -> Table:
    shown = Table("maker", "sampler", "steps", "Frechet", "95 %", "coverage", "ms", title="The dial")
    for row in rows:
        interval = f"{row['low']:.1f} .. {row['high']:.1f}"
        cells = (row["frechet"], row["coverage"], row["milliseconds"])
        numbers = (f"{value:.{digits}f}" for value, digits in zip(cells, (1, 3, 1), strict=True))
        frechet, coverage, ms = numbers
        shown.add_row(row["maker"], row["sampler"] or "", str(row["steps"]), frechet, interval, coverage, ms)
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=150, help="pictures of each setting")
    parser.add_argument("--guidance", type=float, default=2.0, help="guidance scale of diffusion")
    parser.add_argument("--makers", default=",".join(sample.MAKERS), help="which, with commas")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/dial.json"))
    parser.add_argument("--plot", type=Path, default=Path("docs/dial.svg"))
    arguments = parser.parse_args()

    from bozzetto.evaluation.bench import small_reference
    from bozzetto.world.dataset import load_world

    reference = small_reference(load_world(), Path("data/features-32.npz"))
    real = gaussian(reference.features.astype(np.float64))
    labels = reference.wanted(arguments.n)
    some = reference.features[np.random.default_rng(0).permutation(len(reference.features))[: arguments.n]]
    of = real_instead(reference, arguments.n)
    weights = store.weights_folder()
    same = {"n": arguments.n, "guidance_scale": arguments.guidance}
    rows: list[dict] = []
    if arguments.out.is_file():
        before = json.loads(arguments.out.read_text(encoding="utf-8"))
        rows = before["rows"] if all(before[key] == value for key, value in same.items()) else []

    def save() -> None:
        report = {
            "command": "python benchmarks/dial.py",
            **same,
            "cpus": os.cpu_count(),
            "floor": asdict(of),
            "rows": rows,
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")

    for row in settings(arguments.makers.split(",")):
        maker = sample.load(row["maker"], weights)
        sums = store.open_model(BY_NAME[row["maker"]].sampled, weights).weights_sum()[:12]
        row |= {"weights": sums}
        if any(row.items() <= old.items() for old in rows):
            continue
        rows = [old for old in rows if [old[key] for key in list(row)[:3]] != [row[key] for key in list(row)[:3]]]
        chosen = options(row, maker, arguments.guidance)
        parts = [
            sample.make(maker, range(i, min(i + 50, arguments.n)), labels[i : i + 50], chosen)
            for i in range(0, arguments.n, 50)
        ]
        found = features(np.concatenate(parts)).astype(np.float64)
        value, (low, high) = frechet_between(gaussian(found), real), bootstrap(found, real)
        covered = coverage_metrics(some, found, NEIGHBOURS)
        steps = row["steps"]
        rows.append(
            {
                **row,
                "evaluations": 2 * steps - 1 if row["sampler"] in TWICE else steps,
                "frechet": value,
                "low": value + low,
                "high": value + high,
                "kernel": kernel_distance(found, reference.features),
                **{name: getattr(covered, name) for name in ("precision", "recall", "coverage")},
            }
        )
        save()
        print(json.dumps(rows[-1]), flush=True)
    for row in rows:
        maker = sample.load(row["maker"], weights)
        row["milliseconds"] = milliseconds(maker, options(row, maker, arguments.guidance))
    save()
    plot(rows, of.value, arguments.plot)
    Console().print(table(rows))
    print(f"real pictures in the place of drawn ones: {of.value:.1f} ({of.low:.1f} .. {of.high:.1f})")


if __name__ == "__main__":
    main()
