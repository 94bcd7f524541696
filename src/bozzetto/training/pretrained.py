"""Networks of models/ to a folder and back, under the names that the field has for it.

    gan = from_pretrained(Gan, "runs/gan-cpu")          # a finished run, or what was saved
    gan = from_pretrained(Gan, "my_weights/gan")        # or what `bozzetto export` has written, in a folder a part
    save_pretrained(gan, "my_gan", run=Path("runs/gan-cpu"), licence="cc-by-4.0")
    save_pretrained(gan, "hf://me/my-gan")              # the hub, with the extra `hub`

Saved are config.json, model.safetensors in float32, and the card, README.md. No pickle is read or written. `bozzetto
train --from` goes on from such a folder and `bozzetto export --from` exports it, as a finished run.
"""

import json
from dataclasses import asdict
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

import torch
from torch import nn

from bozzetto import hub
from bozzetto.errors import InvalidInput
from bozzetto.files import write_atomically
from bozzetto.runtime.store import FORMAT, open_folder
from bozzetto.training import card
from bozzetto.training.export import read_weights, save_final, sha256, training_note
from bozzetto.training.rounding import exact
from bozzetto.training.stages import FINAL

Network = TypeVar("Network", bound=nn.Module)


def save_pretrained(model: nn.Module, to: str | Path, *, run: Path | None = None, licence: str | None = None) -> None:
    """Write a network of models/ with its card to a folder, or to hf://owner/name.

    run: the folder of its run, whose records the card tells. licence: as in `export_run`. Files appear one by one, and
    config.json with their checksums last. Raises InvalidInput, MissingExtra and an OSError that names the file.
    """
    card.check_licence(licence)
    name = type(model).__name__
    with hub.leaving(to, "to") as folder:
        if folder.exists() and not folder.is_dir():
            raise InvalidInput("to", f"{to} is a file: name a folder")
        folder.mkdir(parents=True, exist_ok=True)
        save_final(model, folder)
        what = f"A network of Bozzetto, read by `from_pretrained({name}, folder)` of bozzetto.training.pretrained."
        card.write(folder / "README.md", name, what, run, training_note(run) if run else {}, {}, licence)
        file = folder / FINAL
        sizes: Any = model.config
        config = {
            "format": FORMAT,
            "model": name,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "config": asdict(sizes),
            "files": {FINAL: {"bytes": file.stat().st_size, "sha256": sha256(file)}},
        }
        write_atomically(folder / "config.json", json.dumps(config, indent=2) + "\n")


def from_pretrained(network: type[Network], place: str | Path) -> Network:
    """The network of this class that a folder or hf://owner/name holds, on the CPU and in evaluation mode.

    The folder is one of `save_pretrained`, a finished run, or of a weights folder the part that holds this network,
    itself or a folder for each of its modules. What was exported is as exact as it was stored. Raises InvalidInput for
    anything else, WeightsError for damaged files, and MissingExtra.
    """
    folder = hub.fetched(place, "place")
    if not folder.is_dir():
        raise InvalidInput("place", f"{folder} is not there: name a folder, or a repository as hf://owner/name")
    hint = get_type_hints(network.__init__).get("config", NoneType)
    sizes = next((kind for kind in (*get_args(hint), hint) if kind is not NoneType), None)
    try:
        parts = [""] if (folder / FINAL).is_file() else sorted(path.parent.name for path in folder.glob(f"*/{FINAL}"))
        tensors, told = _read(folder / parts[0])
        model = network(sizes(**told["config"]))  # type: ignore[misc]
        found = {part: _read(folder / part)[0] for part, _ in model.named_children()} if parts[0] else {"": tensors}
        known = {
            f"{part}.{name}".removeprefix("."): tensor
            for part, some in found.items()
            for name, tensor in exact(model.get_submodule(part), some).items()
        }
        for name in dict(model.named_buffers()).keys() & model.state_dict().keys() - known.keys():
            known[name] = torch.tensor(told[name]) if name in told else model.state_dict()[name]
        model.load_state_dict(known)
    except (TypeError, ValueError, KeyError, IndexError, RuntimeError) as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise InvalidInput("place", f"{place} holds no {network.__name__} ({why})") from error
    return model.eval()


def _read(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors of a folder, and what its config.json says; in a run only its sizes, which lie with the tensors."""
    told = open_folder(folder).config if (folder / "config.json").is_file() else {}
    tensors, metadata = read_weights(folder / FINAL)
    return tensors, told or {"config": json.loads(metadata["config"])}
