"""The course's data is what the shipped weights give: made anew here in small and compared."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bozzetto
from bozzetto.course.content import read_toml
from bozzetto.course.pages import HERE
from bozzetto.diffusion import SAMPLERS
from bozzetto.diffusion.noise import words
from bozzetto.evaluation.bench import HELD_OUT_SEED
from bozzetto.pictures import as_planes, over_white
from bozzetto.runtime import clip as towers
from bozzetto.runtime import sample, store, text_to_image, vae
from bozzetto.training.data import emoji
from bozzetto.world.captions import plain_name, templates, with_article
from bozzetto.world.dataset import load_world
from bozzetto.world.documents import KINDS, make_document, render_document
from bozzetto.world.scenes import scene_objects

ROOT = Path(__file__).parents[1]
DATA = ROOT / "src/bozzetto/course/data"
AGAIN = "run scripts/record_course.py again"


def read(name: str):
    return json.loads((DATA / name).read_text(encoding="utf-8"))


def embeddings(name: str, scale: float) -> np.ndarray:
    return np.frombuffer((DATA / f"{name}.embeddings.bin").read_bytes(), np.int8).reshape(-1, 256) * scale


def cell(sheet: Image.Image, size: int, index: int) -> Image.Image:
    row, column = divmod(index, sheet.width // size)
    return sheet.crop((column * size, row * size, (column + 1) * size, (row + 1) * size))


def squares(picture: Image.Image | np.ndarray) -> np.ndarray:
    """A picture on white as 16 x 16 colours in 0 .. 1, as lesson 1 compares them."""
    pixels = np.asarray(over_white(picture if isinstance(picture, Image.Image) else Image.fromarray(picture)))
    side = pixels.shape[0] // 16
    return pixels.reshape(16, side, 16, side, 3).mean((1, 3)).ravel() / 255


@pytest.fixture(scope="module")
def world():
    return load_world(ROOT / "data/world.parquet")


@pytest.fixture(scope="module")
def models():
    return text_to_image.load(store.weights_folder())


@pytest.fixture(scope="module")
def clip():
    return towers.load(store.weights_folder())


@pytest.fixture(scope="module")
def training():
    """Lesson 1's thumbnails of all training pictures, float32 [N,768]."""
    facts = read("training.json")
    found = []
    for number, name in enumerate(facts["sheets"]):
        count = min(facts["per_sheet"], len(facts["items"]) - number * facts["per_sheet"])
        with Image.open(DATA / name) as sheet:
            found += [squares(cell(sheet.convert("RGB"), facts["size"], index)) for index in range(count)]
    return np.array(found, np.float32)


def nearest(picture: np.ndarray, training: np.ndarray) -> tuple[float, int]:
    distances = np.sqrt(np.square(training - squares(picture).astype(np.float32)).mean(1))
    return float(distances.min()), int(distances.argmin())


@pytest.mark.parametrize(("name", "model"), [("words-steer", "text_to_image"), ("speed-dial", "diffusion")])
def test_a_recorded_run_is_what_the_weights_draw_today(name, model, models):
    facts = read(f"recorded/{name}.json")
    assert facts["weights"] == store.open_model(model).weights_sum(), AGAIN
    options = {"seed": facts["seed"], "num_inference_steps": facts["steps"]}
    if model == "diffusion":
        [drawn] = bozzetto.sample(model, label=facts["label"], **options)
    else:
        [drawn] = bozzetto.generate(facts["prompt"], style=facts["style"], **options)
    with Image.open(DATA / f"recorded/{name}.avif") as sprite:
        assert sprite.size == (facts["size"] * facts["steps"], facts["size"] * len(facts["rows"]))
        last = cell(sprite.convert("RGBA"), facts["size"], facts["steps"] - 1)
    apart = np.abs(np.asarray(over_white(last)).astype(int) - np.asarray(over_white(drawn)))
    assert apart.mean() < 8, AGAIN  # AVIF is lossy, most of all on small pictures; another run is 30 away
    numbers = np.fromfile(DATA / f"recorded/{name}.bin", "<i2").reshape(facts["steps"], -1) * facts["scale"]
    if model == "diffusion":
        made = sample.to_bytes(numbers[-1].reshape(1, 3, 32, 32))[0]
    else:
        made = text_to_image.decode(models, np.float32(numbers[-1:]).reshape(1, *text_to_image.LATENT_SHAPE))[0]
    assert np.abs(np.asarray(over_white(Image.fromarray(made)), int) - np.asarray(over_white(drawn))).mean() < 1, AGAIN


