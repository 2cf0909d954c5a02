"""10,000 requests of all kinds, and what the server holds before and after them.

    python -m benchmarks.soak [--requests 10000] [--clients 64] [--growth 12]

The kinds come in random order, `--clients` at a time, each on a connection of its own: plain requests, techniques,
streams, clients that leave, upstream errors, requests nobody can serve. A tenth of them goes ahead, to open pools
and fill caches. Memory is that of all the server's processes, read when the server is idle. The exit status is 1 if
memory has grown by more than `--growth` megabytes since, or file descriptors or threads are left over.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import upstream
from tests.e2e.proxy import Proxy, serving

FLUCTUATION = 16  # file descriptors and threads that may come and go
SETTLING_TIME = 2.0  # seconds without requests before the server is measured


@dataclass(frozen=True)
class Kind:
    """One kind of request: the fields of its body, and the status it must get."""

    name: str
    share: int
    fields: dict[str, Any]
    path: str = "/chat/completions"
    status: int = 200
    leaves: bool = False


KINDS = (
    Kind("plain", 30, {"model": "ms20"}),
    Kind("plain stream", 10, {"model": "ms20", "stream": True}),
    Kind("`bon`", 15, {"model": "bon-ms20"}),
    Kind("`bon` stream", 10, {"model": "bon-ms20", "stream": True}),
    Kind("`moa`", 3, {"model": "moa-ms20"}),
    Kind("`mcts`", 5, {"model": "mcts-ms20"}),
    Kind("`bon`, client leaves", 8, {"model": "bon-ms20"}, leaves=True),
    Kind("`bon` stream, client leaves", 8, {"model": "bon-ms20", "stream": True}, leaves=True),
    Kind("upstream refuses", 5, {"model": "bon-refused"}, status=400),
    Kind("invalid", 3, {"model": 1}, status=400),
    Kind("unknown path", 3, {}, path="/nowhere", status=404),
)


class Client:
    """Sends requests with varying questions, and counts how they end."""

    def __init__(self, base_url: str, session: aiohttp.ClientSession) -> None:
        self._base_url = base_url
        self._session = session
        self._rng = random.Random(1)
        self.ends: Counter[str] = Counter()

    async def send(self, number: int) -> None:
        """Send one request of a random kind."""
        (kind,) = self._rng.choices(KINDS, [kind.share for kind in KINDS])
        question = f"What is {number} + {number}? " + "Explain. " * self._rng.randrange(200)
        body = {"messages": [{"role": "user", "content": question}], **kind.fields}
        patience = self._rng.uniform(0.001, 0.1) if kind.leaves else 120
        try:
            async with asyncio.timeout(patience), self._post(kind.path, body) as reply:
                await reply.read()
                assert reply.status == kind.status, (kind.name, reply.status)
        except TimeoutError:
            assert kind.leaves, f"{kind.name} was not answered"
        self.ends[kind.name] += 1

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json", "x-stainless-retry-count": "0"}
        return self._session.post(self._base_url + path, data=json.dumps(body), headers=headers)


async def load(base_url: str, count: int, clients: int) -> Counter[str]:
    """Send `count` requests, `clients` at a time; return how many of each kind ended."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        client = Client(base_url, session)
        numbers = iter(range(count))

        async def work() -> None:
            for number in numbers:
                await client.send(number)

        await asyncio.gather(*(work() for _ in range(clients)))
    return client.ends


def held(proxy: Proxy) -> tuple[float, int, int]:
    """Return megabytes, file descriptors and threads of the server's processes."""
    megabytes, descriptors, threads = 0.0, 0, 0
    for process in family(proxy.process.pid):
        status = Path(f"/proc/{process}/status").read_text()
        megabytes += int(re.findall(r"RssAnon:\s*(\d+)", status)[0]) / 1024
        threads += int(re.findall(r"Threads:\s*(\d+)", status)[0])
        descriptors += len(list(Path(f"/proc/{process}/fd").iterdir()))
    return megabytes, descriptors, threads


def family(process: int) -> list[int]:
    """Return a process and all its descendants."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(member for child in children for member in family(int(child)))]


async def settled(proxy: Proxy) -> tuple[float, int, int]:
    """Return the same once the server has been idle for a while."""
    await asyncio.sleep(SETTLING_TIME)
    return held(proxy)


def main() -> None:
    """Send, measure, print, and exit with 1 if something leaks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--growth", type=float, default=12, help="megabytes")
    options = parser.parse_args()
    step = options.requests // 5
    with upstream.running() as (url, _), serving("--base-url", url) as proxy:
        ends = asyncio.run(load(proxy.base_url, options.requests // 10, options.clients))
        readings = [asyncio.run(settled(proxy))]
        for _ in range(5):
            ends += asyncio.run(load(proxy.base_url, step, options.clients))
            readings.append(asyncio.run(settled(proxy)))
    print("| requests | memory | file descriptors | threads |\n|---|---|---|---|")
    for number, (megabytes, descriptors, threads) in enumerate(readings):
        print(
            f"| {options.requests // 10 + number * step} | {megabytes:.1f} MB | {descriptors} | {threads} |"
        )
    print(", ".join(f"{name}: {count}" for name, count in ends.most_common()))
    first, last = readings[0], readings[-1]
    if last[0] - first[0] > options.growth:
        sys.exit(f"memory grew by {last[0] - first[0]:.1f} MB")
    if last[1] - first[1] > FLUCTUATION or last[2] - first[2] > FLUCTUATION:
        sys.exit("file descriptors or threads are left over")


if __name__ == "__main__":
    main()
