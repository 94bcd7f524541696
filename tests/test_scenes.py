import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bozzetto.world.scenes import (
    BACKGROUNDS,
    COLORS,
    COUNTS,
    FRAME,
    KINDS,
    OPPOSITE,
    Scene,
    describe,
    hard_negative,
    hard_negatives,
    is_held_out,
    make_scene,
    paraphrase,
    plural,
    recolor,
    render,
    scene_objects,
)
from scene_world import NAMES, OBJECTS, WORLD, drawn, fake_world

KEYS = st.tuples(st.integers(0, 2**40), st.sampled_from(["train", "test"]), st.sampled_from(KINDS))


def scene_of(key: tuple[int, str, str]) -> Scene:
    return make_scene(WORLD, OBJECTS, *key)


def alone(scene: Scene, which: int) -> np.ndarray:
    """The mask [64,64] of one object of a scene, drawn without the others."""
    one = dataclasses.replace(scene, objects=(scene.objects[which],), background=None)
    return render(WORLD, one)[..., 3] > 127


def components(mask: np.ndarray) -> int:
    todo, found = {(int(y), int(x)) for y, x in np.argwhere(mask)}, 0
    while todo:
        found, edge = found + 1, [todo.pop()]
        while edge:
            y, x = edge.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & todo
            todo -= near
            edge.extend(near)
    return found


@settings(deadline=None, max_examples=60)
@given(KEYS)
def test_the_facts_match_the_pixels(key: tuple[int, str, str]) -> None:
    scene = scene_of(key)
    assert scene.kind == key[2]
    clear = render(WORLD, dataclasses.replace(scene, background=None))
    assert components(clear[..., 3] > 127) == scene.count == len(scene.objects)
    if scene.relation:
        (y1, x1), (y2, x2) = (np.argwhere(alone(scene, i)).mean(0) for i in (0, 1))
        area1, area2 = (alone(scene, i).sum() for i in (0, 1))
        truth = {
            "left of": x1 + 10 < x2 and abs(y1 - y2) < abs(x1 - x2),
            "right of": x2 + 10 < x1 and abs(y1 - y2) < abs(x1 - x2),
            "above": y1 + 10 < y2 and abs(x1 - x2) < abs(y1 - y2),
            "below": y2 + 10 < y1 and abs(x1 - x2) < abs(y1 - y2),
            "bigger than": area1 > 2 * area2,
            "smaller than": area2 > 2 * area1,
        }
        assert truth[scene.relation], scene
    if scene.color:
        mask = alone(scene, 0)
        mean = clear[mask][clear[mask][:, :3].max(-1) > 60, :3].mean(0)
        distance = {name: np.abs(mean - rgb).sum() for name, rgb in COLORS.items()}
        assert min(distance, key=distance.__getitem__) == scene.color


@settings(deadline=None, max_examples=60)
@given(KEYS)
def test_objects_are_whole_apart_and_of_one_style(key: tuple[int, str, str]) -> None:
    scene = scene_of(key)
    covered = np.zeros((FRAME, FRAME), int)
    for item in scene.objects:
        assert 0 <= item.x <= FRAME - item.size and 0 <= item.y <= FRAME - item.size and item.size >= 15
        covered[item.y : item.y + item.size, item.x : item.x + item.size] += 1
    assert covered.max() == 1
    assert len({item.style for item in scene.objects}) == 1


@settings(deadline=None, max_examples=60)
@given(KEYS)
def test_the_sentence_says_the_facts(key: tuple[int, str, str]) -> None:
    scene = scene_of(key)
    words = scene.sentence.replace(",", "").split()
    many = [plural(name) for name in scene.names]
    for name, form in zip(scene.names, many, strict=True):
        assert name in words or form in words
    for fact in (scene.color, scene.background):
        assert fact is None or fact in words
    if scene.kind == "count":
        assert {("two", "three", "four", "five")[scene.count - 2], str(scene.count)} & set(words)
    assert scene.kind != "single" or scene.background


def combination(scene: Scene) -> tuple[str, str | int] | None:
    first, last = scene.objects[0].codepoints, scene.objects[-1].codepoints
    return {
        "single": None,
        "count": (first, scene.count),
        "color": (first, scene.color),
    }.get(scene.kind, (first, last))


