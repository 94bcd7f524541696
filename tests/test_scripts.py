"""A state that is packed for the road and unpacked again holds the same run, up to half precision."""

import importlib.util
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

SCRIPT = Path(__file__).parents[1] / "scripts" / "train_elsewhere.py"


def test_a_packed_state_comes_back(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("train_elsewhere", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "MOST_BYTES", 5000)
    torch.manual_seed(0)
    state = {f"model.{i}": torch.randn(30, 30) for i in range(3)}
    state |= {f"ema.{i}": torch.randn(30, 30) for i in range(3)}
    state |= {"optimizer.0.0.exp_avg_sq": 1e-9 * torch.rand(50), "optimizer.0.0.step": torch.tensor(7.0)}
    save_file(state, tmp_path / "state.safetensors", {"step": "7", "recipe": "{}"})
    script.pack(tmp_path / "state.safetensors", tmp_path / "packed")
    parts = list((tmp_path / "packed").glob("*.safetensors"))
    assert len(parts) > 2 and all(part.stat().st_size < 6500 for part in parts)
    script.unpack(tmp_path / "packed", tmp_path / "back" / "state.safetensors")
    back = load_file(tmp_path / "back" / "state.safetensors")
    assert back.keys() == state.keys()
    for name, tensor in state.items():
        exact = name.startswith("model.") or name.endswith("step")
        torch.testing.assert_close(back[name], tensor, atol=0, rtol=0 if exact else 8e-3)
