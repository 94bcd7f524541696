"""A vision-language model: CLIP's picture tower looks, a small decoder reads the question and says the answer.

The picture stands before the words as 64 patches, as if they were words (Liu et al. 2023, LLaVA,
https://arxiv.org/abs/2304.08485, section 4.1): of each 8 x 8 pixels what the tower makes of them halfway, beside what
it makes of the 16 x 16 around them in the end. The end knows what a thing is, halfway still knows its strokes, so that
a letter has a patch of its own. Patches are seen once: `encode_image` leaves keys and values of every layer for them,
and `forward` reads words with what came before as its cache, in training (many questions about one picture) as in
answering (a word at a time). The decoder is that of layers.py, a plain transformer.

A conversation: question tokens, START, answer tokens, END. Pixels: float [B,3,64,64], RGB in [-1, 1]. Tokens: int64
[B,T]. A cache is keys and values, each [B,layers,heads,P,size] for the P positions so far.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bozzetto.models.clip import ClipConfig, ImageTower
from bozzetto.models.layers import Cache, DecoderLayers, later

START, END = 1, 0  # the tokenizer's [start], before the answer, and [pad], after it
PATCHES = 64


@dataclass(frozen=True)
class VlmConfig:
    vocabulary_size: int
    token_size: int = 96  # as in CLIP's text tower, from which the tokens come
    width: int = 192
    layers: int = 4
    heads: int = 6
    context_length: int = 112  # positions, those of the patches among them
    image_widths: tuple[int, int, int] = ClipConfig.image_widths  # of CLIP's picture tower, see ClipConfig
    image_blocks: tuple[int, int, int] = ClipConfig.image_blocks
    image_heads: int = ClipConfig.image_heads


class Vlm(nn.Module):
    def __init__(self, config: VlmConfig):
        super().__init__()
        self.config = config
        width = config.width
        sizes = {name: getattr(config, name) for name in ("image_widths", "image_blocks", "image_heads")}
        self.image = ImageTower(ClipConfig(config.vocabulary_size, **sizes))
        _, halfway, end = config.image_widths
        self.norm_cells = nn.RMSNorm(halfway)
        self.project = nn.Linear(halfway + end, width)
        self.place = nn.Parameter(0.02 * torch.randn(PATCHES, width))  # where a patch is
        self.nothing = nn.Parameter(0.02 * torch.randn(PATCHES, width))  # stands for no picture: a blind guess
        self.token = nn.Embedding(config.vocabulary_size, config.token_size)
        self.widen = nn.Linear(config.token_size, width, bias=False)
        self.layers = DecoderLayers(width, config.layers, config.heads, config.context_length)
        self.norm = nn.RMSNorm(width)
        self.narrow = nn.Linear(width, config.token_size, bias=False)

    def encode_image(self, pixels: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> the cache of the pictures, keys and values, and the patches [B,64,width], which all look at each other.

        seen: float [B], 1 for a picture that is shown, 0 for one that is not: then the answers are blind guesses.
        """
        squares, cells = self.image.grids(pixels)
        around = squares.transpose(1, 2).unflatten(2, (4, 4)).repeat_interleave(2, 2).repeat_interleave(2, 3)
        cells = self.norm_cells(cells.flatten(2).transpose(1, 2).float())
        patches = self.project(torch.cat([cells, around.flatten(2).transpose(1, 2)], -1)).float() + self.place
        shown = torch.where(seen[:, None, None] > 0, patches, self.nothing)
        _, (keys, values), _ = self.layers(shown, None, torch.zeros(1, device=pixels.device))
        return keys, values, patches

    def read(self, tokens: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Cache, Tensor]:
        """-> hidden [B,T,token_size], from which `words` makes logits, the longer cache, and looks [B,layers,T,P+T]."""
        mask = later(tokens.shape[1], keys.shape[3], tokens.device)
        x, cache, looks = self.layers(self.widen(self.token(tokens)), (keys, values), mask)
        return self.narrow(self.norm(x)), cache, looks

    def words(self, hidden: Tensor) -> Tensor:
        """[...,token_size] -> logits [...,vocabulary_size], by the tokens themselves."""
        return hidden.float() @ self.token.weight.T / math.sqrt(self.config.token_size)

    def forward(self, tokens: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """-> logits of the next token after each one [B,T,vocabulary_size], the longer cache, and how much each token
        looked at each patch, in each layer [B,layers,T,64]."""
        hidden, cache, looks = self.read(tokens, keys, values)
        return self.words(hidden), *cache, looks[..., :PATCHES]


class VlmEncoder(Vlm):
    """The same network, whose forward is `encode_image`, for export."""

    def forward(self, pixels: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        return self.encode_image(pixels, seen)
