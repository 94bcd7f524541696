"""The game of forger and detective: it is played in the page, as in Python, for everybody, and survives faults."""

import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

import bozzetto
from actions import (
    button,
    changes_a_second,
    cut,
    expect_address,
    expect_play_beside,
    fakes,
    field,
    follow,
    other,
    retries,
    type_seed,
    unfold,
)
from bozzetto.diffusion import normal
from bozzetto.runtime import gan_round, sample, store
from browser import Visit, pictures, problems, served, t

pytest_plugins = ["browser"]

NUMBER = 2


def test_the_game_is_played(reader):
    """The seed decides it, and the graph; a link plays it again."""

    def game(seed):
        figure = reader.figure(2, seed=seed)
        begin = fakes(figure, 0)
        for _ in range(3):
            button(figure, "step-the-game.ten").click()
        return begin, fakes(figure, 30)

    begin, end = game(1)
    assert len(end[0]) == 16 and len({str(fake) for fake in end[0]}) == 16
    assert begin[0] != end[0]
    assert fakes(reader.figure(2, seed=1, moves="bb30"), 30) == end
    assert fakes(reader.figure(2, seed=1, moves="bb20bd10"), 30) != end
    other = game(2)
    assert other[0][0] != begin[0] and other[1][0] != end[0]


def test_the_rounds_of_a_game_agree_with_python(worker):
    game, state = gan_round.Game(), gan_round.start(7)
    expected = [game.evaluate(state, state, 7, 1)]
    for trains in ((True, True), (True, True), (False, True), (True, False), (True, True)):
        state, shown = game.play(state, gan_round.BALANCED, 7, trains)
        expected.append(shown)
    found = worker.evaluate(
        """async (ask, settings) => {
          await ask("load", ["gan_round"]);
          const frames = [await ask("startGame", { seed: 7 })];
          for (const trains of [[true, true], [true, true], [false, true], [true, false], [true, true]]) {
            frames.push(await ask("playGame", { settings, trains, rounds: 1 }));
          }
          const parts = ({ fakes, verdicts_real, verdicts_fake }) => [fakes, verdicts_real, verdicts_fake];
          return JSON.stringify(frames.map(frame => parts(frame).map(part => [...part])));
        }""",
        {"rates": gan_round.BALANCED.rates, "pairing": 1, "gamma": gan_round.BALANCED.gamma},
    )
    for frame, shown in zip(json.loads(found), expected, strict=True):
        for part, name in zip(frame, ("fakes", "verdicts_real", "verdicts_fake"), strict=True):
            assert abs(np.array(part) - getattr(shown, name).ravel()).max() < 1e-3


CALLS = """globalThis.rounds = [];
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...more) {
  if (message.call === "playGame" && message.argument.rounds) rounds.push(message.argument.rounds);
  return post.call(this, message, ...more);
};"""
HIDE = """() => {
  Object.defineProperty(document, "hidden", { value: true, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
  delete document.hidden;
}"""
# What is stored of the game: its moves and its version.
STORED = """() => new Promise(resolve => {
  const opening = indexedDB.open("bozzetto.games", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("games");
  opening.onsuccess = () => {
    const asked = opening.result.transaction("games").objectStore("games").get(0);
    asked.onsuccess = () => resolve(asked.result ? [asked.result.moves, asked.result.version] : []);
    opening.result.close();
  };
})"""
OLD = """() => {
  const { put } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.put = function (stored, key) {
    return put.call(this, { ...stored, version: "old" }, key);
  };
}"""  # from here on this page stores as a page of another version would, also while it is left


def stored(page, *wanted):
    """Wait until the game is stored with these moves, and this version if it is given."""
    for _ in range(1000):
        if page.evaluate(STORED)[: len(wanted)] == [*wanted]:
            return
    raise AssertionError(f"stored is {page.evaluate(STORED)}, not {wanted}")


def test_a_game_goes_on_after_a_reload_without_being_played_again(visit):
    fresh = fakes(visit().figure(2, moves="bb27"), 27)
    reader = visit(CALLS)
    figure, page = reader.figure(2, moves="bb20"), reader.page
    shown = fakes(figure, 20)
    page.evaluate(HIDE)
    stored(page, "bb20")
    page.reload()
    figure.scroll_into_view_if_needed()
    assert fakes(figure, 20) == shown and page.evaluate("rounds") == []
    assert fakes(reader.figure(2, moves="bb27"), 27) == fresh  # and from there, the rounds that are left
    assert page.evaluate("rounds") == [7]
    fakes(reader.figure(2, moves="bb21", seed=8), 21)
    assert page.evaluate("rounds") == [21]  # another game

    page.evaluate(OLD)
    page.evaluate(HIDE)
    stored(page, "bb21", "old")
    reader.open("index.html")
    figure = reader.figure(2, moves="bb21", seed=8)
    fakes(figure, 21)
    expect(figure.locator("p.note[role=status]")).to_have_text(t("step-the-game.dropped"))
    assert page.evaluate("rounds") == [21]


