"""Retries, accounting and the assembly of streamed replies."""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from optillm.chat import Budget, Delta, Usage
from optillm.engine.call.ledger import ASSUMED_REPLY, estimate, worst_case
from optillm.engine.call.retries import BACKOFF
from optillm.engine.upstream.replies import Assembly, read_replies
from optillm.errors import UpstreamError
from tests.fakes import HANG, Say, Sent, World, failing

ANSWER = "The answer is 4."


def failing_first(times: int, **circumstances: Any) -> Callable[[Sent], str]:
    """Each of the first calls fails `times` times before it answers."""

    def script(sent: Sent) -> str:
        if sent.number < times:
            raise failing(**circumstances)
        return ANSWER

    return script


def one(script: Callable[[Sent], Any], **world: Any) -> World:
    """A world whose technique makes a single call."""
    return World(script, **world)


def test_a_passing_failure_is_retried_within_the_back_off() -> None:
    world = one(failing_first(2, status=503))
    completion = world.complete("bon(n=1)-m")
    assert completion.replies[0].text == ANSWER
    assert 1.0 < world.seconds <= 1.0 + BACKOFF + 2 * BACKOFF
    assert completion.report.rounds == 1
    assert completion.report.calls == {"generate": 3}
    assert completion.report.losses == {"failed": 2}


def test_retry_after_is_honoured() -> None:
    world = one(failing_first(1, status=429, retry_after=7.0))
    world.complete("bon(n=1)-m")
    assert 8.0 <= world.seconds <= 8.0 + BACKOFF / 4


def test_a_wait_that_passes_the_deadline_is_not_begun() -> None:
    world = one(failing_first(99, status=429, retry_after=60.0))
    with pytest.raises(UpstreamError) as error:
        world.complete("bon(n=1)-m", budget=Budget(seconds=30))
    assert error.value.status == 429
    assert world.seconds == 0.0


@pytest.mark.parametrize("status", [401, 403, 413])
def test_what_a_retry_cannot_mend_is_not_retried(status: int) -> None:
    world = one(failing_first(99, status=status))
    with pytest.raises(UpstreamError):
        world.complete("bon(n=1)-m")
    assert len(world.sent) == 1


@pytest.mark.parametrize("status", [400, 404, 422, 501])
def test_a_refusal_is_tried_again_only_without_what_is_ours(status: int) -> None:
    world = one(failing_first(99, status=status))
    with pytest.raises(UpstreamError):
        world.complete("bon(n=1)-m", top_p=0.5)
    assert [(sent.body.get("temperature"), sent.body["top_p"]) for sent in world.sent] == [
        (0.7, 0.5),
        (None, 0.5),
    ]
    world = one(failing_first(99, status=status))
    with pytest.raises(UpstreamError):
        world.complete("bon(n=1)-m", temperature=0.5)
    assert len(world.sent) == 1


def test_retries_end() -> None:
    world = one(failing_first(99, status=500), retries=2)
    with pytest.raises(UpstreamError):
        world.complete("bon(n=1)-m")
    assert len(world.sent) == 3


def test_a_reply_without_choices_is_retried_and_its_tokens_are_booked() -> None:
    empty = {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 0}}
    world = one(lambda sent: ANSWER if sent.number else empty)
    completion = world.complete("bon(n=1)-m")
    assert completion.usage == Usage(20, 5)
    assert completion.report.losses == {"failed": 1}


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_a_reply_that_says_nothing_is_asked_for_once_more_and_its_tokens_are_booked(
    text: str | None,
) -> None:
    world = one(lambda sent: ANSWER if sent.number else Say(text))
    completion = world.complete("re2-m")
    assert completion.replies[0].text == ANSWER
    assert completion.usage == Usage(20, 10)
    assert completion.report.losses == {"failed": 1}


def test_a_stream_that_says_nothing_is_asked_for_once_more() -> None:
    world = one(lambda sent: ANSWER if sent.number else Say(""))
    events = [event for _, event in world.events("re2-m")]
    assert [event.content for event in events if isinstance(event, Delta)] == [ANSWER]


def test_a_judge_that_says_nothing_is_asked_once_more() -> None:
    world = one(lambda sent: Say(None) if sent.role == "judge" else f"The answer is {sent.number}.")
    completion = world.complete("bon(n=2)-m")
    assert completion.report.calls["judge"] == 4
    assert completion.report.losses == {"failed": 4, "abstained": 2}


