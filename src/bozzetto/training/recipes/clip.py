"""Recipe: CLIP on the picture world and its scenes.

First the text tower alone imitates the teacher on all words and captions (`distil`); then both towers learn from
pictures and captions, with a share of scenes and, for each scene, a sentence that is wrong in exactly one way
(`joint`); then the picture tower goes on alone (`look`), so that text-to-image, which hangs on the words, need not
wait. Each tower learns to live with four bits a weight (`words_rounded`, `look_rounded`; see rounding.py). Last come
order, number and place: the order tower, which makes the embedding from then on, learns that the same words in another
order are another sentence (`order`, see `bound`), then also that all other texts stay (`settle`); and the picture tower
learns which of the two is true of a picture (`traps`). The text tower, which text-to-image reads, stays.
Sentences are cheaper than pictures, so every batch also holds the names of many other concepts, as wrong answers.

The teacher stays, twice: as a loss on words, so that those outside the captions keep their place, and as a fixed aim
for the picture tower, which has to find a picture's name among all names. Without that aim the sigmoid loss alone
stood on its plateau (answer "no" to everything) for as long as we watched.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bozzetto.models.clip import NONE_COUNTS, Clip, ClipConfig, OrderTower, TextTower, present, sigmoid_loss
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.training import data
from bozzetto.training.export import save_final
from bozzetto.training.loop import Loss, Schedule, fit, pick_device
from bozzetto.training.rounding import restore, stored
from bozzetto.training.teacher import Teacher
from bozzetto.training.teacher import load as load_teacher
from bozzetto.world.captions import caption, plain_name, templates
from bozzetto.world.dataset import World
from bozzetto.world.scenes import (
    OPPOSITE,
    Scene,
    hard_negative,
    hard_negatives,
    make_scene,
    paraphrase,
    render,
    scene_objects,
)

PICTURE = (64, 64, 4)
NAMING_SCALE = 16.0  # of the cosines in the naming loss; higher is sharper
TRAP_SCALE = 16.0  # and of their differences in the traps
ROLES = tuple(OPPOSITE)  # what a thing is to another
BINDING = 0.7  # how much it counts beside the words alone
TRAP_KINDS = ("place", "size", "place", "place", "size", "place", "count", "color", "two", "single")


@dataclass(frozen=True)
class Budget:
    distil: Schedule
    joint: Schedule
    look: Schedule
    words_rounded: Schedule
    look_rounded: Schedule
    order: Schedule
    settle: Schedule
    traps: Schedule
    scenes: int  # how many scenes are drawn beforehand
    trap_scenes: int  # and for the traps
    scene_share: float = 0.25
    trap_share: float = 0.6
    more_names: int = 192  # names of random concepts beside the batch's own captions


def _rounded(steps: int, learning_rate: float, **more: float) -> Schedule:
    """A late stage on a CPU, which lives with the weights as they are stored."""
    usual = {"batch_size": 128, "warmup": 20, "weight_decay": 0, "ema": 0.98, "muon": True, "rounding": True}
    return Schedule(steps=steps, learning_rate=learning_rate, **{**usual, **more})


BUDGETS = {
    "smoke": Budget(
        Schedule(steps=60, batch_size=128, learning_rate=2e-3, warmup=5, ema=0.9),
        Schedule(steps=40, batch_size=32, learning_rate=3e-3, warmup=5, ema=0.9, muon=True),
        Schedule(steps=5, batch_size=32, learning_rate=1e-3, warmup=2, ema=0.9, muon=True),
        Schedule(steps=20, batch_size=128, learning_rate=5e-4, warmup=5, ema=0.9, rounding=True),
        Schedule(steps=5, batch_size=32, learning_rate=3e-4, warmup=2, ema=0.9, muon=True, rounding=True),
        Schedule(steps=10, batch_size=32, learning_rate=1e-3, warmup=2, ema=0.9, muon=True, rounding=True),
        Schedule(steps=5, batch_size=32, learning_rate=3e-4, warmup=2, ema=0.9, muon=True, rounding=True),
        Schedule(steps=5, batch_size=32, learning_rate=3e-4, warmup=2, ema=0.9, muon=True, rounding=True),
        scenes=64,
        trap_scenes=64,
        more_names=32,
    ),
    "cpu": Budget(
        Schedule(steps=1200, batch_size=512, learning_rate=2e-3, warmup=50, ema=0.99),
        Schedule(steps=1100, batch_size=128, learning_rate=2e-3, warmup=50, weight_decay=0.1, ema=0.99, muon=True),
        Schedule(steps=2000, batch_size=128, learning_rate=1.5e-3, warmup=30, weight_decay=0.1, ema=0.99, muon=True),
        Schedule(steps=600, batch_size=512, learning_rate=5e-4, warmup=20, weight_decay=0, ema=0.98, rounding=True),
        _rounded(500, 3e-4, weight_decay=0.1),
        _rounded(1200, 3e-3),
        _rounded(800, 1.5e-3),
        _rounded(900, 1e-3, warmup=30, weight_decay=0.1, ema=0.99),
        scenes=12_000,
        trap_scenes=40_000,
    ),
    "gpu": Budget(
        Schedule(steps=6000, batch_size=1024, learning_rate=2e-3),
        Schedule(steps=8000, batch_size=512, learning_rate=2e-3, weight_decay=0.1, muon=True),
        Schedule(steps=8000, batch_size=512, learning_rate=1.5e-3, weight_decay=0.1, muon=True),
        Schedule(steps=3000, batch_size=1024, learning_rate=5e-4, weight_decay=0, rounding=True),
        Schedule(steps=3000, batch_size=512, learning_rate=3e-4, weight_decay=0.1, muon=True, rounding=True),
        Schedule(steps=2000, batch_size=512, learning_rate=3e-3, weight_decay=0, muon=True, rounding=True),
        Schedule(steps=2000, batch_size=512, learning_rate=1.5e-3, weight_decay=0, muon=True, rounding=True),
        Schedule(steps=8000, batch_size=512, learning_rate=1e-3, weight_decay=0.1, muon=True, rounding=True),
        scenes=60_000,
        trap_scenes=100_000,
    ),
}
EXPECTED = {
    "smoke": "the losses fall",
    "cpu": "half of the held-out pictures named right among all core concepts",
    "gpu": "four of five",
}


def shortest(tokens: np.ndarray, device: torch.device) -> Tensor:
    """Cut the columns that are padding in every row: most captions have five tokens, not 24."""
    return torch.from_numpy(tokens[:, : max(1, int((tokens != 0).sum(1).max()))]).to(device)


@torch.no_grad()
def start_from_words(tower: TextTower, tokenizer: Tokenizer, teacher: Teacher) -> None:
    """Give every whole word the teacher's vector for it, so that the untrained tower is already a bag of words."""
    number = {text: i for i, text in enumerate(teacher.texts)}
    known = [(i, number[token]) for i, token in enumerate(tokenizer.vocabulary) if token in number]
    rows, sources = map(list, zip(*known, strict=True))
    vectors = torch.from_numpy(teacher.vectors[sources])
    basis = torch.linalg.eigh(torch.cov(vectors.T)).eigenvectors.flip(1).T  # principal directions, the first largest
    size = tower.token.embedding_dim
    small = vectors @ basis[:size].T
    tower.token.weight[rows] = small * (size**0.5 / small.norm(dim=1, keepdim=True))
    torch.nn.init.orthogonal_(tower.widen.weight)
    tower.project.weight.copy_((tower.widen.weight @ basis[:size]).T)


