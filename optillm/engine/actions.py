"""Calls of tools as upstreams write them, whole or in pieces, brought into OpenAI's shape.

A call that cannot be read is never handed on in part: its reply is lost.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from optillm.errors import UpstreamError

ODD: Final = "the upstream's reply has a shape of its own"


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
    """The message with its calls in OpenAI's shape; itself when they are. Raises `UpstreamError`."""
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
    """A function with its name, and its arguments as text; either may stand beside it in the call."""
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
class _Open:
    """A call of which more pieces may come."""

    fields: dict[str, Any] = field(default_factory=dict)
    function: dict[str, Any] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)

    def add(self, piece: Mapping[str, Any], function: Mapping[str, Any]) -> None:
        self.fields |= {
            key: value for key, value in piece.items() if value and key not in ("function", "index")
        }
        self.function |= {key: value for key, value in function.items() if value and key != "arguments"}
        arguments = function.get("arguments")
        if arguments is not None:
            self.arguments.append(arguments if isinstance(arguments, str) else _text(arguments))

    @property
    def complete(self) -> bool:
        """Whether the arguments so far are all of some."""
        try:
            json.loads("".join(self.arguments))
        except ValueError:
            return False
        return True

    def whole(self) -> dict[str, Any]:
        """The call as it would have come in one piece."""
        arguments = {"arguments": "".join(self.arguments)} if self.arguments else {}
        return {**self.fields, "function": {**self.function, **arguments}}


class ActionAssembly:
    """The calls of a reply that comes in pieces; a new id or a new name begins a new one, whatever its index."""

    def __init__(self) -> None:
        self._calls: list[_Open] = []
        self._by_index: dict[int, _Open] = {}

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

    def calls(self) -> list[dict[str, Any]]:
        """The calls so far, as they would have come whole."""
        return [call.whole() for call in self._calls]

    def _continued(self, piece: Mapping[str, Any], function: Mapping[str, Any]) -> _Open | None:
        """The call that a piece goes on with, `None` if it begins one."""
        number, name, index = piece.get("id"), function.get("name"), piece.get("index")
        if not self._calls:
            return None
        if number:
            same = [call for call in self._calls if call.fields.get("id") == number]
            if same:
                return same[0]
        call = self._by_index.get(index, self._calls[-1]) if isinstance(index, int) else self._calls[-1]
        if not (number or name):
            return call
        if isinstance(index, int) and self._by_index and index not in self._by_index:
            return None
        if number and call.fields.get("id"):
            return None
        if name and call.function.get("name"):
            repeated = name == call.function["name"] and not (function.get("arguments") and call.complete)
            return call if repeated else None
        return call
