"""The two players: every loss and gradient against a second way to compute it, collapse and its cure on toys."""

import dataclasses
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

import crossplay
from bozzetto.models.gan import (
    CODE_NOISE,
    COMMITMENT,
    RULES,
    Discriminator,
    Gan,
    GanConfig,
    Generator,
    Pretraining,
    augment,
    classic,
    play,
    relativistic,
)
from bozzetto.runtime.session import open_network
from bozzetto.runtime.store import open_model
from bozzetto.training.data import Pictures
from bozzetto.training.export import Graph, export_folder, read_final
from bozzetto.training.recipes import gan as recipe
from bozzetto.training.stages import Run
from variety import spread, variety

SMALL = GanConfig(classes=("red", "green", "blue"), widths=(16, 12, 8, 8))


def awake(seed=0):
    """Small players whose residual branches are not zero."""
    torch.manual_seed(seed)
    model = Gan(SMALL)
    for block in [*model.generator.blocks, *model.discriminator.blocks]:
        nn.init.normal_(block.conv2.weight, std=0.1)
    return model


def flags(count=60, seed=0):
    """Three classes: red, green and blue squares of several sizes and places on white."""
    rng = np.random.default_rng(seed)
    images = np.full((count, 32, 32, 3), 255, np.uint8)
    labels = rng.integers(0, 3, count)
    for image, label in zip(images, labels, strict=True):
        top, left, size = *rng.integers(2, 12, 2), rng.integers(8, 18)
        image[top : top + size, left : left + size] = 230 * np.eye(3)[label]
    return Pictures(images, labels, list(SMALL.classes), mirrored=True)


def test_losses_are_those_of_the_papers():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])
    discriminator, generator = relativistic(real, fake)
    assert discriminator.item() == pytest.approx(-np.log([1 / (1 + np.exp(-1.5)), 1 / (1 + np.exp(4))]).mean())
    assert generator.item() == pytest.approx(-np.log([1 / (1 + np.exp(1.5)), 1 / (1 + np.exp(-4))]).mean())
    discriminator, generator = classic(real, fake)
    probability = torch.sigmoid
    expected = F.binary_cross_entropy(probability(real), torch.ones(2))
    expected = expected + F.binary_cross_entropy(probability(fake), torch.zeros(2))
    assert discriminator.item() == pytest.approx(expected.item(), rel=1e-5)
    assert generator.item() == pytest.approx(F.binary_cross_entropy(probability(fake), torch.ones(2)).item(), rel=1e-5)


class Fixed(nn.Module):
    """A generator of one vector, whatever the noise."""

    def __init__(self, value):
        super().__init__()
        self.value = nn.Parameter(value)

    def forward(self, noise, label):
        return self.value.expand(len(noise), -1)


class Quadratic(nn.Module):
    """D(x) = x'Ax / 2 + b'x, whose slope is Ax + b."""

    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = nn.Parameter(a), nn.Parameter(b)

    def forward(self, x, label):
        return (x @ self.a * x).sum(1) / 2 + x @ self.b


def test_the_penalty_of_a_quadratic_discriminator_is_its_closed_form():
    torch.manual_seed(0)
    a = torch.randn(4, 4, dtype=torch.double)
    a, b, point = (a + a.T) / 2, torch.randn(4, dtype=torch.double), torch.randn(4, dtype=torch.double)
    real, noise, label = torch.randn(6, 4, dtype=torch.double), torch.zeros(6, 1), torch.zeros(6, dtype=torch.long)
    discriminator = Quadratic(a, b)
    values = play(Fixed(point), discriminator, real, noise, label, relativistic, 0.7)
    slopes = torch.cat([real, point.expand(6, 4)]) @ a + b
    assert values["penalty"].item() == pytest.approx(slopes.square().sum(1).mean().item())
    values["penalty"].backward()
    torch.testing.assert_close(discriminator.b.grad, 2 * slopes.mean(0))  # d|Ax + b|^2 / db = 2 (Ax + b)


