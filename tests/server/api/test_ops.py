"""The questions of operators."""

from __future__ import annotations

import asyncio

import pytest

from optillm.server import readiness
from optillm.server.state import state_of
from tests.server.fakes import CHAT, HELLO, FakeEngine, served


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
    with served(engine) as client:
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

    monkeypatch.setattr(readiness, "PROBE_TIMEOUT", 0.01)
    with served(Hanging()) as client:
        assert client.get("/health?ready=1").status_code == 503


class Probed(FakeEngine):
    """Counts the probes; each waits until it is freed."""

    def __init__(self) -> None:
        super().__init__()
        self.probes = 0
        self.freed = asyncio.Event()

    async def reachable(self) -> bool:
        self.probes += 1
        await self.freed.wait()
        return self.up


def test_the_upstream_is_asked_once_for_all_who_want_to_know_and_again_after_a_while() -> None:
    async def ask() -> None:
        now, engine = [100.0], Probed()
        ready = readiness.Readiness(engine.reachable, lambda: now[0])
        asked = [asyncio.create_task(ready.now()) for _ in range(5)]
        await asyncio.sleep(0)
        engine.freed.set()
        assert await asyncio.gather(*asked) == [True] * 5
        assert engine.probes == 1
        engine.up = False
        now[0] += readiness.FRESH - 0.1
        assert await ready.now()
        now[0] += 0.1
        assert not await ready.now()
        assert engine.probes == 2

    asyncio.run(ask())


def test_metrics_count_refusals_and_need_the_key() -> None:
    with served(FakeEngine(), optillm_api_key=("key",)) as client:
        assert client.get("/metrics").status_code == 401
        client.get("/v1/models")
        response = client.get("/metrics", headers={"Authorization": "Bearer key"})
    assert response.status_code == 200
    assert response.content_type.startswith("text/plain")
    assert b'optillm_http_responses_total{status="401"} 1.0' in response.data


def test_a_request_is_in_flight_until_its_last_byte_has_left() -> None:
    with served(FakeEngine()) as client:

        def look() -> list[bytes]:
            response = client.post(CHAT, json=HELLO | {"stream": True})
            during = client.get("/metrics").data
            response.close()
            return [during, client.get("/metrics").data]

        during, after = client.visit(look)
    assert b"optillm_requests_in_flight 1.0" in during
    assert b"optillm_requests_in_flight 0.0" in after
