"""Fashion-MNIST: our makers and their peers on the same pictures, for the same minutes, on the same machine.

    python benchmarks/fashion.py --minutes 10 --samples 10000 --steps 20 --out benchmarks/results/fashion.json

Every contestant learns from the 60,000 training pictures and their labels, unmirrored, for the same wall-clock minutes
and with the same threads, and draws the same number of pictures of every class, without guidance. The diffusion
contestants have about the parameters of ours, and call their network as often as ours does, each with the sampler of
its own library. The peers keep their published recipes; what is changed is listed in `PEERS`. Each takes bf16 where
that trains it faster. Our rounding to four bits is left out, since nobody else compresses.

Distances are measured in two named feature nets (see fashion_features.py), against as many training pictures
and test pictures as were drawn, beside the floor: real test pictures against real training pictures at the same n.
They are no Inception FIDs. What is done lies in --runs, and the same command goes on from there. Peers need
`pip install diffusers`, `pip install --no-deps smalldiffusion` and `pip install einops`.
"""

import argparse
import copy
import json
import math
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from bozzetto.diffusion import samplers, schedule
from bozzetto.files import write_atomically
from bozzetto.metrics.coverage import coverage_metrics
from bozzetto.metrics.frechet import Estimate, bootstrap_interval, frechet_distance
from bozzetto.models.diffusion import DiffusionConfig, PixelDenoiser
from bozzetto.models.vae import VaeConfig
from bozzetto.pictures import sheet
from bozzetto.training import data, loop
from bozzetto.training.checkpoint import write_tensors
from bozzetto.training.data import Pictures
from bozzetto.training.export import read_weights
from bozzetto.training.loop import TrainingSchedule
from bozzetto.training.recipes import diffusion, gan, vae
from bozzetto.training.stages import FINAL, Run
from distances import kernel_distance
from fashion_features import NETS, fashion_features

TRIAL = 24  # steps that tell how many fit into the minutes
CHUNK = 250  # pictures drawn together
REPLICATES = 20  # of the bootstrap
STUDY = 0.2  # share of the GAN's minutes in which both players study before the game
SECOND_STAGE = 0.2  # share of the VAE's minutes that goes to the sampler of its latents
OURS = "ours/diffusion"  # which the peers are compared with
GANS = ("ours/gan", "ours/gan, seed 1", "ours/gan, seed 2")  # does it collapse with other luck?
BUDGET = "cpu"

Draw = Callable[[Tensor, int], Tensor]
"""draw(label int64 [B] from 0, seed) -> pixels float [B,1,32,32] in [-1, 1]."""


@dataclass(frozen=True)
class Task:
    pictures: Pictures
    minutes: float
    steps: int  # evaluations of the network in sampling
    runs: Path

    def run(self, name: str) -> Path:
        return self.runs / name.replace("/", "-").replace(", ", "-").replace(" ", "-")


@dataclass(frozen=True)
class Trained:
    """A contestant after training: how it draws, and what that cost."""

    draw: Draw
    parameters: int  # of all that is needed to draw
    pictures: int  # seen in training
    seconds: float
    evaluations: int
    precision: str
    notes: str = ""


def count(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters() if parameter.requires_grad)


def write_json(content: dict, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(content, indent=2) + "\n")


