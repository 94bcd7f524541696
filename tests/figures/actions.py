"""What a person does with the figures and what is then seen: roles, labels and texts, and nothing of how it is made."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, quote

import pytest
from playwright.sync_api import Locator, TimeoutError, expect

from bozzetto.course.serve import CourseServer
from browser import FIGURES, Visit, alternative, open_more, perturbed, pictures, pixels, problems, replaced, t

RUN = re.compile("|".join(re.escape(t(f"shell.{word}")) for word in ("run", "recompute")))
WAITING = "…"


def button(figure: Locator, key: str, **values: object) -> Locator:
    open_more(figure)  # as the person does who looks for it
    return figure.get_by_role("button", name=t(key, **values), exact=True)


def field(figure: Locator, key: str) -> Locator:
    open_more(figure)
    return figure.get_by_label(t(key), exact=True)


def finished(figure: Locator) -> None:
    expect(figure.locator(".progress")).to_have_count(0)


def cancel(figure: Locator) -> None:
    """End the work in hand, if it has not just come to its end."""
    figure.evaluate(
        "(figure, word) => [...figure.querySelectorAll('button')].find(e => e.textContent.trim() === word)?.click()",
        t("shell.cancel"),
    )
    finished(figure)


def unfold(figure: Locator) -> None:
    figure.evaluate("figure => figure.querySelectorAll('details').forEach(details => (details.open = true))")


def type_seed(figure: Locator, seed: int) -> None:
    field(figure, "shell.seed").fill(str(seed))
    figure.page.keyboard.press("Tab")


# ---------------------------------------------------------------- the address


def follow(figure: Locator, **values: str) -> None:
    """A link to the figure in this state, followed from the page that it is on."""
    name = figure.evaluate("figure => figure.localName.slice(3)")
    fragment = "&".join(f"{name}.{key}={quote(value)}" for key, value in values.items())
    figure.page.goto(f"{figure.page.url.partition('#')[0]}#{fragment}")


def expect_address(figure: Locator, **wanted: str | re.Pattern[str]) -> dict[str, str]:
    """Wait until the address says this of the figure; all that it says then."""
    name = figure.evaluate("figure => figure.localName.slice(3)")
    patterns = {
        f"{name}.{key}": value.pattern if isinstance(value, re.Pattern) else re.escape(value)
        for key, value in wanted.items()
    }
    try:
        address = figure.page.wait_for_function(
            """patterns => {
              const address = new URLSearchParams(location.hash.slice(1));
              const fits = ([key, pattern]) => address.has(key) && RegExp(`^(${pattern})$`).test(address.get(key));
              return Object.entries(patterns).every(fits) && location.hash.slice(1);
            }""",
            arg=patterns,
        ).json_value()
    except TimeoutError:
        pytest.fail(f"the address is {figure.page.url}, but was to say {wanted}", pytrace=False)
    fields = parse_qsl(address, keep_blank_values=True)
    return {key.removeprefix(f"{name}."): value for key, value in fields}


# ---------------------------------------------------------------- one thing of each lesson


def run(figure: Locator) -> list[int]:
    """Run what the settings of a film ask for, if a link has not done so; the picture at its end."""
    figure.get_by_role("button", name=RUN).evaluate("button => button.click()")  # disabled when all of it is there
    expect(figure.get_by_role("button", name=RUN)).to_be_disabled()
    finished(figure)
    return pixels(figure.locator(".shots canvas").first)


def scores(figure: Locator) -> list[str]:
    """Of the captions that are compared in lesson 7: cosines and shares."""
    expect(figure.locator(".match-captions")).not_to_contain_text(WAITING)
    return figure.locator(".match-captions .match-number").all_inner_texts()


def draw_dot(figure: Locator, presses: str) -> list[str]:
    """Draw with the keyboard in lesson 7; the scores of the drawing."""
    field(figure, "picture-input.draw").check()
    figure.locator(".board canvas").focus()
    for key in presses.split():
        figure.page.keyboard.press(key)
    return scores(figure)


def bars(figure: Locator) -> list[str]:
    """The labels and shares of the sorter in lesson 1."""
    expect(figure.locator(".sorted-bars li")).to_have_count(5)
    finished(figure)
    return figure.locator(".sorted-bars li").all_inner_texts()


def make(figure: Locator, count: int = 1) -> list[list[int]]:
    """The first pictures of the maker in lesson 1; the others need not be made."""
    button(figure, "sorter-maker.make").click()
    made = figure.locator(".made-one")
    expect(made.nth(count - 1)).to_be_enabled()
    cancel(figure)
    return [pixels(made.nth(i).locator("canvas").first) for i in range(count)]


def fakes(figure: Locator, rounds: int) -> tuple[list[list[int]], list[str]]:
    """Of the game in lesson 2, when it has come to a round: the fakes and their verdicts."""
    expect(figure.locator(".game-round")).to_have_text(t("step-the-game.round", rounds=rounds))
    shown = figure.locator(".figure-stage ol.fakes li")
    expect(shown.first).to_contain_text("%")
    return pictures(shown.locator("canvas")), shown.all_inner_texts()


def answered(figure: Locator) -> dict[str, object]:
    """Of the reader in lesson 6, when it has said all: the question, each word with its chance and the patch that it
    looked at most, and the picture lit where the word in hand looked; None where the eyes were closed."""
    finished(figure)
    expect(alternative(figure)).not_to_contain_text(t("read-the-picture.waiting"))
    expect(figure.get_by_role("alert")).to_have_count(0)
    answer = figure.locator(".answer").first
    rows = figure.locator("details", has_text=t("shell.in-words")).locator("tbody tr")
    lit = answer.locator("canvas")
    return {
        "question": answer.locator("h3 bdi").inner_text(),
        "words": rows.evaluate_all("rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"),
        "lit": pixels(lit) if lit.count() else None,
    }


def ask_again(figure: Locator) -> dict[str, object]:
    button(figure, "read-the-picture.ask").click()
    return answered(figure)


# ---------------------------------------------------------------- a broken file, and a link that takes time


def retries(
    visit: Visit, number: int, path: str, change: Callable[[bytes], bytes] | None, said: str, **state: object
) -> Locator:
    """A figure whose file at a path is changed, or missing: it says so, again when asked to try again, and can be used
    once the file is whole. The figure, when it has stopped saying so."""
    body = change and change(visit.course.entries[f"/{path}"].body)
    with replaced(visit.course, {path: body}):
        film = number in (5, 8)
        figure = visit.figure(number, **(state or ({"num_inference_steps": 1} if film else {"picture": 0})))
        if film:
            figure.get_by_role("button", name=RUN).click()
        alert = visit.page.get_by_role("alert")
        expect(alert).to_have_text(re.compile(said))
        assert alert.count() == 1
        assert problems(visit.page, f"bz-{FIGURES[number]}") == []
        button(figure, "shell.retry").click()
        expect(alert).to_have_text(re.compile(said))
    button(figure, "shell.retry").click()
    expect(alert).to_have_count(0)
    return figure


def cut(body: bytes) -> bytes:
    return body[: len(body) // 2]


def other(body: bytes) -> bytes:
    return bytes([body[0] ^ 1]) + body[1:]


@contextmanager
def held(course: CourseServer, path: str) -> Iterator[None]:
    """A file of the site does not come until this is over."""
    whole, over = course.entries[f"/{path}"], threading.Event()

    class Held:
        def __getattr__(self, name: str) -> object:
            over.wait()
            return getattr(whole, name)

    course.entries[f"/{path}"] = Held()
    try:
        yield
    finally:
        over.set()
        course.entries[f"/{path}"] = whole


# ---------------------------------------------------------------- films: what lessons 5 and 8 share

HOSTILE = {
    "seed": ["-1", "99999999999999999999", "NaN", "1.5", "1e3", "<script>alert(1)</script>", ""],
    "num_inference_steps": ["0", "1e9", "Infinity"],
    "guidance_scale": ["-5", "11", "--1"],
    "sampler": ["__proto__", "constructor", "x"],
    "at": ["-1", "99"],
    "prompt": ["x" * 301],
    "match": ["true", "2"],
    "label": ["__proto__", "toString", "unicorn", ""],
    "axis": ["constructor"],
}


def film_is_computed(reader: Visit, number: int, model: str, **state: str) -> None:
    """A seed decides the pixels, all of them; so do the weights."""

    def film() -> Locator:
        return reader.figure(number, num_inference_steps=2, seed=1, **state)

    figure = film()
    first = run(figure)
    type_seed(figure, 2)
    other = run(figure)
    type_seed(figure, 1)
    assert run(figure) == first != other
    with replaced(reader.course, perturbed(reader.course, model)):
        assert run(film()) != first


def film_works_from_the_keyboard(visit: Callable[..., Visit], number: int, shift: float = 1, **state: str) -> None:
    """shift: of the times of its model's steps."""
    reader = visit()
    page = reader.page
    page.clock.install(time=0)
    figure = reader.figure(number, num_inference_steps=3, seed=1, **state)
    figure.get_by_role("button", name=RUN).press("Enter")
    expect(figure.get_by_role("button", name=RUN)).to_be_disabled()
    finished(figure)
    stage = figure.locator(".figure-stage")
    stage.focus()
    words = figure.locator(".scrubber span")

    def expect_step(at: int) -> None:
        noise = shift * (1 - at / 3) / (shift * (1 - at / 3) + at / 3)
        expect(words).to_have_text(t("shell.at", step=at, steps=3, noise=f"{round(100 * noise)} %"))

    expect(words).to_contain_text("3")
    for key, at in (("ArrowLeft", 2), ("ArrowLeft", 1), ("ArrowRight", 2)):
        page.keyboard.press(key)
        expect_step(at)
    figure.get_by_label(t("shell.scrub")).press("ArrowLeft")
    expect_address(figure, at="1")
    for name, step in (("step", "2"), ("back", "1")):
        button(figure, f"shell.{name}").press("Enter")
        expect_address(figure, at=step)
    page.emulate_media(reduced_motion="no-preference")
    page.clock.pause_at(3600)
    stage.press(" ")
    expect(button(figure, "shell.pause")).to_be_visible()
    page.clock.run_for(500)
    expect_step(2)
    page.keyboard.press(" ")
    expect(button(figure, "shell.play")).to_be_visible()
    page.clock.resume()
    field(figure, "shell.seed").press("ControlOrMeta+a")
    page.keyboard.type("12345")
    page.keyboard.press("Enter")
    expect_address(figure, seed="12345")
    button(figure, "shell.new-seed").press("Enter")
    expect_address(figure, seed=re.compile(r"(?!12345$)\d+"))
    button(figure, "shell.reset").press("Enter")
    expect_address(figure, seed="7")
    assert reader.troubles == []


