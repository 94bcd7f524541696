"""Fashion-MNIST: the reader believes no file, the classifier learns, and the distances rank what is plainly worse."""

import gzip
import importlib.util
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bozzetto.metrics.frechet import bootstrap_interval, frechet_distance
from bozzetto.models.fashion_classifier import ClassifierConfig, FashionClassifier
from bozzetto.training.data import fashion
from bozzetto.training.export import read_final
from bozzetto.training.recipe import export_run
from bozzetto.training.recipes import fashion_classifier
from bozzetto.world.fashion import CLASSES, FIX, LARGEST, load, read_idx
from distances import floor
from fashion_features import fashion_features


def write_idx(path, array, shape=None, magic=b"\0\0\x08"):
    shape = array.shape if shape is None else shape
    header = magic + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


def clothes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Made-up clothes, uint8 [N,28,28]: a bar or a ring whose place and size are the class's, cut from a weave."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    y, x = np.mgrid[:28, :28] - 13.5
    angle = labels[:, None, None] * np.pi / 10 + rng.normal(0, 0.05, (count, 1, 1))
    across = x * np.cos(angle) + y * np.sin(angle)
    inside = (abs(across) < rng.uniform(3, 5, (count, 1, 1))) & (np.hypot(x, y) < 12)
    weave = 0.7 + 0.3 * np.sin(1.3 * x + rng.uniform(0, 6, (count, 1, 1))) * np.sin(1.3 * y)
    return np.round(255 * inside * weave).astype(np.uint8), labels.astype(np.int64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder like the Debian package's, with few pictures."""
    where = tmp_path_factory.mktemp("fashion")
    for prefix, count, seed in (("train", 600, 0), ("t10k", 300, 1)):
        images, labels = clothes(count, seed)
        write_idx(where / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(where / f"{prefix}-labels-idx1-ubyte.gz", labels.astype(np.uint8))
    return where


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    recipe = fashion_classifier.RECIPE
    recipe.train(fashion("train", folder), recipe.budgets["smoke"], out / "classifier")
    export_run(recipe, out / "classifier", out / "weights")
    return out


# ---------------------------------------------------------------- the reader


def test_what_was_written_is_read(folder):
    images, labels = load("train", folder)
    expected_images, expected_labels = clothes(600, 0)
    assert np.array_equal(images, expected_images)
    assert np.array_equal(labels, expected_labels)
    assert labels.dtype == np.int64
    assert len(load("test", folder)[0]) == 300


def test_the_environment_names_the_folder(folder, monkeypatch):
    monkeypatch.setenv("BOZZETTO_FASHION", str(folder))
    assert len(load("test")[0]) == 300


def test_pictures_are_padded_with_black_and_not_mirrored(folder):
    pictures = fashion("train", folder)
    assert pictures.images.shape == (600, 32, 32, 1)
    assert np.array_equal(pictures.images[:, 2:30, 2:30, 0], clothes(600, 0)[0])
    assert pictures.images.sum() == clothes(600, 0)[0].sum(dtype=np.int64)
    assert pictures.classes == list(CLASSES)
    assert not pictures.mirrored


def message(path, error=ValueError):
    with pytest.raises(error) as caught:
        read_idx(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert FIX in text
    return text


def test_a_missing_folder_names_the_package_and_the_variable(tmp_path):
    text = message(tmp_path / "nowhere" / "train-images-idx3-ubyte.gz", FileNotFoundError)
    assert "apt install dataset-fashion-mnist" in text
    assert "$BOZZETTO_FASHION" in text


@pytest.mark.parametrize("kept", [0, 1, 12, 200, -1])
def test_a_cut_file_is_named(folder, tmp_path, kept):
    whole = (folder / "train-images-idx3-ubyte.gz").read_bytes()
    path = tmp_path / "cut.gz"
    path.write_bytes(whole[:kept])
    message(path)


def test_a_damaged_file_is_named(folder, tmp_path):
    content = bytearray((folder / "train-images-idx3-ubyte.gz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    path = tmp_path / "damaged.gz"
    path.write_bytes(content)
    message(path)


@pytest.mark.parametrize("magic", [b"\0\0\x0d", b"\x01\0\x08", b"PK\x03"])
def test_another_type_or_format_is_refused(tmp_path, magic):
    path = tmp_path / "other.gz"
    write_idx(path, np.zeros((2, 28, 28), np.uint8), magic=magic)
    assert "IDX" in message(path)


@pytest.mark.parametrize("shape", [(), (1,) * 5])
def test_dimensions_are_one_to_four(tmp_path, shape):
    path = tmp_path / "dimensions.gz"
    write_idx(path, np.zeros(1, np.uint8), shape=shape)
    message(path)


def test_a_file_that_is_not_gzip_is_refused(tmp_path):
    path = tmp_path / "plain.gz"
    path.write_bytes(b"\0\0\x08\x01\0\0\0\x01\x07")
    message(path)


def test_a_huge_header_is_refused_before_anything_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "huge.gz"
    write_idx(path, np.zeros(16, np.uint8), shape=(2**32 - 1, 2**32 - 1, 28))
    asked = []
    read = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size=-1: asked.append(size) or read(self, size))
    assert "more than" in message(path)
    assert asked == [4, 12]


def test_a_bomb_is_read_no_further_than_its_header_says(tmp_path, monkeypatch):
    path = tmp_path / "bomb.gz"
    write_idx(path, np.zeros(30_000_000, np.uint8), shape=(2, 28, 28))
    asked = []
    read = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size=-1: asked.append(size) or read(self, size))
    assert "holds more" in message(path)
    assert asked == [4, 12, 2 * 28 * 28 + 1]


def test_a_file_too_large_on_disk_is_not_opened(tmp_path):
    path = tmp_path / "large.gz"
    with open(path, "wb") as file:
        file.truncate(LARGEST + 1)  # takes no room on the disk
    assert "larger" in message(path)


@pytest.mark.parametrize(
    ("images", "labels"),
    [((3, 28, 28), (2,)), ((3, 27, 28), (3,)), ((3, 784), (3,)), ((0, 28, 28), (0,)), ((3, 28, 28), (3, 1))],
)
def test_pictures_and_labels_must_fit(tmp_path, images, labels):
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", np.zeros(images, np.uint8))
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.zeros(labels, np.uint8))
    with pytest.raises(ValueError, match="holds pictures"):
        load("test", tmp_path)


def test_a_label_without_a_class_is_refused(tmp_path):
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", np.zeros((2, 28, 28), np.uint8))
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.array([9, 10], np.uint8))
    with pytest.raises(ValueError, match="label above 9"):
        load("test", tmp_path)


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="train, test"):
        load("validation")