def test_lesson_9_opens_with_what_its_first_job_makes_of_its_fields():
    recorded = read("recorded/same-blocks.json")
    assert recorded.pop("weights") == store.open_model("text_to_image").weights_sum(), AGAIN
    text = (ROOT / "web/lessons/9/jobs.ts").read_text(encoding="utf-8")
    words = read_toml(HERE / "content/en/interface/same-blocks.toml")["first-vary"]
    fields = dict(re.findall(r"(\w+): \{ kind: \"(?:int|float)\", default: ([\d.]+)", text))
    assert recorded.pop("picture") == words and f'vary: text("{with_article(words)}")' in text
    assert f"vary: {recorded['n']}," in text
    for name in ("seed", "strength", "num_inference_steps"):
        assert recorded[name] == float(fields[name]), AGAIN
    facts = read("gallery.json")
    place = next(i for i, item in enumerate(facts["items"]) if item["name"] == words)
    with Image.open(DATA / "gallery.avif") as gallery:
        logo = cell(gallery.convert("RGBA"), 64, place)
    [drawn] = bozzetto.edit(logo, with_article(words), **{**recorded, "n": 1})
    with Image.open(DATA / "recorded/same-blocks.avif") as strip:
        assert strip.size == (64 * recorded["n"], 64)
        shown = np.asarray(over_white(cell(strip.convert("RGBA"), 64, 0)), int)
    assert np.abs(shown - np.asarray(over_white(drawn))).mean() < 8, AGAIN  # AVIF is lossy


def test_the_first_page_shows_of_eight_drawings_the_one_that_clip_finds_best(models, clip):
    runs = read("home.json")
    assert len(runs) == 9
    for run in runs[1::4]:
        eight = text_to_image.draw(models, run["prompt"], range(8), style=run["style"])
        drawn = np.stack([np.asarray(over_white(Image.fromarray(picture))) for picture in eight])
        match = towers.encode_image(clip, drawn) @ towers.encode_text(clip, [run["prompt"]])[0]
        assert run["seed"] == match.argmax(), AGAIN
        with Image.open(DATA / "home" / run["file"]) as strip:
            assert strip.size == (1280, 128)
            first, last = (cell(strip.convert("RGB"), 128, place).resize((64, 64)) for place in (0, 9))
        first, last = (np.asarray(each).astype(int) for each in (first, last))
        assert np.abs(last - drawn[run["seed"]]).mean() < 8 < 20 < np.abs(first - drawn[run["seed"]]).mean(), AGAIN


def test_the_ladder_climbs_to_what_the_weights_draw_today(models):
    again = "run scripts/record_ladder.py again"
    facts = read("ladder.json")
    assert facts["weights"] == store.open_model("text_to_image").weights_sum(), again
    seen, named = ([row[key] for row in facts["rows"]] for key in ("seen", "named"))
    assert len(seen) > 2 and seen == sorted(seen) and named[0] < named[-1] <= facts["rows"][-1]["of"]
    assert {path.name for path in (DATA / "ladder").iterdir()} == {row["file"] for row in facts["rows"]}
    drawn = [text_to_image.draw(models, prompt, [facts["seed"]])[0] for prompt in facts["prompts"][:2]]
    white = [np.asarray(over_white(Image.fromarray(picture))).astype(int) for picture in drawn]
    apart = []
    for row in facts["rows"]:
        with Image.open(DATA / "ladder" / row["file"]) as strip:
            assert strip.size == (64 * len(facts["prompts"]), 64)
            shown = [np.asarray(cell(strip.convert("RGB"), 64, place)) for place in range(2)]
        apart.append(np.mean([abs(one - other).mean() for one, other in zip(shown, white, strict=True)]))
    assert apart[-1] < 8 < apart[0], again  # AVIF is lossy


