"""Samplers and schedules against exact solutions, measured orders of convergence, and diffusers."""

import math

import diffusers
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bozzetto.diffusion import JUMPS, SAMPLERS, SCHEDULES, STOCHASTIC, TWICE, Schedule, few_steps, normal, normal_batch
from bozzetto.diffusion.schedule import cosine, flow, karras, linear
from exact import (
    MEAN,
    STD,
    gaussian_denoiser,
    gaussian_solution,
    mixture_denoiser,
    mixture_solution,
    two_points_denoiser,
)

ODE_SAMPLERS = [name for name in SAMPLERS if name not in STOCHASTIC]


def start(schedule, shape=(2, 3, 4), seed=0):
    return float(schedule.sigmas[0]) * normal(seed, shape).astype(np.float64)


def error(sampler, schedule):
    x = start(schedule)
    return np.abs(SAMPLERS[sampler](gaussian_denoiser(schedule), x, schedule) - gaussian_solution(x, schedule)).max()


# Schedules


@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 20, 999, 1000])
def test_every_schedule_runs_from_noise_to_clean(build, steps):
    schedule = build(steps)
    assert len(schedule) == steps and len(schedule.times) == len(schedule.alphas) == len(schedule.sigmas) == steps + 1
    assert schedule.times.dtype == schedule.alphas.dtype == schedule.sigmas.dtype == np.float64
    assert (np.diff(schedule.times) < 0).all() and 0.9 < schedule.times[0] <= 1 and schedule.times[-1] == 0
    assert schedule.alphas[-1] == 1 and schedule.sigmas[-1] == 0
    assert schedule.alphas[0] / schedule.sigmas[0] < 0.02


@settings(deadline=None)
@given(st.integers(1, 1000), st.floats(0.01, 100))
def test_flow_is_a_straight_path_from_exactly_one(steps, shift):
    schedule = flow(steps, shift)
    assert schedule.times[0] == schedule.sigmas[0] == 1 and schedule.alphas[0] == 0
    np.testing.assert_array_equal(schedule.alphas + schedule.sigmas, 1)
    even = np.linspace(1, 0, steps + 1)
    np.testing.assert_allclose(schedule.times, shift * even / (1 + (shift - 1) * even), rtol=1e-9)


@pytest.mark.parametrize("build", [cosine, linear])
def test_variance_preserving_paths_preserve_variance(build):
    schedule = build(50)
    np.testing.assert_allclose(schedule.alphas**2 + schedule.sigmas**2, 1, rtol=1e-14)


def test_cosine_keeps_half_of_the_signal_where_the_paper_says():
    schedule = cosine(1000)
    f = [math.cos((k / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for k in (500, 0)]
    assert schedule.alphas[500] ** 2 == pytest.approx(f[0] / f[1])
    assert 0.48 < schedule.alphas[500] ** 2 < 0.5


def test_karras_spacing_is_even_in_the_rho_th_root():
    schedule = karras(10, sigma_min=0.1, sigma_max=50, rho=5)
    assert schedule.sigmas[0] == pytest.approx(50) and schedule.sigmas[-2] == pytest.approx(0.1)
    np.testing.assert_allclose(np.diff(schedule.sigmas[:-1] ** 0.2, 2), 0, atol=1e-12)
    np.testing.assert_allclose(schedule.times, schedule.sigmas / (1 + schedule.sigmas))


@pytest.mark.parametrize("steps", [0, -1, 1001, 10**6, 2.0, True, "20", None, float("nan")])
@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_bad_step_count_is_one_clear_line(build, steps):
    with pytest.raises(ValueError, match=r"^num_inference_steps must be a whole number from 1 to 1000, not .+$"):
        build(steps)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("shift", lambda: flow(4, shift=0)),
        ("shift", lambda: flow(4, shift=float("nan"))),
        ("shift", lambda: flow(4, shift="3")),
        ("sigma_max", lambda: karras(4, sigma_max=math.inf)),
        ("sigma_min", lambda: karras(4, sigma_min=0.0)),
        ("sigma_min", lambda: karras(4, sigma_min=2.0, sigma_max=1.0)),
        ("sigma_min", lambda: karras(4, sigma_min=1.0, sigma_max=1.0)),
        ("rho", lambda: karras(4, rho=0.5)),
    ],
)
def test_bad_schedule_argument_names_itself(name, call):
    with pytest.raises(ValueError, match=rf"^{name} must be "):
        call()