# ---------------------------------------------------------------- the classifier and its features


def test_the_shift_moves_each_picture_by_whole_pixels():
    pixels = torch.full((64, 1, 32, 32), -1.0)
    pixels[:, 0, 10, 20] = 1
    moved = fashion_classifier.shifted(pixels, np.random.default_rng(0))
    places = (moved[:, 0] == 1).nonzero()[:, 1:]
    assert moved.shape == pixels.shape
    assert len(places) == 64
    assert set(places[:, 0].tolist()) == {8, 9, 10, 11, 12}
    assert set(places[:, 1].tolist()) == {18, 19, 20, 21, 22}


def test_the_classifier_learns(folder, run):
    model, config = read_final(run / "classifier", FashionClassifier, ClassifierConfig)
    assert list(config.classes) == list(CLASSES)
    assert fashion_classifier.accuracy(model, fashion("test", folder)) > 0.6  # by chance 0.1


def test_the_exported_features_are_the_trained_ones(folder, run):
    pictures = fashion("test", folder).images[:7]
    model, _ = read_final(run / "classifier", FashionClassifier, ClassifierConfig)
    with torch.no_grad():
        expected = model(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 127.5 - 1)[0].numpy()
    features = fashion_features(pictures, "fashion classifier", run / "weights")
    assert features.dtype == np.float32
    assert np.abs(features - expected).max() < 0.02 * np.abs(expected).max()  # the weights are stored in fp16


