"""Picture search: pictures a second into the index, milliseconds a query on 100,000 vectors, recall of the index.

    python benchmarks/search.py --out benchmarks/results/search.json

Indexing: the world's pictures as 64-pixel PNG, JPEG and WebP files, files to finished index, process start and opening
of the model left out. The peer is the same work in a plain loop: open a batch, embed it, open the next. The two run in
turn, on folders of their own. Queries: words to paths, text encoding included. The vectors are those of the world's
pictures, each repeated with noise of length 0.3 (a cosine of about 0.96 to the picture itself) up to the number wanted,
made unit length again. Queries are the names of held-out pictures. The peer is a brute-force product in numpy.
Needs data/world.parquet.
"""

import argparse
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
from PIL import Image

from bozzetto import pictures
from bozzetto.search import index as search
from bozzetto.search import table as store
from bozzetto.search.embed import Embedder, open_embedder
from bozzetto.world.captions import plain_name, with_article

JITTER = 0.3


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def write_pictures(images: list[bytes], folder: Path) -> None:
    folder.mkdir()
    for number, data in enumerate(images):
        picture = pictures.over_white(Image.open(io.BytesIO(data)))
        picture.save(folder / f"{number}.{('png', 'jpg', 'webp')[number % 3]}")


def plain_loop(folder: Path, embedder: Embedder) -> np.ndarray:
    paths = sorted(folder.iterdir())
    return np.concatenate(
        [
            embedder.encode_image(
                np.stack([embedder.prepare(pictures.open_picture(path)) for path in paths[i : i + search.BATCH]])
            )
            for i in range(0, len(paths), search.BATCH)
        ]
    )


def measure_indexing(images: list[bytes], runs: int, embedder: Embedder, folder: Path) -> tuple[dict, np.ndarray]:
    photos = folder / "photos"
    write_pictures(images, photos)
    ours, peer = [], []
    for _ in range(runs):
        ours.append(seconds(lambda: search.index_folder(photos, embedder, folder / "index", rebuild=True)))
        peer.append(seconds(lambda: plain_loop(photos, embedder)))
    table, _ = store.open_index(folder / "index", embedder)
    vectors = np.stack(table.search().select(["vector"]).to_arrow()["vector"].to_numpy())
    return {
        "pictures": len(images),
        "ours_pictures_per_second": round(len(images) / statistics.median(ours), 1),
        "peer": "a plain loop: decode a batch, embed it, without an index",
        "peer_pictures_per_second": round(len(images) / statistics.median(peer), 1),
        "ours_over_peer": round(statistics.median(b / a for a, b in zip(ours, peer, strict=True)), 2),
    }, vectors


def jittered(base: np.ndarray, count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    vectors = np.resize(base, (count, base.shape[1]))
    noise = rng.standard_normal(vectors.shape, np.float32)
    vectors = vectors + JITTER * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def measure_queries(base: np.ndarray, count: int, texts: list[str], embedder: Embedder, folder: Path) -> dict:
    vectors = jittered(base, count)
    index = folder / f"index-{count}"
    table = store.create(index, folder, embedder)
    names = [f"{i}.png" for i in range(count)]
    store.put(index, table, list(zip(names, vectors, strict=True)), dict.fromkeys(names, (0, 0)))
    table.optimize()

    def ask(text: str) -> set[str]:
        return {path for path, _ in store.nearest(index, table, search.query_vector(embedder, text), 10)}

    def numpy_ask(text: str) -> set[str]:
        scores = vectors @ search.query_vector(embedder, text)
        return {names[i] for i in np.argpartition(-scores, 10)[:10]}

    report = {"vectors": count, "queries": len(texts)}
    truth = [numpy_ask(text) for text in texts]
    for kind in ("exact", "approximate"):
        if kind == "approximate":
            report["seconds_to_build"] = round(seconds(lambda: store.build_ann(table)), 1)
        found = [ask(text) for text in texts]  # once to warm up
        times = [(seconds(lambda t=text: ask(t)), seconds(lambda t=text: numpy_ask(t))) for text in texts]
        report[kind] = {
            "recall_at_10": round(sum(len(a & b) for a, b in zip(found, truth, strict=True)) / (10 * len(texts)), 4),
            "milliseconds": round(1000 * statistics.median(ours for ours, _ in times), 2),
            "milliseconds_p90": round(1000 * float(np.quantile([ours for ours, _ in times], 0.9)), 2),
            "numpy_milliseconds": round(1000 * statistics.median(peer for _, peer in times), 2),
        }
    encode = [seconds(lambda t=text: embedder.encode_text([t])) for text in texts]
    return report | {"text_encoding_milliseconds": round(1000 * statistics.median(encode), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000, help="how many files to index")
    parser.add_argument("--vectors", type=int, nargs="+", default=[10_000, 30_000, 100_000, 300_000])
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/search.json"))
    args = parser.parse_args()
    world = parquet.read_table("data/world.parquet", columns=["image", "name", "split"])
    rows = np.random.default_rng(0).permutation(len(world))[: args.pictures]
    pairs = zip(world["name"].to_pylist(), world["split"].to_pylist(), strict=True)
    texts = [with_article(plain_name(name)) for name in sorted({name for name, split in pairs if split == "test"})]
    texts = [texts[i] for i in np.random.default_rng(1).permutation(len(texts))[: args.queries]]
    embedder = open_embedder()
    report = {
        "command": f"python {' '.join(sys.argv)}",
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = [image.as_py() for image in world["image"].take(rows)]
        report["indexing"], base = measure_indexing(images, args.runs, embedder, folder)
        report["queries"] = [measure_queries(base, count, texts, embedder, folder) for count in args.vectors]
    print(json.dumps(report, indent=2))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
