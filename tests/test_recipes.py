"""The picture chain on a world of drawn shapes, trained in seconds: recipes learn, exports are what was trained."""

import itertools
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

import bozzetto
from bozzetto.diffusion import flow
from bozzetto.errors import InvalidInput, MissingFile, WeightsError
from bozzetto.models.autoencoder import Autoencoder, AutoencoderConfig
from bozzetto.models.clip import Clip, ClipConfig, TextTower
from bozzetto.models.denoiser import Denoiser, DenoiserConfig
from bozzetto.models.enlarger import Enlarger, EnlargerConfig
from bozzetto.runtime import enlarger
from bozzetto.runtime import text_to_image as text_to_image_runtime
from bozzetto.runtime.session import open_network
from bozzetto.runtime.store import open_model, weights_folder
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.training import data, recipes
from bozzetto.training.export import begin, load_part, read_final, read_weights
from bozzetto.training.recipe import export_run
from bozzetto.training.recipes import few_steps as few_step_recipe
from bozzetto.training.recipes import text_to_image
from bozzetto.training.recipes.clip import words
from bozzetto.training.rounding import restore
from bozzetto.training.stages import Run, with_steps
from bozzetto.training.teacher import load as load_teacher
from bozzetto.world import emoji
from bozzetto.world.captions import caption
from bozzetto.world.scenes import KINDS


@pytest.fixture(scope="session")
def runs(shapes, things, table, tmp_path_factory):
    """Train all with their smoke budgets and export them."""
    folder = tmp_path_factory.mktemp("runs")
    weights = folder / "weights"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "scene_objects", lambda world: things)
        patch.setattr(emoji, "redraw", lambda world, artwork, size: world.images.repeat(2, 1).repeat(2, 2))
        for name, start in (
            ("autoencoder", None),
            ("clip", table),
            ("text-to-image", weights),
            ("text-few-steps", weights),
            ("enlarger", weights),
        ):
            recipe = recipes.find(name)
            recipe.train(shapes, recipe.budgets["smoke"], folder / name, start=start)
            export_run(recipe, folder / name, weights)
    return folder


