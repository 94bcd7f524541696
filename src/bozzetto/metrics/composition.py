"""Does the picture hold what the sentence asked for? Exact graders of generated scenes.

In the manner of GenEval (Ghosh et al. 2023, https://arxiv.org/abs/2310.11513): find the objects, then check
the facts. Finding is easy here, because a scene is artwork on one flat background, solid or transparent, so
it needs no detector that itself must be trusted:

1. The background is the median colour of the border. If it is transparent, opaque pixels are foreground;
   else those of which a channel differs from it by more than a threshold that rises with the border's noise.
2. Holes are filled (a face in the background's colour stays whole) and 8-connected regions are labelled.
3. Regions whose bounding boxes overlap are parts of one object, since the boxes of a scene never overlap.
   What then is under `SMALL` pixels long is no object (the world draws none under 15): within `REACH` of an
   object it is its part (a spark, a drop), elsewhere it is dropped. Objects that touch count as one.
4. A `grader` names the objects: each is cut out alone, on transparency like the world's own pictures.

The kinds, each true or false for each picture that asks for it:
- object: every object found, one or more, bears the name asked for (scenes of one name).
- count: as many objects as asked. Counting looks at no names.
- color: the colour most of the object wears is the one asked for.
- two: exactly two objects, and they bear the two names asked for.
- place, size: `two` holds, and the first object is left of, right of, above or below the second, or it is
  bigger or smaller.

Pictures are uint8 [N,64,64,4] straight-alpha RGBA; distances are in pixels, y grows downwards.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from bozzetto.errors import require
from bozzetto.metrics.retrieval import Share, share_of
from bozzetto.world.scenes import COLORS

Grader = Callable[[np.ndarray, list[str]], np.ndarray]
"""grader(pictures uint8 [M,64,64,4], labels) -> scores float [M, len(labels)], higher is likelier."""

RELATIONS = {
    "left of": "place",
    "right of": "place",
    "above": "place",
    "below": "place",
    "bigger than": "size",
    "smaller than": "size",
}

SMALL = 11  # pixels: a region whose longer side is below this is never an object by itself
REACH = 4  # pixels: how far a part may be from its object
APART = 4  # pixels: how far centres must be apart along an axis to be left of or above
LARGER = 1.2  # ratio of longer sides from which one object is the bigger one


@dataclass(frozen=True, eq=False)
class Found:
    """One object in a picture: its pixels bool [64,64], holes left out, and its bounding box in pixels."""

    mask: np.ndarray
    top: int
    left: int
    bottom: int  # exclusive, like right
    right: int

    @property
    def side(self) -> int:
        """The longer side of the box."""
        return max(self.bottom - self.top, self.right - self.left)

    def gap(self, other: "Found") -> int:
        """Pixels between the two boxes, along the axis where they are farther apart; below 0 they overlap."""
        across = max(self.left, other.left) - min(self.right, other.right)
        down = max(self.top, other.top) - min(self.bottom, other.bottom)
        return max(across, down)


@dataclass(frozen=True)
class Composition:
    """What was asked and what was met, by kind: the picture numbers, a verdict for each, and the share."""

    asked: dict[str, np.ndarray]  # int [n_kind], which pictures ask for this kind
    met: dict[str, np.ndarray]  # bool [n_kind]
    shares: dict[str, Share]  # of `met`, with its 95 % Wilson interval


def foreground(picture: np.ndarray) -> np.ndarray:
    """Which pixels of one uint8 [H,W,4] picture are not background, bool [H,W]."""
    rgba = picture.astype(np.float32)
    rgba[..., :3] *= rgba[..., 3:] / 255  # premultiplied: the colour under full transparency means nothing
    border = np.concatenate([rgba[0], rgba[-1], rgba[1:-1, 0], rgba[1:-1, -1]])
    background = np.median(border, axis=0)
    if background[3] < 128:
        # Objects are opaque, so half way is where soft edges are cut without closing narrow gaps.
        return rgba[..., 3] >= 128
    noise = np.percentile(np.abs(border - background).max(1), 75)
    return np.abs(rgba - background).max(2) > np.clip(3 * noise, 30, 60)


def find_objects(picture: np.ndarray) -> list[Found]:
    """The objects of one uint8 [64,64,4] picture, the longest first; an empty picture has none."""
    require("scipy")
    from scipy.ndimage import binary_fill_holes, label

    visible = foreground(picture)
    regions, n = label(binary_fill_holes(visible), np.ones((3, 3)))
    whole: list[Found] = []
    for i in range(n):
        region = _box(visible & (regions == i + 1))
        while met := [other for other in whole if region.gap(other) < 0]:
            whole = [other for other in whole if region.gap(other) >= 0]
            region = _box(np.any([region.mask, *(other.mask for other in met)], axis=0))
        whole.append(region)
    objects = [region for region in whole if region.side >= SMALL]
    if not objects:
        return []
    for part in whole:
        if part.side < SMALL:
            at = min(range(len(objects)), key=lambda i: objects[i].gap(part))
            if objects[at].gap(part) <= REACH:
                objects[at] = _box(objects[at].mask | part.mask)
    return sorted(objects, key=lambda found: -found.side)


def _box(mask: np.ndarray) -> Found:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return Found(mask, int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def cut_out(picture: np.ndarray, found: Found, size: int = 64) -> np.ndarray:
    """The object alone, centred in a square with a margin: uint8 [size,size,4], transparent around it."""
    height, width, side = found.bottom - found.top, found.right - found.left, found.side
    box = slice(found.top, found.bottom), slice(found.left, found.right)
    alone = np.where(found.mask[box][..., None], picture[box], 0)
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


def dominant_color(picture: np.ndarray, found: Sequence[Found]) -> str:
    """The name in COLORS that most of the found objects' pixels wear, in one uint8 [64,64,4] picture.

    Every pixel votes for its nearest colour with its chroma as weight: a blue car has black tyres and grey
    windows and is blue.
    """
    mask = np.any([object_.mask for object_ in found], axis=0)
    lab, palette = oklab(picture[mask][:, :3]), oklab(np.array(list(COLORS.values())))
    # Shading moves lightness more than hue, so lightness counts half.
    gaps = np.linalg.norm((lab[:, None] - palette) * [0.5, 1, 1], axis=2)
    votes = np.bincount(gaps.argmin(1), np.hypot(lab[:, 1], lab[:, 2]), minlength=len(palette))
    return list(COLORS)[int(votes.argmax())]


def relation_holds(first: Found, second: Found, relation: str) -> bool:
    """Whether `first` is `relation` (a key of RELATIONS) `second`."""
    right = (first.left + first.right - second.left - second.right) / 2
    below = (first.top + first.bottom - second.top - second.bottom) / 2
    return {
        "left of": -right >= APART,
        "right of": right >= APART,
        "above": -below >= APART,
        "below": below >= APART,
        "bigger than": first.side >= LARGER * second.side,
        "smaller than": second.side >= LARGER * first.side,
    }[relation]


def grade_scenes(
    pictures: np.ndarray,
    names: Sequence[Sequence[str]],
    counts: Sequence[int | None],
    colors: Sequence[str | None],
    relations: Sequence[str | None],
    grader: Grader,
    labels: list[str],
    top: int = 5,
) -> Composition:
    """Grade generated pictures uint8 [N,64,64,4] against the N scenes that were asked for.

    names[i] holds the one or two object names of scene i; counts[i] how many objects there should be;
    colors[i] the colour of the first named object; relations[i] what the first is to the second (a key of
    RELATIONS). None leaves a fact ungraded. The grader ranks `labels` for every object, and an object bears
    a name that is among its `top` first: use some hundred labels, and state `top` with the shares.
    Raises ValueError for lists of other lengths and for names, colours or relations outside their lists.
    """
    _check(pictures, names, counts, colors, relations, labels)
    if not 1 <= top < len(labels):
        raise ValueError(f"top must be from 1 to one less than the {len(labels)} labels, got {top}")
    found = [find_objects(picture) for picture in pictures]
    graded = _grade_objects(pictures, found, grader, labels)
    asked: dict[str, list[int]] = {}
    met: dict[str, list[bool]] = {}
    for i, (objects, scores) in enumerate(zip(found, graded, strict=True)):
        wanted = scores[:, [labels.index(name) for name in names[i]]]  # [objects, names]
        rank = (scores[:, :, None] >= wanted[:, None]).sum(1) - 1  # 0 is the grader's first choice
        named = rank < top
        verdicts = {}
        if counts[i] is not None:
            verdicts["count"] = len(objects) == counts[i]
        if len(names[i]) == 1:
            verdicts["object"] = bool(objects) and bool(named.all())
            first = objects
        else:
            both = False
            if len(objects) == 2:
                # Which object is meant by which name: the assignment that the grader likes better.
                a = int(wanted[1, 0] + wanted[0, 1] > wanted[0, 0] + wanted[1, 1])
                both = bool(named[a, 0] and named[1 - a, 1])
            verdicts["two"] = both
            # Where the two are not seen there is no first object: its facts are not met.
            first = [objects[a]] if both else []
        if colors[i] is not None:
            verdicts["color"] = bool(first) and dominant_color(pictures[i], first) == colors[i]
        if relation := relations[i]:
            verdicts[RELATIONS[relation]] = bool(first) and relation_holds(objects[a], objects[1 - a], relation)
        for kind, verdict in verdicts.items():
            asked.setdefault(kind, []).append(i)
            met.setdefault(kind, []).append(verdict)
    return Composition(
        asked={kind: np.array(rows) for kind, rows in asked.items()},
        met={kind: np.array(flags) for kind, flags in met.items()},
        shares={kind: share_of(flags) for kind, flags in met.items()},
    )


def _grade_objects(
    pictures: np.ndarray, found: list[list[Found]], grader: Grader, labels: list[str]
) -> list[np.ndarray]:
    """The grader's scores [objects, labels] for each picture, from one call."""
    crops = [cut_out(picture, one) for picture, objects in zip(pictures, found, strict=True) for one in objects]
    shape = (len(crops), len(labels))
    scores = np.asarray(grader(np.stack(crops), labels)) if crops else np.empty(shape)
    if scores.shape != shape or np.isnan(scores).any():
        raise ValueError(f"grader must return {list(shape)} scores without NaN, got {list(scores.shape)}")
    return np.split(scores, np.cumsum([len(objects) for objects in found])[:-1])


def _check(pictures, names, counts, colors, relations, labels) -> None:
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
    allowed = {"names": labels, "colors": list(COLORS), "relations": list(RELATIONS)}
    used = {"names": [n for scene in names for n in scene], "colors": colors, "relations": relations}
    for key, values in used.items():
        unknown = sorted({v for v in values if v is not None} - set(allowed[key]))
        if unknown:
            raise ValueError(f"{key}: {unknown[0]!r} is not one of {', '.join(allowed[key][:20])}")
