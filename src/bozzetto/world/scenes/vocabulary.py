"""The words and colours that scenes are made of, and how a sentence says each kind of fact."""

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

NOUNS = """
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

WORDINGS: dict[str, tuple[str, ...]] = {
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
BACKGROUND_WORDINGS = (" on {a} background", " with {a} background", " on {color}", ", {color} background")
NUMBERS = ("zero", "one", "two", "three", "four", "five")


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
