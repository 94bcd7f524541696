"""A writer of tiny stories: one small decoder, which says the next word or fills in blanks.

A causal one knows what came before and says what comes next, as the vision-language model does. Its twin, of the same
size, sees the whole text, some words of it hidden behind MASK, and says what stands there: masked diffusion, whose
noise hides words (Austin et al. 2021, https://arxiv.org/abs/2107.03006, absorbing state; Sahoo et al. 2024,
https://arxiv.org/abs/2406.07524). With t of all words hidden the loss of each is weighted by 1/t, which bounds the
likelihood; how many are hidden the network sees by itself.

Tokens: int64 [B,T], START first; after the end of a text stands END. A cache is as in layers.py.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.layers import DecoderLayers, later

START, END, MASK = 1, 0, 3  # [start], [pad] and [mask] of the tokenizer


@dataclass(frozen=True)
class WriterConfig:
    vocabulary_size: int
    causal: bool
    width: int = 160
    layers: int = 4
    heads: int = 5
    context_length: int = 80  # tokens of a text at most, START among them; the twin writes so many always


class Writer(nn.Module):
    def __init__(self, config: WriterConfig):
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocabulary_size, config.width)
        self.layers = DecoderLayers(config.width, config.layers, config.heads, config.context_length)
        self.norm = nn.RMSNorm(config.width)
        self.head = nn.Linear(config.width, config.width, bias=False)  # or each word would say itself again at first

    def forward(self, tokens: Tensor, *past: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """-> logits [B,T,vocabulary_size]: of the next token after each one, and with them the cache, longer than that
        of the keys and values in `past`; or of the token in each place itself."""
        before = past[0].shape[3] if past else 0
        hidden = later(tokens.shape[1], before, tokens.device) if self.config.causal else torch.zeros(1)
        cache = (past[0], past[1]) if past else None
        x, (keys, values), _ = self.layers(self.token(tokens), cache, hidden.to(tokens.device))
        logits = self.head(self.norm(x)).float() @ self.token.weight.T / math.sqrt(self.config.width)
        return (logits, keys, values) if self.config.causal else logits


def next_word_loss(model: Writer, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Loss of each text [B], a mean over its words and the first END, and the share of them that were right [B]."""
    logits = model(tokens[:, :-1])[0]
    true, said = tokens[:, 1:], (tokens[:, :-1] != END).float()
    losses = F.cross_entropy(logits.flatten(0, 1), true.flatten(), reduction="none").view_as(true) * said
    return losses.sum(1) / said.sum(1), ((logits.argmax(-1) == true) * said).sum(1) / said.sum(1)


def unmask_loss(model: Writer, tokens: Tensor, t: Tensor, draws: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """The same of the twin, over hidden words. t [B]: the share that is hidden, in (0, 1]; draws [B,T] in [0, 1) say
    which; given [B]: so many at the front are shown, START among them."""
    free = torch.arange(tokens.shape[1], device=tokens.device) >= given[:, None]
    blank = (draws < t[:, None]) & free
    logits = model(tokens.masked_fill(blank, MASK))
    losses = F.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none").view_as(tokens) * blank
    right = ((logits.argmax(-1) == tokens) & blank).sum(1) / blank.sum(1).clamp_min(1)
    return losses.sum(1) / t / free.sum(1), right
