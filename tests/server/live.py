"""A server of its own process around a scripted engine, for tests that need real sockets and signals.

`main(FOLDER, SETTINGS)`: the engine tells what happens to it by files in the folder; the settings are JSON; `stall` and
`stall_in_demand` are how long it waits for readers, `idle` is its IDLE, `files` how many files it may have open before
it asks for more. A file `unfit` in the folder names what befalls a worker that starts.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

from flask import Flask
from gunicorn.errors import AppImportError

import optillm.server.http.connection as connection
import optillm.server.http.supervisor as supervisor
from optillm.chat import ChatRequest, Delta, Event, Relay, Stream
from optillm.config.settings import Settings
from optillm.errors import UpstreamError
from optillm.server.app import create_app
from optillm.server.http.listener import listener_for
from optillm.server.http.serve import serve
from tests.blocking import forbid_blocking_calls
from tests.server.fakes import FakeEngine, Outcome, completion, settings


class LiveEngine(FakeEngine):
    """What it does is the model's name."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    async def complete(self, request: ChatRequest) -> Outcome:
        if request.model.startswith("exit "):
            befall(request.model)
        if request.model == "block":
            time.sleep(0)  # noqa: ASYNC251 - the fault
        if request.model == "hang":
            await self.hang()
        if request.model == "gate":
            (self.folder / "began").touch()
            while not (self.folder / "go").exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.01)
        if request.model == "hang-stream":
            return Stream(self.events(), "bon", "m", "chatcmpl-1", 1700000000)
        if request.model == "flood":
            return Relay(200, {}, chunks=self.flood())
        if request.model == "much":
            return Relay(200, {}, chunks=self.much())
        if request.model == "broken-relay":
            return Relay(200, {}, chunks=self.broken())
        if request.model == "hang-relay":
            return Relay(200, {"content-type": "text/event-stream"}, chunks=self.chunks())
        return completion()

    async def reachable(self) -> bool:
        if (self.folder / "silent").exists():
            await self.hang()
        return True

    async def hang(self) -> None:
        (self.folder / "began").touch()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            (self.folder / "cancelled").touch()
            raise

    async def events(self) -> AsyncGenerator[Event, None]:
        await self.hang()
        yield Delta("never")

    async def chunks(self) -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        await self.hang()

    async def broken(self) -> AsyncIterator[bytes]:
        yield b"half"
        raise UpstreamError("The upstream broke off")

    async def much(self) -> AsyncIterator[bytes]:
        yield b"x" * 2**25
        await self.hang()

    async def flood(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 2**16
        finally:
            (self.folder / "cancelled").touch()

    async def close(self) -> None:
        (self.folder / "closed").touch()


def befall(fault: str) -> None:
    """Keep a worker from starting, in one way or another."""
    if fault == "signal":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault.startswith("exit "):
        os._exit(int(fault.removeprefix("exit ")))
    if fault == "leave":
        sys.exit("a plugin that leaves")
    raise FAULTS[fault]


FAULTS = {
    "disk full": OSError(errno.ENOSPC, "No space left on device"),
    "certificate": PermissionError(errno.EACCES, "Permission denied", "ca.pem"),
    "plugin": ImportError("No module named 'numpy'"),
    "unusable": AppImportError("no application"),
    "memory": MemoryError(),
}


def main(folder: str, changes: str) -> None:
    forbid_blocking_calls()
    told = json.loads(changes)
    connection.STALL = told.pop("stall", connection.STALL)
    connection.STALL_IN_DEMAND = told.pop("stall_in_demand", connection.STALL_IN_DEMAND)
    supervisor.IDLE = told.pop("idle", supervisor.IDLE)
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (told.pop("files", files), most))
    chosen = settings(**told)

    def load(chosen: Settings) -> Flask:
        unfit = Path(folder) / "unfit"
        if unfit.exists():
            befall(unfit.read_text(encoding="utf-8"))
        return create_app(chosen, LiveEngine(Path(folder)))

    logging.basicConfig(level="INFO", format="%(message)s")
    serve(chosen, listener_for(chosen), load, lambda: chosen)
