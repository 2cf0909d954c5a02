"""Workers that end, are killed or replaced while clients send, and servers that start again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from operator import ge
from pathlib import Path
from threading import Event, Thread
from typing import Any

import certifi
import httpx2
import pytest
from openai import DefaultHttpxClient, OpenAI

from optillm.config.keys import new_key
from optillm.server.http.listener import listen
from tests.e2e.proxy import Proxy, serving
from tests.stub import Call, Stub, completion, delta

pytestmark = pytest.mark.slow

WAIT = 30.0
ASKED = {"messages": [{"role": "user", "content": "What is 2 + 2?"}]}


def agreeing(call: Call) -> None:
    if call.method == "GET":
        return call.json({"object": "list", "data": []})
    return call.json(completion(*["The answer is 4."] * call.sent.get("n", 1)))


def eventually(condition: Callable[[], bool]) -> bool:
    limit = time.monotonic() + WAIT
    while not condition() and time.monotonic() < limit:
        time.sleep(0.01)
    return condition()


class Load:
    """Clients that ask one question after the other through the SDK, which tries each twice."""

    def __init__(self, base_url: str, clients: int = 8) -> None:
        self.statuses: list[int] = []
        self.failures: list[Exception] = []
        self._stop = Event()
        self._answered = [0] * clients
        self._threads = [Thread(target=self._ask, args=(base_url, client)) for client in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self, requests: int = 5) -> bool:
        """Whether every client gets so many more answers: none of them is still at its second try."""
        enough = [answered + requests for answered in self._answered]
        return eventually(lambda: all(map(ge, self._answered, enough)))

    def _ask(self, base_url: str, client: int) -> None:
        def note(response: httpx2.Response) -> None:
            self.statuses.append(response.status_code)

        http = DefaultHttpxClient(event_hooks={"response": [note]})
        with OpenAI(base_url=base_url, api_key="x", max_retries=1, timeout=WAIT, http_client=http) as sdk:
            while not self._stop.is_set():
                try:
                    sdk.chat.completions.create(model="bon-m", **ASKED)  # type: ignore[call-overload]
                    self._answered[client] += 1
                except Exception as error:  # noqa: BLE001 - every failure is what this looks for
                    self.failures.append(error)


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with Stub(agreeing) as running:
        yield running


@pytest.mark.parametrize("model", ["m", "re2-m"])
def test_a_stream_goes_on_to_its_end_while_new_clients_are_refused(model: str) -> None:
    go = Event()

    def respond(call: Call) -> None:
        call.begin(content_type="text/event-stream")
        call.write(b"data: " + httpx2.Response(200, json=delta("four")).content + b"\n\n")
        go.wait(WAIT)
        call.write(b"data: " + httpx2.Response(200, json=delta(" it is", "stop")).content + b"\n\n")
        call.write(b"data: [DONE]\n\n")

    with Stub(respond) as stub, serving("--base-url", stub.base_url) as proxy:
        with OpenAI(base_url=proxy.base_url, api_key="x") as sdk:
            stream = sdk.chat.completions.create(model=model, stream=True, **ASKED)  # type: ignore[call-overload]
            texts = (chunk.choices[0].delta.content for chunk in stream if chunk.choices)
            assert next(text for text in texts if text) == "four"
            proxy.process.send_signal(signal.SIGTERM)
            assert eventually(lambda: refused(proxy))
            go.set()
            assert "".join(text or "" for text in texts) == " it is"
        assert proxy.process.wait(WAIT) == 0


def refused(proxy: Proxy) -> bool:
    try:
        httpx2.get(f"{proxy.url}/health")
    except httpx2.ConnectError:
        return True
    return False


def test_a_killed_worker_loses_only_its_own_requests() -> None:
    go = Event()

    def respond(call: Call) -> None:
        go.wait(WAIT)
        agreeing(call)

    outcomes: dict[str, list[object]] = {"lost": [], "kept": []}

    def ask(proxy: Proxy, fate: str) -> None:
        body = {"model": "re2-m", **ASKED}  # one call each
        try:
            reply = httpx2.post(f"{proxy.base_url}/chat/completions", json=body, timeout=2 * WAIT)
        except httpx2.TransportError as error:
            outcomes[fate].append(type(error))
        else:
            outcomes[fate].append(reply.status_code)

    with Stub(respond) as stub, serving("--base-url", stub.base_url, "--workers", "2") as proxy:
        assert eventually(lambda: len(proxy.workers) == 2)
        lost, kept = proxy.workers
        threads = []
        for worker, other, fate in ((lost, kept, "lost"), (kept, lost, "kept")):
            with stopped(other):
                threads += [Thread(target=ask, args=(proxy, fate)) for _ in range(3)]
                for thread in threads[-3:]:
                    thread.start()
                expected = len(stub.calls) + 3
                assert eventually(lambda expected=expected: len(stub.calls) >= expected), worker  # type: ignore[misc]
        os.kill(lost, signal.SIGKILL)
        assert eventually(lambda: len(outcomes["lost"]) == 3)
        assert eventually(lambda: len(proxy.workers) == 2 and lost not in proxy.workers)
        go.set()
        for thread in threads:
            thread.join()
        assert outcomes["kept"] == [200, 200, 200]
        assert 200 not in outcomes["lost"]
        with stopped(kept):  # the new one serves
            assert httpx2.get(f"{proxy.url}/health", timeout=WAIT).status_code == 200


@contextmanager
def stopped(worker: int) -> Iterator[None]:
    """While a worker can accept nothing."""
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def test_a_reload_under_load_fails_nobody_and_reads_the_settings_again(stub: Stub, tmp_path: Path) -> None:
    file = tmp_path / "optillm.toml"
    file.write_text('advertise = ["bon"]', encoding="utf-8")
    with serving("--base-url", stub.base_url, "--config", str(file)) as proxy, Load(proxy.base_url) as load:
        for technique in ("moa", "rto"):
            assert load.goes_on()
            former = set(proxy.workers)
            file.write_text(f'advertise = ["{technique}"]', encoding="utf-8")
            proxy.process.send_signal(signal.SIGHUP)
            assert proxy.wait_for("The settings have been read again")
            assert eventually(lambda former=former: former.isdisjoint(proxy.workers))  # type: ignore[misc]
            assert load.goes_on()
            names = [model["id"] for model in httpx2.get(f"{proxy.base_url}/models").json()["data"]]
            assert [name for name in names if "-gpt" in name] == [f"{technique}-gpt-4o-mini"]
        file.write_text("advertise = 1", encoding="utf-8")
        proxy.process.send_signal(signal.SIGHUP)
        assert proxy.wait_for("The settings stay as they were: ")
        assert load.goes_on()
    assert load.failures == []
    assert set(load.statuses) == {200}


def test_the_old_worker_serves_until_the_new_one_does(stub: Stub) -> None:
    with serving("--base-url", stub.base_url) as proxy:
        (former,) = proxy.workers
        proxy.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: len(proxy.workers) == 2)
        with stopped(max(proxy.workers, key=lambda worker: worker != former)):
            for _ in range(3):
                assert httpx2.get(f"{proxy.url}/health", timeout=WAIT).status_code == 200
        assert eventually(lambda: former not in proxy.workers)
        assert httpx2.get(f"{proxy.url}/health", timeout=WAIT).status_code == 200


def test_a_restart_on_a_socket_that_is_held_fails_nobody(stub: Stub) -> None:
    with listen("127.0.0.1", 0) as held:
        base_url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        with Load(base_url) as load:
            for _ in range(2):
                with serving("--base-url", stub.base_url, listener=held) as proxy:
                    assert proxy.base_url == base_url
                    assert load.goes_on()
            with serving("--base-url", stub.base_url, listener=held):
                assert load.goes_on()
                load.__exit__()
    assert load.failures == []
    assert set(load.statuses) == {200}


def test_a_worker_killed_under_load_fails_nobody_who_tries_twice(stub: Stub) -> None:
    with serving("--base-url", stub.base_url) as proxy, Load(proxy.base_url) as load:
        assert load.goes_on()
        os.kill(proxy.workers[0], signal.SIGKILL)
        assert load.goes_on()
    assert load.failures == []
    assert set(load.statuses) == {200}


def test_requests_that_outlive_the_grace_period_succeed_the_second_time(stub: Stub) -> None:
    with serving("--base-url", stub.base_url, "--grace", "0") as proxy, Load(proxy.base_url) as load:
        for _ in range(3):
            assert load.goes_on()
            former = set(proxy.workers)
            proxy.process.send_signal(signal.SIGHUP)
            assert eventually(lambda former=former: former.isdisjoint(proxy.workers))  # type: ignore[misc]
        assert load.goes_on()
    assert load.failures == []


def test_a_socket_that_is_open_to_more_than_the_settings_say_is_not_taken(stub: Stub) -> None:
    with (
        listen("0.0.0.0", 0) as held,  # noqa: S104 - that it is open is the point
        pytest.raises(AssertionError, match=r"listens on 0\.0\.0\.0: set --host to that"),
        serving("--base-url", stub.base_url, listener=held),
    ):
        pass


def test_a_socket_that_is_not_for_tcp_is_not_taken(stub: Stub, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(str(tmp_path / "socket"))
        held.listen()
        with (
            pytest.raises(AssertionError, match="not a TCP socket"),
            serving("--base-url", stub.base_url, listener=held),
        ):
            pass


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_technique_that_outlives_its_server_gives_the_best_it_has(
    ending: signal.Signals, stream: bool
) -> None:
    judged = Event()
    numbers = count()

    def respond(call: Call) -> None:
        if "ranking" in str(call.sent["messages"]):
            judged.set()
            return call.until_left()
        return call.json(completion(f"The answer is {next(numbers)}."))

    with Stub(respond) as silent, serving("--base-url", silent.base_url, "--grace", "0.2") as proxy:
        sdk = OpenAI(base_url=proxy.base_url, api_key="x", max_retries=0, timeout=WAIT)
        told: list[Any] = []

        def ask() -> None:
            reply: Any = sdk.chat.completions.create(model="bon-m", stream=stream, **ASKED)  # type: ignore[call-overload]
            told.extend(reply if stream else [reply])

        asking = Thread(target=ask)
        asking.start()
        assert judged.wait(WAIT)
        proxy.process.send_signal(ending)
        asking.join()
    assert told[-1].model_extra["optillm"]["stop_reason"] == "deadline"
    text = "".join(part.choices[0].delta.content or "" for part in told) if stream else None
    assert "The answer is" in (text or told[0].choices[0].message.content)


SOUND = {
    "ssl_cert_path": Path(certifi.where()).read_text(encoding="utf-8"),
    "prices": "[m]\ninput = 1.0\noutput = 1.0\n",
    "keys": new_key("alice")[1],
}


@pytest.mark.parametrize(
    ("setting", "content"),
    [
        ("ssl_cert_path", ""),
        ("ssl_cert_path", "-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"),
        ("ssl_cert_path", None),
        ("prices", "[m]\ninput = 'much'\n"),
        ("prices", None),
        ("keys", "[keys.alice"),
        ("keys", None),
        ("config", "port = "),
        ("config", None),
    ],
)
def test_a_file_that_is_broken_at_a_reload_changes_nothing(
    setting: str, content: str | None, stub: Stub, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text(SOUND.get(setting, ""), encoding="utf-8")
    with serving("--base-url", stub.base_url, f"--{setting.replace('_', '-')}", str(file)) as proxy:
        former = proxy.workers
        file.unlink() if content is None else file.write_text(content, encoding="utf-8")
        proxy.process.send_signal(signal.SIGHUP)
        assert proxy.wait_for("The settings stay as they were: ")
        assert proxy.workers == former
        assert not any("Traceback" in line for line in proxy.log)
        os.kill(former[0], signal.SIGKILL)  # the next worker has what was read before
        assert eventually(lambda: proxy.workers not in ([], former))
        assert httpx2.get(f"{proxy.url}/health", timeout=WAIT).status_code == 200


def test_a_certificate_that_cannot_be_read_is_a_line_at_the_start(stub: Stub, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate", encoding="utf-8")
    with (
        pytest.raises(AssertionError, match=r"ssl_cert_path: .*ca\.pem holds no readable certificate"),
        serving("--base-url", stub.base_url, "--ssl-cert-path", str(file)),
    ):
        pass


@pytest.mark.parametrize("fault", ["text", "truncated", "folder", "gone"])
def test_a_store_that_does_not_open_is_down_and_no_worker_fails_for_it(
    fault: str, stub: Stub, tmp_path: Path
) -> None:
    rated, spending = new_key("rated"), new_key("spending")
    keys, store = tmp_path / "keys.toml", tmp_path / "counters" / "counters.sqlite3"
    tables = (f"{rated[1]}\nrequests_per_minute = 1000\n", f"{spending[1]}\ntokens_per_day = 1000000\n")
    keys.write_text("".join(tables), encoding="utf-8")
    flags = ("--base-url", stub.base_url, "--keys", str(keys), "--store", str(store))

    def ask(key: str) -> int:
        return httpx2.post(
            f"{proxy.base_url}/chat/completions",
            json={"model": "m", **ASKED},
            headers={"Authorization": f"Bearer {key}"},
            timeout=WAIT,
        ).status_code

    with serving(*flags) as proxy:
        assert ask(rated[0]) == ask(spending[0]) == 200
        spoil(store, fault)
        former = proxy.workers
        os.kill(former[0], signal.SIGKILL)
        assert eventually(lambda: proxy.workers not in ([], former))
        assert ask(rated[0]) == 200
        assert ask(spending[0]) == 503
        assert proxy.wait_for("The store of counters does not work: ")
        store.parent.unlink() if fault == "gone" else shutil.rmtree(store.parent)
        assert eventually(lambda: ask(spending[0]) == 200)
        assert not any("cannot start" in line or "Traceback" in line for line in proxy.log)


def spoil(store: Path, fault: str) -> None:
    """Make a store one that does not open."""
    content = store.read_bytes()
    shutil.rmtree(store.parent)
    if fault == "gone":  # and nothing can be made in its place
        store.parent.write_text("", encoding="utf-8")
        return
    store.parent.mkdir()
    if fault == "folder":
        store.mkdir()
    else:
        store.write_bytes(content[:200] if fault == "truncated" else b"no database at all" * 100)


@pytest.mark.parametrize("fault", ["text", "truncated", "folder"])
def test_a_cache_that_does_not_open_costs_calls_and_nothing_else(
    fault: str, stub: Stub, tmp_path: Path
) -> None:
    cache = tmp_path / "replies" / "replies.sqlite3"
    with serving("--base-url", stub.base_url, "--cache", str(cache)) as proxy, Load(proxy.base_url) as load:
        assert load.goes_on(8)
        spoil(cache, fault)
        former = proxy.workers
        os.kill(former[0], signal.SIGKILL)
        assert eventually(lambda: proxy.workers not in ([], former))
        assert load.goes_on(8)
    assert load.failures == []
