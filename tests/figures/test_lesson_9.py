"""Same blocks: every chain of jobs is computed, agrees with Python, can be used by everybody, and survives faults."""

import json
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

import bozzetto
from actions import button, cancel, expect_address, field, finished, follow, held, retries, type_seed, unfold
from bozzetto.course import build
from bozzetto.pictures import over_white
from bozzetto.runtime import store
from bozzetto.runtime import text_to_image as t2i
from bozzetto.runtime.layers import read
from browser import STRINGS, Visit, alternative, perturbed, pictures, replaced, served, t

pytest_plugins = ["browser"]

NUMBER = 9

EDIT = """async (ask, [picture, mask, strength, options]) => {
  const bytes = new Uint8ClampedArray(picture);
  const start = await ask("startFrom", { picture: bytes, strength, ...(mask && { mask: new Uint8Array(mask) }) });
  const steps = [];
  const onStep = ({ noisy, clean }) => steps.push([[...noisy], [...clean]]);
  const drawn = await ask("generate", { prompt: "a house", seed: 3, start, ...options }, onStep);
  return JSON.stringify({ steps, picture: [...drawn.picture] });
}"""


def test_each_step_of_an_edit_agrees_with_python(worker):
    """From a picture of clear, half-clear and full pixels, as a whole and in part."""
    shown = np.array(bozzetto.generate("a house", seed=7, num_inference_steps=4)[0])
    shown[:8, :8] = (200, 40, 90, 128)
    mask = np.zeros((64, 64), bool)
    mask[3:30, 17:41] = True
    models, encoder = t2i.load(store.weights_folder()), t2i.load_encoder(store.weights_folder())
    names = ["clip/text", "text_to_image", "autoencoder/encoder", "autoencoder/decoder"]
    worker.evaluate("(ask, names) => ask('load', names)", names)
    for painted, strength, options in (
        (None, 0.6, {"sampler": "dpmpp_2m", "num_inference_steps": 10}),
        (None, 0.25, {"sampler": "ddpm", "num_inference_steps": 10, "guidance_scale": 1}),
        (mask, 1, {"sampler": "dpmpp_2m", "num_inference_steps": 5}),
        (mask, 0.7, {"sampler": "ddpm", "num_inference_steps": 4}),
    ):
        told = []
        start = t2i.start_from(encoder, shown, strength, painted)
        [picture] = t2i.draw(
            models, "a house", [3], start=start, callback=lambda *step, told=told: told.append(step), **options
        )
        pixels = None if painted is None else painted.ravel().astype(int).tolist()
        found = json.loads(worker.evaluate(EDIT, [shown.ravel().tolist(), pixels, strength, options]))
        found_steps, expected_steps = np.array(found["steps"]), np.array([step[3:] for step in told])
        assert len(found_steps) == len(expected_steps) >= 2
        assert abs(found_steps - expected_steps.reshape(found_steps.shape)).max() < 1e-3
        assert abs(np.array(found["picture"]) - picture.ravel().astype(int)).max() <= 2


# ---------------------------------------------------------------- the figure

QUICK = {"num_inference_steps": 1, "guidance_scale": 1}
EMPTY, FULL = "0" * 64, "f" * 64


def run(figure: Locator) -> list[list[int]]:
    """Press Run; the pictures that come out."""
    figure.evaluate("async figure => { figure.querySelector('.run .button').click(); await figure.updateComplete; }")
    return drawn(figure)


def drawn(figure: Locator) -> list[list[int]]:
    """The pictures of a link that ran by itself."""
    finished(figure)
    assert figure.locator("[role=alert]").all_inner_texts() == []
    return pictures(figure.locator(".out canvas"))


def times(figure: Locator) -> list[str]:
    return figure.locator(".chain .took").all_inner_texts()


