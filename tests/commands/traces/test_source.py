"""Where traces are read: what is asked of a server, and what its refusals become."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optillm.commands.traces.source import File, NoServer, Server, address
from optillm.config.settings import Settings
from optillm.config.sources import SettingsError
from optillm.observe.traces.database import DatabaseTraces
from optillm.observe.traces.recording import Recording
from tests.commands.fakes import command
from tests.commands.traces.fakes import archive, traces
from tests.config.test_settings import bare_machine
from tests.fakes import World
from tests.stub import Call, Stub

__all__ = ["bare_machine"]  # fixtures that the tests here run under


@pytest.fixture(autouse=True)
def own_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command sets up for a process of its own is left out here."""
    monkeypatch.setattr("optillm.logs.configure", lambda *_: None)


def refusal(work: Callable[[], Any]) -> str:
    with pytest.raises(SettingsError) as caught:
        work()
    words = str(caught.value)
    assert words.isprintable()
    return words


def test_a_list_has_the_filters_by_the_names_of_the_api() -> None:
    with archive() as (kept, url):
        page = Server(url, None).page({"technique": "bon", "least_seconds": 2.5, "text": "bags"}, 3)
    assert kept.queries == [{"technique": "bon", "min_seconds": "2.5", "q": "bags", "limit": "3"}]
    assert [each["id"] for each in page.data] == ["trace_running", "trace_bon", "trace_mcts"]
    assert page.more


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/"])
def test_an_address_may_end_as_a_client_would_write_it(end: str) -> None:
    with archive() as (_, url):
        assert Server(url + end, None).document("trace_bon")["technique"] == "bon(n=4)"


def test_a_trace_is_deleted_once() -> None:
    with archive() as (kept, url):
        Server(url, None).delete("trace_bon")
        assert "trace_bon" not in kept.kept
        assert refusal(lambda: Server(url, None).delete("trace_bon")) == "There is no trace trace_bon"


def test_a_key_is_sent_and_a_missing_or_wrong_one_is_told_in_a_line() -> None:
    with archive(key="secret") as (_, url):
        assert Server(url, "secret").document("trace_bon")
        end = ": set OPTILLM_API_KEY, or give --key"
        assert refusal(lambda: Server(url, None).page({}, 1)) == f"the server requires a key{end}"
        assert refusal(lambda: Server(url, "guess").page({}, 1)) == f"the server does not know this key{end}"


def test_an_id_cannot_lead_to_another_path() -> None:
    with archive() as (_, url):
        assert refusal(lambda: Server(url, None).document("../models?x=1")).startswith("There is no trace")


@pytest.mark.parametrize(
    "answer",
    [
        lambda call: call.raw(b"<html>hello</html>", content_type="text/html"),
        lambda call: call.json([1, 2]),
    ],
    ids=["HTML", "a list"],
)
def test_something_else_that_answers_is_named(answer: Callable[[Call], None]) -> None:
    with Stub(answer) as stub:
        words = refusal(lambda: Server(stub.base_url, None).page({}, 1))
    assert words.startswith("what answers at http://127.0.0.1:")
    assert words.endswith("is not an optillm server")


def test_a_refusal_is_told_in_the_servers_words_on_one_line() -> None:
    error = {"error": {"message": "This server keeps no traces:\n start it with --traces \x1b[1mmemory"}}
    with Stub(lambda call: call.json(error, 404)) as stub:
        words = refusal(lambda: Server(stub.base_url, None).page({}, 1))
    assert words == "This server keeps no traces: start it with --traces \\x1b[1mmemory"
    with Stub(lambda call: call.json({"error": "busy"}, 503)) as stub:
        assert (
            refusal(lambda: Server(stub.base_url, None).page({}, 1)) == "the server replied with status 503"
        )


def test_where_no_server_is_the_line_says_so() -> None:
    with Stub(lambda call: None) as stub:
        url = stub.base_url
    with pytest.raises(
        NoServer, match=r"^no server answers at http://127\.0\.0\.1:\d+ \(.+\): give another one"
    ):
        Server(url, None).page({}, 1)
    with pytest.raises(NoServer, match=r"^no server answers at "):
        Server("no address", None).page({}, 1)


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with archive(*traces()) as (_, url):
        assert Server(url, None).page({}, 1).data


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8100"),
        ("0.0.0.0", "http://127.0.0.1:8100"),  # noqa: S104
        ("::", "http://[::1]:8100"),
        ("proxy.lan", "http://proxy.lan:8100"),
    ],
)
def test_the_address_is_where_a_server_of_these_settings_can_be_reached(host: str, url: str) -> None:
    assert address(Settings(host=host, port=8100, insecure=True)) == url


def test_a_port_that_only_the_server_knows_has_to_be_named() -> None:
    assert refusal(lambda: address(Settings(port=0))).endswith("give its address with --server")


# The file


def kept(path: Path) -> Settings:
    """Settings that keep traces in this file, and one trace in it."""
    settings = Settings(traces=str(path), port=1)
    world = World(lambda sent: "The answer is 4.")
    store = DatabaseTraces(path, 2**20, 36_500, content=True)
    recording = recording_of(world)
    store.begin(recording)
    store.end(recording)
    store.close()
    return settings


def recording_of(world: World) -> Recording:
    world.complete("bon-m", "2 + 2?")
    record = world.records[-1]
    assert record.trace is not None
    return Recording(
        id="trace_1",
        request_id="r",
        endpoint=record.endpoint,
        client="alice",
        technique=record.technique,
        model=record.model,
        stream=False,
        body=b'{"messages": [{"role": "user", "content": "2 + 2?"}]}',
        created=record.started,
        clock=record.trace.clock,
        started=0.0,
        trace=record.trace,
        record=record,
    )


def test_a_file_is_read_as_a_server_would(tmp_path: Path) -> None:
    source = File(kept(tmp_path / "traces.sqlite3"))
    page = source.page({"technique": "bon", "text": "2 + 2"}, 10)
    assert ([each["id"] for each in page.data], page.more) == (["trace_1"], False)
    assert source.page({"technique": "moa"}, 10).data == []
    assert source.document("trace_1")["request"]["question"] == "2 + 2?"
    source.delete("trace_1")
    assert source.page({}, 10).data == []
    line = f"there is no trace trace_1 in {tmp_path / 'traces.sqlite3'}"
    assert refusal(lambda: source.document("trace_1")) == refusal(lambda: source.delete("trace_1")) == line


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "traces.sqlite3"
    assert refusal(lambda: File(Settings(traces=str(path))).page({}, 1)).startswith(
        f"there is no {path} yet: "
    )
    assert not path.exists()


def test_a_file_that_is_no_database_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "traces.sqlite3"
    path.write_bytes(b"this is no database" * 100)
    ended = command("traces", "--traces", str(path), "--port", "9")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"optillm: {path} cannot be read: file is not a database\n"
