"""Stored traces as programs and browsers see them: over sockets, while requests run, by the keys of several people."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from http.client import HTTPConnection, HTTPResponse
from http.cookies import SimpleCookie
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
import pytest
from openai import OpenAI

from optillm.server.access.sessions import COOKIE
from tests.e2e.proxy import Proxy, serving
from tests.e2e.test_restart import eventually
from tests.stub import Call, Stub, completion

WAIT = 30.0
QUESTION = "What is 2 + 2?"
LIST = "/v1/traces"


class Held:
    """An upstream that answers once `go` is set."""

    def __init__(self) -> None:
        self.came, self.go = Event(), Event()

    def respond(self, call: Call) -> None:
        self.came.set()
        self.go.wait(WAIT)
        call.json(completion("The answer is 4."))


def answered(call: Call) -> None:
    call.json(completion("The answer is 4."))


def body(model: str = "bon-m", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": QUESTION}], **more}


def ask(proxy: Proxy, key: str = "x", **more: Any) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx2.post(f"{proxy.base_url}/chat/completions", json=body(**more), headers=headers, timeout=WAIT)


def listed(proxy: Proxy, key: str = "x", query: str = "") -> list[dict[str, Any]]:
    reply = httpx2.get(f"{proxy.url}{LIST}{query}", headers={"Authorization": f"Bearer {key}"}, timeout=WAIT)
    assert reply.status_code == 200
    summaries: list[dict[str, Any]] = reply.json()["data"]
    return summaries


def events(reply: HTTPResponse) -> Iterator[tuple[str, Any]]:
    """The events of a stream, as they come."""
    name = ""
    for line in reply:
        if line.startswith(b"event: "):
            name = line[7:].decode().strip()
        elif line.startswith(b"data: "):
            yield name, json.loads(line[6:])


def follow(proxy: Proxy, trace_id: str) -> tuple[HTTPConnection, HTTPResponse]:
    connection = HTTPConnection(urlsplit(proxy.url).netloc, timeout=WAIT)
    connection.request("GET", f"{LIST}/{trace_id}/events")
    return connection, connection.getresponse()


@pytest.mark.parametrize("flags", [(), ("--server", "threads")])
@pytest.mark.parametrize("model", ["m", "bon-m"])
def test_a_running_request_is_followed_to_its_end_by_those_who_stay(
    flags: tuple[str, ...], model: str
) -> None:
    held = Held()
    with Stub(held.respond) as stub, serving("--base-url", stub.base_url, *flags) as proxy:
        replies: list[httpx2.Response] = []
        asking = Thread(target=lambda: replies.append(ask(proxy, model=model)))
        asking.start()
        assert held.came.wait(WAIT)
        [running] = listed(proxy, query="?status=running")
        leaving, left = follow(proxy, running["id"])
        staying, stayed = follow(proxy, running["id"])
        assert next(events(left))[1]["status"] == "running"
        left.close()
        leaving.close()
        following = events(stayed)
        name, document = next(following)
        assert (name, document["id"], document["status"]) == ("trace", running["id"], "running")
        held.go.set()
        *_, (_, ended), (last, _) = following
        assert (ended["status"], last) == ("ok", "end")
        staying.close()
        asking.join()
        assert replies[0].status_code == 200
        assert replies[0].headers["x-optillm-trace"] == running["id"]
        assert [each["status"] for each in listed(proxy)] == ["ok"]


@pytest.fixture(scope="module")
def own() -> Iterator[Proxy]:
    """A server without keys on the user's own machine."""
    with Stub(answered) as stub, serving("--base-url", stub.base_url) as proxy:
        yield proxy


