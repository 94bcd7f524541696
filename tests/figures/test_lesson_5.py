"""The speed-quality dial: its runs are computed, agree with Python, can be used by everybody, and survive faults."""

import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

import bozzetto
from actions import (
    RUN,
    button,
    cancel,
    expect_address,
    expect_play_beside,
    field,
    film_does_without_its_recording,
    film_flickers_slowly,
    film_is_computed,
    film_survives_nonsense,
    film_works_from_the_keyboard,
    retries,
    run,
    unfold,
)
from bozzetto.runtime import sample, store
from browser import Visit, served, t

pytest_plugins = ["browser"]

NUMBER = 5


@pytest.mark.parametrize(("model", "sampler"), [("diffusion", "dpmpp_2m"), ("few_steps", "few_steps")])
def test_a_run_is_computed(reader, model, sampler):
    film_is_computed(reader, 5, model, label="heart", sampler=sampler)


def test_each_step_of_a_small_picture_agrees_with_python(worker):
    folder = store.weights_folder()
    worker.evaluate("ask => ask('load', ['diffusion', 'few_steps'])")
    for model, label_, options in (
        ("diffusion", "cat-face", {"sampler": "dpmpp_2m", "num_inference_steps": 20}),
        ("diffusion", "food-fruit", {"sampler": "ddpm", "num_inference_steps": 4, "guidance_scale": 3.5}),
        ("diffusion", None, {"sampler": "heun", "num_inference_steps": 3}),
        ("few_steps", "heart", {"num_inference_steps": 4}),
        ("few_steps", None, {}),
    ):
        told = []
        draw = {"label": label_, "nearest": None, **options}
        sample.draw(model.replace("_", "-"), folder, [7], **draw, callback=lambda *step, told=told: told.append(step))
        found = worker.evaluate(
            """async (ask, options) => {
              const steps = [];
              const planes = await ask("sample", options, ({ noisy, clean }) => steps.push([[...noisy], [...clean]]));
              return JSON.stringify({ steps, planes: [...planes] });
            }""",
            {"model": model, "seed": 7, **options} | ({"label": label_} if label_ else {}),
        )
        found = json.loads(found)
        found_steps, expected_steps = np.array(found["steps"]), np.array([step[3:] for step in told])
        assert len(found_steps) == len(expected_steps) >= options.get("num_inference_steps", 1)
        assert abs(found_steps - expected_steps.reshape(found_steps.shape)).max() < 1e-3
        assert found["planes"] == found["steps"][-1][0]


def test_a_small_picture_is_that_of_python(reader):
    found = run(reader.figure(5, label="cat-face", seed=3, num_inference_steps=4, sampler="unipc"))
    [drawn] = bozzetto.sample("diffusion", label="cat-face", seed=3, num_inference_steps=4, sampler="unipc")
    assert abs(np.array(found) - np.asarray(drawn.convert("RGBA")).ravel().astype(int)).max() <= 1


def test_the_dial_goes_to_a_thousand_steps_and_a_long_run_ends_when_it_is_cancelled(reader):
    figure = reader.figure(5)
    expect(figure.locator(".shots canvas").first).to_be_visible()
    figure.locator(".dial-steps .dial").press("End")
    expect_address(figure, num_inference_steps="1000")
    expect(figure.locator(".dial-steps")).to_contain_text(t("speed-dial.long"))
    figure.get_by_role("button", name=RUN).click()
    expect(figure.locator(".progress")).to_contain_text(re.compile(r"\d+ of 1,000"))
    cancel(figure)
    expect(figure.locator(".progress")).to_have_count(0)
    assert figure.get_by_role("alert").count() == 0


def test_a_story_comes_out_of_hidden_words_and_is_that_of_python(reader):
    figure = reader.figure(5, seed=11, num_inference_steps=10)
    button(figure, "speed-dial.sentence-dial", steps=10).click()
    drafts = list(bozzetto.write_steps(seed=11, method="unmask", num_inference_steps=10))
    last = len(drafts) - 1
    expect(figure.locator(".sentence output")).to_have_text(
        t("speed-dial.sentence-step", seed=11, step=last, steps=last)
    )
    draft, slider = figure.locator(".draft"), figure.locator(".sentence input")
    expect(draft).to_have_text(drafts[-1])
    slider.press("ArrowLeft")
    expect(draft).to_have_text(drafts[-2])
    slider.press("Home")
    expect(draft.locator("i")).to_have_count(drafts[0].count("_"))
    expect(draft).to_have_text(drafts[0])


def states(visit: Visit):
    figure = visit.figure(5)
    expect(figure.locator(".shots canvas").first).to_be_visible()
    expect(figure.locator(".measured svg.chart")).to_be_visible()
    expect_play_beside(figure, figure.locator(".run"))
    expect(figure.locator(".subtraction canvas")).to_have_count(3)
    yield "recorded"
    button(figure, "speed-dial.compare-all").click()
    expect(figure.locator(".cell:enabled")).not_to_have_count(0)
    yield "comparing"
    cancel(figure)
    field(figure, "speed-dial.axis").select_option("milliseconds")
    field(figure, "speed-dial.sampler").select_option("few_steps")
    expect(figure.locator(".dial-steps button[aria-pressed]")).to_have_count(4)
    run(figure)
    yield "student"
    field(figure, "speed-dial.sampler").select_option("euler")
    figure.locator(".dial-steps button").nth(1).click()
    run(figure)
    button(figure, "shell.back").click()
    unfold(figure)
    button(figure, "shell.share").click()
    yield "run, unfolded"
    figure.locator(".sentence .button").first.click()
    expect(figure.locator(".draft i")).to_have_count(0)
    yield "a story"


def test_no_state_has_a_barrier(tour):
    assert tour.barriers == []


def test_nothing_goes_wrong_in_any_state(tour):
    assert tour.troubles == []


def test_the_models_are_small(tour, course):
    assert sum(path.endswith("model.safetensors") for path in tour.models) >= 2
    assert served(course, tour.models) <= 8_000_000


def test_noise_flickers_no_faster_than_three_times_a_second(visit):
    film_flickers_slowly(visit, 5)


def test_a_film_is_run_and_looked_at_from_the_keyboard(visit):
    film_works_from_the_keyboard(visit, 5, label="heart")


def test_a_class_and_the_student_are_chosen_from_the_keyboard(reader):
    figure = reader.figure(5, seed=1, num_inference_steps=20)
    field(figure, "speed-dial.label").focus()
    reader.page.keyboard.type("mammal")
    field(figure, "speed-dial.sampler").press("End")
    expect_address(figure, label="animal-mammal", sampler="few_steps")
    expect(figure.locator(".dial-steps [aria-pressed=true]")).to_have_text("8")
    figure.locator(".dial-steps button").nth(1).press("Enter")
    run(figure)
    expect(figure.locator(".scrubber span")).to_contain_text(t("shell.at", step=2, steps=2, noise="0 %"))


def test_a_link_with_nonsense_gets_one_message_and_the_usual_values(reader):
    film_survives_nonsense(reader, 5, size=32)


def test_a_missing_file_is_named_and_retried(visit):
    said = "model.safetensors is missing"
    figure = retries(visit(), 5, "models/few_steps/model.safetensors", None, said)
    expect(figure.get_by_role("button", name=RUN)).to_be_disabled()


def test_a_film_does_without_its_recording(visit):
    film_does_without_its_recording(visit(), 5, "bin", None)
