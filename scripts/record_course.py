"""Make the course's data from the shipped weights: galleries, embeddings, recorded runs, measured curves.

    python scripts/record_course.py            # a minute

Run it after every export; a test compares what is recorded with what the weights draw today. Needs data/world.parquet
and data/teacher.safetensors, and what the benchmarks have measured (benchmarks/results).
"""

import base64
import json
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import bozzetto
from bozzetto.course.content import read_toml
from bozzetto.course.vae_map import VAE_MAPS, cut, encode_all, shrink, thumbnails, vae_map
from bozzetto.diffusion import flow, normal_batch
from bozzetto.evaluation.bench import HELD_OUT_SEED
from bozzetto.evaluation.text_to_image import IN_LAYERS
from bozzetto.families import BY_NAME
from bozzetto.pictures import over_white
from bozzetto.runtime import clip as towers
from bozzetto.runtime import denoising, enlarger, gan_round, sample, store, text_to_image, vae
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.world.captions import plain_name, templates, with_article
from bozzetto.world.dataset import World, load_world
from bozzetto.world.documents import KINDS as DOCUMENT_KINDS
from bozzetto.world.documents import make_document, render_document
from bozzetto.world.questions import document_questions
from bozzetto.world.scenes import make_scene, render, scene_objects

ROOT = Path(__file__).parents[1]
DATA = ROOT / "src/bozzetto/course/data"
IDEAS = (
    "cat", "dog", "robot", "rocket", "pizza", "octopus", "ghost", "sunflower", "fish", "automobile", "crown",
    "deciduous tree", "house", "strawberry", "penguin", "trumpet", "red apple", "guitar", "hamburger", "blue heart",
    "snowman", "lemon", "grinning face", "banana",
)  # fmt: skip
GROUPS = (
    "animals-nature", "food-drink", "travel-places", "objects", "activities", "people-body", "smileys-emotion",
    "symbols", "flags",
)  # fmt: skip
STILLS = {  # the first sight of a live figure: a prompt and a seed
    "words-steer": ("a red apple", 7),
    "sorter-maker": ("a rocket", 7),
    "match-score": ("a sunflower", 7),
}
MADE, MADE_STEPS = 12, 8  # lesson 1's maker: so many pictures of its still's prompt, with the lesson's few steps
DOCUMENTS_EACH = 4  # signs, charts and receipts
ON_MAP = 28  # pictures, and as many captions
LOGO = "rocket"  # lesson 9 opens with it, and with these fields
VARIED: dict[str, Any] = {"seed": 7, "n": 4, "strength": 0.6, "num_inference_steps": 8}
RUN_SCALE = 2.0**-7  # of the numbers of a recorded run, in the file
DIAL_RUN = ("face-smiling", 7)  # lesson 5's: a class of the pixel model, and a seed
HOME = (  # the first page's runs
    "a house", "an umbrella", "a sunflower", "a rocket", "a red heart", "a robot", "a guitar", "a ghost", "a clock",
)  # fmt: skip
HOME_SEEDS = 8  # of so many drawings CLIP chooses one
HOME_STEPS = (0, 2, 4, 6, 8, 10, 12, 14, 16, 19)  # what is shown of the 20


def write(name: str, content: object) -> None:
    path = DATA / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def sheet(pictures: np.ndarray, columns: int) -> Image.Image:
    """uint8 [N,S,S,C] row by row."""
    count, size, _, channels = pictures.shape
    rows = -(-count // columns)
    paper = np.zeros((rows * columns, size, size, channels), np.uint8)
    paper[:count] = pictures
    cells = paper.reshape(rows, columns, size, size, channels).transpose(0, 2, 1, 3, 4)
    return Image.fromarray(cells.reshape(rows * size, columns * size, channels))


def white(pictures: np.ndarray) -> np.ndarray:
    """uint8 [N,64,64,4] -> [N,64,64,3] on white."""
    return np.stack([np.asarray(over_white(Image.fromarray(picture))) for picture in pictures])


def save(picture: Image.Image, name: str, quality: int) -> None:
    """As AVIF with all of its colours: drawings of 32 and 64 pixels are half as large in it as in WebP, and sharper."""
    path = DATA / name
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=quality, subsampling="4:4:4", speed=6)


