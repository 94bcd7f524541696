"""Parts of the training step, forward and backward, one by one: python code/bench_parts.py [part ...]"""
import sys
sys.path.insert(0, "$ROOT/runs/pictures/code")
from common import *
import torch.nn.functional as F
from torch import nn
from bozzetto.models.layers import Attention, FilmBlock
from bozzetto.models.denoiser import Denoiser, DenoiserConfig

def clock(f, seconds=1.0, least=3):
    f(); f()
    times = []
    end = time.thread_time() + seconds
    while time.thread_time() < end or len(times) < least:
        b = time.thread_time(); f(); times.append(time.thread_time() - b)
    return float(np.median(times))

def fb(module, *inputs):
    def run():
        with torch.autocast("cpu", torch.bfloat16):
            y = module(*inputs)
        y.float().sum().backward() if y.requires_grad else None
    return run

B = 128
def tokens(b, c=160): return torch.randn(b, 64, c).bfloat16().requires_grad_()

class Fast(nn.Module):
    """qk layer-norm over the whole width, bf16 all along; how: bmm, sdpa, chunk."""
    def __init__(self, c, heads, how="bmm", norm=True):
        super().__init__()
        self.h, self.how = heads, how
        self.qkv = nn.Linear(c, 3 * c, bias=False); self.out = nn.Linear(c, c)
        self.nq, self.nk = (nn.LayerNorm(c, bias=False), nn.LayerNorm(c, bias=False)) if norm else (nn.Identity(), nn.Identity())
    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        q, k = self.nq(q), self.nk(k)
        b, t, c = q.shape; h, d = self.h, c // self.h
        if self.how == "sdpa":
            y = F.scaled_dot_product_attention(*(z.unflatten(-1, (h, d)).transpose(1, 2).to(v.dtype) for z in (q, k, v)))
            return self.out(y.transpose(1, 2).flatten(2))
        if self.how == "chunk":
            ys = []
            for a, bb, cc in zip(q.chunk(h, -1), k.chunk(h, -1), v.chunk(h, -1)):
                ys.append((torch.bmm(a, bb.transpose(1, 2)).mul(d ** -0.5).softmax(-1)).to(v.dtype) @ cc)
            return self.out(torch.cat(ys, -1))
        q, k, v = (z.unflatten(-1, (h, d)).transpose(1, 2) for z in (q, k, v))
        y = (q @ k.transpose(-1, -2) * d ** -0.5).softmax(-1).to(v.dtype) @ v
        return self.out(y.transpose(1, 2).flatten(2))

parts = {}
for b in (32, 64, 128, 256):
    x = tokens(b)
    parts[f"attention today h5 B{b}"] = (Attention(160, 5), (x,), b)
    for how in ("bmm", "sdpa", "chunk"):
        for h in ((5, 2, 1) if b == 128 else (2,)):
            parts[f"attention fast {how} h{h} B{b}"] = (Fast(160, h, how), (x,), b)
for b in (16, 32, 64, 128, 256, 512):
    y = torch.randn(b, 160, 8, 8).bfloat16().to(memory_format=torch.channels_last).requires_grad_()
    c = torch.randn(b, 256)
    conv = nn.Conv2d(160, 160, 3, padding=1).to(memory_format=torch.channels_last)
    parts[f"conv 160 B{b}"] = (conv, (y,), b)
    if b in (64, 128):
        parts[f"conv 192 B{b}"] = (nn.Conv2d(192, 192, 3, padding=1).to(memory_format=torch.channels_last), (torch.randn(b, 192, 8, 8).bfloat16().to(memory_format=torch.channels_last).requires_grad_(),), b)
        parts[f"conv 256 at 4 B{b}"] = (nn.Conv2d(256, 256, 3, padding=1).to(memory_format=torch.channels_last), (torch.randn(b, 256, 4, 4).bfloat16().to(memory_format=torch.channels_last).requires_grad_(),), b)
    parts[f"filmblock B{b}"] = (FilmBlock(160, 256).to(memory_format=torch.channels_last), (y, c), b)
    parts[f"groupnorm B{b}"] = (nn.GroupNorm(8, 160), (y,), b)
    ln = nn.LayerNorm(160)
    parts[f"layernorm B{b}"] = (ln, (y.detach().permute(0, 2, 3, 1).contiguous().requires_grad_(),), b)
    parts[f"silu B{b}"] = (nn.SiLU(), (y,), b)
    parts[f"gelu B{b}"] = (nn.GELU("tanh"), (y,), b)
    parts[f"relu B{b}"] = (nn.ReLU(), (y,), b)
    parts[f"film B{b}"] = (type("Film", (nn.Module,), {"forward": lambda s, y, a: y * (1 + a[:, :160, None, None]) + a[:, 160:, None, None]})(), (y, torch.randn(b, 320).bfloat16().requires_grad_()), b)
if __name__ == "__main__":
    wanted = sys.argv[1:]
    for name, (m, i, b) in parts.items():
        if wanted and not any(w in name for w in wanted): continue
        s = clock(fb(m, *i), 0.5)
        flop = {"conv 160": 3 * 2 * 64 * 160**2 * 9, "conv 192": 3 * 2 * 64 * 192**2 * 9, "conv 256": 3 * 2 * 16 * 256**2 * 9, "filmblock": 6 * 2 * 64 * 160**2 * 9}
        rate = next((v * b / s / 1e9 for k, v in flop.items() if name.startswith(k)), 0)
        print(f"{name:32s} {s * 1e6 / b:9.1f} us a picture  {rate:7.0f} GFLOP/s", flush=True)
