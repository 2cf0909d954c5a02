"""Metrics and logs of the real server, several workers of it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.proxy import Proxy, serving
from tests.server.http.test_serve import eventually
from tests.stub import Call, Stub, completion

KEY = "sk-a-client-key-0123456789"
PROMPT = "an unlikely prompt"
HANGING = "hanging"


def ask(proxy: Proxy, model: str, status: int = 200) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": PROMPT}]}
    response = httpx2.post(
        f"{proxy.base_url}/chat/completions",
        json=body,
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=30,
    )
    assert response.status_code == status


def scrape(proxy: Proxy) -> dict[str, float]:
    """All samples that whichever worker gives, over a connection of its own."""
    response = httpx2.get(f"{proxy.url}/metrics", headers={"Authorization": f"Bearer {KEY}"}, timeout=30)
    assert response.status_code == 200
    return {
        sample.name + json.dumps(sample.labels, sort_keys=True): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def total(seen: dict[str, float], name: str) -> float:
    return sum(value for key, value in seen.items() if key.startswith(name + "{"))


def workers(proxy: Proxy) -> list[int]:
    parent = proxy.process.pid
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


class Upstream:
    """Refuses models it does not know, and lets one hang until it is freed."""

    def __init__(self) -> None:
        self.came, self.go = Event(), Event()

    def respond(self, call: Call) -> None:
        if call.sent["model"] == HANGING:
            self.came.set()
            self.go.wait(60)
        if call.sent["model"].startswith("invented"):
            return call.json({"error": {"message": "no such model", "type": "invalid_request_error"}}, 404)
        return call.json(completion("The answer is 4."))


@pytest.fixture(scope="module")
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture(scope="module")
def proxy(upstream: Upstream) -> Iterator[Proxy]:
    with (
        Stub(upstream.respond) as stub,
        serving(
            *("--base-url", stub.base_url, "--workers", "2", "--log-format", "json", "--model", "m"),
            environment={"OPTILLM_API_KEY": KEY},
        ) as running,
    ):
        yield running
        upstream.go.set()


def test_every_worker_gives_the_sums_of_all_and_those_of_the_dead(proxy: Proxy, upstream: Upstream) -> None:
    for _ in range(10):
        ask(proxy, "bon-m")
        ask(proxy, "m")
    scrapes = [scrape(proxy) for _ in range(10)]
    assert all(each == scrapes[0] for each in scrapes)
    assert total(scrapes[0], "optillm_requests_total") == 20
    assert total(scrapes[0], "optillm_calls_total") == 30
    assert total(scrapes[0], "optillm_tokens_total") == 400

    def hang() -> None:
        with suppress(httpx2.HTTPError):
            ask(proxy, HANGING)

    hanging = Thread(target=hang)
    hanging.start()
    assert upstream.came.wait(30)
    assert total(scrape(proxy), "optillm_requests_in_flight") == 1
    before = workers(proxy)
    assert len(before) == 2
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    hanging.join(30)
    ask(proxy, "m")
    after = scrape(proxy)
    assert not set(before) & set(workers(proxy))
    assert total(after, "optillm_requests_total") == 21
    assert total(after, "optillm_calls_total") == 30
    before = workers(proxy)
    for pid in before:
        os.kill(pid, signal.SIGTERM)
    assert eventually(lambda: not set(before) & set(workers(proxy)))
    assert total(scrape(proxy), "optillm_requests_total") == 21
    # What a worker had in flight died with it; the request of a moment ago ends when its last byte has left.
    assert any(total(scrape(proxy), "optillm_requests_in_flight") == 0 for _ in range(100))


def test_what_is_refused_before_it_is_a_request_counts_among_the_responses(proxy: Proxy) -> None:
    at = urlsplit(proxy.url)
    with socket.create_connection((at.hostname or "", at.port or 0), timeout=30) as connection:
        connection.sendall(b"no HTTP at all\r\n\r\n")
        assert b" 400 " in connection.recv(4096)
    assert scrape(proxy)['optillm_http_responses_total{"status": "400"}'] == 1


def test_models_that_clients_invent_leave_one_series(proxy: Proxy) -> None:
    for number in range(5):
        ask(proxy, f"invented-{number}", 404)
        ask(proxy, f"bon&moa-invented-{number}", 404)
    seen = "".join(scrape(proxy))
    assert "invented" not in seen
    assert '"model": "other"' in seen


def test_metrics_need_a_key(proxy: Proxy) -> None:
    assert httpx2.get(f"{proxy.url}/metrics").status_code == 401


def test_every_line_of_a_json_log_is_an_object_and_holds_no_secret(proxy: Proxy) -> None:
    ask(proxy, "moa-m")
    assert proxy.wait_for("moa-m: ")
    lines = [json.loads(line) for line in proxy.log]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    noted = next(line for line in lines if line["message"].startswith("moa-m: "))
    assert noted["technique"] == "moa"
    assert noted["usage"]["total_tokens"] == 10 * sum(noted["calls"].values())
    assert KEY not in "".join(proxy.log)
    assert PROMPT not in "".join(proxy.log)


def test_the_folder_of_several_workers_is_gone_when_they_are() -> None:
    with serving("--demo", "--workers", "2") as running:
        maps = "".join(Path(f"/proc/{pid}/maps").read_text() for pid in workers(running))
        (folder,) = {Path(found) for found in re.findall(r"(/\S+/optillm-metrics-\w+)/", maps)}
        assert folder.exists()
    assert not folder.exists()
