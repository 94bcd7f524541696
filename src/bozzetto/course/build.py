"""The site of the course as a mapping of URL path to its bytes, or to the file that holds them.

Lessons are Markdown in `content/<lang>/`; quiz, glossary and strings are TOML beside them: a translation is a folder.
One language stands at the top of the site, each other in a folder of its name; they share assets, models and data.
Figures are custom elements; `npm run build` bundles their scripts and all styles into `built/`. The models they run are
files of the weights folder, and their cards are pages. Markdown's containers (`::: figure`, `::: predict`, ...) become
the macros of templates/parts.html.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode
from markupsafe import Markup
from mdit_py_plugins.container import container_plugin
from PIL import Image

from bozzetto.course.content import (
    LESSON,
    ContentError,
    Source,
    check_translation,
    read_glossary,
    read_quiz,
    read_source,
    read_svg,
    read_teacher,
    read_toml,
)
from bozzetto.course.figures import NEEDS
from bozzetto.errors import NotBuilt, one_of
from bozzetto.families import BY_NAME, FAMILIES
from bozzetto.runtime import reading, store

Site = dict[str, bytes | Path]

HERE = Path(__file__).parent
CSP = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; worker-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'"
)
MODELS = tuple(folder for family in FAMILIES for folder in family.served)
CONTAINERS = ("figure", "big-idea", "predict", "mixup", "recap", "products", "onward", "drawn", "lessons", "models")
# What stands beside the words, and how the part of the page is then called.
STAGES = {
    "container_figure": "figure",
    "container_big-idea": "picture",
    "container_drawn": "drawn",
    "fence": "code",
}
PAGES = ("glossary", "questions", "certificate", "teachers")
HOME_STRINGS = ("shell", "draw")  # for the field of the first page
QUIZ_ITEMS = 3
DEEDS = ["read", "played"]  # what a learning platform counts of a lesson, beside its questions
NOT_BUILT = "the scripts of the course are not built: run `npm ci && npm run build`, or `make course`"


@dataclass(frozen=True)
class Part:
    """What stands under one heading: words, and perhaps one figure or picture beside them."""

    kind: str
    before: Markup
    stage: Markup
    after: Markup


def site(lang: str = "en", root: Path = HERE, weights: Path | None = None, scorm: bool = False) -> Site:
    """Every page and file of the course, by its path under the site's root. The pages in the language `lang` stand at
    the top. `scorm`: with what makes it a package for learning platforms.

    Raises InvalidInput for a language that is not there, ContentError for a mistake in the content, NotBuilt when the
    scripts are not built, and WeightsError when a model is missing or damaged.
    """
    weights = weights or store.weights_folder()
    files = _files(root) | _models(MODELS, weights)
    courses = _courses(lang, root, weights, scorm=scorm)
    for course in courses:
        files |= course.pages()
    if not scorm:
        return files
    [first, *_] = courses
    parts = [
        {"lesson": str(lesson["number"]), "deeds": DEEDS, "items": [item["id"] for item in first.asked(lesson)]}
        for lesson in first.lessons
    ]
    return first.package(files, f"{first.text['name']}: {first.home.front['title']}", "index.html", parts)


def one_figure(
    name: str, lang: str = "en", root: Path = HERE, weights: Path | None = None, scorm: bool = False
) -> Site:
    """The part of the site that shows one figure alone: its page, scripts and styles, its models with their cards, and
    its data, each where the whole site has it.

    Raises what `site` does, and InvalidInput for a figure that is not there.
    """
    weights = weights or store.weights_folder()
    course = _courses(lang, root, weights, whole=False, scorm=scorm)[0]
    one_of("figure", name, course.figures)
    lesson = course.lessons[course.figures.index(name)]
    models, data = NEEDS[name]
    files, cards = _files(root), {f"models/{model.split('/')[0]}/index.html" for model in models}
    wanted = _scripts(files, name) | {f"assets/lessons/{lesson['number']}.css"}
    patterns = [f"data/{pattern}" for pattern in (*data, f"stills/{name}.avif", f"recorded/{name}.*")]
    wanted |= {path for path in files if any(fnmatch(path, pattern) for pattern in patterns)}
    some = ("assets/js/", "assets/lessons/", "data/")
    page = f"figures/{name}/index.html"
    alone: Site = {
        **{path: file for path, file in files.items() if path in wanted or not path.startswith(some)},
        **_models(models, weights),
        **{path: card for path, card in course.cards().items() if path in cards},
        page: course.figure(name),
    }
    if not scorm:
        return alone
    part = {"lesson": str(lesson["number"]), "deeds": ["played"], "items": []}
    return course.package(alone, f"{course.text['name']}: {lesson['subtitle']}", page, [part])


def _files(root: Path) -> Site:
    """What the pages load: scripts, styles and data."""
    if not (root / "built/assets/js/main.js").is_file():
        raise NotBuilt(NOT_BUILT)
    files: Site = {f"assets/{path.name}": path for path in sorted((root / "static").iterdir())}
    for folder, place in ((root / "built/assets", "assets"), (root / "data", "data")):
        files |= {
            f"{place}/{path.relative_to(folder).as_posix()}": path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix != ".br"  # packed, which is no page's but the server's
        }
    files["data/emoji.tsv"] = reading.NAMES
    return files


def _scripts(files: Site, figure: str) -> set[str]:
    """The scripts of a page with this figure alone: those that import each other, but for other figures."""
    found, waiting = set(), {"main.js", "theme.js", "worker.js", "scorm.js"}
    while waiting:
        path = f"assets/js/{waiting.pop()}"
        found.add(path)
        source = files[path]
        assert isinstance(source, Path)
        for name in re.findall(r'"\./([\w.-]+\.js)"', source.read_text(encoding="utf-8")):
            other = ".figure-" in name and not name.startswith(f"{figure}.figure-")
            if not other and f"assets/js/{name}" not in found:
                waiting.add(name)
    return found


def not_found_pages(lang: str = "en", root: Path = HERE) -> dict[str, bytes]:
    """The 404 pages for a server at the root of its host, each by the folder of its language, "" for the first. They
    are asked for at any depth, so their links start with /."""
    courses = _courses(lang, root, store.weights_folder())
    return {course.place: course.not_found(f"/{course.place}") for course in courses}


def _courses(lang: str, root: Path, weights: Path, whole: bool = True, scorm: bool = False) -> "list[_Course]":
    """The course in every language, `lang` first; one that is not `whole` has no pages in another language."""
    langs = sorted(path.name for path in (root / "content").iterdir() if path.is_dir())
    one_of("lang", lang, langs)
    others = [other for other in langs if other != lang]
    for other in others:
        check_translation(root / "content" / other, root / "content" / lang)
    places = {lang: ""} | {other: f"{other}/" for other in others}
    courses = [_Course(name, root, weights, place, whole, scorm) for name, place in places.items()]
    for course in courses:
        course.templates.globals["courses"] = courses if whole else []
    return courses


def _models(names: Iterable[str], weights: Path) -> Site:
    """Models that figures run."""
    files: Site = {}
    for name in names:
        model = store.open_model(name, weights)
        files |= {f"models/{name}/{file}": model.path / file for file in ("config.json", *model.config["files"])}
    return files


class _Course:
    """One language of the course, whose pages stand in the folder `place` of the site."""

    def __init__(
        self, lang: str, root: Path, weights: Path, place: str = "", whole: bool = True, scorm: bool = False
    ) -> None:
        self.lang, self.root, self.weights, self.place = lang, root, weights, place
        self.up = "../" if place else ""  # from the top of its pages to the top of the site
        self.folder = root / "content" / lang
        self.strings = {path.stem: read_toml(path) for path in sorted((self.folder / "interface").glob("*.toml"))}
        if "site" not in self.strings:
            raise ContentError(f"{self.folder / 'interface/site.toml'}: the strings of the pages are missing")
        self.text = self.strings["site"]
        if scorm:  # a platform keeps what is done, where else only the browser does
            told = self.text["platform"]
            self.text |= told["pages"] | {"script": self.text["script"] | told["script"]}
        self.marks = str.maketrans(".,", self.text["numbers"])
        self.markdown = _markdown(self.text["quotes"])
        self.sources = [read_source(path, LESSON) for path in sorted(self.folder.glob("[0-9]*-*.md"))]
        self.lessons = [self._lesson_facts(source) for source in self.sources]
        for number, (source, lesson) in enumerate(zip(self.sources, self.lessons, strict=True), 1):
            if lesson["number"] != number:
                raise source.error(f"number is {lesson['number']}, but this is lesson {number} of the folder")
        self.glossary = read_glossary(self.folder / "glossary.toml", len(self.lessons))
        self.quiz = read_quiz(self.folder / "quiz.toml", len(self.lessons))
        self.templates = Environment(
            loader=FileSystemLoader(root / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.filters |= {"inline": self.inline, "fixed": self.fixed, "alone": self.alone}
        self.teachers = self.folder / "teachers.md"
        self.notes = {path.stem: read_teacher(path) for path in sorted((self.folder / "teacher").glob("*.toml"))}
        for name in self.notes:
            if name not in [source.path.stem for source in self.sources]:
                raise ContentError(f"{self.folder / 'teacher' / name}.toml: there is no lesson {name}")
        # The upright ones are on every page, so they are asked for at once.
        fonts = sorted(path.name for path in (root / "built/assets/fonts").glob("*-normal-*.woff2"))
        self.templates.globals |= {
            "csp": CSP,
            "lang": lang,
            "up": self.up,
            "lessons": self.lessons,
            "s": self.text,
            "whole": whole,
            "bare": not whole,
            "teachers": self.teachers.is_file(),
            "fonts": fonts,
        }

    def pages(self) -> Site:
        pages: Site = {lesson["path"]: self._lesson(i) for i, lesson in enumerate(self.lessons)}
        terms = sorted(self.glossary.items(), key=lambda item: item[1]["term"].casefold())
        pages["glossary/index.html"] = self._page("glossary.html", "glossary/index.html", terms=terms)
        bank = [(lesson, [x for x in self.quiz if x["lesson"] == lesson["number"]]) for lesson in self.lessons]
        about = {"questions": self.strings.get("questions", {})}
        pages["questions/index.html"] = self._page("questions.html", "questions/index.html", about, bank=bank)
        pages["certificate/index.html"] = self._page("certificate.html", "certificate/index.html", about, bank=bank)
        home = self.home
        parts = _Text(self, home, "", home.front).parts()
        strings = {name: self.strings[name] for name in HOME_STRINGS if name in self.strings}
        pages["index.html"] = self._page("home.html", "index.html", strings, page=home.front, parts=parts)
        pages["404.html"] = self.not_found("")
        pages |= {f"figures/{name}/index.html": self.figure(name) for name in self.figures}
        pages |= self._for_teachers() | self.cards()
        return {self.place + path: page for path, page in pages.items()}

    def _for_teachers(self) -> Site:
        """A page and a worksheet for each lesson of which teachers are told something, and one page for all."""
        pages: Site = {}
        for lesson in self.lessons:
            folder, notes = lesson["path"].removesuffix("index.html"), self.notes.get(lesson["name"])
            if notes:
                more: dict[str, Any] = {"page": lesson, "notes": notes}
                for name in ("teacher", "worksheet"):
                    path = f"{folder}{name}/index.html"
                    pages[path] = self._page(f"{name}.html", path, **more, bare=name == "worksheet")
        if self.teachers.is_file():
            source = read_source(self.teachers, {"title": str, "summary": str})
            parts = _Text(self, source, "../", source.front).parts()
            values: dict[str, Any] = {"page": source.front, "parts": parts, "notes": self.notes}
            pages["teachers/index.html"] = self._page("teachers.html", "teachers/index.html", **values)
        return pages

    def alone(self, lesson: Mapping[str, Any], state: Mapping[str, Any]) -> str:
        """Where a lesson's figure stands alone, in a state."""
        values = {key: int(value) if isinstance(value, bool) else value for key, value in state.items()}
        fragment = urlencode({f"{lesson['figure']}.{key}": value for key, value in values.items()})
        return f"figures/{lesson['figure']}/index.html" + (f"#{fragment}" if fragment else "")

    @property
    def home(self) -> Source:
        return read_source(self.folder / "home.md", {"title": str, "summary": str})

    @property
    def figures(self) -> list[str]:
        """Their names, in the order of the lessons."""
        return [lesson["figure"] for lesson in self.lessons]

    def figure(self, name: str) -> bytes:
        """A lesson's figure alone."""
        index = self.figures.index(name)
        text = _Text(self, self.sources[index], "../../", self.lessons[index])
        text.parts()
        more: dict[str, Any] = {"page": self.lessons[index], "figure": text.figures[name], "bare": True}
        return self._page("figure.html", f"figures/{name}/index.html", self._words(name), **more)

    def cards(self) -> Site:
        cards = {f"models/{card.parent.name}/index.html": card for card in sorted(self.weights.glob("*/README.md"))}
        return {path: self._card(path, card.read_text("utf-8")) for path, card in cards.items()}

    def _card(self, path: str, text: str) -> bytes:
        """A model card as a page; its front matter and the marks of what scripts fill in are for others."""
        text = re.sub(r"\A---\n.*?^---$|<!--.*?-->", "", text, flags=re.DOTALL | re.MULTILINE)
        title = re.search(r"^# (.+)$", text, re.MULTILINE)
        if not title:
            text = f"# {self.text['card_kicker']}\n\n{text}"
        name = title[1] if title else self.text["card_kicker"]
        return self._page("card.html", path, title=name, body=Markup(self.markdown.render(text)))

    def not_found(self, top: str) -> bytes:
        return self._page("not_found.html", "404.html", top=top)

    def _lesson_facts(self, source: Source) -> dict[str, Any]:
        name = f"{source.front['number']}-{source.front['slug']}"
        if source.path.stem != name:
            raise source.error(f"by number and slug this file is {name}.md")
        words = {key: self.inline(source.front[key]).striptags() for key in ("title", "subtitle", "group", "summary")}
        idea = re.search(r"^::: big-idea (.+)$", source.text, re.MULTILINE)
        about = {"name": name, "path": f"lessons/{name}/index.html", "idea": idea and idea[1]}
        return source.front | words | about

    def package(self, files: Site, title: str, page: str, parts: list[dict[str, Any]]) -> Site:
        """The files with what makes them a package after SCORM 1.2: a page around theirs that reports to a learning
        platform, and the list of all that is in it. `page` is opened first; `parts` are what counts."""
        frame = self._page("scorm.html", "scorm/index.html", title=title, first=page, parts=json.dumps(parts))
        files = {**files, "scorm/index.html": frame}
        manifest = self.templates.get_template("imsmanifest.xml").render(title=title, files=sorted(files))
        return {"imsmanifest.xml": manifest.encode(), **files}

    def asked(self, lesson: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The questions at the end of a lesson."""
        return [item for item in self.quiz if item["lesson"] == lesson["number"]][:QUIZ_ITEMS]

    def inline(self, text: str) -> Markup:
        """A line from a TOML file with its emphasis and the quotes of the language."""
        return Markup(self.markdown.renderInline(text))

    def fixed(self, value: float, digits: int = 0) -> str:
        """A number with so many digits after the point, as the language writes it."""
        return f"{value:,.{digits}f}".translate(self.marks)

    def _lesson(self, index: int) -> bytes:
        source, lesson = self.sources[index], self.lessons[index]
        text = _Text(self, source, "../../", lesson)
        parts = text.parts()
        if lesson["figure"] not in text.figures:
            raise source.error(f"the front matter's figure {lesson['figure']!r} is not in the text")
        items = self.asked(lesson)
        if len(items) < QUIZ_ITEMS:
            raise source.error(f"quiz.toml has {len(items)} items for this lesson, it needs {QUIZ_ITEMS}")
        before, after = self.lessons[index - 1] if index else None, (*self.lessons, None)[index + 1]
        strings = self._words(*text.figures)
        more: dict[str, Any] = {
            "page": lesson,
            "parts": parts,
            "quiz": items,
            "before": before,
            "after": after,
        }
        told = lesson["name"] in self.notes
        return self._page("lesson.html", lesson["path"], strings, told=told, **more)

    def _words(self, *figures: str) -> dict[str, Any]:
        """The strings of a page that has these figures."""
        elsewhere = {"site", *HOME_STRINGS[1:], *(lesson["figure"] for lesson in self.lessons)} - set(figures)
        return {name: words for name, words in self.strings.items() if name not in elsewhere}

    def _page(
        self, template: str, path: str, strings: Mapping[str, Any] | None = None, top: str = "", **more: Any
    ) -> bytes:
        """The page at this path of the language. `top` is where its pages begin, as seen from it."""
        more |= {"path": path, "root": top or "../" * path.count("/")}
        blob = json.dumps({"site": self.text["script"], **(strings or {})}, ensure_ascii=False, separators=(",", ":"))
        # Inside a script element only "<" could end it.
        safe = Markup(blob.replace("<", "\\u003c"))
        return self.templates.get_template(template).render(strings=safe, **more).encode()

    def still(self, name: str) -> dict[str, Any]:
        """The picture that stands where a figure is or will be: its place, size, and what it is, in a sentence."""
        picture = self._picture_file(f"data/stills/{name}.avif")
        facts = self._facts("stills.json").get(name)
        if facts:
            means, alt = (self.text[key].format(**facts) for key in ("still", "still_alt"))
            return picture | {"means": means, "alt": alt}
        if name not in self.text["stills"]:
            raise ContentError(f"{picture['src']}: needs its prompt in data/stills.json or a sentence in site.toml")
        return picture | dict.fromkeys(("means", "alt"), self.text["stills"][name])

    def drawn(self) -> list[dict[str, Any]]:
        return [self._picture_file(f"data/home/{entry['file']}") | entry for entry in self._facts("home.json")]

    def _facts(self, name: str) -> Any:
        try:
            return json.loads((self.root / "data" / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ContentError(f"{self.root / 'data' / name}: cannot be read ({error})") from error

    def _picture_file(self, src: str) -> dict[str, Any]:
        try:
            with Image.open(self.root / src) as image:
                return {"src": self.up + src, "width": image.width, "height": image.height}
        except OSError as error:
            raise ContentError(f"{self.root / src}: needs a picture here ({error})") from error

    def _dated(self, path: Path) -> tuple[dict[str, Any], dict[str, str]]:
        """A file with the month in which somebody looked through it: the rest of it, and that month in words."""
        fields = read_toml(path)
        date = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", str(fields.pop("as_of", "")))
        if not date:
            raise ContentError(f"{path}: as_of needs a year and a month")
        return fields, {"year": date[1], "month": self.text["months"][int(date[2]) - 1]}

    def products(self) -> dict[str, Any]:
        fields, date = self._dated(path := self.root / "content/products.toml")
        if unknown := set(fields) - set(self.text["products"]):
            raise ContentError(f"{path}: [products] in site.toml has no {min(unknown)}")
        return date | {"fields": fields}

    def onward(self) -> dict[str, Any]:
        """Links to other people's pages, in groups."""
        fields, date = self._dated(path := self.folder / "onward.toml")
        groups = fields.get("group", [])
        for link in (link for group in groups for link in group.get("links", [])):
            if set(link) != {"title", "by", "url", "why"} or not str(link["url"]).startswith("https://"):
                raise ContentError(f"{path}: a link has title, by, url (https://) and why, not {link}")
        return date | {"groups": groups}

    def models(self) -> list[dict[str, Any]]:
        """What is real here: each shipped model with the numbers its own files tell."""
        return [model_facts(self.weights, dict(entry), self.marks) for entry in self.text["models"]]


def _stage(nodes: list[SyntaxTreeNode]) -> str | None:
    return next((STAGES[node.type] for node in nodes if node.type in STAGES), None)


class _Text:
    """One Markdown text on its way to parts of a page."""

    def __init__(self, course: _Course, source: Source, root: str, page: Mapping[str, Any]) -> None:
        self.course, self.source, self.root, self.page = course, source, root, page
        self.figures: dict[str, Markup] = {}
        self.predictions = 0
        self.picture_ids: set[str] = set()

    def parts(self) -> list[Part]:
        """Headings begin parts, but words with nothing to show join the figure or code before them, and the lead joins
        the first heading: so a figure stays beside all that is said about it."""
        parts: list[list[SyntaxTreeNode]] = [[]]
        for node in SyntaxTreeNode(self.course.markdown.parse(self.source.text)).children:
            if node.tag == "h2":
                parts.append([])
            parts[-1].append(node)
        joined: list[list[SyntaxTreeNode]] = [[]]
        for nodes in parts:
            shown = _stage(joined[-1])
            if (shown in ("figure", "code") and not _stage(nodes)) or (shown is None and len(joined) == 1):
                joined[-1] += nodes
            else:
                joined.append(nodes)
        return [self._part(nodes) for nodes in joined if nodes]

    def _part(self, nodes: list[SyntaxTreeNode]) -> Part:
        at = next((i for i, node in enumerate(nodes) if node.type in STAGES), None)
        if at is None:
            return Part("words", self._blocks(nodes), Markup(), Markup())
        before, stage, after = (self._blocks(some) for some in (nodes[:at], nodes[at : at + 1], nodes[at + 1 :]))
        return Part(STAGES[nodes[at].type], before, stage, after)

    def _blocks(self, nodes: Iterable[SyntaxTreeNode]) -> Markup:
        rendered = []
        for inside, run in groupby(nodes, lambda node: node.type.startswith("container_")):
            some = list(run)
            rendered += [self._container(node) for node in some] if inside else [self._plain(some)]
        return Markup("\n").join(rendered)

    def _plain(self, nodes: Iterable[SyntaxTreeNode]) -> Markup:
        tokens = [token for node in nodes for token in node.to_tokens()]
        for token in tokens:
            if token.type == "inline":
                if token.content.startswith(":::"):
                    raise self.source.error(f"unknown container {token.content.splitlines()[0]!r}", token)
                self._links(token)
        markdown = self.course.markdown
        return Markup(markdown.renderer.render(tokens, markdown.options, {}))

    def _links(self, inline: Token) -> None:
        """Point `glossary:latent`, `lesson:3` and `page:questions` at their pages."""
        lessons = {str(lesson["number"]): lesson["path"] for lesson in self.course.lessons}
        places = {"lesson": lessons, "page": {name: f"{name}/index.html" for name in PAGES}}
        for token in inline.children or []:
            kind, _, name = str(token.attrs.get("href", "")).partition(":")
            if token.type != "link_open" or kind not in ("glossary", *places):
                continue
            if kind in places:
                if name not in places[kind]:
                    there = ", ".join(places[kind])
                    raise self.source.error(f"there is no {kind} {name!r}: choose one of {there}", inline)
                token.attrs = {"href": self.root + places[kind][name]}
                continue
            if name not in self.course.glossary:
                raise self.source.error(f"{name!r} is not in glossary.toml", inline)
            means = self.course.inline(self.course.glossary[name]["means"]).striptags()
            href = f"{self.root}glossary/index.html#{name}"
            token.attrs = {"href": href, "class": "term", "data-means": means}

    def _container(self, node: SyntaxTreeNode) -> Markup:
        kind, _, name = node.info.strip().partition(" ")
        for inner in node.walk():
            if inner.type == "heading":
                raise self.source.error(f"a heading inside `::: {kind}`: close it with `:::`", node)
        if name and kind not in ("figure", "big-idea"):
            raise self.source.error(f"`::: {kind}` takes no name, not {name!r}", node)
        if kind == "figure":
            return self._figure(node, name)
        if kind == "big-idea":
            return self._render("big_idea", svg=self._picture(node, name), caption=self._blocks(node.children))
        if kind == "predict":
            return self._predict(node)
        course, body = self.course, self._blocks(node.children)
        facts: dict[str, Callable[[], Any]] = {
            "lessons": partial(self._lessons, node),
            "models": course.models,
            "products": course.products,
            "onward": course.onward,
            "drawn": course.drawn,
        }
        return self._render(kind, body=body, **{"facts": facts[kind]()} if kind in facts else {})

    def _render(self, macro: str, **values: Any) -> Markup:
        module = self.course.templates.get_template("parts.html").module
        return Markup(getattr(module, macro)(s=self.course.text, root=self.root, **values).strip())

    def _lessons(self, node: SyntaxTreeNode) -> list[dict[str, Any]]:
        """All lessons, each with the picture of its big idea."""
        return [
            lesson | {"svg": lesson["idea"] and self._picture(node, lesson["idea"])} for lesson in self.course.lessons
        ]

    def _figure(self, node: SyntaxTreeNode, name: str) -> Markup:
        if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name) or name not in self.course.strings:
            raise self.source.error(f"unknown figure {name!r}: its strings would be interface/{name}.toml", node)
        still, caption = self.course.still(name), self._blocks(node.children)
        shown = self._render("figure", name=name, title=self.page["subtitle"], still=still, caption=caption)
        self.figures[name] = shown
        return shown

    def _picture(self, node: SyntaxTreeNode, name: str) -> Markup:
        path = self.course.folder / "pictures" / f"{name}.svg"
        if not re.fullmatch(r"[\w-]+", name) or not path.is_file():
            raise self.source.error(f"the picture pictures/{path.name} is missing", node)
        svg, ids = read_svg(path)
        if both := ids & self.picture_ids:
            raise ContentError(f"{path}: the id {min(both)!r} is in another picture of the page")
        self.picture_ids |= ids
        return svg

    def _predict(self, node: SyntaxTreeNode) -> Markup:
        lists = [i for i, child in enumerate(node.children) if child.type == "bullet_list"]
        if len(lists) != 1 or lists[0] == 0 or lists[0] == len(node.children) - 1:
            raise self.source.error("a predict is a question, one list of options and the answer after it", node)
        options = [self._inline(item) for item in node.children[lists[0]].children]
        if len(options) < 2:
            raise self.source.error("a predict needs two options or more", node)
        self.predictions += 1
        question, answer = self._blocks(node.children[: lists[0]]), self._blocks(node.children[lists[0] + 1 :])
        name = f"{self.page['number']}-{self.predictions}"
        return self._render("predict", id=name, question=question, options=options, answer=answer)

    def _inline(self, item: SyntaxTreeNode) -> Markup:
        """A list item without its paragraph, to stand in a label."""
        if [child.type for child in item.children] != ["paragraph"]:
            raise self.source.error("an option is one line of text", item)
        line, markdown = item.children[0].children[0].to_tokens(), self.course.markdown
        if any(token.type == "link_open" for token in line[0].children or []):
            raise self.source.error("an option holds no links: put the glossary word into the question", item)
        return Markup(markdown.renderer.render(line, markdown.options, {}))


