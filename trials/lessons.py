"""What the denoiser learns from: a pool of scenes (rendered once, kept on disk), captions, and their words."""
import sys
sys.path.insert(0, "$ROOT/runs/pictures/code")
from common import *
from bozzetto.models.clip import ClipConfig, TextTower
from bozzetto.runtime import store
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.training.recipes.clip import shortest
from bozzetto.training.recipes.text_to_image import load_part
from bozzetto.world.captions import caption
from bozzetto.world.emoji import STYLES
from bozzetto.world.scenes import make_scene, render, scene_objects

POOL = 30_000
MIX = ("count", "color", "two", "place", "size", "count", "color", "two", "place", "single")  # kinds in turn


def tower():
    words = store.open_model("clip/text", None)
    return load_part(TextTower(ClipConfig(**words["config"])), words.path, torch.device("cpu")), Tokenizer.load(words.path / "vocabulary.txt")


def make_pool(count=POOL):
    """cache/pool.npy uint8 [N,64,64,4] and pool.json: sentence, style, kind."""
    w = world(); objects = scene_objects(w)
    pictures = np.lib.format.open_memmap(CACHE / "pool.part.npy", "w+", np.uint8, (count, 64, 64, 4))
    facts = []
    began = time.time()
    for i in range(count):
        scene = make_scene(w, objects, i, "train", MIX[i % len(MIX)])
        pictures[i] = render(w, scene)
        facts.append({"sentence": scene.sentence, "style": STYLES.index(scene.objects[0].style) + 1, "kind": scene.kind})
        if i % 5000 == 0: print(i, time.time() - began, flush=True)
    pictures.flush(); (CACHE / "pool.json").write_text(json.dumps(facts)); os.replace(CACHE / "pool.part.npy", CACHE / "pool.npy")


def make_captions(wordings=16):
    w = world().split("train"); _, tokenizer = tower()
    rng = np.random.default_rng(0)
    columns = list(zip(w.names, w.keywords, w.styles, w.codepoints, strict=True))
    captions = np.stack([tokenizer([caption(n, k, s, rng, codepoints=c) for n, k, s, c in columns]) for _ in range(wordings)])
    facts = json.loads((CACHE / "pool.json").read_text())
    np.savez(CACHE / "captions.npz", captions=captions, sentences=tokenizer([f["sentence"] for f in facts]), style=np.array([STYLES.index(s) + 1 for s in w.styles]),
             scene_style=np.array([f["style"] for f in facts]), weight=np.where(w.core, 1.0, 0.2), empty=tokenizer(""), kind=np.array([f["kind"] for f in facts]))


class Lessons:
    def __init__(self, encoder, scene_share=0.5, drop_words=0.1, drop_style=0.3):
        kept = np.load(CACHE / "captions.npz")
        self.captions, self.sentences, self.style, self.scene_style, self.empty = (kept[k] for k in ("captions", "sentences", "style", "scene_style", "empty"))
        self.cumulative = np.cumsum(kept["weight"] / kept["weight"].sum())
        self.tower, self.tokenizer = tower()
        self.share, self.drop_words, self.drop_style = scene_share, drop_words, drop_style
        self.latents = self.encode(encoder, world().split("train").images)
        self.scenes = self.encode(encoder, np.load(CACHE / "pool.npy", mmap_mode="r"))

    @staticmethod
    @torch.no_grad()
    def encode(encoder, images):
        out = []
        for i in range(0, len(images), 128):
            with torch.autocast("cpu", torch.bfloat16, enabled=AMX):
                out.append(encoder(premultiplied(np.array(images[i : i + 128])).contiguous(memory_format=torch.channels_last)).half().contiguous())
        with torch.autocast("cpu", enabled=False):
            return torch.cat(out)

    @torch.no_grad()
    def told(self, tokens, style):
        kept = shortest(tokens, torch.device("cpu"))
        hidden, embedding, words = self.tower(kept)
        return hidden.float(), words.float(), (kept != 0).float(), embedding.float(), torch.from_numpy(style)

    def draw(self, rng, count):
        n = round(count * self.share)
        rows = np.minimum(np.searchsorted(self.cumulative, rng.random(count - n)), len(self.latents) - 1)
        chosen = rng.integers(0, len(self.scenes), n)
        tokens = np.concatenate([self.captions[rng.integers(0, len(self.captions), len(rows)), rows], self.sentences[chosen]])
        style = np.concatenate([self.style[rows], self.scene_style[chosen]])
        dropped = rng.random(count) < self.drop_words
        tokens[dropped] = self.empty
        style[dropped | (rng.random(count) < self.drop_style)] = 0
        batch = torch.cat([self.latents[torch.from_numpy(rows)].float(), self.scenes[torch.from_numpy(chosen)].float()])
        return batch, self.told(tokens, style)


if __name__ == "__main__":
    if not (CACHE / "pool.npy").exists(): make_pool()
    make_captions()
