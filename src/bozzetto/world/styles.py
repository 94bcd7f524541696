"""The styles of the artwork, a row each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """package: where the artwork comes from, and its licence. words: how the style is called, its name first. family:
    styles of one family draw the same shapes, so they never stand on both sides of the split."""

    package: str
    license: str
    words: tuple[str, ...]
    family: str


# In the order in which text-to-image numbers them, from 1.
STYLES = {
    "noto": Style("@iconify-json/noto", "Apache-2.0", ("noto", "google"), "noto"),
    "noto-v1": Style("@iconify-json/noto-v1", "Apache-2.0", ("noto blob", "blob"), "noto-v1"),
    "twemoji": Style("@iconify-json/twemoji", "CC-BY-4.0", ("twemoji", "twitter"), "twemoji"),
    "fluent-flat": Style("@iconify-json/fluent-emoji-flat", "MIT", ("fluent flat", "flat"), "fluent-flat"),
    "fluent": Style("@iconify-json/fluent-emoji", "MIT", ("fluent", "microsoft"), "fluent-soft"),
    "fluent-3d": Style("@lobehub/fluent-emoji-3d", "MIT", ("fluent 3d", "3d"), "fluent-soft"),
    "emojione": Style("@iconify-json/emojione", "CC-BY-4.0", ("emojione", "emojitwo"), "emojione"),
    "fxemoji": Style("@iconify-json/fxemoji", "CC-BY-4.0", ("fxemoji", "firefox"), "fxemoji"),
}


def style_number(style: str) -> int:
    """The networks' number of a style; 0 is any, as that of "" is."""
    return ["", *STYLES].index(style)
