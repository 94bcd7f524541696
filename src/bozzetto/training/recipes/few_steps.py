"""Recipe: the few-step student of the pixel denoiser, one network that draws in 1, 2, 4 or 8 steps.

It starts as a copy of its teacher, the trained denoiser, with one more input: until which time the next straight step
goes (see models/diffusion.py). It learns to jump along its teacher's own path, each jump from two of half the length:

    the short jumps, an eighth and a quarter of the path, from two steps of Heun's method with the teacher,
    the long ones, a half and the whole, from two jumps of its own

(Salimans & Ho 2022, progressive distillation, all halvings at once; Frans et al. 2024, shortcut models, eq. 5). The
teacher is followed with its guidance, so the student asks once where the teacher asks twice (Meng et al. 2023). Two
jumps from x_t to x_s equal one that aims at D = x_t - t (x_t - x_s) / (t - s), which is what it is asked for.
Drawing goes back after each jump (diffusion/few_steps.py), so it uses jumps of twice the step.
Of the published ways this needs neither derivatives of the network along the path nor a trained critic.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from bozzetto.diffusion import JUMPS
from bozzetto.errors import InvalidInput
from bozzetto.models.denoiser import Denoiser
from bozzetto.models.diffusion import DiffusionConfig, PixelDenoiser
from bozzetto.models.layers import zero_init
from bozzetto.training.data import Pictures
from bozzetto.training.export import read_final
from bozzetto.training.loop import TrainingSchedule, pick_device, placed
from bozzetto.training.processes import ours
from bozzetto.training.recipe import Recipe
from bozzetto.training.recipes import diffusion
from bozzetto.training.stages import Run, Stage

Network = TypeVar("Network", PixelDenoiser, Denoiser)
Denoise = Callable[[Tensor, Tensor], Tensor]  # x_t [B,C,32,32] and t [B] -> clean
Jump = Callable[[Tensor, Tensor, Tensor], Tensor]  # x_t, t and until [B] -> the picture to aim at


@dataclass(frozen=True)
class Budget:
    fit: TrainingSchedule
    drop_label: float = 0.1
    guidance_scale: float = 2.0  # of the teacher where there is a class; the student has it built in
    short: float = 0.6  # the share of the batch that learns the short jumps


schedule = partial(TrainingSchedule, warmup=50, betas=(0.9, 0.95), ema=0.995, muon=True, rounding=True)
BUDGETS = {
    "smoke": Budget(schedule(60, 16, 2e-3, warmup=5, ema=0.9)),
    "cpu": Budget(schedule(1800, 128, 6e-4)),
    "gpu": Budget(schedule(15_000, 512, 5e-4, ema=0.999)),
}
EXPECTED = {
    "smoke": "the loss falls",
    "cpu": "one step already shows the thing, four are nearly as good as the teacher's fifty",
    "gpu": "four steps as good as the teacher's fifty",
}


def copy_of(teacher: Network) -> Network:
    """A student that answers as its teacher does, wherever the next step goes."""
    student = type(teacher)(replace(teacher.config, jumps=True))
    student.load_state_dict(teacher.state_dict(), strict=False)
    assert student.until is not None
    zero_init(student.until.second)
    return student


def move(x: Tensor, clean: Tensor, t: Tensor, until: Tensor) -> Tensor:
    """One straight step from t to until, aimed at `clean`: x + (until - t) (x - clean) / t."""
    return x + ((until - t) / t)[:, None, None, None] * (x - clean)


def heun_step(denoise: Denoise, x: Tensor, t: Tensor, until: Tensor) -> Tensor:
    """Heun's step (Karras et al. 2022, algorithm 1) of every picture from its own t to its own until, which may be 0:
    there the last bit of noise is removed in a straight line."""
    first = denoise(x, t)
    ahead = move(x, first, t, until)
    second = denoise(ahead, until.clamp(min=1e-3))
    # The mean of the two velocities (x - D) / t, both taken as aims seen from x.
    safe = until.clamp(min=1e-3)[:, None, None, None]
    velocity = ((x - first) / t[:, None, None, None] + (ahead - second) / safe) / 2
    both = x + (until - t)[:, None, None, None] * velocity
    return torch.where((until > 0)[:, None, None, None], both, ahead)


def aim(x: Tensor, t: Tensor, until: Tensor, there: Tensor) -> Tensor:
    """The picture at which one straight step must aim to come from x at t to `there` at until."""
    return x - (t / (t - until))[:, None, None, None] * (x - there)


@torch.no_grad()
def targets(teacher: Denoise, student: Jump, x: Tensor, t: Tensor, jumps: Tensor, short: int) -> Tensor:
    """What to aim at. x at t [B], jumps [B] of JUMPS; the first `short` pictures have short jumps."""
    half, until = t - 0.5 / jumps, t - 1 / jumps
    there = heun_step(teacher, x[:short], t[:short], half[:short])
    there = heun_step(teacher, there, half[:short], until[:short])
    x2, t2, half2, until2 = x[short:], t[short:], half[short:], until[short:]
    middle = move(x2, student(x2, t2, half2), t2, half2)
    far = move(middle, student(middle, half2, until2), half2, until2)
    return aim(x, t, until, torch.cat([there, far]))


def error(found: Tensor, goal: Tensor, t: Tensor, jumps: Tensor) -> dict[str, Tensor]:
    """The squared error of the average velocity, of all jumps ("loss") and of each kind."""
    squared = ((found - goal) / t[:, None, None, None]).square().mean((1, 2, 3))
    of = {n: squared.detach()[jumps == n] for n in JUMPS}
    return {"loss": squared.mean()} | {f"jumps_{n}": one.sum() / max(1, len(one)) for n, one in of.items()}


def draw_times(count: int, short: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """The jumps [count], the first `short` of them short ones, and the time t [count] where each starts."""
    jumps = np.concatenate([rng.choice(JUMPS[2:], short), rng.choice(JUMPS[:2], count - short)])
    start = np.floor(rng.random(count) * jumps) + 1  # 1 .. jumps
    return torch.from_numpy(jumps.astype(np.float32)), torch.from_numpy((start / jumps).astype(np.float32))


def loss(
    model: PixelDenoiser | Denoiser,
    teacher: PixelDenoiser | Denoiser,
    clean: Tensor,
    condition: tuple[Tensor, ...],
    nothing: tuple[Tensor, ...],
    scale: float,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """The error of a batch of jumps, short ones for as many pictures as `nothing` has rows.

    condition: what both networks take beside x and t; nothing: the same of no class or words; scale: of guidance.
    """
    noise = torch.randn(clean.shape, generator=generator, device=clean.device)
    jumps, t = (values.to(clean.device) for values in draw_times(len(clean), len(nothing[0]), rng))
    clean, noise, jumps, t = ours(clean, noise, jumps, t)
    condition, nothing = ours(*condition), ours(*nothing)
    short = len(nothing[0])
    x = (1 - t[:, None, None, None]) * clean + t[:, None, None, None] * noise
    early, late = (tuple(part[rows] for part in condition) for rows in (slice(short), slice(short, None)))

    def guided(x: Tensor, t: Tensor) -> Tensor:
        without = teacher(x, t, *nothing)
        return without + scale * (teacher(x, t, *early) - without)

    goal = targets(guided, lambda x, t, until: model(x, t, *late, until), x, t, jumps, short)
    return error(model(x, t, *condition, t - 1 / jumps), goal, t, jumps)


def learn(pictures: Pictures, budget: Budget, run: Run, start: Path) -> PixelDenoiser:
    """Train and return the averaged student. start: the folder of its teacher, a finished run of diffusion."""
    device = pick_device()
    torch.manual_seed(run.seed)
    trained, _ = read_final(start, PixelDenoiser, DiffusionConfig)
    if (*trained.config.classes, trained.config.channels) != (*pictures.classes, pictures.images.shape[-1]):
        raise InvalidInput("teacher", f"{start} has learned other classes or colours: name a run with these pictures")
    trained = placed(trained, device).eval().requires_grad_(False)
    model = placed(copy_of(trained), device)

    def guided_loss(model: PixelDenoiser, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        pixels, label = pictures.batch(rng, budget.fit.batch_size, device, budget.drop_label)
        nothing = torch.zeros_like(label[: round(len(label) * budget.short)])
        return loss(model, trained, pixels, (label,), (nothing,), budget.guidance_scale, rng, generator)

    recipe = {"model": asdict(replace(model.config, classes=()))}
    return run.train(Stage("fit", model, guided_loss, budget.fit, recipe))


export = partial(diffusion.export, name="few_steps")
RECIPE = Recipe("few-steps", learn, export, BUDGETS, EXPECTED)
