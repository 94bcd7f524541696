"""The one-hour proof: three kinds of things, two colours, four relations. Does place leave chance with positions?

python code/proof.py NAME AE [--nowords] --seconds 1500: 12,000 scenes "a red star left of a blue car"; every eighth pair
of (thing, colour) and (thing, colour) in a relation is held out. Graded: two objects; each one's thing and colour by the
nearest of the six sprites; then the relation. Among pictures with both things right, chance is 25 %.
"""
import argparse, sys
sys.path.insert(0, "$ROOT/runs/pictures/code")
from common import *
from denoiser import Denoiser, DenoiserConfig
from lessons import Lessons, tower
import eval_ae, eval_dn
from bozzetto.metrics.composition import cut_out, find_objects, relation_holds
from bozzetto.world.scenes import BACKGROUNDS, Placed, Scene, _layout, article, describe, render, scene_objects

THINGS, COLOURS, RELATIONS = ("star", "car", "fish"), ("red", "blue"), ("left of", "right of", "above", "below")
KINDS = [(c, t) for c in COLOURS for t in THINGS]


def held_out(first, second, relation):
    return (KINDS.index(first) * 31 + KINDS.index(second) * 7 + RELATIONS.index(relation)) % 8 == 0


def draw(w, objects, seed, test):
    rng = np.random.default_rng([seed, int(test), 77])
    while True:
        a, b = KINDS[rng.integers(6)], KINDS[rng.integers(6)]
        boxes, relation = _layout("place", 2, rng)
        if a != b and held_out(a, b, relation) == test:
            break
    placed = tuple(Placed(objects[t].rows["noto"], objects[t].codepoints, t, "noto", c, *box) for (c, t), box in zip((a, b), boxes))
    names = tuple(f"{c} {t}" for c, t in (a, b))
    return Scene("place", describe("place", names, 2, None, relation, None, int(rng.integers(2**16))), placed, None, names, 2, None, relation, 0)


def sprites(w, objects):
    """cut_out pictures of the six, float [6,64,64,4] premultiplied."""
    out = []
    for c, t in KINDS:
        scene = Scene("place", "", (Placed(objects[t].rows["noto"], objects[t].codepoints, t, "noto", c, 18, 18, 26),), None, (t,), 1, None, None, 0)
        picture = render(w, scene)
        out.append(ev.premultiplied(cut_out(picture, find_objects(picture)[0])[None])[0])
    return np.stack(out)


def grade(pictures, scenes, known):
    both = right = 0
    for picture, scene in zip(pictures, scenes):
        found = find_objects(picture)
        if len(found) != 2: continue
        crops = ev.premultiplied(np.stack([cut_out(picture, f) for f in found]))
        kinds = [KINDS[int(((known - crop) ** 2).sum((1, 2, 3)).argmin())] for crop in crops]
        wanted = [(o.color, o.name) for o in scene.objects]
        if sorted(kinds) != sorted(wanted): continue
        both += 1
        a = kinds.index(wanted[0])
        right += relation_holds(found[a], found[1 - a], scene.relation)
    n = len(scenes)
    return {"two": both / n, "place": right / n, "place among two": right / max(both, 1), "n": n}


p = argparse.ArgumentParser()
p.add_argument("name"); p.add_argument("ae"); p.add_argument("--seconds", type=float, default=1500); p.add_argument("--nowords", action="store_true"); p.add_argument("--check", action="store_true")
a = p.parse_args()
w = world(); objects = {o.noun: o for o in scene_objects(w)}
known = sprites(w, objects)
test = [draw(w, objects, i, True) for i in range(96)]
train = [draw(w, objects, i, False) for i in range(200 if a.check else 12_000)]
print(train[0].sentence, "|", test[0].sentence, "| true renders", grade(np.stack([render(w, s) for s in test]), test, known), flush=True)
ae = eval_ae.load(a.ae)
renders = np.stack([render(w, s) for s in test])
print("round trip", grade(straight(eval_ae.both(ae, premultiplied(renders))), test, known), flush=True)
if a.check: sys.exit()

class Few(Lessons):
    def __init__(self):
        self.tower, self.tokenizer = tower()
        self.latents = self.encode(ae.encoder, np.stack([render(w, s) for s in train]))
        self.tokens = self.tokenizer([s.sentence for s in train]); self.empty = self.tokenizer("")
    def draw(self, rng, count):
        rows = rng.integers(0, len(self.latents), count)
        tokens = self.tokens[rows]; tokens[rng.random(count) < 0.1] = self.empty
        return self.latents[torch.from_numpy(rows)].float(), self.told(tokens, np.zeros(count, np.int64))

lessons = Few()
torch.manual_seed(0)
shape = tuple(lessons.latents.shape[1:])
model = Denoiser(DenoiserConfig(latent_channels=shape[0], fold=shape[1] // 8, words=not a.nowords))

def loss(model, rng, generator, done):
    batch, condition = lessons.draw(rng, 64)
    t = torch.sigmoid(0.8 + torch.randn(len(batch), generator=generator))
    return model.loss(batch, torch.randn(batch.shape, generator=generator), t, *condition)

out = HOME / "denoiser" / a.name
average, step = train_seconds(model, loss, out, seconds=a.seconds, rate=2e-3, batch=64, accumulate=2, ema=0.997)
torch.save({"config": vars(average.config), "state": average.state_dict(), "args": vars(a), "steps": step}, out / "final.pt")
for scenes, where in ((test, "held out"), (train[:96], "seen")):
    for guidance in (1.0, 3.0):
        pixels, _ = eval_dn.draw_all(average.eval(), ae.decoder, lessons, [s.sentence for s in scenes], shape, 1.5, guidance)
        log({"name": a.name, "where": where, "guidance": guidance, "steps": step, **grade(straight(pixels), scenes, known)}, HOME / "denoiser" / "results.jsonl")
        if where == "held out":
            from bozzetto import pictures
            from PIL import Image
            pictures.sheet([Image.fromarray(x) for x in straight(pixels)[:48]], columns=12).save(HOME / "denoiser" / f"{a.name}-{guidance:.0f}.png")
