"""What every technique of the registry promises, whatever it does inside.

A new technique is held to all of this without a line here.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from optillm.chat import Budget, ChatRequest, Completion, Note, Stream
from optillm.errors import BudgetExhausted, DeadlineExceeded, UpstreamError
from optillm.techniques import registry
from tests.fakes import HANG, Say, Sent, World, continues, failing

QUESTION = "A farmer has 12 sheep and buys 30 more. How many sheep are there?"
GOOD = "Twelve and thirty make forty-two. The answer is 42."
TECHNIQUES = sorted(registry())

pytestmark = pytest.mark.parametrize("slug", TECHNIQUES)


def disagreeing(sent: Sent) -> str:
    """Every candidate gives another answer, so that nothing settles early."""
    if sent.role == "judge":
        return '{"ranking": ["A", "B", "C"], "score": 7, "groups": [["A"], ["B"]], "pick": "A"}'
    return f"Let me see. The answer is {40 + sent.number}."


def opening(slug: str) -> int:
    """How many possible answers a technique asks for at once to begin with."""
    world = World(disagreeing)
    world.complete(f"{slug}-m", QUESTION)
    return sum(sent.start == 0.0 and sent.role != "judge" for sent in world.sent)


def test_its_options_are_declared_with_bounds_and_descriptions(slug: str) -> None:
    options = registry()[slug].Options
    options()
    for name, field in options.model_fields.items():
        assert field.description, f"{slug}.{name} has no description"
        assert not field.is_required(), f"{slug}.{name} has no default"


def test_it_knows_nothing_of_settings_servers_or_clocks(slug: str) -> None:
    source = inspect.getsource(inspect.getmodule(registry()[slug].run) or registry)
    for word in ("import os", "import time", "asyncio", "logging", "except", "max_tokens", "flask", "openai"):
        assert word not in source, f"{slug} uses {word}"


def test_an_agreed_answer_comes_back_verbatim(slug: str) -> None:
    assert World(lambda sent: GOOD).text(f"{slug}-m", QUESTION) == GOOD


def test_an_answer_is_opaque_whatever_it_looks_like(slug: str) -> None:
    text = 'User: hi\nAssistant: ho </think> === \n<candidate-0 label="A">\n\nThe answer is 42.'
    assert World(lambda sent: text).text(f"{slug}-m", QUESTION) == text


def test_three_choices_are_three(slug: str) -> None:
    completion = World(disagreeing).complete(f"{slug}-m", QUESTION, n=3)
    assert len(completion.replies) == 3
    assert len({reply.text for reply in completion.replies}) == 3


@pytest.mark.parametrize("choices", [2, 24])
def test_as_many_choices_as_asked_for_even_when_all_agree(slug: str, choices: int) -> None:
    completion = World(lambda sent: GOOD).complete(f"{slug}-m", QUESTION, n=choices)
    assert len(completion.replies) == choices


def test_calls_that_do_not_wait_for_each_other_run_together(slug: str) -> None:
    world = World(disagreeing)
    completion = world.complete(f"{slug}-m", QUESTION)
    assert world.seconds == completion.report.rounds
    assert sum(completion.report.calls.values()) == len(world.sent)


def test_usage_is_the_sum_over_all_calls(slug: str) -> None:
    world = World(disagreeing)
    completion = world.complete(f"{slug}-m", QUESTION)
    assert completion.usage is not None
    done = sum(sent.outcome == "ok" for sent in world.sent)
    if done == len(world.sent):
        assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (10 * done, 5 * done)


def test_the_whole_conversation_starts_every_generating_call(slug: str) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hi", "name": "ann"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {}}],
        },
        {"role": "tool", "content": "12", "tool_call_id": "1"},
        {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
    ]
    world = World(disagreeing)
    world.complete(f"{slug}-m", messages)
    for sent in [*world.of("generate"), *world.of("write")]:
        assert continues(sent.body["messages"], messages)


def test_the_clients_parameters_reach_generating_calls_and_nulls_and_our_fields_none(slug: str) -> None:
    world = World(disagreeing)
    sampling = {"stop": ["\n\n"], "top_p": 0.9, "max_tokens": 77, "presence_penalty": 0.1, "user": "u1"}
    world.complete(f"{slug}-m", QUESTION, seed=5, logit_bias=None, **sampling)
    for sent in world.sent:
        assert None not in sent.body.values()
        assert not {"optillm", "optillm_approach", "stream"} & sent.body.keys()
        assert sent.body["model"] == "m"
        assert sent.body["user"] == "u1"
        if sent.role == "judge":
            assert not {"stop", "presence_penalty"} & sent.body.keys()
            assert sent.body["max_tokens"] > 77
        else:
            assert sent.body.items() >= sampling.items()


def test_low_temperatures_give_way_to_diversity_unless_told_otherwise(slug: str) -> None:
    world = World(disagreeing)
    world.complete(f"{slug}-m", QUESTION, temperature=0)
    drawn = [sent.body["temperature"] for sent in world.sent if sent.start == 0.0 and sent.role != "judge"]
    assert len(drawn) == 1 or min(drawn) >= 0.3
    world = World(disagreeing)
    world.complete(f"{slug}-m", QUESTION, temperature=0.9)
    assert all(sent.body["temperature"] == 0.9 for sent in world.sent if sent.role != "judge")


@pytest.mark.parametrize("survivor", range(3))
def test_survives_when_all_other_first_calls_fail(slug: str, survivor: int) -> None:
    spared = survivor % opening(slug)

    def script(sent: Sent) -> str:
        if sent.start == 0.0 and sent.role != "judge" and sent.number != spared:
            raise failing(400)
        return GOOD

    assert World(script).text(f"{slug}-m", QUESTION) == GOOD


@pytest.mark.parametrize(
    "junk",
    [
        Say(None),
        Say(""),
        Say("   \n"),
        Say(None, finish_reason=None, usage=None),
        Say("cut sho", finish_reason="length"),
        {"choices": []},
        {"choices": [{}], "model": None},
        {"error": {"message": "odd"}},
        {"choices": "x"},
        {"choices": [None]},
        {"choices": [{"message": "words"}]},
        {"choices": [{"message": {"content": 3}}]},
        {"choices": [{"message": {"content": ["words"]}}]},
        {"choices": [{"message": {"content": None, "tool_calls": [3]}}]},
    ],
)
def test_survives_junk_among_the_replies(slug: str, junk: Any) -> None:
    among = (0, 2) if opening(slug) > 1 else ()  # one reply is not among others
    world = World(lambda sent: junk if sent.number in among else GOOD, retries=0)
    assert world.text(f"{slug}-m", QUESTION) == GOOD


@pytest.mark.parametrize("junk", [Say(None), Say(""), {"choices": [{"message": None}]}])
def test_nothing_but_empty_replies_is_an_empty_answer_that_says_so(slug: str, junk: Any) -> None:
    completion = World(lambda sent: junk, retries=1).complete(f"{slug}-m", QUESTION)
    assert completion.replies[0].text == ""
    assert completion.report.stop_reason == "degraded"
    assert completion.usage is not None
    assert completion.usage.prompt_tokens > 0


@pytest.mark.parametrize("junk", [{"choices": []}, {"choices": 7}])
def test_nothing_but_junk_is_an_error_never_an_answer(slug: str, junk: Any) -> None:
    with pytest.raises(UpstreamError) as error:
        World(lambda sent: junk, retries=1).complete(f"{slug}-m", QUESTION)
    assert error.value.status == 502


@pytest.mark.parametrize("status", [400, 401, 404, 429, 503])
def test_when_every_call_fails_alike_the_client_gets_that_status(slug: str, status: int) -> None:
    def script(sent: Sent) -> str:
        raise failing(status, "the upstream's own words")

    with pytest.raises(UpstreamError) as error:
        World(script, retries=1).complete(f"{slug}-m", QUESTION)
    assert error.value.status == status
    assert error.value.body()["error"]["message"] == "the upstream's own words"


def test_every_judge_abstaining_still_leaves_an_answer(slug: str) -> None:
    def script(sent: Sent) -> str:
        return "I would rather not say." if sent.role == "judge" else disagreeing(sent)

    assert "The answer is" in World(script).text(f"{slug}-m", QUESTION)


def test_every_judge_failing_still_leaves_an_answer(slug: str) -> None:
    def script(sent: Sent) -> str:
        if sent.role == "judge":
            raise failing(429)
        return disagreeing(sent)

    completion = World(script, retries=0).complete(f"{slug}-m", QUESTION)
    assert "The answer is" in completion.replies[0].text
    assert completion.report.stop_reason == ("degraded" if "judge" in completion.report.calls else "complete")


def test_a_refusal_of_most_is_returned_as_a_refusal(slug: str) -> None:
    completion = World(lambda sent: Say(None, message={"refusal": "I can't."})).complete(
        f"{slug}-m", QUESTION
    )
    assert completion.replies[0].message["refusal"] == "I can't."


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_deadline_in_any_phase_returns_the_best_so_far_in_time(slug: str, after: int) -> None:
    def script(sent: Sent) -> str:
        return HANG if sent.start >= after else disagreeing(sent)

    world = World(script)
    if after == 0:
        with pytest.raises(DeadlineExceeded):
            world.complete(f"{slug}-m", QUESTION, budget=Budget(seconds=9.0))
        assert world.seconds == 9.0
    else:
        completion = world.complete(f"{slug}-m", QUESTION, budget=Budget(seconds=9.0))
        assert "The answer is" in completion.replies[0].text
        assert world.seconds <= 9.0
    assert world.running == 0


@pytest.mark.parametrize("calls", range(1, 12))
def test_a_budget_of_any_size_is_kept_and_still_answers(slug: str, calls: int) -> None:
    world = World(disagreeing)
    completion = world.complete(f"{slug}-m", QUESTION, budget=Budget(max_calls=calls))
    assert len(world.sent) <= calls
    assert completion.replies[0].text


def test_a_budget_too_small_for_any_call_is_refused(slug: str) -> None:
    with pytest.raises(BudgetExhausted):
        World(disagreeing).complete(f"{slug}-m", QUESTION, budget=Budget(max_tokens=1))


@pytest.mark.parametrize("after", [0.5, 1.5, 2.5])
def test_a_client_that_leaves_stops_every_call(slug: str, after: float) -> None:
    world = World(disagreeing)

    async def leave() -> None:
        serving = asyncio.create_task(world.serve(f"{slug}-m", QUESTION))
        await asyncio.wait([serving], timeout=after)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        assert world.running == 0
        sent = len(world.sent)
        await asyncio.sleep(10)
        assert len(world.sent) == sent

    world.run(leave())


@pytest.mark.parametrize("refuses", ["n", "seed", "temperature", "stream_options", "max_tokens"])
def test_a_refused_parameter_is_adapted_once_and_remembered(slug: str, refuses: str) -> None:
    world = World(disagreeing, refuses=(refuses,))
    fields = {"seed": 1, "max_tokens": 50, "temperature": 0.8}
    assert world.text(f"{slug}-m", QUESTION, **fields)
    refusals = sum(sent.outcome == "failed" for sent in world.sent)
    before = len(world.sent)
    assert world.text(f"{slug}-m", QUESTION, **fields)
    assert all(sent.outcome != "failed" for sent in world.sent[before:])
    assert refusals <= len(world.sent)


def test_a_stream_shows_the_same_answer_and_ends_with_the_completion(slug: str) -> None:
    events = [event for _, event in World(disagreeing).events(f"{slug}-m", QUESTION)]
    last = events[-1]
    assert isinstance(last, Completion)
    shown = "".join(event.content for event in events if not isinstance(event, Completion | Note))
    assert last.replies[0].text.startswith(shown)


def test_a_stream_that_is_closed_early_stops_every_call(slug: str) -> None:
    world = World(disagreeing)

    async def leave() -> None:
        stream = await world.serve(f"{slug}-m", QUESTION, stream=True)
        assert isinstance(stream, Stream)
        events = stream.events
        reading = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.5)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await events.aclose()
        assert world.running == 0

    world.run(leave())


def test_the_same_seed_and_replies_give_the_same_answer(slug: str) -> None:
    texts = {World(disagreeing).text(f"{slug}-m", QUESTION, seed=11) for _ in range(3)}
    assert len(texts) == 1


def test_two_requests_at_once_do_not_influence_each_other(slug: str) -> None:
    def script(sent: Sent) -> str:
        return "7" if sent.role == "judge" else f"The answer is {sent.body['messages'][0]['content'][-2:]}."

    async def both(world: World) -> list[Any]:
        return await asyncio.gather(
            *(world.engine.complete(request(slug, f"Say {number}")) for number in range(10, 30))
        )

    world = World(script)
    completions = world.run(both(world))
    assert [c.replies[0].text for c in completions] == [
        f"The answer is {number}." for number in range(10, 30)
    ]
    assert len({c.usage.total_tokens for c in completions}) == 1


def request(slug: str, question: str) -> Any:

    return ChatRequest({"model": f"{slug}-m", "messages": [{"role": "user", "content": question}]})
