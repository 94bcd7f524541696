"""Editing: img2img, inpainting and inversion, on data whose exact answer is known."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

import bozzetto
from bozzetto import pictures
from bozzetto.cli import main
from bozzetto.diffusion import SAMPLERS, SCHEDULES, STOCHASTIC, flow, img2img, inpaint, invert, normal
from bozzetto.diffusion.samplers import ddim, heun
from bozzetto.diffusion.schedule import karras
from bozzetto.errors import InvalidInput
from bozzetto.runtime import store, text_to_image
from exact import MEAN, MEANS, STD, STDS, gaussian_denoiser, gaussian_solution, level_at, mixture_denoiser

ODE_SAMPLERS = [name for name in SAMPLERS if name not in STOCHASTIC]


def noise(seed, shape):
    return normal(seed, shape).astype(np.float64)


def noise_of(seed, shape):
    return lambda step: normal(seed, shape, step + 1).astype(np.float64)


# img2img


@pytest.mark.parametrize(
    ("strength", "steps"), [(0, 1), (0.04, 1), (0.3, 3), (0.7, 7), (0.96, 10), (1, 10), (np.float32(0.5), 5)]
)
@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_strength_is_the_share_of_the_steps_that_is_run(build, strength, steps):
    schedule, image, added = build(10), noise(1, (2, 3)), noise(2, (2, 3))
    x, rest = img2img(image, schedule, strength, added)
    assert len(rest) == steps
    for whole, part in ((schedule.times, rest.times), (schedule.alphas, rest.alphas), (schedule.sigmas, rest.sigmas)):
        np.testing.assert_array_equal(part, whole[-steps - 1 :])
    np.testing.assert_allclose(x, rest.alphas[0] * image + rest.sigmas[0] * added, rtol=1e-12)


def test_full_strength_forgets_the_picture():
    x, rest = img2img(noise(1, (5,)), flow(7), 1.0, noise(2, (5,)))
    np.testing.assert_array_equal(x, noise(2, (5,)))
    assert len(rest) == 7


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan"), "0.5", True, None])
def test_bad_strength_is_one_clear_line(strength):
    with pytest.raises(ValueError, match=r"^strength must be a number from 0 to 1, not .+$"):
        img2img(noise(1, (5,)), flow(7), strength, noise(2, (5,)))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("strength", [0.2, 0.5, 0.8])
def test_strength_decides_how_much_of_the_picture_is_kept(sampler, strength):
    # A picture of the data, noised to (alpha, sigma), correlates with what it was by r = alpha STD / (the noised
    # one's spread). The ODE changes nothing about that; a stochastic sampler draws one of the pictures that could
    # have been under the noise, which is just as far away: r^2. Both give the data's mean and spread.
    shape, schedule = (10_000,), flow(100)
    image = MEAN + STD * noise(1, shape)
    x, rest = img2img(image, schedule, strength, noise(2, shape))
    out = SAMPLERS[sampler](gaussian_denoiser(schedule), x, rest, noise=noise_of(3, shape))
    r = (1 - strength) * STD / math.hypot((1 - strength) * STD, strength)
    assert np.corrcoef(image, out)[0, 1] == pytest.approx(r**2 if sampler in STOCHASTIC else r, abs=0.03)
    assert out.mean() == pytest.approx(MEAN, abs=0.03) and out.std() == pytest.approx(STD, rel=0.05)


# Inpainting


def pair_denoiser(schedule, correlation):
    """The exact denoiser of two pixels: standard bells of the given correlation."""
    levels, covariance = level_at(schedule), np.array([[1, correlation], [correlation, 1]])

    def denoise(x, t):
        alpha, sigma = levels[t]
        return x @ (alpha * covariance @ np.linalg.inv(alpha**2 * covariance + sigma**2 * np.eye(2))).T

    return denoise


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_the_known_part_stays_and_the_rest_is_painted(sampler, build):
    schedule, image = build(12), noise(1, (3, 4))
    mask = np.float64([[1, 1, 0, 0]])
    x = schedule.sigmas[0] * noise(2, (3, 4))
    plain, painted = (
        SAMPLERS[sampler](denoise, x, schedule, noise=noise_of(3, (3, 4)))
        for denoise in (gaussian_denoiser(schedule), inpaint(gaussian_denoiser(schedule), image, mask))
    )
    np.testing.assert_allclose(painted[:, 2:], image[:, 2:], atol=1e-12)
    np.testing.assert_allclose(painted[:, :2], plain[:, :2], rtol=1e-9)  # these pixels are independent


@pytest.mark.parametrize("sampler", ODE_SAMPLERS)
def test_the_known_part_carries_the_same_noise_at_every_level(sampler):
    schedule, image, x = flow(6), noise(1, (4,)), noise(2, (4,))
    walked = []
    denoise = inpaint(gaussian_denoiser(schedule), image, np.zeros(4))
    SAMPLERS[sampler](denoise, x, schedule, lambda step, noisy, clean: walked.append(noisy))
    for noisy, alpha, sigma in zip(walked, schedule.alphas[1:], schedule.sigmas[1:], strict=True):
        np.testing.assert_allclose(noisy, alpha * image + sigma * x, atol=1e-12)


def test_what_is_painted_fits_and_another_round_fits_better():
    # Given that its neighbour is 1, the unknown pixel is 0.9 on average, and its standard deviation sqrt(1 - 0.81).
    schedule, shape = flow(50), (5000, 2)
    denoise = inpaint(pair_denoiser(schedule, 0.9), np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    by_ode = heun(denoise, noise(1, shape), schedule)[:, 1].mean()
    x = SAMPLERS["ddpm"](denoise, noise(1, shape), schedule, noise=noise_of(2, shape))
    by_sde = x[:, 1].mean()
    for seed in range(3, 11, 2):
        x, rest = img2img(x, schedule, 0.3, noise(seed, shape))
        x = SAMPLERS["ddpm"](denoise, x, rest, noise=noise_of(seed + 1, shape))
    assert 0.4 < by_ode < by_sde - 0.1 < x[:, 1].mean() - 0.25 < 0.65
    assert x[:, 1].std() == pytest.approx(math.sqrt(1 - 0.81), abs=0.06)


def test_a_soft_mask_blends():
    guess = inpaint(lambda x, t: x, np.zeros(3), np.array([0.0, 0.25, 1.0]))(np.full(3, 4.0), 0.5)
    np.testing.assert_array_equal(guess, [0, 1, 4])


# Inversion


@pytest.mark.parametrize("denoiser", [gaussian_denoiser, mixture_denoiser])
@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_the_round_trip_error_falls_as_one_over_the_steps(denoiser, build):
    image, errors = (MEANS + STDS * np.linspace(-2, 2, 20)[:, None]).ravel(), []
    counts = [40, 80, 160, 320]
    for steps in counts:
        schedule = build(steps)
        denoise = denoiser(schedule)
        back = ddim(denoise, invert(denoise, image, schedule), schedule)
        errors.append(np.abs(back - image).mean())
    slope, _ = np.polyfit(np.log(counts), np.log(errors), 1)
    assert -1.2 < slope < -0.8 and errors[-1] < 0.06


@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_inversion_finds_the_noise_that_leads_to_the_picture(build):
    def error(steps):
        schedule = build(steps)
        latents = invert(gaussian_denoiser(schedule), image, schedule)
        return np.abs(gaussian_solution(latents, schedule) - image).max()

    image = MEAN + STD * noise(1, (50,))
    assert error(320) < error(40) / 6 and error(320) < 0.04


def test_inverted_data_is_standard_noise():
    schedule = flow(400)
    latents = invert(gaussian_denoiser(schedule), MEAN + STD * noise(1, (4000,)), schedule)
    assert latents.mean() == pytest.approx(0, abs=0.1) and latents.std() == pytest.approx(1, abs=0.06)


def test_inversion_counts_from_the_clean_end_and_leaves_its_input_alone():
    calls = []

    def denoise(x, t):
        calls.append(t)
        return x * 0.5

    image = noise(1, (3,))
    before = image.copy()
    seen = []
    latents = invert(denoise, image, flow(4), lambda step, noisy, clean: seen.append((step, noisy, clean)))
    np.testing.assert_array_equal(image, before)
    assert calls == [0.25, 0.5, 0.75] and [step for step, _, _ in seen] == [0, 1, 2, 3]
    np.testing.assert_array_equal(seen[0][2], image)
    np.testing.assert_array_equal(seen[-1][1], latents)


# All three


def test_numpy_and_torch_agree_and_keep_float32():
    image, added, mask = normal(1, (2, 5)), normal(2, (2, 5)), np.float32([1, 0, 0.5, 1, 0])
    schedule = karras(8)
    denoise = gaussian_denoiser(schedule)

    def edit(image, added, mask):
        x, rest = img2img(image, schedule, 0.6, added)
        return heun(inpaint(denoise, image, mask), x, rest), invert(denoise, image, schedule)

    for ours, theirs in zip(edit(image, added, mask), edit(*map(torch.from_numpy, (image, added, mask))), strict=True):
        assert ours.dtype == np.float32 and theirs.dtype == torch.float32
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5, atol=1e-5)


# bozzetto.edit, with the shipped model


@pytest.fixture(scope="module")
def house():
    return bozzetto.generate("a house", seed=7, num_inference_steps=10)[0]


def half(white_above=True):
    mask = np.zeros((64, 64), np.uint8)
    mask[:32] = 255
    return mask if white_above else mask[::-1]


def away(one, other):
    return np.abs(np.asarray(pictures.over_white(one), float) - np.asarray(pictures.over_white(other), float)).mean()


def test_strength_decides_how_far_the_drawing_goes(house):
    options = {"seed": 3, "num_inference_steps": 10}
    edited = {s: bozzetto.edit(house, "a house", strength=s, **options)[0] for s in (0.1, 0.5, 1.0)}
    assert away(edited[0.1], house) < 8 < away(edited[1.0], house)
    assert away(edited[0.1], house) < away(edited[0.5], house) < away(edited[1.0], house)
    drawn = bozzetto.generate("a house", **options)[0]
    np.testing.assert_array_equal(edited[1.0], drawn)  # of pure noise nothing of the picture is left


def test_outside_the_mask_no_pixel_changes_and_inside_the_prompt_does(house, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures.save_png(house, tmp_path / "house.png")
    Image.fromarray(half()).resize((640, 640)).save("mask.png")
    options = {"mask": half(), "num_inference_steps": 4, "guidance_scale": 5}
    first, second = bozzetto.edit(house, "a house", seed=1, n=2, **options)
    other = bozzetto.edit(house, "a red balloon", seed=1, **options)[0]
    for edited in (first, second, other):
        np.testing.assert_array_equal(np.asarray(edited)[32:], np.asarray(house)[32:])
    assert min(away(first, house), away(first, second), away(first, other)) > 1
    line = ["edit", "house.png", "a house", "--mask", "mask.png", "--seed", "1", "--steps", "4", "--guidance", "5"]
    assert main([*line, "-o", "again.png"]) == 0
    np.testing.assert_array_equal(Image.open("again.png"), first)


def test_a_cell_is_painted_if_a_pixel_under_it_is(house):
    mask = np.zeros((64, 64), bool)
    mask[8:17, 40] = True
    encoder = text_to_image.load_encoder(store.weights_folder())
    start = text_to_image.start_from(encoder, np.asarray(house), 1, mask)
    side = start.mask.shape[-1]
    cells = np.zeros((1, 1, side, side))
    cells[..., 8 * side // 64 : 16 * side // 64 + 1, 40 * side // 64] = 1
    np.testing.assert_array_equal(start.mask, cells)
    assert start.latents.shape == (1, *text_to_image.LATENT_SHAPE) and 0.5 < start.latents.std() < 2


def test_what_is_under_a_picture_that_cannot_be_seen_does_not_count(house):
    hidden = np.array(house)
    hidden[hidden[..., 3] == 0] = (9, 200, 77, 0)
    encoder = text_to_image.load_encoder(store.weights_folder())
    one, other = (text_to_image.start_from(encoder, p, 1, None).latents for p in (np.asarray(house), hidden))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("options", "steps"), [({"strength": 0.5}, 5), ({}, 6), ({"mask": half()}, 10 + 4 * 6)])
def test_progress_counts_the_steps_that_are_run(house, options, steps):
    told = []
    bozzetto.edit(house, "a house", num_inference_steps=10, n=1, progress=lambda *at: told.append(at), **options)
    assert told == [(step + 1, steps) for step in range(steps)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": np.zeros((64, 64), np.uint8)}, "mask is black everywhere: make white what is to be painted"),
        ({"mask": np.full((64, 64, 4), (255, 255, 255, 0), np.uint8)}, "mask is black everywhere: make white what .*"),
        ({"mask": np.full((64, 32), 255, np.uint8)}, "mask is 32 x 64 and the picture 64 x 64: both must be of .*"),
        ({"mask": b"GIF89a"}, "mask is broken: .*"),
        ({"mask": "nowhere.png"}, "mask nowhere.png is not there: check the name"),
        ({"strength": 1.5}, "strength must be a number from 0 to 1, not 1.5"),
        ({"strength": math.nan}, "strength must be a number from 0 to 1, not nan"),
        ({"prompt": ""}, "prompt is empty: .*"),
        ({"style": "oils"}, "style .*oils.*"),
        ({"n": 0}, "n must be .* 1 to 100, not 0"),
    ],
)
def test_what_cannot_be_edited_is_one_clear_line(house, options, message):
    with pytest.raises(InvalidInput, match=f"^{message}$"):
        bozzetto.edit(house, **{"prompt": "a house", "num_inference_steps": 1, **options})


def test_the_shell_names_the_options_and_writes_nothing(house, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures.save_png(house, tmp_path / "house.png")
    said = {
        ("gone.png", "a house"): "bozzetto: picture gone.png is not there: check the name",
        ("house.png", "a house", "--mask", "gone.png"): "bozzetto: --mask gone.png is not there: check the name",
        ("house.png", "a house", "--strength", "2"): "bozzetto: --strength must be a number from 0 to 1, not 2.0",
    }
    for arguments, line in said.items():
        assert main(["edit", *arguments, "--steps", "1"]) == 2
        assert capsys.readouterr().err.strip() == line
    assert [path.name for path in tmp_path.iterdir()] == ["house.png"]