def write_embeddings(name: str, embeddings: np.ndarray) -> float:
    """Unit vectors as int8; returns the scale that makes them floats again."""
    scale = float(np.abs(embeddings).max()) / 127
    (DATA / f"{name}.embeddings.bin").write_bytes(np.round(embeddings / scale).astype(np.int8).tobytes())
    return scale


def record_gallery(world: World, clip: towers.Clip) -> None:
    """The held-out pictures, which no training has seen, and where CLIP's picture tower puts them."""
    unseen = world.split("test")
    # One of each group in turn, so that a page of the gallery is a mixture; things before symbols and twins.
    place = Counter[str]()
    order = []
    for row, (group, core) in enumerate(zip(unseen.groups, unseen.core, strict=True)):
        place[group] += 1
        order.append((not core, place[group], GROUPS.index(group), row))
    unseen = unseen.select([row for *_, row in sorted(order)])
    save(sheet(unseen.images, 32), "gallery.avif", 40)
    scale = write_embeddings("gallery", towers.encode_image(clip, white(unseen.images)))
    items = [
        {"name": plain_name(name), "style": style, "codepoints": key}
        for name, style, key in zip(unseen.names, unseen.styles, unseen.codepoints, strict=True)
    ]
    write("gallery.json", {"size": 64, "columns": 32, "embedding_scale": scale, "items": items})


def record_labels(world: World, clip: towers.Clip) -> None:
    """The names of the core concepts and where CLIP's text tower puts them."""
    names = sorted({plain_name(name) for name, core in zip(world.names, world.core, strict=True) if core})
    means = np.stack([towers.encode_text(clip, templates(name)).mean(0) for name in names])
    scale = write_embeddings("labels", means / np.linalg.norm(means, axis=1, keepdims=True))
    write("labels.json", {"names": names, "embedding_scale": scale})


def record_papers(world: World) -> None:
    """Signs, charts and receipts that no training showed, with what each can be asked."""
    objects, rng = scene_objects(world), np.random.default_rng(0)
    nouns = [thing.noun for thing in objects]
    which = [(kind, HELD_OUT_SEED + i) for kind in DOCUMENT_KINDS for i in range(DOCUMENTS_EACH)]
    documents = [make_document(world, objects, seed, kind=kind) for kind, seed in which]
    pictures = np.stack([render_document(world, document) for document in documents])
    sheet(pictures, len(pictures)).save(DATA / "papers.webp", lossless=True)
    own = ("read", "chart", "receipt")  # kinds of questions that only a document can be asked come first
    items = []
    for document in documents:
        questions = sorted(document_questions(document, nouns, rng), key=lambda question: question.kind not in own)
        items.append({"kind": document.kind, "questions": [question.text for question in questions]})
    write("papers.json", {"size": 64, "items": items})


def record_map(world: World) -> None:
    """Where CLIP before its training puts some pictures of the gallery, and then their captions: the page asks the
    trained one itself."""
    import torch

    from bozzetto.training.recipes.clip import build_model
    from bozzetto.training.teacher import load as load_teacher

    gallery = json.loads((DATA / "gallery.json").read_text(encoding="utf-8"))["items"]
    shown = [i for i, item in enumerate(gallery) if " " not in item["name"]][:ON_MAP]
    captions = [with_article(gallery[i]["name"]) for i in shown]
    place = {key: i for i, key in enumerate(zip(world.codepoints, world.styles, strict=True))}
    pictures = white(world.images[[place[gallery[i]["codepoints"], gallery[i]["style"]] for i in shown]])
    teacher = load_teacher()
    tokenizer = Tokenizer(teacher.vocabulary)
    clip = build_model(tokenizer, teacher, seed=0, sizes={})
    with torch.inference_mode():
        seen = clip.encode_image(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 127.5 - 1)
        read = clip.encode_text(torch.from_numpy(tokenizer(captions)))
    scale = write_embeddings("map", torch.cat([seen, read]).numpy())
    write("map.json", {"items": shown, "captions": captions, "embedding_scale": scale})


