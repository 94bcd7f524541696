"""Real emoji artwork and its words, rendered into one table: the picture world.

Eight permissive artwork sets (in seven style families) come from npm packages pinned in `package.json`; names,
keywords and groups come from unicode-emoji-json, Unicode CLDR, emojibase and emojilib. Nothing here touches the
network: `npm ci` has put the packages under `node_modules`.

A *concept* is one emoji without skin tone, keyed by its code points ("1f436", zero-padded, U+FE0F dropped), because
names change between Unicode releases and code points do not. A *picture* is one concept in one style.

Splits: for about one picture in ten, a (concept, style family) pair is held out as `test`; its concept stays in
`train` in at least two other families. A held-out picture that has a near-duplicate among the training pictures goes
back to `train`, so that what is measured on `test` is never a copy of what was learnt.
"""

import hashlib
import io
import json
import re
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bozzetto.errors import MissingFile
from bozzetto.progress import track
from bozzetto.world.dataset import World
from bozzetto.world.styles import STYLES

SIZE = 64
ARTWORK = Path("node_modules")  # where `npm ci` puts it

HELD_OUT_SHARE = 0.13  # of (concept, family) pairs, before near-duplicates go back to train
DUPLICATE_DISTANCE = 0.075  # root mean square difference at 32 px over white, pictures in [0, 1]


@dataclass(frozen=True)
class Concept:
    codepoints: str
    emoji: str
    name: str
    keywords: tuple[str, ...]
    group: str
    subgroup: str
    core: bool


def key(codepoints: str) -> str:
    """'0023-FE0F-20E3' or '23-20e3' -> '0023-20e3': lower case, four digits at least, no variation selector."""
    parts = [part.lower().zfill(4) for part in re.split(r"[-_ ]", codepoints)]
    return "-".join(part for part in parts if part != "fe0f")


