"""A Markdown text of the course on its way to the parts of a page: containers (`::: figure`, `::: predict`, ...) become
the macros of templates/parts.html."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode
from markupsafe import Markup
from mdit_py_plugins.container import container_plugin

from bozzetto.course.content import ContentError, Source, read_svg

if TYPE_CHECKING:
    from bozzetto.course.pages import Course

CONTAINERS = ("figure", "big-idea", "predict", "mixup", "recap", "products", "onward", "drawn", "lessons", "models")
# What stands beside the words, and how the part of the page is then called.
STAGES = {
    "container_figure": "figure",
    "container_big-idea": "picture",
    "container_drawn": "drawn",
    "container_onward": "onward",
    "fence": "code",
}
PAGES = ("glossary", "questions", "certificate", "teachers")


@dataclass(frozen=True)
class Part:
    """What stands under one heading: words, and perhaps one figure or picture beside them."""

    kind: str
    before: Markup
    stage: Markup
    after: Markup


def _stage(nodes: list[SyntaxTreeNode]) -> str | None:
    return next((STAGES[node.type] for node in nodes if node.type in STAGES), None)


class Text:
    """One Markdown text on its way to parts of a page."""

    def __init__(self, course: "Course", source: Source, root: str, page: Mapping[str, Any]) -> None:
        self.course, self.source, self.root, self.page = course, source, root, page
        self.figures: dict[str, Markup] = {}
        self.predictions = 0
        self.picture_ids: set[str] = set()

    def parts(self) -> list[Part]:
        """Headings begin parts, and so do the words of a second block of code, each beside its own. But words with
        nothing to show join what is shown before them, and the lead joins the first heading: so a figure stays beside
        all that is said about it."""
        parts: list[list[SyntaxTreeNode]] = [[]]
        for node in SyntaxTreeNode(self.course.markdown.parse(self.source.text)).children:
            if node.tag == "h2":
                parts.append([])
            elif node.type == "fence" and (blocks := [i for i, one in enumerate(parts[-1]) if one.type == "fence"]):
                parts[-1:] = [parts[-1][: blocks[-1] + 1], parts[-1][blocks[-1] + 1 :]]
            parts[-1].append(node)
        joined: list[list[SyntaxTreeNode]] = [[]]
        for nodes in parts:
            shown = _stage(joined[-1])
            if (shown not in (None, "drawn") and not _stage(nodes)) or (shown is None and len(joined) == 1):
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
        told = {"title": self.page["subtitle"], "still": still, "caption": caption}
        told["yours"] = self.course.said_of_yours(self.course.models_of(name))
        shown = self._render("figure", name=name, **told)
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


def markdown(quotes: str) -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "typographer": True, "quotes": quotes})
    markdown.enable(["table", "replacements", "smartquotes"])
    for name in CONTAINERS:
        markdown.use(container_plugin, name)
    markdown.add_render_rule("fence", _code)
    return markdown


def _code(renderer: RendererHTML, *place: Any) -> str:
    """A block of code that the keyboard can scroll."""
    return RendererHTML.fence(renderer, *place).replace("<pre>", '<pre tabindex="0">', 1)
