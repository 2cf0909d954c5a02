"""The stored traces over HTTP: whose they are, in which forms, and as they grow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from optillm.observe.traces.filters import Filters
from optillm.server.api import traces
from optillm.server.bridge import in_thread
from tests.server.access.test_auth import bearer
from tests.server.access.test_budgets import sealed
from tests.server.fakes import FakeEngine, FakeTraces, served
from tests.server.test_app import error_of

MINE, HERS, NOBODYS = (f"trace_{digit * 24}" for digit in "abc")
LIST = "/v1/traces"


def document(trace_id: str, client: str | None = None, **changes: Any) -> dict[str, Any]:
    return {"object": "optillm.trace", "id": trace_id, "client": client, "status": "ok"} | changes


@pytest.fixture
def store() -> FakeTraces:
    return FakeTraces(document(MINE, "alice"), document(HERS, "beth"))


@pytest.fixture
def client(tmp_path: Path, store: FakeTraces) -> Iterator[FlaskClient]:
    """A client of a server with two keys in a file and one of the operator's."""
    file = tmp_path / "keys.toml"
    file.write_text("\n".join(["[keys.alice]", sealed("alices"), "[keys.beth]", sealed("beths")]))
    keys: dict[str, Any] = {"keys": str(file), "optillm_api_key": ("operators",)}
    with served(FakeEngine(), traces=store, **keys) as client:
        yield client


def listed(client: FlaskClient, key: str) -> list[str]:
    return [each["id"] for each in client.get(LIST, headers=bearer(key)).get_json()["data"]]


def test_a_clients_key_lists_its_own_traces_and_the_operators_all(client: FlaskClient) -> None:
    assert listed(client, "alices") == [MINE]
    assert listed(client, "beths") == [HERS]
    assert listed(client, "operators") == [MINE, HERS]
    assert client.get(LIST).status_code == 401


def test_without_keys_everybody_lists_all(store: FakeTraces) -> None:
    with served(FakeEngine(), traces=store) as client:
        assert [each["id"] for each in client.get(LIST).get_json()["data"]] == [MINE, HERS]


def test_a_list_comes_in_pages(client: FlaskClient, store: FakeTraces) -> None:
    first = client.get(f"{LIST}?limit=1&technique=bon&q=x", headers=bearer("operators"))
    assert first.headers["Cache-Control"] == "no-store"
    body = first.get_json()
    assert body == {
        "object": "list",
        "data": [{"id": MINE, "created": 1.0}],
        "has_more": True,
        "next_cursor": f"1.0:{MINE}",
    }
    last = client.get(f"{LIST}?after={body['next_cursor']}", headers=bearer("alices")).get_json()
    assert (last["has_more"], last["next_cursor"]) == (False, None)
    assert store.queries == [
        (Filters(technique="bon", text="x"), None, 1, None),
        (Filters(), "alice", 50, f"1.0:{MINE}"),
    ]


@pytest.mark.parametrize("query", ["min_second=1", "limit=0", "after=x", "status=done", "since=nan"])
def test_a_query_that_is_wrong_is_refused_by_the_parameter(client: FlaskClient, query: str) -> None:
    response = client.get(f"{LIST}?{query}", headers=bearer("alices"))
    assert response.status_code == 400
    assert error_of(response)["param"] == query.partition("=")[0]


EACH: list[tuple[str, str]] = [
    ("GET", ""),
    ("GET", "?format=otlp"),
    ("GET", "?format=html"),
    ("GET", "/events"),
    ("DELETE", ""),
]


@pytest.mark.parametrize(("method", "rest"), EACH)
def test_somebody_elses_trace_is_the_same_404_as_none_at_all(
    client: FlaskClient, store: FakeTraces, method: str, rest: str
) -> None:
    replies = []
    for trace_id in (HERS, NOBODYS):
        reply = client.open(f"{LIST}/{trace_id}{rest}", method=method, headers=bearer("alices"))
        assert error_of(reply)["code"] == "trace_not_found"
        replies.append((reply.status_code, reply.data.replace(trace_id.encode(), b"")))
    assert replies[0] == replies[1]
    assert replies[0][0] == 404
    assert set(store.documents) == {MINE, HERS}
    assert client.open(f"{LIST}/{HERS}{rest}", method=method).status_code == 401