def test_an_sdk_finds_the_trace_of_its_request(own: Proxy) -> None:
    with OpenAI(base_url=own.base_url, api_key="any", max_retries=0) as sdk:
        reply = sdk.chat.completions.with_raw_response.create(**body())
        trace_id = reply.headers["x-optillm-trace"]
        assert reply.parse().model_extra["optillm"]["trace_url"] == f"{own.url}/traces/{trace_id}"
        chunks = list(sdk.chat.completions.create(**body(), stream=True))
        streamed = chunks[-1].model_extra["optillm"]["trace_url"]
    for address, stream in ((f"{own.url}/traces/{trace_id}", False), (streamed, True)):
        document = httpx2.get(
            address, timeout=WAIT
        ).json()  # a program gets the document where people get the page
        assert (document["stream"], document["request"]["body"]["messages"]) == (stream, body()["messages"])
        shown = httpx2.get(address, headers={"Accept": "text/html"}, timeout=WAIT)
        assert shown.headers["Content-Type"] == "text/html; charset=utf-8"


def test_a_plain_reply_names_its_trace_and_is_the_upstreams_byte_for_byte(own: Proxy) -> None:
    reply = ask(own, model="m")
    assert b"trace" not in reply.content
    assert reply.headers["x-optillm-trace"] in [each["id"] for each in listed(own)]


def test_a_request_may_keep_out_of_the_store(own: Proxy) -> None:
    before = listed(own)
    for model in ("m", "bon-m"):
        reply = ask(own, model=model, optillm={"trace": False})
        assert "x-optillm-trace" not in reply.headers
        assert b"trace_url" not in reply.content
    assert listed(own) == before


def test_a_request_that_fails_names_its_trace() -> None:
    refusing = Stub(lambda call: call.json({"error": {"message": "no"}}, 400))
    with refusing as stub, serving("--base-url", stub.base_url) as proxy:
        reply = ask(proxy)
        [trace] = listed(proxy)
    assert (reply.status_code, reply.headers["x-optillm-trace"]) == (400, trace["id"])
    assert (trace["status"], trace["http_status"]) == ("failed", 400)


def test_a_trace_is_exported_and_deleted(own: Proxy) -> None:
    address = f"{own.url}{LIST}/{ask(own).headers['x-optillm-trace']}"
    assert httpx2.get(f"{address}?format=otlp", timeout=WAIT).json()["resourceSpans"]
    page = httpx2.get(f"{address}?format=html", timeout=WAIT)
    assert page.headers["Content-Disposition"].startswith("attachment; ")
    assert page.text.startswith("<!doctype html>")
    assert httpx2.delete(address, timeout=WAIT).json()["deleted"] is True
    for method in ("GET", "DELETE"):
        assert httpx2.request(method, address, timeout=WAIT).status_code == 404


def test_without_a_store_nothing_is_kept_or_named() -> None:
    with Stub(answered) as stub, serving("--base-url", stub.base_url, "--traces", "off") as proxy:
        assert "x-optillm-trace" not in ask(proxy).headers
        reply = httpx2.get(f"{proxy.url}{LIST}", timeout=WAIT)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "traces_off")


# With keys


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The flags for keys of two people and the operator's."""
    file: Path = tmp_path_factory.mktemp("keys") / "keys.toml"
    names = ("alice", "beth")
    file.write_text(
        "\n".join(f'[keys.{name}]\nkey = "sha256:{sha256(name.encode()).hexdigest()}"' for name in names)
    )
    file.chmod(0o600)
    return ("--keys", str(file), "--optillm-api-key", "operator")


@pytest.fixture(scope="module")
def shared(keys: tuple[str, ...]) -> Iterator[Proxy]:
    """A server of several people with two workers."""
    with Stub(answered) as stub, serving("--base-url", stub.base_url, "--workers", "2", *keys) as proxy:
        yield proxy


def sign_in(proxy: Proxy, key: str) -> dict[str, str]:
    """The headers of a browser that has signed in with this key."""
    form = urlencode({"key": key, "next": "/traces"})
    headers = {"Origin": proxy.url, "Content-Type": "application/x-www-form-urlencoded"}
    reply = httpx2.post(f"{proxy.url}/sign-in", content=form, headers=headers, timeout=WAIT)
    assert (reply.status_code, reply.headers["Location"]) == (303, "/traces")
    return {"Cookie": f"{COOKIE}={SimpleCookie(reply.headers['Set-Cookie'])[COOKIE].value}"}


