"""What a person may ask for: emoji and invisible characters, what is said of them, and how things are opened."""

import importlib.util
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import bozzetto
from bozzetto.diffusion import normal
from bozzetto.diffusion.noise import MAX_SEED
from bozzetto.errors import InputWarning, InvalidInput
from bozzetto.runtime import requests, session, store
from bozzetto.runtime.reading import emoji_names, readable
from bozzetto.runtime.session import open_network
from bozzetto.runtime.store import ModelFolder, once
from bozzetto.runtime.tokenizer import split_words

QUICK = {"num_inference_steps": 1}


def drawn(prompt, **options):
    return bozzetto.generate(prompt, **QUICK, **options)[0].tobytes()


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("🍎", "red apple"),
        ("two 🍎🍎!", "two red apple red apple !"),
        ("a 🐶 in a 🚗", "a dog face in a automobile"),
        ("👍🏽 👍", "thumbs up thumbs up"),  # skin tones are not read
        ("❤️ ❤", "red heart red heart"),  # with and without the selector of colour
        ("❤️‍🔥", "heart on fire"),  # one sequence, not its parts
        ("👩🏽‍🚀", "woman astronaut"),
        ("👩‍🐶", "woman dog face"),  # joined, but no emoji: its parts
        ("🇫🇷", "flag france"),
        ("1️⃣", "keycap 1"),
        ("™ ﬁ", "trade mark fi"),
    ],
)
def test_emoji_are_read_by_their_names(text, words):
    assert " ".join(split_words(readable(text))) == words


def test_what_cannot_be_seen_is_dropped():
    for mark in "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202e\u2066\ufe0f\u034f\x00\x7f":
        assert readable(f"a {mark}ca{mark}t{mark}") == "a cat"
    for seen in ("a\tcat\n", "a cat", "café", "猫 ねこ", "naïve “quotes” – dashes", ""):
        assert readable(seen) == seen


def test_the_names_are_those_of_unicode():
    spec = importlib.util.spec_from_file_location("names", Path(__file__).parents[1] / "scripts/emoji_names.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.emoji_names() == emoji_names()
    assert all(name.isascii() and readable(f"{emoji}").strip() == name for emoji, name in emoji_names().items())


def test_an_emoji_draws_and_means_what_its_name_does():
    assert drawn("a 🍎") == drawn("a red apple") != drawn("a dog")
    assert drawn("a red\u200b app\u00adle") == drawn("a red apple")
    np.testing.assert_array_equal(bozzetto.encode_text("🤖"), bozzetto.encode_text("robot"))
    assert bozzetto.unknown_words("🍎 qzxv") == ["qzxv"]
    picture = bozzetto.generate("a red apple", seed=2)[0]
    by_word, by_emoji = (bozzetto.label(picture, labels) for labels in (["red apple", "robot"], ["🍎", "🤖"]))
    assert [row[1:] for row in by_word] == [row[1:] for row in by_emoji] and by_emoji[0][0] == "🍎"
    said = ["".join(word.text for word in bozzetto.ask(picture, f"is this a {what}?")) for what in ("red apple", "🍎")]
    assert said[0] == said[1]


@pytest.mark.parametrize("text", ["яблоко", "猫", "قطة", "🏽🏽 яблоко"])
def test_a_prompt_of_which_nothing_can_be_read_is_refused(text):
    for ask in (bozzetto.generate, bozzetto.encode_text, lambda prompt: bozzetto.sample("diffusion", prompt=prompt)):
        with pytest.raises(InvalidInput, match=r"^(prompt|text) '.+' cannot be read: the model knows English words"):
            ask(text)
    with pytest.raises(InvalidInput, match=r"^negative_prompt '.+' cannot be read"):
        bozzetto.generate("a dog", negative_prompt=text)
    with pytest.raises(InvalidInput, match=r"^prompt is empty"):
        bozzetto.generate("\u200b\ufeff🏽")


def test_words_that_are_left_out_are_said():
    with pytest.warns(InputWarning, match=r"^prompt has something that cannot be read: 'яблоко ∞'; the"):
        drawn("a яблоко dog ∞")
    with pytest.warns(InputWarning) as heard:
        drawn("猫 dog " + "dog " * 22 + "cat")
    assert [warning.message.why.split(":")[0] for warning in heard] == [
        "has something that cannot be read",
        "is too long, so its end was not read",
    ]
    assert all(Path(warning.filename).name == Path(__file__).name for warning in heard)  # at the caller


def test_seeds_are_whole_numbers_of_any_kind():
    assert list(requests.seeds(np.int64(3), np.uint8(2))) == [3, 4]


# ---------------------------------------------------------------- the best of several


@pytest.mark.parametrize("options", [{}, {"few_steps": False, "num_inference_steps": 2}])
def test_the_best_of_some_is_the_one_that_clip_matches_best(options):
    prompt = "a red apple"
    best = bozzetto.generate(prompt, seed=5, n=2, best_of=3, **options)
    drawn = bozzetto.generate(prompt, seed=5, n=6, **({"few_steps": True} | options))
    wanted = bozzetto.encode_text(prompt)
    matches = [float(bozzetto.encode_image(picture) @ wanted) for picture in drawn]
    chosen = [int(np.argmax(matches[:3])), 3 + int(np.argmax(matches[3:]))]
    assert [picture.info["seed"] for picture in drawn] == [5, 6, 7, 8, 9, 10]
    assert [picture.info["seed"] for picture in best] == [5 + index for index in chosen]
    assert [picture.info["match"] for picture in best] == pytest.approx([matches[k] for k in chosen], abs=1e-5)
    assert [picture.tobytes() for picture in best] == [drawn[k].tobytes() for k in chosen]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"best_of": 0}, "best_of must be a whole number from 1 to 64, not 0"),
        ({"best_of": 65}, "best_of must be a whole number from 1 to 64, not 65"),
        ({"best_of": 1.5}, "best_of must be a whole number from 1 to 64, not 1.5"),
        ({"best_of": 2, "sampler": "euler"}, "sampler cannot be chosen with few_steps, .*"),
        ({"best_of": 3, "seed": MAX_SEED - 1}, "seed .* is too large for n = 1 pictures, the best of 3 each: .*"),
    ],
)
def test_what_cannot_be_the_best_of_some(options, message):
    with pytest.raises(InvalidInput, match=f"^{message}$"):
        bozzetto.generate("a dog", **options)