def _markdown(quotes: str) -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "typographer": True, "quotes": quotes})
    markdown.enable(["table", "replacements", "smartquotes"])
    for name in CONTAINERS:
        markdown.use(container_plugin, name)
    markdown.add_render_rule("fence", _code)
    return markdown


def _code(renderer: RendererHTML, *place: Any) -> str:
    """A block of code that the keyboard can scroll."""
    return RendererHTML.fence(renderer, *place).replace("<pre>", '<pre tabindex="0">', 1)


def model_facts(weights: Path, entry: dict[str, Any], marks: Mapping[int, int]) -> dict[str, Any]:
    """An entry of [[models]] with what the model's files say: parameters, bytes, training, measured scores. `marks`:
    how the language writes the marks in numbers."""
    families = [BY_NAME[name] for name in entry["families"]]
    home = weights / families[0].home
    entry["parameters"] = entry["bytes"] = 0
    for name in (folder for family in families for folder in family.folders):
        config = json.loads((weights / name / "config.json").read_text(encoding="utf-8"))
        entry["parameters"] += config["parameters"]
        entry["bytes"] += sum(file["bytes"] for file in config["files"].values())
    training = home / "training.json"  # what is trained in the page has none
    stages = json.loads(training.read_text(encoding="utf-8")).values() if training.is_file() else []
    entry["minutes"] = sum(stage["minutes"] for stage in stages)
    entry["examples"] = sum(stage["examples"] for stage in stages)
    entry["card"] = f"models/{home.name}/index.html"
    if "scores" not in entry:
        return entry
    card = (home / "README.md").read_text(encoding="utf-8")
    _, measured, table = card.partition("\n| measure |")
    if not measured:  # someone's own weights
        entry["measured"] = None
        return entry
    scores = dict(re.findall(r"^\| (.+?) \| (.+?) \|", table, re.MULTILINE))
    if missing := set(entry["scores"].values()) - scores.keys():
        raise ContentError(f"site.toml names {min(missing)!r}, which is no measure in {home / 'README.md'}")
    shown = {key: scores[row].translate(marks) for key, row in entry["scores"].items()}
    entry["measured"] = entry["measured"].format_map(shown)
    return entry