def test_everybody_sees_their_own_traces_and_the_operator_all(shared: Proxy) -> None:
    ids = {key: ask(shared, key).headers["x-optillm-trace"] for key in ("alice", "beth", "operator")}

    def seen(key: str) -> set[str]:
        return {each["id"] for each in listed(shared, key)} & set(ids.values())

    # The other worker has them a moment after the replies, in their common file.
    expected = {key: {trace_id} for key, trace_id in ids.items()} | {"operator": set(ids.values())}
    assert eventually(lambda: {key: seen(key) for key in ids} == expected)
    address = f"{shared.url}{LIST}/{ids['alice']}"
    statuses = [
        httpx2.get(address, headers={"Authorization": f"Bearer {key}"}, timeout=WAIT).status_code
        for key in ("alice", "beth", "operator", "wrong")
    ]
    assert statuses == [200, 404, 200, 401]


def test_a_session_and_its_traces_outlive_the_worker_in_which_it_began(shared: Proxy) -> None:
    session, origin = sign_in(shared, "alice"), {"Origin": shared.url}
    asked = httpx2.post(
        f"{shared.base_url}/chat/completions", json=body(), headers=session | origin, timeout=WAIT
    )
    address = f"{shared.url}{LIST}/{asked.headers['x-optillm-trace']}"
    assert eventually(lambda: httpx2.get(address, headers=session, timeout=WAIT).status_code == 200)
    before = set(shared.workers)
    for pid in before:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: len(set(shared.workers) - before) == 2 and not before & set(shared.workers))
    assert httpx2.get(address, headers=session, timeout=WAIT).status_code == 200
    assert httpx2.get(f"{shared.url}/traces", headers=session | {"Accept": "text/html"}).status_code == 200


def test_a_forged_request_of_another_site_changes_nothing(shared: Proxy) -> None:
    session = sign_in(shared, "beth")
    address = f"{shared.url}{LIST}/{ask(shared, 'beth').headers['x-optillm-trace']}"
    for origin in ({}, {"Origin": "http://evil.test"}, {"Origin": "null"}):
        for method, path in (("DELETE", address), ("POST", f"{shared.base_url}/chat/completions")):
            reply = httpx2.request(method, path, json=body("m"), headers=session | origin, timeout=WAIT)
            assert reply.status_code == 403
    assert eventually(lambda: httpx2.get(address, headers=session, timeout=WAIT).status_code == 200)
    assert httpx2.delete(address, headers=session | {"Origin": shared.url}, timeout=WAIT).status_code == 200


def test_a_browser_without_a_session_is_led_to_sign_in(shared: Proxy) -> None:
    for path in ("/", "/traces", "/traces/trace_0", "/playground", "/techniques"):
        reply = httpx2.get(f"{shared.url}{path}", headers={"Accept": "text/html"}, timeout=WAIT)
        assert (reply.status_code, reply.headers["Location"]) == (
            303,
            f"/sign-in?next={path.replace('/', '%2F')}",
        )
        assert httpx2.get(f"{shared.url}{path}", timeout=WAIT).status_code == 401


@pytest.mark.parametrize(
    "target",
    [
        "/sign-in?next=%0d%0aX-Evil:%201",
        "/sign-in?next=/%0d%0aX-Evil:%201",
        "/sign-in?next=//evil.test",
        "/traces/%0d%0aX-Evil:%201",
    ],
)
def test_no_path_becomes_a_header_or_leads_to_another_site(own: Proxy, target: str) -> None:
    connection = HTTPConnection(urlsplit(own.url).netloc, timeout=WAIT)
    connection.request("GET", target, headers={"Accept": "text/html"})
    reply = connection.getresponse()
    assert reply.getheader("X-Evil") is None
    assert reply.getheader("Location", "/") == "/"
    connection.close()
