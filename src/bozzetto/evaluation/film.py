"""Films: does the thing move as the word says, and is it the same thing in all frames?

The motion is checked exactly, against the path that the word stands for: where the middle of the thing is, how large it
is, how it is turned and how much of it is seen, in every frame as it follows from the one that shows it best. Beside it
stand true films, once through the autoencoder, and a blind figure, in which the words are those of other films.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from bozzetto.evaluation.bench import EvaluationContext
from bozzetto.evaluation.scores import Measured, Scores, share
from bozzetto.metrics.retrieval import share_of
from bozzetto.progress import track
from bozzetto.world.captions import hash_draw, with_article
from bozzetto.world.films import FRAMES, MOTIONS, STAYS, frames, moved
from bozzetto.world.scenes import FRAME

N = 200  # films
RIGHT, SAME = "moves as the word says", "the same thing in all frames"
KINDS = ("", ", true films", ", words of other films")
NEAR = 4.0  # pixels that the middle may be off
ALIKE = 1.25  # ratio of sizes
SEEN = 0.2  # of opacity
FAINT = 0.3  # opacity below which an angle cannot be told
TURNS = (0, 45, -45, 90, -90, 135, -135, 180)
OFF = 1  # so many frames of a right film may be off


def word_measure(motion: str) -> str:
    return f"{RIGHT}: {motion}"


SHOWN = (*(RIGHT + kind for kind in KINDS), *(SAME + kind for kind in KINDS))  # in the README


def stance(frame: np.ndarray) -> tuple[float, float, float, float]:
    """Of a frame uint8 [64,64,4], by the moments of its alpha: the middle of what is seen, x and y in pixels from the
    middle of the frame; its size, the root of the mean square distance to it; and how much there is for this size."""
    alpha = frame[..., 3] / 255
    weight = np.where(alpha > 0.04, alpha, 0)
    mass = float(weight.sum())
    if mass < 1:
        return 0.0, 0.0, 0.0, 0.0
    place = np.arange(FRAME) + 0.5 - FRAME / 2
    x, y = float(weight.sum(0) @ place / mass), float(weight.sum(1) @ place / mass)
    size = float((weight.sum(0) @ (place - x) ** 2 + weight.sum(1) @ (place - y) ** 2) / mass) ** 0.5
    return x, y, size, mass / size**2


def largest(motion: str) -> int:
    """The frame that all others are held to: the first of those in which the thing is large and opaque."""
    return int((MOTIONS[motion][:, 2] * MOTIONS[motion][:, 4]).argmax())


def between(first: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """The pose that takes what stands in the first pose to another one."""
    scale, angle = pose[2] / first[2], pose[3] - first[3]
    x, y = turned(float(first[0]), float(first[1]), angle)
    return np.array([pose[0] - scale * x, pose[1] - scale * y, scale, angle, pose[4] / first[4]], np.float32)


def turned(x: float, y: float, degrees: float) -> tuple[float, float]:
    """A place about the middle of the frame, clockwise."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return cos * x - sin * y, sin * x + cos * y


def follows(best: np.ndarray, frame: np.ndarray, way: np.ndarray) -> bool:
    """Whether a frame shows what the best one shows after the pose `way`."""
    x, y, size, amount = stance(best)
    found_x, found_y, found_size, found_amount = stance(frame)
    wanted = np.array(turned(x, y, way[3])) * way[2] + way[:2]
    if not size or not found_size or np.hypot(found_x - wanted[0], found_y - wanted[1]) > NEAR:
        return False
    ratio, opacity = found_size / (size * way[2]), found_amount / amount
    if not 1 / ALIKE <= ratio <= ALIKE or abs(opacity - way[4]) > SEEN:
        return False
    if way[4] < FAINT:
        return True
    scale, apart = found_size / size, []
    for turn in TURNS:  # is it nearer turned as the pose says than turned otherwise?
        there = np.array(turned(x, y, way[3] + turn)) * scale
        pose = np.array([found_x - there[0], found_y - there[1], scale, way[3] + turn, 1], np.float32)
        apart.append(difference(moved(best, pose), frame, opacity))
    return apart[0] <= 1.05 * min(apart)


def difference(a: np.ndarray, b: np.ndarray, opacity: float) -> float:
    """Mean square of the premultiplied pictures, b being as opaque as a."""
    one, other = (pixels[..., :3] / 255 * pixels[..., 3:] / 255 for pixels in (a.astype(float), b.astype(float)))
    alphas = a[..., 3] / 255 - np.minimum(b[..., 3] / 255 / max(opacity, 0.05), 1)
    return float(((one - other / max(opacity, 0.05)) ** 2).mean() + (alphas**2).mean())


def is_right(film: np.ndarray, motion: str) -> bool:
    """Whether a film uint8 [8,64,64,4] shows the motion, in all frames but one at most."""
    path, best = MOTIONS[motion], largest(motion)
    good = [follows(film[best], frame, between(path[best], pose)) for frame, pose in zip(film, path, strict=True)]
    return len(good) - sum(good) <= OFF


