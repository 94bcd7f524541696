"""CLIP: a picture and a sentence as two points on one sphere, near when they belong together.

Two towers (Radford et al. 2021) trained with the sigmoid loss (Zhai et al. 2023, SigLIP, algorithm 1): every
(picture, sentence) pair of a batch is a yes-or-no question of its own, so small batches work and several sentences
may be right for a picture.

The text tower learns from a teacher as well: its embeddings imitate those of a sentence encoder, so that words which
no caption contains ("kitty") land near those that captions do contain ("cat").

Pixels: float [B,3,64,64], RGB in [-1, 1]. Tokens: int64 [B,24], 0 is padding. Embeddings: [B,256], unit norm.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.layers import Attention, FilmBlock, zero_init

NONE_COUNTS = (1, 3, 10, 30, 100, 300, 1000)  # of labels; see Clip.none_below


@dataclass(frozen=True)
class ClipConfig:
    vocabulary_size: int
    embedding_size: int = 256
    context_length: int = 24
    token_size: int = 96  # tokens are stored narrow and widened by one matrix (Lan et al. 2020, ALBERT, section 3.1)
    text_width: int = 192
    text_layers: int = 3
    text_heads: int = 6
    order_layers: int = 0  # of the order tower, of the same width and heads; 0 is none
    image_widths: tuple[int, int, int] = (96, 160, 256)  # at 16 x 16, 8 x 8 and 4 x 4
    image_blocks: tuple[int, int, int] = (2, 2, 1)
    image_heads: int = 8


class TransformerLayer(nn.Module):
    """Pre-norm attention and a two-layer perceptron. [B,T,C] -> [B,T,C]."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), zero_init(nn.Linear(4 * width, width)))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x + self.attention(self.norm1(x), mask=mask)
        return x + self.mlp(self.norm2(x))


class TextTower(nn.Module):
    """Tokens [B,T] -> (hidden [B,T,192], summary [B,256], words [B,T,192]), T up to 24.

    The summary is what the hidden states say in one vector, of unit length; words are the tokens before any layer.
    """

    def __init__(self, config: ClipConfig):
        super().__init__()
        width = config.text_width
        self.token = nn.Embedding(config.vocabulary_size, config.token_size)
        nn.init.normal_(self.token.weight, std=1.0)
        self.widen = nn.Linear(config.token_size, width, bias=False)
        self.position = nn.Parameter(0.1 * torch.randn(config.context_length, width))
        self.layers = nn.ModuleList(TransformerLayer(width, config.text_heads) for _ in range(config.text_layers))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, config.embedding_size, bias=False)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mask = present(tokens)
        words = self.widen(self.token(tokens))
        hidden, summary = through(self, words, mask)
        return hidden, summary, words


class OrderTower(nn.Module):
    """Words [B,T,192] of the text tower, and which are there [B,T] -> embedding [B,256], of unit length.

    A second stack over the same tokens. What it learns about the order of words moves nothing under a model that reads
    the text tower's hidden states and summary, and who needs only those need not have it.
    """

    def __init__(self, config: ClipConfig):
        super().__init__()
        width = config.text_width
        self.position = nn.Parameter(torch.zeros(config.context_length, width))
        self.layers = nn.ModuleList(TransformerLayer(width, config.text_heads) for _ in range(config.order_layers))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, config.embedding_size, bias=False)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        return through(self, words, mask)[1]

    @torch.no_grad()
    def start_from(self, tower: TextTower) -> None:
        """Make it a copy of the text tower's stack, which must have as many layers."""
        ours = self.state_dict().keys()
        self.load_state_dict({name: tensor for name, tensor in tower.state_dict().items() if name in ours})


def present(tokens: Tensor) -> Tensor:
    """Which of the tokens [B,T] are not padding: float [B,T]."""
    return (tokens != 0).float()


def through(tower: TextTower | OrderTower, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Words [B,T,C] through a tower's layers -> hidden [B,T,C], and their mean as a unit vector [B,256]."""
    hidden = words + tower.position[: words.shape[1]]
    for layer in tower.layers:
        hidden = layer(hidden, mask)
    hidden = tower.norm(hidden)
    mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return hidden, F.normalize(tower.project(mean).float(), dim=-1)


class ImageTower(nn.Module):
    """Pixels [B,3,64,64] -> (embedding [B,256], patches [B,16,256], one for each square of a 4 x 4 grid)."""

    def __init__(self, config: ClipConfig):
        super().__init__()
        w16, w8, w4 = config.image_widths
        n16, n8, n4 = config.image_blocks
        self.net = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, w16 // 2, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(w16 // 2, w16, 2, stride=2),
            *(FilmBlock(w16) for _ in range(n16)),
            nn.Conv2d(w16, w8, 2, stride=2),
            *(FilmBlock(w8) for _ in range(n8)),
            nn.Conv2d(w8, w4, 2, stride=2),
            *(FilmBlock(w4) for _ in range(n4)),
        )
        self.halving = len(self.net) - n4 - 1  # the place of the last one in the net
        self.finer = n8 + 1  # how many places before it the one before lies
        self.position = nn.Parameter(0.02 * torch.randn(16, w4))
        self.layer = TransformerLayer(w4, config.image_heads)
        self.norm = nn.LayerNorm(w4)
        self.project = nn.Linear(w4, config.embedding_size, bias=False)

    def early_grids(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """-> [B,48,32,32] and [B,96,16,16]: edges, and shapes from before the first halving of that grid."""
        edges = self.net[:3](pixels)
        return edges, self.net[3 : self.halving - self.finer](edges)

    def grids(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """-> patches [B,16,256], and cells [B,160,8,8]: the finer grid, from before the last halving."""
        cells = self.net[: self.halving](pixels)
        squares = self.net[self.halving :](cells)
        return self.norm(self.layer(squares.flatten(2).transpose(1, 2) + self.position)), cells

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        patches, _ = self.grids(pixels)
        return F.normalize(self.project(patches.mean(1)).float(), dim=-1), patches


class Clip(nn.Module):
    none_below: Tensor

    def __init__(self, config: ClipConfig):
        super().__init__()
        self.config = config
        self.text = TextTower(config)
        self.order = OrderTower(config) if config.order_layers else None
        self.image = ImageTower(config)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(10.0)))  # as in SigLIP
        self.logit_bias = nn.Parameter(torch.tensor(-6.0))
        # By the number of labels: the cosine that the best of so many wrong ones reaches in one picture of twenty.
        self.register_buffer("none_below", torch.ones(len(NONE_COUNTS)))

    def encode_image(self, pixels: Tensor) -> Tensor:
        return self.image(pixels)[0]

    def encode_text(self, tokens: Tensor) -> Tensor:
        _, summary, words = self.text(tokens)
        return summary if self.order is None else self.order(words, present(tokens))

    def logits(self, image_embedding: Tensor, text_embedding: Tensor) -> Tensor:
        """[B,D], [T,D] -> [B,T]; their sigmoid is the probability that the pair belongs together."""
        return image_embedding @ text_embedding.T * self.logit_scale.exp() + self.logit_bias


def sigmoid_loss(logits: Tensor, match: Tensor) -> Tensor:
    """The summed yes-or-no losses of a picture, averaged. logits [B,T]; match [B,T]: 1 right, 0 wrong."""
    return F.binary_cross_entropy_with_logits(logits, match, reduction="sum") / len(logits)
