"""Evaluation on a tiny world, with oracles and known failures in the place of the models."""

import json
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")

from bozzetto.cli import main  # noqa: E402
from bozzetto.errors import InvalidInput, NotBuilt, WeightsError  # noqa: E402
from bozzetto.evaluation import (  # noqa: E402
    autoencoder,
    bench,
    clip,
    film,
    makers,
    report,
    sound,
    text_to_image,
    vlm,
    writer,
)
from bozzetto.evaluation import judge as judges  # noqa: E402
from bozzetto.evaluation.bench import EvaluationContext  # noqa: E402
from bozzetto.evaluation.scores import border_ratio, share  # noqa: E402
from bozzetto.families import names  # noqa: E402
from bozzetto.metrics import makers as formulas  # noqa: E402
from bozzetto.metrics.retrieval import share_of  # noqa: E402
from bozzetto.runtime import layers  # noqa: E402
from bozzetto.world.captions import held_out_keywords, plain_name, templates, with_article  # noqa: E402
from bozzetto.world.dataset import World  # noqa: E402
from bozzetto.world.films import MOTIONS  # noqa: E402
from bozzetto.world.questions import CANNOT_TELL  # noqa: E402
from bozzetto.world.scenes import KINDS  # noqa: E402
from patterned_world import KEYWORDS, NAMES, STYLES, Oracle, drawing, patterned_world, thumbnails  # noqa: E402

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def world() -> World:
    return patterned_world()


def cells(pictures: np.ndarray) -> np.ndarray:
    """Stand-in features of small opaque pictures uint8 [N,32,32,3]: the means of 4 x 4 cells, float32 [N,48]."""
    return (
        pictures.reshape(len(pictures), 4, 8, 4, 8, 3).mean((2, 4)).reshape(len(pictures), 48).astype(np.float32) / 255
    )


@pytest.fixture(scope="module")
def context(world: World) -> EvaluationContext:
    return EvaluationContext(
        world, 6, 0, Oracle, lambda core: thumbnails(core.images), lambda world: None, questions=40
    )


def test_psnr_of_a_known_error():
    a = np.full((2, 4, 4, 3), 0.5)
    assert autoencoder.psnr(a, a + 0.1) == pytest.approx([20, 20])
    assert autoencoder.psnr(a, a) == pytest.approx([100, 100])


def test_the_border_ratio_sees_a_grid():
    rng = np.random.default_rng(0)
    smooth = border_ratio(rng.random((200, 64, 64, 3)))
    assert smooth["low"] < 1 < smooth["high"] and smooth["n"] == 200 and smooth["high"] - smooth["low"] < 0.01
    cells = rng.random((50, 8, 8, 1)).repeat(8, 1).repeat(8, 2)
    slope = cells + np.linspace(0, 0.64, 64)[:, None] + np.linspace(0, 0.64, 64)[:, None, None]
    inside = 0.64 / 63
    assert border_ratio(slope)["value"] == pytest.approx(
        np.abs(np.diff(cells[:, ::8, ::8], axis=1) + inside).mean() / inside, rel=0.05
    )
    assert border_ratio(slope, 4)["value"] < border_ratio(slope)["value"]
    assert border_ratio(np.ones((2, 64, 64, 3)))["value"] == pytest.approx(1)


def test_premultiplied_colours_vanish_with_alpha():
    picture = np.array([[[[200, 100, 50, 0], [200, 100, 50, 255]]]], np.uint8)
    expected = np.array([[0, 0, 0, 0], [200, 100, 50, 255]]) / 255
    assert autoencoder.premultiplied(picture)[0, 0] == pytest.approx(expected)


def test_nearest_concepts_takes_the_best_picture_of_each():
    known = np.eye(4)
    table = bench.nearest_concepts(known[[2]], known, ["a", "a", "b", "c"], ["a", "b", "c", "none"])
    assert table[0].argmax() == 1 and table[0, 1] == pytest.approx(1) and table[0, 3] == -np.inf


