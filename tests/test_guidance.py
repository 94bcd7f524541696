"""Classifier-free guidance and autoguidance: formula, interval, what is evaluated when, and the error messages."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bozzetto.diffusion import classifier_free, flow, normal
from bozzetto.diffusion.samplers import heun
from exact import MEAN, STD, gaussian_denoiser, gaussian_solution

X = np.float32([[0.5, -1.0, 2.0]])


def with_prompt(x, t):
    return x * 0.5 + t


def without_prompt(x, t):
    return x * 0.25 - t


def both(x, t):
    return with_prompt(x, t), without_prompt(x, t)


def forbidden(x, t):
    raise AssertionError("this evaluation is thrown away")


@settings(deadline=None)
@given(st.floats(0, 30), st.floats(0, 1))
def test_the_estimate_moves_along_the_difference(scale, t):
    guided = classifier_free(with_prompt, both, scale)(X.astype(np.float64), t)
    expected = scale * with_prompt(X, t) + (1 - scale) * without_prompt(X, t)
    np.testing.assert_allclose(guided, expected, rtol=1e-5, atol=1e-5)


def test_scale_zero_ignores_the_prompt_and_scale_one_asks_only_for_it():
    np.testing.assert_array_equal(classifier_free(forbidden, both, 0)(X, 0.5), without_prompt(X, 0.5))
    np.testing.assert_array_equal(classifier_free(with_prompt, forbidden, 1)(X, 0.5), with_prompt(X, 0.5))


@pytest.mark.parametrize("t", [0.0, 0.1999, 0.8001, 1.0])
def test_outside_the_interval_only_the_prompt_counts(t):
    guided = classifier_free(with_prompt, forbidden, 3.0, interval=(0.2, 0.8))
    np.testing.assert_array_equal(guided(X, t), with_prompt(X, t))


@pytest.mark.parametrize("t", [0.2, 0.5, 0.8])
def test_inside_the_interval_and_at_its_ends_guidance_counts(t):
    guided = classifier_free(forbidden, both, 3.0, interval=(0.2, 0.8))
    np.testing.assert_allclose(guided(X, t), 3 * with_prompt(X, t) - 2 * without_prompt(X, t), rtol=1e-5)


def test_the_default_interval_covers_every_step_of_a_sampler():
    heun(classifier_free(forbidden, both, 2.0), X, flow(5))


def test_numpy_and_torch_agree_and_keep_float32():
    guided = classifier_free(with_prompt, both, np.float64(2.5))
    in_numpy, in_torch = guided(X, 0.3), guided(torch.from_numpy(X), 0.3)
    assert in_numpy.dtype == np.float32 and in_torch.dtype == torch.float32
    np.testing.assert_allclose(in_numpy, in_torch.numpy(), rtol=1e-6)


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), -0.1, 30.1, True, "3", None])
def test_bad_scale_is_one_clear_line(scale):
    with pytest.raises(ValueError, match=r"^guidance_scale must be a number from 0 to 30, not .+$"):
        classifier_free(with_prompt, both, scale)


@pytest.mark.parametrize(
    "interval",
    [(0.8, 0.2), (-0.1, 1.0), (0.0, 1.1), (float("nan"), 1.0), (0.5,), (0.0, 0.5, 1.0), ("a", "b")],
)
def test_bad_interval_is_one_clear_line(interval):
    with pytest.raises(ValueError, match=r"^.*interval must be .+$"):
        classifier_free(with_prompt, both, 3.0, interval)


# Autoguidance: the same function with a good and a bad model


def test_autoguidance_takes_away_an_error_that_the_bad_model_makes_larger():
    schedule = flow(40)
    truth, x = gaussian_denoiser(schedule), normal(0, (50,)).astype(np.float64)
    good, bad = lambda x, t: truth(x, t) + 0.2 * t, lambda x, t: truth(x, t) + 0.6 * t
    guided = classifier_free(good, lambda x, t: (good(x, t), bad(x, t)), 1.5)  # bad + 1.5 (good - bad) = truth
    np.testing.assert_allclose(heun(guided, x, schedule), heun(truth, x, schedule), rtol=1e-12)
    assert np.abs(heun(good, x, schedule) - gaussian_solution(x, schedule)).min() > 0.05


def test_autoguidance_sharpens_a_model_that_is_too_wide():
    # The good model takes the bell for 1.2 times as wide as it is, the bad one for 1.6 times.
    schedule, x = flow(100), normal(0, (2000,)).astype(np.float64)
    good, bad = gaussian_denoiser(schedule, 1.2 * STD), gaussian_denoiser(schedule, 1.6 * STD)
    alone = heun(good, x, schedule)
    guided = heun(classifier_free(good, lambda x, t: (good(x, t), bad(x, t)), 1.5), x, schedule)
    assert abs(guided.std() - STD) < abs(alone.std() - STD) / 2
    assert guided.mean() == pytest.approx(MEAN, abs=0.05)


def test_autoguidance_in_an_interval_asks_the_bad_model_only_there():
    asked = []
    good, bad = with_prompt, lambda x, t: asked.append(t) or without_prompt(x, t)
    heun(classifier_free(good, lambda x, t: (good(x, t), bad(x, t)), 2.0, interval=(0.25, 0.75)), X, flow(8))
    assert set(asked) == {0.75, 0.625, 0.5, 0.375, 0.25}
