"""Lanes: threads for one kind of request, and a bounded queue before them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Lane:
    """So many threads, and room for so many requests that wait for one.

    The thread that hands requests in also says when they are done: so nothing here needs a lock.
    """

    def __init__(self, name: str, threads: int, queue: float) -> None:
        self.pool = ThreadPoolExecutor(threads, name)  # its threads start when they are needed
        self._threads, self._room = threads, threads + queue
        self._taken = 0  # at work or waiting

    @property
    def busy(self) -> bool:
        """Whether every thread is at work, so that the next request has to wait."""
        return self._taken >= self._threads

    @property
    def full(self) -> bool:
        """Whether there is no room for another request."""
        return self._taken >= self._room

    def take(self, serve: Callable[..., T], *arguments: object) -> Future[T]:
        """Have a thread serve a request, as soon as one is free."""
        self._taken += 1
        return self.pool.submit(serve, *arguments)

    def release(self) -> None:
        """Note that a request has been served."""
        self._taken -= 1