def test_a_reply_that_spent_its_tokens_on_thinking_is_asked_for_once_more_only() -> None:
    world = one(lambda sent: Say("", finish_reason="length"))
    assert world.complete("re2-m").report.stop_reason == "degraded"
    assert len(world.sent) == 2


def test_missing_usage_is_estimated_and_flagged_never_zero() -> None:
    completion = one(lambda sent: Say(ANSWER, usage=None)).complete("bon(n=1)-m")
    assert completion.usage is not None
    assert completion.usage.estimated
    assert completion.usage.completion_tokens == 4
    assert completion.usage.wire()["estimated"] is True


def test_a_cancelled_call_is_booked_as_an_estimate() -> None:
    world = World(lambda sent: HANG if sent.number == 0 else ANSWER)
    completion = world.complete("self_consistency-m")
    assert completion.usage is not None
    assert completion.usage.estimated
    assert completion.usage.prompt_tokens > 10 * 7


def test_a_429_narrows_the_window() -> None:
    world = World(failing_first(1, status=429), cap=8)
    world.complete("bon(n=1)-m")
    assert 5 <= world.engine.routes.all[0].limiters.of(None, "m").window < 6


def test_at_most_the_cap_runs_at_once() -> None:
    world = World(lambda sent: f"The answer is {sent.number}.", cap=3)
    completion = world.complete("self_consistency(mode=fixed,tie=shortest)-m")
    assert world.most_running == 3
    assert world.seconds == 3.0
    assert completion.report.rounds == 1  # queueing is not a round


def test_a_stream_that_fails_before_its_first_word_is_retried() -> None:
    def script(sent: Sent) -> str | Say:
        if sent.role != "write":
            return f"City {sent.number}, I say."
        if sent.number == 4:
            raise failing(503)
        return "Rome."

    events = [event for _, event in World(script).events("moa-m")]
    assert [event.content for event in events if isinstance(event, Delta)] == ["Rome."]


