"""What the page must know as Python does: `python scripts/generate_ts.py` writes web/runtime/generated.ts.

Only lists and numbers that no model's config.json holds, or that are wanted before it is there. The algorithms that
exist twice are held together by golden vectors instead (tests/test_golden.py).
"""

import json
from pathlib import Path
from typing import Any

from bozzetto.course.build import MODELS
from bozzetto.diffusion import JUMPS, SAMPLERS, STOCHASTIC, TWICE
from bozzetto.diffusion.guidance import MAX_CLIP_GUIDANCE, MAX_GUIDANCE
from bozzetto.models.vlm import PATCHES
from bozzetto.runtime import (
    ask,
    film,
    gan_round,
    layers,
    reading,
    requests,
    sample,
    spectrogram,
    store,
    text_to_image,
    tokenizer,
    write,
)
from bozzetto.world import scenes, sounds
from bozzetto.world.captions import article
from bozzetto.world.films import FRAMES, SAID, STAYS
from bozzetto.world.scenes.vocabulary import NOUNS, NUMBERS, WORDINGS
from bozzetto.world.styles import STYLES

FILE = Path(__file__).parents[1] / "web/runtime/generated.ts"


def hexadecimal(rgb: tuple[int, int, int]) -> str:
    return "#" + bytes(rgb).hex()


def samplers() -> dict[str, dict[str, int | bool]]:
    return {name: {"evaluations": 1 + (name in TWICE), "stochastic": name in STOCHASTIC} for name in SAMPLERS}


def palette() -> dict[str, str]:
    """Greys first, as in a paint box."""
    greys = [name for name in reversed(scenes.BACKGROUNDS) if name not in scenes.COLORS]
    return {name: hexadecimal(scenes.BACKGROUNDS[name]) for name in (*greys, *scenes.COLORS)}


def guidance() -> dict[str, float]:
    models = ("text_to_image", "diffusion")
    return {model: store.open_model(model)["defaults"]["guidance_scale"] for model in models}


def said_otherwise() -> dict[str, str]:
    """The article of nouns whose first letter does not tell it."""
    articles = {noun: article(noun) for noun in NOUNS}
    return {noun: word for noun, word in articles.items() if (word == "an") != (noun[0] in "aeiou")}


