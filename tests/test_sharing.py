"""Models that are given away: their cards, folders and the hub, the learner's own ones in the course, the notebook."""

import json
import re
import shutil
import sys
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

import bozzetto
from bozzetto.cli import main
from bozzetto.course import build, yours
from bozzetto.errors import InvalidInput, MissingExtra, WeightsError
from bozzetto.evaluation import report
from bozzetto.models.gan import Gan, GanConfig
from bozzetto.models.vae import LatentSampler, Vae
from bozzetto.runtime import store
from bozzetto.training import card, export
from bozzetto.training.export import load_part, read_final
from bozzetto.training.pretrained import from_pretrained, save_pretrained
from bozzetto.training.recipe import export_run
from bozzetto.training.recipes import gan
from bozzetto.training.stages import FINAL
from browser import pictures, replaced, t

pytest_plugins = ["browser"]

ROOT = Path(__file__).parents[1]
SHIPPED = store.weights_folder()


@pytest.fixture(scope="module", autouse=True)
def graphs():
    """A graph takes seconds to write, so networks of one shape share one; that of the discriminator nobody opens."""
    made, write = {}, export.graph_bytes

    def graph_bytes(graph, weights):
        shapes = tuple((name, tensor.shape) for name, tensor in graph.module.state_dict().items())
        if weights.parent.name != "discriminator" and shapes not in made:
            made[shapes] = write(graph, weights)
        return made.get(shapes, b"")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "graph_bytes", graph_bytes)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A GAN that has hardly learned two kinds of flags, by the command that anybody gives."""
    folder = tmp_path_factory.mktemp("shared")
    for number in range(8):  # one of them is held back
        path = folder / "my `flags`" / ("red", "green")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        spots = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(spots).resize((32, 32)).save(path)
    line = ["train", "gan", "--budget", "smoke", "--steps", "2", "--data", str(folder / "my `flags`")]
    assert main([*line, "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def exported(run):
    export_run(gan.RECIPE, run, run.parent / "weights")
    return run.parent / "weights"


def copied(exported, tmp_path):
    return Path(shutil.copytree(exported, tmp_path / "weights"))


# ---------------------------------------------------------------- the card


def test_a_card_tells_what_the_run_has_written_down(exported):
    text = (exported / "gan/README.md").read_text()
    assert text.startswith("---\nlicense: unknown\nlibrary_name: bozzetto\n---\n\n# gan\n")
    assert "`my ?flags?`, 7 pictures to learn from in 2 classes: `green`, `red` (own pictures)." in text
    assert re.search(r"\| pretraining \| 2 \| 32 \| [\d.]+ \| cpu \|\n\| adversarial \| 2 \| 32 \|", text)
    assert card.UNMEASURED in text and card.UNSTATED in text
    assert "Of its budget" not in text  # other steps than that has


def test_a_card_is_brought_up_to_date_and_what_a_person_wrote_stays(run, exported, tmp_path, shapes, monkeypatch):
    weights = copied(exported, tmp_path)
    path = weights / "gan/README.md"
    path.write_text(path.read_text().replace("# gan", "# Flags\n\nOf my street."))
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(weights))
    score = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9, "unit": "share"}
    monkeypatch.setitem(report.RUNS, "gan", lambda *_: ({"coverage": score}, {}))
    report.evaluate(["gan"], world=shapes)
    assert "| coverage | 50.0 % | 40.0 .. 60.0 | 9 |" in path.read_text()
    card.write(path, "gan", "", run, {}, {}, licence="CC-BY-4.0")
    text = path.read_text()
    assert "# Flags\n\nOf my street." in text and "license: cc-by-4.0\n" in text and card.UNSTATED not in text
    assert "coverage" not in text  # it was of weights that are gone
    card.write(path, "gan", "", run, {}, {})
    assert path.read_text() == text  # the licence stays said


def test_of_a_run_without_records_the_card_says_so(tmp_path):
    card.write(tmp_path / "README.md", "old", "An old one.", tmp_path, {}, {})
    assert (tmp_path / "README.md").read_text().count("Not recorded.") == 2


def test_a_licence_is_a_short_name(run, tmp_path, capsys):
    line = ["export", "gan", "--from", str(run), "--to", str(tmp_path / "to"), "--licence"]
    assert main([*line, "mine:\n - x"]) == 2
    assert "--licence must be a short name such as cc-by-4.0" in capsys.readouterr().err
    assert not (tmp_path / "to").exists()


# ---------------------------------------------------------------- networks and the hub


def same(one, other):
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_network_comes_back_as_it_was(run, exported, tmp_path):
    network = read_final(run, Gan, GanConfig)[0]
    assert same(from_pretrained(Gan, run), network)
    save_pretrained(network, tmp_path / "gan", run=run, licence="mit")
    assert sorted(path.name for path in (tmp_path / "gan").iterdir()) == ["README.md", "config.json", FINAL]
    assert "license: mit\n" in (tmp_path / "gan/README.md").read_text()
    assert same(from_pretrained(Gan, tmp_path / "gan"), network)
    assert main(["export", "gan", "--from", str(tmp_path / "gan"), "--to", str(tmp_path / "out")]) == 0
    again, first = (folder / "gan/generator" / FINAL for folder in (tmp_path / "out", exported))
    assert again.read_bytes() == first.read_bytes()


def test_what_was_exported_comes_back_as_it_was_stored(exported):
    whole = from_pretrained(Gan, exported / "gan")
    part = load_part(Gan(whole.config).generator, exported / "gan/generator", torch.device("cpu"))
    assert same(whole.generator, part)
    vae = from_pretrained(Vae, SHIPPED / "vae")
    told = json.loads((SHIPPED / "vae/encoder/config.json").read_text())
    torch.testing.assert_close(vae.latent_mean, torch.tensor(told["latent_mean"]))
    assert from_pretrained(LatentSampler, SHIPPED / "vae/sampler").config.latent_size == vae.config.latent_size


def test_another_network_or_a_damaged_file_is_one_line(run, tmp_path):
    with pytest.raises(InvalidInput, match=r"^place .* holds no Vae \(.*\)$"):
        from_pretrained(Vae, run)
    with pytest.raises(InvalidInput, match=r"holds no Gan"):
        from_pretrained(Gan, tmp_path)
    save_pretrained(from_pretrained(Gan, run), tmp_path)
    content = bytearray((tmp_path / FINAL).read_bytes())
    content[-1] ^= 1
    (tmp_path / FINAL).write_bytes(content)
    with pytest.raises(WeightsError, match="checksum differs"):
        from_pretrained(Gan, tmp_path)


def test_the_hub_is_asked_only_where_it_is_named(run, exported, tmp_path, monkeypatch):
    """By a hub on this machine: a folder for each repository."""
    asked = []

    class HfApi:
        def create_repo(self, name, private, exist_ok):
            assert private and exist_ok
            asked.append(f"make {name}")

        def upload_folder(self, repo_id, folder_path, allow_patterns):
            assert "*.safetensors" in allow_patterns and "*.py" not in allow_patterns
            shutil.copytree(folder_path, tmp_path / repo_id)

    def snapshot_download(name, allow_patterns):
        assert "*.safetensors" in allow_patterns and "*.py" not in allow_patterns
        asked.append(f"get {name}")
        if not (tmp_path / name).is_dir():
            raise RuntimeError("404 Client Error\nand much more")
        return str(tmp_path / name)

    fake = SimpleNamespace(HfApi=HfApi, snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    network = from_pretrained(Gan, run)
    with pytest.raises(InvalidInput, match="me/gan is not there"):
        from_pretrained(Gan, "me/gan")
    with pytest.raises(InvalidInput, match="is no repository: write hf://owner/name"):
        save_pretrained(network, "hf://gan")
    assert asked == []
    save_pretrained(network, "hf://me/gan")
    assert same(from_pretrained(Gan, "hf://me/gan"), network)
    assert main(["export", "gan", "--from", str(run), "--to", "hf://me/weights"]) == 0
    assert (tmp_path / "me/weights/README.md").read_bytes() == (tmp_path / "me/weights/gan/README.md").read_bytes()
    with yours.merged("hf://me/weights") as weights:
        assert yours.of(weights) == ["gan/generator", "gan/discriminator"]
    with pytest.raises(InvalidInput, match=r"^place hf://me/none cannot be had: 404 Client Error$"):
        from_pretrained(Gan, "hf://me/none")
    assert asked == ["make me/gan", "get me/gan", "make me/weights", "get me/weights", "get me/none"]
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r"pip install 'bozzetto\[hub\]'"):
        from_pretrained(Gan, "hf://me/gan")


# ---------------------------------------------------------------- the learner's own models in the course


def changed(model: Path, **config: object) -> None:
    """Another model of the same kind: one of its weights is another, or its config says something else."""
    facts = json.loads((model / "config.json").read_text())
    content = bytearray((model / FINAL).read_bytes())
    content[-1] ^= 1
    (model / FINAL).write_bytes(content)
    facts["files"][FINAL]["sha256"] = sha256(content).hexdigest()
    facts["config"] |= config
    (model / "config.json").write_text(json.dumps(facts))


def test_a_run_is_shown_in_the_lesson_and_its_model_drawn_there(run, chromium, course, visit, monkeypatch):
    with yours.merged(str(run)) as weights:
        site = build.one_figure("step-the-game", weights=weights)
        monkeypatch.setenv("BOZZETTO_WEIGHTS", str(weights))
        [drawn] = bozzetto.sample("gan", label="red", seed=7)
        files = {path: file.read_bytes() if isinstance(file, Path) else file for path, file in site.items()}
    with replaced(course, files):
        other = visit()
        page = other.open("figures/step-the-game/index.html#step-the-game.drawn=one&step-the-game.label=red")
        figure = page.locator("bz-step-the-game")
        note = page.locator(".note", has=page.locator(".chip"))
        expect(note).to_contain_text("your model Yours on this page: GAN.")
        expect(figure.locator(".emoji")).to_contain_text("This forger is yours")
        expect(figure.locator(".emoji p[role=status]")).to_contain_text("One pass")
        words = [text.strip() for text in figure.locator(".emoji select option").all_inner_texts()]
        assert words == [t("shell.any-class"), "green", "red"]
        found = np.array(pictures(figure.locator(".emoji canvas"))).reshape(32, 32, 4)[..., :3]
        assert np.abs(found - np.asarray(drawn).astype(int)).max() <= 1
        figure.locator("details.badge summary").click()
        expect(figure.locator("details.badge li", has_text="forger").locator(".chip")).to_have_text(["your model"])
        assert other.troubles == []


def test_only_pages_with_the_model_change_and_what_was_recorded_is_left_out(exported, tmp_path):
    own = copied(exported, tmp_path)
    for name in ("text_to_image", "diffusion", "clip", "autoencoder"):
        shutil.copytree(SHIPPED / name, own / name)
    changed(own / "diffusion")  # clip, autoencoder and text-to-image are those that the course has
    with yours.merged(str(own)) as weights:
        assert yours.of(weights) == ["gan/generator", "gan/discriminator", "diffusion"]
        site, data = build.site(weights=weights), build.HERE / "data"
        there = {f"data/{path.relative_to(data).as_posix()}" for path in data.rglob("*") if path.is_file()}
        gone = there - site.keys()
        recorded = {f"data/recorded/speed-dial.{end}" for end in ("avif", "bin", "json")}
        assert gone == recorded | {"data/dial.json", "data/noise-levels.json", "data/average.png"}
        told = {path for path, page in site.items() if path.startswith("lessons/") and b"Yours on this page" in page}
        assert {path.split("/")[1][0] for path in told} == {"2", "4", "5", "7"}
        at = f"gan/generator/{FINAL}"
        assert site[f"models/{at}"].read_bytes() == (exported / at).read_bytes() != (SHIPPED / at).read_bytes()
        assert "own pictures" in site["models/gan/index.html"].decode()


def test_the_map_of_lesson_3_is_made_again_by_the_learners_own_encoder(tmp_path):
    """By the course's own, of its first pictures, it is the same map but for the rounding of thumbnails."""
    count, data, content = 400, build.HERE / "data", (build.HERE / "data/vae-map.bin").read_bytes()
    usual, gallery = (json.loads((data / name).read_text()) for name in ("vae-map.json", "gallery.json"))
    for path in data.glob("training*"):
        shutil.copy(path, tmp_path)
    shutil.copy(data / "gallery.avif", tmp_path)
    starts = [(place * usual["count"], size) for place, size in ((0, 2), (2, 4), (6, 4), (10, 3))]
    before = b"".join(content[start : start + size * count] for start, size in starts)
    (tmp_path / "vae-map.bin").write_bytes(before)
    (tmp_path / "vae-map.json").write_text(json.dumps(usual | {"count": count}))
    (tmp_path / "gallery.json").write_text(json.dumps(gallery | {"items": gallery["items"][:100]}))
    again = yours.remade(tmp_path, SHIPPED)
    facts, after = json.loads(again["vae-map.json"]), again["vae-map.bin"]
    assert (facts["count"], facts["n"]) == (count, 100) and 0.5 * usual["hole"] < facts["hole"] < 2 * usual["hole"]
    assert (after[: 2 * count], after[10 * count :]) == (before[: 2 * count], before[10 * count :])
    places = [np.frombuffer(part[2 * count : 10 * count], "<i2") for part in (before, after)]
    assert np.corrcoef(*places)[0, 1] > 0.98 and (places[0] != places[1]).any()


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("clip", lambda at: changed(at / "image"), r"own clip; the pages take only text-to-image, .*, few-steps$"),
        ("diffusion", lambda at: changed(at, channels=1), r"/diffusion has channels 1, and the pages run only 3$"),
        ("vae", lambda at: changed(at / "encoder", latent_size=8), r"encoder has latent_size 8, and .* only 32$"),
        ("gan", lambda at: (at / "generator/graph.onnx").unlink(), r"graph.onnx is missing: .*`bozzetto export`$"),
        ("gan", lambda at: None, r"has no model of its own: `bozzetto export MODEL --from RUN --to FOLDER` writes one"),
        ("gan", lambda at: shutil.rmtree(at), r"has no model of its own"),
        ("gan", lambda at: shutil.rmtree(at.parent), r"is not there: name a weights folder, a run"),
    ],
)  # fmt: skip
def test_what_the_pages_cannot_show_is_one_line(name, spoil, message, tmp_path, capsys):
    own = tmp_path / "own"
    shutil.copytree(SHIPPED / name, own / name)
    spoil(own / name)
    assert main(["course", "--weights", str(own), "--export", str(tmp_path / "site")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and re.search(message, said.strip())
    assert not (tmp_path / "site").exists()


def test_a_graph_that_was_never_written_names_the_export(exported, tmp_path):
    own = copied(exported, tmp_path)
    path = own / "gan/generator/config.json"
    facts = json.loads(path.read_text())
    del facts["files"]["graph.onnx"]
    path.write_text(json.dumps(facts))
    with pytest.raises(InvalidInput, match=r"generator has no graph.onnx: `bozzetto export gan --from RUN --to .*`"):
        yours.merged(str(own)).__enter__()


# ---------------------------------------------------------------- the notebook


def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(SHIPPED))  # which it sets to its own
    monkeypatch.setenv("BUDGET", "smoke")
    monkeypatch.setenv("STEPS", "1")
    monkeypatch.setenv("N", "1")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    notebook = json.loads((ROOT / "examples/own_pictures.ipynb").read_text())
    names: dict = {"__name__": "__main__"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert names["drawn"].size == (64, 320)
    assert "own pictures" in (names["weights"] / "diffusion/README.md").read_text()
    assert names["place"].is_relative_to(tmp_path)
