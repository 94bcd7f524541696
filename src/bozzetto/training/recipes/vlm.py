"""Recipe: the vision-language model, on questions about scenes and small drawn documents.

The picture tower and the tokens begin as CLIP's; the decoder begins from nothing. First it learns to talk while the
tower stays as it is (`talk`), then both learn (`image`), last with the weights as they are stored (`rounded`). A
picture is seen once for several questions; what is slow to learn, place and documents, is shown more often. At times
there is no picture, only the questions: so the same network can tell its blind guess, which is what its answers are
measured against. Beside the pictures, every step drills to find in a given reason what was asked for (`drill`).
"""

from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bozzetto.models.clip import Clip, ClipConfig
from bozzetto.models.vlm import END, PATCHES, START, Vlm, VlmConfig, VlmEncoder
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.training import data
from bozzetto.training.data import PICTURE
from bozzetto.training.export import Graph, export_folder, read_final
from bozzetto.training.loop import TrainingSchedule, pick_device, placed
from bozzetto.training.processes import leads, mean, ours
from bozzetto.training.recipe import Recipe
from bozzetto.training.stages import Run, Stage
from bozzetto.world.dataset import World
from bozzetto.world.documents import Document, make_document, render_document
from bozzetto.world.questions import Question, document_questions, scene_questions
from bozzetto.world.scenes import Scene, make_scene, render, scene_objects

IGNORED = -100  # a position that is not to be learned
LENGTHS = 4  # groups of questions by their length
SHARES = {"place": 5, "sign": 4, "chart": 3, "receipt": 4}  # how often a picture of a kind is shown, others once
ASKED = {"place": 3, "chart": 4, "receipt": 5}  # how often such a question is asked about its picture, others once

DRILLED = ("place", "receipt")  # what has to be found in the reason again


@dataclass(frozen=True)
class Budget:
    talk: TrainingSchedule
    image: TrainingSchedule
    rounded: TrainingSchedule
    scenes: int  # how many are drawn beforehand
    documents: int
    questions: int = 6  # about a picture
    no_picture: float = 0.06  # share of pictures that are not shown
    drilled: int = 128  # questions of a step whose reason is given, to be concluded without the picture
    model: dict = field(default_factory=dict)


_schedule = partial(TrainingSchedule, warmup=50, weight_decay=0.1, betas=(0.9, 0.95), ema=0.995, muon=True)
BUDGETS = {
    "smoke": Budget(
        _schedule(40, 16, 3e-3, warmup=5, ema=0.9),
        _schedule(20, 16, 2e-3, warmup=5, ema=0.9),
        _schedule(5, 16, 1e-3, warmup=2, ema=0.9, rounding=True),
        scenes=64,
        documents=16,
        drilled=32,
        model={"width": 64, "layers": 2, "heads": 2},
    ),
    "cpu": Budget(
        _schedule(600, 64, 2e-3),
        _schedule(5000, 64, 1e-3),
        _schedule(200, 64, 3e-4, rounding=True),
        scenes=40_000,
        documents=30_000,
    ),
    "gpu": Budget(
        _schedule(2000, 512, 2e-3, warmup=200, ema=0.999),
        _schedule(20_000, 512, 1e-3, warmup=200, ema=0.999),
        _schedule(4000, 512, 3e-4, ema=0.999, rounding=True),
        scenes=200_000,
        documents=60_000,
        questions=8,
    ),
}
EXPECTED = {
    "smoke": "the loss falls",
    "cpu": "names, colours, sizes, places and charts right, prices mostly, nine signs of ten read; not style",
    "gpu": "nineteen of twenty questions right",
}


def conversation(tokenizer: Tokenizer, question: Question) -> tuple[list[int], list[int]]:
    """Tokens that go in, and what should come out after each: only the answer is to be learned."""
    asked = tokenizer.encode(question.text)[1:]
    answer = tokenizer.spell(question.answer) if question.spelled else tokenizer.encode(question.said)[1:]
    return [*asked, START, *answer], [IGNORED] * len(asked) + [*answer, END]


