"""From trained weights to a model folder: one weights file that PyTorch, ONNX Runtime and the browser all read.

A folder holds `config.json`, `model.safetensors` (four bits a weight, see rounding.py, and fp16) and `graph.onnx`. The
graph contains no weights: each of its initializers is ONNX external data that points into model.safetensors by offset,
and is made float32 by a DequantizeLinear or a Cast. So there is one copy of the numbers, and a page can fetch graph and
weights separately.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import TensorProto, helper
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from bozzetto.models.autoencoder import Autoencoder, AutoencoderConfig
from bozzetto.models.clip import NONE_COUNTS, Clip, ClipConfig
from bozzetto.models.denoiser import Denoiser, DenoiserConfig
from bozzetto.models.diffusion import DiffusionConfig, PixelDenoiser
from bozzetto.models.fashion_classifier import ClassifierConfig, FashionClassifier
from bozzetto.models.gan import Gan, GanConfig
from bozzetto.models.vae import LatentSampler, SamplerConfig, Vae, VaeConfig
from bozzetto.models.vlm import PATCHES, Vlm, VlmConfig
from bozzetto.training.checkpoint import write_atomically
from bozzetto.training.loop import LOG, STATE
from bozzetto.training.rounding import GROUP, SCALE, restore, stored
from bozzetto.training.steer import Steer
from bozzetto.world.emoji import STYLES

FINAL = "model.safetensors"  # what a finished recipe leaves in its run folder, in fp32
OPSET = 21  # the first with four-bit integers


def save_final(model: nn.Module, config: object, out: Path) -> None:
    """Leave the finished model of a run, with its sizes, for export and for later recipes."""
    write_atomically(model.state_dict(), out / FINAL, {"config": json.dumps(asdict(config))})


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Tensors and metadata of a safetensors file. Raises ValueError when it is missing or broken."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a readable weights file ({error}): train it first") from error


def read_final(run: Path, network: type[nn.Module], sizes: type) -> tuple[nn.Module, Any]:
    """What `save_final` left: the network with its weights, and its config."""
    tensors, metadata = read_weights(run / FINAL)
    config = sizes(**json.loads(metadata["config"]))
    model = network(config)
    model.load_state_dict(tensors)
    return model, config


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


def point_into_safetensors(graph_bytes: bytes, weights: Path, outputs: list[str]) -> bytes:
    """Replace every initializer that is stored in `weights` by external data and the nodes that make it float32."""
    with open(weights, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    model = onnx.load_from_string(graph_bytes)
    graph = model.graph
    _name_outputs(graph, outputs)
    kept, stored, nodes = [], [], []

    def store(key: str, data_type: int, dims: list[int]) -> str:
        begin, end = header[key]["data_offsets"]
        tensor = TensorProto(name=f"{key}.stored", data_type=data_type, dims=dims, data_location=TensorProto.EXTERNAL)
        where = {"location": weights.name, "offset": 8 + length + begin, "length": end - begin}
        for name, value in where.items():
            tensor.external_data.add(key=name, value=str(value))
        stored.append(tensor)
        return tensor.name

    for tensor in graph.initializer:
        name = tensor.name
        if name not in header:
            kept.append(tensor)
        elif header[name]["dtype"] == "F16":
            half = store(name, TensorProto.FLOAT16, tensor.dims)
            nodes.append(helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT))
        else:
            groups = header[name]["shape"][0]
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
    than 0, the batch, are free. batch: whether the batch is free at all.
    """

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: list[str]
    dynamic: dict[str, tuple[int, ...]] = field(default_factory=dict)
    batch: bool = True


