"""Recipe: CLIP on the picture world and its scenes.

First the text tower alone imitates the teacher on all words and captions (`distil`); then both towers learn from
pictures and captions, with a share of scenes and, for each scene, a sentence that is wrong in exactly one way
(`joint`); then the picture tower goes on alone (`image`), so that text-to-image, which hangs on the words, need not
wait. Each tower learns to live with four bits a weight (`words_rounded`, `image_rounded`; see rounding.py). Last come
order, number and place: the order tower, which makes the embedding from then on, learns that the same words in another
order are another sentence (`order`, see `bound`), then also that all other texts stay (`settle`); and the picture tower
learns which of the two is true of a picture (`negatives`). The text tower, which text-to-image reads, stays.
Sentences are cheaper than pictures, so every batch also holds the names of many other concepts, as wrong answers.

The teacher stays, twice: as a loss on words, so that those outside the captions keep their place, and as a fixed aim
for the picture tower, which has to find a picture's name among all names. Without that aim the sigmoid loss alone
stood on its plateau (answer "no" to everything) for as long as we watched.
"""

import copy
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bozzetto.models.clip import NONE_COUNTS, Clip, ClipConfig, TextTower
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.training.data import Scenes
from bozzetto.training.export import Graph, export_folder, read_final, sha256
from bozzetto.training.loop import TrainingSchedule, pick_device, placed
from bozzetto.training.processes import leads
from bozzetto.training.recipe import Recipe
from bozzetto.training.recipes.clip.contrast import NEGATIVE_KINDS, Captioned, label_vectors, none_below
from bozzetto.training.recipes.clip.order import bound, order_loss, with_order
from bozzetto.training.recipes.clip.words import Words, apart, start_from_words
from bozzetto.training.rounding import restore, stored
from bozzetto.training.stages import Run, Stage
from bozzetto.training.steer import Steer
from bozzetto.training.teacher import Teacher
from bozzetto.training.teacher import load as load_teacher
from bozzetto.world.dataset import World


@dataclass(frozen=True)
class Budget:
    distil: TrainingSchedule
    joint: TrainingSchedule
    image: TrainingSchedule
    words_rounded: TrainingSchedule
    image_rounded: TrainingSchedule
    order: TrainingSchedule
    settle: TrainingSchedule
    negatives: TrainingSchedule
    scenes: int  # how many scenes are drawn beforehand
    negative_scenes: int  # and for the compositional negatives
    scene_share: float = 0.25
    negative_share: float = 0.6
    more_names: int = 192  # names of random concepts beside the batch's own captions
    model: dict[str, Any] = field(default_factory=dict)  # sizes that are other than ClipConfig's


