"""Compositional negatives: a scene among false sentences of the same words."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bozzetto.models.clip import Clip, sigmoid_loss
from bozzetto.training.data import Scenes
from bozzetto.training.recipes.clip.contrast import Captioned, scene_batch
from bozzetto.training.recipes.clip.order import aimed
from bozzetto.training.recipes.clip.words import Words
from bozzetto.world.scenes import Scene, hard_negatives, paraphrase

SCALE = 16.0  # of differences of cosines, as NAMING_SCALE is of cosines
KINDS = ("place", "size", "place", "place", "size", "place", "count", "color", "two", "single")  # of scenes, in turn


def false_sentences(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Two at most: of the scene's own kind of fact where it has one, both ways where the fact is a relation."""
    wrong = hard_negatives(scene)
    own = [key for key in wrong if key != "background"] or list(wrong)
    return [wrong[key][rng.integers(len(wrong[key]))] for key in (own * 2)[:2]]


def negatives_loss(
    model: Clip,
    rng: np.random.Generator,
    _: torch.Generator,
    *,
    words: Words,
    shown: Captioned,
    scenes: Scenes,
    counts: tuple[int, int, int],
    aims: Tensor,
    scene_aims: Tensor,
) -> dict[str, Tensor]:
    """Scenes among false sentences of the same words; pictures of one thing, so that nothing is forgotten.

    counts, aims: as in `match_loss`; scene_aims [scenes,256]: where the scenes should lie.
    """
    count, scene_count, more_names = counts
    rows, single, captions = shown.batch(rng, count)
    places, several = scene_batch(scenes, rng, scene_count, words.device)
    chosen = [scenes.scenes[i] for i in places]
    pixels = torch.cat([single, several]).contiguous(memory_format=torch.channels_last)
    false = [false_sentences(scene, rng) for scene in chosen]
    belongs = np.repeat(np.arange(scene_count), [len(some) for some in false])
    more = rng.integers(0, len(shown.names), more_names)
    batches = (
        captions + [shown.names[i] for i in more],
        [paraphrase(scene, rng) for scene in chosen] + [text for some in false for text in some],
    )
    short, long = (model.encode_text(words.tokens(batch)) for batch in batches)
    image = model.encode_image(pixels)
    match = torch.zeros(len(pixels), len(short) + len(long), device=words.device)
    match[: len(rows), : len(short)] = shown.same(rows, shown.concept[np.concatenate([rows, shown.first_row[more]])])
    match[len(rows) :, len(short) : len(short) + scene_count].fill_diagonal_(1)
    contrast = sigmoid_loss(model.logits(image, torch.cat([short, long])).float(), match)
    naming = shown.naming(image[: len(rows)], rows, aims)
    seen, row = image[len(rows) :], torch.from_numpy(belongs).to(words.device)
    margin = (seen[row] * (long[row] - long[scene_count:])).sum(1)  # cosine of the true sentence less the false one's
    negatives = F.softplus(-SCALE * margin).mean()
    losses = {"contrast": contrast, "naming": naming, "negatives": 4 * negatives}
    losses["aim"] = 4 * aimed(seen, scene_aims, places)
    return {"loss": sum(losses.values()), **losses, "right": (margin > 0).float().mean()}