def test_the_shipped_gan_draws_what_python_draws(visit):
    reader = visit()
    figure = reader.figure(2)
    fakes(figure, 0)
    assert not [path for path in reader.asked() if "gan/generator" in path]  # not before it is asked
    figure.locator(".emoji select").select_option("cat-face")
    field(figure, "step-the-game.stamp").fill("3")
    button(figure, "step-the-game.emoji-many", count=16).click()
    expect(figure.locator(".emoji canvas")).to_have_count(16)
    expect(figure.locator(".emoji p[role=status]")).to_contain_text("One pass")
    found = np.array(pictures(figure.locator(".emoji canvas"))).reshape(16, 32, 32, 4)[..., :3]
    wanted = np.stack([np.asarray(one) for one in bozzetto.sample("gan", label="cat-face", seed=3, n=16)])
    assert abs(found.astype(int) - wanted).max() <= 1  # a value in the middle of two may go either way
    assert len({picture.tobytes() for picture in found}) == 16
    button(figure, "step-the-game.emoji-one").click()
    expect(figure.locator(".emoji canvas")).to_have_count(1)
    assert problems(reader.page, "bz-step-the-game .emoji") == []


def test_the_shipped_gan_agrees_with_python(worker):
    noise = normal(5, (64,))
    maker = sample.load("gan", store.weights_folder())
    [wanted] = maker.network(noise=noise[None], label=np.array([4]))["pixels"]
    found = worker.evaluate(
        """async (ask, noise) => {
          await ask("load", ["gan/generator"]);
          const inputs = {
            noise: { data: Float32Array.from(noise), dims: [1, 64] },
            label: { data: BigInt64Array.of(4n), dims: [1] },
          };
          return JSON.stringify([...(await ask("run", { model: "gan/generator", inputs })).pixels]);
        }""",
        noise.tolist(),
    )
    assert abs(np.array(json.loads(found)) - wanted.ravel()).max() < 1e-3


def states(visit: Visit):
    figure = visit.figure(2, moves="bb24")
    fakes(figure, 24)
    expect_play_beside(figure, figure.locator("ol.fakes").first)
    yield "start"
    button(figure, "step-the-game.ten").click()
    fakes(figure, 34)
    figure = visit.figure(2, moves="bb60")
    fakes(figure, 60)
    expect(figure.locator("svg.chart")).to_have_count(2)
    button(figure, "step-the-game.judge", count=8).click()
    figure.locator(".tick input").first.check()
    yield "judging"
    button(figure, "step-the-game.compare").click()
    unfold(figure)
    button(figure, "shell.share").click()
    yield "judged, unfolded"
    # The collapse stands beside the healthy game, which keeps its rounds, and both are played.
    button(figure, "step-the-game.collapse").click()
    expect(button(figure, "shell.pause")).to_be_visible()
    expect(figure.locator(".game")).to_have_count(2)
    expect(figure.locator(".game meter")).to_have_count(2)
    expect(figure.locator(".game").nth(1)).to_contain_text(t("step-the-game.collapsing-means"))
    expect(figure.locator(".game-round")).not_to_have_text(t("step-the-game.round", rounds=60))
    # Nobody looks: the games wait, and the address has kept them, and while they were played as well.
    expect_address(figure, moves=re.compile(r"bb(6[1-9]|[7-9]\d|\d{3,})"), twin=re.compile(r"cb\d{2,}"), beside="1")
    visit.page.evaluate(HIDE)
    expect(button(figure, "shell.play")).to_be_visible()
    yield "collapsing"
    button(figure, "step-the-game.rebalance").click()
    expect(figure.locator(".game").nth(1)).to_contain_text(t("step-the-game.balanced-means"))
    expect_address(figure, twin=re.compile(r"cb\d+bb\d+"))
    button(figure, "shell.pause").click()
    expect(button(figure, "shell.play")).to_be_visible()
    yield "rebalanced"
    button(figure, "step-the-game.alone").click()
    expect(figure.locator(".game")).to_have_count(1)


