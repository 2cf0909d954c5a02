"""Memory of a worker while its upstream sends large replies, and what it keeps afterwards.

    python -m benchmarks.memory [--mb 8] [--at-once 64] [--rounds 3] [--approach re2]

`--at-once` clients ask one question each, and every upstream call is answered with a text of `--mb` megabytes;
after a pause the same again. Prints the anonymous memory of the worker before, at its highest and after each round,
and how the requests ended.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections import Counter
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.e2e.proxy import Proxy, serving

SETTLING_TIME = 2.0  # seconds after a round until memory is read
SAMPLING_INTERVAL = 0.02  # seconds between two readings of the memory


def resident(proxy: Proxy) -> float:
    """Return the megabytes of the worker's own memory."""
    status = Path(f"/proc/{proxy.workers[0]}/status").read_text()
    return int(re.findall(r"RssAnon:\s*(\d+)", status)[0]) / 1024


async def upstream(megabytes: float) -> tuple[web.AppRunner, str]:
    """Serve chat completions of `megabytes` each; return the runner that stops it, and its URL."""
    text = b"The answer is 4. " * round(megabytes * 2**20 / 17)
    content = b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    content += b'{"role":"assistant","content":"' + text + b'"},"finish_reason":"stop"}],"usage":'
    content += b'{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18}}'

    async def complete(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=content, content_type="application/json")

    app = web.Application(client_max_size=2**30)
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    return runner, f"http://{host}:{port}/v1"


async def ask(url: str, model: str, clients: int) -> Counter[str]:
    """Send one request per client, all at once; return how they ended."""
    ends: Counter[str] = Counter()

    async def one(session: aiohttp.ClientSession, number: int) -> None:
        messages = [{"role": "user", "content": f"What is 2 + {number}?"}]
        async with session.post(
            f"{url}/chat/completions", json={"model": model, "messages": messages}
        ) as reply:
            if reply.status == 200:
                async for _ in reply.content.iter_any():
                    pass
                ends["answered"] += 1
            else:
                ends[f"{reply.status}: {(await reply.json())['error']['message']}"] += 1

    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        await asyncio.gather(*(one(session, number) for number in range(clients)))
    return ends


async def highest(proxy: Proxy, asking: asyncio.Task[Counter[str]]) -> float:
    """Return the most memory observed until a task ends."""
    most = 0.0
    while not asking.done():
        most = max(most, await asyncio.to_thread(resident, proxy))
        await asyncio.wait([asking], timeout=SAMPLING_INTERVAL)
    return most


async def measure(megabytes: float, clients: int, rounds: int, model: str) -> None:
    """Measure and print."""
    runner, url = await upstream(megabytes)
    with serving("--base-url", url, "--log", "info") as proxy:
        await ask(proxy.base_url, model, 1)
        print(f"before: {resident(proxy):.0f} MB")
        for _ in range(rounds):
            asking = asyncio.create_task(ask(proxy.base_url, model, clients))
            most = await highest(proxy, asking)
            await asyncio.sleep(SETTLING_TIME)
            print(f"highest {most:.0f} MB, after {resident(proxy):.0f} MB, {dict(await asking)}", flush=True)
    await runner.cleanup()


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mb", type=float, default=8)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--approach", default="re2")
    options = parser.parse_args()
    asyncio.run(measure(options.mb, options.at_once, options.rounds, f"{options.approach}-m"))


if __name__ == "__main__":
    main()