CONSTANTS: dict[str, tuple[str, Any]] = {
    "MODELS": ("Folders of the models that the site serves.", list(MODELS)),
    "SAMPLER_FACTS": (
        "How often each asks the network in a step but the last; whether it draws noise.",
        samplers(),
    ),
    "JUMPS": ("In how many steps a few-step student has learned to draw.", list(JUMPS)),
    "GUIDANCE": ("How closely each follows its words or its class, where nobody says otherwise.", guidance()),
    "STEERED": (
        "How a picture is best steered by words.",
        sample.STEERED | {"clip_guidance_scale": sample.CLIP_GUIDANCE},
    ),
    "LIMITS": (
        "The highest that may be asked for; of a prompt and of a question, in characters.",
        {
            "guidance_scale": MAX_GUIDANCE,
            "clip_guidance_scale": MAX_CLIP_GUIDANCE,
            "prompt": requests.MAX_PROMPT,
            "question": requests.MAX_PROMPT,
            "temperature": write.MAX_TEMPERATURE,
        },
    ),
    "STYLES": ("Styles of drawing, as text-to-image numbers them from 1.", list(STYLES)),
    "BEST_STYLE": ("The one of them that is drawn best.", text_to_image.BEST_STYLE),
    "CONTEXT_LENGTH": ("Tokens that the text tower reads, [start] and padding among them.", tokenizer.CONTEXT_LENGTH),
    "EMOJI_BYTES": ("Of the names of emoji, data/emoji.tsv of the site.", reading.NAMES.stat().st_size),
    "FRAME": ("Pixels a side of a picture.", scenes.FRAME),
    "LATENT_SHAPE": ("Of what text-to-image denoises.", list(text_to_image.LATENT_SHAPE)),
    "ROUNDS": (
        "How often a painted part is noised and denoised again, and how strongly.",
        {"count": text_to_image.ROUNDS, "strength": text_to_image.ROUND},
    ),
    "SMALL_SHAPE": ("Of the small makers' pictures: planes R, G, B.", [3, 32, 32]),
    "VLM": (
        "The vision-language model's patches of a picture, tokens around an answer, and tokens in one at most.",
        {"patches": PATCHES, "start": ask.START, "end": ask.END, "tokens": requests.MAX_QUESTION},
    ),
    "WRITER": (
        "The writers' tokens that are no words, a blank, how much the left comes first, and a prompt's tokens at most.",
        {
            "end": write.END,
            "start": write.START,
            "unknown": write.UNKNOWN,
            "mask": write.MASK,
            "blank": write.BLANK,
            "lean": write.LEAN,
            "prompt": write.MAX_PROMPT,
        },
    ),
    "SOUND": (
        "Sound effects: their words, and the numbers of spectrograms and Griffin-Lim.",
        {
            "classes": list(sounds.CLASSES),
            "axes": [list(axis) for axis in sounds.AXES],
            "fillers": sorted(sounds.FILLERS),
            "rate": spectrogram.RATE,
            "bands": spectrogram.BANDS,
            "frames": spectrogram.FRAMES,
            "window": spectrogram.WINDOW,
            "hop": spectrogram.HOP,
            "lowest": spectrogram.LOWEST,
            "highest": spectrogram.HIGHEST,
            "range": spectrogram.RANGE,
            "silent": spectrogram.SILENT,
            "full": spectrogram.FULL,
            "undo_steps": spectrogram.UNDO_STEPS,
            "phase_steps": spectrogram.PHASE_STEPS,
            "momentum": spectrogram.MOMENTUM,
        },
    ),
    "FILM": (
        "Films: how many frames, the motions and how they are said, the first of the frames' noises, and the steps.",
        {
            "frames": FRAMES,
            "motions": SAID,
            "stays": STAYS,
            "first_noise": film.FIRST_NOISE,
            "jumps": list(film.JUMPS),
        },
    ),
    "GAN_ROUND": (
        "The GAN that trains in the page: its pictures' side, their kinds, and how near a picture of a kind is.",
        {
            "size": gan_round.SIZE,
            "shapes": list(gan_round.SHAPES),
            "colours": {name: list(rgb) for name, rgb in gan_round.COLOURS.items()},
            "near": gan_round.NEAR,
        },
    ),
    "LAYOUTS": (
        "Where the things of a sentence stand when they are drawn alone: x, y and side of each one's box, in pixels.",
        {key: [list(box) for box in boxes] for key, boxes in layers.LAYOUTS.items()},
    ),
    "LAYERS": (
        "How layouts and grounds are said and what is put in other words before; words that no thing has, how many one "
        "may have, and the alpha from which it is seen.",
        {
            "said": [list(one) for one in layers.SAID],
            "grounds": list(layers.GROUNDS),
            "reworded": [list(one) for one in layers.REWORDED],
            "links": sorted(layers.LINKS),
            "words": layers.MOST_WORDS,
            "visible": layers.VISIBLE,
        },
    ),
    "PALETTE": ("Colours by the names that the models know.", palette()),
    "NOUNS": ("What can stand in a scene.", list(NOUNS)),
    "WORDINGS": ("How a sentence says what a scene shows: by its kind, or by the relation of two things.", WORDINGS),
    "COLORS": ("Those that a thing in a scene can have.", {name: list(rgb) for name, rgb in scenes.COLORS.items()}),
    "NUMBERS": ("How many, in words, from zero.", list(NUMBERS)),
    "CONCEPTS": (
        "What the picture world calls a noun of a scene, where that is not the noun itself.",
        {noun: concept for noun, concept in NOUNS.items() if concept != noun},
    ),
    "PLURALS": (
        "Plurals of these nouns and concepts that are not made with an s.",
        {noun: scenes.plural(noun) for noun in (*NOUNS, *NOUNS.values()) if scenes.plural(noun) != noun + "s"},
    ),
    "ARTICLES": ("Of nouns whose first letter does not tell it.", said_otherwise()),
}


def typescript() -> str:
    lines = ["// Written by scripts/generate_ts.py from the Python sources: change those, and run it again.\n"]
    for name, (meaning, value) in CONSTANTS.items():
        text = json.dumps(value, ensure_ascii=False)
        if len(text) > 80:
            text = "[\n" + _rows(value) + "]" if isinstance(value, list) else "{\n" + _rows(value) + "}"
        lines.append(f"/** {meaning} */\nexport const {name} = {text} as const;\n")
    return "\n".join(lines)


def _rows(value: list | dict) -> str:
    entries = value.items() if isinstance(value, dict) else (("", entry) for entry in value)
    texts = [(f"{json.dumps(key)}: " if key else "") + json.dumps(entry, ensure_ascii=False) for key, entry in entries]
    return "".join(f"  {text},\n" for text in texts)


if __name__ == "__main__":
    FILE.write_text(typescript(), encoding="utf-8")
