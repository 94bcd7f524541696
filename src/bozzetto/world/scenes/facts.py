"""What a scene is: its things and their exact facts, and which combinations no training shows."""

from dataclasses import dataclass

from bozzetto.errors import InvalidInput
from bozzetto.world.captions import HELD_OUT_SHARE, hash_draw, held_out_keywords, plain_name
from bozzetto.world.dataset import World
from bozzetto.world.scenes.vocabulary import NOUNS

FRAME = 64


@dataclass(frozen=True)
class SceneObject:
    """A concept that can stand in scenes. `rows` and `train_rows` map a style to a row of the world."""

    codepoints: str
    noun: str
    rows: dict[str, int]
    train_rows: dict[str, int]


@dataclass(frozen=True)
class Placed:
    """One picture in the frame: its square box has its top left corner at (x, y) and `size` pixels a side.

    The visible part of the picture fills the box along its longer side and is centred along the other.
    """

    row: int
    codepoints: str
    name: str
    style: str
    color: str | None
    x: int
    y: int
    size: int


@dataclass(frozen=True)
class Scene:
    """A composition and its exact facts.

    `names`: the nouns, in the order of the sentence (one noun, or two for place, size and two); `objects`
    come in the same order. `relation` holds of the first object to the second, a key of OPPOSITE or None.
    `color` is that of a recoloured object. `background` is a key of BACKGROUNDS, or None for transparent.
    `wording` is the number of the paraphrase that `describe` used.
    """

    kind: str
    sentence: str
    objects: tuple[Placed, ...]
    background: str | None
    names: tuple[str, ...]
    count: int
    color: str | None
    relation: str | None
    wording: int


def is_held_out(codepoints: str, other: str | int) -> bool:
    """Whether a concept with a colour, a count or another concept is for testing only, in either order."""
    return hash_draw(*sorted((codepoints, str(other)))) < HELD_OUT_SHARE


def scene_objects(world: World) -> list[SceneObject]:
    """The concepts of the world that can stand in a scene, in a fixed order, each with a noun of its own.

    A noun that is a held-out keyword of its concept gives way to the concept's name, so that scenes do not
    teach it. Raises InvalidInput when the world has none of them.
    """
    noun_of = {concept: noun for noun, concept in NOUNS.items()}
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(world.names):
        if world.core[row] and plain_name(name) in noun_of:
            rows.setdefault(plain_name(name), []).append(row)
    objects = []
    for name in sorted(rows):
        first, noun = rows[name][0], noun_of[name]
        codepoints = world.codepoints[first]
        if noun in held_out_keywords(codepoints, world.keywords[first], name):
            noun = name
        objects.append(
            SceneObject(
                codepoints,
                noun,
                {world.styles[row]: row for row in rows[name]},
                {world.styles[row]: row for row in rows[name] if world.splits[row] == "train"},
            )
        )
    if not objects:
        raise InvalidInput("world", "has no concept that can stand in a scene; build the whole world")
    return objects
