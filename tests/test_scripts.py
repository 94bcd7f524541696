"""A run that is packed for the road, trained elsewhere and unpacked again is the same run, up to half precision."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bozzetto.training import checkpoint, data
from bozzetto.training.export import training_note
from bozzetto.training.loop import STATE
from bozzetto.training.recipes import diffusion
from bozzetto.training.stages import FINAL, with_steps

SCRIPT = Path(__file__).parents[1] / "scripts" / "train_elsewhere.py"


@pytest.fixture
def script(monkeypatch):
    spec = importlib.util.spec_from_file_location("train_elsewhere", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "MOST_BYTES", 50_000)
    return module


def test_a_run_of_several_stages_trained_in_slices_elsewhere(script, shapes, after_steps, tmp_path, monkeypatch):
    """Each slice on a machine that has nothing but what came back from the one before."""
    pictures = data.emoji(shapes)
    budget = with_steps(diffusion.BUDGETS["smoke"], 8)
    recipe = replace(diffusion.RECIPE, budgets={"gpu": budget})
    monkeypatch.setattr(script.recipes, "find", lambda name: recipe)
    monkeypatch.setattr(type(recipe), "source", lambda self, name: pictures)
    packed, steps = None, []
    for number, seconds in enumerate((3, 3, 6, 60)):
        machine = tmp_path / f"machine-{number}"
        machine.mkdir()
        monkeypatch.chdir(machine)
        arguments = ["diffusion", "--out", "out", "--minutes", str((seconds - 0.5) / 60)]
        code = script.main(arguments + (["--packed", str(packed)] if packed else []))
        assert code == (0 if number == 3 else 3)
        packed, run = machine / "out", machine / "runs/diffusion-gpu"
        steps.append({path.parent.name: int(checkpoint.read_metadata(path)["step"]) for path in run.rglob(STATE)})
        pieces = list(packed.iterdir())
        assert len(pieces) > 10 and all(piece.stat().st_size <= 50_000 for piece in pieces)
    assert steps == [{"fit": 3}, {"fit": 6}, {"fit": 8, "rounded": 4}, {"fit": 8, "rounded": 8}]

    back = tmp_path / "back"
    assert script.main(["diffusion", "--out", str(packed), "--unpack", str(back)]) == 0
    assert (back / FINAL).read_bytes() == (run / FINAL).read_bytes()
    assert (back / "fit/after-1.safetensors").is_file()
    assert {name: row["steps"] for name, row in training_note(back).items()} == {"fit": 8, "rounded": 8}
    logged = [json.loads(line)["step"] for line in (back / "fit/log.jsonl").read_text().splitlines()]
    assert logged[0] == 1 and logged[-1] == 8 and logged == sorted(logged)

    recipe.train(pictures, budget, tmp_path / "unbroken")
    exact, ours = load_file(tmp_path / "unbroken" / FINAL), load_file(back / FINAL)
    apart = sum((exact[name] - ours[name]).square().sum() for name in exact) ** 0.5
    moved = sum(exact[name].square().sum() for name in exact) ** 0.5
    print(float(apart / moved))
    assert apart < 0.02 * moved


def test_a_finished_stage_travels_as_its_averages_and_another_whole(script, tmp_path):
    torch.manual_seed(0)
    state = {f"{part}.weight": torch.randn(30, 30) for part in ("model", "ema")}
    state |= {"optimizer.0.0.exp_avg_sq": 1e-9 * torch.rand(50), "optimizer.0.0.step": torch.tensor(7.0)}
    for stage, more in (("first", {"finished": "sum"}), ("second", {})):
        (tmp_path / "run" / stage).mkdir(parents=True)
        metadata = {"step": "7", "recipe": "{}"} | more
        checkpoint.write_tensors(state, tmp_path / "run" / stage / STATE, metadata)
    (tmp_path / "run" / "lock").write_text("1")
    script.pack(tmp_path / "run", tmp_path / "packed")
    script.unpack(tmp_path / "packed", tmp_path / "back")
    assert not (tmp_path / "back/lock").exists()
    first, metadata = checkpoint.read_tensors(tmp_path / "back/first" / STATE)
    assert metadata == {"step": "7", "recipe": "{}", "finished": "sum"}
    assert first.keys() == {"model.weight", "ema.weight"} and torch.equal(first["model.weight"], first["ema.weight"])
    second, _ = checkpoint.read_tensors(tmp_path / "back/second" / STATE)
    assert second.keys() == state.keys()
    for name, tensor in state.items():
        exact = name.startswith("model.") or name.endswith("step")
        torch.testing.assert_close(second[name], tensor, atol=0, rtol=0 if exact else 8e-3)
