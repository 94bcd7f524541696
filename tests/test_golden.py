"""Golden vectors: what Python computes, in JSON files that the page's twins in web/runtime/ are tested against too.

`python tests/test_golden.py --write` rewrites golden/*.json, all but noise.json, which test_noise.py keeps.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from bozzetto import pictures
from bozzetto.diffusion import JUMPS, SAMPLERS, classifier_free, clip_guided, few_steps, flow, normal
from bozzetto.runtime import clip as towers
from bozzetto.runtime import layers, requests, sample, sound, spectrogram, text_to_image, write
from bozzetto.runtime.reading import readable
from bozzetto.runtime.tokenizer import SPECIAL, Tokenizer, join_pieces, split_words
from bozzetto.world.sounds import make_sound, render

FOLDER = Path(__file__).parent / "golden"

VOCABULARY = [*SPECIAL, *"abcdefghijklmnopqrstuvwxyz0123456789", "##s", "##e", "##r", "##al", "##id", "cat", "cafe"]
VOCABULARY += ["apple", "joy", "##ful", "##fully", "on", "of", "two", ":", "!", "😀", "ß", "猫", "ᄒ", "ᅡ"]
TEXTS = [
    "",
    " \t\n ",
    "a cat",
    "Two CAFÉS: 1024!",
    "cafe\u0301 a\u030a\u0327\u0345 o\u0334n",  # accents on their own, of several combining classes
    "joyfully, joyous; apples, emerald",
    "İstanbul ΣΑΣ ΟΔΟΣ straße ﬁ ℌ Å ①½ ™ Ǆ",
    "😀 cat😀😀 👩\u200d🚀 🏳\ufe0f\u200d🌈 👍🏽 1\ufe0f\u20e3",
    "קָטָן קִטָּה on قِطٌّ صَغِير",
    "猫 ねこ が ガ パ 하 한국 हिंदी นี่ ไทย",
    "a\u00a0cat\u2003on\u3000two\ufeffcat\u200bcat\u0085cat\u001ccat\u001fa\u2028b\u180ec",
    "zzzz# catx cat@cat e\u0301\u0302\u0303",
    "\U0001d54f\U00010400 \U0001f1eb\U0001f1f7 \ud800",  # mathematical and Deseret letters, a flag, half a pair
    "a red apple " * 10,
    "cat of joyfully joyfully " * 12,
    "apple two cafes 7 " * 555 + "the end...",  # 10,000 characters
]

LAYERED = [
    "Two red cars on a blue background.",
    "a picture of exactly 4 palm trees",
    "three sleepy mice, gray background",
    "five zorks!",
    "a cat  to the left of a dog",
    "a cat on the left and the old dog on the right",
    "red ball right of blue box on white",
    "a sun at the top and a house at the bottom",
    "a slice of pizza under an umbrella",
    "a big ship and a small unicorn",
    "small hat, big dog with a black background",
    "both a pear and a hat",
    "a cat",
    "two",
    "six cats",
    "a cat and a dog and a bird",
    "the cat, a dog, and red balloons on a black background",
    "a cat, a dog",
    "one, two, three, four, five, six",
    "a cup next to a teapot",
    "(two cats) ",
    "a black and white cat",
    "a man with a beard",
    "a cat with a dog",
    "a cat, cute, high quality",
    "cat, dog and bird",
    "five cherries",
    "three boxes, on a grey background !",
    "two glasses of tea and water",
    "two people holding hands",
    "four leaf clover",
    "a pair of old rhinos",
    "Draw the 3 sunken ships",
    "a\x1ccat\u2003&\xa0a dog with blue background",
    "a 😍 left of a 🐶",
    "two horses and a cow",
    "a cat left of a dog above a tree",
    "a robot with blue background",
    "",
]


def schedule_cases() -> list:
    arguments = [(1, 1.0), (2, 3.0), (7, 1.0), (20, 1.0), (20, 3.0), (50, 0.5)]
    return [{"steps": steps, "shift": shift, "levels": _levels(flow(steps, shift))} for steps, shift in arguments]


def _levels(schedule) -> list:
    return np.stack([schedule.times, schedule.alphas, schedule.sigmas], axis=1).tolist()


def sampler_cases() -> list:
    cases = [(sampler, steps, shift) for sampler in SAMPLERS for steps, shift in [(1, 1.0), (4, 1.0), (7, 3.0)]]
    return [_sampler_case(*case) for case in [*cases, *(("few_steps", steps, 1.0) for steps in JUMPS)]]


def _sampler_case(sampler: str, steps: int, shift: float) -> dict:
    """The closed-form denoiser is D = x / (1 + t) + 0.1, and the student's aim is until more."""
    walked = []
    x = {**SAMPLERS, "few_steps": few_steps}[sampler](
        lambda x, t, until=0.0: x / (1 + t) + 0.1 + until,
        normal(3, (6,)),
        flow(steps, shift),
        callback=lambda step, noisy, clean: walked.append({"noisy": noisy.tolist(), "clean": clean.tolist()}),
        noise=lambda step: normal(3, (6,), stream=step + 1),
    )
    assert x.dtype == np.float32 and x.tolist() == walked[-1]["noisy"]
    return {"sampler": sampler, "steps": steps, "shift": shift, "seed": 3, "walked": walked}


