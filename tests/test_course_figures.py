"""The live figures of the course in a real Chromium: what they show is computed, agrees with Python, can be used by
everybody, and survives what goes wrong."""

import io
import json
import re
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

import bozzetto
from bozzetto.pictures import over_white
from bozzetto.runtime import ask, gan_round, sample, store
from bozzetto.runtime import clip as towers
from bozzetto.runtime import text_to_image as t2i
from browser import FIGURES, OUT, ROOT, Visit, lesson_path, perturbed, pixels, problems, replaced, served, t

pytest_plugins = ["browser"]
expect.set_options(timeout=60_000)

RUN = re.compile("|".join(re.escape(t(f"shell.{word}")) for word in ("run", "recompute")))
WAITING = "…"


def button(figure: Locator, key: str, **values: object) -> Locator:
    return figure.get_by_role("button", name=t(key, **values), exact=True)


def finished(figure: Locator) -> None:
    expect(figure.locator(".progress")).to_have_count(0)


def run(figure: Locator) -> list[int]:
    """Run what the settings of a film ask for; the picture at its end."""
    figure.get_by_role("button", name=RUN).click()
    expect(figure.get_by_role("button", name=RUN)).to_be_disabled()
    finished(figure)
    return pixels(figure.locator(".shots canvas").first)


def type_seed(figure: Locator, seed: int) -> None:
    figure.get_by_label(t("shell.seed"), exact=True).fill(str(seed))
    figure.page.keyboard.press("Tab")


def scores(figure: Locator) -> list[str]:
    """Of the captions that are compared in lesson 7: cosines and shares."""
    expect(figure.locator(".match-captions")).not_to_contain_text(WAITING)
    return figure.locator(".match-captions .match-number").all_inner_texts()


def draw_dot(figure: Locator, presses: str) -> list[str]:
    """Draw with the keyboard in lesson 7; the scores of the drawing."""
    figure.get_by_label(t("picture-input.draw"), exact=True).check()
    figure.locator(".board canvas").focus()
    for key in presses.split():
        figure.page.keyboard.press(key)
    return scores(figure)


def bars(figure: Locator) -> list[str]:
    """The labels and shares of the sorter in lesson 1."""
    expect(figure.locator(".sorted-bars li")).to_have_count(5)
    finished(figure)
    return figure.locator(".sorted-bars li").all_inner_texts()


def make(figure: Locator, count: int = 1) -> list[list[int]]:
    """The first pictures of the maker in lesson 1, and no more."""
    button(figure, "sorter-maker.make").click()
    made = figure.locator(".made-one")
    expect(made.nth(count - 1)).to_be_enabled()
    button(figure, "shell.cancel").click()
    return [pixels(made.nth(i).locator("canvas").first) for i in range(count)]


def fakes(figure: Locator, rounds: int) -> tuple[list[list[int]], list[str]]:
    """Of the game in lesson 2, when it has come to a round: the fakes and their verdicts."""
    expect(figure.locator(".game-round b")).to_have_text(t("step-the-game.round", rounds=rounds))
    shown = figure.locator(".figure-stage ol.fakes li")
    expect(shown.first).to_contain_text("%")
    return [pixels(shown.nth(i).locator("canvas")) for i in range(shown.count())], shown.all_inner_texts()


def answered(figure: Locator) -> dict:
    """Of the reader in lesson 6, when it has said all: the question, the words, their chances, where they looked."""
    return figure.evaluate("""async figure => {
      while (figure.busy || !figure.answers[0]?.complete) await new Promise(requestAnimationFrame);
      const [{ question, blind, words }] = figure.answers;
      const rows = words.map(({ text, probability, looked, alternatives }) =>
        [text, probability, [...looked], alternatives.map(guess => [guess.text, guess.probability])]);
      return { question, blind, words: rows };
    }""")


def ask_again(figure: Locator) -> dict:
    button(figure, "read-the-picture.ask").click()
    return answered(figure)


# ---------------------------------------------------------------- nothing is canned


@pytest.mark.parametrize(
    ("number", "model", "asked"),
    [
        (5, "diffusion", {"label": "heart"}),
        (5, "few_steps", {"label": "heart", "sampler": "few_steps"}),
        (8, "text_to_image", {"prompt": "a+cat"}),
    ],
)
def test_a_run_is_computed(reader, number, model, asked):
    """A seed decides the pixels, all of them; so do the weights."""

    def film():
        return reader.figure(number, num_inference_steps=2, seed=1, **asked)

    figure = film()
    first = run(figure)
    type_seed(figure, 2)
    other = run(figure)
    type_seed(figure, 1)
    assert run(figure) == first != other
    with replaced(reader.course, perturbed(reader.course, model)):
        assert run(film()) != first


def test_match_scores_are_computed(reader):
    figure = reader.figure(7, picture=0, caption="a+red+apple")
    first = scores(figure)
    caption = figure.get_by_label(t("match-score.caption"), exact=True)
    caption.fill("a blue whale")
    other = scores(figure)
    caption.fill("a red apple")
    assert scores(figure) == first != other
    dot = draw_dot(figure, "Space")
    stroke = draw_dot(figure, "Shift+ArrowLeft Space Shift+ArrowLeft Space")
    assert len({*map(tuple, (first, dot, stroke))}) == 3
    towers = perturbed(reader.course, "clip/order") | perturbed(reader.course, "clip/image")
    with replaced(reader.course, towers):
        figure = reader.figure(7, picture=0, caption="a+red+apple")
        assert scores(figure) != first
        assert draw_dot(figure, "Space") != dot


def test_the_map_is_computed_and_training_brings_pairs_together(reader):
    figure = reader.figure(7, mode="map")
    said = figure.locator(".match-said")

    def right(time: str) -> int:
        figure.get_by_label(t(f"match-score.time-{time}"), exact=True).check()
        expect(said).to_contain_text(t("match-score.map-all").partition("{")[0])
        return int(re.search(r"(\d+) of 28", said.inner_text())[1])

    before, after = right("before"), right("after")
    assert before < 6 < 20 < after
    first = said.inner_text()
    figure.locator(".map-picture").last.click()  # the last lies on top
    expect(said).not_to_have_text(first)
    with replaced(reader.course, perturbed(reader.course, "clip/order")):
        reader.figure(7, mode="map")
        expect(said).not_to_have_text(first)
        assert right("after") < after


