"""What can go wrong that is no bug: one class a kind, with the argument it is about."""

import numpy as np
import pytest

import bozzetto
from bozzetto.errors import (
    BozzettoError,
    InputWarning,
    InvalidInput,
    MissingExtra,
    MissingFile,
    NotBuilt,
    WeightsError,
    one_of,
    real_number,
    whole_number,
)

FLAGS = {"num_inference_steps": "--steps", "few_steps": "--few-steps", "prompt": "--towards"}


def flag(name):
    return FLAGS.get(name, f"--{name}")


def test_invalid_input_knows_its_argument_and_a_shell_names_it_as_it_likes():
    with pytest.raises(InvalidInput) as caught:
        bozzetto.generate("a dog", num_inference_steps=0)
    assert isinstance(caught.value, ValueError) and caught.value.field == "num_inference_steps"
    assert str(caught.value) == "num_inference_steps must be a whole number from 1 to 1000, not 0"
    assert caught.value.text(flag) == "--steps must be a whole number from 1 to 1000, not 0"


def test_what_a_person_wrote_is_never_taken_for_an_argument():
    with pytest.raises(InvalidInput) as caught:
        bozzetto.sample("gan", label="prompt {} few_steps")
    assert caught.value.text(flag).startswith("--label 'prompt {} few_steps' is not one of the 80 classes")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: bozzetto.generate("a dog", few_steps=True, sampler="euler"),
            "--sampler cannot be chosen with --few-steps, whose student has one built in: leave it out",
        ),
        (
            lambda: bozzetto.sample("diffusion", label="heart", prompt="a heart"),
            "--label and --towards are two ways to say what to draw: give one of them",
        ),
        (lambda: bozzetto.generate("a dog", seed=2**53 - 1, n=2), "--seed 9007199254740991 is too large for n = 2"),
    ],
)
def test_a_line_about_two_arguments_names_both(call, text):
    with pytest.raises(InvalidInput) as caught:
        call()
    assert caught.value.text(flag).startswith(text)


def test_a_file_that_is_not_there_is_a_kind_of_its_own():
    with pytest.raises(MissingFile, match=r"^picture nowhere\.png is not there: check the name$") as caught:
        bozzetto.as_seen("nowhere.png")
    assert isinstance(caught.value, FileNotFoundError) and isinstance(caught.value, InvalidInput)
    assert caught.value.field == "picture"


def test_damaged_weights_are_nobodys_input(tmp_path, monkeypatch):
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match=r"config\.json is missing: reinstall bozzetto") as caught:
        bozzetto.generate("a dog")
    assert isinstance(caught.value, BozzettoError) and not isinstance(caught.value, ValueError | OSError)


def test_what_is_missing_says_how_to_get_it():
    built, extra = NotBuilt("index photos is not there: run `bozzetto search index`"), MissingExtra("torch", "train")
    assert isinstance(built, FileNotFoundError) and str(built).endswith("run `bozzetto search index`")
    assert isinstance(extra, ImportError) and extra.name == "torch"
    assert str(extra) == "torch is not installed: run `pip install 'bozzetto[train]'`"


def test_a_warning_is_named_like_an_error():
    warning = InputWarning("prompt", "does nothing where {} is 1", "guidance_scale")
    assert isinstance(warning, UserWarning) and str(warning) == "prompt does nothing where guidance_scale is 1"
    assert warning.text(flag) == "--towards does nothing where --guidance_scale is 1"


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_any_kind_of_integer_is_a_whole_number(value):
    found = whole_number("k", value, 1, 5)
    assert found == 3 and type(found) is int


@pytest.mark.parametrize("value", [0, 6, True, 3.0, "3", None, np.bool_(True), np.array([3, 3])])
def test_anything_else_is_not(value):
    with pytest.raises(InvalidInput, match=r"^k must be a whole number from 1 to 5, not "):
        whole_number("k", value, 1, 5)


def test_real_numbers_and_choices():
    assert real_number("scale", np.float32(0.5), 0, 1) == 0.5 and type(real_number("scale", 1, 0, 1)) is float
    for value in (float("nan"), True, "0.5", None, 1.5):
        with pytest.raises(InvalidInput, match=r"^scale must be a number from 0 to 1, not "):
            real_number("scale", value, 0, 1)
    one_of("style", "noto", ("noto", "twemoji"))
    with pytest.raises(
        InvalidInput, match=r"^style 'nott' is unknown: did you mean noto\? choose one of noto, twemoji"
    ):
        one_of("style", "nott", ("noto", "twemoji"))
    with pytest.raises(InvalidInput, match=r"^size must be a whole number from 1, not 0"):
        whole_number("size", 0, 1)
    with pytest.raises(InvalidInput, match=r"^size must be a whole number from 16 to 2048 pixels, not 0$"):
        whole_number("size", 0, 16, 2048, unit="pixels")
