"""Training pictures a second beside the trainer of diffusers, for networks of the same size, in one run.

    python benchmarks/trainers.py --seconds 20

Needs data/world.parquet and `pip install diffusers`. A peer's step is that of its example scripts (AdamW, gradients
clipped, an average of the weights) on tensors that are there already, in the precision and with the batch that are
faster for it: the sixteen of its scripts, or 64. Ours is the whole loop of the recipe: pictures are made for each step,
and for text-to-image scenes are drawn and encoded. The two take turns; the rate is that of the best turn.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.training import plan, recipes
from bozzetto.training.stages import with_steps
from bozzetto.world.dataset import load_world
from fashion import count, diffusers_unet, faster_precision, reduced, write_json

BATCHES = (16, 64)
Loss = Callable[[nn.Module, int], Tensor]


def autoencoder(width: int) -> nn.Module:
    """AutoencoderKL from 4 x 64 x 64 to 8 x 16 x 16."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        in_channels=4,
        out_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(width, 2 * width, 2 * width),
        latent_channels=8,
        norm_num_groups=8,
        sample_size=64,
    )


def autoencoder_loss(model: nn.Module, size: int) -> Tensor:
    """examples/vae: squared error and divergence, without its perceptual and adversarial losses."""
    pixels = torch.rand(size, 4, 64, 64)
    posterior = model.encode(pixels).latent_dist
    drawn = model.decode(posterior.sample()).sample
    return F.mse_loss(drawn.float(), pixels) + 1e-6 * posterior.kl().mean()


def denoiser(width: int) -> nn.Module:
    """UNet2DConditionModel on 8 x 16 x 16, that reads 24 hidden states of 192."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=16,
        in_channels=8,
        out_channels=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(width, 2 * width),
        layers_per_block=2,
        cross_attention_dim=192,
        norm_num_groups=8,
        attention_head_dim=8,
    )


def _noise_error(model: nn.Module, clean: Tensor, **condition: Tensor) -> Tensor:
    from diffusers import DDPMScheduler

    noise, t = torch.randn_like(clean), torch.randint(0, 1000, (len(clean),))
    noisy = DDPMScheduler(num_train_timesteps=1000).add_noise(clean, noise, t)
    return F.mse_loss(model(noisy, t, **condition).sample.float(), noise)


def denoiser_loss(model: nn.Module, size: int) -> Tensor:
    """examples/text_to_image, of latents and hidden states that are there already."""
    return _noise_error(model, torch.randn(size, 8, 16, 16), encoder_hidden_states=torch.randn(size, 24, 192))


def pixel_loss(model: nn.Module, size: int) -> Tensor:
    """examples/unconditional_image_generation, with labels."""
    labels = torch.randint(0, 10, (size,))
    return _noise_error(model, torch.randn(size, 1, 32, 32), class_labels=labels)


PEERS: dict[str, tuple[str, Callable[[int], nn.Module], Loss]] = {
    "diffusion": ("fit", diffusers_unet, pixel_loss),
    "autoencoder": ("whole", autoencoder, autoencoder_loss),
    "text-to-image": ("fit", denoiser, denoiser_loss),
}


class Peer:
    """A network of diffusers of about so many weights, in training."""

    def __init__(self, build: Callable[[int], nn.Module], loss: Loss, weights: int):
        from diffusers.training_utils import EMAModel

        def distance(width: int) -> float:
            with torch.device("meta"):
                return abs(count(build(width)) - weights)

        torch.manual_seed(0)
        self.model = build(min(range(16, 201, 8), key=distance)).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6)
        self.average = EMAModel(self.model.parameters(), decay=0.9999, use_ema_warmup=True)
        self.loss = loss
        tried = {size: faster_precision(partial(self.step, size)) for size in BATCHES}
        self.size = max(BATCHES, key=lambda size: size / tried[size][1])
        self.half = tried[self.size][0]

    def step(self, size: int) -> None:
        self.loss(self.model, size).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.step(self.model.parameters())

    def rate(self, seconds: float) -> float:
        began, steps = time.perf_counter(), 0
        with reduced(self.half):
            while time.perf_counter() - began < seconds:
                self.step(self.size)
                steps += 1
        return steps * self.size / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="of a turn")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/trainers.json"))
    args = parser.parse_args()
    world, rows = load_world(), {}
    for name, (stage, build, loss) in PEERS.items():
        recipe = recipes.find(name)
        budget = with_steps(recipe.budgets["cpu"], 10**6)
        source = recipe.source("emoji") if name == "diffusion" else world
        ours, theirs, peer = list[float](), list[float](), None
        for _ in range(args.turns):
            costs, _ = plan.measure(recipe, source, budget, args.seconds)
            cost = next(cost for cost in costs if cost.stage == stage)
            ours.append(cost.rate)
            peer = peer or Peer(build, loss, cost.weights)
            theirs.append(peer.rate(args.seconds))
        rows[name] = {
            "weights": cost.weights,
            "batch": cost.batch_size,
            "pictures_per_second": round(max(ours), 1),
            "peer": {
                "weights": count(peer.model),
                "batch": peer.size,
                "precision": "bf16" if peer.half else "fp32",
                "pictures_per_second": round(max(theirs), 1),
            },
            "ratio": round(max(ours) / max(theirs), 2),
        }
        print(name, json.dumps(rows[name]), flush=True)
    command = f"python benchmarks/trainers.py --seconds {args.seconds:g} --turns {args.turns}"
    machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    write_json({"command": command, **machine, "threads": torch.get_num_threads(), "recipes": rows}, args.out)


if __name__ == "__main__":
    main()
