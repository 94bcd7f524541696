"""A scene from a seed: which things, in which style, number or colour, and where."""

import numpy as np

from bozzetto.errors import InvalidInput, one_of, whole_number
from bozzetto.world.dataset import World
from bozzetto.world.scenes.facts import FRAME, Placed, Scene, SceneObject, is_held_out
from bozzetto.world.scenes.language import describe
from bozzetto.world.scenes.vocabulary import BACKGROUNDS, COLORS, COUNTS, KINDS, OPPOSITE

MAX_DRAWS = 10_000


def check_drawn(seed: int, split: str, kind: str | None, kinds: tuple[str, ...]) -> None:
    """InvalidInput unless something of one of these kinds, or of any, can be drawn from a seed."""
    whole_number("seed", seed, 0)
    one_of("split", split, ("train", "test"))
    if kind is not None:
        one_of("kind", kind, kinds)


def make_scene(
    world: World, objects: list[SceneObject], seed: int, split: str = "train", kind: str | None = None
) -> Scene:
    """The scene of a seed (an integer from 0): always the same one for the same world, split and kind.

    split: "train" shows training pictures and no held-out combination; "test" shows any picture and, but for
    kind "single" (which combines nothing), always a held-out combination. kind: one of KINDS, or None for a
    random one. Raises InvalidInput for a bad argument, and when the objects allow no such scene.
    """
    check_drawn(seed, split, kind, KINDS)
    rng = np.random.default_rng([seed, int(split == "test")])
    drawn_kind = KINDS[rng.integers(len(KINDS))]
    kind = kind or drawn_kind
    wording = int(rng.integers(2**16))
    things, style, color, count = _draw_combination(objects, rng, split, kind)

    pictures = [thing.rows[style] for thing in things]
    background = None
    if kind == "single" or rng.random() < 0.5:
        shades: list[tuple[float, ...]] = [_mean_color(world.images[row]) for row in pictures]
        if color:
            shades = [COLORS[color]]
        background = _readable_background(shades, rng)
    boxes, relation = _layout(kind, count, rng)
    if kind == "count":
        things, pictures = things * count, pictures * count
    placed = tuple(
        Placed(row, thing.codepoints, thing.noun, style, color, *box)
        for thing, row, box in zip(things, pictures, boxes, strict=True)
    )
    names = tuple(dict.fromkeys(thing.noun for thing in things))
    sentence = describe(kind, names, count, color, relation, background, wording)
    return Scene(kind, sentence, placed, background, names, count, color, relation, wording)


def _draw_combination(
    objects: list[SceneObject], rng: np.random.Generator, split: str, kind: str
) -> tuple[list[SceneObject], str, str | None, int]:
    """Things that share a style, a colour if there is one, and how many, on the split's side of the held-out hash."""
    test = split == "test"
    for _ in range(MAX_DRAWS):
        thing = objects[rng.integers(len(objects))]
        styles = thing.rows if test else thing.train_rows
        if not styles:
            continue
        style = list(styles)[rng.integers(len(styles))]
        if kind == "single":
            return [thing], style, None, 1
        if kind == "count":
            count = COUNTS[rng.integers(len(COUNTS))]
            if is_held_out(thing.codepoints, count) == test:
                return [thing], style, None, count
            continue
        if kind == "color":
            color = list(COLORS)[rng.integers(len(COLORS))]
            if is_held_out(thing.codepoints, color) == test:
                return [thing], style, color, 1
            continue
        second = objects[rng.integers(len(objects))]
        shared = style in (second.rows if test else second.train_rows)
        if shared and second is not thing and is_held_out(thing.codepoints, second.codepoints) == test:
            return [thing, second], style, None, 2
    raise InvalidInput("objects", f"allow no {split} scene of kind {kind!r}; give more objects")


def _layout(kind: str, count: int, rng: np.random.Generator) -> tuple[list[tuple[int, int, int]], str | None]:
    """Boxes (x, y, size) that lie in the frame with a gap between them, and the relation of the first two."""

    def between(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    if kind in ("single", "color"):
        size = between(34, 60)
        return [(between(1, FRAME - 1 - size), between(1, FRAME - 1 - size), size)], None
    if kind in ("count", "two"):
        # Cells of a 2 x 2 or 3 x 3 grid. Both serve small counts, so that size does not give the count away.
        grid = 2 if count <= 4 and rng.random() < 0.7 else 3
        cell = FRAME // grid
        size = between(22, 30) if grid == 2 else between(17, 20)
        if kind == "two" and grid == 3:
            grid, cell, size = 2, 32, between(18, 24)
        cells = rng.permutation(grid * grid)[:count]
        slack = cell - 1 - size
        return [
            (int(at % grid) * cell + between(0, slack), int(at // grid) * cell + between(0, slack), size)
            for at in cells
        ], None
    # Two halves, one after the other along an axis, about level across it.
    if kind == "place":
        sizes = (between(22, 30), between(22, 30))
        starts = (between(0, 31 - sizes[0]), 32 + between(0, 31 - sizes[1]))
    else:
        big, small = between(34, 40), between(15, 19)
        sizes = (big, small) if rng.random() < 0.5 else (small, big)
        gap = between(1, FRAME - big - small)
        start = between(0, FRAME - big - small - gap)
        starts = (start, start + sizes[0] + gap)
    level = between(max(sizes) // 2, FRAME - max(sizes) + max(sizes) // 2)
    across = [int(np.clip(level + between(-5, 5) - size // 2, 0, FRAME - size)) for size in sizes]
    horizontal = rng.random() < 0.5
    boxes = [
        (start, side, size) if horizontal else (side, start, size)
        for start, side, size in zip(starts, across, sizes, strict=True)
    ]
    relation = "left of" if horizontal else "above"
    if kind == "size":
        relation = "bigger than" if sizes[0] > sizes[1] else "smaller than"
    if rng.random() < 0.5:
        boxes.reverse()
        relation = OPPOSITE[relation]
    return boxes, relation


def _mean_color(picture: np.ndarray) -> tuple[float, ...]:
    """The mean visible colour, from every fourth pixel of every fourth line."""
    sample = picture[::4, ::4].reshape(-1, 4).astype(np.float32)
    alpha = sample[:, 3]
    return tuple(alpha @ sample[:, :3] / max(float(alpha.sum()), 1.0))


def _readable_background(shades: list[tuple[float, ...]], rng: np.random.Generator) -> str:
    """A background that is far from every object's colour; the farthest one if none is."""
    distance = {
        name: min(sum((x - y) ** 2 for x, y in zip(rgb, shade, strict=True)) ** 0.5 for shade in shades)
        for name, rgb in BACKGROUNDS.items()
    }
    far = [name for name, d in distance.items() if d > 110] or [max(distance, key=distance.__getitem__)]
    return far[rng.integers(len(far))]
