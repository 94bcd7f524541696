"""The vision-language model: answers about scenes and documents, kind by kind, beside its blind guesses."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bozzetto.evaluation.bench import HELD_OUT_SEED, EvaluationContext
from bozzetto.evaluation.scores import Measured, Scores, share
from bozzetto.metrics.retrieval import share_of
from bozzetto.pictures import on_white
from bozzetto.progress import track
from bozzetto.world.documents import make_document, render_document
from bozzetto.world.questions import CANNOT_TELL, KINDS, Question, document_questions, scene_questions
from bozzetto.world.scenes import make_scene, render

N = 0  # it draws nothing
IN_DOMAIN, HELD_OUT = "in domain", "held-out combinations"  # new pictures; and such as no training showed
BLIND = "{}, blind"
CONSTANT = "{}, best constant answer"
TELLS_PRECISION = "cannot tell, precision"
TELLS_RECALL = "cannot tell, recall"


def kind_measure(kind: str, where: str) -> str:
    """The name of a measure: right answers of a kind. BLIND and CONSTANT of it are beside it."""
    return f"{kind}, {where}"


SHOWN = (  # in the README
    *(kind_measure(kind, HELD_OUT) for kind in ("what", "count", "color", "place", "describe", "receipt", "read")),
    BLIND.format(kind_measure("count", HELD_OUT)),
    TELLS_PRECISION,
    TELLS_RECALL,
)


def score(context: EvaluationContext, reply: Callable[[np.ndarray, list[str], bool], list[str]]) -> Scores:
    """`reply`: (picture uint8 [64,64,4], questions, whether the picture is shown) -> answers. An answer is right when
    it is the true one, word for word; a reason given before it is not judged.

    In domain: new scenes and documents of known combinations. Held out: combinations that no training showed. Beside
    each kind stand the model's blind guesses and the best answer that looks at neither picture nor question.
    """
    scores, told = {}, []  # told: (is it "i cannot tell", should it be)
    for where, split in ((IN_DOMAIN, "train"), (HELD_OUT, "test")):
        asked = questions(context, split)
        right: dict[str, list[bool]] = defaultdict(list)
        blind: dict[str, list[bool]] = defaultdict(list)
        for picture, some in track(asked, f"asking, {where}"):
            texts = [question.text for question in some]
            for seen, table in ((True, right), (False, blind)):
                for question, said in zip(some, reply(picture, texts, seen), strict=True):
                    table[question.kind].append(said == question.answer)
                    if seen:
                        told.append((said == CANNOT_TELL, question.answer == CANNOT_TELL))
        for kind in KINDS:
            if not right[kind]:
                continue
            answers = [question.answer for _, some in asked for question in some if question.kind == kind]
            commonest = max(answers.count(answer) for answer in set(answers))
            measure = kind_measure(kind, where)
            scores[measure] = share(share_of(right[kind]))
            scores[BLIND.format(measure)] = share(share_of(blind[kind]))
            scores[CONSTANT.format(measure)] = share(share_of(np.arange(len(answers)) < commonest))
    said, true = np.array(told).T
    if said.any() and true.any():
        scores[TELLS_PRECISION] = share(share_of(true[said]))
        scores[TELLS_RECALL] = share(share_of(said[true]))
    return scores


def questions(context: EvaluationContext, split: str) -> list[tuple[np.ndarray, list[Question]]]:
    """Pictures and what they are asked: `context.questions` of each kind at most, two scenes to one document."""
    rng, counts = np.random.default_rng(context.seed), dict.fromkeys(KINDS, 0)
    nouns = [thing.noun for thing in context.objects]
    asked = []
    for number in range(HELD_OUT_SEED + context.seed, HELD_OUT_SEED + context.seed + 20 * context.questions):
        if number % 3 == 2:
            document = make_document(context.world, context.objects, number, split)
            picture, some = render_document(context.world, document), document_questions(document, nouns, rng)
        else:
            scene = make_scene(context.world, context.objects, number, split)
            picture, some = render(context.world, scene), scene_questions(scene, nouns, rng)
        kept = []
        for question in some:
            if counts[question.kind] < context.questions:
                counts[question.kind] += 1
                kept.append(question)
        if kept:
            asked.append((picture, kept))
    return asked


def measure(context: EvaluationContext, weights: Path, n: int, sheet: Path | None) -> Measured:
    from bozzetto.runtime import ask

    model = ask.load(weights)

    def reply(picture: np.ndarray, questions: list[str], seen: bool) -> list[str]:
        cache = ask.see(model, on_white(picture[None]).round().astype(np.uint8), seen)
        return [ask.conclusion(list(ask.answer(model, cache, question))) for question in questions]

    return score(context, reply), {}
