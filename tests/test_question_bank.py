"""The question bank in a real Chromium: what its filters show, what is due, and what becomes of it in a browser that
keeps nothing, or whose clock is wrong."""

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import expect

from bozzetto.course.content import read_toml
from bozzetto.course.pages import HERE
from browser import lesson_path, problems, t

pytest_plugins = ["browser"]

BANK = "questions/index.html"
QUIZ = read_toml(HERE / "content/en/quiz.toml")["item"]
NOON = datetime(2026, 12, 1, 12)


def shown(page):
    return page.locator(".chapter fieldset.question:not([hidden])").evaluate_all("all => all.map(e => e.dataset.id)")


def answer(page, item, right):
    """Answer a question of the bank or of a round, wherever it stands."""
    place = [bool(option.get("right")) for option in item["options"]].index(right)
    question = page.locator(f"fieldset.question[data-id='{item['id']}']:visible")
    question.get_by_role("radio").nth(place).check()
    question.get_by_role("button", name=t("site.script.check")).click()


def opened(visit, *, script="", now=NOON):
    page = visit(script).page
    page.clock.set_fixed_time(now)
    return page


def at_bank(page, url):
    page.goto("about:blank")
    page.goto(url + BANK)
    page.locator(".bank-filter").wait_for()
    return page


def test_filters_show_what_they_name_and_the_address_keeps_them(reader):
    page = at_bank(reader.page, reader.course.url)
    assert len(shown(page)) == len(QUIZ)
    page.locator("select[name=lesson]").select_option("4")
    page.locator("select[name=difficulty]").select_option("2")
    page.get_by_role("searchbox", name=t("site.filter.words")).fill("GUESS")
    wanted = [item["id"] for item in QUIZ if item["lesson"] == 4 and item["difficulty"] == 2]
    found = shown(page)
    assert found and set(found) < set(wanted)
    words = {item["id"]: str([item["question"], [o["text"] for o in item["options"]]]).lower() for item in QUIZ}
    assert [name for name in wanted if "guess" in words[name]] == found
    expect(page.locator(".found [role=status]")).to_have_text(t("questions.found", count=len(found), total=len(QUIZ)))
    assert problems(page) == []
    expect(page).to_have_url(re.compile("questions.lesson=4.*questions.words=GUESS"))
    page.reload()
    page.locator(".bank-filter").wait_for()
    assert shown(page) == found
    page.get_by_role("searchbox", name=t("site.filter.words")).fill("zebra crossing at night")
    expect(page.locator(".found [role=status]")).to_have_text(t("questions.none-found"))
    page.get_by_role("button", name=t("site.filter.all")).click()
    expect(page.locator(".found [role=status]")).to_have_text(t("questions.found", count=len(QUIZ), total=len(QUIZ)))


@pytest.mark.parametrize("link", ["lesson=99", "difficulty=x&questions.mine=<b>", "words=" + "a" * 500])
def test_a_link_that_asks_for_what_is_not_there_shows_everything(reader, link):
    page = reader.open(f"{BANK}#questions.{link}")
    page.locator(".bank-filter").wait_for()
    assert len(shown(page)) == len(QUIZ)


def test_what_was_right_comes_back_on_its_days_and_what_was_wrong_at_once(visit, course):
    page = at_bank(opened(visit), course.url)
    page.locator(".chapter summary").first.click()
    right, wrong = QUIZ[:2]
    answer(page, right, True)
    answer(page, wrong, False)
    at_bank(page, course.url)
    page.get_by_role("heading", name=t("questions.due-one")).wait_for()
    for standing, ids in (("wrong", [wrong["id"]]), ("right", [right["id"]]), ("due", [wrong["id"]])):
        page.locator("select[name=mine]").select_option(standing)
        assert shown(page) == ids
    page.locator("select[name=mine]").select_option("new")
    assert len(shown(page)) == len(QUIZ) - 2

    page.get_by_role("button", name=t("questions.ask")).click()
    assert problems(page) == []
    answer(page, wrong, True)
    page.get_by_role("button", name=t("questions.finish")).click()
    page.get_by_role("heading", name=t("site.script.score", right=1, total=1)).wait_for()
    page.get_by_role("button", name=t("questions.back")).click()
    page.get_by_text(t("questions.tomorrow", count=2)).wait_for()

    page.clock.set_fixed_time(NOON + timedelta(days=1))
    at_bank(page, course.url)
    page.get_by_role("heading", name=t("questions.due", count=2)).wait_for()
    page.get_by_role("button", name=t("questions.ask")).click()
    answer(page, right, True)
    page.get_by_role("button", name=t("questions.next")).press("Enter")
    answer(page, wrong, False)
    page.get_by_role("button", name=t("questions.finish")).press("Enter")
    page.get_by_role("heading", name=t("site.script.score", right=1, total=2)).wait_for()
    page.clock.set_fixed_time(NOON - timedelta(days=400))  # a clock set back hides nothing for a year
    at_bank(page, course.url)
    page.get_by_role("heading", name=t("questions.due", count=2)).wait_for()


