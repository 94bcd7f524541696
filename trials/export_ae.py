"""export_ae.py AE.pt WEIGHTS: the trial's autoencoder into a weights folder (of the pictures tree)."""
import sys, torch, json, shutil
from pathlib import Path
from dataclasses import fields
from bozzetto.models.autoencoder import Autoencoder, AutoencoderConfig
from bozzetto.training import export, recipes
import bozzetto
kept = torch.load(sys.argv[1], weights_only=False); to = Path(sys.argv[2])
if not to.exists(): shutil.copytree(Path(bozzetto.__file__).parent / "weights", to)
known = {f.name for f in fields(AutoencoderConfig)}
model = Autoencoder(AutoencoderConfig(**{k: v for k, v in kept["config"].items() if k in known}))
model.load_state_dict(kept["state"])
run = to.parent / "ae-run"; run.mkdir(exist_ok=True)
export.save_final(model.float(), run)
recipes.find("autoencoder").export(run, to)
print("exported", to)
