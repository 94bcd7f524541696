"""Picture search: words find pictures and pictures find words, with our models, which are real here, and with others.

The test of quality needs data/world.parquet, which `make test` makes first (`bozzetto world build`).
"""

import io
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bozzetto
from bozzetto import pictures
from bozzetto.cli import main
from bozzetto.errors import WeightsError
from bozzetto.runtime import store
from bozzetto.search.captions import world_names
from bozzetto.search.embed import open_embedder
from bozzetto.search.index import query_vector, search
from bozzetto.world.captions import plain_name, with_article
from colours import COLOURS, held, unit

pytest.importorskip("lancedb")


def test_a_query_is_the_sum_of_its_unit_vectors(folder):
    image = pictures.open_picture(folder / "a.png")
    words, less = COLOURS.encode_text(["red", "blue"])
    like = unit([COLOURS.prepare(image)])[0]
    total = words + like - less
    made = query_vector(COLOURS, "red", image, "blue")
    assert made == pytest.approx(total / np.linalg.norm(total), abs=1e-6)
    assert query_vector(COLOURS, picture=image) == pytest.approx(like, abs=1e-6)
    with pytest.raises(ValueError, match="less takes away all"):
        query_vector(COLOURS, "red", less="red")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    """200 held-out pictures of the world with names of their own, as PNG, JPEG and WebP files, indexed by our CLIP."""
    import pyarrow.parquet as parquet

    world = parquet.read_table(
        os.environ.get("BOZZETTO_WORLD") or Path(__file__).parents[2] / "data/world.parquet",
        columns=["image", "name", "split"],
        filters=[("split", "=", "test")],
    )
    folder = tmp_path_factory.mktemp("world")
    first = {}
    for i, name in enumerate(world["name"].to_pylist()):
        first.setdefault(re.sub(r"[^a-z ]", "", plain_name(name)), i)
    chosen = np.random.default_rng(0).permutation(sorted(first))[:200]
    for number, name in enumerate(chosen):
        image = Image.open(io.BytesIO(world["image"][first[name]].as_py()))
        pictures.over_white(image).save(folder / f"{name}.{('png', 'jpg', 'webp')[number % 3]}")
    assert main(["search", "index", str(folder)]) == 0
    return folder


def test_words_find_the_picture_and_the_picture_finds_words(indexed):
    embedder = open_embedder()
    rows = held(indexed, embedder)
    vectors = np.array(list(rows.values()), np.float32)
    names = [Path(path).stem for path in rows]
    assert len(names) == 200

    def recall(scores):  # is the right one among the first ten?
        return np.mean([(scores[i] > scores[i, i]).sum() < 10 for i in range(200)])

    words = embedder.encode_text([with_article(name) for name in names])
    assert recall(words @ vectors.T) >= 0.9  # chance is 0.05
    candidates = list(dict.fromkeys([with_article(name) for name in names] + world_names()))
    assert len(candidates) > 1000
    assert recall(vectors @ embedder.encode_text(candidates).T) >= 0.6  # chance is below 0.01
    assert [path.stem for path, _ in search(indexed / ".bozzetto-index", embedder, vectors[7], 1)] == [names[7]]


