"""The tables of upstreams: what they may say, how mistakes are told, and that no key of theirs is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from optillm.config.settings import load
from optillm.config.upstreams import UpstreamTable
from optillm.engine.call.payload import Payload
from optillm.engine.upstream.routes import Routes
from tests.config.test_settings import Model, bare_machine, refusal, toml

__all__ = ["bare_machine"]
pytestmark = pytest.mark.usefixtures("bare_machine")

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
BOTH = """
[[upstream]]
name = "spare"
base_url = "https://spare.example/v1/"
order = 1

[[upstream]]
name = "eu"
base_url = "https://eu.example"
kind = "azure"
api_version = "2026-01-01"
key_env = "EU_KEY"
headers = { x-team = "hidden-team" }
models = ["gpt-*"]
rename = { gpt-4o = "dep-1" }
weight = 2
timeout = 90
"""


def table(**entries: Any) -> str:
    known = {"name": "main", "base_url": "https://host/v1"} | entries
    return "[[upstream]]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in known.items())


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> None:
    toml(BOTH)
    monkeypatch.setenv("EU_KEY", "hidden-key\n")


@pytest.mark.usefixtures("both")
def test_the_file_describes_upstreams_and_their_order() -> None:
    eu, spare = load(Model, {}).upstreams()
    assert (eu.name, eu.secret, eu.api_version, eu.rename) == (
        "eu",
        "hidden-key",
        "2026-01-01",
        {"gpt-4o": "dep-1"},
    )
    assert (eu.models, eu.weight, eu.order, eu.timeout) == (("gpt-*",), 2.0, 0, 90.0)
    assert (spare.base_url, spare.key, spare.models, spare.order) == (
        "https://spare.example/v1",
        None,
        ("*",),
        1,
    )


def test_the_example_of_the_documentation_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    (example,) = (
        block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "[[upstream]]" in block
    )
    toml(example)
    for variable in ("AZURE_EU_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(variable, "k")
    assert [upstream.name for upstream in load(Model, {}).upstreams()] == ["eu", "openai", "spare"]


def test_every_key_of_a_table_is_documented() -> None:
    _, _, rest = DOCUMENT.read_text(encoding="utf-8").partition("| Key | Value | Default | Meaning |\n")
    first_cells = " ".join(row.split("|")[1] for row in rest.partition("\n\n")[0].splitlines())
    assert re.findall(r"`(\w+)`", first_cells) == list(UpstreamTable.model_fields)


@pytest.mark.usefixtures("both")
def test_each_table_is_a_route() -> None:
    eu, spare = Routes.from_settings(load(Model, {"upstream_concurrency": "7"})).all
    assert (eu.name, eu.keyed, eu.weight, eu.limiters.total.cap) == ("eu", True, 2.0, 7)
    assert (eu.serves("gpt-5"), eu.serves("claude"), spare.serves("claude")) == (True, False, True)
    assert (spare.keyed, spare.upstream.base_url) == (False, "https://spare.example/v1")


def test_without_tables_there_is_one_upstream_that_serves_everything() -> None:
    routes = Routes.from_settings(load(Model, {"base_url": "http://127.0.0.1:1/v1"}))
    assert routes.alone is routes.all[0]
    assert routes.alone.name == "default"


def test_tables_can_be_a_variable_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTILLM_UPSTREAM", '[{"name": "main", "base_url": "https://host/v1", "key": "k"}]')
    (main,) = load(Model, {}).upstreams()
    assert (main.name, main.secret) == ("main", "k")


@pytest.mark.usefixtures("both")
def test_nothing_shows_what_is_secret_in_a_table() -> None:
    settings = load(Model, {})
    texts = repr(settings), str(settings.public()), repr(settings.upstreams()), str(settings.upstreams()[0])
    assert not any("hidden" in text for text in texts)
    assert settings.public()["upstream"] == "[set]"
    assert {"hidden-key", "hidden-team"} <= set(settings.secrets())


def test_a_password_in_the_address_is_a_secret() -> None:
    toml(table(base_url="https://me:hidden@host/v1"))
    settings = load(Model, {})
    assert "hidden" in settings.secrets()
    assert str(settings.upstreams()[0]) == "openai at https://[set]@host/v1"


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"base_ulr": "x"}, "main: unknown key `base_ulr`; did you mean `base_url`?"),
        ({"base_url": "host"}, "main: `base_url`: a base URL looks like https://host/v1"),
        ({"weight": 0}, "main: `weight` is not a number above 0 and up to 1000"),
        ({"kind": "gemini"}, "main: `kind` is not one of openai, azure, cerebras"),
        ({"kind": "azure"}, "main: an upstream of kind azure needs an `api_version`"),
        ({"key": "sk hidden"}, "main: `key`: a key is made of printable ASCII characters without spaces"),
        ({"key_env": "HIDDEN"}, "main: `key_env` names a variable that is not set"),
        ({"key_env": "HOME", "key": "k"}, "main: it has both `key` and `key_env`: keep one of them"),
        ({"models": "gpt-*"}, "main: `models` is not a list"),
        ({"rename": {"a": 1}}, "main: `rename` is not a table"),
        ({"order": "soon", "wieght": 1}, "`order` is not an integer from 0 to 1000; unknown key `wieght`"),
        ({"instructions": "befor"}, "main: `instructions` is not one of after, before, system or a table"),
        ({"instructions": {"m": "befor"}}, "`instructions` is not one of after, before, system or a table"),
        ({"name": "a b"}, "`name`"),
    ],
)
def test_a_mistake_in_a_table_is_told_in_one_line(entries: dict[str, Any], said: str) -> None:
    toml(table(**entries).replace('{"a": 1}', "{ a = 1 }").replace('{"m": ', "{ m = "))
    line = refusal()
    assert line.startswith("`upstream`: ")
    assert said in line
    assert "hidden" not in line.lower()


def test_what_a_table_lacks_is_named() -> None:
    toml('[[upstream]]\nname = "main"')
    assert refusal() == "`upstream`: main: `base_url` is missing"


def test_two_upstreams_of_one_name_are_refused() -> None:
    toml(table() + "\n" + table())
    assert refusal() == "`upstream`: there are two upstreams called main"


def test_tables_and_a_base_url_exclude_each_other() -> None:
    toml(table())
    assert "exclude each other" in refusal(base_url="https://other/v1")


@pytest.mark.parametrize("value", ["upstream = 3", 'upstream = "main"', "[upstream]\nname = 'main'"])
def test_anything_but_a_list_of_tables_is_refused(value: str) -> None:
    toml(value)
    assert refusal().startswith("`upstream`")


def test_a_vendors_key_in_the_environment_goes_to_no_upstream_of_a_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    toml(table())
    settings = load(Model, {})
    assert settings.upstream_configured
    assert [upstream.key for upstream in settings.upstreams()] == [None]


# Where instructions stand.


def placements(models: Sequence[str], **flags: Any) -> list[str]:
    """The name of the place that each model's instructions have at the first upstream."""
    (route, *_) = Routes.from_settings(load(Model, flags)).all
    payloads = [Payload(model, [{"role": "user", "content": "q"}], instruction="Think.") for model in models]
    return [route.placed(payload).placement.name for payload in payloads]


