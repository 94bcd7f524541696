"""The course's figures in headless Chromium: which of the bars for a quick and quiet page hold on this machine.

    python benchmarks/course_page.py --runs 3 --out benchmarks/results/course_page.json

Each figure is met by a browser that has nothing yet, served from this machine, and then played once (course_plays.py);
the numbers are medians over the runs. Times are the wall's, so they mean nothing beside other work: how fast the
machine was is in the report, as two fixed pieces of work. A task of the page's main thread is measured in processor
time, which does not count what others do meanwhile; the debugger's, which only a measured page has, are left out. `make
bars` asserts what this measures.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, BrowserType, Locator, Page, expect, sync_playwright

from bozzetto.course import build, serve
from course_plays import PLAYS, Hand, t

FILMS = ("speed-dial", "words-steer")
# What is there once another figure has answered, and what is to be pressed before.
ANSWERED = {
    "draw": "[role=status]:has-text('“')",
    "sorter-maker": ".sorted-bars li",
    "step-the-game": "ol.fakes li:has-text('%')",
    "describe-redraw": "details.in-words p:text-matches('^At ')",
    "spot-the-noise": ".spot[aria-busy=false]",
    "read-the-picture": ".said-word",
    "match-score": ".match-captions .match-number:text-matches('[0-9]')",
    "same-blocks": ".drawn-pictures canvas",
}
PRESSED = {"draw": "form button", "same-blocks": ".run .button"}
PATIENCE = 300_000  # milliseconds, for what takes seconds on an idle machine


@dataclass(frozen=True)
class Bar:
    limit: float
    unit: str
    at_least: bool = False

    def holds(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


BARS = {
    "first picture after the page was asked for": Bar(1000, "ms"),
    "first answer of a model, nothing kept": Bar(5000, "ms"),
    "20 steps at 32 pixels": Bar(2500, "ms"),
    "4 steps of text-to-image": Bar(2000, "ms"),
    "slowest of 10 moves of the slider": Bar(50, "ms"),
    "rounds of the game": Bar(30, "a second", at_least=True),
    "changes of a canvas within a second": Bar(3, "times"),
    "longest task of the main thread": Bar(50, "ms of processor time"),
    "text, styles and scripts of a page": Bar(150, "KB as served"),
    "models before the first answer": Bar(8000, "KB as served"),
    "the runtime": Bar(3700, "KB as served"),
    "the whole course": Bar(33_000, "KB as served"),
}
PICTURE, ANSWER, SMALL, WORDED, SCRUB, ROUNDS, FLICKER, TASK, PAGE, MODELS, RUNTIME, COURSE = BARS

PROBE = """
globalThis.probe = { paints: [], drawn: false };
const shown = new WeakMap();
const { putImageData, drawImage } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.drawImage = function (...what) {
  probe.drawn = true; // a picture that was painted aside, as lesson 3's map
  return drawImage.apply(this, what);
};
CanvasRenderingContext2D.prototype.putImageData = function (image, ...place) {
  const { canvas } = this;
  let sum = 0; // of all numbers, each by its place: to put them into words takes longer than to paint them
  for (const four of new Uint32Array(image.data.buffer)) sum = (Math.imul(sum, 31) + four) | 0;
  if (shown.get(canvas) !== sum) probe.paints.push({ at: performance.now(), canvas });
  shown.set(canvas, sum);
  return putImageData.call(this, image, ...place);
};
globalThis.until = async (test, began) => {
  while (!test()) await new Promise(requestAnimationFrame);
  return performance.now() - began;
};
"""
RUN = """button => void (probe.run = new Promise(resolve => button.addEventListener("click", async () => {
  const figure = button.closest(".figure");
  probe.paints = [];
  const began = performance.now();
  const steps = figure.querySelector("input[type=number][id$=steps]")?.valueAsNumber ?? 20;
  const ready = await until(() => figure.querySelector("progress")?.max === steps, began);
  resolve({ ready, run: await until(() => !figure.querySelector(".progress"), began) - ready });
}, { once: true, capture: true })))"""
LOOP = """() => [...Array(9)].map(() => {
  const began = performance.now();
  for (let i = 0, x = 1; i < 2e7; i++) x = (Math.imul(x, 1664525) + 1013904223) | 0;
  return performance.now() - began;
})"""
MOVES = """async slider => {
  const times = [];
  for (let i = 1; i <= 10; i++) {
    const paints = probe.paints.length;
    slider.value = String((7 * i) % 20);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    times.push(await until(() => probe.paints.length > paints, performance.now()));
  }
  return Math.max(...times);
}"""
# How the trace names a message from Playwright.
DEBUGGER = "blink.mojom.DevToolsSession"
CHANGES = """() => Math.max(...probe.paints.map(({ at, canvas }) =>
  probe.paints.filter(other => other.canvas === canvas && other.at >= at && other.at < at + 1000).length))"""


def launch(kind: BrowserType) -> Browser:
    """A browser as people have it."""
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    return kind.launch(executable_path=path, args=["--no-sandbox"])


@contextmanager
def opened() -> Iterator[tuple[Browser, serve.CourseServer]]:
    """A browser, and the course served on this machine."""
    expect.set_options(timeout=PATIENCE)
    with serve.open_server(build.site(), build.not_found_pages(), 0) as course, sync_playwright() as playwright:
        threading.Thread(target=course.serve_forever, args=(0.2,), daemon=True).start()
        browser = launch(playwright.chromium)
        yield browser, course
        browser.close()
        course.shutdown()


def figures() -> dict[str, str]:
    """The page that each figure of the course is on, by its name."""
    return {
        found[1].decode(): path
        for path, page in sorted(build.site().items())
        if isinstance(page, bytes) and (found := re.search(rb"<bz-([\w-]+)", page))
    }


def served(course: serve.CourseServer, paths: list[str]) -> float:
    """Kilobytes of these files as they go over the wire."""
    entries = [course.entries[path] for path in paths]
    return sum(len(entry.encoded({"br", "gzip"})[1]) for entry in entries) / 1000


def machine(browser: Browser) -> dict[str, list[float]]:
    """How fast the machine is now: milliseconds that fixed work takes, the quickest of nine tries and the middle one.
    Far apart, they tell of other work."""
    page = browser.new_page()
    page.evaluate(LOOP)
    matrix, products = np.ones((768, 768), np.float32), []
    for _ in range(9):
        began = time.perf_counter()
        matrix @ matrix
        products.append(1000 * (time.perf_counter() - began))
    tries = {"a product of 768 x 768 in NumPy": products, "twenty million steps of a script": page.evaluate(LOOP)}
    page.close()
    return {name: [round(min(times), 1), round(statistics.median(times), 1)] for name, times in tries.items()}


def start(figure: Locator) -> dict[str, float]:
    """Run a film: milliseconds until its first step, and from there to its end."""
    either = "|".join(re.escape(t(f"shell.{word}")) for word in ("run", "recompute"))
    button = figure.get_by_role("button", name=re.compile(either))
    button.evaluate(RUN)
    button.click()
    return figure.page.evaluate("probe.run")


def rounds(figure: Locator) -> int:
    return int(re.sub(r"\D", "", figure.locator(".game-round").inner_text()))


def measure(page: Page, url: str, name: str, asked: Callable[[], float]) -> dict[str, float]:
    """What there is to measure of a figure, as it is met for the first time. `asked` tells how much of models was asked
    for so far."""
    page.goto(url)
    figure = page.locator(f"bz-{name}")
    figure.scroll_into_view_if_needed()
    hand = Hand(figure)
    found = {}
    if name not in PRESSED:
        found[PICTURE] = page.evaluate("until(() => probe.drawn || probe.paints.length, 0)")
    if name in FILMS:
        figure.locator(".shots canvas").first.wait_for()
        film = start(figure)
        found |= {ANSWER: film["ready"], FLICKER: page.evaluate(CHANGES)}
        if name == "speed-dial":
            found |= {SMALL: film["run"], MODELS: asked()}
        page.wait_for_timeout(3000)  # the pictures of all steps are decoded when there is nothing else to do
        found[SCRUB] = figure.locator(".scrubber input").evaluate(MOVES)
        if name == "words-steer":
            hand.write(hand.find("#words-steer-num_inference_steps"), "4")
            found[WORDED] = start(figure)["run"]
        return found
    began = 0.0
    if name in PRESSED:
        button = figure.locator(PRESSED[name])
        button.and_(page.locator(":enabled")).wait_for()
        hand.finished()
        began = page.evaluate("performance.now()")
        button.click()
    figure.locator(ANSWERED[name]).first.wait_for(state="attached")
    found |= {ANSWER: page.evaluate("performance.now()") - began, MODELS: asked()}
    if name == "step-the-game":
        page.evaluate("probe.paints = []")
        hand.press(hand.button("shell.play"))
        page.wait_for_function(
            "figure => /[1-9]/.test(figure.querySelector('.game-round').textContent)", arg=figure.element_handle()
        )
        before, began = rounds(figure), page.evaluate("performance.now()")
        page.wait_for_timeout(5000)
        found[ROUNDS] = 1000 * (rounds(figure) - before) / (page.evaluate("performance.now()") - began)
        found[FLICKER] = page.evaluate(CHANGES)
    return found


def longest_task(trace: bytes) -> float:
    """Of the pages' main threads, in milliseconds of processor time."""
    events = json.loads(trace)["traceEvents"]
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    threads = defaultdict(list)
    for event in events:
        if "tdur" in event and names.get((event["pid"], event["tid"])) == "CrRendererMain":
            threads[event["pid"], event["tid"]].append(event)
    longest = 0.0
    for tasks in threads.values():
        asked = [e["ts"] for e in tasks if DEBUGGER in str(e["args"])]
        own = [e for e in tasks if not any(e["ts"] <= at <= e["ts"] + e["dur"] for at in asked)]
        longest = max([longest, *(e["tdur"] / 1000 for e in own)])
    return longest


