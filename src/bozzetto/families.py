"""The families of models: one table, and everything that lists families reads it.

A row names modules and folders and imports nothing, so that the shell starts at once. The recipe of `few-steps` is in
training/recipes/few_steps.py, under the name RECIPE: its data, its stages, its budgets and its export.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

TEACHER, WEIGHTS = "teacher", "weights"  # what a family may start from, beside another one


@dataclass(frozen=True)
class Family:
    """One kind of model.

    name: in the shell and in reports. folders: of its networks below the weights folder; the first part of the first is
    also where its card (README.md) and the note of its training (training.json) lie.
    start: what its training starts from. TEACHER: the word table, data/teacher.safetensors by default. WEIGHTS: other
    families in a weights folder, the package's own by default. A family's name: the folder of its finished run.
    takes: the whole picture world, or small pictures in classes; data: which of them there are, the usual one first.
    own: whether it also learns from pictures that are the user's own.
    goes_on: whether its training can also begin from what another has learned (`train --from`).
    trained: False for a graph without weights of its own, which no recipe makes.
    runtime: the module of runtime/ that runs it. sampled: for a maker of `sample`, which of its folders is opened.
    scorer: the module of evaluation/ that measures it, and scored: what else its `measure` is told.
    served: which of its folders the course takes along for its figures; recorded: what in its data/ tells of just these
    weights (patterns), and is left out where a learner's own stand there.
    """

    name: str
    folders: tuple[str, ...]
    start: str = ""
    takes: Literal["world", "pictures"] = "world"
    data: tuple[str, ...] = ("emoji",)
    own: bool = False
    goes_on: bool = False
    trained: bool = True
    runtime: str = ""
    sampled: str = ""
    scorer: str = ""
    scored: Mapping[str, Any] = field(default_factory=dict)
    served: tuple[str, ...] = ()
    recorded: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """Its name in Python."""
        return self.name.replace("-", "_")

    @property
    def home(self) -> str:
        """The folder of its card."""
        return self.folders[0].split("/")[0]


DIAL = "dial.json"
VAE_KINDS = ("", "plain_", "map_", "plain_map_")  # the good one, its ablation without noise, and maps of two numbers
VAE_FOLDERS = (*(f"vae/{kind}{part}" for kind in VAE_KINDS for part in ("encoder", "decoder")), "vae/sampler")
WRITER_FOLDERS = ("writer/next_word", "writer/unmask")

FAMILIES = (
    Family(
        "autoencoder",
        ("autoencoder/encoder", "autoencoder/decoder"),
        own=True,
        goes_on=True,
        scorer="autoencoder",
        served=("autoencoder/encoder", "autoencoder/decoder"),
    ),
    Family(
        "clip",
        ("clip/text", "clip/order", "clip/image"),
        start=TEACHER,
        runtime="clip",
        scorer="clip",
        served=("clip/text", "clip/order", "clip/image"),
    ),
    Family(
        "text-to-image",
        ("text_to_image",),
        own=True,
        goes_on=True,
        start=WEIGHTS,
        runtime="text_to_image",
        scorer="text_to_image",
        served=("text_to_image",),
        recorded=("weak-spots.json", "ladder*", "recorded/words-steer.*", "recorded/sorter-maker.*", "recorded/same-*"),
    ),
    Family(
        "text-few-steps",
        ("text_few_steps",),
        own=True,
        start=WEIGHTS,
        runtime="text_to_image",
        scorer="text_to_image",
        scored={"few_steps": True},
        served=("text_few_steps",),
    ),
    Family("film", ("film",), start=WEIGHTS, runtime="film", scorer="film", served=("film",)),
    Family("judge", ("judge",), start=TEACHER, scorer="judge"),
    Family("vlm", ("vlm",), start="clip", runtime="ask", scorer="vlm", served=("vlm",)),
    Family("sound", ("sound",), runtime="sound", scorer="sound", served=("sound",)),
    Family("writer", WRITER_FOLDERS, runtime="write", scorer="writer", served=WRITER_FOLDERS),
    Family(
        "gan",
        ("gan/generator", "gan/discriminator"),
        takes="pictures",
        data=("emoji", "fashion"),
        own=True,
        runtime="sample",
        sampled="gan/generator",
        served=("gan/generator",),
        recorded=(DIAL,),
        scorer="makers",
        scored={"name": "gan"},
    ),
    Family(
        "vae",
        VAE_FOLDERS,
        takes="pictures",
        data=("emoji", "fashion"),
        own=True,
        runtime="sample",
        sampled="vae/decoder",
        scorer="makers",
        scored={"name": "vae"},
        served=VAE_FOLDERS,
        recorded=(DIAL,),
    ),
    Family(
        "diffusion",
        ("diffusion",),
        takes="pictures",
        data=("emoji", "fashion"),
        own=True,
        goes_on=True,
        runtime="sample",
        sampled="diffusion",
        scorer="makers",
        scored={"name": "diffusion"},
        served=("diffusion",),
        recorded=(DIAL, "noise-levels.json", "average.png", "recorded/speed-dial.*"),
    ),
    Family(
        "few-steps",
        ("few_steps",),
        start="diffusion",
        takes="pictures",
        data=("emoji", "fashion"),
        own=True,
        runtime="sample",
        sampled="few_steps",
        scorer="makers",
        scored={"name": "few-steps"},
        served=("few_steps",),
        recorded=(DIAL,),
    ),
    Family("enlarger", ("enlarger",), start=WEIGHTS, scorer="enlarger", served=("enlarger",)),
    Family("memoriser", ("memoriser",), start=WEIGHTS, served=("memoriser",)),
    Family("fashion-classifier", ("fashion_classifier",), takes="pictures", data=("fashion",)),
    Family("gan-round", ("gan_round",), trained=False, runtime="gan_round", served=("gan_round",)),
)
BY_NAME = {family.name: family for family in FAMILIES}


def names(**wanted: Any) -> list[str]:
    """Of the families whose fields have these values, or with True any value but an empty one; in the table's order."""
    return [
        family.name
        for family in FAMILIES
        if all(
            bool(getattr(family, key)) if value is True else getattr(family, key) == value
            for key, value in wanted.items()
        )
    ]
