"""The enlarger: a drawn picture of 64 x 64, drawn at 128 x 128.

It learns from art that was drawn at 128 pixels what enlarging cannot know: where an edge runs within a pixel, and how
sharp it is. The picture enlarged smoothly is its start, and the network adds what is missing (Kim et al. 2016, VDSR,
section 3.1). Most of its work is done at 32 x 32, where it is cheap.

Pixels: float, premultiplied RGBA in [-1, 1], [B,4,64,64] -> [B,4,128,128].
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.layers import ResBlock, zero_init


@dataclass(frozen=True)
class EnlargerConfig:
    widths: tuple[int, int] = (64, 24)  # at 32 x 32 and 64 x 64
    blocks: tuple[int, int] = (4, 1)


class Enlarger(nn.Module):
    def __init__(self, config: EnlargerConfig | None = None):
        super().__init__()
        self.config = config or EnlargerConfig()
        (w32, w64), (n32, n64) = self.config.widths, self.config.blocks
        self.net = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(16, w32, 3, padding=1),
            *(ResBlock(w32) for _ in range(n32)),
            nn.Conv2d(w32, 4 * w64, 1),
            nn.PixelShuffle(2),
            *(ResBlock(w64) for _ in range(n64)),
            nn.SiLU(),
            zero_init(nn.Conv2d(w64, 16, 3, padding=1)),
            nn.PixelShuffle(2),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        smooth = F.interpolate(pixels, scale_factor=2.0, mode="bilinear", align_corners=False)
        return smooth + self.net(pixels)
