"""The course in a real Chromium: one browser and one server for all tests of a process, and what is done with a page.

test_course_page.py and the tests in figures/ name this module as a plugin and import from it as well, so:
PYTEST_DONT_REWRITE. Nothing here waits for a time: what is waited for can be seen on the page.
"""

import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from bozzetto.course import build, serve
from course_plays import STRINGS, t

ROOT = Path(__file__).parents[1]
# A folder for pictures that people look at: to make them takes longer than to test what is in them.
SCREENS = os.environ.get("BOZZETTO_SCREENS")
AXE = (ROOT / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
# Of axe's rules, those that a change of colours can break.
COLOURS = ["color-contrast", "link-in-text-block"]
# The live figures by the number of their lesson, which is the first character of its file.
FIGURES = {
    int(path.name[0]): figure[1]
    for path in sorted((build.HERE / "content/en").glob("[0-9]-*.md"))
    if (figure := re.search(r"^::: figure ([\w-]+)$", path.read_text(encoding="utf-8"), re.MULTILINE))
}
PATIENCE = 240_000  # milliseconds for what takes two seconds on an idle machine: a green test never waits for them
expect.set_options(timeout=PATIENCE)

# Violations of the content security policy become errors of the console, which each visit collects. What begins to
# move is noted, for on a busy machine it may be at rest again before anybody looks.
WATCH = """document.addEventListener("securitypolicyviolation",
  e => console.error("refused by the CSP:", e.violatedDirective, e.blockedURI));
globalThis.moved = new Set();
for (const kind of ["animationstart", "transitionstart"]) {
  addEventListener(kind, ({ target }) => moved.add(`${target.localName}.${target.getAttribute("class")}`), true);
}"""


class Visit:
    """One page in a context of its own, with every address it asked for and everything that went wrong."""

    def __init__(self, browser: Browser, course: serve.CourseServer, script: str = "", **options: Any) -> None:
        self.course = course
        self.context = browser.new_context(**{"reduced_motion": "reduce"} | options)
        self.context.set_default_timeout(PATIENCE)
        self.requests: list[str] = []
        self.troubles: list[str] = []
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.context.on("console", lambda line: self._note(line.text) if line.type in ("error", "warning") else None)
        self.context.on("weberror", lambda error: self._note(f"uncaught {error.error}"))
        self.context.on("dialog", lambda dialog: (self._note(f"dialog {dialog.message}"), dialog.dismiss()))
        self.context.add_init_script(WATCH + script)
        self.page = self.context.new_page()

    def _note(self, trouble: str) -> None:
        self.troubles.append(f"{self.page.url.removeprefix(self.course.url)}: {trouble}")

    def leave(self) -> None:
        """Go to nothing, from where even a new fragment loads the page again. As a link goes there, in the process that
        is there: a new one for each page costs a third of its opening."""
        if self.page.url != "about:blank":
            self.page.evaluate("location.replace('about:blank')")
            self.page.wait_for_url("about:blank")

    def open(self, path: str) -> Page:
        self.leave()
        self.page.goto(self.course.url + path)
        return self.page

    def figure(self, number: int, **state: object) -> Locator:
        """The figure of a lesson in a state, started and in view."""
        name = FIGURES[number]
        fragment = "&".join(f"{name}.{key}={value}" for key, value in state.items())
        self.open(lesson_path(self.course, number) + (f"#{fragment}" if fragment else ""))
        figure = self.page.locator(f"bz-{name}")
        figure.scroll_into_view_if_needed()
        figure.locator(".figure-stage").wait_for()
        open_more(figure)
        return figure

    def begun(self) -> Locator:
        """The page's live figure, in view and with all that it shows at first."""
        name = FIGURES[int(self.page.locator("article").get_attribute("data-lesson") or 0)]
        figure = self.page.locator(f"bz-{name}")
        figure.scroll_into_view_if_needed()
        for nothing_yet in (t("shell.no-run"), STRINGS[name].get("waiting", t("shell.no-run"))):
            expect(alternative(figure)).not_to_contain_text(nothing_yet)
        expect(figure.locator(".progress")).to_have_count(0)
        return figure

    def asked(self) -> list[str]:
        """What was asked for since the last call: paths of the site, or whole addresses of anything else."""
        urls, self.requests = self.requests, []
        paths = [url.partition("#")[0].removeprefix(self.course.url) for url in urls]
        return [path for path in dict.fromkeys(paths) if not path.startswith(("data:", "blob:", "about:"))]


@pytest.fixture(scope="session")
def course() -> Iterator[serve.CourseServer]:
    with serve.open_server(build.site(), build.not_found_pages(), 0) as server:
        threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    # Without the window that nobody sees a page costs a third less.
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if not path:
        pytest.fail("chromium is missing: install it with `sudo apt-get install chromium`, or run `make test`", False)
    rules = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"  # no other host has an address
    with sync_playwright() as playwright:
        # Most pages live for a second: the optimised code of ONNX Runtime would cost more than all that is run in it.
        compiler = "--js-flags=--wasm-tiering-budget=1000000000"
        arguments = ["--no-sandbox", f"--host-resolver-rules={rules}", compiler]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, course: serve.CourseServer) -> Iterator[Callable[..., Visit]]:
    """visit(script, **options) opens a fresh context; all are closed after the test."""
    visits: list[Visit] = []

    def new(script: str = "", **options: Any) -> Visit:
        visits.append(Visit(chromium, course, script, **options))
        return visits[-1]

    yield new
    for one in visits:
        one.context.close()


