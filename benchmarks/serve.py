"""The engine and the server: pictures a second, peers beside them, what they bear, and for how long.

    python benchmarks/serve.py                             # one at a time, in batches, and for 1, 8 and 64 clients
    python benchmarks/serve.py peer [--seconds 20]         # for as many clients, and as much work behind diffusers
    python benchmarks/serve.py hostile [--n 10000]         # requests that mean no good
    python benchmarks/serve.py soak [--seconds 600]        # clients that leave whenever they like

Each is one entry of benchmarks/results/serve.json (or --out), with the load of the machine before it: a load beside
which others work says little of wall time, and processor seconds a picture say more.

Pictures a second, in one run, on the cores that this process may use, all with the settings of the weights (20 steps,
guidance):
- one at a time: `bozzetto.generate`, one picture after the other;
- batches: `Engine.draw`, after its sizes have been tried; trusted: the same without trying, which is what the trying
  costs;
- served: a real `bozzetto serve`, asked by so many threads over HTTP, each again as soon as it is answered. A client
  that is told to come back does so when it was told to.

Written: pictures a second, and processor seconds a picture, which others' work on the machine changes least; p50 and
p99 of the seconds of a request, how many were refused, and the server's memory before and after.
"""

import argparse
import http.client
import json
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bozzetto
import hostile
import serving
import soak
from bozzetto.files import write_atomically
from bozzetto.runtime.session import cores
from bozzetto.server import batching
from bozzetto.server.defaults import PLACES
from serving import memory, served

PROMPTS = ("a red apple", "a happy robot", "two cats", "a blue car", "a ghost")
HEADERS = {"Content-Type": "application/json"}
PATIENT = ("--no-course", "--seconds", "1200")  # so that a slow machine is slow and not at fault
RATIOS = ("pictures_per_second", "processor_seconds", "p50_seconds")


class Rate:
    """Pictures a second and processor seconds a picture, since it was made."""

    def __init__(self, pid: int | None = None):
        self.pid, self.began, self.worked = pid, time.monotonic(), worked(pid)

    def of(self, drawn: int) -> dict[str, float]:
        seconds, work = time.monotonic() - self.began, worked(self.pid) - self.worked
        return {"pictures_per_second": round(drawn / seconds, 3), "processor_seconds": round(work / max(1, drawn), 4)}


def worked(pid: int | None) -> float:
    """The processor seconds of this process, or of another where the system tells them."""
    if pid is None:
        return time.process_time()
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return float("nan")
    times = stat.read_text().rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def one_at_a_time(seconds: float) -> dict[str, float]:
    bozzetto.generate(PROMPTS[0], num_inference_steps=1)
    rate, drawn = Rate(), 0
    while time.monotonic() - rate.began < seconds:
        bozzetto.generate(PROMPTS[drawn % len(PROMPTS)], seed=drawn)
        drawn += 1
    return rate.of(drawn)


def in_batches(seconds: float, warm: int) -> dict[str, float]:
    """After so many pictures."""
    with batching.Engine() as engine:
        list(engine.draw({"prompt": PROMPTS[0], "seed": seed} for seed in range(warm)))
        rate = Rate()

        def wishes() -> Iterator[dict[str, Any]]:
            number = 0
            while time.monotonic() - rate.began < seconds:
                yield {"prompt": PROMPTS[number % len(PROMPTS)], "seed": number}
                number += 1

        return rate.of(len(list(engine.draw(wishes()))))


def ask(connection: http.client.HTTPConnection, number: int) -> tuple[int, float]:
    """The status and how long to wait before the next."""
    body = {"prompt": PROMPTS[number % len(PROMPTS)], "seed": number}
    connection.request("POST", "/v1/images/generations", json.dumps(body), HEADERS)
    answer = connection.getresponse()
    answer.read()
    return answer.status, float(answer.headers.get("Retry-After", 0))


def under_load(address: str, pid: int, clients: int, seconds: float) -> dict[str, Any]:
    took, refused, other = list[float](), list[int](), list[int]()
    until = time.monotonic() + seconds

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=1200)
        while time.monotonic() < until:
            began = time.monotonic()
            status, wait = ask(connection, number)
            if status == 200:
                took.append(time.monotonic() - began)
            else:
                (refused if status == 429 else other).append(status)
                time.sleep(min(wait, max(0, until - time.monotonic())))
            number += clients

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    rate = Rate(pid)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    quantiles = statistics.quantiles(took, n=100, method="inclusive") if len(took) > 1 else took * 99
    return {
        "clients": clients,
        **rate.of(len(took)),
        "p50_seconds": round(quantiles[49], 3),
        "p99_seconds": round(quantiles[98], 3),
        "answered": len(took),
        "refused_429": len(refused),
        "other_answers": other,
    }


def rates(options: argparse.Namespace) -> dict[str, Any]:
    report: dict[str, Any] = {"seconds": options.seconds}
    report["one_at_a_time"] = one_at_a_time(options.seconds)
    report["batches"] = in_batches(options.seconds, 2 * PLACES)
    tried, batching.same_bits = batching.same_bits, lambda one, other: True
    report["trusted"] = in_batches(options.seconds, 2 * PLACES)
    batching.same_bits = tried
    one, many = report["one_at_a_time"], report["batches"]
    report["batches_over_one"] = {
        "pictures_per_second": round(many["pictures_per_second"] / one["pictures_per_second"], 2),
        "processor_seconds": round(one["processor_seconds"] / many["processor_seconds"], 2),
    }
    with served("--no-course") as (address, server):
        under_load(address, server.pid, 8, 5)  # it opens its networks
        return report | {"server_mb_before": server_mb(server.pid), "served": for_clients(address, server.pid, options)}


def for_clients(address: str, pid: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for clients in map(int, options.clients.split(",")):
        rows.append(under_load(address, pid, clients, options.seconds) | {"server_mb": server_mb(pid)})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def server_mb(pid: int) -> float:
    return round(memory(pid), 1)


def peer(options: argparse.Namespace) -> dict[str, Any]:
    with served(*PATIENT) as (address, server):
        under_load(address, server.pid, 8, 5)
        ours = for_clients(address, server.pid, options)
    with served(program=(str(Path(__file__).with_name("peer.py")),)) as (address, server):
        weights = json.load(serving.ask(address, "GET", "/weights"))
        under_load(address, server.pid, 1, 5)
        theirs = for_clients(address, server.pid, options)
    ratios = [
        {"clients": our["clients"]} | {name: round(our[name] / their[name], 2) for name in RATIOS}
        for our, their in zip(ours, theirs, strict=True)
    ]
    return {"seconds": options.seconds, "peer_weights": weights, "ours": ours, "peer": theirs, "ours_over_peer": ratios}


MEASURES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "rates": rates,
    "peer": peer,
    "hostile": lambda options: hostile.attacked(options.n),
    "soak": lambda options: soak.soaked(options.seconds),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=MEASURES, nargs="?", default="rates")
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement")
    parser.add_argument("--clients", default="1,8,64")
    parser.add_argument("--n", type=int, default=10_000, help="of hostile requests")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/serve.json"))
    options = parser.parse_args()

    about = {"cores": cores(), "load_before": [round(load, 1) for load in os.getloadavg()]}
    report = about | MEASURES[options.what](options)
    print(json.dumps(report), flush=True)
    before = json.loads(options.out.read_text()) if options.out.exists() else {}
    write_atomically(options.out, json.dumps(before | {options.what: report}, indent=1) + "\n")


if __name__ == "__main__":
    main()