def chunk(delta: Mapping[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def test_assembles_a_reply_from_its_chunks() -> None:
    assembly = Assembly()
    chunks = [
        chunk({"role": "assistant", "content": ""}, model="real-m", system_fingerprint="fp"),
        chunk({"reasoning_content": "Hm"}),
        chunk({"reasoning_content": "."}),
        chunk({"content": "He"}),
        chunk({"content": "llo"}),
        chunk({}, "stop"),
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
    ]
    assert [assembly.add(piece) for piece in chunks] == ["", "", "", "He", "llo", "", ""]
    reply = assembly.reply()
    assert reply.message == {"role": "assistant", "reasoning_content": "Hm.", "content": "Hello"}
    assert (reply.finish_reason, reply.model, reply.system_fingerprint) == ("stop", "real-m", "fp")
    assert assembly.usage == Usage(3, 2)


@pytest.mark.parametrize("odd", [{}, {"choices": None}, {"choices": [{}]}, {"choices": [{"delta": None}]}])
def test_odd_chunks_carry_nothing(odd: dict[str, Any]) -> None:
    assembly = Assembly()
    assert assembly.add(odd) == ""
    with pytest.raises(UpstreamError, match="ended early"):
        assembly.reply()


@pytest.mark.parametrize("wire", [{}, {"choices": None}, {"choices": []}])
def test_a_completion_without_choices_has_no_replies(wire: dict[str, Any]) -> None:
    assert read_replies(wire) == []


MALFORMED: list[Any] = ["x", {"message": 1}, [None, 3], [["x"]]]


@pytest.mark.parametrize("choices", [*MALFORMED, [{"message": "x"}], [{"message": {"tool_calls": [3]}}]])
def test_a_completion_of_no_known_shape_is_an_error_of_the_upstream(choices: Any) -> None:
    with pytest.raises(UpstreamError) as error:
        read_replies({"choices": choices})
    assert (error.value.status, error.value.retryable) == (502, True)


@pytest.mark.parametrize("choices", [*MALFORMED, [{"delta": "x"}], [{"delta": {"content": 3}}]])
def test_a_chunk_of_no_known_shape_is_an_error_of_the_upstream(choices: Any) -> None:
    with pytest.raises(UpstreamError):
        Assembly().add({"choices": choices})


def test_content_in_parts_is_read_whole_and_in_chunks() -> None:
    parts = [{"type": "text", "text": "Ro"}, {"type": "text", "text": "me."}]
    (reply,) = read_replies({"choices": [{"message": {"content": parts}}]})
    assert reply.text == "Rome."
    assert Assembly().add({"choices": [{"delta": {"content": parts}}]}) == "Rome."


def test_a_lesson_that_does_not_help_is_not_kept() -> None:
    def script(sent: Sent) -> str:
        if sent.number < 3:  # whatever is left out
            raise failing(400, "the model 'seed' is unknown")
        return ANSWER

    world = World(script, retries=0)
    with pytest.raises(UpstreamError):
        world.complete("bon(n=1)-m", seed=1)
    assert ["seed" in sent.body for sent in world.sent] == [True, False, True]
    world.complete("bon(n=1)-m", seed=1)
    assert (world.sent[3].body["seed"], world.sent[3].body["temperature"]) == (1, 0.7)


def test_the_worst_case_counts_the_prompt_and_every_choice_at_its_limit() -> None:
    body = {"messages": [{"role": "user", "content": "x" * 400}]}
    prompt = estimate(body).prompt_tokens
    assert prompt == 104
    assert worst_case(body, None).tokens == prompt + ASSUMED_REPLY
    assert worst_case({**body, "max_tokens": 50, "n": 3}, None).tokens == prompt + 150
    assert worst_case({**body, "max_completion_tokens": 20}, None).tokens == prompt + 20


def test_a_model_that_refuses_several_parameters_is_learned_one_by_one() -> None:
    world = World(lambda sent: ANSWER, refuses=("temperature", "seed"))
    world.complete("bon(n=1)-m", seed=1)
    assert len(world.sent) == 3
    world.complete("bon(n=1)-m", seed=1)
    assert len(world.sent) == 4


# What is logged of them at the level debug.


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines of the request without its id, which each of them has."""
    logged = [
        r.getMessage() for r in caplog.records if r.levelno == logging.DEBUG and r.name.startswith("optillm")
    ]
    assert all(line.startswith("Request test: ") for line in logged)
    assert "secret" not in "".join(logged)
    return [line.removeprefix("Request test: ") for line in logged]


def test_a_call_is_logged_with_its_role_model_time_and_tokens(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        one(lambda sent: ANSWER).complete("bon(n=1)-m", "a secret question")
    assert lines(caplog) == ["call 0, generate: ok in 1.00 s, model m, input_tokens 10, output_tokens 5"]


def test_a_retry_is_logged_with_its_reason_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    world = one(failing_first(2, status=429, retry_after=1.0, message="a secret"))
    with caplog.at_level(logging.DEBUG):
        world.complete("bon(n=1)-m", "a secret question")
    first, second, end = lines(caplog)
    assert re.fullmatch(r"call 0: status 429, retrying in 1\.\d\d s", first)
    assert re.fullmatch(r"call 0: status 429, retrying in 1\.\d\d s", second)
    assert re.fullmatch(
        r"call 0, generate: ok in .+ s, model m, retries 2, input_tokens 10, output_tokens 5", end
    )
    assert world.records[0].trace is not None
    assert world.records[0].trace.calls[0].attributes["optillm.retries"] == 2


def test_decisions_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    def script(sent: Sent) -> Any:
        return '{"ranking": ["B", "A"]}' if sent.role == "judge" else f"The answer is {sent.number}."

    with caplog.at_level(logging.DEBUG):
        one(script).complete("bon(n=3)-m", "a secret question", budget=Budget(max_calls=4))
    logged = lines(caplog)
    assert logged[0].startswith("options reduced to fit the budget: ")
    assert "judging 2 different answers" in logged
    assert [line for line in logged if re.match(r"step judge took 1\.00 s, candidates 2, ballots \d$", line)]


def test_an_early_stop_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    delays = iter([1.0, 1.1, 1.2, 1.3, 9.0, 9.0, 9.0, 9.0, 9.0])
    with caplog.at_level(logging.DEBUG):
        one(lambda sent: Say(ANSWER, seconds=next(delays))).complete(
            "self_consistency-m", "a secret question"
        )
    logged = lines(caplog)
    assert [line for line in logged if re.fullmatch(r"\d of \d calls are no longer needed", line)]
    assert [line for line in logged if "cancelled in" in line]


def test_nothing_is_logged_of_calls_by_default(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        one(failing_first(1, status=503)).complete("bon-m")
    assert [r for r in caplog.records if r.levelno == logging.DEBUG] == []
