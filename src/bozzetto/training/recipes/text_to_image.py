"""Recipe: words to latents, on the picture world and its scenes.

The autoencoder and CLIP's text tower are taken ready from the weights folder and stay as they are. Every picture is
encoded once; the other half of each batch are scenes, drawn anew without end, at first of one kind of thing and then of
all kinds. A caption is dropped now and then, and so is the style, for classifier-free guidance (Ho & Salimans 2022).

The rate of the long stage (`fit`) is constant, so that it matters little where it ends; it may be stopped and resumed
from day to day. With a falling rate the denoiser then learns to live with four bits a weight (`rounded`, see
rounding.py).
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
from bozzetto.runtime.text_to_image import LATENT_SHAPE, open_part
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.training import data
from bozzetto.training.data import SceneStream, shortest
from bozzetto.training.export import Graph, export_folder, read_final, read_weights, sha256
from bozzetto.training.loop import Network, TrainingSchedule, autocast, pick_device
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
    scenes: int = 8192  # kept at a time
    new_scenes: int = 24  # at every step: a scene costs about a millisecond of one core
    easy_scenes: int = 60_000  # until all are of all kinds
    model: DenoiserConfig = field(default_factory=DenoiserConfig)
    wordings: int = 16  # captions of each picture
    scene_share: float = 0.5
    drop_words: float = 0.1
    drop_style: float = 0.3
    symbol_share: float = 0.2  # symbols and drawings of near-duplicates are kept this much rarer than core pictures


_schedule = partial(TrainingSchedule, betas=(0.9, 0.98), muon=True)
BUDGETS = {
    "smoke": Budget(
        _schedule(80, 32, 3e-3, warmup=5, last_rate=1, ema=0.9),
        _schedule(10, 32, 1e-3, warmup=5, ema=0.9, rounding=True),
        scenes=32,
        new_scenes=4,
        easy_scenes=64,
        wordings=2,
    ),
    "cpu": Budget(
        _schedule(62_500, 128, 1.5e-3, last_rate=1),
        _schedule(4000, 128, 1.5e-3, warmup=50, ema=0.998, rounding=True),
    ),
    "gpu": Budget(
        _schedule(50_000, 512, 1.5e-3, last_rate=1, ema=0.9997),
        _schedule(8000, 512, 1.5e-3, rounding=True),
        scenes=32_768,
        new_scenes=16,
    ),
}
EXPECTED = {
    "smoke": "the loss falls",
    "cpu": "after fifteen minutes of one core nine colours of ten and half of the numbers, the rest in some hours",
    "gpu": "most core concepts nameable, scenes of two things",
}


def load_part(module: Network, folder: Path, device: torch.device) -> Network:
    """Put the exported weights of a model folder into a network that is not to be trained."""
    restore(module, read_weights(folder / "model.safetensors")[0])
    return module.to(device).eval().requires_grad_(False)


@torch.no_grad()
def encode_all(encoder: Encoder, images: np.ndarray, device: torch.device) -> Tensor:
    """uint8 [N,64,64,4] -> latents [N,8,16,16] on the device."""
    with autocast(device):
        parts = [encoder(data.premultiplied(images[i : i + 256], device)) for i in range(0, len(images), 256)]
    return torch.cat(parts).float()


Condition = tuple[Tensor, ...]  # hidden, words, mask, embedding and style, as the denoiser takes them
Draw = Callable[[np.random.Generator, int], tuple[Tensor, Condition]]


def training_batches(
    world: World, budget: Budget, *, seed: int, weights: Path | None, device: torch.device
) -> tuple[Draw, Callable[[int], None], Callable[[int], Condition], dict[str, str]]:
    """What there is to learn from: draw(rng, count) -> clean latents [count,8,16,16] and their conditions; at(step),
    which says with which scenes; nothing(count) -> conditions of the empty prompt; and the checksums of the networks
    that these come from."""
    # The latents depend on the encoder alone, so the decoder may be trained further meanwhile.
    drawing, words = open_part("autoencoder/encoder", weights), store.open_model("clip/text", weights)
    encoder = load_part(Encoder(AutoencoderConfig(**drawing["config"])), drawing.path, device)
    tower = load_part(TextTower(ClipConfig(**words["config"])), words.path, device)
    tokenizer = Tokenizer.load(words.path / "vocabulary.txt")

    shown = world.split("train")
    encode = partial(encode_all, encoder, device=device)
    latents = encode(shown.images)
    scenes = SceneStream(world, budget.scenes, budget.new_scenes, budget.easy_scenes, encode, tokenizer)
    weight = np.where(shown.core, 1.0, budget.symbol_share)
    cumulative = np.cumsum(weight / weight.sum())
    shown_style = np.array([style_number(style) for style in shown.styles])

    # Wordings are made beforehand: making them anew at every step would keep a GPU waiting.
    rng = np.random.default_rng(seed)
    columns = list(zip(shown.names, shown.keywords, shown.styles, shown.codepoints, strict=True))
    captions = np.stack(
        [
            tokenizer([caption(name, keys, style, rng, codepoints=key) for name, keys, style, key in columns])
            for _ in range(budget.wordings)
        ]
    )
    empty = tokenizer("")

    @torch.no_grad()
    def condition(tokens: np.ndarray, style: np.ndarray) -> Condition:
        kept = shortest(tokens, device)
        hidden, embedding, plain = tower(kept)
        mask = (kept != 0).float()
        return hidden.float(), plain.float(), mask, embedding.float(), torch.from_numpy(style).to(device)

    def draw(rng: np.random.Generator, count: int) -> tuple[Tensor, Condition]:
        scene_count = round(count * budget.scene_share)
        rows = np.searchsorted(cumulative, rng.random(count - scene_count))
        rows = np.minimum(rows, len(shown) - 1)
        chosen = rng.integers(0, max(1, scenes.size), scene_count)
        tokens = np.concatenate([captions[rng.integers(0, len(captions), len(rows)), rows], scenes.tokens[chosen]])
        style = np.concatenate([shown_style[rows], scenes.styles[chosen]])
        dropped = rng.random(count) < budget.drop_words
        tokens[dropped] = empty
        style[dropped | (rng.random(count) < budget.drop_style)] = 0
        batch = torch.cat(
            [latents[torch.from_numpy(rows).to(device)], scenes.latents[torch.from_numpy(chosen).to(device)]]
        )
        return batch, condition(tokens, style)

    def nothing(count: int) -> Condition:
        return condition(np.repeat(empty, count, 0), np.zeros(count, np.int64))

    needs = {"autoencoder/encoder": drawing.weights_sum(), "clip/text": words.weights_sum()}
    return draw, scenes.at, nothing, needs


def later(at: Callable[[int], None], budget: Budget) -> Callable[[int], None]:
    """`at` for a stage that begins where `fit` has ended."""
    return lambda step: at(budget.fit.steps + step)


def learn(world: World, budget: Budget, run: Run, start: Path | None) -> Denoiser:
    """Train and return the averaged denoiser. start: the weights folder with autoencoder/ and clip/ (the package's
    own)."""
    device = pick_device()
    draw, at, _, needs = training_batches(world, budget, seed=run.seed, weights=start, device=device)
    torch.manual_seed(run.seed)
    model = Denoiser(budget.model).to(device)  # not `placed`: Muon is slower on weights whose channels are last

    def loss(model: Denoiser, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        batch, condition = draw(rng, budget.fit.batch_size)
        noise = torch.randn(batch.shape, generator=generator, device=device)
        times = sample_times(len(batch), generator, device, shift=0.8)  # where the words decide
        return model.loss(batch, noise, times, *condition)

    recipe = {"model": asdict(model.config), "needs": needs}
    run.advance(Stage("fit", model, loss, budget.fit, recipe, prepare=at))
    return run.train(Stage("rounded", model, loss, budget.rounded, recipe, prepare=later(at, budget)))


def export(run: Path, to: Path, name: str = "text_to_image") -> None:
    """Needs the autoencoder and CLIP that it was trained with to lie in the same weights folder."""
    model, config = read_final(run, Denoiser, DenoiserConfig)
    inputs = {
        "x": torch.zeros(2, *LATENT_SHAPE),
        "t": torch.ones(2),
        "hidden": torch.zeros(2, 24, config.hidden_size),
        "words": torch.zeros(2, 24, config.hidden_size),
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
        "shift": 1.5,
    }
    if config.jumps:  # the student has its teacher's guidance in it; the judge names one step of it as often as more
        inputs["until"] = torch.zeros(2)
        defaults = {"num_inference_steps": 1}
    extras = {"config": asdict(config), "styles": list(STYLES), "needs": needs, "defaults": defaults}
    export_folder(to, name, Graph(model, inputs, ["clean"]), extras)


RECIPE = Recipe("text-to-image", learn, export, BUDGETS, EXPECTED)
