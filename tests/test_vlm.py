"""The vision-language model: its cache, its recipe in seconds, its two graphs, and what is asked of it in the shell."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import bozzetto
from bozzetto.cli import main
from bozzetto.models.clip import Clip, ClipConfig
from bozzetto.models.vlm import END, PATCHES, START, Vlm, VlmConfig
from bozzetto.runtime import ask, store
from bozzetto.runtime.tokenizer import Tokenizer, join_pieces
from bozzetto.training.export import read_final, save_final
from bozzetto.training.recipe import export_run
from bozzetto.training.recipes import vlm
from bozzetto.world.questions import Question
from scene_world import OBJECTS, WORLD

TOKENIZER = Tokenizer.load(store.weights_folder() / "clip/text/vocabulary.txt")
SIZE = VlmConfig(50, width=64, layers=2, heads=2)


@pytest.fixture(scope="module")
def network():
    """Untrained, but every weight counts."""
    torch.manual_seed(0)
    model = Vlm(SIZE)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short training on a small world, from a CLIP that knows nothing."""
    folder, patch = tmp_path_factory.mktemp("vlm"), pytest.MonkeyPatch()
    patch.setattr(vlm, "scene_objects", lambda world: OBJECTS)
    torch.manual_seed(0)
    clip = Clip(ClipConfig(len(TOKENIZER.vocabulary), image_widths=(32, 48, 64), image_blocks=(1, 1, 1)))
    (folder / "clip").mkdir()
    save_final(clip, folder / "clip")
    TOKENIZER.save(folder / "clip/vocabulary.txt")
    budget = vlm.BUDGETS["smoke"]
    budget = replace(budget, talk=replace(budget.talk, steps=25), image=replace(budget.image, steps=6))
    vlm.RECIPE.train(WORLD, budget, folder / "run", start=folder / "clip")
    patch.undo()
    return folder / "run"