# ---------------------------------------------------------------- stopping


@pytest.mark.parametrize("kind", ["callback_on_step_end", "progress"])
@pytest.mark.parametrize(
    "draw",
    [
        lambda **options: bozzetto.generate("a dog", n=2, num_inference_steps=3, **options),
        lambda **options: bozzetto.sample("diffusion", n=2, num_inference_steps=3, **options),
    ],
)
def test_a_drawing_can_be_stopped_from_a_callback(draw, kind):
    calls = []

    def stop(*arguments):
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt

    before = draw()
    with pytest.raises(KeyboardInterrupt):
        draw(**{kind: stop})
    assert len(calls) == 5
    assert [picture.tobytes() for picture in draw()] == [picture.tobytes() for picture in before]


@pytest.mark.parametrize(
    ("model", "options", "done"),
    [
        ("gan", {}, [(1, 2), (2, 2)]),
        ("vae", {}, [(1, 2), (2, 2)]),
        ("few-steps", {"num_inference_steps": 2}, [(i, 4) for i in range(1, 5)]),
        ("diffusion", {"num_inference_steps": 2}, [(i, 4) for i in range(1, 5)]),
    ],
)
def test_sample_tells_its_progress_and_its_steps_in_the_order_of_generate(model, options, done):
    told, seen = [], []
    bozzetto.sample(
        model,
        n=2,
        progress=lambda *arguments: told.append(arguments),
        callback_on_step_end=lambda *arguments: seen.append(arguments),
        **options,
    )
    assert told == done
    assert [call[:3] for call in seen] == ([(i % 2, 2, i // 2) for i in range(4)] if options else [])
    assert all(image.size == (32, 32) for call in seen for image in call[3:])


# ---------------------------------------------------------------- one look at a noisy picture


def test_denoise_mixes_and_guesses(tmp_path):
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, 32:] = 255
    noisy, guess = bozzetto.denoise(picture, 0.3, seed=4)
    assert noisy.size == guess.size == (32, 32) and noisy.mode == guess.mode == "RGB"
    small = picture[::2, ::2] / 127.5 - 1
    mixed = 0.7 * small + 0.3 * normal(4, (3, 32, 32)).transpose(1, 2, 0)
    assert abs(np.asarray(noisy) - np.clip(127.5 * mixed + 127.5, 0, 255)).max() <= 1
    apart = [abs(np.asarray(each).astype(float) - picture[::2, ::2]).mean() for each in (noisy, guess)]
    assert apart[1] < apart[0] / 2
    plain, same = (bozzetto.denoise(picture, 0, seed=seed)[0].tobytes() for seed in (1, 2))
    assert plain == same == picture[::2, ::2].tobytes()
    any_class, heart = (bozzetto.denoise(picture, 0.9, label=label)[1].tobytes() for label in (None, "heart"))
    assert any_class != heart


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"noise": 1.5}, r"^noise must be a number from 0 to 1, not 1.5"),
        ({"noise": float("nan")}, r"^noise must be a number from 0 to 1, not nan"),
        ({"noise": "a lot"}, r"^noise must be a number from 0 to 1, not 'a lot'"),
        ({"noise": 0.5, "seed": -1}, r"^seed must be a whole number"),
        ({"noise": 0.5, "label": "herat"}, r"^label 'herat' is not one of the 80 classes: the nearest is 'heart'"),
        ({"noise": 0.5, "picture": b"no picture"}, r"^picture is none of PNG"),
    ],
)
def test_denoise_says_what_is_wrong(arguments, said):
    with pytest.raises(InvalidInput, match=said):
        bozzetto.denoise(**{"picture": np.zeros((8, 8), np.uint8)} | arguments)


