"""The pages: what the real course becomes, and what is said when somebody writes something wrong."""

import fnmatch
import gzip
import html.parser
import json
import os
import re
import shutil
from pathlib import Path, PurePosixPath

import pytest
from PIL import Image

from bozzetto.course import build
from bozzetto.course.content import ContentError, read_toml
from bozzetto.course.figures import NEEDS
from bozzetto.course.pages import CSP
from bozzetto.errors import InvalidInput, NotBuilt, WeightsError
from bozzetto.runtime import store

PAGES_BUDGET = 150_000  # compressed bytes of a page with its styles

LESSON = """+++
number = 1
slug = "first"
title = "The first"
subtitle = "A figure"
group = "Groundwork"
minutes = 4
summary = "It says \\"what\\" and why."
figure = "shown"
+++

A [word](glossary:word) before anything.

## A picture

::: big-idea 1-picture
What is *seen*.
:::

## A figure

::: predict
What comes?

- This & that
- The other

It was *this*.
:::

::: figure shown
Look here.
:::

## Talk

About the figure, and back to [the start](lesson:1).

## Code

```python
print("<b>")
```
"""
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"><title>A dot</title><circle id="dot" r="1"/></svg>'
ITEM = """
[[item]]
lesson = 1
id = "item-{0}"
difficulty = 1
question = "Which?"
options = [{{ text = "a", why = "no" }}, {{ text = "b", right = true, why = "yes" }}, {{ text = "c", why = "no" }}]
"""


def link_root(root, *real):
    """A course folder with these parts of the real one, and scripts that are as good as built."""
    for name in real:
        (root / name).symlink_to(build.HERE / name)
    (root / "built/assets/js").mkdir(parents=True)
    (root / "built/assets/js/main.js").write_text("")
    return root


@pytest.fixture
def root(tmp_path):
    """A course of one lesson, to break."""
    link_root(tmp_path, "static", "templates")
    (tmp_path / "data/stills").mkdir(parents=True)
    Image.new("RGB", (8, 6)).save(tmp_path / "data/stills/shown.avif")
    (tmp_path / "data/stills.json").write_text('{"shown": {"prompt": "a dot", "seed": 7}}')
    (tmp_path / "data/home.json").write_text("[]")
    en = tmp_path / "content/en"
    for folder in ("pictures", "interface"):
        (en / folder).mkdir(parents=True)
    shutil.copy(build.HERE / "content/en/interface/site.toml", en / "interface")
    (en / "interface/shown.toml").write_text('title = "</script><b>"')
    (en / "pictures/1-picture.svg").write_text(SVG)
    (en / "home.md").write_text('+++\ntitle = "Home"\nsummary = "Here."\n+++\n\n::: lessons\n:::\n')
    (en / "glossary.toml").write_text('[word]\nterm = "word"\nmeans = "What is \\"said\\"."\nlesson = 1\n')
    (en / "quiz.toml").write_text("".join(map(ITEM.format, range(3))))
    (en / "1-first.md").write_text(LESSON)
    return tmp_path


@pytest.fixture(scope="module")
def real():
    return build.site()


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)

    def named(self, *names):
        return [attributes for tag, attributes in self.tags if tag in names]

    def with_class(self, name):
        return [tag for tag, attributes in self.tags if name in (attributes.get("class") or "").split()]


def page(site, path):
    return Page(site[path].decode())


def pages(site):
    return {path: Page(content.decode()) for path, content in site.items() if path.endswith(".html")}


@pytest.fixture(scope="module")
def real_pages(real):
    return pages(real)


# ---------------------------------------------------------------- the real course


def test_there_are_nine_lessons_and_the_pages_around_them(real, real_pages):
    cards = {path for path in real_pages if path.startswith("models/")}
    languages = [path for path in (build.HERE / "content").iterdir() if path.is_dir()]
    alone = {path for path in real_pages if path.startswith("figures/")}
    told = {path for path in real_pages if re.search(r"^lessons/[^/]+/(teacher|worksheet)/|^teachers/", path)}
    assert len(told) == 2 * 9 + 1
    assert len(real_pages) == len(languages) * (14 + len(cards) + len(alone) + len(told))
    assert [path.split("/")[1] for path in sorted(alone)] == sorted(NEEDS)
    assert {path.split("/")[1] for path in cards} == {
        path.parent.name for path in store.weights_folder().glob("*/README.md")
    }
    assert {
        "index.html",
        "glossary/index.html",
        "questions/index.html",
        "certificate/index.html",
        "404.html",
        "lessons/7-clip/index.html",
    } <= real.keys()


