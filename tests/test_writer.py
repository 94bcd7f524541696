"""The writers of tiny stories: their cache, their recipe in seconds, their graphs, and what is asked of them."""

import json
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch

import bozzetto
from bozzetto.cli import main
from bozzetto.errors import InputWarning, InvalidInput
from bozzetto.evaluation import writer as evaluation
from bozzetto.models.writer import END, FALL, MASK, START, Writer, WriterConfig, next_word_loss, unmask_loss
from bozzetto.runtime import store, write
from bozzetto.runtime.tokenizer import SPECIAL, Tokenizer
from bozzetto.training.export import read_final, read_weights
from bozzetto.training.recipe import export_run
from bozzetto.training.recipes import writer
from bozzetto.training.rounding import restore
from bozzetto.world.stories import make_story, read_story
from scene_world import OBJECTS, WORLD

SIZE = WriterConfig(50, causal=True, width=64, layers=2, heads=2)
NOUNS = [thing.noun for thing in OBJECTS]


def untrained(config):
    """Every weight counts."""
    torch.manual_seed(0)
    model = Writer(config)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder, patch = tmp_path_factory.mktemp("writer"), pytest.MonkeyPatch()
    patch.setattr(writer, "scene_objects", lambda world: OBJECTS)
    writer.RECIPE.train(WORLD, writer.BUDGETS["smoke"], folder)
    patch.undo()
    return folder