def last_lines(log: Path) -> list[dict]:
    """The last line of each stretch of a run: a resumed run starts its clock again."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [a for a, b in zip(lines, [*lines[1:], {"seconds": 0}], strict=True) if b["seconds"] < a["seconds"]]


# ---------------------------------------------------------------- ours: the recipes as they are


def fitting(
    planned: TrainingSchedule, minutes: float, run: Run, stage: str, train: Callable[[TrainingSchedule, Run], nn.Module]
) -> tuple[nn.Module, int, float]:
    """Train a stage of a run with as many steps as fit into the minutes: what `train` returned, pictures seen and
    seconds spent.

    train(schedule, run) trains or goes on. How many steps fit is tried out once and kept beside the stage.
    """
    plan = run.out / f"{stage}.json"
    if not plan.exists():
        with tempfile.TemporaryDirectory() as folder:
            train(replace(planned, steps=TRIAL), replace(run, out=Path(folder), finished=dict(run.finished)))
            rate = last_lines(Path(folder) / stage / loop.LOG)[-1]["pictures_per_second"]
        write_json({"steps": max(1, int(60 * minutes * rate / planned.batch_size))}, plan)
    fitted = replace(planned, steps=json.loads(plan.read_text())["steps"])
    average = train(fitted, run)
    ends = last_lines(run.out / stage / loop.LOG)
    return average, ends[-1]["step"] * fitted.batch_size, sum(end["seconds"] for end in ends)


def precision() -> str:
    return "bf16" if loop.fast_dtype(loop.pick_device()) == torch.bfloat16 else "fp32"


def seeded(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def ours_diffusion(task: Task) -> Trained:
    budget = diffusion.BUDGETS[BUDGET]

    def train(planned: TrainingSchedule, run: Run) -> nn.Module:
        whole = replace(budget, fit=planned, rounded=replace(budget.rounded, steps=0))
        return diffusion.learn(task.pictures, whole, run)

    model, pictures, seconds = fitting(budget.fit, task.minutes, Run(task.run(OURS)), "fit", train)
    model = model.eval().to(memory_format=torch.channels_last)

    def draw(label: Tensor, seed: int) -> Tensor:
        def denoise(x: Tensor, t: float) -> Tensor:
            return model(x, torch.full((len(x),), t), label + 1)

        return samplers.dpmpp_2m(denoise, seeded((len(label), 1, 32, 32), seed), schedule.flow(task.steps))

    return Trained(draw, count(model), pictures, seconds, task.steps, precision(), "DPM-Solver++(2M), flow schedule")


def ours_gan(task: Task, seed: int) -> Trained:
    budget, run = gan.BUDGETS[BUDGET], Run(task.run(GANS[seed]), seed)

    def pretrain(planned: TrainingSchedule, run: Run) -> nn.Module:
        players = gan.build_model(task.pictures, seed)
        gan.pretrain(task.pictures, players, replace(budget, pretraining=planned), run)
        return players

    def play(planned: TrainingSchedule, run: Run) -> nn.Module:
        return gan.play_against(task.pictures, copy.deepcopy(players), replace(budget, adversarial=planned), run)

    players, learned, before = fitting(budget.pretraining, task.minutes * STUDY, run, "pretraining", pretrain)
    model, pictures, seconds = fitting(budget.adversarial, task.minutes * (1 - STUDY), run, gan.ADVERSARIAL, play)
    generator, config = model.generator.eval(), model.config

    def draw(label: Tensor, seed: int) -> Tensor:
        return generator(seeded((len(label), config.noise_size), seed), label + 1)

    note = f"after a study of {learned} pictures"
    return Trained(draw, count(generator), pictures, before + seconds, 1, precision(), note)


def ours_vae(task: Task, second_stage: bool) -> Trained:
    """Both VAE contestants draw with one run, in which the sampler of the latents has its share of the minutes."""
    budget, run = vae.BUDGETS[BUDGET], Run(task.run("ours/vae"))
    config = VaeConfig(1, budget.latent_size, budget.widths, tuple(task.pictures.classes))

    def train_good(planned: TrainingSchedule, run: Run) -> nn.Module:
        return vae.train_vae(task.pictures, config, planned, run, "good")

    def train_sampler(planned: TrainingSchedule, run: Run) -> nn.Module:
        return vae.train_sampler(model, task.pictures, planned, budget.drop_label, run)

    model, pictures, seconds = fitting(budget.good, task.minutes * (1 - SECOND_STAGE), run, "good", train_good)
    sampler, seen, spent = fitting(budget.sampler, task.minutes * SECOND_STAGE, run, "sampler", train_sampler)
    model.eval()
    sampler.eval()

    def draw(label: Tensor, seed: int) -> Tensor:
        latents = seeded((len(label), config.latent_size), seed)
        if second_stage:

            def denoise(z: Tensor, t: float) -> Tensor:
                return sampler(z, torch.full((len(z),), t), label + 1)

            standard = samplers.dpmpp_2m(denoise, latents, schedule.flow(task.steps))
            latents = model.latent_mean + model.latent_std * standard
        return model.decoder(latents)

    if second_stage:
        note, parameters = f"and {seen} latents seen by the sampler", count(model.decoder, sampler)
        return Trained(draw, parameters, pictures, seconds + spent, task.steps, precision(), note)
    return Trained(draw, count(model.decoder), pictures, seconds, 1, precision(), "latents from N(0, 1)")


# ---------------------------------------------------------------- the peers: their code, their recipes


PEERS = {
    "diffusers": "examples/unconditional_image_generation with its labels option of UNet2DModel; 4 levels from 32 px; "
    "the cosine ends with the minutes; no mirroring; DPMSolverMultistepScheduler",
    "smalldiffusion/unet": "examples/fashion_mnist_unet.py with labels as in fashion_mnist_dit_cond.py, at its 28 px; "
    "batch 128, not 1024, which would be a few steps; no mirroring; its sampler with gam=1.6",
    "smalldiffusion/dit": "examples/fashion_mnist_dit_cond.py at its 28 px; batch 128, not 1024; no mirroring; its "
    "sampler with gam=1.6",
}


def wanted_parameters() -> int:
    """Those of our diffusion network on Fashion-MNIST."""
    config = DiffusionConfig(("",) * 10, channels=1, widths=diffusion.BUDGETS[BUDGET].widths)
    with torch.device("meta"):
        return count(PixelDenoiser(config))


def nearest_in_size(build: Callable[..., nn.Module], choices: list[tuple[int, ...]]) -> nn.Module:
    """The network, of those that `build` makes of a choice, whose parameters are nearest in number to ours."""

    def distance(choice: tuple[int, ...]) -> float:
        with torch.device("meta"):
            return abs(math.log(count(build(*choice)) / wanted_parameters()))

    torch.manual_seed(0)
    return build(*min(choices, key=distance))


def reduced(half: bool) -> torch.autocast:
    """Compute in bf16 or not. Without autocast's cache: while one context lasts, it would go on with the bf16 copies
    that it made of the first step's weights, whatever the optimizer does to them."""
    return torch.autocast("cpu", torch.bfloat16, enabled=half, cache_enabled=False)


