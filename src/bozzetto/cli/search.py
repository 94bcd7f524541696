"""`bozzetto search`: index a folder of pictures, find some of them, and find words for one."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bozzetto.cli.shell import examples, printable
from bozzetto.errors import require, whole_number
from bozzetto.progress import bar

if TYPE_CHECKING:
    from PIL.Image import Image

verbs = typer.Typer(help="Find pictures in a folder by words or by a picture.", rich_markup_mode=None)
Model = Annotated[
    str | None, typer.Option(help="Another CLIP in the transformers format: a folder, or a name on the hub.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TILE = 128
LISTED = 10  # skipped files that are named without --verbose


@verbs.command(
    epilog=examples(
        "search index photos", "search index photos --index photos.index --json", "search index photos --ray"
    )
)
def index(
    folder: Annotated[Path, typer.Argument(help="Its PNG, JPEG, WebP, GIF and BMP files, and those of its folders.")],
    place: Annotated[
        Path | None, typer.Option("--index", help="Where the index is, FOLDER/.bozzetto-index by default.")
    ] = None,
    model: Model = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Drop the index that is there, embed all anew.")] = False,
    emptied: Annotated[
        bool, typer.Option("--emptied", help="Forget the pictures of folders that are empty now, not kept otherwise.")
    ] = False,
    ray: Annotated[
        bool,
        typer.Option("--ray", help="By the workers of Ray, on the cluster that RAY_ADDRESS names; all see FOLDER."),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Name every file that is skipped.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make or update the index of a folder: only new and changed pictures are read. It can be stopped at any time."""
    from bozzetto.search.embed import open_embedder
    from bozzetto.search.index import embed_spread, index_folder
    from bozzetto.walk import EMPTIED, OTHERS

    require("lancedb", *["ray"] * ray)
    with _stoppable() as stopped, bar("indexing") as progress:
        report = index_folder(
            folder,
            open_embedder(model),
            place,
            rebuild=rebuild,
            emptied=emptied,
            progress=progress,
            stop=lambda: bool(stopped),
            embed=partial(embed_spread, model) if ray else None,
        )
    if as_json:
        told = {
            key: getattr(report, key) for key in ("pictures", "embedded", "removed", "kept", "animated", "complete")
        }
        skipped = [vars(item) for item in report.skipped]
        print(json.dumps({"index": str(report.index), "folder": str(report.folder), **told, "skipped": skipped}))
    else:
        print(f"{_shown(report.index)}: {report.pictures} pictures, {report.embedded} of them embedded now", end="")
        print(f", {report.removed} removed" * bool(report.removed), end="")
        print(f", {report.kept} kept that cannot be seen" * bool(report.kept), end="")
        print(f"; {report.animated} animated, by their first frame" * bool(report.animated))
        kinds = Counter(item.kind for item in report.skipped).most_common()
        if kinds:
            print(f"skipped {len(report.skipped)}: {', '.join(f'{count} {kind}' for kind, count in kinds)}")
        if any(item.kind == EMPTIED for item in report.skipped):
            print("kept the pictures of folders that are empty now: --emptied forgets them")
        ordered = sorted(report.skipped, key=lambda item: item.kind in OTHERS)  # what is in order comes last
        shown = ordered if verbose else ordered[:LISTED]
        for item in shown:
            print(f"  {printable(item.path)}: {printable(item.reason)}")
        if len(shown) < len(ordered):
            print(f"  and {len(ordered) - len(shown)} more, see --verbose")
    if not report.complete:
        raise KeyboardInterrupt


