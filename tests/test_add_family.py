"""A toy family from artwork to page: what it takes to add one. It is added to a copy of the project, so that the edits
of files that are there can be counted; docs/architecture.md lists them.

The family "tint" learns the mean colour of each class of small pictures and draws a square of it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_EDITS = 12

NEW = {
    "src/bozzetto/models/tint.py": '''
"""One colour a class: int64 [B] -> pixels [B,3,32,32] in [-1, 1]."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class TintConfig:
    classes: tuple[str, ...]


class Tint(nn.Module):
    def __init__(self, config: TintConfig):
        super().__init__()
        self.config = config
        self.colour = nn.Embedding(len(config.classes) + 1, 3)

    def forward(self, label: Tensor) -> Tensor:
        return torch.tanh(self.colour(label))[:, :, None, None].repeat(1, 1, 32, 32)
''',
    "src/bozzetto/training/recipes/tint.py": '''
"""Recipe: the mean colour of every class."""

from dataclasses import asdict, dataclass

import torch

from bozzetto.models.tint import Tint, TintConfig
from bozzetto.training.export import Graph, export_folder, read_final
from bozzetto.training.loop import TrainingSchedule
from bozzetto.training.recipe import Recipe
from bozzetto.training.stages import Stage


@dataclass(frozen=True)
class Budget:
    fit: TrainingSchedule


BUDGETS = {"smoke": Budget(TrainingSchedule(steps=60, batch_size=16, learning_rate=0.1, warmup=2, ema=0.5))}
EXPECTED = {"smoke": "the colours of the classes"}


def learn(pictures, budget, run, start=None):
    torch.manual_seed(run.seed)

    def loss(model, rng, generator):
        pixels, label = pictures.batch(rng, budget.fit.batch_size)
        return {"loss": (model(label) - pixels).square().mean()}

    return run.train(Stage("fit", Tint(TintConfig(tuple(pictures.classes))), loss, budget.fit))


def export(run, to):
    model, config = read_final(run, Tint, TintConfig)
    graph = Graph(model, {"label": torch.zeros(2, dtype=torch.long)}, ["pixels"])
    export_folder(to, "tint", graph, {"config": asdict(config)}, four_bits=False)


RECIPE = Recipe("tint", learn, export, BUDGETS, EXPECTED)
''',
    "src/bozzetto/runtime/tint.py": '''
"""A square in the mean colour of a class."""

import numpy as np

from bozzetto.errors import one_of
from bozzetto.runtime.sample import to_bytes
from bozzetto.runtime.session import open_network
from bozzetto.runtime.store import open_model


def draw(weights, label):
    model = open_model("tint", weights)
    one_of("label", label, model["config"]["classes"])
    number = model["config"]["classes"].index(label) + 1
    return to_bytes(open_network(model)(label=np.array([number]))["pixels"])[0]
''',
    "src/bozzetto/evaluation/tint.py": '''
"""How far the colours are from those of the training pictures."""

import numpy as np

from bozzetto.evaluation.scores import mean
from bozzetto.runtime import tint
from bozzetto.training import data

N = 0
DISTANCE = "distance of colours"
SHOWN = (DISTANCE,)


def measure(context, weights, n, sheet):
    pictures = data.emoji(context.world)
    means = [pictures.images[pictures.labels == k].mean((0, 1, 2)) for k in range(len(pictures.classes))]
    drawn = [tint.draw(weights, name)[0, 0] for name in pictures.classes]
    return {DISTANCE: mean(np.abs(np.array(means) - drawn).max(1), "of 255")}, {}