def film_survives_nonsense(reader: Visit, number: int, size: int) -> None:
    figure = reader.figure(number, seed=3)
    for round_ in range(7):
        values = {name: texts[round_ % len(texts)] for name, texts in HOSTILE.items()}
        follow(figure, **values, unknown="1", toString="2")
        refused = figure.locator("p.note[role=status]")
        expect(refused).to_contain_text(t("shell.seed"))
        expect(refused).to_contain_text(t("shell.sampler"))
        expect(field(figure, "shell.seed")).to_have_value("7")
        assert figure.locator("[role=alert]").count() == 0
    assert len(run(figure)) == size * size * 4


def film_does_without_its_recording(
    reader: Visit, number: int, kind: str, change: Callable[[bytes], bytes] | None
) -> None:
    """Where one of its files, by the ending of its name, is changed or missing."""
    path = f"data/recorded/{FIGURES[number]}.{kind}"
    body = change and change(reader.course.entries[f"/{path}"].body)
    with replaced(reader.course, {path: body}), reader.page.expect_response(f"**/{path}"):
        figure = reader.figure(number)
    expect(figure.locator("img.still")).to_be_visible()
    run(figure)
    expect(figure.locator(".scrubber span")).to_contain_text(t("shell.at", step=20, steps=20, noise="0 %"))
    assert [trouble for trouble in reader.troubles if "uncaught" in trouble] == []


