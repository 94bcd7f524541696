"""A small reader of Fashion-MNIST: which of ten kinds of clothes is it? Its last features are a space to measure in.

A feature net that knows only emoji or photographs may be blind to what makes a shirt a shirt, so Fashion pictures are
compared in this net's features too. It is a plain residual network (He et al. 2016) over 16 x 16, 8 x 8 and 4 x 4
cells.

Pictures: float [B,1,32,32] in [-1, 1].
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.layers import FilmBlock


@dataclass(frozen=True)
class ClassifierConfig:
    classes: tuple[str, ...]
    widths: tuple[int, int, int] = (32, 64, 88)  # at 16 x 16, 8 x 8 and 4 x 4; the last is the number of features


class FashionClassifier(nn.Module):
    def __init__(self, config: ClassifierConfig):
        super().__init__()
        self.config = config
        w16, w8, w4 = config.widths
        self.enter = nn.Conv2d(4, w16, 3, padding=1)
        self.block16, self.block8, self.block4 = FilmBlock(w16), FilmBlock(w8), FilmBlock(w4)
        self.shrink16, self.shrink8 = nn.Conv2d(w16, w8, 2, stride=2), nn.Conv2d(w8, w4, 2, stride=2)
        self.norm = nn.GroupNorm(8, w4)  # without it a few pictures have features far from all others
        self.head = nn.Linear(w4, len(config.classes))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """-> features float [B,widths[-1]] and logits float [B,classes]."""
        y = self.block16(self.enter(F.pixel_unshuffle(pixels, 2)))
        y = self.block8(self.shrink16(y))
        y = self.block4(self.shrink8(y))
        features = F.silu(self.norm(y)).mean((2, 3))
        return features, self.head(features)
