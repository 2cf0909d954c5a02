"""`response_format` holds for the final answer of every technique."""

from __future__ import annotations

import json
from typing import Any

import pytest

from optillm.chat import Completion, Delta
from optillm.errors import InvalidRequest
from optillm.techniques import registry
from tests.fakes import Sent, World

FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "sum",
        "schema": {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]},
    },
}
JUDGED = '{"ranking": ["A", "B", "C"], "score": 5, "groups": [["A"]], "pick": "A"}'
TECHNIQUES = sorted(registry())


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_the_answer_of_every_technique_has_the_form(slug: str) -> None:
    def script(sent: Sent) -> str:
        if sent.role == "judge":
            return JUDGED
        return f"Sure, it is {sent.number}!" if sent.number % 2 else json.dumps({"sum": sent.number})

    completion = World(script).complete(f"{slug}-m", "Add up.", response_format=FORMAT)
    assert "sum" in json.loads(completion.replies[0].text)
    assert all("response_format" not in sent.body for sent in World(script).of("judge"))


def test_candidates_without_the_form_lose() -> None:
    texts = ["It is 4.", '{"sum": "four"}', '{"sum": 4}']
    completion = World(lambda sent: texts[sent.number]).complete("bon-m", "Add up.", response_format=FORMAT)
    assert completion.replies[0].text == '{"sum": 4}'
    assert completion.report.losses["invalid"] == 2


def test_votes_are_on_values_not_on_their_layout() -> None:
    texts = ['{"sum": 5}', '{"sum":4}', '{ "sum" : 4.0 }', '{"sum": 5, "why": "x"}']
    world = World(lambda sent: texts[sent.number])
    text = world.text("self_consistency(samples=4)-m", "Add up.", response_format=FORMAT)
    assert json.loads(text)["sum"] == 4


@pytest.mark.parametrize(("mended", "stop"), [('{"sum": 4}', "complete"), ("still prose", "degraded")])
def test_a_written_answer_without_the_form_gets_one_repair(mended: str, stop: str) -> None:
    def script(sent: Sent) -> str:
        if "does not have the form" in sent.prompt:
            assert "not JSON" in sent.prompt
            return mended
        return "It is 4." if sent.role == "write" else json.dumps({"sum": sent.number})

    completion = World(script).complete("moa-m", "Add up.", response_format=FORMAT)
    assert completion.report.stop_reason == stop
    assert completion.replies[0].text == (mended if stop == "complete" else "It is 4.")


def test_a_stream_shows_only_what_has_the_form() -> None:
    def script(sent: Sent) -> str:
        if "does not have the form" in sent.prompt:
            return '{"sum": 4}'
        return "It is 4." if sent.role == "write" else json.dumps({"sum": sent.number})

    events = [event for _, event in World(script).events("moa-m", "Add up.", response_format=FORMAT)]
    assert not any(isinstance(event, Delta) for event in events)
    assert isinstance(events[-1], Completion)
    assert events[-1].replies[0].text == '{"sum": 4}'


def test_when_nothing_has_the_form_the_best_is_marked_as_degraded() -> None:
    completion: Any = World(lambda sent: "It is 4.").complete("bon-m", "Add up.", response_format=FORMAT)
    assert completion.report.stop_reason == "degraded"
    assert completion.replies[0].text == "It is 4."


@pytest.mark.parametrize("stream", [False, True])
def test_a_schema_too_costly_to_check_is_refused_before_any_call(stream: bool) -> None:
    levels = {f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 10} for i in range(11)}
    schema = {"$defs": {**levels, "a11": {"type": "object"}}, "$ref": "#/$defs/a0"}
    demanded = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    world = World(lambda sent: "{}")
    with pytest.raises(InvalidRequest) as caught:
        world.run(world.serve("bon-m", "Add up.", stream=stream, response_format=demanded))
    assert caught.value.param == "response_format"
    assert not world.sent
