"""Ten minutes at a figure: does the page's memory stay flat?

    python benchmarks/course_memory.py --rounds 9 --out benchmarks/results/course_memory.json

Each figure is played round after round (course_plays.py), and comes back to where it began. After each round garbage is
collected and what is left is counted: memory of page and worker (objects, arrays, WebAssembly), elements, listeners.
The first rounds open models and let code get compiled; the growth is the median slope of the others, so that one
collection more or less does not decide it. A round takes a person ten seconds at the least: what is said of ten minutes
is sixty times the growth of one, which is too much where a cache fills up to its bound.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

from playwright.sync_api import Browser, Page, Route

import course_page
from bozzetto.course.serve import CourseServer
from course_plays import PLAYS, Hand

WARM = 2  # rounds that do not count
ROUNDS = 60  # of ten minutes
# Runs before the worker's script: the memories of WebAssembly are shared with its threads, and so counted nowhere.
MEMORIES = """globalThis.memories = [];
WebAssembly.Memory = class extends WebAssembly.Memory {
  constructor(options) {
    super(options);
    memories.push(this);
  }
};
"""
LIMITS = {"bytes": 20_000_000, "elements": 600, "listeners": 600}  # more of each after ten minutes: ten a round


class Worker:
    """The debugger of the page's worker, which Playwright has no words for."""

    def __init__(self, browser: Browser, page: Page) -> None:
        self.page, self.session, self.answers = page, browser.new_browser_cdp_session(), {}
        self.session.on("Target.receivedMessageFromTarget", self._hear)
        here = self.session.send("Target.getTargets")["targetInfos"]
        # ONNX Runtime's threads are workers as well, which share the memory of this one.
        [worker] = [target["targetId"] for target in here if target["url"].endswith("/worker.js")]
        attached = self.session.send("Target.attachToTarget", {"targetId": worker, "flatten": False})
        self.id, self.asked = attached["sessionId"], 0

    def _hear(self, event: dict) -> None:
        message = json.loads(event["message"])
        if "id" in message:
            self.answers[message["id"]] = message.get("result", {})

    def send(self, method: str, parameters: dict | None = None) -> dict:
        self.asked += 1
        message = json.dumps({"id": self.asked, "method": method, "params": parameters or {}})
        self.session.send("Target.sendMessageToTarget", {"sessionId": self.id, "message": message})
        while self.asked not in self.answers:
            self.page.wait_for_timeout(10)
        return self.answers.pop(self.asked)

    def size(self) -> int:
        sizes = "memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0)"
        return size(self.send) + int(self.send("Runtime.evaluate", {"expression": sizes})["result"]["value"])


def size(send: Callable[[str], dict]) -> int:
    """Bytes that are left after a collection: objects of scripts, of the browser, and what lies outside of the heap."""
    send("HeapProfiler.collectGarbage")
    found = send("Runtime.getHeapUsage")
    return int(found["usedSize"] + found["embedderHeapUsedSize"] + found["backingStorageSize"])


def growth(samples: list[float]) -> float:
    """The median slope of a line through two samples."""
    return statistics.median((b - a) / (j - i) for (i, a), (j, b) in combinations(enumerate(samples), 2))


def remembering(route: Route) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, body=MEMORIES + answer.text())


def play(browser: Browser, course: CourseServer, name: str, rounds: int, script: str = "") -> dict[str, list[int]]:
    """What is left after each round."""
    context = browser.new_context(reduced_motion="no-preference", viewport={"width": 1280, "height": 800})
    context.set_default_timeout(course_page.PATIENCE)
    context.add_init_script(script)
    context.route("**/assets/js/worker.js", remembering)
    page = context.new_page()
    page.goto(course.url + course_page.figures()[name])
    hand = Hand(page.locator(f"bz-{name}"))
    hand.part.scroll_into_view_if_needed()
    session = context.new_cdp_session(page)
    worker, found = None, {"bytes": [], "elements": [], "listeners": []}
    for _ in range(rounds):
        PLAYS[name](hand)
        worker = worker or Worker(browser, page)
        found["bytes"].append(size(session.send) + worker.size())
        there = session.send("Memory.getDOMCounters")
        found["elements"].append(there["nodes"])
        found["listeners"].append(there["jsEventListeners"])
    context.close()
    return found


def judged(samples: dict[str, list[int]]) -> dict[str, dict]:
    """Whether ten minutes would leave each within its limit."""
    return {
        what: {
            "after": counts[-1],
            "more_in_ten_minutes": round(more := ROUNDS * growth(counts[WARM:])),
            "flat": more <= LIMITS[what],
        }
        for what, counts in samples.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--figures", nargs="*", default=list(PLAYS), metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/course_memory.json"))
    args = parser.parse_args()
    found = {}
    with course_page.opened() as (browser, course):
        version = browser.version
        for name in args.figures:
            samples = play(browser, course, name, WARM + args.rounds)
            found[name] = judged(samples)
            print(name, json.dumps(found[name]), samples["bytes"], flush=True)
    report = {
        "command": f"python benchmarks/course_memory.py --rounds {args.rounds}",
        "chromium": version,
        "limits": LIMITS,
        "figures": found,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
