"""The training loop that every recipe uses: one function, `fit`.

A recipe gives a loss of (rng, generator): a numpy Generator to choose the data and a torch Generator for noise. Both
are made anew from (seed, step) at every step, so the step number is the whole state of all randomness, the data order
included: a run killed anywhere and resumed computes the same numbers as one left alone, bit for bit on a CPU.

It shows progress and time left, writes a line of JSON every few seconds, keeps an exponential moving average of the
weights (what is exported), saves the whole state, stops at a NaN, and ends cleanly at a time limit or Ctrl-C.
"""

from __future__ import annotations

import copy
import json
import math
import signal
import sys
import time
from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from bozzetto.training import checkpoint
from bozzetto.training.muon import Muon
from bozzetto.training.rounding import rounded

STATE = "state.safetensors"
LOG = "log.jsonl"

Loss = Callable[[np.random.Generator, torch.Generator], dict[str, Tensor]]


class TrainingStopped(RuntimeError):
    """Training cannot go on (a NaN, say); the message says where and what to do."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: the part of a budget that the loop needs."""

    steps: int
    batch_size: int
    learning_rate: float
    warmup: int = 200
    last_rate: float = 0.01  # what is left of the learning rate at the end, as a share
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    ema: float = 0.999  # decay a step; shorter at first, so the average never remembers the random start
    clip: float = 1.0  # largest norm of the gradient
    muon: bool = False  # matrices by Muon instead of AdamW
    rounding: bool = False  # learn with the weights as they will be stored

    def learning_rate_at(self, step: int) -> float:
        """Linear warm-up, then a cosine down to the last rate."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (self.last_rate + (1 - self.last_rate) * 0.5 * (1 + math.cos(math.pi * done)))


def pick_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fast_dtype(device: torch.device) -> torch.dtype:
    """bf16 where the machine computes it fast, fp32 elsewhere: on a CPU without bf16 units bf16 is 200 times slower."""
    return torch.bfloat16 if device.type == "cuda" or torch.cpu._is_avx512_bf16_supported() else torch.float32


def autocast(device: torch.device) -> torch.autocast:
    """Compute in `fast_dtype`; the weights stay fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=fast_dtype(device) == torch.bfloat16)


def make_optimizers(model: nn.Module, schedule: Schedule, device: torch.device) -> list[torch.optim.Optimizer]:
    """Weights of linear layers and convolutions decay, and go to Muon if the schedule says so; all else is AdamW's."""
    layers = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    matrices = [module.weight for module in model.modules() if isinstance(module, layers)]
    chosen = {id(weight) for weight in matrices}
    others = [parameter for parameter in model.parameters() if id(parameter) not in chosen]
    rate, decay = schedule.learning_rate, schedule.weight_decay
    if schedule.muon:
        adamw = torch.optim.AdamW(others, lr=rate, betas=schedule.betas, weight_decay=0.0, fused=True)
        return [adamw, Muon(matrices, rate, weight_decay=decay, dtype=fast_dtype(device))]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    return [torch.optim.AdamW(groups, lr=rate, betas=schedule.betas, fused=True)]


def step_randomness(seed: int, step: int, device: torch.device) -> tuple[np.random.Generator, torch.Generator]:
    """All the randomness of one step."""
    rng = np.random.default_rng([seed, step])
    return rng, torch.Generator(device).manual_seed(int(rng.integers(2**62)))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    theirs, ours = list(model.parameters()), list(average.parameters())
    torch._foreach_lerp_(ours, theirs, 1 - decay)
    for mean, now in zip(average.buffers(), model.buffers(), strict=True):
        mean.copy_(now)


def snapshot(out: Path, steps: int) -> Path:
    """Where a run keeps the averaged weights it had after so many steps."""
    return out / f"after-{steps}.safetensors"