@pytest.mark.parametrize(
    ("times", "alphas", "sigmas", "reason"),
    [
        ([1, 0], [0, 1], [1, 0.5, 0], "one length"),
        ([0], [1], [0], "at least 2"),
        ([1, 0], [0, 1], [1, 0.1], "end clean"),
        ([1, 0], [0, 0.9], [1, 0], "end clean"),
        ([1, 0], [0, 1], [np.nan, 0], "finite"),
        ([1.5, 0], [0, 1], [1, 0], "times must lie"),
        ([1, 0.5, 0], [-0.1, 0.5, 1], [1, 0.5, 0], "not negative"),
        ([1, 0.5, 0], [0.6, 0.5, 1], [0.5, 0.5, 0], "less noisy"),
        ([1, 0.5, 0], [0, 0.5, 1], [1, 0, 0], "less noisy"),
    ],
)
def test_arrays_that_are_no_schedule_are_refused(times, alphas, sigmas, reason):
    with pytest.raises(ValueError, match=reason):
        Schedule(np.float64(times), np.float64(alphas), np.float64(sigmas))


# Deterministic samplers against the exact solution


@pytest.mark.parametrize("sampler", ODE_SAMPLERS)
@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_ode_samplers_converge_to_the_exact_solution(sampler, build):
    coarse, fine = error(sampler, build(10)), error(sampler, build(640))
    assert fine < coarse / 20
    assert fine < (0.008 if sampler in ("euler", "ddim") else 0.001)


def even_in_log_snr(steps):
    """The flow path from lambda = -4 to 4 in even steps, and the last step to the clean picture."""
    sigmas = np.append(1 / (1 + np.exp(np.linspace(-4, 4, steps + 1))), 0)
    return Schedule(sigmas, 1 - sigmas, sigmas)


@pytest.mark.parametrize(
    ("sampler", "order"), [("euler", 1), ("ddim", 1), ("heun", 2), ("dpmpp_2m", 2), ("unipc", 3)], ids=str
)
def test_measured_order_of_convergence(sampler, order):
    # The error after n steps is c / n^order: the slope of its logarithm over that of n. The last step, to no noise,
    # is of first order in all of them, so the error is measured before it.
    counts, errors = [40, 80, 160, 320], []
    for steps in counts:
        schedule = even_in_log_snr(steps)
        x = start(schedule)
        found = trajectory(sampler, mixture_denoiser(schedule), x, schedule)[-2]
        errors.append(np.abs(found - mixture_solution(x, schedule, level=-2)).max())
    slope, _ = np.polyfit(np.log(counts), np.log(errors), 1)
    assert -order - 0.25 < slope < -order + 0.25


@pytest.mark.parametrize(
    ("sampler", "order"), [("euler", 1), ("ddim", 1), ("heun", 2), ("dpmpp_2m", 2), ("unipc", 2)], ids=str
)
def test_measured_order_from_pure_noise_to_the_picture(sampler, order):
    # The last step, from sigma = 1 / n, has an error of order 1 / n^2, so nothing is of third order here. The log-SNR
    # grid of the 2M solver cannot become fine at t = 1, which costs it a factor log n: it approaches 2 from below.
    measured = math.log2(error(sampler, flow(250)) / error(sampler, flow(500)))
    assert order - 0.25 < measured < order + 0.25


@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_euler_and_ddim_are_one_step_seen_two_ways(build):
    schedule = build(9)
    denoise, x = two_points_denoiser(schedule), start(schedule)
    results = [trajectory(name, denoise, x, schedule) for name in ("euler", "ddim")]
    np.testing.assert_allclose(*results, rtol=1e-10)