def drill(tokenizer: Tokenizer, question: Question) -> tuple[list[int], list[int]]:
    """The same of a question with a reason, where only what follows from the reason is to be learned."""
    inside, outside = conversation(tokenizer, question)
    known = len(tokenizer.encode(f"{question.text} {question.reason}:")) - 1
    return inside, [IGNORED] * known + outside[known:]


def padded(rows: list[list[int]], filler: int, device: torch.device) -> Tensor:
    """int64 [rows, the longest]."""
    longest = max(map(len, rows))
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows], device=device)


class QuestionDataset:
    """Scenes and documents drawn once: `pictures` uint8 [N,64,64,4], how often each is shown, `shares` [N], and the
    questions that each can be asked."""

    def __init__(self, world: World, scenes: int, documents: int):
        objects = scene_objects(world)
        self.nouns = [thing.noun for thing in objects]
        self.facts: list[Scene | Document] = [make_scene(world, objects, seed) for seed in range(scenes)]
        self.facts += [make_document(world, objects, seed) for seed in range(documents)]
        drawn = [
            render(world, fact) if isinstance(fact, Scene) else render_document(world, fact) for fact in self.facts
        ]
        self.pictures = np.array(drawn, np.uint8).reshape(-1, *PICTURE)
        shares = np.array([SHARES.get(fact.kind, 1) for fact in self.facts])
        self.shares = shares / shares.sum()
        self.with_reason = [row for row, fact in enumerate(self.facts) if fact.kind in DRILLED]

    def questions(self, row: int, rng: np.random.Generator) -> list[Question]:
        fact = self.facts[row]
        if isinstance(fact, Scene):
            return scene_questions(fact, self.nouns, rng)
        return document_questions(fact, self.nouns, rng)

    def reasoned(self, count: int, rng: np.random.Generator) -> list[Question]:
        """So many questions that have a reason, about facts at random."""
        rows = rng.choice(self.with_reason, count)
        asked = ([question for question in self.questions(row, rng) if question.reason] for row in rows)
        return [some[rng.integers(len(some))] for some in asked]


def chosen(questions: list[Question], count: int, rng: np.random.Generator) -> list[Question]:
    """So many of them: a kind at random, then a question of this kind, so that only what is slow to learn is asked more
    than once."""
    kinds: dict[str, list[Question]] = {}
    for question in questions:
        kinds.setdefault(question.kind, []).append(question)
    order = rng.permutation([kind for kind in kinds for _ in range(ASKED.get(kind, 1))])
    picked = (kinds[order[i % len(order)]] for i in range(count))
    return [some[rng.integers(len(some))] for some in picked]


def replies(
    model: Vlm, pairs: list[tuple[list[int], list[int]]], keys: Tensor, values: Tensor, shown: np.ndarray
) -> tuple[Tensor, Tensor]:
    """Logits [N,vocabulary_size] of all tokens to be learned, and these tokens [N]. pairs: tokens in and out of each
    question; keys, values: of the pictures; shown: which of them each question is about."""
    device, logits, aim = keys.device, [], []
    # Long and short ones apart, or a third of the positions would be padding.
    order = np.argsort([len(inside) for inside, _ in pairs], kind="stable")
    for part in np.array_split(order, LENGTHS):
        tokens = padded([pairs[i][0] for i in part], END, device)
        wanted = padded([pairs[i][1] for i in part], IGNORED, device)
        picture = torch.from_numpy(shown[part]).to(device)
        hidden = model.read(tokens, keys[picture], values[picture])[0]
        learned = wanted != IGNORED
        logits.append(model.words(hidden[learned]))
        aim.append(wanted[learned])
    return torch.cat(logits), torch.cat(aim)


def build_model(clip: Clip, sizes: dict) -> Vlm:
    """The untrained model around CLIP's picture tower and tokens."""
    of_clip = ("vocabulary_size", "token_size", "image_widths", "image_blocks", "image_heads")
    model = Vlm(VlmConfig(**{name: getattr(clip.config, name) for name in of_clip}, **sizes))
    model.image.load_state_dict(clip.image.state_dict())
    with torch.no_grad():
        model.token.weight.copy_(clip.text.token.weight)
    return model