def test_chosen_concepts_are_spread_and_fixed(world: World):
    chosen = text_to_image.chosen_concepts(world, 6)
    assert chosen == text_to_image.chosen_concepts(world.select(np.arange(len(world))[::-1]), 6)
    assert sum(int(key, 16) < 8 for key in chosen) == 4  # two thirds of all are in group "one"
    assert text_to_image.chosen_concepts(world, 3) == chosen[:3]
    assert text_to_image.chosen_concepts(world.split("train"), 6) == []


def test_autoencoder_scores_follow_the_error(context: EvaluationContext):
    perfect = autoencoder.score(context, lambda pictures, noise: pictures)
    assert {score["value"] for score in perfect.values() if score["unit"] == "dB"} == {100}
    for measure, found in perfect.items():
        if "redrawn, latent noise" in measure:  # what came back is graded as the scene itself is
            kind, fact = measure.split()[0], measure.split(": ")[1]
            graded = context.graded(kind, *context.test_scenes(kind, context.scenes))
            assert found == share({bench.FACTS[name]: value for name, value in graded.items()}[fact])
    assert sum("redrawn, latent noise" in measure for measure in perfect) >= 2 * len(autoencoder.GRADED)
    assert perfect[autoencoder.BORDERS_REDRAWN] == perfect[autoencoder.BORDERS_ART]
    assert perfect["PSNR RGBA, test pictures"]["n"] == 12 and perfect["PSNR RGBA, test scenes"]["n"] == 6 * len(KINDS)
    off = autoencoder.score(context, lambda pictures, noise: pictures + np.array([0.1, 0.1, 0.1, 0]))
    assert off["PSNR RGB on white, test scenes"]["value"] == pytest.approx(20, abs=1e-4)
    assert off["PSNR RGBA, test pictures"]["value"] == pytest.approx(21.249, abs=1e-3)


class PerfectClip:
    """Gives everything that says the same one direction, and everything else another."""

    def __init__(self, context: EvaluationContext):
        self.ids: dict[object, int] = {}
        self.meaning: dict[bytes, str] = {}
        for picture, name in zip(context.world.images, context.world.names, strict=True):
            self.meaning[picture.tobytes()] = plain_name(name)
        for kind in dict.fromkeys(kind for kind, _ in clip.NEGATIVES.values()):
            for scene, picture in zip(*context.test_scenes(kind, context.questions), strict=True):
                self.meaning[picture.tobytes()] = scene.sentence

    def one_hot(self, meanings: list[str]) -> np.ndarray:
        rows = [self.ids.setdefault(meaning, len(self.ids)) for meaning in meanings]
        return np.eye(512, dtype=np.float32)[rows]

    def texts(self, texts: list[str]) -> np.ndarray:
        of = {wording: plain_name(name) for name in NAMES for wording in templates(name)}
        return self.one_hot([of.get(text, text) for text in texts])

    def pictures(self, pictures: np.ndarray) -> np.ndarray:
        return self.one_hot([self.meaning[picture.tobytes()] for picture in pictures])


def test_a_perfect_clip_scores_one_and_a_constant_one_nothing(context: EvaluationContext):
    exact = PerfectClip(context)
    scores = clip.score(context, exact.texts, exact.pictures, 0.5)
    assert scores["naming top-1"]["value"] == scores["picture to sentence recall@1"]["value"] == 1
    assert scores["naming top-1"]["n"] == 12 and scores["sentence to picture recall@1"]["value"] == 1
    assert scores["none of these, of ten wrong labels (95 % wanted)"]["value"] == 1
    assert scores["none of these, though the true label is there"]["value"] == 0
    assert scores[bench.BASELINE[1]]["value"] == 1  # these styles are near each other
    traps = {name: score for name, score in scores.items() if name.startswith("true sentence")}
    assert len(traps) == 5 and all(score["value"] == 1 and score["n"] > 30 for score in traps.values())

    def constant(things: list[str] | np.ndarray) -> np.ndarray:
        return np.tile(np.eye(1, 8, dtype=np.float32), (len(things), 1))

    scores = clip.score(context, constant, constant, 0.5)
    assert scores["naming top-5"]["value"] == scores["sentence to picture recall@5"]["value"] == 0
    assert all(scores[name]["value"] == 0 for name in traps)


