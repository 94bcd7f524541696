"""Train on a lent machine in slices: go on from a packed state, train for some minutes, pack the state again.

    python scripts/train_elsewhere.py text-to-image --minutes 9 --packed runs/packed --out "$OUT"

The world (data/world.parquet), the teacher (data/teacher.safetensors, for clip) and, for text-to-image, the exported
autoencoder and CLIP must be there. What comes back: the packed state (files of at most 15 MiB, the weights in fp32,
averages and optimizer in half precision, so a slice is not bit-equal to an unbroken run), log.jsonl and, at the end
of the schedule or of the minutes, the averaged model for `bozzetto export`.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from bozzetto.training.checkpoint import write_atomically
from bozzetto.training.data import emoji
from bozzetto.training.loop import LOG, STATE
from bozzetto.world.dataset import load_world

SMALL = ("gan", "diffusion", "few-steps")  # they learn from small pictures; the vae needs no lent machine
MOST_BYTES = 15 * 2**20


def pack(state: Path, folder: Path) -> None:
    """Split a state into files small enough to carry, packed-0.safetensors and so on, each with the metadata."""
    with safe_open(state, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    parts: list[dict[str, torch.Tensor]] = [{}]
    size = 0
    for name, tensor in sorted(tensors.items()):
        if name.startswith("ema.") and tensor.is_floating_point():
            tensor = tensor.half()
        elif name.startswith("optimizer.") and tensor.ndim:
            tensor = tensor.bfloat16()  # its range: second moments are tiny
        if size + tensor.nbytes > MOST_BYTES:
            parts.append({})
            size = 0
        parts[-1][name] = tensor.contiguous()
        size += tensor.nbytes
    folder.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(parts):
        save_file(part, folder / f"packed-{number}.safetensors", metadata)


def unpack(folder: Path, state: Path) -> None:
    """Put the parts together again as fp32."""
    tensors, metadata = {}, {}
    for path in sorted(folder.glob("packed-*.safetensors")):
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    state.parent.mkdir(parents=True, exist_ok=True)
    whole = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    write_atomically(whole, state, metadata)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=["autoencoder", "clip", "text-to-image", *SMALL])
    parser.add_argument("--budget", default="gpu", choices=["smoke", "cpu", "gpu"])
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--packed", type=Path, help="folder of a packed state to go on from")
    parser.add_argument("--teacher", type=Path, help="for few-steps: the folder of the finished run of diffusion")
    parser.add_argument("--out", type=Path, required=True, help="folder for the packed state, the log and the model")
    args = parser.parse_args()
    run = Path("runs") / f"{args.recipe}-{args.budget}"
    if args.packed and list(args.packed.glob("packed-*.safetensors")):
        unpack(args.packed, run / STATE)
    module = importlib.import_module(f"bozzetto.training.recipes.{args.recipe.replace('-', '_')}")
    more = {"pictures": emoji(load_world())} if args.recipe in SMALL else {"world": load_world()}
    if args.recipe == "few-steps":
        more["teacher"] = args.teacher
    try:
        module.train(budget=module.BUDGETS[args.budget], out=run, minutes=args.minutes, **more)
    finally:
        if (run / STATE).exists():
            pack(run / STATE, args.out)
        if (run / LOG).exists():
            shutil.copy(run / LOG, args.out / LOG)
    with safe_open(run / "model.safetensors", framework="pt") as file:
        half = {name: file.get_tensor(name).half() for name in file.keys()}  # noqa: SIM118  (not a dict)
        save_file(half, args.out / "model.safetensors", file.metadata())


if __name__ == "__main__":
    main()
