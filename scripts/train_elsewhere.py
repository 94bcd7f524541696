"""Train on a lent machine in slices: go on from a packed run, train for some minutes, pack the run again.

    python scripts/train_elsewhere.py text-to-image --minutes 9 --packed runs/packed --out "$OUT"

The world (data/world.parquet), the teacher (data/teacher.safetensors, for clip and judge) and what else the recipe
starts from must be there. What comes back is the whole folder of the run, every stage's state, log and snapshots and at
the end the finished model, as packed-0, packed-1 and so on of at most 15 MiB: one tar file in pieces. `--unpack FOLDER`
writes the run's folder anew, for `bozzetto train` and `bozzetto export`.

A lent machine gives back 8 files of 16 MiB, which every recipe fits because states travel without what can nearly be
made again: of a finished stage only the averages go, of the others the weights in fp32; averages and the optimizer are
in half precision. So a slice is not bit-equal to an unbroken run.
"""

import argparse
import io
import sys
import tarfile
from pathlib import Path

from safetensors import torch as safetensors

from bozzetto import families
from bozzetto.training import recipes
from bozzetto.training.checkpoint import read_tensors, write_tensors
from bozzetto.training.loop import STATE, OutOfTime

MOST_BYTES = 15 * 2**20
LEFT_BEHIND = ("lock", "features")  # who trains there now, and what the judge's recipe makes again


def slim(state: Path) -> bytes:
    """A stage's state for the road."""
    tensors, metadata = read_tensors(state)
    if "finished" in metadata:
        tensors = {name: tensor for name, tensor in tensors.items() if name.startswith("ema.")}
    for name, tensor in tensors.items():
        if name.startswith("ema.") and tensor.is_floating_point():
            tensors[name] = tensor.half()
        elif name.startswith("optimizer.") and tensor.ndim:
            tensors[name] = tensor.bfloat16()  # its range: second moments are tiny
    return safetensors.save(tensors, metadata)


def widen(state: Path) -> None:
    """Make it a state again, in fp32; a finished stage's weights become its averages."""
    tensors, metadata = read_tensors(state)
    tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    if "finished" in metadata:
        tensors |= {name.replace("ema.", "model.", 1): tensor.clone() for name, tensor in tensors.items()}
    write_tensors(tensors, state, metadata)


def pack(run: Path, folder: Path) -> None:
    """Write the folder of a run as the files packed-0, packed-1, ... of `folder`."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for path in sorted(run.rglob("*")):
            inside = path.relative_to(run)
            if path.is_file() and inside.parts[0] not in LEFT_BEHIND:
                content = slim(path) if path.name == STATE else path.read_bytes()
                entry = tarfile.TarInfo(inside.as_posix())
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("packed-*"):
        old.unlink()
    content = whole.getvalue()
    for number, start in enumerate(range(0, len(content), MOST_BYTES)):
        (folder / f"packed-{number}").write_bytes(content[start : start + MOST_BYTES])


def unpack(folder: Path, run: Path) -> None:
    """Put the pieces together again in the folder `run`."""
    pieces = sorted(folder.glob("packed-*"), key=lambda path: int(path.name.removeprefix("packed-")))
    with tarfile.open(fileobj=io.BytesIO(b"".join(path.read_bytes() for path in pieces))) as tar:
        tar.extractall(run, filter="data")  # nothing outside of `run`
    for state in run.rglob(STATE):
        widen(state)


def main(arguments: list[str] | None = None) -> int:
    """-> 0: finished; 3: the minutes are over, go on from what is packed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=families.names(trained=True))
    parser.add_argument("--budget", default="gpu", choices=["smoke", "cpu", "gpu"])
    parser.add_argument("--data", help="what it learns from: emoji or fashion")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--packed", type=Path, help="folder of a packed run to go on from")
    parser.add_argument("--start", type=Path, help="what the recipe starts from; for few-steps and vlm a finished run")
    parser.add_argument("--out", type=Path, required=True, help="folder for the packed run")
    parser.add_argument("--unpack", type=Path, help="train nothing: only write the packed run to this folder")
    args = parser.parse_args(arguments)
    if args.unpack:
        unpack(args.packed or args.out, args.unpack)
        return 0
    recipe, run = recipes.find(args.recipe), Path("runs") / f"{args.recipe}-{args.budget}"
    if args.packed:
        unpack(args.packed, run)
    source = recipe.source(args.data or recipe.family.data[0])
    try:
        recipe.train(source, recipe.budgets[args.budget], run, minutes=args.minutes, start=args.start)
    except OutOfTime as error:
        print(error, file=sys.stderr)
        return 3
    finally:
        pack(run, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
