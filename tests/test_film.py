"""Films: their paths, a network that begins by changing nothing, its recipe in seconds, its graph over two weights
files, what is asked of it, and the exact checks.

`python tests/test_film.py --write` rewrites golden/film.json, to which the page is held too (web/runtime/film.test.ts).
"""

import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import bozzetto
from bozzetto import pictures
from bozzetto.cli import main
from bozzetto.diffusion import few_steps, flow
from bozzetto.errors import InputWarning, InvalidInput, WeightsError
from bozzetto.evaluation import film as evaluation
from bozzetto.models.denoiser import Denoiser, DenoiserConfig
from bozzetto.models.film import Film, FilmConfig
from bozzetto.runtime import denoising, store
from bozzetto.runtime import film as runtime
from bozzetto.runtime.session import open_network
from bozzetto.runtime.text_to_image import LATENT_SHAPE
from bozzetto.training.export import load_part, read_final, read_weights
from bozzetto.training.recipe import export_run
from bozzetto.training.recipes import film as recipe
from bozzetto.training.rounding import exact
from bozzetto.world import films
from bozzetto.world.films import FRAMES, MOTIONS, STAYS, film_pictures, frames, make_film, split_prompt
from bozzetto.world.scenes import is_held_out

GOLDEN = Path(__file__).parent / "golden/film.json"
PROMPTS = [
    "a red car moves left",
    " A cat  MOVES\n Up ",
    "a cat",
    "spins",
    "a cat spins, grows",
    "grows grows a tree",
    "two cars are\tgoing to  the LEFT",
    "a spinning top",
    "cats move up and go to the up",
    "a fading heart bounces",
    "stay",
    "",
]
ORDER = ("x", "t", "hidden", "words", "mask", "embedding", "style", "until", "picture", "motion")


def thing() -> np.ndarray:
    """A picture that is the same from no two sides."""
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[10:54, 12:52] = (220, 60, 40, 255)
    picture[10:24, 12:30] = (40, 60, 220, 255)
    picture[44:54, 40:52] = (250, 220, 40, 255)
    return picture


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("film")
    recipe.RECIPE.train(shapes, recipe.BUDGETS["smoke"], folder)
    return folder


@pytest.fixture(scope="module")
def weights(run, tmp_path_factory):
    """A weights folder of the shipped models with the film that was just trained."""
    folder = tmp_path_factory.mktemp("weights") / "weights"
    shutil.copytree(store.weights_folder(), folder, ignore=shutil.ignore_patterns("gan*", "vae", "vlm", "film"))
    export_run(recipe.RECIPE, run, folder)
    return folder


@pytest.fixture
def small(weights, monkeypatch):
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(weights))


# ---------------------------------------------------------------- films


@pytest.mark.parametrize(("motion", "way"), [("left", (-1, 0)), ("right", (1, 0)), ("up", (0, -1)), ("down", (0, 1))])
def test_a_thing_moves_the_way_that_is_said(motion, way):
    film = frames(thing(), f"moves {motion}")
    middles = np.array([evaluation.stance(frame)[:2] for frame in film])
    steps = np.diff(middles, axis=0)
    np.testing.assert_allclose(steps, np.tile(np.array(way) * 2 * films.WAY / 7, (7, 1)), atol=0.1)
    assert film.dtype == np.uint8 and film.shape == (FRAMES, 64, 64, 4)


def test_what_spins_is_turned_clockwise_and_what_fades_keeps_its_colours():
    spun = frames(thing(), "spins")
    np.testing.assert_allclose(spun[2].astype(int), np.rot90(spun[0], -1), atol=2)
    faded = frames(thing(), "fades")
    assert faded[-1][..., 3].max() == round(0.15 * 255)
    assert (faded[-1][20, 20, :3] == faded[0][20, 20, :3]).all()
    grown = [evaluation.stance(frame)[2] for frame in frames(thing(), "grows")]
    np.testing.assert_allclose(grown, grown[-1] * MOTIONS["grows"][:, 2], rtol=0.02)
    np.testing.assert_allclose(grown[::-1], [evaluation.stance(f)[2] for f in frames(thing(), "shrinks")], rtol=0.02)


