"""Does the picture hold what the sentence asked for? Exact graders of generated scenes.

In the manner of GenEval (Ghosh et al. 2023, https://arxiv.org/abs/2310.11513): find the objects, then check
the facts. Finding is easy here, because a scene is artwork on one flat background, solid or transparent, so
it needs no detector that itself must be trusted:

1. The background is the median colour of the border. A pixel is foreground when any of its premultiplied RGBA
   channels differs from that by more than a threshold, which rises with the border's own noise.
2. Holes are filled (an eye in the background's colour) and 8-connected regions are labelled.
3. Regions under `SPECK` pixels, or far smaller than the largest, are no objects: near another region they are
   its parts (the steam of a cup), elsewhere they are dropped. Regions that touch count as one object.
4. A `judge` names the objects: each is cut out alone, on transparency like the world's own pictures.

The kinds, each true or false for each picture that asks for it:
- count: as many objects as asked. Counting looks at no names.
- object: every object found, one or more, is named as asked (scenes of one name).
- color: the colour most of the object wears is the one asked for.
- two objects: exactly two objects, and their names are the two asked for.
- place: two objects holds, and the first is left of / right of / above / below the second, or bigger /
  smaller than it.

Pictures are uint8 [N,64,64,4] straight-alpha RGBA; distances are in pixels, y grows downwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from bozzetto.metrics.retrieval import Share, share_of

Judge = Callable[[np.ndarray, list[str]], np.ndarray]
"""judge(pictures uint8 [M,64,64,4], labels) -> scores float [M, len(labels)], higher is likelier."""

COLORS = {
    "red": (221, 46, 68),
    "orange": (244, 144, 12),
    "yellow": (253, 203, 88),
    "green": (80, 170, 60),
    "blue": (50, 120, 230),
    "purple": (150, 80, 190),
    "pink": (244, 130, 180),
    "brown": (130, 80, 50),
    "black": (35, 35, 40),
    "gray": (140, 145, 150),
    "white": (240, 240, 240),
}
RELATIONS = ("left", "right", "above", "below", "bigger", "smaller")

SPECK = 9  # pixels: a region smaller than 3 x 3 is never an object
PART = 0.25  # a region below this share of the largest is a part of its neighbour, or nothing
REACH = 6  # pixels: how far a part may be from its object
APART = 4  # pixels: how far centres must be apart along an axis to be left of or above
LARGER = 1.25  # ratio of areas from which one object is the bigger one


@dataclass(frozen=True)
class Found:
    """One object in a picture: its pixels bool [64,64], their number, and their centre in pixels."""

    mask: np.ndarray
    area: int
    y: float
    x: float


@dataclass(frozen=True)
class Composition:
    """What was asked and what was met, by kind: the picture numbers, a verdict for each, and the share."""

    asked: dict[str, np.ndarray]  # int [n_kind], which pictures ask for this kind
    met: dict[str, np.ndarray]  # bool [n_kind]
    shares: dict[str, Share]  # of `met`, with its 95 % Wilson interval


def foreground(picture: np.ndarray) -> np.ndarray:
    """Which pixels of one uint8 [H,W,4] picture are not background, bool [H,W], holes filled."""
    from scipy.ndimage import binary_fill_holes

    rgba = picture.astype(np.float32)
    rgba[..., :3] *= rgba[..., 3:] / 255  # premultiplied: the colour under full transparency means nothing
    border = np.concatenate([rgba[0], rgba[-1], rgba[1:-1, 0], rgba[1:-1, -1]])
    background = np.median(border, axis=0)
    noise = np.percentile(np.abs(border - background).max(1), 75)
    difference = np.abs(rgba - background).max(2)
    return binary_fill_holes(difference > np.clip(3 * noise, 30, 60))


def find_objects(picture: np.ndarray) -> list[Found]:
    """The objects of one uint8 [64,64,4] picture, largest first; an empty picture has none."""
    from scipy.ndimage import distance_transform_edt, label

    regions, n = label(foreground(picture), np.ones((3, 3)))
    masks = sorted((regions == i + 1 for i in range(n)), key=np.sum, reverse=True)
    if not masks:
        return []
    smallest = max(SPECK, PART * masks[0].sum())
    whole = [mask.copy() for mask in masks if mask.sum() >= smallest]
    distances = [distance_transform_edt(~mask) for mask in whole]
    for part in masks[len(whole) :]:
        gaps = [distance[part].min() for distance in distances]
        if gaps and min(gaps) <= REACH:
            whole[int(np.argmin(gaps))] |= part
    found = []
    for mask in whole:
        ys, xs = np.nonzero(mask)
        found.append(Found(mask, len(ys), float(ys.mean()), float(xs.mean())))
    return sorted(found, key=lambda object_: -object_.area)


def cut_out(picture: np.ndarray, found: Found, size: int = 64) -> np.ndarray:
    """The object alone, centred in a square with a margin: uint8 [size,size,4], transparent around it."""
    ys, xs = np.nonzero(found.mask)
    height, width = ys.max() - ys.min() + 1, xs.max() - xs.min() + 1
    side = max(height, width)
    alone = np.where(found.mask[..., None], picture, 0)[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    margin = max(1, side // 16)
    square = np.zeros((side + 2 * margin, side + 2 * margin, 4), np.uint8)
    top, left = margin + (side - height) // 2, margin + (side - width) // 2
    square[top : top + height, left : left + width] = alone
    # RGBa is premultiplied, so that the transparent black around the object does not bleed into its edge.
    image = Image.fromarray(square).convert("RGBa").resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(image.convert("RGBA"))


def oklab(rgb: np.ndarray) -> np.ndarray:
    """sRGB uint8 [...,3] as OKLab float [...,3]: lightness in [0,1] and two colour axes (Ottosson 2020)."""
    srgb = rgb.astype(np.float64) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    to_cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return np.cbrt(linear @ to_cones.T) @ to_lab.T


def dominant_color(
    picture: np.ndarray, found: Sequence[Found], colors: dict[str, tuple[int, int, int]] = COLORS
) -> str:
    """The name in `colors` that most of the found objects' pixels wear, in one uint8 [64,64,4] picture.

    Colourful pixels decide, each with its chroma as weight: a blue car has black tyres and grey windows and
    is blue. Only where under a tenth of the object is colourful may a grey name win.
    """
    mask = np.any([object_.mask for object_ in found], axis=0)
    lab = oklab(picture[mask][:, :3])
    names, palette = list(colors), oklab(np.array(list(colors.values())))
    chroma, palette_chroma = np.hypot(*lab[:, 1:].T), np.hypot(*palette[:, 1:].T)
    colorful, hued = chroma > 0.05, palette_chroma > 0.05
    if colorful.mean() < 0.1 and not hued.all():
        candidates, pixels, weights = np.flatnonzero(~hued), lab[~colorful], np.ones((~colorful).sum())
    else:
        candidates, pixels, weights = np.flatnonzero(hued), lab[colorful], chroma[colorful]
    if not len(pixels):
        return names[int(candidates[0])]
    # Shading moves lightness more than hue, so lightness counts half.
    scale = np.array([0.5, 1, 1])
    gaps = np.linalg.norm((pixels[:, None] - palette[candidates]) * scale, axis=2)
    votes = np.bincount(gaps.argmin(1), weights, minlength=len(candidates))
    return names[int(candidates[votes.argmax()])]


def relation_holds(first: Found, second: Found, relation: str) -> bool:
    """Whether `first` is `relation` (one of RELATIONS) of `second`."""
    if relation in ("left", "right"):
        return (second.x - first.x) * (1 if relation == "left" else -1) >= APART
    if relation in ("above", "below"):
        return (second.y - first.y) * (1 if relation == "above" else -1) >= APART
    big, small = (first, second) if relation == "bigger" else (second, first)
    return big.area >= LARGER * small.area


def grade_scenes(
    pictures: np.ndarray,
    names: Sequence[Sequence[str]],
    counts: Sequence[int | None],
    colors: Sequence[str | None],
    relations: Sequence[str | None],
    judge: Judge,
    labels: list[str],
    palette: dict[str, tuple[int, int, int]] = COLORS,
) -> Composition:
    """Grade generated pictures uint8 [N,64,64,4] against the N scenes that were asked for.

    names[i] holds the one or two object names of scene i; counts[i] how many objects there should be;
    colors[i] the colour of the first named object; relations[i] where the first is from the second (one of
    RELATIONS). None means that the scene does not say. The judge chooses among `labels` for every object.
    Raises ValueError for lists of other lengths and for names, colours or relations outside their lists.
    """
    _check(pictures, names, counts, colors, relations, labels, palette)
    found = [find_objects(picture) for picture in pictures]
    named = _name_objects(pictures, found, judge, labels)
    asked: dict[str, list[int]] = {}
    met: dict[str, list[bool]] = {}
    for i, (objects, seen) in enumerate(zip(found, named, strict=True)):
        verdicts = {}
        pair = len(names[i]) == 2
        both = pair and sorted(seen) == sorted(names[i])
        if counts[i] is not None:
            verdicts["count"] = len(objects) == counts[i]
        if not pair:
            verdicts["object"] = bool(seen) and set(seen) == set(names[i])
        else:
            verdicts["two objects"] = both
        # A pair whose names were not both seen has no known first object: its facts are not met.
        first = [objects[seen.index(names[i][0])]] if both else [] if pair else objects
        if colors[i] is not None:
            verdicts["color"] = bool(first) and dominant_color(pictures[i], first, palette) == colors[i]
        if relations[i] is not None:
            second = objects[seen.index(names[i][1])] if both else None
            verdicts["place"] = second is not None and relation_holds(first[0], second, relations[i])
        for kind, verdict in verdicts.items():
            asked.setdefault(kind, []).append(i)
            met.setdefault(kind, []).append(verdict)
    return Composition(
        asked={kind: np.array(rows) for kind, rows in asked.items()},
        met={kind: np.array(flags) for kind, flags in met.items()},
        shares={kind: share_of(flags) for kind, flags in met.items()},
    )


def _name_objects(
    pictures: np.ndarray, found: list[list[Found]], judge: Judge, labels: list[str]
) -> list[list[str]]:
    """The judge's first choice for every object, in one call, as lists parallel to `found`."""
    crops = [cut_out(pictures[i], object_) for i, objects in enumerate(found) for object_ in objects]
    if not crops:
        return [[] for _ in found]
    scores = np.asarray(judge(np.stack(crops), labels))
    if scores.shape != (len(crops), len(labels)):
        raise ValueError(f"judge must return [{len(crops)},{len(labels)}] scores, got {list(scores.shape)}")
    choices = iter(scores.argmax(1))
    return [[labels[next(choices)] for _ in objects] for objects in found]


def _check(pictures, names, counts, colors, relations, labels, palette) -> None:
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[-1] != 4 or not len(pictures):
        raise ValueError(f"pictures must be uint8 [N,64,64,4], got {pictures.dtype} {list(pictures.shape)}")
    for key, facts in (("names", names), ("counts", counts), ("colors", colors), ("relations", relations)):
        if len(facts) != len(pictures):
            raise ValueError(f"{key} must have one entry a picture ({len(pictures)}), got {len(facts)}")
    for i, scene in enumerate(names):
        if isinstance(scene, str) or len(scene) not in (1, 2):
            raise ValueError(f"names[{i}] must be a list of one or two object names, got {scene!r}")
        if relations[i] is not None and len(scene) != 2:
            raise ValueError(f"relations[{i}] needs two names, got {list(scene)}")
    allowed = {"names": labels, "colors": list(palette), "relations": list(RELATIONS)}
    used = {"names": [n for scene in names for n in scene], "colors": colors, "relations": relations}
    for key, values in used.items():
        unknown = sorted({v for v in values if v is not None} - set(allowed[key]))
        if unknown:
            raise ValueError(f"{key}: {unknown[0]!r} is not one of {', '.join(allowed[key][:20])}")
