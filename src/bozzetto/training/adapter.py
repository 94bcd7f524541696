"""Low-rank adapters: what a few of one's own pictures teach a network that ships, in a small file of its own.

The network stays as it is. For its large weights W [O,I,...] two thin matrices learn, A [r,I,...] and B [O,r], and it
computes with W + B A (Hu et al. 2021, LoRA, eq. 3). B begins at zero, so a fresh adapter changes nothing.

Half of a batch are one's own pictures under their words; the other half are ours under theirs, so that all else stays
what it was (Ruiz et al. 2023, DreamBooth, eq. 2: prior preservation). The words are read by the text tower as it is:
a name need not be in its vocabulary, as it is spelled in pieces, but it must be another one than those of our pictures.

Text-to-image learns in the denoiser, CLIP in the picture tower, which learns to put the pictures where the words are.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from bozzetto.errors import InvalidInput
from bozzetto.files import locked
from bozzetto.models.clip import ClipConfig, ImageTower, sigmoid_loss
from bozzetto.models.denoiser import Denoiser, DenoiserConfig
from bozzetto.models.flow import noisy, velocity_loss
from bozzetto.runtime import clip as towers
from bozzetto.runtime import requests, store, text_to_image
from bozzetto.runtime.adapter import FORMAT, METADATA, OF
from bozzetto.runtime.classify import world_wordings
from bozzetto.runtime.reading import readable
from bozzetto.runtime.store import ModelFolder
from bozzetto.runtime.tokenizer import Tokenizer, split_words
from bozzetto.training import data
from bozzetto.training.checkpoint import write_tensors
from bozzetto.training.export import load_part
from bozzetto.training.loop import TrainingSchedule, pick_device
from bozzetto.training.recipes import text_to_image as recipe
from bozzetto.training.recipes.clip.contrast import NAMING_SCALE
from bozzetto.training.recipes.diffusion import sample_times
from bozzetto.training.rounding import is_rounded
from bozzetto.training.stages import Run, Stage
from bozzetto.world.captions import plain_name
from bozzetto.world.dataset import World
from bozzetto.world.own import Own
from bozzetto.world.stored import Stored

RANK = 8
BASES = {family: base for base, family in OF.items()}
_schedule = partial(TrainingSchedule, warmup=20, weight_decay=0.0, ema=0.98)
SCHEDULES = {"text-to-image": _schedule(160, 32, 4e-3), "clip": _schedule(120, 32, 4e-3)}
# Of our pictures and scenes there is a part at a time.
PRIOR = replace(recipe.BUDGETS["cpu"], scenes=512, new_scenes=4, easy_scenes=1, wordings=4)


class LowRank(nn.Module):
    """A and B of each large weight of a network's layers. adapter(network, *inputs) is what the network gives with
    them."""

    def __init__(self, network: nn.Module, rank: int = RANK):
        super().__init__()
        layers = {
            f"{name}.weight": layer.weight
            for name, layer in network.named_modules()
            if is_rounded(layer) and isinstance(layer, nn.Linear | nn.Conv2d)
        }
        self.names = list(layers)
        self.a = nn.ParameterList(
            torch.randn(rank, *w.shape[1:], device=w.device) / math.sqrt(w[0].numel()) for w in layers.values()
        )
        self.b = nn.ParameterList(torch.zeros(len(w), rank, device=w.device) for w in layers.values())

    def forward(self, network: nn.Module, *inputs: Tensor) -> Any:
        weights = dict(network.named_parameters())
        merged = {
            name: weights[name] + (b @ a.flatten(1)).view_as(weights[name])
            for name, a, b in zip(self.names, self.a, self.b, strict=True)
        }
        return functional_call(network, merged, inputs)

    def save(self, path: Path, base: ModelFolder) -> None:
        """As a file for runtime/adapter.py. base: the model that it changes."""
        pairs = zip(self.names, self.a, self.b, strict=True)
        tensors = {f"{name}.{part}": w.half() for name, a, b in pairs for part, w in (("A", a), ("B", b))}
        about = {"format": FORMAT, "base": base["model"], "sha256": base.weights_sum()}
        write_tensors(tensors, path, {METADATA: json.dumps(about)})


@dataclass(frozen=True)
class Shown:
    """N pictures uint8 [N,64,64,4], what each is called, and in which wordings each name is said."""

    images: np.ndarray
    names: list[str]
    wordings: dict[str, list[str]]

    def checksum(self) -> str:
        return hashlib.sha256(self.images.tobytes() + json.dumps([self.names, self.wordings]).encode()).hexdigest()


def shown(found: Own, word: str | None, tokenizer: Tokenizer, world: World) -> Shown:
    """One's own pictures under their words, and where they have none under `word`. InvalidInput for words that cannot
    be read, and for a word that is the name of pictures of ours."""
    if word is not None:
        check_word(word, tokenizer, world)
    if isinstance(found.images, Stored):
        raise InvalidInput("data", f"has {len(found.images):,} pictures, for which a training is right: name a few")
    names = [caption or word or "" for caption in found.captions]
    for name, of in zip(names, found.names, strict=True):
        if not name:
            raise InvalidInput("word", f"is missing: say what the pictures show, or put words beside {of}")
        if not any(part.isascii() and part.isalnum() for part in split_words(readable(name))):
            raise InvalidInput("data", f"has {name!r} as the words of {of}, which cannot be read: {requests.LANGUAGE}")
    wordings = {name: world_wordings(name) if name == word else [name] for name in dict.fromkeys(names)}
    return Shown(found.images, names, wordings)


def check_word(word: str, tokenizer: Tokenizer, world: World) -> None:
    """A name that the text tower reads whole, and that no picture of the world has."""
    requests.check_prompt("word", word)
    for note in requests.check_words("word", word, tokenizer):
        raise InvalidInput(note.field, note.why)
    taken = dict.fromkeys(map(plain_name, world.names)) | dict.fromkeys(w for some in world.keywords for w in some)
    if tokenizer.encode(readable(word)) in map(tokenizer.encode, taken):
        why = f"{word!r} is what pictures of ours are called, from which yours could not be told apart"
        raise InvalidInput("word", f"{why}: choose a name of its own, 'my {word}' for example")


def adapt(
    family: str,
    own: Shown,
    world: World,
    to: Path,
    out: Path,
    *,
    schedule: TrainingSchedule | None = None,
    seed: int = 0,
    minutes: float | None = None,
    weights: Path | None = None,
) -> LowRank:
    """Teach the network of a family ("text-to-image" or "clip") one's own pictures; a run that was stopped goes on.

    to: the adapter, a .safetensors file; out: the folder of the run. weights: the folder with the network, by default
    the one that bozzetto uses. Raises what `fit` raises, and InvalidInput when another process trains in the folder.
    """
    deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes
    weights = weights or store.weights_folder()
    base = store.open_model(BASES[family], weights)
    schedule = schedule or SCHEDULES[family]
    out.mkdir(parents=True, exist_ok=True)
    with locked(out / "lock", "out", "training in it"):
        run = Run(out, seed, deadline, base.weights_sum(), own.checksum())
        learned: LowRank = LEARNERS[family](own, world, base, schedule, run, weights)
        learned.save(to, base)
    return learned


def _stage(adapter: LowRank, loss: Callable[..., dict[str, Tensor]], schedule: TrainingSchedule) -> Stage:
    return Stage("adapter", adapter, loss, schedule, {"rank": len(adapter.a[0])})


def learn_denoiser(
    own: Shown, world: World, base: ModelFolder, schedule: TrainingSchedule, run: Run, weights: Path
) -> LowRank:
    device, half = pick_device(), schedule.batch_size // 2
    denoiser = load_part(Denoiser(DenoiserConfig(**base["config"])), base.path, device)
    draw, at, _, needs = recipe.training_batches(world, PRIOR, seed=run.seed, weights=weights, device=device)
    encoder, models = text_to_image.load_encoder(weights), text_to_image.load(weights)
    starts = [text_to_image.start_from(encoder, image, 1.0, None).latents for image in own.images]
    latents = torch.from_numpy(np.concatenate(starts)).to(device)

    # Every wording of every name, as the runtime reads it.
    wordings = own.wordings
    told = [text_to_image.encode(models, text) for some in wordings.values() for text in some]
    longest = int(max(each["mask"].sum() for each in told))
    order = ("hidden", "words", "mask", "embedding", "style")
    columns = [torch.from_numpy(np.concatenate([each[key] for each in told])).to(device) for key in order]
    condition = [part[:, :longest] if key in order[:3] else part for key, part in zip(order, columns, strict=True)]
    first = dict(zip(wordings, np.cumsum([0, *map(len, wordings.values())]), strict=False))

    def loss(adapter: LowRank, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        def lost(clean: Tensor, told: Iterable[Tensor]) -> Tensor:
            noise = torch.randn(clean.shape, generator=generator, device=device)
            t = sample_times(len(clean), generator, device, shift=0.8)
            return velocity_loss(adapter(denoiser, noisy(clean, noise, t), t, *told), clean, t)["loss"]

        rows = rng.integers(0, len(own.names), half)
        texts = [first[own.names[row]] + rng.integers(len(wordings[own.names[row]])) for row in rows]
        chosen = torch.from_numpy(np.array(texts)).to(device)
        ours = draw(rng, half)
        losses = {
            "own": lost(latents[torch.from_numpy(rows).to(device)], [part[chosen] for part in condition]),
            "prior": lost(ours.latents, ours.condition),
        }
        return losses | {"loss": losses["own"] + losses["prior"]}

    torch.manual_seed(run.seed)
    stage = _stage(LowRank(denoiser), loss, schedule)
    return run.train(replace(stage, prepare=at, recipe=stage.recipe | {"needs": needs}))


def learn_tower(
    own: Shown, world: World, base: ModelFolder, schedule: TrainingSchedule, run: Run, weights: Path
) -> LowRank:
    device, half = pick_device(), schedule.batch_size // 2
    tower = load_part(ImageTower(ClipConfig(**base["config"])), base.path, device)
    ours = world.select(world.core & np.array([split == "train" for split in world.splits]))
    mine, theirs = list(own.wordings), list(dict.fromkeys(map(plain_name, ours.names)))
    theirs = [name for name in theirs if name not in own.wordings]
    labels = [own.wordings[name] for name in mine] + [world_wordings(name) for name in theirs]
    clip = towers.load(weights)
    vectors = np.split(
        towers.encode_text(clip, [text for some in labels for text in some]),
        np.cumsum([len(some) for some in labels])[:-1],
    )
    aims = F.normalize(torch.from_numpy(np.stack([some.mean(0) for some in vectors])), dim=1).to(device)
    number = {name: place for place, name in enumerate(mine + theirs)}

    def loss(adapter: LowRank, rng: np.random.Generator, _: torch.Generator) -> dict[str, Tensor]:
        rows, others = rng.integers(0, len(own.names), half), rng.integers(0, len(ours), half)
        names = [own.names[row] for row in rows] + [plain_name(ours.names[row]) for row in others]
        images = np.concatenate([own.images[rows], ours.images[others]])
        pixels = data.augment(data.premultiplied(images, device), rng)
        target = torch.tensor([number[name] for name in names], device=device)
        cosines = adapter(tower, pixels)[0].float() @ aims.T
        match = F.one_hot(target, len(aims)).float()
        contrast = sigmoid_loss(clip.logit_scale * cosines + clip.logit_bias, match)
        naming = F.cross_entropy(NAMING_SCALE * cosines, target)
        return {"loss": contrast + naming, "contrast": contrast, "naming": naming}

    torch.manual_seed(run.seed)
    return run.train(_stage(LowRank(tower), loss, schedule))


LEARNERS = {"text-to-image": learn_denoiser, "clip": learn_tower}