@pytest.fixture(scope="session")
def _shared(chromium: Browser, course: serve.CourseServer) -> Iterator[Visit]:
    visit = Visit(chromium, course)
    yield visit
    visit.context.close()


@pytest.fixture
def reader(_shared: Visit) -> Iterator[Visit]:
    """A visit that tests share, so that models are fetched once; nothing may go wrong in it."""
    _shared.page.set_viewport_size({"width": 1280, "height": 800})
    _shared.page.emulate_media(color_scheme="light", reduced_motion="reduce")
    _shared.asked()
    yield _shared
    troubles, _shared.troubles = _shared.troubles, []
    if troubles:
        pytest.fail("\n".join(troubles), pytrace=False)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def plain_server(folder: Path) -> Iterator[str]:
    """Any web server: no headers of ours, and another origin than every other server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def pages(course: serve.CourseServer) -> list[str]:
    return sorted(path[1:] for path in course.entries if path.endswith(".html"))


def lesson_path(course: serve.CourseServer, number: int) -> str:
    return next(path for path in pages(course) if path.startswith(f"lessons/{number}-"))


def served(course: serve.CourseServer, paths: list[str]) -> int:
    """How many bytes these files are as they go over the wire."""
    entries = [course.entries[f"/{path}"] for path in paths]
    return sum(len(entry.encoded({"br", "gzip"})[1]) for entry in entries)


@contextmanager
def replaced(course: serve.CourseServer, files: dict[str, bytes | None]) -> Iterator[None]:
    """The site with other files at these paths, or with none."""
    before = {f"/{path}": course.entries.pop(f"/{path}") for path in files}
    course.entries |= {f"/{path}": serve.Entry(path, body) for path, body in files.items() if body is not None}
    try:
        yield
    finally:
        course.entries |= before


def perturbed(course: serve.CourseServer, model: str) -> dict[str, bytes | None]:
    """The model with 2,000 of its numbers changed, and a config.json that has the checksum of that."""
    paths = [f"models/{model}/{file}" for file in ("config.json", "model.safetensors")]
    config, weights = (course.entries[f"/{path}"].body for path in paths)
    changed = bytearray(weights)
    start = 9 + int.from_bytes(weights[:8], "little")
    for at in range(start, len(changed), 1 + len(changed) // 2000):
        changed[at] ^= 0x80  # a sign, or a digit, but no infinity
    facts = json.loads(config)
    facts["files"]["model.safetensors"]["sha256"] = sha256(changed).hexdigest()
    return dict(zip(paths, (json.dumps(facts).encode(), bytes(changed)), strict=True))


def keep_picture(name: str, shown: Page | Locator, **options: Any) -> None:
    """For people, where they asked for pictures."""
    if SCREENS:
        shown.screenshot(path=Path(SCREENS) / f"{name}.jpg", **options)  # half the time of a png


def axe(page: Page, selector: str = ":root", rules: list[str] | None = None) -> list[str]:
    """What axe finds, one line for each rule: the rule and the elements that break it."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(AXE)
    found = page.evaluate(
        """async ([selector, rules]) => {
          const options = { resultTypes: ["violations"], ...(rules && { runOnly: rules }) };
          const { violations } = await axe.run(selector, options);
          return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
        }""",
        [selector, rules],
    )
    return found


def problems(page: Page, selector: str = ":root") -> list[str]:
    """What is wrong with the page as it is: axe in light and dark, sideways scroll at 320 px and with large text."""
    before = page.viewport_size
    found = [f"light, {line}" for line in axe(page, selector)]
    page.emulate_media(color_scheme="dark")
    found += [f"dark, {line}" for line in axe(page, selector, COLOURS)]
    page.emulate_media(color_scheme="light")
    for width, font in ((320, "100%"), (640, "200%")):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("size => document.documentElement.style.fontSize = size", font)
        found += [f"{width} px, text {font}: {line}" for line in too_wide(page)]
    page.evaluate("document.documentElement.style.fontSize = ''")
    page.set_viewport_size(before)
    return found


def too_wide(page: Page) -> list[str]:
    """The innermost elements that make the page scroll sideways."""
    return page.evaluate("""() => {
      const width = document.documentElement.clientWidth;
      if (document.documentElement.scrollWidth <= width) return [];
      const wide = [...document.body.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > width + 1);
      const inner = wide.filter(e => !wide.some(other => other !== e && e.contains(other)));
      const names = inner.slice(0, 5).map(e => `${e.localName}.${e.className}`);
      return [`${document.documentElement.scrollWidth} px wide, by ${names.join(", ")}`];
    }""")


def open_more(figure: Locator) -> None:
    """Show the controls that wait behind More, as a click on it does; it stays open."""
    figure.locator("details.more").evaluate_all("all => all.forEach(details => (details.open = true))")


def alternative(figure: Locator) -> Locator:
    """What a figure shows, as a sentence."""
    return figure.locator("details", has_text=t("shell.in-words")).locator("p")


def pictures(canvases: Locator) -> list[list[int]]:
    """RGBA of canvases that have been painted. (As text, for numbers one by one take Playwright long.)"""
    expect(canvases.and_(canvases.page.locator(".waiting"))).to_have_count(0)
    found = canvases.evaluate_all("""canvases => canvases.map(canvas => {
      const { width, height } = canvas;
      const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      return copy.getImageData(0, 0, width, height).data.join();
    })""")
    return [list(map(int, text.split(","))) for text in found]


def pixels(canvas: Locator) -> list[int]:
    canvas.wait_for(state="attached")
    [found] = pictures(canvas)
    return found
