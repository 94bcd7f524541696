"""python code/train_long.py NAME AE --seconds S: the long run, endless scenes, a constant rate; goes on from its state."""
import argparse, signal, sys
sys.path.insert(0, "$ROOT/runs/pictures/code")
from common import *
from denoiser import Denoiser, DenoiserConfig
from lessons import Lessons, tower
from endless import Endless, curriculum
import torch.nn.functional as F
from denoiser import Conv
from align import cells, picture_tower
import eval_ae, eval_dn

p = argparse.ArgumentParser()
p.add_argument("name"); p.add_argument("ae"); p.add_argument("--seconds", type=float, default=3600); p.add_argument("--batch", type=int, default=128)
p.add_argument("--rate", type=float, default=1.5e-3); p.add_argument("--time", type=float, default=0.8); p.add_argument("--shift", type=float, default=1.5)
p.add_argument("--easy", type=int, default=60_000); p.add_argument("--new", type=int, default=24); p.add_argument("--every", type=int, default=3000); p.add_argument("--ema", type=float, default=0.999)
p.add_argument("--align", type=float, default=0.5); p.add_argument("--aligned", type=int, default=12_000)
a = p.parse_args()
out = HOME / "denoiser" / a.name
ae = eval_ae.load(a.ae)

class Long(Lessons):
    def __init__(self, encoder):
        kept = np.load(CACHE / "captions.npz")
        self.captions, self.style, self.empty = kept["captions"], kept["style"], kept["empty"]
        self.cumulative = np.cumsum(kept["weight"] / kept["weight"].sum())
        self.tower, self.tokenizer = tower()
        w = world()
        path = CACHE / f"latents-{a.ae}.pt"
        self.latents = torch.load(path) if path.exists() else self.encode(encoder, w.split("train").images)
        if not path.exists(): torch.save(self.latents, path)
        eye = picture_tower()
        path = CACHE / "cells.pt"
        self.cells = torch.load(path) if path.exists() else cells(eye, w.split("train").images)
        if not path.exists(): torch.save(self.cells, path)
        self.ring_cells = torch.zeros(8192, *self.cells.shape[1:], dtype=torch.float16)
        self.filled = 0
        def both(images):
            at = (self.filled + torch.arange(len(images))) % 8192
            self.ring_cells[at] = cells(eye, images); self.filled += len(images)
            return self.encode(encoder, images)
        self.ring = Endless(w, both, self.tokenizer, kind=lambda k: curriculum(k, a.easy))
        self.step = 0

    def draw(self, rng, count):
        n = count // 2
        with torch.autocast("cpu", enabled=False):
            if not self.ring.drawn: self.filled = self.step * a.new
            self.ring.upto(self.ring.size + self.step * a.new)
        self.step += 1
        rows = np.minimum(np.searchsorted(self.cumulative, rng.random(count - n)), len(self.latents) - 1)
        chosen = rng.integers(0, self.ring.size, n)
        tokens = np.concatenate([self.captions[rng.integers(0, len(self.captions), len(rows)), rows], self.ring.tokens[chosen]])
        style = np.concatenate([self.style[rows], self.ring.styles[chosen]])
        dropped = rng.random(count) < 0.1
        tokens[dropped] = self.empty
        style[dropped | (rng.random(count) < 0.3)] = 0
        batch = torch.cat([self.latents[torch.from_numpy(rows)].float(), self.ring.latents[torch.from_numpy(chosen)].float()])
        aim = torch.cat([self.cells[torch.from_numpy(rows)].float(), self.ring_cells[torch.from_numpy(chosen)].float()])
        return batch, self.told(tokens, style), aim

class AlignedDenoiser(Denoiser):
    def __init__(self, config):
        super().__init__(config)
        self.project = Conv(160)

lessons = Long(ae.encoder)
torch.manual_seed(0)
shape = tuple(lessons.latents.shape[1:])
model = AlignedDenoiser(DenoiserConfig(latent_channels=shape[0], fold=shape[1] // 8))
if (out / "state.pt").exists():
    lessons.step = torch.load(out / "state.pt", weights_only=False)["step"]
print("weights", sum(q.numel() for q in model.parameters()), "from step", lessons.step, flush=True)

def loss(model, rng, generator, done):
    step = lessons.step
    batch, condition, aim = lessons.draw(rng, a.batch)
    noise = torch.randn(batch.shape, generator=generator)
    t = torch.sigmoid(a.time + torch.randn(len(batch), generator=generator))
    seen = []
    hook = model.look_down[1].register_forward_hook(lambda module, given, out: seen.append(out))
    values = model.loss(batch, noise, t, *condition)
    hook.remove()
    if step < a.aligned:
        found = model.project(seen[0]).float()
        found = found - found.mean((2, 3), keepdim=True)
        away = (1 - (F.normalize(found, dim=1) * aim).sum(1)).mean()
        values = {**values, "away": away, "loss": values["loss"] + a.align * away}
    return values

def after(average, step):
    torch.save({"config": vars(average.config), "state": {k: v.clone() for k, v in average.state_dict().items()}, "args": vars(a), "steps": step}, out / f"step-{step}.pt")
    eval_dn.grade(a.name, average.eval(), ae.decoder, lessons, shape, a.shift, extra={"ae": a.ae, "steps": step, "pictures": step * a.batch})

class Stop(Exception): pass
average, step = train_seconds(model, loss, out, seconds=a.seconds, rate=a.rate, batch=a.batch, ema=a.ema, schedule=lambda step: a.rate * min(1, (step + 1) / 200), every=a.every, after=after)
after(average, step)
