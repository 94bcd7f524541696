"""python code/grade_raw.py STATE PREFIX NAME [4|8|0 bits] [G]: grade weights of a state, rounded."""
import sys
sys.path.insert(0, "/work/main/runs/pictures/code")
from common import *
from safetensors import safe_open
from denoiser import Denoiser, DenoiserConfig
from lessons import Lessons, tower
from bozzetto.training import rounding
import eval_ae, eval_dn
path, prefix, name, bits = sys.argv[1:5]
g = float(sys.argv[5]) if len(sys.argv) > 5 else 4.0
with safe_open(path, "pt") as f:
    keys = list(f.keys())
    state = {k.removeprefix(prefix + ".").removeprefix("denoiser."): f.get_tensor(k) for k in keys if k.startswith(prefix + ".")}
state = {k: v for k, v in state.items() if not k.startswith("project")}
def rnd(w, bits, group):
    w2 = w.reshape(-1, group)
    if bits == 8:
        s = w2.abs().amax(1, keepdim=True) / 127
        return ((w2 / s).round() * s).reshape(w.shape)
    q, s = rounding.quantize(w)
    return rounding.dequantize(q, s, w.shape)
n = 0
if bits != "0":
    for k, v in state.items():
        if v.ndim >= 2 and v.numel() >= 16384 and v.numel() % 64 == 0 and k.endswith("weight"):
            state[k] = rnd(v, int(bits), 64); n += v.numel()
print(n, sum(v.numel() for v in state.values()))
model = Denoiser(DenoiserConfig()); model.load_state_dict(state)
class Told(Lessons):
    def __init__(self): self.tower, self.tokenizer = tower()
a = eval_ae.load("first")
eval_dn.grade(name, model.eval().requires_grad_(False), a.decoder, Told(), (8, 16, 16), 1.5, guidance=g, extra={"bits": bits, "prefix": prefix, "guidance": g})
