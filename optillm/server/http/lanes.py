"""Lanes: so many requests of one kind at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Lane:
    """Room for `most` requests."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0

    @property
    def full(self) -> bool:
        """Whether there is no room for another request."""
        return self._taken >= self._most

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take a place for as long as the block runs."""
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
