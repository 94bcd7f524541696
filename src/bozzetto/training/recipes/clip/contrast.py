"""Pictures against sentences: the batches, the loss of a picture among all of them and among all names, and, as
compositional negatives, of a scene among false sentences of the same words."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bozzetto.models.clip import NONE_COUNTS, Clip, sigmoid_loss
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.training import data
from bozzetto.training.data import Scenes
from bozzetto.training.processes import split
from bozzetto.training.recipes.clip.order import aimed
from bozzetto.training.recipes.clip.words import Words, summed
from bozzetto.world.captions import caption, plain_name, templates
from bozzetto.world.dataset import World
from bozzetto.world.scenes import Scene, hard_negative, hard_negatives, paraphrase

NAMING_SCALE = 16.0  # of the cosines in the naming loss; higher is sharper
NEGATIVE_SCALE = 16.0  # and of their differences among compositional negatives
NEGATIVE_KINDS = ("place", "size", "place", "place", "size", "place", "count", "color", "two", "single")  # of scenes


@torch.no_grad()
def label_vectors(clip: Clip, tokenizer: Tokenizer, names: list[str]) -> Tensor:
    """What a zero-shot label is: the mean of a name's wordings, of unit length, [names,256]."""
    device = clip.none_below.device
    wordings = [clip.encode_text(torch.from_numpy(tokenizer(templates(name))).to(device)) for name in names]
    return F.normalize(torch.stack([words.mean(0) for words in wordings]), dim=-1)


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


