"""The verb that serves OpenAI's API and the course."""

from pathlib import Path
from typing import Annotated

import typer

from bozzetto.cli.shell import examples
from bozzetto.errors import require
from bozzetto.server.defaults import PLACES, PORT, SECONDS, WAITING

verbs = typer.Typer()


@verbs.command(epilog=examples("serve", "serve --port 9000 --places 16", "serve --host 0.0.0.0 --key-file key.txt"))
def serve(
    host: Annotated[str, typer.Option(help="The address to listen at. Any but this machine's own needs a key.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int | None, typer.Option(help=f"The port, {PORT} by default; 0 takes a free one.")] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="A file with the key that who asks must send; or set BOZZETTO_KEY.")
    ] = None,
    places: Annotated[int, typer.Option(help="How many pictures are drawn at once, 1 to 64.")] = PLACES,
    waiting: Annotated[int, typer.Option(help="How many more may wait; then the answer is 429.")] = WAITING,
    seconds: Annotated[float, typer.Option(help="How long a request may take.")] = SECONDS,
    log_prompts: Annotated[bool, typer.Option("--log-prompts", help="Write what is asked for into the log.")] = False,
    adapter: Annotated[
        Path | None, typer.Option(help="What all pictures are drawn with: a file of `bozzetto adapt text-to-image`.")
    ] = None,
    course: Annotated[bool, typer.Option("--course/--no-course", help="The course, at /.")] = True,
    lang: Annotated[str, typer.Option(help="The language that the course opens in.")] = "en",
) -> None:
    """Serve OpenAI's API, with every field honoured or refused, and the course, on this machine."""
    require("fastapi", "uvicorn", "python_multipart")
    from bozzetto.course import build
    from bozzetto.course.serve import Site
    from bozzetto.server.run import run

    site = Site(build.site(lang), build.not_found_pages(lang)) if course else None
    run(
        host,
        port,
        key_file,
        site=site,
        places=places,
        waiting=waiting,
        seconds=seconds,
        log_prompts=log_prompts,
        adapter=adapter,
    )