def test_the_shipped_size_is_small():
    with torch.device("meta"):
        model = FashionClassifier(ClassifierConfig(CLASSES, fashion_classifier.BUDGETS["cpu"].widths))
    assert 2 * sum(parameter.numel() for parameter in model.parameters()) < 600_000


def test_efficientnet_sees_the_same_picture_at_any_place_in_a_batch():
    images, _ = clothes(3, 2)
    pictures = np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., None]
    features = fashion_features(pictures, "efficientnet-lite0")
    assert features.shape == (3, 1280)
    assert np.allclose(fashion_features(pictures[::-1].copy(), "efficientnet-lite0")[::-1], features, atol=1e-4)
    assert np.abs(features[0] - features[1]).max() > 0.1


@pytest.mark.parametrize("shape", [(2, 28, 28, 1), (2, 32, 32, 3), (32, 32, 1)])
def test_other_arrays_are_refused(shape):
    with pytest.raises(ValueError, match="32,32,1"):
        fashion_features(np.zeros(shape, np.uint8), "efficientnet-lite0")


def test_an_unknown_feature_net_is_refused():
    with pytest.raises(ValueError, match="fashion classifier"):
        fashion_features(np.zeros((1, 32, 32, 1), np.uint8), "inception")


def test_noise_is_farther_than_blur_and_blur_farther_than_the_floor(folder):
    real, held_out = fashion("train", folder).images[:200], fashion("test", folder).images[:100]
    padded = np.pad(held_out.astype(float), ((0, 0), (2, 2), (2, 2), (0, 0)))
    blurred = np.mean([padded[:, i : i + 32, j : j + 32] for i in range(5) for j in range(5)], 0)
    noise = np.random.default_rng(0).integers(0, 256, held_out.shape)

    def features(pictures):
        return fashion_features(pictures.astype(np.uint8), "efficientnet-lite0")

    train = features(real)
    lowest = floor(train, frechet_distance, n=100)
    near, far, farthest = (
        bootstrap_interval(frechet_distance, train[:100], features(pictures), n_boot=20)
        for pictures in (held_out, blurred, noise)
    )
    assert near.value < 1.5 * lowest.high
    assert near.high < far.low
    assert far.high < farthest.low


def test_the_classifier_tells_noise_and_a_missing_class_from_real_pictures(folder, run):
    real, held_out = fashion("train", folder), fashion("test", folder)
    noise = np.random.default_rng(0).integers(0, 256, held_out.images.shape, np.uint8)
    half = held_out.images[held_out.labels < 5]

    def distance(pictures):
        sets = (fashion_features(p, "fashion classifier", run / "weights") for p in (real.images, pictures))
        return bootstrap_interval(frechet_distance, *sets, n_boot=20)

    near = distance(held_out.images)
    assert near.high < distance(half).low
    assert near.high < distance(noise).low


def test_the_log_tells_the_accuracy(run):
    lines = [json.loads(line) for line in (run / "classifier/fit/log.jsonl").read_text().splitlines()]
    assert lines[-1]["accuracy"] > lines[0]["accuracy"]
    assert lines[-1]["loss"] < lines[0]["loss"]


# ---------------------------------------------------------------- the benchmark


def test_a_peer_in_reduced_precision_computes_with_the_weights_it_has_now(monkeypatch):
    """In one long context, as peers are trained in: autocast's cache would keep the bf16 copies of the first step."""
    path = Path(__file__).parents[1] / "benchmarks" / "fashion.py"
    spec = importlib.util.spec_from_file_location("fashion_benchmark", path)
    benchmark = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, benchmark)  # where its dataclasses look for themselves
    spec.loader.exec_module(benchmark)
    layer = torch.nn.Linear(3, 1, bias=False)
    with benchmark.reduced(True):
        for value in (1.0, 2.0):
            with torch.no_grad():
                layer.weight.fill_(value)
            found = layer(torch.ones(1, 3))
            assert found.dtype == torch.bfloat16 and found.item() == 3 * value
