"""The verb that opens the course."""

from contextlib import nullcontext
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
        "course --export course.zip --scorm",
        "course --weights runs/gan-cpu-photos",
    )
)
def course(
    port: Annotated[int | None, typer.Option(help="The port, 8765 or a free one by default.")] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
    lang: Annotated[str, typer.Option(help="The language that the course opens in.")] = "en",
    export: Annotated[Path | None, typer.Option(help="Write the whole course to this folder instead.")] = None,
    figure: Annotated[str | None, typer.Option(help="With --export, write only what this figure needs.")] = None,
    scorm: Annotated[
        bool, typer.Option("--scorm", help="With --export, write one zip for a learning platform (SCORM 1.2).")
    ] = False,
    weights: Annotated[
        str | None,
        typer.Option(help="Your own models in the lessons: a finished run, a weights folder, or hf://owner/name."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --export replace what is there.")] = False,
) -> None:
    """Open the course in the browser, served from this machine to this machine, or write it to a folder."""
    from bozzetto.course import build as builder
    from bozzetto.course import serve, yours

    if port is not None:
        whole_number("port", port, 0, 65535)
    if figure is not None and export is None:
        raise InvalidInput("figure", "goes with {}: name the folder to write it to", "export")
    if scorm and export is None:
        raise InvalidInput("scorm", "goes with {}: name the zip file to write to", "export")
    with yours.merged(weights) if weights else nullcontext() as models:
        if figure is None:
            site = builder.site(lang, weights=models, scorm=scorm)
        else:
            site = builder.one_figure(figure, lang, weights=models, scorm=scorm)
        if export is None:
            serve.serve(serve.open_server(site, builder.not_found_pages(lang), port), browser)
        elif scorm:
            size = serve.export_zip(site, export, force)
            print(f"{export}: {len(site)} files, {size / 1e6:.1f} MB, a package for any learning platform (SCORM 1.2)")
        else:
            size = serve.export(site, export, force)
            where = "" if figure is None else f", begin at figures/{figure}/index.html"
            print(f"{export}: {len(site)} files, {size / 1e6:.1f} MB, for any web server{where}")
