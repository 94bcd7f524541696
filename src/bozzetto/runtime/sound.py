"""One-second sound effects from words: a log-mel spectrogram out of noise by pixel diffusion, and Griffin-Lim.

Of a prompt these are read: a class and a word of each axis (world/sounds.py), each at most once and in any order. What
is not said is left to the seed. The network reads them as a label int64 [1,4], 0 where nothing is said.

Pictures: float32 [1,1,64,64] in [-1, 1], row 0 the highest band. A sound: float32 [16000] in [-1, 1], 16 kHz.
"""

import io
import re
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bozzetto.diffusion import MAX_SEED, SAMPLERS, flow
from bozzetto.diffusion.samplers import Callback
from bozzetto.errors import InputWarning, InvalidInput, whole_number
from bozzetto.files import write_atomically
from bozzetto.pictures import check_output
from bozzetto.runtime import denoising, spectrogram
from bozzetto.runtime.denoising import Guided, Progress, StepCallback
from bozzetto.runtime.reading import readable
from bozzetto.runtime.requests import check_prompt
from bozzetto.runtime.session import Network, open_network
from bozzetto.runtime.store import once, open_model
from bozzetto.world.sounds import AXES, CLASSES, FILLERS, WORDS

KINDS = (CLASSES, *AXES)
SHAPE = (1, spectrogram.BANDS, spectrogram.FRAMES)
_WORD = re.compile(r"power[- ]?up\b|\w+")


@dataclass(frozen=True)
class Maker:
    network: Network
    defaults: Guided


@once
def load(weights: Path) -> Maker:
    """Raises WeightsError."""
    model = open_model("sound", weights)
    return Maker(open_network(model), Guided(**model["defaults"]))


def read_words(prompt: str) -> tuple[list[int], list[str]]:
    """A prompt as the network's label [4], and the words that are not read. Raises InvalidInput."""
    check_prompt("prompt", prompt, may_be_empty=True)
    found = (match.group() for match in _WORD.finditer(readable(prompt).lower()))
    words = ["power-up" if re.fullmatch("power.?up", word) else word for word in found]
    if not words:
        raise InvalidInput("prompt", 'is empty: say what to hear, "a rising laser" for example')
    if not (known := [word for word in dict.fromkeys(words) if word in WORDS]):
        axes = ", ".join(" or ".join(axis) for axis in AXES)
        raise InvalidInput("prompt", f"has no word that the model knows: say one of {', '.join(CLASSES)}; {axes}")
    label = []
    for kind in KINDS:
        said = [word for word in known if word in kind]
        if len(said) > 1:
            raise InvalidInput("prompt", f"says both {said[0]!r} and {said[1]!r}: leave one of them out")
        label.append(WORDS.index(said[0]) + 1 if said else 0)
    return label, [word for word in dict.fromkeys(words) if word not in WORDS and word not in FILLERS]


def check_words(prompt: str) -> list[InputWarning]:
    """What of a prompt does nothing. Raises InvalidInput."""
    _, unread = read_words(prompt)
    return [InputWarning("prompt", f"has words that the model does not know: {', '.join(unread)}")] if unread else []


def make(maker: Maker, seed: int, label: list[int], settings: Guided, callback: Callback | None = None) -> np.ndarray:
    """The picture [64,64] of a seed and a label. callback(step, noisy, clean) sees every step."""
    said = np.array([label])
    scale = settings.guidance_scale if any(label) else 1.0  # without a word both sides would be the same
    asked = denoising.guided_denoiser(maker.network, {"label": said}, {"label": 0 * said}, scale)
    schedule, walk = flow(settings.num_inference_steps), SAMPLERS[settings.sampler]
    picture: np.ndarray = denoising.sample(walk, asked, [seed], SHAPE, schedule, callback)[0, 0]
    return picture


def draw(
    weights: Path,
    prompt: str,
    seed: int = 0,
    callback: StepCallback | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> np.ndarray:
    """A sound. options: num_inference_steps, guidance_scale; None takes what the weights recommend.

    InvalidInput for a bad argument, before anything is drawn.
    """
    label, _ = read_words(prompt)
    whole_number("seed", seed, 0, MAX_SEED)
    maker = load(weights)
    settings = denoising.chosen(maker.defaults, **options)

    def draw_one(seed: int, on_step: Callback) -> np.ndarray:
        return spectrogram.sound(make(maker, seed, label, settings, on_step))

    return denoising.one_by_one(draw_one, [seed], settings.num_inference_steps, callback, progress)[0]


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """A picture [...,64,64] -> uint8 [64,64], black where it is silent."""
    shown = picture.reshape(spectrogram.BANDS, spectrogram.FRAMES)
    return np.round(np.clip(shown * 127.5 + 127.5, 0, 255)).astype(np.uint8)


def wav(sound: np.ndarray) -> bytes:
    """A WAV file of 16 bits, mono."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(spectrogram.RATE)
        out.writeframes(np.round(np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def save_wav(sound: np.ndarray, path: Path) -> None:
    """Write a WAV file; it appears whole or not at all."""
    check_output(path, ".wav")
    write_atomically(path, wav(sound))
