"""Adapters: what is added is B A and nothing else, in torch, in ONNX Runtime and when exported; what does not fit is
refused in one line; a few pictures of a new thing are learned and the old ones stay."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file
from torch import nn

import bozzetto
from bozzetto.cli import main
from bozzetto.errors import InvalidInput
from bozzetto.models.clip import ClipConfig, ImageTower
from bozzetto.models.denoiser import Denoiser, DenoiserConfig
from bozzetto.runtime import adapter as runtime
from bozzetto.runtime import clip, graph, store, text_to_image
from bozzetto.runtime.session import open_network
from bozzetto.server.batching import Engine
from bozzetto.training import adapter
from bozzetto.training.adapter import LowRank
from bozzetto.training.export import load_part, read_weights
from bozzetto.training.loop import TrainingSchedule
from bozzetto.world import own

NETWORKS = {
    "text_to_image": lambda config: Denoiser(DenoiserConfig(**config)),
    "clip/image": lambda config: ImageTower(ClipConfig(**config)),
}


def network(base: str) -> nn.Module:
    folder = store.open_model(base)
    return load_part(NETWORKS[base](folder["config"]), folder.path, torch.device("cpu"))


def low_rank(base: str, strength: float) -> LowRank:
    """An adapter with random numbers, or with 0 a fresh one."""
    torch.manual_seed(0)
    made = LowRank(network(base), rank=3)
    for b in made.b:
        nn.init.normal_(b, std=strength)
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Adapters of the models that ship: of each base one that is fresh and one that is not."""
    folder = tmp_path_factory.mktemp("adapters")
    for base, family in runtime.OF.items():
        for kind, strength in (("fresh", 0.0), ("strong", 0.05)):
            low_rank(base, strength).save(folder / f"{kind}-{family}.safetensors", store.open_model(base))
    return folder


