"""python code/grade_final.py WEIGHTS NAME G...: grade the exported denoiser at these guidances."""
import sys
sys.path.insert(0, "/work/main/runs/pictures/code")
from common import *
from safetensors.torch import load_file
from bozzetto.training import rounding
from denoiser import Denoiser, DenoiserConfig
from lessons import Lessons, tower
import eval_dn, eval_ae
weights, name = Path(sys.argv[1]), sys.argv[2]
model = Denoiser(DenoiserConfig())
rounding.restore(model, load_file(weights / "text_to_image/model.safetensors"))
class Told(Lessons):
    def __init__(self): self.tower, self.tokenizer = tower()
a = eval_ae.load("first")
for g in map(float, sys.argv[3:]):
    eval_dn.grade(f"{name}-{g}", model.eval().requires_grad_(False), a.decoder, Told(), (8, 16, 16), 1.5, guidance=g, extra={"guidance": g})