@pytest.fixture
def exact(monkeypatch):
    """All in double precision: the players' own casts to fp32 would drown small differences."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


@pytest.mark.parametrize("gamma", [0.0, 0.5])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_each_player_gets_the_gradient_of_its_own_loss(rule, gamma, exact):
    """Against two separate backward passes, the generator's through a discriminator that does not learn."""
    model = awake().double()
    g, d = model.generator, model.discriminator
    real, noise = torch.rand(5, 3, 32, 32).double() * 2 - 1, torch.randn(5, 64).double()
    label = torch.tensor([0, 1, 2, 3, 1])

    def changed(both):
        return augment(both, 0.7, torch.Generator().manual_seed(3))

    play(g, d, real, noise, label, rule, gamma, changed)["loss"].backward()

    fake = g(noise, label)
    frozen = {name: p.detach() for name, p in d.named_parameters()}
    shown, forged = changed(torch.cat([real, fake])).chunk(2)
    _, generator = rule(functional_call(d, frozen, (shown, label)), functional_call(d, frozen, (forged, label)))
    for theirs, ours in zip(torch.autograd.grad(generator, list(g.parameters())), g.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs, rtol=1e-6, atol=1e-10)

    shown, forged = shown.detach().requires_grad_(), forged.detach().requires_grad_()
    discriminator, _ = rule(d(shown, label), d(forged, label))
    for seen in (shown, forged):
        (slope,) = torch.autograd.grad(d(seen, label).sum(), seen, create_graph=True)
        discriminator = discriminator + gamma / 2 * slope.square().sum((1, 2, 3)).mean()
    for theirs, ours in zip(torch.autograd.grad(discriminator, list(d.parameters())), d.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs, rtol=1e-6, atol=1e-10)


def test_the_penalised_gradient_agrees_with_finite_differences(exact):
    model = awake().double()
    real, noise = torch.rand(3, 3, 32, 32).double() * 2 - 1, torch.randn(3, 64).double()
    label = torch.tensor([0, 1, 3])
    weight = model.discriminator.blocks[1].conv1.weight

    def value():
        values = play(model.generator, model.discriminator, real, noise, label, relativistic, 2.0)
        return values["discriminator"] + 2.0 * values["penalty"]

    (gradient,) = torch.autograd.grad(value(), weight)
    direction = torch.randn_like(weight)
    step = 1e-6
    with torch.no_grad():
        weight += step * direction
    above = value().item()
    with torch.no_grad():
        weight -= 2 * step * direction
    below = value().item()
    assert (above - below) / (2 * step) == pytest.approx((gradient * direction).sum().item(), rel=1e-5)


def test_augmentation_changes_a_picture_and_its_fake_alike_and_is_differentiable():
    pixels = torch.rand(6, 3, 32, 32).double()
    both = torch.cat([pixels, pixels]).requires_grad_()

    def changed(both, share=1.0):
        return augment(both, share, torch.Generator().manual_seed(1))

    real, fake = changed(both).chunk(2)
    assert torch.equal(real, fake) and not torch.equal(real, pixels)
    assert torch.equal(changed(both, 0.0), both)
    # Linear in the pixels, so its gradient is exact at any step.
    direction = torch.randn_like(both)
    weights = torch.randn_like(both)
    (gradient,) = torch.autograd.grad((changed(both) * weights).sum(), both)
    change = (changed(both + direction) - changed(both)).mul(weights).sum()
    assert change.item() == pytest.approx((gradient * direction).sum().item())


