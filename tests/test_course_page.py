"""Every page of the course in a real Chromium: offline, small, readable, reachable. Its live figures have tests of
their own in figures/."""

import io
import re
from dataclasses import dataclass
from urllib.request import Request, urlopen

import pytest
from PIL import Image, ImageStat

from browser import FIGURES, ROOT, keep_picture, lesson_path, pages, problems, served, t

pytest_plugins = ["browser"]

LESSONS = sorted(path.stem for path in (ROOT / "src/bozzetto/course/content/en").glob("[0-9]-*.md"))
LIVE = [f"lessons/{name}/index.html" for name in LESSONS if int(name[0]) in FIGURES]
QUIET = [f"lessons/{name}/index.html" for name in LESSONS if int(name[0]) not in FIGURES]
# Those whose stops are counted come first, so that each page is opened once for all that is asked of it.
CARD = "models/vlm/index.html"  # the one with the longest table stands for all
ALONE = "figures/match-score/index.html"  # a figure stands alone as in its lesson: one for all
TEACHER, SHEET = (f"lessons/{LESSONS[1]}/{page}/index.html" for page in ("teacher", "worksheet"))  # and so have these
APART = [ALONE, TEACHER, SHEET, "teachers/index.html"]
PATHS = [
    "index.html",
    *LIVE,
    *QUIET,
    "404.html",
    "glossary/index.html",
    "questions/index.html",
    "certificate/index.html",
    CARD,
    *APART,
]
ONE_FOR_ALL = re.compile(r"models/|figures/|lessons/[^/]+/(teacher|worksheet)/")
HEAVY = ("assets/ort/", "assets/js/worker", "models/")
# Until what came into view has been told so, and has been painted as it is now.
PAINTED = """globalThis.painted = async () => {
  for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
};"""


def read_through(reader, path):
    """Open a page and go down it as a reader does, so that what waits to come into view starts, and a live figure
    shows its first answer; what was seen to move."""
    page = reader.open(path)
    page.evaluate(PAINTED)
    moving = page.evaluate("""async () => {
      for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight / 2) {
        scrollTo({ top: y, behavior: "instant" });
        await painted();
        for (const { playState, effect } of document.getAnimations()) {
          if (playState === "running") moved.add(`${effect.target.localName}.${effect.target.getAttribute("class")}`);
        }
      }
      return [...moved];
    }""")
    if path in (*LIVE, ALONE):
        playing = reader.begun().get_by_role("button", name=t("shell.pause"), exact=True)
        moving += ["the figure"] * playing.count()
    return moving


@dataclass
class Read:
    path: str
    asked: list[str]
    moved: list[str]  # while less motion was wished for


@pytest.fixture(scope="module", params=PATHS)
def read(request, _shared):
    """A page read from top to bottom, and still open."""
    _shared.leave()
    _shared.asked()
    moved = read_through(_shared, request.param)
    return Read(request.param, _shared.asked(), moved)


# ---------------------------------------------------------------- offline and small


def test_all_pages_are_tested(course):
    """In English; test_course_languages_page.py has the other languages."""
    english = [path for path in pages(course) if not path.startswith("es/")]
    assert sorted(PATHS) == [path for path in english if not ONE_FOR_ALL.match(path) or path in PATHS]


def test_a_page_asks_only_its_own_site(read, reader):
    assert {read.path, "assets/js/main.js", "assets/js/theme.js"} <= set(read.asked)
    number = "7" if read.path == ALONE else read.path[8] if read.path in LIVE + QUIET else ""
    lesson = [f"assets/lessons/{number}.css"] if number else []
    lesson += ["assets/home.css"] if read.path == "index.html" else []
    if read.path in APART:
        lesson.append(f"assets/{'alone' if read.path == ALONE else 'teachers'}.css")
    assert [path for path in read.asked if path.endswith(".css")] == ["assets/site.css", *lesson]
    assert [path for path in read.asked if path.startswith(("http", "ws"))] == []


def test_a_page_is_small(read, course):
    """Its words, styles and scripts, those of its figure included, as they go over the wire. Its fonts are on top."""
    light = [path for path in read.asked if path.endswith((".html", ".css", ".js"))]
    assert len(light) > 4  # the page, its sheet, the theme and two scripts
    assert served(course, light) <= 150_000