def test_held_out_combinations_and_pictures_never_leak() -> None:
    seen: dict[str, set] = {"train": set(), "test": set()}
    for split, found in seen.items():
        for seed in range(1500):
            scene = make_scene(WORLD, OBJECTS, seed, split)
            pair = combination(scene)
            if pair:
                assert is_held_out(*pair) == (split == "test")
                found.add(frozenset(map(str, pair)))
            if split == "train":
                assert all(WORLD.splits[item.row] == "train" for item in scene.objects)
    assert len(seen["train"]) > 300 and len(seen["test"]) > 20
    assert not seen["train"] & seen["test"]


def test_about_a_tenth_is_held_out_whatever_the_order() -> None:
    keys = [f"1f{i:03x}" for i in range(200)]
    assert 0.08 < np.mean([is_held_out(a, b) for a in keys for b in keys if a < b]) < 0.12
    assert 0.07 < np.mean([is_held_out(key, c) for key in keys for c in (*COLORS, *COUNTS)]) < 0.13
    assert all(is_held_out(a, b) == is_held_out(b, a) for a in keys[:20] for b in keys)


def test_the_same_seed_is_the_same_scene_in_any_order() -> None:
    seeds = list(range(40))
    forward = {seed: make_scene(WORLD, OBJECTS, seed) for seed in seeds}
    pixels = {seed: render(WORLD, forward[seed]) for seed in seeds}
    for seed in reversed(seeds):
        again = make_scene(WORLD, OBJECTS, seed)
        assert again == forward[seed]
        assert (render(WORLD, again) == pixels[seed]).all()
    assert len({scene.sentence for scene in forward.values()}) > 35
    assert {make_scene(WORLD, OBJECTS, seed).kind for seed in range(60)} == set(KINDS)


def test_a_background_fills_the_frame_and_hidden_pixels_do_not_bleed() -> None:
    for seed in range(60):
        scene = make_scene(WORLD, OBJECTS, seed, kind="two")
        picture = render(WORLD, scene)
        assert picture.shape == (64, 64, 4) and picture.dtype == np.uint8
        if scene.background:
            assert (picture[..., 3] == 255).all()
            free = ~(alone(scene, 0) | alone(scene, 1))
            assert (picture[free][:, :3] == BACKGROUNDS[scene.background]).all(-1).mean() > 0.9
        else:
            # A dark outline on nothing: no half-transparent pixel may be brighter than the outline and fill.
            edge = picture[(picture[..., 3] > 20) & (picture[..., 3] < 200)]
            red, green, blue = edge[:, 0].astype(int), edge[:, 1].astype(int), edge[:, 2].astype(int)
            assert not ((red > 180) & (blue > 180) & (green < 60)).any()


@pytest.mark.parametrize("color", COLORS)
def test_recolor_paints_the_body_and_keeps_outline_leaf_and_alpha(color: str) -> None:
    picture = drawn("ellipse", (210, 40, 40)).copy()
    picture[0:6, 28:36] = (40, 160, 60, 255)  # a leaf
    picture[20:24, 20:24] = (235, 90, 90, 255)  # a highlight
    painted = recolor(picture, color)
    assert (painted[..., 3] == picture[..., 3]).all()
    assert np.abs(painted[35, 32, :3] - COLORS[color]).max() < 12
    assert painted[7, 32, :3].max() < 80
    assert (painted[3, 32] == picture[3, 32]).all()
    assert painted[22, 22, :3].sum() > painted[35, 32, :3].sum()


def test_recolor_works_on_gray_pictures_too() -> None:
    painted = recolor(drawn("rectangle", (200, 200, 200)), "blue")
    assert np.abs(painted[30, 30, :3] - COLORS["blue"]).max() < 12
    assert painted[7, 30, :3].max() < 80