def seen_alone(film: np.ndarray, motion: str) -> np.ndarray:
    """The thing of each frame as CLIP is shown it, in full opacity and size, turned back as the word says, over white:
    uint8 [8,64,64,3]."""
    shown = []
    for frame, pose in zip(film, MOTIONS[motion], strict=True):
        alpha = frame[..., 3].astype(np.float32)
        alpha = np.minimum(alpha * 255 / max(float(alpha.max()), 12), 255).astype(np.uint8)
        image = Image.fromarray(np.dstack([frame[..., :3], np.where(alpha > 25, alpha, 0)]))
        image = image.rotate(float(pose[3]), Image.Resampling.BICUBIC)  # the other way round than poses
        box = image.getchannel("A").point(lambda alpha: 255 * (alpha > 127)).getbbox() or (0, 0, FRAME, FRAME)
        side = max(box[2] - box[0], box[3] - box[1])
        left, top = (box[0] + box[2] - side) // 2, (box[1] + box[3] - side) // 2
        cut = image.crop((left, top, left + side, top + side))
        large = cut.resize((FRAME, FRAME), Image.Resampling.BICUBIC)
        shown.append(np.asarray(Image.alpha_composite(Image.new("RGBA", large.size, "white"), large).convert("RGB")))
    return np.stack(shown)


def same(films: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Embeddings of films [N,8,D] and of the best frame of each [N,D]: of which films all frames but one at most are
    nearer to their own best frame than to that of any other film, bool [N]."""
    nearest = (films @ best.T).argmax(-1)
    return (nearest != np.arange(len(films))[:, None]).sum(1) <= OFF


def score(films: dict[str, np.ndarray], embeddings: dict[str, np.ndarray], motions: list[str]) -> Scores:
    """films uint8 [N,8,64,64,4] and CLIP's embeddings [N,8,D], by kind. The words of other films are those of the next
    one, and so is then the best frame."""
    rows, best = np.arange(len(motions)), [largest(motion) for motion in motions]

    def right(kind: str, words: list[str]) -> np.ndarray:
        return np.array([is_right(film, word) for film, word in zip(films[kind], words, strict=True)])

    def measured(kind: str, found: np.ndarray, alike: np.ndarray) -> Scores:
        return {RIGHT + kind: share(share_of(found)), SAME + kind: share(share_of(alike))}

    ours, true, blind = KINDS
    found, seen = right(ours, motions), embeddings[ours]
    scores = measured(ours, found, same(seen, seen[rows, best]))
    for motion in MOTIONS:
        scores[word_measure(motion)] = share(share_of(found[np.array(motions) == motion]))
    scores |= measured(true, right(true, motions), same(embeddings[true], embeddings[true][rows, best]))
    others = np.roll(seen[rows, best], -1, axis=0)
    return scores | measured(blind, right(ours, motions[1:] + motions[:1]), same(seen, others))


def wishes(context: EvaluationContext, n: int) -> tuple[list[str], list[str], list[np.ndarray]]:
    """n different things, as a prompt says them, their motions in turn, and a held-out or other picture of each."""
    core, names = context.core, context.names
    chosen = sorted(names, key=lambda key: hash_draw("film", key))[:n]
    rows = [core.codepoints.index(key) for key in chosen]
    words = list(MOTIONS)
    return (
        [with_article(names[key]) for key in chosen],
        [words[i % len(words)] for i in range(len(chosen))],
        [core.images[row] for row in rows],
    )


def measure(context: EvaluationContext, weights: Path, n: int, sheet: Path | None) -> Measured:
    """n things of the world, each in one motion; true films are of a picture of the same thing."""
    from bozzetto import pictures
    from bozzetto.runtime import clip, film, text_to_image

    filming, towers = film.load(weights), clip.load(weights)
    encoder = text_to_image.load_encoder(weights)
    things, motions, art = wishes(context, n)
    drawn, true = [], []
    for i, (thing, motion) in enumerate(zip(track(things, "filming"), motions, strict=True)):
        prompt = thing if motion == STAYS else f"{thing} {motion}"
        drawn.append(film.prepare(filming, prompt).draw(context.seed + i, lambda *_: None))
        latents = encoder(pixels=text_to_image.as_pixels(frames(art[i], motion)))["latents"]
        true.append(text_to_image.decode(filming.models, latents))
    if sheet:
        whole = [Image.fromarray(frame) for one in drawn for frame in one]
        pictures.save_png(pictures.sheet(whole, columns=FRAMES * 2), sheet)
    films = {KINDS[0]: np.stack(drawn), KINDS[1]: np.stack(true)}
    embeddings = {
        kind: np.stack(
            [clip.encode_image(towers, seen_alone(one, motion)) for one, motion in zip(each, motions, strict=True)]
        )
        for kind, each in films.items()
    }
    return score(films, embeddings, motions), {"prompts": [f"{a} {b}" for a, b in zip(things, motions, strict=True)]}
