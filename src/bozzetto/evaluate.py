"""How good are the models that ship? Every number with its sample size, its interval and its command.

What is measured is what a person runs: the exported graphs in the weights folder, through the functions behind
`generate` and `label`. Test pictures are (concept, style) pairs that no training saw; test scenes hold
combinations that no training scene showed. Beside the models stand what needs no training at all (a nearest
neighbour on EfficientNet-Lite0 features), what is possible at all (real art before the same judge, real against
real pictures for the Frechet distance, true renders before the same grader), and chance.

A score is {"value", "low", "high", "n", "unit"}: shares with the 95 % Wilson interval, means with the normal
one, the Frechet distance with a bootstrap interval.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bozzetto.metrics.composition import grade_scenes
from bozzetto.metrics.features import efficientnet_features, on_white
from bozzetto.metrics.frechet import bootstrap_interval, frechet_distance
from bozzetto.metrics.judge import Judge, load_judge
from bozzetto.metrics.makers import Draw, Reference, features, quality, real_instead
from bozzetto.metrics.memorization import Memorization, memorization, pixel_vectors
from bozzetto.metrics.retrieval import Share, cosine_similarity, recall_at_k, share_of, top_k_accuracy
from bozzetto.world.captions import hash_draw, held_out_keywords, plain_name, templates, usable_keywords, with_article
from bozzetto.world.dataset import DEFAULT_PATH, World, load_world
from bozzetto.world.papers import make_paper, render_paper
from bozzetto.world.questions import CANNOT_TELL, Question, paper_questions, scene_questions
from bozzetto.world.questions import KINDS as QUESTION_KINDS
from bozzetto.world.scenes import KINDS, Scene, SceneObject, hard_negatives, make_scene, render, scene_objects

COMPOSED = ("count", "color", "place", "two")  # the kinds of scenes that text-to-image is asked for
# Sentences that are false in one fact: of which kind of scene, and which fact.
TRAPS = {
    "another number": ("count", "count"),
    "another colour": ("color", "color"),
    "the opposite place": ("place", "relation"),
    "the two swapped": ("place", "names"),
    "the opposite size": ("size", "relation"),
}
BASELINE = "EfficientNet-Lite0 nearest neighbour"
FEATURE_SIZE = 128
REPLICATES = 40
UNSEEN = 10**9  # seeds of scenes and papers that no training reaches

Score = dict[str, float | int | str]
Scores = dict[str, Score]


# ---------------------------------------------------------------- the pieces of a score


def share(value: Share) -> Score:
    return {"value": value.value, "low": value.low, "high": value.high, "n": value.n, "unit": "share"}


def mean(values: np.ndarray, unit: str) -> Score:
    """Mean of `values` [n] with its normal 95 % interval."""
    reach = 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("inf")
    value = float(np.mean(values))
    return {"value": value, "low": value - reach, "high": value + reach, "n": len(values), "unit": unit}


def psnr(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Peak signal to noise ratio in dB, float [N], of pictures [N,...] in [0,1]; equal ones have 100."""
    error = ((one.astype(np.float64) - other) ** 2).reshape(len(one), -1).mean(1)
    return -10 * np.log10(np.maximum(error, 1e-10))