def test_sorter_and_maker_are_computed(reader):
    figure = reader.figure(1, picture=0, seed=7)
    first = bars(figure)
    seven, eight = make(figure, 2)
    assert seven != eight
    type_seed(figure, 8)
    assert make(figure) == [eight]
    type_seed(figure, 7)
    assert make(figure) == [seven]
    figure.locator(".strip .pick").nth(5).click()
    expect(figure.locator(".sorted-bars")).not_to_have_text(" ".join(first))
    assert bars(figure) != first
    towers = perturbed(reader.course, "clip/image") | perturbed(reader.course, "text_to_image")
    with replaced(reader.course, towers):
        figure = reader.figure(1, picture=0, seed=7)
        assert bars(figure) != first
        assert make(figure)[0] not in (seven, eight)


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


def test_answers_are_computed(reader):
    """From the picture, the patches that are there, the question and the weights; the same again for the same."""
    figure = reader.figure(6, question="what+is+this%3F")
    first = answered(figure)
    assert first["words"] and ask_again(figure) == first
    said = [first]
    for press in ("read-the-picture.ready-count", "read-the-picture.shuffle"):
        button(figure, press).click()
        said.append(ask_again(figure))
    button(figure, "read-the-picture.unshuffle").click()
    assert ask_again(figure) == said[1]
    for tile in (0, 1):
        figure.locator(".tiles button").nth(tile).click()
    said.append(ask_again(figure))
    figure.get_by_label(t("read-the-picture.blind"), exact=True).check()
    blind = ask_again(figure)
    said.append(blind)
    button(figure, "read-the-picture.ready-place").click()
    assert ask_again(figure) == blind  # who does not look sees no difference
    assert len({json.dumps(one["words"]) for one in said}) == 5
    with replaced(reader.course, perturbed(reader.course, "vlm")):
        assert answered(reader.figure(6, question="what+is+this%3F")) != first


# ---------------------------------------------------------------- parity with Python


@pytest.fixture
def runtime(reader):
    """The page's own runtime, found among what its scripts export."""
    page = reader.open("glossary/index.html")
    scripts = [path[1:] for path in reader.course.entries if re.fullmatch(r"/assets/js/chunk-.*\.js", path)]
    return page.evaluate_handle(
        """async scripts => {
          for (const script of scripts) {
            const found = Object.values(await import(new URL(`../${script}`, document.baseURI)));
            const runtime = found.find(value => value?.prototype?.generate);
            if (runtime) return runtime.get();
          }
          throw new Error("no script exports the runtime");
        }""",
        scripts,
    )


def test_each_step_of_a_run_agrees_with_python(runtime):
    models = t2i.load(store.weights_folder())
    runtime.evaluate("runtime => runtime.load(['clip/text', 'text_to_image', 'autoencoder/decoder'])")
    for sampler, steps, more in (("dpmpp_2m", 20, {}), ("ddpm", 4, {"style": "noto"}), ("heun", 3, {})):
        options = {"sampler": sampler, "num_inference_steps": steps, **more}
        told = []
        [picture] = t2i.draw(models, "a red apple", [7], **options, callback=lambda *step, told=told: told.append(step))
        found = runtime.evaluate(
            """async (runtime, options) => {
              const steps = [];
              const onStep = ({ noisy, clean }) => steps.push([[...noisy], [...clean]]);
              const { picture } = await runtime.generate({ prompt: "a red apple", seed: 7, ...options }, { onStep });
              return { steps, picture: [...picture] };
            }""",
            options,
        )
        found_steps, expected_steps = np.array(found["steps"]), np.array([step[3:] for step in told])
        assert len(found_steps) == len(expected_steps) >= steps
        assert abs(found_steps - expected_steps.reshape(found_steps.shape)).max() < 1e-3
        assert abs(np.array(found["picture"]) - picture.ravel().astype(int)).max() <= 2


def test_each_step_of_a_small_picture_agrees_with_python(runtime):
    folder = store.weights_folder()
    runtime.evaluate("runtime => runtime.load(['diffusion', 'few_steps'])")
    for model, label_, options in (
        ("diffusion", "cat-face", {"sampler": "dpmpp_2m", "num_inference_steps": 20}),
        ("diffusion", "food-fruit", {"sampler": "ddpm", "num_inference_steps": 4, "guidance_scale": 3.5}),
        ("diffusion", None, {"sampler": "heun", "num_inference_steps": 3}),
        ("few_steps", "heart", {"num_inference_steps": 4}),
        ("few_steps", None, {}),
    ):
        told = []
        draw = {"label": label_, "nearest": None, **options}
        sample.draw(model.replace("_", "-"), folder, [7], **draw, callback=lambda *step, told=told: told.append(step))
        found = runtime.evaluate(
            """async (runtime, options) => {
              const steps = [];
              const onStep = ({ noisy, clean }) => steps.push([[...noisy], [...clean]]);
              const planes = await runtime.sample(options, { onStep });
              return { steps, planes: [...planes] };
            }""",
            {"model": model, "seed": 7, **options} | ({"label": label_} if label_ else {}),
        )
        found_steps, expected_steps = np.array(found["steps"]), np.array([step[3:] for step in told])
        assert len(found_steps) == len(expected_steps) >= options.get("num_inference_steps", 1)
        assert abs(found_steps - expected_steps.reshape(found_steps.shape)).max() < 1e-3
        assert found["planes"] == found["steps"][-1][0]


def test_a_small_picture_is_that_of_python(reader):
    found = run(reader.figure(5, label="cat-face", seed=3, num_inference_steps=4, sampler="unipc"))
    [drawn] = bozzetto.sample("diffusion", label="cat-face", seed=3, num_inference_steps=4, sampler="unipc")
    assert abs(np.array(found) - np.asarray(drawn.convert("RGBA")).ravel().astype(int)).max() <= 1


def test_the_rounds_of_a_game_agree_with_python(runtime):
    game, state = gan_round.Game(), gan_round.start(7)
    expected = [game.look(state, state, 7, 1)]
    for trains in ((True, True), (True, True), (False, True), (True, False), (True, True)):
        state, shown = game.play(state, gan_round.BALANCED, 7, trains)
        expected.append(shown)
    found = runtime.evaluate(
        """async (runtime, settings) => {
          await runtime.load(["gan_round"]);
          const frames = [await runtime.startGame(7)];
          for (const trains of [[true, true], [true, true], [false, true], [true, false], [true, true]]) {
            frames.push(await runtime.playGame({ settings, trains, rounds: 1 }));
          }
          return frames.map(frame => [frame.fakes, frame.verdicts_real, frame.verdicts_fake].map(part => [...part]));
        }""",
        {"rates": gan_round.BALANCED.rates, "pairing": 1, "gamma": gan_round.BALANCED.gamma},
    )
    for frame, shown in zip(found, expected, strict=True):
        for part, name in zip(frame, ("fakes", "verdicts_real", "verdicts_fake"), strict=True):
            assert abs(np.array(part) - getattr(shown, name).ravel()).max() < 1e-3


