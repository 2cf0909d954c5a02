"""Why replies end, in whatever words."""

from __future__ import annotations

from typing import Any

import pytest

from optillm.engine.upstream.finish_reasons import ENDS, FAILURES, NONE, ending, fitting
from optillm.errors import UpstreamError

NOTHING: list[Any] = [None, "", "None", "null", "NULL", 0, 1, [], {}, {"type": None}]


@pytest.mark.parametrize(
    ("reason", "meant"),
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        (" stop ", "stop"),
        ("end_turn", "stop"),
        ("eos_token", "stop"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("FinishReason.MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("tool_use", "tool_calls"),
        ("function_call", "function_call"),
        ("SAFETY", "content_filter"),
        ({"type": "length", "length": 10}, "length"),
        ("something_new", "something_new"),
        *((none, None) for none in NOTHING),
    ],
)
def test_a_reason_is_told_in_openais_words(reason: Any, meant: str | None) -> None:
    assert ending({"finish_reason": reason}) == meant
    assert ending({"finishReason": reason}) == meant


@pytest.mark.parametrize("reason", [*sorted(FAILURES), "ERROR", "FinishReason.ABORT", {"type": "abort"}])
def test_some_reasons_are_failures_worth_another_try(reason: Any) -> None:
    with pytest.raises(UpstreamError, match="broke off") as error:
        ending({"finish_reason": reason})
    assert (error.value.status, error.value.retryable) == (502, True)


@pytest.mark.parametrize("reason", ["error", "stop", "length", "never seen", "", None])
@pytest.mark.parametrize("error", [{"message": "Idle"}, "Idle", {"code": 400, "message": "Idle"}, ["Idle"]])
def test_an_error_beside_any_reason_is_a_failure(reason: Any, error: Any) -> None:
    with pytest.raises(UpstreamError, match="Idle") as raised:
        ending({"finish_reason": reason, "error": error})
    assert raised.value.status == (400 if isinstance(error, dict) and "code" in error else 502)


@pytest.mark.parametrize(
    "error", [None, "", {}, [], {"message": "", "code": None}, {"message": "", "code": 0}, False]
)
def test_an_error_that_says_nothing_is_none(error: Any) -> None:
    assert ending({"finish_reason": "stop", "error": error}) == "stop"


def test_no_word_means_two_things() -> None:
    assert not ENDS.keys() & FAILURES
    assert not ENDS.keys() & NONE
    assert all(word == word.lower() for word in (*ENDS, *FAILURES, *NONE))


@pytest.mark.parametrize(
    ("reason", "message", "fits"),
    [
        ("stop", {"tool_calls": [1]}, "tool_calls"),
        ("stop", {"function_call": {"name": "f"}}, "function_call"),
        ("function_call", {"tool_calls": [1]}, "tool_calls"),
        ("tool_calls", {"content": "4"}, "stop"),
        ("tool_calls", {"tool_calls": []}, "stop"),
        ("length", {"tool_calls": [1]}, "length"),
        ("content_filter", {}, "content_filter"),
        (None, {"tool_calls": [1]}, None),
    ],
)
def test_a_reason_fits_what_the_message_holds(reason: str | None, message: Any, fits: str | None) -> None:
    assert fitting(reason, message) == fits