def test_augmentation_moves_and_cuts_as_far_as_it_says():
    ramp = torch.arange(32.0).view(1, 1, 1, 32).expand(400, 1, 32, 32) + 1
    out = augment(ramp, 1.0, torch.Generator().manual_seed(0))[:200]
    cut = (out == 0).flatten(1).sum(1)
    assert cut.max() == 256 and cut.min() < 100
    shifts = (out - ramp[:200])[:, 0, :, 10:20][(out[:, 0, :, 10:20] != 0)]
    assert shifts.min() == -4 and shifts.max() == 4
    untouched = augment(ramp, 0.3, torch.Generator().manual_seed(0))[:200].eq(ramp[:200]).flatten(1).all(1)
    assert 0.35 < untouched.float().mean() < 0.65  # 0.7 squared


@pytest.mark.parametrize("player", [Generator, Discriminator])
def test_players_are_small_mirror_each_other_and_use_the_label(player):
    torch.manual_seed(0)
    full = player(GanConfig(classes=tuple(f"class {i}" for i in range(79))))
    assert 0.7e6 < sum(parameter.numel() for parameter in full.parameters()) < 1.2e6
    first = torch.randn(1, 64) if player is Generator else torch.rand(1, 3, 32, 32)
    outputs = full(first.repeat_interleave(3, 0), torch.tensor([0, 1, 79]))
    assert outputs.shape == ((3, 3, 32, 32) if player is Generator else (3,))
    assert not torch.allclose(outputs[0], outputs[1]) and not torch.allclose(outputs[1], outputs[2])


class Mixer(nn.Module):
    def __init__(self, inside, outside):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inside, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, outside)
        )

    def forward(self, x, label):
        return self.layers(x).squeeze(1)


ANGLES = torch.arange(8) * (torch.pi / 4)
RING = 2 * torch.stack([ANGLES.cos(), ANGLES.sin()], 1)  # of eight Gaussians, each 0.05 wide


def ring(rule, gamma, seed, steps=700):
    """Train on the ring; -> how many of the eight modes get at least a quarter of their share of samples."""
    torch.manual_seed(seed)
    generator, discriminator = Mixer(8, 2), Mixer(2, 1)
    optimizer = torch.optim.Adam([*generator.parameters(), *discriminator.parameters()], lr=2e-3, betas=(0.5, 0.9))
    label = torch.zeros(64, dtype=torch.long)
    for _ in range(steps):
        real = RING[torch.randint(8, (64,))] + 0.05 * torch.randn(64, 2)
        optimizer.zero_grad()
        play(generator, discriminator, real, torch.randn(64, 8), label, rule, gamma)["loss"].backward()
        optimizer.step()
    with torch.no_grad():
        distance = torch.cdist(generator(torch.randn(1024, 8), label), RING)
    nearest = distance.argmin(1)[distance.min(1).values < 0.4]
    return sum((nearest == mode).sum().item() >= 1024 / 8 / 4 for mode in range(8))


@pytest.mark.parametrize("seed", range(3))
def test_the_relativistic_game_keeps_the_modes_of_the_ring(seed):
    assert ring(relativistic, 0.1, seed) >= 7


def test_variety_counts_kinds_and_their_balance():
    rng = np.random.default_rng(0)
    centres = 10 * np.eye(4)
    kinds = rng.integers(0, 4, 400)
    real = centres[kinds] + rng.standard_normal((400, 4))
    fair = variety(real, kinds, centres[np.arange(400) % 4] + rng.standard_normal((400, 4)))
    assert (fair.covered, fair.kinds) == (4, 4) and fair.divergence < 0.01
    one = variety(real, kinds, centres[np.zeros(400, int)] + rng.standard_normal((400, 4)))
    assert one.covered == 1 and one.divergence == pytest.approx(-np.log((kinds == 0).mean()))
    with pytest.raises(ValueError, match="400 real pictures need as many kinds, got 3"):
        variety(real, kinds[:3], real)


