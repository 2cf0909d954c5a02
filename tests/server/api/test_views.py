"""The OpenAI endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import orjson
import pytest

from optillm.chat import Delta, Relay, Reply
from optillm.errors import UpstreamError
from optillm.server.bridge import GreenletTask
from optillm.server.state import state_of
from tests.server.fakes import CHAT, HELLO, FakeEngine, Outcome, completion, data, report, served, stream


async def chunks(*parts: bytes | Exception) -> AsyncIterator[bytes]:
    for part in parts:
        if isinstance(part, Exception):
            raise part
        yield part


def sse_relay(*parts: bytes | Exception) -> Relay:
    return Relay(200, {"content-type": "text/event-stream; charset=utf-8"}, chunks=chunks(*parts))


def test_answers_with_a_completion_and_what_was_done_for_it() -> None:
    with served(FakeEngine(completion(report=report(technique="bon&moa", stop_reason="budget")))) as client:
        response = client.post(CHAT, json=HELLO)
    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert response.get_json()["choices"][0]["message"]["content"] == "four"
    told = {name: value for name, value in response.headers.items() if name.startswith("x-optillm-")}
    assert told == {
        "x-optillm-technique": "bon&moa",
        "x-optillm-calls": "3",
        "x-optillm-rounds": "2",
        "x-optillm-stop-reason": "budget",
        "x-optillm-turn": "answer",
    }


def test_hands_the_request_over_as_it_came() -> None:
    engine, content = FakeEngine(), orjson.dumps(HELLO) + b" "
    with served(engine) as client:
        client.post(CHAT, data=content, content_type="application/json")
    assert engine.asked[0].raw == content
    assert engine.asked[0].messages == HELLO["messages"]


@pytest.mark.parametrize("status", [200, 404, 500])
def test_relays_a_reply_untouched(status: int) -> None:
    body = b' {"usage": null, "odd": 1.0} '
    headers = {"Content-Type": "application/json; x=y", "x-ratelimit-limit": "7", "x-request-id": "theirs"}
    with served(FakeEngine(Relay(status, headers, body))) as client:
        response = client.post(CHAT, json=HELLO, headers={"x-request-id": "mine"})
    assert (response.status_code, response.data) == (status, body)
    assert response.headers["Content-Type"] == "application/json; x=y"
    assert response.headers["x-ratelimit-limit"] == "7"
    assert response.headers.getlist("x-request-id") == ["mine"]
    assert "x-optillm-technique" not in response.headers


def test_relays_a_stream_chunk_by_chunk() -> None:
    with served(FakeEngine(sse_relay(b"data: 1\n", b"\nda", b"ta: [DONE]\n\n"))) as client:
        response = client.post(CHAT, json=HELLO | {"stream": True})
    assert response.data == b"data: 1\n\ndata: [DONE]\n\n"
    assert response.content_type == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"


@pytest.mark.parametrize("sent", [b"", b"data: 1\n\n", b"data: 1\r\n\r\n"])
def test_a_relayed_stream_that_breaks_between_events_ends_with_an_error_event(sent: bytes) -> None:
    with served(FakeEngine(sse_relay(sent, UpstreamError("gone")))) as client:
        response = client.post(CHAT, json=HELLO | {"stream": True})
    assert response.data == (
        sent
        + b'data: {"error":{"message":"gone","type":"upstream_error","param":null,"code":null}}\n\n'
        + b"data: [DONE]\n\n"
    )


@pytest.mark.parametrize(
    "relay",
    [
        sse_relay(b'data: {"id"', UpstreamError("gone")),
        Relay(200, {"content-type": "audio/mpeg"}, chunks=chunks(b"la\n\n", UpstreamError("gone"))),
    ],
)
def test_any_other_relay_that_breaks_breaks_the_connection(relay: Relay) -> None:
    with served(FakeEngine(relay)) as client, pytest.raises(ConnectionResetError):
        client.post(CHAT, json=HELLO)


def test_a_reply_without_a_type_is_just_bytes() -> None:
    with served(FakeEngine(Relay(200, {}, b"<b>"))) as client:
        assert client.post(CHAT, json=HELLO).content_type == "application/octet-stream"


def test_streams_a_technique_at_work() -> None:
    answer = completion(Reply({"content": "four"}, "stop"))
    with served(FakeEngine(stream(Delta("fo"), answer))) as client:
        response = client.post(CHAT, json=HELLO | {"stream": True})
    assert response.status_code == 200
    assert response.content_type == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert response.headers["x-optillm-technique"] == "bon"
    assert "x-optillm-calls" not in response.headers
    assert [each["choices"][0]["delta"].get("content") for each in data(response.data)] == [
        "",
        "fo",
        "ur",
        None,
    ]
    assert response.data.endswith(b"data: [DONE]\n\n")


TRACE_ID = "trace_0123456789abcdef01234567"
TRACE_URL = f"http://localhost/traces/{TRACE_ID}"


def test_a_stored_trace_is_named_by_a_header_and_by_an_address() -> None:
    with served(FakeEngine(completion(report=report(trace_id=TRACE_ID)))) as client:
        response = client.post(CHAT, json=HELLO)
    assert response.headers["x-optillm-trace"] == TRACE_ID
    assert response.get_json()["optillm"]["trace_url"] == TRACE_URL


def test_a_stream_names_its_trace_at_its_start_and_the_address_at_its_end() -> None:
    events = replace(stream(Delta("fo"), completion()), trace_id=TRACE_ID)
    with served(FakeEngine(events)) as client:
        response = client.post(CHAT, json=HELLO | {"stream": True})
    assert response.headers["x-optillm-trace"] == TRACE_ID
    *rest, last = data(response.data)
    assert last["optillm"]["trace_url"] == TRACE_URL
    assert not any("optillm" in event for event in rest)


@pytest.mark.parametrize("outcome", [completion(), Relay(200, {}, b"{}"), UpstreamError("gone")])
def test_without_a_stored_trace_none_is_named(outcome: Outcome | Exception) -> None:
    with served(FakeEngine(outcome)) as client:
        response = client.post(CHAT, json=HELLO)
    assert "x-optillm-trace" not in response.headers
    assert b"trace_url" not in response.data


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({"Host": "proxy.test:81"}, "http://proxy.test:81/traces/"),
        ({"Host": "proxy.test", "X-Forwarded-Proto": "https"}, "https://proxy.test/traces/"),
        ({"Host": "proxy.test", "X-Forwarded-Proto": "https, http"}, "http://proxy.test/traces/"),
        ({"Host": "proxy.test", "X-Forwarded-Proto": "javascript"}, "http://proxy.test/traces/"),
        ({"Host": 'a/b"<x>'}, None),
    ],
)
def test_the_address_of_a_trace_is_the_one_by_which_the_client_came(
    headers: dict[str, str], url: str | None
) -> None:
    with served(FakeEngine(completion(report=report(trace_id=TRACE_ID))), optillm_api_key=("k",)) as client:
        response = client.post(CHAT, json=HELLO, headers=headers | {"Authorization": "Bearer k"})
    assert response.get_json()["optillm"].get("trace_url") == (url and url + TRACE_ID)


@pytest.mark.parametrize(("field", "trace"), [({}, None), ({"trace": False}, False), ({"trace": True}, True)])
def test_a_request_may_keep_out_of_the_stored_traces(field: dict[str, bool], trace: bool | None) -> None:
    engine = FakeEngine()
    with served(engine) as client:
        client.post(CHAT, json=HELLO | {"optillm": field})
    assert engine.asked[0].trace is trace


def test_lists_models() -> None:
    with served(FakeEngine()) as client:
        body = client.get("/v1/models").get_json()
    assert body["object"] == "list"
    assert [model["id"] for model in body["data"]] == ["gpt-test", "bon-org/gpt-test"]


def test_shows_one_model() -> None:
    with served(FakeEngine()) as client:
        assert client.get("/v1/models/bon-org/gpt-test").get_json()["id"] == "bon-org/gpt-test"
        missing = client.get("/v1/models/gpt-9")
    assert missing.status_code == 404
    assert missing.get_json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    "path",
    ["/embeddings", "/completions", "/moderations", "/responses", "/audio/speech", "/images/generations"],
)
def test_passes_other_endpoints_on(path: str) -> None:
    engine = FakeEngine(Relay(201, {"content-type": "audio/mpeg"}, b"la"))
    with served(engine) as client:
        response = client.post(f"/v1{path}", data=b'{"a": 1.0}', content_type="application/json")
    assert (response.status_code, response.data, response.content_type) == (201, b"la", "audio/mpeg")
    assert engine.relays == [(path, "POST", b'{"a": 1.0}', "application/json", None)]


def test_passes_forms_on_with_their_boundary() -> None:
    engine, kind = FakeEngine(Relay(200, {}, b"")), "multipart/form-data; boundary=xyz"
    with served(engine) as client:
        client.post("/v1/audio/transcriptions", data=b"--xyz--", content_type=kind)
    assert engine.relays == [("/audio/transcriptions", "POST", b"--xyz--", kind, None)]


def test_refuses_forms_that_another_web_site_posts() -> None:
    kind = "multipart/form-data; boundary=xyz"
    with served(FakeEngine(Relay(200, {}, b""))) as client:
        for origin, status in (("http://evil.test", 400), ("null", 400), ("http://localhost", 200)):
            response = client.post(
                "/v1/images/edits", data=b"--xyz--", content_type=kind, headers={"Origin": origin}
            )
            assert response.status_code == status


@pytest.mark.parametrize(
    "path", ["/audio/..", "/audio/a%2Fb", "/audio/x%3Fy", "/images/%2E%2E", "/files", "/audio"]
)
def test_passes_nothing_else_on(path: str) -> None:
    engine = FakeEngine(Relay(200, {}, b""))
    with served(engine) as client:
        response = client.post(f"/v1{path}", json={})
    assert response.status_code == 404
    assert engine.relays == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/responses/resp_1?stream=true&starting_after=3"),
        ("DELETE", "/responses/resp_1"),
        ("POST", "/responses/resp_1/cancel"),
        ("GET", "/responses/resp_1/input_items?limit=2&include%5B%5D=a%26b"),
    ],
)
def test_passes_on_what_is_done_with_a_response(method: str, path: str) -> None:
    engine = FakeEngine(Relay(200, {}, b"{}"))
    with served(engine) as client:
        assert client.open(f"/v1{path}", method=method).status_code == 200
    assert engine.relays == [(path, method, b"", "application/json", None)]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/chat/completions"),
        ("POST", "/plan"),
        ("GET", "/models"),
        ("GET", "/models/bon-org/gpt-test"),
        ("GET", "/techniques"),
        ("POST", "/embeddings"),
        ("POST", "/responses"),
        ("POST", "/responses/resp_1/cancel"),
        ("DELETE", "/responses/resp_1"),
    ],
)
def test_a_base_url_without_its_version_serves_as_well_and_needs_the_same_key(method: str, path: str) -> None:
    engine = FakeEngine(Relay(200, {}, b"{}"))
    with served(engine, optillm_api_key=("k",)) as client:
        key = {"Authorization": "Bearer k"}
        body = {"json": HELLO} if method == "POST" else {}
        assert client.open(path, method=method, **body).status_code == 401
        answers = [client.open(at + path, method=method, headers=key, **body) for at in ("", "/v1")]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].data == answers[1].data
    assert engine.relays[:1] == engine.relays[1:]


@pytest.mark.parametrize(
    "path",
    ["/v1/v1/chat/completions", "/chat", "/v2/models", "/chat/completions/chat/completions", "/api/chat"],
)
def test_a_path_that_is_not_served_is_an_error_object(path: str) -> None:
    with served(FakeEngine()) as client:
        reply = client.post(path, json=HELLO)
    assert (reply.status_code, set(reply.get_json()["error"])) == (404, {"message", "type", "param", "code"})


def test_anthropics_messages_are_said_not_to_be_served() -> None:
    with served(FakeEngine()) as client:
        reply = client.post("/v1/messages", json=HELLO)
    assert reply.status_code == 404
    assert "/v1/chat/completions" in reply.get_json()["error"]["message"]


def test_passes_the_query_on() -> None:
    engine = FakeEngine(Relay(200, {}, b"{}"))
    with served(engine) as client:
        client.post("/v1/audio/speech?api-version=1&x=%2F", json={})
    assert engine.relays[0][0] == "/audio/speech?api-version=1&x=%2F"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/chat/cancel/x"), ("POST", "/v1/responses/x/cancel"), ("DELETE", "/v1/responses/x")],
)
def test_other_web_sites_change_nothing(method: str, path: str) -> None:
    engine = FakeEngine(Relay(200, {}, b"{}"))
    with served(engine) as client:
        state_of(client.application).serving["/x"].append(GreenletTask(bool))
        for origin, status in (("http://evil.test", 400), ("null", 400), ("http://localhost", 200)):
            assert client.open(path, method=method, headers={"Origin": origin}).status_code == status
    assert len(engine.relays) == (path != "/v1/chat/cancel/x")


@pytest.mark.parametrize("method", ["OPTIONS", "POST"])
def test_other_web_sites_are_not_invited(method: str) -> None:
    asking = {
        "Origin": "http://evil.test",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    with served(FakeEngine()) as client:
        response = client.open(CHAT, method=method, json=HELLO, headers=asking)
    assert response.status_code == 200
    assert not [
        name for name in (name for name, _ in response.headers) if name.lower().startswith("access-control-")
    ]


def test_a_plan_is_the_engines_and_says_no_more_than_that() -> None:
    engine = FakeEngine()
    with served(engine) as client:
        reply = client.post("/v1/plan", json=HELLO, headers={"x-optillm-background": "1"})
        assert (reply.status_code, reply.json) == (200, {"object": "plan", "technique": "bon"})
        assert engine.asked[0].sender.background
        assert client.post("/v1/plan", json={"model": "m"}).status_code == 400


def test_a_deadline_in_the_header_cuts_that_of_the_body() -> None:
    engine = FakeEngine()
    with served(engine) as client:
        body = {**HELLO, "optillm": {"budget": {"seconds": 9}}}
        for sent, seconds in (("4", 4.0), ("20", 9)):
            client.post(CHAT, json=body, headers={"x-optillm-timeout": sent})
            assert engine.asked[-1].budget.seconds == seconds
        assert client.post(CHAT, json=body, headers={"x-optillm-timeout": "x"}).status_code == 400
