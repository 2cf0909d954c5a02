"""What local servers say about their slots, over real HTTP, as the doctor shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from optillm.commands.doctor.capacity import MANY, capacity
from optillm.commands.doctor.report import Finding
from optillm.config.settings import Settings
from optillm.engine.upstream.client import OpenAIUpstream, connect
from tests.commands.doctor.test_checks import examined, good
from tests.config.test_settings import bare_machine
from tests.stub import Call

__all__ = ["bare_machine"]  # the fixture that every test here runs under

PROPERTIES = {"total_slots": 4, "default_generation_settings": {"n_ctx": 4096, "params": {}}}
NAMES = ("slots", "context per slot", "largest n")


def server(properties: Any = None, refusal: str = "", status: int = 400) -> Callable[[Call], None]:
    """A server that reports these properties, and refuses large `n` in these words."""

    def respond(call: Call) -> None:
        if call.path == "/props" and properties is not None:
            return call.json(properties)
        if call.path.startswith("/props"):
            return call.json({"error": "not found"}, 404)
        if refusal and call.method == "POST" and call.sent.get("n") == MANY:
            return call.json({"error": {"message": refusal, "type": "invalid_request_error"}}, status)
        return good(call)

    return respond


def shown(respond: Callable[[Call], None], **more: Any) -> dict[str, str]:
    """The results of the lines that are about slots."""
    diagnosis, found, _ = examined(respond, **more)
    assert diagnosis.usable
    return {name: found[name][0] for name in NAMES if name in found}


def test_slots_context_and_the_bound_of_n_are_told_where_the_server_tells_them() -> None:
    refusal = f"Field 'n': Value must be between 1 <= value <= 4, but got {MANY}"
    assert shown(server(PROPERTIES, refusal)) == {"slots": "4", "context per slot": "4096", "largest n": "4"}


def test_a_bound_without_a_number_is_that_of_the_slots_it_names() -> None:
    refusal = "n_cmpl cannot be greater than the number of slots"
    assert shown(server(PROPERTIES, refusal))["largest n"] == "4"
    assert shown(server(None, refusal)) == {}


@pytest.mark.parametrize(
    "properties", [None, [], {}, {"default_generation_settings": 1}, {"total_slots": "4"}]
)
def test_a_server_that_does_not_tell_has_no_line(properties: Any) -> None:
    assert shown(server(properties)) == {}


def test_an_answer_that_is_no_json_has_no_line() -> None:
    def respond(call: Call) -> None:
        call.raw(b"<html>") if call.path == "/props" else good(call)

    assert shown(respond) == {}


@pytest.mark.parametrize(("refusal", "status"), [("n must be 1", 400), ("try again, 4 others wait", 503)])
def test_a_refusal_without_a_number_and_a_passing_failure_name_no_largest_n(
    refusal: str, status: int
) -> None:
    assert shown(server(None, refusal, status)) == {}


def test_a_server_that_hangs_has_no_line() -> None:
    def respond(call: Call) -> None:
        hangs = call.path == "/props" or (call.method == "POST" and call.sent.get("n") == MANY)
        call.until_left() if hangs else good(call)

    assert shown(respond, patience=2.0) == {}


def test_other_upstreams_are_not_asked() -> None:
    async def examine() -> list[Finding]:
        upstream = connect(Settings(base_url="https://upstream.example/v1"))
        try:
            return await capacity(upstream, "m", "max_tokens", 1.0)
        finally:
            await upstream.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenAIUpstream, "relay", None)
        assert asyncio.run(examine()) == []
