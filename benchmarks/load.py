"""What the proxy adds, and how many it serves at once, on a real server in front of a fast upstream.

    python -m benchmarks.load [--repeat 5]

Plain requests and streams are timed one after the other on kept connections, interleaved with the upstream itself
(`benchmarks/upstream.py` without latency); the others run at once against 200 ms per upstream call. Medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import time
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

import aiohttp

from benchmarks.latency import upstream
from tests.e2e.proxy import serving

LATENCY = 0.2
FAN_OUT = "self_consistency(samples=64,mode=fixed,tie=shortest)-m"


def body(model: str, *, stream: bool = False) -> bytes:
    """A chat request."""
    return json.dumps(
        {"model": model, "messages": [{"role": "user", "content": "What is 2 + 2?"}], "stream": stream}
    ).encode()


class Client:
    """One kept connection, without a library whose own cost would be measured too."""

    def __init__(self, base_url: str) -> None:
        url = urlsplit(base_url)
        self._host = url.netloc.encode()
        self._socket = socket.create_connection((url.hostname or "", url.port or 80))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, model: str) -> float:
        """Seconds until the last byte of a reply."""
        content = body(model)
        begun = time.perf_counter()
        self._socket.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (self._host, len(content), content)
        )
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._socket.recv(65536)
        head, _, rest = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        assert length is not None
        missing = int(length[1]) - len(rest)
        while missing > 0:
            missing -= len(self._socket.recv(65536))
        return time.perf_counter() - begun


def added(bare: Client, proxied: Client, model: str, count: int) -> tuple[float, float]:
    """Milliseconds that the proxy adds: median and 99th percentile, over the upstream's median."""
    alone, through = [], []
    for _ in range(count):
        alone.append(bare.ask("m"))
        through.append(proxied.ask(model))
    base = median(alone)
    return (median(through) - base) * 1e3, (quantiles(through, n=100)[98] - base) * 1e3


async def at_once(base_url: str, model: str, count: int, repeat: int) -> float:
    """Seconds until so many requests sent at once are all answered."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one() -> None:
            headers = {"Content-Type": "application/json"}
            async with session.post(
                f"{base_url}/chat/completions", data=body(model), headers=headers
            ) as reply:
                await reply.read()
                assert reply.status == 200, reply.status

        seconds = []
        for _ in range(repeat + 1):
            begun = time.perf_counter()
            await asyncio.gather(*(one() for _ in range(count)))
            seconds.append(time.perf_counter() - begun)
        return median(seconds[1:])


async def first_byte(base_url: str, count: int) -> float:
    """Seconds until the first byte of a technique's stream."""
    async with aiohttp.ClientSession() as session:
        seconds = []
        for _ in range(count):
            begun = time.perf_counter()
            headers = {"Content-Type": "application/json"}
            request = session.post(
                f"{base_url}/chat/completions", data=body("bon-m", stream=True), headers=headers
            )
            async with request as reply:
                await reply.content.readany()
                seconds.append(time.perf_counter() - begun)
                await reply.read()
        return median(seconds)


def resident(parent: int) -> float:
    """Megabytes of the largest process of a server."""
    found = [parent, *map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())]
    sizes = (re.search(r"VmRSS:\s*(\d+)", Path(f"/proc/{process}/status").read_text()) for process in found)
    return max(int(size[1]) for size in sizes if size) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    rows: list[tuple[str, str]] = []
    with upstream(0) as url, serving("--base-url", url) as proxy:
        rows.append(("memory, idle", f"{resident(proxy.process.pid):.0f} MB"))
        bare, proxied = Client(url), Client(proxy.base_url)
        added(bare, proxied, "m", 50)
        middle, slow = added(bare, proxied, "m", 100 * repeat)
        rows.append(("plain request, added", f"{middle:.2f} ms, 99 % within {slow:.2f} ms"))
    with upstream(LATENCY) as url, serving("--base-url", url) as proxy:
        base = proxy.base_url
        rows.append(("first byte of a stream", f"{asyncio.run(first_byte(base, 5 * repeat)) * 1e3:.1f} ms"))
        for model, count in (("bon-m", 64), ("mcts-m", 64), ("bon-m", 256)):
            seconds = asyncio.run(at_once(base, model, count, repeat))
            rows.append((f"{count} × `{model.removesuffix('-m')}` at once", f"{seconds:.2f} s"))
        fanned = asyncio.run(at_once(base, FAN_OUT, 1, repeat))
        rows.append(("one request of 64 calls, above one call", f"{(fanned - LATENCY) * 1e3:.0f} ms"))
        rows.append(("memory after all this", f"{resident(proxy.process.pid):.0f} MB"))
    print("| | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
