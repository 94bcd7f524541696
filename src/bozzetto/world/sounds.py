"""One-second sound effects with exactly known facts: a synthesiser, and the words it goes by.

A sound is made from its number: what it is (CLASSES), and how it is on three axes (AXES), each a number u in -1 .. 1:
how high (its middle pitch is 600 Hz times 2^1.6u), how it moves (its pitch goes 1.5 u octaves up while it sounds), how
long it is (0.38 s times 2^1.3u). Beyond a third an axis has a word. The class decides waveform, envelope and the course
of the pitch, and leaves the three facts alone.

A sound is float32 [16000], 16 kHz, at most LOUDEST in either direction.
"""

from dataclasses import dataclass

import numpy as np

RATE = 16_000
LOUDEST = 0.8
ONSET = 0.02  # seconds of silence before it
HIGHEST = 7_600.0  # Hz: no partial goes beyond, or it would come back lower
AXES = (("low", "high"), ("falling", "rising"), ("short", "long"))
CLASSES = ("coin", "laser", "jump", "bell", "explosion", "power-up", "siren", "beep")
WORDS = (*CLASSES, *(word for axis in AXES for word in axis))
SLOTS = 1 + len(AXES)  # a word of each kind at most: the class, then each axis
NAMED = 1 / 3  # an axis has a word beyond this
FILLERS = {
    "a", "an", "the", "one", "some", "sound", "effect", "noise", "tone", "of", "and", "with", "that", "is", "very",
    "like", "pitched",
}  # fmt: skip


@dataclass(frozen=True)
class Sound:
    """What there is to know about a sound. number: also what its small differences are drawn by."""

    number: int
    kind: str
    height: float
    movement: float
    length: float

    @property
    def words(self) -> tuple[str, ...]:
        """One of each kind, "" where an axis is too near its middle to have one."""
        axes = zip(AXES, (self.height, self.movement, self.length), strict=True)
        return (self.kind, *("" if abs(u) < NAMED else axis[u > 0] for axis, u in axes))

    @property
    def seconds(self) -> float:
        return 0.38 * 2 ** (1.3 * self.length)


def make_sound(number: int) -> Sound:
    """The facts of a sound, drawn by its number."""
    rng = np.random.default_rng([number, 0])
    kind = CLASSES[rng.integers(len(CLASSES))]
    return Sound(number, kind, *rng.uniform(-1, 1, 3).tolist())


def render(sound: Sound) -> np.ndarray:
    """float32 [16000]."""
    rng = np.random.default_rng([sound.number, 1])
    time = np.arange(RATE) / RATE - ONSET
    place = time / sound.seconds  # 0 .. 1 while it sounds
    inside = np.clip(place, 0, 1)
    course = _course(sound.kind, inside, time, rng)
    pitch = 600 * 2 ** (1.6 * sound.height + 1.5 * sound.movement * course[0] + course[1])
    wave = _noise(pitch, rng) if sound.kind == "explosion" else _partials(sound.kind, pitch, rng)
    wave *= _envelope(sound.kind, inside, rng)
    edge = np.clip(time / 0.004, 0, 1) * np.clip((1 - place) * sound.seconds / 0.02, 0, 1)  # no clicks
    wave *= edge
    return (LOUDEST * wave / np.abs(wave).max()).astype(np.float32)


def _course(kind: str, place: np.ndarray, time: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """How the pitch goes from -1/2 to 1/2 of its movement, and what it does beside that, in octaves."""
    none = np.zeros_like(place)
    match kind:
        case "coin":  # two notes
            return np.where(place < rng.uniform(0.25, 0.4), -0.5, 0.5), none
        case "laser":  # fast first
            bend = rng.uniform(2.5, 4)
            return (1 - np.exp(-bend * place)) / (1 - np.exp(-bend)) - 0.5, none
        case "jump":  # slow first
            return place ** rng.uniform(1.4, 2) - 0.5, none
        case "power-up":  # a stair
            stairs = rng.integers(4, 7)
            return np.minimum(np.floor(place * stairs), stairs - 1) / (stairs - 1) - 0.5, none
        case "siren":  # it wavers
            return place - 0.5, rng.uniform(0.2, 0.3) * np.sin(2 * np.pi * rng.uniform(8, 12) * time)
    return place - 0.5, none


def _partials(kind: str, pitch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The sum of sines whose multiples and strengths are the timbre."""
    odd, every = np.arange(1, 16, 2), np.arange(1, 13)
    multiples, strengths = {
        "coin": (odd, 1 / odd),
        "laser": (every, 1 / every),
        "jump": (every, np.abs(np.sin(np.pi * every * 0.25)) / every),
        "bell": (np.array([1, 2.76, 5.4, 8.93]), np.array([1, 0.7, 0.45, 0.25]) * rng.uniform(0.7, 1.3, 4)),
        "power-up": (odd, 1 / odd),
        "siren": (np.array([1, 2]), np.array([1, 0.3])),
        "beep": (odd[:3], 1 / odd[:3] ** 2),
    }[kind]
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    wave = np.zeros(RATE)
    for multiple, strength in zip(multiples, strengths, strict=True):
        kept = np.clip((HIGHEST - multiple * pitch) / 400, 0, 1)
        if kept.any():
            wave += strength * kept * np.sin(multiple * phase)
    return wave


def _noise(pitch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise in a band around the pitch, a wave of random strength and phase, and a little at all frequencies."""
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    often = np.arange(0, RATE + 24, 24)
    loud, late = (np.interp(np.arange(RATE), often, rng.normal(size=len(often))) for _ in range(2))
    return loud * np.sin(phase) + late * np.cos(phase) + 0.03 * rng.normal(size=RATE)


def _envelope(kind: str, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Loudness, 1 at most, by the place in the sound; at its end a tenth or more, so that a length can be measured."""
    match kind:
        case "coin":
            return 10 ** (-0.8 * place)
        case "bell" | "explosion":
            return 10 ** (-1.0 * place)
        case "jump":
            return 0.3 + 0.7 * np.sin(np.pi * place)
        case "laser":
            return 1 - 0.8 * place
        case "beep":
            beeps = rng.integers(3, 5)
            return np.where((place * (beeps - 0.4)) % 1 < 0.6, 1.0, 0.03)
    return np.ones_like(place)


def describe(sound: Sound, rng: np.random.Generator) -> str:
    """A phrase for it, "a short high coin", which says each axis or leaves it out."""
    kind, *axes = sound.words
    said = [word for word in rng.permutation(axes).tolist() if word and rng.random() < 0.7]
    return " ".join([*(["a"] if rng.random() < 0.7 else []), *said, kind])