def test_the_gallery_was_never_trained_on_and_has_the_embeddings_of_the_shipped_tower(world, clip):
    facts = read("gallery.json")
    row = {(key, style): i for i, (key, style) in enumerate(zip(world.codepoints, world.styles, strict=True))}
    rows = [row[item["codepoints"], item["style"]] for item in facts["items"]]
    assert {world.splits[i] for i in rows} == {"test"} and len(set(rows)) == len(rows) > 1000
    kept = embeddings("gallery", facts["embedding_scale"])
    assert len(kept) == len(rows)
    some = rows[::100]
    white = np.stack([np.asarray(over_white(Image.fromarray(world.images[i]))) for i in some])
    cosines = (towers.encode_image(clip, white) * kept[::100]).sum(1)
    assert cosines.min() > 0.99, AGAIN
    with Image.open(DATA / "gallery.avif") as sheet:
        for place in (0, 500, len(rows) - 1):  # name and picture belong together
            seen = np.asarray(over_white(cell(sheet.convert("RGBA"), 64, place))).astype(int)
            assert np.abs(seen - np.asarray(over_white(Image.fromarray(world.images[rows[place]])))).mean() < 6


def test_labels_have_the_embeddings_of_the_shipped_tower(world, clip):
    facts = read("labels.json")
    core = {plain_name(name) for name, core in zip(world.names, world.core, strict=True) if core}
    assert set(facts["names"]) == core
    kept = embeddings("labels", facts["embedding_scale"])
    for place in range(0, len(kept), 200):
        mean = towers.encode_text(clip, templates(facts["names"][place])).mean(0)
        assert mean @ kept[place] / np.linalg.norm(mean) > 0.99, AGAIN