def learn(world: World, budget: Budget, run: Run, start: Path) -> Vlm:
    """Train and return the averaged model. start: the folder of the finished run of CLIP."""
    device = pick_device()
    torch.manual_seed(run.seed)
    clip, _ = read_final(start, Clip, ClipConfig)
    tokenizer = Tokenizer.load(start / "vocabulary.txt")
    if leads():
        tokenizer.save(run.out / "vocabulary.txt")
    model = placed(build_model(clip, budget.model), device)
    dataset = QuestionDataset(world, budget.scenes, budget.documents)

    def loss(model: Vlm, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        rows = rng.choice(len(dataset.facts), budget.talk.batch_size, p=dataset.shares)
        shown = rng.random(len(rows)) >= budget.no_picture
        asked = [chosen(dataset.questions(row, rng), budget.questions, rng) for row in rows]
        reasoned = dataset.reasoned(budget.drilled, rng)
        rows, shown, asked, reasoned = ours(rows, shown, asked, reasoned)
        pixels = data.premultiplied(dataset.pictures[rows], device)
        # Over white, as a person's picture will be seen.
        pixels = data.over(pixels, torch.ones(1, 3, 1, 1, device=device))
        seen = torch.from_numpy(shown).float().to(device)
        keys, values, _ = model.encode_image(pixels.contiguous(memory_format=torch.channels_last), seen)
        pairs = [conversation(tokenizer, question) for about in asked for question in about]
        logits, aim = replies(model, pairs, keys, values, np.repeat(np.arange(len(rows)), budget.questions))
        # To find in what was said what was asked for is learned by many short examples, and needs no picture.
        nothing = model.encode_image(pixels[:1], torch.zeros(1, device=device))[:2]
        drills = [drill(tokenizer, question) for question in reasoned]
        concluded, answers = replies(model, drills, *nothing, np.zeros(len(drills), int))
        found = {"talk": (logits, aim), "drill": (concluded, answers)}
        losses = {name: mean(F.cross_entropy(*pair, reduction="none")) for name, pair in found.items()}
        right = {"right": (logits, aim), "concluded": (concluded, answers)}
        shares = {name: mean((guess.argmax(-1) == true).float()) for name, (guess, true) in right.items()}
        return {"loss": losses["talk"] + losses["drill"], **losses, **shares}

    recipe = {"model": asdict(model.config)}
    model.image.requires_grad_(False)
    run.advance(Stage("talk", model, loss, budget.talk, recipe))
    model.image.requires_grad_(True)
    run.advance(Stage("image", model, loss, budget.image, recipe))
    return run.train(Stage("rounded", model, loss, budget.rounded, recipe))


def export(run: Path, to: Path) -> None:
    """One file of weights, two graphs: look.onnx sees a picture once, graph.onnx reads and says words."""
    model, config = read_final(run, Vlm, VlmConfig)
    cache = torch.zeros(2, config.layers, config.heads, PATCHES, config.width // config.heads)
    encoder = VlmEncoder(config)
    encoder.load_state_dict(model.state_dict())
    shown = {"pixels": torch.zeros(2, 3, 64, 64), "seen": torch.ones(2)}
    said = {"tokens": torch.ones(2, 5, dtype=torch.long), "keys": cache, "values": cache.clone()}
    outputs = ["logits", "all_keys", "all_values", "looked"]
    export_folder(
        to,
        "vlm",
        Graph(model, said, outputs, dynamic={"tokens": (1,), "keys": (3,), "values": (3,)}),
        {"config": asdict(config)},
        texts={"vocabulary.txt": (run / "vocabulary.txt").read_text(encoding="utf-8")},
        more_graphs={"look.onnx": Graph(encoder, shown, ["keys", "values", "patches"])},
    )


RECIPE = Recipe("vlm", learn, export, BUDGETS, EXPECTED)
