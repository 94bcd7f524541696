"""The pixel denoiser and its few-step student: predictions, jumps, recipes, export, and drawing with them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import bozzetto
from bozzetto.diffusion import flow, normal
from bozzetto.diffusion.prediction import PREDICTION_TYPES, clean_from
from bozzetto.diffusion.samplers import euler
from bozzetto.models.diffusion import DiffusionConfig, PixelDenoiser
from bozzetto.runtime import sample, store
from bozzetto.runtime.denoising import Steps, guided_denoiser
from bozzetto.training.data import Pictures, emoji
from bozzetto.training.export import read_final
from bozzetto.training.loop import snapshot
from bozzetto.training.recipe import export_run
from bozzetto.training.recipes import diffusion, few_steps

CLASSES = ("disc", "ring", "cross")


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    """Three classes of 64 drawn pictures: discs, rings and crosses of any colour and size."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32] - 15.5
    images = np.full((192, 32, 32, 3), 255, np.uint8)
    for i, image in enumerate(images):
        r, colour = rng.uniform(6, 13), rng.integers(0, 200, 3)
        inside = (
            np.hypot(x, y) < r,
            abs(np.hypot(x, y) - r) < 2.5,
            (np.minimum(abs(x), abs(y)) < 3) & (np.maximum(abs(x), abs(y)) < r),
        )[i % 3]
        image[inside] = colour
    return Pictures(images, np.arange(192) % 3, list(CLASSES), mirrored=True)


@pytest.fixture(scope="module")
def runs(pictures, tmp_path_factory):
    """Teacher and student of the smoke budgets, exported to a weights folder."""
    folder = tmp_path_factory.mktemp("runs")
    teacher, student = diffusion.RECIPE, few_steps.RECIPE
    teacher.train(pictures, teacher.budgets["smoke"], folder / "diffusion")
    student.train(pictures, student.budgets["smoke"], folder / "few_steps", start=folder / "diffusion")
    export_run(teacher, folder / "diffusion", folder / "weights")
    export_run(student, folder / "few_steps", folder / "weights")
    return folder


def small(**more) -> PixelDenoiser:
    torch.manual_seed(0)
    model = PixelDenoiser(DiffusionConfig(classes=CLASSES, widths=(16, 32, 32), **more)).eval()
    for parameter in model.parameters():  # nothing at zero, so that everything takes part
        torch.nn.init.normal_(parameter, std=0.05)
    return model


# ---------------------------------------------------------------- one network, three questions


@given(
    st.sampled_from(PREDICTION_TYPES),
    st.floats(0.02, 0.98),
    st.lists(st.floats(-3, 3), min_size=4, max_size=4),
)
def test_each_prediction_gives_the_clean_picture_and_back(kind, t, numbers):
    clean, noise = np.array(numbers[:2]), np.array(numbers[2:])
    alpha, sigma = 1 - t, t
    x = alpha * clean + sigma * noise
    said = {"epsilon": noise, "sample": clean, "v_prediction": noise - clean}[kind]
    np.testing.assert_allclose(clean_from(said, x, alpha, sigma, kind), clean, atol=1e-9)


def test_an_unknown_prediction_is_named():
    with pytest.raises(ValueError, match="prediction_type must be one of epsilon, sample, v_prediction, not 'x0'"):
        clean_from(1.0, 1.0, 0.5, 0.5, "x0")


