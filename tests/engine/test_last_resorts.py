"""What is returned if there is nothing better: truncated and empty replies, and a plain call's after a refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from optillm.chat import Budget, Delta
from optillm.errors import UpstreamError
from optillm.techniques import registry
from tests.fakes import Say, Sent, World, failing

TECHNIQUES = sorted(registry())
FIVE = ("bon", "moa", "self_consistency", "mcts", "pvg")
QUESTION = "What is 2 + 2?"
VERDICT = (
    '{"ranking": ["A", "B", "C"], "score": 7, "errors": [], "pick": "A", "groups": [["A"], ["B"], ["C"]]}'
)


class Local(World):
    """A local server, called by streams."""

    local = True


WORLDS = [World, Local]


def cut(sent: Sent) -> Say:
    """Answers end at the client's limit, whatever they are."""
    if sent.role == "judge":
        return Say(VERDICT)
    return Say(f"Let us see. The answer is {sent.number}.", finish_reason="length")


# Replies that the client's own limit cuts.


@pytest.mark.parametrize("kind", WORLDS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("slug", FIVE)
def test_samples_that_the_clients_limit_cuts_are_drawn_once_and_no_losses(
    slug: str, limit: str, stream: bool, kind: type[World]
) -> None:
    fields: dict[str, Any] = {limit: 8}
    whole = kind(lambda sent: Say(cut(sent).text))
    drawn = len(
        [sent for sent in (whole.complete(f"{slug}-m", **fields), whole.sent)[1] if sent.start == 0.0]
    )
    world = kind(cut)
    if stream:
        completion: Any = world.events(f"{slug}-m", **fields)[-1][1]
    else:
        completion = world.complete(f"{slug}-m", **fields)
    assert len([sent for sent in world.sent if sent.start == 0.0]) == drawn
    assert completion.report.stop_reason in ("complete", "settled")
    assert not completion.report.losses.keys() - {"cancelled"}
    assert completion.replies[0].finish_reason == "length"
    assert completion.report.rounds <= whole.complete(f"{slug}-m", **fields).report.rounds


def test_samples_that_something_else_cuts_are_asked_for_again() -> None:
    world = World(cut)
    completion = world.complete("bon-m")
    assert len(world.of("generate")) == 6
    assert completion.report.losses == {"truncated": 6}
    assert completion.report.stop_reason == "degraded"


def test_whole_samples_are_preferred_to_cut_ones_which_are_not_asked_for_again() -> None:
    def script(sent: Sent) -> Say:
        return Say("The answer is 7.") if sent.number == 2 else cut(sent)

    world = World(script)
    completion = world.complete("bon(n=5)-m", max_tokens=8)
    assert (completion.replies[0].text, completion.replies[0].finish_reason) == ("The answer is 7.", "stop")
    assert len(world.sent) == 5
    assert completion.report.losses == {}
    assert completion.report.stop_reason == "settled"


def test_cut_samples_stand_for_answers_beside_refusals() -> None:
    def script(sent: Sent) -> Say:
        return Say(None, message={"refusal": "I can't."}) if sent.number == 0 else cut(sent)

    completion = World(script).complete("bon(n=4)-m", max_tokens=8)
    assert completion.replies[0].finish_reason == "length"


def test_thoughts_that_take_all_of_the_clients_limit_are_not_asked_for_again() -> None:
    thinking = Say("", finish_reason="length", message={"reasoning_content": "Hm"})
    world = World(lambda sent: thinking)
    completion = world.complete("bon(n=3)-m", max_tokens=8)
    assert len(world.sent) == 3
    assert (completion.replies[0].text, completion.replies[0].finish_reason) == ("", "length")


# Replies that say nothing.


@pytest.mark.parametrize("kind", WORLDS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("slug", TECHNIQUES)
def test_nothing_but_silence_is_an_empty_answer_with_its_tokens(
    slug: str, stream: bool, kind: type[World]
) -> None:
    world = kind(lambda sent: Say(""))
    if stream:
        events = [event for _, event in world.events(f"{slug}-m", QUESTION)]
        assert not any(isinstance(event, Delta) for event in events)
        completion: Any = events[-1]
    else:
        completion = world.complete(f"{slug}-m", QUESTION)
    assert completion.replies[0].text == ""
    assert completion.report.stop_reason == "degraded"
    done = sum(sent.outcome != "cancelled" for sent in world.sent)
    assert completion.usage.completion_tokens == 5 * done


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_an_empty_reply_is_never_chosen_over_a_text(slug: str) -> None:
    def script(sent: Sent) -> Say:
        return Say(
            VERDICT if sent.role == "judge" else f"The answer is {sent.number}." if sent.number else ""
        )

    assert World(script).text(f"{slug}-m", QUESTION).startswith("The answer is")


def test_a_cut_text_is_better_than_none() -> None:
    world = World(lambda sent: Say("So far", finish_reason="length") if sent.number == 1 else Say(""))
    assert world.text("bon(n=2)-m") == "So far"


def test_a_call_that_fails_after_an_empty_reply_gives_the_empty_reply() -> None:
    def script(sent: Sent) -> Say:
        if sent.number:
            raise failing(500)
        return Say("")

    world = World(script)
    completion = world.complete("bon(n=1)-m")
    assert (completion.replies[0].text, completion.report.stop_reason) == ("", "degraded")


def test_a_budget_that_ends_after_an_empty_reply_leaves_it() -> None:
    completion = World(lambda sent: Say("")).complete("bon(n=1)-m", budget=Budget(max_calls=1))
    assert (completion.replies[0].text, completion.report.stop_reason) == ("", "budget")


def test_a_stream_that_breaks_off_after_an_empty_one_is_no_empty_answer() -> None:
    world = World(lambda sent: Say("The answer", breaks_off=True) if sent.number else Say(""))
    with pytest.raises(UpstreamError, match="ended early"):
        world.events("re2-m")


# Words of a technique that the upstream refuses.


def shorter_than(limit: int, status: int) -> Callable[[Sent], str]:
    """The context has room for this many characters."""

    def script(sent: Sent) -> str:
        if sum(len(str(message["content"])) for message in sent.body["messages"]) > limit:
            raise failing(status, "request (523 tokens) exceeds the available context size (512 tokens)")
        return f"The answer is {sent.number}."

    return script


@pytest.mark.parametrize("kind", WORLDS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("slug", TECHNIQUES)
def test_where_a_technique_has_no_room_a_plain_call_answers(
    slug: str, status: int, stream: bool, kind: type[World]
) -> None:
    world = kind(shorter_than(len(QUESTION), status))
    if stream:
        completion: Any = world.events(f"{slug}-m", QUESTION)[-1][1]
    else:
        completion = world.complete(f"{slug}-m", QUESTION)
    assert completion.replies[0].text.startswith("The answer is")
    assert completion.report.technique.startswith(slug)
    own_words = any(sent.outcome == "failed" for sent in world.sent)
    put_once = slug == "re2" and status != 413  # a form of its own, which is no fault
    assert (completion.report.stop_reason == "degraded") == (own_words and not put_once)


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_where_the_plain_call_is_refused_too_the_client_gets_its_refusal(slug: str) -> None:
    world = World(shorter_than(len(QUESTION) - 1, 400))
    with pytest.raises(UpstreamError, match="exceeds the available context size") as error:
        world.complete(f"{slug}-m", QUESTION)
    assert error.value.status == 400
    plain = [sent for sent in world.sent if sent.body["messages"] == [{"role": "user", "content": QUESTION}]]
    assert plain


def test_the_plain_calls_own_error_is_returned() -> None:
    def script(sent: Sent) -> str:
        raise failing(413 if len(sent.body["messages"]) > 1 else 404, f"{len(sent.body['messages'])} turns")

    with pytest.raises(UpstreamError, match="1 turns") as error:
        World(script).complete("cot_reflection-m")
    assert error.value.status == 404


def test_a_conversation_refused_as_the_client_sent_it_gets_no_plain_call() -> None:
    world = World(shorter_than(0, 413))
    with pytest.raises(UpstreamError):
        world.complete("bon(n=2)-m")
    assert len(world.sent) == 2


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_other_failures_get_no_plain_call(status: int) -> None:
    with pytest.raises(UpstreamError) as error:
        World(shorter_than(len(QUESTION), status), retries=0).complete("pvg(sneaky=0)-m", QUESTION)
    assert error.value.status == status


def test_a_budget_without_room_for_a_plain_call_leaves_the_refusal() -> None:
    with pytest.raises(UpstreamError, match="exceeds the available context size"):
        World(shorter_than(len(QUESTION), 400)).complete(
            "cot_reflection-m", QUESTION, budget=Budget(max_calls=1)
        )


def test_an_answer_at_hand_is_better_than_a_plain_call() -> None:
    world = World(shorter_than(len(QUESTION), 400))
    completion = world.complete("moa(proposers=2)-m", QUESTION)
    assert completion.report.stop_reason == "degraded"
    assert completion.replies[0].text in ("The answer is 0.", "The answer is 1.")
