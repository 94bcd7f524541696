"""From trained weights to a model folder: one weights file that PyTorch, ONNX Runtime and the browser all read.

A folder holds `config.json`, `model.safetensors` (four bits a weight, see rounding.py, and fp16) and `graph.onnx`. The
graph contains no weights: each of its initializers is ONNX external data that points into model.safetensors by offset,
and is made float32 by a DequantizeLinear or a Cast. So there is one copy of the numbers, and a page can fetch graph and
weights separately.
"""

import hashlib
import json
import logging
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from safetensors import SafetensorError
from torch import Tensor, nn

from bozzetto.errors import InvalidInput, WeightsError
from bozzetto.files import write_atomically
from bozzetto.runtime.adapter import Adapter, merged
from bozzetto.runtime.graph import with_weights
from bozzetto.runtime.store import FORMAT, open_model
from bozzetto.training.checkpoint import read_metadata, read_tensors, write_tensors
from bozzetto.training.loop import STATE, Network
from bozzetto.training.rounding import GROUP, SCALE, exact, restore, stored
from bozzetto.training.runs import LOG
from bozzetto.training.stages import FINAL, Run

STORED = ".stored"  # how the name of an initializer ends that lies in the weights file
OPSET = 21  # the first with four-bit integers


def save_final(model: nn.Module, out: Path) -> None:
    """Leave the finished model of a run, with its sizes, for export and for later recipes."""
    config: Any = model.config
    write_tensors(model.state_dict(), out / FINAL, {"config": json.dumps(asdict(config))})


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Tensors and metadata of a safetensors file. Raises WeightsError when it is missing or broken."""
    try:
        return read_tensors(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a readable weights file ({error}): train it first") from error


def load_part(module: Network, folder: Path, device: torch.device) -> Network:
    """Put the exported weights of a model folder into a network that is not to be trained."""
    restore(module, read_weights(folder / "model.safetensors")[0])
    return module.to(device).eval().requires_grad_(False)


def read_final(run: Path, network: type[Network], sizes: type) -> tuple[Network, Any]:
    """What `save_final` left: the network with its weights, and its config."""
    tensors, metadata = read_weights(run / FINAL)
    config = sizes(**json.loads(metadata["config"]))
    model = network(config)
    model.load_state_dict(tensors)
    return model, config


def begin(
    run: Run, network: Callable[[Any], Network], sizes: Callable[..., Any], parts: Mapping[str, str], **new: Any
) -> Network:
    """The network that a run goes on from, in training; it keeps its own sizes but for what is `new`. parts: which
    model folder each of its modules has in a weights folder, "" being all of it.

    A weight that has another shape with what is new, as the table of other classes has, begins anew. Raises
    InvalidInput about "first" where there is no such network.
    """
    first = run.first
    assert first is not None
    try:
        if (first / FINAL).is_file():
            tensors, metadata = read_weights(first / FINAL)
            model = network(sizes(**json.loads(metadata["config"]) | new))
        else:
            folders = {part: open_model(name, first) for part, name in parts.items()}
            model = network(sizes(**next(iter(folders.values()))["config"] | new))
            tensors = {}
            for part, folder in folders.items():
                module = model.get_submodule(part)
                known = exact(module, read_weights(folder.path / "model.safetensors")[0])
                tensors |= {f"{part}.{name}" if part else name: tensor for name, tensor in known.items()}
        state = model.state_dict()
        if tensors.keys() != state.keys():
            raise ValueError("its weights have other names")
        model.load_state_dict({name: t if t.shape == state[name].shape else state[name] for name, t in tensors.items()})
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise InvalidInput("first", f"{first} holds no network of this kind ({error}): name another run") from error
    return model


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _name_outputs(graph: onnx.GraphProto, outputs: list[str]) -> None:
    """Rename the graph's outputs. The exporter can do it, but then clashes with its own names for values inside."""
    new = dict(zip([output.name for output in graph.output], outputs, strict=True))
    inside = {name: name + ".inside" for name in outputs if name not in new}
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new.get(name) or inside.get(name, name) for name in names]
    for output in graph.output:
        output.name = new[output.name]


@dataclass(frozen=True)
class Entry:
    """A tensor of a weights file, and where it lies in which file, as a graph says it."""

    dtype: str
    shape: list[int]
    location: str
    offset: int
    length: int