def test_a_job_is_computed(reader):
    """A seed decides the pictures, all of them; so do the weights, and a link runs by itself."""
    figure = reader.figure(9, job="vary", seed=1, **QUICK)
    first = drawn(figure)
    assert len({tuple(one) for one in first}) == 4
    assert all(time.endswith("s") for time in times(figure))
    type_seed(figure, 2)
    assert figure.locator(".out .note").inner_text() == t("shell.moved")
    other = run(figure)
    assert other[:3] == first[1:]  # seeds 2, 3 and 4
    with replaced(reader.course, perturbed(reader.course, "text_to_image")):
        assert drawn(reader.figure(9, job="vary", seed=1, **QUICK)) != first


def gallery(name: str) -> Image.Image:
    facts = json.loads((build.HERE / "data/gallery.json").read_text())
    place = next(i for i, item in enumerate(facts["items"]) if item["name"] == name)
    size = facts["size"]
    left, top = place % facts["columns"] * size, place // facts["columns"] * size
    with Image.open(build.HERE / "data/gallery.avif") as sheet:
        return sheet.convert("RGBA").crop((left, top, left + size, top + size))


def test_the_prediction_comes_true():
    """At the top nothing of the logo is left, below it the more the lower: for five seeds, and two logos."""
    options = {"num_inference_steps": 8}
    logo, other = (gallery(name) for name in (STRINGS["same-blocks"]["first-vary"], "house"))

    def away(one: Image.Image, two: Image.Image) -> float:
        return np.abs(np.asarray(over_white(one), float) - np.asarray(over_white(two), float)).mean()

    for seed in range(5):
        low, middle, top = (
            bozzetto.edit(logo, "a rocket", strength=strength, seed=seed, **options)[0] for strength in (0.1, 0.6, 1.0)
        )
        assert away(low, logo) < away(middle, logo) < away(top, logo)
        assert away(low, logo) < 10
        np.testing.assert_array_equal(top, bozzetto.edit(other, "a rocket", strength=1.0, seed=seed, **options)[0])


def states(visit: Visit):
    figure = visit.figure(9)
    expect(figure.locator(".in canvas").first).to_be_visible()
    finished(figure)
    expect(figure.locator(".run .button")).to_contain_text("MB")
    expect(figure.locator(".out .hint")).to_have_text(t("same-blocks.recorded"))
    assert len({str(one) for one in pictures(figure.locator(".out canvas"))}) == 4
    yield "start"
    with held(visit.course, "models/text_to_image/model.safetensors"):
        figure.locator(".run .button").click()
        expect(figure.locator(".progress progress")).to_be_visible()
        yield "loading"
    finished(figure)
    yield "varied"
    unfold(figure)
    button(figure, "shell.share").click()
    yield "unfolded"
    for job in ("repaint", "story", "tale", "sound", "clip", "make", "find", "ask"):
        figure = visit.figure(9, job=job, **QUICK)
        drawn(figure)
        yield job
    figure = visit.figure(9, job="repaint", mask=EMPTY)
    expect(figure.locator(".run .note")).to_have_text(t("same-blocks.no-mask"))
    yield "nothing painted"


def test_no_state_has_a_barrier(tour):
    assert tour.barriers == []


def test_nothing_goes_wrong_in_any_state(tour):
    assert tour.troubles == []


def test_the_models_are_small(tour, course):
    first = ["clip/text", "text_to_image", "autoencoder/encoder", "autoencoder/decoder"]
    files = [path for path in tour.models if any(path.startswith(f"models/{name}/") for name in first)]
    assert sum(path.endswith("model.safetensors") for path in files) == 4
    assert served(course, files) <= 8_000_000
    assert served(course, tour.models) <= 18_000_000  # all nine jobs; see docs/decisions.md