def test_questions_are_right_only_word_for_word(context: EvaluationContext):
    true = {
        (picture.tobytes(), question.text): question.answer
        for split in ("train", "test")
        for picture, questions in vlm.questions(context, split)
        for question in questions
    }

    def knows(picture: np.ndarray, questions: list[str], seen: bool) -> list[str]:
        return [true[picture.tobytes(), question] if seen else "two" for question in questions]

    scores = vlm.score(context, knows)
    for kind in ("count", "place", "read", "receipt"):
        for where in ("in domain", "held-out combinations"):
            assert scores[f"{kind}, {where}"]["value"] == 1 and scores[f"{kind}, {where}"]["n"] == 40
            assert (
                scores[f"{kind}, {where}, blind"]["value"] <= scores[f"{kind}, {where}, best constant answer"]["value"]
            )
    assert 0 < scores["count, in domain, blind"]["value"] < 0.5
    assert scores["cannot tell, precision"]["value"] == scores["cannot tell, recall"]["value"] == 1

    timid = vlm.score(context, lambda picture, questions, seen: [CANNOT_TELL] * len(questions))
    assert timid["cannot tell, recall"]["value"] == 1 and timid["cannot tell, precision"]["value"] < 0.5
    assert timid["count, in domain"]["value"] == timid["read, in domain"]["value"] == 0


def test_synonyms_ask_for_any_bearer_and_for_the_concept(world: World):
    number = {key: i for i, key in enumerate(dict.fromkeys(world.codepoints))}
    pairs = [(i, word) for key, i in number.items() for word in held_out_keywords(key, KEYWORDS, NAMES[int(key, 16)])]
    assert pairs
    owners = {word: [i for i, w in pairs if w == word] for _, word in pairs}

    def of_owner(words: list[str]) -> np.ndarray:
        return np.array([[float(i in owners[word]) for i in range(len(NAMES))] for word in words])

    right = clip.score_synonyms(world, number, of_owner)
    assert right["held-out synonyms top-5, the very concept"] == {
        **share(share_of([True] * len(pairs))),
    }
    wrong = clip.score_synonyms(world, number, lambda words: -of_owner(words))
    assert wrong["held-out synonyms top-5, the very concept"]["value"] == 0
    # Every concept of this world bears every keyword, so a wrong owner is still a bearer.
    assert wrong["held-out synonyms top-5, any concept with the word"]["value"] == 1