@pytest.mark.parametrize("key", ["alices", "operators"])
def test_a_trace_is_shown_to_its_own_client_and_to_the_operator(client: FlaskClient, key: str) -> None:
    response = client.get(f"{LIST}/{MINE}", headers=bearer(key))
    assert response.get_json() == document(MINE, "alice")
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("key", ["alices", "operators"])
def test_a_trace_is_deleted_by_its_own_client_and_by_the_operator(
    client: FlaskClient, store: FakeTraces, key: str
) -> None:
    response = client.delete(f"{LIST}/{MINE}", headers=bearer(key))
    assert response.get_json() == {"id": MINE, "object": "optillm.trace.deleted", "deleted": True}
    assert set(store.documents) == {HERS}
    assert client.delete(f"{LIST}/{MINE}", headers=bearer(key)).status_code == 404


@pytest.mark.parametrize(
    "trace_id",
    [
        "x",
        "trace_",
        MINE.upper(),
        f"{MINE}0",
        f"{MINE}%0a",
        f"{MINE}%00",
        "..%2fhealth",
        "%2e%2e",
        "x" * 5000,
        "é",
    ],
)
def test_what_is_no_id_is_no_trace(client: FlaskClient, store: FakeTraces, trace_id: str) -> None:
    for method, rest in EACH:
        reply = client.open(f"{LIST}/{trace_id}{rest}", method=method, headers=bearer("operators"))
        assert reply.status_code in (404, 405), (method, rest)
        assert len(reply.data) < 400
    assert set(store.documents) == {MINE, HERS}


@pytest.mark.parametrize("path", ["", f"/{MINE}", f"/{MINE}/events"])
def test_where_none_are_kept_the_reply_says_how_to_keep_them(path: str) -> None:
    with served(FakeEngine()) as client:
        response = client.get(LIST + path)
    assert response.status_code == 404
    error = error_of(response)
    assert error["code"] == "traces_off"
    assert "--traces" in error["message"]


def test_other_sites_delete_nothing(store: FakeTraces) -> None:
    with served(FakeEngine(), traces=store) as client:
        for origin in ("http://evil.test", "null"):
            assert client.delete(f"{LIST}/{MINE}", headers={"Origin": origin}).status_code == 400
        assert MINE in store.documents
        assert client.delete(f"{LIST}/{MINE}", headers={"Origin": "http://localhost"}).status_code == 200


def test_there_are_three_formats(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "_otlp", lambda document: {"resourceSpans": [document["id"]]})
    monkeypatch.setattr(traces, "_html", lambda document: f"<p>{document['id']}</p>")

    def shown(name: str) -> TestResponse:
        return client.get(f"{LIST}/{MINE}?format={name}", headers=bearer("alices"))

    assert shown("json").get_json() == document(MINE, "alice")
    assert shown("otlp").get_json() == {"resourceSpans": [MINE]}
    html = shown("html")
    assert html.text == f"<p>{MINE}</p>"
    assert html.content_type == "text/html; charset=utf-8"
    assert html.headers["Content-Disposition"] == f'attachment; filename="{MINE}.html"'
    assert "sandbox" in html.headers["Content-Security-Policy"]
    assert html.headers["Cache-Control"] == "no-store"
    error = error_of(shown("pdf"))
    assert (error["param"], error["message"]) == ("format", "format must be one of json, otlp, html")


# As it grows


def events(body: bytes) -> list[tuple[str, Any]]:
    blocks = [block.split(b"\n") for block in body.split(b"\n\n") if block and not block.startswith(b":")]
    return [(name[7:].decode(), orjson.loads(data[6:])) for name, data in blocks]


