"""CLIP: naming, finding, words that no caption said, and sentences that are false in one fact."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bozzetto.evaluation.bench import BASELINE, NAMING, EvaluationContext
from bozzetto.evaluation.scores import Measured, Scores, share
from bozzetto.metrics.retrieval import cosine_similarity, recall_at_k, share_of, top_k_accuracy
from bozzetto.pictures import on_white
from bozzetto.progress import track
from bozzetto.world.captions import held_out_keywords, templates, usable_keywords, with_article
from bozzetto.world.dataset import World
from bozzetto.world.scenes import KINDS, hard_negatives

N = 0  # it draws nothing
NONE_OF_WRONG = "none of these, of ten wrong labels (95 % wanted)"
NONE_THOUGH_TRUE = "none of these, though the true label is there"
TO_SENTENCE = {k: f"picture to sentence recall@{k}" for k in (1, 5)}
TO_PICTURE = {k: f"sentence to picture recall@{k}" for k in (1, 5)}
SYNONYMS_ANY = "held-out synonyms top-5, any concept with the word"
SYNONYMS_VERY = "held-out synonyms top-5, the very concept"
SYNONYMS_NEW = "held-out synonyms top-5, words in no caption"
SHOWN = (*NAMING.values(), BASELINE[1], SYNONYMS_ANY)  # in the README
# Sentences that are false in one fact: of which kind of scene, and which fact.
NEGATIVES = {
    f"true sentence over one with {what} (chance 50 %)": of
    for what, of in {
        "another number": ("count", "count"),
        "another colour": ("color", "color"),
        "the opposite place": ("place", "relation"),
        "the two swapped": ("place", "names"),
        "the opposite size": ("size", "relation"),
    }.items()
}


def score(
    context: EvaluationContext,
    embed_texts: Callable[[list[str]], np.ndarray],
    embed_pictures: Callable[[np.ndarray], np.ndarray],
    none_bar: float,
) -> Scores:
    """`embed_texts`: sentences -> unit vectors [N,D]; `embed_pictures`: uint8 RGBA [N,64,64,4] -> the same; `none_bar`:
    the cosine of "none of these" among ten labels."""
    core, rows, concepts = context.core, np.flatnonzero(context.test), list(context.names)
    pictures = embed_pictures(core.images)
    wordings = [templates(name) for name in context.names.values()]
    sentences = embed_texts([text for texts in wordings for text in texts])
    ends = np.cumsum([len(texts) for texts in wordings])
    classes = np.stack([part.mean(0) for part in np.split(sentences, ends[:-1])])
    similarity, target = cosine_similarity(pictures[rows], classes), context.targets(rows)
    scores = {measure: share(top_k_accuracy(similarity, target, k)) for k, measure in NAMING.items()}
    scores |= context.baseline()

    # The best of ten labels against the bar of "none of these": with the true one among them, and without.
    rng = np.random.default_rng(context.seed)
    others = np.stack([rng.permutation(np.delete(np.arange(len(concepts)), true))[:10] for true in target])
    wrong = np.take_along_axis(similarity, others, 1)
    best = np.maximum(similarity[np.arange(len(target)), target], wrong[:, :9].max(1))
    scores[NONE_OF_WRONG] = share(share_of(wrong.max(1) < none_bar))
    scores[NONE_THOUGH_TRUE] = share(share_of(best < none_bar))

    shown = list(dict.fromkeys(core.codepoints[row] for row in rows))
    texts = embed_texts([with_article(context.names[key]) for key in shown])
    table = cosine_similarity(pictures[rows], texts)
    for k in (1, 5):
        to_text, to_picture = recall_at_k(table, [core.codepoints[row] for row in rows], shown, k)
        scores |= {TO_SENTENCE[k]: share(to_text), TO_PICTURE[k]: share(to_picture)}

    number = {key: i for i, key in enumerate(concepts)}
    centres = np.zeros((len(concepts), pictures.shape[1]), np.float32)
    np.add.at(centres, [number[key] for key in core.codepoints], pictures)
    scores |= score_synonyms(core, number, lambda words: cosine_similarity(embed_texts(words), centres))

    for measure, (kind, fact) in NEGATIVES.items():
        scenes, renders = context.test_scenes(kind, context.questions)
        rng = np.random.default_rng([context.seed, KINDS.index(kind)])
        false = [hard_negatives(scene).get(fact) for scene in scenes]
        kept = np.array([texts is not None for texts in false])
        seen = embed_pictures(renders)[kept]
        right = embed_texts([scene.sentence for scene, keep in zip(scenes, kept, strict=True) if keep])
        lure = embed_texts([texts[rng.integers(len(texts))] for texts in false if texts])
        scores[measure] = share(share_of((seen * right).sum(1) > (seen * lure).sum(1)))
    return scores


def score_synonyms(core: World, number: dict[str, int], rank: Callable[[list[str]], np.ndarray]) -> Scores:
    """Words that no caption said of their concept, as queries for it; `rank`: words [N] -> similarity [N, concepts].

    A word may be said of other concepts in training, and name several: so there are three questions.
    """
    facts = dict(zip(core.codepoints, zip(core.keywords, core.names, strict=True), strict=True))
    bearers, taught, pairs = defaultdict(set), set(), []
    for key, (keywords, name) in facts.items():
        held_out = sorted(held_out_keywords(key, keywords, name))
        taught |= set(usable_keywords(key, keywords, name))
        pairs += [(key, word) for word in held_out]
        for word in {*held_out, *(keyword.lower().strip() for keyword in keywords)}:
            bearers[word].add(number[key])
    if not pairs:
        return {}
    words = list(dict.fromkeys(word for _, word in pairs))
    order = dict(zip(words, np.argsort(-rank(words), axis=1)[:, :5], strict=True))
    any_bearer = {word: bool(bearers[word] & set(top.tolist())) for word, top in order.items()}
    scores = {
        SYNONYMS_ANY: share(share_of([any_bearer[word] for _, word in pairs])),
        SYNONYMS_VERY: share(share_of([number[key] in order[word] for key, word in pairs])),
    }
    new = [word for word in words if word not in taught]
    if new:
        scores[SYNONYMS_NEW] = share(share_of([any_bearer[word] for word in new]))
    return scores


def measure(context: EvaluationContext, weights: Path, n: int, sheet: Path | None) -> Measured:
    from bozzetto.runtime import clip as towers

    clip = towers.load(weights)

    def embed_pictures(images: np.ndarray) -> np.ndarray:
        parts = track(range(0, len(images), 256), "reading pictures")
        return np.concatenate(
            [towers.encode_image(clip, on_white(images[i : i + 256]).round().astype(np.uint8)) for i in parts]
        )

    return score(context, lambda texts: towers.encode_text(clip, texts), embed_pictures, clip.none_below[10]), {}
