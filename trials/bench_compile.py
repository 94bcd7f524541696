"""What torch.compile gives the new step: python code/bench_compile.py BATCH"""
import sys
sys.path.insert(0, "$ROOT/runs/pictures/code")
from bench_step import *
b = int(sys.argv[1]); m = build("new"); i = inputs(b, "new")
i = (*i[:3], *(torch.nn.functional.pad(p, (0, 0, 0, 4)) for p in i[3:5]), torch.nn.functional.pad(i[5], (0, 4)), *i[6:])
plain = step(m, i)
began = time.time()
fast = build("new"); fast.forward = torch.compile(fast.forward, dynamic=False)
quick = step(fast, i); quick(); quick()
print("compiling", time.time() - began, "s", flush=True)
t = {"plain": [], "compiled": []}
for r in range(10):
    for n, f in (("plain", plain), ("compiled", quick)):
        s = time.thread_time(); f(); t[n].append(time.thread_time() - s)
a = torch.randn(2048, 2048).bfloat16(); s = clock(lambda: a @ a, 1.0)
log({"compile batch": b, "product": 2 * 2048**3 / s / 1e9, **{n: [b / float(np.median(v)), b / float(np.min(v))] for n, v in t.items()}}, HOME / "logs/bench.jsonl")
with torch.profiler.profile() as prof:
    for _ in range(3): quick()
print(prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=60))
