"""python code/train_dn.py NAME AE --seconds 1200: the denoiser on the latent of an autoencoder in ae/."""
import argparse, sys
sys.path.insert(0, "$ROOT/runs/pictures/code")
from common import *
from denoiser import Denoiser, DenoiserConfig
from lessons import Lessons
import eval_ae, eval_dn

p = argparse.ArgumentParser()
p.add_argument("name"); p.add_argument("ae"); p.add_argument("--seconds", type=float, default=1200); p.add_argument("--batch", type=int, default=256)
p.add_argument("--micro", type=int, default=64); p.add_argument("--rate", type=float, default=2e-3); p.add_argument("--time", type=float, default=0.8); p.add_argument("--shift", type=float, default=1.5)
p.add_argument("--nowords", action="store_true"); p.add_argument("--noeval", action="store_true")
a = p.parse_args()
out = HOME / "denoiser" / a.name
ae = eval_ae.load(a.ae)
lessons = Lessons(ae.encoder)
print("latents", lessons.latents.shape, lessons.scenes.shape, "std", float(lessons.latents[:500].float().std()), float(lessons.scenes[:500].float().std()), flush=True)
torch.manual_seed(0)
shape = tuple(lessons.latents.shape[1:])
model = Denoiser(DenoiserConfig(latent_channels=shape[0], fold=shape[1] // 8, words=not a.nowords))
print("weights", sum(q.numel() for q in model.parameters()), flush=True)

def loss(model, rng, generator, done):
    batch, condition = lessons.draw(rng, a.micro)
    noise = torch.randn(batch.shape, generator=generator)
    t = torch.sigmoid(a.time + torch.randn(len(batch), generator=generator))
    return model.loss(batch, noise, t, *condition)

average, step = train_seconds(model, loss, out, seconds=a.seconds, rate=a.rate, batch=a.micro, accumulate=a.batch // a.micro, ema=0.997)
torch.save({"config": vars(average.config), "state": average.state_dict(), "args": vars(a), "steps": step}, out / "final.pt")
if not a.noeval:
    eval_dn.grade(a.name, average.eval(), ae.decoder, lessons, shape, a.shift, extra={"ae": a.ae, "steps": step, "pictures": step * a.batch, "seconds trained": a.seconds})