@pytest.mark.parametrize("sampler", ODE_SAMPLERS)
@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
@settings(deadline=None)
@given(value=st.floats(-10, 10), steps=st.integers(1, 12))
def test_a_denoiser_that_knows_the_answer_is_believed(sampler, build, value, steps):
    schedule = build(steps)
    x = SAMPLERS[sampler](lambda x, t: x * 0 + value, start(schedule), schedule)
    np.testing.assert_allclose(x, value, atol=1e-9)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("shift", [0.01, 0.5, 3.0, 100.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 20])
def test_flow_is_finite_from_pure_noise_to_no_noise(sampler, shift, steps):
    schedule = flow(steps, shift)
    x = normal(0, (5,))
    out = SAMPLERS[sampler](two_points_denoiser(schedule), x, schedule, noise=lambda step: normal(0, (5,), step + 1))
    assert np.isfinite(out).all() and np.abs(out).max() < 1.5


# What every sampler promises


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_steps_and_callbacks_come_in_order(sampler, steps):
    schedule = flow(steps)
    calls = []

    def denoise(x, t):
        calls.append(("denoise", t))
        assert type(t) is float
        return x * 0.5

    def callback(step, noisy, clean):
        calls.append(("callback", step))
        seen.append((noisy, clean))

    seen = []
    x = normal(0, (3,))
    before = x.copy()
    result = SAMPLERS[sampler](denoise, x, schedule, callback, lambda step: normal(0, (3,), step + 1))
    np.testing.assert_array_equal(x, before)

    evaluations = 1 + (sampler in TWICE)
    expected = []
    for step in range(steps):
        ahead = schedule.times[step : step + evaluations] if step < steps - 1 else schedule.times[step : step + 1]
        expected += [("denoise", t) for t in ahead] + [("callback", step)]
    assert calls == expected
    np.testing.assert_array_equal(seen[-1][0], result)
    np.testing.assert_array_equal(seen[0][1], before * 0.5)
    np.testing.assert_allclose(seen[-1][0], seen[-1][1], atol=1e-6)  # the last picture is the clean estimate


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_numpy_and_torch_give_the_same_numbers_in_float32(sampler, build):
    schedule = build(8)
    denoise = gaussian_denoiser(schedule)
    x = float(schedule.sigmas[0]) * normal(3, (2, 5))
    in_numpy = SAMPLERS[sampler](denoise, x, schedule, noise=lambda step: normal(3, (2, 5), step + 1))
    in_torch = SAMPLERS[sampler](
        denoise,
        torch.from_numpy(x),
        schedule,
        noise=lambda step: torch.from_numpy(normal(3, (2, 5), step + 1)),
    )
    assert in_numpy.dtype == np.float32 and in_torch.dtype == torch.float32
    np.testing.assert_allclose(in_numpy, in_torch.numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_picture_does_not_depend_on_its_batch(sampler):
    schedule = flow(6)

    def draw(seeds):
        x = normal_batch(seeds, (2, 3))
        noise = lambda step: normal_batch(seeds, (2, 3), step + 1)  # noqa: E731
        return SAMPLERS[sampler](gaussian_denoiser(schedule), x, schedule, noise=noise)

    np.testing.assert_array_equal(draw([4, 5, 6])[1], draw([5])[0])


# The stochastic samplers


@pytest.mark.parametrize("sampler", sorted(STOCHASTIC))
@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_stochastic_samplers_reproduce_mean_and_variance(sampler, build):
    schedule, count = build(400), 20_000
    x = float(schedule.sigmas[0]) * normal(0, (count,))
    x = SAMPLERS[sampler](gaussian_denoiser(schedule), x, schedule, noise=lambda step: normal(0, (count,), step + 1))
    assert x.mean() == pytest.approx(MEAN, abs=5 * STD / math.sqrt(count))
    assert x.std() == pytest.approx(STD, rel=5 / math.sqrt(2 * count))


def test_the_second_order_of_dpmpp_2m_sde_pays():
    # Both get the variance of a bell wrong when steps are few; the straight line takes most of that away.
    schedule, count = flow(30), 40_000
    x, noise = normal(0, (count,)), lambda step: normal(0, (count,), step + 1)
    first, second = (
        abs(SAMPLERS[name](gaussian_denoiser(schedule), x, schedule, noise=noise).std() / STD - 1)
        for name in ("ddpm", "dpmpp_2m_sde")
    )
    assert second < first / 2


@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_euler_ancestral_and_ddpm_are_one_step_seen_two_ways(build):
    schedule = build(9)
    denoise, x = two_points_denoiser(schedule), start(schedule)
    noise = lambda step: normal(0, x.shape, step + 1).astype(np.float64)  # noqa: E731
    results = [trajectory(name, denoise, x, schedule, noise) for name in ("euler_ancestral", "ddpm")]
    np.testing.assert_allclose(*results, rtol=1e-10)


@pytest.mark.parametrize("sampler", sorted(STOCHASTIC))
def test_noise_is_drawn_for_every_step_but_the_last(sampler):
    drawn = []

    def noise(step):
        drawn.append(step)
        return normal(0, (3,), step + 1)

    SAMPLERS[sampler](lambda x, t: x * 0.5, normal(0, (3,)), flow(5), noise=noise)
    assert drawn == [0, 1, 2, 3]


@pytest.mark.parametrize("sampler", sorted(STOCHASTIC))
def test_a_stochastic_sampler_asks_for_noise(sampler):
    with pytest.raises(ValueError, match=rf"^noise is missing: {sampler} is stochastic"):
        SAMPLERS[sampler](lambda x, t: x, normal(0, (3,)), flow(5))


# The few-step student's


@pytest.mark.parametrize("steps", JUMPS)
def test_exact_jumps_with_fresh_noise_between_draw_the_data(steps):
    """After every step the noisy pictures spread as the data with that much noise, in the end as the data itself."""
    count, schedule = 20_000, flow(steps)

    def spread(t):
        return math.hypot((1 - t) * STD, t)

    def jump(x, t, until):
        there = (1 - until) * MEAN + (x - (1 - t) * MEAN) * spread(until) / spread(t)
        return x - t / (t - until) * (x - there)

    def check(step, noisy, clean):
        t = schedule.times[step + 1]
        assert noisy.mean() == pytest.approx((1 - t) * MEAN, abs=5 * spread(t) / math.sqrt(count))
        assert noisy.std() == pytest.approx(spread(t), rel=5 / math.sqrt(2 * count))

    x, noise = normal(0, (count,)), lambda step: normal(0, (count,), step + 1)
    drawn = few_steps(jump, x, schedule, check, noise)
    # One step is the path from the start; with more of them less and less of the start is left.
    alike = np.corrcoef(drawn, gaussian_solution(x, schedule))[0, 1]
    assert alike > 0.999999 if steps == 1 else alike < 0.9


@pytest.mark.parametrize("steps", JUMPS)
def test_a_student_jumps_two_levels_ahead_and_gets_noise_for_the_way_back(steps):
    told, drawn, seen = [], [], []

    def jump(x, t, until):
        told.append((t, until))
        return x * 0.5

    def noise(step):
        drawn.append(step)
        return normal(0, (3,), step + 1)

    end = few_steps(jump, normal(0, (3,)), flow(steps), lambda *step: seen.append(step), noise)
    assert told == [(1 - i / steps, max(0, 1 - (i + 2) / steps)) for i in range(steps)]
    assert drawn == list(range(steps - 1)) and [step for step, _, _ in seen] == list(range(steps))
    assert end is seen[-1][1] and (end == seen[-1][2]).all() and end.dtype == np.float32


@pytest.mark.parametrize("steps", [3, 5, 16])
def test_a_student_refuses_steps_that_it_has_not_learned(steps):
    with pytest.raises(ValueError, match=f"must be 1, 2, 4 or 8 for a few-step student, not {steps}"):
        few_steps(lambda x, t, until: x, normal(0, (3,)), flow(steps), noise=lambda step: normal(0, (3,)))


# diffusers as an oracle: the same toy denoiser through its schedulers and through ours


def drive(scheduler, denoise, x, levels, output, **step_arguments):
    """Run a diffusers scheduler and return x after every evaluation.

    levels: (t, alpha, sigma) of each evaluation. output(x, clean, alpha, sigma) makes what the scheduler
    expects of a network. A step argument that is a list gives one value a step.
    """
    x, trajectory = torch.from_numpy(x), []
    for i, timestep in enumerate(scheduler.timesteps):
        t, alpha, sigma = levels[i]
        clean = torch.from_numpy(denoise(x.numpy(), t))
        arguments = {k: v[i] if isinstance(v, list) else v for k, v in step_arguments.items()}
        x = scheduler.step(output(x, clean, alpha, sigma), timestep, x, **arguments).prev_sample
        trajectory.append(x.numpy())
    return np.stack(trajectory)


def trajectory(sampler, denoise, x, schedule, noise=None):
    """x after every step of our sampler. The last x of the two-point denoiser is -1 or 1 in any case."""
    seen = []
    SAMPLERS[sampler](denoise, x, schedule, lambda step, noisy, clean: seen.append(noisy), noise)
    return np.stack(seen)


def levels_of(schedule):
    return [now for _, now, _ in schedule.steps()]


def predict_clean(x, clean, alpha, sigma):
    return clean


def predict_noise(x, clean, alpha, sigma):
    return (x - alpha * clean) / sigma


def predict_velocity(x, clean, alpha, sigma):
    return (x - alpha * clean) / sigma - clean


@pytest.mark.parametrize("steps", [1, 5, 20, 50])
@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_ddim_and_ddpm_agree_with_diffusers(sampler, steps):
    scheduler = diffusers.DDIMScheduler(
        beta_start=1e-4,
        beta_end=0.02,
        prediction_type="sample",
        clip_sample=False,
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(steps)
    schedule = linear(steps)
    assert (scheduler.timesteps.numpy() + 1).tolist() == np.round(schedule.times[:-1] * 1000).tolist()
    denoise, x = two_points_denoiser(schedule), start(schedule)
    noise = [normal(0, x.shape, step + 1) for step in range(steps)]
    theirs = drive(
        scheduler,
        denoise,
        x,
        levels_of(schedule),
        predict_clean,
        eta=1.0 if sampler == "ddpm" else 0.0,
        variance_noise=[torch.from_numpy(z) for z in noise],
    )
    ours = trajectory(sampler, denoise, x, schedule, noise.__getitem__)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


MULTISTEP = {  # in diffusers' words
    "dpmpp_2m": (diffusers.DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++", "solver_type": "midpoint"}),
    "dpmpp_2m_sde": (
        diffusers.DPMSolverMultistepScheduler,
        {"algorithm_type": "sde-dpmsolver++", "solver_type": "midpoint"},
    ),
    "unipc": (diffusers.UniPCMultistepScheduler, {"predict_x0": True, "solver_type": "bh2"}),
}


def assert_agrees_with_diffusers(sampler, scheduler, schedule, output):
    denoise, x = two_points_denoiser(schedule), start(schedule)
    noise = [normal(0, x.shape, step + 1) for step in range(len(schedule))]
    injected = {"variance_noise": [torch.from_numpy(z) for z in noise]} if sampler in STOCHASTIC else {}
    theirs = drive(scheduler, denoise, x, levels_of(schedule), output, **injected)
    ours = trajectory(sampler, denoise, x, schedule, noise.__getitem__)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 20])
@pytest.mark.parametrize("sampler", MULTISTEP)
def test_multistep_samplers_agree_with_diffusers_on_the_ddpm_path(sampler, steps):
    build, options = MULTISTEP[sampler]
    scheduler = build(
        beta_start=1e-4,
        beta_end=0.02,
        prediction_type="sample",
        solver_order=2,
        final_sigmas_type="zero",
        timestep_spacing="trailing",
        **options,
    )
    scheduler.set_timesteps(steps)
    assert_agrees_with_diffusers(sampler, scheduler, linear(steps), predict_clean)


@pytest.mark.parametrize("steps", [4, 12])
@pytest.mark.parametrize("sampler", MULTISTEP)
def test_multistep_samplers_agree_with_diffusers_on_the_flow_path(sampler, steps):
    build, options = MULTISTEP[sampler]
    scheduler = build(
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=2.0,
        solver_order=2,
        final_sigmas_type="zero",
        **options,
    )
    scheduler.set_timesteps(steps)
    sigmas = scheduler.sigmas.numpy().astype(np.float64)  # diffusers starts just below t = 1
    assert_agrees_with_diffusers(sampler, scheduler, Schedule(sigmas, 1 - sigmas, sigmas), predict_velocity)


@pytest.mark.parametrize("steps", [1, 2, 12])
def test_euler_ancestral_agrees_with_diffusers(monkeypatch, steps):
    scheduler = diffusers.EulerAncestralDiscreteScheduler(
        beta_start=1e-4, beta_end=0.02, prediction_type="epsilon", timestep_spacing="trailing"
    )
    scheduler.set_timesteps(steps)
    sigmas = scheduler.sigmas.numpy().astype(np.float64)
    schedule = Schedule(sigmas / (1 + sigmas), np.ones(steps + 1), sigmas)
    denoise, x = two_points_denoiser(schedule), start(schedule)
    noise = [normal(0, x.shape, step + 1) for step in range(steps)]
    injected = iter(noise)
    monkeypatch.setattr(
        "diffusers.schedulers.scheduling_euler_ancestral_discrete.randn_tensor",
        lambda *_, **__: torch.from_numpy(next(injected)),
    )
    theirs = drive(scheduler, denoise, x, levels_of(schedule), predict_noise)
    ours = trajectory("euler_ancestral", denoise, x, schedule, noise.__getitem__)
    np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-6)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_euler_agrees_with_diffusers_on_the_flow_path(shift):
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift)
    steps = 15
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps))
    schedule = flow(steps, shift)
    np.testing.assert_allclose(schedule.sigmas, scheduler.sigmas.numpy(), atol=1e-6)
    denoise, x = two_points_denoiser(schedule), start(schedule)
    theirs = drive(scheduler, denoise, x, levels_of(schedule), predict_velocity)
    np.testing.assert_allclose(trajectory("euler", denoise, x, schedule), theirs, atol=1e-4)