class Captioned:
    """The training pictures of one thing each, and what a model loses among them, scenes and sentences.

    names: of all concepts; concept int64 [N]: which of them each picture shows; first_row: a picture of each;
    more_names: how many names of random concepts stand beside a batch's own captions.
    """

    def __init__(self, world: World, words: Words, more_names: int):
        self.world, self.words, self.device, self.more_names = world, words, words.device, more_names
        self.pictures = torch.from_numpy(world.images).to(self.device)
        self.first_row, self.concept = np.unique(world.codepoints, return_index=True, return_inverse=True)[1:]
        self.names = [plain_name(world.names[i]) for i in self.first_row]
        self.sided = np.array(["left" in name or "right" in name for name in world.names])  # must not be mirrored

    def batch(
        self, scenes: Scenes, rng: np.random.Generator, size: int, share: float
    ) -> tuple[np.ndarray, np.ndarray, Tensor, list[str]]:
        """Pictures, and a share of scenes over white or over a colour: the rows of both, pixels [size,3,64,64], and the
        pictures' captions."""
        shown, scene_count = self.world, round(size * share)
        count = size - scene_count
        rows = rng.integers(0, len(shown), count)
        pixels = data.premultiplied(self.pictures[torch.from_numpy(rows).to(self.device)], self.device)
        mirror = torch.from_numpy((rng.random(count) < 0.5) & ~self.sided[rows]).to(self.device)
        single = data.augment(torch.where(mirror[:, None, None, None], pixels.flip(3), pixels), rng)
        texts = [
            caption(shown.names[i], shown.keywords[i], shown.styles[i], rng, codepoints=shown.codepoints[i])
            for i in rows
        ]
        places = rng.integers(0, len(scenes.scenes), scene_count)
        several = data.premultiplied(scenes.pictures[places], self.device)
        colours = torch.from_numpy(rng.uniform(-1, 1, (scene_count, 3, 1, 1)).astype(np.float32)).to(self.device)
        plain = torch.from_numpy(rng.random((scene_count, 1, 1, 1)) < 0.7).to(self.device)
        pixels = torch.cat([single, data.over(several, torch.where(plain, 1.0, colours))])
        return rows, places, pixels.contiguous(memory_format=torch.channels_last), texts

    def same(self, rows: np.ndarray, concepts: np.ndarray) -> Tensor:
        """1 where a picture shows a concept, [rows,concepts]."""
        return torch.from_numpy((self.concept[rows][:, None] == concepts).astype(np.float32)).to(self.device)

    def naming(self, image: Tensor, rows: np.ndarray, aims: Tensor) -> Tensor:
        """The loss of finding the pictures' names among all: embeddings of pictures [rows,256], and of names."""
        concept = torch.from_numpy(self.concept[rows]).to(self.device)
        return F.cross_entropy(NAMING_SCALE * image.float() @ aims.T, concept)

    def match_loss(
        self, model: Clip, rng: np.random.Generator, _: torch.Generator, *,
        scenes: Scenes, size: int, share: float, aims: Tensor,
    ) -> dict[str, Tensor]:  # fmt: skip
        """Pictures and sentences. size: of the batch; share: of scenes in it; aims [names,256]: of the pictures."""
        rows, places, pixels, texts = self.batch(scenes, rng, size, share)
        chosen = [scenes.scenes[i] for i in places]
        texts += [scene.sentence for scene in chosen]
        wrong = [hard_negative(scene, rng) for scene in chosen]
        texts += [text for text in wrong if text]
        more = rng.integers(0, len(self.names), self.more_names)

        # Names are shorter than captions, so they are encoded apart, with less padding.
        batches = (texts, [self.names[i] for i in more])
        sentences = torch.cat([split(model.encode_text, self.words.tokens(batch)) for batch in batches])
        image = split(model.encode_image, pixels)
        logits = model.logits(image, sentences)
        match = torch.eye(len(pixels), len(sentences), device=self.device)
        match[: len(rows), : len(rows)] = self.same(rows, self.concept[rows])
        match[: len(rows), -len(more) :] = self.same(rows, more)
        contrast = sigmoid_loss(logits.float(), match)
        hit = (logits.argmax(1) == torch.arange(len(pixels), device=self.device)).float().mean()
        return summed({"contrast": contrast, "naming": self.naming(image[: len(rows)], rows, aims)}) | {"hit": hit}

    def negatives_loss(
        self, model: Clip, rng: np.random.Generator, _: torch.Generator, *,
        scenes: Scenes, size: int, share: float, aims: Tensor, scene_aims: Tensor,
    ) -> dict[str, Tensor]:  # fmt: skip
        """Scenes among false sentences of the same words; pictures of one thing, so that nothing is forgotten.

        size, share, aims: as in `match_loss`; scene_aims [scenes,256]: where the scenes should lie.
        """
        rows, places, pixels, captions = self.batch(scenes, rng, size, share)
        chosen = [scenes.scenes[i] for i in places]
        false = [false_sentences(scene, rng) for scene in chosen]
        belongs = np.repeat(np.arange(len(chosen)), [len(some) for some in false])
        more = rng.integers(0, len(self.names), self.more_names)
        batches = (
            captions + [self.names[i] for i in more],
            [paraphrase(scene, rng) for scene in chosen] + [text for some in false for text in some],
        )
        short, long = (split(model.encode_text, self.words.tokens(batch)) for batch in batches)
        image = split(model.encode_image, pixels)
        match = torch.zeros(len(pixels), len(short) + len(long), device=self.device)
        match[: len(rows), : len(short)] = self.same(rows, self.concept[np.concatenate([rows, self.first_row[more]])])
        match[len(rows) :, len(short) : len(short) + len(chosen)].fill_diagonal_(1)
        contrast = sigmoid_loss(model.logits(image, torch.cat([short, long])).float(), match)
        naming = self.naming(image[: len(rows)], rows, aims)
        seen, row = image[len(rows) :], torch.from_numpy(belongs).to(self.device)
        margin = (seen[row] * (long[row] - long[len(chosen) :])).sum(1)  # cosine of the true sentence less the false's
        negatives = F.softplus(-NEGATIVE_SCALE * margin).mean()
        losses = {"contrast": contrast, "naming": naming, "negatives": 4 * negatives}
        losses["aim"] = 4 * aimed(seen, scene_aims, places)
        return summed(losses) | {"right": (margin > 0).float().mean()}
