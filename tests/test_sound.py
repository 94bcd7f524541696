"""Sound effects: the synthesiser's facts, spectrogram and Griffin-Lim, the maker, the shell, the checks."""

import io
import wave
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import bozzetto
from bozzetto.cli import main
from bozzetto.diffusion import normal
from bozzetto.errors import InputWarning, InvalidInput
from bozzetto.evaluation import sound as evaluation
from bozzetto.models.diffusion import DiffusionConfig, PixelDenoiser
from bozzetto.runtime import sound as runtime
from bozzetto.runtime import spectrogram, store
from bozzetto.training.export import save_final
from bozzetto.training.recipes import sound as recipe
from bozzetto.world.sounds import AXES, CLASSES, LOUDEST, RATE, WORDS, Sound, describe, make_sound, render


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A small network that answers something, as a model folder."""
    import torch

    torch.manual_seed(0)
    config = DiffusionConfig(WORDS, channels=1, widths=(16, 32, 32), condition_size=64, data_mean=-0.8, patch=4)
    model = PixelDenoiser(config)
    for parameter in model.parameters():
        if not parameter.any():  # what begins at zero would not show the words
            torch.nn.init.normal_(parameter, std=0.1)
    run, to = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("weights")
    save_final(model, run)
    recipe.export(run, to)
    return to, model.eval()


@pytest.fixture
def small(weights, monkeypatch):
    monkeypatch.setattr(store, "weights_folder", lambda: weights[0])


@pytest.mark.parametrize("kind", CLASSES)
def test_a_sound_has_the_facts_that_its_words_say(kind):
    """Measured on the waveform, for every class, at its number's small differences."""
    for number in range(3):
        sides = [Sound(number, kind, u, u, u) for u in (-0.7, 0.7)]
        low, high = (evaluation.facts(render(sound)) for sound in sides)
        assert [sound.words[1:] for sound in sides] == [("low", "falling", "short"), ("high", "rising", "long")]
        assert high[0] - low[0] > 0.5 and low[1] < -0.1 and high[1] > 0.1
        assert low[2] == pytest.approx(sides[0].seconds, rel=0.25) and high[2] == pytest.approx(0.71, rel=0.25)


def test_a_number_is_a_sound():
    sounds = [make_sound(number) for number in range(300)]
    assert {sound.kind for sound in sounds} == set(CLASSES)
    assert {word for sound in sounds for word in sound.words} == {*WORDS, ""}
    assert replace(sounds[0], height=0.3, movement=-0.3, length=0.0).words == (sounds[0].kind, "", "", "")
    for sound in sounds[:8]:
        samples = render(sound)
        assert samples.shape == (RATE,) and samples.dtype == np.float32
        assert np.abs(samples).max() == pytest.approx(LOUDEST) and not samples[:300].any() and not samples[-100:].any()
        assert (samples == render(make_sound(sound.number))).all()
    assert (render(sounds[0]) != render(replace(sounds[0], number=999))).any()


def test_a_phrase_reads_back_as_the_words_that_it_says():
    rng = np.random.default_rng(0)
    for number in range(100):
        sound = make_sound(number)
        label, unread = runtime.read_words(describe(sound, rng))
        said = [WORDS[token - 1] if token else "" for token in label]
        assert said[0] == sound.kind and not unread
        assert all(word in ("", true) for word, true in zip(said, sound.words, strict=True))


def test_a_spectrogram_shows_where_and_when():
    time = np.arange(RATE) / RATE
    tone = np.where(time > 0.5, np.sin(2 * np.pi * 1000 * time), 0).astype(np.float32)
    seen = spectrogram.picture(tone)
    middles = np.linspace(spectrogram.mel(spectrogram.LOWEST), spectrogram.mel(spectrogram.HIGHEST), 66)[1:-1]
    band = 63 - np.abs(middles - spectrogram.mel(1000)).argmin()
    assert abs(int(seen[:, 48].argmax()) - band) <= 1
    assert (seen[:, :29] == -1).all() and seen[:, 48].max() > 0.9 and (seen[: band - 6, 48] < -0.5).all()


def test_a_spectrum_is_the_sound_again():
    sound = render(make_sound(3))
    again = spectrogram.from_spectrum(spectrogram.spectrum(sound))
    assert np.abs(again - sound).max() < 1e-6


@pytest.mark.parametrize("number", range(0, 40, 5))
def test_griffin_lim_gives_a_sound_with_the_picture(number):
    seen = spectrogram.picture(render(make_sound(number)))
    heard = spectrogram.sound(seen)
    assert heard.shape == (RATE,) and np.abs(heard).max() <= 1
    assert np.abs(spectrogram.picture(heard) - seen).mean() < 0.08
    random = np.random.default_rng(0).permutation(seen.ravel()).reshape(64, 64)
    assert np.abs(random - seen).mean() > 0.1  # what the bound above is worth


def test_silence_is_silent():
    assert not spectrogram.sound(np.full((64, 64), -1, np.float32)).any()
    assert not spectrogram.sound(np.full((64, 64), -0.92, np.float32)).any()


def test_the_graph_is_the_network(weights):
    """ONNX Runtime and PyTorch give one clean estimate, and several words are not one."""
    import torch

    to, model = weights
    maker = runtime.load(to)
    x = normal(3, (1, 1, 64, 64))
    label, t = np.array([[2, 9, 0, 14]]), np.array([0.7], np.float32)
    with torch.no_grad():
        expected = model(*map(torch.from_numpy, (x, t, label))).numpy()
    clean = maker.network(x=x, t=t, label=label)["clean"]
    assert np.abs(clean - expected).max() < 0.1 * np.abs(expected).max()  # its weights are rounded
    other = maker.network(x=x, t=t, label=np.array([[2, 10, 0, 14]]))["clean"]
    assert np.abs(clean - other).max() > 1e-4


