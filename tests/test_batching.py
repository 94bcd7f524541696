"""The engine: the same picture alone or in any company, places that come free, and a queue with an end."""

import random
import threading
from concurrent.futures import CancelledError
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import bozzetto
from bozzetto.errors import InputWarning, InvalidInput
from bozzetto.runtime import text_to_image
from bozzetto.server import batching
from bozzetto.server.batching import Busy, Closed, Engine, Overdue

NEEDLE = {"prompt": "a red apple", "seed": 7, "num_inference_steps": 3, "guidance_scale": 4.0}
PROMPTS = ("a happy robot", "two cats", "a blue car", "a slice of pizza", "ghost")
LONG = {"prompt": "a dog", "num_inference_steps": 200, "guidance_scale": 1.0}


def straw(dice: random.Random) -> dict:
    """A wish of any kind."""
    wish = {"prompt": dice.choice(PROMPTS), "seed": dice.randrange(2**53)}
    if dice.random() < 0.3:
        return wish | {"few_steps": True, "num_inference_steps": dice.choice((1, 2, 4))}
    return wish | {
        "num_inference_steps": dice.randint(1, 5),
        "guidance_scale": dice.choice((1.0, 2.0, 7.5)),
        "sampler": dice.choice(("euler", "heun", "unipc", "ddpm")),
        "style": dice.choice((None, "noto", "twemoji")),
        "negative_prompt": dice.choice(("", "a dog")),
    }


def needle_in_company(trials: int) -> list[bytes]:
    """The needle's picture from random places in random batches."""
    dice, found = random.Random(3), []
    with Engine(places=7) as engine:
        for _ in range(trials):
            hay = [straw(dice) for _ in range(dice.randint(3, 9))]
            place = dice.randint(0, min(len(hay), 5))
            orders = [engine.generate(**wish) for wish in (*hay[:place], NEEDLE, *hay[place:])]
            found.append(orders[place].results()[0].tobytes())
            assert all(order.results() for order in orders)
        state = engine.state()
    assert state["rows"] > 3 * state["batches"]  # it was company
    return found


def test_a_needle_is_the_same_picture_wherever_it_lies():
    alone = bozzetto.generate(**NEEDLE)[0].tobytes()
    assert needle_in_company(5) == [alone] * 5


@pytest.fixture
def rounds_by_size(monkeypatch):
    """A denoiser whose kernels round differently in every batch of more than a pair."""
    models = text_to_image.load(batching.store.weights_folder())

    def denoiser(**inputs):
        out, rows = models.denoiser(**inputs), len(inputs["x"])
        return out if rows < 3 else {"clean": out["clean"] * np.float32(1 + 1e-3 * rows)}

    monkeypatch.setattr(text_to_image, "load", lambda weights, adapter=None: replace(models, denoiser=denoiser))


@pytest.mark.usefixtures("rounds_by_size")
def test_kernels_that_round_by_batch_size_are_found_out():
    alone = bozzetto.generate(**NEEDLE)[0].tobytes()
    assert needle_in_company(3) == [alone] * 3


@pytest.mark.usefixtures("rounds_by_size")
def test_and_without_looking_the_needle_is_another_picture(monkeypatch):
    monkeypatch.setattr(batching, "same_bits", lambda one, other: True)
    alone = bozzetto.generate(**NEEDLE)[0].tobytes()
    assert any(found != alone for found in needle_in_company(3))


def test_students_and_edits_share_batches_too():
    picture = Image.new("RGB", (80, 80), "orange")
    mask = Image.new("L", (80, 80))
    mask.paste(255, (0, 0, 80, 30))
    with Engine() as engine:
        options = {"seed": 5, "n": 2, "num_inference_steps": 4}
        orders = [
            engine.edit(picture, "a robot", strength=0.5, **options),
            engine.edit(picture, "a robot", mask=mask, seed=5, num_inference_steps=1),
            engine.generate("a robot", few_steps=True, **options),
        ]
        drawn = [[each.tobytes() for each in order.results()] for order in orders]
        assert [each.info["seed"] for each in orders[0].results()] == [5, 6]
    assert drawn == [
        [each.tobytes() for each in pictures]
        for pictures in (
            bozzetto.edit(picture, "a robot", strength=0.5, **options),
            bozzetto.edit(picture, "a robot", mask=mask, seed=5, num_inference_steps=1),
            bozzetto.generate("a robot", few_steps=True, **options),
        )
    ]


def test_many_wishes_come_in_their_order_and_few_are_taken_ahead():
    taken = []

    def wishes():
        for seed in range(20):
            taken.append(seed)
            yield {"prompt": "a robot", "seed": seed, "few_steps": True}

    with Engine(places=2, waiting=4) as engine:
        for done, order in enumerate(engine.draw(wishes())):
            assert order.pictures[0].seed == done and order.pictures[0].done()
            assert len(taken) <= done + 5
    assert len(taken) == 20


# ---------------------------------------------------------------- on the way


