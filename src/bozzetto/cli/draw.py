"""Verbs that draw: a picture or a film of a sentence, small pictures of a class, a sound as its spectrogram."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bozzetto.cli.shell import examples, flags
from bozzetto.errors import InputWarning, InvalidInput, require
from bozzetto.families import names
from bozzetto.progress import bar

if TYPE_CHECKING:
    from PIL.Image import Image

    Makers = str
else:
    Makers = Literal[tuple(names(sampled=True))]

verbs = typer.Typer()
LISTED = 10  # warnings that are shown of a file of prompts
SAMPLER_NAMES = "euler, dpmpp_2m, unipc, ddim, ...; a wrong name lists them all"

Output = Annotated[
    Path, typer.Option("-o", "--output", help="The PNG file; with --n 2: picture-0.png, picture-1.png by seed.")
]
Seed = Annotated[int, typer.Option(help="Which picture of this prompt; one seed, one picture.")]
Count = Annotated[int, typer.Option("--n", "-n", help="How many pictures, 1 to 100, with seed, seed + 1, ...")]
Guidance = Annotated[float | None, typer.Option(help="How closely to follow the prompt, 0 to 30; 1 is no guidance.")]
Negative = Annotated[str, typer.Option(help="What to move away from.")]
Style = Annotated[str | None, typer.Option(help="fluent-flat (drawn best), fluent, noto, twemoji, ... Any by default.")]
Sampler = Annotated[str | None, typer.Option(help=SAMPLER_NAMES + ".")]
Adapter = Annotated[
    Path | None, typer.Option(help="What was learned of your own pictures: a file of `bozzetto adapt text-to-image`.")
]
Sheet = Annotated[Path | None, typer.Option(help="Also put all pictures on one sheet, a PNG file.")]
Size = Annotated[
    int, typer.Option(help="Pixels, 16 to 2048: drawn at 64, from 128 on at 128 with finer edges, and enlarged.")
]
Show = Annotated[bool, typer.Option("--show", help="Also show the pictures in the terminal.")]


def outputs(out: Path, seed: int, n: int, sheet: Path | None, size: int, best_of: int = 1) -> list[Path]:
    """The file of each picture; InvalidInput, before anything is drawn, if one or the sheet cannot be written."""
    from bozzetto import pictures
    from bozzetto.runtime import requests

    seeds = requests.seeds(seed, n, best_of)
    files = [out] if n == 1 else [out.with_stem(f"{out.stem}-{seed}") for seed in seeds]
    for path in files:
        pictures.check_output(path)
    if sheet:
        pictures.check_output(sheet, field="sheet")
    if sheet and sheet.absolute() in (name.absolute() for name in files):
        raise InvalidInput("sheet", f"{sheet} is an output already: name another file")
    pictures.check_size(size)
    return files


@contextmanager
def noting(context: typer.Context) -> Iterator[None]:
    """Afterwards the shell says what was not read."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for warning in caught:
        said = warning.message
        text = said.text(flags(context.command)) if isinstance(said, InputWarning) else str(said)
        print(f"bozzetto: warning: {text}", file=sys.stderr)


@contextmanager
def drawing(context: typer.Context, prompt: str) -> Iterator[Callable[[int, int], None]]:
    """What to tell of the progress; afterwards the shell says what was not read, or read in pieces."""
    import bozzetto

    with noting(context), bar("drawing") as progress:
        yield progress
    if unknown := bozzetto.unknown_words(prompt):
        print(f"bozzetto: note: not in the vocabulary, read in pieces: {', '.join(unknown)}", file=sys.stderr)


def save(drawn: list[Image], files: list[Path], sheet: Path | None, show: bool) -> None:
    """Write the pictures and their sheet, and print where they are."""
    from bozzetto import pictures

    saved = dict(zip(files, drawn, strict=True)) | ({sheet: pictures.sheet(drawn)} if sheet else {})
    for path, picture in saved.items():
        pictures.save_png(picture, path)
    print("\n".join(map(str, saved)))
    if show:
        print("\n".join(pictures.in_terminal(picture) for picture in drawn))