def test_find_prints_writes_a_sheet_and_json(indexed, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(indexed)
    name = sorted(path.name for path in indexed.glob("*.png"))[5]
    assert main(["search", "find", "--picture", name, "-k", "3", "--sheet", str(tmp_path / "sheet.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f" 1.000  {name}" and len(lines) == 4
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.size == (2 * 136 + 8, 2 * 152 + 8) and len(sheet.getcolors(2**16)) > 50

    command = ["search", "find", "a drawing", "--picture", name, "--less", "a face", "--in", str(indexed), "--json"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 12 and {path.suffix for path in map(Path, (row["path"] for row in found))} <= {
        ".png",
        ".jpg",
        ".webp",
    }
    assert all(Path(row["path"]).is_file() for row in found)
    scores = [row["score"] for row in found]
    assert scores == sorted(scores, reverse=True) and scores[-1] >= -1 and scores[0] <= 1

    assert main(["search", "index", ".", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["pictures"], told["embedded"], told["skipped"], told["complete"]) == (200, 0, [], True)


def test_captions_of_a_file_by_fit(tmp_path, capsys):
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    (tmp_path / "captions.txt").write_text("a blue circle\n\n a red square \na dog\na red square\n", encoding="utf-8")
    command = ["search", "caption", str(tmp_path / "red.png"), "--from", str(tmp_path / "captions.txt")]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[0].endswith("  a red square")
    assert main([*command, "--json", "-k", "1"]) == 0
    [best] = json.loads(capsys.readouterr().out)
    vectors = bozzetto.encode_text("a red square"), bozzetto.encode_image(tmp_path / "red.png")
    assert best == {"caption": "a red square", "score": pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-4)}


def test_the_names_of_the_world_are_those_of_the_judge_that_is_whole(tmp_path, monkeypatch):
    assert len(world_names()) > 1000 and world_names()[0] == "a grinning face"
    shutil.copytree(store.weights_folder() / "judge", tmp_path / "judge")
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(tmp_path))
    assert len(world_names()) > 1000
    with (tmp_path / "judge/model.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(WeightsError, match=r"judge/model\.safetensors has \d+ bytes, not"):
        world_names()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["find"], "say what to find: words, a picture, or both"),
        (["find", ""], 'words is empty: write "a red fruit"'),
        (["find", " \n"], "words is empty"),
        (["find", "x" * 10_000], "words has 10000 characters: keep it to 300 at most"),
        (["find", "красное яблоко"], "has no word that this model can read: use English words"),
        (["find", "∞"], "has no word that this model can read"),
        (["find", "dog", "--less", ""], "less is empty"),
        (["find", "dog", "--less", "dog"], "less takes away all that is asked for"),
        (["find", "dog", "-k", "0"], "k must be a whole number from 1 to 1000, not 0"),
        (["find", "dog", "-k", "many"], "'-k'"),
        (["find", "dog", "--picture", "none.png"], "picture none.png is not there"),
        (["find", "dog", "--sheet", "sheet.jpg"], "--sheet sheet.jpg must end in .png"),
        (["find", "dog", "--in", "photos"], "photos/.bozzetto-index is no index: run `bozzetto search index`"),
        (["find", "dog", "--model", "nowhere/clip"], "model nowhere/clip cannot be opened"),
        (["index", "nowhere"], "folder nowhere is not there"),
        (["index", "photos/a.png"], "folder photos/a.png is a file"),
        (["index", "hollow"], "hollow has no pictures: name one with .png, .jpg"),
        (["caption", "photos/a.png", "--from", "none.txt"], "captions none.txt is no file"),
        (["caption", "photos/a.png", "--from", "blank.txt"], "blank.txt has 0 lines with words"),
        (["caption", "photos/a.png", "--from", "photos/a.png"], "captions photos/a.png is no UTF-8 text"),
        (["caption", "photos/a.png", "--from", "long.txt"], "long.txt has a line of 301 characters"),
        (["caption", "photos/a.png", "--from", "other.txt"], "has no word that this model can read"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(folder, capsys, arguments, message, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (folder.parent / "hollow").mkdir()
    (folder.parent / "blank.txt").write_text("\n \n")
    (folder.parent / "long.txt").write_text("x" * 301)
    (folder.parent / "other.txt").write_text("a dog\nсобака", encoding="utf-8")
    before = sorted(folder.parent.rglob("*"))
    assert main(["search", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and message in said.err
    assert sorted(folder.parent.rglob("*")) == before


# ---------------------------------------------------------------- another model


@pytest.fixture(scope="module")
def their_clip(tmp_path_factory):
    """A tiny random CLIP as transformers saves it."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")

    folder = tmp_path_factory.mktemp("model")
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tower = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    special = {"bos_token_id": len(tokens) - 2, "eos_token_id": len(tokens) - 1}
    config = transformers.CLIPConfig(
        text_config={**tower, **special, "vocab_size": len(tokens), "max_position_embeddings": 12},
        vision_config={**tower, "image_size": 32, "patch_size": 16},
        projection_dim=24,
    )
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(folder)
    image_processor = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    transformers.CLIPProcessor(image_processor, tokenizer).save_pretrained(folder)
    return folder


def test_a_model_in_the_transformers_format_is_used(their_clip, folder, capsys):
    import torch
    import transformers

    assert main(["search", "index", "photos", "--model", str(their_clip)]) == 0
    assert main(["search", "find", "a b", "--in", "photos", "--model", str(their_clip), "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])

    model = transformers.CLIPModel.from_pretrained(their_clip)
    processor = transformers.CLIPProcessor.from_pretrained(their_clip)
    paths = [Path(row["path"]) for row in found]
    assert len(paths) == 6
    images = [pictures.over_white(pictures.open_picture(path)) for path in paths]
    with torch.no_grad():
        out = model(**processor(text=["a b"], images=images, return_tensors="pt", padding=True))
    wanted = (out.text_embeds @ out.image_embeds.T)[0].tolist()
    assert [row["score"] for row in found] == pytest.approx(wanted, abs=1e-5)

    assert main(["search", "find", "dog", "--in", "photos"]) == 2  # by our own model
    assert re.search(r"made by another model .* as --model, .* with --rebuild$", capsys.readouterr().err.strip())


def test_a_changed_or_pickled_model_is_told(their_clip, folder, tmp_path, capsys):
    import torch
    from safetensors.torch import load_file, save_file

    other = shutil.copytree(their_clip, tmp_path / their_clip.name / "again")
    weights = load_file(other / "model.safetensors")
    assert open_embedder(str(other)).width == 24
    weights["logit_scale"] += 1
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    assert open_embedder(str(other)).id != open_embedder(str(their_clip)).id

    torch.save(weights, other / "pytorch_model.bin")
    (other / "model.safetensors").unlink()
    assert main(["search", "index", "photos", "--model", str(other)]) == 2
    assert "again cannot be opened" in capsys.readouterr().err
    assert not (folder / ".bozzetto-index").exists()
