"""Replicas that are killed under load: is every request answered, with the picture of its seed?

    python benchmarks/cluster.py [--kills 20] [--replicas 2] [--clients 4] [--out benchmarks/results/cluster.json]

A real `serve run bozzetto.server.cluster:app` on this machine, and so many clients that ask again as soon as they are
answered, every other time for a stream with its partial pictures. When both replicas are there and some answers have
come since the last kill, the next replica is killed (SIGKILL). Each picture is compared, bit for bit, with the one that
is drawn here; a stream must have each of its events once.

Written: how many were answered, and how; how long the slowest took; how long until a killed replica had a successor.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bozzetto
from bozzetto.files import write_atomically
from bozzetto.runtime.session import cores
from serving import PICTURES, shown

STEPS, SEEDS, PARTIAL = 8, 6, 3
HEADERS = {"Content-Type": "application/json"}


def replicas(ancestor: int) -> list[int]:
    """The processes of replicas below this one, the oldest first."""
    parents, found = {}, []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            about, command = stat.read_text(), (stat.parent / "cmdline").read_text()
        except OSError:  # it has ended
            continue
        pid, (state, parent) = int(stat.parent.name), about.rpartition(")")[2].split()[:2]
        parents[pid] = int(parent)
        if command.startswith("ray::ServeReplica") and state != "Z":
            found.append(pid)

    def below(pid: int) -> bool:
        return pid == ancestor or (pid in parents and below(parents[pid]))

    return sorted(filter(below, found))


@contextmanager
def cluster(count: int) -> Iterator[tuple[int, int]]:
    """The process of a cluster with so many replicas that are ready, and its port."""
    serve = Path(sys.executable).with_name("serve")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sizes = {"replicas": count, "cores": 1, "places": 2, "course": "false", "port": port}
    command = [serve, "run", "bozzetto.server.cluster:app", *(f"{name}={value}" for name, value in sizes.items())]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            while not ready(port) or len(replicas(process.pid)) < count:
                if process.poll() is not None:
                    log.seek(0)
                    raise SystemExit(log.read().decode()[-3000:])
                time.sleep(1)
            yield process.pid, port
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def ready(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False


class Clients:
    """So many that ask, and what they were told."""

    def __init__(self, port: int, count: int, expected: list[bytes]):
        self.port, self.expected = port, expected
        self.told, self.seconds, self.over = Counter[str](), list[float](), False
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        self.over = True
        for thread in self.threads:
            thread.join()

    def _ask(self, number: int) -> None:
        while not self.over:
            number += 1
            began, streamed = time.monotonic(), number % 2 == 0
            try:
                told = self._asked(number % SEEDS, streamed)
            except (OSError, http.client.HTTPException) as error:
                told = f"lost: {type(error).__name__}"
            self.seconds.append(time.monotonic() - began)
            self.told[told] += 1

    def _asked(self, seed: int, streamed: bool) -> str:
        """What became of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        body: dict[str, Any] = {"prompt": "a happy robot", "seed": seed, "num_inference_steps": STEPS}
        if streamed:
            body |= {"stream": True, "partial_images": PARTIAL}
        connection.request("POST", PICTURES, json.dumps(body), HEADERS)
        answer = connection.getresponse()
        content = answer.read().decode()
        if answer.status != 200:
            error = json.loads(content)["error"]  # raises if this is not OpenAI's shape
            return f"refused: {answer.status} {error['type']}"
        if not streamed:
            picture = json.loads(content)["data"][0]["b64_json"]
            return "answered" if shown(picture).tobytes() == self.expected[seed] else "another picture"
        events = [json.loads(event.partition("data: ")[2]) for event in content.strip().split("\n\n")]
        if events[-1]["type"] == "error":
            return f"refused: stream, {events[-1]['error']['type']}"
        if [event.get("partial_image_index") for event in events] != [*range(PARTIAL), None]:
            return "other events"
        return "streamed" if shown(events[-1]["b64_json"]).tobytes() == self.expected[seed] else "another picture"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/cluster.json"))
    args = parser.parse_args()
    options = {"num_inference_steps": STEPS}
    expected = [bozzetto.generate("a happy robot", seed=seed, **options)[0].tobytes() for seed in range(SEEDS)]
    with cluster(args.replicas) as (process, port):
        clients, began = Clients(port, args.clients, expected), time.monotonic()
        gone, waits, turn = list[int](), list[float](), 0
        while len(gone) < args.kills:
            seen, since = clients.told.total(), time.monotonic()
            while len(there := replicas(process)) < args.replicas or clients.told.total() < seen + args.clients:
                time.sleep(0.05)
            waits.append(time.monotonic() - since)
            turn += 1
            gone.append(there[turn % len(there)])
            os.kill(gone[-1], signal.SIGKILL)
            print(f"kill {len(gone)}: {dict(clients.told)}", file=sys.stderr, flush=True)
        clients.end()
        took = time.monotonic() - began
    lost = sum(count for told, count in clients.told.items() if told.split(":")[0] in ("lost", "another picture"))
    result = {
        "cores": cores(),
        "replicas": args.replicas,
        "clients": args.clients,
        "kills": len(gone),
        "seconds": round(took, 1),
        "requests": clients.told.total(),
        "told": dict(clients.told),
        "lost": lost + clients.told["other events"],
        "slowest_seconds": round(max(clients.seconds), 1),
        "median_seconds": round(sorted(clients.seconds)[len(clients.seconds) // 2], 2),
        "seconds_between_kills": round(sum(waits[1:]) / max(1, len(waits) - 1), 1),
    }
    write_atomically(args.out, json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