def test_papers_are_new_and_are_asked_what_they_can_be_asked(world):
    items, objects = read("papers.json")["items"], scene_objects(world)
    assert Counter(item["kind"] for item in items) == dict.fromkeys(KINDS, len(items) // 3)
    with Image.open(DATA / "papers.webp") as sprite:
        for place in range(0, len(items), 3):
            kind = items[place]["kind"]
            document = make_document(world, objects, HELD_OUT_SEED + place % (len(items) // 3), kind=kind)
            assert (np.asarray(cell(sprite.convert("RGBA"), 64, place)) == render_document(world, document)).all(), (
                AGAIN
            )
            first = items[place]["questions"][0]
            own = {"sign": "sign|written", "chart": "bar", "receipt": "total|sum|much|cost|price|bought|receipt"}[kind]
            assert re.search(own, first) and len(items[place]["questions"]) > 4


def test_the_map_has_pictures_of_the_gallery_before_training():
    facts, items = read("map.json"), read("gallery.json")["items"]
    assert facts["captions"] == [with_article(items[index]["name"]) for index in facts["items"]]
    rows = embeddings("map", facts["embedding_scale"])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=0.02)
    pictures, captions = np.split(rows, 2)
    assert len(pictures) == len(facts["items"])
    assert ((pictures @ captions.T).argmax(1) == np.arange(len(pictures))).mean() < 0.2  # it has learned nothing yet


def test_ideas_are_read_as_the_shipped_tower_reads_them(models):
    import base64

    for idea in [*read("ideas.json")["ideas"][::8], read("ideas.json")["nothing"]]:
        condition = text_to_image.encode(models, idea["prompt"])
        assert condition["mask"].sum() == idea["tokens"]
        for name in ("hidden", "words"):
            kept = np.frombuffer(base64.b64decode(idea[name]), np.float16).reshape(idea["tokens"], 192)
            np.testing.assert_allclose(condition[name][0, : idea["tokens"]], kept, atol=0.02, err_msg=AGAIN)


def test_what_lesson_1_draws_first_is_new_and_what_its_sorter_is_unsure_of_is_mostly_wrong(models, training):
    script = (ROOT / "web/lessons/1/sorter-maker.figure.ts").read_text()
    idea, seed, steps, made, unsure = (
        re.search(pattern, script)[1]
        for pattern in (
            r'idea: \{ kind: "text", default: "(\w+)"',
            r'seed: \{ kind: "int", default: (\d+)',
            r"STEPS = (\d+)",
            r"MADE = (\d+)",
            r"UNSURE = ([\d.]+)",
        )
    )
    [prompt] = [one["prompt"] for one in read("ideas.json")["ideas"] if one["name"] == idea]
    seeds = range(int(seed), int(seed) + int(made))
    drawn = text_to_image.draw(models, prompt, seeds, num_inference_steps=int(steps), sampler="dpmpp_2m")
    recorded = read("recorded/sorter-maker.json")
    assert (recorded["idea"], recorded["seed"]) == (idea, int(seed)), AGAIN
    assert recorded["weights"] == store.open_model("text_to_image").weights_sum(), AGAIN
    with Image.open(DATA / "recorded/sorter-maker.avif") as strip:
        assert strip.size == (64 * len(drawn), 64)
        for place, picture in enumerate(drawn):
            shown = np.asarray(over_white(cell(strip.convert("RGBA"), 64, place))).astype(int)
            assert np.abs(shown - np.asarray(over_white(Image.fromarray(picture)))).mean() < 8, AGAIN  # AVIF is lossy

    facts = read("training.json")
    for picture in drawn:  # relatives: no copies, but of the same kind and far nearer than most pictures are
        distance, place = nearest(picture, training)
        usual = np.median(np.sqrt(np.square(training - squares(picture).astype(np.float32)).mean(1)))
        assert facts["typical_distance"]["low"] <= distance < 0.6 * usual
        assert facts["names"][facts["items"][place]] == idea

    gallery, labels = read("gallery.json"), read("labels.json")
    names = np.array(labels["names"])
    vectors = embeddings("labels", labels["embedding_scale"])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    logits = store.open_model("clip/image").config["logit_scale"] * (
        embeddings("gallery", gallery["embedding_scale"]) @ vectors.T
    )
    share = 1 / np.exp(logits - logits.max(1, keepdims=True)).sum(1)
    real = np.array([item["name"] for item in gallery["items"]])
    asked = np.isin(real, names) & (share < float(unsure))
    right = (names[logits.argmax(1)] == real)[asked].mean()
    assert asked.sum() > 50 and 0.08 < right < 0.14  # "about one time in nine"


def test_thumbnails_are_all_training_pictures_and_the_usual_distance_is_theirs(world, training):
    facts = read("training.json")
    seen = world.split("train")
    assert [facts["names"][i] for i in facts["items"]] == [plain_name(name) for name in seen.names]
    exact = np.array([squares(picture) for picture in seen.images[::97]])
    assert np.sqrt(np.square(training[::97] - exact).mean(1)).max() < 0.06  # AVIF is lossy
    unseen = world.split("test").images[::8]
    found = [nearest(picture, training)[0] for picture in unseen]
    assert abs(np.median(found) - facts["typical_distance"]["median"]) < 0.01


def test_the_vae_puts_its_training_pictures_where_the_map_has_them(world):
    facts, seen = read("vae-map.json"), world.split("train")
    content, count = (DATA / "vae-map.bin").read_bytes(), facts["count"]
    numbers = np.frombuffer(content, "<i2", 5 * count)
    rows, places = numbers[:count], numbers[count:].reshape(2, count, 2) * facts["step"]
    assert (rows == np.flatnonzero(seen.core)).all() and len(content) == 13 * count
    some = slice(0, count, 300)
    white = np.stack([np.asarray(over_white(Image.fromarray(seen.images[row])).reduce(2)) for row in rows[some]])
    for kind, there in zip(facts["maps"], places, strict=True):
        mean, _ = vae.encode(vae.load(store.weights_folder(), kind), as_planes(white))
        np.testing.assert_allclose(there[some], mean, atol=0.05, err_msg=AGAIN)


def test_the_plain_twin_has_more_holes_whatever_the_seed(training):
    """What lesson 3 says, as its page counts it; redraws of five unseen pictures are in none."""
    facts, weights = read("vae-map.json"), store.weights_folder()
    rows = np.frombuffer((DATA / "vae-map.bin").read_bytes(), "<i2", facts["count"])
    known = training[rows]
    squares_of_known = (known**2).sum(1)

    def holes(pictures: np.ndarray) -> int:
        both = np.concatenate([pictures, pictures[:, :, ::-1]])
        query = both.reshape(len(both), 16, 2, 16, 2, 3).mean((2, 4)).reshape(len(both), -1).astype(np.float32) / 255
        apart = ((query**2).sum(1)[:, None] + squares_of_known - 2 * query @ known.T).min(1) / query.shape[1]
        return int((np.sqrt(apart).reshape(2, -1).min(0) > facts["hole"]).sum())

    for seed in range(5):
        evenly = (words(seed, 800).reshape(100, 32) + 1.0) / 2**32
        found = []
        for kind in ("", "plain_"):
            model = vae.load(weights, kind)
            lists = (model.latent_mean + model.latent_std * (4 * evenly - 2)).astype(np.float32)
            found.append(holes(sample.to_bytes(vae.decode(model, lists))))
        assert 5 < found[0] < found[1] - 10, (seed, found)


def test_the_check_for_copies_can_fail_and_can_pass(models, training):
    """The over-trained twin is caught, with the very picture it copied; the real model draws what nobody drew."""
    from dataclasses import replace

    from bozzetto.runtime.session import open_network

    facts, learned = read("training.json"), read("memoriser.json")["trained_on"]
    low = facts["typical_distance"]["low"]
    twin = replace(models, denoiser=open_network(store.open_model("memoriser")))
    caught = free = 0
    names = [facts["names"][facts["items"][i]] for i in learned[:6]]
    for seed, name in enumerate(names):
        copied, drawn = (
            text_to_image.draw(maker, with_article(name), [seed], num_inference_steps=8)[0] for maker in (twin, models)
        )
        distance, place = nearest(copied, training)
        caught += distance < low and place in learned
        free += nearest(drawn, training)[0] >= low
    assert caught >= 5 and free >= 5


@pytest.mark.parametrize("maker", ["diffusion", "few-steps"])
def test_the_classes_of_the_page_are_those_of_the_models(maker):
    groups = read_toml(HERE / "content/en/interface/classes.toml").values()
    names = [name for group in groups for name in group]
    assert sorted(names) == sorted(sample.classes(maker, store.weights_folder()))


def test_the_dial_is_the_measured_one():
    measured = json.loads((ROOT / "benchmarks/results/dial.json").read_text())
    dial = read("dial.json")
    assert [dial[key] for key in ("n", "guidance_scale")] == [measured[key] for key in ("n", "guidance_scale")], AGAIN
    assert dial["floor"] == pytest.approx(measured["floor"]["value"], abs=0.1), AGAIN
    assert {row["name"] for row in dial["rows"]} <= {"few_steps", "gan", "vae", *SAMPLERS}
    for row, exact in zip(dial["rows"], measured["rows"], strict=True):
        for key in ("steps", "frechet", "low", "high", "milliseconds"):
            assert row[key] == pytest.approx(exact[key], abs=0.1), AGAIN


def test_weak_spots_are_the_measured_ones():
    scores = json.loads((ROOT / "benchmarks/results/scores.json").read_text())["text-to-image"]["scores"]
    rates = {score["value"] for score in scores.values()}
    assert read("weak-spots.json") and all(row["rate"] in rates for row in read("weak-spots.json")), AGAIN


def test_the_marks_by_noise_level_are_the_measured_ones_of_these_weights(world):
    measured = json.loads((ROOT / "benchmarks/results/noise_levels.json").read_text())
    shown = read("noise-levels.json")
    weights = store.open_model("diffusion").weights_sum()[:12]
    assert measured["weights"] == weights, "run benchmarks/noise_levels.py again"
    assert shown["n"] == measured["n"] and len(shown["rows"]) == len(measured["rows"]), AGAIN
    for row, exact in zip(shown["rows"], measured["rows"], strict=True):
        assert row["t"] == exact["t"]
        for kind in ("picture", "noise"):
            assert row[kind] == pytest.approx(exact[kind], abs=1e-4), AGAIN
    with Image.open(DATA / "average.png") as average:
        apart = np.asarray(average) - emoji(world).images.mean(0)
    assert abs(apart).max() <= 0.5, AGAIN
