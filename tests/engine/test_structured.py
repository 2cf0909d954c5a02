"""`response_format` holds for the final answer of every technique."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from optillm.chat import Completion, Delta
from optillm.errors import InvalidRequest
from optillm.techniques import registry
from tests.fakes import Say, Sent, World

FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "sum",
        "schema": {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]},
    },
}
JUDGED = '{"ranking": ["A", "B", "C"], "score": 5, "groups": [["A"]], "pick": "A", "applicable": false}'
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


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_every_technique_asks_for_one_repair(slug: str) -> None:
    def script(sent: Sent) -> str:
        if sent.role == "judge":
            return JUDGED
        return '{"sum": 4}' if "does not have the form" in sent.prompt else f"It is {sent.number}."

    world = World(script)
    completion = world.complete(f"{slug}-m", "Add up.", response_format=FORMAT)
    assert completion.replies[0].text == '{"sum": 4}'
    assert sum("does not have the form" in sent.prompt for sent in world.sent) == 1


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_what_cannot_be_repaired_is_still_tried_once(slug: str) -> None:
    world = World(lambda sent: JUDGED if sent.role == "judge" else f"It is {sent.number}.")
    completion = world.complete(f"{slug}-m", "Add up.", response_format=FORMAT)
    assert completion.report.stop_reason == "degraded"
    assert completion.replies[0].text.startswith("It is")
    assert sum("does not have the form" in sent.prompt for sent in world.sent) == 1


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_every_choice_is_repaired(slug: str) -> None:
    def script(sent: Sent) -> str:
        if sent.role == "judge":
            return JUDGED
        return '{"sum": 4}' if "does not have the form" in sent.prompt else f"It is {sent.number}."

    completion = World(script).complete(f"{slug}-m", "Add up.", response_format=FORMAT, n=2)
    assert [reply.text for reply in completion.replies] == ['{"sum": 4}'] * 2


def test_an_answer_that_cannot_be_repaired_gives_way_to_one_that_has_the_form() -> None:
    def script(sent: Sent) -> str:
        if sent.role == "judge":
            return (
                '{"applicable": true, "smt2": "(declare-const x Int) (assert (= x 4))", "answer_vars": ["x"]}'
            )
        return "It is 4." if sent.role == "write" else '{"sum": 5}'

    completion = World(script).complete("z3-m", "Add up.", response_format=FORMAT)
    assert completion.replies[0].text == '{"sum": 5}'


def test_a_refusal_is_not_asked_to_have_the_form() -> None:
    world = World(lambda sent: Say(None, message={"refusal": "I can't."}))
    assert (
        world.complete("re2-m", "Add up.", response_format=FORMAT).replies[0].message["refusal"] == "I can't."
    )
    assert len(world.sent) == 1


AROUND = [
    "```json\n{}\n```",
    "```\n{}\n```",
    "Here you are:\n\n```json\n{}\n```\nI hope it helps.",
    "~~~\n{}\n~~~",
    "Here you are:\n{}",
]


@pytest.mark.parametrize("format_", [FORMAT, {"type": "json_object"}], ids=["schema", "object"])
@pytest.mark.parametrize("alike", [True, False], ids=["alike", "different"])
@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("slug", TECHNIQUES)
def test_text_around_the_json_is_removed_and_nothing_is_lost(
    slug: str, around: str, alike: bool, format_: dict[str, Any]
) -> None:
    def script(sent: Sent) -> str:
        if sent.role == "judge":
            return JUDGED
        value = f'{{"sum": {4 if alike else sent.number}}}'
        marker = re.search(r"^=== .* ===$", sent.prompt, re.MULTILINE)
        notes = f"Draft:\n```json\n{{}}\n```\n{marker[0]}\n" if marker else ""
        return notes + around.format(value)

    world = World(script)
    completion = world.complete(f"{slug}-m", "Add up.", response_format=format_)
    text = completion.replies[0].text
    assert text == f'{{"sum": {json.loads(text)["sum"]}}}'
    assert not completion.report.losses.keys() - {"abstained"}
    assert completion.report.stop_reason != "degraded"
    *_, (_, last) = World(script).events(f"{slug}-m", "Add up.", response_format=format_)
    assert isinstance(last, Completion)
    assert last.replies[0].text == text


@pytest.mark.parametrize("text", ['{"sum": 4}', ' {\n  "sum" : 4\n}\n', '{"sum": 4, "how": "```x```"}'])
@pytest.mark.parametrize("slug", TECHNIQUES)
def test_bare_json_stays_as_it_is(slug: str, text: str) -> None:
    assert World(lambda sent: text).text(f"{slug}-m", "Add up.", response_format=FORMAT) == text


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_without_a_form_a_fence_stays(slug: str) -> None:
    text = '```json\n{"sum": 4}\n```'
    assert World(lambda sent: text).text(f"{slug}-m", "Add up.") == text


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
