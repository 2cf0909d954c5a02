"""What the proxy costs, beside the bare upstream.

    python -m benchmarks.bench [--seconds 1] [--repeat 5] [section …]

`make bench` runs it. It measures plain requests, techniques, streams, many requests at once, and the start. A real
server stands in front of `benchmarks/upstream.py`; `benchmarks/clients.py` is the load. The proxy and the bare
upstream take turns, so that other load on the machine affects both. Prints Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Any, Final

import uvloop

from benchmarks import upstream
from benchmarks.clients import Request, ask, at_once, closed_loop
from benchmarks.machine import cpu, described, memory, ranked, table
from optillm.techniques import registry
from tests.e2e.proxy import serving

CLIENTS: Final = (1, 8, 32, 128)
MANY: Final = (64, 256)
BARE: Final = "bare upstream"
ONE_ROUND: Final = "self_consistency(tie=shortest)"  # the default asks two judges when no answers agree
FAN_OUT: Final = "self_consistency(samples=64,mode=fixed,tie=shortest)"


@dataclass(frozen=True)
class Server:
    """A server under test: its first process, its address, and the model that is a plain upstream call."""

    name: str
    process: int
    base_url: str
    plain: str = "ms0"

    def request(self, model: str | None = None, **fields: Any) -> Request:
        """Return a chat request to this server."""
        return Request.to(self.base_url, model or self.plain, **fields)


@dataclass(frozen=True)
class Effort:
    """How long to measure: `seconds` of load at a time, `repeat` times; slow calls take `latency` seconds."""

    seconds: float = 1.0
    repeat: int = 5
    latency: float = 0.2

    @property
    def slow(self) -> str:
        """Return the model whose calls take the latency."""
        return f"ms{1e3 * self.latency:.0f}"

    @property
    def pace(self) -> str:
        """Return the latency as a table's header states it."""
        return f"{1e3 * self.latency:.0f} ms per call"


async def plain(servers: Mapping[Server, Request], effort: Effort, levels: Sequence[int] = CLIENTS) -> None:
    """Measure plain requests: added time, throughput, CPU and memory of each server.

    The first server is the bare upstream, with which the others are compared.
    """
    idle = {server: memory(server.process) for server in servers}
    times: dict[tuple[Server, int], list[float]] = defaultdict(list)
    used: dict[tuple[Server, int], float] = defaultdict(float)
    own = 0.0
    for request in servers.values():
        await closed_loop(request, 8, effort.seconds / 2)
    for clients in levels:
        for _ in range(effort.repeat):
            for server, request in servers.items():
                before, own_before = cpu(server.process), time.process_time()
                times[server, clients] += await closed_loop(request, clients, effort.seconds)
                used[server, clients] += cpu(server.process) - before
                own += time.process_time() - own_before
    bare = next(iter(servers))
    base = median(times[bare, 1])

    def row(server: Server) -> list[str]:
        alone = times[server, 1]
        rates = [len(times[server, clients]) / effort.seconds / effort.repeat for clients in levels]
        costs = [1000 * used[server, clients] / len(times[server, clients]) for clients in levels]
        return [
            server.name,
            f"{(median(alone) - base) * 1e3:.2f}",
            f"{(ranked(alone, 0.99) - base) * 1e3:.2f}",
            *(f"{rate:,.0f}" for rate in rates),
            " / ".join(f"{cost:.3g}" for cost in costs),
            f"{idle[server]:.0f} / {memory(server.process):.0f}",
        ]

    each = " / ".join(map(str, levels))
    head = [
        "plain requests",
        "added p50, ms",
        "added p99, ms",
        *(f"req/s at {clients}" for clients in levels),
    ]
    head += [f"CPU s per 1,000 at {each}", "memory before / after, MB"]
    table(head, map(row, servers))
    total = sum(map(len, times.values()))
    print(f"\nThe load generator itself took {1000 * own / total:.2g} CPU s per 1,000.")


