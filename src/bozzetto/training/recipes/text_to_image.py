"""Recipe: words to latents, on the picture world and its scenes.

The autoencoder and CLIP's text tower are taken ready from the weights folder and stay as they are. Every picture is
encoded once; the other half of each batch are scenes, drawn anew without end, at first of one kind of thing and then of
all kinds. A caption is dropped now and then, and so is the style, for classifier-free guidance (Ho & Salimans 2022).

The denoiser is also asked where in a scene each of its words is, which the scene's maker knows, and in the first stage
(`aligned`) what CLIP's picture tower sees in the clean picture, which it then draws sooner (Yu et al. 2024, REPA, eq.
3; Singh et al. 2025, iREPA: a 3 x 3 projection, and the mean over the picture taken out). The rate of the long stage
(`fit`) is constant, so that it matters little where it ends; it may be stopped and resumed from day to day. With a
falling rate the denoiser then learns to live with four bits a weight (`rounded`, see rounding.py).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.autoencoder import AutoencoderConfig, Encoder
from bozzetto.models.cells import Conv
from bozzetto.models.clip import ClipConfig, ImageTower, TextTower
from bozzetto.models.denoiser import Denoiser, DenoiserConfig
from bozzetto.runtime import store
from bozzetto.runtime.text_to_image import LATENT_SHAPE, open_part
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.training import data
from bozzetto.training.data import SceneStream, shortest
from bozzetto.training.export import Graph, begin, export_folder, load_part, read_final, sha256
from bozzetto.training.loop import TrainingSchedule, autocast, pick_device
from bozzetto.training.processes import mean, ours
from bozzetto.training.recipe import Recipe
from bozzetto.training.recipes.diffusion import sample_times
from bozzetto.training.stages import Run, Stage
from bozzetto.world.captions import caption
from bozzetto.world.dataset import World
from bozzetto.world.stored import Stored
from bozzetto.world.styles import STYLES, style_number


@dataclass(frozen=True)
class Budget:
    fit: TrainingSchedule
    rounded: TrainingSchedule
    aligned: TrainingSchedule | None = None  # None leaves this stage out
    see: float = 0.5  # the weight of what CLIP sees in the loss of this stage
    find: float = 0.1  # and of where the words are, in every stage's
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
        _schedule(50, 16, 3e-3, warmup=5, last_rate=1, ema=0.9),
        _schedule(6, 16, 1e-3, warmup=3, ema=0.9, rounding=True),
        _schedule(10, 16, 3e-3, warmup=5, last_rate=1, ema=0.9),
        scenes=32,
        new_scenes=4,
        easy_scenes=64,
        wordings=2,
    ),
    "cpu": Budget(
        _schedule(50_000, 128, 1.5e-3, last_rate=1),
        _schedule(4000, 128, 1.5e-3, warmup=50, ema=0.998, rounding=True),
        _schedule(12_000, 128, 1.5e-3, last_rate=1),
    ),
    "gpu": Budget(
        _schedule(45_000, 512, 1.5e-3, last_rate=1, ema=0.9997),
        _schedule(8000, 512, 1.5e-3, rounding=True),
        _schedule(5000, 512, 1.5e-3, last_rate=1, ema=0.9997),
        scenes=32_768,
        new_scenes=16,
    ),
}
EXPECTED = {
    "smoke": "the loss falls",
    "cpu": "after fifteen minutes of one core nine colours of ten and half of the numbers, the rest in some hours",
    "gpu": "most core concepts nameable, scenes of two things",
}


@torch.no_grad()
def encode_all(encoder: Encoder, images: np.ndarray, device: torch.device) -> Tensor:
    """uint8 [N,64,64,4] -> latents [N,8,16,16] on the device."""
    with autocast(device):
        parts = [encoder(data.premultiplied(images[i : i + 256], device)) for i in range(0, len(images), 256)]
    return torch.cat(parts).float()


@torch.no_grad()
def see_all(tower: ImageTower, images: np.ndarray, device: torch.device) -> Tensor:
    """uint8 [N,64,64,4] -> what CLIP sees in each cell, float16 [N,160,8,8] of unit length, less the picture's mean."""
    white = torch.ones(3, 1, 1, device=device)
    with autocast(device):
        parts = [
            centred(tower.grids(data.over(data.premultiplied(images[i : i + 256], device), white))[1]).half()
            for i in range(0, len(images), 256)
        ]
    return torch.cat(parts)


def centred(cells: Tensor) -> Tensor:
    """Cells [N,C,H,W] less their mean over the picture, each of unit length."""
    cells = cells.float()
    return F.normalize(cells - cells.mean((2, 3), keepdim=True), dim=1)


Condition = tuple[Tensor, ...]  # hidden, words, mask, embedding and style, as the denoiser takes them


@dataclass(frozen=True)
class Batch:
    """Clean latents [B,8,16,16] and their conditions; if asked for, what CLIP sees in them [B,160,8,8]; and which thing
    of a scene each cell shows [B,64] and each token names [B,T] (`data.places`; all 0 where it is no scene)."""

    latents: Tensor
    condition: Condition
    seen: Tensor
    shows: Tensor
    names: Tensor

    def ours(self) -> "Batch":
        """What this process computes of it."""
        latents, seen, shows, names = ours(self.latents, self.seen, self.shows, self.names)
        return Batch(latents, ours(*self.condition), seen, shows, names)


