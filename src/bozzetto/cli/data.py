"""Verbs of your own pictures: look through them before a training."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bozzetto.cli.shell import examples, note, printable
from bozzetto.progress import bar

verbs = typer.Typer(help="Your own pictures: what is in them.", rich_markup_mode=None)
LISTED = 10  # of each kind, without --verbose
TILES = 100


@verbs.command(
    epilog=examples(
        "data check photos",
        "data check photos.zip --sheet seen.png",
        "data check 'shards-{0000..0099}.tar'",
        "data check captions.csv --size 64 --json",
    )
)
def check(
    data: Annotated[Path, typer.Argument(metavar="PATH", help="A folder, zip, tar, CSV, TSV, JSONL or Parquet file.")],
    size: Annotated[Literal["32", "64"], typer.Option(help="64 for autoencoder, 32 for the others.")] = "32",
    sheet: Annotated[Path | None, typer.Option(help="Also put up to 100 as a recipe sees them on a PNG file.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Name every file that is spoken of.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, every file named.")] = False,
) -> None:
    """Say what a set of pictures holds and what a recipe would learn from it. Exit code 1: some cannot be read.

    Pictures lie in one folder or in a folder a class, with words beside them (a.txt for a.png), or are named by a table
    with the columns file_name, caption and label, whose paths go on from its own place. A zip or tar is read as such a
    folder, and a folder or pattern of them, 'shards-{0000..0099}.tar', as one set. What is larger than a quarter of a
    gigabyte is read once and kept in data/prepared, where training finds it. A drawing is seen whole, a photo from its
    middle. A tenth is held out, and no near-duplicates are parted.
    """
    from PIL.Image import fromarray

    from bozzetto import pictures
    from bozzetto.runtime import store
    from bozzetto.runtime.tokenizer import CONTEXT_LENGTH, Tokenizer
    from bozzetto.world.own import load
    from bozzetto.world.stored import Stored

    if sheet:
        pictures.check_output(sheet, field="sheet")
    with bar("reading") as progress:
        found = load(data, int(size), progress, note)
    names, count = found.names, len(found.names)
    tokenizer = Tokenizer.load(store.open_model("clip/text").path / "vocabulary.txt")
    areas = sorted(found.sizes, key=lambda wide: wide[0] * wide[1])
    twins = found.twins.tolist()

    def those(wanted: Iterable[bool]) -> list[str]:
        return list(itertools.compress(names, wanted))

    def groups(first: Iterable[int], counted: Iterable[bool]) -> list[list[str]]:
        found: dict[int, list[str]] = {}
        for of, name in itertools.compress(zip(first, names, strict=True), counted):
            found.setdefault(of, []).append(name)
        return [group for group in found.values() if len(group) > 1]

    report: dict[str, Any] = {
        "pictures": count,
        "classes": dict(Counter(filter(None, found.labels)).most_common()),
        "sizes": {"smallest": areas[0], "middle": areas[count // 2], "largest": areas[-1]},
        "modes": dict(Counter(found.modes).most_common()),
        "splits": dict(Counter(found.splits).most_common()),
        "parted": len(set(zip(twins, found.splits, strict=True))) - len(set(twins)),
        "animated": those(found.animated),
        "broken": {item.path: item.reason for item in found.broken},
        "skipped": {item.path: item.reason for item in found.skipped},
        "same": groups(found.copies.tolist(), [True] * count),
        "alike": groups(twins, (found.copies == range(count)).tolist()),
        "uncaptioned": those(not words for words in found.captions),
        "too_long": those(len(tokenizer.encode(words)) > CONTEXT_LENGTH for words in found.captions),
        "prepared": {},
    }
    if isinstance(found.images, Stored):
        report["prepared"] = {"folder": str(found.images.place), "bytes": found.images.pictures.nbytes}
    if sheet:
        tiles = [found.images[row * count // min(count, TILES)] for row in range(min(count, TILES))]
        pictures.save_png(pictures.sheet([pictures.enlarge(fromarray(tile), 64) for tile in tiles]), sheet)
    if as_json:
        print(json.dumps(report))
    else:
        _tell(report, data, int(size), None if verbose else LISTED)
        if sheet:
            print(sheet)
    if found.broken:
        raise typer.Exit(1)


def _tell(report: dict[str, Any], data: Path, size: int, listed: int | None) -> None:
    """The report in lines. listed: how many of each kind are named, None is all."""
    from bozzetto.runtime.tokenizer import CONTEXT_LENGTH

    def counted(name: str) -> str:
        items = list(report[name].items())
        more = f" and {len(items) - 20} more" * (len(items) > 20)
        return ", ".join(f"{printable(str(key))} {number}" for key, number in items[:20]) + more

    def some(title: str, lines: Iterable[str]) -> None:
        lines = list(lines)
        if lines:
            print(f"{title}: {len(lines)}")
        for line in lines[:listed]:
            print(f"  {printable(line)}")
        if listed is not None and len(lines) > listed:
            print(f"  and {len(lines) - listed} more, see --verbose")

    print(f"{printable(str(data))}: {report['pictures']} pictures in {max(1, len(report['classes']))} classes")
    if report["classes"]:
        print(f"classes: {counted('classes')}")
    print("sizes: " + ", ".join(f"{key} {width} x {height}" for key, (width, height) in report["sizes"].items()))
    print(f"modes: {counted('modes')}")
    some("left out", (f"{name}: {why}" for name, why in report["broken"].items()))
    some("not looked at", (f"{name}: {why}" for name, why in report["skipped"].items()))
    some("animated, of which the first frame counts", report["animated"])
    some("the same file more than once", map(", ".join, report["same"]))
    some("nearly the same picture", map(", ".join, report["alike"]))
    if len(report["uncaptioned"]) < report["pictures"]:
        some("without words", report["uncaptioned"])
        some(f"with more words than the {CONTEXT_LENGTH} tokens that are read", report["too_long"])
    else:
        print("words: none")
    held = report["splits"].get("test", 0)
    print(f"a recipe sees {report['splits']['train']} of them at {size} x {size} pixels; {held} are held out")
    if kept := report["prepared"]:
        print(f"it reads them from {kept['folder']}, {kept['bytes'] / 1e9:.1f} GB of disk, and keeps none in memory")
    if report["parted"]:
        print(f"of {report['parted']} near-duplicates some are held out and some are not, as the set says")
