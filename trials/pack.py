"""pack.py STATE.safetensors OUT.safetensors: a training state's average in 8 bits a weight (one fp16 scale a row), with its step and recipe. unpack: pack.py --back OUT STATE-LIKE (model and ema the same, no optimizer)."""
import sys, torch
from safetensors import safe_open
from safetensors.torch import save_file
if sys.argv[1] != "--back":
    src, out = sys.argv[1:3]
    packed = {}
    with safe_open(src, "pt") as f:
        meta = f.metadata()
        for k in f.keys():
            if not k.startswith("ema."): continue
            t = f.get_tensor(k).float()
            if t.ndim < 2 or t.numel() < 4096: packed[k] = t.half(); continue
            rows = t.flatten(1); scale = (rows.abs().amax(1) / 127).half().float().clamp_min(1e-8)
            packed[k] = (rows / scale[:, None]).round().clamp(-127, 127).to(torch.int8).view(t.shape); packed[k + ".scale"] = scale.half()
    save_file(packed, out, meta)
else:
    src, out = sys.argv[2:4]
    state = {}
    with safe_open(src, "pt") as f:
        meta = f.metadata()
        for k in f.keys():
            if k.endswith(".scale"): continue
            t = f.get_tensor(k).float()
            if k + ".scale" in f.keys(): t = t * f.get_tensor(k + ".scale").float().view(-1, *[1] * (t.ndim - 1))
            state[k] = t; state["model." + k.removeprefix("ema.")] = t.clone()
    save_file(state, out, meta)