def premultiplied(images: np.ndarray) -> np.ndarray:
    """uint8 straight alpha [N,H,W,4] -> float32 premultiplied in [0,1]."""
    rgba = images.astype(np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    return rgba


def nearest_concepts(
    query: np.ndarray, known: np.ndarray, codepoints: Sequence[str], concepts: list[str]
) -> np.ndarray:
    """Similarity [n,C] of query features [n,d] to concepts: to the nearest known picture of each, untrained.

    Cosines of features less the mean of the known ones [m,d]; -inf for a concept without a known picture.
    """
    centre = known.mean(0)
    similarity = cosine_similarity(query - centre, known - centre)
    rows = defaultdict(list)
    for row, key in enumerate(codepoints):
        rows[key].append(row)
    nothing = np.full(len(query), -np.inf)
    return np.stack([similarity[:, rows[key]].max(1) if key in rows else nothing for key in concepts], axis=1)


def chosen_concepts(world: World, n: int) -> list[str]:
    """n concepts with a test picture, always the same ones: by hash, and spread over the groups by their size."""
    groups = defaultdict(list)
    for key, group, split in zip(world.codepoints, world.groups, world.splits, strict=True):
        if split == "test" and key not in groups[group]:
            groups[group].append(key)
    order = []
    for keys in groups.values():
        keys.sort(key=lambda key: hash_draw("evaluate", key))
        order += [((place + 0.5) / len(keys), key) for place, key in enumerate(keys)]
    return [key for _, key in sorted(order)[:n]]


# ---------------------------------------------------------------- what all models are measured on


@dataclass(frozen=True)
class Bench:
    """The world, the sizes of the samples, and how to get what is slow to get: the judge, and features of pictures."""

    world: World
    n: int  # concepts to draw
    scenes: int  # scenes of a kind
    seed: int
    load_judge: Callable[[], Judge]
    load_features: Callable[[World], np.ndarray]  # of the core pictures, float32 [N,1280]
    load_reference: Callable[
        [World], Reference
    ]  # of pictures at 32 px: what the makers of small pictures are measured against
    traps: int = 200  # true and false sentences of a kind, and questions of a kind

    @cached_property
    def judge(self) -> Judge:
        return self.load_judge()

    @cached_property
    def core(self) -> World:
        return self.world.select(self.world.core)

    @cached_property
    def features(self) -> np.ndarray:
        return self.load_features(self.core)

    @cached_property
    def reference(self) -> Reference:
        return self.load_reference(self.world)

    @cached_property
    def test(self) -> np.ndarray:
        """Which core pictures are held out, bool [N]."""
        return np.array([split == "test" for split in self.core.splits])

    @cached_property
    def names(self) -> dict[str, str]:
        """The plain name of every core concept by its code points: the classes of every naming task."""
        return {key: plain_name(name) for key, name in zip(self.core.codepoints, self.core.names, strict=True)}

    @cached_property
    def objects(self) -> list[SceneObject]:
        return scene_objects(self.world)

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """Which class each of these core pictures is."""
        number = {key: i for i, key in enumerate(self.names)}
        return np.array([number[self.core.codepoints[row]] for row in rows])

    def test_scenes(self, kind: str, n: int) -> tuple[list[Scene], np.ndarray]:
        """n held-out scenes of a kind and their true renders uint8 [n,64,64,4]."""
        scenes = [make_scene(self.world, self.objects, self.seed + i, "test", kind) for i in range(n)]
        return scenes, np.stack([render(self.world, scene) for scene in scenes])

    def baseline(self) -> Scores:
        """Naming test pictures by their nearest training picture."""
        rows = np.flatnonzero(self.test)
        train = self.core.select(~self.test)
        table = nearest_concepts(self.features[rows], self.features[~self.test], train.codepoints, list(self.names))
        target = self.targets(rows)
        return {f"naming top-{k}, {BASELINE}": share(top_k_accuracy(table, target, k)) for k in (1, 5)}

    def graded(self, kind: str, scenes: list[Scene], pictures: np.ndarray) -> dict[str, Share]:
        """What the grader sees of scenes of one kind in pictures: a share for each fact that the kind asks for."""
        return grade_scenes(
            pictures,
            [scene.names for scene in scenes],
            [scene.count if kind == "count" else None for scene in scenes],
            [scene.color for scene in scenes],
            [scene.relation for scene in scenes],
            self.judge,
            [thing.noun for thing in self.objects],
        ).shares


def core_features(core: World, cache: Path | None) -> np.ndarray:
    """EfficientNet features of all pictures, float32 [N,1280]."""
    return _kept(lambda images: efficientnet_features(images, FEATURE_SIZE), core.images, cache)


def small_reference(world: World, cache: Path | None) -> Reference:
    """The training pictures as the makers of small pictures see them, and the held-out ones."""
    from bozzetto.training.data import emoji

    train, test = emoji(world), emoji(world, "test")
    found = _kept(features, train.images, cache)
    return Reference(train.images, train.labels, found, test.images)


def _kept(compute: Callable[[np.ndarray], np.ndarray], images: np.ndarray, cache: Path | None) -> np.ndarray:
    """Computed in parts; kept in `cache` for the same pictures, as it takes minutes."""
    digest = hashlib.sha256(images.tobytes()).hexdigest()
    if cache and cache.is_file():
        with np.load(cache) as kept:
            if str(kept["digest"]) == digest:
                return kept["features"].astype(np.float32)
    parts = progress(range(0, len(images), 256), "features of the world")
    found = np.concatenate([compute(images[i : i + 256]) for i in parts])
    if cache:
        part = cache.with_name("part-" + cache.name)
        np.savez(part, features=found.astype(np.float16), digest=digest)
        os.replace(part, cache)
    return found


def progress(steps: Sequence, what: str) -> Iterable:
    return track(steps, what, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


# ---------------------------------------------------------------- the models


def score_autoencoder(bench: Bench, reconstruct: Callable[[np.ndarray], np.ndarray]) -> Scores:
    """`reconstruct`: premultiplied RGBA float32 [N,64,64,4] in [0,1] -> the same from its latent."""
    scenes = np.concatenate([bench.test_scenes(kind, bench.scenes)[1] for kind in KINDS])
    scores = {}
    for where, images in (("test pictures", bench.world.split("test").images), ("test scenes", scenes)):
        true = premultiplied(images)
        back = np.concatenate([reconstruct(true[i : i + 64]) for i in progress(range(0, len(true), 64), where)])
        white = [picture[..., :3] + 1 - picture[..., 3:] for picture in (true, back)]
        for space, values in (("RGB on white", psnr(*white)), ("RGBA", psnr(true, back))):
            worst = np.sort(values)[: max(1, round(len(values) * 0.05))]
            scores[f"PSNR {space}, {where}"] = mean(values, "dB")
            scores[f"PSNR {space}, {where}, worst 5 %"] = mean(worst, "dB")
    return scores


def score_clip(
    bench: Bench,
    embed_texts: Callable[[list[str]], np.ndarray],
    embed_pictures: Callable[[np.ndarray], np.ndarray],
    none_bar: float,
) -> Scores:
    """`embed_texts`: sentences -> unit vectors [N,D]; `embed_pictures`: uint8 RGBA [N,64,64,4] -> the same; `none_bar`:
    the cosine of "none of these" among ten labels."""
    core, rows, concepts = bench.core, np.flatnonzero(bench.test), list(bench.names)
    pictures = embed_pictures(core.images)
    wordings = [templates(name) for name in bench.names.values()]
    sentences = embed_texts([text for texts in wordings for text in texts])
    ends = np.cumsum([len(texts) for texts in wordings])
    classes = np.stack([part.mean(0) for part in np.split(sentences, ends[:-1])])
    similarity, target = cosine_similarity(pictures[rows], classes), bench.targets(rows)
    scores = {f"naming top-{k}": share(top_k_accuracy(similarity, target, k)) for k in (1, 5)} | bench.baseline()

    # The best of ten labels against the bar of "none of these": with the true one among them, and without.
    rng = np.random.default_rng(bench.seed)
    others = np.stack([rng.permutation(np.delete(np.arange(len(concepts)), true))[:10] for true in target])
    wrong = np.take_along_axis(similarity, others, 1)
    best = np.maximum(similarity[np.arange(len(target)), target], wrong[:, :9].max(1))
    scores["none of these, of ten wrong labels (95 % wanted)"] = share(share_of(wrong.max(1) < none_bar))
    scores["none of these, though the true label is there"] = share(share_of(best < none_bar))

    shown = list(dict.fromkeys(core.codepoints[row] for row in rows))
    texts = embed_texts([with_article(bench.names[key]) for key in shown])
    table = cosine_similarity(pictures[rows], texts)
    for k in (1, 5):
        to_text, to_picture = recall_at_k(table, [core.codepoints[row] for row in rows], shown, k)
        scores[f"picture to sentence recall@{k}"] = share(to_text)
        scores[f"sentence to picture recall@{k}"] = share(to_picture)

    number = {key: i for i, key in enumerate(concepts)}
    centres = np.zeros((len(concepts), pictures.shape[1]), np.float32)
    np.add.at(centres, [number[key] for key in core.codepoints], pictures)
    scores |= score_synonyms(core, number, lambda words: cosine_similarity(embed_texts(words), centres))

    for trap, (kind, fact) in TRAPS.items():
        scenes, renders = bench.test_scenes(kind, bench.traps)
        rng = np.random.default_rng([bench.seed, KINDS.index(kind)])
        wrong = [hard_negatives(scene).get(fact) for scene in scenes]
        kept = np.array([texts is not None for texts in wrong])
        seen = embed_pictures(renders)[kept]
        right = embed_texts([scene.sentence for scene, keep in zip(scenes, kept, strict=True) if keep])
        lure = embed_texts([texts[rng.integers(len(texts))] for texts in wrong if texts])
        better = (seen * right).sum(1) > (seen * lure).sum(1)
        scores[f"true sentence over one with {trap} (chance 50 %)"] = share(share_of(better))
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
    strict = [number[key] in order[word] for key, word in pairs]
    scores = {
        "held-out synonyms top-5, any concept with the word": share(share_of([any_bearer[word] for _, word in pairs])),
        "held-out synonyms top-5, the very concept": share(share_of(strict)),
    }
    new = [word for word in words if word not in taught]
    if new:
        scores["held-out synonyms top-5, words in no caption"] = share(share_of([any_bearer[word] for word in new]))
    return scores


def score_text_to_image(
    bench: Bench, draw: Callable[[str, int], np.ndarray], sheet: Path | None = None
) -> tuple[Scores, dict]:
    """`draw`: (prompt, seed) -> uint8 [64,64,4]. The scores; and the prompts and nearest training pictures."""
    core, judge = bench.core, bench.judge
    chosen = chosen_concepts(core, bench.n)
    names = [bench.names[key] for key in chosen]
    prompts = [with_article(name) for name in names]
    jobs = list(enumerate(prompts, start=bench.seed))
    drawn = np.stack([draw(prompt, seed) for seed, prompt in progress(jobs, "drawing concepts")])
    if sheet:
        from bozzetto import pictures

        pictures.save_png(pictures.sheet([Image.fromarray(picture) for picture in drawn], columns=20), sheet)

    features = judge.features(drawn)
    labels = list(bench.names.values())
    target = np.array([labels.index(name) for name in names])
    real = np.array([key in set(chosen) for key in core.codepoints])
    held_out = np.flatnonzero(real & bench.test)
    scores = {}
    for k in (1, 5):
        scores[f"judge top-{k}"] = share(top_k_accuracy(judge.score(features, labels), target, k))
        of_art = top_k_accuracy(judge.score(bench.features[held_out], labels), bench.targets(held_out), k)
        scores[f"judge top-{k}, held-out real art of these concepts"] = share(of_art)
    for k in (1, 5):
        to_prompt, to_picture = recall_at_k(judge.score(features, names), names, names, k)
        scores[f"picture to prompt recall@{k}"] = share(to_prompt)
        scores[f"prompt to picture recall@{k}"] = share(to_picture)

    scores |= score_distance(features, bench.features[real], core.select(real).codepoints, bench.seed)
    near = {
        "features": memorization(features, bench.features[~bench.test], bench.features[bench.test]),
        "pixels": memorization(*(pixel_vectors(x) for x in (drawn, core.images[~bench.test], core.images[bench.test]))),
    }
    for space, found in near.items():
        of = share_of(found.generated < found.threshold)
        scores[f"nearer to a training picture than 95 % of held-out art, {space} (5 % is free)"] = share(of)

    for kind in COMPOSED:
        scenes, renders = bench.test_scenes(kind, bench.scenes)
        jobs = list(enumerate((scene.sentence for scene in scenes), start=bench.seed))
        answers = np.stack([draw(prompt, seed) for seed, prompt in progress(jobs, f"drawing {kind} scenes")])
        true = bench.graded(kind, scenes, renders)
        for fact, value in bench.graded(kind, scenes, answers).items():
            scores[f"{kind} scenes: {FACTS[fact]}"] = share(value)
            scores[f"{kind} scenes: {FACTS[fact]}, true renders"] = share(true[fact])
    neighbours = {space: nearest(found, core, ~bench.test) for space, found in near.items()}
    return scores, {"prompts": prompts, "nearest": neighbours}


FACTS = {
    "count": "as many objects",
    "object": "every object named right",
    "color": "the colour",
    "two": "just the two objects",
    "place": "the two and their place",
    "size": "the two and their sizes",
}


def nearest(found: Memorization, core: World, train: np.ndarray) -> dict:
    """The medians, and for each drawn picture the training picture nearest to it."""
    rows = np.flatnonzero(train)[found.neighbour]
    pairs = [f"{core.names[row]} ({core.styles[row]})" for row in rows]
    return {**found.summary(), "neighbour": pairs, "distance": [round(float(d), 5) for d in found.generated]}


def score_distance(drawn: np.ndarray, real: np.ndarray, codepoints: list[str], seed: int) -> Scores:
    """Frechet distance of features drawn [n,d], one a concept, to all real pictures [m,d] of the same concepts.

    The floor asks the same of real art: one picture of each concept, drawn at random, against all the others.
    """
    rng = np.random.default_rng(seed)
    rows = defaultdict(list)
    for row, key in enumerate(codepoints):
        rows[key].append(row)
    floors = []
    for _ in range(5):
        alone = np.array([rng.choice(own) for own in rows.values()])
        floors.append(frechet_distance(real[alone], np.delete(real, alone, axis=0)))
    found = bootstrap_interval(frechet_distance, drawn, real, REPLICATES, seed)
    return {
        "Frechet distance (EfficientNet-Lite0)": {
            "value": found.value, "low": found.low, "high": found.high, "n": found.n_a, "n_real": found.n_b, "unit": ""
        },
        "Frechet distance, real art instead (5 draws, extremes)": {
            "value": float(np.mean(floors)), "low": min(floors), "high": max(floors), "n": len(rows),
            "n_real": len(real) - len(rows), "unit": "",
        },
    }  # fmt: skip


def score_maker(reference: Reference, draw: Draw, n: int, sheet: Path | None = None) -> Scores:
    """n pictures of a maker of small pictures against the training pictures. The floor asks the same of real ones."""
    labels = reference.wanted(n)
    parts = progress(range(0, n, 64), "drawing")
    drawn = np.concatenate([draw(range(i, min(i + 64, n)), labels[i : i + 64]) for i in parts])
    if sheet:
        from bozzetto import pictures

        pictures.save_png(pictures.sheet([Image.fromarray(picture) for picture in drawn[:400]], columns=20), sheet)
    drawn_features = features(drawn)
    found = quality(reference, drawn, drawn_features)
    of = real_instead(reference, n)
    spread = bootstrap_interval(frechet_distance, drawn_features, reference.features, 10)
    scores = {
        "Frechet distance (EfficientNet-Lite0, 64 px)": {
            "value": found.frechet, "low": spread.low, "high": spread.high, "n": n, "unit": ""
        },
        "Frechet distance, real pictures instead (3 draws, extremes)": {
            "value": of.value, "low": of.low, "high": of.high, "n": n, "unit": ""
        },
    }  # fmt: skip
    near = "nearer to a training picture than 95 % of held-out ones (5 % is free)"
    for name, value in {
        "precision": found.precision,
        "recall": found.recall,
        "coverage": found.coverage,
        "coverage, real pictures instead": found.coverage_real,
        near: found.near,
    }.items():
        scores[name] = share(share_of(np.arange(n) < round(value * n)))
    return scores


def score_judge(bench: Bench) -> Scores:
    """The judge on real art it never saw, and its grader on true renders of held-out scenes."""
    rows = np.flatnonzero(bench.test)
    table, target = bench.judge.score(bench.features[rows], list(bench.names.values())), bench.targets(rows)
    scores = {f"naming top-{k}": share(top_k_accuracy(table, target, k)) for k in (1, 5)} | bench.baseline()
    for kind in KINDS:
        scenes, renders = bench.test_scenes(kind, bench.scenes)
        for fact, value in bench.graded(kind, scenes, renders).items():
            scores[f"true renders, {kind} scenes: {FACTS[fact]}"] = share(value)
    return scores


def score_vlm(bench: Bench, reply: Callable[[np.ndarray, list[str], bool], list[str]]) -> Scores:
    """`reply`: (picture uint8 [64,64,4], questions, whether the picture is shown) -> answers. An answer is right when
    it is the true one, word for word; a reason given before it is not judged.

    In domain: new scenes and papers of known combinations. Held out: combinations that no training showed. Beside each
    kind stand the model's blind guesses and the best answer that looks at neither picture nor question.
    """
    scores, told = {}, []  # told: (is it "i cannot tell", should it be)
    for where, split in (("in domain", "train"), ("held-out combinations", "test")):
        asked = _questions(bench, split)
        right, blind = defaultdict(list), defaultdict(list)
        for picture, questions in progress(asked, f"asking, {where}"):
            texts = [question.text for question in questions]
            for seen, table in ((True, right), (False, blind)):
                for question, said in zip(questions, reply(picture, texts, seen), strict=True):
                    table[question.kind].append(said == question.answer)
                    if seen:
                        told.append((said == CANNOT_TELL, question.answer == CANNOT_TELL))
        for kind in QUESTION_KINDS:
            if not right[kind]:
                continue
            answers = [question.answer for _, some in asked for question in some if question.kind == kind]
            commonest = max(answers.count(answer) for answer in set(answers))
            constant = share_of(np.arange(len(answers)) < commonest)
            scores[f"{kind}, {where}"] = share(share_of(right[kind]))
            scores[f"{kind}, {where}, blind"] = share(share_of(blind[kind]))
            scores[f"{kind}, {where}, best constant answer"] = share(constant)
    said, true = np.array(told).T
    if said.any() and true.any():
        scores["cannot tell, precision"] = share(share_of(true[said]))
        scores["cannot tell, recall"] = share(share_of(said[true]))
    return scores


def _questions(bench: Bench, split: str) -> list[tuple[np.ndarray, list[Question]]]:
    """Pictures and what they are asked: `bench.traps` questions of each kind at most, two scenes to one paper."""
    rng, counts = np.random.default_rng(bench.seed), dict.fromkeys(QUESTION_KINDS, 0)
    nouns = [thing.noun for thing in bench.objects]
    asked = []
    for number in range(UNSEEN + bench.seed, UNSEEN + bench.seed + 20 * bench.traps):
        if number % 3 == 2:
            fact = make_paper(bench.world, bench.objects, number, split)
            draw, questions = render_paper, paper_questions(fact, nouns, rng)
        else:
            fact = make_scene(bench.world, bench.objects, number, split)
            draw, questions = render, scene_questions(fact, nouns, rng)
        kept = []
        for question in questions:
            if counts[question.kind] < bench.traps:
                counts[question.kind] += 1
                kept.append(question)
        if kept:
            asked.append((draw(bench.world, fact), kept))
    return asked


# ---------------------------------------------------------------- from weights to scores


def _run_autoencoder(bench: Bench, weights: Path, sheet: Path | None) -> tuple[Scores, dict]:
    from bozzetto.runtime.session import open_network
    from bozzetto.runtime.store import open_model

    encoder, decoder = (open_network(open_model(f"autoencoder/{half}", weights)) for half in ("encoder", "decoder"))

    def reconstruct(pictures: np.ndarray) -> np.ndarray:
        latents = encoder(pixels=pictures.transpose(0, 3, 1, 2) * 2 - 1)["latents"]
        return np.clip((decoder(latents=latents)["pixels"].transpose(0, 2, 3, 1) + 1) / 2, 0, 1)

    return score_autoencoder(bench, reconstruct), {}


def _run_clip(bench: Bench, weights: Path, sheet: Path | None) -> tuple[Scores, dict]:
    from bozzetto.runtime import clip as towers

    clip = towers.load(weights)

    def embed_pictures(images: np.ndarray) -> np.ndarray:
        parts = progress(range(0, len(images), 256), "reading pictures")
        return np.concatenate(
            [towers.encode_image(clip, on_white(images[i : i + 256]).round().astype(np.uint8)) for i in parts]
        )

    return score_clip(bench, lambda texts: towers.encode_text(clip, texts), embed_pictures, clip.none_below[10]), {}


def _run_text_to_image(bench: Bench, weights: Path, sheet: Path | None) -> tuple[Scores, dict]:
    from bozzetto.runtime import text_to_image

    models = text_to_image.load(weights)
    scores, details = score_text_to_image(
        bench, lambda prompt, seed: text_to_image.draw(models, prompt, [seed])[0], sheet
    )
    return scores, {"settings": asdict(models.defaults), **details}


def _run_maker(name: str) -> Callable[[Bench, Path, Path | None], tuple[Scores, dict]]:
    def run(bench: Bench, weights: Path, sheet: Path | None) -> tuple[Scores, dict]:
        from bozzetto.runtime import sample

        maker = sample.load(name, weights)

        def draw(seeds: range, labels: np.ndarray) -> np.ndarray:
            return sample.make(maker, seeds, labels, maker.defaults)

        return score_maker(bench.reference, draw, 5 * bench.n, sheet), {"settings": asdict(maker.defaults)}

    return run


def _run_judge(bench: Bench, weights: Path, sheet: Path | None) -> tuple[Scores, dict]:
    return score_judge(bench), {}


def _run_vlm(bench: Bench, weights: Path, sheet: Path | None) -> tuple[Scores, dict]:
    from bozzetto.runtime import ask

    model = ask.load(weights)

    def reply(picture: np.ndarray, questions: list[str], seen: bool) -> list[str]:
        cache = ask.see(model, on_white(picture[None]).round().astype(np.uint8), seen)
        return [ask.conclusion(list(ask.answer(model, cache, question))) for question in questions]

    return score_vlm(bench, reply), {}


RUNS = {
    "autoencoder": _run_autoencoder,
    "clip": _run_clip,
    "text-to-image": _run_text_to_image,
    "judge": _run_judge,
    "vlm": _run_vlm,
    **{name: _run_maker(name) for name in ("gan", "vae", "diffusion", "few-steps")},
}


def evaluate(
    models: Sequence[str] = (),
    out: Path | None = None,
    *,
    world: World | str | Path | None = None,
    n: int = 200,
    scenes: int = 60,
    seed: int = 0,
    sheet: Path | None = None,
) -> dict:
    """Measure models, print a table of each, write JSON to `out`, and return it: {model: {command, n, scores, ...}}.

    models: some of autoencoder, clip, text-to-image, judge, vlm, gan, vae, diffusion and few-steps; none: all.
    world: a World or its Parquet file; by default as in load_world. n: concepts to draw (2 or more), and a fifth of
    the number of small pictures; scenes: of a kind.
    seed: chooses scenes and noise. sheet: a PNG file for the pictures drawn of the n concepts.
    Raises ValueError for a bad argument, FileNotFoundError or WeightsError for a world or weights that are not
    there, ImportError for a missing extra; all before anything is measured, but for the weights of later models.
    """
    from bozzetto.pictures import check_output
    from bozzetto.runtime.store import weights_folder

    models = list(dict.fromkeys(models or RUNS))
    unknown = next((name for name in models if name not in RUNS), None)
    if unknown is not None:
        raise ValueError(f"models: {unknown!r} cannot be evaluated; choose some of {', '.join(RUNS)}")
    for name, value, low in (("n", n, 2), ("scenes", scenes, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise ValueError(f"{name} must be a whole number from {low}, not {value!r}")
    drawing = [name for name in models if name in ("text-to-image", "gan", "vae", "diffusion", "few-steps")]
    if sheet and len(drawing) != 1:
        raise ValueError("sheet shows what one model draws: name one that draws, such as text-to-image or gan")
    for path, suffix in ((out, ".json"), (sheet, ".png")):
        if path:
            check_output(Path(path), suffix)
    for module in ("pyarrow", "scipy", "torch"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ImportError(f"evaluate needs {module}: pip install 'bozzetto[eval]'") from error

    weights, cache, small = weights_folder(), None, None
    if not isinstance(world, World):
        path = Path(world or os.environ.get("BOZZETTO_WORLD") or DEFAULT_PATH)
        world, cache, small = load_world(path), path.with_name("features.npz"), path.with_name("features-32.npz")
    bench = Bench(
        world,
        n,
        scenes,
        seed,
        lambda: load_judge(weights / "judge"),
        lambda core: core_features(core, cache),
        lambda world: small_reference(world, small),
    )
    sizes = {"n": (n, 200), "scenes": (scenes, 60), "seed": (seed, 0)}
    flags = "".join(f" --{flag} {value}" for flag, (value, default) in sizes.items() if value != default)
    report = {}
    for name in models:
        scores, details = RUNS[name](bench, weights, Path(sheet) if sheet else None)
        command = f"bozzetto evaluate {name}{flags}"
        report[name] = {"command": command, "n": n, "scenes": scenes, "seed": seed, "scores": scores, **details}
        Console().print(table(name, report[name]))
        if out:
            _write(report, Path(out))
    return report


def _write(report: dict, out: Path) -> None:
    """The file appears whole or not at all."""
    part = out.with_name(out.name + ".part")
    part.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, out)


def table(name: str, block: dict) -> Table:
    """One model's scores for a terminal."""
    shown = Table(title=name, caption=block["command"], title_justify="left", caption_justify="left")
    shown.add_column("measure")
    for column in ("value", "95 % interval", "n"):
        shown.add_column(column, justify="right")

    def written(value: float, unit: str) -> str:
        return f"{100 * value:.1f} %" if unit == "share" else f"{value:.2f} {unit}".strip()

    for measure, score in block["scores"].items():
        low, high = (written(score[end], str(score["unit"])) for end in ("low", "high"))
        shown.add_row(measure, written(score["value"], str(score["unit"])), f"{low} .. {high}", str(score["n"]))
    return shown
