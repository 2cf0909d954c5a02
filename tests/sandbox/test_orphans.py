"""A server that is killed while its children are only just beginning leaves none of them behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from optillm.sandbox.inside import kernel
from tests.sandbox.arena import BOOTS, gone

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 60.0
"""Seconds for a loaded machine; what is left behind by mistake stays for ever."""


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _last_words(code: str, *arguments: str) -> list[int]:
    """The process ids that a server prints before it kills itself."""
    server = subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-c", code, *arguments], cwd=_ROOT, capture_output=True, text=True
    )
    assert server.returncode == -signal.SIGKILL, server.stderr
    return [int(word) for word in server.stdout.split()]


_ZYGOTE = """
import os, signal, socket, sys
from pathlib import Path
from optillm.sandbox import process

ours, theirs = socket.socketpair()
zygote = process._spawn([sys.executable, "-I", "-B", sys.argv[1]], theirs)
theirs.close()
print(zygote.pid, flush=True)
if sys.argv[2] == "preloading":
    while not int(Path(f"/proc/{zygote.pid}/fdinfo/0").read_text().split()[3], 8) & os.O_ASYNC:
        os.sched_yield()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["executing", "preloading"])
def test_a_zygote_does_not_outlive_a_server_that_dies_before_it_is_up(moment: str) -> None:
    (zygote,) = _last_words(_ZYGOTE, str(BOOTS / "endless_start.py"), moment)
    assert gone(lambda: _alive(zygote), _PATIENCE)


_ALGEBRA = """
import os, signal, sys
from multiprocessing import resource_tracker
from optillm.engine.algebra import Offload

if __name__ == "__main__":
    pool = Offload()._workers()
    job = pool.schedule(signal.pause)
    while not pool._pool_manager.worker_manager.workers:
        os.sched_yield()
    if sys.argv[1] == "working":
        while not job.running():
            os.sched_yield()
    print(*pool._pool_manager.worker_manager.workers, resource_tracker._resource_tracker._pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["executing", "working"])
def test_the_child_for_algebra_does_not_outlive_its_server(moment: str) -> None:
    children = _last_words(_ALGEBRA, moment)
    assert len(children) == 2
    assert gone(lambda: any(_alive(pid) for pid in children), _PATIENCE)


def _forked(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:  # a child of the tests must not go on as one
            os._exit(1)
    return pid


def test_a_fork_whose_parent_is_gone_before_it_can_ask_ends_itself() -> None:
    reader, writer = os.pipe()
    go, gate = os.pipe()

    def zygote() -> None:
        parent = os.getpid()

        def job() -> None:
            os.read(go, 1)  # its parent is dead by now
            kernel.die_with_parent(parent)
            os.write(writer, b"alive")

        _forked(job)
        os.kill(parent, signal.SIGKILL)

    pid = _forked(zygote)
    os.waitpid(pid, 0)
    os.close(writer)
    os.write(gate, b"!")
    assert os.read(reader, 5) == b""
    for descriptor in (reader, go, gate):
        os.close(descriptor)


def test_a_closed_socket_ends_a_process_in_the_midst_of_its_work() -> None:
    ours, theirs = socket.socketpair()
    ready, tell = os.pipe()

    def work() -> None:
        ours.close()
        kernel.end_with(theirs.fileno())
        os.write(tell, b"!")
        signal.pause()

    pid = _forked(work)
    theirs.close()
    os.read(ready, 1)
    ours.close()
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGIO
    os.close(ready)
    os.close(tell)


def test_a_socket_that_was_closed_before_ends_it_too() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    pid = _forked(lambda: kernel.end_with(theirs.fileno()))
    assert os.waitpid(pid, 0)[1] == 0
    theirs.close()


def test_a_process_that_is_up_is_not_ended_by_what_it_hears() -> None:
    ours, theirs = socket.socketpair()

    def work() -> None:
        kernel.end_with(theirs.fileno())
        kernel.stay(theirs.fileno())
        theirs.send(b"ready")
        if theirs.recv(5) == b"order":
            os._exit(7)

    pid = _forked(work)
    ours.recv(5)
    ours.send(b"order")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    ours.close()
    theirs.close()
