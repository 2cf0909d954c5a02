"""What the views of one application share, and what they need of the engine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from flask import Flask, current_app, request

from optillm.chat import ChatRequest, Completion, RawRequest, Relay, Stream
from optillm.errors import Unauthorized
from optillm.server.access.budgets import Accounts
from optillm.server.access.owners import Owners
from optillm.server.bridge import ClientGone, ViewTask, current_task
from optillm.server.readiness import Readiness

if TYPE_CHECKING:
    from optillm.config.settings import Settings
    from optillm.observe.metrics import Metrics
    from optillm.observe.traces.store import Traces
    from optillm.server.access.auth import Authenticator
    from optillm.server.access.sessions import Sessions

NAME: Final = "optillm"


class Engine(Protocol):
    """The engine as the server sees it; everything here runs on the server's loop."""

    async def complete(self, request: ChatRequest) -> Relay | Completion | Stream:
        """Serve one chat request."""

    async def models(self, authorization: str | None) -> list[dict[str, Any]]:
        """The model objects to list."""

    def plan(self, request: ChatRequest) -> dict[str, Any]:
        """What a chat request would take."""

    def techniques(self) -> list[dict[str, Any]]:
        """What there is to choose from, described."""

    async def reachable(self) -> bool:
        """Whether the upstream answers."""

    async def relay(self, request: RawRequest) -> Relay:
        """Pass a request for another endpoint on."""

    def without_technique(self, request: RawRequest) -> tuple[RawRequest, str]:
        """Return a request for another endpoint and its model; raises `InvalidRequest`."""

    def wind_down(self) -> bool:
        """Wind down: running techniques return their best answer so far.

        Return whether any were running.
        """

    async def close(self) -> None:
        """Release what the engine holds."""


@dataclass
class State:
    """What one application serves with; `draining` says that it takes no new clients.

    `serving` holds the running chat requests by client and id, `cancelled` those that somebody has cancelled.
    `traces` is the store of traces, `None` if none are kept.
    """

    settings: Settings
    engine: Engine
    accounts: Accounts
    metrics: Metrics
    owners: Owners
    authenticator: Authenticator
    sessions: Sessions
    clock: Callable[[], float] = time.monotonic
    traces: Traces | None = None
    draining: bool = False
    serving: defaultdict[str, list[ViewTask]] = field(default_factory=lambda: defaultdict(list))
    cancelled: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        # No key is told by its looks: a client's goes only to upstreams for which the operator has set none.
        self._lock = threading.Lock()  # with `--server threads`, views run side by side
        self.readiness = Readiness(self.engine.reachable, self.clock)
        self._pass_through = not self.settings.wants_key and any(
            upstream.key is None for upstream in self.settings.upstreams()
        )

    @property
    def authorization(self) -> str | None:
        """Return this request's `Authorization` if the upstream is to see the client's key.

        Raises `Unauthorized`.
        """
        sent = request.headers.get("Authorization") if self._pass_through else None
        if sent is not None and not sent.isascii():
            raise Unauthorized("The Authorization header must be ASCII")
        return sent

    @contextmanager
    def cancellable(self, request_id: str) -> Iterator[None]:
        """Let `cancel` cancel the current request by its id while the block runs."""
        task = current_task()
        with self._lock:
            self.serving[request_id].append(task)
        try:
            yield
        finally:
            with self._lock:
                self.serving[request_id].remove(task)
                if not self.serving[request_id]:
                    del self.serving[request_id]
                    self.cancelled.discard(request_id)

    def cancel(self, request_id: str) -> bool:
        """Cancel the running requests with this id; return whether there are any."""
        with self._lock:
            tasks = tuple(self.serving.get(request_id, ()))
            if tasks:
                self.cancelled.add(request_id)
        for task in tasks:
            task.interrupt(ClientGone())
        return bool(tasks)

    async def close(self) -> None:
        """Close the engine, and write down what has been used."""
        self.draining = True
        await self.engine.close()
        await asyncio.to_thread(self.accounts.close)


def state_of(app: Flask) -> State:
    """Return the state that `create_app` gave this application."""
    return cast("State", app.extensions[NAME])


def here() -> State:
    """Return the state of the application that serves this request."""
    return state_of(current_app)