def guidance_cases() -> list:
    """With the prompt D = x / 2 + t, without it D = x / 4 - t."""
    x = normal(5, (6,))
    return [
        {"scale": scale, "interval": list(interval), "x": x.tolist(), "t": t, "guided": guided(x, t).tolist()}
        for scale in (0, 1, 2.5, 30)
        for interval in ((0.0, 1.0), (0.2, 0.75))
        for guided in [classifier_free(_with_prompt, _both, scale, interval)]
        for t in (1.0, 0.75, 0.5, 0.2, 0.1)
    ]


def _with_prompt(x, t):
    return x / 2 + t


def _both(x, t):
    return x / 2 + t, x / 4 - t


def steering_cases() -> list:
    """D = x / 2 + t, and log p = -D^2 / 2: the gradient is -D."""
    x, schedule = normal(6, (6,)), flow(5)
    return [
        {"scale": scale, "data_std": data_std, "x": x.tolist(), "t": t, "guided": guided(x, t).tolist()}
        for scale in (0, 1, 15, 100)
        for data_std in (0.05, 0.5, 2.0)
        for guided in [clip_guided(_with_prompt, lambda clean: -clean, scale, schedule, data_std)]
        for t in schedule.times.tolist()
    ]


def piece_cases() -> list:
    sentences = [
        ["a", "cat", "##s", ",", "1", "0", "?"],
        ["two", "##s", ":", "4", "2", ".", "5", "apples"],
        ["7", "7", "cats", "7"],
        [",", "?", "##x", "##y", "."],
        ["!", "a", "!", "-", "1"],
        [],
    ]
    return [{"pieces": pieces, "texts": join_pieces(pieces)} for pieces in sentences]


def vector_cases() -> dict:
    """Unit vectors as the course keeps them, int8 with one scale, and as the page takes them back."""
    vectors = normal(8, (5, 12)).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scale = np.abs(vectors).max() / 127
    stored = np.round(vectors / scale).astype(np.int8)
    back = stored * scale
    unit = back / np.linalg.norm(back, axis=1, keepdims=True)
    return {"bytes": stored.ravel().tolist(), "scale": scale.item(), "vectors": unit.tolist()}


def tokenizer_cases() -> dict:
    tokenizer = Tokenizer(VOCABULARY)
    texts = [
        {
            "text": text,
            "row": tokenizer(text)[0].tolist(),
            "words": " ".join(split_words(text)),
            "pieces": " ".join(tokenizer.tokenize(text)),
            "unknown": " ".join(requests.unknown_words(tokenizer, split_words(text))),
            "unread": " ".join(requests.unread_words(tokenizer, split_words(text))),
        }
        for text in TEXTS
    ]
    return {"vocabulary": VOCABULARY, "texts": texts}


def reading_cases() -> list:
    extra = [
        "two 🍎🍎 left of a 🐶",
        "👩🏽‍🤝‍👨🏻 👩‍🐶 ❤️ ❤ ❤️‍🔥 🏴󠁧󠁢󠁳󠁣󠁴󠁿 ™ ©",
        "a\u00ad ca\u200bt\ufe0f \u202e\x00\x85dog\u3164\U000e0041",
    ]
    return [{"text": text, "readable": readable(text)} for text in [*TEXTS[:-1], *extra]]


def pixel_cases() -> dict:
    planes = 1.5 * normal(1, (1, 4, 8, 8))
    planes[0, 3, 0] = [-2, -1, -0.997, -0.996, -0.5, 0.999, 1, 2]  # alphas at the edge of what is visible
    decoder = SimpleNamespace(decoder=lambda latents: {"pixels": planes})
    rgba = np.random.default_rng(0).integers(0, 256, (8, 8, 4), np.uint8)
    rgba[0, :, 3], rgba[1, :, 3] = 0, 255
    clip = SimpleNamespace(image=lambda pixels: {"embedding": pixels.reshape(1, -1)})
    white = np.asarray(pictures.over_white(Image.fromarray(rgba)))
    seen = towers.encode_image(clip, white[None])
    return {
        "planes": planes.ravel().tolist(),
        "picture": text_to_image.decode(decoder, planes).ravel().tolist(),
        "rgba": rgba.ravel().tolist(),
        "over_white": seen.ravel().tolist(),
        "shrunk": sample.shrunk(white).ravel().tolist(),
    }


