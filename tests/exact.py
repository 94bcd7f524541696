"""Data whose denoiser, and whose path through the probability-flow ODE, have a closed form: oracles for samplers."""

import math

import numpy as np
import torch

MEAN, STD = 2.0, 0.5  # one bell
WEIGHTS, MEANS, STDS = np.array([0.3, 0.7]), np.array([-1.0, 1.5]), np.array([0.3, 0.5])  # and a mixture of two


def level_at(schedule):
    """t -> (alpha, sigma), so that one toy denoiser works on every path."""
    return dict(
        zip(
            schedule.times.tolist(),
            zip(schedule.alphas.tolist(), schedule.sigmas.tolist(), strict=True),
            strict=True,
        )
    )


def gaussian_denoiser(schedule, std=STD):
    """The exact denoiser of pixels drawn from N(MEAN, std^2): the posterior mean of the clean value."""
    levels = level_at(schedule)

    def denoise(x, t):
        alpha, sigma = levels[t]
        gain = alpha * std**2 / (alpha**2 * std**2 + sigma**2)
        return MEAN + gain * (x - alpha * MEAN)

    return denoise


def gaussian_solution(x, schedule):
    """Where the probability-flow ODE takes x: the same number of standard deviations from the mean."""
    alpha, sigma = schedule.alphas[0], schedule.sigmas[0]
    return MEAN + STD * (x - alpha * MEAN) / math.sqrt(alpha**2 * STD**2 + sigma**2)


def mixture_denoiser(schedule):
    """The exact denoiser of pixels drawn from the mixture: each bell's, weighted by how likely it made x."""
    levels = level_at(schedule)

    def denoise(x, t):
        alpha, sigma = levels[t]
        away, variance = x[..., None] - alpha * MEANS, alpha**2 * STDS**2 + sigma**2
        log_share = np.log(WEIGHTS) - np.log(variance) / 2 - away**2 / variance / 2
        share = np.exp(log_share - log_share.max(-1, keepdims=True))
        clean = MEANS + alpha * STDS**2 / variance * away
        return (share * clean).sum(-1) / share.sum(-1)

    return denoise


def mixture_solution(x, schedule, level=-1):
    """Where the ODE takes x, from the first level to the given one. On a line paths cannot cross, so x keeps its
    quantile: the distribution function's value before is that after, which bisection inverts."""

    def below(x, level):
        alpha, sigma = schedule.alphas[level], schedule.sigmas[level]
        z = (x[..., None] - alpha * MEANS) / np.sqrt(alpha**2 * STDS**2 + sigma**2)
        return (WEIGHTS * torch.special.ndtr(torch.from_numpy(z)).numpy()).sum(-1)

    quantile, low, high = below(x, 0), np.full_like(x, -100.0), np.full_like(x, 100.0)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            np.where(below(middle, level) < quantile, middle, low),
            np.where(below(middle, level) < quantile, high, middle),
        )
    return (low + high) / 2


def two_points_denoiser(schedule):
    """The exact denoiser of pixels that are -1 or 1: strongly nonlinear."""
    levels = level_at(schedule)

    def denoise(x, t):
        alpha, sigma = levels[t]
        return np.tanh(alpha * x / sigma**2) if sigma else np.sign(x)

    return denoise
