"""What must hold of the lessons, the question bank, the glossary and the product lists, whatever their words are."""

import re
import shlex
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
import typer

from bozzetto.cli.app import app
from bozzetto.course.content import LESSON, read_glossary, read_quiz, read_source, read_teacher, read_toml
from bozzetto.course.pages import HERE

EN = HERE / "content/en"
WEB = HERE.parents[2] / "web"
LESSONS = [read_source(path, LESSON) for path in sorted(EN.glob("[0-9]-*.md"))]
QUIZ = read_quiz(EN / "quiz.toml", len(LESSONS))
GLOSSARY = read_glossary(EN / "glossary.toml", len(LESSONS))
PRODUCTS = read_toml(HERE / "content/products.toml")
WORDS_A_MINUTE = 200
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.path.stem)


def containers(text: str) -> list[tuple[str, str, str]]:
    """(kind, name, body) of every `::: kind name` container, in order."""
    return re.findall(r"^::: ([a-z-]+) ?([\w-]*)\n(.*?)^:::$", text, re.DOTALL | re.MULTILINE)


def bodies(text: str, kind: str) -> list[str]:
    return [body for name, _, body in containers(text) if name == kind]


def code(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def section(text: str, heading: str) -> str:
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, f"the section ## {heading} is missing"
    return found[1]


def items(text: str, mark: str) -> list[str]:
    return re.findall(rf"^{mark} (.+)$", text, re.MULTILINE)


def prose(text: str) -> str:
    """What a reader reads: no code, no marks, links as their words."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^:::.*$|^#+ |^(?:-|\d\.) ", "", text, flags=re.MULTILINE)
    return re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", text).replace("*", "")


def words(text: str) -> list[str]:
    return re.findall(r"[^\W_][\w'’-]*", text)


def syllables(word: str) -> int:
    """An estimate: groups of vowels, without a silent e at the end."""
    groups = len(re.findall(r"[aeiouy]+", word.lower()))
    silent = re.search(r"[^aeiouyl]e$|[^aeiouytd]ed$", word.lower())
    return max(1, groups - bool(silent))


def grade(text: str) -> float:
    """The school year that can read this (Kincaid et al. 1975); a line is at least a sentence."""
    sentences = [s for line in prose(text).splitlines() for s in re.split(r"[.!?:]+[\"”*]*(?:\s|$)", line) if words(s)]
    read = [word for sentence in sentences for word in words(sentence)]
    return 0.39 * len(read) / len(sentences) + 11.8 * sum(map(syllables, read)) / len(read) - 15.59


def script(lesson) -> Path:
    """What runs a lesson's figure, as web/core/figures.ts finds it."""
    return WEB / f"lessons/{lesson.front['number']}/{lesson.front['figure']}.figure.ts"


def right(item: dict) -> int:
    return next(i for i, option in enumerate(item["options"]) if option.get("right"))


def test_nine_lessons_in_about_half_an_hour() -> None:
    assert [lesson.front["number"] for lesson in LESSONS] == list(range(1, 10))
    assert 30 <= sum(lesson.front["minutes"] for lesson in LESSONS) <= 38


def test_no_figure_is_without_a_lesson() -> None:
    figures = set(WEB.glob("lessons/*/*.figure.ts"))
    assert figures == set(map(script, LESSONS))


@each_lesson
def test_a_lesson_has_all_its_parts_in_order(lesson) -> None:
    kinds = [(kind, name) for kind, name, _ in containers(lesson.text)]
    figure = ("figure", lesson.front["figure"])
    for kind, count in {figure: 1, ("predict", ""): 1, ("recap", ""): 1}.items():
        assert kinds.count(kind) == count, kind
    assert [kind for kind, _ in kinds].count("big-idea") == 1
    assert 1 <= kinds.count(("mixup", "")) <= 2
    assert kinds.index(("predict", "")) < kinds.index(figure), "predict first, then look"
    assert lesson.text.count("\n:::") == 2 * len(kinds), "a container is not closed"
    assert 3 <= len(items(section(lesson.text, "Try this"), r"\d\.")) <= 4
    assert words(section(lesson.text, "What comes next"))
    (question,) = bodies(lesson.text, "predict")
    assert len(items(question, "-")) == 3
    (recap,) = bodies(lesson.text, "recap")
    assert len(items(recap, "-")) == 3


@each_lesson
def test_a_section_has_one_picture_or_figure_beside_its_words(lesson) -> None:
    for part in re.split(r"^## ", lesson.text, flags=re.MULTILINE):
        assert sum(kind in ("figure", "big-idea") for kind, _, _ in containers(part)) <= 1, part[:40]


@each_lesson
def test_no_heading_stands_alone_above_a_picture_a_question_or_code(lesson) -> None:
    assert not re.findall(r"^## .*\n+(?::::|```).*", lesson.text, re.MULTILINE)


@each_lesson
def test_code_is_read_without_scrolling(lesson) -> None:
    blocks = re.findall(r"^```\w+\n(.*?)^```", lesson.text, re.MULTILINE | re.DOTALL)
    assert blocks and not [line for block in blocks for line in block.splitlines() if len(line) > 87]  # of 1280 pixels


@each_lesson
def test_captions_stand_for_their_pictures(lesson) -> None:
    for kind, name, body in containers(lesson.text):
        if kind in ("figure", "big-idea"):
            assert len(words(body)) >= 20, f"{name} needs a caption that carries the idea"


@each_lesson
def test_minutes_are_what_reading_takes(lesson) -> None:
    assert round(len(words(prose(lesson.text))) / WORDS_A_MINUTE) == lesson.front["minutes"]


@each_lesson
def test_a_fourteen_year_old_can_read_it(lesson) -> None:
    assert grade(lesson.text) <= 8.5


def test_the_reading_level_tells_easy_from_hard() -> None:
    hard = "Generative adversarial architectures necessitate simultaneous optimisation of antagonistic objectives."
    assert grade("The cat sat on the mat. It was a red mat.") < 2
    assert grade(hard) > 15


@each_lesson
def test_what_a_teacher_is_told_is_easy_to_read(lesson) -> None:
    notes = read_teacher(EN / f"teacher/{lesson.path.stem}.toml")
    told = [entry[key] for entry in notes["wrong"] for key in ("think", "say")]
    told += [task[key] for task in notes["task"] for key in ("do", "ask", "box", "answer") if key in task]
    assert grade("\n".join([*told, notes["guess"]])) <= 6
    assert notes["read"] > lesson.front["minutes"]  # a class reads more slowly than one who is used to it
    assert 2 <= len(notes["wrong"]) <= 4


def test_the_page_for_teachers_is_easy_to_read() -> None:
    assert grade(read_source(EN / "teachers.md", {}).text) <= 7


@each_lesson
def test_code_runs_as_far_as_can_be_seen(lesson) -> None:
    snippets = code(lesson.text, "python")
    assert snippets
    for snippet in snippets:
        compile(snippet, lesson.path.name, "exec")
    for line in "".join(code(lesson.text, "sh")).splitlines():
        program, verb, *arguments = shlex.split(line)
        assert program == "bozzetto"
        typer.main.get_command(app).commands[verb].make_context(verb, arguments)  # raises on an unknown option


def test_the_question_bank_is_full() -> None:
    assert len(QUIZ) >= 90
    for lesson in LESSONS:
        own = [item for item in QUIZ if item["lesson"] == lesson.front["number"]]
        assert len(own) >= 10, lesson.path.name
        assert {item["difficulty"] for item in own} == {1, 2, 3}, lesson.path.name
        assert len({right(item) for item in own[:3]}) > 1, f"{lesson.path.name}: the shown right answers stand alike"
    questions = Counter(item["question"] for item in QUIZ)
    assert max(questions.values()) == 1


@pytest.mark.parametrize("item", QUIZ, ids=lambda item: item["id"])
def test_options_teach(item) -> None:
    options = item["options"]
    assert len({option["text"] for option in options}) == len(options)
    assert len({option["why"] for option in options}) == len(options)
    for option in options:
        assert len(words(option["why"])) >= 5, option["why"]
        assert option["why"].startswith("Right") == option.get("right", False), option["why"]
        assert not re.search(r"\b(all|none|both) of the (above|others)\b", option["text"], re.IGNORECASE)


def test_the_right_option_does_not_give_itself_away() -> None:
    positions = Counter(right(item) for item in QUIZ)
    assert all(0.25 <= positions[place] / len(QUIZ) <= 0.42 for place in range(3)), positions
    longest = 0
    for item in QUIZ:
        lengths = [len(option["text"]) for option in item["options"]]
        longest += lengths[right(item)] == max(lengths)
    assert 0.2 <= longest / len(QUIZ) <= 0.45, f"the right option is the longest in {longest} of {len(QUIZ)} items"


def test_glossary_and_lessons_know_each_other() -> None:
    linked = {lesson.front["number"]: set(re.findall(r"\(glossary:([\w-]+)\)", lesson.text)) for lesson in LESSONS}
    assert not set.union(*linked.values()) - set(GLOSSARY), "linked, but not in glossary.toml"
    assert 45 <= len(GLOSSARY) <= 70
    for name, entry in GLOSSARY.items():
        assert name in linked[entry["lesson"]], f"lesson {entry['lesson']} does not link {name}"
        assert len(words(entry["means"])) <= 45, f"{name}: a sentence or two"


def test_products_are_named_in_one_place_only() -> None:
    uses = {key: names for key, names in PRODUCTS.items() if key != "as_of"}
    assert set(uses) == {"image", "design", "video_audio", "assistants"}
    for names in uses.values():
        assert names and names == sorted(set(names), key=str.casefold)
    names = {name for names in uses.values() for name in names} | {"DALL", "GPT", "OpenAI", "Photoshop", "Sora"}
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, sorted(names)))})\b", re.IGNORECASE)
    for path in [*EN.glob("*.md"), EN / "quiz.toml", EN / "glossary.toml"]:
        found = pattern.search(path.read_text(encoding="utf-8"))
        assert not found, f"{path.name} names {found[0]}: product names live in products.toml"


