"""Order and place in sentences: what the order tower learns, which makes the embedding from then on."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bozzetto.models.clip import Clip, OrderTower, TextTower, present
from bozzetto.training.data import Scenes
from bozzetto.training.recipes.clip.words import Words, away, summed
from bozzetto.world.scenes import OPPOSITE, Scene, paraphrase

ROLES = tuple(OPPOSITE)  # what a thing is to another
BINDING = 0.7  # how much it counts beside the words alone


def with_order(clip: Clip) -> tuple[Clip, OrderTower]:
    """The same model with an order tower, and a text tower that no longer learns. Also that tower."""
    model = Clip(replace(clip.config, order_layers=clip.config.text_layers))
    model.load_state_dict(clip.state_dict(), strict=False)
    assert model.order is not None
    model.order.start_from(model.text)
    model.text.requires_grad_(False)
    return model, model.order


@torch.no_grad()
def bound(tower: TextTower, scenes: list[Scene], words: Words) -> Tensor:
    """Where a scene should lie, unit vectors [N,256]: its sentence, plus each thing of a relation in its role.

    A thing is bound to a role by the role's own rotation, and the bound things are added (Plate 1995, "Holographic
    reduced representations"; Smolensky 1990), so a cat left of a dog and a dog left of a cat are far apart. A tower
    that knows words as bags finds no way from there by contrast alone: the gradient of order begins at nearly nothing.
    """

    def embed(texts: list[str]) -> Tensor:
        return torch.cat([tower(words.tokens(texts[i : i + 256]))[1] for i in range(0, len(texts), 256)])

    generator = torch.Generator().manual_seed(0)
    aims = embed([scene.sentence for scene in scenes])
    size = aims.shape[1]
    rotations = torch.linalg.qr(torch.randn(len(ROLES), size, size, generator=generator)).Q.to(words.device)
    related = [(i, scene.relation) for i, scene in enumerate(scenes) if scene.relation]
    for place in (0, 1):
        roles = [ROLES.index(relation if place == 0 else OPPOSITE[relation]) for _, relation in related]
        nouns = embed([scenes[i].names[place] for i, _ in related])
        for role in set(roles):
            rows = [k for k, other in enumerate(roles) if other == role]
            aims[[related[k][0] for k in rows]] += BINDING * nouns[rows] @ rotations[role]
    return F.normalize(aims, dim=-1)


def read(text: TextTower, tower: OrderTower, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """The order tower's embeddings [N,256], and the text tower's summaries, which they began as."""
    with torch.no_grad():
        _, summary, hidden = text(tokens)
    return tower(hidden, present(tokens)), summary


def aimed(embedding: Tensor, aims: Tensor, rows: np.ndarray) -> Tensor:
    """How far embeddings [N,256] of scenes, or of their sentences, are from where the scenes should lie."""
    return away(embedding, aims[torch.from_numpy(rows).to(aims.device)])


def order_loss(
    tower: OrderTower,
    rng: np.random.Generator,
    _: torch.Generator,
    *,
    text: TextTower,
    words: Words,
    scenes: Scenes,
    aims: Tensor,
    count: int,
    hold: bool,
) -> dict[str, Tensor]:
    """`count` sentences of scenes towards their aims. hold: other texts back to where they were. With that from the
    start the tower settles for the mean of both orders and never finds out."""
    rows = rng.integers(0, len(scenes.scenes), count)
    texts = [paraphrase(scenes.scenes[i], rng) for i in rows]
    losses = {"aim": 4 * aimed(read(text, tower, words.tokens(texts))[0], aims, rows)}
    if hold:
        moved = [away(*read(text, tower, tokens)) for tokens, _ in words.some(rng, 2 * count)]
        losses["kept"] = 10 * torch.stack(moved).mean()
    return summed(losses)