@pytest.fixture(scope="module")
def weights(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    export_run(vlm.RECIPE, run, folder)
    return folder


def test_words_one_at_a_time_are_words_at_once(network):
    pixels, tokens = torch.randn(3, 3, 64, 64), torch.randint(2, 50, (3, 9))
    keys, values, _ = network.encode_image(pixels, torch.ones(3))
    logits, *_, looked = network(tokens, keys, values)
    for i in range(9):
        one, keys, values, look = network(tokens[:, i : i + 1], keys, values)
        torch.testing.assert_close(one, logits[:, i : i + 1], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(look, looked[:, :, i : i + 1], atol=1e-5, rtol=1e-4)
    assert keys.shape == (3, 2, 2, PATCHES + 9, 32)
    assert (looked.sum(-1) < 1).all() and (looked > 0).all()  # the rest is for the words


def test_a_word_does_not_know_what_comes_after_it(network):
    keys, values, _ = network.encode_image(torch.randn(1, 3, 64, 64), torch.ones(1))
    tokens = torch.randint(2, 50, (1, 6))
    changed = tokens.clone()
    changed[0, 4] = (tokens[0, 4] + 1) % 50
    one, other = network(tokens, keys, values)[0], network(changed, keys, values)[0]
    assert torch.equal(one[:, :4], other[:, :4])
    assert not torch.allclose(one[:, 4:], other[:, 4:])


def test_a_picture_that_is_not_shown_changes_nothing(network):
    both = torch.randn(2, 3, 64, 64)
    blind, shown = (network.encode_image(both, torch.full((2,), seen))[0] for seen in (0.0, 1.0))
    assert torch.equal(blind[0], blind[1])
    assert not torch.allclose(shown[0], shown[1])


def test_only_the_answer_is_learned():
    inside, outside = vlm.conversation(TOKENIZER, Question("what", "what is this?", "hot dog"))
    asked, hot, dog = TOKENIZER.encode("what is this?")[1:], *TOKENIZER.encode("hot dog")[1:]
    assert inside == [*asked, START, hot, dog]
    assert outside == [vlm.IGNORED] * len(asked) + [hot, dog, END]
    spelled, _ = vlm.conversation(TOKENIZER, Question("read", "read the sign.", "stop", spelled=True))
    assert [TOKENIZER.vocabulary[i] for i in spelled[-4:]] == ["s", "##t", "##o", "##p"]


def test_the_answer_comes_after_its_reason():
    question = Question("place", "is the cat left or right of the dog?", "left", reason="a cat left of a dog")
    inside, _ = vlm.conversation(TOKENIZER, question)
    said = join_pieces([TOKENIZER.vocabulary[token] for token in inside[inside.index(START) + 1 :]])
    assert "".join(said) == "a cat left of a dog: left"
    looked = np.zeros((8, 8), np.float32)
    assert ask.conclusion([ask.Word(text, 1.0, looked) for text in said]) == "left"
    assert ask.conclusion([ask.Word(text, 1.0, looked) for text in join_pieces(["hot", "dog"])]) == "hot dog"
    assert ask.conclusion([]) == ""


def test_a_drill_teaches_the_conclusion_only():
    question = Question("receipt", "how much is the hat?", "8", reason="bell 3 and hat 8")
    inside, outside = vlm.drill(TOKENIZER, question)
    assert inside == vlm.conversation(TOKENIZER, question)[0]
    assert [out for out in outside if out != vlm.IGNORED] == [*TOKENIZER.encode("8")[1:], END]
    assert TOKENIZER.vocabulary[inside[outside.index(TOKENIZER.number["8"])]] == ":"


def test_pieces_join_to_a_text():
    assert "".join(join_pieces(["s", "##t", "##o", "##p"])) == "stop"
    assert "".join(join_pieces(["a", "hot", "dog", ",", "1", "9"])) == "a hot dog, 19"
    assert "".join(join_pieces(["a", "hot", "dog", ":", "1", "9"])) == "a hot dog: 19"


def test_every_kind_has_its_turn():
    rng = np.random.default_rng(0)
    many = [Question("color", "q", "red")] * 50 + [Question("count", "q", "two")]
    picked = vlm.chosen(many, 400, rng)
    assert sum(question.kind == "count" for question in picked) == 200


def test_the_loss_falls(run):
    lines = [json.loads(line) for line in (run / "talk/log.jsonl").read_text().splitlines()]
    for loss in ("loss", "talk", "drill"):
        assert lines[-1][loss] < 0.85 * lines[0][loss]


def test_the_graphs_answer_as_the_network_does(run, weights):
    network, _ = read_final(run, Vlm, VlmConfig)
    model = ask.load(weights)
    stored = store.open_model("vlm", weights)
    from bozzetto.training.export import read_weights
    from bozzetto.training.rounding import restore

    restore(network, read_weights(stored.path / "model.safetensors")[0])
    network.eval()
    pictures = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 127.5 - 1
    tokens = TOKENIZER("how many cats are there?")[:, 1:7]
    for seen in (True, False):
        keys, values = ask.see(model, pictures, seen)
        ours = network.encode_image(pixels, torch.full((2,), float(seen)))
        np.testing.assert_allclose(keys, ours[0].detach(), atol=1e-4)
        out = model.read(tokens=np.repeat(tokens, 2, 0), keys=keys, values=values)
        logits, *_, looked = network(torch.from_numpy(np.repeat(tokens, 2, 0)), ours[0], ours[1])
        np.testing.assert_allclose(out["logits"], logits.detach(), atol=1e-3)
        np.testing.assert_allclose(out["looked"], looked.detach(), atol=1e-4)


@pytest.fixture
def picture(tmp_path, weights, monkeypatch):
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(weights))
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    return path


def test_the_shell_and_python_give_one_answer(picture, tmp_path, capsys):
    words = list(bozzetto.ask(picture, "what is this?"))
    assert words and all(0 < word.probability <= 1 and word.looked.shape == (8, 8) for word in words)
    assert main(["ask", str(picture), "what is this?", "--json", "--explain", str(tmp_path / "why.png")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["said"] == "".join(word.text for word in words)
    assert printed["answer"] == ask.conclusion(words)
    assert printed["probability"] == pytest.approx(ask.certainty(words))
    assert Image.open(tmp_path / "why.png").width == 192 * len(words)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("a" * 10_000, "10,000"),
        ("猫は何匹いますか", "cannot be read"),
        ("cat " * 40, "24"),
    ],
)
def test_a_bad_question_is_one_line(picture, capsys, question, said):
    assert main(["ask", str(picture), question]) == 2
    out = capsys.readouterr()
    assert said in out.err and out.err.count("\n") == 1 and out.out == ""


def test_no_picture_is_one_line(picture, capsys):
    assert main(["ask", str(picture.with_name("gone.png")), "what is this?"]) == 2
    assert "not there" in capsys.readouterr().err
