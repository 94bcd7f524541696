"""Four bits a weight: how large weights are stored, and how a network learns to live with it.

A weight tensor is cut into groups of 64; each keeps one scale s (fp16) and 64 whole numbers q from -8 to 7, so that
w is about s q: 4.25 bits a weight instead of 16. Small tensors (biases, norms, first and last layers) stay fp16.

Rounding a finished network costs it something. So the last part of its training runs the network with rounded weights
while the gradient moves the exact ones (Bengio et al. 2013, the straight-through estimator; Jacob et al. 2018):
`with rounded(model): loss; backward`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias, TypeGuard

import torch
from torch import Tensor, nn
from torch.linalg import vecdot

GROUP = 64
SMALLEST = 16_384  # numbers in a tensor worth rounding
SCALE = ".scale"  # the name of a tensor's scales is its own name and this
Layer: TypeAlias = nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.Embedding


def is_rounded(module: nn.Module) -> TypeGuard[Layer]:
    """Whether the weight of this layer is stored in four bits."""
    return isinstance(module, Layer) and module.weight.numel() >= SMALLEST and module.weight.numel() % GROUP == 0


def quantize(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Any shape of n numbers -> q int8 [n/64,64] in -8 .. 7, and scales fp16 [n/64], so that weight is near scale * q.

    The first scale puts the largest number of a group at -8; then scale and q are improved in turn, each being the
    least-squares answer to the other.
    """
    groups = weight.detach().float().reshape(-1, GROUP)
    highest, lowest = groups.amax(1, keepdim=True), groups.amin(1, keepdim=True)
    scale = torch.where(highest > -lowest, highest, lowest) / -8
    q = torch.empty_like(groups)  # written over and over: training comes here at every step

    def choose_q() -> None:
        torch.div(groups, torch.where(scale == 0, 1, scale), out=q).round_().clamp_(-8, 7)

    for _ in range(3):
        scale = scale.half().float()
        choose_q()
        scale = (vecdot(groups, q) / vecdot(q, q).clamp_min(1))[:, None]
    scale = scale.half().float()
    choose_q()
    return q.to(torch.int8), scale[:, 0].half()


def dequantize(q: Tensor, scale: Tensor, shape: torch.Size) -> Tensor:
    return (q.float() * scale.float()[:, None]).view(shape)


def pack(q: Tensor) -> Tensor:
    """int8 [n/64,64] in -8 .. 7 -> uint8 [n/64,32], two numbers a byte, the first in the low half, as ONNX's INT4."""
    low, high = q.view(len(q), -1, 2).unbind(-1)
    return (low & 15 | (high & 15) << 4).to(torch.uint8)


def unpack(packed: Tensor) -> Tensor:
    """The reverse of `pack`."""
    halves = torch.stack([packed & 15, packed >> 4], -1).flatten(1).to(torch.int8)
    return torch.where(halves > 7, halves - 16, halves)


def stored(module: nn.Module, four_bits: bool = True) -> dict[str, Tensor]:
    """The network's state as it is written: uint8 and fp16 for rounded weights, fp16 for all else."""
    tensors = {name: tensor.detach().half() for name, tensor in module.state_dict().items()}
    for name, layer in module.named_modules():
        if four_bits and is_rounded(layer):
            q, scale = quantize(layer.weight)
            tensors |= {f"{name}.weight": pack(q), f"{name}.weight{SCALE}": scale}
    return tensors


def exact(module: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """What `stored` gave, in float32. What was rounded takes its shape from the module, if it has as many numbers."""
    shapes = {name: tensor.shape for name, tensor in module.state_dict().items()}

    def restored(name: str, packed: Tensor) -> Tensor:
        flat = dequantize(unpack(packed), tensors[name + SCALE], torch.Size([-1]))
        return flat.view(shapes[name]) if name in shapes and shapes[name].numel() == len(flat) else flat

    return {
        name: restored(name, tensor) if tensor.dtype == torch.uint8 else tensor.float()
        for name, tensor in tensors.items()
        if not name.endswith(SCALE)
    }


def restore(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Load what `stored` gave."""
    module.load_state_dict(exact(module, tensors))


@contextmanager
def rounded(model: nn.Module) -> Iterator[None]:
    """Inside, the weights that learn have the values they will be stored with; after it they are exact again."""
    layers = [layer for layer in model.modules() if is_rounded(layer) and layer.weight.requires_grad]
    exact = [layer.weight.data for layer in layers]
    for layer in layers:
        values = dequantize(*quantize(layer.weight), layer.weight.shape)
        layer.weight.data = torch.empty_like(layer.weight.data).copy_(values)  # in the order of its memory
    try:
        yield
    finally:
        for layer, weight in zip(layers, exact, strict=True):
            layer.weight.data = weight