def test_no_state_has_a_barrier(tour):
    assert tour.barriers == []


def test_nothing_goes_wrong_in_any_state(tour):
    assert tour.troubles == []


def test_the_models_are_small(tour, course):
    assert sum(path.endswith("model.safetensors") for path in tour.models) >= 1
    assert served(course, tour.models) <= 8_000_000


def test_pictures_change_at_most_three_times_a_second(visit):
    reader = visit(reduced_motion="no-preference")
    reader.page.clock.install(time=0)
    figure = reader.figure(2)
    fakes(figure, 0)
    reader.page.clock.pause_at(3600)
    button(figure, "shell.play").click()
    assert 1 < changes_a_second(figure, figure.locator("ol.fakes canvas").first) <= 3


def test_the_game_works_from_the_keyboard(reader):
    page = reader.page
    figure = reader.figure(2)
    fakes(figure, 0)
    stage = figure.locator(".figure-stage")
    stage.focus()
    page.keyboard.press(" ")
    expect(button(figure, "shell.pause")).to_be_visible()
    expect(figure.locator(".game-round")).not_to_have_text(t("step-the-game.round", rounds=0))
    stage.press(" ")
    expect(button(figure, "shell.play")).to_be_visible()
    expect_address(figure, beside="0", moves=re.compile(r"bb[1-9]\d*"))
    # How many rounds were played until the pause depends on the machine: go on from a number that is known.
    rounds = 24
    figure = reader.figure(2, moves=f"bb{rounds}")
    fakes(figure, rounds)
    for key, more in (("one", 1), ("ten", 10), ("train_detective", 10), ("train_forger", 10)):
        button(figure, f"step-the-game.{key}").press("Enter")
        rounds += more
    fakes(figure, rounds)
    expect_address(figure, moves=f"bb{rounds - 20}bd10bf10")
    button(figure, "step-the-game.judge", count=8).press("Enter")
    figure.locator(".tick input").first.press(" ")
    button(figure, "step-the-game.compare").press("Enter")
    expect(figure.locator(".judged [role=status]")).to_contain_text(re.compile(r"\d.*\d"))
    # The score counts what can be counted on the page: a mark for each right answer, of the learner and the detective.
    for who, at in (("you", 0), ("detective", 1)):
        right = figure.locator(".judged li .yes", has_text=t(f"step-the-game.{who}")).count()
        assert re.findall(r"(\d) ", figure.locator(".judged [role=status]").inner_text() + " ")[at] == str(right)
    button(figure, "shell.reset").press("Enter")
    fakes(figure, 0)
    expect_address(figure, moves="")


def test_a_link_with_nonsense_leaves_a_game_to_play(reader):
    """What was refused is said until the reader changes something, and not only until the new game is dealt."""
    figure = reader.figure(2, seed=3)
    fakes(figure, 0)
    refused = figure.locator("p.note[role=status]")
    for seed, settings, moves in (
        ("-1", "x", "bb0"),
        ("1e3", "__proto__", "xx3"),
        ("NaN", "constructor", "bb1" * 700),
        ("", "", "<script>alert(1)</script>"),
    ):
        button(figure, "step-the-game.one").click()
        fakes(figure, 1)
        follow(figure, seed=seed, settings=settings, moves=moves, toString="2")
        fakes(figure, 0)  # the new game
        [said] = refused.all_inner_texts()
        assert all(t(name) in said for name in ("shell.seed", "step-the-game.settings", "step-the-game.moves"))
        expect(field(figure, "shell.seed")).to_have_value("7")
        assert figure.locator("[role=alert]").count() == 0
    type_seed(figure, 8)
    expect(refused).to_have_count(0)
    fakes(figure, 0)
    button(figure, "step-the-game.one").click()
    fakes(figure, 1)


@pytest.mark.parametrize(
    ("path", "change", "said"),
    [
        ("models/gan_round/graph.onnx", other, "graph.onnx is damaged"),
        ("models/gan_round/graph.onnx", None, "graph.onnx is missing"),
        ("models/gan_round/config.json", cut, "config.json does not describe"),
        ("assets/ort/ort-wasm-simd-threaded.wasm", None, "try again|reload"),
        ("assets/ort/ort.wasm.min.js", None, "try again|reload"),
        ("assets/js/worker.js", None, "the worker stopped"),
    ],
)
def test_a_broken_file_is_named_and_retried(visit, path, change, said):
    """Those that every figure needs are tried here, where the model is the smallest."""
    fakes(retries(visit(), 2, path, change, said), 0)