# A late stage on a CPU, which lives with the weights as they are stored.
_rounded = partial(TrainingSchedule, warmup=20, weight_decay=0, ema=0.98, muon=True, rounding=True)
BUDGETS = {
    "smoke": Budget(
        TrainingSchedule(60, 128, 2e-3, warmup=5, ema=0.9),
        TrainingSchedule(40, 32, 3e-3, warmup=5, ema=0.9, muon=True),
        TrainingSchedule(5, 32, 1e-3, warmup=2, ema=0.9, muon=True),
        TrainingSchedule(20, 128, 5e-4, warmup=5, ema=0.9, rounding=True),
        TrainingSchedule(5, 32, 3e-4, warmup=2, ema=0.9, muon=True, rounding=True),
        TrainingSchedule(10, 32, 1e-3, warmup=2, ema=0.9, muon=True, rounding=True),
        TrainingSchedule(5, 32, 3e-4, warmup=2, ema=0.9, muon=True, rounding=True),
        TrainingSchedule(5, 32, 3e-4, warmup=2, ema=0.9, muon=True, rounding=True),
        scenes=64,
        negative_scenes=64,
        more_names=32,
        model={"image_widths": (24, 32, 48), "image_blocks": (1, 1, 1), "text_layers": 1},
    ),
    "cpu": Budget(
        TrainingSchedule(1200, 512, 2e-3, warmup=50, ema=0.99),
        TrainingSchedule(1100, 128, 2e-3, warmup=50, weight_decay=0.1, ema=0.99, muon=True),
        TrainingSchedule(2000, 128, 1.5e-3, warmup=30, weight_decay=0.1, ema=0.99, muon=True),
        TrainingSchedule(600, 512, 5e-4, warmup=20, weight_decay=0, ema=0.98, rounding=True),
        _rounded(500, 128, 3e-4, weight_decay=0.1),
        _rounded(1200, 128, 3e-3),
        _rounded(800, 128, 1.5e-3),
        _rounded(900, 128, 1e-3, warmup=30, weight_decay=0.1, ema=0.99),
        scenes=12_000,
        negative_scenes=40_000,
    ),
    "gpu": Budget(
        TrainingSchedule(6000, 1024, 2e-3),
        TrainingSchedule(8000, 512, 2e-3, weight_decay=0.1, muon=True),
        TrainingSchedule(8000, 512, 1.5e-3, weight_decay=0.1, muon=True),
        TrainingSchedule(3000, 1024, 5e-4, weight_decay=0, rounding=True),
        TrainingSchedule(3000, 512, 3e-4, weight_decay=0.1, muon=True, rounding=True),
        TrainingSchedule(2000, 512, 3e-3, weight_decay=0, muon=True, rounding=True),
        TrainingSchedule(2000, 512, 1.5e-3, weight_decay=0, muon=True, rounding=True),
        TrainingSchedule(8000, 512, 1e-3, weight_decay=0.1, muon=True, rounding=True),
        scenes=60_000,
        negative_scenes=100_000,
    ),
}
EXPECTED = {
    "smoke": "the losses fall",
    "cpu": "half of the held-out pictures named right among all core concepts",
    "gpu": "four of five",
}


def build_model(tokenizer: Tokenizer, teacher: Teacher, seed: int, sizes: dict[str, Any]) -> Clip:
    """The model before its training: random, but for the words of the teacher."""
    torch.manual_seed(seed)
    model = Clip(ClipConfig(len(tokenizer.vocabulary), **sizes))
    start_from_words(model.text, tokenizer, teacher)
    return model


