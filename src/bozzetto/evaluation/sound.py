"""The maker of sound effects: what is heard, after Griffin-Lim, against the words that were asked for.

Three facts are measured on the sound itself, and a word is right on its side of the middle between the synthesiser's
sounds of that class that have the word and those that have the opposite. The class is told by a small network that
has learned from the synthesiser alone. The same checks are made of the sounds with another's words, and of the
synthesiser's own sounds, which went through spectrogram and Griffin-Lim too.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.evaluation.bench import HELD_OUT_SEED, EvaluationContext
from bozzetto.evaluation.scores import Measured, Scores, share
from bozzetto.metrics.memorization import nearest
from bozzetto.metrics.retrieval import share_of
from bozzetto.pictures import save_png, sheet
from bozzetto.progress import track
from bozzetto.runtime import spectrogram
from bozzetto.world.sounds import AXES, CLASSES, WORDS, describe, make_sound, render

N = 200  # sounds of each kind
CHECKS = ("class", "brightness", "pitch slope", "length")  # of each kind of words, in their order
KINDS = ("drawn", "drawn, words shuffled", "the synthesiser's own")
NEAR = "nearer to a training sound than 95 % of new ones (5 % is free)"
LEARNED_FROM = 1200  # sounds that the classifier has seen; they are also what the middles are taken from


def measure_of(check: str, kind: str) -> str:
    return f"{check}, {kind}"


SHOWN = (*(measure_of(check, kind) for check in CHECKS for kind in KINDS), NEAR)  # in the README


def facts(sound: np.ndarray) -> np.ndarray:
    """Of a sound [16000]: its middle frequency in octaves; how many octaves that rises from the first half of its
    loud frames to the second; seconds from the first to the last moment of a tenth of its greatest loudness."""
    power = np.abs(spectrogram.spectrum(sound))[:, 1:] ** 2
    octaves = np.log2(np.arange(1, power.shape[1] + 1) * spectrogram.RATE / spectrogram.WINDOW)
    loudness = power.sum(1)
    loud = loudness > 1e-2 * loudness.max()
    middles = (power[loud] @ octaves) / loudness[loud]
    half = len(middles) // 2
    rise = middles[half:].mean() - middles[:half].mean() if half else 0.0
    moments = np.sqrt((sound.reshape(-1, 80) ** 2).mean(1))
    heard = np.flatnonzero(moments > 0.1 * moments.max())
    seconds = (heard[-1] + 1 - heard[0]) * 80 / spectrogram.RATE
    return np.array([middles.mean(), rise, seconds])


def middles(words: list[tuple[str, ...]], measured: np.ndarray) -> np.ndarray:
    """For each class the middle of each fact, halfway between sounds with either word of its axis: float [8,3]."""
    found = np.zeros((len(CLASSES), len(AXES)))
    for k, kind in enumerate(CLASSES):
        for a, axis in enumerate(AXES):
            sides = [[m[a] for w, m in zip(words, measured, strict=True) if w[0] == kind and w[a + 1] == word]
                     for word in axis]  # fmt: skip
            found[k, a] = np.mean([np.mean(side) for side in sides])
    return found


def learn_classes(pictures: np.ndarray, kinds: np.ndarray, steps: int = 250) -> nn.Module:
    """A small network that tells the class [n] of pictures [n,64,64]."""
    torch.manual_seed(0)
    parts: list[nn.Module] = []
    for before, after in ((1, 16), (16, 32), (32, 64)):
        parts += [nn.Conv2d(before, after, 5, stride=2, padding=2), nn.BatchNorm2d(after), nn.ReLU()]
    model = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(0.3), nn.Linear(1024, len(CLASSES)))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    rng = np.random.default_rng(0)
    for _ in track(range(steps), "a classifier of sounds"):
        rows = rng.integers(0, len(pictures), 64)
        loss = F.cross_entropy(model(_seen(pictures[rows])), torch.from_numpy(kinds[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def _seen(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(pictures[:, None])


class Listener:
    """What the checks need to know of the synthesiser's sounds, from those with the numbers `first` and on."""

    def __init__(self, first: int, count: int = LEARNED_FROM):
        known = [make_sound(first + i) for i in range(count)]
        sounds = [render(sound) for sound in track(known, "sounds to learn from")]
        kinds = np.array([CLASSES.index(sound.kind) for sound in known])
        self.middles = middles([sound.words for sound in known], np.array([facts(sound) for sound in sounds]))
        self.classifier = learn_classes(np.stack([spectrogram.picture(sound) for sound in sounds]), kinds)

    @torch.no_grad()
    def right(self, sounds: list[np.ndarray], words: list[tuple[str, ...]]) -> dict[str, np.ndarray]:
        """Of each check, of the sounds whose words [n] ask for it, which pass: bool."""
        pictures = np.stack([spectrogram.picture(sound) for sound in sounds])
        told = self.classifier(_seen(pictures)).argmax(1).numpy()
        kinds = np.array([CLASSES.index(said[0]) for said in words])
        above = np.array([facts(sound) for sound in sounds]) > self.middles[kinds]
        found = {CHECKS[0]: told == kinds}
        for a, axis in enumerate(AXES):
            asked = np.array([said[a + 1] in axis for said in words])
            wanted = np.array([said[a + 1] == axis[1] for said in words])
            found[CHECKS[a + 1]] = (above[:, a] == wanted)[asked]
        return found


def score(kinds: dict[str, tuple[list[np.ndarray], list[tuple[str, ...]]]], listener: Listener) -> Scores:
    """Sounds and their words by what they are: every check of each."""
    return {
        measure_of(check, kind): share(share_of(passed))
        for kind, (sounds, words) in kinds.items()
        for check, passed in listener.right(sounds, words).items()
    }


def measure(context: EvaluationContext, weights: Path, n: int, sheet_file: Path | None) -> Measured:
    """n prompts with a class, made of sounds that no training showed."""
    from PIL import Image

    from bozzetto.runtime import sound as runtime
    from bozzetto.training.recipes.sound import BUDGETS, make_table

    maker, first = runtime.load(weights), HELD_OUT_SEED + context.seed
    real = [make_sound(first + i) for i in range(n)]
    rng = np.random.default_rng(context.seed)
    labels = [runtime.read_words(describe(sound, rng))[0] for sound in real]
    words = [tuple(WORDS[number - 1] if number else "" for number in label) for label in labels]
    drawn = [
        runtime.make(maker, context.seed + i, label, maker.defaults)
        for i, label in enumerate(track(labels, "drawing sounds"))
    ]
    heard = [spectrogram.sound(picture) for picture in track(drawn, "Griffin-Lim")]
    own = [spectrogram.picture(render(sound)) for sound in real]
    again = [spectrogram.sound(picture) for picture in track(own, "Griffin-Lim")]
    kinds = {
        KINDS[0]: (heard, words),
        KINDS[1]: (heard, words[1:] + words[:1]),
        KINDS[2]: (again, [sound.words for sound in real]),
    }
    scores = score(kinds, Listener(first + n))
    shown = make_table(BUDGETS["cpu"].sounds)[0].reshape(-1, 64 * 64).astype(np.float32) / 127.5 - 1
    flat = [np.stack(pictures).reshape(n, -1) for pictures in (drawn, own)]
    near, free = (nearest(each, shown)[0] for each in flat)
    scores[NEAR] = share(share_of(near < np.percentile(free, 5)))
    if sheet_file:
        save_png(sheet([Image.fromarray(runtime.to_bytes(picture)) for picture in drawn], columns=20), sheet_file)
    return scores, {"settings": asdict(maker.defaults)}