async def techniques(bare: Server, proxy: Server, effort: Effort) -> None:
    """Measure each technique's wall time over its rounds × the time of one upstream call."""
    walls: dict[str, list[float]] = defaultdict(list)
    rounds: dict[str, int] = {}
    for turn in range(effort.repeat + 1):
        for name in (BARE, *registry(), ONE_ROUND):
            server, model = (bare, effort.slow) if name == BARE else (proxy, f"{name}-{effort.slow}")
            reply = await ask(server.request(model))
            if turn:  # the first turn opens connections and starts what starts lazily
                walls[name].append(reply.seconds)
                rounds[name] = reply.json().get("optillm", {}).get("rounds", 1)
    head = [f"technique, {effort.pace}", "rounds", "wall, s", "wall / (rounds × latency)"]
    table(
        head,
        (
            (
                name,
                rounds[name],
                f"{median(taken):.3f}",
                f"{median(taken) / rounds[name] / effort.latency:.3f}",
            )
            for name, taken in walls.items()
        ),
    )


async def many(bare: Server, proxy: Server, effort: Effort, counts: Sequence[int] = MANY) -> None:
    """Measure many requests at once, beside as many bare calls in as many rounds."""
    rows = []
    jobs = [(name, count) for name in ("bon", "mcts") for count in counts] + [(FAN_OUT, 1)]
    for name, count in jobs:
        request = proxy.request(f"{name}-{effort.slow}")
        await ask(request)  # the proxy learns whether the upstream honours `n`
        report = (await ask(request)).json()["optillm"]
        rounds, calls = report["rounds"], sum(report["calls"].values())
        alone, walls, failed, used = list[float](), list[float](), 0, 0.0
        for turn in range(effort.repeat + 1):
            seconds, _ = await at_once(bare.request(effort.slow), count * ceil(calls / rounds), rounds)
            before = cpu(proxy.process)
            wall, errors = await at_once(request, count)
            failed += errors
            if turn:
                alone.append(seconds)
                walls.append(wall)
                used += cpu(proxy.process) - before
        rows.append(
            (
                f"{count} × `{name}`",
                *(rounds, calls, f"{rounds * effort.latency:.1f}"),
                *(f"{median(alone):.2f}", f"{median(walls):.2f}", failed),
                f"{1000 * used / effort.repeat / count:.1f}",
                f"{memory(proxy.process):.0f}",
            )
        )
    head = [f"at once, {effort.pace}", "rounds", "calls each", "ideal, s", "bare calls, s"]
    table([*head, "wall, s", "errors", "CPU ms per request", "memory after, MB"], rows)


async def streams(bare: Server, proxy: Server, effort: Effort) -> None:
    """Measure when the first byte and the first text of a stream arrive."""
    first: dict[str, list[float]] = defaultdict(list)
    text: dict[str, list[float]] = defaultdict(list)
    whole: dict[str, list[float]] = defaultdict(list)
    for turn in range(effort.repeat + 1):
        for name in (BARE, "plain", "bon", "moa"):
            server = bare if name == BARE else proxy
            model = effort.slow if name in (BARE, "plain") else f"{name}-{effort.slow}"
            reply = await ask(server.request(model, stream=True))
            if turn:
                first[name].append(reply.first)
                text[name].append(reply.content or reply.seconds)
                whole[name].append(reply.seconds)
    head = [f"stream, {effort.pace}", "first byte, ms", "first text, ms", "end, ms"]
    table(
        head,
        ((name, *(f"{1e3 * median(of[name]):.1f}" for of in (first, text, whole))) for name in first),
    )


async def start(base_url: str, effort: Effort) -> None:
    """Measure the seconds until a server started by hand gives its first answer, and of an import."""
    taken: dict[str, list[float]] = defaultdict(list)

    def run(name: str, code: str) -> None:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our own code
        taken[name].append(time.perf_counter() - started)

    for _ in range(effort.repeat):
        run("python alone", "pass")
        run("import optillm", "import optillm")
        run("import optillm.cli", "import optillm.cli")
        started = time.perf_counter()
        with serving("--base-url", base_url) as proxy:
            await ask(Request.to(proxy.base_url, "ms0"))
            taken["first answer after python optillm.py"].append(time.perf_counter() - started)
    table(["start", "seconds"], ((name, f"{median(seconds):.2f}") for name, seconds in taken.items()))


