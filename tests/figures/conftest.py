"""What the tests of every lesson's figure share."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, JSHandle

from bozzetto.course import build
from bozzetto.course.serve import CourseServer
from browser import FIGURES, Visit, keep_picture, problems


@dataclass
class Tour:
    barriers: list[str]
    models: list[str]  # the files of models that were asked for
    troubles: list[str]


@pytest.fixture(scope="module")
def tour(request: pytest.FixtureRequest, chromium: Browser, course: CourseServer) -> Tour:
    """A lesson's figure, met for the first time by a browser that has nothing yet and led through all its states by
    the module's `states`."""
    number, states = request.module.NUMBER, request.module.states
    name = f"bz-{FIGURES[number]}"
    visit = Visit(chromium, course, viewport={"width": 1280, "height": 800})
    barriers = []
    for state in states(visit):
        barriers += [f"{state}: {problem}" for problem in problems(visit.page, name)]
        keep_picture(f"figure-{number}-{state.replace(', ', '-').replace(' ', '-')}", visit.page.locator(name))
    asked = visit.asked()
    models = [path for path in asked if path.startswith("models/") and not path.endswith(".md")]
    visit.context.close()
    alone = build.one_figure(FIGURES[number])
    assert [path for path in asked if path.startswith(("models/", "data/")) and path not in alone] == []
    return Tour(barriers, models, visit.troubles)


@pytest.fixture
def worker(reader: Visit) -> Iterator[JSHandle]:
    """ask(call, argument, onEvent) of the site's own worker, as web/runtime/messages.ts has it."""
    page = reader.open("glossary/index.html")
    yield page.evaluate_handle(
        """script => {
          const worker = new Worker(script, { type: "module" });
          const waiting = new Map();
          worker.onmessage = ({ data: { id, event, answer, error } }) => {
            const { resolve, reject, onEvent } = waiting.get(id);
            if (event) onEvent?.(event);
            else if (error) reject(new Error(error.message));
            else resolve(answer);
          };
          return (call, argument, onEvent) => new Promise((resolve, reject) => {
            worker.onerror = reject;
            waiting.set(waiting.size, { resolve, reject, onEvent });
            worker.postMessage({ id: waiting.size - 1, call, argument });
          });
        }""",
        f"{reader.course.url}assets/js/worker.js",
    )
    reader.leave()
