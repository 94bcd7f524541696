"""The whole state of a training run in one safetensors file: weights, averages, optimizer and step.

Random numbers and the order of the data need no saving: every step draws them from (seed, step) alone, see loop.py.
No pickle: a state file from a stranger can hold numbers, never code.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


def write_atomically(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """The file appears whole or not at all, so a kill while saving costs nothing."""
    part = path.with_name(path.name + ".part")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, part, metadata)
    os.replace(part, path)


def save(
    path: Path, model: nn.Module, ema: nn.Module, optimizers: list[torch.optim.Optimizer], step: int, recipe: dict
) -> None:
    """Write the state after `step` steps. `recipe` is what a resumed run must agree with (numbers, strings)."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"ema.{name}": tensor for name, tensor in ema.state_dict().items()}
    for number, optimizer in enumerate(optimizers):
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{index}.{name}": tensor for name, tensor in state.items()}
    write_atomically(tensors, path, {"step": str(step), "recipe": json.dumps(recipe)})


def load(path: Path, model: nn.Module, ema: nn.Module, optimizers: list[torch.optim.Optimizer], recipe: dict) -> int:
    """Restore everything `save` wrote and return the step.

    Raises ValueError when the file is broken, or names the first field of the recipe that differs from the saved one.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a readable training state ({error}): delete it to start again") from error
    saved = json.loads(metadata["recipe"])
    for field in dict.fromkeys([*saved, *recipe]):
        if saved.get(field) != json.loads(json.dumps(recipe.get(field))):
            raise ValueError(
                f"{path} was trained with {field} = {saved.get(field)}, this run has {field} = {recipe.get(field)}: "
                "use the same recipe, or another --out folder"
            )
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
