"""`optillm traces`: list, show, export and delete, as somebody types it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from optillm import cli
from optillm.observe.traces.otlp import otlp
from tests.commands.fakes import TECHNIQUES, command, refusal
from tests.commands.traces.fakes import archive, traces
from tests.commands.traces.test_source import kept, own_logs
from tests.config.test_settings import bare_machine

__all__ = ["bare_machine", "own_logs"]  # fixtures that the tests here run under
BON = traces()[1]


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    cli.run(["traces", *argv], TECHNIQUES)
    return capsys.readouterr().out


def test_traces_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with archive() as (server, url):
        lines = printed(capsys, "--server", url, "--limit", "2").splitlines()
        assert [text.split()[0] for text in lines[1:3]] == ["trace_running", "trace_bon"]
        assert lines[-1] == "There are more than these 2: raise --limit, or filter with flags."
        flags = [
            "--technique",
            "bon",
            "--model",
            "m",
            "--status",
            "ok",
            "--slow",
            "2",
            "--since",
            "2h",
            "--text",
            "bags",
        ]
        printed(capsys, "list", *flags, "--server", url)
    query = server.queries[-1]
    assert float(query.pop("since")) > 1_700_000_000
    assert query == {
        "technique": "bon",
        "model": "m",
        "status": "ok",
        "min_seconds": "2.0",
        "q": "bags",
        "limit": "20",
    }


def test_the_server_of_the_settings_is_asked_with_its_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTILLM_API_KEY", "secret,other")
    with archive(key="secret") as (_, url):
        port = url.rpartition(":")[2]
        assert "trace_bon" in printed(capsys, "--port", port)
        assert "trace_bon" in printed(capsys, "--server", url)
        assert refusal("traces", "--server", url, "--key", "guess").startswith(
            "the server does not know this key"
        )
        Path("optillm.toml").write_text(f"port = {port}\n", encoding="utf-8")
        assert "trace_bon" in printed(capsys)


def test_the_newest_trace_is_shown_by_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    with archive(BON) as (_, url):
        text = printed(capsys, "show", "last", "--server", url)
        assert text == printed(capsys, "show", "trace_bon", "--server", url)
        assert "ANSWERS\n* 86" in text
        call = printed(capsys, "show", "last", "--call", "6", "--server", url)
        assert "I cannot decide" in call
        assert json.loads(printed(capsys, "show", "last", "--json", "--server", url)) == BON


def test_a_trace_is_exported_to_the_screen_or_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with archive(BON) as (_, url):
        assert json.loads(printed(capsys, "export", "trace_bon", "--server", url)) == BON
        exported = ("export", "trace_bon", "--format", "otlp", "--server", url)
        assert json.loads(printed(capsys, *exported)) == otlp(BON)
        assert printed(capsys, *exported, "-o", "trace.json") == ""
        assert json.loads(Path("trace.json").read_text(encoding="utf-8")) == otlp(BON)
        assert refusal("traces", *exported, "--output", "no/folder").startswith("cannot write no/folder: ")


def test_a_trace_is_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    with archive() as (server, url):
        assert printed(capsys, "delete", "trace_bon", "--server", url) == "Deleted trace_bon.\n"
        assert "trace_bon" not in server.kept


def test_without_a_server_the_file_of_the_settings_is_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with archive() as (_, url):
        port = url.rpartition(":")[2]
        keeping = ("--port", port, "--traces", str(tmp_path / "traces.sqlite3"))
        assert "trace_plain" in printed(capsys, *keeping)
    assert refusal("traces", *keeping).startswith(f"there is no {tmp_path / 'traces.sqlite3'} yet")
    kept(tmp_path / "traces.sqlite3")
    assert printed(capsys, *keeping).splitlines()[1].startswith("trace_1 ")
    assert refusal("traces", "--port", port).startswith("no server answers at")


def test_scripts_get_json(capsys: pytest.CaptureFixture[str]) -> None:
    with archive() as (_, url):
        assert json.loads(printed(capsys, "--json", "--server", url))[1]["id"] == "trace_bon"


def test_no_traces_are_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    with archive() as (server, url):
        server.kept.clear()
        assert printed(capsys, "--server", url) == "There are no traces yet.\n"
        assert printed(capsys, "--slow", "9", "--server", url) == "No trace matches.\n"
        assert refusal("traces", "show", "last", "--server", url) == "there are no traces yet"


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (("shwo", "x"), "unknown action shwo; did you mean `show`?"),
        (("frobnicate",), "unknown action frobnicate; there are list, show, export, delete"),
        (("show",), "name the trace: optillm traces show ID, or `last` for the newest"),
        (
            ("--since", "yesterday"),
            "--since is yesterday, which is neither an age like 30m, 2h or 7d nor a date",
        ),
        (("--slow", "much"), "argument --slow: invalid float value: 'much'"),
        (("--format", "xml"), "argument --format: invalid choice: 'xml'"),
        (("--port", "0"), "port is 0, so the server chose a free port: give its address with --server"),
        (("--server", "http://127.0.0.1:9"), "no server answers at http://127.0.0.1:9 ("),
    ],
)
def test_mistakes_are_told_in_one_line(argv: tuple[str, ...], line: str) -> None:
    assert refusal("traces", *argv).startswith(line)


@pytest.mark.parametrize("since", ["2026-11-30", "2026-11-30T12:00:00+00:00", "90s", "1.5h", "7d"])
def test_ages_and_dates_are_times(since: str, capsys: pytest.CaptureFixture[str]) -> None:
    with archive() as (server, url):
        printed(capsys, "--since", since, "--server", url)
    assert re.fullmatch(r"1\d{9}\.\d+", server.queries[-1]["since"])


def test_what_is_piped_has_no_escape_in_it() -> None:
    with archive(BON) as (_, url):
        ended = command("traces", "show", "last", "--server", url)
    assert ended.returncode == 0, ended.stderr
    assert "ROUND 1" in ended.stdout.upper()
    assert "\x1b" not in ended.stdout