def test_every_link_leads_somewhere_in_the_site(real):
    assert links(real) > 300


def links(site):
    """How many links its pages have, each of which leads to a page or a place in one."""
    all_pages = pages(site)
    count = 0
    for path, one in all_pages.items():
        for attributes in one.named("a", "link", "script", "img"):
            target = attributes.get("href") or attributes.get("src")
            if not target or attributes.get("rel") == "external noreferrer":  # onward.toml, to follow by hand
                continue
            assert not re.match(r"[a-z]+:|/", target), f"{path}: {target} is not relative"
            file, _, fragment = target.partition("#")
            joined = PurePosixPath(path).parent / file if file else PurePosixPath(path)
            parts = []
            for part in joined.parts:
                parts.pop() if part == ".." else parts.append(part)
            found = "/".join(parts)
            assert found in site, f"{path}: {target}"
            if fragment and "=" not in fragment:  # which is the state of a figure
                assert fragment in [a.get("id") for _, a in all_pages[found].tags], f"{path}: {target}"
            count += 1
    return count


def language(path):
    return found[1] if (found := re.match(r"(\w\w)/", path)) else "en"


def test_a_link_stays_in_its_language_and_the_switch_leads_to_the_same_page(real_pages):
    for path, one in real_pages.items():
        links = [a for a in one.named("a") if not a["href"].startswith("#")]
        assert all("hreflang" in a or language(target(path, a["href"])) == language(path) for a in links), path
        for switch in (a for a in links if "hreflang" in a):
            assert language(target(path, switch["href"])) == switch["hreflang"] != language(path)
            assert re.sub(r"^\w\w/", "", target(path, switch["href"])) == re.sub(r"^\w\w/", "", path)


def test_every_page_can_be_read_and_keeps_the_policy(real_pages):
    for path, one in real_pages.items():
        assert len(one.named("h1")) == 1, path
        assert one.named("html")[0]["lang"] == language(path)
        assert one.named("meta")[1]["content"] == CSP
        assert len(one.named("main")) == 1 and one.named("title")
        assert [a for a in one.named("meta") if a.get("name") == "description" and a["content"]], path
        assert not one.named("style"), path
        for tag, attributes in one.tags:
            assert not [name for name in attributes if name == "style" or name.startswith("on")], (path, tag)
        assert all("src" in a or a.get("type") == "application/json" for a in one.named("script")), path
        ids = [a["id"] for _, a in one.tags if "id" in a]
        assert len(ids) == len(set(ids)), path
        assert all(a.get("alt") is not None and a["width"] and a["height"] for a in one.named("img")), path


def sheets(one, path):
    """The style sheets of a page, from the root of the site."""
    up = "../" * path.count("/")
    return [a["href"].removeprefix(up) for a in one.named("link") if a["rel"] == "stylesheet"]


def test_a_page_loads_the_styles_of_what_it_shows(real, real_pages):
    """One sheet for all pages, and the first page and each lesson one more; nobody waits for another lesson's."""
    for path, one in real_pages.items():
        lesson = re.search(r'<article class="(?:lesson|alone)" data-lesson="(\d)">', real[path].decode())
        first = re.fullmatch(r"(\w\w/)?index.html", path)
        own = [f"assets/lessons/{lesson[1]}.css"] if lesson else ["assets/home.css"] if first else []
        own += ["assets/alone.css"] if re.search(r"^(\w\w/)?figures/", path) else []
        own += ["assets/teachers.css"] if re.search(r"/(teacher|worksheet)/|^(\w\w/)?teachers/", path) else []
        assert sheets(one, path) == ["assets/site.css", *own], path
    styles = {path: real[path].read_text() for path in real if path.endswith(".css")}
    assert len(styles) == 6 + 9
    own = ("sorter-maker", "fakes", None, "spot-shot", "multiples", "reading", "map", "pipeline", "squares")
    for number, name in enumerate(own, 1):
        shown = {path for path, text in styles.items() if name and f".{name}" in text}
        assert shown == ({f"assets/lessons/{number}.css"} if name else set())
    drawing = {path for path, text in styles.items() if ".board canvas" in text}
    assert drawing == {f"assets/lessons/{number}.css" for number in (1, 3, 4, 6, 7, 9)}


