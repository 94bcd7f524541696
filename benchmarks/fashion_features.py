"""Fashion pictures as points, in two named feature nets, so that no result hangs on the taste of one.

- "efficientnet-lite0": trained on photographs (see metrics/features.py), blind to nothing in particular.
- "fashion classifier": ours, small, trained to name the ten kinds of clothes (models/fashion_classifier.py).

Neither is Inception: a Frechet distance measured here cannot be compared with an FID from the literature.
Pictures are uint8 [N,32,32,1], light on black.
"""

from pathlib import Path

import numpy as np

from bozzetto.metrics.features import efficientnet_features, opaque
from bozzetto.pictures import as_planes
from bozzetto.runtime.session import open_network
from bozzetto.runtime.store import open_model

NETS = ("efficientnet-lite0", "fashion classifier")
EFFICIENTNET_SIZE = 64  # pixels that EfficientNet sees: twice what there is, and a quarter of the time of 128


def fashion_features(pictures: np.ndarray, net: str, weights: Path | None = None) -> np.ndarray:
    """Features float32 [N,d] of uint8 [N,32,32,1]; d is 1280 for EfficientNet and 88 for the classifier.

    net: one of `NETS`. weights: the weights folder with `fashion_classifier`, by default the one that ships.
    Raises ValueError for other arrays or names, and WeightsError when the classifier is not there.
    """
    if pictures.dtype != np.uint8 or pictures.shape[1:] != (32, 32, 1):
        raise ValueError(f"pictures must be uint8 [N,32,32,1], got {pictures.dtype} {list(pictures.shape)}")
    if net == "efficientnet-lite0":
        return efficientnet_features(opaque(np.repeat(pictures, 3, axis=3)), EFFICIENTNET_SIZE)
    if net != "fashion classifier":
        raise ValueError(f"net must be one of {', '.join(NETS)}, not {net!r}")
    network = open_network(open_model("fashion_classifier", weights))
    pixels = as_planes(pictures)
    parts = [network(pixels=pixels[start : start + 500])["features"] for start in range(0, len(pixels), 500)]
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)
