"""Draw with a denoiser and grade: named in 1, 5, 20 of 100 concepts, and scenes, 60 a kind."""
import sys
sys.path.insert(0, "$ROOT/runs/pictures/code")
from common import *
from bozzetto.world.captions import with_article


@torch.no_grad()
def sample(denoise, condition, nothing, shape, seeds, steps=20, guidance=4.0, shift=1.5):
    """DPM-Solver++(2M) on the straight path (Lu et al. 2022, algorithm 2), guided. -> clean latents."""
    x = torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(int(s))) for s in seeds])
    times = torch.linspace(1, 0, steps + 1)
    times = (shift * times / (shift * times + 1 - times)).tolist()
    last, last_h = None, None
    def lam(t): return math.log((1 - t) / t)
    for now, then in zip(times[:-1], times[1:]):
        t = torch.full((len(x),), now)
        with torch.autocast("cpu", torch.bfloat16, enabled=AMX):
            c, u = denoise(x, t, *condition).float(), denoise(x, t, *nothing).float()
        clean = u + guidance * (c - u)
        if now == 1 or then == 0:
            best, h = clean, None
        else:
            h = lam(then) - lam(now)
            best = clean if last_h is None else clean + (clean - last) * h / (2 * last_h)
        x = then / now * x + ((1 - then) - then / now * (1 - now)) * best
        last, last_h = clean, h
    return x


def draw_all(model, decoder, lessons, sentences, shape, shift, guidance=4.0, batch=60, style=None, steps=20):
    out, latents = [], []
    for i in range(0, len(sentences), batch):
        part = sentences[i : i + batch]
        style_ = np.zeros(len(part), np.int64) if style is None else np.full(len(part), style)
        condition = lessons.told(lessons.tokenizer(part), style_)
        nothing = lessons.told(lessons.tokenizer([""] * len(part)), np.zeros(len(part), np.int64))
        z = sample(model, condition, nothing, shape, range(i, i + len(part)), guidance=guidance, shift=shift, steps=steps)
        latents.append(z)
        with torch.autocast("cpu", torch.bfloat16, enabled=AMX), torch.no_grad():
            out.append(decoder(z).float())
    return torch.cat(out), torch.cat(latents)


def grade(name, model, decoder, lessons, shape, shift, scenes=60, n=100, guidance=4.0, kinds=("count", "color", "two", "place"), extra=None):
    b = bench(scenes, n)
    began = time.time()
    chosen = ev.chosen_concepts(b.core, n)
    names = [b.names[key] for key in chosen]
    pixels, z = draw_all(model, decoder, lessons, [with_article(x) for x in names], shape, shift, guidance)
    pics = straight(pixels)
    labels = list(b.names.values())
    scores = b.judge(pics, labels)
    target = np.array([labels.index(x) for x in names])
    rank = (scores > scores[np.arange(n), target][:, None]).sum(1)
    line = {"name": name, **(extra or {}), "named 1/5/20": [float((rank < k).mean()) for k in (1, 5, 20)], "log rank": float(np.log(rank + 1).mean()), "log rank error": float(np.log(rank + 1).std() / n**0.5),
            "cosine": float(scores[np.arange(n), target].mean()), "latent std": float(z.std()), "border 8": border_ratio(pixels, 8), "border 4": border_ratio(pixels, 4)}
    sheets = [pics]
    for kind in kinds:
        facts, _ = b.test_scenes(kind, scenes)
        pixels, _ = draw_all(model, decoder, lessons, [s.sentence for s in facts], shape, shift, guidance)
        pics = straight(pixels)
        sheets.append(pics[:20])
        for fact, share in b.graded(kind, facts, pics).items():
            line[f"{kind}: {fact}"] = round(share.value, 3)
    line["seconds"] = time.time() - began
    log(line, HOME / "denoiser" / "results.jsonl")
    from bozzetto import pictures
    from PIL import Image
    images = [Image.fromarray(x) for x in np.concatenate(sheets)]
    sheet = pictures.sheet(images, columns=20)
    sheet.save(HOME / "denoiser" / f"{name}.png")
    return line