@pytest.mark.parametrize("kind", [kind for kind in PREDICTION_TYPES if kind != "sample"])
def test_every_prediction_type_learns(pictures, tmp_path, kind):
    """That of the smoke budget, "sample", learns in `runs`."""
    smoke = diffusion.BUDGETS["smoke"]
    assert smoke.prediction_type == "sample"
    budget = replace(
        smoke, fit=replace(smoke.fit, steps=45), rounded=replace(smoke.rounded, steps=1), prediction_type=kind
    )
    diffusion.RECIPE.train(pictures, budget, tmp_path)
    log = [json.loads(line) for line in (tmp_path / "fit/log.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < 0.9 * log[0]["loss"]


# ---------------------------------------------------------------- jumps


def test_a_jump_that_aims_at_there_lands_there():
    rng = torch.Generator().manual_seed(0)
    x, there = torch.randn(2, 6, 3, 4, 4, generator=rng)
    t, until = torch.rand(2, 6, generator=rng).sort(0, descending=True).values
    until[0] = 0
    torch.testing.assert_close(few_steps.move(x, few_steps.aim(x, t, until, there), t, until), there)


def gaussian(spread: float):
    """The exact clean estimate of data N(0, spread^2) on the straight path, and its exact flow from t to s."""

    def root(t: torch.Tensor) -> torch.Tensor:
        return ((1 - t) ** 2 * spread**2 + t**2).sqrt()[:, None, None, None]

    def denoise(x, t):
        return x * ((1 - t) * spread**2)[:, None, None, None] / root(t) ** 2

    return denoise, lambda x, t, s: x * root(s) / root(t)


def test_heun_steps_follow_the_exact_path_of_a_gaussian():
    denoise, exact = gaussian(0.5)
    x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    t = torch.tensor([1.0, 0.9, 0.5, 0.25], dtype=torch.float64)
    errors = []
    for n in (2, 4, 8):
        y = x
        for k in range(n):
            y = few_steps.heun_step(denoise, y, t * (1 - 0.5 * k / n), t * (1 - 0.5 * (k + 1) / n))
        errors.append(float((y - exact(x, t, t / 2)).abs().max()))
    assert errors[0] > 3.2 * errors[1] > 3.2 * 3.2 * errors[2]  # second order


def test_targets_are_the_exact_aims_when_teacher_and_student_are_exact():
    denoise, exact = gaussian(0.5)
    jumps, t = few_steps.draw_times(64, 24, np.random.default_rng(0))
    jumps, t = jumps.double(), t.double()
    assert set(jumps.tolist()) == set(few_steps.JUMPS) and set(jumps[:24].tolist()) == {4, 8}
    assert ((t * jumps) % 1 == 0).all() and t.min() > 0 and t.max() == 1
    x = torch.randn(64, 1, 4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    perfect = few_steps.aim(x, t, t - 1 / jumps, exact(x, t, t - 1 / jumps))
    found = few_steps.targets(
        denoise, lambda x, t, until: few_steps.aim(x, t, until, exact(x, t, until)), x, t, jumps, 24
    )
    torch.testing.assert_close(found[24:], perfect[24:])
    later = t[:24] > 1 / jumps[:24]  # the last jump ends at no noise, where Heun's last half step is a straight line
    assert (found[:24] - perfect[:24])[later].abs().max() < 0.05


def test_the_student_starts_as_its_teacher(runs):
    teacher, _ = read_final(runs / "diffusion", PixelDenoiser, DiffusionConfig)
    student = few_steps.copy_of(teacher)
    x, t = torch.randn(3, 3, 32, 32), torch.tensor([1.0, 0.5, 0.2])
    label = torch.tensor([0, 1, 3])
    torch.testing.assert_close(student(x, t, label, t / 2), teacher(x, t, label))


# ---------------------------------------------------------------- recipes


def test_the_denoiser_learns_and_keeps_a_snapshot(runs):
    log = [json.loads(line) for line in (runs / "diffusion/fit/log.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == 60 and log[-1]["loss"] < 0.8 * log[0]["loss"]
    assert snapshot(runs / "diffusion/fit", 60 // 8).is_file()


@torch.no_grad()
def test_the_student_comes_nearer_to_where_its_teacher_goes_in_fifty_steps(runs):
    """After seconds of training, than the teacher itself does in as few steps as the student."""
    teacher, student = (
        read_final(runs / run, PixelDenoiser, DiffusionConfig)[0].eval() for run in ("diffusion", "few_steps")
    )
    label = torch.arange(32) % 4
    x = torch.from_numpy(np.stack([normal(seed, (3, 32, 32)) for seed in range(32)]))

    def walk(denoise, steps):
        return euler(lambda x, t: denoise(x, torch.full([32], t)), x, flow(steps))

    def guided(x, t):
        without = teacher(x, t, torch.zeros_like(label))
        return without + few_steps.BUDGETS["smoke"].guidance_scale * (teacher(x, t, label) - without)

    goal = walk(guided, 50)
    for steps in (1, 2, 4):
        jumps = walk(lambda x, t, step=1 / steps: student(x, t, label, t - step), steps)
        assert (jumps - goal).square().mean() < 0.9 * (walk(guided, steps) - goal).square().mean(), steps


def test_a_changed_recipe_names_the_field(pictures, runs):
    smoke = diffusion.BUDGETS["smoke"]
    other = replace(smoke, fit=replace(smoke.fit, learning_rate=1e-4))
    with pytest.raises(ValueError, match="learning_rate"):
        diffusion.RECIPE.train(pictures, other, runs / "diffusion")


def test_emoji_at_32_pixels(shapes):
    found = emoji(shapes)
    assert found.images.shape == (112, 32, 32, 3) and found.classes == ["tool"]
    assert (found.images[0, 0, 0] == 255).all()  # over white
    rows = [i for i, split in enumerate(shapes.splits) if split == "train"]
    disc = shapes.images[rows[0]]
    assert abs(int(found.images[0, 16, 16, 0]) - int(disc[32, 32, 0])) <= 1
    pixels, label = found.batch(np.random.default_rng(0), 500)
    assert pixels.shape == (500, 3, 32, 32) and set(label.tolist()) == {1}
    assert -1 <= pixels.min() < pixels.max() <= 1


def test_half_the_batch_is_mirrored(pictures):
    marked = Pictures(pictures.images[:1].copy(), pictures.labels[:1], pictures.classes, mirrored=True)
    marked.images[0, 0, 0] = 0
    pixels, _ = marked.batch(np.random.default_rng(0), 400)
    left, right = (pixels[:, 0, 0, column] == -1 for column in (0, -1))
    assert (left ^ right).all() and 150 < left.sum() < 250


# ---------------------------------------------------------------- export and drawing


@pytest.mark.parametrize("jumps", [False, True])
def test_the_graph_is_the_network(runs, jumps):
    name, run = ("few_steps", "few_steps") if jumps else ("diffusion", "diffusion")
    from bozzetto.runtime.session import open_network
    from bozzetto.training.export import read_weights
    from bozzetto.training.rounding import restore

    model, _ = read_final(runs / run, PixelDenoiser, DiffusionConfig)
    folder = store.open_model(name, runs / "weights")
    restore(model, read_weights(folder.path / "model.safetensors")[0])
    x, t, label = torch.randn(5, 3, 32, 32), torch.linspace(1, 0.1, 5), torch.tensor([0, 1, 2, 3, 1])
    more = {"until": t / 2} if jumps else {}
    with torch.no_grad():
        expected = model.eval()(x, t, label, **more).numpy()
    inputs = {"x": x, "t": t, "label": label, **more}
    found = open_network(folder)(**{key: value.numpy() for key, value in inputs.items()})["clean"]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("model", "options"),
    [("diffusion", {"num_inference_steps": 3, "guidance_scale": 2.0, "sampler": "ddpm"}), ("few-steps", {})],
)
def test_a_picture_depends_on_its_seed_and_class_only(runs, monkeypatch, model, options):
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(runs / "weights"))
    one, two = bozzetto.sample(model, label="ring", seed=3, n=2, **options)
    assert one.size == (32, 32) and one.mode == "RGB"
    assert bozzetto.sample(model, label="ring", seed=4, **options)[0].tobytes() == two.tobytes() != one.tobytes()
    assert bozzetto.sample(model, label="disc", seed=3, **options)[0].tobytes() != one.tobytes()
    assert bozzetto.sample_labels(model) == list(CLASSES)
    maker = sample.load(model, runs / "weights")
    batch = sample.make(maker, range(3, 5), np.array([2, 2]), replace(maker.defaults, **options))
    assert abs(batch - np.stack([np.asarray(one), np.asarray(two)]).astype(int)).max() <= 1


def test_guidance_goes_from_any_class_towards_the_class(runs):
    maker = sample.load("diffusion", runs / "weights")
    x, ring, anything = normal(0, (3, 32, 32))[None], np.array([2]), np.array([0])

    def denoise(label, scale):
        return guided_denoiser(maker.network, {"label": label}, {"label": anything}, scale)(x, 0.7)

    plain, without = (denoise(label, 1.0) for label in (ring, anything))
    guided = denoise(ring, 3.0)
    np.testing.assert_allclose(guided, without + 3 * (plain - without), atol=1e-4)


def test_the_student_is_told_where_each_jump_ends(runs):
    maker, told = sample.load("few-steps", runs / "weights"), []

    def network(**inputs):
        told.append((float(inputs["t"][0]), float(inputs["until"][0])))
        return maker.network(**inputs)

    spy = replace(maker, network=network)
    sample.make(spy, [0], np.array([1]), Steps(4))
    assert told == [(1.0, 0.5), (0.75, 0.25), (0.5, 0.0), (0.25, 0.0)]  # two steps ahead, and one back by noise


def test_callback_sees_every_step(runs, monkeypatch):
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(runs / "weights"))
    seen = []
    [picture] = bozzetto.sample(
        "few-steps", num_inference_steps=2, callback_on_step_end=lambda *step: seen.append(step)
    )
    assert [step[:3] for step in seen] == [(0, 2, 0), (1, 2, 0)]
    assert seen[-1][3].tobytes() == picture.tobytes()


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("diffusion", {"label": "rings"}, "label 'rings' is not one of the 3 classes: the nearest is 'ring'"),
        ("diffusion", {"label": "x" * 5000}, "the nearest is 'cross'"),
        ("diffusion", {"sampler": "magic"}, "sampler 'magic' is unknown"),
        ("diffusion", {"num_inference_steps": 0}, "num_inference_steps must be a whole number from 1 to 1000"),
        ("diffusion", {"guidance_scale": 31, "label": "ring"}, "guidance_scale must be a number from 0 to 30"),
        (
            "few-steps",
            {"num_inference_steps": 3},
            "num_inference_steps must be 1, 2, 4 or 8 for a few-step student, not 3",
        ),
        ("few-steps", {"guidance_scale": 2}, "guidance_scale means nothing to the few-steps model"),
        ("gan", {"num_inference_steps": 2}, "num_inference_steps means nothing to the gan model"),
        ("dragon", {}, "model 'dragon' is unknown: "),
        ("diffusion", {"n": 0}, "n must be a whole number from 1 to 100"),
        ("diffusion", {"seed": -1}, "seed must be"),
    ],
)
def test_bad_requests_are_refused_in_one_line(runs, monkeypatch, model, options, said):
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(runs / "weights"))
    monkeypatch.setattr(bozzetto, "_nearest_text", lambda text, texts: "cross")
    with pytest.raises(ValueError) as caught:
        bozzetto.sample(model, **options)
    assert said in str(caught.value) and "\n" not in str(caught.value)