''',
    "src/bozzetto/weights/tint/README.md": "# The tint\n",
    "web/lessons/9/tint-mixer.figure.ts": """
import { html } from "lit";
import { customElement } from "lit/decorators.js";
import { BzFigure } from "../../ui/figure.js";
import { defineFields, type StateOf } from "../../ui/state.js";
import { t } from "../../ui/strings.js";

const FIELDS = defineFields({ seed: { kind: "int", default: 0, min: 0, max: 9 } });

@customElement("bz-tint-mixer")
export class TintMixer extends BzFigure<StateOf<typeof FIELDS>> {
  protected readonly fields = FIELDS;
  protected figure() {
    return html`<p>${t("tint-mixer.title")} ${this.state.seed}</p>`;
  }
  protected alternative() {
    return { sentence: t("tint-mixer.title"), table: { head: [], rows: [] } };
  }
}
""",
    "src/bozzetto/course/content/en/interface/tint-mixer.toml": 'title = "Tint mixer"\nwaiting = "Soon."\n',
    "src/bozzetto/course/content/es/interface/tint-mixer.toml": 'title = "Mezclar tonos"\nwaiting = "Enseguida."\n',
}
EDITS = {
    "src/bozzetto/families.py": (
        "FAMILIES = (\n",
        'FAMILIES = (\n    Family("tint", ("tint",), takes="pictures", runtime="tint", '
        'scorer="tint", served=("tint",)),\n',
    ),
    "src/bozzetto/__init__.py": (
        "def sample_labels(",
        "def tint(label):\n    from bozzetto.runtime import store, tint\n\n"
        "    return tint.draw(store.weights_folder(), label)\n\n\ndef sample_labels(",
    ),
    "src/bozzetto/cli/words.py": (
        "verbs = typer.Typer()\n",
        "verbs = typer.Typer()\n\n\n@verbs.command()\ndef tint(label: str) -> None:\n    import bozzetto\n\n"
        '    print("#" + bozzetto.tint(label)[0, 0].tobytes().hex())\n',
    ),
    "src/bozzetto/course/content/en/interface/site.toml": (
        "[stills]\n",
        '[stills]\ntint-mixer = "A colour."\n',
    ),
    "src/bozzetto/course/content/es/interface/site.toml": (
        "[stills]\n",
        '[stills]\ntint-mixer = "Un color."\n',
    ),
    **dict.fromkeys(
        (f"src/bozzetto/course/content/{lang}/9-everywhere.md" for lang in ("en", "es")),
        (
            'figure = "same-blocks"\n',
            'figure = "tint-mixer"\n',
            "::: figure same-blocks\n",
            "::: figure tint-mixer\n",
        ),
    ),
}
WORK = """
import sys
from pathlib import Path
from bozzetto.cli import main
from bozzetto.course import build
from bozzetto import families

assert "tint" in families.names(trained=True)
assert main(["train", "tint", "--budget", "smoke", "--out", "run"]) == 0
assert main(["export", "tint", "--from", "run", "--to", sys.argv[1]]) == 0
assert main(["tint", "other"]) == 0
assert main(["tint", "othre"]) == 2
assert main(["evaluate", "tint", "--out", "scores.json"]) == 0
site = build.site("en")
assert "models/tint/model.safetensors" in site
assert any("tint-mixer.figure" in name for name in site)
assert b"<bz-tint-mixer" in site["lessons/9-everywhere/index.html"]
"""


def batched(changes: tuple[str, ...]) -> list[tuple[str, str]]:
    return list(zip(changes[::2], changes[1::2], strict=True))


@pytest.fixture
def copy(tmp_path):
    """The project, each file a link to the one that is there."""
    for folder in ("src", "web"):
        shutil.copytree(
            ROOT / folder,
            tmp_path / folder,
            copy_function=os.link,
            ignore=shutil.ignore_patterns("__pycache__", "built", "*.egg-info"),
        )
    for name in ("package.json", "tsconfig.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    return tmp_path


def test_a_toy_family_with_a_figure_edits_a_dozen_files_at_most(copy, small_world):
    assert len(EDITS) <= MOST_EDITS
    for path, changes in EDITS.items():
        text = (copy / path).read_text(encoding="utf-8")
        for old, new in batched(changes):
            assert text.count(old) == 1, path
            text = text.replace(old, new)
        (copy / path).unlink()  # a link: the project's own file stays
        (copy / path).write_text(text, encoding="utf-8")
    for path, text in NEW.items():
        (copy / path).parent.mkdir(exist_ok=True)
        assert not (copy / path).exists()
        (copy / path).write_text(text.lstrip(), encoding="utf-8")
    stills = copy / "src/bozzetto/course/data/stills"  # which scripts/record_course.py makes
    shutil.copy(stills / "same-blocks.avif", stills / "tint-mixer.avif")
    subprocess.run(["node", "web/build.mjs"], cwd=copy, check=True)
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "BOZZETTO_WORLD": str(small_world)}
    weights = str(copy / "src/bozzetto/weights")
    command = [sys.executable, "-c", WORK, weights]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert any(line.startswith("#") for line in done.stdout.splitlines())
    assert (
        done.stderr == "bozzetto: label 'othre' is unknown: did you mean other? choose one of other\n"
    )  # nor did PyTorch say anything
