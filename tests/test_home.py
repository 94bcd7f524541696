"""The first page: its field draws what is typed, as Python draws it with the student, and its runs end in pictures."""

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

import bozzetto
from bozzetto.pictures import over_white
from browser import lesson_path, pixels, problems, replaced, t

pytest_plugins = ["browser"]


def drawn(page, prompt):
    """Type it, draw it, and wait until the picture is there."""
    page.get_by_label(t("draw.draw"), exact=True).fill(prompt)
    page.get_by_role("button", name=t("draw.go")).click()
    return picture_of(page, prompt)


def picture_of(page, prompt):
    expect(page.locator("bz-draw [role=status]")).to_contain_text(f"“{prompt}”")
    expect(page.locator("bz-draw .progress")).to_have_count(0)
    seen = np.array(pixels(page.locator("bz-draw canvas")), np.uint8).reshape(128, 128, 4)
    return np.asarray(over_white(Image.fromarray(seen)), int)


def test_what_is_typed_is_drawn_as_python_draws_it(reader):
    page = reader.open("index.html")
    expect(page.locator("bz-draw form")).to_be_visible()
    assert not [path for path in reader.asked() if path.startswith(("models/", "assets/ort/"))]
    shown = drawn(page, "a rocket")
    [real] = bozzetto.generate("a rocket", seed=7, num_inference_steps=4, few_steps=True, style="fluent-flat", size=128)
    assert np.abs(shown - np.asarray(over_white(real), int)).max() <= 2
    page.get_by_role("button", name=t("draw.another")).click()
    expect(page.locator("bz-draw [role=status]")).not_to_contain_text(" 7.")
    assert np.abs(picture_of(page, "a rocket") - shown).mean() > 2
    onward = page.get_by_role("link", name=t("draw.onward"))
    assert onward.get_attribute("href").startswith(f"{lesson_path(reader.course, 8)}#words-steer.prompt=a+rocket&")
    assert problems(page) == []

    drawn(page, "a zorgon")
    expect(page.locator("bz-draw [role=status]")).to_contain_text(t("draw.unknown", words="zorgon"))
    page.get_by_role("button", name=t("draw.ideas").split("; ")[1]).click()
    picture_of(page, t("draw.ideas").split("; ")[1])


def test_several_things_are_drawn_in_layers(reader):
    page = reader.open("index.html")
    shown = drawn(page, "a ghost and a pumpkin on black")
    says = page.locator("bz-draw [role=status]")
    expect(says).to_contain_text(t("draw.layers-many", things="“a ghost”, “a pumpkin”"))
    options = {"num_inference_steps": 4, "few_steps": True, "style": "fluent-flat", "size": 128}
    [real] = bozzetto.generate("a ghost and a pumpkin on black", layers=True, seed=7, **options)
    assert np.abs(shown - np.asarray(over_white(real), int)).max() <= 2
    onward = page.get_by_role("link", name=t("draw.onward"))
    assert onward.get_attribute("href").startswith(f"{lesson_path(reader.course, 8)}#words-steer.prompt=a+ghost&")
    drawn(page, "two owls")
    expect(says).to_contain_text(t("draw.layers-one", things="“owl”"))
    assert problems(page) == []


def test_what_cannot_be_drawn_is_one_clear_line(visit, course):
    reader = visit()
    page = reader.open("index.html")
    with replaced(course, {"models/text_few_steps/graph.onnx": b"!"}):
        page.get_by_role("button", name=t("draw.go")).click()
        expect(page.get_by_role("alert")).to_contain_text("graph.onnx")
    page.get_by_role("alert").get_by_role("button", name=t("shell.retry")).click()
    picture_of(page, t("draw.example"))
    page.get_by_label(t("draw.draw"), exact=True).fill("قطة")
    page.get_by_role("button", name=t("draw.go")).click()
    expect(page.get_by_role("alert")).to_contain_text(t("shell.unreadable"))
    page.get_by_label(t("draw.draw"), exact=True).fill("  ")
    expect(page.get_by_role("button", name=t("draw.go"))).to_be_disabled()


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_first_screen_has_title_field_and_runs_that_end_in_their_pictures(visit, motion):
    reader = visit(reduced_motion=motion)
    page = reader.page
    for width, height, screens in ((1280, 800, 1), (360, 640, 1.5)):
        page.set_viewport_size({"width": width, "height": height})
        reader.open("index.html")
        for locator in (page.locator("h1"), page.locator("bz-draw form")):
            box = locator.bounding_box()
            assert box["y"] + box["height"] <= screens * height
    page.set_viewport_size({"width": 1280, "height": 800})
    reader.open("index.html")
    strips = page.locator(".strip img")
    assert strips.count() == 9
    box = page.locator(".drawn ul").bounding_box()
    assert box["y"] + box["height"] <= 800
    if motion == "no-preference":
        page.wait_for_function("() => [...moved].some(name => name.startsWith('img.'))")
    page.wait_for_function(
        """() => [...document.querySelectorAll(".strip img")].every(image => {
          const [strip, box] = [image.getBoundingClientRect(), image.parentElement.getBoundingClientRect()];
          return image.complete && Math.abs(strip.right - box.right) < 1.5;
        })"""
    )


@pytest.mark.parametrize("place", ["", "es/"])
def test_no_word_of_a_lessons_picture_is_cut_off_or_covered(reader, place):
    page = reader.open(f"{place}index.html")
    bad = page.evaluate(
        """() => [...document.querySelectorAll("svg.picture")].flatMap(picture => {
          const frame = picture.getBoundingClientRect();
          const words = [...picture.querySelectorAll("text")];
          const blocks = picture.querySelectorAll(".block");
          const others = [...words, ...blocks].map(one => [one, one.getBoundingClientRect()]);
          return words.filter(word => {
            const { left, right, top, bottom, height } = word.getBoundingClientRect();
            const slack = 0.3 * height; // above the letters and below them
            const covers = ([one, box]) => one !== word && box.left < right - 1 && box.right > left + 1
              && box.top < bottom - slack && box.bottom > top + slack;
            return left < frame.left || right > frame.right || top < frame.top - 2 || bottom > frame.bottom + 2
              || others.some(covers);
          }).map(word => word.textContent);
        })"""
    )
    assert bad == []
