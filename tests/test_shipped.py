"""The real world and the weights that ship: what `make test` has built and what a person gets.

Needs data/world.parquet, which `make test` makes first (`bozzetto world build`).
"""

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bozzetto
from bozzetto.evaluation.autoencoder import psnr
from bozzetto.evaluation.film import is_right
from bozzetto.runtime import clip as towers
from bozzetto.runtime import enlarger, store, vae, write
from bozzetto.runtime.session import open_network
from bozzetto.runtime.text_to_image import premultiplied
from bozzetto.runtime.tokenizer import Tokenizer, split_words
from bozzetto.training import data
from bozzetto.training.recipes.writer import story_nouns
from bozzetto.world import emoji
from bozzetto.world.captions import caption, templates, with_article
from bozzetto.world.dataset import load_world
from bozzetto.world.films import MOTIONS
from bozzetto.world.scenes import make_scene, scene_objects
from bozzetto.world.stories import contradictions, read_story
from bozzetto.world.styles import STYLES


@pytest.fixture(scope="module")
def world():
    return load_world()


def test_the_world_has_its_size_and_only_permissive_artwork(world):
    assert 10_000 < len(world) < 11_500
    assert set(world.styles) == set(STYLES)
    assert {style.license for style in STYLES.values()} == {"Apache-2.0", "MIT", "CC-BY-4.0"}
    assert min(Counter(world.styles).values()) > 400
    assert len({key for key, core in zip(world.codepoints, world.core, strict=True) if core}) > 1100


def test_no_held_out_picture_has_a_twin_in_training(world):
    small = emoji.on_white(world.images, 32).reshape(len(world), -1)
    test = np.array([split == "test" for split in world.splits])
    assert 0.07 < test.mean() < 0.15
    nearest = np.inf
    for part in np.array_split(np.flatnonzero(test), 10):
        squared = (small[part] ** 2).sum(1)[:, None] + (small[~test] ** 2).sum(1) - 2 * small[part] @ small[~test].T
        nearest = min(nearest, squared.min() / small.shape[1])
    assert nearest > 0.99 * emoji.DUPLICATE_DISTANCE**2


def test_every_held_out_pair_is_of_a_concept_seen_in_two_other_families(world):
    families = defaultdict(lambda: defaultdict(set))
    for key, style, split in zip(world.codepoints, world.styles, world.splits, strict=True):
        families[key][split].add(STYLES[style].family)
    for seen in families.values():
        assert not seen["train"] & seen["test"]
        assert not seen["test"] or len(seen["train"]) >= 2


def test_the_shipped_vocabulary_spells_every_caption(world):
    tokenizer = Tokenizer.load(store.open_model("clip/text").path / "vocabulary.txt")
    rng = np.random.default_rng(0)
    objects = scene_objects(world)
    texts = [make_scene(world, objects, seed).sentence for seed in range(100)]
    columns = zip(world.names, world.keywords, world.styles, world.codepoints, strict=True)
    texts += [caption(name, words, style, rng, codepoints=key) for name, words, style, key in columns]
    assert not [text for text in texts if "[unk]" in tokenizer.tokenize(text)]
    words = sum(len(split_words(text)) for text in texts)
    assert sum(len(tokenizer.tokenize(text)) for text in texts) < 1.25 * words  # nearly every word is one token


def test_the_autoencoder_redraws_held_out_pictures(world):
    test = world.split("test")
    true = premultiplied(test.images[::10])
    encoder, decoder = (open_network(store.open_model(f"autoencoder/{half}")) for half in ("encoder", "decoder"))
    latents = encoder(pixels=true.transpose(0, 3, 1, 2) * 2 - 1)["latents"]
    assert abs(latents.mean()) < 0.1 and 0.8 < latents.std() < 1.2
    back = np.clip((decoder(latents=latents)["pixels"].transpose(0, 2, 3, 1) + 1) / 2, 0, 1)
    over_white = [picture[..., :3] + 1 - picture[..., 3:] for picture in (true, back)]
    assert psnr(*over_white).mean() > 28


def test_held_out_art_is_nearer_drawn_at_128_pixels_than_enlarged(world):
    shown = world.split("test").select(range(0, 1000, 20))
    art = emoji.redraw(shown, Path("node_modules"), 128)
    network = enlarger.load(store.weights_folder())
    smooth = [np.asarray(Image.fromarray(one).resize((128, 128), Image.Resampling.BICUBIC)) for one in shown.images]
    near = [psnr(premultiplied(art), premultiplied(np.stack(drawn))) for drawn in
            ([enlarger.enlarge(network, one[None])[0] for one in shown.images], smooth)]  # fmt: skip
    assert near[0].mean() > near[1].mean() + 2
    with_info = Image.fromarray(shown.images[0])
    with_info.info["seed"] = 7
    for size in (32, 64, 128, 200, 512):
        drawn = enlarger.at_size(store.weights_folder(), with_info, size)
        assert drawn.size == (size, size) and drawn.info["seed"] == 7
    whole = np.asarray(drawn)[::4, ::4]
    assert np.array_equal(whole, enlarger.enlarge(network, shown.images[:1])[0])


