"""Two replicas behind nginx with the very configuration of `deploy/`, addresses aside."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx2
import pytest

from tests.e2e.proxy import ROOT, Proxy, serving
from tests.server.http.test_serve import eventually, refused
from tests.shared_store import redis_server
from tests.stub import Call, Stub, completion

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")]

WAIT = 30.0
SLOW = 8
KEY, RATED, RATE = "sk-of-alice", "sk-of-bob", 5  # bob may send so many requests per minute
BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass
class Upstream:
    """Answers at once; `slow` answers, and the rest of a stream, wait for `go`."""

    waiting: int = 0
    go: Event = field(default_factory=Event)

    def respond(self, call: Call) -> None:
        if call.sent.get("stream"):
            call.begin(content_type="text/event-stream")
            call.write(b'data: {"first": true}\n\n')
            assert self.go.wait(WAIT)
            return call.write(b'data: {"last": true}\n\ndata: [DONE]\n\n')
        if call.sent["model"] == "slow":
            self.waiting += 1
            assert self.go.wait(WAIT)
        return call.json(completion("hello"))


@dataclass
class Site:
    """What is running: `url` is nginx's."""

    url: str
    replicas: list[Proxy]
    upstream: Upstream

    @property
    def chat(self) -> str:
        return f"{self.url}/v1/chat/completions"

    def post(self, key: str = KEY, **changes: Any) -> int:
        """The status of a request over a connection of its own."""
        return httpx2.post(self.chat, json=BODY | changes, headers=bearer(key), timeout=WAIT).status_code


def bearer(key: str = KEY) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def keys_file(folder: Path) -> Path:
    """A key without limits, and one with a rate."""
    file = folder / "keys.toml"
    hashes = [sha256(key.encode()).hexdigest() for key in (KEY, RATED)]
    file.write_text(
        f'[keys.alice]\nkey = "sha256:{hashes[0]}"\n'
        f'[keys.bob]\nkey = "sha256:{hashes[1]}"\nrequests_per_minute = {RATE}\n'
    )
    file.chmod(0o600)
    return file


@contextmanager
def nginx(folder: Path, replicas: list[Proxy]) -> Iterator[str]:
    """nginx in front of the replicas, answering."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    changes = {
        f"optillm-{i + 1}:8000": replica.url.removeprefix("http://") for i, replica in enumerate(replicas)
    }
    changes["listen 8080"] = f"listen {address}"
    changes["/tmp/nginx.pid"] = str(folder / "pid")  # noqa: S108 - the one to replace
    changes["http {"] = "http {" + "".join(f" {name}_temp_path {folder / name};" for name in TEMPORARY)
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    for known, mine in changes.items():
        assert text.count(known) == 1
        text = text.replace(known, mine)
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen(  # noqa: S603
        ["nginx", "-p", str(folder), "-c", "nginx.conf", "-g", "daemon off;"],  # noqa: S607
        stderr=subprocess.DEVNULL,
    )
    try:
        assert eventually(lambda: not refused(port))
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(WAIT)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    upstream = Upstream()
    shared = ["--keys", str(keys_file(tmp_path)), "--trusted-proxies", "127.0.0.1"]
    with (
        redis_server(tmp_path) as redis,
        Stub(upstream.respond) as stub,
        serving("--base-url", stub.base_url, "--store", redis.url, *shared) as first,
        serving("--base-url", stub.base_url, "--store", redis.url, *shared) as second,
        nginx(tmp_path, [first, second]) as url,
    ):
        yield Site(url, [first, second], upstream)
        upstream.go.set()


def test_the_first_token_of_a_stream_does_not_wait_for_the_others(site: Site) -> None:
    body = BODY | {"stream": True}
    with httpx2.stream("POST", site.chat, json=body, headers=bearer(), timeout=WAIT) as response:
        lines = response.iter_lines()
        assert next(lines) == 'data: {"first": true}'
        site.upstream.go.set()  # only now the rest may come
        assert "data: [DONE]" in lines


def test_the_rate_of_a_key_is_that_of_both_replicas_together(site: Site) -> None:
    statuses = Counter(site.post(RATED) for _ in range(4 * RATE))
    assert statuses == {200: RATE, 429: 3 * RATE}
    assert all(replica.wait_for("status 200") for replica in site.replicas)  # nginx asked both
    assert site.post(KEY) == 200


def test_what_is_not_for_clients_and_what_is_too_large_stays_outside(site: Site) -> None:
    assert httpx2.get(f"{site.url}/metrics").status_code == 404
    response = httpx2.post(site.chat, content=b" " * (33 * 2**20), timeout=WAIT)
    assert response.status_code == 413
    assert response.json()["error"]["message"] == "The request body is too large"


def test_one_replica_is_enough_and_none_is_an_error_that_clients_can_read(site: Site) -> None:
    kill(site.replicas[0])
    assert [site.post() for _ in range(20)] == [200] * 20
    kill(site.replicas[1])
    response = httpx2.post(site.chat, json=BODY, headers=bearer(), timeout=WAIT)
    assert response.status_code == 502
    assert response.json()["error"]["type"] == "server_error"


def kill(replica: Proxy) -> None:
    """End a replica as a machine that loses power would."""
    parent = replica.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for pid in (parent, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    replica.process.wait(WAIT)


def test_no_request_is_lost_when_a_replica_is_stopped(site: Site) -> None:
    enough, statuses = Event(), list[int]()

    def keep_asking() -> None:
        with httpx2.Client(headers=bearer(), timeout=WAIT) as client:
            while not enough.is_set():
                statuses.append(client.post(site.chat, json=BODY).status_code)

    def ask_for_something_slow() -> None:
        statuses.append(site.post(model="slow"))

    asking = [Thread(target=keep_asking) for _ in range(4)]
    slow = [Thread(target=ask_for_something_slow) for _ in range(SLOW)]  # some at each replica
    for thread in (*asking, *slow):
        thread.start()
    assert eventually(lambda: site.upstream.waiting == SLOW)
    stopped = site.replicas[0].process
    stopped.terminate()
    assert eventually(lambda: refused(int(site.replicas[0].url.rsplit(":", 1)[1])))
    before = len(statuses)
    assert eventually(lambda: len(statuses) > before + 20)
    site.upstream.go.set()
    assert stopped.wait(WAIT) == 0
    enough.set()
    for thread in (*asking, *slow):
        thread.join(WAIT)
    assert set(statuses) == {200}
