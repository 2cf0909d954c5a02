"""Responses kept upstream: for the key that made them, as if there were none for any other."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from optillm.chat import Relay
from optillm.config.settings import Settings
from optillm.server.access.store import NAME_SECONDS, FileStorage, Store
from optillm.server.state import state_of
from optillm.stores import StoreDown
from tests.server.fakes import FakeEngine, Visitor, served

ALICE, BOB = "alice-key", "bob-key"
JSON = {"content-type": "application/json"}
MADE: dict[str, Any] = {
    "id": "resp_1",
    "metadata": {"id": "resp_of_somebody", "response": {"id": "resp_of_somebody"}},
    "output": [
        {"type": "message", "id": "msg_1", "content": [{"text": '{"id": "resp_of_somebody"}'}]},
        {"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1"},
    ],
    "previous_response_id": "resp_of_somebody",
    "tools": [{"id": "resp_of_somebody"}],
}


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def event(kind: str, **more: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


STREAM = b"".join(
    [
        event("response.created", response={"id": "resp_1", "output": []}),
        event(
            "response.output_text.delta", item_id="msg_1", delta='{"response": {"id": "resp_of_somebody"}}'
        ),
        event("response.completed", response=MADE),
    ]
)
REPLIES = {
    "whole": lambda: Relay(200, JSON, json.dumps(MADE).encode()),
    "in pieces": lambda: Relay(200, JSON, chunks=chunks(json.dumps(MADE).encode(), b" ")),
    "stream": lambda: Relay(200, {"content-type": "text/event-stream"}, chunks=chunks(STREAM)),
    "stream in bytes": lambda: Relay(
        200, {"content-type": "text/event-stream"}, chunks=chunks(*(bytes([byte]) for byte in STREAM))
    ),
}


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(REPLIES["whole"]())


@pytest.fixture
def client(engine: FakeEngine, tmp_path: Path) -> Iterator[Visitor]:
    with served(engine, optillm_api_key=(ALICE, BOB), store=str(tmp_path / "counters")) as visitor:
        yield visitor


def ask(client: Visitor, key: str, method: str = "POST", path: str = "/responses", body: Any = None) -> int:
    sent = {"json": body} if body is not None else {}
    reply = client.open(f"/v1{path}", method=method, headers={"Authorization": f"Bearer {key}"}, **sent)
    if reply.status_code == 404:
        assert reply.get_json()["error"]["code"] == "not_found"
    status: int = reply.status_code
    return status


def make(client: Visitor, engine: FakeEngine, how: str = "whole", key: str = ALICE) -> None:
    engine.outcome = REPLIES[how]()
    assert ask(client, key, body={"model": "m", "input": "Hi"}) == 200
    engine.outcome = Relay(200, JSON, b"{}")
    engine.relays.clear()


WAYS = [
    ("GET", "/responses/resp_1"),
    ("HEAD", "/responses/resp_1"),
    ("DELETE", "/responses/resp_1"),
    ("POST", "/responses/resp_1"),
    ("GET", "/responses/resp_1?stream=true&starting_after=0"),
    ("POST", "/responses/resp_1/cancel"),
    ("GET", "/responses/resp_1/input_items?limit=2"),
    ("GET", "/responses/resp_1/anything"),
]


@pytest.mark.parametrize("how", REPLIES)
def test_only_the_key_that_created_a_response_can_use_it_whole_or_streamed(
    client: Visitor, engine: FakeEngine, how: str
) -> None:
    make(client, engine, how)
    assert ask(client, BOB, "GET", "/responses/resp_1") == 404
    assert not engine.relays
    assert ask(client, ALICE, "GET", "/responses/resp_1") == 200


@pytest.mark.parametrize(("method", "path"), WAYS)
@pytest.mark.parametrize("base", ["", "/../v1"])
def test_there_is_no_way_to_anothers_response(
    client: Visitor, engine: FakeEngine, method: str, path: str, base: str
) -> None:
    make(client, engine)
    if not base:
        assert ask(client, ALICE, method, path) == 200
    engine.relays.clear()
    reply = client.open(f"{base}{path}", method=method, headers={"Authorization": f"Bearer {BOB}"})
    assert reply.status_code in (404, 405)
    assert not engine.relays


def test_an_unknown_response_and_another_keys_look_the_same(client: Visitor, engine: FakeEngine) -> None:
    make(client, engine)
    key = {"Authorization": f"Bearer {BOB}"}
    others, nobodys = (client.get(f"/v1/responses/{name}", headers=key) for name in ("resp_1", "resp_2"))
    assert others.status_code == nobodys.status_code == 404
    assert others.data.replace(b"resp_1", b"resp_2") == nobodys.data


REFERENCES: list[dict[str, Any]] = [
    {"previous_response_id": "resp_1"},
    {"conversation": "resp_1"},
    {"conversation": {"id": "resp_1"}},
    {"input": [{"type": "item_reference", "id": "msg_1"}]},
    {"input": [{"type": "item_reference", "id": "msg_1", "role": "user", "call_id": "c"}]},
    {"input": [{"id": "msg_1"}]},
    {"input": [{"role": "user", "content": "Hi"}, {"type": "image_generation_call", "id": "ci_1"}]},
    {"input": [{"type": "reasoning", "id": "ci_1", "summary": []}]},
    {"tools": [{"type": "code_interpreter", "container": "cntr_1"}]},
]


@pytest.mark.parametrize("body", REFERENCES)
@pytest.mark.parametrize("path", ["/responses", "/responses/compact", "/responses/input_tokens"])
def test_no_request_may_refer_to_anothers_response(
    client: Visitor, engine: FakeEngine, body: dict[str, Any], path: str
) -> None:
    make(client, engine)
    assert ask(client, BOB, path=path, body={"model": "m", **body}) == 404
    assert not engine.relays
    assert ask(client, ALICE, path=path, body={"model": "m", **body}) == 200


@pytest.mark.parametrize(
    "body",
    [
        {"input": "resp_1"},
        {"input": [{"role": "assistant", "id": "msg_1", "content": "Hi"}]},
        {"input": [{"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}]},
        {"input": [{"type": "function_call_output", "id": "x", "call_id": "c", "output": ""}]},
        {"previous_response_id": None, "conversation": None, "tools": None},
        {
            "metadata": {"id": "resp_1"},
            "tools": [{"type": "code_interpreter", "container": {"type": "auto"}}],
        },
    ],
)
def test_self_contained_items_refer_to_nothing(
    client: Visitor, engine: FakeEngine, body: dict[str, Any]
) -> None:
    make(client, engine)
    assert ask(client, BOB, body={"model": "m", **body}) == 200


def test_a_duplicate_field_does_not_evade_the_check(client: Visitor, engine: FakeEngine) -> None:
    make(client, engine)
    body = b'{"model": "m", "previous_response_id": "resp_1", "previous_response_id": null}'
    headers = {"Authorization": f"Bearer {BOB}", "Content-Type": "application/json"}
    assert client.post("/v1/responses", data=body, headers=headers).status_code == 400
    assert not engine.relays


def test_nobody_can_make_anothers_id_their_own(client: Visitor, engine: FakeEngine) -> None:
    for how in REPLIES:
        make(client, engine, how)
    for key in (ALICE, BOB):
        assert ask(client, key, "GET", "/responses/resp_of_somebody") == 404


@pytest.mark.parametrize(
    "relay",
    [
        Relay(400, JSON, json.dumps(MADE).encode()),
        Relay(200, JSON, b"[1]"),
        Relay(200, JSON, b"no JSON"),
        Relay(200, JSON, b'{"id": 7, "output": {"id": 1}}'),
        Relay(200, JSON, b""),
    ],
)
def test_a_reply_without_an_id_passes(client: Visitor, engine: FakeEngine, relay: Relay) -> None:
    engine.outcome = relay
    assert ask(client, ALICE, body={"model": "m"}) == relay.status
    assert ask(client, ALICE, "GET", "/responses/resp_1") == 404


def test_ids_of_other_endpoints_are_not_recorded(client: Visitor, engine: FakeEngine) -> None:
    engine.outcome = Relay(200, JSON, json.dumps(MADE).encode())
    assert ask(client, ALICE, path="/embeddings", body={"previous_response_id": "resp_9"}) == 200
    assert ask(client, ALICE, "GET", "/responses/resp_1") == 404


@pytest.mark.parametrize("keys", [(), (ALICE,)])
def test_with_a_single_key_everything_is_passed_through(keys: tuple[str, ...], tmp_path: Path) -> None:
    engine = FakeEngine(Relay(200, JSON, b"{}"))
    with served(engine, optillm_api_key=keys, store=str(tmp_path / "counters")) as client:
        assert ask(client, ALICE, "GET", "/responses/resp_of_old") == 200
        assert ask(client, ALICE, body={"previous_response_id": "resp_of_old"}) == 200
    assert not (tmp_path / "counters").exists()


def test_other_and_later_processes_know_the_owner(engine: FakeEngine, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"optillm_api_key": (ALICE, BOB), "store": str(tmp_path / "counters")}
    with served(engine, **changes) as client:
        make(client, engine)
    with served(engine, **changes | {"optillm_api_key": ("new-key", BOB, ALICE)}) as client:
        statuses = [ask(client, key, "GET", "/responses/resp_1") for key in ("new-key", BOB, ALICE)]
    assert statuses == [404, 404, 200]


def test_a_store_that_does_not_open_is_one_that_is_down(engine: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "counters").write_bytes(b"this is no database" * 100)
    with served(engine, optillm_api_key=(ALICE, BOB), store=str(tmp_path / "counters")) as client:
        make(client, engine)
        assert [ask(client, key, "GET", "/responses/resp_1") for key in (ALICE, BOB)] == [503, 503]


def test_without_a_place_for_a_store_only_this_process_knows_the_owner(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def nowhere(_: Settings) -> str:
        raise ValueError("there is no home directory")

    monkeypatch.setattr(Settings, "counters", property(nowhere))
    with (
        caplog.at_level(logging.WARNING),
        served(engine, optillm_api_key=(ALICE, BOB)) as client,
    ):
        make(client, engine)
        assert [ask(client, key, "GET", "/responses/resp_1") for key in (ALICE, BOB)] == [200, 404]
    assert caplog.text.count("only this process knows") == 1


def test_a_failing_store_admits_nobody_and_loses_no_answer(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise StoreDown("unplugged")

    with served(engine, optillm_api_key=(ALICE, BOB)) as client:
        monkeypatch.setattr(state_of(client.application).owners, "_opened", Store(lambda: FileStorage(None)))
        monkeypatch.setattr(Store, "value", fail)
        monkeypatch.setattr(Store, "keep", fail)
        engine.outcome = REPLIES["whole"]()
        assert ask(client, ALICE, body={"model": "m"}) == 200
        reply = client.get("/v1/responses/resp_1", headers={"Authorization": f"Bearer {ALICE}"})
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "1")


def test_the_file_drops_the_oldest_names_but_no_counter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optillm.server.access.store.MOST_NAMES", 3)
    now = [1000.0]
    storage = FileStorage(tmp_path / "counters", lambda: now[0])
    store = Store(lambda: storage)
    store.add("key/alice/tokens", 5)
    for number in range(5):
        now[0] += 1
        store.keep(f"made/{number}")
    assert [store.value(f"made/{number}") for number in range(5)] == [0, 0, 1, 1, 1]
    assert store.value("key/alice/tokens") == 5
    now[0] += NAME_SECONDS + 1
    store.keep("made/last")
    assert [store.value(f"made/{name}") for name in (4, "last")] == [0, 1]