def test_one_seed_is_one_sound_and_steps_are_seen(small):
    seen, done = [], []
    first = bozzetto.sound(
        "a rising laser",
        seed=4,
        num_inference_steps=3,
        callback_on_step_end=lambda step, steps, index, noisy, clean: seen.append((step, steps, index, clean.size)),
        progress=lambda step, steps: done.append((step, steps)),
    )
    assert first.shape == (RATE,) and first.dtype == np.float32
    assert seen == [(step, 3, 0, (64, 64)) for step in range(3)] and done == [(1, 3), (2, 3), (3, 3)]
    assert (first == bozzetto.sound("RISING laser!", seed=4, num_inference_steps=3)).all()
    assert (first != bozzetto.sound("a rising laser", seed=5, num_inference_steps=3)).any()
    assert bozzetto.spectrogram(first).size == (64, 64)


def test_a_label_without_guidance_asks_once_a_step():
    asked = []

    def network(x, t, label):
        asked.append(label.tolist())
        return {"clean": 0.5 * x}

    maker = runtime.Maker(network, runtime.Guided(2, 2.0, "euler"))
    runtime.make(maker, 0, [1, 0, 0, 0], maker.defaults)
    runtime.make(maker, 0, [0, 0, 0, 0], maker.defaults)
    assert asked == [[[1, 0, 0, 0], [0, 0, 0, 0]]] * 2 + [[[0, 0, 0, 0]]] * 2


def test_the_shell_and_python_make_one_sound(small, tmp_path, capsys):
    out, picture = tmp_path / "a.wav", tmp_path / "a.png"
    assert main(["sound", "a coin", "-o", str(out), "--picture", str(picture), "--seed", "2", "--steps", "2"]) == 0
    assert capsys.readouterr().out == f"{out}\n{picture}\n"
    with wave.open(str(out)) as file:
        assert file.getparams()[:4] == (1, 2, RATE, RATE)
        samples = np.frombuffer(file.readframes(RATE), "<i2") / 32767
    assert np.abs(samples - bozzetto.sound("a coin", seed=2, num_inference_steps=2)).max() < 1e-4
    assert bozzetto.pictures.open_picture(picture).size == (256, 256)


def test_a_file_is_cut_to_its_range():
    with wave.open(io.BytesIO(runtime.wav(np.array([-3, -1, 0, 0.5, 3], np.float32)))) as file:
        assert np.frombuffer(file.readframes(5), "<i2").tolist() == [-32767, -32767, 0, 16384, 32767]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([""], "is empty"),
        (["?!"], "is empty"),
        (["a" * 10_000], "10000 characters"),
        (["звонок"], "say one of coin"),
        (["a purple dog"], "say one of coin"),
        (["a high low bell"], "says both 'high' and 'low'"),
        (["a bell and a siren"], "says both 'bell' and 'siren'"),
        (["bell", "--seed", "-1"], "--seed must be"),
        (["bell", "--steps", "0"], "steps must be"),
        (["bell", "--guidance", "nan"], "--guidance must be"),
        (["bell", "-o", "bell.mp3"], "must end in .wav"),
        (["bell", "-o", "nowhere/bell.wav"], "is not there"),
        (["bell", "--picture", "bell.jpg"], "--picture bell.jpg must end in .png"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_no_file(small, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert main(["sound", *arguments]) == 2
    out = capsys.readouterr()
    assert said in out.err and out.err.count("\n") == 1 and out.out == ""
    assert not list(tmp_path.iterdir())


def test_what_is_not_read_is_said(small, tmp_path, capsys):
    with pytest.warns(InputWarning, match="purple, dog"):
        bozzetto.sound("a purple bell of a dog", num_inference_steps=1)
    assert main(["sound", "a purple bell", "-o", str(tmp_path / "x.wav"), "--steps", "1"]) == 0
    assert "warning: prompt has words that the model does not know: purple" in capsys.readouterr().err
    with pytest.raises(InvalidInput, match="must be text"):
        bozzetto.sound(3)


def test_words_are_read_as_people_write_them():
    def read(prompt):
        label, unread = runtime.read_words(prompt)
        return [WORDS[token - 1] for token in label if token], unread

    assert read("Power up, LONG!") == (["power-up", "long"], [])
    assert read("a 🔔") == (["bell"], [])
    assert read("the very long sound of a coin") == (["coin", "long"], [])
    assert read("a coin, a coin") == (["coin"], [])


def test_the_checks_tell_right_from_wrong():
    listener = evaluation.Listener(0, 400)
    known = [make_sound(10_000 + number) for number in range(60)]
    sounds, words = [render(sound) for sound in known], [sound.words for sound in known]
    opposite = {word: axis[1 - i] for axis in AXES for i, word in enumerate(axis)} | {"": ""}
    wrong = [(said[0], *(opposite[word] for word in said[1:])) for said in words]
    noise = [np.random.default_rng(0).normal(size=RATE).astype(np.float32)] * 60
    kinds = {"right": (sounds, words), "wrong": (sounds, wrong), "noise": (noise, words)}
    scores = evaluation.score(kinds, listener)

    def value(check, kind):
        return scores[evaluation.measure_of(check, kind)]["value"]

    for check in evaluation.CHECKS[1:]:
        assert value(check, "right") > 0.95 and value(check, "wrong") < 0.05 and 0.2 < value(check, "noise") < 0.8
    assert value("class", "right") > 0.8 and value("class", "noise") < 0.5
