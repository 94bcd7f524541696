"""python code/grade_state.py RUN/aligned/state.safetensors AE NAME [--guidance G]: grade the averaged denoiser of a recipe's state."""
import sys
sys.path.insert(0, "$ROOT/runs/pictures/code")
from common import *
from safetensors import safe_open
from denoiser import Denoiser, DenoiserConfig
from lessons import Lessons, tower
import eval_ae, eval_dn
path, ae, name = sys.argv[1:4]
guidance = float(sys.argv[4]) if len(sys.argv) > 4 else 4.0
with safe_open(path, "pt") as f:
    step = int(f.metadata()["step"]); recipe = json.loads(f.metadata()["recipe"])
    state = {k.removeprefix("ema.").removeprefix("denoiser."): f.get_tensor(k) for k in f.keys() if k.startswith("ema.")}
state = {k: v for k, v in state.items() if not k.startswith("project")}
model = Denoiser(DenoiserConfig()); model.load_state_dict(state)
class Told(Lessons):
    def __init__(self): self.tower, self.tokenizer = tower()
a = eval_ae.load(ae)
steps = step + (12000 if "fit/" in path else 0)
eval_dn.grade(name, model.eval().requires_grad_(False), a.decoder, Told(), (8, 16, 16), 1.5, guidance=guidance, extra={"ae": ae, "step": steps, "pictures": steps * recipe["batch_size"], "guidance": guidance})
