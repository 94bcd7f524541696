"""Describe, then redraw: what the decoder draws is computed, agrees with Python, can be used by everybody, and survives
faults."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from actions import button, cut, expect_address, field, finished, follow, retries, unfold
from bozzetto.diffusion.noise import words
from bozzetto.pictures import as_planes
from bozzetto.runtime import sample, store, vae
from browser import Visit, alternative, perturbed, pixels, replaced, served, t

pytest_plugins = ["browser"]

NUMBER = 3
LENS = ".pin.lens canvas"


def said(figure: Locator, pattern: str) -> re.Match[str]:
    """The figure in words, once it says this."""
    expect(alternative(figure)).to_have_text(re.compile(pattern))
    return re.search(pattern, alternative(figure).text_content() or "")


def wandered(figure: Locator, x: float, y: float) -> list[int]:
    """The redraw of a place."""
    said(figure, f"^At {x:.2f} and {y:.2f} ".replace("-", "\u2212"))
    return pixels(figure.locator(LENS))


def redrawn(figure: Locator, name: str, count: int = 32) -> tuple[int, int]:
    """How much is kept of a picture: of its large shapes and of its fine lines, in hundredths."""
    found = said(figure, rf"^{name}: 3,072 numbers became {count}, .* keeps (\d+) % .* and (\d+) % of fine lines")
    return int(found[1]), int(found[2])


def counted(figure: Locator) -> tuple[int, int]:
    """Holes of the VAE and of the plain autoencoder."""
    found = said(figure, r"(\d+) land in a hole of the VAE and (\d+) in a hole of the plain")
    finished(figure)
    return int(found[1]), int(found[2])


def dots(figure: Locator, kind: str) -> None:
    sheet = figure.locator(f"canvas.sheet[data-painted^='{kind} ']")
    expect(sheet).to_have_count(1)
    # It fills its frame, with a pixel for each of the screen's, or two: enlarged it would be a blur.
    fills = "e => e.width >= e.clientWidth && e.clientWidth === e.parentElement.clientWidth"
    assert sheet.evaluate(f"{fills} && getComputedStyle(e).padding === '0px'")


def test_the_redraw_is_computed_and_agrees_with_python(reader):
    figure = reader.figure(3, x=1, y=0.5)
    first = wandered(figure, 1, 0.5)
    expected = sample.to_bytes(vae.decode(vae.load(store.weights_folder(), "map_"), np.array([[1, 0.5]], np.float32)))
    drawn = np.array(first).reshape(32, 32, 4)
    assert np.abs(drawn[..., :3].astype(int) - expected[0]).max() <= 1 and (drawn[..., 3] == 255).all()
    field(figure, "describe-redraw.plain").check()
    dots(figure, "plain_map_")
    expect(figure.locator(LENS)).to_be_visible()
    field(figure, "describe-redraw.vae").check()
    dots(figure, "map_")
    follow(figure, x="-2", y="0.5")
    assert wandered(figure, -2, 0.5) != first
    with replaced(reader.course, perturbed(reader.course, "vae/map_decoder")):
        assert wandered(reader.figure(3, x=1, y=0.5), 1, 0.5) != first


def test_networks_agree_with_python(worker):
    weights = store.weights_folder()
    pictures = (np.arange(2 * 32 * 32 * 3) * 7919 % 256).astype(np.uint8).reshape(2, 32, 32, 3)
    planes = as_planes(pictures)
    for kind in ("", "plain_", "map_", "plain_map_"):
        model = vae.load(weights, kind)
        mean, spread = vae.encode(model, planes)
        found = worker.evaluate(
            """async (ask, [kind, planes]) => {
              const models = [`vae/${kind}encoder`, `vae/${kind}decoder`];
              await ask("load", models);
              const pixels = { data: Float32Array.from(JSON.parse(planes)), dims: [2, 3, 32, 32] };
              const { mean, logvar } = await ask("run", { model: models[0], inputs: { pixels } });
              const latents = { data: mean.slice(), dims: [2, mean.length / 2] };
              const redraw = await ask("run", { model: models[1], inputs: { latents } });
              return JSON.stringify([mean, logvar, redraw.pixels].map(values => [...values]));
            }""",
            [kind, json.dumps(planes.ravel().tolist())],
        )
        ours = [mean.ravel(), 2 * np.log(spread).ravel(), model.decoder(latents=mean)["pixels"].ravel()]
        for here, there in zip(ours, json.loads(found), strict=True):
            assert np.abs(here - np.array(there)).max() < 1e-3, kind


def test_the_map_is_used_by_pointer_keyboard_and_number(reader):
    page = reader.page
    figure = reader.figure(3, x=0, y=0)
    wandered(figure, 0, 0)
    atlas = figure.get_by_role("application")
    atlas.focus()
    page.keyboard.press("Shift+ArrowRight")
    right = float(expect_address(figure, x=re.compile(r"0\.[1-9]\d*"))["x"])
    page.keyboard.press("ArrowUp")
    up = float(expect_address(figure, y=re.compile(r"0\.\d+"))["y"])
    wandered(figure, right, up)
    box = atlas.bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.35 * box["height"], steps=5)
    page.mouse.up()
    x, y = (figure.locator(f"#describe-redraw-{name}").input_value() for name in "xy")
    there = expect_address(figure, x=x, y=y)  # it may have been written on the way
    assert float(x) < 0 < float(y)
    wandered(figure, float(there["x"]), float(there["y"]))
    figure.locator("#describe-redraw-x").fill("2.5")
    page.keyboard.press("Tab")
    link = expect_address(figure, x="2.5", y=there["y"])
    here = wandered(figure, 2.5, float(link["y"]))
    assert wandered(reader.figure(3, **link), 2.5, float(link["y"])) == here  # the link brings all of it back
    figure.locator(".near-one").first.press("Enter")
    expect_address(figure, x=re.compile(r"(?!2\.5$).*"))


def test_what_the_lesson_predicts_is_what_the_figure_shows(reader):
    """Of five pictures: fine lines are lost first, and two numbers keep less than 32. Then the way from A to B."""
    figure = reader.figure(3, mode="redraw", picture=0)
    names = [item["name"] for item in json.loads(reader.course.entries["/data/gallery.json"].body)["items"]]
    coarse = {}
    for picture in (0, 3, 9, 26, 40):
        follow(figure, mode="redraw", picture=str(picture))
        coarse[picture], fine = redrawn(figure, names[picture])
        assert coarse[picture] > fine and coarse[picture] > 60
    follow(figure, mode="redraw", picture="0", numbers="2")
    assert redrawn(figure, names[0], 2)[0] < coarse[0]
    follow(figure, mode="morph", picture="0", other="3", at="0")
    said(figure, "^0 % of the way")
    start = pixels(figure.locator(LENS))
    slider = figure.get_by_label(t("describe-redraw.at"))
    slider.press("End")
    said(figure, "^100 % of the way")
    assert pixels(figure.locator(LENS)) != start
    frames = figure.locator(".frames canvas")
    expect(frames).to_have_count(9)
    assert pixels(frames.first) == start and pixels(frames.last) == pixels(figure.locator(LENS))


def test_new_ideas_are_those_of_python_and_the_plain_twin_has_more_holes(reader):
    figure = reader.figure(3, mode="ideas", seed=5)
    said(figure, "^12 new pictures from the seeds 5 on")
    finished(figure)
    weights = store.weights_folder()
    [drawn] = sample.draw("vae", weights, [5], nearest=lambda label, classes: label)
    shown = np.array(pixels(figure.locator(".tile canvas").first)).reshape(32, 32, 4)[..., :3]
    assert np.abs(shown.astype(int) - drawn).max() <= 2
    follow(figure, mode="holes", seed="5")
    ours, plain = counted(figure)
    assert 5 < ours < plain - 10
    bad = figure.locator(".wall").nth(1).locator("li.hole canvas")
    expect(bad.first).to_have_attribute("aria-label", re.compile("in a hole"))
    model = vae.load(weights, "plain_")
    lists = model.latent_mean + model.latent_std * (4 * (words(5, 800).reshape(100, 32) + 1.0) / 2**32 - 2)
    first = sample.to_bytes(vae.decode(model, lists[:1].astype(np.float32)))[0]
    shown = np.array(pixels(figure.locator(".wall").nth(1).locator("canvas").first)).reshape(32, 32, 4)[..., :3]
    assert np.abs(shown.astype(int) - first).max() <= 1


def states(visit: Visit):
    figure = visit.figure(3)
    dots(figure, "map_")
    said(figure, "^At .* Near it lie")
    yield "wander"
    unfold(figure)
    figure.get_by_label(t("describe-redraw.ground"), exact=True).select_option("redraws")
    expect(figure.locator("canvas.sheet[data-painted='map_ redraws']")).to_have_count(1)
    yield "redraws, unfolded"
    figure.get_by_label(t("describe-redraw.ground"), exact=True).select_option("pictures")
    field(figure, "describe-redraw.mode-redraw").check()
    redrawn(figure, t("describe-redraw.first-picture"))
    yield "redraw"
    field(figure, "picture-input.draw").check()
    figure.locator(".board canvas").press("Space")
    redrawn(figure, t("picture-input.drawing"))
    for clear in ("clear", "undo"):  # an empty board is a picture as well
        button(figure, f"picture-input.{clear}").click()
    redrawn(figure, t("picture-input.drawing"))
    yield "drawing"
    field(figure, "describe-redraw.mode-morph").check()
    said(figure, "of the way")
    figure.locator(".end-one").last.click()
    yield "morph, choosing"
    field(figure, "describe-redraw.plain").check()
    dots(figure, "plain_map_")
    field(figure, "describe-redraw.mode-ideas").check()
    said(figure, "^12 new pictures")
    finished(figure)
    yield "ideas, plain"
    field(figure, "describe-redraw.mode-holes").check()
    for _ in range(20):
        button(figure, "describe-redraw.throw", count=100).click()
    counted(figure)
    yield "holes"


def test_no_state_has_a_barrier(tour):
    assert tour.barriers == []


def test_nothing_goes_wrong_in_any_state(tour):
    assert tour.troubles == []


def test_the_models_are_small(tour, course):
    assert sum(path.endswith("model.safetensors") for path in tour.models) == 9
    assert served(course, tour.models) <= 4_000_000
    assert served(course, [path for path in tour.models if "/map_decoder/" in path]) <= 300_000  # the first answer


def test_a_hostile_link_is_refused_and_what_is_hidden_is_not_there(reader):
    figure = reader.figure(3)
    for values in (
        {"x": "NaN", "y": "1e9", "mode": "__proto__", "at": "2", "picture": "-9", "numbers": "3", "seed": "-1"},
        {"x": "41", "y": "", "mode": "constructor", "at": "-0.1", "plain": "yes", "other": "1.5", "label": "toString"},
    ):
        follow(figure, **values)
        note = figure.locator("p.note[role=status]")
        for name in ("x", "y", "mode"):
            expect(note).to_contain_text(t(f"describe-redraw.{name}"))
        assert figure.locator("[role=alert]").count() == 0
    figure = reader.figure(3, picture=99_999, mode="redraw")  # none has this number: the first one is taken
    redrawn(figure, t("describe-redraw.first-picture"))
    address = reader.page.url.partition("#")[0]
    reader.page.goto(f"{address}#describe-redraw.x=1&hide=mode,plain,share,code")
    reader.page.reload()
    expect(figure.locator(LENS)).to_be_visible()
    for gone in ("mode-holes", "plain"):
        expect(field(figure, f"describe-redraw.{gone}")).to_have_count(0)
    expect(button(figure, "shell.share")).to_have_count(0)


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        ("models/vae/map_decoder/model.safetensors", cut, "model.safetensors came with"),
        ("data/vae-map.bin", None, "data/vae-map.bin is missing"),
    ],
)
def test_a_broken_file_is_named_and_retried(visit, path, change, message):
    figure = retries(visit(), 3, path, change, message)
    said(figure, "^At .* Near it lie")


def test_what_is_left_in_the_middle_ends_there(reader):
    """Each mode in turn, none waited for; then another page. (The visit notes whatever goes wrong.)"""
    figure = reader.figure(3)
    for mode in ("holes", "ideas", "morph", "redraw", "holes", "wander"):
        field(figure, f"describe-redraw.mode-{mode}").check()
    said(figure, "^At ")
    field(figure, "describe-redraw.mode-holes").check()
    reader.open("glossary/index.html")


def test_the_python_of_the_figure_draws_what_it_shows(reader, tmp_path, monkeypatch):
    figure = reader.figure(3, x=1.5, y=-1)
    shown = np.array(wandered(figure, 1.5, -1)).reshape(32, 32, 4)[..., :3]
    code = figure.locator("details.code code").first.text_content()
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "figure", "exec"), {})
    assert np.abs(np.asarray(Image.open("redraw.png")).astype(int) - shown).max() <= 1
