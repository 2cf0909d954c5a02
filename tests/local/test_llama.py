"""Starting llama.cpp's server as a child process, its log, and its end."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from optillm.config.sources import SettingsError
from optillm.local import llama
from optillm.local.llama import LlamaServer, Model, launch
from tests.e2e.proxy import ROOT
from tests.local.fakes import gguf, on_path, put, serving_script

__all__ = ["gguf", "on_path"]  # fixtures that the tests here run under


def reply(server: LlamaServer, path: str) -> Any:
    with urlopen(f"{server.url}{path}", timeout=10) as response:  # noqa: S310 - our own loopback server
        return json.load(response)


def refusal(model: Model) -> str:
    with pytest.raises(SettingsError) as caught:
        launch(model)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_runs_while_its_block_lasts(on_path: Path, gguf: Path) -> None:
    with launch(Model(gguf, "tiny")) as server:
        assert server.base_url == f"{server.url}/v1"
        assert reply(server, "/props")
    with pytest.raises(URLError):
        reply(server, "/props")
    server.close()


def test_says_which_model_how_many_slots_and_the_context_of_all(on_path: Path, gguf: Path) -> None:
    with launch(Model(gguf, "tiny", slots=3, context=500)) as server:
        argv = reply(server, "/props")["argv"]
    assert dict(zip(argv[:12:2], argv[1:12:2], strict=True)) == {
        "--model": str(gguf),
        "--alias": "tiny",
        "--host": "127.0.0.1",
        "--port": server.url.rpartition(":")[2],
        "--parallel": "3",
        "--ctx-size": "1500",
    }
    assert argv[12:] == ["--jinja", "--metrics", "--slots"]


def test_a_path_is_that_of_the_caller_not_of_the_server(
    on_path: Path, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(gguf.parent)
    with launch(Model(Path(gguf.name), "tiny")) as server:
        assert reply(server, "/props")["argv"][1] == str(gguf)


def test_waits_until_the_model_is_loaded(on_path: Path, gguf: Path) -> None:
    put(on_path, serving_script(503, 503))
    with launch(Model(gguf, "tiny")) as server:
        assert reply(server, "/health")  # a third 503 would be an error here


def test_a_model_that_does_not_load_in_time_is_given_up(
    on_path: Path, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama, "LOAD_TIMEOUT", 0.0)
    put(on_path, "import time\ntime.sleep(60)")
    assert refusal(Model(gguf, "tiny")) == "local: llama-server has not loaded the model within 0 seconds"


def test_a_server_that_does_not_start_is_quoted(
    on_path: Path, gguf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    put(on_path, "import sys\nprint('loading')\nprint()\nsys.exit('no such tensor')")
    assert refusal(Model(gguf, "tiny")) in (
        "local: llama-server did not start (status 1): loading / no such tensor",
        "local: llama-server did not start (status 1): no such tensor / loading",  # one of them is buffered
    )
    assert caplog.messages == []


def test_a_server_that_says_nothing_is_named_by_the_signal_that_ended_it(on_path: Path, gguf: Path) -> None:
    put(on_path, "import os\nos.kill(os.getpid(), 4)")
    assert refusal(Model(gguf, "tiny")) == "local: llama-server did not start (SIGILL): it printed nothing"


def test_a_server_that_cannot_be_executed_is_named(on_path: Path, gguf: Path) -> None:
    path = put(on_path, "", interpreter="/no/such/interpreter")
    assert refusal(Model(gguf, "tiny")) == (
        f"local: llama-server did not start (status 1): {path}: No such file or directory"
    )


def test_without_a_server_both_ways_to_get_one_are_named(
    tmp_path: Path, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(llama, "INSTALLED", Path(tmp_path, "none"))
    assert refusal(Model(gguf, "tiny")) == (
        "local: there is no llama-server on PATH: install llama.cpp, "
        "or run `make real` in a checkout of optillm"
    )


def test_what_make_real_installs_is_used_where_path_has_none(
    tmp_path: Path, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    script = "import sys\nassert sys.argv[1] == '-I'\ndel sys.argv[1:3]\n" + serving_script()
    python = put(tmp_path / ".real" / "bin", script, name="python")
    monkeypatch.setattr(llama, "INSTALLED", python)
    with launch(Model(gguf, "tiny")) as server:
        assert reply(server, "/props")["argv"][:2] == ["--model", str(gguf)]


def test_the_end_of_a_running_server_is_logged(on_path: Path, gguf: Path) -> None:
    errors, ended = list[str](), threading.Event()

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            errors.append(record.getMessage())
            ended.set()

    watch = Watch(logging.ERROR)
    llama.log.addHandler(watch)
    try:
        with launch(Model(gguf, "tiny")) as server:
            os.kill(server.pid, signal.SIGKILL)
            assert ended.wait(60)
    finally:
        llama.log.removeHandler(watch)
    (line,) = errors
    assert line.startswith("llama-server has ended: it says something")


def test_an_end_that_is_wanted_is_not_logged_and_every_line_is_at_debug(
    on_path: Path, gguf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "optillm.local.llama")
    with launch(Model(gguf, "tiny")) as server:
        pass
    with launch(Model(gguf, "tiny")) as server:
        server.kill()
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert {level for level, _ in lines} == {"DEBUG"}
    assert lines.count(("DEBUG", "llama-server: it says something")) == 2


def test_a_server_that_does_not_end_is_killed(
    on_path: Path, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama, "STOP_TIMEOUT", 0.1)
    put(on_path, "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + serving_script())
    with launch(Model(gguf, "tiny")) as server:
        pass
    assert not Path(f"/proc/{server.pid}").exists()


def test_a_server_can_be_started_again_on_the_same_port(on_path: Path, gguf: Path) -> None:
    model = Model(gguf, "tiny")
    with launch(model) as first:
        port = int(first.url.rpartition(":")[2])
        first.kill()
        with launch(model, port) as second:
            assert second.url == first.url
            assert reply(second, "/props")


def test_dies_with_a_parent_that_was_killed(on_path: Path, gguf: Path) -> None:
    script = (
        "import pathlib, sys\nfrom optillm.local.llama import Model, launch\n"
        "print(launch(Model(pathlib.Path(sys.argv[1]), 'm')).url, flush=True)\ninput()"
    )
    command = [sys.executable, "-c", script, str(gguf)]
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline().rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
            parent.kill()
            with suppress(ConnectionResetError):  # how it looks depends on whether it had accepted
                assert line.recv(1) == b""  # the child hangs up: it is gone


def test_a_parent_that_is_gone_already_has_nothing_started_for_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "optillm.local.child", "1", "/bin/echo", "started"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    assert (ended.stdout, ended.stderr) == ("", "")