@contextmanager
def overheard(model: nn.Module, *names: str) -> Iterator[list[Tensor]]:
    """What these modules of it give, in the order in which they do."""
    heard: list[Tensor] = []
    modules = [model.get_submodule(name) for name in names]
    hooks = [module.register_forward_hook(lambda _module, _given, out: heard.append(out)) for module in modules]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()


def reading_loss(denoiser: Denoiser, batch: Batch, noise: Tensor, t: Tensor, *, find: float) -> dict[str, Tensor]:
    """The denoiser's loss and `find` of -log of the share that a cell which shows a thing gives to the words that name
    it, by the first head of the last attention to them on the way down and on the way up."""
    with overheard(denoiser, "look_down.1.words.share", "look_up.1.words.share") as shares:
        values = denoiser.loss(batch.latents, noise, t, *batch.condition)
    down, up = (misplaced(share, batch.shows, batch.names) for share in shares)
    lost = (down + up) / 2
    return values | {"loss": values["loss"] + find * lost, "misplaced": lost}


class Aligned(nn.Module):
    """A denoiser that is also asked what CLIP sees, by its cells after the way down, projected to CLIP's `channels`."""

    def __init__(self, denoiser: Denoiser, channels: int):
        super().__init__()
        self.denoiser = denoiser
        self.project = Conv(denoiser.config.widths[0], channels)

    def loss(self, batch: Batch, noise: Tensor, t: Tensor, *, see: float, find: float) -> dict[str, Tensor]:
        """`reading_loss` and `see` of the distance (1 - cosine) to what CLIP sees."""
        with overheard(self.denoiser, "look_down.1") as cells:
            values = reading_loss(self.denoiser, batch, noise, t, find=find)
        away = 1 - (centred(self.project(cells[0])) * batch.seen).sum(1).mean()
        return values | {"loss": values["loss"] + see * away, "away": away}


def misplaced(shares: Tensor, shows: Tensor, names: Tensor) -> Tensor:
    """-log of the share that the first head's cells give to the words that name what they show, in the mean over cells
    that show something with a name. shares [B,64,H,S]; shows [B,64]; names [B,T], S >= T but for padding."""
    names = F.pad(names, (0, shares.shape[-1] - names.shape[1]))
    right = (shows[:, :, None] == names[:, None]) & (shows > 0)[:, :, None]
    given = (shares[:, :, 0] * right).sum(-1)[right.any(-1)]
    return -mean(given.clamp_min(1e-6).log())


Draw = Callable[[np.random.Generator, int], Batch]


def training_batches(
    world: World, budget: Budget, *, seed: int, weights: Path | None, device: torch.device, see: bool = False
) -> tuple[Draw, Callable[[int], None], Callable[[int], Condition], dict[str, str]]:
    """What there is to learn from: draw(rng, count), with what CLIP sees if asked to `see`; at(step), which says with
    which scenes; nothing(count) -> conditions of the empty prompt; and the checksums of the networks that these come
    from."""
    # The latents depend on the encoder alone, so the decoder may be trained further meanwhile.
    drawing, words = open_part("autoencoder/encoder", weights), store.open_model("clip/text", weights)
    encoder = load_part(Encoder(AutoencoderConfig(**drawing["config"])), drawing.path, device)
    tower = load_part(TextTower(ClipConfig(**words["config"])), words.path, device)
    tokenizer = Tokenizer.load(words.path / "vocabulary.txt")

    needs = {"autoencoder/encoder": drawing.weights_sum(), "clip/text": words.weights_sum()}
    encoders = [partial(encode_all, encoder, device=device)]
    if see:
        picture = store.open_model("clip/image", weights)
        eye = load_part(ImageTower(ClipConfig(**picture["config"])), picture.path, device)
        encoders.append(partial(see_all, eye, device=device))
        needs["clip/image"] = picture.weights_sum()

    def encode(images: np.ndarray) -> list[Tensor]:
        return [encode_one(images) for encode_one in encoders]

    if not any(world.styles):  # one's own pictures, which make no scenes
        budget = replace(budget, scenes=0, scene_share=0.0)
    shown = world.split("train")
    large = isinstance(shown.images, Stored)  # too many to keep what networks and tokenizer make of them
    encoded = [] if large else encode(shown.images)
    scenes = SceneStream(world, budget.scenes, budget.new_scenes, budget.easy_scenes, encode, tokenizer)
    weight = np.where(shown.core, 1.0, budget.symbol_share)
    cumulative = np.cumsum(weight / weight.sum())
    shown_style = np.array([style_number(style) for style in shown.styles])

    # Wordings are made beforehand: making them anew at every step would keep a GPU waiting.
    def worded(rows: Iterable[int], rng: np.random.Generator) -> np.ndarray:
        columns = ((shown.names[k], shown.keywords[k], shown.styles[k], shown.codepoints[k]) for k in rows)
        return tokenizer([caption(name, keys, style, rng, codepoints=key) for name, keys, style, key in columns])

    chance = np.random.default_rng(seed)
    captions = None if large else np.stack([worded(range(len(shown)), chance) for _ in range(budget.wordings)])
    empty = tokenizer("")

    @torch.no_grad()
    def condition(tokens: np.ndarray, style: np.ndarray) -> Condition:
        kept = shortest(tokens, device)
        hidden, embedding, plain = tower(kept)
        mask = (kept != 0).float()
        return hidden.float(), plain.float(), mask, embedding.float(), torch.from_numpy(style).to(device)

    def draw(rng: np.random.Generator, count: int) -> Batch:
        scene_count = round(count * budget.scene_share)
        rows = np.searchsorted(cumulative, rng.random(count - scene_count))
        rows = np.minimum(rows, len(shown) - 1)
        chosen = rng.integers(0, max(1, scenes.size), scene_count)
        said = worded(rows, rng) if captions is None else captions[rng.integers(0, len(captions), len(rows)), rows]
        tokens = np.concatenate([said, scenes.tokens[chosen]])
        style = np.concatenate([shown_style[rows], scenes.styles[chosen]])
        shows, names = (np.pad(part[chosen], ((len(rows), 0), (0, 0))) for part in scenes.places)
        dropped = rng.random(count) < budget.drop_words
        tokens[dropped], names[dropped] = empty, 0
        style[dropped | (rng.random(count) < budget.drop_style)] = 0
        of_shown, of_scenes = torch.from_numpy(rows).to(device), torch.from_numpy(chosen).to(device)
        with torch.autocast(device.type, enabled=False):  # on a processor with bf16 it refuses to join halves
            looked = encode(shown.images[rows]) if large else [part[of_shown] for part in encoded]
            latents, *seen = [torch.cat([a, b[of_scenes]]) for a, b in zip(looked, scenes.encoded, strict=True)]
        placed = (torch.from_numpy(part).to(device) for part in (shows, names))
        return Batch(latents, condition(tokens, style), seen[0] if seen else latents[:, :0], *placed)

    def nothing(count: int) -> Condition:
        return condition(np.repeat(empty, count, 0), np.zeros(count, np.int64))

    return draw, scenes.at, nothing, needs