def test_the_fonts_are_the_course_s_own_and_small(read, reader, course):
    fonts = [path[1:] for path in course.entries if path.endswith(".woff2")]
    assert len(fonts) == 3 and served(course, fonts) <= 105_000
    asked = {path for path in read.asked if path.endswith(".woff2")}
    assert {path for path in fonts if "-normal-" in path} <= asked <= set(fonts)
    reader.page.wait_for_function(
        """() => ["Serif", "Sans"].every(kind => document.fonts.check(`16px "Course ${kind}"`))
          && [...document.fonts].filter(({ status }) => status === "loaded").length >= 2"""
    )


def test_the_whole_course_is_small(course):
    assert served(course, [path[1:] for path in course.entries]) <= 33_000_000
    runtime = [path[1:] for path in course.entries if path.startswith("/assets/ort/")]
    assert len(runtime) == 3
    assert served(course, runtime) <= 3_700_000


def test_what_counts_as_compressed_is_sent_so(course):
    for path in (lesson_path(course, 1), "models/clip/text/model.safetensors"):
        with urlopen(Request(course.url + path, headers={"Accept-Encoding": "gzip"})) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert len(answer.read()) == served(course, [path])


def test_only_a_page_with_a_live_figure_asks_for_a_model(read):
    assert len(LIVE) == len(FIGURES)
    asked = [path for path in read.asked if path.startswith(HEAVY) and path != CARD]
    assert not asked or read.path in (*LIVE, ALONE)


def test_the_runtime_waits_until_a_figure_is_near(reader):
    reader.page.set_viewport_size({"width": 360, "height": 480})
    page = reader.open(lesson_path(reader.course, 7))
    page.get_by_role("button", name=t("site.script.check")).first.wait_for()  # the page's script has come to its quiz
    page.evaluate(PAINTED)
    page.evaluate("painted()")
    figure = page.locator("bz-match-score")
    assert figure.bounding_box()["y"] > 480 + 600
    assert [path for path in reader.asked() if path.startswith((*HEAVY, "assets/js/match-score"))] == []
    reader.begun()
    asked = reader.asked()
    assert all(any(path.startswith(heavy) for path in asked) for heavy in HEAVY)


# ---------------------------------------------------------------- without JavaScript

WORDS = "main :is(h1, h2, h3, p, li, figcaption, legend, label, dt, dd, th, td, pre, img, svg.picture)"


def hidden_words(page):
    """Words and pictures that cannot be seen, but for those in what is still folded and those for scripts alone."""
    return page.eval_on_selector_all(
        WORDS,
        """elements => elements.filter(element => {
          if (element.closest("[hidden], details:not([open]) > :not(summary), .visually-hidden")) return false;
          const { width, height } = element.getBoundingClientRect();
          const empty = element.localName === "img" ? !element.naturalWidth : !element.textContent.trim();
          return empty || !width || !height || !element.checkVisibility({ opacityProperty: true });
        }).map(element => element.outerHTML.slice(0, 120))""",
    )


@pytest.mark.parametrize("path", PATHS)
def test_a_page_reads_without_javascript(visit, path):
    page = visit(java_script_enabled=False).open(path)
    page.eval_on_selector_all("main details", "all => all.forEach(details => (details.open = true))")
    assert hidden_words(page) == []
    if path in LIVE + QUIET:
        assert page.locator("article p").count() > 15
        assert page.locator("fieldset.question .why").count() >= 9
        assert page.locator("fieldset.predict details[open]").count() >= 1
        assert page.locator(".figure figcaption").count() == 1
        assert page.locator(".figure img.still").count() == 1


# ---------------------------------------------------------------- on paper


def test_a_worksheet_is_two_printed_pages(reader, course):
    """On either paper; and the answers of the teacher's page begin a page of their own."""
    sheets = [path for path in pages(course) if path.endswith("/worksheet/index.html")]
    assert len({path.partition("lessons/")[2] for path in sheets}) == 9  # in every language
    for path in sheets:
        page = reader.open(path)
        for paper in ("A4", "Letter"):
            assert printed(page, paper) == 2, (path, paper)
    page = reader.open(TEACHER)
    folded = printed(page, "A4")
    page.locator(".answers summary").click()
    assert printed(page, "A4") == folded + 1


def printed(page, paper):
    """How many pages."""
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=paper)))


# ---------------------------------------------------------------- for everybody


