"""A file of prompts as a folder of pictures, at the rate of batches. It can be stopped anywhere and goes on from there.

A text file has a prompt a line; a JSONL file has an object a line, with what of OPTIONS is other than for all:
{"prompt": "a robot", "seed": 7}. A picture's file is called by its line and by a sum of what was asked for, so a file
that is there is the picture that is meant, also after the prompts have changed.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PIL.Image import Image

from bozzetto import pictures
from bozzetto.errors import InvalidInput, MissingFile, literal
from bozzetto.files import write_atomically
from bozzetto.runtime import requests
from bozzetto.runtime.enlarger import at_size
from bozzetto.runtime.layers import check as check_layers
from bozzetto.server.batching import PLACES, Engine
from bozzetto.spread import spread

OPTIONS = (
    "prompt",
    "seed",
    "n",
    "num_inference_steps",
    "guidance_scale",
    "negative_prompt",
    "style",
    "sampler",
    "few_steps",
    "layers",
)
MAX_LINES = 1_000_000
MAX_BYTES = 512 * 2**20
PART = 4 * PLACES  # pictures of one task of a worker: what its death costs
INDEX = "index.jsonl"  # what each picture was drawn from


@dataclass(frozen=True)
class Wish:
    """Pictures of one line, and their files in order."""

    options: dict[str, Any]
    files: list[Path]


def check_folder(folder: Path) -> None:
    """InvalidInput unless pictures can be written there, or it can be made. Nothing is written."""
    if folder.exists() and not folder.is_dir():
        raise InvalidInput("output", f"{literal(folder)} is a file: name a folder")
    pictures.check_output((folder if folder.is_dir() else folder.parent) / INDEX, Path(INDEX).suffix)


def read_wishes(
    path: Path, folder: Path, common: dict[str, Any], size: int, engine: Engine
) -> tuple[list[Wish], list[str]]:
    """The wishes of a file, all of them checked, and what of them is not read. common: for lines that do not say
    otherwise. size: of the pictures' files. InvalidInput names the first line that cannot be."""
    wishes, notes = list[Wish](), list[str]()
    tried = set[str]()
    lines = _lines(path)
    digits = len(str(len(lines)))
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            options = common | (_object(line) if path.suffix.lower() == ".jsonl" else {"prompt": line.strip()})
            seeds = requests.seeds(options.get("seed", 0), options.get("n", 1))
            layers = options.get("layers", False)
            other = options.get("negative_prompt", ""), options.get("guidance_scale"), engine.models.tokenizer
            plan, _, found = check_layers(options["prompt"], layers, *other)
            unread = [str(note) for note in found]
            if layers is None and not plan:
                unread.append("prompt names nothing that could be drawn in layers: it is drawn as a whole")
            rest = {name: value for name, value in options.items() if name not in ("prompt", "seed", "n")}
            how = {name: value for name, value in rest.items() if name != "layers"}
            if (key := json.dumps(how, sort_keys=True)) not in tried:  # few, and the words are checked already
                tried.add(key)
                engine.check(options["prompt"], **how)
        except InvalidInput as error:
            raise InvalidInput("prompts", literal(f"{path}, line {number}: {error}")) from error
        notes += [f"line {number}: {note}" for note in unread]
        adapted = {"adapter": engine.adapter.digest} if engine.adapter else {}
        asked = json.dumps({**rest, "prompt": options["prompt"], "size": size, **adapted}, sort_keys=True)
        total = hashlib.sha256(asked.encode()).hexdigest()[:8]
        files = [folder / f"{number:0{digits}}-{total}-{seed}.png" for seed in seeds]
        wishes.append(Wish(options, files))
    if not wishes:
        raise InvalidInput("prompts", f"{literal(path)} has no prompt in it: write one a line")
    return wishes, notes


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise MissingFile("prompts", f"{literal(path)} is no file: name a text file with a prompt a line, or .jsonl")
    if path.stat().st_size > MAX_BYTES:
        raise InvalidInput("prompts", f"{literal(path)} is too large: {MAX_BYTES // 2**20} MB at most")
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise InvalidInput("prompts", f"{literal(path)} is no UTF-8 text: save it as UTF-8") from None
    if len(lines) > MAX_LINES:
        raise InvalidInput("prompts", f"{literal(path)} has {len(lines):,} lines: {MAX_LINES:,} at most")
    return lines


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or "prompt" not in found:
        raise InvalidInput("prompts", 'must have a JSON object with a "prompt" a line')
    if strange := next((name for name in found if name not in OPTIONS), None):
        raise InvalidInput("prompts", literal(f"has {strange!r}, which is none of {', '.join(OPTIONS)}"))
    return {name: value for name, value in found.items() if value is not None}


Drawn = Iterator[list[bytes]]
"""The PNG files of each of some wishes, in order."""


def draw_here(engine: Engine, size: int, wishes: list[Wish]) -> Drawn:
    """Draw them with this engine."""
    for order in engine.draw(wish.options for wish in wishes):
        yield [_png(at_size(engine.weights, image, size)) for image in order.results()]


def draw_spread(weights: Path, adapter: Path | None, size: int, wishes: list[Wish]) -> Drawn:
    """Draw them with the workers of Ray, each with an engine of its own. adapter: a file that all of them can read."""
    parts = list[list[Wish]]()
    for wish in wishes:
        if not parts or sum(len(each.files) for each in parts[-1]) >= PART:
            parts.append([])
        parts[-1].append(wish)
    for drawn in spread(partial(_Drawer, weights, adapter, size), parts):
        yield from drawn


class _Drawer:
    def __init__(self, weights: Path, adapter: Path | None, size: int):
        self.engine, self.size = Engine(weights, adapter=adapter), size

    def __call__(self, wishes: list[Wish]) -> list[list[bytes]]:
        return list(draw_here(self.engine, self.size, wishes))


def _png(image: Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def draw_many(
    draw: Callable[[list[Wish]], Drawn], wishes: list[Wish], folder: Path, progress: Callable[[int, int], None]
) -> tuple[int, int]:
    """Draw what is not there yet, and write the index: how many pictures were drawn, and how many were there."""
    folder.mkdir(exist_ok=True)
    total = sum(len(wish.files) for wish in wishes)
    there = {path.name for path in folder.iterdir()}
    missing = [wish for wish in wishes if any(file.name not in there for file in wish.files)]
    drawn, kept = 0, total - sum(len(wish.files) for wish in missing)
    progress(kept, total)
    for wish, contents in zip(missing, draw(missing), strict=True):
        for file, content in zip(wish.files, contents, strict=True):
            write_atomically(file, content)
        drawn += len(contents)
        progress(kept + drawn, total)
    rows = (
        {"file": file.name, **wish.options, "seed": wish.options.get("seed", 0) + index, "n": 1}
        for wish in wishes
        for index, file in enumerate(wish.files)
    )
    write_atomically(folder / INDEX, "".join(json.dumps(row) + "\n" for row in rows))
    return drawn, kept