def _entries(weights: Path, location: str | None = None, prefix: str = "") -> dict[str, Entry]:
    """The tensors of a safetensors file, by prefix and name."""
    with open(weights, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {
        prefix + name: Entry(
            of["dtype"],
            of["shape"],
            location or weights.name,
            8 + length + of["data_offsets"][0],
            of["data_offsets"][1] - of["data_offsets"][0],
        )
        for name, of in header.items()
    }


def _point(tensor: TensorProto, entries: Mapping[str, Entry]) -> None:
    """Say where an initializer lies, by its name."""
    entry = entries[tensor.name.removesuffix(STORED)]
    del tensor.external_data[:]
    for name, value in {"location": entry.location, "offset": entry.offset, "length": entry.length}.items():
        tensor.external_data.add(key=name, value=str(value))


def point_into_safetensors(graph_bytes: bytes, header: Mapping[str, Entry], outputs: list[str]) -> bytes:
    """Replace every initializer that is stored in a weights file by external data and the nodes that make it
    float32."""
    model = onnx.load_from_string(graph_bytes)
    graph = model.graph
    _name_outputs(graph, outputs)
    kept, stored, nodes = [], [], []

    def store(key: str, data_type: int, dims: list[int]) -> str:
        tensor = TensorProto(name=key + STORED, data_type=data_type, dims=dims, data_location=TensorProto.EXTERNAL)
        _point(tensor, header)
        stored.append(tensor)
        return tensor.name

    for tensor in graph.initializer:
        name = tensor.name
        if name not in header:
            kept.append(tensor)
        elif header[name].dtype == "F16":
            half = store(name, TensorProto.FLOAT16, tensor.dims)
            nodes.append(helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT))
        else:
            groups = header[name].shape[0]
            whole = store(name, TensorProto.INT4, [groups, GROUP])
            scale = store(name + SCALE, TensorProto.FLOAT16, [groups])
            shape = helper.make_tensor(name + ".shape", TensorProto.INT64, [len(tensor.dims)], tensor.dims)
            kept.append(shape)
            nodes += [
                helper.make_node("Cast", [scale], [name + ".float_scale"], to=TensorProto.FLOAT),
                helper.make_node("DequantizeLinear", [whole, name + ".float_scale"], [name + ".groups"], axis=0),
                helper.make_node("Reshape", [name + ".groups", shape.name], [name]),
            ]
    nodes += graph.node
    del graph.initializer[:], graph.node[:], graph.value_info[:]
    graph.initializer.extend([*kept, *stored])
    graph.node.extend(nodes)
    for node in graph.node:  # the exporter's notes about Python lines would be most of the file
        del node.metadata_props[:]
        node.doc_string = ""
    del model.metadata_props[:]
    return model.SerializeToString()


@dataclass(frozen=True)
class Graph:
    """What one graph computes: module.forward, whose state has the names of the folder's weights.

    inputs: example tensors by name, in the order of `module.forward`. dynamic: of which inputs also other dimensions
    than 0, the batch, are free. batch: whether the batch is free at all. shared: of a network that holds another one,
    how the names of that one's weights begin, and its model folder beside this one.
    """

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: list[str]
    dynamic: dict[str, tuple[int, ...]] = field(default_factory=dict)
    batch: bool = True
    shared: dict[str, str] = field(default_factory=dict)


