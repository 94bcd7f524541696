"""What every trial shares: the world from a cache, scenes to grade, the judge, and a trainer on a budget of seconds."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from pathlib import Path

os.environ.setdefault("BOZZETTO_WORLD", "$ROOT/data/world.parquet")
import numpy as np
import torch

torch.set_num_threads(1)
AMX = "amx_bf16" in open("/proc/cpuinfo").read()

from bozzetto import evaluate as ev
from bozzetto.metrics.judge import load_judge
from bozzetto.runtime.store import weights_folder
from muon import Muon
from bozzetto.world.dataset import World, load_world

HOME = Path("$ROOT/runs/pictures")
CACHE = HOME / "cache"


def world() -> World:
    """From the Parquet file the first time, later from a pickle of its arrays."""
    import pickle

    path = CACHE / "world.pickle"
    if not path.exists():
        found = load_world()
        path.with_suffix(".part").write_bytes(pickle.dumps(found, protocol=5))
        os.replace(path.with_suffix(".part"), path)
    return pickle.loads(path.read_bytes())


def bench(scenes: int = 120, n: int = 100) -> ev.Bench:
    return ev.Bench(world(), n, scenes, 0, lambda: load_judge(weights_folder() / "judge"), lambda core: None, lambda w: None)


def premultiplied(images: np.ndarray) -> torch.Tensor:
    from bozzetto.training import data

    return data.premultiplied(images)


def straight(pixels: torch.Tensor) -> np.ndarray:
    """float [N,4,64,64] premultiplied in [-1,1] -> uint8 [N,64,64,4] straight alpha."""
    p = ((pixels.float() + 1) / 2).clamp(0, 1)
    alpha = p[:, 3:]
    rgb = torch.where(alpha > 1 / 512, p[:, :3] / alpha.clamp(min=1e-6), 0.0).clamp(0, 1)
    return (torch.cat([rgb, alpha], 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def border_ratio(pixels: torch.Tensor, period: int = 8) -> float:
    """Mean |step| across cell borders over mean |step| elsewhere, of pictures over white [N,4,64,64]."""
    p = (pixels.float().clamp(-1, 1) + 1) / 2
    white = p[:, :3] + 1 - p[:, 3:]
    across, down = (white[..., 1:] - white[..., :-1]).abs().mean((0, 1, 2)), (white[..., 1:, :] - white[..., :-1, :]).abs().mean((0, 1, 3))
    at = torch.arange(1, 64) % period == 0
    steps = torch.stack([across, down])
    return float(steps[:, at].mean() / steps[:, ~at].mean())


def log(line: dict, path: Path | None = None) -> None:
    text = json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in line.items()})
    print(text, flush=True)
    if path:
        with open(path, "a") as file:
            file.write(text + "\n")


def train_seconds(model, loss, out: Path, *, seconds: float, rate: float, batch: int, muon=Muon, optimizers=None, seed=0, warmup=60, last=0.02, ema=0.998, clip=1.0, accumulate=1, save_every=200, keep=(), schedule=None, every=None, after=None):
    """Minimise loss(model, rng, generator, done) for so many seconds of processor time; the rate falls as a cosine
    over the seconds. Resumes from out/state.pt. keep: seconds after which the average is written to after-SECONDS.pt"""
    out.mkdir(parents=True, exist_ok=True)
    average = copy.deepcopy(model).requires_grad_(False)
    layers = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    matrices = [m.weight for m in model.modules() if isinstance(m, layers) and m.weight.requires_grad]
    chosen = {id(w) for w in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen and p.requires_grad]
    opts = [torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True), muon(matrices, rate, weight_decay=0.01, dtype=torch.bfloat16 if AMX else torch.float32)]
    step, used = 0, 0.0
    state = out / "state.pt"
    if state.exists():
        kept = torch.load(state, weights_only=False)
        model.load_state_dict(kept["model"]); average.load_state_dict(kept["average"])
        for o, s in zip(opts, kept["opts"]): o.load_state_dict(s)
        step, used = kept["step"], kept["used"]
        print(f"resumed at step {step}, {used:.0f} s", flush=True)
    keep = [k for k in keep if k > used]

    def save():
        torch.save({"model": model.state_dict(), "average": average.state_dict(), "opts": [o.state_dict() for o in opts], "step": step, "used": used}, out / "state.part")
        os.replace(out / "state.part", state)

    began = time.process_time() - used
    saved = logged = time.monotonic(); logged_step = step
    sums = {}
    while used < seconds:
        done = used / seconds
        now_rate = schedule(step) if schedule else rate * min(1, (step + 1) / warmup) * (last + (1 - last) * 0.5 * (1 + math.cos(math.pi * done)))
        for o in opts:
            for g in o.param_groups: g["lr"] = now_rate
        model.zero_grad(set_to_none=True)
        rng = np.random.default_rng([seed, step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        for _ in range(accumulate):
            with torch.autocast("cpu", torch.bfloat16, enabled=AMX):
                values = loss(model, rng, generator, done)
            (values["loss"] / accumulate).backward()
            for k, v in values.items(): sums.setdefault(k, []).append(float(v.detach()))
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        if not torch.isfinite(norm): raise SystemExit(f"not finite at step {step}")
        for o in opts: o.step()
        step += 1
        decay = min(ema, step / (step + 9))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
            for a, b in zip(average.buffers(), model.buffers()): a.copy_(b)
        used = time.process_time() - began
        if time.monotonic() - logged > 15:
            pace = batch * accumulate * (step - logged_step) / (time.monotonic() - logged)
            log({"step": step, "used": used, "rate": now_rate, "pictures_s": pace, "norm": float(norm), **{k: float(np.mean(v)) for k, v in sums.items()}}, out / "log.jsonl")
            logged, logged_step, sums = time.monotonic(), step, {}
        if time.monotonic() - saved > save_every:
            save(); saved = time.monotonic()
        if every and step % every == 0:
            save(); after(average, step)
        if keep and used > keep[0]:
            torch.save({k: v.half() for k, v in average.state_dict().items()}, out / f"after-{keep.pop(0)}.pt")
    save()
    return average, step
