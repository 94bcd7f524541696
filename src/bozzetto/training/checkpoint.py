"""The whole state of a stage in one safetensors file: weights, averages, optimizer and step.

Random numbers and the order of the data need no saving: every step draws them from (seed, step) alone, see loop.py.
No pickle: a state file from a stranger can hold numbers, never code.
"""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors
from torch import Tensor, nn

from bozzetto.errors import InvalidInput
from bozzetto.files import write_atomically


def write_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """The file appears whole or not at all, so a kill while saving costs nothing. Raises an OSError that names it."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, safetensors.save(tensors, metadata))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file. Raises SafetensorError or OSError."""
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118  (no dict)


def read_metadata(path: Path) -> dict[str, str]:
    """What a state says of itself: step, recipe and, at the end, finished. Raises InvalidInput when it is broken."""
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata()
    except (SafetensorError, OSError) as error:
        why = f"{path} is not a readable training state ({error}): delete it to start again"
        raise InvalidInput("out", why) from error


def checksum(module: nn.Module) -> str:
    """SHA-256 of a network's state: names and numbers."""
    found = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        found.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def save(
    path: Path, model: nn.Module, ema: nn.Module, optimizers: list[torch.optim.Optimizer], step: int, recipe: dict
) -> None:
    """Write the state after `step` steps. `recipe` is what a resumed run must agree with (numbers, strings), among them
    "steps" and "began", the checksum of the weights that the stage began from.

    The last step's state is marked as finished, with the average's checksum, and has no optimizer.
    """
    finished = step == recipe["steps"]
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"ema.{name}": tensor for name, tensor in ema.state_dict().items()}
    for number, optimizer in enumerate([] if finished else optimizers):
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{index}.{name}": tensor for name, tensor in state.items()}
    mark = {"finished": checksum(ema)} if finished else {}
    write_tensors(tensors, path, {"step": str(step), "recipe": json.dumps(recipe)} | mark)


def load(path: Path, model: nn.Module, ema: nn.Module, optimizers: list[torch.optim.Optimizer], recipe: dict) -> int:
    """Restore everything `save` wrote and return the step.

    Raises InvalidInput when the file is broken, or names the first field of the recipe that differs from the saved one.
    """
    metadata = read_metadata(path)
    saved, now = json.loads(metadata["recipe"]), json.loads(json.dumps(recipe))
    field = next((name for name in ["data", *saved, *now] if saved.get(name) != now.get(name)), None)
    if field == "began":
        again = f"delete {path.parent} to train it again from those that are there now, or use another folder"
        why = f"{path.parents[1]}: stage {path.parent.name} began from other weights: {again}"
        raise InvalidInput("out", why)
    if field == "data":
        why = f"{path.parents[1]} learned from other pictures, or those have changed since: bring them back"
        raise InvalidInput("out", f"{why}, delete it, or use another folder")
    if field:
        why = f"{path} was trained with {field} = {saved.get(field)}, this run has {field} = {now.get(field)}"
        raise InvalidInput("out", f"{why}: use the same recipe, delete it, or use another folder")
    tensors, _ = read_tensors(path)
    for prefix, module in (("model.", model), ("ema.", ema)):
        module.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
    for number, optimizer in enumerate(optimizers):
        state = optimizer.state_dict()
        prefix = f"optimizer.{number}."
        for name, tensor in tensors.items():
            if name.startswith(prefix):
                index, field = name.removeprefix(prefix).split(".", 1)
                state["state"].setdefault(int(index), {})[field] = tensor
        optimizer.load_state_dict(state)
        for parameter, moments in optimizer.state.items():  # in the weights' memory layout, which a fused step takes
            for field, tensor in moments.items():
                if tensor.shape == parameter.shape:
                    moments[field] = torch.empty_like(parameter).copy_(tensor)
    return int(metadata["step"])
