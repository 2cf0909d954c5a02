"""Settings: what wins over what, what is refused, what is never shown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator

from optillm.config.settings import Settings, load, settings_model
from optillm.config.sources import SettingsError

VENDORS = ("OPTILLM_", "OPENAI_", "AZURE_", "CEREBRAS_")


class Bon(BaseModel):
    n: int = Field(3, ge=2, le=32, description="candidates", json_schema_extra={"flag": "best_of_n"})
    judge: Literal["rank", "pairwise"] = Field("rank", description="how candidates are compared")


class Moa(BaseModel):
    proposers: Annotated[int, Field(ge=1, le=16)] | list[str] = Field(4, description="how many, or which")
    layers: int = Field(2, ge=2, le=5, description="layers")
    width: int = Field(0, ge=0, le=16, description="agents of a middle layer")

    @model_validator(mode="after")
    def _width_needs_layers(self) -> Moa:
        if self.width and self.layers < 3:
            raise ValueError("a width needs three layers")
        return self


Model = settings_model({"bon": Bon, "moa": Moa})


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No variable of the developer's, and an empty working directory."""
    for name in [name for name in os.environ if name.startswith(VENDORS)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def toml(text: str, name: str = "optillm.toml") -> None:
    Path(name).write_text(text, encoding="utf-8")


def refusal(**flags: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load(Model, flags)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_defaults_serve_this_machine_only() -> None:
    settings = load(Model, {})
    assert (settings.host, settings.port, settings.approach) == ("127.0.0.1", 8000, "auto")
    assert not settings.upstream_configured


def test_file_beats_default_variable_beats_file_and_flag_beats_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    toml('port = 1001\nconcurrency = 11\nworkers = 2\nmodel = "from-file"')
    monkeypatch.setenv("OPTILLM_PORT", "1002")
    monkeypatch.setenv("OPTILLM_CONCURRENCY", "12")
    settings = load(Model, {"port": "1003"})
    assert (settings.port, settings.concurrency, settings.workers) == (1003, 12, 2)
    assert (settings.model, settings.host) == ("from-file", "127.0.0.1")


def test_either_name_of_an_option_wins_by_its_source_not_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    toml("best_of_n = 5")
    monkeypatch.setenv("OPTILLM_BON_N", "6")
    assert load(Model, {}).technique_options("bon")["n"] == 6


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_reads_the_file_it_is_pointed_at(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    toml("port = 1")
    toml("port = 2", "other.toml")
    if how == "variable":
        monkeypatch.setenv("OPTILLM_CONFIG", "other.toml")
    settings = load(Model, {"config": "other.toml"} if how == "flag" else {})
    assert (settings.port, settings.config) == (2, "other.toml")


def test_empty_variables_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTILLM_PORT", "")
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    settings = load(Model, {})
    assert settings.port == 8000
    assert settings.openai_api_key is None


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        load(Model, {}).port = 1


def test_several_client_keys_come_with_commas_or_as_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    toml('optillm_api_key = ["one", "two"]')
    assert [key.get_secret_value() for key in load(Model, {}).optillm_api_key] == ["one", "two"]
    monkeypatch.setenv("OPTILLM_API_KEY", "three, four,")
    assert [key.get_secret_value() for key in load(Model, {}).optillm_api_key] == ["three", "four"]


def test_keys_lose_the_line_break_a_mounted_file_gave_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-upstream\n")
    assert load(Model, {}).upstreams()[0].secret == "sk-upstream"


@pytest.mark.parametrize("keys", ["kéy", "two words", ","])
def test_refuses_client_keys_that_no_client_could_send(keys: str) -> None:
    line = refusal(optillm_api_key=keys)
    assert line.startswith("--optillm-api-key: ")
    assert "kéy" not in line


def test_a_host_others_can_reach_needs_a_key_or_the_word_insecure() -> None:
    assert "host 0.0.0.0 is open to other machines" in refusal(host="0.0.0.0")  # noqa: S104
    assert load(Model, {"host": "0.0.0.0", "insecure": True}).insecure  # noqa: S104
    assert load(Model, {"host": "::", "optillm_api_key": "k"}).host == "::"
    for host in ("localhost", "127.0.0.53", "::1"):
        assert load(Model, {"host": host}).host == host


def test_upstream_headers_are_a_table_in_the_file_and_json_in_a_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    toml('[upstream_headers]\nx-team = "search"')
    assert load(Model, {}).upstream_headers == {"x-team": "search"}
    monkeypatch.setenv("OPTILLM_UPSTREAM_HEADERS", '{"x-team": "ads"}')
    assert load(Model, {}).upstream_headers == {"x-team": "ads"}


@pytest.mark.parametrize("headers", ['{"x": "a\\r\\nb"}', '{"a b": "c"}', "x: y", '{"x": 1}'])
def test_refuses_headers_that_http_does_not_allow(headers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTILLM_UPSTREAM_HEADERS", headers)
    assert refusal().startswith("OPTILLM_UPSTREAM_HEADERS")


@pytest.mark.parametrize(
    "url", ["api.openai.com/v1", "ftp://host", "http://", "http://h:99999", "http://[::1", "http://h?k=v"]
)
def test_refuses_what_is_no_base_url(url: str) -> None:
    assert refusal(base_url=url).startswith("--base-url is ")


@pytest.mark.parametrize(("written", "meant"), [("true", "on"), ("1", "on"), ("no", "off"), ("AUTO", "auto")])
def test_demo_may_be_written_as_a_switch(written: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTILLM_DEMO", written)
    assert load(Model, {}).demo == meant


def test_a_certificate_file_has_to_exist() -> None:
    assert refusal(ssl_cert_path="/nowhere.pem") == "--ssl-cert-path is /nowhere.pem: no such file"


# Which upstream


@pytest.mark.parametrize(
    ("variables", "kind", "url", "key"),
    [
        ({}, "openai", "https://api.openai.com/v1", None),
        ({"OPENAI_API_KEY": "o"}, "openai", "https://api.openai.com/v1", "o"),
        ({"OPENAI_BASE_URL": "http://l/v1/"}, "openai", "http://l/v1", None),
        ({"OPTILLM_BASE_URL": "http://a", "OPENAI_BASE_URL": "http://b"}, "openai", "http://a", None),
        ({"CEREBRAS_API_KEY": "c", "OPENAI_API_KEY": "o"}, "cerebras", "https://api.cerebras.ai/v1", "c"),
        ({"CEREBRAS_API_KEY": "c", "OPENAI_BASE_URL": "http://l"}, "openai", "http://l", None),
        (
            {"CEREBRAS_API_KEY": "c", "OPENAI_BASE_URL": "https://api.cerebras.ai/v1"},
            "cerebras",
            "https://api.cerebras.ai/v1",
            "c",
        ),
        (
            {"AZURE_OPENAI_API_KEY": "a", "AZURE_API_BASE": "https://z", "AZURE_API_VERSION": "1"},
            "azure",
            "https://z",
            "a",
        ),
        ({"AZURE_API_BASE": "https://z", "AZURE_API_VERSION": "1"}, "azure", "https://z", None),
        ({"AZURE_API_BASE": "https://z", "OPENAI_API_KEY": "o"}, "openai", "https://api.openai.com/v1", "o"),
    ],
)
def test_chooses_the_upstream_by_what_is_set(
    variables: dict[str, str], kind: str, url: str, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load(Model, {})
    (upstream,) = settings.upstreams()
    assert (upstream.kind, upstream.base_url, upstream.secret) == (kind, url, key)
    assert settings.upstream_configured is bool(variables)


def test_azure_without_its_endpoint_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "a")
    assert refusal() == "Azure OpenAI needs both AZURE_API_BASE and AZURE_API_VERSION"


# Options of techniques


def test_options_keep_their_defaults_and_their_bounds() -> None:
    settings = load(Model, {})
    assert settings.technique_options("bon") == {"n": 3, "judge": "rank"}
    assert refusal(moa_layers="9") == "--moa-layers is 9, which is not an integer from 2 to 5"


@pytest.mark.parametrize(
    ("text", "value"), [("7", 7), ("gpt-4o", ["gpt-4o"]), ("gpt-4o, claude", ["gpt-4o", "claude"])]
)
def test_an_option_that_is_a_number_or_a_list_is_written_as_text(text: str, value: object) -> None:
    assert load(Model, {"moa_proposers": text}).technique_options("moa")["proposers"] == value


def test_a_number_out_of_bounds_is_not_taken_for_a_list_of_names() -> None:
    assert refusal(moa_proposers="99") == (
        "--moa-proposers is 99, which is not an integer from 1 to 16 or a list"
    )


def test_rules_between_options_hold_at_start() -> None:
    assert refusal(moa_width="4") == "the options of moa do not agree: a width needs three layers"


def test_settings_without_techniques_leave_every_option_to_its_declaration() -> None:
    assert load(Settings, {}).technique_options("bon") == {}


def test_two_settings_cannot_share_a_name() -> None:
    class Greedy(BaseModel):
        n: int = Field(1, json_schema_extra={"flag": "port"})

    with pytest.raises(TypeError, match="greedy"):
        settings_model({"greedy": Greedy})


def test_what_a_technique_needs_of_the_operator_is_a_setting_of_its_own() -> None:
    class Trying(BaseModel):
        needs: ClassVar[str] = "execution"

    model = settings_model({"trying": Trying, "bon": Bon})
    assert not load(model, {}).admits("trying")
    admitting = load(model, {"trying_execution": "true"})
    assert admitting.admits("trying")
    assert not admitting.admits("bon")
    assert admitting.technique_options("trying") == {}


def test_an_option_cannot_take_the_name_of_what_admits_a_need() -> None:
    class Greedy(BaseModel):
        needs: ClassVar[str] = "execution"
        execution: bool = False

    with pytest.raises(TypeError, match="greedy_execution"):
        settings_model({"greedy": Greedy})


def test_advertises_known_techniques_only() -> None:
    assert load(Model, {"advertise": "bon,moa"}).advertise == ("bon", "moa")
    assert load(Model, {"advertise": "none"}).advertise == ()
    assert refusal(advertise="mao") == "advertise names an unknown technique `mao`; did you mean `moa`?"


# Secrets


def test_no_secret_appears_in_any_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden-1")
    monkeypatch.setenv("OPTILLM_API_KEY", "sk-hidden-2,sk-hidden-3")
    monkeypatch.setenv("OPTILLM_UPSTREAM_HEADERS", '{"x-key": "sk-hidden-4"}')
    settings = load(Model, {"base_url": "https://me:sk-hidden-5@host/v1"})
    texts = repr(settings), str(settings), str(settings.public()), repr(settings.upstreams())
    assert not any("hidden" in text for text in texts)
    assert {f"sk-hidden-{number}" for number in range(1, 6)} == set(settings.secrets())


def test_the_public_view_says_what_is_set_and_what_is_not() -> None:
    public = load(Model, {"optillm_api_key": "k"}).public()
    assert public["optillm_api_key"] == "[set]"
    assert public["openai_api_key"] is None
    assert public["port"] == 8000


def test_errors_of_direct_construction_show_no_values_either() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(openai_api_key=SecretStr("sk hidden"))
    assert "hidden" not in str(caught.value)


def test_a_sandbox_without_a_kernel_wall_is_for_loopback_only() -> None:
    model = settings_model({})
    assert load(model, {"solver_sandbox": "language-only"}).solver_sandbox == "language-only"
    with pytest.raises(SettingsError, match="loopback"):
        load(model, {"solver_sandbox": "language-only", "host": "0.0.0.0", "insecure": "true"})  # noqa: S104


def test_a_price_table_is_read_at_start(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text("[m]\ninput = 1\n")
    assert refusal(prices=str(file)) == f"prices: {file}: m.output: Field required"


# A local model


def test_a_local_model_is_a_gguf_file_by_its_absolute_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("model.gguf").write_bytes(b"GGUF\3")
    assert load(Model, {"local": "model.gguf"}).local == str(tmp_path / "model.gguf")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load(Model, {"local": "~/model.gguf"}).upstream_configured


def test_refuses_a_local_model_that_is_not_a_gguf_file(tmp_path: Path) -> None:
    assert refusal(local="none.gguf") == "--local is none.gguf: no such file or directory"
    assert refusal(local=str(tmp_path)).endswith(": is a directory")
    Path("model.safetensors").write_bytes(b"\1\2\3")
    assert refusal(local="model.safetensors") == "--local is model.safetensors: it is not a GGUF file"


def test_refuses_a_local_model_beside_the_demo_model() -> None:
    Path("model.gguf").write_bytes(b"GGUF\3")
    assert refusal(local="model.gguf", demo="on") == "local and demo exclude each other: keep one"
    assert load(Model, {"local": "model.gguf", "demo": "auto"}).demo == "auto"


@pytest.mark.parametrize(
    ("flags", "kept"),
    [
        ({}, True),
        ({"optillm_api_key": "sk-1"}, True),
        ({"host": "0.0.0.0", "insecure": True}, False),  # noqa: S104
        ({"keys": "keys.toml"}, False),
        ({"trace_content": False}, False),
        ({"keys": "keys.toml", "trace_content": True}, True),
        ({"host": "0.0.0.0", "insecure": True, "trace_content": True}, True),  # noqa: S104
    ],
)
def test_traces_hold_texts_where_these_stay_on_the_users_machine_or_if_it_is_wanted(
    flags: dict[str, Any], kept: bool
) -> None:
    Path("keys.toml").write_text(f'[keys.alice]\nkey = "sha256:{"0" * 64}"', encoding="utf-8")
    assert load(Model, flags).keeps_trace_content is kept


@pytest.mark.parametrize(
    ("written", "read"),
    [("off", "off"), ("OFF", "off"), ("Memory", "memory"), ("traces.db", str(Path("traces.db")))],
)
def test_traces_are_off_in_memory_or_in_a_file(written: str, read: str) -> None:
    traces = load(Model, {"traces": written}).traces
    assert traces == read or traces == str(Path(read).absolute())


def test_a_store_of_traces_is_no_url() -> None:
    with pytest.raises(SettingsError, match="write off, memory or the path of a file"):
        load(Model, {"traces": "redis://host"})