def test_embeddings_agree_with_python(runtime):
    clip = towers.load(store.weights_folder())
    texts = ["a red apple", "two cats", "", "qqq zebrafish 😀"]
    picture = (np.arange(64 * 64 * 4) * 7919 % 256).astype(np.uint8)
    found = runtime.evaluate(
        """async (runtime, [texts, picture]) => {
          await runtime.load(["clip/text", "clip/order", "clip/image"]);
          const rows = [
            ...await runtime.encodeText(texts),
            ...await runtime.encodeImage([Uint8ClampedArray.from(picture)]),
          ];
          return rows.map(row => [...row]);
        }""",
        [texts, picture.tolist()],
    )
    shown = np.asarray(over_white(Image.fromarray(picture.reshape(64, 64, 4))))
    expected = np.concatenate([towers.encode_text(clip, texts), towers.encode_image(clip, shown[None])])
    assert abs(np.array(found) - expected).max() < 1e-3


def test_each_word_of_an_answer_agrees_with_python(runtime):
    model = ask.load(store.weights_folder())
    picture = (np.arange(64 * 64 * 4) * 7919 % 256).astype(np.uint8)
    white = np.asarray(over_white(Image.fromarray(picture.reshape(64, 64, 4))))
    runtime.evaluate("runtime => runtime.load(['vlm', 'vlm/look.onnx'])")
    for question, seen in (("Describe the picture.", True), ("how many zebrafishes are there?", False)):
        found = runtime.evaluate(
            """async (runtime, [picture, question, seen]) => {
              const told = [];
              const cache = await runtime.look({ picture: Uint8ClampedArray.from(picture), seen });
              const words = await runtime.answer({ seen: cache, question }, { onWord: word => told.push(word) });
              return [told, words].map(all => all.map(word => ({ ...word, looked: [...word.looked] })));
            }""",
            [picture.tolist(), question, seen],
        )
        expected = list(ask.answer(model, ask.see(model, white[None], seen), question))
        assert found[0] == found[1] and expected
        for word, real in zip(found[0], expected, strict=True):
            assert word["text"] == real.text
            assert word["probability"] == pytest.approx(real.probability, abs=1e-3)
            assert abs(np.array(word["looked"]) - real.looked.ravel()).max() < 1e-3
            chances = [guess["probability"] for guess in word["alternatives"]]
            assert word["alternatives"][0]["text"] == word["text"] and len(chances) == 3
            assert chances == sorted(chances, reverse=True) and sum(chances) <= 1 + 1e-6


