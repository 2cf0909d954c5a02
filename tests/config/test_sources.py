"""Names of settings: what is refused, what is suggested, what Kubernetes may inject."""

from __future__ import annotations

from pathlib import Path

import pytest

from optillm.config.settings import Settings, load
from optillm.config.sources import catalogue, nearest
from tests.config.test_settings import Model, bare_machine, refusal, toml

__all__ = ["bare_machine"]  # the fixture that every test here runs under


def test_an_unknown_key_of_the_file_is_refused_with_the_nearest_one() -> None:
    toml('aproach = "bon"')
    assert refusal() == "unknown setting `aproach` in optillm.toml; did you mean `approach`?"


def test_an_unknown_variable_is_refused_with_the_nearest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTILLM_APROACH", "bon")
    assert refusal() == "unknown variable OPTILLM_APROACH; did you mean `OPTILLM_APPROACH`?"


def test_a_name_like_no_other_is_refused_without_a_suggestion() -> None:
    toml("zzz = 1")
    assert refusal() == "unknown setting `zzz` in optillm.toml"
    assert nearest("zzz", ["approach"]) == ""


def test_the_file_cannot_name_another_file() -> None:
    toml('config = "other.toml"')
    assert refusal().startswith("unknown setting `config` in optillm.toml")


def test_a_missing_file_is_refused_when_it_was_asked_for() -> None:
    assert refusal(config="gone.toml") == "cannot read gone.toml: No such file or directory"


@pytest.mark.parametrize("content", [b"port = ", b"port = '\xff'"])
def test_a_broken_file_is_refused_in_one_line(content: bytes) -> None:
    Path("optillm.toml").write_bytes(content)
    assert refusal().startswith("optillm.toml is not valid TOML: ")


def test_keys_of_the_file_may_be_written_with_dashes() -> None:
    toml("best-of-n = 7")
    assert load(Model, {}).technique_options("bon")["n"] == 7


def test_two_names_of_one_setting_in_one_place_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    toml("best_of_n = 7\nbon_n = 8")
    assert refusal() == "best_of_n and bon_n in optillm.toml are one setting: keep one of them"
    Path("optillm.toml").unlink()
    monkeypatch.setenv("OPTILLM_BON_N", "7")
    monkeypatch.setenv("OPTILLM_BEST_OF_N", "8")
    assert "OPTILLM_BEST_OF_N and OPTILLM_BON_N in the environment" in refusal()


def test_variables_that_kubernetes_injects_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    injected = {
        "OPTILLM_SERVICE_HOST": "10.0.0.1",
        "OPTILLM_SERVICE_PORT": "8000",
        "OPTILLM_SERVICE_PORT_HTTP": "8000",
        "OPTILLM_PORT": "tcp://10.0.0.1:8000",
        "OPTILLM_PORT_8000_TCP": "tcp://10.0.0.1:8000",
        "OPTILLM_PORT_8000_TCP_PROTO": "tcp",
        "OPTILLM_PORT_8000_TCP_PORT": "8000",
        "OPTILLM_PORT_8000_TCP_ADDR": "10.0.0.1",
        "OPTILLM_CANARY_SERVICE_HOST": "10.0.0.2",
        "OPTILLM_CANARY_PORT": "tcp://10.0.0.2:8000",
    }
    for name, value in injected.items():
        monkeypatch.setenv(name, value)
    assert load(Model, {}).port == 8000


def test_a_wrong_value_is_named_with_its_source_and_what_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    toml("concurrency = 0")
    monkeypatch.setenv("OPTILLM_WORKERS", "many")
    assert refusal(port="99999") == (
        "--port is 99999, which is not an integer from 0 to 65535; "
        "OPTILLM_WORKERS is many, which is not an integer from 1 to 256; "
        "`concurrency` is 0, which is not an integer from 1 to 65536"
    )


def test_a_wrong_value_does_not_show_the_password_in_it() -> None:
    assert "hidden" not in refusal(base_url="ftp://me:hidden@host/v1")


def test_a_long_wrong_value_is_cut() -> None:
    assert len(refusal(port="9" * 500)) < 160


def test_every_setting_has_a_variable_and_no_upstream_key_has_a_flag() -> None:
    settings = catalogue(Model)
    assert all(setting.variables[0].startswith("OPTILLM_") for setting in settings.values())
    assert settings["optillm_api_key"].variables == ("OPTILLM_API_KEY",)
    assert settings["best_of_n"].flags == ("--best-of-n", "--bon-n")
    flagless = {setting.name for setting in settings.values() if not setting.flags}
    assert flagless == {
        "openai_api_key",
        "azure_openai_api_key",
        "cerebras_api_key",
        "upstream",
        "upstream_headers",
    }


def test_every_setting_has_a_group_and_a_description() -> None:
    assert all(setting.group and setting.field.description for setting in catalogue(Settings).values())