@verbs.command(
    epilog=examples(
        'generate "a happy robot" -o robot.png --seed 7 --style fluent-flat --size 512',
        'generate "three apples" -o apples.png --n 8 --sheet sheet.png',
        'generate "a cat left of a dog" --layers --style noto --size 512',
        'generate "a red apple" --best-of 8 --frames frames/',
        'generate "my logo" --adapter logo.safetensors',
        "generate --prompts prompts.txt -o pictures/",
        "generate --prompts prompts.jsonl -o pictures/ --ray",
    )
)
def generate(
    context: typer.Context,
    prompt: Annotated[str | None, typer.Argument(help="What to draw, up to 300 characters.")] = None,
    out: Output = Path("picture.png"),
    prompts: Annotated[
        Path | None,
        typer.Option(help="Draw a file of prompts, a line each or JSONL, into the folder OUTPUT; it can be stopped."),
    ] = None,
    ray: Annotated[
        bool,
        typer.Option("--ray", help="With --prompts: by the workers of Ray, on the cluster that RAY_ADDRESS names."),
    ] = False,
    seed: Seed = 0,
    n: Count = 1,
    steps: Annotated[int | None, typer.Option(help="Denoising steps, 1 to 1000.")] = None,
    guidance: Guidance = None,
    negative: Negative = "",
    style: Style = None,
    sampler: Sampler = None,
    few_steps: Annotated[
        bool | None,
        typer.Option(
            "--few-steps/--all-steps",
            help="Draw with the few-step student, in 1, 2, 4 or 8 steps. Default: with --best-of, without --adapter.",
            show_default=False,
        ),
    ] = None,
    best_of: Annotated[
        int, typer.Option(help="Draw each picture so often, 1 to 64, and keep the one that CLIP matches best.")
    ] = 1,
    layers: Annotated[
        bool,
        typer.Option(
            "--layers",
            help="Draw each thing alone and put it where the words say: two to five things. With --prompts: wherever a "
            "line says so.",
        ),
    ] = False,
    adapter: Adapter = None,
    frames: Annotated[
        Path | None, typer.Option(help="A folder for two pictures of every step: noisy and clean estimate.")
    ] = None,
    sheet: Sheet = None,
    size: Size = 64,
    show: Show = False,
) -> None:
    """Draw a picture of a sentence, or those of a whole file of sentences."""
    import bozzetto
    from bozzetto import pictures
    from bozzetto.runtime.layers import read

    if prompts is not None:
        alone = {
            "prompt": prompt,
            "frames": frames,
            "sheet": sheet,
            "show": show or None,
            "best_of": best_of - 1 or None,
        }
        for option, value in alone.items():
            if value is not None:
                raise InvalidInput(option, "does not go with {}: leave it out", "prompts")
        options = {
            "seed": seed,
            "n": n,
            "num_inference_steps": steps,
            "guidance_scale": guidance,
            "negative_prompt": negative or None,
            "style": style,
            "sampler": sampler,
            "few_steps": few_steps,
        }
        options = {name: value for name, value in options.items() if value is not None}
        if layers:
            options["layers"] = None  # where a line is read so
        return draw_file(prompts, out, options, size, adapter, ray)
    if ray:
        raise InvalidInput("ray", "goes with {} only: one picture is drawn here", "prompts")
    if prompt is None:
        raise InvalidInput("prompt", "is missing: say what to draw, or name a file with {}", "prompts")
    files = outputs(out, seed, n, sheet, size, best_of)
    if frames and frames.exists() and not frames.is_dir():
        raise InvalidInput("frames", f"{frames} is a file: name a folder")
    if frames and not frames.absolute().parent.is_dir():
        raise InvalidInput("frames", f"{frames}: the folder {frames.absolute().parent} is not there, make it first")

    def save_frame(folder: Path, step: int, steps: int, index: int, noisy: Image, clean: Image) -> None:
        folder.mkdir(exist_ok=True)
        for kind, frame in (("noisy", noisy), ("clean", clean)):
            name = f"seed-{seed + index}-step-{step + 1:0{len(str(steps))}}-{kind}.png"
            pictures.save_png(pictures.enlarge(frame, size), folder / name)

    with drawing(context, prompt) as progress:
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
            best_of=best_of,
            layers=layers,
            size=size,
            adapter=adapter,
            callback_on_step_end=partial(save_frame, frames) if frames else None,
            progress=progress,
        )
    save(drawn, files, sheet, show)
    if not layers and read(prompt):
        hint = "with --layers each thing is drawn alone and put where the words say"
        print(f"bozzetto: note: {hint}", file=sys.stderr)
    if best_of > 1:
        for path, picture in zip(files, drawn, strict=True):
            seed = picture.info["seed"]
            told = (
                f"the best of {best_of} of each thing, from seed {seed} on"
                if layers
                else f"seed {seed}, the best of {best_of}"
            )
            told += f": match {picture.info['match']:.3f}"
            print(f"bozzetto: note: {path} is {told}", file=sys.stderr)


