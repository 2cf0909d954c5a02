"""Calls that would block an event loop, turned into errors.

    forbid_blocking_calls()  # in a process that serves

Whatever waits for a clock, the network, a database, a future of another thread or a child process then raises
`BlockingError` in a thread whose event loop is running. No time is measured: a call is noticed however fast it was.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from concurrent import futures
from typing import Any, Final

MARK: Final = "Blocking call"
"""How the line begins that says so on stderr: an error alone could be handled by whoever called."""
SOCKET_CALLS: Final = ("connect", "send", "sendall", "sendto", "recv", "recv_into", "recvfrom", "accept")
DATABASE_CALLS: Final = ("execute", "executemany", "executescript", "commit", "rollback")


class BlockingError(Exception):
    """A call that may block, in a thread whose event loop is running."""


def forbid_blocking_calls(replace: Callable[[Any, str, Any], object] = setattr) -> None:
    """Raise `BlockingError` for blocking calls in event loops; `replace` sets an attribute, as `setattr` does."""

    def guard(owner: Any, *names: str, blocks: Callable[..., bool] = lambda *_, **__: True) -> None:
        for name in names:
            replace(owner, name, guarded(getattr(owner, name), blocks))

    guard(time, "sleep")
    guard(socket, "getaddrinfo", "gethostbyname", "create_connection")
    for kind in (socket.socket, ssl.SSLSocket):
        guard(kind, *SOCKET_CALLS, blocks=waits_for_socket)
    guard(futures.Future, "result", "exception", blocks=lambda self, *_, **__: not self.done())
    guard(subprocess.Popen, "wait", "communicate", blocks=lambda self, *_, **__: self.poll() is None)
    database = type(
        "Database", (sqlite3.Connection,), {}
    )  # of its own, as built-in classes cannot be changed
    for name in DATABASE_CALLS:
        setattr(database, name, guarded(getattr(sqlite3.Connection, name)))
    replace(sqlite3, "connect", functools.partial(sqlite3.connect, factory=database))


def waits_for_socket(self: socket.socket, *arguments: Any, **_: Any) -> bool:
    """Return whether a call may wait for its socket: not if that, or a flag of the call, says that it does not."""
    flags = (argument for argument in arguments if isinstance(argument, int))
    return self.getblocking() and not any(flag & socket.MSG_DONTWAIT for flag in flags)


def guarded(function: Callable[..., Any], blocks: Callable[..., bool] = lambda *_, **__: True) -> Any:
    """Return the function; in event loops it raises `BlockingError` if it `blocks` with its arguments."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if loop_is_running() and blocks(*args, **kwargs):
            print(f"{MARK}: {function.__qualname__}", file=sys.stderr, flush=True)
            traceback.print_stack(file=sys.stderr)
            raise BlockingError(function.__qualname__)
        return function(*args, **kwargs)

    return call


def loop_is_running() -> bool:
    """Return whether the event loop of this thread is running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
