"""The pages of the course in one language.

Lessons are Markdown in `content/<lang>/`; quiz, glossary and strings are TOML beside them: a translation is a folder.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from bozzetto.course import yours
from bozzetto.course.content import (
    LESSON,
    ContentError,
    Source,
    read_glossary,
    read_quiz,
    read_source,
    read_teacher,
    read_toml,
)
from bozzetto.course.figures import NEEDS
from bozzetto.course.text import Text, markdown
from bozzetto.families import BY_NAME

Site = dict[str, bytes | Path]

HERE = Path(__file__).parent
CSP = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; worker-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'"
)
HOME_STRINGS = ("shell", "draw")  # for the field of the first page
QUIZ_ITEMS = 3


class Course:
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
        self.mine = yours.of(weights)
        self.marks = str.maketrans(".,", self.text["numbers"])
        self.markdown = markdown(self.text["quotes"])
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
        filters = (self.inline, self.fixed, self.roughly, self.alone)
        self.templates.filters |= {each.__name__: each for each in filters}
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
        parts = Text(self, home, "", home.front).parts()
        strings = {name: self.strings[name] for name in HOME_STRINGS if name in self.strings}
        pages["index.html"] = self._page(
            "home.html", "index.html", strings, page=home.front, parts=parts, yours=self.said_of_yours(self.mine)
        )
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
            parts = Text(self, source, "../", source.front).parts()
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
        text = Text(self, self.sources[index], "../../", self.lessons[index])
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

    def roughly(self, count: int) -> str:
        """A large number as people say it: 7.4 million, 69,000."""
        if count < 1e6:
            return self.fixed(round(count, -3))
        return self.text["millions"].format(n=self.fixed(count / 1e6, 1))

    def _lesson(self, index: int) -> bytes:
        source, lesson = self.sources[index], self.lessons[index]
        text = Text(self, source, "../../", lesson)
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
        words = {name: words for name, words in self.strings.items() if name not in elsewhere}
        return words | self._of_yours(words, self.models_of(*figures))

    def models_of(self, *figures: str) -> list[str]:
        """The models that figures run."""
        return [model for figure in figures for model in NEEDS.get(figure, ((), ()))[0]]

    def _of_yours(self, words: Mapping[str, Any], models: list[str]) -> dict[str, Any]:
        """Of a page's words those that the learner's own models change: "key-yours" is said instead of "key", "own"
        names these models, and only classes that all models know can be chosen."""
        if not (own := [model for model in models if model in self.mine]):
            return {}
        changed = {
            name: {key: table.get(f"{key}-yours", value) for key, value in table.items()}
            for name, table in words.items()
        }
        known = {name: word for group in words["classes"].values() for name, word in group.items()}
        configs = [json.loads((self.weights / model / "config.json").read_text(encoding="utf-8")) for model in models]
        lists = [config["config"]["classes"] for config in configs if "classes" in config.get("config", {})]
        common = [name for name in lists[0] if all(name in some for some in lists)] if lists else [*known]
        if set(common) != known.keys():
            changed["classes"] = {"yours": {name: known.get(name, name) for name in common}}
        return changed | {"own": dict.fromkeys(own, self.text["yours"])}

    def said_of_yours(self, models: Iterable[str]) -> str:
        """Which of these models are the learner's, in a sentence; "" if none is."""
        homes = {model.split("/")[0] for model in models if model in self.mine}
        if not homes:
            return ""
        named = [(entry["title"], {BY_NAME[name].home for name in entry["families"]}) for entry in self.text["models"]]
        return str(self.text["yours_means"].format(models=", ".join(title for title, of in named if of & homes)))

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
        return [model_facts(self.weights, dict(entry)) for entry in self.text["models"]]


def model_facts(weights: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of [[models]] with what the model's files say: parameters, bytes, training, measured scores."""
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
    shown = {key: percent(scores[row]) for key, row in entry["scores"].items()}
    entry["measured"] = entry["measured"].format_map(shown)
    return entry


def percent(score: str) -> str:
    """A value of a model card for everybody, in whole percent: "28.5 %", or "33.4 dB" of PSNR, which is how far off
    colours are if 100 % is from black to white."""
    number, unit = score.split()
    share = float(number) if unit == "%" else 100 * 10 ** (-float(number) / 20)
    return f"{int(share + 0.5)}\N{NO-BREAK SPACE}%"