def learn(world: World, budget: Budget, run: Run, start: Path) -> Clip:
    """Train both towers and return the averaged model. start: the teacher's table."""
    device, teacher = pick_device(), load_teacher(start)
    words = Words(teacher, device)
    if leads():
        words.tokenizer.save(run.out / "vocabulary.txt")
    model = build_model(words.tokenizer, teacher, run.seed, budget.model).to(device)
    recipe = {"model": asdict(model.config)}

    def distil_loss(tower: TextTower, rng: np.random.Generator, _: torch.Generator) -> dict[str, Tensor]:
        return {"loss": words.imitation(tower, rng, budget.distil.batch_size)}

    run.advance(Stage("distil", model.text, distil_loss, budget.distil, recipe))
    placed(model, device)

    shown, scenes = Captioned(world.split("train"), words, budget.more_names), Scenes(world, budget.scenes)
    match = partial(shown.match_loss, scenes=scenes, size=budget.joint.batch_size, share=budget.scene_share)
    name_vectors = words.vectors[[words.number[name] for name in shown.names]]

    def joint_loss(model: Clip, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        losses = match(model, rng, generator, aims=name_vectors)
        imitation = 10 * words.imitation(model.text, rng, budget.joint.batch_size // 2)
        return losses | {"loss": losses["loss"] + imitation, "imitation": imitation}

    run.advance(Stage("joint", model, joint_loss, budget.joint, recipe))

    # The picture tower goes on alone: the words that it is held against stay as they are.
    model.text.requires_grad_(False)
    image_loss = partial(match, aims=label_vectors(model, words.tokenizer, shown.names))
    image = run.train(Stage("image", model, image_loss, budget.image, recipe)).image
    model.text.requires_grad_(True)
    exact = copy.deepcopy(model.text).requires_grad_(False)

    def words_rounded_loss(tower: TextTower, rng: np.random.Generator, _: torch.Generator) -> dict[str, Tensor]:
        """How far the rounded tower is from the exact one."""
        sentences = [scenes.scenes[i].sentence for i in rng.integers(0, len(scenes.scenes), 32)]
        parts = [tokens for tokens, _ in words.some(rng, budget.words_rounded.batch_size)]
        losses = [apart(tower, exact, tokens) for tokens in [*parts, words.tokens(sentences)]]
        return {"loss": torch.stack(losses).mean()}

    average = run.train(Stage("words_rounded", model.text, words_rounded_loss, budget.words_rounded, recipe))
    restore(model.text, stored(average))
    model.text.requires_grad_(False)
    model.image.load_state_dict(image.state_dict())
    image_loss = partial(match, aims=label_vectors(model, words.tokenizer, shown.names))
    run.advance(Stage("image_rounded", model, image_loss, budget.image_rounded, recipe))

    ordered, tower = with_order(model)
    placed(ordered, device)
    recipe = {"model": asdict(ordered.config)}
    composed = Scenes(world, budget.negative_scenes, NEGATIVE_KINDS)
    scene_aims = bound(ordered.text, composed.scenes, words)
    count = budget.order.batch_size
    order = partial(order_loss, text=ordered.text, words=words, scenes=composed, aims=scene_aims, count=count)
    run.advance(Stage("order", tower, partial(order, hold=False), budget.order, recipe))
    average = run.train(Stage("settle", tower, partial(order, hold=True), budget.settle, recipe))
    restore(tower, stored(average))
    tower.requires_grad_(False)

    aims = label_vectors(ordered, words.tokenizer, shown.names)
    among_false = partial(shown.negatives_loss, scenes=composed, aims=aims, scene_aims=scene_aims)
    loss = partial(among_false, size=budget.negatives.batch_size, share=budget.negative_share)
    average = run.train(Stage("negatives", ordered, loss, budget.negatives, recipe))
    average.none_below.copy_(none_below(average, words.tokenizer, shown.world.select(shown.world.core)))
    return average


def export(run: Path, to: Path) -> None:
    model, config = read_final(run, Clip, ClipConfig)
    shared = {
        "config": asdict(config),
        "logit_scale": model.logit_scale.exp().item(),
        "logit_bias": model.logit_bias.item(),
        "none_below": {str(n): round(c, 4) for n, c in zip(NONE_COUNTS, model.none_below.tolist(), strict=True)},
    }
    tokens = torch.ones(2, config.context_length, dtype=torch.long)
    vocabulary = {"vocabulary.txt": (run / "vocabulary.txt").read_text(encoding="utf-8")}
    text = Graph(model.text, {"tokens": tokens}, ["hidden", "summary", "words"])
    export_folder(to, "clip/text", text, shared, texts=vocabulary)
    inputs = {"words": torch.zeros(2, config.context_length, config.text_width), "mask": torch.ones(tokens.shape)}
    needs = {"needs": {"clip/text": sha256(to / "clip/text/model.safetensors")}}
    export_folder(to, "clip/order", Graph(model.get_submodule("order"), inputs, ["embedding"]), shared | needs)
    image = Graph(model.image, {"pixels": torch.zeros(2, 3, 64, 64)}, ["embedding", "patches"])
    steer = Steer(model.image, config)
    graphs = {"steer.onnx": Graph(steer, steer.inputs, ["cosine", "gradient"], batch=False)}
    export_folder(to, "clip/image", image, shared, more_graphs=graphs)


RECIPE = Recipe("clip", learn, export, BUDGETS, EXPECTED)
