"""Words that steer: its pictures are computed, agree with Python, can be used by everybody, and survive faults."""

import json
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

import bozzetto
from actions import (
    RUN,
    button,
    cancel,
    cut,
    expect_play_beside,
    field,
    film_does_without_its_recording,
    film_flickers_slowly,
    film_is_computed,
    film_survives_nonsense,
    film_works_from_the_keyboard,
    finished,
    held,
    other,
    retries,
    run,
    unfold,
)
from bozzetto.course import build
from bozzetto.metrics.composition import find_objects
from bozzetto.pictures import over_white
from bozzetto.runtime import enlarger, store
from bozzetto.runtime import text_to_image as t2i
from browser import Visit, lesson_path, pixels, served, t

pytest_plugins = ["browser"]
LADDER = build.HERE / "data/ladder.json"
WEAK = build.HERE / "data/weak-spots.json"

NUMBER = 8


def test_a_run_is_computed(reader):
    film_is_computed(reader, 8, "text_to_image", prompt="a+cat")


def test_each_step_of_a_run_agrees_with_python(worker):
    models, student = t2i.load(store.weights_folder()), t2i.load_student(store.weights_folder())
    worker.evaluate("ask => ask('load', ['clip/text', 'text_to_image', 'text_few_steps', 'autoencoder/decoder'])")
    for steps, options, jumps in (
        (20, {"sampler": "dpmpp_2m"}, False),
        (4, {"sampler": "ddpm", "style": "noto"}, False),
        (3, {"sampler": "heun"}, False),
        (1, {}, True),
        (4, {"style": "noto"}, True),
    ):
        options, told = {"num_inference_steps": steps, **options}, []
        drawer, callback = student if jumps else None, lambda *step, told=told: told.append(step)
        [picture] = t2i.draw(models, "a red apple", [7], **options, student=drawer, callback=callback)
        if jumps:
            options["model"] = "text_few_steps"
        found = worker.evaluate(
            """async (ask, options) => {
              const steps = [];
              const onStep = ({ noisy, clean }) => steps.push([[...noisy], [...clean]]);
              const { picture } = await ask("generate", { prompt: "a red apple", seed: 7, ...options }, onStep);
              return JSON.stringify({ steps, picture: [...picture] });
            }""",
            options,
        )
        found = json.loads(found)
        found_steps, expected_steps = np.array(found["steps"]), np.array([step[3:] for step in told])
        assert len(found_steps) == len(expected_steps) >= steps
        assert abs(found_steps - expected_steps.reshape(found_steps.shape)).max() < 1e-3
        assert abs(np.array(found["picture"]) - picture.ravel().astype(int)).max() <= 2


def test_the_first_answer_is_the_students_and_takes_few_models(visit, course):
    reader = visit()
    with held(course, "models/text_to_image/model.safetensors"):
        figure = reader.figure(8, prompt="a+cat", seed=3, num_inference_steps=1)
        sketch = figure.locator(".film .shot", has_text="student")
        expect(sketch).to_be_visible()
        first = pixels(sketch.locator("canvas"))
        models = [path for path in reader.asked() if path.startswith("models/") and "text_to_image" not in path]
        assert 1_000_000 < served(course, models) <= 8_000_000
    finished(figure)
    expect(figure.locator(".scrubber span")).to_contain_text(t("shell.at", step=1, steps=1, noise="0 %"))
    assert pixels(sketch.locator("canvas")) == first != pixels(figure.locator(".film .shots canvas").first)
    weights = store.weights_folder()
    drawn = np.stack(t2i.draw(t2i.load(weights), "a cat", [3], student=t2i.load_student(weights)))
    [drawn] = enlarger.enlarge(enlarger.load(weights), drawn)
    shown = np.array(first, np.uint8).reshape(128, 128, 4)  # a canvas forgets the colour of what is nearly clear
    seen, expected = (np.asarray(over_white(Image.fromarray(one)), int) for one in (shown, drawn))
    assert abs(seen - expected).max() <= 2


STEPS_TOLD = """
const post = Worker.prototype.postMessage;
globalThis.told = [];
globalThis.enlarged = 0;
Worker.prototype.postMessage = function (request, ...more) {
  if (request.call === "enlarge") enlarged++;
  if (request.call === "generate" && request.argument.model === undefined) {
    const { prompt } = request.argument;
    const hear = ({ data }) => data.id === request.id && data.event && told.push(prompt);
    this.addEventListener("message", hear);
  }
  return post.call(this, request, ...more);
};"""


def test_two_prompts_are_drawn_side_by_side(visit):
    reader = visit(STEPS_TOLD)
    figure = reader.figure(8, prompt="a+cat", prompt_b="a+dog", num_inference_steps=3)
    expect(figure.locator(".film")).to_have_count(2)
    finished(figure)
    told = reader.page.evaluate("told")
    assert sorted(told) == ["a cat"] * 3 + ["a dog"] * 3
    assert told[:3] != ["a cat"] * 3, "one after the other"
    big = [pixels(film.locator("canvas").first) for film in figure.locator(".film").all()]
    assert big[0] != big[1]
    assert reader.page.evaluate("enlarged") == 4  # of each a sketch and a last picture
    field(figure, "words-steer.match").check()
    expect(figure.locator("svg.chart")).to_be_visible()
    finished(figure)
    assert reader.page.evaluate("enlarged") == 4  # and no picture twice