def writer_cases() -> dict:
    """Whole stories of a network whose logits are 2 sin(1.3 (v + 1) (t + 1) + token), t from the first that goes in."""
    vocabulary = [*SPECIAL, "[mask]", ".", "a", "cat", "ivy", "##s", "naps"]

    def read(tokens: np.ndarray, **cache: np.ndarray) -> dict[str, np.ndarray]:
        places, words = np.arange(1, tokens.shape[1] + 1), np.arange(1, len(vocabulary) + 1)
        logits = 2 * np.sin(1.3 * words * places[:, None] + tokens[0, :, None])
        return {"logits": logits[None].astype(np.float32), "all_keys": cache.get("keys"), "all_values": None}

    sizes = {"context_length": 12, "window": 5, "layers": 1, "heads": 1, "width": 4}
    stories = []
    for method in write.METHODS:
        writer = write.Writer(method, Tokenizer(vocabulary), read, sizes, frozenset(["ivy"]), 1.0)
        writes = {"next_word": write.next_word, "unmask": write.unmask}[method]
        for seed, temperature, most in ((0, 1.0, 11), (2**40 + 3, 0.5, 5), (7, 0.0, 3), (9, 2.0, 1)):
            drafts = list(writes(writer, [write.START], seed, temperature, most))
            stories.append(
                {
                    "method": method,
                    "seed": seed,
                    "temperature": temperature,
                    "most": most,
                    "drafts": [draft.tolist() for draft in drafts],
                    "texts": [write.told(writer, draft) for draft in drafts],
                }
            )
    return {"vocabulary": vocabulary, "names": ["ivy"], "length": 12, "window": 5, "stories": stories}


def sound_cases() -> dict:
    """What is read of prompts, and sounds of pictures, every 25th sample of them."""
    rng = np.random.default_rng(5)
    prompts = ["a rising laser", "Power up, LONG!", "a power-up", "high", "a purple short bell ünd so", "🔔 falling"]
    tones = [spectrogram.picture(render(make_sound(number))) for number in (3, 41)]
    noise = rng.uniform(-1, 1, (64, 64))
    pictures = [np.round(seen * 127.5 + 127.5).astype(int) for seen in (*tones, noise)]
    heard = [spectrogram.sound((seen / 127.5 - 1).astype(np.float32)) for seen in pictures]
    return {
        "words": [
            {"prompt": readable(prompt), "label": label, "unread": unread}
            for prompt in prompts
            for label, unread in [sound.read_words(prompt)]
        ],
        "sounds": [
            {"picture": seen.ravel().tolist(), "samples": np.round(samples[::25], 6).tolist()}
            for seen, samples in zip(pictures, heard, strict=True)
        ],
    }


def layer_cases() -> dict:
    """What is read of prompts; things put together, each (7 x + 13 y + 50 c + 31 k) mod 256 in a box, the last of them
    hardly visible."""
    boxes = [[3, 9, 61, 40], [20, 1, 29, 63], [5, 5, 16, 17], [0, 0, 64, 64]]
    y, x, c = np.mgrid[:64, :64, :4]
    things = []
    for k, (left, top, right, bottom) in enumerate(boxes):
        thing = (7 * x + 13 * y + 50 * c + 31 * k) % 256
        inside = (left <= x) & (x < right) & (top <= y) & (y < bottom)
        thing[..., 3] = (thing * inside)[..., 3] % (256 if k < 3 else layers.VISIBLE)
        things.append(thing.astype(np.uint8))
    shown = [("2", None, [0]), ("5", "red", [1]), ("above", None, [2, 1]), ("smaller than", "gray", [3, 0])]
    return {
        "read": [
            {
                "prompt": text,
                "plan": found and {k: v for k, v in (asdict(found) | {"things": [*found.things]}).items() if v},
            }
            for text in LAYERED
            for found in [layers.read(text)]
        ],
        "boxes": boxes,
        "together": [
            {
                "plan": {"layout": layout} | ({"background": background} if background else {}),
                "things": numbers,
                "picture": whole[::3, ::3].ravel().tolist(),
            }
            for layout, background, numbers in shown
            for whole in [layers.together(layers.Plan((), layout, background), [things[i] for i in numbers])]
        ],
    }


CASES: dict[str, Callable[[], list | dict]] = {
    "schedule": schedule_cases,
    "samplers": sampler_cases,
    "guidance": guidance_cases,
    "steering": steering_cases,
    "pieces": piece_cases,
    "vectors": vector_cases,
    "tokenizer": tokenizer_cases,
    "reading": reading_cases,
    "pixels": pixel_cases,
    "writer": writer_cases,
    "sound": sound_cases,
    "layers": layer_cases,
}


def assert_same(stored, computed, where: str) -> None:
    """Equal, but for the last digits of fractions."""
    if isinstance(computed, dict):
        assert stored.keys() == computed.keys(), where
        for key in computed:
            assert_same(stored[key], computed[key], f"{where}.{key}")
    elif isinstance(computed, list):
        assert len(stored) == len(computed), where
        for index, (old, new) in enumerate(zip(stored, computed, strict=True)):
            assert_same(old, new, f"{where}[{index}]")
    elif isinstance(computed, float):
        assert stored == pytest.approx(computed, rel=1e-6, abs=1e-6), where
    else:
        assert stored == computed, where


@pytest.mark.parametrize("name", CASES)
def test_golden_values_still_hold(name):
    assert_same(json.loads((FOLDER / f"{name}.json").read_text()), CASES[name](), name)


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python tests/test_golden.py --write")
    for name, cases in CASES.items():
        (FOLDER / f"{name}.json").write_text(json.dumps(cases(), separators=(",", ":")) + "\n")
