from common import *
import torch.nn.functional as F
from bozzetto.models.clip import ClipConfig, ImageTower
from bozzetto.runtime import store
from bozzetto.training import data
from bozzetto.training.recipes.text_to_image import load_part

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

