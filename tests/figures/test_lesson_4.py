"""Spot the noise: its guesses are computed, agree with Python, can be used by everybody, and survive faults."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

import bozzetto
from actions import button, changes_a_second, expect_address, field, finished, follow, retries, type_seed, unfold
from bozzetto.course import build
from bozzetto.runtime import sample, store
from browser import FIGURES, Visit, alternative, perturbed, pictures, pixels, problems, replaced, served, t

pytest_plugins = ["browser"]

NUMBER = 4
PLACES = ("noisy", "seen", "missed", "imagined")


def guess(figure: Locator) -> dict[str, np.ndarray]:
    """The four pictures, when all are of what is asked for: int [32,32,3]."""
    expect(figure.locator(".spot[aria-busy=false]")).to_be_visible()
    found = pictures(figure.locator(".spot canvas"))
    return {place: np.array(one).reshape(32, 32, 4)[..., :3] for place, one in zip(PLACES, found, strict=True)}


def noise_of(figure: Locator, value: int) -> dict[str, np.ndarray]:
    slider(figure).fill(str(value))
    return guess(figure)


def slider(figure: Locator) -> Locator:
    return figure.get_by_role("slider", name=t("spot-the-noise.noise"))


def roughness(picture: np.ndarray) -> float:
    """How much a block of four pixels differs from its neighbours; the model leaves faint specks on single ones."""
    blocks = picture.reshape(16, 2, 16, 2, 3).mean((1, 3))
    return abs(np.diff(blocks, axis=0)).mean() + abs(np.diff(blocks, axis=1)).mean()


def learned(figure: Locator) -> str:
    """Of the cloud, when its network has learned and the noise has flowed: the path of the points."""
    expect(figure.locator(".of-points")).to_have_text(re.compile(t("spot-the-noise.legend-flowing").partition("{")[0]))
    finished(figure)
    return figure.locator(".cloud-points").get_attribute("d")


def test_a_guess_is_computed(reader):
    """Picture, noise, class, level and weights decide it, and the same ones repeat it."""
    figure = reader.figure(4, picture=48, noise=70, seed=1)
    first = guess(figure)
    for place, other in noise_of(figure, 71).items():
        assert (other != first[place]).any(), place
    unfold(figure)
    for change, back in (
        (lambda: type_seed(figure, 2), lambda: type_seed(figure, 1)),
        (lambda: field(figure, "spot-the-noise.label").select_option("food-fruit"),
         lambda: field(figure, "spot-the-noise.label").select_option("any")),
        (lambda: figure.locator(".spot ~ .strip .pick").nth(2).click(),
         lambda: figure.locator(".spot ~ .strip .pick").nth(1).click()),
    ):  # fmt: skip
        change()
        assert (noise_of(figure, 70)["imagined"] != first["imagined"]).any()
        back()
        again = noise_of(figure, 70)
        assert all((again[place] == first[place]).all() for place in PLACES)
    field(figure, "spot-the-noise.truth").check()
    added = guess(figure)["seen"]
    assert (added != first["seen"]).any()
    with Image.open(build.HERE / "data/gallery.avif") as sheet:
        frog = sheet.convert("RGBA").crop((16 * 64, 64, 17 * 64, 128))  # number 48, of 32 in a row
    noisy, drawn = bozzetto.denoise(frog, 0.7, seed=1)
    for place, picture in (("noisy", noisy), ("imagined", drawn)):
        assert abs(first[place].astype(int) - np.asarray(picture)).max() <= 3, place
    with replaced(reader.course, perturbed(reader.course, "diffusion")):
        assert (guess(reader.figure(4, picture=48, noise=70, seed=1))["imagined"] != first["imagined"]).any()


def test_a_guess_agrees_with_python(worker):
    worker.evaluate("ask => ask('load', ['diffusion'])")
    clean = np.float32(np.sin(np.arange(3072) / 40)).reshape(1, 3, 32, 32)
    for label, t_ in ((None, 0.0), (None, 0.4), ("cat-face", 0.9), ("food-fruit", 1.0)):
        noisy, expected = sample.denoise(store.weights_folder(), clean, t_, 7, label, nearest=min)
        found = worker.evaluate(
            """async (ask, { noisy, ...options }) => {
              const planes = await ask("guess", { noisy: Float32Array.from(JSON.parse(noisy)), ...options });
              return JSON.stringify([...planes]);
            }""",
            {"noisy": json.dumps(noisy.ravel().tolist()), "t": t_} | ({"label": label} if label else {}),
        )
        assert abs(np.array(json.loads(found)) - expected.ravel()).max() < 1e-3


def test_from_pure_noise_the_guess_is_a_blurry_average_for_any_seed(reader):
    """What the prediction before the figure says: neither sharp nor noise, and far from the picture."""
    figure = reader.figure(4, picture=48, noise=0)
    real = noise_of(figure, 0)["noisy"]
    average = pixels(figure.locator(".spot-ways .shot").nth(2).locator("canvas"))
    average = np.array(average).reshape(32, 32, 4)[..., :3]
    unfold(figure)
    for seed in (1, 2, 3, 4, 5):
        type_seed(figure, seed)
        low, some, pure = (noise_of(figure, level)["imagined"] for level in (20, 80, 100))
        noise = guess(figure)["noisy"]
        assert roughness(pure) < 0.6 * roughness(real) < 0.4 * roughness(noise)
        assert roughness(low) > 2 * roughness(pure)
        near, far = abs(pure - average).mean(), abs(pure - real).mean()
        assert near < 0.5 * far
        # With less noise fewer pictures fit, and the guess comes nearer to the one that is there.
        assert abs(low - real).mean() < abs(some - real).mean() < far
        expect(figure.locator(".spot-said")).to_contain_text(t("spot-the-noise.said-all").partition("(")[0])


def test_many_small_steps_give_what_one_jump_does_not(reader):
    figure = reader.figure(4, noise=100)
    guess(figure)
    button(figure, "spot-the-noise.jump-run").click()
    expect(button(figure, "spot-the-noise.jump-run")).to_be_disabled()
    finished(figure)
    shown = pictures(figure.locator(".spot-ways canvas"))
    _, jump, _, steps = (np.array(one).reshape(32, 32, 4)[..., :3] for one in shown)
    assert (jump == guess(figure)["imagined"]).all()
    assert roughness(steps) > 1.5 * roughness(jump)


def test_the_marks_are_those_of_the_measurement_and_tries_are_plotted(reader):
    figure = reader.figure(4, picture=48, noise=40)
    guess(figure)
    dots = figure.locator(".spot-score .series-3 .marker")
    before = dots.count()
    for value in (50, 60):
        noise_of(figure, value)
    expect(dots).to_have_count(before + 2)
    unfold(figure)
    rows = figure.locator("details", has_text=t("shell.in-words")).locator("tbody tr")
    told = rows.evaluate_all("rows => rows.map(row => [...row.cells].map(cell => cell.textContent))")
    marks = {int(noise.split()[0]): [int(part.split()[0]) for part in parts] for noise, *parts in told}
    assert marks.keys() == {40, 50, 60}
    for noise, (spotted, found) in marks.items():
        assert 90 < spotted <= 100 and 60 < found < 100, noise


def states(visit: Visit):
    figure = visit.figure(4, picture=48)
    guess(figure)
    yield "picture"
    slider(figure).press("End")
    guess(figure)
    button(figure, "spot-the-noise.jump-run").click()
    expect(button(figure, "spot-the-noise.jump-run")).to_be_disabled()
    finished(figure)
    unfold(figure)
    field(figure, "picture-input.draw").check()
    yield "pure noise, unfolded"
    field(figure, "spot-the-noise.view-cloud").check()
    expect(figure.locator(".cloud-arrows, .progress").first).to_be_visible()
    yield "learning"
    learned(figure)
    slider(figure).press("Home")
    unfold(figure)
    button(figure, "shell.share").click()
    yield "cloud, unfolded"


def test_no_state_has_a_barrier(tour):
    assert tour.barriers == []


def test_nothing_goes_wrong_in_any_state(tour):
    assert tour.troubles == []


def test_the_models_are_small(tour, course):
    assert sum(path.endswith("model.safetensors") for path in tour.models) == 1
    assert served(course, tour.models) <= 8_000_000


def test_noise_flickers_no_faster_than_three_times_a_second(visit):
    reader = visit(reduced_motion="no-preference")
    reader.page.clock.install(time=0)
    figure = reader.figure(4, picture=48, noise=0)
    guess(figure)
    reader.page.clock.pause_at(3600)
    button(figure, "shell.play").click()
    assert 1 < changes_a_second(figure, figure.locator(".spot canvas").first) <= 3


def test_the_figure_works_from_the_keyboard_and_a_link_has_all_of_it(reader):
    page = reader.page
    figure = reader.figure(4, picture=48)
    guess(figure)
    slider(figure).focus()
    for key, value in (("ArrowRight", "41"), ("ArrowLeft", "40"), ("End", "100"), ("Home", "0"), ("PageUp", "10")):
        page.keyboard.press(key)
        expect_address(figure, noise=value)
    stage = figure.locator(".figure-stage")
    for key, value in (("ArrowRight", "15"), ("ArrowLeft", "10"), (" ", "100")):  # less motion: Play goes to its end
        stage.press(key)
        expect_address(figure, noise=value)
    figure.locator(".spot ~ .strip input").nth(1).focus()
    page.keyboard.press("ArrowRight")
    expect_address(figure, picture="483")
    unfold(figure)
    field(figure, "spot-the-noise.label").focus()
    page.keyboard.type("fruit")
    state = expect_address(figure, label="food-fruit", seed="11")
    guess(figure)
    shown = alternative(figure).inner_text()
    for name, value in (("back", "95"), ("step", "100")):
        button(figure, f"shell.{name}").press("Enter")
        expect_address(figure, noise=value)
    button(figure, "spot-the-noise.new-picture").press("Enter")
    expect_address(figure, seed=re.compile(r"(?!11$)\d+"))
    button(figure, "shell.reset").press("Enter")
    assert expect_address(figure, noise="40", seed="11")["label"] == "any"
    figure = reader.figure(4, **state)
    guess(figure)
    expect(alternative(figure)).to_have_text(shown)


def test_a_cloud_is_learned_from_a_drawing_and_noise_flows_into_it(reader):
    page = reader.page
    figure = reader.figure(4, view="cloud", seed=3)
    field(figure, "picture-input.draw").check()
    board = figure.locator(".board canvas")
    board.focus()
    for key in ("Space", "Shift+ArrowRight", "Shift+ArrowRight", "Space"):  # learning is left in the middle, twice
        page.keyboard.press(key)
    state = expect_address(figure, shape="drawn", drawn=re.compile(r"[\w-]{171}"))
    points = learned(figure)
    slider(figure).press("Home")
    assert figure.locator(".cloud-points").get_attribute("d") != points
    expect(figure.locator(".spot-said")).to_contain_text(t("spot-the-noise.cloud-none").partition(".")[0])
    unfold(figure)
    rows = figure.locator("details", has_text=t("shell.in-words")).locator("tbody tr td:last-child")
    distances = [float(text) for text in rows.all_inner_texts()]
    assert distances == sorted(distances, reverse=True) and distances[0] > 0.8 and distances[-1] < 0.1
    button(figure, "picture-input.undo").click()
    button(figure, "picture-input.undo").click()
    expect(figure.get_by_role("alert")).to_have_text(t("spot-the-noise.nothing-drawn"))
    scope: dict = {}
    exec(figure.get_by_label(t("shell.python")).inner_text(), scope)  # the page's lines: the same for a ring
    assert abs(np.hypot(*scope["points"].T) - 1.5).mean() < 0.05
    assert reader.figure(4, **state).locator(".cloud-shape").get_attribute("d")


def test_a_link_with_nonsense_gets_one_message_and_the_usual_values(reader):
    figure = reader.figure(4, seed=3)
    guess(figure)
    refused = figure.locator("p.note[role=status]")
    for noise, view, shape, drawn, label in (
        ("101", "x", "__proto__", "A" * 170, "toString"),
        ("-1", "constructor", "", "<script>alert(1)</script>", "unicorn"),
        ("1e1", "", "square", "é" * 171, "__proto__"),
    ):
        follow(figure, seed="-1", noise=noise, view=view, shape=shape, drawn=drawn, label=label, picture="1e9", a="2")
        for name in ("shell.seed", "spot-the-noise.noise", "spot-the-noise.view", "spot-the-noise.shape"):
            expect(refused).to_contain_text(t(name))
        guess(figure)
        expect(slider(figure)).to_have_value("40")
        assert figure.get_by_role("alert").count() == 0
    slider(figure).press("End")
    expect(refused).to_have_count(0)
    for view in ("cloud", "picture") * 10:
        field(figure, f"spot-the-noise.view-{view}").check()
    guess(figure)
    follow(figure, view="cloud", shape="drawn")
    expect(figure.locator(".spot-said")).to_have_text(t("spot-the-noise.cloud-empty"))
    assert problems(reader.page, f"bz-{FIGURES[4]}") == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("models/diffusion/model.safetensors", "model.safetensors is missing"),
        ("data/noise-levels.json", "data/noise-levels.json is missing"),
    ],
)
def test_a_missing_file_is_named_and_retried(visit, path, said):
    guess(retries(visit(), 4, path, None, said))
