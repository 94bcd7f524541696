"""The runtime without PyTorch: checked weights, one seed one picture, labels, and pictures from files."""

import hashlib
import io
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import bozzetto
from bozzetto import pictures
from bozzetto.diffusion import SAMPLERS, flow, normal
from bozzetto.errors import InputWarning, WeightsError
from bozzetto.runtime import classify, clip, requests, store, text_to_image
from bozzetto.runtime.denoising import sample
from bozzetto.runtime.session import open_network
from bozzetto.runtime.tokenizer import SPECIAL, Tokenizer, split_words

QUICK = {"num_inference_steps": 3}


def same(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b))


@pytest.fixture(scope="module")
def robot():
    return bozzetto.generate("a happy robot", seed=7, **QUICK)[0]


# ---------------------------------------------------------------- weights


def write_model(weights, name, needs=None, content=b"weights"):
    folder = weights / name
    folder.mkdir(parents=True, exist_ok=True)
    files = {"model.safetensors": content, "graph.onnx": b"not a graph"}
    for file, data in files.items():
        (folder / file).write_bytes(data)
    sums = {file: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for file, data in files.items()}
    config = {"format": 1, "model": name, "config": {}, "files": sums, "needs": needs or {}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_whole_model_is_found(tmp_path, monkeypatch):
    folder = write_model(tmp_path, "clip/text")
    assert store.open_model("clip/text", tmp_path).path == folder
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(tmp_path))
    assert store.open_model("clip/text")["format"] == 1


def test_a_model_is_opened_once_however_it_is_asked_for():
    weights = store.weights_folder()
    assert text_to_image.load(weights) is text_to_image.load(weights, None)


@settings(max_examples=40)
@given(file=st.sampled_from(["model.safetensors", "graph.onnx"]), at=st.integers(0, 6), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(tmp_path_factory, file, at, bit):
    weights = tmp_path_factory.mktemp("weights")
    path = write_model(weights, "clip/text") / file
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=rf"{file} is damaged.*bozzetto export"):
        store.open_model("clip/text", weights)


@pytest.mark.parametrize("file", ["model.safetensors", "graph.onnx", "config.json"])
def test_a_missing_or_cut_file_is_named(tmp_path, file):
    path = write_model(tmp_path, "clip/text") / file
    path.write_bytes(path.read_bytes()[:5])
    with pytest.raises(WeightsError, match=rf"{file} (has 5 bytes, not|does not describe)"):
        store.open_model("clip/text", tmp_path)
    path.unlink()
    with pytest.raises(WeightsError, match=f"{file} is missing: reinstall"):
        store.open_model("clip/text", tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"model": "clip/image"},
        {"files": {}},
        {"files": None},
        {"files": {"model.safetensors": {}, "graph.onnx": {}}},
        {"files": {"../../secret": {"bytes": 1, "sha256": ""}}},
        {"needs": ["clip/text"]},
    ],
)
def test_a_config_that_is_not_one_is_refused(tmp_path, change):
    path = write_model(tmp_path, "clip/text") / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(WeightsError, match="does not describe a clip/text model"):
        store.open_model("clip/text", tmp_path)


def test_a_model_refuses_parts_that_it_was_not_trained_with(tmp_path):
    right = hashlib.sha256(b"weights").hexdigest()
    write_model(tmp_path, "text_to_image", needs={"clip/text": right})
    write_model(tmp_path, "clip/text")
    store.open_model("text_to_image", tmp_path)
    write_model(tmp_path, "clip/text", content=b"other weights")
    with pytest.raises(WeightsError, match="text_to_image was trained with another clip/text"):
        store.open_model("text_to_image", tmp_path)


def test_a_graph_that_is_none_is_a_weights_error(tmp_path, capfd):
    write_model(tmp_path, "clip/text")
    network = open_network(store.open_model("clip/text", tmp_path))
    with pytest.raises(WeightsError, match=r"graph.onnx cannot be opened by ONNX Runtime"):
        network(tokens=np.zeros((1, 24), np.int64))
    assert capfd.readouterr().err == ""


# ---------------------------------------------------------------- drawing


def test_a_picture_is_64_pixels_with_alpha(robot):
    assert robot.size == (64, 64) and robot.mode == "RGBA"


