"""Four bits a weight: what is stored is what was rounded, and a network can learn to live with it."""

import numpy as np
import pytest
import torch
from torch import nn

from bozzetto.models.autoencoder import Autoencoder
from bozzetto.training.rounding import GROUP, dequantize, is_rounded, pack, quantize, restore, rounded, stored, unpack


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 256), nn.Tanh(), nn.Linear(256, 256), nn.Conv1d(1, 1, 1))


def test_four_bits_cost_a_tenth_of_a_gaussian_weight():
    weight = torch.randn(256, 128, generator=torch.Generator().manual_seed(0))
    q, scale = quantize(weight)
    assert q.shape == (256 * 128 // GROUP, GROUP) and q.min() >= -8 and q.max() <= 7
    error = (dequantize(q, scale, weight.shape) - weight).square().mean() / weight.square().mean()
    assert 0.001 < error < 0.015  # the best sixteen even levels for a Gaussian: 0.0115 (Max 1960), fitted to each group
    largest = weight.reshape(-1, GROUP).abs().amax(1)
    plain = (weight.reshape(-1, GROUP) / (largest / 7)[:, None]).round() * (largest / 7)[:, None]
    assert error < 0.9 * (plain.reshape(weight.shape) - weight).square().mean() / weight.square().mean()


def test_whole_multiples_are_stored_exactly():
    whole = torch.from_numpy(np.random.default_rng(0).integers(-8, 8, (64, 128))).float()
    whole[:, ::GROUP] = -8  # so that each group's scale is known
    assert torch.equal(dequantize(*quantize(0.5 * whole), whole.shape), 0.5 * whole)
    assert torch.equal(dequantize(*quantize(torch.zeros(64, 128)), whole.shape), torch.zeros(64, 128))


def test_packing_loses_nothing_and_has_the_order_of_onnx():
    q = torch.arange(-8, 8, dtype=torch.int8).repeat(3, GROUP // 16)
    assert torch.equal(unpack(pack(q)), q)
    assert pack(torch.tensor([[1, -1]], dtype=torch.int8)).tolist() == [[0xF1]]  # the first in the low half


def test_what_is_stored_can_be_restored():
    model, twin = net(), net()
    tensors = stored(model)
    restore(twin, tensors)
    assert tensors["0.weight"].dtype == torch.uint8 and tensors["0.weight"].nbytes == 64 * 256 // 2
    assert tensors["0.bias"].dtype == torch.float16 and tensors["3.weight"].dtype == torch.float16
    again = stored(twin)  # what is rounded may be rounded otherwise a second time, as near to it
    assert all(torch.equal(tensors[name], again[name]) for name in ("0.bias", "2.bias", "3.weight", "3.bias"))
    with rounded(model):
        assert torch.equal(model[0].weight, twin[0].weight) and torch.equal(model[2].weight, twin[2].weight)


def test_small_and_linear_path_weights_stay_as_they_are():
    assert is_rounded(nn.Linear(256, 64)) and is_rounded(nn.Embedding(1000, 64))
    assert not is_rounded(nn.Linear(128, 64)) and not is_rounded(nn.GroupNorm(8, 16_384))
    assert not is_rounded(Autoencoder().encoder.linear) and not is_rounded(Autoencoder().decoder.linear)


def test_inside_the_weights_are_rounded_and_afterwards_exact_again_even_after_an_error():
    model = net()
    before = model[0].weight.detach().clone()
    with pytest.raises(KeyError), rounded(model):
        assert not torch.equal(model[0].weight, before)
        raise KeyError
    assert torch.equal(model[0].weight, before)


def test_frozen_weights_are_left_alone():
    model = net()
    model[0].requires_grad_(False)
    before = model[0].weight.detach().clone()
    with rounded(model):
        assert torch.equal(model[0].weight, before) and not torch.equal(model[2].weight, net()[2].weight)


def test_a_network_learns_to_live_with_four_bits():
    """Rounding a trained network costs it; some steps with rounded weights win most of that back."""
    torch.manual_seed(1)
    target = net()[:3]
    inputs = torch.randn(512, 8) @ torch.randn(8, 64)  # as in real data, fewer directions than numbers
    with torch.no_grad():
        answers = target(inputs)
    model = nn.Sequential(*target)

    def error() -> float:
        with rounded(model), torch.no_grad():
            return (model(inputs) - answers).square().mean().item()

    before = error()
    optimizer = torch.optim.Adam(model.parameters(), 3e-4)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 200)  # near the end nothing may jump to and fro
    for _ in range(200):
        optimizer.zero_grad()
        with rounded(model):
            (model(inputs) - answers).square().mean().backward()
        optimizer.step()
        decay.step()
    assert error() < 0.8 * before
