"""What `optillm/server/http/` relies on of aiohttp and gunicorn beyond their documentation, name by name.

When a new release breaks one of these, its message says what no longer works; `--server threads` needs none of them.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import signal
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import StreamReader, web
from aiohttp.http_exceptions import BadStatusLine, HttpProcessingError, LineTooLong
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker as GunicornWorker

import optillm
from optillm.server.http.connection import Connection
from optillm.server.http.front import Front
from optillm.server.http.loop import Worker
from optillm.server.http.master import Master
from optillm.server.http.supervisor import MAX_FIELD, MAX_LINE

PACKAGE = Path(optillm.__file__).parent
ROOM = PACKAGE / "server" / "http"
PAIRS = [(Connection, web.RequestHandler), (Front, web.Server), (Master, Arbiter), (Worker, GunicornWorker)]
"""Our classes, and what each of them extends."""


@dataclass(frozen=True)
class Method:
    """A method that we override or call; `breaks` is what no longer works if its signature changes."""

    owner: type
    name: str
    parameters: tuple[str, ...]
    breaks: str


METHODS = [
    Method(web.Server, "__init__", ("handler", "handler_cancellation", "kwargs"), "nothing is served"),
    Method(
        web.Server, "__call__", (), "connections are aiohttp's own, without our time limits and error bodies"
    ),
    Method(web.Server, "connection_made", ("handler", "transport"), "connections are not bounded"),
    Method(web.RequestHandler, "__init__", ("manager", "loop"), "no connection can be made"),
    Method(web.RequestHandler, "connection_made", ("transport",), "slow clients are never closed"),
    Method(web.RequestHandler, "data_received", ("data",), "slow heads are never closed"),
    Method(web.RequestHandler, "eof_received", (), "clients that close their side lose their replies"),
    Method(web.RequestHandler, "resume_writing", (), "clients that do read are closed"),
    Method(
        web.RequestHandler,
        "finish_response",
        ("request", "resp", "start_time"),
        "connections between two requests are not told from busy ones",
    ),
    Method(
        web.RequestHandler,
        "handle_error",
        ("request", "status", "exc", "message"),
        "errors before the application come as HTML, and broken replies look whole",
    ),
    Method(web.RequestHandler, "close", (), "a client that sends no more keeps its connection"),
    Method(web.RequestHandler, "force_close", (), "connections outlive the server's end"),
    Method(Arbiter, "__init__", ("app",), "the server does not start"),
    Method(Arbiter, "setup", ("app",), "a reload keeps the old settings"),
    Method(Arbiter, "reload", (), "a reload ends old workers before new ones serve"),
    Method(Arbiter, "manage_workers", (), "a worker that cannot start is started again without pause"),
    Method(Arbiter, "reap_workers", (), "workers that have failed are not noticed"),
    Method(Arbiter, "wait_for_signals", ("timeout",), "new workers take over a second late"),
    Method(Arbiter, "spawn_worker", (), "no worker is started"),
    Method(Arbiter, "kill_worker", ("pid", "sig"), "old workers stay"),
    Method(HaltServer, "__init__", ("reason", "exit_status"), "a server without workers does not end"),
    Method(GunicornWorker, "init_process", (), "workers do not start"),
    Method(GunicornWorker, "init_signals", (), "signals end workers without draining"),
    Method(GunicornWorker, "run", (), "workers serve nothing"),
    Method(GunicornWorker, "notify", (), "workers are replaced while they serve"),
    Method(GunicornWorker, "handle_winch", ("sig", "fname"), "SIGWINCH ends workers"),
    Method(GunicornWorker, "handle_abort", ("sig", "frame"), "workers that hang are killed without a word"),
]
ATTRIBUTES = {
    "Connection._messages": "requests that wait behind the one being served are not seen",
    "Connection._waiter": "clients that close their side between two requests are kept",
    "Connection._loop": "no time limit works",
    "Front._loop": "no time limit works",
    "Front._kwargs": "our limits of lines and headers do not reach the connections",
    "Front._connections": "a worker does not notice that it has drained",
}
"""Underscored attributes that we read, by our class."""


@pytest.mark.parametrize("method", METHODS, ids=lambda method: f"{method.owner.__name__}.{method.name}")
def test_a_method_has_the_signature_we_rely_on(method: Method) -> None:
    function = getattr(method.owner, method.name, None)
    assert callable(function), f"{method.name} is gone: {method.breaks}"
    parameters = tuple(inspect.signature(function).parameters)[1:]
    positions = [parameters.index(name) if name in parameters else -1 for name in method.parameters]
    assert sorted(positions) == positions, f"{method.name}{parameters}: {method.breaks}"
    assert -1 not in positions, f"{method.name}{parameters}: {method.breaks}"


def test_every_override_and_every_inner_name_is_in_the_tables() -> None:
    listed = {(method.owner, method.name) for method in METHODS}
    for ours, theirs in PAIRS:
        overridden = {
            name for name in vars(ours) if callable(getattr(theirs, name, None)) and not hasattr(object, name)
        }
        missing = {name for name in overridden if (theirs, name) not in listed}
        assert not missing, f"{ours.__name__} overrides {missing} of {theirs.__name__}: say what breaks"
    assert set(inner_names()) == set(ATTRIBUTES)


def inner_names() -> Iterator[str]:
    """Yield the underscored attributes that our classes read and do not define, as `Class._name`."""
    for ours, _ in PAIRS:
        (tree,) = ast.parse(inspect.getsource(ours)).body
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        own = {node.attr for node in nodes if isinstance(node.ctx, ast.Store)} | set(vars(ours))
        yield from {
            f"{ours.__name__}.{node.attr}"
            for node in nodes
            if isinstance(node.value, ast.Name)
            and node.value.id == "self"
            and node.attr.startswith("_")
            and not node.attr.startswith("__")
            and node.attr not in own
        }


def test_inner_attributes_are_there() -> None:
    async def look() -> None:
        server = web.Server(Mock(), max_line_size=MAX_LINE)
        connection = server()
        assert server._kwargs == {"max_line_size": MAX_LINE}, ATTRIBUTES["Front._kwargs"]
        assert server._connections == {}, ATTRIBUTES["Front._connections"]
        assert server.connections == [], ATTRIBUTES["Front._connections"]
        assert server._loop is asyncio.get_running_loop(), ATTRIBUTES["Front._loop"]
        assert connection._loop is asyncio.get_running_loop(), ATTRIBUTES["Connection._loop"]
        assert connection._messages == deque(), ATTRIBUTES["Connection._messages"]
        assert connection._waiter is None, ATTRIBUTES["Connection._waiter"]

    asyncio.run(look())


def test_requests_wait_in_messages_with_their_bodies_and_a_waiter_says_that_none_does() -> None:
    async def serve() -> None:
        hanging = asyncio.Event()

        async def handle(_: web.BaseRequest) -> web.StreamResponse:
            await hanging.wait()
            return web.Response()

        server = web.Server(handle)
        connection = server()
        transport = Mock(get_extra_info=Mock(return_value=None), is_closing=Mock(return_value=False))
        connection.connection_made(transport)
        assert server.connections == [connection], ATTRIBUTES["Front._connections"]
        await turns()
        assert connection._waiter is not None, ATTRIBUTES["Connection._waiter"]
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
        connection.data_received(head)
        ((_, body),) = connection._messages
        assert isinstance(body, StreamReader), ATTRIBUTES["Connection._messages"]
        assert not body.is_eof(), "bodies that end early are taken for whole ones"
        await turns()
        assert not connection._messages, ATTRIBUTES["Connection._messages"]
        assert connection._waiter is None, ATTRIBUTES["Connection._waiter"]
        connection.data_received(b"{}" + head)
        assert body.is_eof(), "bodies never end"
        assert len(connection._messages) == 1, ATTRIBUTES["Connection._messages"]
        hanging.set()
        connection.connection_lost(None)
        await turns()

    asyncio.run(serve())


def test_a_reply_is_finished_before_the_next_request_is_awaited() -> None:
    source = inspect.getsource(web.RequestHandler._handle_request)
    assert source.count("await self.finish_response(") >= 1, METHODS[9].breaks


def test_errors_of_the_parser_say_what_was_too_long() -> None:
    assert len({MAX_LINE, MAX_FIELD}) == 2
    assert issubclass(LineTooLong, HttpProcessingError), "long lines are a 500"
    assert LineTooLong(b"GET", MAX_LINE).args[1] == MAX_LINE, (
        "long lines and long headers are told apart no more"
    )
    assert BadStatusLine("x").message, "malformed requests are a 500"


def test_workers_say_what_they_are() -> None:
    for name in ("SIGWINCH", "SIGABRT", "SIGTERM"):
        assert getattr(signal, name) in GunicornWorker.SIGNALS, (
            "signals reach workers before they can handle them"
        )
    config = Config()
    config.set("worker_tmp_dir", tempfile.gettempdir())
    worker = GunicornWorker(7, 1, [Mock()], Mock(), 30, config, Mock())
    try:
        assert worker.tmp.last_update() > time.monotonic(), "a worker seems to serve before it does"
        worker.notify()
        assert worker.tmp.last_update() <= time.monotonic(), "a worker that serves seems to be starting"
        for name in ("age", "ppid", "sockets", "app", "alive", "pid"):
            assert hasattr(worker, name), f"{name} is gone: workers cannot be told apart, or do not start"
    finally:
        worker.tmp.close()


def test_the_master_keeps_its_workers_where_we_look() -> None:
    assert isinstance(Arbiter.num_workers, property), "the number of workers is not kept"
    for name, kind in {
        "WORKERS": dict,
        "LISTENERS": list,
        "WORKER_BOOT_ERROR": int,
        "APP_LOAD_ERROR": int,
    }.items():
        assert isinstance(getattr(Arbiter, name), kind), (
            f"{name} is gone: old workers end before new ones serve"
        )
    source = inspect.getsource(Arbiter)
    for name in (
        "worker_age",
        "manage_workers()",
        "wait_for_signals(timeout=",
        "self.reload()",
        "self.LISTENERS = []",
    ):
        assert name in source, f"{name} is gone: our rules for which workers there are do not hold"


def test_gunicorn_without_a_log_file_adds_no_handler() -> None:
    config = Config()
    config.set("errorlog", None)
    assert Logger(config).error_log.name == "gunicorn.error"
    assert not Logger(config).error_log.handlers, "gunicorn's lines are written twice"


def test_no_other_room_imports_aiohttps_server() -> None:
    importing = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if ROOM not in path.parents and imports(path, lambda name: name.startswith("aiohttp.web"))
    ]
    assert importing == []


def imports(path: Path, condition: Callable[[str], bool]) -> bool:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[Any] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        if any(map(condition, names)):
            return True
    return False


async def turns(count: int = 10) -> None:
    """Let everything that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)