@pytest.mark.parametrize(
    ("value", "placement"),
    [("after", "OWN_TURN"), (" Before ", "BEFORE"), ("system", "SYSTEM"), ('{"m": "before"}', "BEFORE")],
)
def test_a_word_or_a_table_says_where_instructions_stand(value: str, placement: str) -> None:
    assert placements(["m"], base_url="http://host/v1", instructions=value) == [placement]


def test_instructions_stand_after_the_conversation_where_nothing_is_said() -> None:
    assert placements(["m"]) == ["OWN_TURN"]
    toml('[instructions]\n"tiny-*" = "before"')
    assert placements(["tiny-1", "m"]) == ["BEFORE", "OWN_TURN"]


def test_the_first_fitting_pattern_counts_those_of_an_upstream_first() -> None:
    toml(
        '[instructions]\n"tiny-*" = "system"\n"*" = "before"\n'
        + table()
        + '\ninstructions = { "tiny-1" = "after", "t*" = "before" }'
    )
    assert placements(["tiny-1", "tiny-2", "m"]) == ["OWN_TURN", "BEFORE", "BEFORE"]


def test_a_payload_without_an_instruction_stays_as_it_is() -> None:
    (route, *_) = Routes.from_settings(load(Model, {"instructions": "system"})).all
    payload = Payload("m", [{"role": "user", "content": "q"}])
    assert route.placed(payload) is payload


@pytest.mark.parametrize("value", ["befor", '{"m": "befor"}', '{"m": "before"'])
def test_a_mistake_in_where_instructions_stand_is_told(value: str) -> None:
    line = refusal(instructions=value)
    assert line.startswith("--instructions is ")
    assert "before" in line