def test_a_full_store_is_said_and_a_state_of_another_version_is_set_aside(visit, course):
    full = "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); };"
    page = at_bank(opened(visit, script=full), course.url)
    page.get_by_text(t("questions.not-kept")).wait_for()
    page.locator(".chapter summary").first.click()
    answer(page, QUIZ[0], True)
    assert page.locator(".chapter .score").first.inner_text() == t("site.script.score", right=1, total=10)

    other = """if (location.protocol === "http:" && !localStorage.getItem("bozzetto.course.1")) {
      localStorage.setItem("bozzetto.course.1", '{"lessons":{"1":{"marks":[4]}}}');
    }"""
    page = at_bank(opened(visit, script=other), course.url)
    page.get_by_text(t("questions.aside")).wait_for()
    assert page.evaluate("localStorage.getItem('bozzetto.course.1.aside')") == '{"lessons":{"1":{"marks":[4]}}}'
    page.get_by_role("button", name=t("questions.drop-aside")).click()
    at_bank(page, course.url)
    assert page.get_by_text(t("questions.aside")).count() == 0


def quiz_of(page, count=10):
    """Answer a whole mixed quiz, all of it right but for lesson 3's; the ids of what was asked."""
    items = {item["id"]: item for item in QUIZ}
    asked = []
    for _ in range(count):
        asked.append(items[page.locator(".mixed fieldset.question").get_attribute("data-id")])
        answer(page.locator(".mixed"), asked[-1], asked[-1]["lesson"] != 3)
        page.locator(".mixed .next").click()
    return asked


def test_the_mixed_quiz_asks_from_all_lessons_and_says_where_to_look_again(visit, course):
    page = opened(visit)
    nine = course.url + lesson_path(course, 9)
    page.goto(nine)
    page.locator(".mixed").get_by_role("button", name=t("questions.begin")).click()
    page.locator(".mixed fieldset.question").wait_for()
    assert problems(page, ".mixed") == []
    link = page.url
    assert re.search(r"#mixed\.seed=\d+$", link)
    asked = quiz_of(page)
    assert {item["lesson"] for item in asked} == set(range(1, 10)) and len({item["id"] for item in asked}) == 10
    wrong = sum(item["lesson"] == 3 for item in asked)
    page.locator(".mixed h3", has_text=t("site.script.score", right=10 - wrong, total=10)).wait_for()
    again = page.locator(".mixed .round li")
    assert again.count() == 1
    assert again.get_by_role("link").get_attribute("href").endswith(lesson_path(course, 3))

    page.goto("about:blank")
    page.goto(link)  # the same ten, at once
    first = page.locator(".mixed fieldset.question")
    assert first.get_attribute("data-id") == asked[0]["id"]
    page.goto(nine + "#mixed.seed=1")
    expect(first.locator(".count")).to_have_text(t("questions.place", at=1, total=10))

    page.goto(course.url + "certificate/index.html")
    sheet = page.locator(".printed")
    best = t("questions.did-mixed", right=10 - wrong, total=10, date="December 1, 2026")
    expect(sheet.locator(".did")).to_contain_text(best)


def test_the_certificate_says_what_was_done_and_keeps_a_name_in_this_browser(visit, course):
    page = opened(visit)
    page.goto(course.url + "certificate/index.html")
    page.get_by_text(t("site.certificate_nothing")).wait_for()
    assert not page.locator(".printed").is_visible() and problems(page) == []
    page.goto(course.url + lesson_path(course, 2))
    page.locator("fieldset.predict input").first.check()
    page.locator("#quiz").scroll_into_view_if_needed()
    answer(page, QUIZ[10], True)
    page.goto(course.url + "certificate/index.html")
    page.get_by_label(t("site.certificate_name")).fill("<b>Ada</b>")
    assert page.locator("#sheet").inner_text() == t("questions.sheet", name="<b>Ada</b>")
    done = t("questions.did", read=1, lessons=9, played=0, predicted=1, answered=1, total=len(QUIZ), right=1)
    assert page.locator(".did").inner_text() == done
    assert page.locator("tr[data-lesson='2'] td").all_inner_texts() == [
        "✓",
        "–",
        "✓",
        t("questions.of", right=1, total=10),
    ]
    expect(page.locator(".plainly")).to_have_text(t("site.certificate_plainly"))
    assert problems(page) == []
    for paper in ("A4", "Letter"):
        assert page.pdf(format=paper).count(b"/Type /Page\n") == 1
    page.reload()
    expect(page.get_by_label(t("site.certificate_name"))).to_have_value("<b>Ada</b>")