def fit(
    model: nn.Module,
    loss: Callable[[nn.Module], Loss],
    schedule: Schedule,
    out: Path,
    *,
    seed: int = 0,
    minutes: float | None = None,
    recipe: dict | None = None,
    save_every: float = 120,
    keep: Collection[int] = (),
) -> nn.Module:
    """Train `model` in place and return the moving average of its weights.

    loss: given the model, returns the function of (rng, generator) that draws a batch and computes a dict of scalars;
    "loss"
        is minimised, the others are logged. It runs under autocast.
    out: folder of the run: state.safetensors (resumed if there), log.jsonl.
    minutes: stop (and save) after this long; the learning rate follows the steps, so the run can be resumed.
    recipe: what a resumed run must agree with.
    keep: after these numbers of steps the averaged weights are written to `snapshot(out, steps)`, in fp16.
    Raises TrainingStopped at a loss that is not finite, and KeyboardInterrupt, the state saved, after Ctrl-C.
    """
    out.mkdir(parents=True, exist_ok=True)
    device = next(model.parameters()).device
    average = copy.deepcopy(model).requires_grad_(False)
    optimizers = make_optimizers(model, schedule, device)
    recipe = {"seed": seed, **vars(schedule), **(recipe or {})}
    start = checkpoint.load(out / STATE, model, average, optimizers, recipe) if (out / STATE).exists() else 0
    compute = loss(model)

    stop_reason = ""

    def ask_to_stop(signum: int, _frame: object) -> None:
        nonlocal stop_reason
        stop_reason = signal.Signals(signum).name

    previous = {s: signal.signal(s, ask_to_stop) for s in (signal.SIGINT, signal.SIGTERM)}
    began = saved = logged = time.monotonic()
    logged_step = step = start
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, disable=not sys.stderr.isatty()) as bar, open(out / LOG, "a", encoding="utf-8") as log:
            task = bar.add_task(out.name, total=schedule.steps, completed=start, note="")
            while step < schedule.steps and not stop_reason:
                rate = schedule.learning_rate_at(step)
                for group in [group for optimizer in optimizers for group in optimizer.param_groups]:
                    group["lr"] = rate
                rng, generator = step_randomness(seed, step, device)
                model.zero_grad(set_to_none=True)
                with rounded(model) if schedule.rounding else nullcontext():
                    with autocast(device):
                        values = compute(rng, generator)
                    values["loss"].backward()
                norm = nn.utils.clip_grad_norm_(model.parameters(), schedule.clip)
                if not torch.isfinite(norm):
                    raise TrainingStopped(
                        f"the loss or its gradient is not finite at step {step}: lower the learning rate; "
                        f"the last good state is in {out / STATE}"
                    )
                for optimizer in optimizers:
                    optimizer.step()
                step += 1
                update_average(average, model, min(schedule.ema, step / (step + 9)))
                if step in keep:
                    half = {name: tensor.half() for name, tensor in average.state_dict().items()}
                    checkpoint.write_atomically(half, snapshot(out, step), {"step": str(step)})

                now = time.monotonic()
                if now - logged > 5 or step == schedule.steps or step == start + 1:
                    pictures = schedule.batch_size * (step - logged_step) / max(now - logged, 1e-9)
                    line = {name: float(value.detach()) for name, value in values.items()}
                    line |= {"step": step, "lr": rate, "pictures_per_second": pictures, "seconds": now - began}
                    short = {name: round(value, 6) for name, value in line.items()}
                    log.write(json.dumps({**short, "device": device.type}) + "\n")
                    log.flush()
                    bar.update(task, note=f"loss {line['loss']:.4f}  {pictures:.0f} pictures/s")
                    logged, logged_step = now, step
                bar.update(task, completed=step)
                if minutes is not None and now - began > 60 * minutes:
                    stop_reason = "time limit"
                if now - saved > save_every:
                    checkpoint.save(out / STATE, model, average, optimizers, step, recipe)
                    saved = now
    finally:
        for s, handler in previous.items():
            signal.signal(s, handler)
    checkpoint.save(out / STATE, model, average, optimizers, step, recipe)
    if stop_reason:
        line = f"stopped at step {step} of {schedule.steps} ({stop_reason}); the same command goes on from here"
        print(line, file=sys.stderr)
    if stop_reason.startswith("SIG"):
        raise KeyboardInterrupt  # now that the state is safe: a recipe must not go on to its next stage
    return average
