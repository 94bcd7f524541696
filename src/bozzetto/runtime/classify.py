"""What is on a picture? Zero-shot classification with CLIP (Radford et al. 2021, section 3.1), on numpy arrays.

Each label is put into several wordings ("a robot", "a picture of a robot", ...); the mean of their embeddings, made
unit length again, stands for the label. The cosine c of picture and label gives two numbers:

    match = sigmoid(scale c + bias)      the probability that the two belong together, for each label alone
    share = softmax(scale c)             how the labels compare; the shares of all labels add up to 1

"None of these" can compete as one more label. Its cosine is the one that the best of so many wrong labels stays under
in nineteen of twenty pictures of the world, measured when the weights were made (training/recipes/clip/).
"""

from collections.abc import Callable, Sequence

import numpy as np

from bozzetto.runtime.clip import Clip, encode_image, encode_text
from bozzetto.runtime.reading import readable
from bozzetto.world.captions import templates

NONE = "none of these"


def world_wordings(label: str) -> list[str]:
    """A label in the wordings of the picture world."""
    return templates(readable(label))


def label(
    clip: Clip,
    picture: np.ndarray,
    labels: Sequence[str],
    templates: Callable[[str], list[str]] = world_wordings,
    none: bool = False,
) -> list[tuple[str, float, float]]:
    """(label, share, match), the best first, for a picture uint8 [64,64,3]; `none`: and for NONE, whose match is what a
    label must reach to come before it."""
    wordings = [templates(name) for name in labels]
    embeddings = encode_text(clip, [text for texts in wordings for text in texts])
    ends = np.cumsum([len(texts) for texts in wordings])
    means = np.stack([part.mean(0) for part in np.split(embeddings, ends[:-1])])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    cosines = (means @ encode_image(clip, picture[None])[0]).astype(np.float64)
    if none:
        counts, bars = zip(*sorted(clip.none_below.items()), strict=True)
        cosines = np.append(cosines, np.interp(np.log(len(labels)), np.log(counts), bars))
        labels = [*labels, NONE]
    logits = clip.logit_scale * cosines
    share = np.exp(logits - logits.max())
    share /= share.sum()
    match = 1 / (1 + np.exp(-(logits + clip.logit_bias)))
    return [(labels[i], float(share[i]), float(match[i])) for i in np.argsort(-share, kind="stable")]
