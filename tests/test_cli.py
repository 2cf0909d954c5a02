"""The command line: flags, help, mistakes, and how the parts are put together."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pydantic import Field

from optillm import cli, tables
from optillm.config import Settings, settings_model
from optillm.sources import SettingsError, catalogue
from optillm.technique import Answer, BaseOptions, Context, Cost
from optillm.techniques import Technique, registry
from tests.test_config import bare_machine

__all__ = ["bare_machine"]  # the fixture that every test here runs under

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "configuration.md"


class Options(BaseOptions):
    n: int = Field(3, ge=2, le=32, description="candidates", json_schema_extra={"flag": "best_of_n"})
    models: int | list[str] = Field(4, description="how many, or which, 100% of them")
    prevote: bool = Field(True, description="skip judging when all agree")

    def worst_case(self, choices: int) -> Cost:
        return Cost(self.n, 1)


async def never_run(ctx: Context, options: Any) -> Answer:
    raise NotImplementedError


BON = Technique(
    "bon", "Best-of-N", "keeps the best.", "P", "https://arxiv.org/abs/1", "2", "n + n", Options, never_run
)
TECHNIQUES = {"bon": BON}


@dataclass
class Launch:
    """What the server was started with."""

    settings: Settings | None = None
    load: Callable[[Settings], Any] | None = None
    reread: Callable[[], Settings] | None = None
    demo_latency: float | None = None


@pytest.fixture
def launch(monkeypatch: pytest.MonkeyPatch) -> Launch:
    """A server and a demo model that only note that they were started."""
    seen = Launch()

    def serve(settings: Settings, load: Callable[[Settings], Any], reread: Callable[[], Settings]) -> None:
        seen.settings, seen.load, seen.reread = settings, load, reread

    @contextmanager
    def demo(*, latency: float) -> Iterator[Any]:
        seen.demo_latency = latency
        fake = ModuleType("running")
        fake.base_url = "http://127.0.0.1:1/v1"  # type: ignore[attr-defined]
        yield fake

    server = ModuleType("optillm.server.serve")
    server.serve = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "optillm.server.serve", server)
    monkeypatch.setattr("optillm.demo.launch", demo, raising=False)
    monkeypatch.setattr("optillm.logs.configure", lambda *_: None)
    return seen


def started(launch: Launch, *argv: str) -> Settings:
    cli.run(argv, TECHNIQUES)
    assert launch.settings is not None
    return launch.settings


def refusal(*argv: str) -> str:
    with pytest.raises(SettingsError) as caught:
        cli.run(argv, TECHNIQUES)
    line = str(caught.value)
    assert "\n" not in line
    return line


def command(*argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables}
    arguments = [sys.executable, "-m", "optillm", *argv]
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60)  # noqa: S603


# Flags


@pytest.mark.parametrize("argv", [("--best-of-n", "7"), ("--best_of_n=7",), ("--bon-n", "7"), ("--bon_n=7",)])
def test_flags_take_dashes_and_underscores_and_either_name(argv: tuple[str, ...], launch: Launch) -> None:
    assert started(launch, *argv).technique_options("bon")["n"] == 7


def test_only_the_name_of_a_flag_loses_its_underscores(launch: Launch) -> None:
    assert started(launch, "--model=my_model").model == "my_model"


def test_switches_can_be_turned_off(launch: Launch) -> None:
    settings = started(launch, "--no-ssl-verify", "--no_bon_prevote", "--insecure")
    assert (settings.ssl_verify, settings.insecure) == (False, True)
    assert settings.technique_options("bon")["prevote"] is False


def test_a_list_is_given_with_commas_or_by_repeating_its_flag(launch: Launch) -> None:
    settings = started(launch, "--optillm-api-key", "a", "--optillm-api-key", "b", "--bon-models", "x,y")
    assert len(settings.optillm_api_key) == 2
    assert settings.technique_options("bon")["models"] == ["x", "y"]


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (("--aproach", "bon"), "unknown flag --aproach; did you mean `--approach`?"),
        (("--appr", "bon"), "unknown flag --appr; did you mean `--approach`?"),
        (("--no-insecur",), "unknown flag --no-insecur; did you mean `--no-insecure`?"),
        (("--openai-api-key=hidden",), "unknown flag --openai-api-key; did you mean `--optillm-api-key`?"),
        (("tehniques",), "unknown command tehniques; did you mean `techniques`?"),
        (("docter",), "unknown command docter; did you mean `doctor`?"),
        (("techniques", "--json"), "--json is a flag of optillm doctor"),
        (("key",), "say whose key it is: optillm key NAME"),
        (("key", "a b"), "'a b' is no name for a key: use up to 64 letters, digits and . _ @ + - of ASCII"),
        (("key", "alice", "settings"), "one command at a time, not key and settings"),
        (("settings", "techniques"), "one command at a time, not settings and techniques"),
        (("--port",), "argument --port: expected one argument"),
        (("--port", "x"), "--port is x, which is not an integer from 0 to 65535"),
        (("--demo", "maybe"), "--demo is maybe, which is not one of off, auto, on"),
    ],
)
def test_refuses_mistakes_in_one_line(argv: tuple[str, ...], line: str) -> None:
    assert refusal(*argv) == line


def test_refuses_an_approach_that_is_no_technique() -> None:
    assert refusal("--approach", "bom").startswith("approach: unknown technique expression 'bom'")


def test_accepts_an_expression_as_approach(launch: Launch) -> None:
    assert started(launch, "--approach", "bon(n=4)|none").approach == "bon(n=4)|none"


# Help and tables


def test_help_is_grouped_and_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.run(["--help"], TECHNIQUES)
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    places = [
        printed.index(f"\n{title}:") for title in ("Server", "Upstream", "Techniques", "Best-of-N (bon)")
    ]
    assert places == sorted(places)
    for flag in ("--optillm-api-key LIST", "--insecure, --no-insecure", "--best-of-n N, --bon-n N"):
        assert flag in printed
    assert "Only in the environment or the file: OPENAI_API_KEY" in printed


def test_help_shows_no_secret(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OPTILLM_API_KEY", "sk-hidden")
    with pytest.raises(SystemExit):
        cli.run(["--help"], TECHNIQUES)
    assert "hidden" not in capsys.readouterr().out


def test_techniques_are_listed_with_their_cost(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["techniques"], TECHNIQUES)
    assert capsys.readouterr().out.splitlines() == [
        "SLUG           TECHNIQUE",
        "bon            Best-of-N: keeps the best.",
        "      rounds   2",
        "      calls    n + n",
        "      options  best_of_n=3, bon_models=4, bon_prevote=true",
    ]


def test_settings_show_what_would_hold_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden")
    cli.run(["settings", "--port", "1234"], TECHNIQUES)
    rows = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines() if not line.startswith(" "))
    assert rows["port"] == "1234"
    assert rows["openai_api_key"] == "[set]"


def test_tables_wrap_their_last_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert tables.columns([["key", "word " * 10]]).count("\n     word") == 1


def test_a_document_without_a_place_for_the_table_is_refused() -> None:
    Path("document.md").write_text("nothing here", encoding="utf-8")
    assert refusal("settings", "--markdown", "document.md").startswith("the file has no place for the table")


def test_markdown_goes_between_the_markers_and_nowhere_else() -> None:
    begin, end = (
        "<!-- techniques: made by `optillm techniques --markdown FILE` -->",
        "<!-- end of techniques -->",
    )
    Path("document.md").write_text(f"before\n{begin}\nold\n{end}\nafter", encoding="utf-8")
    cli.run(["techniques", "--markdown", "document.md"], TECHNIQUES)
    written = Path("document.md").read_text(encoding="utf-8")
    assert written.startswith(f"before\n{begin}\n\n| Slug |")
    assert written.endswith(f"\n\n{end}\nafter")
    assert "old" not in written


def test_the_documentation_is_up_to_date() -> None:
    techniques = registry()
    model = settings_model({slug: technique.Options for slug, technique in techniques.items()})
    document = DOCUMENT.read_text(encoding="utf-8")
    renewed = tables.renewed(document, "settings", tables.settings_markdown(model, techniques))
    assert document == renewed, "run: optillm settings --markdown docs/configuration.md"


# Starting


def test_without_an_upstream_the_clients_key_goes_to_openai(
    launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = started(launch)
    first, second, third, fourth = caplog.messages
    assert first == "Starting server with approach: auto"
    assert second == f"Server configuration: {settings.public()}"
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


TWO = """
[[upstream]]
name = "spare"
base_url = "http://me:hidden@spare/v1"
order = 1
[[upstream]]
name = "main"
base_url = "https://main/v1"
key = "hidden"
"""


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


def test_the_doctor_examines_the_upstream_it_is_told_to() -> None:
    Path("optillm.toml").write_text(TWO, encoding="utf-8")
    assert refusal("doctor", "--upstream", "mian") == "unknown upstream mian; did you mean `main`?"
    assert refusal("settings", "--upstream", "main") == "--upstream is a flag of optillm doctor"


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
    made: list[Settings] = []
    monkeypatch.setattr(cli, "load_app", lambda settings, files: made.append(settings))
    settings = started(launch)
    assert made == []
    assert launch.load is not None
    launch.load(settings)
    assert made == [settings]


@pytest.mark.parametrize("flags", [(), ("--demo",)])
def test_settings_are_read_again_and_a_running_demo_model_is_kept(
    flags: tuple[str, ...], launch: Launch
) -> None:
    Path("optillm.toml").write_text("n = 2", encoding="utf-8")
    first = started(launch, *flags)
    Path("optillm.toml").write_text("n = 3", encoding="utf-8")
    assert launch.reread is not None
    again = launch.reread()
    assert (first.n, again.n) == (2, 3)
    assert again.upstreams() == first.upstreams()
    Path("optillm.toml").write_text("n = 0", encoding="utf-8")
    with pytest.raises(SettingsError):
        launch.reread()


# The real command


def test_a_mistake_is_one_line_and_exit_code_two() -> None:
    ended = command("--prot", "1")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "optillm: unknown flag --prot; did you mean `--port`?\n"


def test_a_wrong_variable_and_a_wrong_file_end_the_same_way() -> None:
    ended = command(OPTILLM_WORKERS="many")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    Path("optillm.toml").write_text("prot = 1", encoding="utf-8")
    ended = command()
    assert ended.returncode == 2
    assert ended.stderr == "optillm: unknown setting `prot` in optillm.toml; did you mean `port`?\n"


def test_every_shipped_technique_has_a_group_of_flags() -> None:
    printed = command("--help", COLUMNS="200").stdout
    assert all(f"{technique.name} ({slug}):" in printed for slug, technique in registry().items())


def test_flags_of_the_original_still_work() -> None:
    model = settings_model({slug: technique.Options for slug, technique in registry().items()})
    known = {flag for setting in catalogue(model).values() for flag in setting.flags}
    assert known >= {
        "--approach",
        "--model",
        "--base-url",
        "--best-of-n",
        "--simulations",
        "--exploration",
        "--depth",
        "--rstar-max-depth",
        "--rstar-num-rollouts",
        "--rstar-c",
        "--n",
        "--return-full-response",
        "--host",
        "--port",
        "--optillm-api-key",
        "--log",
    }


def test_the_command_line_starts_light() -> None:
    heavy = ("flask", "openai", "numpy", "networkx", "aiohttp", "z3", "sympy")
    program = f"import sys, optillm.cli; print([name for name in {heavy} if name in sys.modules])"
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.stdout, ended.stderr) == ("[]\n", "")


def test_the_doctor_hides_secrets_in_what_libraries_say(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, tuple[str, ...]]] = []

    async def examine(settings: Settings, **_: Any) -> Any:
        return SimpleNamespace(table=str, usable=True)

    monkeypatch.setattr("optillm.doctor.examine", examine)
    monkeypatch.setattr("optillm.logs.configure", lambda level, secrets: told.append((level, tuple(secrets))))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden")
    cli.run(["doctor"], TECHNIQUES)
    assert told == [("warning", ("sk-hidden",))]