def record_training(world: World) -> None:
    """Every training picture as a thumbnail, and how near unseen real pictures come to them."""
    seen = world.split("train")
    pictures = white(seen.images)
    small = np.round(shrink(pictures, 32)).astype(np.uint8)
    per_sheet, columns = 2048, 64
    sheets, kept = [], []
    for number, start in enumerate(range(0, len(small), per_sheet)):
        sheets.append(f"training-{number}.avif")
        part = small[start : start + per_sheet]
        save(sheet(part, columns), sheets[-1], 38)
        with Image.open(DATA / sheets[-1]) as drawn:
            kept.append(cut(drawn, 32, len(part)))
    # Distances as the page takes them, from these thumbnails: root mean square over 16 x 16 colours on white, 0 .. 1.
    reference, query = (
        (shrink(part, 16) / 255).reshape(len(part), -1).astype(np.float32)
        for part in (np.concatenate(kept), white(world.split("test").images))
    )
    squares = (query**2).sum(1)[:, None] + (reference**2).sum(1) - 2 * query @ reference.T
    nearest = np.sqrt(np.maximum(squares.min(1), 0) / reference.shape[1])
    low, median, high = (float(np.percentile(nearest, p)) for p in (5, 50, 95))
    names = sorted({plain_name(name) for name in seen.names})
    numbers = {name: i for i, name in enumerate(names)}
    styles = sorted(set(seen.styles))
    write(
        "training.json",
        {
            "size": 32,
            "columns": columns,
            "per_sheet": per_sheet,
            "sheets": sheets,
            "names": names,
            "styles": styles,
            "items": [numbers[plain_name(name)] for name in seen.names],
            "item_styles": [styles.index(style) for style in seen.styles],
            "typical_distance": {"low": low, "median": median, "high": high, "n": len(query)},
        },
    )
    from bozzetto.training.recipes.memoriser import sixteen

    chosen = sixteen(world)
    place = {key: i for i, key in enumerate(zip(seen.codepoints, seen.styles, strict=True))}
    trained_on = [place[key] for key in zip(chosen.codepoints, chosen.styles, strict=True)]
    write("memoriser.json", {"trained_on": trained_on})


def record_vae_map(world: World) -> None:
    """Lesson 3's map of the pictures it learned from (course/vae_map.py), and its still."""
    weights, seen, unseen = store.weights_folder(), world.split("train"), world.split("test")
    rows = np.flatnonzero(seen.core)
    small = shrink(white(seen.images[rows]), 32).round()
    ink = 256 - small.min(-1, keepdims=True)  # paper has no say in the colour of what is on it
    colours = ((small * ink).sum((1, 2)) / ink.sum((1, 2))).round().astype(np.uint8)
    maps = {kind: encode_all(vae.load(weights, kind), small) for kind in VAE_MAPS}
    new = shrink(white(unseen.images[np.flatnonzero(unseen.core)]), 32)
    facts, content = vae_map(vae.load(weights), rows, colours, maps, thumbnails(DATA)[rows], new)
    (DATA / "vae-map.bin").write_bytes(content)
    draw_map(maps[VAE_MAPS[0]], facts["maps"][VAE_MAPS[0]], small, colours)
    write("vae-map.json", facts)


