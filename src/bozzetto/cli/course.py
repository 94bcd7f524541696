"""The verb that opens the course."""

from pathlib import Path
from typing import Annotated

import typer

from bozzetto.cli.shell import examples
from bozzetto.errors import InvalidInput, whole_number

verbs = typer.Typer()


@verbs.command(
    epilog=examples(
        "course",
        "course --port 9000 --no-browser",
        "course --export site",
        "course --export robot --figure words-steer",
    )
)
def course(
    port: Annotated[int | None, typer.Option(help="The port, 8765 or a free one by default.")] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
    lang: Annotated[str, typer.Option(help="The language that the course opens in.")] = "en",
    export: Annotated[Path | None, typer.Option(help="Write the whole course to this folder instead.")] = None,
    figure: Annotated[str | None, typer.Option(help="With --export, write only what this figure needs.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --export replace a folder of other files.")] = False,
) -> None:
    """Open the course in the browser, served from this machine to this machine, or write it to a folder."""
    from bozzetto.course import build as builder
    from bozzetto.course import serve

    if port is not None:
        whole_number("port", port, 0, 65535)
    if figure is not None and export is None:
        raise InvalidInput("figure", "goes with {}: name the folder to write it to", "export")
    site = builder.site(lang) if figure is None else builder.one_figure(figure, lang)
    if export is None:
        serve.serve(serve.open_server(site, builder.not_found_page(lang), port), browser)
    else:
        size = serve.export(site, export, force)
        where = "" if figure is None else f", begin at figures/{figure}/index.html"
        print(f"{export}: {len(site)} files, {size / 1e6:.1f} MB, for any web server{where}")