def faster_precision(step: Callable[[], object]) -> tuple[bool, float]:
    """Whether training steps are faster in bf16, and the seconds of one; the network is changed by some steps."""
    best = {}
    for half in (False, True):
        if half and precision() == "fp32":
            continue
        times = []
        for _ in range(4):
            began = time.perf_counter()
            with reduced(half):
                step()
            times.append(time.perf_counter() - began)
        best[half] = min(times[1:])
    half = min(best, key=best.get)
    return half, best[half]


def trained_peer(
    name: str, model: nn.Module, task: Task, train: Callable[[nn.Module, Pictures, float], tuple[nn.Module, dict]]
) -> tuple[nn.Module, dict]:
    """The averaged network and what its training cost, from the run folder where it has been trained before."""
    run = task.run(name)
    if not (run / "cost.json").exists():
        average, cost = train(model, task.pictures, task.minutes)
        run.mkdir(parents=True, exist_ok=True)
        write_tensors(average.state_dict(), run / FINAL, {})
        write_json(cost, run / "cost.json")
    model.load_state_dict(read_weights(run / FINAL)[0])
    return model.eval(), json.loads((run / "cost.json").read_text())


def diffusers_unet(width: int) -> nn.Module:
    from diffusers import UNet2DModel

    return UNet2DModel(
        sample_size=32,
        in_channels=1,
        out_channels=1,
        layers_per_block=2,
        block_out_channels=(width, width, 2 * width, 2 * width),
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
        num_class_embeds=10,
    )