def test_the_answer_about_a_scene_is_that_of_python(reader):
    figure = reader.figure(6, scene="yellow*apple.3.3.26*bee.35.5.20", covered=3, shuffle=5)
    found = answered(figure)
    tiles = figure.locator(".tiles canvas")
    seen = np.zeros((64, 64, 3), np.uint8)
    for place in range(16):
        row, column = divmod(place, 4)
        shown = np.array(pixels(tiles.nth(place)), np.uint8).reshape(16, 16, 4)
        seen[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = shown[..., :3]
    expected = list(bozzetto.ask(Image.fromarray(seen), found["question"]))
    assert [word[0] for word in found["words"]] == [word.text for word in expected]
    assert [word[1] for word in found["words"]] == pytest.approx([word.probability for word in expected], abs=1e-3)


def test_a_paper_is_read_as_python_reads_it(reader):
    figure = reader.figure(6)
    answered(figure)
    figure.get_by_label(t("read-the-picture.source-paper"), exact=True).check()
    figure.locator(".strip input").nth(5).check(force=True)
    found = ask_again(figure)
    papers = json.loads(reader.course.entries["/data/papers.json"].body)["items"]
    assert found["question"] == papers[5]["questions"][0]
    with Image.open(io.BytesIO(reader.course.entries["/data/papers.webp"].body)) as sprite:
        paper = sprite.crop((5 * 64, 0, 6 * 64, 64))
    expected = list(bozzetto.ask(paper, found["question"]))
    assert [word[0] for word in found["words"]] == [word.text for word in expected]
    assert [word[1] for word in found["words"]] == pytest.approx([word.probability for word in expected], abs=1e-3)


# ---------------------------------------------------------------- every state, for everybody


def unfold(figure: Locator) -> None:
    figure.evaluate("figure => figure.querySelectorAll('details').forEach(details => (details.open = true))")


def states_of_1(reader: Visit):
    figure = reader.figure(1, picture=0)
    bars(figure)
    yield "start"
    make(figure)
    figure.locator(".made-one").first.click()
    expect(figure.locator(".neighbours")).to_be_visible()
    finished(figure)
    unfold(figure)
    yield "made and asked"
    button(figure, "sorter-maker.give").click()
    figure.get_by_label(t("picture-input.draw"), exact=True).check()
    yield "given to the sorter"
    figure = reader.figure(1, picture=0, twin=1)
    bars(figure)
    make(figure)
    figure.locator(".made-one").first.click()
    expect(figure.locator(".taught")).to_be_visible()
    yield "the twin"


def states_of_2(reader: Visit):
    figure = reader.figure(2, moves="bb24")
    fakes(figure, 24)
    yield "start"
    button(figure, "step-the-game.ten").click()
    fakes(figure, 34)
    expect(figure.locator("svg.chart")).to_have_count(2)
    button(figure, "step-the-game.judge", count=8).click()
    figure.locator(".tick input").first.check()
    yield "judging"
    button(figure, "step-the-game.compare").click()
    unfold(figure)
    button(figure, "shell.share").click()
    yield "judged, unfolded"
    button(figure, "step-the-game.collapse").click()
    expect(button(figure, "shell.pause")).to_be_visible()
    expect(figure.locator(".game-round")).to_contain_text(t("step-the-game.collapsing"))
    yield "collapsing"
    button(figure, "step-the-game.rebalance").click()
    expect(figure.locator(".game-round")).to_contain_text(t("step-the-game.rebalanced"))
    button(figure, "shell.pause").click()
    yield "rebalanced"


def states_of_5(reader: Visit):
    figure = reader.figure(5)
    expect(figure.locator(".shots canvas").first).to_be_visible()
    expect(figure.locator(".measured svg.chart")).to_be_visible()
    yield "recorded"
    button(figure, "speed-dial.compare-all").click()
    expect(figure.locator(".cell:enabled")).not_to_have_count(0)
    yield "comparing"
    button(figure, "shell.cancel").click()
    figure.get_by_label(t("speed-dial.axis"), exact=True).select_option("milliseconds")
    figure.get_by_label(t("speed-dial.sampler"), exact=True).select_option("few_steps")
    expect(figure.locator(".dial-steps button[aria-pressed]")).to_have_count(4)
    run(figure)
    yield "student"
    figure.get_by_label(t("speed-dial.sampler"), exact=True).select_option("euler")
    figure.locator(".dial-steps button").nth(1).click()
    run(figure)
    button(figure, "shell.back").click()
    unfold(figure)
    button(figure, "shell.share").click()
    yield "run, unfolded"


def states_of_6(reader: Visit):
    figure = reader.figure(6)
    answered(figure)
    yield "start"
    figure.locator(".tiles button").nth(4).click()
    button(figure, "read-the-picture.shuffle").click()
    figure.get_by_label(t("read-the-picture.question"), exact=True).fill("is there a zorgon قطة 😀?")
    yield "changed"
    figure.locator(".ask select").select_option("describe the picture.")
    button(figure, "read-the-picture.ask").click()
    expect(figure.locator(".answer")).to_have_count(2)
    answered(figure)
    figure.locator(".said-word").first.hover()
    unfold(figure)
    button(figure, "shell.share").click()
    yield "asked again, unfolded"
    for name in ("bee", "crab"):
        figure.locator(f".tray [aria-label={name}]").click()
    figure.get_by_label(t("read-the-picture.blind"), exact=True).check()
    ask_again(figure)
    yield "full and blind"
    figure.get_by_label(t("read-the-picture.source-paper"), exact=True).check()
    yield "papers"
    figure.get_by_label(t("read-the-picture.source-own"), exact=True).check()
    figure.get_by_label(t("picture-input.draw"), exact=True).check()
    figure.locator(".board canvas").press("Space")
    ask_again(figure)
    yield "drawing"
    figure.get_by_label(t("read-the-picture.question"), exact=True).fill("a cat " * 30)
    button(figure, "read-the-picture.ask").click()
    expect(figure.get_by_role("alert")).to_contain_text("24 at most")
    yield "too long"


def states_of_7(reader: Visit):
    figure = reader.figure(7, picture=0)
    scores(figure)
    yield "score"
    for mode in ("matrix", "search", "traps"):
        figure.get_by_label(t(f"match-score.mode-{mode}"), exact=True).check()
        expect(figure.locator(".figure-stage")).not_to_contain_text(WAITING)
        yield mode
    figure.get_by_label(t("match-score.mode-map"), exact=True).check()
    for time in ("before", "after"):
        figure.get_by_label(t(f"match-score.time-{time}"), exact=True).check()
        expect(figure.locator(".match-said")).not_to_have_text(WAITING)
        yield f"map {time}"
    figure.get_by_label(t("match-score.mode-traps"), exact=True).check()
    button(figure, "match-score.measure", count=40).click()
    expect(figure.locator(".pager [role=status]")).not_to_be_empty()
    yield "measured"
    figure.get_by_label(t("match-score.mode-score"), exact=True).check()
    draw_dot(figure, "Space")
    yield "drawing"
    figure.get_by_label(t("picture-input.upload"), exact=True).check()
    figure.get_by_label(t("match-score.caption"), exact=True).fill("a zorgon قطة 😀")
    unfold(figure)
    button(figure, "shell.share").click()
    yield "upload, unfolded"


def states_of_8(reader: Visit):
    figure = reader.figure(8)
    expect(figure.locator(".shots canvas").first).to_be_visible()
    yield "recorded"
    figure = reader.figure(8, prompt="a+happy+robot", prompt_b="a+sad+zorgon", num_inference_steps=4, match=1)
    figure.get_by_role("button", name=RUN).click()
    expect(figure.locator(".progress progress")).to_be_visible()
    yield "running"
    expect(figure.locator("svg.chart")).to_be_visible()
    finished(figure)
    button(figure, "shell.back").click()
    unfold(figure)
    button(figure, "shell.share").click()
    yield "run with two prompts, unfolded"
    button(figure, "words-steer.grow").click()
    expect(figure.locator(".trial.grow")).to_be_visible()
    finished(figure)
    yield "growing"
    button(figure, "words-steer.many").click()
    expect(figure.locator(".trial.seeds .yes, .trial.seeds .no")).not_to_have_count(0)
    button(figure, "shell.cancel").click()
    yield "many seeds"
    figure.get_by_label(t("words-steer.prompt"), exact=True).fill("x" * 400)
    yield "too long"


STATES = {1: states_of_1, 2: states_of_2, 5: states_of_5, 6: states_of_6, 7: states_of_7, 8: states_of_8}


@pytest.mark.parametrize("number", FIGURES)
def test_no_state_of_a_figure_has_a_barrier(reader, number):
    name = f"bz-{FIGURES[number]}"
    found = []
    for state in STATES[number](reader):
        found += [f"{state}: {problem}" for problem in problems(reader.page, name)]
        target = OUT / "screens" / f"figure-{number}-{state.replace(', ', '-').replace(' ', '-')}.png"
        reader.page.locator(name).screenshot(path=target)
    assert found == []


def test_no_live_figure_is_left_out(reader):
    elements = {f"bz-{name}" for name in FIGURES.values()}
    source = (ROOT / "web/core/figures.ts").read_text(encoding="utf-8")
    assert set(re.findall(r'"(bz-[a-z-]+)"', source)) == elements


# ---------------------------------------------------------------- from the keyboard


def state_of(figure: Locator) -> dict[str, str]:
    """What the address says about the figure, after the moment that it takes to be written."""
    figure.page.wait_for_timeout(400)
    name = figure.evaluate("figure => figure.figureName")
    fields = parse_qs(urlsplit(figure.page.url).fragment, keep_blank_values=True)
    return {key.removeprefix(f"{name}."): value for key, [value] in fields.items()}


@pytest.mark.parametrize(("number", "asked"), [(5, {"label": "heart"}), (8, {"prompt": "a+cat"})])
def test_a_film_is_run_and_looked_at_from_the_keyboard(reader, number, asked):
    page = reader.page
    figure = reader.figure(number, num_inference_steps=3, seed=1, **asked)
    figure.get_by_role("button", name=RUN).press("Enter")
    expect(figure.get_by_role("button", name=RUN)).to_be_disabled()
    finished(figure)
    stage = figure.locator(".figure-stage")
    stage.focus()
    words = figure.locator(".scrubber span")
    expect(words).to_contain_text("3")
    for key, at in (("ArrowLeft", 2), ("ArrowLeft", 1), ("ArrowRight", 2)):
        page.keyboard.press(key)
        expect(words).to_have_text(t("shell.at", step=at, steps=3, noise=f"{round(100 * (1 - at / 3))} %"))
    figure.get_by_label(t("shell.scrub")).press("ArrowLeft")
    assert state_of(figure)["at"] == "1"
    for name, at in (("step", "2"), ("back", "1")):
        button(figure, f"shell.{name}").press("Enter")
        assert state_of(figure)["at"] == at
    page.emulate_media(reduced_motion="no-preference")
    stage.press(" ")
    expect(button(figure, "shell.pause")).to_be_visible()
    page.keyboard.press(" ")
    expect(button(figure, "shell.play")).to_be_visible()
    seed = figure.get_by_label(t("shell.seed"), exact=True)
    seed.press("ControlOrMeta+a")
    page.keyboard.type("12345")
    page.keyboard.press("Enter")
    assert state_of(figure)["seed"] == "12345"
    button(figure, "shell.new-seed").press("Enter")
    assert state_of(figure)["seed"] != "12345"
    button(figure, "shell.reset").press("Enter")
    assert state_of(figure)["seed"] == "7"


def test_a_class_and_the_student_are_chosen_from_the_keyboard(reader):
    figure = reader.figure(5, seed=1, num_inference_steps=20)
    figure.get_by_label(t("speed-dial.label"), exact=True).focus()
    reader.page.keyboard.type("mammal")
    figure.get_by_label(t("speed-dial.sampler"), exact=True).press("End")
    assert [state_of(figure)[name] for name in ("label", "sampler")] == ["animal-mammal", "few_steps"]
    expect(figure.locator(".dial-steps [aria-pressed=true]")).to_have_text("8")
    figure.locator(".dial-steps button").nth(1).press("Enter")
    run(figure)
    expect(figure.locator(".scrubber span")).to_contain_text(t("shell.at", step=2, steps=2, noise="0 %"))


def test_a_shared_link_shows_the_same_figure(reader):
    figure = reader.figure(8, prompt="a+cat", num_inference_steps=2, seed=11)
    first = run(figure)
    button(figure, "shell.share").press("Enter")
    link = figure.get_by_label(t("shell.link")).input_value()
    reader.page.goto("about:blank")
    reader.page.goto(link)
    figure = reader.page.locator("bz-words-steer")
    assert figure.get_by_label(t("words-steer.prompt"), exact=True).input_value() == "a cat"
    assert run(figure) == first


def test_a_teachers_link_hides_controls(reader):
    reader.open(lesson_path(reader.course, 8) + "#words-steer.seed=3&hide=seed,share,code")
    figure = reader.page.locator("bz-words-steer")
    expect(button(figure, "shell.play")).to_be_visible()
    for hidden in (figure.get_by_label(t("shell.seed"), exact=True), figure.locator(".share"), figure.locator(".code")):
        expect(hidden).to_have_count(0)


def test_modes_and_the_table_work_from_the_keyboard(reader):
    page = reader.page
    figure = reader.figure(7, picture=0)
    scores(figure)
    figure.get_by_label(t("match-score.mode-score"), exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert state_of(figure)["mode"] == "matrix"
    cell = figure.locator(".match-cell[aria-pressed=true]")
    expect(cell).not_to_contain_text(WAITING)
    cell.focus()
    for key, place in (("ArrowRight", "1"), ("ArrowDown", "7"), ("ArrowUp", "1"), ("ArrowUp", "1"), ("ArrowLeft", "0")):
        page.keyboard.press(key)
        assert state_of(figure)["cell"] == place
        assert cell.evaluate("cell => cell === document.activeElement")


def test_a_scene_is_built_and_asked_about_from_the_keyboard(reader):
    page = reader.page
    figure = reader.figure(6, scene="white")
    answered(figure)
    figure.locator(".tray [aria-label=bee]").press("Enter")
    assert state_of(figure)["scene"] == "white*bee.2.2.28"
    sheet = figure.locator(".sheet")
    sheet.focus()
    for key in ("ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    figure.locator(".tray [aria-label=cat]").press("Enter")
    assert state_of(figure)["scene"] == "white*bee.3.10.28*cat.34.34.28"
    size = figure.locator(".thing").nth(1).get_by_label(t("read-the-picture.size"), exact=True)
    size.fill("99")
    size.press("Enter")
    assert state_of(figure)["scene"] == "white*bee.3.10.28*cat.0.0.64"
    expect(size).to_have_value("64")
    sheet.press("Delete")
    figure.locator(".tiles button").nth(5).press("Enter")
    figure.get_by_label(t("read-the-picture.blind"), exact=True).press(" ")
    question = figure.get_by_label(t("read-the-picture.question"), exact=True)
    question.press("ControlOrMeta+a")
    page.keyboard.type("how many bees?")
    page.keyboard.press("Enter")
    said = answered(figure)
    assert said["question"] == "how many bees?" and said["blind"]
    state = state_of(figure)
    assert [state[name] for name in ("scene", "covered", "blind")] == ["white*bee.3.10.28", "32", "1"]
    expect(figure.locator(".answer")).to_have_count(2)
    for index in range(len(said["words"])):
        word = figure.locator(".answer").first.locator(".said-word").nth(index)
        word.focus()
        expect(word).to_have_attribute("aria-pressed", "true")
        expect(figure.locator(".alternatives li")).to_have_count(3)
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    assert answered(page.locator("bz-read-the-picture")) == said
    button(figure, "shell.reset").press("Enter")
    assert answered(figure)["blind"] is False
    expect(figure.locator(".answer")).to_have_count(1)


def test_a_thing_is_dragged_within_the_frame_and_into_it(reader):
    figure = reader.figure(6, scene="white*bee.2.2.20")
    answered(figure)
    figure.locator(".sheet").scroll_into_view_if_needed()
    box = figure.locator(".sheet").bounding_box()
    mouse, scale = reader.page.mouse, box["width"] / 64

    def drag(start, end):
        mouse.move(*start)
        mouse.down()
        mouse.move(*end, steps=4)
        mouse.up()

    def place(x, y):
        return box["x"] + scale * x, box["y"] + scale * y

    drag(place(12, 12), place(42, 32))
    [bee] = re.fullmatch(r"white\*bee\.(\d+\.\d+)\.20", state_of(figure)["scene"]).groups()
    assert all(abs(float(a) - b) <= 1 for a, b in zip(bee.split("."), (32, 22), strict=True))
    thumb = figure.locator(".tray [aria-label=crab]").bounding_box()
    drag((thumb["x"] + 10, thumb["y"] + 10), place(16, 48))
    assert re.search(r"\*crab\.[123]\.3[345]\.28$", state_of(figure)["scene"])


def test_sorter_and_maker_work_from_the_keyboard(reader):
    figure = reader.figure(1, picture=0)
    bars(figure)
    button(figure, "sorter-maker.make").press("Enter")
    first = figure.locator(".made-one").first
    expect(first).to_be_enabled()
    button(figure, "shell.cancel").press("Enter")
    first.press("Enter")
    expect(figure.locator(".neighbours li")).to_have_count(4)


def test_the_game_works_from_the_keyboard(reader):
    page = reader.page
    figure = reader.figure(2)
    fakes(figure, 0)
    stage = figure.locator(".figure-stage")
    stage.focus()
    page.keyboard.press(" ")
    expect(button(figure, "shell.pause")).to_be_visible()
    expect(figure.locator(".game-round b")).not_to_have_text(t("step-the-game.round", rounds=0))
    stage.press(" ")
    expect(button(figure, "shell.play")).to_be_visible()
    [settings, moves] = [state_of(figure)[name] for name in ("settings", "moves")]
    assert settings == "balanced" and re.fullmatch(r"bb[1-9]\d*", moves)
    rounds = int(moves[2:])
    for key, more in (("one", 1), ("ten", 10), ("train_detective", 10), ("train_forger", 10)):
        button(figure, f"step-the-game.{key}").press("Enter")
        rounds += more
    fakes(figure, rounds)
    assert state_of(figure)["moves"] == f"bb{rounds - 20}bd10bf10"
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
    assert state_of(figure)["moves"] == ""


# ---------------------------------------------------------------- what a person or a link may bring

HOSTILE = {
    "seed": ["-1", "99999999999999999999", "NaN", "1.5", "1e3", "<script>alert(1)</script>", ""],
    "num_inference_steps": ["0", "1e9", "Infinity"],
    "guidance_scale": ["-5", "11", "--1"],
    "sampler": ["__proto__", "constructor", "x"],
    "at": ["-1", "99"],
    "prompt": ["x" * 301],
    "match": ["true", "2"],
    "label": ["__proto__", "toString", "unicorn", ""],
    "axis": ["constructor"],
}


@pytest.mark.parametrize(("number", "size"), [(5, 32), (8, 64)])
def test_a_link_with_nonsense_gets_one_message_and_the_usual_values(reader, number, size):
    figure = reader.figure(number, seed=3)
    for round_ in range(7):
        values = {name: texts[round_ % len(texts)] for name, texts in HOSTILE.items()} | {
            "unknown": "1",
            "toString": "2",
        }
        fragment = "&".join(f"{FIGURES[number]}.{name}={quote(text)}" for name, text in values.items())
        reader.page.goto(f"{reader.page.url.partition('#')[0]}#{fragment}")
        refused = figure.locator("p.note[role=status]")
        expect(refused).to_contain_text(t("shell.seed"))
        expect(refused).to_contain_text(t("shell.sampler"))
        expect(figure.get_by_label(t("shell.seed"), exact=True)).to_have_value("7")
        assert figure.locator("[role=alert]").count() == 0
    assert len(run(figure)) == size * size * 4


def test_a_link_with_nonsense_leaves_a_game_to_play(reader):
    figure = reader.figure(2, seed=3)
    fakes(figure, 0)
    for seed, settings, moves in (
        ("-1", "x", "bb0"),
        ("1e3", "__proto__", "xx3"),
        ("NaN", "constructor", "bb1" * 700),
        ("", "", "<script>alert(1)</script>"),
    ):
        values = {"seed": seed, "settings": settings, "moves": moves, "toString": "2"}
        fragment = "&".join(f"step-the-game.{name}={quote(text)}" for name, text in values.items())
        reader.page.goto(f"{reader.page.url.partition('#')[0]}#{fragment}")
        refused = figure.locator("p.note[role=status]")
        for name in ("shell.seed", "step-the-game.settings", "step-the-game.moves"):
            expect(refused).to_contain_text(t(name))
        expect(figure.get_by_label(t("shell.seed"), exact=True)).to_have_value("7")
        assert figure.locator("[role=alert]").count() == 0
    button(figure, "step-the-game.one").click()
    fakes(figure, 1)


def test_a_link_with_nonsense_leaves_a_picture_to_ask_about(reader):
    figure = reader.figure(6)
    usual = answered(figure)
    for scene, covered, question in (
        ("white*unicorn.1.1.20", "-1", "x" * 301),
        ("constructor", "65536", "y" * 1000),
        ("<script>alert(1)</script>", "NaN", "z" * 302),
    ):
        values = {"scene": scene, "covered": covered, "question": question, "toString": "2"}
        fragment = "&".join(f"read-the-picture.{name}={quote(text)}" for name, text in values.items())
        reader.page.goto(f"{reader.page.url.partition('#')[0]}#{fragment}")
        refused = figure.locator("p.note[role=status]")
        for name in ("scene", "covered", "question"):
            expect(refused).to_contain_text(t(f"read-the-picture.{name}"))
        assert figure.locator("[role=alert]").count() == 0
        assert answered(figure) == usual


def test_a_link_of_markup_stays_text(reader):
    text = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
    figure = reader.figure(8, prompt=quote(text))
    assert figure.get_by_label(t("words-steer.prompt"), exact=True).input_value() == text
    assert figure.locator("img[src=x], script").count() == 0
    reader.open(lesson_path(reader.course, 8) + "#%E0%A4%A&hide=%00,<b>&=&&words-steer.seed")
    expect(reader.page.locator("bz-words-steer .figure-stage")).to_be_visible()


def test_any_prompt_gets_at_most_one_message(reader):
    figure = reader.figure(8, num_inference_steps=1)
    expect(figure.locator(".chips .chip")).not_to_have_count(0)
    start = figure.get_by_role("button", name=RUN)
    for prompt, said, runs in (
        ("", t("words-steer.empty"), False),
        ("   \t ", t("words-steer.empty"), False),
        ("x" * 10_000, t("shell.too-long", label=t("words-steer.prompt"), length=10_000, max=300), False),
        ("قطة سعيدة", t("words-steer.unknown"), True),
        ("😀🐙", t("words-steer.unknown"), True),
        ("a cat " * 40, t("words-steer.unread", words="").split(":")[0], True),
    ):
        figure.get_by_label(t("words-steer.prompt"), exact=True).fill(prompt)
        messages = figure.locator(".prompts :is([role=alert], .note)")
        expect(messages).to_contain_text(said)
        assert messages.count() == 1
        assert start.is_enabled() == runs
        if runs:
            run(figure)
        assert figure.locator("p.error[role=alert]").count() == 0


def png(width: int, height: int) -> bytes:
    """A PNG file that claims a size and breaks off."""
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + size + b"\x08\x06\x00\x00\x00" + bytes(20)


def test_uploads_are_opened_or_refused_in_one_line(reader, tmp_path):
    figure = reader.figure(7, picture=0)
    first = scores(figure)
    figure.get_by_label(t("picture-input.upload"), exact=True).check()
    chooser = figure.locator("input[type=file]")
    for name, body, reason, values in (
        ("notes.png", b"not a picture at all", "type", {}),
        ("empty.png", b"", "empty", {}),
        ("bomb.png", png(30_000, 30_000), "large", {"width": 30_000, "height": 30_000, "most": 64}),
        ("broken.png", png(64, 64), "broken", {}),
        ("heavy.png", bytes(20 * 2**20 + 1), "heavy", {"size": 21, "most": 20}),
        ("script.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "type", {}),
    ):
        chooser.set_input_files({"name": name, "mimeType": "image/png", "buffer": body})
        alert = figure.locator("[role=alert]")
        expect(alert).to_have_text(t(f"picture-input.{reason}", file=name, **values))
    path = tmp_path / "picture.png"
    Image.new("RGB", (300, 100), "#d02020").save(path)
    chooser.set_input_files(path)
    expect(figure.locator("[role=alert]")).to_have_count(0)
    expect(figure.locator(".match-captions")).to_contain_text(t("match-score.own-caption"))
    assert scores(figure) != first


# ---------------------------------------------------------------- what may go wrong


def cut(body: bytes) -> bytes:
    return body[: len(body) // 2]


def other(body: bytes) -> bytes:
    return bytes([body[0] ^ 1]) + body[1:]


FAULTS = [
    (7, "models/clip/text/model.safetensors", None, "model.safetensors is missing"),
    (7, "models/clip/text/model.safetensors", cut, "model.safetensors came with"),
    (7, "models/clip/text/model.safetensors", other, "model.safetensors is damaged"),
    (7, "models/clip/text/config.json", cut, "config.json does not describe"),
    (7, "models/clip/text/graph.onnx", None, "graph.onnx is missing"),
    (7, "assets/ort/ort-wasm-simd-threaded.wasm", None, "try again|reload"),
    (7, "assets/ort/ort.wasm.min.mjs", None, "try again|reload"),
    (7, "assets/js/worker.js", None, "the worker stopped"),
    (7, "data/gallery.json", None, "data/gallery.json is missing"),
    (1, "data/gallery.json", None, "data/gallery.json is missing"),
    (1, "models/clip/image/config.json", None, "config.json is missing"),
    (2, "models/gan_round/graph.onnx", other, "graph.onnx is damaged"),
    (6, "models/vlm/look.onnx", other, "look.onnx is damaged"),
    (8, "models/text_to_image/model.safetensors", other, "model.safetensors is damaged"),
    (5, "models/few_steps/model.safetensors", None, "model.safetensors is missing"),
]


@pytest.mark.parametrize(("number", "path", "change", "said"), FAULTS)
def test_a_broken_file_is_named_and_retried(visit, course, number, path, change, said):
    reader = visit()
    body = change and change(course.entries[f"/{path}"].body)
    with replaced(course, {path: body}):
        film = number in (5, 8)
        figure = reader.figure(number, **({"num_inference_steps": 1} if film else {"picture": 0}))
        if film:
            figure.get_by_role("button", name=RUN).click()
        alert = reader.page.get_by_role("alert")
        expect(alert).to_have_text(re.compile(said))
        assert alert.count() == 1
        assert problems(reader.page, f"bz-{FIGURES[number]}") == []
        button(figure, "shell.retry").click()
        expect(alert).to_have_text(re.compile(said))
    button(figure, "shell.retry").click()
    if number == 7:
        assert scores(figure)
    elif number == 1:
        assert bars(figure)
    elif number == 2:
        fakes(figure, 0)
    elif number == 6:
        assert answered(figure)["words"]
    else:
        expect(figure.get_by_role("button", name=RUN)).to_be_disabled()
    assert alert.count() == 0


def test_a_figure_whose_script_is_missing_can_be_tried_again(visit, course):
    reader = visit()
    script = next(path[1:] for path in course.entries if path.startswith("/assets/js/words-steer"))
    with replaced(course, {script: None}):
        page = reader.open(lesson_path(course, 8))
        page.locator("bz-words-steer").scroll_into_view_if_needed()
        expect(page.get_by_role("alert")).to_contain_text(t("site.script.figure-failed"))
        expect(page.locator("bz-words-steer img.still")).to_be_visible()
    page.get_by_role("alert").get_by_role("button").click()
    expect(page.locator("bz-words-steer .figure-stage")).to_be_visible()


@pytest.mark.parametrize(("number", "change"), [(5, None), (8, cut)])
def test_a_film_does_without_its_recording(visit, course, number, change):
    path = f"data/recorded/{FIGURES[number]}.webp"
    reader = visit()
    with replaced(course, {path: change and change(course.entries[f"/{path}"].body)}):
        figure = reader.figure(number)
        reader.settle()
        expect(figure.locator("img.still")).to_be_visible()
        figure.get_by_role("button", name=RUN).click()
        expect(figure.locator(".progress progress")).to_have_attribute("max", "20")
    assert [trouble for trouble in reader.troubles if "uncaught" in trouble] == []


def the_rest_works(reader: Visit) -> None:
    question = reader.page.locator("fieldset.question").first
    question.get_by_role("radio").first.check()
    question.get_by_role("button", name=t("site.script.check")).click()
    expect(question.locator(".verdict")).not_to_be_empty()
    reader.page.locator("#theme").click()
    assert reader.page.evaluate("document.documentElement.dataset.theme") == "light"


FORBIDDEN = "(() => { throw new DOMException('storage is forbidden', 'SecurityError'); })()"


def test_everything_works_where_storage_is_forbidden(visit, course):
    forbid = "".join(
        f"Object.defineProperty(globalThis, '{name}', {{ get: () => {FORBIDDEN} }});\n"
        for name in ("localStorage", "sessionStorage", "caches", "indexedDB")
    )
    reader = visit(forbid)
    worker = "assets/js/worker.js"
    with replaced(course, {worker: forbid.encode() + course.entries[f"/{worker}"].body}):
        assert scores(reader.figure(7, picture=0))
        the_rest_works(reader)
        reader.asked()
        assert scores(reader.figure(7, picture=0))
    assert "models/clip/text/model.safetensors" in reader.asked()  # nothing was kept
    assert reader.troubles == []


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("WebAssembly.validate = () => false;", "too old for WebAssembly SIMD"),
        ("delete globalThis.WebAssembly;", "WebAssembly switched off"),
    ],
)
def test_an_old_browser_is_told_so(visit, script, said):
    reader = visit(script)
    for number in FIGURES:
        figure = reader.figure(number)
        if number in (5, 8):
            figure.get_by_role("button", name=RUN).click()
        expect(reader.page.get_by_role("alert")).to_contain_text(said)
        assert reader.page.get_by_role("alert").count() == 1
        the_rest_works(reader)
        reader.page.evaluate("localStorage.clear()")
    assert reader.troubles == []


# ---------------------------------------------------------------- times and sizes

PROBE = """
globalThis.probe = { paints: [] };
const shown = new WeakMap();
const { putImageData } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.putImageData = function (image, ...place) {
  const [canvas, text] = [this.canvas, image.data.join()];
  if (shown.get(canvas) !== text) probe.paints.push({ at: performance.now(), canvas });
  shown.set(canvas, text);
  return putImageData.call(this, image, ...place);
};
globalThis.until = async (test, began = performance.now()) => {
  while (!test()) {
    if (performance.now() > began + 60_000) throw new Error(`waited too long for ${test}`);
    await new Promise(requestAnimationFrame);
  }
  return Math.round(performance.now() - began);
};
"""
RUN_IT = """async (button, steps) => {
  const figure = button.closest(".figure");
  probe.paints = [];
  button.click();
  const began = performance.now();
  const ready = await until(() => figure.querySelector("progress")?.max === steps, began);
  const run = await until(() => !figure.querySelector(".progress"), began);
  return { ready, run: run - ready };
}"""
SCRUB = """async figure => {
  const slider = figure.querySelector(".scrubber input");
  const times = [];
  for (let i = 1; i <= 10; i++) {
    const paints = probe.paints.length;
    slider.value = String((7 * i) % 20);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    times.push(await until(() => probe.paints.length > paints));
  }
  return Math.max(...times);
}"""
# How often one canvas changed within any second, at most.
FLICKER = """() => Math.max(...probe.paints.map(({ at, canvas }) =>
  probe.paints.filter(other => other.canvas === canvas && other.at >= at && other.at < at + 1000).length))"""


def longest_tasks(trace: bytes) -> list[float]:
    """Of the pages' main threads, in milliseconds of processor time, which does not count what others do meanwhile."""
    events = json.loads(trace)["traceEvents"]
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    tasks = [e["tdur"] / 1000 for e in events if "tdur" in e and names.get((e["pid"], e["tid"])) == "CrRendererMain"]
    return sorted(tasks, reverse=True)[:20]


@pytest.fixture(scope="module")
def tour(chromium, course):
    """Each live figure met for the first time, by a browser that has nothing yet: times, sizes, the longest tasks."""
    times, models, flicker, troubles = {}, {}, {}, []
    chromium.start_tracing(categories=["toplevel"])
    for number, name in FIGURES.items():
        reader = Visit(chromium, course, PROBE, reduced_motion="no-preference")
        figure = reader.figure(number)
        page, time = reader.page, times.setdefault(name, {})
        time["first answer"] = page.evaluate("until(() => probe.paints.length, 0)")
        if number in (5, 8):
            reader.settle()
            cold = figure.get_by_role("button", name=RUN).evaluate(RUN_IT, 20)
            flicker[name] = page.evaluate(FLICKER)
            time |= {"ready, cold": cold["ready"], "20 steps": cold["run"]}
            reader.settle()
            page.wait_for_timeout(1500)
            time["scrub"] = figure.evaluate(SCRUB)
            if number == 8:
                figure.get_by_label(t("words-steer.match"), exact=True).check()
                finished(figure)
        elif number == 2:
            time["ready, cold"] = page.evaluate("until(() => /%/.test(document.querySelector('.fakes').innerText), 0)")
            button(figure, "shell.play").click()
            expect(figure.locator(".game-round b")).to_have_text(re.compile(r"[1-9]"))
            page.wait_for_timeout(2500)
            button(figure, "shell.pause").click()
            expect(button(figure, "shell.play")).to_be_visible()
            flicker[name] = page.evaluate(FLICKER)
        elif number == 6:
            answered(figure)
            time["ready, cold"] = page.evaluate("performance.now()")
        elif number == 7:
            time["ready, cold"] = page.evaluate("until(() => /[0-9]/.test(document.querySelector('output')?.value), 0)")
            draw_dot(figure, "Space")
        else:
            time["ready, cold"] = page.evaluate("until(() => document.querySelector('.sorted-bars b'), 0)")
            for _ in range(2):
                make(figure)
                figure.locator(".made-one").first.click()
                expect(figure.locator(".neighbours").first).to_be_visible()
                figure.get_by_label(t("sorter-maker.twin"), exact=True).check()
        models[name] = [path for path in reader.asked() if path.startswith("models/") and not path.endswith(".md")]
        if number == 8:
            figure = reader.figure(number, seed=8)
            reader.settle()
            time["ready, warm"] = figure.get_by_role("button", name=RUN).evaluate(RUN_IT, 20)["ready"]
        troubles += reader.troubles
        reader.context.close()
    tasks = longest_tasks(chromium.stop_tracing())
    record = {
        "milliseconds": times,
        "longest tasks": tasks,
        "model bytes": {k: served(course, v) for k, v in models.items()},
    }
    OUT.mkdir(exist_ok=True)
    (OUT / "course_times.json").write_text(json.dumps(record, indent=1))
    return {"times": times, "models": models, "tasks": tasks, "flicker": flicker, "troubles": troubles}


def test_nothing_goes_wrong_on_the_tour(tour):
    assert tour["troubles"] == []


@pytest.mark.parametrize("name", FIGURES.values())
def test_the_models_of_a_lesson_are_small(tour, course, name):
    files = tour["models"][name]
    assert sum(path.endswith("model.safetensors") for path in files) >= (1 if name in (FIGURES[2], FIGURES[6]) else 2)
    # The tour switches lesson 8's CLIP score on, without which it is 6 MB: 8.4 is over the plan, all others are not.
    assert served(course, files) <= (8_500_000 if name == FIGURES[8] else 8_000_000)


def test_figures_answer_in_time(tour):
    """Loosely, for machines differ; the times themselves are in out/course_times.json."""
    for time in tour["times"].values():
        assert 0 < time["first answer"] < 10_000
        assert 0 < time["ready, cold"] < 30_000
        assert 0 < time.get("20 steps", 1) < 20_000
        assert 0 < time.get("scrub", 1) < 1000
    assert 0 < tour["times"]["words-steer"]["ready, warm"] < 20_000


def test_the_page_never_hangs(tour):
    """Loosely too: what an idle machine needs is in the same file, and the note of a release tells it."""
    assert 1 < tour["tasks"][0] < 1000


def test_noise_flickers_no_faster_than_three_times_a_second(tour):
    for most in tour["flicker"].values():
        assert 1 < most <= 4