def test_one_seed_is_one_picture_alone_or_among_eight(robot):
    eight = bozzetto.generate("a happy robot", seed=3, n=8, **QUICK)
    assert same(eight[4], robot)
    assert len({picture.tobytes() for picture in eight}) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"guidance_scale": 8.0},
        {"guidance_interval": (0.0, 0.5)},
        {"negative_prompt": "a blue fish"},
        {"style": "noto"},
        {"sampler": "ddpm"},
        {"num_inference_steps": 4},
        {"prompt": "a red apple"},
    ],
    ids=str,
)
def test_every_argument_counts(robot, change):
    arguments = {"prompt": "a happy robot", "seed": 7, **QUICK} | change
    assert not same(bozzetto.generate(**arguments)[0], robot)


def test_second_order_counts_from_the_third_of_six_steps_on():
    """In three steps it hardly acts: next to pure noise and in the last step it is of first order."""
    euler, second = (
        bozzetto.generate("a happy robot", seed=7, num_inference_steps=6, sampler=sampler)[0]
        for sampler in ("euler", "dpmpp_2m")
    )
    assert not same(euler, second)


def test_scale_one_is_the_model_without_guidance(robot):
    plain = bozzetto.generate("a happy robot", seed=7, guidance_scale=1, **QUICK)[0]
    with pytest.warns(InputWarning, match=r"^negative_prompt does nothing where guidance_scale is 1"):
        unused = bozzetto.generate("a happy robot", seed=7, guidance_scale=1, negative_prompt="fish", **QUICK)[0]
    assert same(plain, unused) and not same(plain, robot)


def test_stochastic_sampling_repeats():
    once, again = (bozzetto.generate("a dog", seed=1, sampler="ddpm", **QUICK)[0] for _ in range(2))
    assert same(once, again)


def test_the_callback_sees_every_step_and_changes_nothing(robot):
    seen, done = [], []
    drawn = bozzetto.generate(
        "a happy robot",
        seed=7,
        n=2,
        callback_on_step_end=lambda *arguments: seen.append(arguments),
        progress=lambda *arguments: done.append(arguments),
        **QUICK,
    )
    assert [call[:3] for call in seen] == [(step, 3, index) for index in range(2) for step in range(3)]
    assert done == [(i, 6) for i in range(1, 7)]
    assert all(image.size == (64, 64) and image.mode == "RGBA" for call in seen for image in call[3:])
    assert same(drawn[0], robot)
    step, _, _, noisy, clean = seen[2]
    assert step == 2 and same(noisy, robot) and same(clean, robot)  # the last step ends at its clean estimate
    assert not same(seen[0][3], seen[0][4])


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_a_denoiser_that_knows_the_answer_is_followed(sampler):
    answer = normal(5, text_to_image.LATENT_SHAPE)[None]
    found = sample(sampler, lambda x, t: answer, [1], text_to_image.LATENT_SHAPE, flow(4))
    np.testing.assert_allclose(found, answer, atol=1e-5)


def test_decoding_undoes_premultiplication():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (2, 64, 64, 4), dtype=np.uint8)
    picture[:, :8, :, 3], picture[:, 8:16, :, 3] = 0, 255
    alpha = picture[..., 3:] / 255
    pixels = np.concatenate([picture[..., :3] / 255 * alpha, alpha], -1).transpose(0, 3, 1, 2) * 2 - 1
    decoder = SimpleNamespace(decoder=lambda latents: {"pixels": pixels.astype(np.float32)})
    decoded = text_to_image.decode(decoder, np.zeros((2, *text_to_image.LATENT_SHAPE), np.float32))
    assert decoded.dtype == np.uint8
    assert not decoded[:, :8].any()  # where nothing is visible there is no colour
    assert same(decoded[picture[..., 3] > 0], picture[picture[..., 3] > 0])


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_decoding_survives_whatever_the_network_says(rgb, alpha):
    pixels = np.full((1, 4, 64, 64), rgb, np.float32)
    pixels[:, 3] = alpha
    decoded = text_to_image.decode(SimpleNamespace(decoder=lambda latents: {"pixels": pixels}), None)
    expected = 0 if alpha <= 1 / 255 - 1 else 255 * min(max((rgb + 1) / 2, 0), min((alpha + 1) / 2, 1))
    expected /= max(min((alpha + 1) / 2, 1), 1e-9)
    assert abs(decoded[0, 0, 0, 0] - min(expected, 255)) <= 1


