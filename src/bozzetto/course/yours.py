"""The learner's own networks in the course: a weights folder in which they stand in the place of the course's own.

Pages say so where they run. What was recorded or measured with the course's own (`recorded` in the table of families)
is left out, and the map of lesson 3 made again.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from bozzetto import hub
from bozzetto.course.vae_map import VAE_MAPS, cut, encode_all, shrink, thumbnails, vae_map
from bozzetto.errors import InvalidInput, MissingFile, require
from bozzetto.families import FAMILIES, Family, names
from bozzetto.pictures import over_white
from bozzetto.runtime import store, vae
from bozzetto.training import card

SHOWN = names(own=True, runtime=True)
LIST = "yours.json"  # in a weights folder that `merged` has made: which of its model folders are the learner's
SIZES = ("channels", "latent_size", "latent_channels", "embedding_size", "styles")  # what the pages count on


@contextmanager
def merged(place: str) -> Iterator[Path]:
    """A weights folder for as long as it is needed: the models in use, with those of `place` instead.

    place: a weights folder with some models, a finished run, which is exported first, or hf://owner/name. Raises
    InvalidInput where nothing in it can be shown, WeightsError for damaged files, and MissingExtra.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder, together = hub.fetched(place, "weights"), Path(temporary) / "weights"
        if not folder.is_dir():
            raise MissingFile("weights", f"{folder} is not there: name a weights folder, a run, or hf://owner/name")
        if told := card.about(folder):
            folder = _exported(str(told.get("model")), folder, Path(temporary) / "exported")
        used = store.weights_folder()
        mine = [family for family in FAMILIES if family.served and _differs(family, folder, used)]
        if not mine:
            why = f"{place} has no model of its own: `bozzetto export MODEL --from RUN --to FOLDER` writes one"
            raise InvalidInput("weights", f"{why}, of {', '.join(SHOWN)}")
        shutil.copytree(used, together)
        for family in mine:
            _check(family, folder, used, place)
            shutil.rmtree(together / family.home)
            shutil.copytree(folder / family.home, together / family.home)
        folders = [name for family in mine for name in family.folders]
        (together / LIST).write_text(json.dumps(folders), encoding="utf-8")
        for name in folders:
            store.open_model(name, together)  # which looks at the models that it needs, too
        yield together


def _exported(model: str, run: Path, to: Path) -> Path:
    if model not in SHOWN:
        raise InvalidInput("weights", f"{run} is a run of {model}, which the pages cannot show: of {', '.join(SHOWN)}")
    require("torch", "safetensors", "onnx", "onnxscript")
    from bozzetto.training import recipes
    from bozzetto.training.recipe import export_run

    export_run(recipes.find(model), run, to)
    return to


def _differs(family: Family, folder: Path, used: Path) -> bool:
    """Whether a weights folder has a family, and other weights of it than those in use."""
    if not any((folder / name).is_dir() for name in family.folders):
        return False
    sums = ([store.open_folder(at / name, name).weights_sum() for name in family.folders] for at in (folder, used))
    return next(sums) != next(sums)


def _check(family: Family, folder: Path, used: Path, place: str) -> None:
    """InvalidInput unless the pages can run these networks."""
    again = f"`bozzetto export {family.name} --from RUN --to {place}` writes it again"
    if family.name not in SHOWN:
        raise InvalidInput("weights", f"{place} has its own {family.name}; the pages take only {', '.join(SHOWN)}")
    for name in family.folders:
        own, usual = (store.open_folder(at / name, name) for at in (folder, used))
        if missing := usual["files"].keys() - own["files"].keys():
            raise InvalidInput("weights", f"{place}/{name} has no {min(missing)}: {again}")
        for size in SIZES:
            theirs, ours = (model["config"].get(size) for model in (own, usual))
            if theirs != ours:
                raise InvalidInput("weights", f"{place}/{name} has {size} {theirs}, and the pages run only {ours}")


def of(weights: Path) -> list[str]:
    """The folders of the learner's own networks in a weights folder."""
    path = weights / LIST
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else []


def left_out(mine: Iterable[str]) -> set[str]:
    """Patterns of what in data/ tells of the networks whose place these have taken."""
    return {pattern for family in FAMILIES if {*family.folders} & {*mine} for pattern in family.recorded}


def remade(data: Path, weights: Path) -> dict[str, bytes]:
    """Of data/, lesson 3's map by the learner's own VAE: of the course's training pictures, and how far it redraws the
    gallery's, which no training has seen, from them."""
    count = json.loads((data / "vae-map.json").read_text(encoding="utf-8"))["count"]
    content = (data / "vae-map.bin").read_bytes()
    rows, colours = np.frombuffer(content, "<i2", count), np.frombuffer(content, np.uint8, offset=10 * count)
    seen = thumbnails(data)[rows]
    items = json.loads((data / "gallery.json").read_text(encoding="utf-8"))["items"]
    with Image.open(data / "gallery.avif") as picture:
        unseen = shrink(cut(over_white(picture), 64, len(items)), 32)
    maps = {kind: encode_all(vae.load(weights, kind), seen) for kind in VAE_MAPS}
    facts, content = vae_map(vae.load(weights), rows, colours.reshape(count, 3), maps, seen, unseen)
    return {"vae-map.json": json.dumps(facts).encode(), "vae-map.bin": content}
