"""Finished-run folders out of the trials' .pt files ({"config", "state", "args", "steps"}), and their export.

    PYTHONPATH=<tree>/src python $TOOLS/convert.py AE.pt DN.pt OUT [--weights FROM] [--fp16]

writes OUT/runs/autoencoder and OUT/runs/text-to-image as the recipes would leave them and exports both into OUT/weights,
a copy of FROM (default: the tree's own). "-" for AE.pt or DN.pt leaves that one out. What is lost: the `rounded` stage,
in which a network learns to live with four bits a weight; here weights are rounded as they are. --fp16 stores fp16 instead.

    ... convert.py AE.pt - OUT --stages        then   ... convert.py - DN.pt OUT --stages

loses nothing: it leaves the first stage (`whole`, `fit`) as finished, so that

    bozzetto train autoencoder --budget cpu --out OUT/runs/autoencoder && bozzetto export autoencoder --from OUT/runs/autoencoder --to OUT/weights
    (now the second convert, which notes the checksum of the exported encoder)
    bozzetto train text-to-image --budget cpu --out OUT/runs/text-to-image && bozzetto export text-to-image --from ... --to OUT/weights

train `rounded` alone. DN.pt may also be a trainer's state.pt ({"model", "average", "opts", "step"}): then the stage is left as
unfinished at that step, optimizers and all, and `bozzetto train text-to-image` goes on with it. (text-to-image's weights folder is
chosen by BOZZETTO_WEIGHTS=OUT/weights: `train` has no --start.) The recipe standardises anew with the rounded encoder, whose latents the denoiser sees in `rounded`.
"""
import argparse, copy, json, shutil
from dataclasses import asdict, fields
from pathlib import Path

import torch

import bozzetto
from bozzetto.models.autoencoder import Autoencoder, AutoencoderConfig
from bozzetto.models.denoiser import Denoiser, DenoiserConfig
from bozzetto.runtime.store import open_model
from bozzetto.training import checkpoint, export, loop, recipes

p = argparse.ArgumentParser()
p.add_argument("ae"); p.add_argument("dn"); p.add_argument("out", type=Path)
p.add_argument("--weights", type=Path, default=Path(bozzetto.__file__).parent / "weights")
p.add_argument("--budget", default="cpu"); p.add_argument("--fp16", action="store_true"); p.add_argument("--stages", action="store_true")
a = p.parse_args()
torch.set_num_threads(1)
to = a.out / "weights"
if not to.exists():
    shutil.copytree(a.weights, to)


def read(path, network, sizes):
    kept = torch.load(path, weights_only=False, map_location="cpu")
    known = {field.name for field in fields(sizes)}
    written = kept.get("config", {})
    config = {name: value for name, value in written.items() if name in known}
    gone = {name: value for name, value in written.items() if name not in known}
    assert gone in ({}, {"fold": 2, "words": True}), gone  # what is no longer a choice
    model = network(sizes(**config))
    model.load_state_dict(kept["average"] if "average" in kept else kept["state"])
    return model.float(), kept


def leave_stage(model, kept, run, name, stage):
    """run/<stage> as finished, by the recipe's own budget, whatever the number of steps was; the log has the true one."""
    schedule = getattr(recipes.find(name).budgets[a.budget], stage)
    recipe = {"seed": 0, **vars(schedule), "model": asdict(model.config)}
    if name == "text-to-image":
        recipe["needs"] = {part: open_model(part, to).weights_sum() for part in ("autoencoder/encoder", "clip/text")}
    recipe |= {"place": 0, "began": ""}
    (run / stage).mkdir(parents=True, exist_ok=True)
    if "opts" in kept:
        ema = copy.deepcopy(model)
        model.load_state_dict(kept["model"])
        optimizers = loop.make_optimizers(model, schedule, torch.device("cpu"))
        for optimizer, state in zip(optimizers, kept["opts"], strict=True):
            optimizer.load_state_dict(state)
        checkpoint.save(run / stage / loop.STATE, model, ema, optimizers, kept["step"], recipe)
        print(run / stage, "goes on at step", kept["step"], flush=True)
        return
    checkpoint.save(run / stage / loop.STATE, model, copy.deepcopy(model), [], schedule.steps, recipe)
    line = {"step": kept.get("steps", 0), "seconds": float(kept.get("args", {}).get("seconds", 0)), "loss": 0.0, "device": "cpu"}
    (run / stage / loop.LOG).write_text(json.dumps(line) + "\n")
    print(run / stage, "is finished as far as the recipe knows", flush=True)


if a.fp16:
    import bozzetto.training.recipes.autoencoder as ra, bozzetto.training.recipes.text_to_image as rt
    plain = export.export_folder
    ra.export_folder = rt.export_folder = lambda *args, **more: plain(*args, four_bits=False, **more)
for name, path, network, sizes, stage in (("autoencoder", a.ae, Autoencoder, AutoencoderConfig, "whole"), ("text-to-image", a.dn, Denoiser, DenoiserConfig, "fit")):
    if path == "-":
        continue
    run = a.out / "runs" / name
    run.mkdir(parents=True, exist_ok=True)
    model, kept = read(path, network, sizes)
    if a.stages:
        leave_stage(model, kept, run, name, stage)
        continue
    export.save_final(model, run)
    recipes.find(name).export(run, to)  # not export_run: there are no logs, so training.json is written here
    steps, args = kept.get("steps", 0), kept.get("args", {})
    note = {"steps": steps, "examples": steps * args.get("batch", 0), "minutes": round(args.get("seconds", 0) / 60, 1), "device": "cpu"}
    (to / recipes.find(name).family.home / "training.json").write_text(json.dumps({stage: note}, indent=2) + "\n")
    print(name, "->", to, flush=True)
for config in sorted(to.rglob("config.json")):  # the others that lie on another latent
    kept = json.loads(config.read_text())
    if kept.get("config", {}).get("latent_channels", 8) != 8:
        print("still of the old latent:", kept["model"])
