"""The families of models: one table, and everything that lists families reads it.

A row names modules and folders and imports nothing, so that the shell starts at once. The recipe of `few-steps` is in
training/recipes/few_steps.py, under the name RECIPE: its data, its stages, its budgets and its export.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

TEACHER, WEIGHTS = "teacher", "weights"  # what a family may start from, beside another one


@dataclass(frozen=True)
class Card:
    """The words of a model card; what is measured comes from the report of scores."""

    title: str
    what: str
    limits: str


@dataclass(frozen=True)
class Family:
    """One kind of model.

    name: in the shell and in reports. folders: of its networks below the weights folder; the first part of the first is
    also where its card and the note of its training lie.
    start: what its training starts from. TEACHER: the word table, data/teacher.safetensors by default. WEIGHTS: other
    families in a weights folder, the package's own by default. A family's name: the folder of its finished run.
    takes: the whole picture world, or small pictures in classes; data: which of them there are, the usual one first.
    trained: False for a graph without weights of its own, which no recipe makes.
    runtime: the module of runtime/ that runs it. sampled: for a maker of `sample`, which of its folders is opened.
    scorer: the module of evaluation/ that measures it, and scored: what else its `measure` is told.
    served: which of its folders the course takes along for its figures.
    """

    name: str
    folders: tuple[str, ...]
    start: str = ""
    takes: Literal["world", "pictures"] = "world"
    data: tuple[str, ...] = ("emoji",)
    trained: bool = True
    runtime: str = ""
    sampled: str = ""
    scorer: str = ""
    scored: Mapping[str, Any] = field(default_factory=dict)
    served: tuple[str, ...] = ()
    card: Card | None = None  # None: written by hand

    @property
    def module(self) -> str:
        """Its name in Python."""
        return self.name.replace("-", "_")

    @property
    def home(self) -> str:
        """The folder of its card."""
        return self.folders[0].split("/")[0]


VAE_KINDS = ("", "plain_", "map_", "plain_map_")  # the good one, its ablation without noise, and maps of two numbers

FAMILIES = (
    Family(
        "autoencoder",
        ("autoencoder/encoder", "autoencoder/decoder"),
        scorer="autoencoder",
        served=("autoencoder/decoder",),
        card=Card(
            "The latent autoencoder",
            "A 64 x 64 picture with alpha as 16 x 8 x 8 numbers, and back. Two halves: `encoder/` and `decoder/`.",
            "Fine detail (text, thin lines, eyes of small faces) is lost. It has seen emoji art only.",
        ),
    ),
    Family(
        "clip",
        ("clip/text", "clip/order", "clip/image"),
        start=TEACHER,
        runtime="clip",
        scorer="clip",
        served=("clip/text", "clip/order", "clip/image"),
        card=Card(
            "CLIP",
            "Pictures and sentences on one sphere of 256 dimensions. Two towers: `text/`, which also steers "
            "text-to-image, with `order/` on its words, and `image/`.",
            "It knows the concepts of the picture world and English words near them; no people, brands or places. "
            "What it makes of order, counts and places in a sentence is measured above.",
        ),
    ),
    Family(
        "text-to-image",
        ("text_to_image",),
        start=WEIGHTS,
        runtime="text_to_image",
        scorer="text_to_image",
        served=("text_to_image",),
        card=Card(
            "Text to image",
            "A noisy latent and words in, the clean latent it imagines out; a sampler and the autoencoder's "
            "decoder make the picture.",
            "Single things come out better than scenes of several. It does not spell. Everything looks like an emoji.",
        ),
    ),
    Family(
        "text-few-steps",
        ("text_few_steps",),
        start=WEIGHTS,
        runtime="text_to_image",
        scorer="text_to_image",
        scored={"few_steps": True},
        card=Card(
            "Text to image in few steps",
            "The student of `text_to_image`: a noisy latent, words, and the time of the next step in; the clean "
            "latent at which that step should aim out. It draws in 1, 2, 4 or 8 steps and asks its network once a "
            "step, since its teacher's guidance (scale 5) is built in. Measured in as many steps as it takes by "
            "itself.",
            "What its teacher cannot draw it cannot draw either. More of its steps draw sharper edges but are "
            "named right no more often. It knows only those four numbers of steps, one strength of guidance, and "
            "no negative prompt.",
        ),
    ),
    Family(
        "judge",
        ("judge",),
        start=TEACHER,
        scorer="judge",
    ),
    Family(
        "vlm",
        ("vlm",),
        start="clip",
        runtime="ask",
        scorer="vlm",
        served=("vlm",),
        card=Card(
            "The vision-language model",
            "It looks at a 64 x 64 picture once (`look.onnx`), reads a question and says an answer word by word "
            "(`graph.onnx`, the same weights): what, how many, what colour, where, which is bigger, is there one, "
            "which style, describe it, read the sign, the bars of a chart, the prices of a receipt; or that it "
            "cannot tell.",
            "It knows the things that stand in the world's scenes and those questions, in these or near words. "
            "What it has learned well and what it has not is measured above, kind by kind; a right-sounding answer "
            "can be wrong.",
        ),
    ),
    Family(
        "gan",
        ("gan/generator", "gan/discriminator"),
        takes="pictures",
        data=("emoji", "fashion"),
        runtime="sample",
        sampled="gan/generator",
        scorer="makers",
        scored={"name": "gan"},
        card=Card(
            "The GAN",
            "64 random numbers and a class in, a 32 x 32 picture out, in one pass: `generator/`. And its opponent, "
            "which tells real pictures from forgeries: `discriminator/`.",
            "Faces are good, large plain things are fair, things of many parts come out as ornaments. Within a "
            "class it repeats itself: of the cat faces it draws hardly more than one.",
        ),
    ),
    Family(
        "vae",
        (*(f"vae/{kind}{part}" for kind in VAE_KINDS for part in ("encoder", "decoder")), "vae/sampler"),
        takes="pictures",
        data=("emoji", "fashion"),
        runtime="sample",
        sampled="vae/decoder",
        scorer="makers",
        scored={"name": "vae"},
        card=Card(
            "The VAE",
            "A 32 x 32 picture as 32 numbers and back (`encoder/`, `decoder/`), a sampler that knows where "
            "pictures lie among those numbers (`sampler/`), a map of two numbers (`map_encoder/`, `map_decoder/`), "
            "and of both the plain autoencoder that has learned without noise (`plain_...`).",
            "Redraws are soft. The map of two numbers tells little more than colour and outline.",
        ),
    ),
    Family(
        "diffusion",
        ("diffusion",),
        takes="pictures",
        data=("emoji", "fashion"),
        runtime="sample",
        sampled="diffusion",
        scorer="makers",
        scored={"name": "diffusion"},
        served=("diffusion",),
        card=Card(
            "Pixel diffusion",
            "A noisy 32 x 32 picture, its noise level and a class in, the clean picture it imagines out; a sampler "
            "makes a picture of noise in 10 to 50 such steps.",
            "It draws by class, not by words. Small faces and letters come out as marks.",
        ),
    ),
    Family(
        "few-steps",
        ("few_steps",),
        start="diffusion",
        takes="pictures",
        data=("emoji", "fashion"),
        runtime="sample",
        sampled="few_steps",
        scorer="makers",
        scored={"name": "few-steps"},
        served=("few_steps",),
        card=Card(
            "The few-step student",
            "The pixel denoiser, tuned to take the whole way in 1, 2, 4 or 8 steps. Each jumps two steps ahead and "
            "goes one back with fresh noise.",
            "One step is softer than eight. It knows only those four numbers of steps.",
        ),
    ),
    Family(
        "memoriser",
        ("memoriser",),
        start=WEIGHTS,
        served=("memoriser",),
    ),
    Family(
        "fashion-classifier",
        ("fashion_classifier",),
        takes="pictures",
        data=("fashion",),
    ),
    Family(
        "gan-round",
        ("gan_round",),
        trained=False,
        runtime="gan_round",
        served=("gan_round",),
    ),
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