def growing(store: FakeTraces, steps: list[Callable[[], object]]) -> Callable[[float], Any]:
    """What stands for `asyncio.sleep`: each time something happens to the trace."""

    async def sleep(seconds: float) -> None:
        assert seconds == traces.PAUSE
        steps.pop(0)()

    return sleep


def test_an_ended_trace_is_shown_once(client: FlaskClient) -> None:
    response = client.get(f"{LIST}/{MINE}/events", headers=bearer("alices"))
    assert response.content_type == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-store"
    assert events(response.data) == [("trace", document(MINE, "alice")), ("end", {})]


def test_a_running_trace_is_shown_as_often_as_it_changes_until_it_ends(
    client: FlaskClient, store: FakeTraces, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(count: int, **changes: Any) -> None:
        store.documents[MINE] = document(MINE, "alice", status="running") | changes
        store.counts[MINE] = count

    change(1)
    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: change(2, rounds=1),
        lambda: None,
        lambda: None,
        lambda: change(3, rounds=2),
        lambda: change(4, status="failed"),
    ]
    monkeypatch.setattr(traces, "sleep", growing(store, steps))
    shown = events(client.get(f"{LIST}/{MINE}/events", headers=bearer("operators")).data)
    assert [(name, data.get("rounds"), data.get("status")) for name, data in shown] == [
        ("trace", None, "running"),
        ("trace", 1, "running"),
        ("trace", 2, "running"),
        ("trace", None, "failed"),
        ("end", None, None),
    ]
    assert steps == []


def test_a_trace_that_is_deleted_as_it_runs_is_shown_no_more(
    client: FlaskClient, store: FakeTraces, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.documents[MINE]["status"] = "running"

    def gone() -> None:
        del store.documents[MINE], store.counts[MINE]

    monkeypatch.setattr(traces, "sleep", growing(store, [gone]))
    shown = events(client.get(f"{LIST}/{MINE}/events", headers=bearer("alices")).data)
    assert [name for name, _ in shown] == ["trace", "end"]


def test_a_quiet_request_gives_signs_of_life(store: FakeTraces) -> None:
    store.documents[MINE]["status"] = "running"
    with served(FakeEngine(), traces=store, keep_alive=0.01) as client:

        def look() -> None:
            response = client.get(f"{LIST}/{MINE}/events", buffered=False)
            awaited = {b"event: trace", b": keep-alive"}
            for part in response.iter_encoded():
                awaited.discard(part.partition(b"\n")[0])
                if not awaited:
                    break
            response.close()

        client.visit(look)


def test_a_client_that_does_not_read_has_no_more_than_two_traces_waiting(
    store: FakeTraces, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    async def sleep(_: float) -> None:
        looks.append(len(looks))
        store.counts[MINE] += 1
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)

    store.documents[MINE]["status"] = "running"
    monkeypatch.setattr(traces, "sleep", sleep)
    with served(FakeEngine(), traces=store) as client:

        def ignore() -> int:
            response = client.get(f"{LIST}/{MINE}/events", buffered=False)
            for _ in range(20):
                in_thread(lambda: None)
            response.close()
            return len(looks)

        assert client.visit(ignore) <= 2


def test_who_leaves_is_not_followed_any_further(store: FakeTraces, monkeypatch: pytest.MonkeyPatch) -> None:
    store.documents[MINE]["status"] = "running"
    asleep: list[str] = []

    async def sleep(_: float) -> None:
        asleep.append("began")
        try:
            await asyncio.Event().wait()
        finally:
            asleep.append("ended")

    monkeypatch.setattr(traces, "sleep", sleep)
    with served(FakeEngine(), traces=store, keep_alive=0.01) as client:

        def leave() -> list[str]:
            response = client.get(f"{LIST}/{MINE}/events", buffered=False)
            parts = response.iter_encoded()
            while not asleep:
                next(parts)
            response.close()
            return asleep.copy()

        assert client.visit(leave) == ["began", "ended"]
