"""Scenes: small compositions of real pictures whose sentence is true by construction.

"Three apples", "a cat left of a dog", "a blue car on a red background": a scene is drawn from a seed, so its
facts (count, colour, relation, names, background) are known exactly and can train and grade CLIP, the
vision-language model and text-to-image alike. The kinds follow the skills of GenEval (Ghosh et al. 2023,
arXiv 2310.11513), but nothing has to be detected: the generator knows. Sentences that are wrong in exactly
one fact serve as hard negatives (NegCLIP, Yuksekgonul et al. 2022, arXiv 2210.01936).

About a tenth of all (object, colour), (object, count) and unordered (object, object) combinations is held out
by a hash: training scenes never show one, test scenes always do.

A frame is 64 x 64 pixels, x to the right and y down; a picture is uint8 [64,64,4], straight alpha.

vocabulary.py: the words and colours. facts.py: what a scene is. compose.py: one from a seed. language.py: what is said
of it, rightly and wrongly. render.py: its picture.
"""

from bozzetto.world.scenes.compose import check_drawn, make_scene
from bozzetto.world.scenes.facts import FRAME, Placed, Scene, SceneObject, is_held_out, scene_objects
from bozzetto.world.scenes.language import describe, hard_negative, hard_negatives, paraphrase
from bozzetto.world.scenes.render import recolor, render
from bozzetto.world.scenes.vocabulary import BACKGROUNDS, COLORS, COUNTS, KINDS, NUMBERS, OPPOSITE, plural

__all__ = [
    "BACKGROUNDS",
    "COLORS",
    "COUNTS",
    "FRAME",
    "KINDS",
    "NUMBERS",
    "OPPOSITE",
    "Placed",
    "Scene",
    "SceneObject",
    "check_drawn",
    "describe",
    "hard_negative",
    "hard_negatives",
    "is_held_out",
    "make_scene",
    "paraphrase",
    "plural",
    "recolor",
    "render",
    "scene_objects",
]
