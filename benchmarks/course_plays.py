"""What a person does with each figure of the course, once round and back to where it began: by mouse, by keyboard alone
or by touch.

The benchmarks play it while they measure, and the bars' tests for everybody's sake. Events are real ones, which a page
handles in tasks of its own: what Playwright does by script would run in the tasks of the debugger. What is waited for
can be seen.
"""

import re
from collections.abc import Callable
from typing import Any, Literal

from playwright.sync_api import Locator, expect

from bozzetto.course import build
from bozzetto.course.content import read_toml

STRINGS = {path.stem: read_toml(path) for path in (build.HERE / "content/en/interface").glob("*.toml")}
WAITING = "…"


def t(key: str, **values: object) -> str:
    """What the page says for a key, as web/ui/strings.ts."""
    text: Any = STRINGS
    for part in key.split("."):
        text = text[part]
    for hole, value in values.items():
        shown = f"{value:,}" if isinstance(value, int) else str(value)
        text = text.replace(f"{{{hole}}}", shown)
    return text


# Where the focus is, seen from an element: 0 on it, or on a radio button of its group, else which way to go.
WAY = """e => {
  const focus = document.activeElement;
  const group = focus.type === "radio" && e.type === "radio" && focus.name === e.name && focus.form === e.form;
  if (focus === e || group) return 0;
  return focus.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_PRECEDING ? -1 : 1;
}"""


class Hand:
    """Somebody at a part of a page."""

    def __init__(self, part: Locator, way: Literal["mouse", "keys", "touch"] = "mouse") -> None:
        self.part, self.way, self.page = part, way, part.page

    # ---------------------------------------------------------------- to find

    def button(self, key: str, **values: object) -> Locator:
        return self.part.get_by_role("button", name=t(key, **values), exact=True, include_hidden=True)

    def field(self, key: str) -> Locator:
        return self.part.get_by_label(t(key), exact=True)

    def option(self, key: str) -> Locator:
        return self.part.get_by_role("radio", name=t(key), exact=True, include_hidden=True)

    def find(self, selector: str) -> Locator:
        return self.part.locator(selector)

    # ---------------------------------------------------------------- to do

    def press(self, target: Locator) -> None:
        """Of a button, a box, an option or a link, which may be folded away."""
        self._unfold(target)
        if self.way == "keys":
            self._go_to(target)
            kind = target.evaluate("e => e.type ?? e.localName")
            if kind == "radio":
                self._choose(target)
            else:
                self.page.keyboard.press("Space" if kind == "checkbox" else "Enter")
            return
        # The dot of an option may be out of sight: its words are pressed then.
        words = target.locator("xpath=self::input/ancestor::label")
        shown = words.first if words.count() else target
        if self.way == "touch":
            shown.tap()
        else:
            shown.click()

    def write(self, target: Locator, text: str) -> None:
        self._focus(target)
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)
        if target.get_attribute("type") == "number":
            self.page.keyboard.press("Tab")  # it is taken when it is left

    def turn(self, slider: Locator, to: Literal["Home", "End"]) -> None:
        """To an end."""
        self._unfold(slider)
        if self.way == "keys":
            self._go_to(slider)
            self.page.keyboard.press(to)
        else:
            self.point(slider, 0.02 if to == "Home" else 0.98, 0.5)

    def point(self, target: Locator, x: float, y: float) -> None:
        """At a place of it, as shares of its width and height; by keys, where the arrow leads and Space presses."""
        self._unfold(target)
        if self.way == "keys":
            self._go_to(target)
            for key in ("ArrowRight", "ArrowDown", "Space"):
                self.page.keyboard.press(key)
            return
        target.scroll_into_view_if_needed()
        box = target.bounding_box()
        assert box
        at: Any = {"x": x * box["width"], "y": y * box["height"]}
        if self.way == "touch":
            target.tap(position=at)
        else:
            target.click(position=at)

    def finished(self) -> None:
        """Wait until no work is in hand."""
        expect(self.find(".progress")).to_have_count(0)

    def _unfold(self, target: Locator) -> None:
        target.wait_for(state="attached")
        folded = target.locator("xpath=(self::*[not(self::summary)] | self::summary/..)/ancestor::details[not(@open)]")
        while folded.count():
            self.press(folded.first.locator(":scope > summary"))

    def _focus(self, target: Locator) -> None:
        self._unfold(target)
        if self.way == "keys":
            self._go_to(target)
        elif self.way == "touch":
            target.tap()
        else:
            target.click()

    def _go_to(self, target: Locator) -> None:
        """By Tab."""
        expect(target).to_be_enabled()
        for _ in range(1000):
            way = target.evaluate(WAY)
            if not way:
                return
            self.page.keyboard.press("Tab" if way > 0 else "Shift+Tab")
        raise AssertionError(f"no Tab leads to {target}")

    def _choose(self, radio: Locator) -> None:
        """By the arrow keys, from the option of its group that has the focus."""
        for _ in range(100):
            if radio.is_checked():
                return
            self.page.keyboard.press("ArrowDown")
        self.page.keyboard.press("Space")
        expect(radio).to_be_checked()