def test_the_dark_palette_is_written_once(real):
    styles = "".join(real[path].read_text() for path in real if path.endswith(".css"))
    assert styles.count("#1c1713") == 1
    assert not re.search(r"@import|https?:|prefers-color-scheme", styles)


def test_a_page_and_its_styles_are_small(real, real_pages):
    for path, one in real_pages.items():
        styles = sum(len(gzip.compress(real[sheet].read_bytes())) for sheet in sheets(one, path))
        assert styles < (10_500 if "figures/" in path else 10_000), path  # which has few words to carry
        assert styles + len(gzip.compress(real[path])) < PAGES_BUDGET


def test_the_models_of_the_page_come_with_every_file_and_no_other_model(real):
    names = {path.rpartition("/")[0] for path in real if path.startswith("models/") and not path.endswith(".html")}
    assert {"models/" + name for name in build.MODELS} == names
    for name in build.MODELS:
        assert {f"models/{name}/{file}" for file in ("config.json", "graph.onnx", "model.safetensors")} <= real.keys()
    assert "models/clip/text/vocabulary.txt" in real
    assert all(isinstance(real[path], bytes) or real[path].is_file() for path in real)


def test_a_model_card_is_a_page_and_every_model_of_the_course_is_on_the_first_one(real):
    one = page(real, "models/clip/index.html")
    words = " ".join("".join(one.words).split())
    assert "naming top-1" in words and one.named("table")
    assert not re.search(r"<!--|library_name|\| ---|^#", words)
    home = [a["href"] for a in page(real, "index.html").named("a") if a["href"].startswith("models/")]
    told_with_another = {"few_steps", "enlarger"}
    assert {path.split("/")[1] for path in home} >= {name.split("/")[0] for name in build.MODELS} - told_with_another
    assert not [path for path in real if path.endswith(".md")]


def test_lesson_5_tells_of_the_gan_what_its_card_does():
    said = read_toml(build.HERE / "content/en/interface/speed-dial.toml")["gan"]
    cards = [(store.weights_folder() / name / "README.md").read_text() for name in ("gan", "diffusion")]
    assert re.findall(r"[\d.]+ %", said) == [
        re.search(r"^\| recall \| (\S+ %)", card, re.MULTILINE)[1] for card in cards
    ]
    lifelike = [float(re.search(r"^\| precision \| (\S+) %", card, re.MULTILINE)[1]) for card in cards]
    assert lifelike[0] > lifelike[1] + 10


def test_home_tells_what_the_models_files_tell(real):
    words = " ".join("".join(page(real, "index.html").words).split())
    folder = store.weights_folder()
    config = json.loads((folder / "text_to_image/config.json").read_text())
    megabytes = sum(file["bytes"] for file in config["files"].values()) / 1e6
    assert f"{megabytes:.1f} MB" in words
    parts = [json.loads((folder / "clip" / name / "config.json").read_text()) for name in ("text", "image", "order")]
    assert f"{sum(part['parameters'] for part in parts) / 1e6:.1f} million" == "7.1 million" in words
    megabytes = sum(file["bytes"] for part in parts for file in part["files"].values()) / 1e6
    assert f"{megabytes:.1f} MB" in words
    names = json.loads((build.HERE / "data/labels.json").read_text())["names"]
    assert f"Of {len(names):,} names it picks the right one" in words
    psnr = re.search(r"PSNR RGB on white, test pictures \| (\S+) dB", (folder / "autoencoder/README.md").read_text())
    assert f"{100 * 10 ** (-float(psnr[1]) / 20):.0f} %" == "2 %" in words
    card = (folder / "text_few_steps/README.md").read_text()

    def whole(measure: str, card: str) -> str:
        value = re.search(rf"^. {measure} . (\S+) %", card, re.MULTILINE)
        return f"{int(float(value[1]) + 0.5)} %"

    first, five = (whole(f"judge top-{k}", card) for k in (1, 5))
    assert f"names {first} of its drawings at the first guess and {five} within five" in words
    assert whole("naming top-1", (folder / "clip/README.md").read_text()) in words