def test_clip_names_held_out_pictures(world):
    """Among all core concepts, of which chance would find one in twelve hundred."""
    clip = towers.load(store.weights_folder())
    core = world.select(world.core)
    names = dict(zip(core.codepoints, core.names, strict=True))
    texts = [text for name in names.values() for text in templates(name)]
    classes = towers.encode_text(clip, texts).reshape(len(names), -1, 256).mean(1)
    shown = core.split("test")
    rows = range(0, len(shown), 4)
    over_white = (255 * emoji.on_white(shown.images[::4])).round().astype(np.uint8)
    ranks = (-towers.encode_image(clip, over_white) @ classes.T).argsort(1)
    concepts = list(names)
    hits = [concepts.index(shown.codepoints[row]) in ranks[i, :5] for i, row in enumerate(rows)]
    assert np.mean(hits) > 0.5


def test_what_is_drawn_looks_like_what_was_asked_for():
    """Sixteen sentences, sixteen pictures: CLIP has to find the sentence of each."""
    names = [
        "apple",
        "pizza",
        "dog",
        "cat",
        "tree",
        "guitar",
        "fish",
        "ghost",
        "sunflower",
        "car",
        "octopus",
        "hamburger",
        "house",
        "crown",
        "rocket",
        "robot",
    ]
    prompts = [with_article(name) for name in names]
    pictures = np.stack([bozzetto.encode_image(bozzetto.generate(prompt, seed=1)[0]) for prompt in prompts])
    sentences = np.stack([bozzetto.encode_text(prompt) for prompt in prompts])
    found = (pictures @ sentences.T).argmax(1) == np.arange(16)
    assert found.mean() > 0.6


def test_diffusion_and_its_student_draw_the_class():
    """CLIP, which had no part in them, finds the class of most drawings among eight words."""
    words = {
        "face-smiling": "smiling face", "cat-face": "cat", "heart": "heart", "food-fruit": "fruit",
        "transport-ground": "car", "drink": "drink", "plant-flower": "flower", "clothing": "clothes",
    }  # fmt: skip
    for model in ("diffusion", "few-steps"):
        named = [
            bozzetto.label(picture, list(words.values()))[0][0] == word
            for group, word in words.items()
            for picture in bozzetto.sample(model, label=group, seed=1, n=4)
        ]
        assert np.mean(named) > 0.5  # chance is 0.125


def test_the_vae_redraws_held_out_pictures(world):
    shown = data.emoji(world, "test").images[::8]
    pixels = shown.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
    good, plane = (vae.load(store.weights_folder(), kind) for kind in ("", "map_"))
    assert psnr((pixels + 1) / 2, (vae.decode(good, vae.encode(good, pixels)[0]) + 1) / 2).mean() > 15
    places = vae.encode(plane, pixels)[0]
    assert places.shape == (len(shown), 2) and places.std(0).min() > 0.3  # both numbers are used


@pytest.mark.parametrize("model", ["gan", "vae", "diffusion", "few-steps"])
def test_a_maker_does_not_draw_one_thing_again_and_again(model, world):
    """The typical distance of two drawings is at least half of that of two real pictures."""
    real = data.emoji(world, "test").images[:24].astype(float)
    drawn = np.stack([np.asarray(picture, float) for picture in bozzetto.sample(model, n=24)])

    def apart(images):
        flat = images.reshape(len(images), -1)
        distances = np.linalg.norm(flat[:, None] - flat, axis=-1)
        return np.median(distances[np.triu_indices(len(flat), 1)])

    assert apart(drawn) > 0.5 * apart(real)


@pytest.mark.parametrize(
    ("method", "least"), [(write.METHODS[0], 10), (write.METHODS[1], 9)]
)  # 97 and 94 % of 200 agree
def test_the_writers_hold_to_the_grammar_and_to_their_first_sentence(world, method, least):
    nouns, agree = story_nouns(world), 0
    for seed in range(12):
        story = bozzetto.write("a red cat left of a robot" if seed % 2 else "", seed=seed, method=method)
        reading = read_story(story, nouns)
        agree += reading is not None and not contradictions(reading)
    assert agree >= least


def test_things_move_as_the_words_say():
    right = 0
    for seed, motion in enumerate(MOTIONS):
        frames = bozzetto.film(f"a red car {motion}", seed=seed)
        right += is_right(np.stack([np.asarray(frame) for frame in frames]), motion)
    assert right >= 8