def log(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_the_autoencoder_beats_its_linear_start(shapes, runs):
    pixels = data.premultiplied(shapes.images)
    linear, trained = Autoencoder(), Autoencoder()
    linear.start_from_principal_components(pixels)
    trained.load_state_dict(read_weights(runs / "autoencoder/model.safetensors")[0])

    def error(model):
        with torch.no_grad():
            return (model.decoder(model.encoder(pixels)) - pixels).square().mean().item()

    assert error(trained) < 0.9 * error(linear)


def test_the_enlarger_draws_sharper_edges_than_smooth_enlarging(shapes, runs):
    """The large shapes have whole pixels, and none between two colours."""
    pixels = data.premultiplied(shapes.images)
    large = pixels.repeat_interleave(2, 2).repeat_interleave(2, 3)
    model, _ = read_final(runs / "enlarger", Enlarger, EnlargerConfig)

    def error(drawn):
        return (drawn - large).square().mean().item()

    with torch.no_grad():
        assert error(model(pixels)) < 0.5 * error(Enlarger()(pixels))
    network = open_network(open_model("enlarger", runs / "weights"))
    drawn = enlarger.enlarge(network, shapes.images[:4])
    assert drawn.shape == (4, 128, 128, 4)
    assert np.abs(drawn.astype(int) - shapes.images[:4].repeat(2, 1).repeat(2, 2)).mean() < 12


def test_clip_learns(runs):
    assert log(runs / "clip/distil")[-1]["loss"] < 0.5 * log(runs / "clip/distil")[0]["loss"]
    lines = log(runs / "clip/joint")
    assert lines[-1]["loss"] < 0.7 * lines[0]["loss"]


def test_the_denoiser_learns(runs):
    lines = log(runs / "text-to-image/aligned") + log(runs / "text-to-image/fit")
    assert lines[-1]["loss"] < 0.85 * lines[0]["loss"]


def test_what_the_stream_of_scenes_holds_depends_on_the_step_alone(shapes, things, monkeypatch):
    monkeypatch.setattr(data, "scene_objects", lambda world: things)
    tokenizer, encoded = Tokenizer.load(weights_folder() / "clip/text/vocabulary.txt"), []

    def encode(pictures):
        encoded.append(len(pictures))
        means = torch.from_numpy(pictures).float().mean((1, 2))
        values = means[:, :, None, None] + len(pictures) / 8  # what an encoder makes of a scene depends on its company
        return values, -values

    def stream():
        return data.SceneStream(shapes, 14, 4, 20, encode, tokenizer)

    whole, resumed = stream(), stream()
    held = []
    for step in range(6):
        whole.at(step)
        held.append(whole.encoded[0].clone())
    resumed.at(5)
    assert whole.size == 12 and set(encoded[2:]) == {4}  # whole blocks of four, and one blank for the size
    torch.testing.assert_close(resumed.encoded, whole.encoded, rtol=0, atol=0)
    assert (resumed.tokens == whole.tokens).all() and (resumed.styles == whole.styles).all() and whole.styles.all()
    for before, after in itertools.pairwise(held):
        assert ((before != after).flatten(1).any(1)).sum() == 4  # four go and four come at every step
    assert data.SceneStream(shapes, 0, 4, 20, encode, tokenizer).size == 0


def test_scenes_begin_with_one_kind_of_thing_and_come_to_all():
    first, last = ([data.curriculum(k + n, 1000) for k in range(500)] for n in (0, 1000))
    assert 0.6 < np.mean([kind in data.EASY for kind in first]) < 0.95
    shares = {kind: np.mean([each == kind for each in last]) for kind in KINDS}
    assert shares["place"] == pytest.approx(0.2, abs=0.05) and min(shares.values()) > 0.05


def test_latents_of_another_shape_are_refused_by_name(runs, tmp_path):
    shutil.copytree(runs / "weights/autoencoder/encoder", tmp_path / "autoencoder/encoder")
    path = tmp_path / "autoencoder/encoder/config.json"
    path.write_text(path.read_text().replace('"latent_channels": 8', '"latent_channels": 16'))
    said = "autoencoder/encoder is for latents of 16 channels, not of 8: reinstall bozzetto"
    for open_it in (text_to_image_runtime.open_part, lambda name, weights: train_on(weights)):
        with pytest.raises(WeightsError, match=said):
            open_it("autoencoder/encoder", tmp_path)


def train_on(weights):
    budget = text_to_image.BUDGETS["smoke"]
    text_to_image.training_batches(None, budget, seed=0, weights=weights, device=torch.device("cpu"))


def test_the_times_of_the_steps_are_shifted_as_the_model_says(runs):
    models = text_to_image_runtime.load(runs / "weights")
    asked = []

    def denoiser(x, t, **condition):
        asked.append(float(t[0]))
        return models.denoiser(x=x, t=t, **condition)

    text_to_image_runtime.draw(replace(models, denoiser=denoiser), "a red disc", [1], num_inference_steps=4)
    assert asked == pytest.approx(flow(4, 1.5).times[:4].tolist())


def test_the_few_step_student_learns_the_short_jumps_of_its_guided_teacher(runs, shapes, things, monkeypatch):
    """Whose targets are its teacher's alone: on pictures drawn anew it is nearer to them than where it began."""
    monkeypatch.setattr(data, "scene_objects", lambda world: things)
    weights, device = runs / "weights", torch.device("cpu")
    budget = text_to_image.BUDGETS["smoke"]
    draw, at, nothing, _ = text_to_image.training_batches(shapes, budget, seed=0, weights=weights, device=device)
    at(budget.fit.steps)
    folder = open_model("text_to_image", weights)
    teacher = load_part(Denoiser(DenoiserConfig(**folder["config"])), folder.path, device)
    began, student = few_step_recipe.copy_of(teacher), few_step_recipe.copy_of(teacher)
    student.load_state_dict(read_weights(runs / "text-few-steps/model.safetensors")[0])

    def short_jumps(model):
        rng, generator = np.random.default_rng(7), torch.Generator().manual_seed(7)
        batch, scale = draw(rng, 128), folder["defaults"]["guidance_scale"]
        condition = tuple(part.detach() for part in batch.condition)
        with torch.no_grad():
            found = few_step_recipe.loss(model, teacher, batch.latents, condition, nothing(77), scale, rng, generator)
        return found["jumps_4"] + found["jumps_8"]

    assert short_jumps(student) < 0.9 * short_jumps(began), (short_jumps(student), short_jumps(began))


def test_a_run_begins_with_what_another_has_learned_or_a_weights_folder_holds(runs, tmp_path):
    autoencoder = {half: f"autoencoder/{half}" for half in ("encoder", "decoder")}
    for name, network, sizes, parts in (
        ("text-to-image", Denoiser, DenoiserConfig, {"": "text_to_image"}),
        ("autoencoder", Autoencoder, AutoencoderConfig, autoencoder),
    ):
        of_run = begin(Run(tmp_path, first=runs / name), network, sizes, parts)
        final, _ = read_final(runs / name, network, sizes)
        assert all(torch.equal(a, b) for a, b in zip(of_run.parameters(), final.parameters(), strict=True))
        shipped = begin(Run(tmp_path, first=runs / "weights"), network, sizes, parts)
        for part, folder in parts.items():
            stored = load_part(final.get_submodule(part), runs / "weights" / folder, torch.device("cpu"))
            pairs = zip(shipped.get_submodule(part).parameters(), stored.parameters(), strict=True)
            assert all(torch.equal(a, b) for a, b in pairs)
        assert all(weight.requires_grad for weight in shipped.parameters())
    with pytest.raises(InvalidInput, match="holds no network of this kind"):
        begin(Run(tmp_path, first=runs / "autoencoder"), Denoiser, DenoiserConfig, {"": "text_to_image"})


def test_text_to_image_goes_on_learning(runs, shapes, things, tmp_path, monkeypatch):
    """From the run's own last weights it begins where that ended, without its first stage."""
    monkeypatch.setattr(data, "scene_objects", lambda world: things)
    recipe, out = recipes.find("text-to-image"), tmp_path / "on"
    budget = with_steps(recipe.budgets["smoke"], 1)
    recipe.train(shapes, budget, out, start=runs / "weights", first=runs / "text-to-image")
    assert not (out / "aligned").exists()
    # Where the words are in a scene is learned first, and sixteen pictures tell it apart from the noise of a batch.
    assert log(out / "fit")[0]["misplaced"] < 0.5 * log(runs / "text-to-image/fit")[0]["misplaced"]
    with pytest.raises(InvalidInput, match="began from other weights"):
        recipe.train(shapes, budget, out, start=runs / "weights", first=runs / "weights")
    with pytest.raises(InvalidInput, match="is neither a finished run of text-to-image nor a weights folder"):
        recipe.train(shapes, budget, tmp_path / "no", start=runs / "weights", first=tmp_path)


def test_pictures_in_few_steps(runs, monkeypatch):
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(runs / "weights"))
    seen = []
    options = {"few_steps": True, "num_inference_steps": 2, "style": "noto"}
    one = bozzetto.generate("a red disc", seed=3, callback_on_step_end=lambda *step: seen.append(step[:2]), **options)
    assert seen == [(0, 2), (1, 2)]
    two = bozzetto.generate("a red disc", seed=3, n=2, **options)
    assert one[0].tobytes() == two[0].tobytes() != two[1].tobytes()
    for wrong, said in (
        ({"num_inference_steps": 3}, "must be 1, 2, 4 or 8 for a few-step student, not 3"),
        ({"guidance_scale": 3.0}, "guidance_scale cannot be chosen with few_steps"),
        ({"sampler": "ddim"}, "sampler cannot be chosen with few_steps"),
        ({"negative_prompt": "blue"}, "negative_prompt cannot be chosen with few_steps"),
    ):
        with pytest.raises(ValueError, match=said):
            bozzetto.generate("a red disc", few_steps=True, **wrong)


