"""The GAN's round as a graph: rounds a second beside torch's, and the modes that it covers as it learns.

    python benchmarks/gan_round.py --seeds 3 --skills 5 --out benchmarks/results/gan_round.json

For each seed two games: 1,500 balanced rounds; and 750 collapsing ones, after which 1,000 balanced ones repair it.
Modes, and the share of fakes that are any shape at all, are counted on 256 fakes. Skills: what lesson 2 says of its
game, for so many seeds. Rates: ONNX Runtime and the same
function in torch, in turns, so that both meet the same load; the pictures and the noise are part of a round in both.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from bozzetto.runtime import gan_round as game
from bozzetto.runtime.store import open_model

sys.path.append(str(Path(__file__).parents[1] / "scripts"))
import gan_round_graph as training

GAMES = (
    (("balanced", game.BALANCED, 1500),),
    (("collapsing", game.COLLAPSING, 750), ("rebalanced", game.BALANCED, 1000)),
)
EVERY = 250
FROZEN = (25, 100, 300, 1000)  # as in web/runtime/gan-game.ts
UNSEEN = 10_000  # added to a seed: noise that the game was not trained on


def rate(play: Callable[[], object], seconds: float) -> float:
    began, rounds = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        play()
        rounds += 1
    return rounds / (time.perf_counter() - began)


def rates(graph: game.Game, seconds: float, turns: int) -> dict[str, float]:
    state = game.start(0)

    def in_torch() -> None:
        training.play(*map(torch.as_tensor, game.inputs(state, game.BALANCED, 0).values()))

    sides = {"onnxruntime": lambda: graph.play(state, game.BALANCED, 0), "torch_eager": in_torch}
    for play in sides.values():
        play()
    found = {name: [] for name in sides}
    for _ in range(turns):
        for name, play in sides.items():
            found[name].append(rate(play, seconds))
    return {name: round(statistics.median(values), 1) for name, values in found.items()}


def learn(graph: game.Game, seed: int) -> list[dict[str, object]]:
    log = []
    for phases in GAMES:
        state = game.start(seed)
        for phase, settings, rounds in phases:
            for played in range(1, rounds + 1):
                state, _ = graph.play(state, settings, seed)
                if played % EVERY == 0:
                    fakes = graph.evaluate(state, state, seed + UNSEEN).fakes
                    shapes = float((game.modes(fakes) >= 0).mean())
                    line = {"phase": phase, "rounds": played, "modes": game.variety(fakes), "shapes": round(shapes, 3)}
                    print(seed, line, flush=True)
                    log.append(line)
    return log


def accuracy(shown: game.Played) -> float:
    """Of fakes and as many real pictures, the share that the discriminator tells right."""
    return float(((shown.verdicts_real > 0.5).mean() + (shown.verdicts_fake <= 0.5).mean()) / 2)


def skills(graph: game.Game, seed: int) -> dict[str, object]:
    """The raw score over the rounds before, today's players against those frozen at FROZEN, and the kinds among the
    fakes of round 1,000 in the balanced game and in one made to collapse."""
    found: dict[str, object] = {}
    for name, settings in (("balanced", game.BALANCED), ("collapsing", game.COLLAPSING)):
        state, frozen, right, passed = game.start(seed), [], [], []
        for played in range(1, 1001):
            state, shown = graph.play(state, settings, seed)
            right.append(accuracy(shown))
            passed.append(float((shown.verdicts_fake > 0.5).mean()))
            if played in FROZEN:
                frozen.append(state)
            if name == "balanced" and played in (200, 500, 1000):
                fooled = [graph.evaluate(state, old, seed + UNSEEN, 2).verdicts_fake for old in frozen]
                found[str(played)] = {
                    "raw": round(statistics.mean(right[-100:]), 3),
                    "passed": round(statistics.mean(passed[-100:]), 3),
                    "fooled": [round(float((verdicts > 0.5).mean()), 3) for verdicts in fooled],
                    "told": [round(accuracy(graph.evaluate(old, state, seed + UNSEEN, 2)), 3) for old in frozen],
                }
        found[name] = game.variety(shown.fakes)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--skills", type=int, default=5, help="seeds of which the skills are measured")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn of the rates")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/gan_round.json"))
    args = parser.parse_args()
    graph, model = game.Game(), open_model(game.MODEL)
    load = os.getloadavg()[0]
    asked = f"--seeds {args.seeds} --skills {args.skills} --seconds {args.seconds:g}"
    report = {
        "command": f"python benchmarks/gan_round.py {asked}",
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_average": round(load, 1),
        "rounds_per_second": rates(graph, args.seconds, turns=5),
        "graph_bytes": model["files"]["graph.onnx"]["bytes"],
        "parameters": model["parameters"],
        "modes": {str(seed): learn(graph, seed) for seed in range(args.seeds)},
        "skills": {str(seed): skills(graph, seed) for seed in range(1, 1 + args.skills)},
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
