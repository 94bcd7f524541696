"""A lesson presented: one part at a time, from the keyboard alone, by a finger, and from a link."""

import pytest

from browser import axe, lesson_path, t, too_wide

pytest_plugins = ["browser"]

# The words of the lesson that can be seen now, without those of its figure, which change while it opens.
SEEN = """() => [...document.querySelectorAll(
    "article.lesson :is(h1, h2, p, li, legend, figcaption, .idea, .option, pre)")]
  .filter(e => e.checkVisibility() && !e.closest(".figure, .told")).map(e => e.textContent.trim())"""


def number(page):
    """Of the part that is shown, by the address."""
    return page.evaluate("Number(new URLSearchParams(location.search).get('present'))")


@pytest.fixture
def show(reader):
    page = reader.page
    page.set_viewport_size({"width": 1280, "height": 720})
    reader.open(f"{lesson_path(reader.course, 7)}?present")
    page.locator(".present-bar").wait_for()
    return page


def test_the_keyboard_goes_through_all_of_it(show):
    """Each part fits the screen, but for the figure; nothing is left out, and it says where it is."""
    last = int(show.locator(".present-at").inner_text().split()[-1])
    assert 15 < last < 40
    seen = []
    for part in range(1, last + 1):
        assert (number(show), show.locator(".present-at").inner_text()) == (part, f"{part} of {last}")
        words = show.evaluate(SEEN)
        figure = show.locator("bz-match-score").is_visible()
        assert words or figure, part
        seen += [*words, *["its figure"] * figure]
        assert too_wide(show) == []
        assert figure or show.evaluate("document.documentElement.scrollHeight") <= 720, words
        show.keyboard.press("PageDown" if part % 2 else "ArrowRight")
    assert number(show) == last  # there is nothing after it
    show.keyboard.press("PageUp")
    show.keyboard.press("ArrowLeft")
    assert number(show) == last - 2
    show.keyboard.press("Home")
    assert number(show) == 1
    show.keyboard.press("Escape")
    show.locator(".present-bar").wait_for(state="detached")
    assert number(show) == 0 and show.locator("header.site").is_visible()
    assert set(show.evaluate(SEEN)) - {t("site.quiz"), t("site.quiz_intro")} <= set(seen) and "its figure" in seen


def test_the_arrows_belong_to_a_figure_while_it_has_the_focus(show):
    while not show.locator("bz-match-score").is_visible():
        show.keyboard.press("PageDown")
    there = number(show)
    show.locator("bz-match-score .figure-stage input[type=radio]").first.focus()
    show.keyboard.press("ArrowRight")
    assert number(show) == there
    show.keyboard.press("PageDown")
    assert number(show) == there + 1


def test_a_link_and_a_button_open_it(reader):
    page = reader.open(f"{lesson_path(reader.course, 7)}?present=4")
    page.locator(".present-bar").wait_for()
    assert number(page) == 4
    page.get_by_role("button", name=t("site.script.present-leave")).click()
    page.get_by_role("button", name=t("site.script.present")).press("Enter")
    page.locator(".present-bar").wait_for()
    page.get_by_role("button", name=t("site.script.present-next")).press("Enter")
    assert number(page) == 2
    for nonsense in ("-3", "NaN", "<b>", "1e9"):
        page = reader.open(f"{lesson_path(reader.course, 7)}?present={nonsense}")
        page.locator(".present-bar").wait_for()
        assert number(page) >= 1


def test_a_swipe_goes_on(visit):
    reader = visit(has_touch=True, viewport={"width": 390, "height": 800})
    page = reader.open(f"{lesson_path(reader.course, 7)}?present=2")
    page.locator(".present-bar").wait_for()
    for end, part in ((40, 3), (340, 2), (195, 2)):
        page.evaluate(
            """end => {
              const send = (kind, clientX, list) => {
                const target = document.querySelector("main");
                const touch = new Touch({ identifier: 1, target, clientX, clientY: 300 });
                target.dispatchEvent(
                  new TouchEvent(kind, { bubbles: true, touches: list ? [touch] : [], changedTouches: [touch] }));
              };
              send("touchstart", 190, true);
              send("touchend", end, false);
            }""",
            end,
        )
        assert number(page) == part
    assert reader.troubles == []


def test_it_has_no_barrier(show):
    for part in range(1, 40, 5):
        if number(show) < part:
            break
        assert axe(show) == []
        for _ in range(5):
            show.keyboard.press("PageDown")
