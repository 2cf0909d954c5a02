"""The form that a request demands of its answer: JSON, or a tool call it insists on.

Libraries get structured output both ways: `response_format`, or a tool of which nothing is ever called but whose
arguments are the answer. Where a request leaves it to the model whether to call a tool, no form is demanded of
the calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, Protocol

from optillm.chat import Reply
from optillm.engine.run.excerpts import excerpt
from optillm.toolkit.schema.bare_json import bare_json, object_in_prose
from optillm.toolkit.schema.bounds import TooComplex
from optillm.toolkit.schema.checking import ResponseFormat

_ENDS: Final = (None, "stop", "tool_calls", "function_call")
"""Reasons for the end of a reply that calls tools and is whole."""


class AnswerForm(Protocol):
    """What a reply must be to answer the request."""

    def bare(self, reply: Reply) -> Reply:
        """Return the reply without what its author put around the answer."""
        ...

    def violation(self, reply: Reply) -> str | None:
        """Return in a line what keeps the reply from the form, `None` if it has it."""
        ...


def demanded_form(body: Mapping[str, Any]) -> AnswerForm | None:
    """Return the form that a request demands of its answer, `None` for free text.

    Raises `InvalidRequest` for a `response_format` that would take too long to check anything against.
    """
    demanded: Any = body.get("response_format")
    form = ResponseFormat.of(demanded)
    calls = CallForm.of(body)
    if calls is not None or form is None:
        return calls
    described = demanded["type"] == "json_schema" and form.validator is not None
    return JsonForm(form, described=described)


@dataclass(frozen=True, slots=True)
class JsonForm:
    """Text that is JSON; calls of tools have forms of their own.

    `described` says that there is a schema, which distinguishes the answer from other JSON in a text.
    """

    form: ResponseFormat
    described: bool = False

    def bare(self, reply: Reply) -> Reply:
        """Return the reply with its JSON alone, see `bare_json`."""
        return reply if reply.actions else excerpt(reply, self._bare(reply.text))

    def _bare(self, text: str) -> str:
        if self.described:
            return bare_json(text, self._fits, anywhere=True)
        bare = bare_json(text, self._fits)
        return bare if self._fits(bare) else object_in_prose(bare)

    def violation(self, reply: Reply) -> str | None:
        """See `AnswerForm.violation`."""
        return None if reply.actions else self.form.violation(reply.text)

    def _fits(self, text: str) -> bool:
        return self.form.violation(text) is None


class CallForm:
    """A call of one of these tools, by name as the request declares them.

    `named` says that the request names the one to call, `single` that there is to be but one call.
    """

    def __init__(self, tools: Mapping[str, Any], *, named: bool, single: bool) -> None:
        self._tools = tools
        self._named = named
        self._single = single or named
        # Only tools that are called have their schemas read: a request may declare thousands.
        self._arguments = cache(self._compiled)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> CallForm | None:
        """Return the form of the calls that a request forces, `None` if it forces none."""
        names = _forced(body.get("tool_choice" if body.get("tools") else "function_call"))
        declared = {_name(tool): tool for tool in _listed(body.get("tools") or body.get("functions"))}
        if names is None or not declared:
            return None
        tools = {name: declared.get(name) for name in names} if names else declared
        return cls(tools, named=len(names) == 1, single=body.get("parallel_tool_calls") is False)

    def bare(self, reply: Reply) -> Reply:
        """Return the reply with OpenAI's reason for its end: to call what was named is to stop."""
        if not reply.actions or reply.finish_reason not in _ENDS:
            return reply
        calls = "tool_calls" if reply.tool_calls else "function_call"
        return replace(reply, finish_reason="stop" if self._named else calls)

    def violation(self, reply: Reply) -> str | None:
        """See `AnswerForm.violation`."""
        if not reply.actions:
            return "it calls no tool"
        if self._single and len(reply.actions) > 1:
            return "it calls more than one tool"
        violations = (self._violation(_name(call), _inner(call)) for call in reply.actions)
        return next((violation for violation in violations if violation is not None), None)

    def _violation(self, name: str, call: Mapping[str, Any]) -> str | None:
        if name not in self._tools:
            return f"{name!r} is none of the tools to call: {', '.join(self._tools)}"
        form = self._arguments(name)
        violation = None if form is None else form.violation(str(call.get("arguments") or "{}"))
        return None if violation is None else f"the arguments of {name}: {violation}"

    def _compiled(self, name: str) -> ResponseFormat | None:
        """Return the form of a tool's arguments, `None` for free text.

        Where a check against its schema would take too long, that is any JSON.
        """
        tool = self._tools[name]
        if isinstance(tool, Mapping) and tool.get("type") == "custom":
            return None
        try:
            return ResponseFormat.of_schema(_inner(tool).get("parameters") or {"type": "object"})
        except TooComplex:
            return ResponseFormat()


def _inner(tool: Any) -> Mapping[str, Any]:
    """Return the object that describes a tool or a call of one; some writers leave it flat."""
    wire = tool if isinstance(tool, Mapping) else {}
    inner = wire.get("function") or wire.get("custom") or wire
    return inner if isinstance(inner, Mapping) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _name(tool: Any) -> str:
    return str(_inner(tool).get("name"))


def _forced(choice: Any) -> list[str] | None:
    """Return the names of the tools of which one must be called, an empty list for any tool.

    `None` where none must be called. Beside OpenAI's values there is Mistral's "any".
    """
    if choice in ("required", "any"):
        return []
    if not isinstance(choice, Mapping):
        return None
    if choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools")
        allowed = allowed if isinstance(allowed, Mapping) else choice
        required = allowed.get("mode") == "required"
        return [_name(tool) for tool in _listed(allowed.get("tools"))] if required else None
    return [_name(choice)] if "name" in _inner(choice) else None