@settings(deadline=None, max_examples=100)
@given(KEYS, st.integers(0, 2**32))
def test_a_hard_negative_is_wrong_in_exactly_one_way(key: tuple[int, str, str], seed: int) -> None:
    scene = scene_of(key)
    negative = hard_negative(scene, np.random.default_rng(seed))
    if negative is None:
        assert scene.background is None
        others = {"two": (), "count": set(COUNTS) - {scene.count}, "color": set(COLORS) - {scene.color}}[scene.kind]
        assert all(is_held_out(scene.objects[0].codepoints, other) for other in others)
        return
    assert negative != scene.sentence
    facts = (scene.names, scene.count, scene.color, scene.relation, scene.background)
    options = (
        [scene.names[::-1]],
        COUNTS,
        COLORS,
        [OPPOSITE.get(scene.relation or "")],
        BACKGROUNDS,
    )
    one_change = {
        describe(scene.kind, *facts[:i], value, *facts[i + 1 :], scene.wording)
        for i, values in enumerate(options)
        for value in values
        if facts[i] is not None and value != facts[i]
    }
    assert negative in one_change
    for kind, place in (("count", 1), ("color", 2)):
        for value in options[place] if scene.kind == kind and key[1] == "train" else ():
            changed = describe(scene.kind, *facts[:place], value, *facts[place + 1 :], scene.wording)
            assert changed != negative or not is_held_out(scene.objects[0].codepoints, value)


@settings(deadline=None, max_examples=100)
@given(KEYS, st.integers(0, 2**32))
def test_a_paraphrase_says_the_same_facts(key: tuple[int, str, str], seed: int) -> None:
    scene = scene_of(key)
    said = paraphrase(scene, np.random.default_rng(seed))
    sides = {(scene.names, scene.relation)}
    if scene.relation:
        sides.add((scene.names[::-1], OPPOSITE[scene.relation]))
    same = {
        describe(scene.kind, names, scene.count, scene.color, relation, scene.background, wording)
        for names, relation in sides
        for wording in range(60)
    }
    assert said in same
    assert not same & {text for texts in hard_negatives(scene).values() for text in texts}


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("apple", "apples"),
        ("mouse", "mice"),
        ("fish", "fish"),
        ("wolf", "wolves"),
        ("hot dog", "hot dogs"),
        ("butterfly", "butterflies"),
        ("monkey", "monkeys"),
        ("bus", "buses"),
        ("fox", "foxes"),
        ("peach", "peaches"),
        ("potato", "potatoes"),
        ("piano", "pianos"),
        ("maple leaf", "maple leaves"),
        ("toothbrush", "toothbrushes"),
    ],
)
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many


def test_sentences_read_like_english() -> None:
    assert describe("count", ("mouse",), 3, None, None, None, 0) == "three mice"
    assert describe("color", ("car",), 1, "orange", None, None, 0) == "an orange car"
    assert describe("place", ("cat", "owl"), 2, None, "left of", None, 0) == "a cat left of an owl"
    assert describe("size", ("cat", "dog"), 2, None, "bigger than", None, 0) == "a big cat and a small dog"
    assert describe("two", ("cat", "dog"), 2, None, None, "red", 0) == "a cat and a dog on a red background"
    assert describe("single", ("owl",), 1, None, None, "orange", 4) == "an owl with an orange background"


def test_objects_have_short_nouns_of_their_own() -> None:
    nouns = [thing.noun for thing in OBJECTS]
    assert {"dog", "cat", "car", "apple"} <= set(nouns)
    assert len(set(nouns)) == len(nouns) == len(NAMES)


def test_a_noun_that_is_a_held_out_keyword_is_not_taught() -> None:
    nouns = set()
    for number in range(100):
        world = fake_world()
        world.codepoints = [f"{number:x}" if name == "automobile" else "1f000" for name in world.names]
        world.keywords = [["car"] for _ in world.names]
        nouns |= {thing.noun for thing in scene_objects(world)} & {"car", "automobile"}
    assert nouns == {"car", "automobile"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed must be a whole number from 0, not -1"),
        ({"seed": 1.5}, "seed must be a whole number from 0, not 1.5"),
        ({"seed": 0, "split": "dev"}, "split 'dev' is unknown: choose one of train, test"),
        ({"seed": 0, "kind": "three"}, "kind 'three' is unknown: choose one of single"),
        ({"seed": 0, "kind": "two", "objects": OBJECTS[:1]}, "give more objects"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_scene(**{"world": WORLD, "objects": OBJECTS, **arguments})


def test_a_world_without_objects_and_an_unknown_color_are_errors() -> None:
    world = fake_world()
    world.core[:] = False
    with pytest.raises(ValueError, match="no concept that can stand in a scene"):
        scene_objects(world)
    with pytest.raises(ValueError, match="color 'mauve' is unknown: choose one of red"):
        recolor(WORLD.images[0], "mauve")
