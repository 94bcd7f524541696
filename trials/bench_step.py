"""Whole training steps of today's denoiser and of the new one: python code/bench_step.py [today] [new] [profile]"""
import sys
sys.path.insert(0, "$ROOT/runs/pictures/code")
from common import *
from bench_parts import clock
from bozzetto.models import denoiser as today
import denoiser as new
from torch.utils.flop_counter import FlopCounterMode

def inputs(b, which):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(b, *((16, 8, 8) if which == "today" else (8, 16, 16)), generator=g)
    if which == "today": x = x.to(memory_format=torch.channels_last)
    n = torch.randn(x.shape, generator=g); t = torch.rand(b, generator=g)
    hidden, words = torch.randn(b, 12, 192, generator=g), torch.randn(b, 12, 192, generator=g)
    mask = torch.ones(b, 12); mask[:, 9:] = 0
    rest = (mask, torch.nn.functional.normalize(torch.randn(b, 256, generator=g), dim=1), torch.randint(0, 9, (b,), generator=g))
    return (x, n, t, hidden, *rest) if which == "today" else (x, n, t, hidden, words, *rest)

def build(which, **changes):
    torch.manual_seed(0)
    m = today.Denoiser() if which == "today" else new.Denoiser(new.DenoiserConfig(**changes))
    for p in m.parameters():  # zero branches would make gradients zero, not faster, but be safe
        if p.abs().sum() == 0: torch.nn.init.normal_(p, std=0.02)
    return m.to(memory_format=torch.channels_last) if which == "today" else m

def step(m, i):
    def run():
        m.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            loss = m.loss(*i)["loss"]
        loss.backward()
    return run

def flops(m, i):
    with FlopCounterMode(display=False) as c: step(m, i)()
    return c.get_total_flops()

def report(name, m, which, batches=(16, 32, 64, 128, 512), seconds=3):
    f = flops(m, inputs(8, which)) / 8
    for b in batches:
        s = clock(step(m, inputs(b, which)), seconds)
        log({"name": name, "weights": sum(p.numel() for p in m.parameters()), "batch": b, "pictures_s": b / s, "GFLOP a picture": f / 1e9, "GFLOP/s": f * b / s / 1e9}, HOME / "logs/bench.jsonl")

if __name__ == "__main__":
    a = torch.randn(2048, 2048).bfloat16()
    s = clock(lambda: a @ a, 1.0); rate = 2 * 2048**3 / s / 1e9
    log({"product 2048 bf16 GFLOP/s": rate}, HOME / "logs/bench.jsonl")
    if "today" in sys.argv: report("today", build("today"), "today")
    if "new" in sys.argv: report("new", build("new"), "new", (32, 64, 128))
    if "profile" in sys.argv:
        which = sys.argv[1]; m = build(which); b = 64; run = step(m, inputs(b, which)); run(); run()
        with torch.profiler.profile() as prof:
            for _ in range(5): run()
        print(prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=35, max_name_column_width=45))
