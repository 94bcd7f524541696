"""Scene graders on scenes drawn here: the grader must be right where the truth is known."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bozzetto.metrics.composition import (
    RELATIONS,
    cut_out,
    dominant_color,
    find_objects,
    grade_scenes,
    oklab,
)
from bozzetto.world.scenes import COLORS, OPPOSITE

pytest.importorskip("scipy")
SHAPES = ["disc", "square", "triangle", "ring", "cross"]
BACKGROUNDS = [None, (255, 255, 255), (200, 225, 255), (255, 240, 190), (60, 60, 70)]


def stamp(shape, color, side):
    """One shape, antialiased, with a dark detail such as every emoji has."""
    big = 8 * side
    image = Image.new("RGBA", (big, big))
    draw = ImageDraw.Draw(image)
    box, color = (0, 0, big - 1, big - 1), (*color, 255)
    if shape == "disc":
        draw.ellipse(box, color)
    elif shape == "square":
        draw.rectangle(box, color)
    elif shape == "triangle":
        draw.polygon([(0, big - 1), (big - 1, big - 1), (big // 2, 0)], color)
    elif shape == "ring":
        draw.ellipse(box, outline=color, width=big // 5)
    else:
        draw.rectangle((big // 3, 0, 2 * big // 3, big), color)
        draw.rectangle((0, big // 3, big, 2 * big // 3), color)
    middle = big // 2
    if shape != "ring":
        draw.ellipse((middle - side, middle - side, middle + side, middle + side), (20, 20, 20, 255))
    return image.resize((side, side), Image.Resampling.LANCZOS)


def scene(background, stamps):
    """Paste (image, left, top) on a transparent or solid picture."""
    picture = Image.new("RGBA", (64, 64), (*background, 255) if background else (0, 0, 0, 0))
    for image, left, top in stamps:
        picture.alpha_composite(image, (left, top))
    return np.asarray(picture)


def colour_near(rng, name):
    return tuple(int(c) for c in np.clip(np.array(COLORS[name]) + rng.integers(-12, 13, 3), 0, 255))


def judge(pictures, labels):
    """Names a crop by how well its silhouette overlaps each drawn shape's."""
    drawn = np.stack([np.asarray(stamp(label, (90, 90, 90), 58))[..., 3] > 127 for label in labels])
    drawn = np.pad(drawn, ((0, 0), (3, 3), (3, 3)))
    inside = pictures[:, None, ..., 3] > 127
    return (inside & drawn).sum((2, 3)) / (inside | drawn).sum((2, 3))


CELLS = [(1, 1), (23, 1), (45, 1), (1, 23), (23, 23), (45, 23), (1, 45), (23, 45), (45, 45)]


def count_scene(rng):
    shape, n, color = rng.choice(SHAPES[:3]), int(rng.integers(1, 6)), rng.choice(["red", "green", "purple"])
    art = stamp(shape, colour_near(rng, color), 16)
    cells = rng.permutation(9)[:n]
    at = [(CELLS[c][0] + int(rng.integers(2)), CELLS[c][1] + int(rng.integers(2))) for c in cells]
    background = BACKGROUNDS[rng.integers(len(BACKGROUNDS))]
    return scene(background, [(art, *xy) for xy in at]), ([shape], n, None, None)


def color_scene(rng):
    color = rng.choice(list(COLORS))
    shape, side = rng.choice(SHAPES), int(rng.integers(24, 50))
    left, top = rng.integers(2, 62 - side, 2)
    background = [None, (255, 255, 255)][rng.integers(2)]
    art = stamp(shape, colour_near(rng, color), side)
    return scene(background, [(art, int(left), int(top))]), ([shape], 1, color, None)


def pair_scene(rng):
    first, second = rng.choice(SHAPES, 2, replace=False)
    relation = rng.choice(list(RELATIONS))
    big, small = {"bigger than": (26, 18), "smaller than": (18, 26)}.get(relation, (24, 24))
    near, far = int(rng.integers(2, 6)), int(rng.integers(33, 36))
    a, b = (far, near) if relation in ("right of", "below") else (near, far)
    line = int(rng.integers(10, 30))
    places = [(line, a), (line, b)] if relation in ("above", "below") else [(a, line), (b, line)]
    color = rng.choice(["red", "yellow", "blue"])
    arts = stamp(first, COLORS[color], big), stamp(second, COLORS["green"], small)
    background = BACKGROUNDS[rng.integers(len(BACKGROUNDS))]
    stamps = [(art, *xy) for art, xy in zip(arts, places, strict=True)]
    return scene(background, stamps), ([first, second], 2, color, relation)