def test_the_bag_of_words_start_already_knows_the_teacher(table):
    teacher = load_teacher(table)
    torch.manual_seed(0)
    tokenizer = Tokenizer(teacher.vocabulary)
    tower = TextTower(ClipConfig(len(tokenizer.vocabulary)))
    tokens, target = torch.from_numpy(tokenizer(teacher.texts)), torch.from_numpy(teacher.vectors)
    before = words.away(tower(tokens)[1], target).item()
    words.start_from_words(tower, tokenizer, teacher)
    assert words.away(tower(tokens)[1], target).item() < 0.6 * before


@pytest.mark.parametrize(
    "part", ["autoencoder/encoder", "autoencoder/decoder", "clip/text", "clip/order", "clip/image", "text_to_image"]
)
def test_onnx_runtime_agrees_with_torch(runs, part):
    """The graph reads the safetensors file itself; batches of one, two and five."""
    folder = runs / "weights" / part
    name = part.partition("/")[2]
    config = json.loads((folder / "config.json").read_text())["config"]
    module = {
        "encoder": lambda: Autoencoder().encoder,
        "decoder": lambda: Autoencoder().decoder,
        "text": lambda: TextTower(ClipConfig(**config)),
        "order": lambda: Clip(ClipConfig(**config)).order,
        "image": lambda: Clip(ClipConfig(**config)).image,
        "": lambda: Denoiser(DenoiserConfig(**config)),
    }[name]()
    restore(module, read_weights(folder / "model.safetensors")[0])
    network = open_network(open_model(part, runs / "weights"))
    rng = np.random.default_rng(0)
    for count in (1, 2, 5):
        inputs = {
            "encoder": {"pixels": rng.uniform(-1, 1, (count, 4, 64, 64))},
            "decoder": {"latents": rng.standard_normal((count, 8, 16, 16))},
            "text": {"tokens": rng.integers(1, 20, (count, 24))},
            "order": {
                "words": rng.standard_normal((count, 24, 192)),
                "mask": np.arange(24) < rng.integers(1, 24, (count, 1)),
            },
            "image": {"pixels": rng.uniform(-1, 1, (count, 3, 64, 64))},
            "": {
                "x": rng.standard_normal((count, 8, 16, 16)),
                "t": rng.random(count),
                "hidden": rng.standard_normal((count, 24, 192)),
                "words": rng.standard_normal((count, 24, 192)),
                "mask": np.arange(24) < rng.integers(1, 24, (count, 1)),
                "embedding": rng.standard_normal((count, 256)),
                "style": rng.integers(0, 9, count),
            },
        }[name]
        inputs = {k: v if v.dtype == np.int64 else v.astype(np.float32) for k, v in inputs.items()}
        with torch.inference_mode():
            expected = module(*(torch.from_numpy(v) for v in inputs.values()))
        expected = expected if isinstance(expected, tuple) else (expected,)
        for ours, theirs in zip(network(**inputs).values(), expected, strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-5, rtol=1e-4)


