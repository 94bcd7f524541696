"""Every live figure has its tests, and browsers that forbid or lack something leave a page that works."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from actions import RUN, scores
from browser import FIGURES, Visit, lesson_path, replaced, t

pytest_plugins = ["browser"]


def test_no_live_figure_is_left_out(course):
    pages = [entry.body.decode() for path, entry in course.entries.items() if path.startswith("/lessons/")]
    elements = [name for page in pages for name in re.findall(r"<bz-([a-z-]+)", page)]
    assert elements == list(FIGURES.values())
    tested = sorted(Path(__file__).parent.glob("test_lesson_*.py"))
    assert [path.stem for path in tested] == [f"test_lesson_{number}" for number in FIGURES]


def test_a_figure_whose_script_is_missing_can_be_tried_again(visit, course):
    reader = visit()
    scripts = [path[1:] for path in course.entries if path.startswith("/assets/js/words-steer")]
    with replaced(course, dict.fromkeys(scripts)):
        page = reader.open(lesson_path(course, 8))
        page.locator("bz-words-steer").scroll_into_view_if_needed()
        expect(page.get_by_role("alert")).to_contain_text(t("site.script.figure-failed"))
        expect(page.locator("bz-words-steer img.still")).to_be_visible()
    page.get_by_role("alert").get_by_role("button").click()
    expect(page.locator("bz-words-steer .figure-stage")).to_be_visible()


def the_rest_works(reader: Visit) -> None:
    question = reader.page.locator("fieldset.question").first
    question.get_by_role("radio").first.check()
    question.get_by_role("button", name=t("site.script.check")).click()
    expect(question.locator(".verdict")).not_to_be_empty()
    reader.page.locator("#theme").click()
    assert reader.page.evaluate("document.documentElement.dataset.theme") == "light"


FORBIDDEN = "(() => { throw new DOMException('storage is forbidden', 'SecurityError'); })()"


def test_everything_works_where_storage_is_forbidden(visit, course):
    forbid = "".join(
        f"Object.defineProperty(globalThis, '{name}', {{ get: () => {FORBIDDEN} }});\n"
        for name in ("localStorage", "sessionStorage", "caches", "indexedDB")
    )
    reader = visit(forbid)
    worker = "assets/js/worker.js"
    with replaced(course, {worker: forbid.encode() + course.entries[f"/{worker}"].body}):
        assert scores(reader.figure(7, picture=0))
        the_rest_works(reader)
        reader.asked()
        assert scores(reader.figure(7, picture=0))
    assert "models/clip/text/model.safetensors" in reader.asked()  # nothing was kept
    assert reader.troubles == []


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("WebAssembly.validate = () => false;", "too old for WebAssembly SIMD"),
        ("delete globalThis.WebAssembly;", "WebAssembly switched off"),
    ],
)
def test_an_old_browser_is_told_so(visit, script, said):
    reader = visit(script)
    for number in FIGURES:
        figure = reader.figure(number, **({"job": "ask"} if number == 9 else {}))
        if number in (5, 8):
            figure.get_by_role("button", name=RUN).click()
        expect(reader.page.get_by_role("alert")).to_contain_text(said)
        assert reader.page.get_by_role("alert").count() == 1
        the_rest_works(reader)
        reader.page.evaluate("localStorage.clear()")
    assert reader.troubles == []