def draw_file(prompts: Path, folder: Path, options: dict[str, Any], size: int, adapter: Path | None, ray: bool) -> None:
    """Draw what a file asks for, and say what was done and what was not read."""
    from bozzetto import pictures
    from bozzetto.server import many
    from bozzetto.server.batching import Engine

    pictures.check_size(size)
    many.check_folder(folder)
    if ray:
        require("ray")
    with Engine(adapter=adapter) as engine, bar("drawing") as progress:
        wishes, notes = many.read_wishes(prompts, folder, options, size, engine)
        draw = partial(many.draw_spread, engine.weights, adapter) if ray else partial(many.draw_here, engine)
        drawn, kept = many.draw_many(partial(draw, size), wishes, folder, progress)
    for note in notes[:LISTED]:
        print(f"bozzetto: warning: {note}", file=sys.stderr)
    if len(notes) > LISTED:
        print(f"bozzetto: warning: and {len(notes) - LISTED} more", file=sys.stderr)
    print(f"{folder}: {drawn} pictures drawn" + f", {kept} were there" * bool(kept))


@verbs.command(
    epilog=examples(
        'edit robot.png "a happy robot" -o again.png --strength 0.4 --n 4',
        'edit photo.jpg "a red apple" --mask where.png -o apple.png',
    )
)
def edit(
    context: typer.Context,
    picture: Annotated[Path, typer.Argument(help="The picture to begin from: PNG, JPEG, WebP, GIF or BMP.")],
    prompt: Annotated[str, typer.Argument(help="What to draw, up to 300 characters.")],
    out: Output = Path("edited.png"),
    mask: Annotated[
        Path | None, typer.Option(help="A picture of the same shape, white where to paint; the rest stays.")
    ] = None,
    strength: Annotated[
        float | None, typer.Option(help="How much is drawn anew, 0 to 1. Default: 0.6, and 1 with a mask.")
    ] = None,
    seed: Seed = 0,
    n: Count = 1,
    steps: Annotated[int | None, typer.Option(help="Denoising steps, 1 to 1000; this share of them is run.")] = None,
    guidance: Guidance = None,
    negative: Negative = "",
    style: Style = None,
    sampler: Sampler = None,
    adapter: Adapter = None,
    sheet: Sheet = None,
    size: Size = 64,
    show: Show = False,
) -> None:
    """Redraw a picture, or a part of it, as a sentence says."""
    import bozzetto

    files = outputs(out, seed, n, sheet, size)
    with drawing(context, prompt) as progress:
        drawn = bozzetto.edit(
            picture,
            prompt,
            mask=mask,
            strength=strength,
            seed=seed,
            n=n,
            num_inference_steps=steps,
            guidance_scale=guidance,
            negative_prompt=negative,
            style=style,
            sampler=sampler,
            size=size,
            adapter=adapter,
            progress=progress,
        )
    save(drawn, files, sheet, show)


@verbs.command(
    epilog=examples(
        'film "a red car moves left" -o car.webp',
        'film "a happy robot spins" -o robot.gif --size 256 --seed 7',
        'film "a balloon grows" -o frames',
    )
)
def film(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="A thing and how it moves: a red car moves left.")],
    out: Annotated[
        Path, typer.Option("-o", "--output", help="A .webp, .gif or .png (APNG) file, or a new folder of PNG files.")
    ] = Path("film.webp"),
    seed: Annotated[int, typer.Option(help="One seed, one film.")] = 0,
    frames: Annotated[int, typer.Option(help="How many of the eight frames, 1 to 8, evenly.")] = 8,
    steps: Annotated[int | None, typer.Option(help="Denoising steps: 1, 2 or 4.")] = None,
    style: Style = None,
    size: Size = 64,
    show: Show = False,
) -> None:
    """Draw a film of one thing that moves left, right, up or down, bounces, spins, grows, shrinks or fades."""
    import bozzetto
    from bozzetto import pictures

    pictures.check_film_output(out)
    with drawing(context, prompt) as progress:
        drawn = bozzetto.film(
            prompt,
            seed=seed,
            num_frames=frames,
            num_inference_steps=steps,
            style=style,
            size=size,
            progress=progress,
        )
    bozzetto.save_film(drawn, out)
    print(out)
    if show:
        print("\n".join(pictures.in_terminal(frame) for frame in drawn))