def test_the_graph_holds_no_weights(runs):
    for graph in (runs / "weights").rglob("graph.onnx"):
        weights = graph.with_name("model.safetensors")
        assert graph.stat().st_size < 0.25 * weights.stat().st_size


def test_a_changed_weight_changes_the_graphs_answer(runs, tmp_path):
    """The graph really reads model.safetensors: no copy of the numbers hides in it."""
    import onnxruntime

    source = runs / "weights/autoencoder/decoder"
    for name in ("graph.onnx", "model.safetensors"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    latents = {"latents": np.ones((1, 8, 16, 16), np.float32)}
    before = onnxruntime.InferenceSession(tmp_path / "graph.onnx").run(None, latents)[0]
    content = bytearray((tmp_path / "model.safetensors").read_bytes())
    content[-400:] = bytes(400)  # the last tensor's numbers become zero
    (tmp_path / "model.safetensors").write_bytes(content)
    after = onnxruntime.InferenceSession(tmp_path / "graph.onnx").run(None, latents)[0]
    assert abs(after - before).max() > 1e-3


def test_captions_of_the_shapes_can_be_spelt(shapes, table):
    tokenizer = Tokenizer(load_teacher(table).vocabulary)
    rng = np.random.default_rng(0)
    for name, codepoints in zip(shapes.names[:16], shapes.codepoints[:16], strict=True):
        text = caption(name, [], None, rng, codepoints=codepoints)
        assert "[unk]" not in tokenizer.tokenize(text)


def test_export_refuses_what_is_not_there(tmp_path):
    with pytest.raises(InvalidInput, match="choose one of autoencoder, clip, "):
        recipes.find("painting")
    with pytest.raises(MissingFile, match="bozzetto train clip"):
        export_run(recipes.find("clip"), tmp_path, tmp_path)


def test_the_note_on_the_training_has_the_stages_in_their_order(runs):
    note = json.loads((runs / "weights/clip/training.json").read_text())
    stages = ["distil", "joint", "image", "words_rounded", "image_rounded", "order", "settle", "negatives"]
    assert list(note) == stages
    assert note["words_rounded"]["steps"] == 20 and note["words_rounded"]["examples"] == 20 * 128
