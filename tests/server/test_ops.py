"""The questions of operators."""

from __future__ import annotations

import asyncio

import pytest

from optillm.server import ops
from optillm.server.state import state_of
from tests.server.fakes import FakeEngine, served


def test_a_server_that_is_up_says_so_without_a_key() -> None:
    with served(FakeEngine(), optillm_api_key=("key",)) as client:
        response = client.get("/health")
    assert response.status_code == 200
    assert response.get_json() == {"status": "ok"}


def test_a_server_is_ready_when_its_upstream_answers() -> None:
    engine = FakeEngine()
    with served(engine) as client:
        assert client.get("/health?ready=1").status_code == 200
        engine.up = False
        response = client.get("/health?ready=1")
        assert response.status_code == 503
        assert response.get_json()["error"]["type"] == "upstream_error"
        assert client.get("/health").status_code == 200


def test_a_draining_server_is_not_ready() -> None:
    with served(FakeEngine()) as client:
        state_of(client.application).draining = True
        assert client.get("/health?ready=1").status_code == 503


def test_an_upstream_that_hangs_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(FakeEngine):
        async def reachable(self) -> bool:
            await asyncio.Event().wait()
            return True

    monkeypatch.setattr(ops, "PATIENCE", 0.01)
    with served(Hanging()) as client:
        assert client.get("/health?ready=1").status_code == 503
