"""Sentences to choose from, for the reverse search: from a picture to words."""

from pathlib import Path

from bozzetto.errors import InvalidInput, MissingFile
from bozzetto.runtime import store
from bozzetto.runtime.requests import MAX_PROMPT
from bozzetto.world.captions import plain_name, with_article

MAX_CAPTIONS = 10_000


def world_names() -> list[str]:
    """What the pictures of the world are called ("a red apple"): the classes that the judge tells apart."""
    labels = store.open_model("judge")["labels"]
    return list(dict.fromkeys(with_article(plain_name(name)) for name in labels))


def read_captions(path: str | Path) -> list[str]:
    """The lines of a text file, each once, without empty ones.

    Raises MissingFile, or InvalidInput for a file that is no UTF-8, has no line, too many, or too long ones.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFile("captions", f"{path} is no file: name a text file with a sentence a line")
    if path.stat().st_size > 4 * MAX_CAPTIONS * MAX_PROMPT:
        raise InvalidInput("captions", f"{path} is too large: {MAX_CAPTIONS} lines at most")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput("captions", f"{path} is no UTF-8 text: save it as UTF-8") from None
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if not 0 < len(lines) <= MAX_CAPTIONS:
        raise InvalidInput("captions", f"{path} has {len(lines)} lines with words: 1 to {MAX_CAPTIONS} are allowed")
    if long := next((line for line in lines if len(line) > MAX_PROMPT), None):
        why = f"{path} has a line of {len(long)} characters: keep each to {MAX_PROMPT} at most"
        raise InvalidInput("captions", why)
    return lines
