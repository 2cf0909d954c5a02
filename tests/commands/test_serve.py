"""Starting the server: what is said first, whose keys are used, and what ends the start."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from optillm.config.settings import Settings
from optillm.config.sources import SettingsError
from optillm.local.llama import Model
from optillm.server.http.listener import listen
from tests.commands.fakes import TWO, Launch, command, launch, refusal, started
from tests.config.test_settings import bare_machine
from tests.local.fakes import gguf

__all__ = ["bare_machine", "gguf", "launch"]  # fixtures that the tests here run under


def test_without_an_upstream_the_clients_key_goes_to_openai(
    launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    started(launch)
    first, second, third, fourth, *_ = caplog.messages
    assert first == "Starting server with approach: auto"
    assert second == "Server configuration: {'port': 0}; everything else is at its default"
    assert (
        third == "Upstream: openai at https://api.openai.com/v1; upstream key: passed through from the client"
    )
    assert fourth == "Client keys: none, every client is served"
    assert launch.demo_latency is None


def test_says_which_keys_are_active(
    launch: Launch, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    started(launch, "--optillm-api-key", "a,b")
    assert caplog.messages[2].endswith("upstream key: none")
    assert caplog.messages[3] == "Client keys: 2 configured"
    caplog.clear()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden")
    started(launch, "--base-url", "http://me:hidden@host/v1")
    assert caplog.messages[2] == "Upstream: openai at http://[set]@host/v1; upstream key: set"
    assert "hidden" not in caplog.text


def test_the_start_names_every_upstream_in_its_order(
    launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    Path("optillm.toml").write_text(TWO, encoding="utf-8")
    started(launch)
    assert caplog.messages[2:4] == [
        "Upstream main: openai at https://main/v1; upstream key: set",
        "Upstream spare: openai at http://[set]@spare/v1; upstream key: passed through from the client",
    ]
    assert "hidden" not in caplog.text


def test_the_demo_model_takes_the_place_of_several_upstreams(launch: Launch) -> None:
    Path("optillm.toml").write_text(TWO, encoding="utf-8")
    assert [upstream.name for upstream in started(launch, "--demo").upstreams()] == ["default"]


def test_warns_of_an_open_server_and_an_unchecked_certificate(
    launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    started(launch, "--host", "0.0.0.0", "--insecure", "--no-ssl-verify")  # noqa: S104
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


@pytest.mark.parametrize(
    ("choice", "said"), [("on", "Using the embedded"), ("auto", "No upstream configured: using the embedded")]
)
def test_the_demo_model_takes_the_place_of_the_upstream(
    choice: str, said: str, launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = started(launch, "--demo", choice, "--demo-latency", "0.5")
    assert settings.upstreams()[0].base_url == "http://127.0.0.1:1/v1"
    assert settings.model == "demo-small"
    assert launch.demo_latency == 0.5
    assert caplog.messages[2].startswith(f"{said} demo model (demo-small, demo-large)")


def test_no_key_of_a_vendor_reaches_the_demo_model(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "CEREBRAS_API_KEY"):
        monkeypatch.setenv(name, "sk-real")
    monkeypatch.setenv("OPTILLM_UPSTREAM_HEADERS", '{"x-key": "sk-real"}')
    settings = started(launch, "--demo", "--model", "demo-large")
    assert settings.upstreams()[0].key is None
    assert settings.upstream_headers == {}
    assert settings.model == "demo-large"


def test_automatic_demo_gives_way_to_a_configured_upstream(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTILLM_DEMO", "auto")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    assert started(launch).upstreams()[0].secret == "sk-real"
    assert launch.demo_latency is None


def test_the_application_is_made_only_when_the_server_asks_for_it(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Settings, bytes]] = []
    monkeypatch.setattr(
        "optillm.commands.serve.load_app",
        lambda settings, session_secret: made.append((settings, session_secret)),
    )
    settings = started(launch)
    assert made == []
    assert launch.load is not None
    launch.load(settings)
    launch.load(settings)
    assert made[0] == made[1]  # all workers know a session that one of them began
    assert made[0][0] is settings
    assert len(made[0][1]) == 32


def test_a_local_model_takes_the_place_of_the_upstream(
    launch: Launch, gguf: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://elsewhere/v1")
    monkeypatch.setenv("OPTILLM_DEMO", "auto")
    settings = started(launch, "--local", str(gguf))
    (upstream,) = settings.upstreams()
    assert (upstream.base_url, upstream.key) == ("http://127.0.0.1:2/v1", None)
    assert (settings.model, settings.demo) == ("tiny-1B.Q4", "off")
    assert launch.model == Model(gguf, "tiny-1B.Q4", 8, 4096)
    assert launch.demo_latency is None
    assert caplog.messages[0] == f"Loading {gguf}"
    assert (
        "Upstream: tiny-1B.Q4 behind llama-server at http://127.0.0.1:2/v1, 8 slots of 4096 tokens"
        in caplog.messages
    )
    assert "bon-tiny-1B.Q4" in caplog.messages[-2]


def test_a_local_model_has_the_name_slots_and_context_that_are_set(launch: Launch, gguf: Path) -> None:
    flags = ("--model", "mine", "--local-slots", "2", "--local-context", "512")
    assert started(launch, "--local", str(gguf), *flags).model == "mine"
    assert launch.model == Model(gguf, "mine", 2, 512)


@pytest.mark.parametrize("flags", [(), ("--demo",), ("--local", "tiny-1B.Q4.gguf")])
def test_settings_are_read_again_and_a_running_model_of_ours_is_kept(
    flags: tuple[str, ...], launch: Launch, gguf: Path
) -> None:
    Path("optillm.toml").write_text("n = 2", encoding="utf-8")
    first = started(launch, *flags)
    Path("optillm.toml").write_text("n = 3", encoding="utf-8")
    assert launch.reread is not None
    again = launch.reread()
    assert (first.n, again.n) == (2, 3)
    assert again.upstreams() == first.upstreams()
    assert (again.model, again.demo, again.local) == (first.model, first.demo, first.local)
    Path("optillm.toml").write_text("n = 0", encoding="utf-8")
    with pytest.raises(SettingsError):
        launch.reread()


def test_one_worker_keeps_traces_in_memory(launch: Launch) -> None:
    assert started(launch).traces == "memory"


def test_several_workers_share_a_private_file_of_traces_that_goes_with_the_server(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[Path] = []

    def announced(settings: Settings, *_: object, **__: object) -> None:
        folders.append(Path(settings.traces).parent)
        assert folders[0].stat().st_mode & 0o077 == 0

    monkeypatch.setattr("optillm.commands.serve.announce", announced)
    settings = started(launch, "--workers", "2")
    assert Path(settings.traces).parent == folders[0]
    assert not folders[0].exists()
    assert launch.reread is not None
    assert launch.reread().traces == settings.traces


@pytest.mark.parametrize("location", ["off", "traces.sqlite3"])
def test_several_workers_keep_traces_where_they_are_told_to(location: str, launch: Launch) -> None:
    settings = started(launch, "--workers", "2", "--traces", location)
    assert settings.traces == (location if location == "off" else str(Path(location).absolute()))


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        (["--port", "0", "--best-of-n", "3", "--timeout", "600"], "{'port': 0}"),  # the defaults, spelt out
        (["--port", "0", "--best-of-n", "5"], "{'port': 0, 'best_of_n': 5}"),
        (["--port", "0", "--optillm-api-key", "sk-hidden"], "{'port': 0, 'optillm_api_key': '[set]'}"),
        (
            ["--port", "0", "--base-url", "http://me:hidden@host/v1"],
            "{'port': 0, 'base_url': 'http://[set]@host/v1'}",
        ),
    ],
)
def test_the_configuration_is_what_differs_from_the_defaults(
    flags: list[str], shown: str, launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    started(launch, *flags)
    assert caplog.messages[1] == f"Server configuration: {shown}; everything else is at its default"


def test_serve_is_the_default_command_spelt_out(launch: Launch) -> None:
    assert started(launch, "serve", "--n", "3").n == 3
    assert started(launch, "--n", "4", "serve").n == 4
    assert started(launch, "--n", "5").n == 5


@pytest.mark.parametrize("flags", [(), ("--demo",), ("--workers", "2"), ("--otel",)])
def test_a_port_in_use_is_reported_before_anything_starts(flags: tuple[str, ...], launch: Launch) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        line = refusal("--port", str(port), *flags)
    assert line == (
        f"cannot listen on 127.0.0.1 port {port}: Address already in use; "
        "choose another port with --port (0: any free one) or another address with --host"
    )
    assert launch.settings is None
    assert launch.demo_latency is None


@pytest.mark.parametrize("host", ["no such host", "192.0.2.1", "no-such-host.invalid"])
def test_an_unusable_address_is_reported_in_one_line(host: str, launch: Launch) -> None:
    line = refusal("--host", host, "--insecure", "--port", "0")
    assert line.startswith(f"cannot listen on {host} port 0: ")
    assert "--host" in line
    assert launch.settings is None


def test_the_real_command_ends_with_that_line_and_a_failure() -> None:
    with listen("127.0.0.1", 0) as taken:
        ended = command("--demo", "--port", str(taken.getsockname()[1]))
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("optillm: cannot listen on 127.0.0.1 port ")
    assert "--port" in line