def inputs_of(base: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    made = {
        "text_to_image": {
            "x": rng.standard_normal((2, 8, 16, 16)),
            "t": rng.random(2),
            "hidden": rng.standard_normal((2, 24, 192)),
            "words": rng.standard_normal((2, 24, 192)),
            "mask": np.arange(24) < np.array([[3], [20]]),
            "embedding": rng.standard_normal((2, 256)) / 16,
            "style": np.array([0, 3]),
        },
        "clip/image": {"pixels": rng.uniform(-1, 1, (2, 3, 64, 64))},
    }[base]
    return {name: v if v.dtype == np.int64 else v.astype(np.float32) for name, v in made.items()}


def answer(module, *inputs) -> np.ndarray:
    with torch.inference_mode():
        found = module(*inputs)
    return (found[0] if isinstance(found, tuple) else found).numpy()


# ---------------------------------------------------------------- what is added


def test_an_adapted_layer_is_the_layer_and_a_low_rank_path_beside_it():
    torch.manual_seed(0)
    linear, conv = nn.Linear(256, 96), nn.Conv2d(64, 96, 3, padding=1)
    x, cells = torch.randn(5, 256), torch.randn(2, 64, 8, 8)
    for layer, given in ((linear, x), (conv, cells)):
        made = LowRank(layer := nn.Sequential(layer), rank=4)
        assert made.names == ["0.weight"]
        torch.testing.assert_close(made(layer, given), layer(given), rtol=0, atol=0)  # B is zero
        nn.init.normal_(made.b[0])
        a, b = made.a[0], made.b[0]
        beside = (
            F.linear(F.linear(given, a), b)
            if a.ndim == 2
            else F.conv2d(F.conv2d(given, a, padding=1), b[..., None, None])
        )
        torch.testing.assert_close(made(layer, given), layer(given) + beside, rtol=1e-4, atol=1e-4)


def test_only_an_adapter_learns_and_only_large_weights_have_one():
    model = network("text_to_image")
    made = LowRank(model)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    inputs = [torch.from_numpy(value) for value in inputs_of("text_to_image").values()]
    made(model, *inputs).square().mean().backward()
    assert all(b.grad.abs().sum() > 0 for b in made.b)
    assert all(weight.grad is None for weight in model.parameters())
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    changed = {name.removesuffix(".weight") for name in made.names}
    assert {"enter", "read", "up.0.conv1", "look_up.1.words.to_k"} <= changed and "style" not in changed
    assert sum(part.numel() for part in made.parameters()) < 0.1 * sum(part.numel() for part in model.parameters())


@pytest.mark.parametrize("base", NETWORKS)
def test_onnx_runtime_adds_what_torch_adds(files, base):
    inputs, folder = inputs_of(base), store.open_model(base)
    path = files / f"strong-{runtime.OF[base]}.safetensors"
    found = runtime.fitting(path, folder)
    merged = runtime.merged(folder, found)
    ours = open_network(folder, weights=lambda: merged)(**inputs)
    model, made = network(base), low_rank(base, 0.05)
    for name, tensor in load_file(path).items():  # as they are stored, in fp16
        at = made.names.index(name[:-2])
        {"A": made.a, "B": made.b}[name[-1]][at].data = tensor.float()
    theirs = answer(made, model, *map(torch.from_numpy, inputs.values()))
    np.testing.assert_allclose(next(iter(ours.values())), theirs, atol=1e-4, rtol=1e-4)
    plain = answer(model, *map(torch.from_numpy, inputs.values()))
    assert abs(plain - theirs).max() > 0.01  # it does something


def test_a_fresh_adapter_changes_no_bit(files):
    options = {"seed": 3, "num_inference_steps": 3}
    with_it = bozzetto.generate("a red apple", adapter=files / "fresh-text-to-image.safetensors", **options)[0]
    assert with_it.tobytes() == bozzetto.generate("a red apple", **options)[0].tobytes()
    fresh, labels = files / "fresh-clip.safetensors", ["cat", "dog"]
    assert bozzetto.label(with_it, labels, adapter=fresh) == bozzetto.label(with_it, labels)
    edited = bozzetto.edit(with_it, "a cat", adapter=files / "fresh-text-to-image.safetensors", num_inference_steps=3)
    assert edited[0].tobytes() == bozzetto.edit(with_it, "a cat", num_inference_steps=3)[0].tobytes()


def test_the_options_reach_the_networks(files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    strong = files / "strong-text-to-image.safetensors"
    for name, option in (("plain", []), ("strong", ["--adapter", str(strong)])):
        assert main(["generate", "a dog", "--steps", "2", "-o", f"{name}.png", *option]) == 0
        assert main(["edit", f"{name}.png", "a cat", "--steps", "2", "-o", f"{name}-2.png", *option]) == 0
    drawn = bozzetto.generate("a dog", num_inference_steps=2, adapter=strong)[0]
    assert np.array_equal(np.asarray(Image.open("strong.png")), np.asarray(drawn))
    assert Path("plain.png").read_bytes() != Path("strong.png").read_bytes()
    assert main(["edit", "plain.png", "a cat", "--steps", "2", "-o", "other.png", "--adapter", str(strong)]) == 0
    assert Path("other.png").read_bytes() != Path("plain-2.png").read_bytes()
    capsys.readouterr()
    eye = str(files / "strong-clip.safetensors")
    assert main(["label", "plain.png", "--labels", "cat,dog", "--json", "--adapter", eye]) == 0
    rows = [tuple(row.values()) for row in json.loads(capsys.readouterr().out)]
    assert (
        rows == bozzetto.label("plain.png", ["cat", "dog"], adapter=eye) != bozzetto.label("plain.png", ["cat", "dog"])
    )


def test_a_file_of_prompts_and_the_engine_draw_with_it(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("p.txt").write_text("a dog\n")
    strong = files / "strong-text-to-image.safetensors"
    for option in ([], ["--adapter", str(strong)], ["--adapter", str(strong)]):
        assert main(["generate", "--prompts", "p.txt", "-o", "drawn", "--steps", "2", *option]) == 0
    plain, adapted = (
        bozzetto.generate("a dog", num_inference_steps=2, adapter=path)[0].tobytes() for path in (None, strong)
    )
    drawn = [Image.open(path).tobytes() for path in Path("drawn").glob("*.png")]
    assert plain != adapted and sorted(drawn) == sorted([plain, adapted])  # each in a file of its own, once
    with Engine(places=1, adapter=strong) as engine:
        with pytest.raises(InvalidInput, match="few_steps"):
            engine.generate("a dog", few_steps=True)
        assert engine.generate("a dog", num_inference_steps=2).results()[0].tobytes() == adapted
    with pytest.raises(InvalidInput, match="not for text-to-image"):
        Engine(adapter=files / "fresh-clip.safetensors")


def test_an_adapter_needs_no_torch(files, tmp_path):
    code = (
        "import sys, bozzetto; bozzetto.generate('a dog', num_inference_steps=1, adapter=sys.argv[1]);"
        "assert not {'torch', 'onnx', 'safetensors'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code, files / "strong-text-to-image.safetensors"], check=True)


# ---------------------------------------------------------------- graphs


@pytest.mark.parametrize("base", NETWORKS)
def test_a_graph_with_other_weights_is_one_that_onnx_reads(base):
    folder = store.open_model(base)
    content = (folder.path / "graph.onnx").read_bytes()
    assert graph.with_weights(content, {}) == content
    name = low_rank(base, 0).names[0]
    before = onnx.load_from_string(content)
    weight = np.random.default_rng(0).standard_normal((130, 70, 3)).astype(np.float32)
    changed = onnx.load_from_string(graph.with_weights(content, {name: weight}))
    assert [node for node in before.graph.node if node.output[0] != name] == list(changed.graph.node)
    assert list(before.graph.initializer) == list(changed.graph.initializer)[:-1]
    assert changed.graph.initializer[-1].name == name
    assert np.array_equal(numpy_helper.to_array(changed.graph.initializer[-1]), weight)


@pytest.mark.parametrize("base", NETWORKS)
def test_a_merged_model_computes_what_the_adapter_made_it(files, base, tmp_path, monkeypatch, capsys):
    weights, family = tmp_path / "weights", runtime.OF[base]
    path = files / f"strong-{family}.safetensors"
    assert main(["export", family, "--adapter", str(path), "--to", str(weights)]) == 0
    folder = store.open_model(base)
    theirs = open_network(folder, weights=lambda: runtime.merged(folder, runtime.fitting(path, folder)))
    new = store.open_model(base, weights)
    assert new.config | {"files": 0} == folder.config | {"files": 0} and new.weights_sum() != folder.weights_sum()
    inputs = inputs_of(base)
    for ours, aim in zip(open_network(new)(**inputs).values(), theirs(**inputs).values(), strict=True):
        np.testing.assert_allclose(ours, aim, atol=2e-2)  # weights in fp16
    tensors, _ = read_weights(new.path / "model.safetensors")
    assert (new.path / "graph.onnx").stat().st_size < 0.1 * (new.path / "model.safetensors").stat().st_size
    assert all(tensors[name].dtype == torch.float16 for name in low_rank(base, 0).names)
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(weights))
    assert len(bozzetto.sample("diffusion", prompt="a cat", num_inference_steps=1)) == 1  # steer.onnx of CLIP as well
    picture = bozzetto.generate("a dog", num_inference_steps=1)[0]
    capsys.readouterr()
    with pytest.raises(InvalidInput, match="was made for other weights than those in"):
        bozzetto.generate("a dog", adapter=path) if family == "text-to-image" else bozzetto.label(
            picture, ["a"], adapter=path
        )


# ---------------------------------------------------------------- what is refused


def broken(files: Path, to: Path) -> dict[str, str]:
    """Files that are no adapter of text-to-image, and what is said of them."""
    whole = (files / "strong-text-to-image.safetensors").read_bytes()
    length = int.from_bytes(whole[:8], "little")
    tensors = load_file(files / "strong-text-to-image.safetensors")
    about = json.loads(json.loads(whole[8 : 8 + length])["__metadata__"][runtime.METADATA])

    def write(name: str, tensors: dict, **changes) -> None:
        save_file(tensors, to / name, {runtime.METADATA: json.dumps(about | changes)})

    first = next(name for name in tensors if name.endswith(".A"))
    damaged = " is no adapter, or is damaged"
    (to / "empty.safetensors").write_bytes(b"")
    (to / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    (to / "header.safetensors").write_bytes(whole[:50])
    (to / "picture.safetensors").write_bytes(b"\x89PNG" * 100)
    (to / "deep.safetensors").write_bytes((100_000).to_bytes(8, "little") + b"[" * 100_000)
    shutil.copy(store.open_model("text_to_image").path / "model.safetensors", to / "weights.safetensors")
    write("alone.safetensors", {first: tensors[first]})
    write("shape.safetensors", tensors | {first: tensors[first][:1].clone()})
    write("nan.safetensors", tensors | {first: tensors[first] * float("nan")})
    write("later.safetensors", tensors, format=2)
    write("other.safetensors", tensors, sha256="0" * 64)
    kinds = ("empty", "cut", "header", "picture", "deep", "weights", "alone", "shape", "nan", "later")
    return dict.fromkeys(kinds, damaged) | {"other": " was made for other weights than those in "}


def test_what_is_no_adapter_of_this_model_is_refused_in_one_line(files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cases = broken(files, tmp_path)
    shutil.copy(files / "strong-clip.safetensors", "clip.safetensors")
    os.mkdir("folder.safetensors")
    cases |= {"clip": " is for clip, not for text-to-image", "folder": " is no file", "gone": " is no file"}
    for name, said in cases.items():
        assert main(["generate", "a dog", "--steps", "1", "--adapter", f"{name}.safetensors"]) == 2, name
        line = capsys.readouterr().err
        assert line.startswith(f"bozzetto: --adapter {name}.safetensors{said}") and line.count("\n") == 1, line
    assert not Path("picture.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "a dog", "--adapter", "A", "--few-steps"], "--few-steps draws with a network that --adapter"),
        (["generate", "--prompts", "p.txt", "--adapter", "A", "--few-steps"], "line 1: few_steps draws with a network"),
        (["label", "a.png", "--labels", "a,b", "--adapter", "A"], "is for text-to-image, not for clip"),
        (["export", "text-to-image", "--to", "w"], "--from or --adapter is wanted"),
        (["export", "clip", "--to", "w", "--adapter", "A"], "is for text-to-image, not for clip"),
        (["export", "gan", "--to", "w", "--adapter", "A"], "'gan' is unknown: choose one of text-to-image, clip"),
        (["adapt", "text-to-image", "--data", "own", "-o", "x.bin"], "must end in .safetensors"),
        (["adapt", "text-to-image", "--data", "gone", "-o", "x.safetensors"], "gone is not there"),
        (["adapt", "text-to-image", "--data", "own", "-o", "x.safetensors"], "--word is missing: say what"),
        (["adapt", "clip", "--data", "own", "-o", "x.safetensors", "--word", "red disc"], "is what pictures of ours"),
        (["adapt", "clip", "--data", "own", "-o", "x.safetensors", "--word", "кот"], "cannot be read"),
        (["adapt", "clip", "--data", "own", "-o", "x.safetensors", "--word", "кот logo"], "cannot be read"),
        (["adapt", "clip", "--data", "own", "-o", "x.safetensors", "--word", "?!"], "cannot be read"),
        (["adapt", "clip", "--data", "own", "-o", "x.safetensors", "--word", "x", "--steps", "0"], "--steps must be"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said(files, shapes, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bozzetto.world.dataset.load_world", lambda: shapes)
    os.mkdir("own")
    Image.new("RGB", (64, 64), "red").save("own/a.png")
    Image.new("RGB", (64, 64), "red").save("a.png")
    Path("p.txt").write_text("a dog\n")
    there = set(tmp_path.rglob("*"))
    whole = str(files / "strong-text-to-image.safetensors")
    assert main([whole if part == "A" else part for part in arguments]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and set(tmp_path.rglob("*")) == there


# ---------------------------------------------------------------- what is learned


@pytest.fixture
def symbols(tmp_path) -> Path:
    """Eight pictures of a thing that no other is like."""
    folder = tmp_path / "symbols"
    folder.mkdir()
    for number in range(8):
        image = Image.new("RGBA", (64, 64))
        draw, inset = ImageDraw.Draw(image), 4 + number
        draw.rounded_rectangle((inset, inset, 63 - inset, 63 - inset), 8, fill="purple")
        draw.polygon([(32, inset + 4), (58 - inset, 50), (6 + inset, 50)], fill="orange")
        image.save(folder / f"{number}.png")
    return folder


SHORT = TrainingSchedule(40, 16, 5e-3, warmup=5, weight_decay=0.0, ema=0.9)


def test_a_few_pictures_teach_the_denoiser_a_thing_and_it_keeps_the_others(
    shapes, things, symbols, tmp_path, monkeypatch
):
    monkeypatch.setattr("bozzetto.training.data.scene_objects", lambda world: things)
    models = text_to_image.load(store.weights_folder())
    mine = adapter.shown(own.load(symbols, 64), "my sign", models.tokenizer, shapes)
    assert set(mine.names) == {"my sign"} and "a drawing of a my sign" in mine.wordings["my sign"]
    path = tmp_path / "sign.safetensors"
    adapter.adapt("text-to-image", mine, shapes, path, tmp_path / "run", schedule=SHORT)
    assert path.stat().st_size < 2**20
    adapted = text_to_image.load(store.weights_folder(), text_to_image.load_adapter(store.weights_folder(), path))
    encoder = text_to_image.load_encoder(store.weights_folder())

    def error(models, images, text) -> float:
        """Of the clean estimate, at much noise."""
        starts = [text_to_image.start_from(encoder, image, 1.0, None).latents for image in images]
        clean = np.concatenate(starts)
        noise = np.random.default_rng(0).standard_normal(clean.shape).astype(np.float32)
        told = {name: part.repeat(len(clean), 0) for name, part in text_to_image.encode(models, text).items()}
        found = models.denoiser(x=0.2 * clean + 0.8 * noise, t=np.full(len(clean), 0.8, np.float32), **told)["clean"]
        return float(np.square(found - clean).mean())

    discs = shapes.images[[name == "red disc" for name in shapes.names]]
    assert error(adapted, mine.images, "my sign") < 0.7 * error(models, mine.images, "my sign")
    assert error(adapted, discs, "red disc") < 1.1 * error(models, discs, "red disc")


def test_a_few_pictures_teach_clip_a_name(shapes, symbols, tmp_path):
    models = clip.load(store.weights_folder())
    mine = adapter.shown(own.load(symbols, 64), "my sign", models.tokenizer, shapes)
    path = tmp_path / "eye.safetensors"
    adapter.adapt("clip", mine, shapes, path, tmp_path / "run", schedule=SHORT)
    labels, picture = ["my sign", "warning", "red disc", "cat"], symbols / "3.png"
    before, after = (
        {label: share for label, share, _ in bozzetto.label(picture, labels, adapter=file)} for file in (None, path)
    )
    assert after["my sign"] > 0.6 > before["my sign"]
    disc = Image.fromarray(shapes.images[shapes.names.index("red disc")])
    assert bozzetto.label(disc, labels, adapter=path)[0][0] == "red disc"


def test_an_adapters_run_goes_on_and_ends_in_the_same_file(shapes, things, symbols, tmp_path, monkeypatch, capsys):
    """From the shell, with words beside some pictures and a word for the others."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bozzetto.training.data.scene_objects", lambda world: things)
    monkeypatch.setattr("bozzetto.world.dataset.load_world", lambda: shapes)
    (symbols / "2.txt").write_text("my small sign")
    command = ["adapt", "text-to-image", "--data", "symbols", "--word", "my sign", "--steps", "3"]
    assert main([*command, "-o", "whole.safetensors"]) == 0
    assert main([*command, "-o", "parts.safetensors", "--minutes", "1e-9"]) == 3
    assert not Path("parts.safetensors").exists()
    assert main([*command, "-o", "parts.safetensors"]) == 0
    assert Path("parts.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()
    Image.new("RGB", (64, 64), "red").save("symbols/9.png")
    capsys.readouterr()
    assert main([*command, "-o", "parts.safetensors"]) == 2
    assert "adapter-text-to-image-parts learned from other pictures" in capsys.readouterr().err
