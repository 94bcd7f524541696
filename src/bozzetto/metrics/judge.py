"""The judge: does a picture show what it should? An independent model that no generator ever trained with.

A picture's EfficientNet-Lite0 features go through a small head to a unit vector; a label's vector is a sentence
encoder's. Their cosine is the score, as in zero-shot CLIP (Radford et al. 2021, arXiv 2103.00020, section 3.1).
It reads any list of the labels in its table: the plain names of all concepts of the picture world and the nouns
of scenes. How the head is trained is in training/recipes/judge.py; here it is four lines of numpy.

Pictures are uint8 [N,64,64,4] straight-alpha RGBA, read over white; scores are cosines in [-1, 1].
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bozzetto.errors import NotBuilt, WeightsError
from bozzetto.metrics.features import efficientnet_features


@dataclass(frozen=True, eq=False)
class Judge:
    """A judge is also a `Grader`: judge(pictures, labels) -> scores float32 [N, len(labels)]."""

    size: int  # pixels that the feature net sees
    weights: dict[str, np.ndarray]  # of the head, float32
    labels: list[str]  # what it has a vector for
    vectors: np.ndarray  # float32 [len(labels), D], unit norm

    def features(self, pictures: np.ndarray) -> np.ndarray:
        """float32 [N,1280]; slow (milliseconds a picture), so keep them when several questions are asked."""
        return efficientnet_features(pictures, self.size)

    def embed(self, features: np.ndarray) -> np.ndarray:
        """Features [N,1280] -> unit vectors float32 [N,D] in the space of the label vectors."""
        w = self.weights
        hidden = np.maximum(((np.sqrt(features) - w["mean"]) * w["scale"]) @ w["first.weight"].T + w["first.bias"], 0)
        out = hidden @ w["second.weight"].T + w["second.bias"]
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)

    def score(self, features: np.ndarray, labels: list[str]) -> np.ndarray:
        """Cosines float32 [N, len(labels)]; ValueError names the first label that is not in the table."""
        row = {label: i for i, label in enumerate(self.labels)}
        unknown = next((label for label in labels if label not in row), None)
        if unknown is not None:
            raise ValueError(f"labels: the judge does not know {unknown!r}; use plain names of concepts or scene nouns")
        return self.embed(features) @ self.vectors[[row[label] for label in labels]].T

    def __call__(self, pictures: np.ndarray, labels: list[str]) -> np.ndarray:
        return self.score(self.features(pictures), labels)


def load_judge(folder: Path) -> Judge:
    """Read a judge's folder. NotBuilt or WeightsError say which file is missing or wrong."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise NotBuilt(
                f"the judge's {folder / name} is not there: run `bozzetto train judge` and `bozzetto export judge`"
            )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tensors = {name: tensor.astype(np.float32) for name, tensor in load_file(folder / "model.safetensors").items()}
        vectors, labels, size = tensors.pop("labels"), config["labels"], config["size"]
    except (SafetensorError, json.JSONDecodeError, KeyError) as error:
        raise WeightsError(f"{folder} is not a judge ({error}): run `bozzetto train judge` again") from error
    if len(vectors) != len(labels):
        raise WeightsError(f"{folder}: {len(labels)} labels do not fit {len(vectors)} vectors: train the judge again")
    weights = {name.removeprefix("head."): tensor for name, tensor in tensors.items()}
    return Judge(size, weights, labels, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