def graph_bytes(graph: Graph, weights: Path) -> bytes:
    """The ONNX graph, pointing into the weights file."""
    free = torch.export.Dim.DYNAMIC
    shapes = tuple({dim: free for dim in (0, *graph.dynamic.get(name, ()))} for name in graph.inputs)
    program = torch.onnx.export(
        graph.module.eval(),
        tuple(graph.inputs.values()),
        input_names=list(graph.inputs),
        dynamic_shapes=shapes if graph.batch else None,
        dynamo=True,
        optimize=False,  # keeps the state_dict's names on the initializers
        opset_version=OPSET,
        verbose=False,
    )
    return point_into_safetensors(program.model_proto.SerializeToString(), weights, graph.outputs)


def export_folder(
    module: nn.Module,
    folder: Path,
    name: str,
    config: dict,
    inputs: dict[str, Tensor],
    outputs: list[str],
    texts: dict[str, str] | None = None,
    four_bits: bool = True,
    dynamic: dict[str, tuple[int, ...]] | None = None,
    more_graphs: dict[str, Graph] | None = None,
) -> None:
    """Write one model folder.

    inputs, outputs, dynamic: of `module`, see Graph; texts: more files of the folder, by name; four_bits: for a network
    that bears it, most by learning with rounded weights; otherwise all are stored in fp16; more_graphs: other things
    to compute with the same weights, by file name.
    Files appear one by one but config.json, which holds their checksums, comes last: a killed export is never taken
    for a model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    module = module.eval().float().cpu()
    tensors = stored(module, four_bits)
    restore(module, tensors)
    weights = folder / "model.safetensors"
    write_atomically(tensors, weights, {"format": "pt"})  # one key: more have no fixed order
    graphs = {"graph.onnx": Graph(module, inputs, outputs, dynamic or {})} | (more_graphs or {})
    files = {file: graph_bytes(graph, weights) for file, graph in graphs.items()}
    files |= {file: text.encode() for file, text in (texts or {}).items()}
    for file, content in files.items():
        (folder / (file + ".part")).write_bytes(content)
        os.replace(folder / (file + ".part"), folder / file)
    listed = {
        file: {"bytes": (folder / file).stat().st_size, "sha256": sha256(folder / file)}
        for file in [weights.name, *files]
    }
    parameters = sum(parameter.numel() for parameter in module.parameters())
    description = {"format": 1, "model": name, "parameters": parameters, **config, "files": listed}
    (folder / "config.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def export_autoencoder(run: Path, to: Path) -> None:
    model, config = read_final(run, Autoencoder, AutoencoderConfig)
    sizes = {"config": asdict(config)}
    pixels, latents = torch.zeros(2, 4, 64, 64), torch.zeros(2, config.latent_channels, 8, 8)
    folder = to / "autoencoder"
    export_folder(model.encoder, folder / "encoder", "autoencoder/encoder", sizes, {"pixels": pixels}, ["latents"])
    export_folder(model.decoder, folder / "decoder", "autoencoder/decoder", sizes, {"latents": latents}, ["pixels"])


def export_clip(run: Path, to: Path) -> None:
    model, config = read_final(run, Clip, ClipConfig)
    shared = {
        "config": asdict(config),
        "logit_scale": model.logit_scale.exp().item(),
        "logit_bias": model.logit_bias.item(),
        "none_below": {str(n): round(c, 4) for n, c in zip(NONE_COUNTS, model.none_below.tolist(), strict=True)},
    }
    tokens = torch.ones(2, config.context_length, dtype=torch.long)
    vocabulary = {"vocabulary.txt": (run / "vocabulary.txt").read_text(encoding="utf-8")}
    outputs = ["hidden", "summary", "words"]
    export_folder(model.text, to / "clip/text", "clip/text", shared, {"tokens": tokens}, outputs, vocabulary)
    inputs = {"words": torch.zeros(2, config.context_length, config.text_width), "mask": torch.ones(tokens.shape)}
    needs = {"needs": {"clip/text": sha256(to / "clip/text/model.safetensors")}}
    export_folder(model.order, to / "clip/order", "clip/order", shared | needs, inputs, ["embedding"])
    inputs, outputs = {"pixels": torch.zeros(2, 3, 64, 64)}, ["embedding", "patches"]
    steer = Steer(model.image, config)
    graphs = {"steer.onnx": Graph(steer, steer.inputs, ["cosine", "gradient"], batch=False)}
    export_folder(model.image, to / "clip/image", "clip/image", shared, inputs, outputs, more_graphs=graphs)


def export_text_to_image(run: Path, to: Path, name: str = "text_to_image") -> None:
    """Needs the autoencoder and CLIP that it was trained with to lie in the same weights folder."""
    model, config = read_final(run, Denoiser, DenoiserConfig)
    inputs = {
        "x": torch.zeros(2, config.latent_channels, 8, 8),
        "t": torch.ones(2),
        "hidden": torch.zeros(2, 24, config.hidden_size),
        "mask": torch.ones(2, 24),
        "embedding": torch.zeros(2, config.embedding_size),
        "style": torch.zeros(2, dtype=torch.long),
    }
    needs = {part: sha256(to / part / "model.safetensors") for part in ("clip/text", "autoencoder/decoder")}
    defaults = {
        "sampler": "dpmpp_2m",
        "num_inference_steps": 20,
        "guidance_scale": 5.0,
        "guidance_interval": [0.0, 1.0],
    }
    if config.jumps:  # the student has its teacher's guidance in it; the judge names one step of it as often as more
        inputs["until"] = torch.zeros(2)
        defaults = {"num_inference_steps": 1}
    extras = {"config": asdict(config), "styles": list(STYLES), "needs": needs, "defaults": defaults}
    export_folder(model, to / name, name, extras, inputs, ["clean"])


def export_diffusion(run: Path, to: Path, name: str = "diffusion") -> None:
    """The pixel denoiser, or with `jumps` its few-step student."""
    model, config = read_final(run, PixelDenoiser, DiffusionConfig)
    inputs = {
        "x": torch.zeros(2, config.channels, 32, 32),
        "t": torch.ones(2),
        "label": torch.zeros(2, dtype=torch.long),
    }
    defaults = {"sampler": "dpmpp_2m", "num_inference_steps": 20, "guidance_scale": 2.0}
    if config.jumps:
        inputs["until"] = torch.zeros(2)
        defaults = {"num_inference_steps": 4}
    export_folder(model, to / name, name, {"config": asdict(config), "defaults": defaults}, inputs, ["clean"])


def export_gan(run: Path, to: Path) -> None:
    model, config = read_final(run, Gan, GanConfig)
    sizes = {"config": asdict(config)}
    label = torch.zeros(2, dtype=torch.long)
    forger = {"noise": torch.zeros(2, config.noise_size), "label": label}
    detective = {"pixels": torch.zeros(2, config.channels, 32, 32), "label": label}
    for part, inputs, output in (("generator", forger, "pixels"), ("discriminator", detective, "logits")):
        name = f"gan/{part}"
        export_folder(getattr(model, part), to / name, name, sizes, inputs, [output], four_bits=False)


def export_vae(run: Path, to: Path) -> None:
    """Four autoencoders, and the sampler of the good one's latents. Four bits cost them a tenth of a decibel."""
    for stage, prefix in (("good", ""), ("plain", "plain_"), ("map", "map_"), ("plain_map", "plain_map_")):
        model, config = read_final(run / stage, Vae, VaeConfig)
        extras = {
            "config": asdict(config),
            "latent_mean": model.latent_mean.tolist(),
            "latent_std": model.latent_std.tolist(),
        }
        pixels, latents = torch.zeros(2, config.channels, 32, 32), torch.zeros(2, config.latent_size)
        for part, inputs, outputs in (
            ("encoder", {"pixels": pixels}, ["mean", "logvar"]),
            ("decoder", {"latents": latents}, ["pixels"]),
        ):
            name = f"vae/{prefix}{part}"
            export_folder(getattr(model, part), to / name, name, extras, inputs, outputs)
    model, config = read_final(run, LatentSampler, SamplerConfig)
    inputs = {"z": torch.zeros(2, config.latent_size), "t": torch.ones(2), "label": torch.zeros(2, dtype=torch.long)}
    extras = {"config": asdict(config), "needs": {"vae/decoder": sha256(to / "vae/decoder/model.safetensors")}}
    export_folder(model, to / "vae/sampler", "vae/sampler", extras, inputs, ["clean"])