def slug(name: str) -> str:
    """The icon name most artwork sets derive from an emoji's name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("’", "").replace("'", "")).strip("-")


def _read_json(path: Path) -> Any:
    if not path.is_file():
        raise MissingFile("artwork", f"has no {path}: run `npm ci` in the project folder, or name another folder")
    return json.loads(path.read_text(encoding="utf-8"))


def _clean_keyword(word: str) -> str:
    word = re.sub(r"[^a-z0-9 ]+", " ", word.lower().replace("_", " ")).strip()
    return re.sub(r" +", " ", word)


# A variant is drawn like the plain person, so telling them apart would be a coin flip: they stay out of the core.
_VARIANT = re.compile(r"^(man|woman|men|women|family|kiss|couple with heart|people|person:)\b.*\S")
_PLAIN_PEOPLE = {"man", "woman", "person", "family", "kiss", "couple with heart", "people hugging"}


def _is_core(name: str, group: str, subgroup: str) -> bool:
    if group in ("symbols", "flags") or subgroup in ("time", "hair-style", "skin-tone"):
        return False
    return not (_VARIANT.match(name) and name not in _PLAIN_PEOPLE)


def read_concepts(artwork: Path) -> list[Concept]:
    """All emoji but country flags, in Unicode's order, with cleaned names and everyday keywords.

    Raises FileNotFoundError naming the missing package when `npm ci` has not been run.
    """
    by_emoji = _read_json(artwork / "unicode-emoji-json/data-by-emoji.json")
    base = {key(row["hexcode"]): row for row in _read_json(artwork / "emojibase-data/en/data.json")}
    meta = _read_json(artwork / "emojibase-data/meta/groups.json")
    everyday = _read_json(artwork / "emojilib/dist/emoji-en-US.json")
    cldr = _read_json(artwork / "cldr-annotations-full/annotations/en/annotations.json")["annotations"]["annotations"]
    derived = _read_json(artwork / "cldr-annotations-derived-full/annotationsDerived/en/annotations.json")
    cldr = cldr | derived["annotationsDerived"]["annotations"]
    concepts = []
    for emoji, row in by_emoji.items():
        codepoints = key("-".join(f"{ord(char):x}" for char in emoji))
        entry = base.get(codepoints, {})
        group = meta["groups"].get(str(entry.get("group")), row["group"].lower().replace(" & ", "-"))
        subgroup = meta["subgroups"].get(str(entry.get("subgroup")), "other")
        if subgroup in ("country-flag", "subdivision-flag", "skin-tone", "hair-style"):
            continue
        name = row["name"].lower().replace("’", "'")
        bare = emoji.replace("\ufe0f", "")
        words = cldr.get(bare, cldr.get(emoji, {})).get("default", [])
        words = [*words, *entry.get("tags", []), *everyday.get(emoji, everyday.get(bare, []))]
        keywords = dict.fromkeys(_clean_keyword(word) for word in words)
        kept = tuple(w for w in keywords if w and w != name and len(w) > 1 and w.count(" ") <= 2)
        concepts.append(Concept(codepoints, emoji, name, kept, group, subgroup, _is_core(name, group, subgroup)))
    return concepts


# ---------------------------------------------------------------- drawing


def _resolve(icons: dict, name: str) -> tuple[str, bool] | None:
    """Follow an alias to its drawing; also says whether it is mirrored."""
    mirrored = False
    while name not in icons["icons"]:
        alias = icons.get("aliases", {}).get(name)
        if alias is None or alias.keys() - {"parent", "hFlip"}:
            return None
        name, mirrored = alias["parent"], mirrored ^ alias.get("hFlip", False)
    return name, mirrored


def _svg(icons: dict, name: str, size: int) -> str:
    icon = icons["icons"][name]
    width = icon.get("width", icons.get("width", 16))
    height = icon.get("height", icons.get("height", 16))
    left, top = icon.get("left", 0), icon.get("top", 0)
    side = max(width, height)  # a few drawings are 63 x 64: pad to a square instead of stretching
    box = f"{left - (side - width) / 2} {top - (side - height) / 2} {side} {side}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{box}" width="{size}" height="{size}">{icon["body"]}</svg>'
    )


def _draw_svg(svg: str, mirrored: bool, size: int) -> np.ndarray:
    import resvg_py

    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size, skip_system_fonts=True))
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))
    return picture[:, ::-1] if mirrored else picture


def _draw_file(path: Path, size: int) -> np.ndarray:
    picture = Image.open(path).convert("RGBA")
    side = max(picture.size)
    square = Image.new("RGBA", (side, side))
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    # Pillow resizes RGBA in premultiplied colour ("RGBa"), so no dark rims appear at the edges.
    return np.asarray(square.resize((size, size), Image.Resampling.BOX))


Job = Callable[[], np.ndarray]
"""Draws one picture, uint8 [size,size,4]."""


def _jobs(artwork: Path, style: str, concepts: list[Concept], size: int) -> Iterator[tuple[Concept, Job]]:
    """What there is to draw of one style."""
    package = artwork / STYLES[style].package
    if style == "fluent-3d":
        assets = package / "assets"
        if not assets.is_dir():
            raise MissingFile("artwork", f"has no {assets}: run `npm ci` in the project folder, or name another folder")
        files = {key(path.stem): path for path in sorted(assets.glob("*.webp"))}
        yield from ((c, partial(_draw_file, files[c.codepoints], size)) for c in concepts if c.codepoints in files)
        return
    icons = _read_json(package / "icons.json")
    chars = package / "chars.json"
    by_codepoints = {key(k): name for k, name in _read_json(chars).items()} if chars.is_file() else {}
    by_name = {name: name for name in (*icons.get("aliases", {}), *icons["icons"])}
    squeezed = {name.replace("-", ""): name for name in by_name}
    for concept in concepts:
        name = by_codepoints.get(concept.codepoints) if by_codepoints else by_name.get(slug(concept.name))
        if name is None and style == "fxemoji":  # names without hyphens: "alarmclock"
            name = squeezed.get(slug(concept.name).replace("-", ""))
        found = _resolve(icons, name) if name else None
        if found:
            yield concept, partial(_draw_svg, _svg(icons, found[0], size), found[1], size)


def _draw(job: Job) -> np.ndarray:
    return job()


# ---------------------------------------------------------------- splits


def _unit_hash(text: str) -> float:
    """A number in [0, 1) that depends on the text alone, on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def on_white(images: np.ndarray, size: int = SIZE) -> np.ndarray:
    """uint8 [N,64,64,4] -> float32 [N,size,size,3] in [0, 1], composited over white, box-filtered to `size`."""
    pictures = images.astype(np.float32) / 255
    alpha = pictures[..., 3:]
    pictures = pictures[..., :3] * alpha + (1 - alpha)
    step = SIZE // size
    return pictures.reshape(len(images), size, step, size, step, 3).mean((2, 4))


