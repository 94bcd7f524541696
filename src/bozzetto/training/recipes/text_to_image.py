"""Recipe: words to latents, on the picture world and its scenes.

The autoencoder and CLIP's text tower are taken ready from the weights folder and stay as they are. Every picture is
encoded once. A caption is dropped now and then, and so is the style, for classifier-free guidance (Ho & Salimans
2022). Last the denoiser learns to live with four bits a weight (`rounded`, see rounding.py).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bozzetto.models.autoencoder import AutoencoderConfig, Encoder
from bozzetto.models.clip import ClipConfig, TextTower
from bozzetto.models.denoiser import Denoiser, DenoiserConfig
from bozzetto.runtime import store
from bozzetto.runtime.text_to_image import LATENT_SHAPE
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.training import data
from bozzetto.training.data import Scenes, shortest
from bozzetto.training.export import Graph, export_folder, read_final, read_weights, sha256
from bozzetto.training.loop import Network, TrainingSchedule, pick_device, placed
from bozzetto.training.recipe import Recipe
from bozzetto.training.recipes.diffusion import sample_times
from bozzetto.training.rounding import restore
from bozzetto.training.stages import Run, Stage
from bozzetto.world.captions import caption
from bozzetto.world.dataset import World
from bozzetto.world.styles import STYLES, style_number


@dataclass(frozen=True)
class Budget:
    fit: TrainingSchedule
    rounded: TrainingSchedule
    scenes: int
    model: DenoiserConfig = field(default_factory=DenoiserConfig)
    wordings: int = 16  # captions of each picture
    scene_share: float = 0.2
    drop_words: float = 0.1
    drop_style: float = 0.3
    symbol_share: float = 0.2  # symbols and drawings of near-duplicates are kept this much rarer than core pictures


_schedule = partial(TrainingSchedule, betas=(0.9, 0.95))
BUDGETS = {
    "smoke": Budget(
        TrainingSchedule(80, 32, 3e-3, warmup=5, ema=0.9, muon=True),
        TrainingSchedule(10, 32, 1e-3, warmup=5, ema=0.9, muon=True, rounding=True),
        scenes=32,
        wordings=2,
    ),
    "cpu": Budget(
        _schedule(2700, 128, 1.5e-3, warmup=100, ema=0.997, muon=True),
        _schedule(1500, 128, 1e-3, warmup=50, ema=0.998, muon=True, rounding=True),
        scenes=12_000,
    ),
    "gpu": Budget(
        _schedule(50_000, 512, 1e-3, ema=0.9997),
        _schedule(10_000, 512, 3e-4, ema=0.999, rounding=True),
        scenes=100_000,
    ),
}
EXPECTED = {
    "smoke": "the loss falls",
    "cpu": "the right colours and outlines; plain things nameable",
    "gpu": "most core concepts nameable, scenes of two things",
}


def load_part(module: Network, folder: Path, device: torch.device) -> Network:
    """Put the exported weights of a model folder into a network that is not to be trained."""
    restore(module, read_weights(folder / "model.safetensors")[0])
    return module.to(device).eval().requires_grad_(False)


@torch.no_grad()
def encode_all(encoder: Encoder, images: np.ndarray, device: torch.device) -> Tensor:
    """uint8 [N,64,64,4] -> latents [N,16,8,8] on the device."""
    parts = [encoder(data.premultiplied(images[i : i + 256], device)) for i in range(0, len(images), 256)]
    return torch.cat(parts) if parts else torch.empty(0, *LATENT_SHAPE, device=device)


Condition = tuple[Tensor, ...]  # hidden, mask, embedding and style, as the denoiser takes them


def training_batches(
    world: World, budget: Budget, *, seed: int, weights: Path | None, device: torch.device
) -> tuple[Callable[[np.random.Generator, int], tuple[Tensor, Condition]], Callable[[int], Condition], dict[str, str]]:
    """What there is to learn from: draw(rng, count) -> clean latents [count,16,8,8] and their conditions;
    nothing(count) -> conditions of the empty prompt; and the checksums of the networks that these come from."""
    # The latents depend on the encoder alone, so the decoder may be trained further meanwhile.
    models = {part: store.open_model(part, weights) for part in ("autoencoder/encoder", "clip/text")}
    encoder = Encoder(AutoencoderConfig(**models["autoencoder/encoder"]["config"]))
    encoder = load_part(encoder, models["autoencoder/encoder"].path, device)
    words = models["clip/text"]
    tower = load_part(TextTower(ClipConfig(**words["config"])), words.path, device)
    tokenizer = Tokenizer.load(words.path / "vocabulary.txt")

    shown = world.split("train")
    latents = encode_all(encoder, shown.images, device)
    scenes = Scenes(world, budget.scenes)
    scene_latents = encode_all(encoder, scenes.pictures, device)
    weight = np.where(shown.core, 1.0, budget.symbol_share)
    cumulative = np.cumsum(weight / weight.sum())
    shown_style = np.array([style_number(style) for style in shown.styles])
    scene_style = np.array([style_number(scene.objects[0].style) for scene in scenes.scenes], np.int64)

    # Wordings are made beforehand: making them anew at every step would keep a GPU waiting.
    rng = np.random.default_rng(seed)
    columns = list(zip(shown.names, shown.keywords, shown.styles, shown.codepoints, strict=True))
    captions = np.stack(
        [
            tokenizer([caption(name, keys, style, rng, codepoints=key) for name, keys, style, key in columns])
            for _ in range(budget.wordings)
        ]
    )
    sentences, empty = tokenizer([scene.sentence for scene in scenes.scenes]), tokenizer("")

    @torch.no_grad()
    def condition(tokens: np.ndarray, style: np.ndarray) -> Condition:
        kept = shortest(tokens, device)
        hidden, embedding, _ = tower(kept)
        return hidden.float(), (kept != 0).float(), embedding, torch.from_numpy(style).to(device)

    def draw(rng: np.random.Generator, count: int) -> tuple[Tensor, Condition]:
        scene_count = round(count * budget.scene_share)
        rows = np.searchsorted(cumulative, rng.random(count - scene_count))
        rows = np.minimum(rows, len(shown) - 1)
        chosen = rng.integers(0, max(1, len(scenes.scenes)), scene_count)
        tokens = np.concatenate([captions[rng.integers(0, len(captions), len(rows)), rows], sentences[chosen]])
        style = np.concatenate([shown_style[rows], scene_style[chosen]])
        dropped = rng.random(count) < budget.drop_words
        tokens[dropped] = empty
        style[dropped | (rng.random(count) < budget.drop_style)] = 0
        batch = torch.cat(
            [latents[torch.from_numpy(rows).to(device)], scene_latents[torch.from_numpy(chosen).to(device)]]
        )
        return batch.contiguous(memory_format=torch.channels_last), condition(tokens, style)

    def nothing(count: int) -> Condition:
        return condition(np.repeat(empty, count, 0), np.zeros(count, np.int64))

    return draw, nothing, {part: folder.weights_sum() for part, folder in models.items()}


def learn(world: World, budget: Budget, run: Run, start: Path | None) -> Denoiser:
    """Train and return the averaged denoiser. start: the weights folder with autoencoder/ and clip/ (the package's
    own)."""
    device = pick_device()
    draw, _, needs = training_batches(world, budget, seed=run.seed, weights=start, device=device)
    torch.manual_seed(run.seed)
    model = placed(Denoiser(budget.model), device)

    def loss(model: Denoiser, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        batch, condition = draw(rng, budget.fit.batch_size)
        noise = torch.randn(batch.shape, generator=generator, device=device)
        times = sample_times(len(batch), generator, device, shift=0.4)  # where the words decide
        return model.loss(batch, noise, times, *condition)

    recipe = {"model": asdict(model.config), "needs": needs}
    run.advance(Stage("fit", model, loss, budget.fit, recipe))
    return run.train(Stage("rounded", model, loss, budget.rounded, recipe))


def export(run: Path, to: Path, name: str = "text_to_image") -> None:
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
    export_folder(to, name, Graph(model, inputs, ["clean"]), extras)


RECIPE = Recipe("text-to-image", learn, export, BUDGETS, EXPECTED)