# ---------------------------------------------------------------- for teachers


def test_a_teacher_finds_the_notes_and_the_answers_are_folded(real, real_pages):
    for path, one in real_pages.items():
        if not path.endswith("/teacher/index.html"):
            continue
        text = real[path].decode()
        states = re.findall(r'href="(\.\./\.\./\.\./figures/[^"]+)"', text)
        assert len(states) == 3 and text.count("<details") == 1
        assert "<summary" in text[text.index("<details") :] and len(one.named("details")) == 1
        lesson = page(real, path.replace("teacher/", ""))
        assert {"teacher/index.html", "worksheet/index.html"} <= {a.get("href") for a in lesson.named("a")}
        assert any((a.get("href") or "").endswith("/teachers/index.html") for a in lesson.named("a"))
        sheet = "".join(page(real, path.replace("teacher/", "worksheet/")).words)
        before = "Antes de mirar" if language(path) == "es" else "Before you look"
        assert before in sheet
        answers = text[text.index("<details") :]
        for answer in re.findall(r"<strong>.*?</strong> (.*?)</li>", answers):
            assert answer not in real[path.replace("teacher/", "worksheet/")].decode()


NOTES = "".join(f"{key} = 5\n" for key in ("read", "figure", "talk")) + 'guess = "Which?"\n'
NOTES += '[[wrong]]\nthink = "a"\nsay = "b"\n'
TASK = '[[task]]\ntitle = "t"\ndo = "d"\nask = "?"\nanswer = "*so*"\nbox = "Draw."\n'
NOTES += 3 * (TASK + 'state = { on = true, words = "a b&c" }\n')


def test_notes_of_a_lesson_become_its_pages(root):
    (root / "content/en/teacher").mkdir()
    (root / "content/en/teacher/1-first.toml").write_text(NOTES)
    site = build.site("en", root)
    text = site["lessons/1-first/teacher/index.html"].decode()
    assert "../../../figures/shown/index.html#shown.on=1&amp;shown.words=a+b%26c" in text
    assert "<em>so</em>" in text and "About 15 minutes" in text
    assert "teachers/index.html" not in site and "teachers/" not in "".join(map(str, page(site, "index.html").tags))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("1-first", "read = 5", 'read = "five"', "needs read, figure, talk in whole minutes"),
        ("1-first", 'say = "b"', "", "each .* needs think and say"),
        ("1-first", 'box = "Draw."', "", None),
        ("1-first", 'answer = "*so*"', "", "needs three .* title, do, ask, answer"),
        ("2-none", "", "", "there is no lesson 2-none"),
    ],
)
def test_a_mistake_in_notes_is_one_clear_line(root, name, old, new, message):
    (root / "content/en/teacher").mkdir()
    (root / f"content/en/teacher/{name}.toml").write_text(NOTES.replace(old, new, 1))
    if message is None:  # only the last one needs a box
        build.site("en", root)
        return
    with pytest.raises(ContentError, match=rf"{name}\.toml: {message}"):
        build.site("en", root)


# ---------------------------------------------------------------- one figure


