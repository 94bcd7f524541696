"""The picture world: keys, drawing, splits and the file."""

import json

import numpy as np
import pytest

from bozzetto.errors import MissingFile
from bozzetto.world import dataset, emoji
from bozzetto.world.styles import STYLES

SQUARE = '<rect x="4" y="4" width="24" height="24" fill="#f00"/>'


def test_code_points_are_padded_and_lose_the_variation_selector():
    assert emoji.key("23-FE0F-20E3") == "0023-20e3"
    assert emoji.key("1f468_200d_1f33e") == "1f468-200d-1f33e"


def test_names_become_icon_names():
    assert emoji.slug("Japanese “here” button") == "japanese-here-button"
    assert emoji.slug("twelve o’clock") == "twelve-oclock"


def test_an_alias_is_followed_and_mirrored():
    icons = {
        "icons": {"left": {"body": '<rect width="16" height="32" fill="#00f"/>'}},
        "aliases": {"right": {"parent": "left", "hFlip": True}, "twice": {"parent": "right", "hFlip": True}},
        "width": 32,
        "height": 32,
    }
    assert emoji._resolve(icons, "right") == ("left", True)
    assert emoji._resolve(icons, "twice") == ("left", False)
    assert emoji._resolve(icons, "nothing") is None
    drawn = emoji._draw_svg(emoji._svg(icons, "left", 64), True, 64)
    assert drawn.shape == (64, 64, 4)
    assert drawn[32, 50, 2] == 255 and drawn[32, 10, 3] == 0  # the left half, mirrored to the right


def test_a_narrow_drawing_is_padded_not_stretched():
    icons = {"icons": {"a": {"body": SQUARE, "width": 32, "height": 48}}}
    drawn = emoji._draw_svg(emoji._svg(icons, "a", 64), False, 64)
    rows, columns = np.nonzero(drawn[..., 3] > 128)
    assert np.ptp(rows) == np.ptp(columns)


@pytest.fixture
def artwork(tmp_path):
    """A tiny node_modules with two concepts in three styles."""

    def put(path, content):
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(content))

    names = {"🐶": "dog face", "❤️": "red heart"}
    put(
        "unicode-emoji-json/data-by-emoji.json", {e: {"name": n, "group": "Animals & Nature"} for e, n in names.items()}
    )
    put("emojibase-data/en/data.json", [{"hexcode": "1F436", "group": 3, "subgroup": 34, "tags": ["pet"]}])
    put("emojibase-data/meta/groups.json", {"groups": {"3": "animals-nature"}, "subgroups": {"34": "animal-mammal"}})
    put("emojilib/dist/emoji-en-US.json", {"🐶": ["dog_face", "woof"]})
    cldr = {"annotations": {"annotations": {"🐶": {"default": ["dog", "face"]}}}}
    put("cldr-annotations-full/annotations/en/annotations.json", cldr)
    put(
        "cldr-annotations-derived-full/annotationsDerived/en/annotations.json",
        {"annotationsDerived": {"annotations": {}}},
    )
    for style, package in ((name, style.package) for name, style in STYLES.items()):
        if style == "fluent-3d":
            (tmp_path / package / "assets").mkdir(parents=True)
            continue
        icons = {"icons": {}, "width": 32, "height": 32}
        if style in ("noto", "twemoji"):
            icons["icons"] = {"dog-face": {"body": SQUARE}, "red-heart": {"body": SQUARE.replace("f00", "0f0")}}
        put(f"{package}/icons.json", icons)
    return tmp_path


def test_a_world_is_built_written_and_read(artwork, tmp_path):
    told = []
    columns = emoji.build(artwork, lambda style, done, total: told.append((style, done, total)))
    assert columns["codepoints"] == ["1f436", "2764"] * 2
    assert columns["style"] == ["noto", "noto", "twemoji", "twemoji"]
    assert columns["keywords"][0] == ["dog", "face", "pet", "woof"]
    assert columns["subgroup"][0] == "animal-mammal"
    assert columns["license"] == ["Apache-2.0"] * 2 + ["CC-BY-4.0"] * 2
    assert told[-1] == ("twemoji", 2, 2) and told[0] == ("noto", 1, 2)
    path = tmp_path / "deep" / "world.parquet"
    dataset.write(columns, path)
    world = dataset.load_world(path)
    assert len(world) == 4 and world.names[0] == "dog face"
    np.testing.assert_array_equal(world.images, np.stack(columns["image"]))
    assert len(world.select(np.array([True, False, False, True]))) == 2
    assert not list(path.parent.glob("*.part"))


def test_a_world_is_drawn_again_at_another_size_in_its_own_order(artwork, tmp_path):
    dataset.write(emoji.build(artwork), tmp_path / "world.parquet")
    world = dataset.load_world(tmp_path / "world.parquet").select([3, 0, 1])
    np.testing.assert_array_equal(emoji.redraw(world, artwork, 64), world.images)
    large = emoji.redraw(world, artwork, 128)
    assert large.shape == (3, 128, 128, 4)
    assert np.abs(large.reshape(3, 64, 2, 64, 2, 4).mean((2, 4)) - world.images).mean() < 2
    (artwork / STYLES["twemoji"].package / "icons.json").write_text('{"icons": {}, "width": 32, "height": 32}')
    with pytest.raises(MissingFile, match=r"artwork in .* lacks 1 picture"):
        emoji.redraw(world, artwork, 128)


def test_missing_artwork_says_what_to_run(artwork):
    (artwork / "emojilib/dist/emoji-en-US.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"emojilib.*npm ci"):
        emoji.build(artwork)


def test_a_world_that_is_not_there_or_broken_says_what_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="bozzetto world build"):
        dataset.load_world(tmp_path / "none.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(ValueError, match=r"broken\.parquet"):
        dataset.load_world(tmp_path / "broken.parquet")


def many(count: int, seed: int = 0):
    """Concepts of random blotches in six styles: nothing is a twin of anything."""
    rng = np.random.default_rng(seed)
    styles = ["noto", "noto-v1", "twemoji", "fluent", "fluent-3d", "emojione"]
    images = np.repeat(np.repeat(rng.integers(0, 256, (count * 6, 8, 8, 4), dtype=np.uint8), 8, 1), 8, 2)
    images[..., 3] = 255
    return images, [f"c{i}" for i in range(count) for _ in styles], styles * count


def test_held_out_pairs_leave_their_concept_in_training_and_never_split_a_family():
    images, codepoints, styles = many(200)
    splits = np.array(emoji.split(images, codepoints, styles))
    assert 0.08 < (splits == "test").mean() < 0.2
    for concept in set(codepoints):
        rows = [i for i, c in enumerate(codepoints) if c == concept]
        train = {STYLES[styles[i]].family for i in rows if splits[i] == "train"}
        test = {STYLES[styles[i]].family for i in rows if splits[i] == "test"}
        assert len(train) >= 2 and len(test) <= 1 and not train & test


def test_a_held_out_picture_with_a_twin_in_training_goes_back():
    images, codepoints, styles = many(60)
    splits = emoji.split(images, codepoints, styles)
    held = splits.index("test")
    keep = splits.index("train")
    images[keep] = np.clip(images[held].astype(int) + 3, 0, 255)
    images[keep, ..., 3] = 255
    assert emoji.split(images, codepoints, styles)[held] == "train"