def test_a_number_is_a_film_of_what_training_may_show(shapes):
    rows = film_pictures(shapes)
    assert {shapes.splits[row] for row in rows} == {"train"}
    made = [make_film(shapes, rows, number) for number in range(200)]
    again = make_film(shapes, rows, 7)
    assert (again.picture == made[7].picture).all() and (again.words, again.motion) == (made[7].words, made[7].motion)
    assert {film.motion for film in made} == set(MOTIONS)
    recolored = [film for film in made if (film.picture != shapes.images[film.row]).any()]
    assert 30 < len(recolored) < 90
    for one in recolored:
        color = one.words.split()[1]
        assert not is_held_out(shapes.codepoints[one.row], color)


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a red car moves left", ("a red car", "moves left")),
        ("  A cat  MOVES \n Up ", ("A cat", "moves up")),
        ("spins, a robot", (", a robot", "spins")),
        ("a cat", ("a cat", None)),
        ("a cat growsome", ("a cat growsome", None)),
        ("a goat gone upward", ("a goat gone upward", None)),
        ("grows and grows a tree", ("and a tree", "grows")),
        ("a red car is moving to the left", ("a red car", "moves left")),
        ("two cats go Right", ("two cats", "moves right")),
        ("a cat goes up", ("a cat", "moves up")),
        ("a leaf going down", ("a leaf", "moves down")),
        ("two red cars spin", ("two red cars", "spins")),
        ("a spinning top", ("a top", "spins")),
        ("a bouncing ball", ("a ball", "bounces")),
        ("stars fade", ("stars", "fades")),
        ("a fading  heart", ("a heart", "fades")),
        ("a shrinking pea", ("a pea", "shrinks")),
        ("dogs stay", ("dogs", STAYS)),
        ("", ("", None)),
    ],
)
def test_a_prompt_is_a_thing_and_a_motion(prompt, parts):
    assert split_prompt(prompt) == parts
    assert list(films.SAID) == list(MOTIONS)


# ---------------------------------------------------------------- the network


def example(config, films=2):
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(films, *shape, generator=generator)

    return {
        "x": draw(FRAMES, 8, 16, 16),
        "t": torch.tensor([1.0, 0.5])[:films],
        "hidden": draw(24, config.hidden_size),
        "words": draw(24, config.hidden_size),
        "mask": torch.ones(films, 24),
        "embedding": draw(256),
        "style": torch.tensor([0, 3])[:films],
        "until": torch.tensor([0.5, 0.0])[:films],
        "picture": draw(8, 16, 16),
        "motion": torch.tensor([1, 6])[:films],
    }


@torch.no_grad()
def test_at_first_the_frozen_network_draws_each_frame_alone():
    config = DenoiserConfig(jumps=True)
    torch.manual_seed(0)
    model = Film(FilmConfig(vars(config))).eval()
    torch.nn.init.normal_(model.denoiser.leave.weight, std=0.05)
    given = example(config)
    together = model(*given.values())
    for frame in (0, 5):
        rest = [given[name] for name in ORDER[1:8]]
        alone = model.denoiser(given["x"][:, frame], *rest)
        torch.testing.assert_close(together[:, frame], alone, atol=1e-4, rtol=1e-4)