def grade(scenes):
    pictures, facts = zip(*scenes, strict=True)
    names, counts, colors, relations = zip(*facts, strict=True)
    return grade_scenes(np.stack(pictures), names, counts, colors, relations, judge, SHAPES, top=1)


@pytest.mark.parametrize(
    ("make", "kinds"),
    [
        (count_scene, ["count", "object"]),
        (color_scene, ["count", "object", "color"]),
        (pair_scene, ["count", "two", "color", "place", "size"]),
    ],
)
def test_a_perfect_generator_scores_at_least_97_percent(make, kinds):
    rng = np.random.default_rng(0)
    result = grade([make(rng) for _ in range(150)])
    for kind in kinds:
        share = result.shares[kind]
        assert share.n > 30 and share.value >= 0.97, (kind, share)


def test_the_opposite_relation_never_holds():
    rng = np.random.default_rng(1)
    scenes = [pair_scene(rng) for _ in range(100)]
    result = grade([(p, (names, n, color, OPPOSITE[r])) for p, (names, n, color, r) in scenes])
    assert result.shares["place"].n + result.shares["size"].n == 100
    assert result.shares["place"].hits == result.shares["size"].hits == 0


def test_wrong_scenes_fail_their_kind_alone():
    disc, square = stamp("disc", COLORS["red"], 20), stamp("square", COLORS["blue"], 20)
    picture = scene(None, [(disc, 2, 20), (square, 40, 20)])
    asked = [
        (["disc", "square"], 2, "red", "left of"),  # as drawn
        (["disc", "square"], 3, "blue", "right of"),  # wrong in everything but the objects
        (["disc", "ring"], 2, "red", "left of"),  # wrong object: colour and place have no object to hold of
    ]
    result = grade([(picture, facts) for facts in asked])
    assert result.met["count"].tolist() == [True, False, True]
    assert result.met["two"].tolist() == [True, True, False]
    assert result.met["color"].tolist() == [True, False, False]
    assert result.met["place"].tolist() == [True, False, False]
    assert result.asked["place"].tolist() == [0, 1, 2]


def test_a_kind_counts_only_the_pictures_that_ask_for_it():
    disc = scene(None, [(stamp("disc", COLORS["red"], 30), 10, 10)])
    result = grade([(disc, (["disc"], None, None, None)), (disc, (["disc"], 1, None, None))])
    assert set(result.shares) == {"count", "object"}
    assert result.asked["count"].tolist() == [1]
    assert result.shares["object"].hits == 2


def test_an_empty_picture_meets_nothing():
    empty = np.zeros((64, 64, 4), np.uint8)
    assert find_objects(empty) == []
    result = grade([(empty, (["disc"], 1, "red", None)), (empty, (["disc", "ring"], 2, None, "left of"))])
    assert not any(flags.any() for flags in result.met.values())


def test_parts_join_their_object_and_specks_are_dropped():
    disc, small = stamp("disc", COLORS["red"], 24), stamp("square", COLORS["blue"], 6)
    assert len(find_objects(scene(None, [(disc, 2, 2), (disc, 38, 38)]))) == 2
    (steaming,) = find_objects(scene(None, [(disc, 20, 30), (small, 28, 21)]))
    assert steaming.mask[23, 30] and (steaming.top, steaming.bottom) == (21, 54)
    (clean,) = find_objects(scene((255, 255, 255), [(disc, 20, 30), (small, 28, 3)]))
    assert clean.top == 30
    # Two bars and a dot that interlock, as in a face without an outline, are one object.
    bar = stamp("square", COLORS["green"], 14)
    corners = np.zeros((64, 64, 4), np.uint8)
    corners[10:40, 10:13] = corners[10:13, 10:40] = corners[30:44, 20:44] = (20, 90, 20, 255)
    assert len(find_objects(corners)) == 1
    assert len(find_objects(scene(None, [(bar, 10, 10), (bar, 25, 10)]))) == 2  # one pixel between them


