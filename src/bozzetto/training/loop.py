"""The training loop that every recipe uses: one function, `fit`.

A recipe gives a loss of (model, rng, generator): a numpy Generator to choose the data and a torch Generator for noise.
Both are made anew from (seed, step) at every step, so the step number is the whole state of all randomness, the data
order included: a run killed anywhere and resumed computes the same numbers as one left alone, bit for bit on a CPU.

It shows progress and time left, writes a line of JSON every few seconds, keeps an exponential moving average of the
weights (what is exported), saves the whole state, stops at a NaN, and ends cleanly at a time limit or Ctrl-C. A recipe
calls it through its stages (stages.py). Many processes may run it together on the same batches (processes.py).
"""

import copy
import itertools
import json
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from bozzetto.files import named
from bozzetto.training import checkpoint, processes
from bozzetto.training.muon import Muon
from bozzetto.training.rounding import rounded
from bozzetto.training.runs import LOG

STATE = "state.safetensors"

Network = TypeVar("Network", bound=nn.Module)
Loss = Callable[[Any, np.random.Generator, torch.Generator], dict[str, Tensor]]  # of the model and one step's chance


class TrainingStopped(RuntimeError):
    """Training cannot go on (a NaN, say); the message says where and what to do."""


class OutOfTime(TrainingStopped):
    """The time limit came before the end. All is saved: the same call goes on from here."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM came before the end. All is saved, as above."""


REASONS = ("SIGINT", "SIGTERM", "time limit")  # to stop before the end


@dataclass(frozen=True)
class TrainingSchedule:
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


def placed(model: Network, device: torch.device) -> Network:
    """The model, moved to the device in the memory layout that convolutions are quickest in."""
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types lack it


def fast_dtype(device: torch.device) -> torch.dtype:
    """bf16 where the machine computes it fast, fp32 elsewhere: on a CPU without bf16 units bf16 is 200 times slower."""
    return torch.bfloat16 if device.type == "cuda" or torch.cpu._is_avx512_bf16_supported() else torch.float32