def test_only_what_is_new_learns_and_its_loss_falls(run):
    lines = [json.loads(line) for line in (run / "fit/log.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < 0.85 * lines[0]["loss"]
    model, _ = read_final(run, Film, FilmConfig)
    frozen = load_part(Denoiser(model.denoiser.config), store.weights_folder() / recipe.BASE, torch.device("cpu"))
    for name, weight in frozen.state_dict().items():
        assert torch.equal(model.denoiser.state_dict()[name], weight), name
    new = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert 300_000 < new < 1_000_000 and model.leave.copy.weight.any() and model.over.attention.out.weight.any()


@torch.no_grad()
def test_the_graph_is_the_network_over_two_weights_files(run, weights):
    folder = store.open_model("film", weights)
    tensors, _ = read_weights(folder.path / "model.safetensors")
    assert not [name for name in tensors if name.startswith("denoiser.")]
    assert (folder.path / "model.safetensors").stat().st_size < 1_000_000
    model, _ = read_final(run, Film, FilmConfig)
    model.load_state_dict(exact(model, tensors), strict=False)
    given = example(model.denoiser.config)
    wanted = model.eval()(*given.values())
    found = runtime.load(weights).network(**{name: value.numpy() for name, value in given.items()})["clean"]
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_it_does_not_run_on_another_student(weights, tmp_path):
    shutil.copytree(weights, tmp_path / "weights")
    path = tmp_path / "weights/film/config.json"
    config = json.loads(path.read_text())
    config["needs"][recipe.BASE] = "0" * 64
    path.write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="trained with another text_few_steps"):
        runtime.load(tmp_path / "weights")


# ---------------------------------------------------------------- what is asked


def test_a_seed_is_a_film(small):
    told, estimates = [], []
    film = bozzetto.film(
        "a red car moves left",
        seed=3,
        progress=lambda *done: told.append(done),
        callback_on_step_end=lambda step, steps, frames: estimates.append(frames),
    )
    again = bozzetto.film("a red car moves left", seed=3)
    assert (
        len(film) == 8 and {frame.size for frame in film} == {(64, 64)} and {frame.mode for frame in film} == {"RGBA"}
    )
    assert all((np.asarray(a) == np.asarray(b)).all() for a, b in zip(film, again, strict=True))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [len(each) for each in estimates] == [8] * 4
    assert all((np.asarray(a) == np.asarray(b)).all() for a, b in zip(film, estimates[-1], strict=True))
    other, way = bozzetto.film("a red car moves left", seed=4), bozzetto.film("a red car grows", seed=3)
    assert (np.asarray(other[0]) != np.asarray(film[0])).any() and (np.asarray(way[0]) != np.asarray(film[0])).any()
    few = bozzetto.film("a red car moves left", seed=3, num_frames=3, size=16)
    assert [frame.size for frame in few] == [(16, 16)] * 3
    one = bozzetto.film("a red car moves left", seed=3, num_frames=1)
    assert (np.asarray(one[0]) == np.asarray(film[0])).all()


@pytest.mark.parametrize("name", ["car.webp", "car.gif", "car.png", "car.WEBP"])
def test_the_shell_writes_an_animation(small, tmp_path, capsys, name):
    assert main(["film", "a red car moves left", "-o", str(tmp_path / name), "--frames", "4"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / name}\n"
    with Image.open(tmp_path / name) as image:
        assert image.n_frames == 4 and image.info.get("loop") == 0 and image.size == (64, 64)
        image.seek(1)
        image.load()
        assert image.info["duration"] in (120, 125)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_of_frames_is_a_film(small, tmp_path):
    assert main(["film", "a red car moves left", "-o", str(tmp_path / "car"), "--seed", "5"]) == 0
    film = bozzetto.film("a red car moves left", seed=5)
    bozzetto.save_film(film, str(tmp_path / "car.gif"))
    (tmp_path / "car.gif").unlink()
    for index, frame in enumerate(film):
        with Image.open(tmp_path / f"car/frame-{index}.png") as image:
            assert (np.asarray(image) == np.asarray(frame)).all()
    assert [path.name for path in tmp_path.iterdir()] == ["car"] and len(list((tmp_path / "car").iterdir())) == 8
    whole = pictures.check_film_output
    with pytest.raises(InvalidInput, match="is there already"):
        whole(tmp_path / "car")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([""], "prompt is empty"),
        (["   \n"], "prompt is empty"),
        (["spins"], "says only how something moves"),
        (["a cat spins and grows"], "two motions, 'spins' and 'grows': say one"),
        (["a " * 5000], "10000 characters"),
        (["猫 spins"], "cannot be read"),
        (["a cat", "--frames", "0"], "--frames must be a whole number from 1 to 8, not 0"),
        (["a cat", "--frames", "1000"], "--frames must be a whole number from 1 to 8, not 1000"),
        (["a cat", "--steps", "3"], "--steps must be 1, 2 or 4"),
        (["a cat", "--seed", "-1"], "--seed must be"),
        (["a cat", "--style", "flat"], "--style 'flat' is unknown"),
        (["a cat", "--size", "5"], "--size must be"),
        (["a cat", "-o", "car.mp4"], "must end in .webp, .gif, .png"),
        (["a cat", "-o", "nowhere/car.webp"], "nowhere is not there"),
        (["a cat", "-o", "/proc/car.webp"], "output /proc/car.webp: the folder /proc cannot be written to"),
        (["a cat", "-o", "."], "output . is there already: name a new folder"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_leaves_nothing(small, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert main(["film", *arguments]) == 2
    out = capsys.readouterr()
    assert said in out.err and out.err.count("\n") == 1 and out.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_film_that_cannot_be_written_whole_is_not_there(tmp_path):
    class Broken(Image.Image):
        def save(self, *arguments, **options):
            raise OSError(28, "No space left on device")

    film = [Image.new("RGBA", (8, 8)), Broken()]
    with pytest.raises(OSError, match="No space left"):
        pictures.save_film(film, tmp_path / "car")
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_read_is_said(small):
    with pytest.warns(InputWarning, match="猫"):
        bozzetto.film("a 猫 owl spins", num_inference_steps=1, num_frames=1)
    with pytest.warns(InputWarning, match="prompt says no motion .* moves left, .* fades or stays$"):
        bozzetto.film("a red balloon rolls", num_inference_steps=1, num_frames=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bozzetto.film("a balloon stays", num_inference_steps=1, num_frames=1)
    with pytest.raises(InvalidInput, match="must be text"):
        bozzetto.film(3)


# ---------------------------------------------------------------- the exact checks


def test_the_checks_tell_every_motion_from_every_other():
    made = {motion: frames(thing(), motion) for motion in MOTIONS}
    for shown, film in made.items():
        assert [motion for motion in MOTIONS if evaluation.is_right(film, motion)] == [shown]


def test_one_frame_may_be_off_and_not_two():
    film = frames(thing(), "moves left")
    for off in (1, 2):
        broken = film.copy()
        broken[3 : 3 + off] = film[0]
        assert evaluation.is_right(broken, "moves left") == (off == 1)
    assert not evaluation.is_right(np.zeros_like(film), "moves left")


def test_the_same_thing_is_nearer_to_itself_than_to_any_other():
    rng = np.random.default_rng(0)
    things = rng.standard_normal((5, 1, 16))
    films = things + 0.1 * rng.standard_normal((5, 8, 16))
    films /= np.linalg.norm(films, axis=-1, keepdims=True)
    best = films[:, 0]
    assert evaluation.same(films, best).all()
    films[2, 4] = films[1, 0]
    assert evaluation.same(films, best).all()
    films[2, 5] = films[0, 0]
    assert evaluation.same(films, best).tolist() == [True, True, False, True, True]


def test_scores_hold_films_to_their_words():
    motions = list(MOTIONS)
    true = np.stack([frames(thing(), motion) for motion in motions])
    still = np.stack([frames(thing(), STAYS)] * len(motions))
    embeddings = np.repeat(np.eye(len(motions))[:, None], 8, 1)
    _, real, blind = evaluation.KINDS
    scores = evaluation.score({"": still, real: true}, {"": embeddings, real: embeddings}, motions)

    def value(measure):
        return scores[measure]["value"]

    assert value(evaluation.RIGHT) == pytest.approx(0.1) and value(evaluation.RIGHT + real) == 1
    assert value(evaluation.word_measure(STAYS)) == 1 and value(evaluation.word_measure("spins")) == 0
    assert value(evaluation.SAME) == 1 and value(evaluation.SAME + blind) == 0
    assert evaluation.seen_alone(true[9], "fades")[7].min() < 100


def test_what_clip_is_shown_is_turned_back_and_whole():
    spun = evaluation.seen_alone(frames(thing(), "spins"), "spins").astype(int)
    assert np.abs(spun[3] - spun[0]).mean() < 20
    shrunk = evaluation.seen_alone(frames(thing(), "shrinks"), "shrinks").astype(int)
    assert np.abs(shrunk[7] - shrunk[0]).mean() < 25


# ---------------------------------------------------------------- what the page is held to


def parts(prompt: str) -> list[str] | None:
    try:
        return list(split_prompt(prompt))
    except InvalidInput:
        return None


def filled(shape: list[int], turn: float) -> np.ndarray:
    return np.sin(0.37 * np.arange(np.prod(shape)) + turn).astype(np.float32).reshape(shape)


def golden() -> dict:
    """How prompts are split, walks of D = x / 2 + t - until, and one look of the shipped network, each thinned out."""
    walks = []
    for seed, steps in ((0, 1), (7, 2), (2**40 + 3, 4)):
        shape = (FRAMES, *LATENT_SHAPE)
        latents = denoising.sample(
            few_steps, lambda x, t, until: x / 2 + t - until, [seed], shape, flow(steps), stream=runtime.FIRST_NOISE
        )
        walks.append({"seed": seed, "steps": steps, "latents": latents.ravel()[::409].tolist()})
    shapes = {"x": [1, FRAMES, 8, 16, 16], "hidden": [1, 24, 192], "words": [1, 24, 192], "mask": [1, 24],
              "embedding": [1, 256], "picture": [1, 8, 16, 16]}  # fmt: skip
    inputs = {name: filled(shape, turn) for turn, (name, shape) in enumerate(shapes.items())}
    times = {"t": np.float32([0.75]), "until": np.float32([0.25])}
    numbers = {"style": np.array([4]), "motion": np.array([6])}
    network = open_network(store.open_model("film"))
    clean = network(**inputs | times | numbers | {"mask": np.ones((1, 24), np.float32)})["clean"]
    return {
        "prompts": [{"prompt": prompt, "parts": parts(prompt)} for prompt in PROMPTS],
        "walks": walks,
        "shapes": shapes,
        "clean": clean.ravel()[::409].tolist(),
    }


def test_golden_values_still_hold():
    stored, computed = json.loads(GOLDEN.read_text()), golden()
    assert stored["prompts"] == computed["prompts"] and stored["shapes"] == computed["shapes"]
    for old, new in zip(stored["walks"], computed["walks"], strict=True):
        np.testing.assert_allclose(old["latents"], new["latents"], atol=1e-5)
    np.testing.assert_allclose(stored["clean"], computed["clean"], atol=1e-3)


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python tests/test_film.py --write")
    GOLDEN.write_text(json.dumps(golden(), separators=(",", ":")) + "\n")