def begin(tokenizer: Tokenizer, teacher: Teacher, seed: int) -> Clip:
    """The model before its training: random, but for the words of the teacher."""
    torch.manual_seed(seed)
    model = Clip(ClipConfig(len(tokenizer.vocabulary)))
    start_from_words(model.text, tokenizer, teacher)
    return model


def away(found: Tensor, aim: Tensor) -> Tensor:
    """How far unit vectors [N,256] are from others: one minus the mean cosine."""
    return 1 - (found * aim).sum(-1).mean()


def apart(tower: TextTower, other: TextTower, tokens: Tensor) -> Tensor:
    """How far a tower is from another that does not learn: its summary, and its hidden states relative to theirs."""
    with torch.no_grad():
        hidden, aim, _ = other(tokens)
    ours, summary, _ = tower(tokens)
    relative = (ours.float() - hidden.float()).square().mean() / hidden.float().square().mean()
    return away(summary, aim) + 0.1 * relative


def label_vectors(clip: Clip, tokenizer: Tokenizer, names: list[str]) -> Tensor:
    """What a zero-shot label is: the mean of a name's wordings, of unit length, [names,256]."""
    device = clip.none_below.device
    wordings = [clip.encode_text(torch.from_numpy(tokenizer(templates(name))).to(device)) for name in names]
    return F.normalize(torch.stack([words.mean(0) for words in wordings]), dim=-1)


