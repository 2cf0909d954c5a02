"""How long a client may take to take its reply; on a clock that is only told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from unittest.mock import Mock

import pytest

from optillm.server.http.connection import STALL, STALL_IN_DEMAND, TAKING_RATE, Connection

SIZE = 2**20


async def aborted(
    untaken: Callable[[int], int], *, in_demand: bool = False, seconds: int = 1000
) -> int | None:
    """After how many seconds a client is given up that has not taken so many bytes yet, looked at every second."""
    loop = asyncio.get_running_loop()
    connection = Connection(Mock(), loop=loop, error_reply=Mock())
    transport = Mock()
    connection._socket_transport = transport
    connection.in_demand = lambda: in_demand
    connection.busy()
    for second in range(seconds):
        transport.get_write_buffer_size.return_value = untaken(second)
        connection.check(float(second), 1.0, None)
        if transport.abort.called:
            return second
    return None


@pytest.mark.parametrize(("in_demand", "patience"), [(False, STALL), (True, STALL_IN_DEMAND)])
def test_a_client_that_takes_nothing_is_given_up(in_demand: bool, patience: float) -> None:
    assert asyncio.run(aborted(lambda _: SIZE, in_demand=in_demand)) == patience + 1


@pytest.mark.parametrize("in_demand", [False, True])
def test_one_that_takes_some_all_the_time_gets_it_all(in_demand: bool) -> None:
    assert (
        asyncio.run(aborted(lambda second: max(0, SIZE - TAKING_RATE * second), in_demand=in_demand)) is None
    )


def test_one_that_takes_hardly_any_is_given_up() -> None:
    given_up = asyncio.run(aborted(lambda second: SIZE - second, in_demand=True))
    assert given_up is not None
    assert STALL_IN_DEMAND < given_up < 2 * STALL_IN_DEMAND


def test_one_that_has_taken_all_begins_anew() -> None:
    assert asyncio.run(aborted(lambda second: SIZE * (second % 50 > 0))) is None
