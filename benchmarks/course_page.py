"""The course's figures in headless Chromium: which of the bars for a quick and quiet page hold on this machine.

    python benchmarks/course_page.py --runs 3 --out benchmarks/results/course_page.json

Each figure is met by a browser that has nothing yet, served from this machine; the numbers are medians over the runs.
Times are the wall's, so they mean nothing beside other work: the load average at the start is in the report. A task of
the page's main thread is measured in processor time, which does not count what others do meanwhile.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import threading
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from bozzetto.course import build, serve
from bozzetto.course.content import read_toml

WORDS = read_toml(build.HERE / "content/en/interface/shell.toml")
FILMS = ("speed-dial", "words-steer")


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
}
PICTURE, ANSWER, SMALL, WORDED, SCRUB, ROUNDS, FLICKER, TASK = BARS

PROBE = """
globalThis.probe = { paints: [] };
const shown = new WeakMap();
const { putImageData } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.putImageData = function (image, ...place) {
  const [canvas, text] = [this.canvas, image.data.join()];
  if (shown.get(canvas) !== text) probe.paints.push({ at: performance.now(), canvas });
  shown.set(canvas, text);
  return putImageData.call(this, image, ...place);
};
globalThis.until = async (test, began) => {
  while (!test()) await new Promise(requestAnimationFrame);
  return performance.now() - began;
};
"""
RUN = """async button => {
  const figure = button.closest(".figure");
  probe.paints = [];
  button.click();
  const began = performance.now();
  const steps = figure.querySelector("input[type=number][id$=steps]")?.valueAsNumber ?? 20;
  const ready = await until(() => figure.querySelector("progress")?.max === steps, began);
  return { ready, run: await until(() => !figure.querySelector(".progress"), began) - ready };
}"""
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
CHANGES = """() => Math.max(...probe.paints.map(({ at, canvas }) =>
  probe.paints.filter(other => other.canvas === canvas && other.at >= at && other.at < at + 1000).length))"""


def start(figure: Locator) -> dict[str, float]:
    """Run a film: milliseconds until its first step, and from there to its end."""
    either = "|".join(re.escape(WORDS[word]) for word in ("run", "recompute"))
    return figure.get_by_role("button", name=re.compile(either)).evaluate(RUN)


def rounds(figure: Locator) -> int:
    return int(re.sub(r"\D", "", figure.locator(".game-round b").inner_text()))


def measure(page: Page, url: str, name: str) -> dict[str, float]:
    """What there is to measure of a figure, as it is met for the first time."""
    page.goto(url)
    figure = page.locator(f"bz-{name}")
    figure.scroll_into_view_if_needed()
    found = {PICTURE: page.evaluate("until(() => probe.paints.length, 0)")}
    if name in FILMS:
        figure.locator(".shots canvas").first.wait_for()
        film = start(figure)
        found |= {ANSWER: film["ready"], FLICKER: page.evaluate(CHANGES)}
        if name == "speed-dial":
            found[SMALL] = film["run"]
        page.wait_for_timeout(3000)  # the pictures of all steps are decoded when there is nothing else to do
        found[SCRUB] = figure.locator(".scrubber input").evaluate(MOVES)
        if name == "words-steer":
            page.goto("about:blank")
            page.goto(f"{url}#{name}.num_inference_steps=4&{name}.seed=1")
            figure.locator(".controls").first.wait_for()
            found[WORDED] = start(figure)["run"]
        return found
    page.wait_for_function(
        "figure => / %/.test(figure.querySelector('.figure-stage').textContent)", arg=figure.element_handle()
    )
    figure.locator(".progress").wait_for(state="detached")
    found[ANSWER] = page.evaluate("performance.now()")
    if name == "step-the-game":
        page.evaluate("probe.paints = []")
        figure.get_by_role("button", name=WORDS["play"], exact=True).click()
        page.wait_for_function(
            "figure => /[1-9]/.test(figure.querySelector('.game-round b').textContent)", arg=figure.element_handle()
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
    return max(e["tdur"] / 1000 for e in events if "tdur" in e and names.get((e["pid"], e["tid"])) == "CrRendererMain")


def visit(browser: Browser, url: str, name: str) -> dict[str, float]:
    context = browser.new_context(reduced_motion="no-preference", viewport={"width": 1280, "height": 800})
    context.set_default_timeout(300_000)
    context.add_init_script(PROBE)
    browser.start_tracing(categories=["toplevel"])
    found = measure(context.new_page(), url, name)
    found[TASK] = longest_task(browser.stop_tracing())
    context.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/course_page.json"))
    args = parser.parse_args()
    load = os.getloadavg()[0]
    site = build.site()
    figures = {
        found[1].decode(): path
        for path, page in sorted(site.items())
        if isinstance(page, bytes) and (found := re.search(rb"<bz-([\w-]+)", page))
    }
    measured: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in BARS}
    with serve.open_server(site, build.not_found_page(), 0) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True).start()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        version = browser.version
        for _ in range(args.runs):
            for figure, path in figures.items():
                for name, value in visit(browser, server.url + path, figure).items():
                    measured[name][figure].append(value)
                    print(figure, name, round(value, 1), flush=True)
        browser.close()
        server.shutdown()
    bars = {}
    for name, bar in BARS.items():
        medians = {figure: round(statistics.median(values), 1) for figure, values in measured[name].items()}
        worst = (min if bar.at_least else max)(medians.values())
        limit = f"{'at least' if bar.at_least else 'at most'} {bar.limit:g} {bar.unit}"
        bars[name] = {"bar": limit, "holds": bar.holds(worst), "figures": medians}
    report = {
        "command": f"python benchmarks/course_page.py --runs {args.runs}",
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_average": round(load, 1),
        "chromium": version,
        "bars": bars,
    }
    print(json.dumps(report, indent=2))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