def test_a_mask_is_painted_by_keyboard_and_pointer_and_the_rest_stays(reader):
    figure = reader.figure(9, job="repaint", mask=EMPTY, **QUICK)
    finished(figure)
    start = figure.locator(".run .button")
    expect(start).to_be_disabled()
    squares = figure.locator(".squares")
    squares.focus()
    for key in ("Space", "ArrowUp", "Space", *["ArrowLeft"] * 20, "Space"):
        reader.page.keyboard.press(key)
    painted = EMPTY[:28] + "8080" + EMPTY[32:34] + "8" + EMPTY[35:]
    expect_address(figure, mask=painted)
    box = squares.bounding_box()
    assert box
    reader.page.mouse.move(box["x"] + 2, box["y"] + 2)
    reader.page.mouse.down()
    reader.page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 2)
    reader.page.mouse.up()
    expect_address(figure, mask="ffff" + painted[4:])
    [edited] = run(figure)
    [given] = pictures(figure.locator(".in canvas").first)
    one, two = (np.array(each).reshape(64, 64, 4) for each in (edited, given))
    changed = (one != two).any(2)
    assert changed[:4].any() and not changed[4:28].any() and not changed[36:].any()
    for name, mask in (("fill", FULL), ("clear", EMPTY)):
        button(figure, f"same-blocks.{name}").press("Enter")
        expect_address(figure, mask=mask)
    expect(figure.locator(".run .note")).to_have_text(t("same-blocks.no-mask"))


def test_jobs_are_chosen_and_run_from_the_keyboard(reader):
    figure = reader.figure(9)
    finished(figure)
    field(figure, "same-blocks.job-vary").focus()
    reader.page.keyboard.press("ArrowLeft")
    expect_address(figure, job="ask")
    figure.locator(".run .button").press("Enter")
    expect(figure.locator("blockquote")).to_contain_text("penguin")
    finished(figure)
    expect(alternative(figure)).to_contain_text("“penguin”")
    button(figure, "shell.reset").press("Enter")
    expect_address(figure, job="vary")


def test_find_and_make_say_what_they_measured(reader):
    figure = reader.figure(9, job="find", find="a+red+fruit")
    drawn(figure)
    expect(figure.locator("blockquote")).to_contain_text("a red apple")
    expect(figure.locator(".runners-up li")).to_have_count(5)
    figure = reader.figure(9, job="make", make="a+red+heart", **QUICK)
    drawn(figure)
    said = figure.locator(".drawn-pictures .match-number").all_inner_texts()
    scores = [float(one.split()[-1].replace("\u2212", "-")) for one in said]
    assert len(scores) == 4 and scores == sorted(scores, reverse=True)


def test_a_tale_is_told_drawn_and_looked_at(reader):
    """Python tells the same one of a seed, its first and its last sentence are drawn; another seed, another tale."""
    figure = reader.figure(9, job="tale", tale="two+happy+ghosts", seed=3, **QUICK)
    assert len(drawn(figure)) == 2
    told = bozzetto.write("two happy ghosts", seed=3)
    expect(figure.locator("p.tale")).to_have_text(told)
    first, *_, last = told.rstrip(".").split(". ")
    assert figure.locator(".out .caption").all_inner_texts() == [first, last]
    expect(figure.locator("blockquote p:not(.asked)")).not_to_be_empty()
    figure = reader.figure(9, job="tale", tale="two+happy+ghosts", seed=4, **QUICK)
    drawn(figure)
    expect(figure.locator("p.tale")).to_have_text(bozzetto.write("two happy ghosts", seed=4))
    assert told != bozzetto.write("two happy ghosts", seed=4)


def test_of_a_tale_two_things_are_drawn_in_layers(reader):
    """As Python draws them, each alone; the sentence that says no such things is drawn as a whole."""
    figure = reader.figure(9, job="tale", tale="a+sun+above+a+house.", seed=3, **QUICK)
    shown = drawn(figure)
    sentences = figure.locator(".out .caption").all_inner_texts()
    assert [read(sentence) is not None for sentence in sentences] == [True, False]
    for canvas, sentence in zip(shown, sentences, strict=True):
        [expected] = bozzetto.generate(sentence, seed=3, layers=None, **QUICK)
        page = Image.fromarray(np.array(canvas, np.uint8).reshape(64, 64, 4))
        assert np.abs(np.asarray(over_white(page), int) - np.asarray(over_white(expected), int)).max() <= 2


