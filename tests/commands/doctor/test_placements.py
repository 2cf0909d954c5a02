"""Where instructions should stand for a model: what is asked, what is advised, and what is said of failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from optillm.chat import content_text
from optillm.commands.doctor.checks import examine
from optillm.commands.doctor.placements import MARKER, QUESTIONS, TOKENS, by_chance, questions
from optillm.config.settings import Settings
from optillm.engine.call.payload import ON_BEHALF
from tests.commands.doctor.test_checks import good
from tests.config.test_settings import bare_machine
from tests.stub import Call, Stub, completion

__all__ = ["bare_machine"]  # the fixture that every test here runs under

ANSWERS = {question.text: question.answer for question in questions()}
NUMBERS = {question.text: number for number, question in enumerate(questions())}
WRONG = "I do not know."
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def placement(messages: Sequence[Mapping[str, Any]]) -> str:
    """Where the instruction stands in a conversation, as the setting calls it."""
    texts = [content_text(message) for message in messages]
    if messages[0]["role"] == "system":
        assert texts[0].startswith(ON_BEHALF)
        return "system"
    return "before" if len(texts) == 1 else "after"


def question(messages: Sequence[Mapping[str, Any]]) -> str:
    said = "\n".join(content_text(message) for message in messages)
    return next(text for text in ANSWERS if text in said)


def model(respond: Callable[[Call, str, str], None]) -> Callable[[Call], None]:
    """An upstream that can do everything; `respond` gets each call with an instruction, its place and its question."""

    def responding(call: Call) -> None:
        if MARKER.encode() not in call.body:
            return good(call)
        messages = call.sent["messages"]
        return respond(call, placement(messages), question(messages))

    return responding


def knowing(**places: int) -> Callable[[Call], None]:
    """A model that answers so many of the questions, beginning with the first, rightly in each place."""

    def respond(call: Call, where: str, text: str) -> None:
        is_right = NUMBERS[text] < places[where]
        reply = f"Working notes\nLet me see.\n{MARKER}\nThe answer is {ANSWERS[text]}." if is_right else WRONG
        call.json(completion(reply, usage=USAGE))

    return model(respond)


def examined(
    respond: Callable[[Call], None], *, wanted: bool = True, **settings: Any
) -> tuple[dict[str, tuple[str, str]], list[Call]]:
    """The findings by what they are about, and the calls that held an instruction."""
    with Stub(respond) as stub:
        configured = Settings(base_url=stub.base_url, model="m", **settings)
        diagnosis = asyncio.run(examine(configured, 20.0, placements=wanted))
        calls = [call for call in stub.calls if MARKER.encode() in call.body]
    return {finding.about: (finding.result, finding.details) for finding in diagnosis.findings}, calls


def test_the_questions_are_the_same_each_time_and_all_different() -> None:
    assert questions() == questions()
    assert len(ANSWERS) == QUESTIONS == 12


def test_each_question_is_asked_in_each_place_with_a_bounded_reply() -> None:
    findings, calls = examined(knowing(after=3, before=11, system=3))
    pairs = {(placement(call.sent["messages"]), question(call.sent["messages"])) for call in calls}
    assert len(calls) == len(pairs) == 3 * QUESTIONS
    assert {call.sent["max_tokens"] for call in calls} == {TOKENS}
    assert findings["calls for that"] == (
        "36",
        "256 tokens at most for each reply, 9,216 for all; used: 3,600 to read, 720 to write",
    )


def test_nothing_is_asked_unless_that_is_wanted() -> None:
    findings, calls = examined(knowing(), wanted=False)
    assert not calls
    assert not any(about.startswith("instructions") for about in findings)


def test_a_place_that_is_clearly_better_is_advised_with_the_counts() -> None:
    findings, _ = examined(knowing(after=3, before=11, system=4))
    assert findings["instructions after"] == ("3 of 12", "right answers")
    assert findings["instructions before"] == ("11 of 12", "right answers")
    assert findings["instructions system"] == ("4 of 12", "right answers")
    assert findings["instructions"] == (
        "before",
        "8 answers were right only with before, 0 only with after; chance alone makes such a difference in 0% of all "
        "cases: set --instructions before",
    )


def test_a_small_difference_is_said_to_be_too_small() -> None:
    findings, _ = examined(knowing(after=5, before=8, system=5))
    result, words = findings["instructions"]
    assert result == "unclear"
    assert words.startswith("3 answers were right only with before, 0 only with after: too few to tell")


@pytest.mark.parametrize("others", [12, 7])
def test_the_default_stays_where_no_other_place_does_better(others: int) -> None:
    findings, _ = examined(knowing(after=12, before=others, system=others))
    assert findings["instructions"][0] == "after"


def test_a_place_that_the_upstream_refuses_is_said_to_be_refused() -> None:
    def respond(call: Call, where: str, text: str) -> None:
        if where == "system":
            return call.json({"error": {"message": "System role not supported"}}, 400)
        return call.json(completion(f"The answer is {ANSWERS[text]}.", usage=USAGE))

    findings, _ = examined(model(respond))
    assert findings["instructions system"] == (
        "12 of 12",
        "right answers; the upstream refuses them there, so they stood elsewhere",
    )


def test_calls_that_fail_are_counted_and_decide_nothing() -> None:
    def respond(call: Call, where: str, text: str) -> None:
        if where == "after":
            return call.json({"error": {"message": "toykey-1 is busy"}}, 503)
        return call.json(completion(f"The answer is {ANSWERS[text]}.", usage=None))

    findings, _ = examined(model(respond), openai_api_key="toykey-1")
    assert findings["instructions after"] == (
        "0 of 12",
        "right answers; 12 calls failed, the first: status 503: [redacted] is busy",
    )
    assert findings["instructions"][0] == "unclear"
    assert "used: about" in findings["calls for that"][1]  # this upstream reports no usage


def test_nothing_is_advised_when_no_call_is_answered() -> None:
    findings, _ = examined(model(lambda call, *_: call.raw(b"[]", content_type="application/json")))
    assert findings["instructions"] == ("unclear", "no call was answered")


def test_replies_that_end_at_their_limit_are_counted() -> None:
    def respond(call: Call, *_: str) -> None:
        reply = completion("Let me", usage=USAGE)
        reply["choices"][0]["finish_reason"] = "length"
        call.json(reply)

    findings, _ = examined(model(respond))
    assert findings["instructions before"] == (
        "0 of 12",
        "right answers; 12 replies ended at their limit of 256 tokens",
    )


@pytest.mark.parametrize(
    ("better", "worse", "probability"),
    [(0, 0, 1.0), (1, 0, 0.5), (4, 0, 1 / 16), (0, 4, 1.0), (6, 1, 8 / 128), (7, 1, 9 / 256)],
)
def test_chance_is_that_of_fair_coins(better: int, worse: int, probability: float) -> None:
    assert by_chance(better, worse) == pytest.approx(probability)


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ("So, {} it is, I think.", 12),  # nothing that can be read as an answer, but a number
        ("First I take 3. Then {}: done", 12),
        ("It could be {}, but I take 1000", 0),
    ],
)
def test_the_last_number_counts_where_no_answer_can_be_read(words: str, right: int) -> None:
    def respond(call: Call, where: str, text: str) -> None:
        call.json(completion(words.format(ANSWERS[text])))

    findings, _ = examined(model(respond))
    assert findings["instructions after"] == (f"{right} of 12", "right answers")
