"""A second of sound as a picture, and back: log-mel spectrograms of 64 bands by 64 frames, and Griffin-Lim.

Frame i is the spectrum (FFT of 1,024 samples under a Hann window) around sample 250 i + 125; beyond its ends the sound
is silent. Triangles that are equally far apart on the mel scale (HTK's formula) gather its magnitudes to 64 bands. A
pixel is the band's loudness in decibels: 1 at FULL, -1 and no lower at 60 dB below. Row 0 is the highest band.

A picture has lost the phases, and the frequencies inside a band. The bands' magnitudes are undone by least squares
with no number below 0 (Lee & Seung 2000, multiplicative updates). The phases are found by going back and forth between
spectrum and sound (Griffin & Lim 1984, eq. 6), with the momentum of Perraudin et al. 2013 (fast Griffin-Lim).

A sound: float32 [16000] at 16 kHz. A picture: float32 [64,64] in [-1, 1]. A spectrum: complex [64 frames,513].
"""

from functools import cache

import numpy as np

RATE = 16_000
BANDS = FRAMES = 64
WINDOW, HOP = 1024, 250
LOWEST, HIGHEST = 40.0, 8000.0  # Hz, where the first triangle begins and the last one ends
RANGE = 60.0  # dB
SILENT = -0.9  # what is darker makes no sound: a network's black is not quite black
FULL = 200.0  # the magnitude of a band that is white: only the loudest sounds reach it
UNDO_STEPS, PHASE_STEPS, MOMENTUM = 30, 32, 0.99
BEFORE = (WINDOW - HOP) // 2  # samples of the first frame before the sound begins


def mel(frequency: np.ndarray | float) -> np.ndarray:
    return 2595 * np.log10(1 + np.asarray(frequency) / 700)


@cache
def bands() -> np.ndarray:
    """The triangles, float [64,513]: each is 1 at its middle and 0 at the middles of its neighbours."""
    middles = np.linspace(mel(LOWEST), mel(HIGHEST), BANDS + 2)
    places = np.interp(mel(np.arange(WINDOW // 2 + 1) * RATE / WINDOW), middles, np.arange(BANDS + 2), left=0)
    return np.clip(1 - np.abs(places - np.arange(1, BANDS + 1)[:, None]), 0, 1)


@cache
def window() -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)


@cache
def overlap() -> np.ndarray:
    """How much of its frames each sample gets, never 0."""
    return np.maximum(_added(np.tile(window() ** 2, (FRAMES, 1))), 1e-3)


def _added(frames: np.ndarray) -> np.ndarray:
    """Frames [64,1024] added up at their places, with what lies before and after the sound."""
    total = np.zeros(RATE + WINDOW - HOP)
    for i, frame in enumerate(frames):
        total[i * HOP : i * HOP + WINDOW] += frame
    return total


def spectrum(sound: np.ndarray) -> np.ndarray:
    padded = np.pad(sound, (BEFORE, WINDOW - HOP - BEFORE))
    return np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP] * window())


def from_spectrum(spectra: np.ndarray) -> np.ndarray:
    """The sound whose spectrum is nearest: frames are added up, weighted by the window (Griffin & Lim 1984, eq. 6)."""
    return (_added(np.fft.irfft(spectra) * window()) / overlap())[BEFORE : BEFORE + RATE]


def picture(sound: np.ndarray) -> np.ndarray:
    """The log-mel spectrogram of a sound."""
    loudness = 20 * np.log10(np.maximum(np.abs(spectrum(sound)) @ bands().T, 1e-9) / FULL)
    return np.clip(loudness / (RANGE / 2) + 1, -1, 1).T[::-1].astype(np.float32)


def magnitudes(seen: np.ndarray) -> np.ndarray:
    """The magnitudes [64,513] whose bands are nearest to those of a picture."""
    columns = seen.T[:, ::-1].astype(float)
    target = np.where(columns > SILENT, FULL * 10 ** ((columns - 1) * RANGE / 40), 0)
    found = target / bands().sum(1) @ bands()
    for _ in range(UNDO_STEPS):
        found *= target @ bands() / np.maximum(found @ bands().T @ bands(), 1e-9)
    return found


def sound(seen: np.ndarray) -> np.ndarray:
    """A sound with this picture, by Griffin-Lim; it begins with all phases 0, so one picture is one sound."""
    wanted = magnitudes(seen)
    spectra = before = wanted.astype(complex)
    heard = np.zeros(RATE)
    for _ in range(PHASE_STEPS):
        heard = from_spectrum(spectra)
        now = spectrum(heard)
        ahead = now + MOMENTUM * (now - before)
        spectra, before = wanted * ahead / np.maximum(np.abs(ahead), 1e-9), now
    heard = from_spectrum(spectra)
    return (heard / max(1.0, np.abs(heard).max())).astype(np.float32)
