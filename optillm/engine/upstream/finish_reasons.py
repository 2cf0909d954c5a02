"""Why replies end: in OpenAI's words, whatever words the upstream has for it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from optillm.engine.upstream.errors import failure_in
from optillm.errors import UpstreamError

STOP: Final = "stop"
_WORDS: Final = {
    STOP: (
        "stop",
        "end_turn",
        "stop_sequence",
        "stop_token",
        "eos",
        "eos_token",
        "complete",
        "completed",
        "end",
    ),
    "length": (
        *("length", "max_tokens", "max_output_tokens", "max_completion_tokens", "max_length", "model_length"),
        *("token_limit", "model_context_window_exceeded", "context_length_exceeded"),
    ),
    "tool_calls": ("tool_calls", "tool_call", "tool_use"),
    "function_call": ("function_call",),
    "content_filter": (
        *(
            "content_filter",
            "content_filtered",
            "safety",
            "image_safety",
            "sensitive",
            "refusal",
            "recitation",
        ),
        *("blocklist", "prohibited_content", "spii", "guardrail_intervened"),
    ),
}
ENDS: Final[Mapping[str, str]] = MappingProxyType(
    {word: reason for reason, words in _WORDS.items() for word in words}
)
"""OpenAI's word for each of an upstream's; others are handed on as they are."""
FAILURES: Final = frozenset(
    {
        "error",
        "error_toxic",
        "error_limit",
        "internal_error",
        "server_error",
        "network_error",
        "timeout",
        "failed",
    }
    | {"abort", "aborted", "cancel", "cancelled", "canceled", "interrupted", "insufficient_system_resource"}
    | {"malformed_function_call", "malformed_response", "overloaded"}
)
NONE: Final = frozenset({"", "none", "null", "undefined", "finish_reason_unspecified"})
"""Words of servers that write down that there is nothing to say."""
CALLS: Final = ("tool_calls", "function_call")


def ending(choice: Mapping[str, Any]) -> str | None:
    """Why a choice has ended, `None` when it has not; raises `UpstreamError` when it failed."""
    reason = choice.get("finish_reason") or choice.get("finishReason")
    if choice.get("error") and (failed := failure_in(choice)) is not None:
        raise failed
    if reason is None:  # as in nearly every chunk
        return None
    if isinstance(reason, Mapping):
        reason = reason.get("type")
    if not isinstance(reason, str):
        return None
    word = reason.strip().rpartition(".")[2].lower()  # some print the name of an enumeration before it
    if word in FAILURES:
        raise UpstreamError(f"the upstream broke off its reply (finish_reason {reason!r})", retryable=True)
    return None if word in NONE else ENDS.get(word, reason)


def fitting(reason: str | None, message: Mapping[str, Any]) -> str | None:
    """Return the reason as it fits the message.

    Calls are not a mere stop, and without calls there is nothing to call.
    """
    calls = next((name for name in CALLS if message.get(name)), None)
    if reason not in (STOP, *CALLS):
        return reason
    return calls or STOP