def test_spread_is_the_root_mean_square_over_all_pairs():
    pictures = np.random.default_rng(0).integers(0, 256, (7, 4, 4, 3), np.uint8)
    rows = pictures.reshape(7, -1).astype(float)
    pairs = [np.square(rows[i] - rows[j]).sum() for i in range(7) for j in range(i)]
    assert spread(pictures) == pytest.approx(np.sqrt(np.mean(pairs)))
    assert spread(np.repeat(pictures[:1], 5, 0)) == 0
    with pytest.raises(ValueError, match="2 pictures at least, got 1"):
        spread(pictures[:1])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The smoke budget's game from nothing, on flags, with smaller players: (folder, pictures, budget)."""
    patch = pytest.MonkeyPatch()
    patch.setattr(recipe, "GanConfig", lambda **sizes: GanConfig(widths=SMALL.widths, **sizes))
    folder, pictures = tmp_path_factory.mktemp("gan"), flags()
    budget = dataclasses.replace(recipe.BUDGETS["smoke"], pretraining=None)
    recipe.RECIPE.train(pictures, budget, folder)
    yield folder, pictures, budget
    patch.undo()


def test_the_recipe_learns_and_its_snapshots_play_each_other(run):
    """Some discriminator catches nearly all that the first generator draws, and is itself fooled by the last one."""
    folder, pictures, budget = run
    players = crossplay.load_players(folder, SMALL, budget.adversarial.steps, budget.snapshots)
    assert list(players) == recipe.milestones(budget.adversarial.steps, budget.snapshots)
    assert list(players)[-1] == budget.adversarial.steps and len(players) >= 6
    score = crossplay.tournament(players, pictures, 256)
    assert score.steps == tuple(players) and score.pairs == 256
    best = min(range(len(players)), key=lambda discriminator: score.fooled[0][discriminator])
    assert score.fooled[0][best] < 0.1 < score.fooled[0][0]  # the discriminator learned
    assert score.fooled[-1][best] > 0.3  # and then the generator


def test_cross_play_counts_pairs():
    class Generator(nn.Module):
        def __init__(self, level):
            super().__init__()
            self.level, self.label = level, nn.Embedding(4, 2)

        def forward(self, noise, label):
            return torch.full((len(noise), 3, 32, 32), self.level)

    class Brightness(nn.Module):
        def forward(self, pixels, label):
            return pixels.mean((1, 2, 3))

    class Darkness(Brightness):
        def forward(self, pixels, label):
            return -super().forward(pixels, label)

    table = crossplay.cross_play([Generator(1.0), Generator(-1.0)], [Brightness(), Darkness()], flags(), 200)
    assert table == [[1, 0], [0, 1]]


def test_the_study_draws_from_the_code_and_from_the_noise_whose_code_is_nearest():
    """Against the same, one picture and one try at a time."""
    model = awake()
    study = Pretraining(model)
    generator, discriminator = model.generator, model.discriminator
    real, noise, code_noise = torch.rand(4, 3, 32, 32) * 2 - 1, torch.randn(4, 6, 64), torch.randn(4, 64)
    label = torch.tensor([1, 0, 3, 2])
    values = study.loss(real, noise, code_noise, label)
    with torch.no_grad():
        codes, nearest, drawn = [], [], []
        for number in range(4):
            seen = study.read(discriminator.describe(real[number : number + 1]))[0]
            codes.append(seen / seen.square().mean().sqrt())
            tries = [generator.code(one[None], label[number : number + 1])[0] for one in noise[number]]
            nearest.append(min(tries, key=lambda code: (code - codes[-1]).square().sum()))
            moved = codes[-1] + CODE_NOISE * code_noise[number]
            drawn.append(generator.draw((moved if number < 2 else nearest[-1])[None])[0])
        error = torch.stack(drawn) - real
        match = F.mse_loss(torch.stack(nearest), torch.stack(codes))
    for code in (*codes, *nearest):
        assert code.square().mean().item() == pytest.approx(1, abs=1e-5)
    assert values["copied"].item() == pytest.approx(error[:2].square().mean().sqrt().item(), rel=1e-4)
    assert values["forged"].item() == pytest.approx(error[2:].square().mean().sqrt().item(), rel=1e-4)
    assert values["match"].item() == pytest.approx((1 + COMMITMENT) * match.item(), rel=1e-4)
    expected = error.abs().mean() + error.square().mean() + (1 + COMMITMENT) * match
    assert values["loss"].item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.fixture(scope="module")
