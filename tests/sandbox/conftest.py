"""One zygote per kind for the whole session: starting one takes a second or two."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from optillm.sandbox.pool import Solver
from tests.sandbox.arena import BOOTS

SLOW = frozenset(("fresh", "dialect_alone", "jail_alone", "no_walls", "unpatched"))
"""Sandboxes other than the shipped one: each takes seconds of processor time to start."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave tests that start a sandbox for themselves to the slow ones."""
    for item in items:
        if SLOW.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


def _started(solver: Solver) -> Iterator[Solver]:
    asyncio.run(solver.warm())
    yield solver
    solver.close()


@pytest.fixture(scope="session")
def solver() -> Iterator[Solver]:
    """The sandbox as it is shipped."""
    yield from _started(Solver())


@pytest.fixture(scope="session")
def dialect_alone() -> Iterator[Solver]:
    """The dialect with the jail off."""
    yield from _started(Solver(boot=BOOTS / "dialect_alone.py", language_only=True))


@pytest.fixture(scope="session")
def jail_alone() -> Iterator[Solver]:
    """The jail with the dialect off."""
    yield from _started(Solver(boot=BOOTS / "jail_alone.py"))
