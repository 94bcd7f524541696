"""What people write for the course, read and checked: Markdown with front matter, quiz, glossary, pictures.

A mistake is one ContentError that names the file and the line or the id, so that who wrote it can mend it.
"""

import re
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode
from markupsafe import Markup

from bozzetto.errors import BozzettoError

LESSON = dict.fromkeys(("slug", "title", "subtitle", "group", "summary", "figure"), str) | {
    "number": int,
    "minutes": int,
}


class ContentError(BozzettoError):
    """A mistake in the course's content; the message names the file and the line or the id."""


@dataclass(frozen=True)
class Source:
    """A Markdown file: its front matter, its text, and how many lines of the file stand before the text."""

    path: Path
    front: dict[str, Any]
    text: str
    offset: int

    def error(self, message: str, token: Token | SyntaxTreeNode | None = None) -> ContentError:
        line = f":{self.offset + token.map[0] + 1}" if token is not None and token.map else ""
        return ContentError(f"{self.path}{line}: {message}")


def read_toml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ContentError(f"{path}: the file is missing")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContentError(f"{path}: {error}") from error


def read_source(path: Path, wanted: Mapping[str, type]) -> Source:
    """A Markdown file with TOML front matter between two lines of `+++`, which has every wanted key."""
    if not path.is_file():
        raise ContentError(f"{path}: the file is missing")
    pieces = re.split(r"^\+\+\+[ \t]*\n", path.read_text(encoding="utf-8"), maxsplit=2, flags=re.MULTILINE)
    if len(pieces) != 3 or pieces[0].strip():
        raise ContentError(f"{path}:1: the file must start with front matter between two lines of +++")
    try:
        front = tomllib.loads(pieces[1])
    except tomllib.TOMLDecodeError as error:
        raise ContentError(f"{path}: front matter: {error}") from error
    source = Source(path, front, pieces[2], pieces[1].count("\n") + 2)
    for key, kind in wanted.items():
        if not isinstance(front.get(key), kind) or front[key] in ("", []):
            raise source.error(f"the front matter needs {key} as {kind.__name__}")
    return source


def check_translation(folder: Path, other: Path) -> None:
    """Raise ContentError unless two languages have the same files, and in TOML the same keys and as long lists."""
    for mine, theirs in ((folder, other), (other, folder)):
        for path in sorted(path for path in theirs.rglob("*") if path.is_file() and path.name[0] != "."):
            twin = mine / path.relative_to(theirs)
            if path.suffix == ".toml" and (missing := _keys(read_toml(path)) - _keys(read_toml(twin))):
                raise ContentError(f"{twin}: {min(missing)} is missing, which {path} has")
            if not twin.is_file():
                raise ContentError(f"{twin}: the file is missing, which {theirs.name} has")


def _keys(value: Any, place: str = "") -> set[str]:
    """The places of all values in a table of tables and lists."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {place}.union(*(_keys(more, f"{place}.{key}" if place else str(key)) for key, more in inside))


def read_glossary(path: Path, lessons: int) -> dict[str, dict[str, Any]]:
    glossary = read_toml(path)
    for name, entry in glossary.items():
        good = isinstance(entry, dict) and all(isinstance(entry.get(k), str) and entry[k] for k in ("term", "means"))
        if not good or entry.get("lesson") not in range(1, lessons + 1):
            raise ContentError(f"{path}: [{name}] needs term, means and lesson, the number of a lesson")
    return glossary


def read_quiz(path: Path, lessons: int) -> list[dict[str, Any]]:
    """The quiz items: each has one right option, and every option says why."""
    items = read_toml(path).get("item", [])
    seen: set[str] = set()
    for number, item in enumerate(items, 1):
        name = item.get("id")
        where = f"{path}: item {name or number}"
        if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9-]+", name):
            raise ContentError(f"{where} needs an id of small letters, digits and hyphens")
        if name in seen:
            raise ContentError(f"{where}: another item has this id")
        seen.add(name)
        if item.get("lesson") not in range(1, lessons + 1) or item.get("difficulty") not in (1, 2, 3):
            raise ContentError(f"{where} needs lesson, the number of a lesson, and difficulty, 1 to 3")
        options = item.get("options")
        if not item.get("question") or not isinstance(options, list) or len(options) not in (3, 4):
            raise ContentError(f"{where} needs a question and three or four options")
        for option in options:
            if not isinstance(option, dict) or not option.get("text") or not option.get("why"):
                raise ContentError(f"{where}: an option needs a text and a why, not {option}")
        if (right := sum(option.get("right") is True for option in options)) != 1:
            raise ContentError(f"{where} has {right} right options, it needs exactly one")
    return items


MINUTES = ("read", "figure", "talk")
TASK = ("title", "do", "ask", "answer")


def read_teacher(path: Path) -> dict[str, Any]:
    """What a teacher is told of a lesson: minutes, what learners get wrong, and three tasks with the figure."""
    notes = read_toml(path)
    wrong, tasks = notes.get("wrong", []), notes.get("task", [])
    if not all(isinstance(notes.get(key), int) for key in MINUTES) or not notes.get("guess"):
        raise ContentError(f"{path}: needs {', '.join(MINUTES)} in whole minutes, and a guess")
    if not wrong or not all(entry.get("think") and entry.get("say") for entry in wrong):
        raise ContentError(f"{path}: each [[wrong]] needs think and say")
    if len(tasks) != 3 or not all(entry.get(key) for entry in tasks for key in TASK) or not tasks[2].get("box"):
        raise ContentError(f"{path}: needs three [[task]], each with {', '.join(TASK)}, the last one with a box")
    return notes


def read_svg(path: Path) -> tuple[Markup, set[str]]:
    """A picture to stand inside a page, and the ids in it. The page's policy allows it no script and no style."""
    text = path.read_text(encoding="utf-8")
    try:
        drawing = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ContentError(f"{path}: {error}") from error
    tags = {element.tag.rpartition("}")[2] for element in drawing.iter()}
    names = {name for element in drawing.iter() for name in element.attrib}
    if drawing.tag != "{http://www.w3.org/2000/svg}svg" or "viewBox" not in drawing.attrib or "title" not in tags:
        raise ContentError(f"{path}: a picture is an <svg> of the SVG namespace with a viewBox and a <title>")
    banned = tags & {"script", "foreignObject", "image"} | {n for n in tags | names if n.startswith(("on", "style"))}
    if banned:
        raise ContentError(f"{path}: {min(banned)} is not allowed in a picture: put its looks in the lesson's sheet")
    ids = {element.attrib["id"] for element in drawing.iter() if "id" in element.attrib}
    return Markup(text[text.index("<svg") :].strip()), ids