def test_a_page_has_no_barrier_and_is_not_blank(read, reader):
    """axe finds nothing, in light and in dark; nothing scrolls sideways on a small phone or with large text. It is
    painted at three widths, in its colours."""
    page = reader.page
    assert problems(page) == []
    name = read.path.removesuffix("/index.html").removesuffix(".html").replace("/", "-")
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    for width, scheme in ((360, "light"), (360, "dark"), (768, "light"), (1280, "dark"), (1280, "light")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        keep_picture(f"{name}-{width}-{scheme}", page, full_page=True)
        small = Image.open(io.BytesIO(page.screenshot(type="jpeg")))
        small.draft("RGB", (small.width // 4, small.height // 4))
        assert len(small.getcolors(small.width * small.height)) > 100
        assert (ImageStat.Stat(small.convert("L")).median[0] < 100) == (scheme == "dark")


def test_nothing_moves_where_less_motion_is_wished_for(read):
    assert read.moved == []


def test_pictures_move_where_they_may(visit):
    """So that the test above can fail."""
    reader = visit(reduced_motion="no-preference")
    read_through(reader, f"lessons/{LESSONS[0]}/index.html")
    assert reader.page.wait_for_function("() => moved.size")


# What Tab stops at, in order: of each group of radio buttons the chosen one, or the first.
STOPS = """() => {
  const every = "a[href], button, input, select, textarea, summary, [tabindex]";
  const stops = [...document.querySelectorAll(every)].filter(
    e => e.tabIndex >= 0 && !e.disabled && e.checkVisibility({ visibilityProperty: true }));
  const group = e => e.type === "radio" ? stops.filter(o => o.type === "radio" && o.name === e.name) : [e];
  window.stops = stops.filter(e => (group(e).find(o => o.checked) ?? group(e)[0]) === e);
  const ring = e => getComputedStyle(e).outlineStyle !== "none" && parseFloat(getComputedStyle(e).outlineWidth) >= 2;
  // The dot of a radio button may be hidden, and its words wear the ring.
  window.ringed = e => [e, ...(e.type === "radio" ? [e.parentElement, ...e.parentElement.children] : [])].some(ring);
  window.covered = e => {
    const { left, top, width, height } = e.getClientRects()[0];
    const there = document.elementFromPoint(left + width / 2, top + height / 2);
    return !there || !(e.contains(there) || e.closest("label")?.contains(there));
  };
  return stops.length;
}"""
# After each Tab: where the focus is, and what is wrong with how it shows.
FOCUSED = """() => {
  const focus = document.activeElement;
  const wrong = [];
  if (!ringed(focus)) wrong.push("no ring");
  if (covered(focus)) wrong.push("covered");
  if (window.before && window.before !== focus && ringed(window.before)) wrong.push("the ring before stays");
  window.before = focus;
  return [stops.indexOf(focus), wrong.map(what => `${what}: ${focus.outerHTML.slice(0, 100)}`)];
}"""


@pytest.mark.parametrize("read", ["index.html", *LIVE], indirect=True)
def test_tab_reaches_everything_in_order(read, reader):
    """And the focus is seen wherever it is."""
    page = reader.page
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    assert page.evaluate(STOPS) > 15
    places, wrong = [], []
    for _ in range(page.evaluate("stops.length")):
        page.keyboard.press("Tab")
        place, faults = page.evaluate(FOCUSED)
        places.append(place)
        wrong += faults
    assert places == list(range(len(places)))
    assert wrong == []


def test_the_quiz_works_from_the_keyboard(reader):
    page = reader.open(f"lessons/{LESSONS[1]}/index.html")
    question = page.locator("fieldset.question").first
    verdict, check = question.locator(".verdict"), question.get_by_role("button", name=t("site.script.check"))
    check.press("Enter")
    assert verdict.inner_text() == t("site.script.choose")
    right = question.locator(".choice").evaluate_all("all => all.findIndex(e => 'right' in e.dataset)")
    question.get_by_role("radio").first.focus()
    for _ in range(3):  # once round
        page.keyboard.press("ArrowDown")
        chosen = question.get_by_role("radio").evaluate_all("all => all.findIndex(e => e.checked)")
        check.press("Enter")
        assert verdict.inner_text() == t("site.script.correct" if chosen == right else "site.script.incorrect")
        assert question.locator(".choice").nth(chosen).locator(".why").is_visible()
        question.get_by_role("radio").nth(chosen).focus()
    assert page.reload() and page.locator(".quiz .verdict").first.inner_text()  # and is remembered


def test_a_glossary_word_explains_itself_from_the_keyboard(reader):
    page = reader.open(f"lessons/{LESSONS[1]}/index.html")
    word = page.locator("a.term").first
    word.press("Enter")
    meaning = page.locator(".meaning")
    assert meaning.is_visible() and word.get_attribute("data-means") in meaning.inner_text()
    page.keyboard.press("Escape")
    assert not meaning.is_visible()
    assert word.evaluate("word => word === document.activeElement")
