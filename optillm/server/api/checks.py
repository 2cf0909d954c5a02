"""What a chat request must look like where the proxy itself reads it.

The rest is the upstream's to judge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from optillm.errors import InvalidRequest

T = TypeVar("T")

ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
MAX_MESSAGES: Final = 4096
MAX_CHOICES: Final = 128
MAX_NAME: Final = 512
BIGGEST: Final = 2.0**63

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_WORDS: Final = {bool: "a boolean", int: "an integer", str: "a string", list: "an array", dict: "an object"}
_KINDS: Final[Mapping[str, type]] = {
    "model": str,
    "messages": list,
    "n": int,
    "stream": bool,
    "stream_options": dict,
    "tools": list,
    "metadata": dict,
    "response_format": dict,
    "max_tokens": int,
    "max_completion_tokens": int,
}


def of_kind(value: Any, kind: type[T], name: str) -> T | None:
    """Return the value if it is of this JSON type, `None` for null.

    Raises `InvalidRequest` for another one.
    """
    if value is None or type(value) is kind:  # isinstance would take true for a number
        return value
    raise InvalidRequest(f"{name} must be {_WORDS[kind]}", param=name)


def check_chat(body: Mapping[str, Any]) -> None:
    """Raise `InvalidRequest` for a request that cannot be served as it stands.

    Its `param` is the field.
    """
    for name, kind in _KINDS.items():
        of_kind(body.get(name), kind, name)
    for name, value in body.items():
        if type(value) is float and abs(value) >= BIGGEST:
            raise InvalidRequest(f"{name} is too large a number", param=name)
    model, n = body["model"], body.get("n")
    if not model.strip() or len(model) > MAX_NAME or CONTROL.search(model):
        raise InvalidRequest(
            f"model must be a name of at most {MAX_NAME} characters, none of them a control character",
            param="model",
        )
    if n is not None and not 1 <= n <= MAX_CHOICES:
        raise InvalidRequest(f"n must be from 1 to {MAX_CHOICES}", param="n")
    usage = (body.get("stream_options") or {}).get("include_usage")
    of_kind(usage, bool, "stream_options.include_usage")
    _check_messages(body.get("messages"))


def _check_messages(messages: list[Any] | None) -> None:
    if not messages:
        raise InvalidRequest("messages must be a non-empty array", param="messages")
    if len(messages) > MAX_MESSAGES:
        raise InvalidRequest(f"messages must be at most {MAX_MESSAGES} messages", param="messages")
    for index, message in enumerate(messages):
        if type(message) is not dict:
            raise InvalidRequest(f"messages[{index}] must be an object", param=f"messages[{index}]")
        role = message.get("role")
        if type(role) is not str or role not in ROLES:
            where = f"messages[{index}].role"
            raise InvalidRequest(f"{where} must be one of {', '.join(sorted(ROLES))}", param=where)
        if type(message.get("content")) is not str:
            _check_content(message, f"messages[{index}].content")


def _check_content(message: Mapping[str, Any], where: str) -> None:
    content = message.get("content")
    if content is None:
        acts = message["role"] == "assistant" and (message.get("tool_calls") or message.get("function_call"))
        if "content" not in message and not acts:
            raise InvalidRequest(f"{where} is missing", param=where)
        return
    if type(content) is not list:
        raise InvalidRequest(f"{where} must be a string, an array of parts or null", param=where)
    for index, part in enumerate(content):
        if type(part) is not dict or type(part.get("type")) is not str:
            where = f"{where}[{index}]"
            raise InvalidRequest(f"{where} must be an object with a type", param=where)