@pytest.mark.parametrize("name", NEEDS)
def test_a_figure_alone_takes_what_it_needs_and_no_more(real, name):
    """What it asks for as it is used, tests/figures/ compare with this."""
    site = build.one_figure(name)
    assert [path for path in site if path.endswith(".html") and not path.startswith("models/")] == [
        f"figures/{name}/index.html"
    ]
    assert links(site) > 4
    same = [path for path in site if not path.endswith(".html")]
    assert {path: real[path] for path in same} == {path: site[path] for path in same}
    scripts = [path for path in site if path.startswith("assets/js/")]
    assert [path for path in scripts if ".figure-" in path] == [path for path in scripts if f"/{name}.figure-" in path]
    assert {"assets/js/main.js", "assets/js/theme.js", "assets/js/worker.js", "assets/site.css"} <= site.keys()
    assert len([path for path in site if path.startswith("assets/lessons/")]) == 1
    for path in scripts:
        for other in re.findall(r'from"\./([\w.-]+)"', site[path].read_text()):
            assert f"assets/js/{other}" in site, path
    models, data = NEEDS[name]
    assert {path.rpartition("/")[0] for path in site if path.endswith("config.json")} == {f"models/{m}" for m in models}
    for pattern in data:
        assert fnmatch.filter(site, f"data/{pattern}"), pattern
    assert sum(map(size_of, site.values())) < sum(map(size_of, real.values()))


def test_a_figure_alone_in_another_language_says_nothing_of_the_others():
    site = build.one_figure("words-steer", "es")
    assert links(site) > 4
    for path, one in pages(site).items():
        assert one.named("html")[0]["lang"] == "es", path
        assert not [a for _, a in one.tags if "hreflang" in a], path


def size_of(content):
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def test_a_figure_that_is_not_there_is_said_with_all_that_are():
    for name in ("words-stee", "../index", "", "<b>"):
        with pytest.raises(InvalidInput, match=f"figure {name!r} is unknown: .*sorter-maker.*same-blocks") as caught:
            build.one_figure(name)
        assert caught.value.field == "figure"


# ---------------------------------------------------------------- what the pieces become


def test_a_lesson_becomes_parts_with_a_figure_beside_what_is_said_about_it(root):
    one = page(build.site("en", root), "lessons/1-first/index.html")
    kinds = [a["class"] for a in one.named("section")]
    assert kinds == ["part part-picture", "part part-figure", "part part-code", "quiz", "quiz mixed"]
    assert "bz-shown" in [tag for tag, _ in one.tags]
    text = "".join(one.words)
    assert text.index("before anything") < text.index("What is") < text.index("About the figure") < text.index("Which?")
    assert "It says “what” and why." in text
    assert "a dot" in text and "seed 7" in text


def test_every_block_of_code_stands_beside_its_own_words_and_so_do_the_ways_onward(root):
    lesson, onward = root / "content/en/1-first.md", root / "content/en/onward.toml"
    lesson.write_text(LESSON + "\nOr *two*:\n\n```sh\nls\n```\n\n## Next\n\nGo.\n\n::: onward\n:::\n")
    onward.write_text('as_of = "2026-11"\n')
    one = build.site("en", root)["lessons/1-first/index.html"].decode()
    parts = re.findall(r'<section class="part (part-\w+)">(.*?)</section>', one, re.DOTALL)
    assert [kind for kind, _ in parts[-3:]] == ["part-code", "part-code", "part-onward"]
    assert [body.count("<pre") for _, body in parts[-3:]] == [1, 1, 0]
    for (_, body), words in zip(parts[-3:], ("Code", "<em>two</em>", "Go."), strict=True):
        before = re.search(r'<div class="words before">(.*?)</div>', body, re.DOTALL)
        assert before and words in before[1]


def test_a_glossary_word_links_to_its_meaning_and_carries_it(root):
    site = build.site("en", root)
    word = next(a for a in page(site, "lessons/1-first/index.html").named("a") if a.get("class") == "term")
    assert word["href"] == "../../glossary/index.html#word"
    assert word["data-means"] == "What is “said”."
    assert "word" in [a.get("id") for a in page(site, "glossary/index.html").named("div")]


def test_predict_and_quiz_work_without_scripts(root):
    one = page(build.site("en", root), "lessons/1-first/index.html")
    radios = [a for a in one.named("input") if a["type"] == "radio"]
    assert len(radios) == 2 + 3 * 3
    assert len({a["name"] for a in radios}) == 4
    assert len(one.named("details")) == 1 + 3
    assert len(one.with_class("why")) == 9
    assert len([a for _, a in one.tags if "data-right" in a]) == 3
    assert "This & that" in "".join(one.words)