@pytest.fixture(scope="module")
def weights(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    export_run(writer.RECIPE, run, folder)
    return folder


@pytest.fixture(autouse=True)
def small(weights, monkeypatch):
    monkeypatch.setenv("BOZZETTO_WEIGHTS", str(weights))


@torch.no_grad()
def test_words_one_at_a_time_are_words_at_once():
    model, tokens = untrained(SIZE), torch.randint(4, 50, (3, 9))
    whole, keys, _ = model(tokens)
    said, cache = [], ()
    for i in range(9):
        logits, *cache = model(tokens[:, i : i + 1], *cache)
        said.append(logits)
    torch.testing.assert_close(torch.cat(said, 1), whole, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(cache[0], keys, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_only_the_causal_one_is_blind_to_what_comes_after():
    tokens = torch.randint(4, 50, (1, 6))
    changed = tokens.clone()
    changed[0, 4] = 4 + (tokens[0, 4] - 3) % 46
    one, other = (untrained(SIZE)(each)[0] for each in (tokens, changed))
    assert torch.equal(one[:, :4], other[:, :4]) and not torch.allclose(one[:, 4:], other[:, 4:])
    sees = untrained(replace(SIZE, causal=False))
    assert not torch.allclose(sees(tokens)[:, :4], sees(changed)[:, :4])


@torch.no_grad()
def test_the_losses_are_those_of_the_words_that_are_asked_for():
    model = untrained(SIZE)
    tokens = torch.tensor([[START, 7, 8, END, END, END], [START, 9, 10, 11, 12, END]])
    losses, _ = next_word_loss(model, tokens)
    chances = model(tokens)[0].log_softmax(-1)
    by_hand = [-sum(chances[0, i, t] for i, t in enumerate((7, 8, END))) / 3]
    by_hand.append(-sum(chances[1, i, t] for i, t in enumerate((9, 10, 11, 12, END))) / 5)
    torch.testing.assert_close(losses, torch.stack(by_hand), atol=1e-4, rtol=1e-4)

    model = untrained(replace(SIZE, causal=False, window=3))
    draws = torch.tensor([[0, 0.9, 0.1, 0.5, 0, 0], [0, 0, 0.9, 0.5, 0.1, 0]])
    first, t, lean = torch.tensor([1, 2]), torch.tensor([0.5, 0.6]), torch.tensor([0.0, 9.0])
    losses, _ = unmask_loss(model, tokens, first, t, draws, lean)
    hidden = torch.tensor([[START, MASK, 8, MASK, MASK, MASK], [START, 9, 10, MASK, MASK, MASK]])
    one, two = model(hidden).log_softmax(-1)
    second = np.exp(-FALL)
    by_hand = [-(one[0, 7] + second * one[2, END]), -(two[2, 11] + second * two[3, 12])]
    torch.testing.assert_close(losses, torch.stack(by_hand) / (1 + second), atol=1e-4, rtol=1e-4)
    # A window at the end is shorter.
    losses, _ = unmask_loss(model, tokens, torch.tensor([5, 5]), torch.ones(2), draws, lean)
    torch.testing.assert_close(
        losses[0], -model(tokens.clone().index_fill(1, torch.tensor(5), MASK)).log_softmax(-1)[0, 4, END]
    )


def test_both_learn(run):
    for method in writer.METHODS:
        lines = [json.loads(line) for line in (run / method / "log.jsonl").read_text().splitlines()]
        assert lines[-1]["loss"] < 0.85 * lines[0]["loss"]


@torch.no_grad()
def test_the_graphs_say_what_the_networks_say(run, weights):
    tokens = np.array([[START, 60, 61, 62, 63], [START, 70, 71, 72, 73]])
    for method in writer.METHODS:
        network, config = read_final(run / method, Writer, WriterConfig)
        folder = store.open_model(f"writer/{method}", weights)
        restore(network.eval(), read_weights(folder.path / "model.safetensors")[0])
        opened = write.load(weights, method)
        if config.causal:
            empty = np.zeros((2, config.layers, config.heads, 0, config.width // config.heads), np.float32)
            first = opened.read(tokens=tokens[:, :2], keys=empty, values=empty)
            then = opened.read(tokens=tokens[:, 2:], keys=first["all_keys"], values=first["all_values"])
            said = np.concatenate([first["logits"], then["logits"]], 1)
            np.testing.assert_allclose(said, network(torch.from_numpy(tokens))[0], atol=1e-3)
        else:
            whole = np.pad(tokens, ((0, 0), (0, config.context_length - 5)), constant_values=MASK)
            said = opened.read(tokens=whole)["logits"]
            np.testing.assert_allclose(said, network(torch.from_numpy(whole)), atol=1e-3)


@pytest.mark.parametrize("method", writer.METHODS)
def test_a_seed_is_a_story_and_the_last_step_is_the_whole(method):
    one = bozzetto.write("a red owl", seed=5, method=method)
    steps = list(bozzetto.write_steps("a red owl", seed=5, method=method))
    assert one == steps[-1] and one.startswith("A red owl") and len(steps) > 3 and "_" not in one
    assert len({bozzetto.write("a red owl", seed=seed, temperature=1, method=method) for seed in (5, 6)}) == 2
    if method == "next_word":
        likeliest = {bozzetto.write("a red owl", seed=seed, temperature=0) for seed in range(3)}
        assert len(likeliest) == 1
        assert all(after.startswith(before) for before, after in pairwise(steps))


def story_of(words):
    """A writer that hardly knows the first word, is surer of each after it, and ends after them."""

    def read(tokens):
        logits = np.zeros((1, tokens.shape[1], 10))
        for place in range(tokens.shape[1]):
            logits[0, place, words[place] if place < len(words) else END] = 1 + 3 * place
        return {"logits": logits}

    return write.Writer(
        "unmask",
        Tokenizer([*SPECIAL, "[mask]", *"abcdef"]),
        read,
        {"context_length": 12, "window": 4},
        frozenset(),
        0.0,
    )


@pytest.mark.parametrize("steps", [1, 2, 4, 7, 11])
def test_a_window_is_filled_the_surest_first_until_an_end_stands_after_all_words(steps):
    drafts = list(write.unmask(story_of([5, 6, 7, 8, 9]), [START], 0, 0.0, steps))
    assert drafts[-1].tolist() == [START, 5, 6, 7, 8, 9, *[END] * 6] and 1 < len(drafts) <= 1 + steps
    for before, after in pairwise(drafts):
        filled = np.flatnonzero(before != after)
        assert (before[filled] == MASK).all() and filled[0] > 0  # what stands stays
        ended = after[filled[-1]] == END and MASK not in after
        assert ended or len(filled) in (11 // steps, -(-11 // steps))
    if steps == 11:
        # Sure of all but the first, it begins with the one that is most to the left of these.
        assert drafts[1].tolist() == [START, MASK, 6, *[MASK] * 9] and len(drafts) == 7


def test_the_likeliest_words_come_without_chance():
    logits = np.zeros((4, 8))
    logits[:, [START, write.UNKNOWN, MASK]] = 9
    logits[:, 5] = 2
    draws = np.array([1e-9, 1.9 / (np.exp(2) + 4), 0.7, 1.0])
    assert write.choose(logits, 1.0, draws).tolist() == [0, 4, 5, 7]
    assert write.choose(logits, 0.0, draws).tolist() == [5] * 4


def test_text_is_written_as_people_do(weights):
    opened = write.load(weights)
    story = "a red owl . it is called ivy . ivy wants to be pink . a zibo"
    draft = np.array(opened.tokenizer.encode(story))
    assert write.told(opened, draft) == "A red owl. It is called Ivy. Ivy wants to be pink. A zibo"
    assert write.told(opened, np.array([START, MASK, END, MASK])) == "_ _"


def test_the_last_word_that_was_given_stays_as_it_is(weights):
    for method in writer.METHODS:
        opened = write.load(weights, method)
        pieces = [word.startswith("##") for word in opened.tokenizer.vocabulary]
        *_, draft = write.prepare(
            replace(opened, read=partial(insistent, pieces)), "a xylo", max_words=2 if method == "next_word" else None
        )
        first = len(opened.tokenizer.encode("a xylo"))
        assert not pieces[draft[first]] and pieces[draft[first + 1]]


def insistent(pieces, tokens, **cache):
    """Logits of a network that always goes on with the word."""
    logits = np.where(pieces, 9.0, 0.0)[None, None].repeat(tokens.shape[1], 1)
    return {"logits": logits, "all_keys": None, "all_values": None}


def test_words_that_no_vocabulary_has_are_spelled():
    tokenizer = writer.build_tokenizer(NOUNS)
    assert tokenizer.vocabulary[:4] == ["[pad]", "[start]", "[unk]", "[mask]"]
    for seed in range(200):
        tokens = tokenizer.encode(make_story(seed, NOUNS, invented=0.5))
        assert not {write.UNKNOWN, MASK} & set(tokens)
    assert bozzetto.write("a xylograph", max_words=1).startswith("A xylograph")


def test_the_shell_and_python_write_one_story(capsys):
    assert main(["write", "a red owl", "--seed", "3"]) == 0
    assert capsys.readouterr().out == bozzetto.write("a red owl", seed=3) + "\n"
    assert main(["write", "--method", "unmask", "--steps", "4", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["steps"] == list(bozzetto.write_steps(method="unmask", num_inference_steps=4))
    assert printed["text"] == printed["steps"][-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a" * 10_000], "10000 characters"),
        (["猫は赤い"], "cannot be read"),
        (["a cat", "--seed", "-1"], "--seed must be"),
        (["a cat", "--temperature", "9"], "--temperature must be"),
        (["a cat", "--temperature", "nan"], "--temperature must be"),
        (["a cat", "--method", "unmusk"], "did you mean unmask?"),
        (["a cat", "--max-words", "0"], "--max-words must be"),
        (["a cat", "--steps", "5"], "--steps does nothing"),
        (["a cat", "--method", "unmask", "--max-words", "5"], "--max-words does nothing"),
        (["a cat", "--method", "unmask", "--steps", "0"], "--steps must be"),
    ],
)
def test_what_cannot_be_used_is_one_line(capsys, arguments, said):
    assert main(["write", *arguments]) == 2
    out = capsys.readouterr()
    assert said in out.err and out.err.count("\n") == 1 and out.out == ""


def test_what_is_not_read_is_said():
    with pytest.warns(InputWarning, match="猫"):
        assert bozzetto.write("a 猫 owl", max_words=1).startswith("A owl")
    with pytest.warns(InputWarning, match="too long"):
        bozzetto.write("an owl and a cat " * 12, max_words=1)
    with pytest.raises(InvalidInput, match="must be text"):
        bozzetto.write(3)


def test_the_scores_tell_right_from_wrong():
    real = [make_story(seed, NOUNS) for seed in range(40)]
    broken = [story.replace(" .", "") for story in real]
    copied = [make_story(1000, NOUNS)] * 40
    kinds = {"real": real, "broken": broken, "copied": copied}
    scores = evaluation.score(kinds, NOUNS, (make_story(seed, NOUNS) for seed in range(900, 1100)))

    def value(check, kind):
        return scores[evaluation.measure_of(check, kind)]["value"]

    assert value(evaluation.GRAMMAR, "real") == value(evaluation.FACTS, "real") == 1
    assert value(evaluation.GRAMMAR, "broken") == value(evaluation.FACTS, "broken") == 0
    assert value(evaluation.NOVEL, "copied") == 0 < value(evaluation.NOVEL, "real")
    twice = evaluation.checked([real[0] + " " + real[0]], NOUNS, [])
    assert twice[evaluation.REPEATS] == [True] and twice[evaluation.GRAMMAR] == [False]
    begin = evaluation.beginning
    swapped = [begin(other) + one.removeprefix(begin(one)) for one, other in pairwise(real)]
    agreeing = evaluation.checked(swapped, NOUNS, [])[evaluation.FACTS]
    assert sum(agreeing) < 10 and all(read_story(story, NOUNS) for story in real)
