"""python code/train_ae.py NAME --seconds 660 [--move .5] [--noturn] [--cut .5]: one trial of the autoencoder."""
import argparse, sys
sys.path.insert(0, "$ROOT/runs/pictures/code")
from common import *
from autoencoder import Autoencoder, AutoencoderConfig
from bozzetto.training import data
import eval_ae

p = argparse.ArgumentParser()
p.add_argument("name"); p.add_argument("--seconds", type=float, default=660); p.add_argument("--move", type=float, default=0)
p.add_argument("--noturn", action="store_true"); p.add_argument("--cut", type=float, default=0); p.add_argument("--noise", type=float, default=0.1)
p.add_argument("--init", default=""); p.add_argument("--relative", type=float, default=0); p.add_argument("--batch", type=int, default=64); p.add_argument("--rate", type=float, default=2e-3)
a = p.parse_args()
out = HOME / "ae" / a.name
torch.manual_seed(0)
model = Autoencoder(AutoencoderConfig())
w = world()
pictures = torch.from_numpy(w.split("train").images)
first = pictures[torch.from_numpy(np.random.default_rng(0).permutation(len(pictures))[:2048])]
model.start_from_principal_components(data.premultiplied(first))
with torch.no_grad():
    x = data.premultiplied(first[:512]); y = model.decoder.raw(model.encoder.raw(x))
    print("weights", sum(q.numel() for q in model.parameters()), "linear psnr", float(-10 * torch.log10((x - y).square().mean((1, 2, 3)) / 4).mean()), "border 4", border_ratio(y, 4), "true", border_ratio(x, 4), flush=True)
if a.init:
    model.load_state_dict(torch.load(HOME / "ae" / a.init / "final.pt", weights_only=False)["state"])
model.to(memory_format=torch.channels_last)

def draw(rng, count):
    batch = data.premultiplied(pictures[torch.from_numpy(rng.integers(0, len(pictures), count))])
    if rng.random() < 0.5: batch = batch.flip(3)
    if rng.random() < 0.3: batch = batch[:, [*rng.permutation(3), 3]]
    return data.collage(batch, rng, 1 / 2).contiguous(memory_format=torch.channels_last)

def loss(model, rng, generator, done):
    batch = draw(rng, a.batch)
    noise = torch.randn(len(batch), model.config.latent_channels, 16, 16, generator=generator)
    return model.loss(batch, noise, rng, latent_noise=a.noise, relative=a.relative, move=a.move, turn=not a.noturn, cut=a.cut)

average, step = train_seconds(model, loss, out, seconds=a.seconds, rate=a.rate, batch=a.batch, ema=0.995)
average.standardise(data.premultiplied(pictures[:: len(pictures) // 2048]))
torch.save({"config": vars(average.config), "state": average.state_dict(), "args": vars(a), "steps": step}, out / "final.pt")
eval_ae.main(a.name)