def draw_map(places: np.ndarray, lies: dict[str, list[float]], small: np.ndarray, colours: np.ndarray) -> None:
    """The still of the map as the page draws it: dots, and as many pictures as there is room for."""
    size, side = np.array([1008, 480]), 20
    shares = np.tanh((places - lies["middle"]) / (1.7 * np.array(lies["spread"]))) * (0.5, -0.5) + 0.5
    corners = np.round(4 + shares * (size - side - 8)).astype(int)
    paper = Image.new("RGB", tuple(size), "#fefbf4")
    for (x, y), colour in zip(corners + side // 2, colours, strict=True):
        paper.paste(tuple(colour.tolist()), (x - 1, y - 1, x + 1, y + 1))
    drawn: list[np.ndarray] = []
    for i in np.random.default_rng(0).permutation(len(places)):
        if drawn and (np.abs(np.array(drawn) - corners[i]).max(1) < 0.86 * side).any():
            continue
        drawn.append(corners[i])
        picture = Image.fromarray(small[i].astype(np.uint8)).resize((side, side), Image.Resampling.BILINEAR)
        alpha = np.minimum(255, 6 * (255 - np.asarray(picture).min(-1).astype(int))).astype(np.uint8)
        paper.paste(picture, tuple(corners[i].tolist()), Image.fromarray(alpha))
    save(paper, "stills/describe-redraw.avif", 50)


def record_ideas(models: text_to_image.Models) -> None:
    """What the text tower says of lesson 1's ideas, so that the lesson need not load it."""
    ideas = []
    for name, prompt in [*((name, with_article(name)) for name in IDEAS), ("", "")]:
        condition = text_to_image.encode(models, prompt)
        tokens = int(condition["mask"].sum())
        parts = {name: condition[name][0, :tokens] for name in ("hidden", "words")}
        parts["embedding"] = condition["embedding"][0]
        packed = {key: base64.b64encode(part.astype(np.float16).tobytes()).decode() for key, part in parts.items()}
        ideas.append({"name": name, "prompt": prompt, "tokens": tokens, **packed})
    write("ideas.json", {"nothing": ideas.pop(), "ideas": ideas})  # nothing: the empty prompt, for guidance


def record_sorter_maker(models: text_to_image.Models, prompt: str, seed: int) -> None:
    """What lesson 1's maker draws first, a strip: the page shows it until somebody has it drawn anew."""
    seeds = range(seed, seed + MADE)
    drawn = text_to_image.draw(models, prompt, seeds, num_inference_steps=MADE_STEPS, sampler="dpmpp_2m")
    save(sheet(np.stack(drawn), MADE), "recorded/sorter-maker.avif", 60)
    idea = next(name for name in IDEAS if with_article(name) == prompt)
    weights = store.open_model("text_to_image").weights_sum()
    write("recorded/sorter-maker.json", {"idea": idea, "seed": seed, "weights": weights})


def record_same_blocks() -> None:
    """What lesson 9's first job makes of what it is met with, a strip."""
    gallery = json.loads((DATA / "gallery.json").read_text(encoding="utf-8"))
    row, column = divmod(next(i for i, item in enumerate(gallery["items"]) if item["name"] == LOGO), gallery["columns"])
    with Image.open(DATA / "gallery.avif") as shown:
        logo = shown.convert("RGBA").crop((64 * column, 64 * row, 64 * column + 64, 64 * row + 64))
    drawn = bozzetto.edit(logo, with_article(LOGO), **VARIED)
    save(sheet(np.stack([np.asarray(one) for one in drawn]), len(drawn)), "recorded/same-blocks.avif", 60)
    weights = store.open_model("text_to_image").weights_sum()
    write("recorded/same-blocks.json", {"picture": LOGO, **VARIED, "weights": weights})


def write_run(
    name: str, model: str, run: dict, numbers: list[np.ndarray], rows: dict, seconds: float, shift: float = 1
) -> None:
    """A whole run of a shipped model: strips of pictures by what they show, one above the other; and the numbers that
    are denoised, as they are after each step."""
    steps, [size, *_] = len(numbers), rows["noisy"][0].shape
    save(sheet(np.concatenate([np.stack(row) for row in rows.values()]), steps), f"recorded/{name}.avif", 60)
    (DATA / f"recorded/{name}.bin").write_bytes(np.round(np.stack(numbers) / RUN_SCALE).astype("<i2").tobytes())
    facts = {
        "steps": steps,
        "times": [round(t, 4) for t in flow(steps, shift).times.tolist()],
        "size": size,
        "rows": list(rows),
        "scale": RUN_SCALE,
        "weights": store.open_model(model).weights_sum(),
        "milliseconds": round(1000 * seconds / steps, 1),
    }
    write(f"recorded/{name}.json", run | facts)


def record_words_steer(models: text_to_image.Models, prompt: str, seed: int) -> None:
    """With the two guesses that each step was made of, and what the sentence became."""
    style = text_to_image.BEST_STYLE
    latents, clean = [], []

    def on_step(step: int, steps: int, index: int, now: np.ndarray, estimate: np.ndarray) -> None:
        latents.append(now)
        clean.append(estimate)

    began = time.perf_counter()
    text_to_image.draw(models, prompt, [seed], style=style, callback=on_step)
    seconds = time.perf_counter() - began
    sampling = {key: getattr(models.defaults, key) for key in ("sampler", "guidance_scale")}
    shift = models.defaults.shift
    wanted, unwanted = text_to_image.encode(models, prompt, style), text_to_image.encode(models, "")
    asked = [normal_batch([seed], text_to_image.LATENT_SHAPE), *latents[:-1]]
    times = flow(len(latents), shift).times.tolist()
    rows = {"noisy": latents, "clean": clean}
    for view, scale in (("withoutPrompt", 0), ("withPrompt", 1)):
        guess = denoising.guided_denoiser(models.denoiser, wanted, unwanted, scale)
        rows[view] = [guess(x, t) for x, t in zip(asked, times, strict=False)]
    pictures = {view: [text_to_image.decode(models, one)[0] for one in row] for view, row in rows.items()}
    vector = [round(value, 3) for value in wanted["embedding"][0].tolist()]
    run = {"prompt": prompt, "seed": seed, "style": style, **sampling, "vector": vector}
    write_run("words-steer", "text_to_image", run, latents, pictures, seconds, shift)


def record_speed_dial(label: str, seed: int) -> None:
    weights, numbers = store.weights_folder(), list[np.ndarray]()
    rows: dict[str, list[np.ndarray]] = {"noisy": [], "clean": []}

    def on_step(step: int, steps: int, index: int, now: np.ndarray, estimate: np.ndarray) -> None:
        numbers.append(now)
        for row, pixels in zip(rows.values(), (now, estimate), strict=True):
            row.append(sample.to_bytes(pixels)[0])

    began = time.perf_counter()
    [picture] = sample.draw("diffusion", weights, [seed], label, nearest=lambda name, _: name, callback=on_step)
    seconds = time.perf_counter() - began
    defaults = store.open_model("diffusion")["defaults"]
    sampling = {key: defaults[key] for key in ("sampler", "guidance_scale")}
    write_run("speed-dial", "diffusion", {"label": label, "seed": seed, **sampling}, numbers, rows, seconds)
    save_still("speed-dial", Image.fromarray(picture))


def save_still(name: str, picture: Image.Image) -> None:
    """The first sight of a live figure."""
    save(picture.resize((256, 256), Image.Resampling.NEAREST), f"stills/{name}.avif", 60)


def strip(rows: list[np.ndarray], name: str, scale: int = 2) -> None:
    """Rows of pictures uint8 [n,S,S,C], one above the other, as the still of a figure."""
    picture = sheet(np.concatenate(rows), len(rows[0]))
    size = (scale * picture.width, scale * picture.height)
    save(picture.resize(size, Image.Resampling.NEAREST), f"stills/{name}.avif", 60)


def record_home(models: text_to_image.Models, clip: towers.Clip) -> None:
    """Nine real runs from noise to a picture at 128 pixels, a strip each: of the seeds 0 .. 7 the one whose drawing
    CLIP finds most like its words."""
    drawn, items, finer = [], [], enlarger.load(store.weights_folder())
    for prompt in HOME:
        drawings = text_to_image.draw(models, prompt, range(HOME_SEEDS), style=text_to_image.BEST_STYLE)
        pictures = white(np.stack(drawings))
        match = towers.encode_image(clip, pictures) @ towers.encode_text(clip, [prompt])[0]
        seed = int(match.argmax())
        frames: list[np.ndarray] = []

        def on_step(step: int, steps: int, index: int, now: np.ndarray, estimate: np.ndarray) -> None:
            if step in HOME_STEPS:
                frames.extend(white(enlarger.enlarge(finer, text_to_image.decode(models, now))))  # noqa: B023 (drawn before the next prompt)

        text_to_image.draw(models, prompt, [seed], style=text_to_image.BEST_STYLE, callback=on_step)
        name = f"{prompt.replace(' ', '-')}.avif"
        save(sheet(np.stack(frames), len(frames)), f"home/{name}", 45)
        items.append({"file": name, "prompt": prompt, "style": text_to_image.BEST_STYLE, "seed": seed})
        drawn.append(pictures[seed])
    write("home.json", items)
    strip([np.stack(drawn[:4]), np.stack(drawn[4:8])], "same-blocks")


def record_stills(world: World, models: text_to_image.Models) -> None:
    """What stands where a figure will be: drawings of the shipped models, and what they make of unseen pictures."""
    for name, (prompt, seed) in STILLS.items():
        style = text_to_image.BEST_STYLE if name == "words-steer" else None
        save_still(name, bozzetto.generate(prompt, seed=seed, style=style)[0])
    groups = read_toml(ROOT / "src/bozzetto/course/content/en/interface/classes.toml").values()
    words = next(group[DIAL_RUN[0]] for group in groups if DIAL_RUN[0] in group)
    drawn_for = {**STILLS, "speed-dial": (words, DIAL_RUN[1])}
    write("stills.json", {name: {"prompt": prompt, "seed": seed} for name, (prompt, seed) in drawn_for.items()})
    unseen = world.split("test")
    game, state = gan_round.Game(), gan_round.start(7)
    for _ in range(1000):
        state, shown = game.play(state, gan_round.BALANCED, 7)
    both = np.stack([gan_round.real_pictures(7, 2 * state.rounds + 1), shown.fakes])[:, :8]
    rows = np.round(127.5 * both + 127.5).astype(np.uint8).transpose(0, 1, 3, 4, 2).reshape(4, 4, 16, 16, 3)
    strip([*rows], "step-the-game", scale=4)

    fox = sample.shrunk(white(unseen.images[[unseen.names.index("fox")]])[0])
    look = partial(sample.denoise, store.weights_folder(), fox, nearest=lambda label, _: label)
    looks = [look(t, 7, None) for t in (0.2, 0.4, 0.6, 0.8, 1.0)]
    levels = [np.concatenate([sample.to_bytes(each) for each in row]) for row in zip(*looks, strict=True)]
    strip(levels, "spot-the-noise", scale=4)

    scene = render(world, make_scene(world, scene_objects(world), 3, "test", "place"))
    gap = 4
    patches = np.full((64 + 3 * gap, 64 + 3 * gap, 4), 0, np.uint8)
    for row in range(4):
        for column in range(4):
            patch = scene[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
            top, left = row * (16 + gap), column * (16 + gap)
            patches[top : top + 16, left : left + 16] = patch
    strip([patches[None]], "read-the-picture", scale=4)


def record_weak_spots() -> None:
    """What `bozzetto evaluate text-to-image` found about scenes."""
    scores = json.loads((ROOT / "benchmarks/results/scores.json").read_text())["text-to-image"]["scores"]
    wanted = {
        "thing": "judge top-5",
        "color": "color scenes: the colour",
        "count": "count scenes: as many objects",
        "two": "two scenes: just the two objects",
        "place": "place scenes: the two and their place",
    }
    wanted |= {f"{fact}-layers": IN_LAYERS.format(wanted[fact]) for fact in ("count", "two", "place")}
    rows = [
        {"fact": fact, "rate": scores[name]["value"], **{key: scores[name][key] for key in ("low", "high", "n")}}
        for fact, name in wanted.items()
    ]
    write("weak-spots.json", rows)


def record_dial() -> None:
    """What benchmarks/dial.py measured: a row for each sampler or model and number of steps."""
    measured = json.loads((ROOT / "benchmarks/results/dial.json").read_text())
    rows = [
        {
            "name": row["sampler"] or BY_NAME[row["maker"]].home,
            **{key: round(row[key], 1) for key in ("steps", "frechet", "low", "high", "milliseconds")},
        }
        for row in measured["rows"]
    ]
    facts = {key: measured[key] for key in ("n", "guidance_scale")}
    write("dial.json", {**facts, "floor": round(measured["floor"]["value"], 1), "rows": rows})


def record_noise_levels(world: World) -> None:
    """What benchmarks/noise_levels.py measured, and the mean of all training pictures, which its marks begin at."""
    from bozzetto.training.data import emoji

    measured = json.loads((ROOT / "benchmarks/results/noise_levels.json").read_text())
    kinds = ("picture", "noise")
    rows = [
        {"t": row["t"]} | {kind: {key: round(value, 4) for key, value in row[kind].items()} for kind in kinds}
        for row in measured["rows"]
    ]
    write("noise-levels.json", {"n": measured["n"], "rows": rows})
    mean = np.round(emoji(world).images.mean(0)).astype(np.uint8)
    Image.fromarray(mean).save(DATA / "average.png", optimize=True)


def main() -> None:
    DATA.mkdir(parents=True, exist_ok=True)
    world = load_world()
    weights = store.weights_folder()
    clip, models = towers.load(weights), text_to_image.load(weights)
    record_gallery(world, clip)
    record_labels(world, clip)
    record_papers(world)
    record_map(world)
    record_training(world)
    record_vae_map(world)
    record_ideas(models)
    record_sorter_maker(models, *STILLS["sorter-maker"])
    record_words_steer(models, *STILLS["words-steer"])
    record_speed_dial(*DIAL_RUN)
    record_same_blocks()
    record_home(models, clip)
    record_stills(world, models)
    record_weak_spots()
    record_dial()
    record_noise_levels(world)


if __name__ == "__main__":
    main()
