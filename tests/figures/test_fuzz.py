"""Random input. By hand, on any page with a figure: ?fuzz&seed=3, for ten seconds."""

import pytest
from playwright.sync_api import expect

from browser import FIGURES, alternative, axe, t

pytest_plugins = ["browser"]
ACTIONS = 30
NAMES = ["button-name", "label", "select-name", "image-alt", "role-img-alt", "aria-input-field-name", "summary-name"]
FORGETFUL = "addEventListener('unhandledrejection', ({ reason }) => console.error('unhandled', String(reason)));"


@pytest.mark.parametrize("number", FIGURES)
def test_random_input_finds_nothing(visit, number):
    """No exception, no slip of the program in what is said, no control without a name, no call to elsewhere."""
    name = FIGURES[number]
    reader = visit(FORGETFUL)
    page = reader.open(f"figures/{name}/index.html?fuzz&seed={number}&actions={ACTIONS}")
    expect(page.locator(".fuzz")).to_have_text(t("site.script.fuzz-done", seed=number, actions=ACTIONS))
    assert reader.troubles == []
    assert axe(page, f"bz-{name}", NAMES) == []
    assert [path for path in reader.asked() if "://" in path] == []


def test_random_input_stays_away_without_its_flag(reader):
    page = reader.open("figures/match-score/index.html?seed=5")
    expect(alternative(page.locator("bz-match-score"))).to_have_count(1)
    assert not any("/fuzz-" in path for path in reader.asked())


def test_what_must_not_be_is_found(visit):
    """So that the test above can fail."""
    reader = visit()
    page = reader.open("figures/match-score/index.html?fuzz&seed=1&actions=60")
    page.locator(".figure-stage").evaluate(
        """stage => {
          const button = Object.assign(document.createElement("button"), { type: "button" });
          button.style.cssText = "width: 20px; height: 20px";
          stage.append("a cosine of NaN", button);
        }"""
    )
    expect(page.locator(".fuzz")).to_contain_text("60")
    assert any("it says NaN" in trouble for trouble in reader.troubles)
    assert any("no name: <button" in trouble for trouble in reader.troubles)