@verbs.command(
    epilog=examples(
        'search find "a red fruit" --in photos',
        'search find "at night" --picture house.png --less people --sheet found.png',
    )
)
def find(
    words: Annotated[str | None, typer.Argument(help="What to find, in up to 300 characters.")] = None,
    folder: Annotated[Path, typer.Option("--in", help="The folder that was indexed.")] = Path(),
    place: Annotated[Path | None, typer.Option("--index", help="The index, if it is not in the folder.")] = None,
    k: Annotated[int, typer.Option("-k", help="How many pictures, 1 to 1000.")] = 12,
    picture: Annotated[Path | None, typer.Option(help="Find what is like this picture, with WORDS added.")] = None,
    less: Annotated[str | None, typer.Option(help="Words for what there should be less of.")] = None,
    model: Model = None,
    sheet: Annotated[Path | None, typer.Option(help="Also put the pictures on one sheet, a PNG file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find pictures by words, by a picture, or by both: score (cosine) and path, the best first."""
    from bozzetto import pictures
    from bozzetto.search.embed import open_embedder
    from bozzetto.search.index import PLACE, query_vector, search

    if sheet:
        pictures.check_output(sheet, field="sheet")
    require("lancedb")
    example = None if picture is None else pictures.open_picture(picture)
    embedder = open_embedder(model)
    found = search(place or folder / PLACE, embedder, query_vector(embedder, words, example, less), k)
    gone = {path for path, _ in found if not path.exists()}
    if sheet and found:
        pictures.save_png(pictures.sheet([_tile(path, score) for path, score in found]), sheet)
    if as_json:
        print(json.dumps([{"path": str(path), "score": score, "gone": path in gone} for path, score in found]))
        return
    for path, score in found:
        print(f"{score:6.3f}  {_shown(path)}{'  (gone since it was indexed)' * (path in gone)}")
    if sheet and found:
        print(sheet)


@verbs.command(epilog=examples("search caption robot.png", "search caption photo.jpg --from captions.txt -k 3 --json"))
def caption(
    picture: Annotated[Path, typer.Argument(help="A PNG, JPEG, WebP, GIF or BMP file.")],
    source: Annotated[
        Path | None, typer.Option("--from", help="A text file with a sentence a line; the world's names by default.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many sentences, 1 to 1000.")] = 12,
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Find the sentences that fit a picture best: score (cosine) and sentence."""
    from bozzetto import pictures
    from bozzetto.search.captions import read_captions, world_names
    from bozzetto.search.embed import open_embedder
    from bozzetto.search.index import MAX_RESULTS, query_vector

    whole_number("k", k, 1, MAX_RESULTS)
    captions = read_captions(source) if source else world_names()
    image = pictures.open_picture(picture)
    embedder = open_embedder(model)
    scores = embedder.encode_text(captions) @ query_vector(embedder, picture=image)
    best = [(captions[i], float(scores[i])) for i in (-scores).argsort(kind="stable")[:k]]
    if as_json:
        print(json.dumps([{"caption": text, "score": score} for text, score in best]))
        return
    for text, score in best:
        print(f"{score:6.3f}  {printable(text)}")


@contextmanager
def _stoppable() -> Iterator[list]:
    """A list that Ctrl-C makes true, so that work can be ended in order; a second Ctrl-C ends it at once."""
    stopped = []
    usual = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: object) -> None:
        stopped.append(number)
        signal.signal(signal.SIGINT, usual)
        print("bozzetto: stopping, what is done is kept", file=sys.stderr)

    signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, usual)


def _shown(path: Path) -> str:
    """From the working folder, if it is below."""
    return printable(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))


def _tile(path: Path, score: float) -> Image:
    """A thumbnail with score and name below; blank if the picture has gone since."""
    from PIL import Image, ImageDraw, ImageFont

    from bozzetto import pictures

    tile = Image.new("RGBA", (TILE, TILE + 16), "white")
    try:
        picture = pictures.fit(pictures.open_picture(path), TILE)
        tile.paste(picture, (0, 0), picture)
    except (OSError, ValueError):
        pass
    font = ImageFont.load_default(11)
    text = f"{score:.2f} {printable(path.name)}"
    while font.getlength(text) > TILE:
        text = text[:-2] + "…"
    ImageDraw.Draw(tile).text((0, TILE + 2), text, "black", font)
    return tile
