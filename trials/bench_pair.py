"""Rounds of one training step of each of several networks in turn, so that a machine that slows down slows all alike:
python code/bench_pair.py BATCH ROUNDS VARIANT ...  A variant is today, new, or new:key=value,... of DenoiserConfig."""
import sys
sys.path.insert(0, "$ROOT/runs/pictures/code")
from bench_step import *

def make(variant):
    which, _, changes = variant.partition(":")
    kept = {k: eval(v) for k, v in (c.split("=") for c in changes.split(";") if c)}
    return which, build(which, **kept)

if __name__ == "__main__":
    b, rounds, variants = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    a = torch.randn(2048, 2048).bfloat16()
    nets = {v: make(v) for v in variants}
    runs = {v: step(m, inputs(b, w)) for v, (w, m) in nets.items()}
    gflop = {v: flops(m, inputs(8, w)) / 8e9 for v, (w, m) in nets.items()}
    times = {v: [] for v in ["product", *variants]}
    for r in range(rounds + 1):
        for v, run in {"product": lambda: a @ a, **runs}.items():
            began = time.thread_time(); run()
            if r: times[v].append(time.thread_time() - began)
    p = 2 * 2048**3 / 1e9
    log({"batch": b, "product GFLOP/s, median and best": [round(p / float(f(times["product"]))) for f in (np.median, np.min)]}, HOME / "logs/bench.jsonl")
    for v, (w, m) in nets.items():
        t = times[v]
        log({"variant": v, "weights": sum(q.numel() for q in m.parameters()), "batch": b, "pictures_s median": b / float(np.median(t)), "best": b / float(np.min(t)), "GFLOP a picture": gflop[v],
             "GFLOP/s at best": gflop[v] * b / float(np.min(t)), "share of the best product": gflop[v] * b / float(np.min(t)) / (p / float(np.min(times["product"])))}, HOME / "logs/bench.jsonl")
