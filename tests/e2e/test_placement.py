"""Where instructions stand: the setting for all models, for some, and for one upstream, over real HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.proxy import Proxy, serving
from tests.stub import Call, Stub

QUESTION = "What is 2 + 2?"


def answering(call: Call) -> None:
    """An upstream that answers whatever it is asked."""
    call.answer("It is 4.")


def roles(proxy: Proxy, stub: Stub, model: str, *, stream: bool = False) -> list[str]:
    """The roles of the turns that the upstream got for a request."""
    body = {"model": model, "messages": [{"role": "user", "content": QUESTION}], "stream": stream}
    assert httpx2.post(f"{proxy.base_url}/chat/completions", json=body, timeout=60).status_code == 200
    messages: list[Any] = stub.calls[-1].sent["messages"]
    return [message["role"] for message in messages]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("word", "expected"), [("after", ["user", "user"]), ("before", ["user"]), ("system", ["system", "user"])]
)
def test_a_flag_says_where_instructions_stand(word: str, expected: list[str], stream: bool) -> None:
    with Stub(answering) as stub, serving("--base-url", stub.base_url, "--instructions", word) as proxy:
        assert roles(proxy, stub, "cot_reflection-m", stream=stream) == expected
        text = stub.calls[-1].sent["messages"][-1]["content"]
        assert text.endswith(QUESTION) == (word != "after")


def test_models_and_upstreams_have_places_of_their_own(tmp_path: Path) -> None:
    with Stub(answering) as one, Stub(answering) as two:
        (tmp_path / "optillm.toml").write_text(
            f"""
            [instructions]
            "tiny-*" = "before"

            [[upstream]]
            name = "one"
            base_url = "{one.base_url}"
            models = ["tiny-*", "large"]

            [[upstream]]
            name = "two"
            base_url = "{two.base_url}"
            models = ["other"]
            instructions = "system"
            """,
            encoding="utf-8",
        )
        with serving(environment={"OPTILLM_CONFIG": str(tmp_path / "optillm.toml")}) as proxy:
            assert roles(proxy, one, "cot_reflection-tiny-1") == ["user"]
            assert roles(proxy, one, "cot_reflection-large") == ["user", "user"]
            assert roles(proxy, two, "cot_reflection-other") == ["system", "user"]


def test_a_variable_holds_a_table_in_json() -> None:
    table = json.dumps({"tiny-*": "before", "*": "system"})
    environment = {"OPTILLM_INSTRUCTIONS": table}
    with Stub(answering) as stub, serving("--base-url", stub.base_url, environment=environment) as proxy:
        assert roles(proxy, stub, "cot_reflection-tiny-1") == ["user"]
        assert roles(proxy, stub, "cot_reflection-large") == ["system", "user"]
