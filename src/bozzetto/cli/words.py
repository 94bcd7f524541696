"""Verbs that read a picture: which words fit it, and answers to questions."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from bozzetto.cli.shell import examples

verbs = typer.Typer()


@verbs.command(
    epilog=examples(
        "label robot.png --labels cat,dog,robot",
        "label photo.jpg --labels car,tree --json",
        'label photo.jpg --labels "my logo,car,tree" --adapter eye.safetensors',
    )
)
def label(
    picture: Annotated[Path, typer.Argument(help="A PNG, JPEG, WebP, GIF or BMP file.")],
    labels: Annotated[str, typer.Option(help="The words to choose from, with commas between them.")],
    none: Annotated[bool, typer.Option("--none", help='Let "none of these" compete too.')] = False,
    adapter: Annotated[
        Path | None, typer.Option(help="What was learned of your own pictures: a file of `bozzetto adapt clip`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which of some words fits a picture.

    share: how the words compare, adds up to 100 %. match: how likely this word alone belongs to the picture.
    """
    import bozzetto

    found = bozzetto.label(picture, labels.split(","), none_of_these=none, adapter=adapter)
    if as_json:
        print(json.dumps([{"label": name, "share": share, "match": match} for name, share, match in found]))
        return
    width = max(len(name) for name, _, _ in found)
    for name, share, match in found:
        print(f"{name:{width}}  share {share:6.1%}  match {match:6.1%}")


@verbs.command(
    epilog=examples('ask photo.png "how many cats are there?"', 'ask photo.png "what is this?" --explain why.png')
)
def ask(
    picture: Annotated[Path, typer.Argument(help="A PNG, JPEG, WebP, GIF or BMP file.")],
    question: Annotated[str, typer.Argument(help="A short question in English.")],
    explain: Annotated[
        Path | None, typer.Option(help="A PNG file: for each word, where in the picture the model looked.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: what was said, the answer in it, the pieces.")
    ] = False,
) -> None:
    """Ask about a picture; the words of the answer come one by one, then how sure the model is of them."""
    import bozzetto
    from bozzetto import pictures
    from bozzetto.runtime import ask as runtime

    if explain:
        pictures.check_output(explain)
    image = pictures.open_picture(picture)
    said = []
    for word in bozzetto.ask(image, question):
        said.append(word)
        if not (as_json or explain):
            print(word.text, end="", flush=True)
    if explain:  # before anything is printed, which may break off
        pictures.save_png(runtime.explain(bozzetto.as_seen(image), said), explain)
    whole, certainty = "".join(word.text for word in said), runtime.certainty(said)
    if as_json:
        pieces = [{"text": w.text, "probability": w.probability, "looked": w.looked.tolist()} for w in said]
        answers = {"said": whole, "answer": runtime.conclusion(said), "probability": certainty}
        print(json.dumps({**answers, "pieces": pieces}))
    else:
        print(whole if explain else "", f" ({certainty:.0%})")
    if explain:
        print(explain, file=sys.stderr)