@pytest.mark.parametrize("sampler", ["euler", "heun"])
def test_euler_and_heun_agree_with_diffusers_on_karras_noise_levels(sampler):
    name = {"euler": "EulerDiscreteScheduler", "heun": "HeunDiscreteScheduler"}[sampler]
    scheduler = getattr(diffusers, name)(beta_start=1e-4, beta_end=0.02, use_karras_sigmas=True)
    steps = 12
    scheduler.set_timesteps(steps)
    sigmas = scheduler.sigmas.numpy().astype(np.float64)
    visited = np.concatenate([sigmas[:1], sigmas[1::2]]) if sampler == "heun" else sigmas
    schedule = karras(steps, sigma_min=float(visited[-2]), sigma_max=float(visited[0]), rho=7.0)
    np.testing.assert_allclose(schedule.sigmas, visited, rtol=1e-4)
    schedule = Schedule(visited / (1 + visited), np.ones(steps + 1), visited)
    denoise, x = two_points_denoiser(schedule), start(schedule)
    levels = [(s / (1 + s), 1.0, s) for s in sigmas[:-1]]
    theirs = drive(scheduler, denoise, x, levels, predict_noise)
    if sampler == "heun":  # diffusers counts its look-ahead as a step
        theirs = np.concatenate([theirs[1::2], theirs[-1:]])
    np.testing.assert_allclose(trajectory(sampler, denoise, x, schedule), theirs, atol=1e-4, rtol=1e-6)
