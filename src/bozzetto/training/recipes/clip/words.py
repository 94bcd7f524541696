"""The text tower and its teacher: a start as a bag of words, imitation, and staying where it is while it is rounded."""

from functools import reduce
from operator import add

import numpy as np
import torch
from torch import Tensor

from bozzetto.models.clip import TextTower
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.training.data import shortest
from bozzetto.training.teacher import Teacher


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


def summed(losses: dict[str, Tensor]) -> dict[str, Tensor]:
    """The losses, and "loss", which is their sum."""
    return {"loss": reduce(add, losses.values()), **losses}


class Words:
    """The teacher's texts as tokens, and where it puts them."""

    def __init__(self, teacher: Teacher, device: torch.device):
        self.device, self.tokenizer = device, Tokenizer(teacher.vocabulary)
        self.vectors = torch.from_numpy(teacher.vectors).to(device)
        self.number = {text: i for i, text in enumerate(teacher.texts)}
        self._tokens = self.tokenizer(teacher.texts)
        self._lengths = (self._tokens != 0).sum(1)

    def tokens(self, texts: list[str]) -> Tensor:
        """int64 [N, the longest]."""
        return shortest(self.tokenizer(texts), self.device)

    def some(self, rng: np.random.Generator, count: int) -> list[tuple[Tensor, Tensor]]:
        """Random texts in four parts by length, for most are one word, some a sentence: tokens, and the teacher's
        vectors."""
        rows = rng.integers(0, len(self._tokens), count)
        parts = np.array_split(rows[np.argsort(self._lengths[rows], kind="stable")], 4)
        return [
            (shortest(self._tokens[part], self.device), self.vectors[torch.from_numpy(part).to(self.device)])
            for part in parts
        ]

    def imitation(self, tower: TextTower, rng: np.random.Generator, count: int) -> Tensor:
        """How far the summaries of random texts are from the teacher's vectors."""
        return torch.stack([away(tower(tokens)[1], aim) for tokens, aim in self.some(rng, count)]).mean()