def later(at: Callable[[int], None], *before: TrainingSchedule | None) -> Callable[[int], None]:
    """`at` for a stage that begins where the stages before it have ended."""
    steps = sum(schedule.steps for schedule in before if schedule)
    return lambda step: at(steps + step)


def learn(world: World, budget: Budget, run: Run, start: Path | None) -> Denoiser:
    """Train and return the averaged denoiser. start: the weights folder with autoencoder/ and clip/ (the package's
    own)."""
    if run.first:  # it has learned already what CLIP sees
        budget = replace(budget, aligned=None)
    device, aligning = pick_device(), budget.aligned
    draw, at, _, needs = training_batches(
        world, budget, seed=run.seed, weights=start, device=device, see=aligning is not None
    )
    torch.manual_seed(run.seed)
    if run.first is None:
        new = Denoiser(budget.model)
    else:  # a student is refused, for it has a jump more
        new = begin(run, Denoiser, DenoiserConfig, {"": "text_to_image"}, jumps=False)
    model = new.to(device)  # not `placed`: Muon is slower on weights whose channels are last
    recipe = {"model": asdict(model.config), "needs": needs}

    def randomly(count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Noise and times, for what this process computes."""
        noise = torch.randn(count, *LATENT_SHAPE, generator=generator, device=device)
        return ours(noise, sample_times(count, generator, device, shift=0.8))  # where the words decide

    if aligning:
        widths = store.open_model("clip/image", start)["config"]["image_widths"]

        def aligned_loss(model: Aligned, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
            batch = draw(rng, aligning.batch_size).ours()
            return model.loss(batch, *randomly(aligning.batch_size, generator), see=budget.see, find=budget.find)

        aligned = Aligned(model, widths[1]).to(device)
        run.advance(Stage("aligned", aligned, aligned_loss, aligning, recipe, prepare=at))

    def loss(model: Denoiser, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        batch = draw(rng, budget.fit.batch_size).ours()
        return reading_loss(model, batch, *randomly(budget.fit.batch_size, generator), find=budget.find)

    run.advance(Stage("fit", model, loss, budget.fit, recipe, prepare=later(at, aligning)))
    return run.train(Stage("rounded", model, loss, budget.rounded, recipe, prepare=later(at, aligning, budget.fit)))


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
        "guidance_scale": 4.0,
        "guidance_interval": [0.0, 1.0],
        "shift": 1.5,
    }
    if config.jumps:  # the student has its teacher's guidance in it; the judge names one step of it as often as more
        inputs["until"] = torch.zeros(2)
        defaults = {"num_inference_steps": 1}
    extras = {"config": asdict(config), "styles": list(STYLES), "needs": needs, "defaults": defaults}
    export_folder(to, name, Graph(model, inputs, ["clean"]), extras)


RECIPE = Recipe("text-to-image", learn, export, BUDGETS, EXPECTED)