def test_text_to_image_tells_an_artist_a_copyist_and_a_blank(context: EvaluationContext, tmp_path):
    prompts = [with_article(plain_name(name)) for name in NAMES]
    answers = {prompt: drawing(i, i % 3) for i, prompt in enumerate(prompts)}  # held-out art
    copies = {prompt: drawing(i, (i + 1) % 3) for i, prompt in enumerate(prompts)}
    for kind in text_to_image.COMPOSED:
        scenes, renders = context.test_scenes(kind, context.scenes)
        answers |= {scene.sentence: picture for scene, picture in zip(scenes, renders, strict=True)}
        for scene in scenes if kind != "color" else ():
            rows = [thing.row for thing in scene.objects]
            answers |= {
                thing: context.core.images[row]
                for thing, row in zip(layers.read(scene.sentence).things, rows, strict=False)
            }
    asked = []

    def artist(prompt: str, seed: int, style: str | None = None) -> np.ndarray:
        asked.append((prompt, seed))
        return drawing(prompts.index(prompt), STYLES.index(style)) if style in STYLES else answers[prompt]

    scores, details = text_to_image.score(context, artist, 8, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 0
    assert asked[:8] == [(prompt, i) for i, prompt in enumerate(details["prompts"])]
    assert scores["judge top-1, in the style fluent-flat"] == scores["judge top-1"]
    assert scores["judge top-1"]["value"] == scores["judge top-1, held-out real art of these concepts"]["value"] == 1
    for kind in text_to_image.COMPOSED:
        facts = [
            name for name in scores if name.startswith(f"{kind} scenes") and name.endswith(tuple(bench.FACTS.values()))
        ]
        assert facts
        for name in facts:
            assert scores[name]["n"] == context.scenes
            # Two scenes may share a sentence, and then one drawing: no more than that may differ.
            assert abs(scores[name]["value"] - scores[f"{name}, true renders"]["value"]) <= 1 / context.scenes
            # Two things may bear one noun, but each is seen where it was put.
            if kind != "color":
                laid = scores[text_to_image.IN_LAYERS.format(name)]
                assert laid["n"] == context.scenes and laid["value"] >= 0.8

    for pair in (*text_to_image.PAIRS.values(), text_to_image.PAIRS_STYLE, text_to_image.PAIRS_NEAREST):
        assert scores[pair] == scores[text_to_image.ART.format(pair)] and scores[pair]["n"] == 8
    assert scores[text_to_image.PAIRS[1]]["value"] == 1 and scores[text_to_image.PAIRS_NEAREST]["value"] < 1

    copyist, copied = text_to_image.score(context, lambda prompt, *how: copies.get(prompt, drawing(0, 0)), 8)
    for space in ("features", "pixels"):
        near = f"nearer to a training picture than 95 % of held-out art, {space} (5 % is free)"
        assert copyist[near]["value"] == 1 and scores[near]["value"] < 0.5
        assert set(copied["nearest"][space]["distance"]) == {0.0}
    assert copyist[text_to_image.PAIRS_NEAREST]["value"] == pytest.approx(1)
    assert copied["nearest"]["pixels"]["neighbour"][0].split(" (")[0] in NAMES

    grey = np.full((64, 64, 4), 255, np.uint8)
    blank, _ = text_to_image.score(context, lambda *asked: grey, 8)
    assert blank["judge top-1"]["value"] < 0.5
    assert blank["picture to prompt recall@1"]["value"] < 0.5
    assert blank["count scenes: as many objects"]["value"] == blank["two scenes: just the two objects"]["value"] == 0
    distance = "Frechet distance (EfficientNet-Lite0)"
    assert blank[distance]["value"] > 5 * scores[distance]["value"]


def test_a_linear_classifier_finds_what_is_linear_and_no_more():
    rng = np.random.default_rng(0)
    ways = rng.normal(size=(3, 40))
    labels = rng.integers(3, size=900)
    features = (ways[labels] + rng.normal(size=(900, 40))).astype(np.float32)
    judged = text_to_image.linear_classifier(features[:600], labels[:600], 3)
    assert (judged(features[600:]).argmax(1) == labels[600:]).mean() > 0.95
    chance = text_to_image.linear_classifier(features[:600], rng.permutation(labels[:600]), 3)
    assert (chance(features[600:]).argmax(1) == labels[600:]).mean() < 0.5


def test_frechet_floor_is_what_real_art_gets():
    rng = np.random.default_rng(0)
    real, keys = rng.normal(size=(300, 4)), [str(i % 100) for i in range(300)]
    same = text_to_image.score_distance(rng.normal(size=(100, 4)), real, keys, 0)
    moved = text_to_image.score_distance(rng.normal(size=(100, 4)) + 2, real, keys, 0)
    measured, floor = same.values()
    assert measured["value"] < 3 * floor["value"] < moved["Frechet distance (EfficientNet-Lite0)"]["value"]
    assert measured["low"] <= measured["value"] <= measured["high"]
    assert (measured["n"], measured["n_real"], floor["n"], floor["n_real"]) == (100, 300, 100, 200)


def test_a_maker_is_measured_against_the_training_pictures(context: EvaluationContext, monkeypatch):
    rng = np.random.default_rng(3)
    labels = np.arange(300) % 3
    images = np.repeat(np.repeat(rng.integers(60 * labels[:, None, None, None], 100 + 60 * labels[:, None, None, None],
                                              (300, 4, 4, 3)), 8, 1), 8, 2).astype(np.uint8)  # fmt: skip
    for module in (makers, formulas):
        monkeypatch.setattr(module, "features", cells)
    reference = formulas.Reference(images[:240], labels[:240], cells(images[:240]), images[240:])
    asked = []

    def honest(seeds: range, labels: np.ndarray) -> np.ndarray:
        asked.extend(labels)
        return images[240:][(np.array(seeds) * 7) % 60]

    def copier(seeds: range, labels: np.ndarray) -> np.ndarray:
        return images[:240][np.array(seeds)]

    def stuck(seeds: range, labels: np.ndarray) -> np.ndarray:
        return images[[240] * len(seeds)]

    good, copied, one = (makers.score(reference, draw, 60) for draw in (honest, copier, stuck))
    assert len(asked) == 60 and set(asked) == {1, 2, 3}
    distance, near = (next(name for name in good if name.startswith(start)) for start in ("Frechet", "nearer"))
    assert good[distance]["low"] <= good[distance]["value"] <= good[distance]["high"] < one[distance]["value"]
    assert copied[near]["value"] == 1 and good[near]["value"] < 0.2
    assert one["coverage"]["value"] < 0.5 * good["coverage"]["value"] and one["recall"]["value"] == 0
    assert good["coverage"]["value"] > 0.6 * good["coverage, real pictures instead"]["value"]


# ---------------------------------------------------------------- the function that people call


def test_evaluate_writes_json_and_a_table(world: World, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "load_judge", lambda folder: Oracle())
    monkeypatch.setattr(report, "core_features", lambda core, cache: thumbnails(core.images))
    out = tmp_path / "results.json"
    found = report.evaluate(["judge"], out, world=world, scenes=3, seed=5)
    assert json.loads(out.read_text()) == found and list(found) == ["judge"]
    assert found["judge"]["command"] == "bozzetto evaluate judge --scenes 3 --seed 5"
    assert found["judge"]["scores"]["naming top-1"]["value"] == 1
    assert "naming top-1" in capsys.readouterr().out


def test_a_report_keeps_what_it_has_of_other_models(world: World, tmp_path, monkeypatch):
    """And its command says the number of pictures only where it is another than the usual one."""
    block = {"command": "bozzetto evaluate", "scores": {"naming top-1": share(share_of([True]))}}
    seen = []

    def measure(context: EvaluationContext, weights: object, n: int, sheet: object) -> tuple[dict, dict]:
        seen.append(n)
        return block["scores"], {"settings": {"n": n}}

    for name in ("clip", "gan"):
        monkeypatch.setitem(report.RUNS, name, measure)
    out = tmp_path / "scores.json"
    out.write_text(json.dumps({"vlm": block, "gan": {"command": "old", "scores": {}}, "mine": block}))
    report.evaluate(["gan", "clip"], out, world=world)
    whole = json.loads(out.read_text())
    assert list(whole) == ["clip", "vlm", "gan", "mine"] and seen == [makers.N, 0]
    assert whole["vlm"] == whole["mine"] == block
    assert whole["gan"]["command"] == "bozzetto evaluate gan" and whole["gan"]["n"] == makers.N
    assert "n" not in whole["clip"]
    report.evaluate(["gan"], out, world=world, n=6)
    whole = json.loads(out.read_text())
    assert whole["gan"]["command"] == "bozzetto evaluate gan --n 6" and whole["clip"]["scores"] == block["scores"]


@pytest.mark.parametrize("content", ["{", "[1]", "[]", '{"clip": 3}', '{"clip": {"value": 1}}', "3", '"scores"'])
def test_a_file_that_is_no_report_is_not_replaced(world: World, content: str, tmp_path):
    out = tmp_path / "package.json"
    out.write_text(content)
    with pytest.raises(InvalidInput, match="is no report of scores"):
        report.evaluate(["judge"], out, world=world)
    assert out.read_text() == content


def shipped(model: str) -> list[str]:
    return list(json.loads((ROOT / "benchmarks/results/scores.json").read_text())[model]["scores"])


def test_measures_are_called_as_in_the_report_that_ships(context: EvaluationContext, monkeypatch):
    """Who renames one measures anew: the README, the cards and the course find their numbers by these names."""
    assert list(autoencoder.score(context, lambda pictures, noise: pictures)) == shipped("autoencoder")
    exact = PerfectClip(context)
    scores = clip.score(context, exact.texts, exact.pictures, 0.5)
    assert [name for name in shipped("clip") if name not in scores] == [clip.SYNONYMS_NEW]  # all are in captions here
    assert not set(scores) - set(shipped("clip"))
    scores, _ = text_to_image.score(context, lambda *asked: drawing(0, 0), 8)
    assert list(scores) == shipped("text-to-image")
    assert list(judges.score(context)) == shipped("judge")
    scores = vlm.score(context, lambda picture, questions, seen: [CANNOT_TELL] * len(questions))
    assert set(scores) == set(shipped("vlm"))
    scores = writer.score({kind: ["a red cat ."] for kind in writer.KINDS}, ["cat"], [])
    assert set(scores) == set(shipped("writer"))
    listener = SimpleNamespace(right=lambda sounds, words: {check: np.ones(2, bool) for check in sound.CHECKS})
    scores = sound.score({kind: ([], []) for kind in sound.KINDS}, listener)
    assert {*scores, sound.NEAR} == set(shipped("sound"))
    nothing, motions = np.zeros((10, 8, 64, 64, 4), np.uint8), list(MOTIONS)
    scores = film.score(dict.fromkeys(film.KINDS, nothing), dict.fromkeys(film.KINDS, np.ones((10, 8, 2))), motions)
    assert set(scores) == set(shipped("film"))
    monkeypatch.setattr(formulas, "features", cells)
    monkeypatch.setattr(makers, "features", cells)
    images = np.random.default_rng(0).integers(0, 256, (90, 32, 32, 3)).astype(np.uint8)
    reference = formulas.Reference(images[:60], np.zeros(60, int), cells(images[:60]), images[60:])
    scores = makers.score(reference, lambda seeds, labels: images[: len(seeds)], 20)
    for name in names(sampled=True):
        assert list(scores) == shipped(name)


def test_the_course_and_the_readme_name_measures_that_there_are():
    site = tomllib.loads((ROOT / "src/bozzetto/course/content/en/interface/site.toml").read_text())
    measured = [entry for entry in site["models"] if "scores" in entry]  # not the game, nor the twin
    assert len(measured) >= 6
    for entry in measured:
        assert set(entry["scores"].values()) <= set(shipped(entry["families"][0]))
    for model in set(report.SCORERS) - {"text-few-steps"}:  # which is not in the report yet
        assert set(report.SCORERS[model].SHOWN) <= set(shipped(model))


def test_the_help_lists_every_model(capsys):
    assert main(["evaluate", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert ", ".join(report.RUNS) in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"models": ["dragon"]}, "'dragon' cannot be evaluated; choose some of autoencoder, clip"),
        ({"models": ["clip"], "n": 1}, "n must be a whole number from 2"),
        ({"models": ["clip", "gan"], "n": 5}, "n must be a whole number from 6"),
        ({"models": ["clip"], "scenes": 0}, "scenes must be a whole number from 1"),
        ({"models": ["clip"], "seed": -1}, "seed must be a whole number from 0"),
        ({"models": ["clip"], "sheet": "sheet.png"}, "name one that draws"),
        ({"models": ["clip"], "out": "nowhere/results.json"}, "nowhere is not there"),
        ({"models": ["clip"], "out": "results.csv"}, "must end in .json"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, message: str, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        report.evaluate(**arguments)


def test_what_is_missing_is_named(world: World, tmp_path, monkeypatch):
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="bozzetto world build"):
        report.evaluate(["clip"], world=tmp_path / "world.parquet")
    for model, folder in (("autoencoder", "encoder"), ("clip", "text"), ("text-to-image", "text_to_image")):
        with pytest.raises(WeightsError, match=f"{folder}/config.json is missing"):
            report.evaluate([model], world=world)
    with pytest.raises(NotBuilt, match="bozzetto train judge"):
        report.evaluate(["judge"], world=world)


def test_features_are_kept_for_the_same_pictures_only(world: World, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(bench, "efficientnet_features", lambda images, size: calls.append(1) or thumbnails(images))
    cache = tmp_path / "features.npz"
    first = bench.core_features(world, cache)
    assert bench.core_features(world, cache) == pytest.approx(first, abs=1e-3) and len(calls) == 1
    assert len(bench.core_features(world.select([0, 1]), cache)) == 2 and len(calls) == 2