@contextmanager
def _silent() -> Iterator[None]:
    """The exporter tells of packages that it does without, and of its own old ways: nothing that anybody can mend."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


@_silent()
@torch.no_grad()  # the graph is the same, and traced in nine tenths of the time
def graph_bytes(graph: Graph, weights: Path) -> bytes:
    """The ONNX graph, pointing into the weights file; or with others, from the weights folder, into all of them."""
    free = torch.export.Dim.DYNAMIC
    shapes = tuple({dim: free for dim in (0, *graph.dynamic.get(name, ()))} for name in graph.inputs)
    program = torch.onnx.export(
        graph.module.eval(),
        tuple(graph.inputs.values()),
        input_names=list(graph.inputs),
        dynamic_shapes=shapes if graph.batch else None,
        dynamo=True,
        # Keeps the state_dict's names on the initializers, and the GAN round's 1e-8 of Adam, which it would take for 0.
        optimize=False,
        opset_version=OPSET,
        verbose=False,
    )
    assert program is not None  # only the old exporter returns nothing
    own, root = weights.parent.name, weights.parent.parent
    entries = _entries(weights, f"{own}/{weights.name}" if graph.shared else None)
    for prefix, folder in graph.shared.items():
        entries |= _entries(root / folder / weights.name, f"{folder}/{weights.name}", prefix)
    return point_into_safetensors(program.model_proto.SerializeToString(), entries, graph.outputs)


def write_folder(
    to: Path,
    name: str,
    tensors: dict[str, Tensor],
    description: dict,
    graphs: Mapping[str, Callable[[Path], bytes]],
    files: Mapping[str, str],
) -> None:
    """Write the model folder `name` into the weights folder `to`: model.safetensors, graphs and texts by file name.

    description: what config.json says beside format, name and checksums, "parameters" first. graphs: given where the
    weights lie, the ONNX graph. Files appear one by one, but config.json, which holds their checksums, comes last: a
    killed export is never taken for a model.
    """
    folder = to / name
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "model.safetensors"
    write_tensors(tensors, weights, {"format": "pt"})  # one key: more have no fixed order
    contents = {file: graph(weights) for file, graph in graphs.items()} | dict(files)
    for file, content in contents.items():
        write_atomically(folder / file, content)
    listed = {
        file: {"bytes": (folder / file).stat().st_size, "sha256": sha256(folder / file)}
        for file in [weights.name, *contents]
    }
    config = {"format": FORMAT, "model": name, **description, "files": listed}
    write_atomically(folder / "config.json", json.dumps(config, indent=2) + "\n")


def export_folder(
    to: Path,
    name: str,
    graph: Graph,
    config: dict,
    four_bits: bool = True,
    texts: dict[str, str] | None = None,
    more_graphs: dict[str, Graph] | None = None,
) -> None:
    """Write a network, and what it computes, as the model folder `name` of the weights folder `to`.

    four_bits: for a network that bears it, most by learning with rounded weights; otherwise all are stored in fp16;
    texts: more files of the folder, by name; more_graphs: other things to compute with the same weights, by file name.
    """
    module = graph.module.eval().float().cpu()
    tensors = stored(module, four_bits)
    restore(module, tensors)
    others = tuple(graph.shared)
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(others)}
    parameters = sum(each.numel() for name, each in module.named_parameters() if not name.startswith(others))
    if others:
        config |= {"shares": list(graph.shared.values())}
    graphs = {file: partial(graph_bytes, each) for file, each in ({"graph.onnx": graph} | (more_graphs or {})).items()}
    write_folder(to, name, tensors, {"parameters": parameters, **config}, graphs, texts or {})


def export_merged(adapter: Adapter, weights: Path, to: Path) -> None:
    """Write the weights folder `to`: the models of `weights` that are not there yet, and the one that the adapter is
    for with W + B A as its weights, in fp16."""
    base = open_model(adapter.base, weights)
    changed = merged(base, adapter)
    for source in weights.rglob("*"):
        copy = to / source.relative_to(weights)
        if source.is_file() and not source.is_relative_to(base.path) and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(copy, source.read_bytes())
    tensors, _ = read_weights(base.path / "model.safetensors")
    for name, weight in changed.items():
        tensors.pop(name + SCALE, None)
        tensors[name] = torch.from_numpy(weight).half()
    contents = {file: (base.path / file).read_bytes() for file in base["files"]}
    graphs = {file: partial(_merge, content, changed) for file, content in contents.items() if file.endswith(".onnx")}
    texts = {file: content.decode() for file, content in contents.items() if file.endswith(".txt")}
    description = {key: value for key, value in base.config.items() if key not in ("format", "model", "files")}
    write_folder(to, adapter.base, tensors, description, graphs, texts)


def _merge(graph_bytes: bytes, changed: Mapping[str, np.ndarray], weights: Path) -> bytes:
    """A graph of a model with four-bit weights as one of the weights file in which some are fp16 now."""
    model = onnx.load_from_string(with_weights(graph_bytes, changed))
    graph = model.graph
    gone = {name + end for name in changed for end in (STORED, SCALE + STORED, ".shape", ".float_scale", ".groups")}
    nodes = [node for node in graph.node if node.output[0] not in gone]
    kept = [tensor for tensor in graph.initializer if tensor.name not in gone]
    entries = _entries(weights)
    for tensor in kept:
        if tensor.data_location == TensorProto.EXTERNAL:
            _point(tensor, entries)
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    return point_into_safetensors(model.SerializeToString(), entries, [output.name for output in graph.output])


def training_note(run: Path) -> dict[str, dict[str, int | float | str]]:
    """What each stage of a run cost, in their order, from its logs and states, for the model card."""
    recipes = {path.parent: json.loads(read_metadata(path)["recipe"]) for path in run.glob(f"*/{STATE}")}
    note = {}
    for stage, recipe in sorted(recipes.items(), key=lambda item: item[1]["place"]):
        lines = [json.loads(line) for line in (stage / LOG).read_text(encoding="utf-8").splitlines()]
        ends = [a for a, b in pairwise([*lines, {"seconds": 0}]) if b["seconds"] < a["seconds"]]  # of each stretch
        note[stage.name] = {
            "steps": lines[-1]["step"],
            "examples": lines[-1]["step"] * recipe["batch_size"],
            "minutes": round(sum(line["seconds"] for line in ends) / 60, 1),
            "device": ", ".join(dict.fromkeys(line.get("device", "cpu") for line in lines)),
        }
    return note
