"""What is said of a scene: its sentence, the same in other words, and sentences that are wrong in exactly one fact."""

from typing import Any

import numpy as np

from bozzetto.world.captions import article
from bozzetto.world.scenes.facts import Scene, is_held_out
from bozzetto.world.scenes.vocabulary import (
    BACKGROUND_WORDINGS,
    BACKGROUNDS,
    COLORS,
    COUNTS,
    NUMBERS,
    OPPOSITE,
    WORDINGS,
    plural,
)


def describe(
    kind: str,
    names: tuple[str, ...],
    count: int,
    color: str | None,
    relation: str | None,
    background: str | None,
    wording: int,
) -> str:
    """A sentence for the facts of a Scene; `wording`, any integer from 0, chooses the paraphrase."""
    choices = WORDINGS[relation or kind]
    one, other = names[0], names[-1]
    sentence = choices[wording % len(choices)].format(
        a=f"{article(one)} {one}",
        b=f"{article(other)} {other}",
        one=one,
        other=other,
        many=plural(one),
        count=NUMBERS[count],
        digit=count,
        color=color,
        colored=f"{article(color)} {color} {one}" if color else "",
    )
    if background is None:
        return sentence
    on = BACKGROUND_WORDINGS[wording // len(choices) % len(BACKGROUND_WORDINGS)]
    return sentence + on.format(a=f"{article(background)} {background}", color=background)


def hard_negatives(scene: Scene) -> dict[str, list[str]]:
    """The scene's sentence with exactly one fact made false, in the same wording: by fact, every false sentence.

    The facts are "relation" (the opposite one), "names" (the two swapped), "count", "color" and "background", those
    that the scene has. A training scene's negative says no held-out combination either: from negatives alone, a model
    would learn that those are always wrong.
    """
    facts: dict[str, Any] = {
        "names": scene.names,
        "count": scene.count,
        "color": scene.color,
        "relation": scene.relation,
        "background": scene.background,
    }
    wrong: dict[str, list] = {}
    if scene.relation:
        wrong["relation"] = [OPPOSITE[scene.relation]]
        wrong["names"] = [scene.names[::-1]]
    combined: dict[str, tuple[str | int, ...]] = {"count": COUNTS, "color": tuple(COLORS)}
    for key, values in combined.items():
        if scene.kind == key:
            concept = scene.objects[0].codepoints
            test = is_held_out(concept, facts[key])
            wrong[key] = [v for v in values if v != facts[key] and (test or not is_held_out(concept, v))]
    if scene.background:
        wrong["background"] = [name for name in BACKGROUNDS if name != scene.background]
    return {
        key: [describe(scene.kind, **{**facts, key: value}, wording=scene.wording) for value in values]
        for key, values in wrong.items()
        if values
    }


def paraphrase(scene: Scene, rng: np.random.Generator) -> str:
    """The same facts in other words, a relation as often from the other side: "a dog right of a cat" for "a cat left of
    a dog"."""
    names, relation = scene.names, scene.relation
    if relation and rng.random() < 0.5:
        names, relation = names[::-1], OPPOSITE[relation]
    wording = int(rng.integers(2**16))
    return describe(scene.kind, names, scene.count, scene.color, relation, scene.background, wording)


def hard_negative(scene: Scene, rng: np.random.Generator) -> str | None:
    """One of the scene's `hard_negatives`: a fact at random, then a sentence at random; None if there is none."""
    wrong = list(hard_negatives(scene).values())
    if not wrong:
        return None
    chosen = wrong[rng.integers(len(wrong))]
    return chosen[rng.integers(len(chosen))]