def export_vlm(run: Path, to: Path) -> None:
    """One file of weights, two graphs: look.onnx sees a picture once, graph.onnx reads and says words."""
    model, config = read_final(run, Vlm, VlmConfig)
    cache = torch.zeros(2, config.layers, config.heads, PATCHES, config.width // config.heads)
    shown = {"pixels": torch.zeros(2, 3, 64, 64), "seen": torch.ones(2)}
    export_folder(
        model,
        to / "vlm",
        "vlm",
        {"config": asdict(config)},
        {"tokens": torch.ones(2, 5, dtype=torch.long), "keys": cache, "values": cache.clone()},
        ["logits", "all_keys", "all_values", "looked"],
        {"vocabulary.txt": (run / "vocabulary.txt").read_text(encoding="utf-8")},
        dynamic={"tokens": (1,), "keys": (3,), "values": (3,)},
        more_graphs={"look.onnx": Graph(model.looker(), shown, ["keys", "values", "patches"])},
    )


def export_fashion_classifier(run: Path, to: Path) -> None:
    model, config = read_final(run, FashionClassifier, ClassifierConfig)
    name, pixels = "fashion_classifier", torch.zeros(2, 1, 32, 32)
    sizes, outputs = {"config": asdict(config)}, ["features", "logits"]
    export_folder(model, to / name, name, sizes, {"pixels": pixels}, outputs, four_bits=False)


EXPORTS = {
    "autoencoder": export_autoencoder,
    "clip": export_clip,
    "text-to-image": export_text_to_image,
    "diffusion": export_diffusion,
    "gan": export_gan,
    "vae": export_vae,
    "vlm": export_vlm,
    "fashion-classifier": export_fashion_classifier,
    "few-steps": partial(export_diffusion, name="few_steps"),
    "text-few-steps": partial(export_text_to_image, name="text_few_steps"),
    "memoriser": partial(export_text_to_image, name="memoriser"),
}


def training_note(run: Path) -> dict[str, dict[str, int | float | str]]:
    """What each stage of a run cost, from its logs and states, for the model card."""
    note = {}
    for path in sorted(run.rglob(LOG), key=lambda path: path.stat().st_mtime):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        with safe_open(path.with_name(STATE), framework="pt") as file:
            recipe = json.loads(file.metadata()["recipe"])
        ends = [a for a, b in pairwise([*lines, {"seconds": 0}]) if b["seconds"] < a["seconds"]]  # of each stretch
        note["all" if path.parent == run else path.parent.name] = {
            "steps": lines[-1]["step"],
            "examples": lines[-1]["step"] * recipe["batch_size"],
            "minutes": round(sum(line["seconds"] for line in ends) / 60, 1),
            "device": ", ".join(dict.fromkeys(line.get("device", "cpu") for line in lines)),
        }
    return note


def export_run(model: str, run: Path, to: Path) -> None:
    """Export the finished model in the folder `run` to the weights folder `to`.

    Raises ValueError for an unknown model or when the run has not finished.
    """
    if model not in EXPORTS:
        raise ValueError(f"no model is called {model!r}: choose one of {', '.join(EXPORTS)}")
    if not (run / FINAL).is_file():
        raise ValueError(f"{run / FINAL} is not there: run `bozzetto train {model}` to its end first")
    EXPORTS[model](run, to)
    note = json.dumps(training_note(run), indent=2) + "\n"
    (to / model.replace("-", "_") / "training.json").write_text(note, encoding="utf-8")
