"""A scene as a picture."""

import numpy as np
from PIL import Image

from bozzetto.errors import one_of
from bozzetto.world.dataset import World
from bozzetto.world.scenes.facts import FRAME, Scene
from bozzetto.world.scenes.vocabulary import BACKGROUNDS, COLORS


def render(world: World, scene: Scene) -> np.ndarray:
    """Draw the scene: uint8 [64,64,4], straight alpha (255 everywhere when it has a background)."""
    canvas = np.zeros((FRAME, FRAME, 4), np.float32)  # premultiplied, 0..255
    if scene.background:
        canvas[:] = (*BACKGROUNDS[scene.background], 255)
    sprites: dict[tuple, np.ndarray] = {}
    for item in scene.objects:
        key = (item.row, item.size, item.color)
        if key not in sprites:
            sprites[key] = _sprite(world.images[item.row], item.size, item.color)
        sprite = sprites[key]
        height, width = sprite.shape[:2]
        top, left = item.y + (item.size - height) // 2, item.x + (item.size - width) // 2
        region = canvas[top : top + height, left : left + width]
        region *= 1 - sprite[..., 3:] / 255
        region += sprite
    if not scene.background:
        alpha = canvas[..., 3:]
        canvas[..., :3] *= 255 / np.maximum(alpha, 1)
    return (canvas + 0.5).clip(0, 255).astype(np.uint8)


def recolor(picture: np.ndarray, color: str) -> np.ndarray:
    """Paint a picture in a named colour: [h,w,4] straight alpha, 0..255 -> float32 [h,w,4], same alpha.

    The part in the picture's main hue takes the colour's hue; its shading becomes a ramp from black over the
    colour (at the part's mean lightness) towards white, so outlines stay dark and highlights light. Other
    hues, such as the leaf of an apple, are kept, unless the main hue covers too little to give the whole its
    colour. Raises InvalidInput for an unknown colour.
    """
    one_of("color", color, COLORS)
    pixels = np.asarray(picture, np.float32)
    rgb, alpha = pixels[..., :3], pixels[..., 3]
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    light = (0.299 * red + 0.587 * green + 0.114 * blue) / 255
    # The colour plane without lightness: hue is the angle, chroma the length.
    hue = ((red - (green + blue) / 2) + 1j * (0.866 * (green - blue))) / 255
    chroma = np.abs(hue)
    weight = alpha * chroma
    sectors = np.bincount(
        ((np.angle(hue) / (2 * np.pi) % 1 * 24).astype(int) % 24).ravel(), weight.ravel(), minlength=24
    )
    main = np.argmax(sectors + np.roll(sectors, 1) + np.roll(sectors, -1))
    direction = np.exp(2j * np.pi * (main + 0.5) / 24)
    alike = (hue * direction.conjugate()).real / np.maximum(chroma, 1e-6)
    body = np.clip((alike - 0.6) * 5, 0, 1) * np.clip((chroma - 0.06) * 10, 0, 1)
    visible = alpha * (light > 0.2)
    if (body * visible).sum() < 0.6 * visible.sum():
        body = np.ones_like(light)
    mass = body * visible
    middle = float(np.clip((mass * light).sum() / max(mass.sum(), 1e-6), 0.15, 0.97))
    target = np.array(COLORS[color], np.float32)
    dark = np.minimum(light / middle, 1)[..., None]
    bright = 0.8 * np.clip((light - middle) / (1 - middle), 0, 1)[..., None]
    painted = target * dark + (255 - target) * bright
    mixed = rgb + (painted - rgb) * body[..., None]
    return np.concatenate([mixed, alpha[..., None]], axis=-1)


def _sprite(picture: np.ndarray, size: int, color: str | None) -> np.ndarray:
    """The visible part of a picture, its longer side `size`: float32 [h,w,4], premultiplied, 0..255."""
    image = Image.fromarray(picture)
    box = image.getchannel("A").getbbox() or (0, 0, FRAME, FRAME)
    wide, high = box[2] - box[0], box[3] - box[1]
    scale = size / max(wide, high)
    shape = (max(1, round(wide * scale)), max(1, round(high * scale)))
    # Pillow filters RGBA with premultiplied colours, so hidden pixels do not bleed into edges.
    sprite = np.asarray(image.resize(shape, Image.Resampling.LANCZOS, box=box), np.float32)
    sprite = recolor(sprite, color) if color else sprite.copy()
    sprite[..., :3] *= sprite[..., 3:] / 255
    return sprite