def autocast(device: torch.device) -> torch.autocast:
    """Compute in `fast_dtype`; the weights stay fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=fast_dtype(device) == torch.bfloat16)


def make_optimizers(model: nn.Module, schedule: TrainingSchedule, device: torch.device) -> list[torch.optim.Optimizer]:
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
    ours: list[Tensor] = list(average.parameters())
    torch._foreach_lerp_(ours, list[Tensor](model.parameters()), 1 - decay)
    for mean, now in zip(average.buffers(), model.buffers(), strict=True):
        mean.copy_(now)


def snapshot(out: Path, steps: int) -> Path:
    """Where a run keeps the averaged weights it had after so many steps."""
    return out / f"after-{steps}.safetensors"


def fit(
    model: nn.Module,
    loss: Loss,
    schedule: TrainingSchedule,
    out: Path,
    *,
    seed: int = 0,
    deadline: float = math.inf,
    recipe: dict | None = None,
    save_every: float = 120,
    keep: Collection[int] = (),
    prepare: Callable[[int], None] | None = None,
    watch: Callable[[dict[str, Any]], None] | None = None,
) -> nn.Module:
    """Train `model` in place and return the moving average of its weights.

    loss: given the model and one step's rng and generator, draws a batch and computes a dict of scalars; "loss" is
        minimised, the others are logged. It runs under autocast.
    out: folder of the stage: state.safetensors (resumed if there; when it is finished nothing is trained or written),
        log.jsonl.
    deadline: in time.monotonic(): stop (and save) then, after one step at least; the learning rate follows the steps,
        so the stage can be resumed.
    recipe: what a resumed stage must agree with beside seed and schedule.
    keep: after these numbers of steps the averaged weights are written to `snapshot(out, steps)`, in fp16.
    prepare: called with the number of each step before its loss: for data that change as training goes on.
    watch: is told each line of the log.
    Raises OutOfTime at the deadline and Interrupted after Ctrl-C, the state saved in both cases, TrainingStopped at a
    loss that is not finite or when another process of the training is gone, InvalidInput when the folder holds another
    stage, OSError when it cannot be written.
    """
    leads = processes.leads()
    if leads:
        out.mkdir(parents=True, exist_ok=True)
    device = next(model.parameters()).device
    processes.equalised(list(model.state_dict().values()))
    average = copy.deepcopy(model).requires_grad_(False)
    optimizers = make_optimizers(model, schedule, device)
    recipe = {"seed": seed, **vars(schedule), **(recipe or {})}
    state = out / STATE
    exists = state.exists()
    start = checkpoint.load(state, model, average, optimizers, recipe) if exists else 0
    processes.agree(recipe | {"step": start})
    if start == schedule.steps and exists:
        return average

    asked = stop_reason = ""  # what this process was asked to stop by, and why all of them do

    def ask_to_stop(signum: int, _frame: object) -> None:
        nonlocal asked
        asked = signal.Signals(signum).name

    # In another thread, as Ray has it, Python lets nobody listen to signals.
    heard = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    previous = {s: signal.signal(s, ask_to_stop) for s in heard}
    opened = saved = logged = time.monotonic()
    logged_step = step = start
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}")
    try:
        shown = leads and sys.stderr is not None and sys.stderr.isatty()
        with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not shown) as bar:
            task = bar.add_task(out.name, total=schedule.steps, completed=start, note="")
            while step < schedule.steps and not stop_reason:
                rate = schedule.learning_rate_at(step)
                for group in [group for optimizer in optimizers for group in optimizer.param_groups]:
                    group["lr"] = rate
                rng, generator = step_randomness(seed, step, device)
                model.zero_grad(set_to_none=True)
                if prepare:
                    prepare(step)
                with rounded(model) if schedule.rounding else nullcontext():
                    with autocast(device):
                        values = loss(model, rng, generator)
                    values["loss"].backward()
                asked = asked or processes.told_to_stop()
                if time.monotonic() > deadline:
                    asked = asked or REASONS[-1]
                values, stop_reason = _shared(model, values, asked)
                norm = nn.utils.clip_grad_norm_(model.parameters(), schedule.clip)
                if not torch.isfinite(norm):
                    raise TrainingStopped(
                        f"the loss or its gradient is not finite at step {step}: lower the learning rate; "
                        f"the last good state is in {state}"
                    )
                for optimizer in optimizers:
                    optimizer.step()
                step += 1
                update_average(average, model, min(schedule.ema, step / (step + 9)))
                if step in keep and leads:
                    half = {name: tensor.half() for name, tensor in average.state_dict().items()}
                    checkpoint.write_tensors(half, snapshot(out, step), {"step": str(step)})

                now = time.monotonic()
                if leads and (now - logged > 5 or step == schedule.steps or step == start + 1):
                    pictures = schedule.batch_size * (step - logged_step) / max(now - logged, 1e-9)
                    line = {name: float(value) for name, value in values.items()}
                    line |= {"step": step, "lr": rate, "pictures_per_second": pictures, "seconds": now - opened}
                    short: dict[str, Any] = {name: round(value, 6) for name, value in line.items()}
                    short |= {"steps": schedule.steps, "batch_size": schedule.batch_size, "device": device.type}
                    with named(out / LOG), open(out / LOG, "a", encoding="utf-8") as log:
                        log.write(json.dumps(short) + "\n")
                    if watch:
                        watch(short)
                    bar.update(task, note=f"loss {line['loss']:.4f}  {pictures:.0f} pictures/s")
                    logged, logged_step = now, step
                bar.update(task, completed=step)
                if leads and now - saved > save_every:
                    checkpoint.save(state, model, average, optimizers, step, recipe)
                    saved = now
        if leads:
            checkpoint.save(state, model, average, optimizers, step, recipe)
        processes.wait()  # a launcher ends all processes as soon as one has ended
    except processes.ProcessLost as error:
        why = f"{error}, at step {step} of {schedule.steps}"
        raise TrainingStopped(f"{why}: the same command goes on from what was last saved in {out}") from error
    finally:
        for s, handler in previous.items():
            signal.signal(s, handler)
    if processes.part()[1] == 1:
        stop_reason = stop_reason or asked  # it may have come while the last step was saved
    message = f"stopped at step {step} of {schedule.steps} ({stop_reason}), and all is saved"
    if stop_reason.startswith("SIG"):
        raise Interrupted(message)  # now that the state is safe: no later stage may begin
    if step < schedule.steps:
        raise OutOfTime(message)
    return average


def _shared(model: nn.Module, values: dict[str, Tensor], asked: str) -> tuple[dict[str, Tensor], str]:
    """Average the gradients of all processes in place; -> the losses too, and why to stop, if one was asked to."""
    alone = {name: value.detach() for name, value in values.items()}
    if processes.part()[1] == 1:
        return alone, asked
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    votes = [torch.tensor(float(asked == reason), device=values["loss"].device) for reason in REASONS]
    numbers = processes.averaged(gradients, torch.stack([*(value.float() for value in alone.values()), *votes]))
    reasons = itertools.compress(REASONS, numbers[-len(REASONS) :].tolist())
    return dict(zip(alone, numbers, strict=False)), next(reasons, "")
