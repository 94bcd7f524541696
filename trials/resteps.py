"""resteps.py STATE N: a state whose stage is to have N steps."""
import sys, json, os
from safetensors import safe_open
from safetensors.torch import save_file
p, n = sys.argv[1], int(sys.argv[2])
with safe_open(p, "pt") as f:
    meta = f.metadata(); t = {k: f.get_tensor(k) for k in f.keys()}
r = json.loads(meta["recipe"]); r["steps"] = n
save_file(t, p + ".part", {**meta, "recipe": json.dumps(r)}); os.replace(p + ".part", p)