def test_strings_cannot_end_their_script(root):
    text = build.site("en", root)["lessons/1-first/index.html"].decode()
    blob = re.search(r'<script type="application/json" id="strings">(.*?)</script>', text)[1]
    assert json.loads(blob)["shown"]["title"] == "</script><b>"
    assert "theme-auto" in json.loads(blob)["site"]


def test_only_the_first_three_items_are_asked_and_html_in_text_is_text(root):
    en = root / "content/en"
    (en / "quiz.toml").write_text("".join(map(ITEM.format, range(5))).replace("Which?", "Is <b> bold?"))
    one = page(build.site("en", root), "lessons/1-first/index.html")
    assert len(one.with_class("question")) == 3
    assert "Is <b> bold?" in "".join(one.words)


def test_what_is_not_measured_is_said(root, tmp_path):
    weights = tmp_path / "weights"
    shutil.copytree(store.weights_folder(), weights)
    (weights / "clip/README.md").write_text("# Mine")
    (root / "content/en/home.md").write_text('+++\ntitle = "Home"\nsummary = "Here."\n+++\n\n::: models\n:::\n')
    site = build.site("en", root, weights)
    assert "".join(page(site, "index.html").words).count("Not measured yet.") == 1
    change(weights / "gan/README.md", "| coverage |", "| covering |")
    with pytest.raises(ContentError, match=r"'coverage', which is no measure in .*gan/README\.md"):
        build.site("en", root, weights)


def test_the_404_page_of_a_server_has_links_from_the_top(root):
    one = Page(build.not_found_pages("en", root)[""].decode())
    assert all(a["href"].startswith("/") for a in one.named("link"))


# ---------------------------------------------------------------- languages


@pytest.fixture
def two(root):
    """The course of one lesson in a second language."""
    es = root / "content/es"
    shutil.copytree(root / "content/en", es)
    change(es / "interface/site.toml", 'language = "English"', 'language = "Español"')
    change(es / "interface/site.toml", 'numbers = ".,"', 'numbers = ",."')
    change(es / "1-first.md", "The first", "La primera")
    (es / "home.md").write_text('+++\ntitle = "Inicio"\nsummary = "Aquí."\n+++\n\n::: models\n:::\n')
    return root


def test_each_language_has_a_404_page_for_a_server(two):
    found = build.not_found_pages("es", two)
    assert [*found] == ["", "en/"]
    for folder, lang in (("", "es"), ("en/", "en")):
        page = found[folder].decode()
        assert f'<html lang="{lang}"' in page and f'href="/{folder}index.html"' in page


def target(path, link):
    return os.path.normpath(PurePosixPath(path).parent / link.partition("#")[0])


@pytest.mark.parametrize("first", ["en", "es"])
def test_one_language_is_at_the_top_and_the_other_in_its_folder(two, first):
    site = build.site(first, two)
    (second,) = {"en", "es"} - {first}
    here = {path for path in pages(site) if not path.startswith(f"{second}/")}
    assert pages(site).keys() == here | {f"{second}/{path}" for path in here}
    assert not [path for path in site if path.startswith(f"{second}/") and not path.endswith(".html")]
    for path, one in pages(site).items():
        lang, twin = (second, path[3:]) if path.startswith(f"{second}/") else (first, f"{second}/{path}")
        assert one.named("html")[0]["lang"] == lang
        alternates = {a["hreflang"]: target(path, a["href"]) for a in one.named("link") if a["rel"] == "alternate"}
        assert alternates == {lang: path, ({"en", "es"} - {lang}).pop(): twin}
        switches = [a for a in one.named("a") if "hreflang" in a]
        bare = re.search(r"(^|/)figures/", path)  # these have nothing around them
        assert [target(path, switch["href"]) for switch in switches] == ([] if bare else [twin])
        for link in one.named("a"):
            if link not in switches and not link["href"].startswith("#"):
                assert target(path, link["href"]).startswith(f"{second}/") == (lang == second), (path, link)
        shared = [a["src"] for a in one.named("script", "img") if not a.get("src", "theme.js").endswith("theme.js")]
        assert shared and all(target(path, file) in site for file in shared), (path, shared)
    assert "La primera" in site[f"{'' if first == 'es' else 'es/'}lessons/1-first/index.html"].decode()


