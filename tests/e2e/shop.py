"""An upstream that needs tools to answer: two turns of actions, the second with two calls at once, then an answer.

    QUESTION -> price(item="apple") -> price(item="pear") and stock(item="pear") -> an answer

It is a script, not a model: what it says next follows from the results it was given. Its answers disagree, so
that every technique does all of its work; judges get a verdict that every technique can read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

from tests.stub import Call, completion, delta

QUESTION: Final = "What do an apple and all your pears cost together?"
ANSWER: Final = "An apple costs 2, four pears cost 12."
"""What every answer begins with; the number it ends with is another each time."""
TURNS: Final = ["action", "action", "answer"]  # of a complete conversation, as `x-optillm-turn` says it
VERDICT: Final = '{"ranking": ["A", "B", "C"], "score": 7, "groups": [["A"], ["B"]], "pick": "A"}'
STEPS: Final = (
    [("price", {"item": "apple"})],
    [("price", {"item": "pear"}), ("stock", {"item": "pear"})],
)
CALLS: Final = [call for step in STEPS for call in step]
"""All tool calls of a complete conversation, in order."""


def price(item: str) -> int:
    """The price of one piece of an item."""
    return {"apple": 2, "pear": 3}[item]


def stock(item: str) -> int:
    """How many pieces of an item there are."""
    return {"apple": 9, "pear": 4}[item]


def tool(name: str, arguments: Mapping[str, Any]) -> str:
    """The result of a tool, as a client sends it back."""
    return str({"price": price, "stock": stock}[name](**arguments))


def described(name: str) -> dict[str, Any]:
    """A tool as a request declares it."""
    parameters = {
        "type": "object",
        "properties": {"item": {"type": "string"}},
        "required": ["item"],
        "additionalProperties": False,
    }
    return {"type": "function", "function": {"name": name, "strict": True, "parameters": parameters}}


TOOLS: Final = [described("price"), described("stock")]


class Keeper:
    """The upstream, as a stub asks for it."""

    def __init__(self) -> None:
        self._numbers = count(14)

    def __call__(self, call: Call) -> None:
        if call.method == "GET":
            return call.json({"object": "list", "data": [{"id": "m", "object": "model"}]})
        sent = call.sent
        results = [message for message in sent["messages"] if message["role"] == "tool"]
        message: dict[str, Any] = {"role": "assistant", "content": None}
        if "tools" not in sent:
            message["content"] = VERDICT
        elif len(results) == len(CALLS) or sent.get("tool_choice") == "none":
            message["content"] = f"{ANSWER} The answer is {next(self._numbers)}."
        else:
            message["tool_calls"] = _next(len(results))
        return _streamed(call, message) if sent.get("stream") else _whole(call, message)


def _next(done: int) -> list[dict[str, Any]]:
    step = STEPS[0] if done == 0 else STEPS[1]
    return [
        {
            "id": f"call_{done + place}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for place, (name, arguments) in enumerate(step)
    ]


def _whole(call: Call, message: Mapping[str, Any]) -> None:
    reply = completion(None)
    finish = "tool_calls" if message.get("tool_calls") else "stop"
    reply["choices"] = [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}]
    call.json(reply)


def _streamed(call: Call, message: Mapping[str, Any]) -> None:
    opening, finish = delta(), delta(finish="tool_calls" if message.get("tool_calls") else "stop")
    opening["choices"][0]["delta"] = {"role": "assistant", "content": ""}
    pieces = [delta(piece) for piece in re.findall(r"\s*\S+", message["content"] or "")]
    for place, wanted in enumerate(message.get("tool_calls", ())):
        piece = delta()
        piece["choices"][0]["delta"] = {"tool_calls": [{"index": place, **wanted}]}
        pieces.append(piece)
    call.events(opening, *pieces, finish)
