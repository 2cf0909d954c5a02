"""The fault matrix at length: how many requests succeed, and how soon, while 30 % of upstream calls fail.

    python -m benchmarks.faults [--requests 100] [--at-once 1] [--part 0.3] [--stream]
                                [--approach mcts]... [--fault 429]...

Every technique meets every fault of `tests/faults/faults.py` over real HTTP parsing on a virtual clock; each
request's calls fail at random, with a seed of its own. A request succeeds if its client gets a whole answer that
the upstream wrote. Prints a Markdown table: in each cell the share that succeeds, then the time of the slowest
request as a multiple of the time of one alone without faults. The last row has the mean time over all techniques.
With `--at-once 64`, 64 requests are made side by side, as often as it takes to make `--requests` of them.
"""

from __future__ import annotations

import argparse
from statistics import mean

from optillm.techniques import registry
from tests.faults.faults import FAULTS, share
from tests.faults.scene import Scene, solved_at_once

APPROACHES = (*sorted(registry()), "re2&bon", "bon|moa")


def measured(
    approach: str, fault: str, part: float, requests: int, at_once: int, *, stream: bool
) -> tuple[float, list[float]]:
    """Return the share of requests that succeed, and each one's time as a multiple of the calm time."""
    with Scene(approach, position=share(part)) as scene:
        calm = scene.ask(stream=stream).seconds
        scene.fault = fault
        outcomes = [
            outcome
            for seed in range(-(-requests // at_once))
            for outcome in scene.ask_at_once(at_once, seed, stream=stream)
        ]
    return mean(o.answered for o in outcomes), [o.seconds / calm for o in outcomes]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--part", type=float, default=0.3)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--approach", action="append")
    parser.add_argument("--fault", action="append", choices=list(FAULTS))
    options = parser.parse_args()
    everyone: dict[str, list[float]] = {fault: [] for fault in options.fault or FAULTS}
    print("|", " | ".join(["", *everyone]), "|")
    print("|" + "---|" * (len(everyone) + 1))
    with solved_at_once():
        for approach in options.approach or APPROACHES:
            cells = []
            for fault, times in everyone.items():
                succeeded, multiples = measured(
                    approach, fault, options.part, options.requests, options.at_once, stream=options.stream
                )
                times += multiples
                cells.append(f"{succeeded:.2f}, {max(multiples):.1f} ×")
            name = approach.replace("|", "\\|")
            print("|", " | ".join([name, *cells]), "|", flush=True)
    print("|", " | ".join(["mean time", *(f"{mean(times):.1f} ×" for times in everyone.values())]), "|")


if __name__ == "__main__":
    main()
