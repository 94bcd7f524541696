"""python code/eval_ae.py NAME: PSNR, round trip of true scenes (noise 0, 0.2, 0.4) and how smooth the latents are."""
import sys
sys.path.insert(0, "$ROOT/runs/pictures/code")
from common import *
from autoencoder import Autoencoder, AutoencoderConfig
from bozzetto.metrics.composition import grade_scenes

KINDS = ("two", "place", "count", "color")


def shipped():
    """The autoencoder of the weights folder, 16 x 8 x 8."""
    from types import SimpleNamespace
    from bozzetto.models import autoencoder as today
    from bozzetto.runtime import store
    from bozzetto.training.recipes.text_to_image import load_part
    halves = {}
    for half, network in (("encoder", today.Encoder), ("decoder", today.Decoder)):
        folder = store.open_model(f"autoencoder/{half}", None)
        halves[half] = load_part(network(today.AutoencoderConfig(**folder["config"])), folder.path, torch.device("cpu"))
    return SimpleNamespace(**halves)


def load(name):
    if name == "shipped":
        return shipped()
    kept = torch.load(HOME / "ae" / name / "final.pt", weights_only=False)
    model = Autoencoder(AutoencoderConfig(**kept["config"]))
    model.load_state_dict(kept["state"])
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def both(model, pixels, noise=0.0):
    outs = []
    generator = torch.Generator().manual_seed(0)
    for part in pixels.split(64):
        with torch.autocast("cpu", torch.bfloat16, enabled=AMX):
            z = model.encoder(part).float()
            z = z + noise * torch.randn(z.shape, generator=generator)
            outs.append(model.decoder(z).float())
    return torch.cat(outs)


def smoothness(z):
    """Of standardised latents [N,C,H,W]: correlation of neighbours a channel; Gaussian measures from the spectrum."""
    near = ((z[..., 1:] * z[..., :-1]).mean((0, 2, 3)) + (z[..., 1:, :] * z[..., :-1, :]).mean((0, 2, 3))) / 2
    # Power in the eigenbasis of the whole latent would be best; the 2-D Fourier spectrum with channels mixed by PCA a frequency.
    f = torch.fft.fft2(z, norm="ortho")
    cov = torch.einsum("nchw,ndhw->hwcd", f, f.conj()) / len(z)
    power = torch.linalg.eigvalsh(cov).flatten().clamp(min=1e-6)  # variances of independent Gaussian parts
    t = torch.sigmoid(0.4 + torch.linspace(-2, 2, 9))[:, None]
    wiener = (power * t**2 / ((1 - t) ** 2 * power + t**2)).sum(1) / 1  # squared error summed over numbers
    bits = 0.5 * torch.log2(1 + power / 0.01).sum()  # to know the latent to 0.1
    return {"neighbours": [round(float(v), 2) for v in near], "bits to 0.1": float(bits), "wiener error, summed, mean over times": float(wiener.mean()), "numbers": z[0].numel()}


def main(name, model=None):
    model = model or load(name)
    b = bench()
    test = premultiplied(b.world.split("test").images)
    test = test[torch.from_numpy(np.random.default_rng(1).permutation(len(test))[:512])]
    out = {"name": name}
    back = both(model, test)
    true = [ev.premultiplied(straight(x)) for x in (test, back)]
    white = [x[..., :3] + 1 - x[..., 3:] for x in true]
    out["psnr rgb"] = float(ev.psnr(*white).mean()); out["psnr rgba"] = float(ev.psnr(*true).mean())
    out["border 8"], out["border 4"] = border_ratio(back, 8), border_ratio(back, 4)
    out["true border 8, 4"] = [round(border_ratio(test, 8), 3), round(border_ratio(test, 4), 3)]
    noisy = both(model, test, 0.4)
    out["border at noise .4 (8, 4)"] = [round(border_ratio(noisy, 8), 3), round(border_ratio(noisy, 4), 3)]
    z = torch.cat([model.encoder(part).float() for part in test.split(64)])
    out |= smoothness(z)
    log(out, HOME / "ae" / "results.jsonl")
    scenes = {k: b.test_scenes(k, b.scenes) for k in KINDS}
    for noise in (0.0, 0.2, 0.4):
        line = {"name": name, "noise": noise}
        for kind, (facts, renders) in scenes.items():
            pics = straight(both(model, premultiplied(renders), noise))
            for fact, share in b.graded(kind, facts, pics).items():
                line[f"{kind}: {fact}"] = round(share.value, 3)
        log(line, HOME / "ae" / "results.jsonl")
    from bozzetto import pictures
    from PIL import Image
    rows = [test[:12], back[:12], noisy[:12]]
    place = premultiplied(scenes["place"][1][:12]); rows += [place, both(model, place), both(model, place, 0.2)]
    images = [Image.fromarray(x) for r in rows for x in straight(r)]
    sheet = pictures.sheet(images, columns=12)
    sheet = sheet.resize((sheet.width * 2, sheet.height * 2), Image.Resampling.NEAREST)
    sheet.save(HOME / "ae" / f"{name}.png")


if __name__ == "__main__":
    main(sys.argv[1])
