"""`python -m optillm_simulator`: serve the demo model on a local port.

It prints one line of JSON with its port and base URL to standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence

import orjson
from aiohttp import web

from optillm_simulator.server import Pace, create_app


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until a signal arrives or, with `--with-parent`, until standard input ends."""
    options = _read_arguments(argv)
    try:
        asyncio.run(_serve(options))
    except OSError as error:
        sys.exit(f"The demo model cannot start: {error}")


def _read_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m optillm_simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    parser.add_argument(
        "--latency", type=float, default=0.0, metavar="SECONDS", help="time until the first token"
    )
    parser.add_argument(
        "--token-latency", type=float, default=0.0, metavar="SECONDS", help="time per token after it"
    )
    parser.add_argument(
        "--with-parent", action="store_true", help="exit when standard input ends, that is, with the parent"
    )
    return parser.parse_args(argv)


async def _serve(options: argparse.Namespace) -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, done.set)
    if options.with_parent:
        _watch_stdin(lambda: loop.call_soon_threadsafe(done.set))
    runner = web.AppRunner(
        create_app(Pace(options.latency, options.token_latency)), access_log=None, shutdown_timeout=1
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, options.host, options.port, backlog=1024).start()
        port = runner.addresses[0][1]
        line = {"port": port, "base_url": f"http://{options.host}:{port}/v1"}
        sys.stdout.write(orjson.dumps(line).decode() + "\n")
        sys.stdout.flush()
        await done.wait()
    finally:
        await runner.cleanup()


def _watch_stdin(then: Callable[[], object]) -> None:
    """Call `then` once standard input ends, which also happens when the parent was killed."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        then()

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main()