def visit(browser: Browser, course: serve.CourseServer, name: str, path: str) -> dict[str, float]:
    context = browser.new_context(reduced_motion="no-preference", viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE)
    context.add_init_script(PROBE)
    asked: dict[str, None] = {}  # what was asked for, once each
    context.on("request", lambda request: asked.update({"/" + request.url.removeprefix(course.url): None}))
    browser.start_tracing(categories=["toplevel"])
    page = context.new_page()

    def models() -> float:
        return served(course, [path for path in asked if path.startswith("/models/")])

    found = measure(page, course.url + path, name, models)
    page.goto("about:blank")
    page.goto(course.url + path)
    hand = Hand(page.locator(f"bz-{name}"))
    hand.part.scroll_into_view_if_needed()
    PLAYS[name](hand)
    found[TASK] = longest_task(browser.stop_tracing())
    text = [path for path in asked if path.endswith((".html", ".css", ".js"))]
    found[PAGE] = served(course, text)
    context.close()
    return found


def report(browser: Browser, course: serve.CourseServer, runs: int, names: Iterable[str] = PLAYS) -> dict:
    """The bars: where each lies, what was measured of each figure, and whether it holds."""
    where = figures()
    load = os.getloadavg()[0]
    measured: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in BARS}
    measured[COURSE]["all"] = [served(course, list(course.entries))]
    measured[RUNTIME]["all"] = [served(course, [path for path in course.entries if path.startswith("/assets/ort/")])]
    speed = machine(browser)
    for _ in range(runs):
        for figure in names:
            for name, value in visit(browser, course, figure, where[figure]).items():
                measured[name][figure].append(value)
                print(figure, name, round(value, 1), flush=True)
    speed_after = machine(browser)
    bars = {}
    for name, bar in BARS.items():
        if not measured[name]:
            continue
        medians = {figure: round(statistics.median(values), 1) for figure, values in measured[name].items()}
        worst = (min if bar.at_least else max)(medians.values())
        limit = f"{'at least' if bar.at_least else 'at most'} {bar.limit:g} {bar.unit}"
        bars[name] = {"bar": limit, "worst": worst, "holds": bar.holds(worst), "figures": medians}
    return {
        "command": f"python benchmarks/course_page.py --runs {runs}",
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_average": round(load, 1),
        "milliseconds_before": speed,
        "milliseconds_after": speed_after,
        "chromium": browser.version,
        "bars": bars,
    }


def table(found: dict) -> str:
    """A report for people."""
    lines = []
    for when in ("before", "after"):
        for name, (least, middle) in found[f"milliseconds_{when}"].items():
            lines.append(f"{name:<45} {least:10.1f}   ms, {middle:.1f} as a rule, {when}")
    for name, bar in found["bars"].items():
        verdict = "holds" if bar["holds"] else "MISSED"
        lines.append(f"{name:<45} {bar['worst']:10.1f}   {bar['bar']:<35} {verdict}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--figures", nargs="*", default=list(PLAYS), metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/course_page.json"))
    args = parser.parse_args()
    with opened() as (browser, course):
        found = report(browser, course, args.runs, args.figures)
    print(table(found))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