# ---------------------------------------------------------------- opening


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """How often each graph was opened and each file was read, in a weights folder that nobody has used yet."""
    weights = tmp_path / "weights"
    weights.symlink_to(store.weights_folder().resolve())
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(weights))
    graphs, read = Counter(), Counter()
    usual_open, usual_read = session._open, Path.read_bytes

    def slow_open(model, name, adapter):
        graphs[str((model.path / name).relative_to(weights))] += 1
        time.sleep(0.2)  # long enough for every other thread to arrive
        return usual_open(model, name, adapter)

    def read_bytes(path):
        read[str(path.relative_to(weights))] += 1
        return usual_read(path)

    monkeypatch.setattr(session, "_open", slow_open)
    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    return graphs, read


def in_threads(work, count=6):
    """What `count` threads get that begin at once."""
    barrier, found = threading.Barrier(count), []

    def run():
        barrier.wait()
        found.append(work())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == count
    return found


def test_only_the_networks_that_are_asked_are_opened(opened):
    graphs, read = opened
    assert len(bozzetto.sample_labels("gan")) == len(bozzetto.sample_labels("vae")) == 80
    assert not graphs
    bozzetto.sample("vae", n=2)
    assert graphs == {"vae/sampler/graph.onnx": 1, "vae/decoder/graph.onnx": 1}
    bozzetto.encode_text("a dog")
    assert set(graphs) == {f"{part}/graph.onnx" for part in ("vae/sampler", "vae/decoder", "clip/text", "clip/order")}
    bozzetto.generate("a dog", **QUICK)
    assert set(graphs.values()) == {1} and "clip/image/graph.onnx" not in graphs  # one text tower serves both
    assert set(read.values()) == {1} and read["vae/decoder/model.safetensors"] == 1


def test_threads_that_come_first_open_a_model_once(opened):
    graphs, read = opened
    embeddings = in_threads(lambda: bozzetto.encode_text("a dog"))
    assert all(np.array_equal(embedding, embeddings[0]) for embedding in embeddings)
    assert graphs == {"clip/text/graph.onnx": 1, "clip/order/graph.onnx": 1}
    assert set(read.values()) == {1}


def test_a_loader_works_once_and_again_after_a_failure(tmp_path, monkeypatch):
    worked = []

    @once
    def load(name):
        worked.append(name)
        time.sleep(0.1)
        if len(worked) == 1:
            raise OSError("not yet")
        return object()

    with pytest.raises(OSError, match="not yet"):
        load("a")
    assert len(set(in_threads(lambda: load("a")))) == 1 and worked == ["a", "a"]
    assert load("b") is not load("a") and worked == ["a", "a", "b"]

    tries = []
    monkeypatch.setattr(session, "_open", lambda path, *adapter: tries.append(path) or 1 / 0)
    network = open_network(ModelFolder(tmp_path, {}))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            network()
    assert len(tries) == 2


def test_a_file_that_changed_is_read_again(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    first = store._sha256(path, 3, 1)
    path.write_bytes(b"two")
    assert store._sha256(path, 3, 1) == first != store._sha256(path, 3, 2)


def test_words_of_an_answer_can_be_compared():
    from bozzetto.runtime.ask import Word

    word, other = (Word(" cat", 0.5, np.full((8, 8), value, np.float32)) for value in (0, 1))
    assert word == other and word != Word(" dog", 0.5, word.looked) and len({word, other}) == 1