def test_words_that_are_not_read_are_named():
    tokenizer = Tokenizer([*SPECIAL, "a", "cat", "c", "##a", "##t", "##s"])
    assert requests.unknown_words(tokenizer, split_words("a cat, cats! a dog cats")) == [",", "cats", "!", "dog"]
    assert requests.unread_words(tokenizer, ["a"] * 23) == []
    assert requests.unread_words(tokenizer, [*["a"] * 22, "cats", "cat", "a"]) == ["cats", "cat", "a"]


def test_a_long_prompt_warns_with_the_words_it_cuts():
    with pytest.warns(UserWarning, match=r"^prompt is too long, so its end was not read: 'cat'$"):
        cut = bozzetto.generate("dog " * 23 + "cat", **QUICK)[0]
    assert same(cut, bozzetto.generate("dog " * 23, **QUICK)[0])
    assert bozzetto.unknown_words("a cat qzxv") == ["qzxv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": " \n\t"}, "prompt is empty"),
        ({"prompt": "x" * 10_000}, "prompt has 10000 characters: keep it to 300"),
        ({"prompt": None}, "prompt must be text, not None"),
        ({"negative_prompt": "x" * 301}, "negative_prompt has 301 characters"),
        ({"style": "notp"}, "style 'notp' is unknown: did you mean noto.* choose one of noto, noto-v1"),
        ({"sampler": "eular"}, "sampler 'eular' is unknown: did you mean euler.*heun"),
        ({"num_inference_steps": 0}, "num_inference_steps must be a whole number from 1 to 1000, not 0"),
        ({"num_inference_steps": 10**6}, "num_inference_steps must be .*, not 1000000"),
        ({"num_inference_steps": 2.5}, "num_inference_steps must be .*, not 2.5"),
        ({"guidance_scale": float("nan")}, "guidance_scale must be a number from 0 to 30, not nan"),
        ({"guidance_interval": (0.9, 0.1)}, "guidance_interval must be a pair of times"),
        ({"n": 0}, "n must be a whole number from 1 to 100, not 0"),
        ({"n": True}, "n must be a whole number from 1 to 100, not True"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"seed": 2**53 - 1, "n": 2}, "seed 9007199254740991 is too large for n = 2"),
    ],
    ids=str,
)
def test_a_bad_argument_is_one_clear_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        bozzetto.generate(**{"prompt": "a robot"} | arguments)
    assert "\n" not in str(error.value)