def studied(run, tmp_path_factory):
    """A study of some seconds on flags, and a game of one round after it: (folder, pictures, budget)."""
    _, pictures, budget = run
    # After 200 steps one start of three still confuses two kinds; after 500 none does, by far.
    long = dataclasses.replace(recipe.BUDGETS["smoke"].pretraining, steps=500, learning_rate=1e-2)
    short = dataclasses.replace(budget.adversarial, steps=1)
    folder, budget = (
        tmp_path_factory.mktemp("studied"),
        dataclasses.replace(budget, pretraining=long, adversarial=short, tries=64),
    )
    recipe.RECIPE.train(pictures, budget, folder)
    return folder, pictures, budget


def test_after_the_study_the_generator_draws_every_kind_in_its_colour(studied):
    folder, pictures, _ = studied
    last = json.loads((folder / "pretraining" / "log.jsonl").read_text().splitlines()[-1])
    real = pictures.images.astype(float) / 127.5 - 1
    means = np.stack([real[pictures.labels == label].mean(0) for label in range(3)])[pictures.labels]
    assert last["copied"] < 0.9 * np.sqrt(np.square(real - means).mean())  # a copy says more than the class
    generator = read_final(folder, Gan, GanConfig)[0].generator
    noise = torch.randn(32, 64, generator=torch.Generator().manual_seed(0))
    for label in range(1, 4):
        with torch.no_grad():
            drawn = generator(noise, torch.full((32,), label))
        ink = (1 - drawn).clamp(min=0).mean((0, 2, 3))  # what is missing to white, by channel: least in its own colour
        assert ink.argmin() == label - 1


def test_a_game_after_a_study_begins_without_an_opinion(studied):
    folder, pictures, budget = studied
    model = Gan(SMALL)
    recipe.pretrain(pictures, model, budget, Run(folder))  # it is done: only read
    real, label = pictures.batch(np.random.default_rng(0), 8)
    assert model.discriminator(real, label).abs().max() == 0
    assert model.discriminator.describe(real).std() > 0.1


def test_the_exhibit_is_the_same_budget_without_what_prevents_collapse():
    budget = recipe.exhibit(recipe.BUDGETS["cpu"])
    assert (budget.loss, budget.gamma, budget.augmented) == ("classic", 0, 0)
    assert budget.adversarial == recipe.BUDGETS["cpu"].adversarial
    assert budget.pretraining is None and recipe.BUDGETS["cpu"].pretraining


@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_onnx_runtime_agrees_with_torch(run, tmp_path, part):
    model, config = read_final(run[0], Gan, GanConfig)
    module, label = getattr(model, part), torch.tensor([0, 1, 2, 3, 3])
    name, example = {
        "generator": ("noise", torch.randn(5, 64, generator=torch.Generator().manual_seed(0))),
        "discriminator": ("pixels", torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1),
    }[part]
    output = "pixels" if part == "generator" else "logits"
    sizes = {"config": dataclasses.asdict(config)}
    graph = Graph(module, {name: example[:2], "label": label[:2]}, [output])
    export_folder(tmp_path, f"gan/{part}", graph, sizes, four_bits=False)
    network = open_network(open_model(f"gan/{part}", tmp_path))
    with torch.inference_mode():
        expected = module(example, label)
    for rows in (slice(0, 1), slice(0, 5)):
        ours = network(**{name: example[rows].numpy(), "label": label[rows].numpy()})[output]
        np.testing.assert_allclose(ours, expected[rows].numpy(), atol=2e-5, rtol=1e-4)
