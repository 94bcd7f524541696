"""python code/regrade.py NAME [--guidance 4] [--scenes 60] [--n 100]: draw and grade a finished trial again."""
import argparse, sys
sys.path.insert(0, "$ROOT/runs/pictures/code")
from common import *
from denoiser import Denoiser, DenoiserConfig
from lessons import Lessons
import eval_ae, eval_dn
p = argparse.ArgumentParser(); p.add_argument("name"); p.add_argument("--guidance", type=float, default=4); p.add_argument("--scenes", type=int, default=60); p.add_argument("--n", type=int, default=100)
a = p.parse_args()
kept = torch.load(HOME / "denoiser" / a.name / "final.pt", weights_only=False)
model = Denoiser(DenoiserConfig(**kept["config"])); model.load_state_dict(kept["state"])
ae = eval_ae.load(kept["args"]["ae"])
class Words(Lessons):
    def __init__(self):
        from lessons import tower
        self.tower, self.tokenizer = tower()
c = kept["config"]; shape = (c["latent_channels"], 8 * c["fold"], 8 * c["fold"])
eval_dn.grade(a.name, model.eval(), ae.decoder, Words(), shape, kept["args"]["shift"], scenes=a.scenes, n=a.n, guidance=a.guidance, extra={"ae": kept["args"]["ae"], "steps": kept["steps"], "guidance": a.guidance})