def test_numbers_are_written_as_the_language_does(two):
    site = build.site("en", two)
    words = " ".join("".join(page(site, "es/index.html").words).split())
    assert re.search(r"\d,\d MB", words) and not re.search(r"\d\.\d MB", words)
    assert re.search(r"\d,\d million", words)
    assert re.search(r"\d\.000 examples", words)


def test_what_was_measured_is_said_in_whole_percent(real):
    """Decibels too: 33.4 dB are 2 % between black and white."""
    for path in ("index.html", "es/index.html"):
        words = " ".join(page(real, path).words)
        assert re.search(r"\b2\s%", words) and not re.search(r"\d[.,]\d+\s%|dB", words)


def test_a_course_of_one_language_has_no_switch(root):
    for one in pages(build.site("en", root)).values():
        assert not one.with_class("languages") and not [a for _, a in one.tags if "hreflang" in a]


UNFINISHED = {
    "no lesson": ("1-first.md", None, None, r"es/1-first\.md: the file is missing, which en has"),
    "no strings": ("interface/shown.toml", None, None, r"es/interface/shown\.toml: the file is missing"),
    "no string": ("interface/site.toml", 'skip = "', 'skipp = "', r"es/interface/site\.toml: skip is missing"),
    "no entry": (
        "glossary.toml",
        "[word]",
        "[other]",
        r"es/glossary\.toml: word is missing, which .*en/glossary\.toml",
    ),
    "no item": ("quiz.toml", ITEM.format(2), "", r"es/quiz\.toml: item\.2 is missing"),
    "another right": ("quiz.toml", "right = true, ", "", r"es/quiz\.toml: item\.0\.options\.1\.right is missing"),
}


@pytest.mark.parametrize("gap", UNFINISHED)
def test_a_translation_that_is_not_complete_says_what_is_missing(two, gap):
    file, old, new, message = UNFINISHED[gap]
    path = two / "content/es" / file
    if old is None:
        path.unlink()
    else:
        change(path, old, new)
    with pytest.raises(ContentError, match=message):
        build.site("en", two)


def test_a_translation_that_has_more_is_named(two):
    (two / "content/es/2-second.md").write_text(LESSON)
    with pytest.raises(ContentError, match=r"en/2-second\.md: the file is missing, which es has"):
        build.site("en", two)


# ---------------------------------------------------------------- mistakes


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