@verbs.command(
    epilog=examples(
        "sample gan -o faces.png --label face-smiling --n 64",
        "sample diffusion --label food-fruit --steps 10 --sampler unipc",
        "sample few-steps --label cat-face --steps 4 --seed 7",
        "sample vae --labels",
    )
)
def sample(
    model: Annotated[
        Makers,
        typer.Argument(help="gan and vae: one pass; diffusion: many steps; few-steps: its student, 1 to 8 steps."),
    ],
    out: Annotated[Path, typer.Option("-o", "--output", help="The PNG file, a sheet of all pictures.")] = Path(
        "samples.png"
    ),
    label: Annotated[str | None, typer.Option(help="A class of pictures; any by default.")] = None,
    labels: Annotated[bool, typer.Option("--labels", help="List the classes, draw nothing.")] = False,
    n: Count = 16,
    seed: Annotated[int, typer.Option(help="The seed of the first picture; one seed, one picture.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Steps of diffusion, 1 to 1000; few-steps: 1, 2, 4, 8.")] = None,
    guidance: Annotated[float | None, typer.Option(help="How closely diffusion follows the class, 0 to 30.")] = None,
    sampler: Annotated[str | None, typer.Option(help="For diffusion: " + SAMPLER_NAMES + ".")] = None,
    towards: Annotated[
        str | None, typer.Option(help="Words that CLIP steers diffusion by, instead of a class.")
    ] = None,
    clip_guidance: Annotated[float | None, typer.Option(help="How strongly, 0 to 100.")] = None,
    size: Annotated[int, typer.Option(help="Enlarge the 32-pixel pictures for viewing, 16 to 2048.")] = 64,
    show: Show = False,
) -> None:
    """Draw small pictures without words, by class: with the GAN, the VAE, diffusion or its few-step student."""
    import bozzetto
    from bozzetto import pictures

    if labels:
        print("\n".join(bozzetto.sample_labels(model)))
        return
    pictures.check_output(out)
    pictures.check_size(size)
    with bar("drawing") as progress:
        drawn = bozzetto.sample(
            model,
            label=label,
            seed=seed,
            n=n,
            num_inference_steps=steps,
            guidance_scale=guidance,
            sampler=sampler,
            prompt=towards,
            clip_guidance_scale=clip_guidance,
            progress=progress,
        )
    pictures.save_png(pictures.sheet([pictures.enlarge(picture, size) for picture in drawn]), out)
    if show:
        print("\n".join(pictures.in_terminal(picture) for picture in drawn))
    print(out)


@verbs.command(
    epilog=examples(
        'sound "a rising laser" -o laser.wav',
        'sound "a short high coin" -o coin.wav --picture coin.png --seed 7',
        'sound "a long low explosion" --steps 10',
    )
)
def sound(
    context: typer.Context,
    prompt: Annotated[
        str,
        typer.Argument(
            help="coin, laser, jump, bell, explosion, power-up, siren or beep; high or low, rising or falling, "
            "short or long."
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--output", help="The WAV file.")] = Path("sound.wav"),
    picture: Annotated[Path | None, typer.Option(help="Also draw the spectrogram, a PNG file.")] = None,
    seed: Annotated[int, typer.Option(help="Which sound of this prompt; one seed, one sound.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Denoising steps, 1 to 1000.")] = None,
    guidance: Guidance = None,
) -> None:
    """Make a sound effect of one second: a spectrogram out of noise, and Griffin-Lim."""
    import bozzetto
    from bozzetto import pictures

    pictures.check_output(out, ".wav")
    if picture:
        pictures.check_output(picture, field="picture")
    with noting(context), bar("drawing") as progress:
        made = bozzetto.sound(prompt, seed=seed, num_inference_steps=steps, guidance_scale=guidance, progress=progress)
    bozzetto.save_wav(made, out)
    if picture:
        pictures.save_png(pictures.enlarge(bozzetto.spectrogram(made), 256), picture)
    print("\n".join(map(str, filter(None, [out, picture]))))
