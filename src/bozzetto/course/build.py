"""The site of the course as a mapping of URL path to its bytes, or to the file that holds them.

One language stands at the top of the site, each other in a folder of its name (pages.py); they share assets, models and
data. Figures are custom elements; `npm run build` bundles their scripts and all styles into `built/`. The models they
run are files of the weights folder, and their cards are pages.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from bozzetto.course import yours
from bozzetto.course.content import check_translation
from bozzetto.course.figures import NEEDS
from bozzetto.course.pages import HERE, Course, Site
from bozzetto.errors import NotBuilt, one_of
from bozzetto.families import FAMILIES
from bozzetto.runtime import reading, store

MODELS = tuple(folder for family in FAMILIES for folder in family.served)
DEEDS = ["read", "played"]  # what a learning platform counts of a lesson, beside its questions
NOT_BUILT = "the scripts of the course are not built: run `npm ci && npm run build`, or `make course`"


def site(lang: str = "en", root: Path = HERE, weights: Path | None = None, scorm: bool = False) -> Site:
    """Every page and file of the course, by its path under the site's root. The pages in the language `lang` stand at
    the top. `scorm`: with what makes it a package for learning platforms.

    Raises InvalidInput for a language that is not there, ContentError for a mistake in the content, NotBuilt when the
    scripts are not built, and WeightsError when a model is missing or damaged.
    """
    weights = weights or store.weights_folder()
    files = _files(root, weights) | _models(MODELS, weights)
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
    files, cards = _files(root, weights), {f"models/{model.split('/')[0]}/index.html" for model in models}
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


def _files(root: Path, weights: Path) -> Site:
    """What the pages load: scripts, styles and data, but for what was recorded of other models than are there."""
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
    mine = yours.of(weights)
    if "vae/encoder" in mine:
        files |= {f"data/{name}": content for name, content in yours.remade(root / "data", weights).items()}
    gone = [f"data/{pattern}" for pattern in yours.left_out(mine)]
    return {path: file for path, file in files.items() if not any(fnmatch(path, pattern) for pattern in gone)}


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


def _courses(lang: str, root: Path, weights: Path, whole: bool = True, scorm: bool = False) -> list[Course]:
    """The course in every language, `lang` first; one that is not `whole` has no pages in another language."""
    langs = sorted(path.name for path in (root / "content").iterdir() if path.is_dir())
    one_of("lang", lang, langs)
    others = [other for other in langs if other != lang]
    for other in others:
        check_translation(root / "content" / other, root / "content" / lang)
    places = {lang: ""} | {other: f"{other}/" for other in others}
    courses = [Course(name, root, weights, place, whole, scorm) for name, place in places.items()]
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