def with_order(clip: Clip) -> Clip:
    """The same model with an order tower, and a text tower that no longer learns."""
    model = Clip(replace(clip.config, order_layers=clip.config.text_layers))
    model.load_state_dict(clip.state_dict(), strict=False)
    model.order.begin(model.text)
    model.text.requires_grad_(False)
    return model


@torch.no_grad()
def bound(tower: TextTower, scenes: list[Scene], tokenizer: Tokenizer) -> Tensor:
    """Where a scene should lie, unit vectors [N,256]: its sentence, plus each thing of a relation in its role.

    A thing is bound to a role by the role's own rotation, and the bound things are added (Plate 1995, "Holographic
    reduced representations"; Smolensky 1990), so a cat left of a dog and a dog left of a cat are far apart. A tower
    that knows words as bags finds no way from there by contrast alone: the gradient of order begins at nearly nothing.
    """
    device = tower.token.weight.device

    def embed(texts: list[str]) -> Tensor:
        parts = [texts[i : i + 256] for i in range(0, len(texts), 256)]
        return torch.cat([tower(shortest(tokenizer(part), device))[1] for part in parts])

    generator = torch.Generator().manual_seed(0)
    aims = embed([scene.sentence for scene in scenes])
    size = aims.shape[1]
    rotations = torch.linalg.qr(torch.randn(len(ROLES), size, size, generator=generator)).Q.to(device)
    related = [i for i, scene in enumerate(scenes) if scene.relation]
    for place in (0, 1):
        roles = [ROLES.index(scenes[i].relation if place == 0 else OPPOSITE[scenes[i].relation]) for i in related]
        nouns = embed([scenes[i].names[place] for i in related])
        for role in set(roles):
            rows = [k for k, other in enumerate(roles) if other == role]
            aims[[related[k] for k in rows]] += BINDING * nouns[rows] @ rotations[role]
    return F.normalize(aims, dim=-1)


@torch.no_grad()
def none_below(clip: Clip, tokenizer: Tokenizer, world: World, count: int = 2000) -> Tensor:
    """For `Clip.none_below`, from the cosines of pictures of the world with the names of other concepts: if one wrong
    label stays under c with the chance p, then n independent ones do with the chance p^n."""
    device = clip.none_below.device
    concepts = dict(zip(world.codepoints, map(plain_name, world.names), strict=True))
    rows = np.random.default_rng(0).permutation(len(world))[:count]
    pixels = data.over(data.premultiplied(world.images[rows], device), torch.ones(1, 3, 1, 1, device=device))
    seen = torch.cat([clip.encode_image(part) for part in pixels.split(128)])
    numbers = {key: i for i, key in enumerate(concepts)}
    right = torch.tensor([numbers[world.codepoints[row]] for row in rows], device=device)
    labels = label_vectors(clip, tokenizer, list(concepts.values()))
    cosines = (seen @ labels.T).scatter(1, right[:, None], -1.0).flatten().sort().values
    shares = torch.tensor([0.95 ** (1 / n) for n in NONE_COUNTS], dtype=torch.float64)
    return cosines[(shares * (len(cosines) - 1)).round().long()]