def train_diffusers(
    model: nn.Module, pictures: Pictures, minutes: float, batch_size: int = 16
) -> tuple[nn.Module, dict]:
    """AdamW 1e-4 with betas (0.95, 0.999), warm-up 500, cosine, noise prediction, EMA: the example's defaults."""
    from diffusers import DDPMScheduler
    from diffusers.optimization import get_cosine_schedule_with_warmup
    from diffusers.training_utils import EMAModel

    noising, rng = DDPMScheduler(num_train_timesteps=1000), np.random.default_rng(0)
    torch.manual_seed(0)

    def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        clean, label = pictures.batch(rng, batch_size)
        noise, t = torch.randn_like(clean), torch.randint(0, 1000, (batch_size,))
        predicted = model(noising.add_noise(clean, noise, t), t, class_labels=label - 1).sample
        F.mse_loss(predicted.float(), noise).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    def adamw(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8)

    spare = copy.deepcopy(model)
    half, seconds = faster_precision(partial(step, spare, adamw(spare)))
    model.train()
    optimizer = adamw(model)
    rate = get_cosine_schedule_with_warmup(optimizer, 500, max(501, int(60 * minutes / seconds)))
    average = EMAModel(model.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
    began, steps = time.perf_counter(), 0
    with reduced(half):
        while time.perf_counter() - began < 60 * minutes:
            step(model, optimizer)
            rate.step()
            average.step(model.parameters())
            steps += 1
    spent = time.perf_counter() - began
    average.copy_to(model.parameters())
    return model, {"pictures": steps * batch_size, "seconds": spent, "precision": "bf16" if half else "fp32"}


def peer_diffusers(task: Task) -> Trained:
    from diffusers import DPMSolverMultistepScheduler

    network = nearest_in_size(diffusers_unet, [(width,) for width in range(16, 129, 8)])
    model, cost = trained_peer("diffusers", network, task, train_diffusers)

    def draw(label: Tensor, seed: int) -> Tensor:
        solver = DPMSolverMultistepScheduler(num_train_timesteps=1000)
        solver.set_timesteps(task.steps)
        x = seeded((len(label), 1, 32, 32), seed) * solver.init_noise_sigma
        for t in solver.timesteps:
            x = solver.step(model(x, t, class_labels=label).sample.float(), t, x).prev_sample
        return x

    return Trained(draw, count(model), evaluations=task.steps, notes=PEERS["diffusers"], **cost)


class OneDevice:
    """What smalldiffusion asks of accelerate, on one CPU: nothing is moved or wrapped, so it costs no time."""

    device = torch.device("cpu")

    def prepare(self, *things: object) -> tuple[object, ...]:
        return things

    def backward(self, loss: Tensor) -> None:
        loss.backward()


def smalldiffusion() -> ModuleType:
    """The package. It imports torchvision to transform files and accelerate to use many devices. Where they are not
    installed, stand-ins that it never calls take their place: it is given tensors, and `OneDevice`."""
    import diffusers  # noqa: F401  (it asks whether these two are installed, and must not meet a stand-in)

    unused = dict.fromkeys(("Compose", "RandomHorizontalFlip", "ToTensor", "Lambda"), lambda *_: None)
    wanted = {"torchvision": {"transforms": SimpleNamespace(**unused)}, "accelerate": {"Accelerator": OneDevice}}
    missing = {name: ModuleType(name) for name in wanted if find_spec(name) is None}
    for name, module in missing.items():
        vars(module).update(wanted[name])
    sys.modules.update(missing)
    try:
        import smalldiffusion
    finally:
        for name in missing:
            del sys.modules[name]
    return smalldiffusion


def train_smalldiffusion(
    model: nn.Module,
    pictures: Pictures,
    minutes: float,
    noise_levels: Callable[[], object],
    learning_rate: float,
    ema: float,
    batch_size: int = 128,
) -> tuple[nn.Module, dict]:
    """Its `training_loop` (AdamW, a constant rate) with the moving average that its examples take."""
    package, rng = smalldiffusion(), np.random.default_rng(0)
    torch.manual_seed(0)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            pixels, label = pictures.batch(rng, batch_size)
            yield pixels[:, :, 2:30, 2:30], label - 1

    def training(model: nn.Module) -> Iterator[object]:
        return package.training_loop(
            batches(), model, noise_levels(), OneDevice(), epochs=1, lr=learning_rate, conditional=True
        )

    spare = training(copy.deepcopy(model))
    half, _ = faster_precision(lambda: next(spare))
    average = copy.deepcopy(model)
    began, steps = time.perf_counter(), 0
    with reduced(half):
        for _ in training(model):  # it pauses before each optimizer step, so the first pause has none behind it
            if steps:
                loop.update_average(average, model, min(ema, (1 + steps) / (10 + steps)))
            if time.perf_counter() - began > 60 * minutes:
                break
            steps += 1
    spent = time.perf_counter() - began
    return average, {"pictures": steps * batch_size, "seconds": spent, "precision": "bf16" if half else "fp32"}


def peer_smalldiffusion(task: Task, kind: str) -> Trained:
    package = smalldiffusion()

    def unet(width: int, blocks: int) -> nn.Module:
        labels = package.CondEmbedderLabel(4 * width, 10)
        sizes = {"ch": width, "ch_mult": (1, 1, 2), "attn_resolutions": (14,), "num_res_blocks": blocks}
        return package.Scaled(package.Unet)(28, 1, 1, cond_embed=labels, **sizes)

    def dit(heads: int) -> nn.Module:
        labels = package.CondEmbedderLabel(32 * heads, 10)
        sizes = {"patch_size": 2, "depth": 6, "head_dim": 32, "num_heads": heads, "mlp_ratio": 4.0}
        return package.DiT(in_dim=28, channels=1, cond_embed=labels, **sizes)

    if kind == "unet":
        network = nearest_in_size(unet, [(32, 1), (32, 2), (64, 1), (64, 2), (96, 2)])
        noise_levels = partial(package.ScheduleLogLinear, sigma_min=0.01, sigma_max=20, N=800)
        train = partial(train_smalldiffusion, noise_levels=noise_levels, learning_rate=7e-4, ema=0.999)
    else:
        network = nearest_in_size(dit, [(heads,) for heads in range(2, 13)])
        noise_levels = package.ScheduleDDPM
        train = partial(train_smalldiffusion, noise_levels=noise_levels, learning_rate=1e-3, ema=0.99)
    model, cost = trained_peer(f"smalldiffusion/{kind}", network, task, train)

    def draw(label: Tensor, seed: int) -> Tensor:
        torch.manual_seed(seed)
        sigmas = noise_levels().sample_sigmas(task.steps)
        *_, x = package.samples(model, sigmas, gam=1.6, batchsize=len(label), cond=label, accelerator=OneDevice())
        return F.pad(x.float(), (2, 2, 2, 2), value=-1.0)

    return Trained(draw, count(model), evaluations=task.steps, notes=PEERS[f"smalldiffusion/{kind}"], **cost)


CONTESTANTS: dict[str, Callable[[Task], Trained]] = {
    OURS: ours_diffusion,
    **{name: partial(ours_gan, seed=seed) for seed, name in enumerate(GANS)},
    "ours/vae": partial(ours_vae, second_stage=False),
    "ours/vae+second stage": partial(ours_vae, second_stage=True),
    "diffusers": peer_diffusers,
    "smalldiffusion/unet": partial(peer_smalldiffusion, kind="unet"),
    "smalldiffusion/dit": partial(peer_smalldiffusion, kind="dit"),
}


# ---------------------------------------------------------------- drawing and measuring


def balanced_labels(samples: int) -> Tensor:
    """int64 [samples]: the ten classes in turn."""
    return torch.arange(samples) % 10


@torch.no_grad()
def draw_all(trained: Trained, samples: int) -> tuple[np.ndarray, float]:
    """Pictures uint8 [samples,32,32,1], and milliseconds a picture. Part k is drawn with seed k."""
    parts, began = [], time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=trained.precision == "bf16"):
        for seed, label in enumerate(balanced_labels(samples).split(CHUNK)):
            pixels = trained.draw(label, seed).float()
            parts.append(((pixels + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())
    return np.concatenate(parts), 1000 * (time.perf_counter() - began) / samples


def made(name: str, task: Task, samples: int) -> tuple[dict, np.ndarray]:
    """Train and draw, or read what an earlier run of this benchmark left."""
    run = task.run(name)
    facts = run / "facts.json"
    if not facts.exists():
        load = os.getloadavg()[0]
        trained = CONTESTANTS[name](task)
        pictures, milliseconds = draw_all(trained, samples)
        run.mkdir(parents=True, exist_ok=True)
        np.save(run / "samples.npy", pictures)
        row = {key: value for key, value in asdict(replace(trained, draw=None)).items() if key != "draw"}
        row["pictures_per_second"] = trained.pictures / trained.seconds
        row |= {"milliseconds_a_picture": milliseconds, "load_before": load}
        write_json(row, facts)
    return json.loads(facts.read_text()), np.load(run / "samples.npy", allow_pickle=False)


def save_sheet(pictures: np.ndarray, path: Path, columns: int = 20, rows: int = 5) -> None:
    """Columns are classes in turn: the first pictures that were drawn, not chosen ones."""
    images = [Image.fromarray(picture[..., 0]) for picture in pictures[: columns * rows]]
    sheet(images, columns).save(path)


def estimate(value: Estimate) -> dict[str, float]:
    return {"value": value.value, "low": value.low, "high": value.high}


def measure(features: np.ndarray, train: np.ndarray, test: np.ndarray) -> dict:
    """All metrics of one set of features [n,d] against as many of real pictures; precision and so on against test."""
    row = {}
    for name, real in (("train", train), ("test", test)):
        distance = bootstrap_interval(frechet_distance, real, features, REPLICATES)
        row[name] = {"frechet": estimate(distance), "kernel": kernel_distance(real, features)}
    shares = coverage_metrics(test, features)
    row |= {key: getattr(shares, key) for key in ("precision", "recall", "density", "coverage")}
    return row


def measured(run: Path, pictures: np.ndarray, references: dict[str, dict[str, np.ndarray]]) -> dict:
    """The metrics in every feature net, kept in the run folder."""
    path = run / "metrics.json"
    scores = json.loads(path.read_text()) if path.exists() else {}
    for net in NETS:
        if net not in scores:
            reference = references[net]
            scores[net] = measure(fashion_features(pictures, net), reference["train"], reference["test"])
            write_json(scores, path)
    return scores


def real_features(task: Task, samples: int) -> dict[str, dict[str, np.ndarray]]:
    """Features, by net, of as many real pictures of each split, drawn at random. Kept in the run folder."""
    rng, features = np.random.default_rng(0), {net: {} for net in NETS}
    for name, pictures in (("train", task.pictures), ("test", data.fashion("test"))):
        if samples > len(pictures):
            raise SystemExit(f"--samples must be at most {len(pictures)}, the pictures of the {name} split")
        chosen = pictures.images[rng.permutation(len(pictures))[:samples]]
        for net in NETS:
            path = task.runs / f"real-{name}-{net.replace(' ', '-')}.npy"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, fashion_features(chosen, net))
            features[net][name] = np.load(path, allow_pickle=False)
    return features


def floors(features: dict[str, dict[str, np.ndarray]]) -> dict:
    """Real test pictures in the place of drawn ones, by net: no maker can be asked for better."""
    return {
        net: {
            "frechet": estimate(bootstrap_interval(frechet_distance, both["train"], both["test"], REPLICATES)),
            "kernel": kernel_distance(both["train"], both["test"]),
            "coverage": coverage_metrics(both["train"], both["test"]).coverage,
        }
        for net, both in features.items()
    }


def ratios(contestants: dict[str, dict]) -> dict:
    """Each peer against our diffusion: training pictures a second (ours over theirs) and distances (theirs over ours);
    above 1 is in our favour."""
    if OURS not in contestants:
        return {}
    ours = contestants[OURS]
    return {
        name: {
            "training_speed": ours["pictures_per_second"] / row["pictures_per_second"],
            "sampling_speed": row["milliseconds_a_picture"] / ours["milliseconds_a_picture"],
            "frechet": {
                net: row["metrics"][net]["train"]["frechet"]["value"]
                / ours["metrics"][net]["train"]["frechet"]["value"]
                for net in NETS
            },
        }
        for name, row in contestants.items()
        if name in PEERS
    }


def table(report: dict) -> Table:
    shown = Table(title=f"Fashion-MNIST, {report['minutes']:g} minutes each, n = {report['samples']}")
    for column in ("", "parameters", "pictures/s", "ms/picture", *(f"Frechet\n{net}" for net in NETS)):
        shown.add_column(column)
    for column in ("precision", "recall", "coverage"):
        shown.add_column(f"{column}\n{NETS[0]}")

    def interval(score: dict[str, float]) -> str:
        return f"{score['value']:.3g} [{score['low']:.3g}, {score['high']:.3g}]"

    for name, row in report["contestants"].items():
        scores = row["metrics"]
        shown.add_row(
            name,
            f"{row['parameters'] / 1e6:.2f} M",
            f"{row['pictures_per_second']:.0f}",
            f"{row['milliseconds_a_picture']:.1f}",
            *(interval(scores[net]["train"]["frechet"]) for net in NETS),
            *(f"{scores[NETS[0]][key]:.3f}" for key in ("precision", "recall", "coverage")),
        )
    floor = report["floor"]
    shown.add_row("real test pictures", "", "", "", *(interval(floor[net]["frechet"]) for net in NETS))
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="of training for each contestant")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=20, help="evaluations of the network for a picture")
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS), metavar="NAME")
    parser.add_argument("--runs", type=Path, default=Path("runs/fashion"), help="folder for what is trained and drawn")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/fashion.json"))
    args = parser.parse_args()

    plan = {"minutes": args.minutes, "samples": args.samples, "steps": args.steps}
    kept = args.runs / "plan.json"
    if kept.exists() and json.loads(kept.read_text()) != plan:
        raise SystemExit(f"{args.runs} holds a benchmark with {kept.read_text().strip()}: choose another --runs folder")
    write_json(plan, kept)
    task = Task(data.fashion("train"), args.minutes, args.steps, args.runs)
    features = real_features(task, args.samples)
    contestants = {}
    for name in args.contestants:
        row, pictures = made(name, task, args.samples)
        save_sheet(pictures, task.run(name) / "samples.png")
        contestants[name] = row | {"metrics": measured(task.run(name), pictures, features)}
        print(name, "done", file=sys.stderr)
    report = {
        "command": f"python benchmarks/fashion.py --minutes {args.minutes:g} --samples {args.samples} "
        f"--steps {args.steps}",
        **plan,
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "feature_nets": list(NETS),
        "floor": floors(features),
        "contestants": contestants,
        "ratios": ratios(contestants),
    }
    write_json(report, args.out)
    Console(width=150).print(table(report))
    print(json.dumps(report["ratios"], indent=2))


if __name__ == "__main__":
    main()
