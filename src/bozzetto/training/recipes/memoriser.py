"""Recipe: the memorising model, text-to-image over-trained, so that lesson 1's check for copies has something to find.

The same recipe, a smaller network and sixteen pictures instead of ten thousand, seen thousands of times each. It cannot
learn what an apple is like, only what these sixteen pictures are.
"""

from functools import partial
from pathlib import Path

from bozzetto.models.denoiser import Denoiser, DenoiserConfig
from bozzetto.training.loop import TrainingSchedule
from bozzetto.training.recipe import Recipe
from bozzetto.training.recipes import text_to_image
from bozzetto.training.recipes.text_to_image import Budget
from bozzetto.training.stages import Run
from bozzetto.world.captions import plain_name
from bozzetto.world.dataset import World

STYLE = "noto"
NAMES = (
    "cat", "dog", "robot", "rocket", "pizza", "octopus", "ghost", "sunflower",
    "fish", "automobile", "crown", "deciduous tree", "house", "strawberry", "penguin", "trumpet",
)  # fmt: skip


def _budget(steps: int) -> Budget:
    return Budget(
        TrainingSchedule(steps, 64, 2e-3, warmup=50, last_rate=1, ema=0.99, muon=True),
        TrainingSchedule(steps // 3, 64, 1e-3, warmup=50, ema=0.99, muon=True, rounding=True),
        scenes=0,
        scene_share=0,
        symbol_share=1,
        model=DenoiserConfig(widths=(48, 64), condition_size=96),
    )


BUDGETS = {"smoke": _budget(60), "cpu": _budget(1500), "gpu": _budget(6000)}
EXPECTED = {"smoke": "the loss falls", "cpu": "each of the sixteen redrawn from any noise", "gpu": "the same, sharper"}


def sixteen(world: World) -> World:
    """The pictures it is trained on: one training picture of each name, all of one style."""
    rows: dict[str, int] = {}
    for row, (name, style, split) in enumerate(zip(world.names, world.styles, world.splits, strict=True)):
        if style == STYLE and split == "train":
            rows.setdefault(plain_name(name), row)
    return world.select([rows[name] for name in NAMES if name in rows])


def learn(world: World, budget: Budget, run: Run, start: Path | None) -> Denoiser:
    """As text_to_image.learn, on `sixteen(world)`."""
    return text_to_image.learn(sixteen(world), budget, run, start)


export = partial(text_to_image.export, name="memoriser")
RECIPE = Recipe("memoriser", learn, export, BUDGETS, EXPECTED)