def split(images: np.ndarray, codepoints: list[str], styles: list[str]) -> list[str]:
    """'train' or 'test' for each picture: see the module's docstring."""
    families: dict[str, set[str]] = defaultdict(set)
    for concept, style in zip(codepoints, styles, strict=True):
        families[concept].add(STYLES[style].family)
    held_out = {}
    for concept, members in families.items():
        if len(members) >= 3:  # at most one family a concept, so at least two others stay
            chosen = min(members, key=lambda family: _unit_hash(f"{concept}|{family}"))
            if _unit_hash(f"{concept}|held out") < HELD_OUT_SHARE * len(members):
                held_out[concept] = chosen
    test = np.array([held_out.get(c) == STYLES[s].family for c, s in zip(codepoints, styles, strict=True)])
    small = on_white(images, 32).reshape(len(images), -1)
    norms = (small**2).sum(1)
    pairs = np.array([f"{c}|{STYLES[s].family}" for c, s in zip(codepoints, styles, strict=True)])
    while True:  # what goes back to training may be the duplicate of another
        test_rows, train_rows = np.flatnonzero(test), np.flatnonzero(~test)
        squared = norms[test_rows, None] + norms[train_rows] - 2 * small[test_rows] @ small[train_rows].T
        duplicate = squared.min(1, initial=np.inf) / small.shape[1] < DUPLICATE_DISTANCE**2
        if not duplicate.any():
            return ["test" if held else "train" for held in test]
        test &= ~np.isin(pairs, pairs[test_rows[duplicate]])  # the whole pair, both fluent drawings


def build(artwork: Path, progress: Callable[[str, int, int], None] | None = None) -> dict[str, list]:
    """Draw the whole world. Returns the columns of the table (see dataset.write); `progress(style, done, total)`."""
    concepts = read_concepts(artwork)
    pictures, owners, styles = [], [], []
    # Ctrl-C reaches every process; only this one answers it.
    with ProcessPoolExecutor(initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:
        for style in STYLES:
            jobs = list(_jobs(artwork, style, concepts, SIZE))
            drawn = pool.map(_draw, [job for _, job in jobs], chunksize=16)
            for done, ((concept, _), picture) in enumerate(zip(jobs, drawn, strict=True), 1):
                if picture[..., 3].any():
                    pictures.append(picture)
                    owners.append(concept)
                    styles.append(style)
                if progress:
                    progress(style, done, len(jobs))
    images = np.stack(pictures)
    return {
        "image": list(images),
        "codepoints": [c.codepoints for c in owners],
        "emoji": [c.emoji for c in owners],
        "name": [c.name for c in owners],
        "keywords": [list(c.keywords) for c in owners],
        "group": [c.group for c in owners],
        "subgroup": [c.subgroup for c in owners],
        "style": styles,
        "split": split(images, [c.codepoints for c in owners], styles),
        "core": [c.core for c in owners],
        "license": [STYLES[s].license for s in styles],
    }


def redraw(world: World, artwork: Path, size: int) -> np.ndarray:
    """The pictures of a built world at another size, in its order: uint8 [N,size,size,4], straight alpha.

    Raises MissingFile where `npm ci` has not put the artwork.
    """
    concepts = read_concepts(artwork)
    wanted = {place: row for row, place in enumerate(zip(world.codepoints, world.styles, strict=True))}
    found: dict[int, Job] = {}
    for style in dict.fromkeys(world.styles):
        for concept, job in _jobs(artwork, style, concepts, size):
            if (row := wanted.get((concept.codepoints, style))) is not None:
                found[row] = job
    if missing := len(world) - len(found):
        raise MissingFile("artwork", f"in {artwork} lacks {missing} pictures of this world: build the world again")
    return np.stack([found[row]() for row in track(range(len(world)), f"drawing at {size} pixels")])
