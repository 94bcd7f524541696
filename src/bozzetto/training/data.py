"""Pictures for the networks: from uint8 in memory to floats on the device, with the augmentations recipes share."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bozzetto.pictures import on_white
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.world import fashion as clothes
from bozzetto.world.dataset import World
from bozzetto.world.own import Own, title
from bozzetto.world.scenes import FRAME, Scene, make_scene, plural, render, scene_objects
from bozzetto.world.stored import Stored, is_grey, on_paper
from bozzetto.world.styles import style_number

PICTURE = (64, 64, 4)


def scaled(images: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """uint8 [N,H,W,C] -> float [N,C,H,W] in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


@dataclass(frozen=True)
class Pictures:
    """What the makers of lessons 2 to 5 learn from: small pictures in named classes.

    images: uint8 [N,32,32,C]. labels: int64 [N], which of `classes` each shows. mirrored: whether a picture seen in a
    mirror is one of the same kind.
    """

    images: np.ndarray  # or Stored, where they are one's own and many: rows are asked for, and no more
    labels: np.ndarray
    classes: list[str]
    mirrored: bool

    def __len__(self) -> int:
        return len(self.images)

    def some(self) -> np.ndarray:
        """All of them, or of those on the disk ten thousand from everywhere: what can be measured in memory."""
        return self.images[:: max(1, len(self) // 10_000)] if isinstance(self.images, Stored) else self.images

    def batch(
        self, rng: np.random.Generator, count: int, device: torch.device | str = "cpu", drop_label: float = 0
    ) -> tuple[Tensor, Tensor]:
        """Pictures drawn at random, half of them mirrored if they may be: float [B,C,32,32] in [-1, 1], and what the
        networks take as their classes, int64 [B]: the k-th class is k + 1, since 0 stands for any, as it does in the
        share `drop_label` of the pictures."""
        rows = rng.integers(0, len(self), count)
        images = self.images[rows]
        if self.mirrored:
            images = np.where(rng.random((count, 1, 1, 1)) < 0.5, images[:, :, ::-1], images)
        labels = self.labels[rows] + 1
        if drop_label:
            labels[rng.random(count) < drop_label] = 0
        return scaled(images, device), torch.from_numpy(labels).to(device)


def emoji(world: World, split: str = "train") -> Pictures:
    """The core pictures of a split at 32 pixels over white; their classes are Unicode's subgroups."""
    classes = sorted({group for group, core in zip(world.subgroups, world.core, strict=True) if core})
    core = world.select([bool(core) and s == split for core, s in zip(world.core, world.splits, strict=True)])
    over_white = on_white(core.images).reshape(len(core), 32, 2, 32, 2, 3).mean((2, 4))
    labels = np.array([classes.index(group) for group in core.subgroups], np.int64)
    return Pictures(np.round(over_white).astype(np.uint8), labels, classes, mirrored=True)


def fashion(split: str = "train", folder: Path | None = None) -> Pictures:
    """Fashion-MNIST, its 28 pixels padded to 32 with black, C = 1. Raises what `world.fashion.load` raises."""
    images, labels = clothes.load(split, folder)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., None]
    return Pictures(padded, labels, list(clothes.CLASSES), mirrored=False)


def own_pictures(found: Own, place: Path, mirrored: bool = False) -> Pictures:
    """The training pictures of one's own set over white; C = 1 when all are grey. A picture without a class is of one
    called after the set's place."""
    classes = sorted({label or title(place) for label in found.labels})
    number = {label: k for k, label in enumerate(classes)}
    labels = np.fromiter((number[label or title(place)] for label in found.labels), np.int64, len(found.labels))
    shown = np.flatnonzero(np.fromiter((side == "train" for side in found.splits), bool, len(found.splits)))
    if isinstance(found.images, Stored):
        seen = cast(np.ndarray, replace(found.images.only(shown), channels=1 if found.images.grey else 3))
    else:
        white = on_paper(found.images)
        seen = (white[..., :1] if is_grey(white) else white)[shown]
    return Pictures(seen, labels[shown], classes, mirrored)


def own_world(found: Own) -> World:
    """One's own set at 64 pixels as a world without styles, in which every picture is a concept with its twins, and
    called by its words, or its class where there are none."""
    names = list(found.names)
    empty = [""] * len(names)
    return World(
        images=cast(np.ndarray, found.images),
        codepoints=[names[row] for row in found.twins],
        emoji=empty,
        names=[words or label for words, label in zip(found.captions, found.labels, strict=True)],
        keywords=[[] for _ in empty],
        groups=empty,
        subgroups=list(found.labels),
        styles=empty,
        splits=list(found.splits),
        core=np.ones(len(empty), bool),
    )


def checksum(source: World | Pictures) -> str:
    """SHA-256 of all that can be learned from, in its order."""
    found = hashlib.sha256()
    for value in vars(source).values():
        if isinstance(value, Stored):
            found.update(f"{value.checksum} {value.channels}".encode())
            found.update(value.rows.data)
        else:
            found.update(np.ascontiguousarray(value).data if isinstance(value, np.ndarray) else repr(value).encode())
    return found.hexdigest()


class Scenes:
    """Many scenes drawn once: `scenes`, and their `pictures` uint8 [N,64,64,4].

    kinds: what kinds of scenes, in turn; None is any.
    """

    def __init__(self, world: World, count: int, kinds: tuple[str | None, ...] = (None,)):
        objects = scene_objects(world) if count else []
        self.scenes: list[Scene] = [
            make_scene(world, objects, seed, kind=kinds[seed % len(kinds)]) for seed in range(count)
        ]
        self.pictures = np.array([render(world, scene) for scene in self.scenes], np.uint8).reshape(-1, *PICTURE)


EASY = ("single", "count", "color")
MIXED = ("two", "place", "count", "color", "two", "place", "size", "count", "color", "single")


def curriculum(number: int, easy: int) -> str:
    """The kind of the scene of this number: mostly one kind of thing at first, and from `easy` on all kinds."""
    rng = np.random.default_rng([number, 5])
    return str(rng.choice(MIXED if rng.random() < 0.2 + 0.8 * number / easy else EASY))


CELLS = 8  # a side, of a denoiser's finer grid


def places(scene: Scene, tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray]:
    """Which thing of the scene each of 8 x 8 cells shows, uint8 [64], and each token names, uint8 [T]: 1 for the first
    name of the scene, 2 for the second, 0 for none. A thing shows in the cells whose middle is in the circle in its
    box; its words are its noun and its colour."""
    middle = (np.arange(CELLS) + 0.5) * FRAME / CELLS
    shows, names = np.zeros((CELLS, CELLS), np.uint8), np.zeros(tokenizer.context_length, np.uint8)
    for thing in scene.objects:
        x, y, radius = thing.x + thing.size / 2, thing.y + thing.size / 2, thing.size / 2
        shows[(middle - x) ** 2 + (middle[:, None] - y) ** 2 < radius**2] = 1 + scene.names.index(thing.name)
    said = tokenizer.encode(scene.sentence)
    for number, noun in enumerate(scene.names, 1):
        for words in (plural(noun), noun, scene.color or ""):
            wanted = tokenizer.encode(words)[1:]
            for at in range(1, len(said) - len(wanted) + 1):
                if wanted and said[at : at + len(wanted)] == wanted:
                    names[at : at + len(wanted)] = number
    return shows.ravel(), names


class SceneStream:
    """Scenes without end, `new` more at every training step, of which the last `size` or nearly so are kept.

    What is kept depends on the number of the step alone, so that a resumed run learns from the same: the k-th scene has
    seed k and the kind that `curriculum` says, and scenes are encoded with those of their own step, since kernels round
    differently for other company. encoded: what `encode` makes of uint8 [N,64,64,4], each [size,...]; tokens: int64
    [size,T]; styles: int64 [size], as text-to-image numbers them; places: what `places` gives, uint8 [size,64] and
    [size,T].
    """

    def __init__(
        self,
        world: World,
        size: int,
        new: int,
        easy: int,
        encode: Callable[[np.ndarray], Sequence[Tensor]],
        tokenizer: Tokenizer,
    ):
        self.world, self.objects, self.easy = world, scene_objects(world) if size else [], easy
        self.new, self.blocks, self.drawn = new, size // new, 0
        self.encode, self.tokenizer = encode, tokenizer
        self.size = new * self.blocks
        self.encoded = [part.repeat(self.size, 1, 1, 1) for part in encode(np.zeros((1, *PICTURE), np.uint8))]
        self.tokens, self.styles = tokenizer("").repeat(self.size, 0), np.zeros(self.size, np.int64)
        self.places = np.zeros((self.size, CELLS**2), np.uint8), np.zeros(self.tokens.shape, np.uint8)

    def at(self, step: int) -> None:
        """Hold what there is to learn from at this step; steps must not go back."""
        for block in range(max(step, self.drawn), step + self.blocks):
            numbers = range(block * self.new, (block + 1) * self.new)
            scenes = [make_scene(self.world, self.objects, k, kind=curriculum(k, self.easy)) for k in numbers]
            kept = slice(numbers[0] % self.size, numbers[0] % self.size + self.new)
            found = self.encode(np.stack([render(self.world, scene) for scene in scenes]))
            for held, part in zip(self.encoded, found, strict=True):
                held[kept] = part
            self.tokens[kept] = self.tokenizer([scene.sentence for scene in scenes])
            self.styles[kept] = [style_number(scene.objects[0].style) for scene in scenes]
            for row, scene in zip(range(numbers[0] % self.size, self.size), scenes, strict=False):
                self.places[0][row], self.places[1][row] = places(scene, self.tokenizer)
        self.drawn = step + self.blocks


def shortest(tokens: np.ndarray, device: torch.device) -> Tensor:
    """Cut the columns that are padding in every row: most captions have five tokens, not 24."""
    return torch.from_numpy(tokens[:, : max(1, int((tokens != 0).sum(1).max()))]).to(device)


def premultiplied(images: np.ndarray | Tensor, device: torch.device | str = "cpu") -> Tensor:
    """uint8 [N,64,64,4] straight alpha -> float [N,4,64,64] premultiplied RGBA in [-1, 1]."""
    pictures = torch.as_tensor(images).to(device).permute(0, 3, 1, 2).float() / 255
    alpha = pictures[:, 3:]
    return torch.cat([pictures[:, :3] * alpha, alpha], 1) * 2 - 1


def over(pixels: Tensor, background: Tensor) -> Tensor:
    """Premultiplied RGBA [N,4,H,W] in [-1, 1] over a colour [N,3,1,1] in [-1, 1] -> RGB [N,3,H,W] in [-1, 1]."""
    rgb, alpha = (pixels[:, :3] + 1) / 2, (pixels[:, 3:] + 1) / 2
    return (rgb + (1 - alpha) * (background + 1) / 2) * 2 - 1


def collage(pixels: Tensor, rng: np.random.Generator, share: float) -> Tensor:
    """Replace a share of the batch by collages of four half-size pictures, on nothing or on a colour.

    Teaches an autoencoder small objects and plain backgrounds, which scenes are made of. [N,4,64,64] -> the same.
    """
    count = int(len(pixels) * share)
    if count == 0:
        return pixels
    chosen = torch.from_numpy(rng.integers(0, len(pixels), (4, count)))
    a, b, c, d = (F.avg_pool2d(pixels[rows], 2) for rows in chosen)
    four = torch.cat([torch.cat([a, b], 3), torch.cat([c, d], 3)], 2)
    colours = torch.from_numpy(rng.uniform(-1, 1, (count, 3, 1, 1)).astype(np.float32)).to(pixels.device)
    solid = torch.cat([over(four, colours), torch.ones_like(four[:, :1])], 1)
    painted = torch.from_numpy(rng.random(count) < 0.5).to(pixels.device)[:, None, None, None]
    return torch.cat([torch.where(painted, solid, four), pixels[count:]])


def varied(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """A batch [N,4,H,W] in a mirror and with its colour channels shuffled at times, half of it as collages: what an
    autoencoder and an enlarger learn from."""
    if rng.random() < 0.5:
        pixels = pixels.flip(3)
    if rng.random() < 0.3:
        pixels = pixels[:, [*rng.permutation(3), 3]]
    return collage(pixels, rng, 1 / 2)


def augment(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Turn, scale, shift and recolour pictures a little and put them over random colours, so that a classifier learns
    shapes.

    Premultiplied RGBA [N,4,64,64] in [-1, 1] -> RGB [N,3,64,64] in [-1, 1].
    """
    count, device = len(pixels), pixels.device

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (count, *shape)).astype(np.float32)).to(device)

    angle, scale = draw(-0.3, 0.3), draw(0.9, 1.5)
    shear = draw(-0.15, 0.15)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    move = draw(-0.12, 0.12, 2) * scale[:, None]
    matrix = torch.stack([cos, shear - sin, move[:, 0], sin, cos, move[:, 1]], 1).view(count, 2, 3)
    grid = F.affine_grid(matrix, [count, 4, *pixels.shape[2:]], align_corners=False)
    moved = F.grid_sample((pixels + 1) / 2, grid, align_corners=False)  # in [0, 1], so that outside is transparent
    rgb, alpha = moved[:, :3], moved[:, 3:]
    grey = rgb.mean(1, keepdim=True)
    saturation, brightness = draw(0.3, 1.4, 1, 1, 1), draw(0.75, 1.25, 1, 1, 1)
    rgb = (grey + (turn_hue(rgb, draw(-0.5, 0.5) ** 3 * 8) - grey) * saturation) * brightness
    moved = torch.cat([torch.minimum(rgb.clamp(min=0), alpha), alpha], 1) * 2 - 1
    white = draw(0, 1, 1, 1, 1) < 0.5
    return over(moved, torch.where(white, 1.0, draw(-1, 1, 3, 1, 1)))


def turn_hue(rgb: Tensor, angle: Tensor) -> Tensor:
    """Rotate colours about the grey axis (Rodrigues' formula). rgb [N,3,H,W]; angle [N] in radians."""
    cos, sin = angle.cos()[:, None, None, None], angle.sin()[:, None, None, None]
    grey = rgb.mean(1, keepdim=True)
    cross = (rgb.roll(1, 1) - rgb.roll(-1, 1)) / 3**0.5  # (1,1,1)/sqrt(3) x rgb
    return grey + (rgb - grey) * cos + cross * sin
