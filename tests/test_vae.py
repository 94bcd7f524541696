"""The variational autoencoder: closed forms, a recipe that learns, and the runtime on what it exports."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bozzetto.diffusion import flow
from bozzetto.diffusion.samplers import dpmpp_2m
from bozzetto.models.vae import LatentSampler, SamplerConfig, Vae, VaeConfig, calibrated_nll, kl_divergence
from bozzetto.runtime import vae as runtime
from bozzetto.training.data import Pictures
from bozzetto.training.export import read_final, read_weights
from bozzetto.training.loop import TrainingSchedule, fit
from bozzetto.training.recipe import export_run
from bozzetto.training.recipes import vae as recipe
from bozzetto.training.rounding import restore


@pytest.fixture(scope="module")
def pictures(shapes) -> Pictures:
    """The drawn shapes over white at 32 pixels; their class is the shape."""
    rgba = shapes.images.astype(np.float32)
    alpha = rgba[..., 3:] / 255
    small = (rgba[..., :3] * alpha + 255 * (1 - alpha)).reshape(-1, 32, 2, 32, 2, 3).mean((2, 4))
    words = [name.split()[1] for name in shapes.names]
    classes = sorted(set(words))
    labels = np.array([classes.index(word) for word in words], np.int64)
    return Pictures(small.round().astype(np.uint8), labels, classes, mirrored=True)


def floats(pictures: Pictures) -> np.ndarray:
    return (pictures.images.transpose(0, 3, 1, 2) / 127.5 - 1).astype(np.float32)


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    recipe.RECIPE.train(pictures, recipe.BUDGETS["smoke"], folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def models(run):
    export_run(recipe.RECIPE, run, run.parent / "weights")
    kinds = {"good": "", "plain": "plain_", "map": "map_", "plain_map": "plain_map_"}
    return SimpleNamespace(**{name: runtime.load(run.parent / "weights", kind) for name, kind in kinds.items()})


@pytest.fixture(scope="module")
def generator(run, models):
    return runtime.load_generator(run.parent / "weights")


# ---------------------------------------------------------------- closed forms


def test_the_kl_is_that_of_two_normal_distributions():
    torch.manual_seed(0)
    mean, logvar = torch.randn(5, 3), torch.randn(5, 3)
    ours = kl_divergence(mean, logvar)
    posterior, prior = torch.distributions.Normal(mean, (logvar / 2).exp()), torch.distributions.Normal(0.0, 1.0)
    torch.testing.assert_close(ours, torch.distributions.kl_divergence(posterior, prior).sum(1))
    z = posterior.sample((50_000,))
    estimate = (posterior.log_prob(z) - prior.log_prob(z)).sum(2)
    error = estimate.std(0) / math.sqrt(len(z))
    assert ((estimate.mean(0) - ours).abs() < 5 * error).all()
    assert kl_divergence(torch.zeros(1, 3), torch.zeros(1, 3)) == 0


def test_the_best_sigma_is_the_root_of_the_mean_squared_error():
    torch.manual_seed(0)
    x, y = torch.randn(2, 400, dtype=torch.double)
    y.requires_grad_()
    mse = F.mse_loss(y, x)
    sigma = mse.detach().sqrt()

    def nll(scale):
        return -torch.distributions.Normal(y, scale).log_prob(x).mean()

    torch.testing.assert_close(calibrated_nll(mse), nll(sigma))
    assert all(nll(sigma * factor) > nll(sigma) for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2))
    # Following the best sigma needs no gradient through it.
    ours, theirs = (torch.autograd.grad(value, y)[0] for value in (calibrated_nll(mse), nll(sigma)))
    torch.testing.assert_close(ours, theirs)


def test_with_the_exact_posterior_the_bound_is_the_likelihood():
    """x = W z + sigma e with orthogonal columns of W: the posterior and log p(x) are known (Tipping & Bishop 1999)."""
    torch.manual_seed(0)
    count, size, sigma = 40_000, 12, 0.5
    weights = torch.linalg.qr(torch.randn(size, 2))[0] * torch.tensor([2.0, 0.7])
    x = torch.randn(count, 2) @ weights.T + sigma * torch.randn(count, size)
    precision = (weights.square().sum(0) + sigma**2) / sigma**2

    class Posterior(nn.Module):
        def __init__(self, shift):
            super().__init__()
            self.shift = shift

        def forward(self, x):
            mean = x @ weights / (sigma**2 * precision)
            return mean + self.shift, -precision.log().expand_as(mean)

    model = Vae(VaeConfig(latent_size=2))
    model.encoder, model.decoder = Posterior(0.0), nn.Linear(2, size, bias=False)
    model.decoder.weight.data.copy_(weights)
    covariance = weights @ weights.T + sigma**2 * torch.eye(size)
    exact = -torch.distributions.MultivariateNormal(torch.zeros(size), covariance).log_prob(x).mean().item() / size
    noise = torch.randn(count, 2)
    with torch.no_grad():
        values = model.loss(x, noise)
        model.encoder = Posterior(0.1)
        worse = model.loss(x, noise)["loss"]
    assert values["sigma"].item() == pytest.approx(sigma, rel=0.01)
    assert values["loss"].item() == pytest.approx(exact, abs=2e-3)
    assert worse > exact + 2e-3


def test_a_plain_twin_has_no_noise_and_no_kl():
    torch.manual_seed(0)
    model = Vae(VaeConfig(latent_size=4, widths=(8, 8, 8), variational=False))
    pixels = torch.rand(3, 3, 32, 32) * 2 - 1
    values = model.loss(pixels, torch.randn(3, 4))
    assert values["kl"] == 0
    torch.testing.assert_close(values["loss"], model.loss(pixels, torch.zeros(3, 4))["loss"], atol=1e-5, rtol=0)


# ---------------------------------------------------------------- the second stage


def energy_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """0 for equal distributions (Szekely & Rizzo 2013)."""
    return (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


def test_the_second_stage_learns_where_the_latents_are(tmp_path):
    """Three narrow clusters, standardised, one a class: N(0, 1) is a bad model of them, the sampler a good one."""
    centres = torch.tensor([[1.3, -0.5], [-1.2, -0.7], [-0.1, 1.2]])

    def draw(generator, count):
        label = torch.randint(0, 3, (count,), generator=generator)
        return centres[label] + 0.1 * torch.randn(count, 2, generator=generator), label + 1

    def loss(model, rng, generator):
        latents, label = draw(generator, 256)
        noise, t = torch.randn(256, 2, generator=generator), torch.rand(256, generator=generator)
        label[torch.rand(256, generator=generator) < 0.2] = 0
        return model.loss(latents, noise, t, label)

    torch.manual_seed(0)
    model = LatentSampler(SamplerConfig(2, width=64, blocks=2, classes=("a", "b", "c")))
    model = fit(
        model, loss, TrainingSchedule(steps=150, batch_size=256, learning_rate=6e-3, warmup=20, ema=0.95), tmp_path
    )
    generator = torch.Generator().manual_seed(1)
    real, noise = draw(generator, 1000)[0], torch.randn(1000, 2, generator=generator)

    @torch.no_grad()
    def sample(label):
        labels = torch.full((1000,), label)
        return dpmpp_2m(lambda z, t: model(z, torch.full((1000,), t), labels), noise, flow(20))

    assert energy_distance(sample(0), real) < 0.3 * energy_distance(noise, real)
    for k in range(3):
        near = torch.cdist(sample(k + 1), centres).argmin(1) == k
        assert near.float().mean() > 0.95


# ---------------------------------------------------------------- the recipe


def test_the_recipe_learns_to_redraw(pictures, run):
    pixels = torch.from_numpy(floats(pictures))
    variance = (pixels - pixels.mean(0)).square().mean()
    for stage, share in (("good", 0.85), ("plain", 0.85), ("map", 0.97), ("plain_map", 0.97)):
        model, config = read_final(run / stage, Vae, VaeConfig)
        with torch.no_grad():
            mean, logvar = model.encoder(pixels)
            error = F.mse_loss(model.decoder(mean), pixels)
        assert error < share * variance
        assert list(config.classes) == pictures.classes
        # The encoder's latents of pictures and mirror images are what the statistics say.
        mirror_mean, mirror_logvar = model.encoder(pixels.flip(3))
        both = torch.cat([mean, mirror_mean])
        torch.testing.assert_close(model.latent_mean, both.mean(0))
        spread = both.var(0) + torch.cat([logvar, mirror_logvar]).exp().mean(0)
        torch.testing.assert_close(model.latent_std, spread.sqrt())


# ---------------------------------------------------------------- the runtime


def test_onnx_runtime_agrees_with_torch(pictures, run, models, generator):
    """The graphs against the networks with the weights that were written, in four bits."""
    weights, pixels = run.parent / "weights/vae", floats(pictures)[:5]

    def as_written(module: torch.nn.Module, folder: str) -> None:
        restore(module, read_weights(weights / folder / "model.safetensors")[0])

    for stage, prefix in (("good", ""), ("plain", "plain_"), ("map", "map_"), ("plain_map", "plain_map_")):
        model, _ = read_final(run / stage, Vae, VaeConfig)
        as_written(model.encoder, f"{prefix}encoder")
        as_written(model.decoder, f"{prefix}decoder")
        ours = getattr(models, stage)
        with torch.no_grad():
            mean, logvar = model.encoder(torch.from_numpy(pixels))
            redrawn = model.decoder(mean).clamp(-1, 1)
        our_mean, our_std = runtime.encode(ours, pixels)
        np.testing.assert_allclose(our_mean, mean, atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(our_std, (logvar / 2).exp(), atol=1e-4)
        np.testing.assert_allclose(runtime.decode(ours, mean.numpy()), redrawn, atol=1e-4)
    sampler, config = read_final(run, LatentSampler, SamplerConfig)
    as_written(sampler, "sampler")
    z, t = torch.randn(5, config.latent_size), torch.rand(5)
    label = torch.arange(5) % (len(config.classes) + 1)
    with torch.no_grad():
        clean = sampler(z, t, label)
    ours = generator.sampler(z=z.numpy(), t=t.numpy(), label=label.numpy())["clean"]
    np.testing.assert_allclose(ours, clean, atol=1e-4)


def test_a_morph_begins_and_ends_with_the_redraws(pictures, models):
    pixels = floats(pictures)
    redraws = runtime.decode(models.good, runtime.encode(models.good, pixels[[0, 70]])[0])
    path = runtime.morph(models.good, pixels[0], pixels[70], 5)
    assert path.shape == (5, 3, 32, 32)
    np.testing.assert_allclose(path[[0, -1]], redraws, atol=1e-4)
    steps = np.abs(np.diff(path, axis=0)).mean((1, 2, 3))
    assert steps.max() < 0.8 * np.abs(path[0] - path[-1]).mean()  # on the way, not in one jump
    same = runtime.morph(models.good, pixels[0], pixels[0], 3)
    np.testing.assert_allclose(same, redraws[:1].repeat(3, 0), atol=1e-4)
    with pytest.raises(ValueError, match="2 pictures at least"):
        runtime.morph(models.good, pixels[0], pixels[1], 1)


def test_an_arc_keeps_the_distance_from_the_middle():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 32)).astype(np.float32)
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    path = runtime.slerp(a, b, np.linspace(0, 1, 9))
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), np.linalg.norm(a), rtol=1e-5)
    chords = np.linalg.norm(np.diff(path, axis=0), axis=1)
    np.testing.assert_allclose(chords, chords[0], rtol=1e-4)
    for other in (a, -a):  # no single arc: a line
        np.testing.assert_allclose(runtime.slerp(a, other, [0, 0.5, 1]), [a, (a + other) / 2, other], atol=1e-6)


@pytest.mark.parametrize("prior", runtime.PRIORS)
def test_samples_depend_on_their_seed_alone(generator, prior):
    three = runtime.decode(generator, runtime.sample_latents(generator, [3, 4, 5], prior=prior))
    assert three.shape == (3, 3, 32, 32) and three.dtype == np.float32
    assert three.min() >= -1 and three.max() <= 1
    alone = runtime.decode(generator, runtime.sample_latents(generator, [4], prior=prior))
    np.testing.assert_allclose(three[1:2], alone, atol=1e-4)
    assert np.abs(three[0] - three[1]).max() > 0.01


def test_labels_matter_to_the_second_stage_only(generator):
    any_kind, some = (runtime.sample_latents(generator, range(4), labels) for labels in (0, [1, 2, 3, 4]))
    assert np.abs(any_kind - some).max() > 1e-3
    with pytest.raises(ValueError, match="knows no classes"):
        runtime.sample_latents(generator, [0], labels=1, prior="standard")
    with pytest.raises(ValueError, match=r"from 0 \(any\) to 4"):
        runtime.sample_latents(generator, [0], labels=5)
    with pytest.raises(ValueError, match="choose one of standard, second-stage"):
        runtime.sample_latents(generator, [0], prior="flat")


def test_the_plain_twin_is_sampled_as_wide_as_its_latents(models, monkeypatch):
    seen = []
    monkeypatch.setattr(runtime, "decode", lambda model, latents: seen.append((model, latents)))
    runtime.sample_plain(models.plain, range(500))
    (model, latents), mean, std = seen[0], models.plain.latent_mean, models.plain.latent_std
    assert model is models.plain
    np.testing.assert_allclose(((latents - mean) / std).mean(0), 0, atol=0.2)
    np.testing.assert_allclose(((latents - mean) / std).std(0), 1, atol=0.2)


def test_the_map_has_two_numbers_a_picture(pictures, models):
    points = runtime.encode(models.map, floats(pictures))[0]
    assert points.shape == (len(pictures), 2) and points.dtype == np.float32
    assert points.std(0).min() > 0.05  # neither number is asleep


def test_an_attribute_direction_is_the_difference_of_the_means():
    rng = np.random.default_rng(0)
    flags, shift = rng.random(4000) < 0.3, rng.standard_normal(8)
    latents = rng.standard_normal((4000, 8)) + flags[:, None] * shift
    np.testing.assert_allclose(runtime.attribute_direction(latents, flags), shift, atol=0.15)
    for bad in (np.ones(4000, bool), np.zeros(4000, bool)):
        with pytest.raises(ValueError, match="pictures with the attribute and pictures without"):
            runtime.attribute_direction(latents, bad)
