"""How long a client may take to take its reply; on a clock that is only told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from unittest.mock import Mock

import pytest

from optillm.server.http.connection import PRESSED, RATE, STALL, Connection

SIZE = 2**20


async def aborted(untaken: Callable[[int], int], *, pressed: bool = False, seconds: int = 1000) -> int | None:
    """After how many seconds a client is given up that has not taken so many bytes yet, looked at every second."""
    loop = asyncio.get_running_loop()
    connection = Connection(Mock(), loop=loop, error_reply=Mock())
    transport = Mock()
    connection._line = transport
    connection.pressed = lambda: pressed
    connection.busy()
    for second in range(seconds):
        transport.get_write_buffer_size.return_value = untaken(second)
        connection.check(float(second), 1.0, None)
        if transport.abort.called:
            return second
    return None


@pytest.mark.parametrize(("pressed", "patience"), [(False, STALL), (True, PRESSED)])
def test_a_client_that_takes_nothing_is_given_up(pressed: bool, patience: float) -> None:
    assert asyncio.run(aborted(lambda _: SIZE, pressed=pressed)) == patience + 1


@pytest.mark.parametrize("pressed", [False, True])
def test_one_that_takes_some_all_the_time_gets_it_all(pressed: bool) -> None:
    assert asyncio.run(aborted(lambda second: max(0, SIZE - RATE * second), pressed=pressed)) is None


def test_one_that_takes_hardly_any_is_given_up() -> None:
    given_up = asyncio.run(aborted(lambda second: SIZE - second, pressed=True))
    assert given_up is not None
    assert PRESSED < given_up < 2 * PRESSED


def test_one_that_has_taken_all_begins_anew() -> None:
    assert asyncio.run(aborted(lambda second: SIZE * (second % 50 > 0))) is None