def test_a_scenes_pictures_are_checked_one_by_one(reader):
    figure = reader.figure(8, prompt="two+red+apples", num_inference_steps=1)
    finished(figure)
    field(figure, "words-steer.prompt").fill("three apples")
    button(figure, "words-steer.many").click()
    tiles = figure.locator(".trial.seeds li")
    expect(tiles.nth(1).locator(".yes, .no")).to_have_count(1)
    cancel(figure)
    for tile in tiles.all()[:2]:
        things = len(find_objects(np.array(pixels(tile.locator("canvas")), np.uint8).reshape(64, 64, 4)))
        expect(tile).to_contain_text(f"{'✓' if things == 3 else '✗'} {t('words-steer.mark-count', saw=things)}")
    checked = figure.locator(".trial tbody tr")
    expect(checked).to_have_count(1)
    expect(checked).to_contain_text(t("words-steer.fact-count"))
    measured = next(spot for spot in json.loads(WEAK.read_text(encoding="utf-8")) if spot["fact"] == "count")
    expect(checked).to_contain_text(
        t("words-steer.measured", rate=f"{int(100 * measured['rate'] + 0.5)} %", n=measured["n"])
    )


def test_things_are_drawn_in_layers_as_python_draws_them(reader):
    figure = reader.figure(8, prompt="a+cat", num_inference_steps=1)
    finished(figure)
    unfold(figure)
    expect(button(figure, "words-steer.layers")).to_be_disabled()
    expect(figure.get_by_text(t("words-steer.layers-for"))).to_be_visible()
    field(figure, "words-steer.prompt").fill("Three apples on blue")
    button(figure, "words-steer.layers").click()
    tile = figure.locator(".trial.layers li").first
    expect(tile.locator(".yes")).to_have_text(f"✓ {t('words-steer.mark-count', saw=3)}")
    cancel(figure)
    [real] = bozzetto.generate(
        "Three apples on blue", layers=True, num_inference_steps=8, sampler="dpmpp_2m", style=None, seed=7
    )
    shown = np.array(pixels(tile.locator("canvas")), int).reshape(64, 64, 4)
    assert np.abs(shown - np.asarray(real, int)).max() <= 2
    spots = {spot["fact"]: spot for spot in json.loads(WEAK.read_text(encoding="utf-8"))}
    measured = spots["count-layers"]
    assert measured["rate"] > spots["count"]["rate"]
    expect(figure.locator(".trial tbody tr")).to_contain_text(
        t("words-steer.measured", rate=f"{int(100 * measured['rate'] + 0.5)} %", n=measured["n"])
    )


def test_the_ladder_shows_what_training_buys(reader):
    figure = reader.figure(8)
    rows = json.loads(LADDER.read_text(encoding="utf-8"))["rows"]
    ladder = figure.locator(".ladder")
    ladder.locator("summary").click()
    for row, shown in zip(rows, ladder.locator("figure").all(), strict=True):
        expect(shown).to_contain_text(f"{row['named']} of {row['of']} things")
        expect(shown).to_contain_text(f"{row['seen']:,} pictures")
        shown.locator("img").scroll_into_view_if_needed()
        expect(shown.locator("img")).to_have_js_property("complete", True)
        assert shown.locator("img").evaluate("image => image.naturalWidth") == 320


def states(visit: Visit):
    figure = visit.figure(8)
    expect(figure.locator(".shots canvas").first).to_be_visible()
    expect(button(figure, "shell.recompute")).to_be_enabled()
    # What was recorded is whole: both guesses of each step, and the sentence and the picture in numbers.
    expect(figure.locator(".figure-stage canvas")).to_have_count(2 + 3 + 3)
    expect(figure.locator(".unseen")).to_have_count(0)
    expect(figure.locator(".controls", has_text=t("words-steer.match"))).not_to_contain_text(" 0 MB")
    expect_play_beside(figure, figure.locator(".films"))
    yield "recorded"
    expect(field(figure, "shell.style")).to_have_value(t2i.BEST_STYLE)
    field(figure, "words-steer.prompt").fill("a robot")
    expect(button(figure, "shell.run")).to_be_enabled()  # and no longer "Recompute now"
    expect(field(figure, "shell.style")).to_have_value(t2i.BEST_STYLE)
    with held(visit.course, "models/text_to_image/model.safetensors"):
        # A link that asks for more than the recorded run is answered with a run.
        figure = visit.figure(8, prompt="a+happy+robot", prompt_b="a+sad+zorgon", num_inference_steps=4, match=1)
        progress = figure.locator(".progress progress")
        expect(progress).to_be_visible()
        visit.page.evaluate("scrollBy(0, 200)")
        expect(progress).to_be_in_viewport()  # wherever in the figure one looks
        yield "running"
    expect(figure.locator("svg.chart")).to_be_visible()
    finished(figure)
    button(figure, "shell.back").click()
    unfold(figure)
    button(figure, "shell.share").click()
    yield "run with two prompts, unfolded"
    button(figure, "words-steer.grow").click()
    expect(figure.locator(".trial.grow")).to_be_visible()
    finished(figure)
    yield "growing"
    button(figure, "words-steer.many").click()
    expect(figure.locator(".trial.seeds .yes, .trial.seeds .no")).not_to_have_count(0)
    cancel(figure)
    yield "many seeds"
    field(figure, "words-steer.prompt").fill("x" * 400)
    yield "too long"