def test_importing_and_drawing_needs_no_torch():
    code = (
        "import sys, bozzetto; assert not {'numpy', 'PIL', 'onnxruntime'} & set(sys.modules);"
        "bozzetto.generate('a dog', num_inference_steps=1); bozzetto.encode_text('a dog');"
        "assert not {'torch', 'pyarrow', 'rich', 'typer'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- naming


def fake_clip(angles, scale=10.0, bias=-2.0):
    """A CLIP whose text embeddings lie at angles[first word's number] and whose picture lies at angle 0."""
    words = sorted(angles)

    def at(angle):
        return np.stack([np.cos(angle), np.sin(angle)], -1).astype(np.float32)

    return clip.Clip(
        tokenizer=Tokenizer([*SPECIAL, *words]),
        text=lambda tokens: {"words": np.array([angles[words[row[1] - 3]] for row in tokens])},
        order=lambda words, mask: {"embedding": at(words)},
        image=lambda pixels: {"embedding": at(np.zeros(len(pixels)))},
        logit_scale=scale,
        logit_bias=bias,
        none_below={1: 0.1, 100: 0.5},
    )


def test_shares_and_matches_follow_their_formulas():
    towers = fake_clip({"cat": 0.2, "dog": 1.0, "fox": 2.0})
    found = classify.label(towers, np.zeros((64, 64, 3), np.uint8), ["dog", "fox", "cat"], lambda name: [name])
    logits = 10 * np.cos([0.2, 1.0, 2.0])
    assert [name for name, _, _ in found] == ["cat", "dog", "fox"]
    np.testing.assert_allclose([s for _, s, _ in found], np.exp(logits) / np.exp(logits).sum(), rtol=1e-5)
    np.testing.assert_allclose([m for _, _, m in found], 1 / (1 + np.exp(2 - logits)), rtol=1e-5)


def test_none_of_these_is_one_more_label_with_a_cosine_of_its_own():
    towers = fake_clip({"cat": 1.2, "dog": 1.4, "fox": 2.0})
    labels = ["cat", "dog", "fox"] + [f"x{i}" for i in range(7)]
    picture, angles = np.zeros((64, 64, 3), np.uint8), {"cat": 1.2, "dog": 1.4}

    def alike(name: str) -> list[str]:
        return [name if name in angles else "fox"]

    bar = 0.3  # half way between one label and a hundred, in powers
    assert np.cos(1.2) > bar > np.cos(1.4)
    found = classify.label(towers, picture, labels, alike, none=True)
    assert [name for name, _, _ in found[:3]] == ["cat", classify.NONE, "dog"]
    assert sum(share for _, share, _ in found) == pytest.approx(1)
    assert found[1][2] == pytest.approx(1 / (1 + np.exp(2 - 10 * bar)))
    assert classify.label(towers, picture, labels[:1], alike, none=True)[0][0] == "cat"
    assert classify.NONE not in [name for name, _, _ in classify.label(towers, picture, labels, alike)]


def test_wordings_are_averaged_to_a_unit_vector():
    towers = fake_clip({"cat": 0.5, "kitty": 1.5, "dog": 1.0})
    wordings = {"cat": ["cat", "kitty"], "dog": ["dog"]}
    found = classify.label(towers, np.zeros((64, 64, 3), np.uint8), ["cat", "dog"], wordings.__getitem__)
    np.testing.assert_allclose([share for _, share, _ in found], [0.5, 0.5], rtol=1e-5)  # the mean lies at 1.0


def test_a_picture_gets_the_same_labels_from_memory_and_from_a_file(robot, tmp_path):
    pictures.save_png(pictures.enlarge(robot, 256), tmp_path / "robot.png")
    found = bozzetto.label(robot, ["robot", "a red apple", "dog"])
    again = bozzetto.label(tmp_path / "robot.png", ["robot", "a red apple", "dog"])
    assert [name for name, _, _ in again] == [name for name, _, _ in found]
    # Averaging pixels back rounds faint colours by one level.
    np.testing.assert_allclose([row[1:] for row in again], [row[1:] for row in found], atol=0.01)
    assert abs(sum(share for _, share, _ in found) - 1) < 1e-6
    assert all(0 < match < 1 for _, _, match in found)
    assert [share for _, share, _ in found] == sorted((share for _, share, _ in found), reverse=True)


def test_embeddings_are_unit_vectors(robot):
    for embedding in (bozzetto.encode_image(robot), bozzetto.encode_text("a robot")):
        assert embedding.shape == (256,) and abs(np.linalg.norm(embedding) - 1) < 1e-5


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "labels must be 1 to 1000 words"),
        ("cat", "labels must be a list of words, not 'cat'"),
        (["cat", " "], "labels has an empty word at place 2"),
        (["cat", "dog", "cat "], "labels names 'cat' twice"),
        (["x" * 101], "labels has a word of 101 characters"),
        (["cat", "猫"], "labels has '猫', which cannot be read"),
        (7, "labels must be a list of words, not 7"),
    ],
    ids=str,
)
def test_bad_labels_are_one_clear_line(labels, message):
    with pytest.raises(ValueError, match=message):
        bozzetto.label(Image.new("RGB", (64, 64)), labels)


# ---------------------------------------------------------------- pictures from files