# ---------------------------------------------------------------- a figure each


def draw(hand: Hand) -> None:
    """The field of the first page."""
    said = hand.find("[role=status]").first
    hand.press(hand.button("draw.go"))
    expect(said).to_contain_text("“")
    before = said.inner_text()
    hand.press(hand.button("draw.another"))
    expect(said).not_to_have_text(before)
    expect(said).to_contain_text("“")
    hand.finished()


def sorter_maker(hand: Hand) -> None:
    hand.press(hand.find(".strip input").nth(3))
    expect(hand.find(".sorted-bars li")).to_have_count(5)
    hand.finished()
    hand.press(hand.button("shell.new-seed"))
    hand.press(hand.button("sorter-maker.make"))
    made = hand.find(".made-one")
    expect(made.nth(1)).to_be_enabled()
    hand.press(made.first)  # which ends the making: enough has been seen
    expect(hand.find(".neighbours").first).to_be_visible()
    hand.finished()
    hand.press(hand.button("sorter-maker.give"))
    hand.press(hand.button("shell.reset"))
    hand.finished()


def step_the_game(hand: Hand) -> None:
    def rounds(count: int) -> None:
        expect(hand.find(".game-round").first).to_have_text(t("step-the-game.round", rounds=count))
        expect(hand.find("ol.fakes li").first).to_contain_text("%")

    rounds(0)
    hand.press(hand.button("step-the-game.ten"))
    rounds(10)
    hand.press(hand.button("step-the-game.judge", count=8))
    hand.press(hand.find(".tick input").first)
    hand.press(hand.button("step-the-game.compare"))
    hand.press(hand.button("step-the-game.collapse"))
    expect(hand.find(".game")).to_have_count(2)
    expect(hand.find(".game-round").first).not_to_have_text(t("step-the-game.round", rounds=10))
    hand.press(hand.button("shell.pause"))
    hand.press(hand.button("step-the-game.alone"))
    expect(hand.find(".game")).to_have_count(1)
    for name, count in (("one", 1), ("many", 16)):
        hand.press(hand.button(f"step-the-game.emoji-{name}", count=16))
        expect(hand.find(".emoji-drawn canvas")).to_have_count(count)
        hand.finished()
    hand.press(hand.button("shell.reset"))
    rounds(0)
    hand.finished()


def describe_redraw(hand: Hand) -> None:
    def mode(name: str) -> None:
        hand.press(hand.option(f"describe-redraw.mode-{name}"))

    def says(pattern: str) -> None:
        expect(words(hand)).to_have_text(re.compile(pattern))
        hand.finished()

    says("^At .* Near it lie")
    hand.point(hand.part.get_by_role("application"), 0.3, 0.6)
    says("^At ")
    mode("redraw")
    says(" fine lines")
    mode("morph")
    says("of the way")
    mode("ideas")
    says("^12 new pictures")
    hand.press(hand.button("describe-redraw.draw-new", count=12))
    says("^12 new pictures")
    mode("holes")
    hand.press(hand.button("describe-redraw.throw", count=100))
    says("land in a hole")
    hand.press(hand.button("shell.reset"))
    hand.finished()


def spot_the_noise(hand: Hand) -> None:
    def guessed() -> None:
        expect(hand.find(".spot[aria-busy=false]")).to_be_visible()

    guessed()
    slider = hand.find(".noise-slider")
    for end in ("Home", "End"):
        hand.turn(slider, end)
        guessed()
    hand.press(hand.button("spot-the-noise.jump-run"))
    expect(hand.button("spot-the-noise.jump-run")).to_be_disabled()
    hand.finished()
    hand.press(hand.button("spot-the-noise.new-picture"))
    guessed()
    hand.press(hand.option("spot-the-noise.view-cloud"))
    expect(hand.find(".of-points")).to_have_text(re.compile(t("spot-the-noise.legend-flowing").partition("{")[0]))
    hand.finished()
    hand.turn(slider, "Home")
    hand.press(hand.option("spot-the-noise.view-picture"))
    hand.press(hand.button("shell.reset"))
    guessed()
    hand.finished()