async def held(base_url: str, count: int = 400) -> None:
    """Measure the memory that one more waiting request takes, in a fresh server for each kind."""
    rows = []
    for name in ("", "bon-", "mcts-", "self_consistency-"):
        for stream in (False, True):
            with serving("--base-url", base_url, "--upstream-concurrency", "10000") as proxied:
                process = proxied.process.pid
                request = Request.to(proxied.base_url, f"{name}ms4000", stream=stream)
                await at_once(Request.to(proxied.base_url, f"{name}ms0", stream=stream), 8)
                before = memory(process)
                waiting = asyncio.create_task(at_once(request, count))
                await asyncio.sleep(3)  # all have arrived, and none has been answered
                each = (memory(process) - before) * 1024 / count
                _, errors = await waiting
            kind = f"{name.strip('-') or 'plain'}{' as a stream' if stream else ''}"
            rows.append((kind, count, errors, f"{before:.0f}", f"{each:.0f}"))
    table(["requests at work", "at once", "errors", "memory before, MB", "KB for each"], rows)


async def workers(base_url: str, effort: Effort) -> None:
    """Measure what more worker processes gain and cost."""
    rows = []
    for count in sorted({1, 2, len(os.sched_getaffinity(0))}):
        with serving("--base-url", base_url, "--workers", str(count)) as proxied:
            process, server = proxied.process.pid, proxied.base_url
            await at_once(Request.to(server, f"bon-{effort.slow}"), 64)
            idle, plain, bon = memory(process), list[float](), list[float]()
            used = 0.0
            for _ in range(effort.repeat):
                before = cpu(process)
                plain += await closed_loop(Request.to(server, "ms0"), 128, effort.seconds)
                used += cpu(process) - before
                bon.append((await at_once(Request.to(server, f"bon-{effort.slow}"), 256))[0])
            rate = len(plain) / effort.seconds / effort.repeat
            rows.append(
                (
                    count,
                    f"{rate:,.0f}",
                    f"{1000 * used / len(plain):.2f}",
                    f"{median(bon):.2f}",
                    f"{idle:.0f}",
                )
            )
    head = ["workers", "plain req/s at 128", "CPU s per 1,000", f"256 × `bon`, {effort.pace}: wall, s"]
    table([*head, "memory, MB"], rows)


SECTIONS: Final = ("plain", "many", "streams", "techniques", "start", "held", "workers")


async def measure(sections: Sequence[str], effort: Effort) -> None:
    """Print the tables of these sections."""
    print(described())
    with upstream.running() as (url, process), serving("--base-url", url) as proxied:
        bare = Server(BARE, process, url)
        proxy = Server("optillm", proxied.process.pid, proxied.base_url)
        run: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "plain": lambda: plain({server: server.request() for server in (bare, proxy)}, effort),
            "techniques": lambda: techniques(bare, proxy, effort),
            "many": lambda: many(bare, proxy, effort),
            "streams": lambda: streams(bare, proxy, effort),
            "start": lambda: start(url, effort),
            "held": lambda: held(url),
            "workers": lambda: workers(url, effort),
        }
        for section in sections or SECTIONS:
            await run[section]()


def open_files() -> None:
    """Raise the limit of open files for this process and its children as far as allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def efforts(parser: argparse.ArgumentParser) -> None:
    """Add the options for the effort to a command."""
    parser.add_argument("--seconds", type=float, default=Effort.seconds, help="seconds of load at a time")
    parser.add_argument("--repeat", type=int, default=Effort.repeat, help="turns of each measurement")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    efforts(parser)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)}")
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}")
    open_files()
    uvloop.run(measure(options.sections, Effort(options.seconds, options.repeat)))


if __name__ == "__main__":
    main()
