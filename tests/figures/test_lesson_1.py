"""Sort or make: what the sorter says and the maker draws is computed, can be used by everybody, and survives faults."""

import json

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

import bozzetto
from actions import bars, button, cancel, field, finished, make, retries, type_seed, unfold
from bozzetto.pictures import over_white
from browser import Visit, perturbed, pixels, replaced, served, t

pytest_plugins = ["browser"]

NUMBER = 1
FILMED = ("models/clip/text", "models/text_few_steps", "models/film")


def test_sorter_and_maker_are_computed(reader):
    figure = reader.figure(1, picture=0, seed=7)
    first = bars(figure)
    seven, eight = make(figure, 2)
    assert seven != eight
    type_seed(figure, 8)
    assert make(figure) == [eight]
    type_seed(figure, 7)
    assert make(figure) == [seven]
    figure.locator(".strip .pick").nth(5).click()
    expect(figure.locator(".sorted-bars li")).not_to_have_text(first, use_inner_text=True)
    assert bars(figure) != first
    towers = perturbed(reader.course, "clip/image") | perturbed(reader.course, "text_to_image")
    with replaced(reader.course, towers):
        figure = reader.figure(1, picture=0, seed=7)
        assert bars(figure) != first
        assert make(figure)[0] not in (seven, eight)


def test_the_maker_is_met_with_what_it_drew_earlier_until_it_draws_here(reader):
    figure = reader.figure(1, picture=0)
    made, said = figure.locator(".made-one"), figure.locator(".hint", has_text=t("sorter-maker.recorded"))
    badge = figure.locator("summary", has_text=t("shell.badge"))
    expect(made.last).to_be_enabled()
    expect(said).to_be_visible()
    expect(badge).to_contain_text(t("shell.recorded"))
    before = pixels(made.first.locator("canvas"))
    made.first.click()  # while the sorter may still be opening: it answers all the same
    bars(figure)
    expect(figure.locator(".neighbours li")).to_have_count(4)
    figure.get_by_label(t("sorter-maker.idea")).select_option("house")
    expect(made.first).to_be_disabled()
    expect(said).to_have_count(0)
    assert not any(pixels(made.first.locator("canvas")))  # nothing is left of another idea
    figure.get_by_label(t("sorter-maker.idea")).select_option("rocket")
    expect(made.last).to_be_enabled()
    [after] = make(figure)
    expect(said).to_have_count(0)
    expect(badge).to_contain_text(t("shell.live"))
    seen = [
        np.asarray(over_white(Image.fromarray(np.array(one, np.uint8).reshape(64, 64, 4)))) for one in (before, after)
    ]
    assert 0 < np.abs(seen[0].astype(int) - seen[1]).mean() < 8  # AVIF is lossy; another drawing is 30 away


SPEAKERS = """
globalThis.played = 0;
globalThis.AudioContext = class {
  destination = {};
  async resume() {}
  createBuffer(channels, length, rate) {
    return { copyToChannel: (samples) => (globalThis.heard = [rate, samples.length, Math.max(...samples)]) };
  }
  createBufferSource() {
    return { connect() {}, start: () => globalThis.played++ };
  }
};"""
FORBIDDEN = "globalThis.AudioContext = class { constructor() { throw new DOMException('no', 'NotAllowedError'); } };"


def kind(figure, name: str):
    """The card of a kind, after a press of its button."""
    card = figure.locator(".kinds > li").nth(["text", "sound", "video"].index(name) + 1)
    card.get_by_role("button", name=t(f"sorter-maker.kind-{name}-make"), exact=True).click()
    finished(figure)
    assert figure.get_by_role("alert").count() == 0
    return card


def test_a_story_a_sound_and_a_clip_are_made(visit):
    """As Python makes them of the same seeds; a second press makes another. No sound is played before Listen."""
    one = visit(SPEAKERS)
    figure = one.figure(1, picture=0, idea="cat", seed=3)
    bars(figure)
    badge = figure.locator("details", has_text=t("shell.badge"))
    for seed in (3, 4):
        expect(kind(figure, "text").locator(".kind-tale")).to_have_text(bozzetto.write("a cat", seed=seed))
    badge.locator("summary").click()
    expect(badge).to_contain_text(t("shell.training-writer"))
    expect(badge).not_to_contain_text(t("shell.training-sound"))
    spectrograms = [pixels(kind(figure, "sound").locator("canvas")) for _ in range(2)]
    assert spectrograms[0] != spectrograms[1]
    expect(badge).to_contain_text(t("shell.training-sound"))
    expect(badge).to_contain_text(t("shell.models.sound"))
    assert one.page.evaluate("[played, globalThis.heard]") == [0, None]
    button(figure, "sorter-maker.make").click()
    for name in ("text", "sound", "video"):  # one piece of work at a time: nothing ends it unasked
        expect(button(figure, f"sorter-maker.kind-{name}-make")).to_be_disabled()
    expect(button(figure, "sorter-maker.make")).to_be_disabled()
    button(figure, "shell.listen").click()
    one.page.wait_for_function("() => played === 1")
    expect(figure.locator(".made-one").nth(1)).to_be_enabled()  # it goes on
    cancel(figure)
    rate, length, loudest = one.page.evaluate("heard")
    assert (rate, length) == (16_000, 16_000) and 0.05 < loudest <= 1
    card = kind(figure, "video")
    expect(card.locator(".clip-frames li")).to_have_count(8)
    words = card.locator("p").inner_text()
    canvases = card.locator(".clip-frames canvas")
    shown = [np.array(pixels(canvases.nth(i)), np.uint8).reshape(64, 64, 4) for i in range(8)]
    for ours, theirs in zip(bozzetto.film(words, seed=3), shown, strict=True):
        seen = [np.asarray(over_white(each), int) for each in (ours, Image.fromarray(theirs))]
        assert abs(seen[0] - seen[1]).max() <= 3
    figure.get_by_label(t("sorter-maker.idea")).select_option("house")  # of the old idea nothing stays
    expect(figure.locator(".kind-tale, .clip")).to_have_count(0)
    expect(figure.locator(".heard")).to_have_count(1)
    assert one.troubles == []


