"""Text to image and its few-step student: does the judge see what was asked for, is it art, is it copied?"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from bozzetto.evaluation.bench import FACTS, EvaluationContext
from bozzetto.evaluation.scores import BORDERS, Measured, Scores, border_ratio, distance, mean, share
from bozzetto.metrics.frechet import Estimate, bootstrap_interval, frechet_distance
from bozzetto.metrics.memorization import Memorization, memorization, pixel_vectors
from bozzetto.metrics.retrieval import cosine_similarity, recall_at_k, share_of, top_k_accuracy
from bozzetto.pictures import on_white
from bozzetto.progress import track
from bozzetto.runtime import layers
from bozzetto.runtime.text_to_image import BEST_STYLE
from bozzetto.world.captions import hash_draw, with_article
from bozzetto.world.dataset import World

N = 200  # concepts to draw
JUDGED = {k: f"judge top-{k}" for k in (1, 5)}
JUDGED_IN_STYLE = {k: f"{judged}, in the style {BEST_STYLE}" for k, judged in JUDGED.items()}
JUDGED_ART = {k: f"{judged}, held-out real art of these concepts" for k, judged in JUDGED.items()}
TO_PROMPT = {k: f"picture to prompt recall@{k}" for k in (1, 5)}
TO_PICTURE = {k: f"prompt to picture recall@{k}" for k in (1, 5)}
FRECHET = "Frechet distance (EfficientNet-Lite0)"
FRECHET_ART = "Frechet distance, real art instead (5 draws, extremes)"
BORDERS_ART = f"{BORDERS}, held-out real art of these concepts"
NEAR = {
    space: f"nearer to a training picture than 95 % of held-out art, {space} (5 % is free)"
    for space in ("features", "pixels")
}
# A concept in a style that no training picture shows together: learning by heart cannot answer.
ART = "{}, the held-out art itself"
PAIRS = {k: f"held-out pairs: named, top-{k}" for k in (1, 5)}
PAIRS_STYLE = "held-out pairs: the style"
PAIRS_NEAREST = "held-out pairs: cosine to the nearest training picture of the concept"
COMPOSED = ("count", "color", "place", "two")  # the kinds of scenes that are asked for
REPLICATES = 40


def scene_measure(kind: str, fact: str) -> str:
    """The name of a measure: a fact of drawn scenes of a kind. TRUE_RENDERS of it asks the same of true ones."""
    return f"{kind} scenes: {FACTS[fact]}"


TRUE_RENDERS = "{}, true renders"
IN_LAYERS = "{}, drawn in layers"  # those of several things
BEST_OF = 8  # as the README does
BEST_IN_LAYERS = f"{IN_LAYERS}, each thing the best of {BEST_OF} in the style {BEST_STYLE}"


SHOWN = (
    *PAIRS.values(),
    *JUDGED.values(),
    *JUDGED_IN_STYLE.values(),
    JUDGED_ART[5],
    *(way.format(scene_measure(kind, kind)) for kind in ("count", "place", "two") for way in ("{}", IN_LAYERS)),
    FRECHET,
    FRECHET_ART,
    NEAR["features"],
)  # in the README


class Draw(Protocol):
    def __call__(self, prompt: str, seed: int, style: str | None = None) -> np.ndarray:
        """A picture uint8 [64,64,4]."""


def score(
    context: EvaluationContext, draw: Draw, n: int, sheet: Path | None = None, best: Draw | None = None
) -> Measured:
    """n: concepts, and as many held-out pairs. best: draws one thing as well as it can, for layers. The scores; the
    prompts and the nearest training pictures."""
    core, judge = context.core, context.judge
    chosen = chosen_concepts(core, n)
    names = [context.names[key] for key in chosen]
    prompts = [with_article(name) for name in names]
    jobs = [(prompt, seed) for seed, prompt in enumerate(prompts, start=context.seed)]
    drawn = np.stack([draw(*job) for job in track(jobs, "drawing concepts")])
    if sheet:
        from bozzetto import pictures

        pictures.save_png(pictures.sheet([Image.fromarray(picture) for picture in drawn], columns=20), sheet)

    features = judge.features(drawn)
    in_style = judge.features(np.stack([draw(*job, BEST_STYLE) for job in track(jobs, "drawing in one style")]))
    labels = list(context.names.values())
    target = np.array([labels.index(name) for name in names])
    real = np.array([key in set(chosen) for key in core.codepoints])
    held_out = np.flatnonzero(real & context.test)
    scores = {}
    for k in (1, 5):
        scores[JUDGED[k]] = share(top_k_accuracy(judge.score(features, labels), target, k))
        scores[JUDGED_IN_STYLE[k]] = share(top_k_accuracy(judge.score(in_style, labels), target, k))
        of_art = top_k_accuracy(judge.score(context.features[held_out], labels), context.targets(held_out), k)
        scores[JUDGED_ART[k]] = share(of_art)
    for k in (1, 5):
        to_prompt, to_picture = recall_at_k(judge.score(features, names), names, names, k)
        scores |= {TO_PROMPT[k]: share(to_prompt), TO_PICTURE[k]: share(to_picture)}

    scores |= {
        BORDERS: border_ratio(on_white(drawn)),
        BORDERS_ART: border_ratio(on_white(core.images[held_out])),
    }
    scores |= score_distance(features, context.features[real], core.select(real).codepoints, context.seed)
    train, test = ~context.test, context.test
    near = {
        "features": memorization(features, context.features[train], context.features[test]),
        "pixels": memorization(
            pixel_vectors(drawn), pixel_vectors(core.images[train]), pixel_vectors(core.images[test])
        ),
    }
    for space, found in near.items():
        scores[NEAR[space]] = share(share_of(found.generated < found.threshold))

    scores |= score_pairs(context, draw, n)
    for kind in COMPOSED:
        scenes, renders = context.test_scenes(kind, context.scenes)
        jobs = [(scene.sentence, seed) for seed, scene in enumerate(scenes, start=context.seed)]
        answers = np.stack([draw(*job) for job in track(jobs, f"drawing {kind} scenes")])
        true = context.graded(kind, scenes, renders)
        for fact, value in context.graded(kind, scenes, answers).items():
            measure = scene_measure(kind, fact)
            scores |= {measure: share(value), TRUE_RENDERS.format(measure): share(true[fact])}
        ways = {IN_LAYERS: draw} | ({BEST_IN_LAYERS: best} if best else {})
        for wording, way in ways.items() if kind != "color" else ():
            laid = np.stack([draw_in_layers(way, *job) for job in track(jobs, f"drawing {kind} scenes in layers")])
            for fact, value in context.graded(kind, scenes, laid).items():
                scores[wording.format(scene_measure(kind, fact))] = share(value)
    return scores, {
        "prompts": prompts,
        "nearest": {space: nearest(found, core, train) for space, found in near.items()},
    }


def draw_in_layers(draw: Draw, prompt: str, seed: int) -> np.ndarray:
    plan = layers.read(prompt)
    assert plan, prompt
    return layers.together(plan, [draw(thing, seed) for thing in plan.things])


def score_pairs(context: EvaluationContext, draw: Draw, n: int) -> Scores:
    """n held-out pairs of a concept and a style, always the same ones: of the drawings, and of the art held out."""
    core, train, labels = context.core, np.flatnonzero(~context.test), list(context.names.values())
    rows = sorted(np.flatnonzero(context.test), key=lambda row: hash_draw(core.codepoints[row], core.styles[row]))[:n]
    jobs = [(with_article(context.names[core.codepoints[row]]), seed, core.styles[row])
            for seed, row in enumerate(rows, start=context.seed)]  # fmt: skip
    drawn = np.stack([draw(*job) for job in track(jobs, "drawing held-out pairs")])
    known, styles = context.features[train], list(dict.fromkeys(core.styles))
    number = np.array([styles.index(style) for style in core.styles])
    judged = linear_classifier(known, number[train], len(styles))
    target, keys = context.targets(np.array(rows)), np.array(core.codepoints)
    scores = {}
    for wording, features in (("{}", context.judge.features(drawn)), (ART, context.features[rows])):
        named = context.judge.score(features, labels)
        for k, measure in PAIRS.items():
            scores[wording.format(measure)] = share(top_k_accuracy(named, target, k))
        scores[wording.format(PAIRS_STYLE)] = share(top_k_accuracy(judged(features), number[rows]))
        near = [
            cosine_similarity(one[None], known[keys[train] == keys[row]]).max()
            for one, row in zip(features, rows, strict=True)
            if (keys[train] == keys[row]).any()
        ]
        scores[wording.format(PAIRS_NEAREST)] = mean(np.array(near), "")
    return scores


def linear_classifier(known: np.ndarray, labels: np.ndarray, classes: int) -> Callable[[np.ndarray], np.ndarray]:
    """Features [m,d] and their classes [m] to a function of features [n,d] to scores [n,classes]: least squares on one
    of `classes`, with a ridge of a hundredth of the mean variance."""
    centre = known.mean(0)
    x = (known - centre).astype(np.float64)
    covariance = x.T @ x
    ridge = 0.01 * np.trace(covariance) / len(covariance)
    weights = np.linalg.solve(covariance + ridge * np.eye(len(covariance)), x.T @ np.eye(classes)[labels])
    return lambda features: (features - centre) @ weights + np.bincount(labels, minlength=classes) / len(labels)


def chosen_concepts(world: World, n: int) -> list[str]:
    """n concepts with a test picture, always the same ones: by hash, and spread over the groups by their size."""
    groups: dict[str, list[str]] = defaultdict(list)
    for key, group, split in zip(world.codepoints, world.groups, world.splits, strict=True):
        if split == "test" and key not in groups[group]:
            groups[group].append(key)
    order = []
    for keys in groups.values():
        keys.sort(key=lambda key: hash_draw("evaluate", key))
        order += [((place + 0.5) / len(keys), key) for place, key in enumerate(keys)]
    return [key for _, key in sorted(order)[:n]]


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
    floor = Estimate(float(np.mean(floors)), min(floors), max(floors), len(rows), len(real) - len(rows))
    found = bootstrap_interval(frechet_distance, drawn, real, REPLICATES, seed)
    return {FRECHET: distance(found), FRECHET_ART: distance(floor)}


def measure(context: EvaluationContext, weights: Path, n: int, sheet: Path | None, few_steps: bool = False) -> Measured:
    """few_steps: of the student, with as many steps as its weights recommend."""
    from bozzetto.runtime import clip, text_to_image

    models = text_to_image.load(weights)
    student = text_to_image.load_student(weights) if few_steps else None

    def draw(prompt: str, seed: int, style: str | None = None) -> np.ndarray:
        return text_to_image.draw(models, prompt, [seed], style=style, student=student)[0]

    def best(prompt: str, seed: int, style: str | None = BEST_STYLE) -> np.ndarray:
        seeds = range(seed * BEST_OF, (seed + 1) * BEST_OF)
        drawn = text_to_image.draw(models, prompt, seeds, style=style, student=student)
        shown = [Image.fromarray(one) for one in drawn]
        return np.asarray(clip.best_matches(clip.load(weights), prompt, shown, BEST_OF)[0])

    scores, details = score(context, draw, n, sheet, best if few_steps else None)
    return scores, {"settings": asdict(student[1] if student else models.defaults), **details}