MISTAKES = {
    "glossary word": ("1-first.md", "glossary:word", "glossary:wort", r"1-first\.md:12: 'wort' is not in glossary"),
    "lesson link": ("1-first.md", "lesson:1", "lesson:4", r"1-first\.md:\d+: there is no lesson '4'"),
    "page link": ("1-first.md", "lesson:1", "page:news", r"1-first\.md:\d+: there is no page 'news': choose one of"),
    "figure": ("1-first.md", "::: figure shown", "::: figure other", r"1-first\.md:31: unknown figure 'other'"),
    "figure path": ("1-first.md", "::: figure shown", "::: figure ../x", r"1-first\.md:31: unknown figure"),
    "front figure": ("1-first.md", 'figure = "shown"', 'figure = "else"', r"1-first\.md: .*'else' is not in the text"),
    "front key": ("1-first.md", "minutes = 4", 'minutes = "4"', r"1-first\.md: the front matter needs minutes as int"),
    "front syntax": ("1-first.md", "minutes = 4", "minutes =", r"1-first\.md: front matter: .*line 6"),
    "no front matter": ("1-first.md", "+++", "", r"1-first\.md:1: the file must start with front matter"),
    "slug": ("1-first.md", 'slug = "first"', 'slug = "one"', r"1-first\.md: .*1-one\.md"),
    "picture": ("1-first.md", "1-picture", "1-none", r"1-first\.md:16: the picture pictures/1-none\.svg is missing"),
    "container": ("1-first.md", "::: figure shown", "::: figur shown", r"1-first\.md:31: unknown container '::: figur"),
    "name": ("1-first.md", "::: predict", "::: predict now", r"1-first\.md:22: `::: predict` takes no name"),
    "unclosed": ("1-first.md", "What is *seen*.\n:::", "What is *seen*.", r"1-first\.md:16: a heading inside"),
    "one option": ("1-first.md", "- The other\n", "", r"1-first\.md:22: a predict needs two options"),
    "no answer": ("1-first.md", "It was *this*.\n", "", r"1-first\.md:22: a predict is a question"),
    "long option": ("1-first.md", "- The other", "- The other\n\n  and more", r"1-first\.md:26: an option is one line"),
    "link in an option": (
        "1-first.md",
        "- The other",
        "- [The](glossary:word)",
        r"1-first\.md:26: an option holds no l",
    ),
    "no right option": ("quiz.toml", "right = true, ", "", r"quiz\.toml: item item-0 has 0 right options"),
    "two right options": ("quiz.toml", 'text = "a"', 'text = "a", right = true', r"item-0 has 2 right options"),
    "no why": ("quiz.toml", ', why = "yes"', "", r"quiz\.toml: item item-0: an option needs a text and a why"),
    "two options": ("quiz.toml", ', { text = "c", why = "no" }', "", r"item-0 needs a question and three or four"),
    "no id": ("quiz.toml", 'id = "item-1"', "", r"quiz\.toml: item 2 needs an id"),
    "same id": ("quiz.toml", 'id = "item-1"', 'id = "item-0"', r"quiz\.toml: item item-0: another item has this id"),
    "quiz lesson": ("quiz.toml", "lesson = 1", "lesson = 2", r"quiz\.toml: item item-0 needs lesson"),
    "few items": ("quiz.toml", ITEM.format(2), "", r"1-first\.md: quiz\.toml has 2 items for this lesson, it needs 3"),
    "quiz syntax": ("quiz.toml", "[[item]]", "[[item", r"quiz\.toml: .*line 2"),
    "glossary": ("glossary.toml", 'means = "What is \\"said\\"."', "", r"glossary\.toml: \[word\] needs term, means"),
    "svg script": ("pictures/1-picture.svg", "</svg>", "<script/></svg>", r"1-picture\.svg: script is not allowed"),
    "svg style": ("pictures/1-picture.svg", 'r="1"', 'r="1" style="fill:red"', r"1-picture\.svg: style is not allowed"),
    "svg event": ("pictures/1-picture.svg", 'r="1"', 'r="1" onclick="x"', r"1-picture\.svg: onclick is not allowed"),
    "svg title": ("pictures/1-picture.svg", "<title>A dot</title>", "", r"1-picture\.svg: a picture is an <svg>"),
    "svg syntax": ("pictures/1-picture.svg", "</svg>", "", r"1-picture\.svg: "),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_line(root, mistake):
    file, old, new, message = MISTAKES[mistake]
    build.site("en", root)
    change(root / "content/en" / file, old, new)
    with pytest.raises(ContentError, match=message) as caught:
        build.site("en", root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["quiz.toml", "glossary.toml", "home.md", "interface/site.toml"])
def test_a_missing_file_is_named(root, file):
    (root / "content/en" / file).unlink()
    with pytest.raises(ContentError, match=re.escape(file)):
        build.site("en", root)


def test_a_still_that_is_no_picture_is_named(root):
    (root / "data/stills/shown.avif").write_bytes(b"")
    with pytest.raises(ContentError, match=r"shown\.avif"):
        build.site("en", root)


def test_a_language_that_is_not_there(root):
    for lang in ("xx", "../en", "en/pictures", "", "."):
        with pytest.raises(InvalidInput, match=f"lang {lang!r} is unknown: choose one of en") as caught:
            build.site(lang, root)
        assert caught.value.field == "lang"


def test_scripts_that_are_not_built(root):
    shutil.rmtree(root / "built")
    with pytest.raises(NotBuilt, match="npm ci && npm run build"):
        build.site("en", root)


def test_a_damaged_model_is_named(root, tmp_path):
    weights = tmp_path / "weights"
    shutil.copytree(store.weights_folder(), weights)
    with Path(weights / "clip/text/graph.onnx").open("ab") as file:
        file.write(b"!")
    with pytest.raises(WeightsError, match=r"clip/text/graph\.onnx"):
        build.site("en", root, weights)