def test_a_sound_and_a_clip_are_computed(reader):
    """A seed decides them, each brick says how long it took, and what is not read is told."""
    ask = {"sound": "a+rising+laser+and+a+dog", "clip": "a+red+balloon+rolls"}
    told = {"sound": t("same-blocks.unknown", words="dog"), "clip": t("same-blocks.still")}
    wrong = {"sound": ("a dog barking", "siren"), "clip": ("moves left", "moves left")}
    for job, count, word in (("sound", 1, "siren"), ("clip", 9, "shrinks")):
        first, again = (drawn(reader.figure(9, job=job, seed=1)) for _ in range(2))
        figure = reader.figure(9, job=job, seed=2, **{job: ask[job]})
        other = drawn(figure)
        assert len(first) == count and first == again and first != other
        assert all(time.endswith("s") for time in times(figure))
        expect(figure.locator(".in .hint").last).to_contain_text(word)
        expect(figure.locator(".out .note")).to_have_text(told[job])
        words, said = wrong[job]
        field(figure, f"same-blocks.{job}").fill(words)
        figure.locator(".run .button").click()
        alert = figure.get_by_role("alert")
        expect(alert).to_contain_text(said)
        expect(alert.get_by_role("button")).to_have_count(0)  # the same words go wrong again


def test_leaving_in_the_middle_and_twenty_quick_clicks(reader):
    figure = reader.figure(9, num_inference_steps=50)
    figure.evaluate(
        """async figure => {
          for (let i = 0; i < 20; i++) {
            figure.querySelector(".run .button").click();
            await figure.updateComplete;
          }
        }"""
    )
    cancel(figure)
    field(figure, "same-blocks.job-ask").check()
    assert run(figure) == []
    expect(figure.locator("blockquote")).to_contain_text("penguin")
    expect(figure.locator(".chain .works")).to_have_count(0)
    follow(figure, job="story", num_inference_steps="50")
    expect(figure.locator(".progress")).to_be_visible()
    reader.page.goto("about:blank")


def test_an_empty_drawing_is_told_so(reader):
    figure = reader.figure(9)
    finished(figure)
    figure.locator(".another summary").click()
    field(figure, "picture-input.draw").check()
    figure.locator(".board canvas").focus()
    for key in ("Space", "Space"):
        reader.page.keyboard.press(key)
    button(figure, "picture-input.clear").click()
    expect(figure.locator(".run .note")).to_have_text(t("same-blocks.no-picture"))
    expect(figure.locator(".run .button")).to_be_disabled()


def test_a_link_with_nonsense_gets_one_message_and_the_usual_values(reader):
    hostile = {
        "job": "constructor",
        "picture": "1e9",
        "strength": "2",
        "mask": "<script>",
        "seed": "-1",
        "num_inference_steps": "51",
    }
    markup = '<img src=x onerror="alert(1)">'
    figure = reader.figure(
        9, **{name: quote(value) for name, value in hostile.items()}, vary=quote(markup), hide="code"
    )
    refused = figure.locator("p.note[role=status]").first
    for name in ("same-blocks.job", "same-blocks.strength", "same-blocks.mask", "shell.seed"):
        expect(refused).to_contain_text(t(name))
    cancel(figure)
    assert field(figure, "same-blocks.vary").input_value() == markup
    assert figure.locator("img[src=x], script").count() == 0
    for words, said in (("", t("same-blocks.no-words")), ("x" * 301, "301")):
        field(figure, "same-blocks.vary").fill(words)
        expect(figure.locator(".bench")).to_contain_text(said)
        expect(figure.locator(".run .button")).to_be_disabled()


def test_a_teachers_link_hides_controls(reader):
    reader.open("lessons/9-everywhere/index.html#hide=job,strength,picture,share,code,seed")
    figure = reader.page.locator("bz-same-blocks")
    figure.scroll_into_view_if_needed()
    expect(figure.locator(".run .button")).to_be_visible()
    for hidden in (".tabs", ".strength", ".another", ".share", ".code"):
        expect(figure.locator(hidden)).to_have_count(0)
    expect(field(figure, "shell.seed")).to_have_count(0)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("data/gallery.json", "data/gallery.json is missing"),
        ("models/vlm/config.json", "config.json is missing"),
    ],
)
def test_a_missing_file_is_named_and_retried(visit, path, said):
    figure = retries(visit(), 9, path, None, said, job="ask")
    finished(figure)
    expect(figure.locator("blockquote")).to_contain_text("penguin")
