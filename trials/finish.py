"""finish.py WEIGHTS OUT [--state STATE] [--denoiser N] [--autoencoder N] [--student N] [--memoriser N]: from the long run to what ships.

    PYTHONPATH=$TREE/src BOZZETTO_WEIGHTS=WEIGHTS taskset -c 1 python trials/finish.py WEIGHTS OUT --state RUN/aligned/state.safetensors --denoiser 500
    ... --autoencoder 2000     (the decoder alone: the encoder's folder stays byte for byte what the denoiser needs)
    ... --student 600 ; ... --memoriser 1500

WEIGHTS: a weights folder with the encoder that the run began from (trials/state/encoder); each part is exported into it.
OUT: the runs' folder; a part that was stopped goes on. Each N is the steps of that part's last stage.
"""

import argparse
import copy
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import torch
from safetensors import safe_open

from bozzetto.models.autoencoder import Autoencoder
from bozzetto.models.denoiser import Denoiser
from bozzetto.runtime.store import open_model
from bozzetto.training import checkpoint, loop, recipes
from bozzetto.training.recipe import export_run
from bozzetto.world.dataset import load_world

p = argparse.ArgumentParser()
p.add_argument("weights", type=Path)
p.add_argument("out", type=Path)
p.add_argument("--state", type=Path)
p.add_argument("--whole", type=Path, help="the trials' final.pt of the autoencoder")
for part in ("denoiser", "autoencoder", "student", "memoriser"):
    p.add_argument(f"--{part}", type=int)
a = p.parse_args()
torch.set_num_threads(1)


def leave(model, run, stage, schedule, recipe, log):
    """The stage as finished, so that the recipe goes on after it; its log has the true number of steps."""
    if (run / stage / loop.STATE).exists():
        return
    (run / stage).mkdir(parents=True, exist_ok=True)
    whole = {"seed": 0, **vars(schedule), **recipe, "place": 0, "began": ""}
    checkpoint.save(run / stage / loop.STATE, model, copy.deepcopy(model), [], schedule.steps, whole)
    (run / stage / loop.LOG).write_text(json.dumps({"loss": 0.0, "device": "cpu"} | log) + "\n")


def train(name, budget, start=None):
    recipe = recipes.find(name)
    recipe.train(load_world(), budget, a.out / name, start=start)
    export_run(recipe, a.out / name, a.weights)
    print(name, "is in", a.weights, flush=True)


if a.denoiser:
    with safe_open(a.state, "pt") as f:
        step = int(f.metadata()["step"])
        state = {k.removeprefix("ema.denoiser."): f.get_tensor(k) for k in f.keys() if k.startswith("ema.denoiser.")}
    budget = recipes.find("text-to-image").budgets["cpu"]
    budget = replace(budget, aligned=None, rounded=replace(budget.rounded, steps=a.denoiser), easy_scenes=1)
    model = Denoiser(budget.model)
    model.load_state_dict(state)
    needs = {part: open_model(part, a.weights).weights_sum() for part in ("autoencoder/encoder", "clip/text")}
    leave(model, a.out / "text-to-image", "fit", budget.fit, {"model": asdict(model.config), "needs": needs}, {"step": step, "seconds": 0})
    train("text-to-image", budget, a.weights)
if a.autoencoder:
    kept = torch.load(a.whole, weights_only=False)
    budget = recipes.find("autoencoder").budgets["cpu"]
    budget = replace(budget, rounded=replace(budget.rounded, steps=a.autoencoder, batch_size=32))
    model = Autoencoder()
    model.load_state_dict(kept["state"])
    log = {"step": kept["steps"], "seconds": float(kept["args"]["seconds"])}
    leave(model, a.out / "autoencoder", "whole", budget.whole, {"model": asdict(model.config)}, log)
    encoder = a.weights / "autoencoder/encoder"
    shutil.copytree(encoder, a.out / "encoder", dirs_exist_ok=True)
    train("autoencoder", budget)
    shutil.copytree(a.out / "encoder", encoder, dirs_exist_ok=True)
for part, name in (("student", "text-few-steps"), ("memoriser", "memoriser")):
    if steps := getattr(a, part):
        budget = recipes.find(name).budgets["cpu"]
        stages = {"fit": replace(budget.fit, steps=steps)}
        if part == "memoriser":
            stages["rounded"] = replace(budget.rounded, steps=max(1, steps // 3))
        train(name, replace(budget, **stages), a.weights)
