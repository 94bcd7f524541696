"""python code/train_align.py NAME AE --seconds 900 --align .5: as train_dn.py, the 8 x 8 cells after the way down aligned to our picture tower's (conv projector, spatial mean taken out, cosine; off after half)."""
import argparse, sys
sys.path.insert(0, "$ROOT/runs/pictures/code")
from common import *
import torch.nn.functional as F
from denoiser import Conv, Denoiser, DenoiserConfig
from lessons import Lessons
from bozzetto.models.clip import ClipConfig, ImageTower
from bozzetto.runtime import store
from bozzetto.training import data
from bozzetto.training.recipes.text_to_image import load_part
import eval_ae, eval_dn

p = argparse.ArgumentParser()
p.add_argument("name"); p.add_argument("ae"); p.add_argument("--seconds", type=float, default=900); p.add_argument("--batch", type=int, default=128)
p.add_argument("--rate", type=float, default=2e-3); p.add_argument("--time", type=float, default=0.8); p.add_argument("--shift", type=float, default=1.5)
p.add_argument("--align", type=float, default=0.5)
a = p.parse_args()
out = HOME / "denoiser" / a.name
ae = eval_ae.load(a.ae)

def picture_tower():
    folder = store.open_model("clip/image", None)
    return load_part(ImageTower(ClipConfig(**folder["config"])), folder.path, torch.device("cpu")).to(memory_format=torch.channels_last)

@torch.no_grad()
def cells(tower, images):
    out = []
    for i in range(0, len(images), 128):
        px = premultiplied(np.array(images[i : i + 128]))
        px = data.over(px, torch.ones(len(px), 3, 1, 1)).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=AMX):
            _, c = tower.look(px)
        c = c.float(); c = c - c.mean((2, 3), keepdim=True)
        out.append(F.normalize(c, dim=1).half().contiguous())
    return torch.cat(out)

class Aligned(Lessons):
    def __init__(self, encoder):
        super().__init__(encoder)
        t = picture_tower()
        self.cells = cells(t, world().split("train").images)
        self.scene_cells = cells(t, np.load(CACHE / "pool.npy", mmap_mode="r"))
        print("cells", self.cells.shape, self.scene_cells.shape, flush=True)
    def draw(self, rng, count):
        n = round(count * self.share)
        rows = np.minimum(np.searchsorted(self.cumulative, rng.random(count - n)), len(self.latents) - 1)
        chosen = rng.integers(0, len(self.scenes), n)
        tokens = np.concatenate([self.captions[rng.integers(0, len(self.captions), len(rows)), rows], self.sentences[chosen]])
        style = np.concatenate([self.style[rows], self.scene_style[chosen]])
        dropped = rng.random(count) < self.drop_words
        tokens[dropped] = self.empty
        style[dropped | (rng.random(count) < self.drop_style)] = 0
        r, c = torch.from_numpy(rows), torch.from_numpy(chosen)
        batch = torch.cat([self.latents[r].float(), self.scenes[c].float()])
        return batch, self.told(tokens, style), torch.cat([self.cells[r].float(), self.scene_cells[c].float()])

class AlignedDenoiser(Denoiser):
    def __init__(self, config):
        super().__init__(config)
        self.project = Conv(160)
        self.seen = None
        self.look_down[1].register_forward_hook(lambda m, i, o: setattr(self, "seen", o))

lessons = Aligned(ae.encoder)
torch.manual_seed(0)
shape = tuple(lessons.latents.shape[1:])
model = AlignedDenoiser(DenoiserConfig(latent_channels=shape[0], fold=shape[1] // 8))

def loss(model, rng, generator, done):
    batch, condition, aim = lessons.draw(rng, a.batch)
    noise = torch.randn(batch.shape, generator=generator)
    t = torch.sigmoid(a.time + torch.randn(len(batch), generator=generator))
    values = model.loss(batch, noise, t, *condition)
    weight = a.align if done < 0.5 else 0.0
    if weight:
        found = model.project(model.seen).float()
        found = found - found.mean((2, 3), keepdim=True)
        away = (1 - (F.normalize(found, dim=1) * aim.float()).sum(1)).mean()
        values = {**values, "away": away, "loss": values["loss"] + weight * away}
    model.seen = None
    return values

average, step = train_seconds(model, loss, out, seconds=a.seconds, rate=a.rate, batch=a.batch, ema=0.997)
average.seen = None
eval_dn.grade(a.name, average.eval(), ae.decoder, lessons, shape, a.shift, extra={"ae": a.ae, "steps": step, "pictures": step * a.batch, "seconds trained": a.seconds})
