"""Which requests demand a form of the answer, and which replies have it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from optillm.chat import Reply
from optillm.engine.run.excerpts import excerpt
from optillm.engine.run.structured import CallForm, JsonForm, demanded_form

SCHEMA = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
ADD = {"type": "function", "function": {"name": "add", "strict": True, "parameters": SCHEMA}}
SEARCH = {"type": "function", "function": {"name": "search"}}
SHELL = {"type": "custom", "custom": {"name": "shell"}}
FLAT = {"type": "function", "name": "add", "parameters": SCHEMA}
NAMED = {"type": "function", "function": {"name": "add"}}


def call(name: str, arguments: Any) -> dict[str, Any]:
    return {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}


def calling(*calls: dict[str, Any]) -> Reply:
    return Reply({"role": "assistant", "content": None, "tool_calls": list(calls)}, "tool_calls")


GOOD = call("add", '{"sum": 4}')


@pytest.mark.parametrize(
    "choice",
    [
        "required",
        "any",
        NAMED,
        {"type": "function", "name": "add"},
        {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}},
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "add"}]},
    ],
)
@pytest.mark.parametrize("tools", [[ADD], [SEARCH, ADD], [FLAT, SHELL]])
def test_a_forced_call_has_the_form_of_its_tool(choice: Any, tools: list[Any]) -> None:
    form = demanded_form({"tools": tools, "tool_choice": choice})
    assert isinstance(form, CallForm)
    assert form.violation(calling(GOOD)) is None
    assert "required" in (form.violation(calling(call("add", "{}"))) or "")
    assert "not JSON" in (form.violation(calling(call("add", '{"sum": 4'))) or "")
    assert "none of the tools" in (form.violation(calling(call("subtract", "{}"))) or "")
    assert "no tool" in (form.violation(Reply({"role": "assistant", "content": '{"sum": 4}'}, "stop")) or "")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tools": [ADD]},
        {"tools": [ADD], "tool_choice": "auto"},
        {"tools": [ADD], "tool_choice": "none"},
        {"tools": [ADD], "tool_choice": None},
        {"tools": [ADD], "tool_choice": {}},
        {"tools": [ADD], "tool_choice": 3},
        {"tools": [ADD], "tool_choice": {"type": "function", "function": "add"}},
        {
            "tools": [ADD],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}},
        },
        {"tools": [ADD], "tool_choice": {"type": "allowed_tools", "allowed_tools": 3}},
        {"tools": [], "tool_choice": "required"},
        {"tools": None, "tool_choice": "required"},
        {"functions": [ADD["function"]], "function_call": "auto"},
        {"functions": 3, "function_call": {"name": "add"}},
        {"tools": [ADD], "function_call": {"name": "add"}},
    ],
)
def test_an_optional_call_has_no_form(body: dict[str, Any]) -> None:
    assert demanded_form(body) is None


def test_a_legacy_function_has_the_form_of_its_parameters() -> None:
    form = demanded_form({"functions": [ADD["function"]], "function_call": {"name": "add"}})
    assert form is not None
    said = {"role": "assistant", "content": None}
    good, bad = ({"name": "add", "arguments": text} for text in ('{"sum": 4}', '{"sum": "4"}'))
    assert form.violation(Reply({**said, "function_call": good}, "stop")) is None
    assert "integer" in (form.violation(Reply({**said, "function_call": bad}, "stop")) or "")


@pytest.mark.parametrize(
    ("body", "several"),
    [
        ({"tool_choice": "required"}, True),
        ({"tool_choice": "required", "parallel_tool_calls": False}, False),
        ({"tool_choice": NAMED}, False),
    ],
)
def test_a_named_tool_is_called_once(body: dict[str, Any], several: bool) -> None:
    form = demanded_form({"tools": [ADD], **body})
    assert form is not None
    assert (form.violation(calling(GOOD, GOOD)) is None) is several


@pytest.mark.parametrize("said", ["stop", "tool_calls", None])
@pytest.mark.parametrize(
    ("choice", "reason"), [(NAMED, "stop"), ("required", "tool_calls"), ("any", "tool_calls")]
)
def test_the_finish_reason_is_openais(choice: Any, reason: str, said: str | None) -> None:
    form = demanded_form({"tools": [ADD], "tool_choice": choice})
    assert form is not None
    assert form.bare(replace(calling(GOOD), finish_reason=said)).finish_reason == reason
    assert form.bare(replace(calling(GOOD), finish_reason="length")).finish_reason == "length"
    assert form.bare(Reply({"role": "assistant", "content": "4"}, said)).finish_reason == said


def test_the_tool_choice_may_allow_some_of_the_tools() -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}}
    form = demanded_form({"tools": [ADD, SEARCH], "tool_choice": choice})
    assert form is not None
    assert form.violation(calling(call("search", "{}")))


def test_a_custom_tool_takes_any_text_and_one_without_parameters_any_object() -> None:
    form = demanded_form({"tools": [SHELL, SEARCH], "tool_choice": "required"})
    assert form is not None
    typed = {"id": "1", "type": "custom", "custom": {"name": "shell", "input": "ls {"}}
    assert form.violation(calling(typed)) is None
    assert form.violation(calling(call("search", ""))) is None
    assert form.violation(calling(call("search", '{"q": 1}'))) is None
    assert form.violation(calling(call("search", "[]")))


@pytest.mark.parametrize("parameters", [3, {"type": "nonsense"}, {"$ref": "http://127.0.0.1:1/x"}, "complex"])
def test_with_an_unusable_schema_only_json_is_checked(parameters: Any) -> None:
    if parameters == "complex":
        levels = {f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 10} for i in range(11)}
        parameters = {"$defs": {**levels, "a11": {"type": "object"}}, "$ref": "#/$defs/a0"}
    tool = {"type": "function", "function": {"name": "add", "parameters": parameters}}
    form = demanded_form({"tools": [tool], "tool_choice": "required"})
    assert form is not None
    assert form.violation(calling(GOOD)) is None
    assert form.violation(calling(call("add", "{")))


def test_a_forced_call_has_its_form_whatever_the_response_format() -> None:
    body = {"tools": [ADD], "tool_choice": "required", "response_format": {"type": "json_object"}}
    assert isinstance(demanded_form(body), CallForm)
    assert isinstance(demanded_form({**body, "tool_choice": "auto"}), JsonForm)


def tokens(*texts: str) -> dict[str, Any]:
    return {"content": [{"token": text, "logprob": -0.1} for text in texts], "refusal": None}


def test_log_probabilities_are_those_of_the_json() -> None:
    form = demanded_form({"response_format": {"type": "json_object"}})
    assert form is not None
    pieces = ("Here:\n", "```", "json\n", "{", '"sum": 4', "}\n", "```")
    reply = Reply(
        {"role": "assistant", "content": "".join(pieces)}, "stop", logprobs=tokens("thought", *pieces)
    )
    bare = form.bare(reply)
    assert json.loads(bare.text) == {"sum": 4}
    assert bare.logprobs == tokens("{", '"sum": 4', "}\n")


@pytest.mark.parametrize("content", ['{"sum": 4}', [{"type": "text", "text": '{"sum": 4}'}]])
def test_a_reply_with_nothing_to_remove_is_the_same_reply(content: Any) -> None:
    reply = Reply({"role": "assistant", "content": content}, "stop", logprobs=3)
    assert excerpt(reply, reply.text) is reply


DESCRIBED = {"type": "json_schema", "json_schema": {"name": "sum", "schema": SCHEMA}}
NOT_DESCRIBED = {"type": "json_schema", "json_schema": {"name": "sum"}}
OBJECT = {"type": "json_object"}


@pytest.mark.parametrize(
    ("demanded", "text", "bare"),
    [
        (DESCRIBED, 'Of {"parts": [1, 3]} that is {"sum": 4}.', '{"sum": 4}'),
        (DESCRIBED, 'Either {"sum": 4} or {"sum": 5}', 'Either {"sum": 4} or {"sum": 5}'),
        (DESCRIBED, 'Sure! {"sum": "four"}', 'Sure! {"sum": "four"}'),
        (OBJECT, 'Sure! {"sum": 4}', '{"sum": 4}'),
        (OBJECT, 'Of {"parts": [1, 3]} that is {"sum": 4}.', 'Of {"parts": [1, 3]} that is {"sum": 4}.'),
        (OBJECT, '```json\n{"sum": 4}\n```\nwith {"sum": 4}', '{"sum": 4}'),
        (NOT_DESCRIBED, 'Sure! {"sum": 4}', '{"sum": 4}'),
        (
            NOT_DESCRIBED,
            'Of {"parts": [1, 3]} that is {"sum": 4}.',
            'Of {"parts": [1, 3]} that is {"sum": 4}.',
        ),
    ],
)
def test_json_within_a_line_is_the_answer_if_the_form_leaves_no_doubt(
    demanded: dict[str, Any], text: str, bare: str
) -> None:
    form = demanded_form({"response_format": demanded})
    assert form is not None
    assert form.bare(Reply({"role": "assistant", "content": text}, "stop")).text == bare
