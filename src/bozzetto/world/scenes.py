"""Scenes: small compositions of real pictures whose sentence is true by construction.

"Three apples", "a cat left of a dog", "a blue car on a red background": a scene is drawn from a seed, so its
facts (count, colour, relation, names, background) are known exactly and can train and grade CLIP, the
vision-language model and text-to-image alike. The kinds follow the skills of GenEval (Ghosh et al. 2023,
arXiv 2310.11513), but nothing has to be detected: the generator knows. Sentences that are wrong in exactly
one fact serve as hard negatives (NegCLIP, Yuksekgonul et al. 2022, arXiv 2210.01936).

About a tenth of all (object, colour), (object, count) and unordered (object, object) combinations is held out
by a hash: training scenes never show one, test scenes always do.

A frame is 64 x 64 pixels, x to the right and y down; a picture is uint8 [64,64,4], straight alpha.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from bozzetto.world.captions import HELD_OUT_SHARE, article, hash_draw, held_out_keywords, plain_name

if TYPE_CHECKING:
    from bozzetto.world.dataset import World

FRAME = 64
KINDS = ("single", "count", "color", "place", "size", "two")
COUNTS = (2, 3, 4, 5)
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (222, 45, 45),
    "orange": (250, 140, 25),
    "yellow": (252, 214, 48),
    "green": (62, 168, 66),
    "blue": (45, 110, 225),
    "purple": (138, 66, 190),
    "pink": (250, 140, 190),
    "brown": (132, 84, 50),
}
BACKGROUNDS = {**COLORS, "white": (255, 255, 255), "gray": (140, 140, 140), "black": (20, 20, 20)}
OPPOSITE = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
    "bigger than": "smaller than",
    "smaller than": "bigger than",
}

# What can stand in a scene: countable things with a short noun, "noun=concept" where the concept's name is
# another one. Faces win over whole animals because they can still be read at 20 pixels.
_NOUNS = """
monkey=monkey face, gorilla, orangutan, dog=dog face, poodle, wolf, fox, raccoon, cat=cat face, lion,
leopard, tiger=tiger face, horse=horse face, moose, donkey, unicorn, zebra, deer, bison, cow=cow face,
pig=pig face, boar, ram, sheep=ewe, goat, camel, llama, giraffe, elephant, mammoth, rhino=rhinoceros,
hippo=hippopotamus, hamster, rat, mouse=mouse face, rabbit=rabbit face, chipmunk, beaver, hedgehog, bat,
bear, polar bear, koala, panda, sloth, otter, skunk, kangaroo, badger, turkey, chicken, rooster, chick=baby
chick, bird, penguin, dove, eagle, duck, swan, owl, flamingo, peacock, parrot, goose, frog, crocodile,
turtle, lizard, snake, dragon=dragon face, dinosaur=sauropod, whale, dolphin, seal, fish, blowfish, shark,
octopus, shell=spiral shell, jellyfish, crab, lobster, shrimp, squid, snail, butterfly, caterpillar=bug,
ant, bee=honeybee, beetle, ladybug=lady beetle, cricket, cockroach, spider, scorpion, mosquito, fly, worm,
rose, hibiscus, sunflower, tulip, hyacinth, bouquet, cactus, tree=deciduous tree, palm tree, pine
tree=evergreen tree, mushroom, maple leaf, clover=four leaf clover, potted plant, melon, watermelon,
tangerine, lemon, lime, banana, pineapple, mango, apple=red apple, pear, peach, strawberry, kiwi=kiwi fruit,
tomato, coconut, avocado, eggplant, potato, carrot, pepper=bell pepper, cucumber, onion, chestnut,
croissant, pretzel, baguette=baguette bread, bagel, waffle, hamburger, pizza, hot dog, sandwich, taco,
burrito, egg, rice ball, dumpling, fortune cookie, ice cream, doughnut, cookie, birthday cake, cupcake, pie,
chocolate bar, candy, lollipop, baby bottle, teapot, wine glass, cocktail=cocktail glass, beer mug, spoon,
knife=kitchen knife, jar, compass, volcano, hut, house, castle, church, tent, factory, ferris wheel, train,
tram, bus, ambulance, fire engine, police car, taxi, car=automobile, pickup truck, truck=delivery truck,
tractor, racing car, motorcycle, scooter=kick scooter, bicycle, skateboard, roller skate, wheelchair=manual
wheelchair, wheel, traffic light=vertical traffic light, stop sign, anchor, sailboat, canoe, speedboat,
ship, airplane, helicopter, satellite, rocket, flying saucer, parachute, suitcase=luggage,
hourglass=hourglass done, watch, alarm clock, bell, umbrella, snowman, star, cloud, sun, moon=crescent moon,
planet=ringed planet, snowflake, balloon, gift=wrapped gift, pumpkin=jack-o-lantern, christmas tree, trophy,
medal=sports medal, ticket, soccer ball, baseball, basketball, volleyball, football=american football,
tennis racket=tennis, frisbee=flying disc, boxing glove, ice skate, sled, kite, yo-yo, crystal ball, magic
wand, joystick, die=game die, teddy bear, puzzle piece, crown, top hat, cap=billed cap, backpack, handbag,
purse, dress, t-shirt, coat, necktie, scarf, kimono, sandal=thong sandal, sneaker=running shoe, boot=hiking
boot, ring, gem=gem stone, lipstick, saxophone, trumpet, accordion, guitar, violin, banjo, drum, flute,
harp, microphone, radio, megaphone, phone=mobile phone, telephone, battery, laptop, printer, camera,
television, candle, light bulb, flashlight, lantern=red paper lantern, magnifying glass=magnifying glass
tilted left, book=closed book, notebook, newspaper, scroll, coin, money bag, treasure chest, credit card,
envelope, package, pencil, pen, paintbrush, crayon, briefcase, folder=file folder, paperclip, pushpin,
calendar, clipboard, ruler=straight ruler, lock=locked, key, hammer, axe, dagger, bomb, boomerang, shield,
saw=carpentry saw, wrench, screwdriver, gear, magnet, ladder, hook, shovel, toolbox, microscope, telescope,
test tube, syringe, pill, door, mirror, window, bed, chair, toilet, bathtub, broom, basket, bucket,
toothbrush, sponge, fire extinguisher, shopping cart, robot, ghost, alien, skull, heart=red heart, brain,
bone, tooth, eye, ear, nose
"""

_IRREGULAR = {
    **dict.fromkeys(["fish", "blowfish", "jellyfish", "sheep", "deer", "bison", "moose", "shrimp", "squid"]),
    "mouse": "mice",
    "goose": "geese",
    "tooth": "teeth",
    "foot": "feet",
    "man": "men",
    "woman": "women",
    "child": "children",
    "person": "people",
    "die": "dice",
    "ox": "oxen",
    "wolf": "wolves",
    "leaf": "leaves",
    "scarf": "scarves",
    "knife": "knives",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "mosquito": "mosquitoes",
    "mango": "mangoes",
    "volcano": "volcanoes",
}

_WORDINGS: dict[str, tuple[str, ...]] = {
    "single": ("{a}", "{one}", "a picture of {a}", "just {a}"),
    "count": (
        "{count} {many}",
        "{digit} {many}",
        "a picture of {count} {many}",
        "exactly {count} {many}",
        "a group of {count} {many}",
    ),
    "color": (
        "{colored}",
        "{color} {one}",
        "a picture of {colored}",
        "{a} that is {color}",
        "{a} in {color}",
    ),
    "two": ("{a} and {b}", "{a} with {b}", "{a} together with {b}", "both {a} and {b}", "{one} and {other}"),
    "left of": (
        "{a} left of {b}",
        "{a} to the left of {b}",
        "{a} on the left and {b} on the right",
        "{a} on the left side of {b}",
        "{one} left of {other}",
    ),
    "right of": (
        "{a} right of {b}",
        "{a} to the right of {b}",
        "{a} on the right and {b} on the left",
        "{a} on the right side of {b}",
        "{one} right of {other}",
    ),
    "above": (
        "{a} above {b}",
        "{a} over {b}",
        "{a} at the top and {b} at the bottom",
        "{a} higher than {b}",
        "{one} above {other}",
    ),
    "below": (
        "{a} below {b}",
        "{a} under {b}",
        "{a} at the bottom and {b} at the top",
        "{a} lower than {b}",
        "{one} below {other}",
    ),
    "bigger than": (
        "a big {one} and a small {other}",
        "{a} bigger than {b}",
        "a large {one} and a little {other}",
        "a big {one} next to a small {other}",
        "big {one}, small {other}",
    ),
    "smaller than": (
        "a small {one} and a big {other}",
        "{a} smaller than {b}",
        "a little {one} and a large {other}",
        "a small {one} next to a big {other}",
        "small {one}, big {other}",
    ),
}
_ON = (" on {a} background", " with {a} background", " on {color}", ", {color} background")
NUMBERS = ("zero", "one", "two", "three", "four", "five")
_MAX_DRAWS = 10_000


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


def plural(noun: str) -> str:
    """The plural of an English noun phrase: "hot dog" -> "hot dogs", "mouse" -> "mice", "fish" -> "fish"."""
    *before, word = noun.split()
    if word in _IRREGULAR:
        many = _IRREGULAR[word] or word
    elif word.endswith(("s", "sh", "ch", "x", "z")):
        many = word + "es"
    elif word.endswith("y") and word[-2:-1] not in ("a", "e", "o", "u"):
        many = word[:-1] + "ies"
    else:
        many = word + "s"
    return " ".join([*before, many])


def scene_objects(world: "World") -> list[SceneObject]:
    """The concepts of the world that can stand in a scene, in a fixed order, each with a noun of its own.

    A noun that is a held-out keyword of its concept gives way to the concept's name, so that scenes do not
    teach it. Raises ValueError when the world has none of them.
    """
    concept_of = {}
    for entry in _NOUNS.replace("\n", " ").split(","):
        noun, _, concept = entry.strip().partition("=")
        concept_of[concept or noun] = noun
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(world.names):
        if world.core[row] and plain_name(name) in concept_of:
            rows.setdefault(plain_name(name), []).append(row)
    objects = []
    for name in sorted(rows):
        first, noun = rows[name][0], concept_of[name]
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
        raise ValueError("world has no concept that can stand in a scene; build the whole world")
    return objects


def check_drawn(seed: int, split: str, kind: str | None, kinds: tuple[str, ...]) -> None:
    """ValueError unless something of one of these kinds, or of any, can be drawn from a seed."""
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be an integer from 0, not {seed!r}")
    if split not in ("train", "test"):
        raise ValueError(f'split must be "train" or "test", not {split!r}')
    if kind is not None and kind not in kinds:
        raise ValueError(f"kind {kind!r} is unknown; use one of {', '.join(kinds)}")


def make_scene(
    world: "World", objects: list[SceneObject], seed: int, split: str = "train", kind: str | None = None
) -> Scene:
    """The scene of a seed (an integer from 0): always the same one for the same world, split and kind.

    split: "train" shows training pictures and no held-out combination; "test" shows any picture and, but for
    kind "single" (which combines nothing), always a held-out combination. kind: one of KINDS, or None for a
    random one. Raises ValueError for a bad argument, and when the objects allow no such scene.
    """
    check_drawn(seed, split, kind, KINDS)
    rng = np.random.default_rng([seed, int(split == "test")])
    drawn_kind = KINDS[rng.integers(len(KINDS))]
    kind = kind or drawn_kind
    wording = int(rng.integers(2**16))
    things, style, other = _draw_combination(objects, rng, split, kind)

    pictures = [thing.rows[style] for thing in things]
    color = other if kind == "color" else None
    background = None
    if kind == "single" or rng.random() < 0.5:
        shades = [COLORS[color]] if color else [_mean_color(world.images[row]) for row in pictures]
        background = _readable_background(shades, rng)
    count = other if kind == "count" else len(things)
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
    choices = _WORDINGS[relation or kind]
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
    on = _ON[wording // len(choices) % len(_ON)]
    return sentence + on.format(a=f"{article(background)} {background}", color=background)


def hard_negatives(scene: Scene) -> dict[str, list[str]]:
    """The scene's sentence with exactly one fact made false, in the same wording: by fact, every false sentence.

    The facts are "relation" (the opposite one), "names" (the two swapped), "count", "color" and "background", those
    that the scene has. A training scene's negative says no held-out combination either: from negatives alone, a model
    would learn that those are always wrong.
    """
    facts = {
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
    for key, values in (("count", COUNTS), ("color", tuple(COLORS))):
        if scene.kind == key:
            concept, test = scene.objects[0].codepoints, is_held_out(scene.objects[0].codepoints, facts[key])
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


def render(world: "World", scene: Scene) -> np.ndarray:
    """Draw the scene: uint8 [64,64,4], straight alpha (255 everywhere when it has a background)."""
    canvas = np.zeros((FRAME, FRAME, 4), np.float32)  # premultiplied, 0..255
    if scene.background:
        canvas[:] = (*BACKGROUNDS[scene.background], 255)
    sprites: dict[tuple, np.ndarray] = {}
    for item in scene.objects:
        key = (item.row, item.size, item.color)
        if key not in sprites:
            sprites[key] = _sprite(world.images[item.row], item.size, item.color)
        sprite = sprites[key]
        height, width = sprite.shape[:2]
        top, left = item.y + (item.size - height) // 2, item.x + (item.size - width) // 2
        region = canvas[top : top + height, left : left + width]
        region *= 1 - sprite[..., 3:] / 255
        region += sprite
    if not scene.background:
        alpha = canvas[..., 3:]
        canvas[..., :3] *= 255 / np.maximum(alpha, 1)
    return (canvas + 0.5).clip(0, 255).astype(np.uint8)


def recolor(picture: np.ndarray, color: str) -> np.ndarray:
    """Paint a picture in a named colour: [h,w,4] straight alpha, 0..255 -> float32 [h,w,4], same alpha.

    The part in the picture's main hue takes the colour's hue; its shading becomes a ramp from black over the
    colour (at the part's mean lightness) towards white, so outlines stay dark and highlights light. Other
    hues, such as the leaf of an apple, are kept, unless the main hue covers too little to give the whole its
    colour. Raises ValueError for an unknown colour.
    """
    if color not in COLORS:
        raise ValueError(f"color {color!r} is unknown; use one of {', '.join(COLORS)}")
    pixels = np.asarray(picture, np.float32)
    rgb, alpha = pixels[..., :3], pixels[..., 3]
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    light = (0.299 * red + 0.587 * green + 0.114 * blue) / 255
    # The colour plane without lightness: hue is the angle, chroma the length.
    hue = ((red - (green + blue) / 2) + 1j * (0.866 * (green - blue))) / 255
    chroma = np.abs(hue)
    weight = alpha * chroma
    sectors = np.bincount(
        ((np.angle(hue) / (2 * np.pi) % 1 * 24).astype(int) % 24).ravel(), weight.ravel(), minlength=24
    )
    main = np.argmax(sectors + np.roll(sectors, 1) + np.roll(sectors, -1))
    direction = np.exp(2j * np.pi * (main + 0.5) / 24)
    alike = (hue * direction.conjugate()).real / np.maximum(chroma, 1e-6)
    body = np.clip((alike - 0.6) * 5, 0, 1) * np.clip((chroma - 0.06) * 10, 0, 1)
    visible = alpha * (light > 0.2)
    if (body * visible).sum() < 0.6 * visible.sum():
        body = np.ones_like(light)
    mass = body * visible
    middle = float(np.clip((mass * light).sum() / max(mass.sum(), 1e-6), 0.15, 0.97))
    target = np.array(COLORS[color], np.float32)
    dark = np.minimum(light / middle, 1)[..., None]
    bright = 0.8 * np.clip((light - middle) / (1 - middle), 0, 1)[..., None]
    painted = target * dark + (255 - target) * bright
    mixed = rgb + (painted - rgb) * body[..., None]
    return np.concatenate([mixed, alpha[..., None]], axis=-1)


def _sprite(picture: np.ndarray, size: int, color: str | None) -> np.ndarray:
    """The visible part of a picture, its longer side `size`: float32 [h,w,4], premultiplied, 0..255."""
    image = Image.fromarray(picture)
    box = image.getchannel("A").getbbox() or (0, 0, FRAME, FRAME)
    wide, high = box[2] - box[0], box[3] - box[1]
    scale = size / max(wide, high)
    shape = (max(1, round(wide * scale)), max(1, round(high * scale)))
    # Pillow filters RGBA with premultiplied colours, so hidden pixels do not bleed into edges.
    sprite = np.asarray(image.resize(shape, Image.Resampling.LANCZOS, box=box), np.float32)
    sprite = recolor(sprite, color) if color else sprite.copy()
    sprite[..., :3] *= sprite[..., 3:] / 255
    return sprite


def _draw_combination(
    objects: list[SceneObject], rng: np.random.Generator, split: str, kind: str
) -> tuple[list[SceneObject], str, str | int | None]:
    """Things that share a style, and a colour or count, on the split's side of the held-out hash."""
    test = split == "test"
    partner: dict[str, Callable] = {
        "count": lambda: COUNTS[rng.integers(len(COUNTS))],
        "color": lambda: list(COLORS)[rng.integers(len(COLORS))],
    }
    for _ in range(_MAX_DRAWS):
        thing = objects[rng.integers(len(objects))]
        styles = thing.rows if test else thing.train_rows
        if not styles:
            continue
        style = list(styles)[rng.integers(len(styles))]
        if kind == "single":
            return [thing], style, None
        if kind in partner:
            other = partner[kind]()
            if is_held_out(thing.codepoints, other) == test:
                return [thing], style, other
            continue
        second = objects[rng.integers(len(objects))]
        shared = style in (second.rows if test else second.train_rows)
        if shared and second is not thing and is_held_out(thing.codepoints, second.codepoints) == test:
            return [thing, second], style, None
    raise ValueError(f"objects allow no {split} scene of kind {kind!r}; give more objects")


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
