"""CLIP's picture tower with its gradient, as one ONNX inference graph: which change makes a picture fit words better?

The gradient is torch.func.grad's; make_fx writes it out as operations like any other, so that the runtime and the page
steer without PyTorch. The graph lies beside the tower's own and points into the same weights file.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._decomp import core_aten_decompositions
from torch.func import functional_call, grad
from torch.fx.experimental.proxy_tensor import make_fx

from bozzetto.models.clip import ClipConfig, ImageTower

SMALL = 32  # pixels on a side of the pictures that are steered


def enlarging(size: int) -> Tensor:
    """[2 size, size]: its product with a column of pixels is that column twice as long, bilinear, edges repeated."""
    at = ((torch.arange(2 * size) + 0.5) / 2 - 0.5).clamp(0, size - 1)
    return (1 - (at[:, None] - torch.arange(size)).abs()).clamp_min(0)


def _convolution_backward(slope, x, weight, bias_sizes, stride, padding, *_) -> tuple[Tensor, None, None]:
    """The gradient of a plain convolution by its input, for which ONNX has no operation of its own. Right where the
    stride divides the size, as everywhere in the tower."""
    return F.conv_transpose2d(slope, weight, None, stride, padding), None, None


def fit(tower: ImageTower, weights: dict[str, Tensor], pixels: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels [B,3,32,32] in [-1, 1] and unit embeddings [B,256] -> their cosines [B] and the gradient of each by its
    picture [B,3,32,32]."""
    wider = enlarging(SMALL)

    def cosine(pixels: Tensor) -> tuple[Tensor, Tensor]:
        embedding, _ = functional_call(tower, weights, (wider @ pixels @ wider.T,))
        each = (embedding * target).sum(1)
        return each.sum(), each

    gradient, each = grad(cosine, has_aux=True)(pixels)
    return each, gradient


class Steer(ImageTower):
    """`fit` of one picture as a network for the exporter. Its weights are the tower's, under the same names."""

    def __init__(self, tower: ImageTower, config: ClipConfig):
        super().__init__(config)
        self.load_state_dict(tower.state_dict())
        table = core_aten_decompositions() | {torch.ops.aten.convolution_backward.default: _convolution_backward}
        self.inputs = {"pixels": torch.zeros(1, 3, SMALL, SMALL), "target": torch.zeros(1, config.embedding_size)}
        trace = make_fx(partial(fit, tower), decomposition_table=table)
        # A method, not the module that it is of: its weights are no part of this one's state.
        self.traced = trace(dict(tower.named_parameters()), *self.inputs.values()).forward

    def forward(self, pixels: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # of its own
        return self.traced(dict(self.named_parameters()), pixels, target)
