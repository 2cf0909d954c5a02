"""Calls of tools as upstreams write them, whole or in pieces, brought into OpenAI's shape.

A call that cannot be read is never handed on in part: its reply is lost.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from optillm.errors import UpstreamError

ODD: Final = "the upstream's reply has a shape of its own"

_MARKS: Final = re.compile(r'\\.?|["{}\[\]]', re.DOTALL)
"""What tells whether JSON is complete: brackets, quotes, and what a backslash takes away."""


def objects(value: Any) -> Sequence[Mapping[str, Any]]:
    """A list of JSON objects; null is an empty one, anything else an `UpstreamError`."""
    items: list[Mapping[str, Any]] = [] if value is None else value
    if not isinstance(items, list):
        raise UpstreamError(ODD, retryable=True)
    for item in items:
        if not isinstance(item, dict):
            raise UpstreamError(ODD, retryable=True)
    return items


def with_calls_read(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the message with its calls in OpenAI's shape, itself if they are.

    Raises `UpstreamError`.
    """
    calls, function = message.get("tool_calls"), message.get("function_call")
    if calls:
        read = [_call(position, call) for position, call in enumerate(objects(calls))]
        message = message if read == calls else {**message, "tool_calls": read}
    if function:
        read_function = _function(function, {})
        message = message if read_function == function else {**message, "function_call": read_function}
    return message


def _call(position: int, call: Mapping[str, Any]) -> Mapping[str, Any]:
    index = {"index": position} if "index" in call else {}
    if isinstance(call.get("custom"), Mapping) and call["custom"].get("name"):
        return {**call, **index}
    function = _function(call.get("function"), call)
    number = call.get("id") or f"call_{secrets.token_hex(12)}"
    return {**call, **index, "id": number, "type": call.get("type") or "function", "function": function}


def _function(function: Any, call: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a function with its name, and its arguments as text.

    Either may stand beside it in the call.
    """
    if not isinstance(function, Mapping):
        function = {"name": function or call.get("name"), "arguments": call.get("arguments")}
        if function["arguments"] is None:
            raise UpstreamError("the upstream's reply calls a tool without arguments", retryable=True)
    name, arguments = function.get("name"), function.get("arguments")
    if not isinstance(name, str) or not name.strip():
        raise UpstreamError("the upstream's reply calls a tool without a name", retryable=True)
    return {**function, "arguments": _text(arguments)}


def _text(arguments: Any) -> str:
    if isinstance(arguments, str):
        return arguments if arguments.strip() else "{}"
    return "{}" if arguments is None else json.dumps(arguments, ensure_ascii=False)


@dataclass(slots=True)
class _Nesting:
    """Takes JSON in pieces and tells whether it is complete.

    The time is proportional to what is new.
    """

    depth: int = 0
    in_string: bool = False
    begun: bool = False
    rest: str = ""

    def feed(self, text: str) -> None:
        """Take in a piece."""
        text, self.rest = self.rest + text, ""
        self.begun = self.begun or bool(text.strip())
        for mark in _MARKS.findall(text):
            if mark == "\\":  # what it is about comes with the next piece
                self.rest = mark
            elif mark == '"':
                self.in_string = not self.in_string
            elif not self.in_string and len(mark) == 1:
                self.depth += 1 if mark in "{[" else -1

    @property
    def complete(self) -> bool:
        """Whether what came so far is a whole value."""
        return self.begun and self.depth <= 0 and not (self.in_string or self.rest)


@dataclass(slots=True)
class _Open:
    """A call of which more pieces may come."""

    fields: dict[str, Any] = field(default_factory=dict)
    function: dict[str, Any] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    nesting: _Nesting = field(default_factory=_Nesting)

    def add(self, piece: Mapping[str, Any], function: Mapping[str, Any]) -> None:
        self.fields |= {
            key: value for key, value in piece.items() if value and key not in ("function", "index")
        }
        self.function |= {key: value for key, value in function.items() if value and key != "arguments"}
        arguments = function.get("arguments")
        if arguments is not None:
            text = arguments if isinstance(arguments, str) else _text(arguments)
            self.arguments.append(text)
            self.nesting.feed(text)

    def whole(self) -> dict[str, Any]:
        """The call as it would have come in one piece."""
        arguments = {"arguments": "".join(self.arguments)} if self.arguments else {}
        return {**self.fields, "function": {**self.function, **arguments}}


class ActionAssembly:
    """The calls of a reply that comes in pieces.

    A new id or a new name begins a new one, whatever its index.
    """

    def __init__(self) -> None:
        self._calls: list[_Open] = []
        self._by_index: dict[int, _Open] = {}
        self._by_id: dict[str, _Open] = {}

    def add(self, pieces: Any) -> None:
        """Take in the calls of a delta."""
        for piece in objects(pieces):
            function = piece.get("function")
            if not isinstance(function, Mapping):
                function = {"name": function or piece.get("name"), "arguments": piece.get("arguments")}
            call = self._continued(piece, function)
            if call is None:
                call = _Open()
                self._calls.append(call)
            if isinstance(piece.get("index"), int):
                self._by_index[piece["index"]] = call
            call.add(piece, function)
            if piece.get("id"):
                self._by_id.setdefault(str(piece["id"]), call)

    def calls(self) -> list[dict[str, Any]]:
        """The calls so far, as they would have come whole."""
        return [call.whole() for call in self._calls]

    def _continued(self, piece: Mapping[str, Any], function: Mapping[str, Any]) -> _Open | None:
        """The call that a piece goes on with, `None` if it begins one."""
        number, name, index = piece.get("id"), function.get("name"), piece.get("index")
        if not self._calls:
            return None
        if number and str(number) in self._by_id:
            return self._by_id[str(number)]
        call = self._by_index.get(index, self._calls[-1]) if isinstance(index, int) else self._calls[-1]
        if not (number or name):
            return call
        if isinstance(index, int) and self._by_index and index not in self._by_index:
            return None
        if number and call.fields.get("id"):
            return None
        if name and call.function.get("name"):
            repeated = name == call.function["name"] and not (
                function.get("arguments") and call.nesting.complete
            )
            return call if repeated else None
        return call