def test_a_hole_in_an_object_shows_no_background_in_its_cut_out():
    picture = scene((60, 60, 250), [(stamp("ring", COLORS["red"], 40), 12, 12)])
    (ring,) = find_objects(picture)
    crop = cut_out(picture, ring)
    assert crop[32, 32, 3] == 0 and not ring.mask[32, 32]
    assert dominant_color(picture, [ring]) == "red"


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_noise_of_a_generated_background_is_not_an_object(background):
    rng = np.random.default_rng(2)
    art = stamp("square", COLORS["purple"], 20)
    clean = scene(background, [(art, 5, 5), (art, 36, 36)])
    noisy = np.clip(clean + rng.normal(0, 6, clean.shape), 0, 255).astype(np.uint8)
    assert len(find_objects(noisy)) == 2


def test_the_cut_out_holds_one_object_and_nothing_of_the_others():
    red, blue = stamp("square", COLORS["red"], 20), stamp("disc", COLORS["blue"], 30)
    picture = scene((255, 255, 255), [(red, 2, 2), (blue, 30, 30)])
    disc, square = find_objects(picture)
    crop = cut_out(picture, square)
    opaque = crop[crop[..., 3] > 250][:, :3].astype(int)
    assert not (opaque[:, 2] > opaque[:, 0] + 50).any()
    assert crop[0, 0, 3] == 0 and crop[..., 3].mean() > 190
    assert (disc.top, disc.left, disc.side) == (30, 30, 30)


@pytest.mark.parametrize("color", COLORS)
def test_every_named_colour_is_recognised(color):
    picture = scene((0, 255, 255), [(stamp("square", COLORS[color], 40), 12, 12)])
    assert dominant_color(picture, find_objects(picture)) == color


def test_oklab_of_the_primaries():
    # Ottosson 2020 gives white as (1, 0, 0); red from an independent implementation (CSS Color 4).
    assert oklab(np.array([255, 255, 255])) == pytest.approx([1, 0, 0], abs=1e-4)
    assert oklab(np.array([255, 0, 0])) == pytest.approx([0.62796, 0.22486, 0.12585], abs=1e-4)
    assert oklab(np.array([0, 0, 0])) == pytest.approx([0, 0, 0], abs=1e-9)


ONE = np.zeros((1, 64, 64, 4), np.uint8)


@pytest.mark.parametrize(
    "call",
    [
        lambda: grade_scenes(ONE.astype(float), [["disc"]], [1], [None], [None], judge, SHAPES, top=1),
        lambda: grade_scenes(ONE, [["disc"]], [], [None], [None], judge, SHAPES, top=1),
        lambda: grade_scenes(ONE, ["disc"], [1], [None], [None], judge, SHAPES, top=1),
        lambda: grade_scenes(ONE, [["dog"]], [1], [None], [None], judge, SHAPES, top=1),
        lambda: grade_scenes(ONE, [["disc"]], [1], ["mauve"], [None], judge, SHAPES, top=1),
        lambda: grade_scenes(ONE, [["disc"]], [1], [None], ["left of"], judge, SHAPES, top=1),
        lambda: grade_scenes(ONE, [["disc", "ring"]], [1], [None], ["inside"], judge, SHAPES, top=1),
        lambda: grade_scenes(ONE, [["disc"]], [1], [None], [None], judge, SHAPES, top=5),
    ],
)
def test_bad_input_is_one_clear_line(call):
    with pytest.raises(ValueError, match=r"^[^\n]{15,}$"):
        call()


def test_an_unsure_judge_names_nothing_and_a_wider_top_forgives():
    disc = scene(None, [(stamp("disc", COLORS["red"], 30), 10, 10)])[None]

    def verdict(judge, top):
        result = grade_scenes(disc, [["disc"]], [None], [None], [None], judge, SHAPES, top)
        return bool(result.met["object"][0])

    def second_choice(pictures, labels):
        return np.array([[{"ring": 2.0, "disc": 1.0}.get(label, 0.0) for label in labels]])

    assert not verdict(lambda p, labels: np.ones((1, 5)), 4)
    assert not verdict(second_choice, 1)
    assert verdict(second_choice, 2)


def test_a_judge_of_the_wrong_shape_is_refused():
    picture = scene(None, [(stamp("disc", COLORS["red"], 30), 10, 10)])[None]
    with pytest.raises(ValueError, match=r"grader must return \[1, 5\] scores"):
        grade_scenes(picture, [["disc"]], [1], [None], [None], lambda p, labels: np.zeros((1, 2)), SHAPES, 1)
