"""The command line: flags, help, mistakes, and how the parts are put together."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import Field

from optillm import cli
from optillm.commands import discovered
from optillm.config.settings import settings_model
from optillm.config.sources import setting_specs
from optillm.technique import BaseOptions, Cost
from optillm.techniques import registry
from tests.commands.fakes import TECHNIQUES, Launch, command, launch, refusal, started
from tests.config.test_settings import bare_machine

__all__ = ["bare_machine", "launch"]  # fixtures that the tests here run under

ROOT = Path(__file__).parent.parent


# Flags


@pytest.mark.parametrize("argv", [("--best-of-n", "7"), ("--best_of_n=7",), ("--bon-n", "7"), ("--bon_n=7",)])
def test_flags_take_dashes_and_underscores_and_either_name(argv: tuple[str, ...], launch: Launch) -> None:
    assert started(launch, *argv).technique_options("bon")["n"] == 7


def test_only_the_name_of_a_flag_loses_its_underscores(launch: Launch) -> None:
    assert started(launch, "--model=my_model").model == "my_model"


def test_a_flags_value_may_be_a_commands_name(launch: Launch) -> None:
    assert started(launch, "--model", "doctor").model == "doctor"
    assert started(launch, "--model", "doctor", "serve").model == "doctor"


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
        (("frobnicate",), "unknown command frobnicate; `optillm --help` lists all"),
        (("--xyz",), "unknown flag --xyz; `optillm --help` lists all"),
        (("techniques", "--json"), "--json works only with optillm doctor, eval, traces and usage"),
        (("techniques", "--markdwn"), "unknown flag --markdwn; did you mean `--markdown`?"),
        (("--n", "4", "frobnicate"), "unknown command frobnicate; `optillm --help` lists all"),
        (("--upstream", "doctor", "settings"), "--upstream works only with optillm doctor"),
        (("--json", "--n", "4"), "--json works only with optillm doctor, eval, traces and usage"),
        (("key",), "name the owner of the key: optillm key NAME"),
        (("key", "a b"), "'a b' is not a valid key name: use up to 64 ASCII letters, digits and . _ @ + -"),
        (("key", "alice", "settings"), "give one command at a time, not both key and settings"),
        (("settings", "techniques"), "give one command at a time, not both settings and techniques"),
        (("--port",), "argument --port: expected one argument"),
        (("--port", "x"), "--port is x, which is not an integer from 0 to 65535"),
        (("--demo", "maybe"), "--demo is maybe, which is not one of off, auto, on"),
    ],
)
def test_refuses_mistakes_in_one_line(argv: tuple[str, ...], line: str) -> None:
    assert refusal(*argv) == line


def test_a_command_is_no_value_of_demo(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["--demo", "settings"], TECHNIQUES)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("demo ")]
    assert line.split()[1] == "on"


def test_refuses_an_approach_that_is_no_technique() -> None:
    assert refusal("--approach", "bom").startswith("approach: unknown technique expression 'bom'")


def test_accepts_an_expression_as_approach(launch: Launch) -> None:
    assert started(launch, "--approach", "bon(n=4)|none").approach == "bon(n=4)|none"


# Help


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


def helped(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    with pytest.raises(SystemExit) as ended:
        cli.run(argv, TECHNIQUES)
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_help_begins_with_all_commands_and_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    listed = helped(capsys, "--help").split("\n\n")[0].splitlines()
    assert listed[0].split(None, 1)[1].startswith("optillm [serve] [flags]")
    commands = discovered()
    assert len(listed) == len(commands) == 8
    for each in commands.values():
        (line,) = [line for line in listed if f" {each.usage} " in line]
        assert line.endswith(f"  {each.summary}")


@pytest.mark.parametrize(
    "argv", [("doctor", "--help"), ("--help", "doctor"), ("--port", "1", "doctor", "-h")]
)
def test_a_command_has_a_help_of_its_own(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    printed = helped(capsys, *argv)
    assert printed.startswith("usage: optillm doctor [flags]\n\nCheck what the upstream supports")
    for flag in ("--json", "--place-instructions", "--best-of-n N"):
        assert flag in printed
    assert "create a client key" not in printed


def test_a_command_that_reads_no_settings_has_no_flags_for_them(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("key", "techniques"):
        assert "--port" not in helped(capsys, name, "--help")
        assert refusal(name, "--port", "1") == (
            "--port works only with optillm doctor, eval, serve, settings, traces and usage"
        )


def test_help_shows_no_secret(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OPTILLM_API_KEY", "sk-hidden")
    with pytest.raises(SystemExit):
        cli.run(["--help"], TECHNIQUES)
    assert "hidden" not in capsys.readouterr().out


# Plugins


def test_lines_about_skipped_plugins_are_on_stderr_once(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["techniques"], TECHNIQUES, ["the plugin x is skipped: it is broken"])
    printed = capsys.readouterr()
    assert printed.err == "optillm: the plugin x is skipped: it is broken\n"
    assert printed.out.startswith("SLUG")


def test_the_start_logs_lines_about_plugins(launch: Launch, caplog: pytest.LogCaptureFixture) -> None:
    cli.run(["--port", "0"], TECHNIQUES, ["the plugin x is skipped: it is broken"])
    (record,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert record.getMessage() == "the plugin x is skipped: it is broken"


@pytest.mark.parametrize("flag", ["best_of_n", "port", "bon_models"])
def test_a_plugin_whose_option_name_is_taken_is_skipped_and_later_ones_are_not(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    class Taking(BaseOptions):
        x: int = Field(1, description="x", json_schema_extra={"flag": flag})

        def worst_case(self, choices: int) -> Cost:
            return Cost(choices, 1)

    taking = replace(TECHNIQUES["bon"], slug="taking", Options=Taking)
    other = replace(TECHNIQUES["bon"], slug="other", Options=Other)
    cli.run(["techniques"], {**TECHNIQUES, "taking": taking, "other": other})
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("optillm: the plugin taking is skipped: option 'x' of technique 'taking'")
    assert [row.split()[0] for row in printed.out.splitlines() if not row.startswith(" ")] == [
        "SLUG",
        "bon",
        "other",
    ]


class Other(BaseOptions):
    y: int = Field(1, description="y")

    def worst_case(self, choices: int) -> Cost:
        return Cost(choices, 1)


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
    known = {flag for setting in setting_specs(model).values() for flag in setting.flags}
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


def test_listing_techniques_imports_no_server() -> None:
    program = (
        "import sys; from optillm import cli; cli.main(['techniques']); "
        "print([name for name in ('flask', 'aiohttp', 'openai') if name in sys.modules])"
    )
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.stdout.splitlines()[-1], ended.stderr) == ("[]", "")


def test_the_command_line_starts_light() -> None:
    heavy = ("flask", "openai", "numpy", "networkx", "aiohttp", "limits", "redis", "z3", "sympy")
    program = (
        "import sys; from optillm import cli, commands; commands.discovered(); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.stdout, ended.stderr) == ("[]\n", "")
