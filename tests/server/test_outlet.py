"""Clients that take their replies slowly, or not at all."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from optillm.server import outlet
from optillm.server.outlet import Outlet

MUCH = b"x" * 2**23


@pytest.fixture
def pair() -> Iterator[tuple[Outlet, socket.socket]]:
    ours, theirs = socket.socketpair()
    with Outlet(ours) as out, theirs:
        yield out, theirs


def read_all(client: socket.socket, counts: list[int]) -> None:
    while data := client.recv(2**16):
        counts.append(len(data))


@pytest.mark.parametrize("pressed", [True, False])
def test_a_client_that_reads_gets_all_of_a_reply(pair: tuple[Outlet, socket.socket], pressed: bool) -> None:
    out, client = pair
    out.pressed = lambda: pressed
    counts: list[int] = []
    reader = Thread(target=read_all, args=(client, counts))
    reader.start()
    out.sendall(MUCH)
    out.shutdown(socket.SHUT_WR)
    reader.join()
    assert sum(counts) == len(MUCH)


@pytest.mark.parametrize(("patience", "pressed"), [("STALL", False), ("PRESSED", True)])
def test_a_client_that_does_not_read_is_given_up(
    pair: tuple[Outlet, socket.socket], monkeypatch: pytest.MonkeyPatch, patience: str, pressed: bool
) -> None:
    monkeypatch.setattr(outlet, "GLANCE", 0.01)
    monkeypatch.setattr(outlet, patience, 0.05)
    out, _ = pair
    out.pressed = lambda: pressed
    with pytest.raises(BrokenPipeError):
        out.sendall(MUCH)


def test_what_a_client_takes_makes_up_for_what_it_was_waited_for(pair: tuple[Outlet, socket.socket]) -> None:
    out, _ = pair
    out._waited = outlet.STALL
    out.sendall(b"x" * 2 * outlet.RATE)
    assert out._waited == outlet.STALL - 2


def test_tells_whether_its_client_has_left(pair: tuple[Outlet, socket.socket]) -> None:
    out, client = pair
    assert not out.left()
    client.send(b"the next request")
    assert not out.left()
    client.close()
    out.recv(100)
    assert out.left()
    out.close()
    assert out.left()