def film(hand: Hand) -> None:
    """A run with another seed, looked through."""
    hand.press(hand.button("shell.new-seed"))
    hand.press(hand.button("shell.run"))
    expect(hand.button("shell.run")).to_be_disabled()
    hand.finished()
    slider = hand.field("shell.scrub")
    for end in ("Home", "End"):
        hand.turn(slider, end)
    hand.press(hand.button("shell.back"))


def speed_dial(hand: Hand) -> None:
    expect(hand.find(".shots canvas").first).to_be_visible()
    film(hand)
    hand.press(hand.button("speed-dial.compare-steps", sampler=t("shell.sampler-dpmpp_2m")))
    expect(hand.find(".cell:enabled").nth(1)).to_be_enabled()
    hand.press(hand.button("shell.reset"))
    hand.finished()


def read_the_picture(hand: Hand) -> None:
    def answered() -> None:
        hand.finished()
        expect(words(hand)).not_to_contain_text(t("read-the-picture.waiting"))

    answered()
    hand.press(hand.find(".tiles button").nth(9))
    hand.press(hand.button("read-the-picture.shuffle"))
    hand.press(hand.button("read-the-picture.ask"))
    expect(hand.find(".answer")).to_have_count(2)
    answered()
    hand.press(hand.find(".tray [aria-label=crab]"))
    hand.write(hand.field("read-the-picture.question"), "how many crabs?")
    hand.press(hand.button("read-the-picture.ask"))
    answered()
    hand.press(hand.button("shell.reset"))
    answered()


def match_score(hand: Hand) -> None:
    expect(hand.find(".match-captions")).not_to_contain_text(WAITING)
    hand.press(hand.button("shell.new-seed"))
    for name in ("matrix", "search", "map", "traps"):
        hand.press(hand.option(f"match-score.mode-{name}"))
        expect(hand.find(".figure-stage")).not_to_contain_text(WAITING)
    hand.press(hand.button("match-score.measure", count=40))
    expect(hand.find(".pager [role=status]")).not_to_be_empty()
    hand.finished()
    hand.press(hand.option("match-score.mode-steer"))
    hand.press(hand.button("match-score.steer"))
    expect(hand.find(".steer-chart")).to_be_visible()
    hand.press(hand.button("shell.reset"))
    hand.finished()


def words_steer(hand: Hand) -> None:
    expect(hand.find(".shots canvas").first).to_be_visible()
    hand.write(hand.find("#words-steer-num_inference_steps"), "4")
    film(hand)
    hand.press(hand.button("words-steer.grow"))
    expect(hand.find(".trial.grow")).to_be_visible()
    hand.finished()
    hand.press(hand.button("words-steer.many"))
    expect(hand.find(".trial.seeds :is(.yes, .no)").first).to_be_visible()
    hand.press(hand.button("shell.reset"))
    hand.finished()


def same_blocks(hand: Hand) -> None:
    expect(hand.find(".in canvas").first).to_be_visible()
    hand.finished()
    for job in ("vary", "find", "ask"):
        hand.press(hand.option(f"same-blocks.job-{job}"))
        hand.press(hand.find(".run .button"))
        expect(words(hand)).to_have_text(re.compile(PICTURED[job]))
        hand.finished()
    hand.press(hand.button("shell.reset"))
    hand.finished()


# How the figure in words ends a job.
PICTURED = {"vary": "pictures", "find": "nearest", "ask": "the model says"}


def words(hand: Hand) -> Locator:
    """What a figure shows, as a sentence."""
    return hand.find("details.in-words > p")


PLAYS: dict[str, Callable[[Hand], None]] = {
    "draw": draw,
    "sorter-maker": sorter_maker,
    "step-the-game": step_the_game,
    "describe-redraw": describe_redraw,
    "spot-the-noise": spot_the_noise,
    "speed-dial": speed_dial,
    "read-the-picture": read_the_picture,
    "match-score": match_score,
    "words-steer": words_steer,
    "same-blocks": same_blocks,
}