def test_estimates_on_the_way_are_those_of_generate():
    shown, frames = {}, {}

    def on_partial(index, number, image):
        shown[index, number] = image

    def on_step(step, steps, index, noisy, clean):
        frames[index, step] = clean

    with Engine() as engine:
        engine.generate("a robot", n=2, num_inference_steps=8, partial_images=3, on_partial=on_partial).results()
    bozzetto.generate("a robot", n=2, num_inference_steps=8, callback_on_step_end=on_step)
    assert sorted(shown) == [(index, number) for index in range(2) for number in range(3)]
    for (index, number), image in shown.items():
        assert image.tobytes() == frames[index, (1, 3, 5)[number]].tobytes()


def test_of_layers_the_things_so_far_are_seen_on_the_way():
    shown = []
    options = {"prompt": "a sun above a house", "few_steps": True, "num_inference_steps": 4, "layers": True}
    with Engine() as engine:
        order = engine.generate(**options, partial_images=3, on_partial=lambda *what: shown.append(what))
        [picture] = order.results()
    assert order.num_inference_steps == 8
    assert picture.tobytes() == bozzetto.generate(**options)[0].tobytes()
    assert [number for _, number, _ in shown] == [0, 1, 2]
    above, below = (
        [np.asarray(image)[half, :, 3].max() for *_, image in shown] for half in (slice(0, 32), slice(32, 64))
    )
    assert min(above) > 100 and below[:2] == [0, 0] and below[2] > 100  # the sun, the sun, and a house


@pytest.mark.parametrize(
    ("count", "steps", "shown"),
    [(3, 20, [4, 9, 14]), (1, 20, [9]), (3, 2, [0]), (3, 1, []), (0, 20, []), (2, 1000, [332, 666])],
)
def test_even_steps(count, steps, shown):
    assert batching.even_steps(count, steps) == shown


def test_what_is_not_read_is_told_and_bad_input_is_refused_at_once():
    with Engine() as engine:
        order = engine.generate("a dog яблоко", negative_prompt="cat", guidance_scale=1.0, num_inference_steps=1)
        assert [type(note) for note in order.notes] == [InputWarning] * 2
        assert order.results()
        for field, wrong in (("prompt", ""), ("n", 0), ("seed", -1), ("style", "x"), ("sampler", "x"), ("seconds", -1),
                             ("num_inference_steps", 0), ("guidance_scale", 31), ("partial_images", 4)):  # fmt: skip
            with pytest.raises(InvalidInput, match=f"^{field} "):
                engine.generate(**{"prompt": "a dog", field: wrong})
        assert engine.state()["drawn"] == 1


# ---------------------------------------------------------------- the queue


def test_who_leaves_frees_the_place_between_two_steps():
    began = threading.Event()
    with Engine(places=1) as engine:
        long = engine.generate(**LONG, partial_images=3, on_partial=lambda *at: began.set())
        waits, second = (engine.generate("a cat", num_inference_steps=1) for _ in range(2))
        waits.cancel()
        assert began.wait(60) and not second.pictures[0].done()
        long.cancel()
        assert second.results()
        for order in (long, waits):
            with pytest.raises(CancelledError):
                order.results()
        assert engine.state() | {"left": 2, "drawn": 1, "waiting": 0, "drawing": 0} == engine.state()


def test_a_picture_that_takes_too_long_is_given_up():
    with Engine(places=1) as engine:
        late = engine.generate(**LONG, seconds=0.2)
        with pytest.raises(Overdue, match="took longer"):
            late.results()
        assert engine.generate("a cat", num_inference_steps=1).results()
        assert engine.state()["overdue"] == 1


def test_the_queue_has_an_end_and_says_when_to_come_back():
    with Engine(places=1, waiting=2) as engine:
        orders = [engine.generate(**LONG, n=3)]  # finds nobody waiting
        while engine.state()["waiting"] != 2:
            pass
        with pytest.raises(Busy, match="2 pictures are waiting") as busy:
            engine.generate("a cat")
        assert busy.value.retry_after >= 1
        orders[0].cancel()
        while engine.state()["waiting"]:
            pass
        assert engine.generate("a cat", num_inference_steps=1).results()


def test_closing_finishes_what_was_accepted():
    with Engine(places=1) as engine:
        orders = [engine.generate("a cat", num_inference_steps=2, seed=seed) for seed in range(3)]
    assert all(order.pictures[0].done() and order.results() for order in orders)
    with pytest.raises(Closed):
        engine.generate("a cat")


def test_or_gives_it_up():
    with pytest.raises(KeyboardInterrupt), Engine(places=1) as engine:
        orders = [engine.generate(**LONG, seed=seed) for seed in range(3)]
        raise KeyboardInterrupt
    for order in orders:
        with pytest.raises(CancelledError):
            order.results()


def test_an_error_of_one_is_not_that_of_others():
    def broken(*at):
        raise ZeroDivisionError

    with Engine() as engine:
        bad = engine.generate("a cat", num_inference_steps=4, partial_images=1, on_partial=broken)
        good = engine.generate("a cat", num_inference_steps=4)
        with pytest.raises(ZeroDivisionError):
            bad.results()
        assert good.results() and engine.state()["failed"] == 1
