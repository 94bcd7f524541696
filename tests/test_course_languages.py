"""What must hold of every translation of the course, whatever its words are: it says all that the English one says."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from bozzetto.course.content import MINUTES, check_translation, read_source, read_toml
from bozzetto.course.figures import NEEDS
from bozzetto.course.pages import HERE

EN = HERE / "content/en"
OTHERS = sorted(path for path in EN.parent.iterdir() if path.is_dir() and path != EN)
TEACHER = sorted((EN / "teacher").glob("*.toml"))
each_language = pytest.mark.parametrize("folder", OTHERS, ids=lambda folder: folder.name)
# What says the same in every language: names, signs, and words that the models read.
SAME = {
    "classes.places.hotel",
    "describe-redraw.first-picture",
    "describe-redraw.second-picture",
    "describe-redraw.vae",
    "draw.example",
    "draw.ideas",
    "match-score.own-caption",
    "match-score.query-first",
    "match-score.words-first",
    "match-score.words-ideas",
    "read-the-picture.paper-item",
    "same-blocks.first-ask",
    "same-blocks.first-repaint",
    "same-blocks.first-vary",
    "same-blocks.ms",
    "same-blocks.s",
    "same-blocks.said-chain",
    "shell.python",
    "site.megabytes",
    "site.name",
    "site.quotes",
    "sorter-maker.first-picture",
    "sorter-maker.idea",
    "sorter-maker.kind-video",
    "speed-dial.sampler-gan",
    "speed-dial.sampler-vae",
    "speed-dial.seconds",
    "speed-dial.short-gan",
    "speed-dial.short-vae",
    "spot-the-noise.axis-loss",
    "spot-the-noise.percent",
    "step-the-game.detective",
    "words-steer.disagrees",
    "words-steer.mark-color",
    "words-steer.vector",
}


def words(value: Any, place: str) -> dict[str, str]:
    """All strings of a table of tables and lists, by their places."""
    if isinstance(value, str):
        return {place: value}
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {key: text for name, more in inside for key, text in words(more, f"{place}.{name}").items()}


def said(folder: Path) -> dict[str, str]:
    """What the interface says."""
    found: dict[str, str] = {}
    for path in sorted((folder / "interface").glob("*.toml")):
        found |= words(read_toml(path), path.stem)
    return found


CODE = re.compile(r"^\s*([^\s#].*?)(?:\s+# .*)?$", re.MULTILINE)  # without the words about it


def facts(path: Path) -> dict[str, Any]:
    """What of a page's text does not depend on its language."""
    front, text = read_source(path, {}).front, path.read_text(encoding="utf-8")
    return {
        "front": {key: front.get(key) for key in ("number", "slug", "minutes", "figure")},
        "parts": re.findall(r"^(#+|:::.*|```\w*|-|\d\.)(?: |$)", text, re.MULTILINE),
        "links": sorted(re.findall(r"\]\(([^)]+)\)", text)),
        "code": [CODE.findall(code) for code in re.findall(r"^```.*?^```$", text, re.M | re.S)],
    }


def drawing(path: Path) -> list[tuple[str, str | None]]:
    """The kinds and classes of a picture's elements."""
    return [(element.tag, element.get("class")) for element in ElementTree.parse(path).iter()]


@each_language
def test_nothing_is_missing(folder):
    check_translation(folder, EN)


@each_language
def test_the_interface_says_the_same_with_the_same_holes(folder):
    english, theirs = said(EN), said(folder)
    for key, text in english.items():
        assert set(re.findall(r"\{\w+\}", theirs[key])) == set(re.findall(r"\{\w+\}", text)), key
        assert re.findall(r"^ | $", theirs[key]) == re.findall(r"^ | $", text), key


@each_language
def test_nothing_is_left_in_english(folder):
    english, theirs = said(EN), said(folder)
    alike = {
        key
        for key in english
        if english[key] == theirs[key] and not re.search(r"\.(families|scores)\.|models\.\d+\.title", key)
    }
    assert alike == SAME
    teaching = [(f"teacher/{path.stem}", ("think", "say", "title", "do", "ask", "answer")) for path in TEACHER]
    for file, fields in (("glossary", ("means",)), ("quiz", ("question", "why")), ("onward", ("why",)), *teaching):
        english, theirs = (words(read_toml(one / f"{file}.toml"), file) for one in (EN, folder))
        assert not [key for key in english if key.endswith(fields) and english[key] == theirs[key]]


@pytest.mark.parametrize("folder", [EN, *OTHERS], ids=lambda folder: folder.name)
def test_every_model_of_a_figure_has_a_name_that_a_stranger_can_read(folder):
    names = read_toml(folder / "interface/shell.toml")["models"]
    assert sorted(names) == sorted({model for models, _ in NEEDS.values() for model in models})


@each_language
@pytest.mark.parametrize("name", [path.name for path in sorted(EN.glob("*.md"))])
def test_a_page_has_the_same_parts_and_links(folder, name):
    assert facts(folder / name) == facts(EN / name)


@each_language
def test_questions_and_words_belong_to_the_same_lessons(folder):
    kept = ("id", "lesson", "difficulty")
    quizzes = [[[item[key] for key in kept] for item in read_toml(one / "quiz.toml")["item"]] for one in (EN, folder)]
    assert quizzes[0] == quizzes[1]
    glossaries = [{key: e["lesson"] for key, e in read_toml(one / "glossary.toml").items()} for one in (EN, folder)]
    assert glossaries[0] == glossaries[1]


@each_language
@pytest.mark.parametrize("name", [path.name for path in TEACHER])
def test_a_teacher_has_the_same_minutes_and_links(folder, name):
    english, theirs = (read_toml(one / "teacher" / name) for one in (EN, folder))
    assert all(theirs[key] == english[key] for key in MINUTES)
    assert [task.get("state") for task in theirs["task"]] == [task.get("state") for task in english["task"]]


@each_language
def test_the_ways_onward_lead_to_the_same_pages(folder):
    english, theirs = (read_toml(one / "onward.toml") for one in (EN, folder))
    urls = [[link["url"] for group in one["group"] for link in group["links"]] for one in (english, theirs)]
    assert (theirs["as_of"], urls[1]) == (english["as_of"], urls[0])


@each_language
@pytest.mark.parametrize("name", [path.name for path in sorted((EN / "pictures").glob("*.svg"))])
def test_a_picture_is_the_same_but_for_its_words(folder, name):
    english, theirs = EN / "pictures" / name, folder / "pictures" / name
    assert drawing(theirs) == drawing(english)
    title = "{http://www.w3.org/2000/svg}title"
    assert ElementTree.parse(theirs).findtext(title) != ElementTree.parse(english).findtext(title)


@each_language
def test_the_buttons_that_lessons_name_are_there(folder):
    """A lesson that says "press **Draw both**" says it as the figure's button does, where the English one does."""
    english, theirs = said(EN), said(folder)
    for path in sorted(EN.glob("[0-9]-*.md")):
        bold = [re.findall(r"\*\*([^*]+)\*\*", (one / path.name).read_text(encoding="utf-8")) for one in (EN, folder)]
        for name, twin in zip(*bold, strict=True):
            keys = {key for key, text in english.items() if plain(text) == plain(name)}
            assert not keys or plain(twin) in {plain(theirs[key]) for key in keys}, f"{path.name}: {twin}, {keys}"


def plain(text: str) -> str:
    return re.sub(r"[^\w ]", "", text).strip().casefold()
