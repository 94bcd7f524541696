"""Verbs whose result is words: which of them fit a picture, answers to questions, tiny stories."""

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
        pictures.check_output(explain, field="explain")
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


@verbs.command(
    epilog=examples(
        'write "a red cat left of a robot"',
        "write --seed 7 --temperature 0.5",
        'write "three happy ghosts" --method unmask --steps 40',
        'write "a blue car" --json',
    )
)
def write(
    prompt: Annotated[str, typer.Argument(help="How the story begins, best a scene in English; or nothing.")] = "",
    seed: Annotated[int, typer.Option(help="One seed, one story.")] = 0,
    temperature: Annotated[
        float | None, typer.Option(help="0 to 2: 0 takes the likeliest word, more is more surprising.")
    ] = None,
    method: Annotated[
        str, typer.Option(help="next_word: one word after the other; unmask: out of blanks, as diffusion draws.")
    ] = "next_word",
    max_words: Annotated[int | None, typer.Option(help="Of next_word: stop after so many more tokens.")] = None,
    steps: Annotated[int | None, typer.Option(help="Of unmask: fill in the blanks in so many steps.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: the text, and the text after every step.")
    ] = False,
) -> None:
    """Write a tiny story about a scene; its words come as they are written."""
    import bozzetto

    drafts = bozzetto.write_steps(
        prompt, seed=seed, temperature=temperature, method=method, max_words=max_words, num_inference_steps=steps
    )
    if as_json:
        texts = list(drafts)
        print(json.dumps({"text": texts[-1], "steps": texts}))
        return
    if method == "unmask" and sys.stdout.isatty():
        from rich.live import Live
        from rich.text import Text

        with Live(auto_refresh=False) as live:
            for text in drafts:
                live.update(Text(text), refresh=True)
        return
    said = ""
    for text in drafts:
        if method == "next_word":
            print(text.removeprefix(said), end="", flush=True)
        said = text
    print("" if method == "next_word" else said)
