"""The bars of the course's design on this machine: `make bars`, which is no part of `make test`, for times mean nothing
beside other work. What is measured, and how, is in benchmarks/course_page.py and course_memory.py."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

import course_memory
import course_page
from bozzetto.course.serve import CourseServer
from browser import FIGURES, PATIENCE, ROOT, Visit, lesson_path, t
from course_plays import PLAYS, Hand

pytest_plugins = ["browser"]
pytestmark = pytest.mark.bars
RESULTS = ROOT / "benchmarks/results"
ROUNDS = 6  # beside those that do not count; until then some caches still fill up to their bounds


@pytest.fixture(scope="module")
def plain(chromium: Browser) -> Iterator[Browser]:
    """A browser as people have it."""
    browser = course_page.launch(chromium.browser_type)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def report(plain: Browser, course: CourseServer) -> dict:
    """What was measured goes into benchmarks/results, whether the bars hold or not."""
    found = course_page.report(plain, course, runs=1)
    (RESULTS / "course_page.json").write_text(json.dumps(found, indent=2) + "\n")
    print(f"\n{course_page.table(found)}")
    return found


@pytest.mark.parametrize("bar", course_page.BARS)
def test_a_bar_holds(report, bar):
    found = report["bars"][bar]
    speed = {when: report[f"milliseconds_{when}"] for when in ("before", "after")}
    assert found["holds"], f"{bar}: {found['bar']}, but {found['figures']} on a machine of {speed}"


# ---------------------------------------------------------------- that these can fail


def test_a_long_task_is_found(plain, course):
    busy = "until => { while (performance.now() < until); }"

    def longest(act):
        plain.start_tracing(categories=["toplevel"])
        page = plain.new_page()
        page.goto(f"{course.url}glossary/index.html")
        act(page)
        page.wait_for_timeout(100)
        page.close()
        return course_page.longest_task(plain.stop_tracing())

    def later(page):
        page.evaluate(f"setTimeout(() => ({busy})(performance.now() + 400))")
        page.wait_for_timeout(500)

    quiet = longest(lambda page: page.evaluate(f"({busy})(performance.now() + 400)"))  # a task of the debugger
    assert longest(later) > quiet + 50


def test_a_leak_is_found(plain, course):
    leak = """globalThis.kept = [];
      addEventListener("click", () => kept.push(new Float64Array(5e4)), true);"""
    samples = course_memory.play(plain, course, "draw", course_memory.WARM + ROUNDS, leak)
    assert not course_memory.judged(samples)["bytes"]["flat"]


# ---------------------------------------------------------------- memory


@pytest.fixture(scope="module")
def memory() -> Iterator[dict]:
    found: dict = {}
    yield found
    (RESULTS / "course_memory.json").write_text(json.dumps(found, indent=2) + "\n")


@pytest.mark.parametrize("figure", PLAYS)
def test_ten_minutes_leave_memory_flat(plain, course, memory, figure):
    found = course_memory.judged(course_memory.play(plain, course, figure, course_memory.WARM + ROUNDS))
    memory[figure] = found
    print(f"\n{figure}: {found}")
    assert all(one["flat"] for one in found.values()), found


# ---------------------------------------------------------------- by everybody

WAYS = {
    "keys": {"viewport": {"width": 1280, "height": 800}},
    "touch": {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", FIGURES)
def test_a_lesson_is_played_from_top_to_bottom(plain, course, number, way):
    """The prediction, all of the figure, the quiz, and on: by keyboard alone, and by a finger on a small screen."""
    visit = Visit(plain, course, **WAYS[way])
    page = visit.open(lesson_path(course, number))
    hand = Hand(page.locator("body"), way)
    for question in page.locator("fieldset.predict").all():
        hand.press(question.get_by_role("radio").first)
        hand.press(question.locator("summary"))
        expect(question.locator(".predicted").first).to_be_visible()
    PLAYS[FIGURES[number]](Hand(page.locator(f"bz-{FIGURES[number]}"), way))
    for question in page.locator(".quiz:not(.mixed) fieldset.question").all():
        hand.press(question.locator(".choice[data-right] input"))
        hand.press(question.get_by_role("button", name=t("site.script.check")))
        expect(question.locator(".verdict")).to_have_text(t("site.script.correct"))
    there = page.locator("a.after").get_attribute("href")
    hand.press(page.locator("a.after"))
    page.wait_for_url(re.compile(re.escape(there.removeprefix("../").partition("#")[0].lstrip("./"))), timeout=PATIENCE)
    assert visit.troubles == []
    visit.context.close()
