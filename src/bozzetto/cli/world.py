"""Verbs of the picture world: build it, look at it, ask the sentence encoder about its words."""

from pathlib import Path
from typing import Annotated

import typer

from bozzetto.cli.shell import examples
from bozzetto.errors import InvalidInput, NotBuilt, one_of, require, whole_number
from bozzetto.progress import bar

verbs = typer.Typer(help="The picture world: build it, look at it.", rich_markup_mode=None)
MAX_SEED = 2**53 - 1


@verbs.command(epilog=examples("world build", "world build --artwork ../node_modules --out emoji.parquet"))
def build(
    artwork: Annotated[Path, typer.Option(help="Where `npm ci` has put the artwork.")] = Path("node_modules"),
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")] = Path("data/world.parquet"),
) -> None:
    """Render all emoji sets to one table of pictures and words (about a minute)."""
    require("resvg_py", "pyarrow")
    from bozzetto.world import dataset, emoji
    from bozzetto.world.styles import STYLES

    if not artwork.is_dir():
        raise NotBuilt(f"the artwork folder {artwork} is not there: run `npm ci`, or name it with --artwork")
    if out.is_dir():
        raise InvalidInput("output", f"{out} is a folder: name a file in it")
    with bar("drawing") as progress:
        finished = {}

        def show(style: str, done: int, total: int) -> None:
            finished[style] = done, total
            all_done = sum(done for done, _ in finished.values())
            # The styles to come have about as many pictures as those so far.
            expected = sum(total for _, total in finished.values()) * len(STYLES) // len(finished)
            progress(all_done, max(expected, all_done))

        columns = emoji.build(artwork, show)
    dataset.write(columns, out)
    test = columns["split"].count("test")
    concepts = len(set(columns["codepoints"]))
    print(f"{out}: {len(columns['name'])} pictures of {concepts} concepts, {test} of them held out for testing")


@verbs.command(
    "sheet",
    epilog=examples("world sheet -o cats.png --search cat", "world sheet -o test.png --split test --style noto"),
)
def world_sheet(
    out: Annotated[Path, typer.Option("-o", "--output", help="The PNG file.")] = Path("world.png"),
    style: Annotated[str | None, typer.Option(help="Only this style.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split, train or test.")] = None,
    search: Annotated[
        str | None, typer.Option(help="Only pictures with a word of their name or keywords that starts so.")
    ] = None,
    n: Annotated[int, typer.Option("--n", "-n", help="How many, 1 to 5000.")] = 100,
    seed: Annotated[int, typer.Option(help="Which of them, when there are more.")] = 0,
) -> None:
    """Put pictures of the world on one sheet."""
    import numpy as np
    from PIL.Image import fromarray

    from bozzetto import pictures
    from bozzetto.world.dataset import load_world
    from bozzetto.world.styles import STYLES

    pictures.check_output(out)
    whole_number("n", n, 1, 5000)
    whole_number("seed", seed, 0, MAX_SEED)
    if style is not None:
        one_of("style", style, STYLES)
    if split is not None:
        one_of("split", split, ("train", "test"))
    require("pyarrow")
    world = load_world()
    rows = [
        row
        for row, (name, words) in enumerate(zip(world.names, world.keywords, strict=True))
        if style in (None, world.styles[row])
        and split in (None, world.splits[row])
        and (search is None or any(f" {search.lower()}" in f" {word}" for word in (name, *words)))
    ]
    if not rows:
        raise InvalidInput("search", "with {} and {} leaves no picture: use wider ones", "style", "split")
    chosen = np.sort(np.random.default_rng(seed).permutation(rows)[:n])
    pictures.save_png(pictures.sheet([fromarray(world.images[row]) for row in chosen]), out)
    print(f"{out}: {len(chosen)} of {len(rows)} pictures")


@verbs.command(epilog=examples("world scenes -o scenes.png", "world scenes -o counts.png --kind count --split test"))
def scenes(
    out: Annotated[Path, typer.Option("-o", "--output", help="The PNG file.")] = Path("scenes.png"),
    kind: Annotated[str | None, typer.Option(help="single, count, color, place, size or two; any by default.")] = None,
    split: Annotated[str, typer.Option(help="train, or test for held-out combinations.")] = "train",
    n: Annotated[int, typer.Option("--n", "-n", help="How many, 1 to 1000.")] = 40,
    seed: Annotated[int, typer.Option(help="The seed of the first scene.")] = 0,
) -> None:
    """Put composed scenes on one sheet, row by row, and print their sentences."""
    from PIL.Image import fromarray

    from bozzetto import pictures
    from bozzetto.world.dataset import load_world
    from bozzetto.world.scenes import KINDS, make_scene, render, scene_objects

    pictures.check_output(out)
    whole_number("n", n, 1, 1000)
    whole_number("seed", seed, 0, MAX_SEED)
    one_of("split", split, ("train", "test"))
    if kind is not None:
        one_of("kind", kind, KINDS)
    require("pyarrow")
    world = load_world()
    objects = scene_objects(world)
    made = [make_scene(world, objects, seed + i, split, kind) for i in range(n)]
    pictures.save_png(pictures.sheet([fromarray(render(world, scene)) for scene in made]), out)
    for number, scene in enumerate(made, 1):
        print(f"{number:3}  {scene.sentence}")
    print(out)


@verbs.command(epilog=examples("world teach", "world teach --words /usr/share/dict/american-english-small"))
def teach(
    words: Annotated[Path | None, typer.Option(help="One more word list, a word a line.")] = None,
    out: Annotated[Path, typer.Option(help="The table to write.")] = Path("data/teacher.safetensors"),
) -> None:
    """Ask the sentence encoder about all words and captions; CLIP's text tower learns from its answers."""
    if words is not None and not words.is_file():
        raise FileNotFoundError(f"the word list {words} is not there: name a text file with a word a line")
    if out.is_dir():
        raise InvalidInput("output", f"{out} is a folder: name a file in it")
    require("pyarrow", "torch")
    from bozzetto.training import teacher
    from bozzetto.world.dataset import load_world

    world = load_world()
    with bar("asking") as progress:
        teacher.build(world, out, words, progress)
    print(out)