def test_a_page_that_may_not_play_says_so(visit):
    figure = visit(FORBIDDEN).figure(1, picture=0)
    bars(figure)
    kind(figure, "sound")
    button(figure, "shell.listen").click()
    expect(figure.get_by_role("alert")).to_contain_text(t("shell.no-sound"))
    expect(button(figure, "shell.retry")).to_have_count(0)


def states(visit: Visit):
    figure = visit.figure(1, picture=0)
    bars(figure)
    # Where the reader's colours replace ours, bars are still seen, and so is what is chosen.
    visit.page.emulate_media(forced_colors="active")
    empty, full = (figure.locator(f".sorted-bars .match-bar{part}").first for part in ("", " i"))
    chosen, other = (figure.locator(f".way .pick:{which}(:has(:checked)) > span").first for which in ("is", "not"))
    look = "(e, name) => getComputedStyle(e)[name]"
    assert empty.evaluate(look, "backgroundColor") != full.evaluate(look, "backgroundColor")
    assert chosen.evaluate(look, "outlineStyle") == "solid" != other.evaluate(look, "outlineStyle")
    visit.page.emulate_media(forced_colors="none")
    labels = set(json.loads(visit.course.entries["/data/labels.json"].body)["names"])
    shown = figure.locator(".strip canvas").evaluate_all("all => all.map(e => e.getAttribute('aria-label'))")
    assert len(shown) == 12 and all(name.rpartition(", in the style")[0] in labels for name in shown), shown
    yield "start"
    make(figure)
    figure.locator(".made-one").first.click()
    expect(figure.locator(".neighbours")).to_be_visible()
    finished(figure)
    unfold(figure)
    yield "made and asked"
    button(figure, "sorter-maker.give").click()
    field(figure, "picture-input.draw").check()
    yield "given to the sorter"
    figure = visit.figure(1, picture=0, memoriser=1)
    bars(figure)
    make(figure)
    figure.locator(".made-one").first.click()
    expect(figure.locator(".taught")).to_be_visible()
    yield "the memoriser"
    for name in ("text", "sound", "video"):
        kind(figure, name)
    yield "four kinds"


def test_no_state_has_a_barrier(tour):
    assert tour.barriers == []


def test_nothing_goes_wrong_in_any_state(tour):
    assert tour.troubles == []


def test_the_models_are_small(tour, course):
    assert sum(path.endswith("model.safetensors") for path in tour.models) >= 2
    first = [path for path in tour.models if not path.startswith(("models/writer", "models/sound", *FILMED))]
    assert served(course, first) <= 8_000_000
    assert served(course, tour.models) <= 14_000_000


def test_sorter_and_maker_work_from_the_keyboard(reader):
    figure = reader.figure(1, picture=0)
    bars(figure)
    button(figure, "sorter-maker.make").press("Enter")
    expect(figure.locator(".progress")).to_be_visible()
    figure.locator(".more > summary").last.scroll_into_view_if_needed()
    boxes = [
        figure.locator(at).last.bounding_box() for at in (".figure-stage", ".work", ".progress", ".more > summary")
    ]
    stage, row, progress, more = (box or {} for box in boxes)
    assert stage["y"] + stage["height"] <= row["y"] == progress["y"]  # it has a row of its own, and lies on nothing
    assert progress["height"] <= row["height"] and row["y"] + row["height"] <= more["y"]
    first = figure.locator(".made-one").first
    expect(first).to_be_enabled()
    cancel(figure)
    first.press("Enter")
    expect(figure.locator(".neighbours li")).to_have_count(4)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("data/gallery.json", "data/gallery.json is missing"),
        ("models/clip/image/config.json", "config.json is missing"),
    ],
)
def test_a_missing_file_is_named_and_retried(visit, path, said):
    assert bars(retries(visit(), 1, path, None, said))