def false_sentences(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Two at most: of the scene's own kind of fact where it has one, both ways where the fact is a relation."""
    wrong = hard_negatives(scene)
    own = [key for key in wrong if key != "background"] or list(wrong)
    return [wrong[key][rng.integers(len(wrong[key]))] for key in (own * 2)[:2]]


class Scenes:
    """Many scenes drawn once: `pictures` uint8 [N,64,64,4], their sentences, and how to make each sentence wrong.

    kinds: what kinds of scenes, in turn; None is any.
    """

    def __init__(self, world: World, count: int, kinds: tuple[str | None, ...] = (None,)):
        objects = scene_objects(world) if count else []
        self.scenes: list[Scene] = [
            make_scene(world, objects, seed, kind=kinds[seed % len(kinds)]) for seed in range(count)
        ]
        self.pictures = np.array([render(world, scene) for scene in self.scenes], np.uint8).reshape(-1, *PICTURE)


def train(
    world: World,
    budget: Budget,
    out: Path,
    *,
    seed: int = 0,
    minutes: float | None = None,
    teacher: Teacher | None = None,
) -> Clip:
    """Train both towers and return the averaged model. `minutes` limits each stage of the picture tower alone.

    teacher: by default the table at data/teacher.safetensors.
    """
    device = pick_device()
    teacher = teacher or load_teacher()
    tokenizer = Tokenizer(teacher.vocabulary)
    model = begin(tokenizer, teacher, seed).to(device)
    teacher_tokens, target = tokenizer(teacher.texts), torch.from_numpy(teacher.vectors).to(device)

    lengths = (teacher_tokens != 0).sum(1)

    def some_texts(rng: np.random.Generator, count: int) -> list[np.ndarray]:
        """Rows of random texts in four parts by length: most are one word, some a sentence."""
        rows = rng.integers(0, len(teacher.texts), count)
        return np.array_split(rows[np.argsort(lengths[rows], kind="stable")], 4)

    def imitation(tower: TextTower, rng: np.random.Generator, count: int) -> Tensor:
        """How far the summaries of random texts are from the teacher's vectors."""
        losses = [
            away(tower(shortest(teacher_tokens[part], device))[1], target[torch.from_numpy(part).to(device)])
            for part in some_texts(rng, count)
        ]
        return torch.stack(losses).mean()

    def distil_loss(tower: TextTower) -> Loss:
        def compute(rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
            return {"loss": imitation(tower, rng, budget.distil.batch_size)}

        return compute

    recipe = {"model": asdict(model.config)}
    average = fit(model.text, distil_loss, budget.distil, out / "text", seed=seed, recipe=recipe)
    model.text.load_state_dict(average.state_dict())

    shown = world.split("train")
    pictures = torch.from_numpy(shown.images).to(device)
    first_row, concept = np.unique(shown.codepoints, return_index=True, return_inverse=True)[1:]
    names = [plain_name(shown.names[i]) for i in first_row]
    number = {text: i for i, text in enumerate(teacher.texts)}
    name_vectors = target[[number[name] for name in names]]
    sided = np.array(["left" in name or "right" in name for name in shown.names])  # must not be mirrored
    scenes = Scenes(world, budget.scenes)
    model.to(memory_format=torch.channels_last)

    def same(a: np.ndarray, b: np.ndarray) -> Tensor:
        return torch.from_numpy((a[:, None] == b).astype(np.float32)).to(device)

    def singles(rng: np.random.Generator, count: int) -> tuple[np.ndarray, Tensor, list[str]]:
        """Pictures of one thing: their rows, pixels [count,3,64,64] and captions."""
        rows = rng.integers(0, len(shown), count)
        pixels = data.premultiplied(pictures[torch.from_numpy(rows).to(device)], device)
        mirror = torch.from_numpy((rng.random(count) < 0.5) & ~sided[rows]).to(device)
        pixels = data.augment(torch.where(mirror[:, None, None, None], pixels.flip(3), pixels), rng)
        texts = [
            caption(shown.names[i], shown.keywords[i], shown.styles[i], rng, codepoints=shown.codepoints[i])
            for i in rows
        ]
        return rows, pixels, texts

    def composed(rng: np.random.Generator, scenes: Scenes, count: int) -> tuple[np.ndarray, Tensor]:
        """Which scenes, at random, and their pixels [count,3,64,64], over white or over a colour."""
        chosen = rng.integers(0, len(scenes.scenes), count)
        pixels = data.premultiplied(scenes.pictures[chosen], device)
        colours = torch.from_numpy(rng.uniform(-1, 1, (count, 3, 1, 1)).astype(np.float32)).to(device)
        plain = torch.from_numpy(rng.random((count, 1, 1, 1)) < 0.7).to(device)
        return chosen, data.over(pixels, torch.where(plain, 1.0, colours))

    def match_loss(model: Clip, aims: Tensor) -> Loss:
        """Pictures and sentences, and the aims [names, 256] of the picture tower; words too while that tower learns."""
        words_learn = model.text.token.weight.requires_grad
        scene_count = round(budget.joint.batch_size * budget.scene_share)

        def compute(rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
            rows, single, texts = singles(rng, budget.joint.batch_size - scene_count)
            places, several = composed(rng, scenes, scene_count)
            chosen = [scenes.scenes[i] for i in places]
            pixels = torch.cat([single, several]).contiguous(memory_format=torch.channels_last)
            texts += [scene.sentence for scene in chosen]
            wrong = [hard_negative(scene, rng) for scene in chosen]
            texts += [text for text in wrong if text]
            more = rng.integers(0, len(names), budget.more_names)

            # Names are shorter than captions, so they are encoded apart, with less padding.
            batches = (texts, [names[i] for i in more])
            sentences = torch.cat([model.encode_text(shortest(tokenizer(batch), device)) for batch in batches])
            image = model.encode_image(pixels)
            logits = model.logits(image, sentences)
            match = torch.eye(len(pixels), len(sentences), device=device)
            match[: len(rows), : len(rows)] = same(concept[rows], concept[rows])
            match[: len(rows), -len(more) :] = same(concept[rows], more)
            contrast = sigmoid_loss(logits.float(), match)
            hit = (logits.argmax(1) == torch.arange(len(pixels), device=device)).float().mean()
            guess = NAMING_SCALE * image[: len(rows)].float() @ aims.T
            naming = F.cross_entropy(guess, torch.from_numpy(concept[rows]).to(device))
            losses = {"contrast": contrast, "naming": naming}
            if words_learn:
                losses["imitation"] = 10 * imitation(model.text, rng, budget.joint.batch_size // 2)
            return {"loss": sum(losses.values()), **losses, "hit": hit}

        return compute

    loss = partial(match_loss, aims=name_vectors)
    average = fit(model, loss, budget.joint, out / "both", seed=seed, recipe=recipe)
    model.load_state_dict(average.state_dict())

    def fit_image(start: Clip, schedule: Schedule, stage: str) -> Clip:
        """The picture tower goes on from `start` against the words of `model`, which stay as they are."""
        model.image.load_state_dict(start.image.state_dict())
        model.text.requires_grad_(False)
        with torch.no_grad():  # the aims are what zero-shot labels are made of
            own = label_vectors(model, tokenizer, names)
        loss = partial(match_loss, aims=own)
        average = fit(model, loss, schedule, out / stage, seed=seed, minutes=minutes, recipe=recipe)
        model.text.requires_grad_(True)
        return average

    average = fit_image(average, budget.look, "image")
    exact = copy.deepcopy(model.text).requires_grad_(False)

    def words_rounded_loss(tower: TextTower) -> Loss:
        """How far the rounded tower is from the exact one."""

        def compute(rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
            sentences = tokenizer([scenes.scenes[i].sentence for i in rng.integers(0, len(scenes.scenes), 32)])
            parts = [teacher_tokens[part] for part in some_texts(rng, budget.words_rounded.batch_size)]
            losses = [apart(tower, exact, shortest(part, device)) for part in [*parts, sentences]]
            return {"loss": torch.stack(losses).mean()}

        return compute

    words = fit(model.text, words_rounded_loss, budget.words_rounded, out / "words-rounded", seed=seed, recipe=recipe)
    restore(model.text, stored(words))
    average = fit_image(average, budget.look_rounded, "image-rounded")
    model.load_state_dict(average.state_dict())
    scenes = Scenes(world, budget.trap_scenes, TRAP_KINDS)
    aims = bound(model.text, scenes.scenes, tokenizer)
    model = with_order(model).to(device, memory_format=torch.channels_last)
    recipe = {"model": asdict(model.config)}

    def read(tower: OrderTower, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The order tower's embeddings [N,256], and the text tower's summaries, which they began as."""
        with torch.no_grad():
            _, summary, words = model.text(tokens)
        return tower(words, present(tokens)), summary

    def kept(tower: OrderTower, rng: np.random.Generator, count: int) -> Tensor:
        """How far the embeddings of words and captions have moved."""
        parts = some_texts(rng, count)
        return torch.stack([away(*read(tower, shortest(teacher_tokens[part], device))) for part in parts]).mean()

    def aimed(embedding: Tensor, rows: np.ndarray) -> Tensor:
        """How far embeddings [N,256] of scenes, or of their sentences, are from where the scenes should lie."""
        return away(embedding, aims[torch.from_numpy(rows).to(device)])

    def order_loss(tower: OrderTower, hold: bool) -> Loss:
        """Sentences of scenes towards their aims. hold: other texts back to where they were. With that from the start
        the tower settles for the mean of both orders and never finds out."""

        def compute(rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
            rows = rng.integers(0, len(scenes.scenes), budget.order.batch_size)
            texts = [paraphrase(scenes.scenes[i], rng) for i in rows]
            losses = {"aim": 4 * aimed(read(tower, shortest(tokenizer(texts), device))[0], rows)}
            if hold:
                losses["kept"] = 10 * kept(tower, rng, 2 * budget.order.batch_size)
            return {"loss": sum(losses.values()), **losses}

        return compute

    for schedule, stage in ((budget.order, "order"), (budget.settle, "settle")):
        loss = partial(order_loss, hold=stage == "settle")
        order = fit(model.order, loss, schedule, out / stage, seed=seed, recipe=recipe)
        model.order.load_state_dict(order.state_dict())
    restore(model.order, stored(order))
    model.order.requires_grad_(False)

    def trap_loss(model: Clip) -> Loss:
        """Scenes among false sentences of the same words; pictures of one thing, so that nothing is forgotten."""
        scene_count = round(budget.traps.batch_size * budget.trap_share)
        with torch.no_grad():
            own = label_vectors(model, tokenizer, names)

        def compute(rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
            rows, single, captions = singles(rng, budget.traps.batch_size - scene_count)
            places, several = composed(rng, scenes, scene_count)
            chosen = [scenes.scenes[i] for i in places]
            pixels = torch.cat([single, several]).contiguous(memory_format=torch.channels_last)
            lures = [false_sentences(scene, rng) for scene in chosen]
            belongs = np.repeat(np.arange(scene_count), [len(some) for some in lures])
            more = rng.integers(0, len(names), budget.more_names)
            batches = (
                captions + [names[i] for i in more],
                [paraphrase(scene, rng) for scene in chosen] + [text for some in lures for text in some],
            )
            short, long = (model.encode_text(shortest(tokenizer(batch), device)) for batch in batches)
            image = model.encode_image(pixels)
            match = torch.zeros(len(pixels), len(short) + len(long), device=device)
            match[: len(rows), : len(short)] = same(concept[rows], concept[np.concatenate([rows, first_row[more]])])
            match[len(rows) :, len(short) : len(short) + scene_count].fill_diagonal_(1)
            contrast = sigmoid_loss(model.logits(image, torch.cat([short, long])).float(), match)
            naming = F.cross_entropy(
                NAMING_SCALE * image[: len(rows)].float() @ own.T, torch.from_numpy(concept[rows]).to(device)
            )
            seen, row = image[len(rows) :], torch.from_numpy(belongs).to(device)
            margin = (seen[row] * (long[row] - long[scene_count:])).sum(1)  # cosine of the true sentence less the false
            trap = F.softplus(-TRAP_SCALE * margin).mean()
            losses = {"contrast": contrast, "naming": naming, "trap": 4 * trap, "aim": 4 * aimed(seen, places)}
            return {"loss": sum(losses.values()), **losses, "escaped": (margin > 0).float().mean()}

        return compute

    average = fit(model, trap_loss, budget.traps, out / "traps", seed=seed, minutes=minutes, recipe=recipe)
    average.none_below.copy_(none_below(average, tokenizer, shown.select(shown.core)))
    save_final(average, model.config, out)
    tokenizer.save(out / "vocabulary.txt")
    return average
