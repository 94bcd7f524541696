"""Recipe: two writers of tiny stories, one that says the next word and one that fills in blanks.

Both learn from the same endless stories, each made from its number when it is drawn; numbers from `stories` on are
never shown. The one that fills in blanks begins as the other one has ended, and is asked for words in a window
that begins anywhere in a story. Each learns last with its weights as they are stored.
"""

import string
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bozzetto.models.writer import END, START, Writer, WriterConfig, next_word_loss, unmask_loss
from bozzetto.runtime.tokenizer import SPECIAL, Tokenizer
from bozzetto.training.export import Graph, export_folder, read_final, save_final
from bozzetto.training.loop import TrainingSchedule, pick_device, placed
from bozzetto.training.processes import leads, mean, ours
from bozzetto.training.recipe import Recipe
from bozzetto.training.stages import Run, Stage
from bozzetto.world.dataset import World
from bozzetto.world.scenes import scene_objects
from bozzetto.world.stories import WORDS, make_story, vocabulary

METHODS = ("next_word", "unmask")


@dataclass(frozen=True)
class Budget:
    next_word: TrainingSchedule
    next_word_rounded: TrainingSchedule
    unmask: TrainingSchedule
    unmask_rounded: TrainingSchedule
    stories: int = 1_000_000  # how many there are to draw from
    model: dict = field(default_factory=dict)


_schedule = partial(TrainingSchedule, warmup=100, weight_decay=0.1, betas=(0.9, 0.95), ema=0.995, muon=True)
BUDGETS = {
    "smoke": Budget(
        _schedule(60, 16, 5e-3, warmup=5, ema=0.9),
        _schedule(6, 16, 1e-3, warmup=2, ema=0.9, rounding=True),
        _schedule(60, 16, 5e-3, warmup=5, ema=0.9),
        _schedule(6, 16, 1e-3, warmup=2, ema=0.9, rounding=True),
        model={"width": 64, "layers": 2, "heads": 2},
    ),
    "cpu": Budget(
        _schedule(6000, 32, 3e-3),
        _schedule(300, 32, 5e-4, warmup=20, ema=0.99, rounding=True),
        _schedule(12_000, 32, 3e-3),
        _schedule(16_000, 48, 1.5e-3, rounding=True),
    ),
    "gpu": Budget(
        _schedule(20_000, 512, 3e-3, warmup=200, ema=0.999),
        _schedule(3000, 512, 5e-4, ema=0.999, rounding=True),
        _schedule(40_000, 512, 3e-3, warmup=200, ema=0.999),
        _schedule(3000, 512, 5e-4, ema=0.999, rounding=True),
        stories=100_000_000,
    ),
}
EXPECTED = {
    "smoke": "the loss falls",
    "cpu": "nearly every story holds to the grammar and to its facts",
    "gpu": "as good as the grammar",
}


def story_nouns(world: World) -> list[str]:
    """Things of the world that stories tell of: those whose nouns are words to the tokenizer."""
    return [thing.noun for thing in scene_objects(world) if thing.noun.replace(" ", "").isalpha()]


def build_tokenizer(nouns: list[str]) -> Tokenizer:
    """All words of the grammar, and letters to spell others with."""
    letters = string.ascii_lowercase
    return Tokenizer([*SPECIAL, "[mask]", ".", *letters, *("##" + c for c in letters), *(
        word for word in vocabulary(nouns) if len(word) > 1
    )])  # fmt: skip


def story_tokens(numbers: np.random.Generator, nouns: list[str], tokenizer: Tokenizer, stories: int) -> list[int]:
    """A story at random that the context has room for, with START and one END at least."""
    while True:
        tokens = tokenizer.encode(make_story(int(numbers.integers(stories)), nouns))
        if len(tokens) < tokenizer.context_length:
            return tokens


class Writers(nn.Module):
    """Both, as one network to be saved."""

    def __init__(self, next_word: Writer, unmask: Writer):
        super().__init__()
        self.next_word, self.unmask, self.config = next_word, unmask, next_word.config


def learn(world: World, budget: Budget, run: Run, start: None = None) -> Writers:
    """Train one after the other; returns their averages, each of which is also in its stage's folder."""
    device, nouns = pick_device(), story_nouns(world)
    tokenizer = build_tokenizer(nouns)
    tokenizer.context_length = WriterConfig(0, True, **budget.model).context_length
    if leads():
        tokenizer.save(run.out / "vocabulary.txt")

    def batch(rng: np.random.Generator, count: int) -> Tensor:
        rows = [story_tokens(rng, nouns, tokenizer, budget.stories) for _ in range(count)]
        return torch.tensor([row + [END] * (tokenizer.context_length - len(row)) for row in rows], device=device)

    def say_next(model: Writer, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        (tokens,) = ours(batch(rng, budget.next_word.batch_size))
        losses, right = next_word_loss(model, tokens)
        return {"loss": mean(losses), "right": mean(right)}

    def fill_in(model: Writer, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        tokens = batch(rng, budget.unmask.batch_size)
        count, length = tokens.shape
        # One share of each part of (0, 1], so that every batch has easy and hard ones (Kingma et al. 2021, appendix I).
        t = (torch.arange(count, device=device) + torch.rand(count, generator=generator, device=device)) / count
        first, draws = torch.rand(count, length + 1, generator=generator, device=device).tensor_split([1], 1)
        first = 1 + (first[:, 0] * (tokens != END).sum(1)).long()  # up to the first END
        lean = 2.0 ** torch.randint(-1, 3, (count,), generator=generator, device=device)
        losses, right = unmask_loss(model, *ours(tokens, first, t, draws, lean))
        return {"loss": mean(losses), "right": mean(right)}

    trained: list[Writer] = []
    ways = (
        (METHODS[0], say_next, budget.next_word, budget.next_word_rounded),
        (METHODS[1], fill_in, budget.unmask, budget.unmask_rounded),
    )
    for name, loss, fit, rounded in ways:
        torch.manual_seed(run.seed)
        model = placed(Writer(WriterConfig(len(tokenizer.vocabulary), name == "next_word", **budget.model)), device)
        if trained:
            model.load_state_dict(trained[0].state_dict())
        recipe = {"model": asdict(model.config), "stories": budget.stories}
        run.advance(Stage(name, model, loss, fit, recipe))
        trained.append(run.train(Stage(f"{name}_rounded", model, loss, rounded, recipe)))
        if leads():
            save_final(trained[-1], run.out / name)
    return Writers(*trained)


def export(run: Path, to: Path) -> None:
    """A folder each: next_word reads words with its cache before them, unmask a whole text."""
    texts = {"vocabulary.txt": (run / "vocabulary.txt").read_text(encoding="utf-8")}
    for name in METHODS:
        model, config = read_final(run / name, Writer, WriterConfig)
        cache = torch.zeros(2, config.layers, config.heads, 3, config.width // config.heads)
        graph = Graph(model, {"tokens": torch.full((2, config.context_length), START)}, ["logits"])
        if config.causal:
            inputs = {"tokens": torch.ones(2, 5, dtype=torch.long), "keys": cache, "values": cache.clone()}
            outputs = ["logits", "all_keys", "all_values"]
            graph = Graph(model, inputs, outputs, dynamic={"tokens": (1,), "keys": (3,), "values": (3,)})
        about = {
            "config": asdict(config),
            "names": WORDS["name"],
            "defaults": {"temperature": 0.4 if config.causal else 0.2},
        }
        export_folder(to, f"writer/{name}", graph, about, texts=texts)


RECIPE = Recipe("writer", learn, export, BUDGETS, EXPECTED)
