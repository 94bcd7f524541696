"""The models that put pictures and words into one space: our CLIP, or any other in the transformers format."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from bozzetto import pictures
from bozzetto.errors import InvalidInput
from bozzetto.runtime import clip as runtime
from bozzetto.runtime import store
from bozzetto.runtime.reading import readable


@dataclass(frozen=True)
class Embedder:
    """A model, as the index needs it. All embeddings are float32 [N,width] of unit length.

    id: says which weights these are; an index belongs to one id.
    prepare: an RGBA picture of any size -> the array of one picture; it is called in several threads at once.
    encode_image: such arrays, stacked [N,...] -> embeddings. encode_text: N texts -> embeddings.
    """

    id: str
    width: int
    prepare: Callable[[Image.Image], np.ndarray]
    encode_image: Callable[[np.ndarray], np.ndarray]
    encode_text: Callable[[Sequence[str]], np.ndarray]


def open_embedder(model: str | None = None) -> Embedder:
    """Our CLIP, or the one in a folder or on the hub that `model` names (safetensors only, no code of its own).

    Raises InvalidInput when there is no such model, or it is no CLIP; ModuleNotFoundError without bozzetto[train].
    """
    return _theirs(model) if model else _ours()


def _ours() -> Embedder:
    weights = store.weights_folder()
    clip = runtime.load(weights)
    sums = "".join(store.open_model(f"clip/{tower}", weights).weights_sum() for tower in runtime.TOWERS)

    def encode_text(texts: Sequence[str]) -> np.ndarray:
        for text in texts:
            if all(piece == "[unk]" for piece in clip.tokenizer.tokenize(readable(text))):
                raise InvalidInput("text", f"{text[:40]!r} has no word that this model can read: use English words")
        return runtime.encode_text(clip, texts)

    return Embedder(
        id=f"bozzetto clip {hashlib.sha256(sums.encode()).hexdigest()[:16]}",
        width=encode_text(["a"]).shape[1],
        prepare=lambda image: np.asarray(pictures.over_white(pictures.fit(image))),
        encode_image=partial(runtime.encode_image, clip),
        encode_text=encode_text,
    )


def _theirs(name: str) -> Embedder:
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        model = transformers.AutoModel.from_pretrained(name, use_safetensors=True, trust_remote_code=False).eval()
        processor = transformers.AutoProcessor.from_pretrained(name, trust_remote_code=False)
        length = model.config.text_config.max_position_embeddings
        tokenizer, image_processor = processor.tokenizer, processor.image_processor
        towers = model.get_image_features, model.get_text_features
    except AttributeError as error:  # another kind of model
        raise InvalidInput("model", f"{name} is no CLIP: it has no tower for pictures and one for words") from error
    except Exception as error:  # files of all kinds, and a hub that cannot be reached
        raise InvalidInput(
            "model",
            f"{name} cannot be opened ({str(error).strip().splitlines()[0][:200]}): name a folder with its "
            "config.json, model.safetensors, tokenizer and preprocessor, or a model of the hub that is one",
        ) from error

    def features(tower: Callable, **inputs: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            return torch.nn.functional.normalize(tower(**inputs).pooler_output.float(), dim=-1).numpy()

    def prepare(image: Image.Image) -> np.ndarray:
        return image_processor(pictures.over_white(image), return_tensors="np")["pixel_values"][0]

    def encode_text(texts: Sequence[str]) -> np.ndarray:
        # Some CLIPs, SigLIP for one, learned from padded texts only; to the others the padding is nothing.
        tokens = tokenizer(list(texts), padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        return np.concatenate(
            [
                features(towers[1], **{key: value[i : i + 64] for key, value in tokens.items()})
                for i in range(0, len(texts), 64)
            ]
        )

    weights = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        weights.update(key.encode() + tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return Embedder(
        id=f"{Path(name).name} {weights.hexdigest()[:16]}",
        width=encode_text(["a"]).shape[1],
        prepare=prepare,
        encode_image=lambda pixels: features(towers[0], pixel_values=torch.from_numpy(pixels)),
        encode_text=encode_text,
    )
