"""Clients that keep asking while the server is reloaded, killed and restarted, and what they notice.

    python -m benchmarks.restart [--rounds 10] [--clients 16]

Each client asks `bon` questions through the openai package, one after the other, with one retry. `--rounds` times
each: SIGHUP with two workers; SIGKILL of one of two workers; SIGKILL of the only one; SIGTERM and a new start on a
socket that is held open, as systemd does. Counts replies of status 500 and above, broken connections, and requests
that failed for good. The exit status is 1 if any did.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Any

from openai import DefaultHttpxClient, OpenAI

from benchmarks import upstream
from optillm.server.http.listener import listen
from tests.e2e.proxy import Proxy, serving

MODEL = "bon-ms100"  # whose upstream calls take 100 ms
STEADY = 4  # requests of each client between two events


class Clients:
    """Clients that ask until they are stopped, and counts of what happened to them."""

    def __init__(self, base_url: str, count: int) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.slowest = 0.0  # seconds
        self._stop, self._lock = Event(), Lock()
        self._threads = [Thread(target=self._ask, args=(base_url,)) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def go_on(self) -> None:
        """Wait until each client has had about `STEADY` more replies or failures."""
        enough = self._ended() + STEADY * len(self._threads)
        while self._ended() < enough:
            time.sleep(0.02)

    def _ended(self) -> int:
        return self.counts["answered"] + self.counts["failed"]

    def stop(self) -> None:
        """Let the clients finish."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, base_url: str) -> None:
        http = _Counting(self._note)
        with OpenAI(base_url=base_url, api_key="x", max_retries=1, http_client=http) as sdk:
            while not self._stop.is_set():
                started = time.monotonic()
                try:
                    sdk.chat.completions.create(
                        model=MODEL, messages=[{"role": "user", "content": "What is 2 + 2?"}]
                    )
                except Exception as error:  # noqa: BLE001 - every failure counts, whatever its type
                    self._note("failed")
                    self.failures[repr(error)[:100]] += 1
                else:
                    self._note("answered")
                    self.slowest = max(self.slowest, time.monotonic() - started)

    def _note(self, event: str) -> None:
        with self._lock:
            self.counts[event] += 1


class _Counting(DefaultHttpxClient):
    """An HTTP client that reports each attempt that ends in a server error or without a reply."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self._note = note

    def send(self, *args: Any, **kwargs: Any) -> Any:
        try:
            response = super().send(*args, **kwargs)
        except Exception:
            self._note("broken")
            raise
        if response.status_code >= 500:
            self._note("5xx")
        return response


@contextmanager
def asking_clients(base_url: str, clients: int) -> Iterator[Clients]:
    """Keep clients asking for as long as the block runs."""
    asking = Clients(base_url, clients)
    try:
        yield asking
    finally:
        asking.stop()


def renewed(proxy: Proxy, former: set[int], count: int) -> None:
    """Wait until none of the former workers is left, and `count` new ones run."""
    while not (former.isdisjoint(proxy.workers) and len(proxy.workers) == count):
        time.sleep(0.02)


def reloads(url: str, rounds: int, clients: int) -> Clients:
    """Send SIGHUP, over and over."""
    with (
        serving("--base-url", url, "--workers", "2") as proxy,
        asking_clients(proxy.base_url, clients) as asking,
    ):
        for _ in range(rounds):
            asking.go_on()
            former = set(proxy.workers)
            proxy.process.send_signal(signal.SIGHUP)
            renewed(proxy, former, 2)
        asking.go_on()
    return asking


def kills(url: str, rounds: int, clients: int, workers: int) -> Clients:
    """Kill a worker with SIGKILL, over and over."""
    flags = ("--base-url", url, "--workers", str(workers))
    with serving(*flags) as proxy, asking_clients(proxy.base_url, clients) as asking:
        for _ in range(rounds):
            asking.go_on()
            killed = proxy.workers[0]
            os.kill(killed, signal.SIGKILL)
            renewed(proxy, {killed}, workers)
        asking.go_on()
    return asking


def restarts(url: str, rounds: int, clients: int) -> Clients:
    """Stop the server with SIGTERM and start it again on the same socket, over and over."""
    with listen("127.0.0.1", 0) as held, asking_clients(f"http://{address(held)}/v1", clients) as asking:
        for _ in range(rounds):
            with serving("--base-url", url, listener=held):
                asking.go_on()
        with serving("--base-url", url, listener=held):
            asking.go_on()
            asking.stop()
    return asking


def address(listener: socket.socket) -> str:
    """Return host and port of a listening socket."""
    host, port = listener.getsockname()
    return f"{host}:{port}"


def main() -> None:
    """Run every scenario, print the counts, and exit with 1 if a request failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    failures: Counter[str] = Counter()
    print("| event | times | answered | 5xx | broken | failed | slowest |\n|---|---|---|---|---|---|---|")
    with upstream.running() as (url, _):
        runs: list[tuple[str, Callable[[], Clients]]] = [
            ("reload, two workers", lambda: reloads(url, options.rounds, options.clients)),
            ("one of two workers killed", lambda: kills(url, options.rounds, options.clients, 2)),
            ("the only worker killed", lambda: kills(url, options.rounds, options.clients, 1)),
            ("restart on a held socket", lambda: restarts(url, options.rounds, options.clients)),
        ]
        for name, run in runs:
            clients = run()
            failures += clients.failures
            counts = " | ".join(
                str(clients.counts[event]) for event in ("answered", "5xx", "broken", "failed")
            )
            print(f"| {name} | {options.rounds} | {counts} | {clients.slowest:.1f} s |", flush=True)
    if failures:
        sys.exit(f"failed: {dict(failures)}")


if __name__ == "__main__":
    main()
