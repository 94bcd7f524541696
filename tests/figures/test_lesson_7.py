"""The match score: its scores are computed, agree with Python, can be used by everybody, and survive faults."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from actions import WAITING, button, cut, draw_dot, expect_address, field, other, retries, scores, unfold
from bozzetto.pictures import over_white
from bozzetto.runtime import clip as towers
from bozzetto.runtime import store
from browser import Visit, perturbed, replaced, served, t

pytest_plugins = ["browser"]

NUMBER = 7


def test_match_scores_are_computed(reader):
    figure = reader.figure(7, picture=0, caption="a+red+apple")
    first = scores(figure)
    caption = field(figure, "match-score.caption")
    caption.fill("a blue whale")
    other = scores(figure)
    caption.fill("a red apple")
    assert scores(figure) == first != other
    dot = draw_dot(figure, "Space")
    stroke = draw_dot(figure, "Shift+ArrowLeft Space Shift+ArrowLeft Space")
    assert len({*map(tuple, (first, dot, stroke))}) == 3
    towers = perturbed(reader.course, "clip/order") | perturbed(reader.course, "clip/image")
    with replaced(reader.course, towers):
        figure = reader.figure(7, picture=0, caption="a+red+apple")
        assert scores(figure) != first
        assert draw_dot(figure, "Space") != dot


def test_the_map_is_computed_and_training_brings_pairs_together(reader):
    figure = reader.figure(7, mode="map")
    said = figure.locator(".match-said")

    def right(time: str) -> int:
        field(figure, f"match-score.time-{time}").check()
        expect(said).to_contain_text(t("match-score.map-all").partition("{")[0])
        return int(re.search(r"(\d+) of 28", said.inner_text())[1])

    before, after = right("before"), right("after")
    assert before < 6 < 20 < after
    first = said.inner_text()
    figure.locator(".map-picture").last.click()  # the last lies on top
    expect(said).not_to_have_text(first)
    with replaced(reader.course, perturbed(reader.course, "clip/order")):
        reader.figure(7, mode="map")
        expect(said).not_to_have_text(first)
        assert right("after") < after


def test_embeddings_agree_with_python(worker):
    clip = towers.load(store.weights_folder())
    texts = ["a red apple", "two cats", "", "qqq zebrafish 😀"]
    picture = (np.arange(64 * 64 * 4) * 7919 % 256).astype(np.uint8)
    found = worker.evaluate(
        """async (ask, [texts, picture]) => {
          await ask("load", ["clip/text", "clip/order", "clip/image"]);
          const rows = [
            ...await ask("encodeText", texts),
            ...await ask("encodeImage", [Uint8ClampedArray.from(JSON.parse(picture))]),
          ];
          return JSON.stringify(rows.map(row => [...row]));
        }""",
        [texts, json.dumps(picture.tolist())],
    )
    shown = np.asarray(over_white(Image.fromarray(picture.reshape(64, 64, 4))))
    expected = np.concatenate([towers.encode_text(clip, texts), towers.encode_image(clip, shown[None])])
    assert abs(np.array(json.loads(found)) - expected).max() < 1e-3


def states(visit: Visit):
    figure = visit.figure(7, picture=0)
    scores(figure)
    yield "score"
    for mode in ("matrix", "search", "traps"):
        field(figure, f"match-score.mode-{mode}").check()
        expect(figure.locator(".figure-stage")).not_to_contain_text(WAITING)
        yield mode
    field(figure, "match-score.mode-map").check()
    for time in ("before", "after"):
        field(figure, f"match-score.time-{time}").check()
        expect(figure.locator(".match-said")).not_to_have_text(WAITING)
        yield f"map {time}"
    field(figure, "match-score.mode-traps").check()
    button(figure, "match-score.measure", count=40).click()
    expect(figure.locator(".pager [role=status]")).not_to_be_empty()
    yield "measured"
    field(figure, "match-score.mode-score").check()
    draw_dot(figure, "Space")
    yield "drawing"
    field(figure, "picture-input.upload").check()
    field(figure, "match-score.caption").fill("a zorgon قطة 😀")
    unfold(figure)
    button(figure, "shell.share").click()
    yield "upload, unfolded"


def test_no_state_has_a_barrier(tour):
    assert tour.barriers == []


def test_nothing_goes_wrong_in_any_state(tour):
    assert tour.troubles == []


def test_the_models_are_small(tour, course):
    assert sum(path.endswith("model.safetensors") for path in tour.models) >= 2
    assert served(course, tour.models) <= 8_000_000


def test_modes_and_the_table_work_from_the_keyboard(reader):
    page = reader.page
    figure = reader.figure(7, picture=0)
    scores(figure)
    field(figure, "match-score.mode-score").focus()
    page.keyboard.press("ArrowRight")
    expect_address(figure, mode="matrix")
    cell = figure.locator(".match-cell[aria-pressed=true]")
    expect(cell).not_to_contain_text(WAITING)
    cell.focus()
    for key, place in (("ArrowRight", "1"), ("ArrowDown", "7"), ("ArrowUp", "1"), ("ArrowUp", "1"), ("ArrowLeft", "0")):
        page.keyboard.press(key)
        expect_address(figure, cell=place)
        assert cell.evaluate("cell => cell === document.activeElement")


def png(width: int, height: int) -> bytes:
    """A PNG file that claims a size and breaks off."""
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + size + b"\x08\x06\x00\x00\x00" + bytes(20)


def test_uploads_are_opened_or_refused_in_one_line(reader, tmp_path):
    figure = reader.figure(7, picture=0)
    first = scores(figure)
    field(figure, "picture-input.upload").check()
    chooser = figure.locator("input[type=file]")
    for name, body, reason, values in (
        ("notes.png", b"not a picture at all", "type", {}),
        ("empty.png", b"", "empty", {}),
        ("bomb.png", png(30_000, 30_000), "large", {"width": 30_000, "height": 30_000, "most": 64}),
        ("broken.png", png(64, 64), "broken", {}),
        ("heavy.png", bytes(20 * 2**20 + 1), "heavy", {"size": 21, "most": 20}),
        ("script.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "type", {}),
    ):
        path = tmp_path / name  # by its path: the bytes of a heavy file would take ten seconds to the browser
        path.write_bytes(body)
        chooser.set_input_files(path)
        alert = figure.locator("[role=alert]")
        expect(alert).to_have_text(t(f"picture-input.{reason}", file=name, **values))
    path = tmp_path / "picture.png"
    Image.new("RGB", (300, 100), "#d02020").save(path)
    chooser.set_input_files(path)
    expect(figure.locator("[role=alert]")).to_have_count(0)
    expect(figure.locator(".match-captions")).to_contain_text(t("match-score.own-caption"))
    assert scores(figure) != first


@pytest.mark.parametrize(
    ("path", "change", "said"),
    [
        ("models/clip/text/model.safetensors", None, "model.safetensors is missing"),
        ("models/clip/text/model.safetensors", cut, "model.safetensors came with"),
        ("models/clip/text/model.safetensors", other, "model.safetensors is damaged"),
        ("data/gallery.json", None, "data/gallery.json is missing"),
    ],
)
def test_a_broken_file_is_named_and_retried(visit, path, change, said):
    assert scores(retries(visit(), 7, path, change, said))