@pytest.mark.parametrize("name", ["../products.toml", "onward.toml"])
def test_the_dated_lists_are_not_stale(name) -> None:
    as_of = read_toml(EN / name)["as_of"]
    then, today = date.fromisoformat(f"{as_of}-01"), date.today()
    months = 12 * (today.year - then.year) + today.month - then.month
    assert months <= 12, f"{name} is of {as_of}: look through its lists and set as_of to this month"


def test_the_ways_onward_are_few_and_each_says_why() -> None:
    links = [link for group in read_toml(EN / "onward.toml")["group"] for link in group["links"]]
    assert 5 <= len(links) <= 9
    assert len({link["url"] for link in links}) == len(links)
    for link in links:
        assert re.fullmatch(r"https://[\w.-]+/[\w./-]*", link["url"]), link["url"]
        assert grade(link["why"]) <= 8.5, link["why"]


# ---------------------------------------------------------------- what the page says

WEB = HERE.parents[2] / "web"


def said() -> dict[str, set[str]]:
    """The keys of the words that a page carries, as web/ui/strings.ts has them, by the table that holds them."""
    tables = {path.stem: read_toml(path) for path in (EN / "interface").glob("*.toml")}
    return {name: set(words["script"] if name == "site" else words) for name, words in tables.items()}


def test_every_string_that_the_page_asks_for_is_there() -> None:
    """Else it would show the key. Where a key has a hole, something must fit it."""
    scripts = "".join(path.read_text() for path in WEB.rglob("*.ts") if not path.name.endswith(".test.ts"))
    tables, hole = said(), r"\$\{[^{}]*\}"
    asked = set(re.findall(rf"""["`]({"|".join(tables)})\.((?:[\w-]|{hole})+)["`]""", scripts))
    assert len(asked) > 200
    for name, key in asked:
        fits = re.compile("[a-z-]+".join(re.split(hole, key)))
        assert any(map(fits.fullmatch, tables[name])), f"{name}.{key}"
