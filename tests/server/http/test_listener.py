"""What a newcomer is told to do next, once the server listens."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest

from optillm.config.settings import settings_model
from optillm.server.http.listener import first_steps
from optillm.techniques import registry

URL = "http://127.0.0.1:8000"
Settings = settings_model({slug: technique.Options for slug, technique in registry().items()})


def request(url: str = URL, **changes: Any) -> list[str]:
    """The words of the command that is shown."""
    first, second = first_steps(Settings(**{"base_url": None, "openai_api_key": None} | changes), url)
    assert re.fullmatch(r"The base URL for clients: (http://\S+)/v1; in a browser: \1/", second)
    return shlex.split(first.removeprefix("A first request: "))


@pytest.mark.parametrize(
    ("changes", "model"),
    [
        ({"demo": "on", "base_url": "http://127.0.0.1:1/v1", "model": "demo-small"}, "bon-demo-small"),
        ({"openai_api_key": "sk-1"}, "bon-gpt-4o-mini"),
        ({"base_url": "http://localhost:11434/v1", "model": "it's-7b"}, "bon-it's-7b"),
        ({"openai_api_key": "sk-1", "approach": "moa"}, "gpt-4o-mini"),
    ],
)
def test_shows_a_chat_request_where_the_model_is_known(changes: dict[str, Any], model: str) -> None:
    words = request(**changes)
    assert words[:3] == ["curl", "-s", f"{URL}/v1/chat/completions"]
    assert json.loads(words[-1])["model"] == model


def test_shows_the_list_of_models_where_no_model_is_known() -> None:
    assert request(base_url="http://localhost:11434/v1") == ["curl", "-s", f"{URL}/v1/models"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"optillm_api_key": "a", "openai_api_key": "sk-1"}, ["--oauth2-bearer", "$OPTILLM_API_KEY"]),
        ({"optillm_api_key": "a", "base_url": "http://host/v1"}, ["--oauth2-bearer", "$OPTILLM_API_KEY"]),
        ({"optillm_api_key": "a,b", "base_url": "http://host/v1"}, ["--oauth2-bearer", "$YOUR_KEY"]),
        ({}, ["--oauth2-bearer", "$OPENAI_API_KEY"]),
        ({"openai_api_key": "sk-1"}, []),
    ],
)
def test_names_the_key_that_is_needed(changes: dict[str, Any], key: list[str]) -> None:
    words = request(**changes)
    assert [word for word in words if "bearer" in word or word.startswith("$")] == key


@pytest.mark.parametrize(
    ("listening", "reached"),
    [
        ("http://0.0.0.0:80", "http://127.0.0.1:80"),
        ("http://[::]:80", "http://[::1]:80"),
        ("http://10.0.0.1:80", "http://10.0.0.1:80"),
    ],
)
def test_an_address_that_stands_for_all_is_reached_on_this_machine(listening: str, reached: str) -> None:
    assert request(listening, openai_api_key="sk-1")[2] == f"{reached}/v1/chat/completions"