def gap(one: Locator, other: Locator) -> float:
    """How many pixels of the page lie between two elements, one above the other."""
    (top, bottom), (start, end) = (
        element.evaluate("e => { const { top, bottom } = e.getBoundingClientRect(); return [top, bottom]; }")
        for element in (one, other)
    )
    return max(start - bottom, top - end, 0)


def expect_play_beside(figure: Locator, shown: Locator) -> None:
    """Play stands where what it plays is seen, on a wide page and on a phone."""
    page = figure.page
    before = page.viewport_size
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 640})
        assert gap(button(figure, "shell.play"), shown) < 200, width
    page.set_viewport_size(before)


# ---------------------------------------------------------------- flicker


def changes_a_second(figure: Locator, canvas: Locator, enough: int = 5) -> int:
    """How often a canvas changes within any second, at most, of the page's clock: which stands still between two looks
    (see `Clock.install`), so that neither a slow machine nor a quick one counts another number."""
    every = 50  # milliseconds
    before, changed = pixels(canvas), []
    while sum(changed) < enough:
        assert len(changed) < 20_000, f"{canvas} no longer changes"
        figure.page.clock.run_for(every)
        now = pixels(canvas)
        changed.append(now != before)
        before = now
    return max(sum(changed[at : at + 1000 // every]) for at in range(len(changed)))


def film_flickers_slowly(visit: Callable[..., Visit], number: int) -> None:
    """No more than three pictures a second while a film runs, whose clean picture is shown meanwhile, or is played."""
    reader = visit(reduced_motion="no-preference")
    reader.page.clock.install(time=0)
    figure = reader.figure(number)
    button(figure, "shell.recompute").wait_for()
    reader.page.clock.pause_at(3600)
    button(figure, "shell.recompute").click()
    noisy, clean = (figure.locator(".shots canvas").nth(at) for at in (0, 1))
    assert changes_a_second(figure, noisy, enough=3) <= 3
    assert len(set(pixels(clean))) > 50
    finished(figure)
    figure.get_by_label(t("shell.scrub")).fill("0")
    button(figure, "shell.play").click()
    assert 1 < changes_a_second(figure, noisy) <= 3
