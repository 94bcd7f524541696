"""A writer of tiny stories: one small decoder, which says the next word or fills in blanks.

A causal one knows what came before and says what comes next, as the vision-language model does. Its twin, of the same
size, sees words on both sides, some of them hidden behind MASK, and says what stands there: masked diffusion, whose
noise hides words (Austin et al. 2021, https://arxiv.org/abs/2107.03006, absorbing state; Sahoo et al. 2024,
https://arxiv.org/abs/2406.07524). It does so in a window at a time, from the first hidden word on: what comes before is
known, and what comes after is all hidden (Arriola et al. 2025, https://arxiv.org/abs/2503.09573, whose blocks stand
where a window here may begin anywhere). In a window words come to be known in an order that leans to the left, as they
do in writing; how many are hidden the network sees by itself. It too says at each place what stands at the next
one, so that it can begin as the causal one (Gong et al. 2024, https://arxiv.org/abs/2410.17891).

Tokens: int64 [B,T], START first; after the end of a text stands END. A cache is as in layers.py.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.layers import Cache, DecoderLayers, later

START, END, MASK = 1, 0, 3  # [start], [pad] and [mask] of the tokenizer
FALL = 0.15  # of the twin's loss: each blank weighs e^-0.15 of the one before it


@dataclass(frozen=True)
class WriterConfig:
    vocabulary_size: int
    causal: bool
    width: int = 160
    layers: int = 4
    heads: int = 5
    context_length: int = 64  # tokens of a text at most, START among them; the twin sees so many always
    window: int = 16  # places that the twin fills in at a time


class Writer(nn.Module):
    def __init__(self, config: WriterConfig):
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocabulary_size, config.width)
        self.layers = DecoderLayers(config.width, config.layers, config.heads, config.context_length)
        self.norm = nn.RMSNorm(config.width)
        self.head = nn.Linear(config.width, config.width, bias=False)  # or each word would say itself again at first

    def read(self, tokens: Tensor, past: Cache | None = None) -> tuple[Tensor, Cache]:
        """-> hidden [B,T,width], from which `words` makes logits, and the cache, longer than the one of the past."""
        mask = torch.zeros(1, device=tokens.device)
        if self.config.causal:
            mask = later(tokens.shape[1], past[0].shape[3] if past else 0, tokens.device)
        x, cache, _ = self.layers(self.token(tokens), past, mask)
        return self.head(self.norm(x)), cache

    def words(self, hidden: Tensor) -> Tensor:
        """[...,width] -> logits [...,vocabulary_size], by the tokens themselves."""
        return hidden.float() @ self.token.weight.T / math.sqrt(self.config.width)

    def forward(
        self, tokens: Tensor, keys: Tensor | None = None, values: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """-> logits [B,T,vocabulary_size] of the next token after each one; of a causal one the longer cache too."""
        hidden, cache = self.read(tokens, None if keys is None or values is None else (keys, values))
        return (self.words(hidden), *cache) if self.config.causal else self.words(hidden)


def losses_of(model: Writer, hidden: Tensor, true: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Of each text the loss, a mean over places by these weights [B,T], and by the same the share that was right: [B]
    each. Logits are made only where there is a weight: they are the most of the work."""
    asked = weights > 0
    logits, aim = model.words(hidden[asked]), true[asked]
    losses, right = (torch.zeros(true.shape, device=true.device) for _ in range(2))
    losses[asked] = F.cross_entropy(logits, aim, reduction="none")
    right[asked] = (logits.detach().argmax(-1) == aim).float()
    return (losses * weights).sum(1), (right * weights).sum(1)


def next_word_loss(model: Writer, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Loss of each text [B], a mean over its words and the first END, and the share of them that were right [B]."""
    said = tokens[:, :-1] != END
    return losses_of(model, model.read(tokens[:, :-1])[0], tokens[:, 1:], said / said.sum(1, keepdim=True))


def unmask_loss(
    model: Writer, tokens: Tensor, first: Tensor, t: Tensor, draws: Tensor, lean: Tensor
) -> tuple[Tensor, Tensor]:
    """The same of the twin, over hidden words; the first of them, which come to be filled in first, weigh most. first
    [B]: where the window begins, 1 or more; t [B]: the share of it that is hidden, in (0, 1]. Which places are known is
    by the order of draws [B,T] in [0, 1) + lean [B] times how far in the window they are: 0 is any order, much is from
    the left."""
    ahead = torch.arange(tokens.shape[1], device=tokens.device) - first[:, None]
    beyond = ahead >= model.config.window
    window = (ahead >= 0) & ~beyond
    size = window.sum(1, keepdim=True)
    order = (draws + lean[:, None] * ahead / model.config.window).masked_fill(~window, torch.inf).argsort(1).argsort(1)
    known = ((1 - t[:, None]) * size).floor().minimum(size - 1)
    blank = window & (order >= known)
    hidden = model.read(tokens.masked_fill(blank | beyond, MASK))[0]
    weights = torch.exp(-FALL * (blank.cumsum(1) - 1)) * blank
    return losses_of(model, hidden[:, :-1], tokens[:, 1:], (weights / weights.sum(1, keepdim=True))[:, 1:])