def test_no_state_has_a_barrier(tour):
    assert tour.barriers == []


def test_nothing_goes_wrong_in_any_state(tour):
    assert tour.troubles == []


def test_the_models_are_small(tour, course):
    assert sum(path.endswith("model.safetensors") for path in tour.models) >= 2
    assert served(course, tour.models) <= 14_000_000  # with the CLIP score switched on; the first answer takes fewer


def test_noise_flickers_no_faster_than_three_times_a_second(visit):
    film_flickers_slowly(visit, 8)


def test_a_film_is_run_and_looked_at_from_the_keyboard(visit):
    film_works_from_the_keyboard(visit, 8, shift=1.5, prompt="a+cat")


def test_a_shared_link_shows_the_same_figure(reader):
    figure = reader.figure(8, prompt="a+cat", num_inference_steps=2, seed=11)
    expect(field(figure, "shell.style")).to_have_value("any")  # what a link says nothing of stays as it always was
    first = run(figure)
    button(figure, "shell.share").press("Enter")
    link = figure.get_by_label(t("shell.link")).input_value()
    reader.leave()
    reader.page.goto(link)
    figure = reader.page.locator("bz-words-steer")
    expect(field(figure, "words-steer.prompt")).to_have_value("a cat")
    expect(figure.locator(".scrubber span")).to_contain_text(t("shell.at", step=2, steps=2, noise="0 %"))
    finished(figure)  # by itself
    assert pixels(figure.locator(".shots canvas").first) == first


def test_a_teachers_link_hides_controls(reader):
    reader.open(lesson_path(reader.course, 8) + "#words-steer.seed=3&hide=seed,share,code")
    figure = reader.page.locator("bz-words-steer")
    expect(button(figure, "shell.play")).to_be_visible()
    for hidden in (field(figure, "shell.seed"), figure.locator(".share"), figure.locator(".code")):
        expect(hidden).to_have_count(0)


def test_a_link_with_nonsense_gets_one_message_and_the_usual_values(reader):
    film_survives_nonsense(reader, 8, size=64)


def test_a_link_of_markup_stays_text(reader):
    text = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
    figure = reader.figure(8, prompt=quote(text))
    assert field(figure, "words-steer.prompt").input_value() == text
    assert figure.locator("img[src=x], script").count() == 0
    reader.open(lesson_path(reader.course, 8) + "#%E0%A4%A&hide=%00,<b>&=&&words-steer.seed")
    expect(reader.page.locator("bz-words-steer .figure-stage")).to_be_visible()


def test_any_prompt_gets_at_most_one_message(reader):
    figure = reader.figure(8, num_inference_steps=1)
    expect(figure.locator(".chips .chip")).not_to_have_count(0)
    start = figure.get_by_role("button", name=RUN)
    for prompt, said, runs in (
        ("", t("words-steer.empty"), False),
        ("   \t ", t("words-steer.empty"), False),
        ("x" * 10_000, t("shell.too-long", label=t("words-steer.prompt"), length=10_000, max=300), False),
        ("قطة سعيدة", t("words-steer.unknown"), False),
        ("a zebroid 猫", t("words-steer.skipped", words="猫"), True),
        ("a cat " * 40, t("words-steer.unread", words="").split(":")[0], True),
    ):
        field(figure, "words-steer.prompt").fill(prompt)
        messages = figure.locator(".prompts :is([role=alert], .note)")
        expect(messages).to_contain_text(said)
        assert messages.count() == 1
        assert start.is_enabled() == runs
        if runs:
            run(figure)
        assert figure.locator("p.error[role=alert]").count() == 0
    field(figure, "words-steer.prompt").fill("two 🍎🍎")
    expect(figure.locator(".chips .chip", has_text="apple")).to_have_count(2)
    assert messages.count() == 0
    run(figure)


def test_a_damaged_file_is_named_and_retried(visit):
    said = "model.safetensors is damaged"
    figure = retries(visit(), 8, "models/text_to_image/model.safetensors", other, said)
    expect(figure.get_by_role("button", name=RUN)).to_be_disabled()


@pytest.mark.parametrize("kind", ["avif", "bin"])
def test_a_film_does_without_its_recording(visit, kind):
    film_does_without_its_recording(visit(), 8, kind, cut)
