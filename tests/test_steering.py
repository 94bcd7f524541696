"""Steering an unconditional model by words: the formula where it is exact, the gradient, the pictures, the messages."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from bozzetto.diffusion import SAMPLERS, clip_guided, cosine, flow, normal
from bozzetto.models.clip import ClipConfig, ImageTower
from bozzetto.runtime import clip, sample
from bozzetto.runtime.session import open_network
from bozzetto.runtime.store import ModelFolder, weights_folder
from bozzetto.training.checkpoint import write_tensors
from bozzetto.training.export import Graph, graph_bytes
from bozzetto.training.rounding import restore, stored
from bozzetto.training.steer import Steer, enlarging
from exact import MEAN, STD, gaussian_denoiser

X = normal(0, (500,)).astype(np.float64)


def forbidden(clean):
    raise AssertionError("nobody asked for this gradient")


# The formula


@pytest.mark.parametrize("schedule", [flow(60), cosine(60)], ids=["flow", "cosine"])
@pytest.mark.parametrize("sampler", ["euler", "heun", "dpmpp_2m", "unipc", "ddpm", "dpmpp_2m_sde"])
def test_a_bell_steered_by_a_linear_judge_moves_as_bayes_says(sampler, schedule):
    def noise(step):
        return normal(1, X.shape, stream=step + 1)

    def draw(denoise):
        return SAMPLERS[sampler](denoise, schedule.sigmas[0] * X, schedule, noise=noise)

    plain = gaussian_denoiser(schedule)
    steered = draw(clip_guided(plain, lambda clean: np.full_like(clean, 1.5), 2.0, schedule, STD))
    moved = steered - draw(plain)  # N(m, d^2) times exp(s g x) is N(m + s d^2 g, d^2): every x moves alike
    np.testing.assert_allclose(moved, 2.0 * STD**2 * 1.5, rtol=0.1)
    np.testing.assert_allclose(moved, moved.mean(), rtol=1e-9)


def test_a_judge_with_a_favourite_value_draws_the_bell_to_it_the_more_the_stronger():
    schedule = flow(50)
    plain = gaussian_denoiser(schedule)
    means = [
        SAMPLERS["heun"](clip_guided(plain, lambda clean: -1.0 - clean, s, schedule, STD), X, schedule).mean()
        for s in (0, 1, 2, 4)
    ]
    assert means[0] == pytest.approx(MEAN, abs=0.05)
    assert -1 < means[3] < means[2] < means[1] < means[0] - 0.3


@settings(deadline=None)
@given(st.sampled_from(sorted(SAMPLERS)), st.integers(1, 6))
def test_scale_zero_is_the_plain_sampler_and_asks_for_no_gradient(sampler, steps):
    schedule, x = flow(steps), normal(0, (4,))
    plain = gaussian_denoiser(schedule)

    def draw(denoise):
        return SAMPLERS[sampler](denoise, x, schedule, noise=lambda step: normal(0, (4,), step + 1))

    np.testing.assert_array_equal(draw(clip_guided(plain, forbidden, 0, schedule, STD)), draw(plain))


def test_the_reach_is_the_variance_in_pure_noise_and_nothing_at_the_end():
    schedule, ones = flow(4), np.ones(3, np.float32)
    guided = clip_guided(lambda x, t: 0 * x, lambda clean: clean + 1, np.float64(3), schedule, 0.5)
    assert guided(ones, 1.0).dtype == np.float32
    np.testing.assert_allclose(guided(ones, 1.0), 3 * 0.25)
    np.testing.assert_allclose(guided(ones, 0.5), 3 * 0.25 * 0.25 / (0.25 + 0.25 * 0.25))
    np.testing.assert_array_equal(guided(ones, 0.0), 0)
    np.testing.assert_allclose(guided(torch.ones(3), 1.0).numpy(), 3 * 0.25)


@pytest.mark.parametrize("scale", [float("nan"), -0.1, 100.1, True, "3", None])
def test_bad_scale_is_one_clear_line(scale):
    with pytest.raises(ValueError, match=r"^clip_guidance_scale must be a number from 0 to 100, not .+$"):
        clip_guided(forbidden, forbidden, scale, flow(4), 0.5)


@pytest.mark.parametrize("data_std", [0, -1.0, float("inf"), None])
def test_bad_data_std_is_one_clear_line(data_std):
    with pytest.raises(ValueError, match=r"^data_std must be a number from .+$"):
        clip_guided(forbidden, forbidden, 1, flow(4), data_std)


# The gradient


def by_autograd(tower, pixels, target):
    """Cosine and gradient as PyTorch has them, with its own enlarging."""
    pixels = torch.from_numpy(pixels).requires_grad_()
    embedding = tower(F.interpolate(pixels, scale_factor=2, mode="bilinear"))[0]
    each = (embedding * torch.from_numpy(target)).sum(1)
    return each.detach().numpy(), torch.autograd.grad(each.sum(), pixels)[0].numpy()


def question(seed):
    target = normal(seed, (1, 256), stream=1)
    return np.tanh(normal(seed, (1, 3, 32, 32))), target / np.linalg.norm(target)


def assert_same(answer, cosine, gradient):
    np.testing.assert_allclose(answer["cosine"], cosine, rtol=1e-4, atol=1e-6)
    assert np.abs(answer["gradient"] - gradient).max() < 1e-4 * np.abs(gradient).max()


def test_enlarging_is_bilinear():
    pixels = torch.from_numpy(normal(0, (2, 3, 32, 32)))
    wider = enlarging(32)
    torch.testing.assert_close(wider @ pixels @ wider.T, F.interpolate(pixels, scale_factor=2, mode="bilinear"))


def test_the_exported_gradient_of_any_tower_is_autograds(tmp_path):
    torch.manual_seed(0)
    config = ClipConfig(vocabulary_size=8, image_widths=(16, 16, 16), image_blocks=(1, 1, 1), image_heads=2)
    tower = ImageTower(config).eval()
    for parameter in tower.parameters():  # no branch may be zero
        parameter.data += 0.1 * torch.randn_like(parameter)
    tensors = stored(tower)
    restore(tower, tensors)
    write_tensors(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    steer = Steer(tower, config)
    graph = graph_bytes(Graph(steer, steer.inputs, ["cosine", "gradient"], batch=False), tmp_path / "model.safetensors")
    assert len(graph) < 200_000  # no weights in it
    (tmp_path / "steer.onnx").write_bytes(graph)
    network = open_network(ModelFolder(tmp_path, {}), "steer.onnx")
    pixels, target = question(0)
    assert_same(network(pixels=pixels, target=target), *by_autograd(tower, pixels, target))


@pytest.fixture(scope="module")
def steer():
    return sample.load_steer(weights_folder())


def test_the_shipped_gradient_is_autograds(steer):
    folder = weights_folder() / "clip/image"
    sizes = json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"]
    config = ClipConfig(**{key: tuple(value) if isinstance(value, list) else value for key, value in sizes.items()})
    tower = ImageTower(config).eval()
    restore(tower, load_file(folder / "model.safetensors"))
    for seed in (1, 2):
        pixels, target = question(seed)
        assert_same(steer(pixels=pixels, target=target), *by_autograd(tower, pixels, target))


def test_a_small_step_along_the_gradient_raises_the_cosine_by_as_much(steer):
    pixels, target = question(3)
    gradient = steer(pixels=pixels, target=target)["gradient"]
    step = 0.02 * gradient / np.linalg.norm(gradient)
    above, below = (steer(pixels=pixels + sign * step, target=target)["cosine"][0] for sign in (1, -1))
    assert (above - below) / 0.04 == pytest.approx(np.linalg.norm(gradient), rel=0.02)


# The pictures


def draw(**options):
    return sample.draw("diffusion", weights_folder(), [5], nearest=None, num_inference_steps=6, **options)[0]


def test_words_move_the_picture_towards_them_and_one_seed_is_one_picture():
    words = "a red apple"
    plain, steered, again = draw(sampler="ddpm"), draw(prompt=words), draw(prompt=words)
    np.testing.assert_array_equal(steered, again)
    np.testing.assert_array_equal(plain, draw(prompt=words, clip_guidance_scale=0))
    models = clip.load(weights_folder())
    before, after = clip.encode_image(models, np.stack([plain, steered]).repeat(2, 1).repeat(2, 2))
    assert (after - before) @ clip.encode_text(models, [words])[0] > 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": "a cat", "label": "cat-face"}, "give one of them"),
        ({"clip_guidance_scale": 3}, "give a prompt with it"),
        ({"prompt": "a cat", "clip_guidance_scale": -1}, "clip_guidance_scale must be a number from 0 to 100"),
    ],
)
def test_bad_words_are_one_clear_line(options, message):
    with pytest.raises(ValueError, match=message):
        draw(**options)


def test_other_makers_take_no_prompt():
    with pytest.raises(ValueError, match="prompt means nothing to the gan model"):
        sample.draw("gan", weights_folder(), [0], nearest=None, prompt="a cat")