def saved(tmp_path, image, name, **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


@pytest.mark.parametrize(("mode", "name"), [("RGB", "a.png"), ("P", "a.gif"), ("CMYK", "a.jpg"), ("LA", "a.webp")])
def test_every_mode_opens_as_rgba(tmp_path, mode, name):
    picture = Image.new("RGB", (40, 30), (255, 255, 255)).convert(mode)
    opened = pictures.open_picture(saved(tmp_path, picture, name))
    assert opened.mode == "RGBA" and opened.size == (40, 30)
    np.testing.assert_allclose(np.asarray(opened)[5, 5], 255, atol=2)


def test_sixteen_bits_are_scaled_not_cut(tmp_path):
    gray = Image.fromarray(np.full((8, 8), 0x8000, np.uint16))
    assert np.asarray(pictures.open_picture(saved(tmp_path, gray, "a.png")))[0, 0, 0] == 0x80


def test_of_an_animation_the_first_frame(tmp_path):
    red, blue = (Image.new("RGB", (8, 8), color) for color in ("red", "blue"))
    path = saved(tmp_path, red, "a.gif", save_all=True, append_images=[blue])
    assert pictures.open_picture(path).getpixel((0, 0)) == (255, 0, 0, 255)


def test_a_picture_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera turned: 90 degrees
    path = saved(tmp_path, Image.new("RGB", (30, 10)), "a.jpg", exif=exif)
    assert pictures.open_picture(path).size == (10, 30)


def test_the_content_counts_not_the_name(tmp_path):
    picture = Image.new("RGB", (8, 8), "red")
    png = saved(tmp_path, picture, "a.png").rename(tmp_path / "a.jpg")
    assert pictures.open_picture(png).getpixel((0, 0)) == (255, 0, 0, 255)
    with pytest.raises(ValueError, match=r"a.tif is none of PNG, JPEG, WEBP, GIF, BMP"):
        pictures.open_picture(saved(tmp_path, picture, "a.tif"))


@settings(max_examples=30, deadline=None)
@given(st.integers(8, 200))
def test_a_cut_or_garbled_file_is_one_clear_line(tmp_path_factory, at):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(buffer, "PNG")
    path = tmp_path_factory.mktemp("broken") / "a.png"
    path.write_bytes(buffer.getvalue()[:at])
    with pytest.raises(ValueError, match=r"picture .*a\.png is (broken|none of)"):
        pictures.open_picture(path)


def test_a_picture_fits_whole_into_the_square():
    wide = pictures.fit(Image.new("RGB", (128, 64), "red"))
    pixels = np.asarray(wide)
    assert pixels.shape == (64, 64, 4)
    assert (pixels[16:48] == (255, 0, 0, 255)).all() and not pixels[:16].any() and not pixels[48:].any()
    assert pictures.fit(Image.new("RGB", (1, 100_000))).size == (64, 64)  # never padded at full size


def test_fitting_undoes_enlarging(robot):
    opaque = np.asarray(robot).copy()
    opaque[..., 3] = 255
    picture = Image.fromarray(opaque)
    assert same(pictures.fit(pictures.enlarge(picture, 512)), picture)
    assert same(pictures.fit(picture), picture)


def test_enlarging_keeps_pixels_for_multiples_only(robot):
    assert same(np.asarray(pictures.enlarge(robot, 192))[::3, ::3], robot)
    assert pictures.enlarge(robot, 100).size == (100, 100)


def test_hidden_colours_do_not_bleed():
    pixels = np.zeros((128, 128, 4), np.uint8)
    pixels[..., 1] = 255  # green where nothing is visible
    pixels[:65, :, :] = (255, 0, 0, 255)
    small = np.asarray(pictures.fit(Image.fromarray(pixels)))
    assert not small[small[..., 3] > 0][:, 1].any()


def test_a_sheet_shows_every_picture_in_its_place():
    colors = ["red", "lime", "blue", "black", "yellow"]
    sheet = pictures.sheet([Image.new("RGBA", (64, 64), color) for color in colors], columns=2)
    assert sheet.size == (2 * 68 + 4, 3 * 68 + 4)
    middles = [sheet.getpixel((4 + i % 2 * 68 + 32, 4 + i // 2 * 68 + 32)) for i in range(5)]
    assert middles == [Image.new("RGB", (1, 1), color).getpixel((0, 0)) for color in colors]
    assert sheet.getpixel((4 + 68 + 32, 4 + 2 * 68 + 32)) == (255, 255, 255)


def test_saving_leaves_a_whole_picture_or_the_old_one(robot, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    pictures.save_png(robot, path)
    assert same(Image.open(path), robot) and list(tmp_path.iterdir()) == [path]

    def fail(self, target, *arguments):
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        pictures.save_png(Image.new("RGBA", (64, 64)), path)
    assert same(Image.open(path), robot) and list(tmp_path.iterdir()) == [path]
