"""What it costs to keep traces: processor time per request, with and without them, in turns.

    python -m benchmarks.tracing [--turns 9] [--requests 400] [--checkout FOLDER]

Servers with `--traces off`, `memory` and a file stand in front of one fast upstream and take turns, so that other load
on the machine affects all. With `--checkout`, the server of another checkout takes part, as it is by default. The ratio
is the median of the ratios of single turns to the server without traces; its quartiles stand behind it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import uvloop

from benchmarks import upstream
from benchmarks.bench import Server, open_files
from benchmarks.clients import at_once
from benchmarks.machine import cpu, described, table
from tests.e2e.proxy import serving

MODELS: Final = {"plain": "ms0", "bon": "bon-ms0", "mcts": "mcts-ms0"}
AT_ONCE: Final = 40
"""Requests that are sent together."""
SHARE: Final = {"plain": 10, "bon": 1, "mcts": 1}
"""How many times as many requests of a kind are made: the cheaper one is, the more it takes to measure it."""
OFF: Final = "--traces off"


async def spent(server: Server, model: str, requests: int) -> float:
    """Return the CPU milliseconds that a request takes."""
    before = cpu(server.process)
    for _ in range(requests // AT_ONCE):
        _, errors = await at_once(server.request(model), AT_ONCE)
        if errors:
            raise AssertionError(f"{errors} requests failed at {server.name}")
    return 1e3 * (cpu(server.process) - before) / (requests // AT_ONCE * AT_ONCE)


async def measure(servers: Sequence[Server], turns: int, requests: int) -> None:
    """Print what requests take at each server, and compared with the one without traces."""
    taken: dict[tuple[str, str], list[float]] = defaultdict(list)
    for turn in range(turns + 1):
        for kind, model in MODELS.items():
            for server in servers:
                each = await spent(server, model, requests * SHARE[kind])
                if turn:  # the first turn opens connections and starts what starts lazily
                    taken[server.name, kind].append(each)

    def cells(server: Server, kind: str) -> tuple[str, str]:
        own, without = taken[server.name, kind], taken[OFF, kind]
        ratios = [each / other for each, other in zip(own, without, strict=True)]
        low, middle, high = quantiles(ratios, n=4) if len(ratios) > 1 else 3 * ratios
        return f"{median(own):.3f}", f"{middle:.2f} ({low:.2f} to {high:.2f})"

    head = ["server", *(name for kind in MODELS for name in (f"{kind}, CPU ms", f"{kind}, ratio"))]
    table(
        head,
        [(server.name, *(cell for kind in MODELS for cell in cells(server, kind))) for server in servers],
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=9, help="turns of each measurement")
    parser.add_argument("--requests", type=int, default=400, help="requests with a technique in a turn")
    parser.add_argument("--checkout", type=Path, help="another checkout to compare with")
    options = parser.parse_args(argv)
    open_files()
    print(described())
    with ExitStack() as running, tempfile.TemporaryDirectory() as folder:
        url, _ = running.enter_context(upstream.running())
        flags = {
            OFF: ("--traces", "off"),
            "--traces memory": ("--traces", "memory"),
            "--traces FILE": ("--traces", str(Path(folder, "traces.sqlite3"))),
        }
        servers = []
        for name, own in flags.items():
            proxy = running.enter_context(serving("--base-url", url, *own))
            servers.append(Server(name, proxy.process.pid, proxy.base_url))
        if options.checkout:
            command = (sys.executable, str(options.checkout / "optillm.py"))
            proxy = running.enter_context(serving("--base-url", url, command=command, cwd=options.checkout))
            servers.append(Server(options.checkout.name, proxy.process.pid, proxy.base_url))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(measure(servers, options.turns, options.requests))


if __name__ == "__main__":
    main()
