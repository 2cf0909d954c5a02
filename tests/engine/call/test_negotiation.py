"""Calls that are refused and tried again: what it costs, what is kept of it, and for whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from optillm.chat import Budget, Delta
from optillm.engine.call.adaptation import Adaptation
from optillm.engine.call.payload import Payload
from optillm.errors import UpstreamError
from tests.fakes import Sent, World, failing

QUESTION = "What is 2 + 2?"
VERDICT = '{"ranking": ["A", "B", "C"], "score": 7}'


def answers(sent: Sent) -> str:
    return VERDICT if sent.role == "judge" else f"The answer is {sent.number}."


def refusing(refuses: Callable[[dict[str, Any]], bool], status: int = 400, message: str = "no") -> World:
    def script(sent: Sent) -> str:
        if refuses(dict(sent.body)):
            raise failing(status, message)
        return answers(sent)

    return World(script, n="honoured")


def failed(world: World) -> int:
    return sum(sent.outcome == "failed" for sent in world.sent)


# n.


@pytest.mark.parametrize(
    ("status", "message"),
    [(400, "'n' : number must be at most 1"), (500, "Only one completion choice is allowed"), (422, "¡no!")],
)
def test_samples_are_asked_for_singly_where_n_is_refused_and_n_is_not_tried_again(
    status: int, message: str
) -> None:
    world = refusing(lambda body: "n" in body, status, message)
    report = world.complete("bon(n=2)-m").report
    assert report.calls["judge"] == 2
    assert report.rounds == 2
    paid = len(world.sent)
    world.complete("bon(n=2)-m", "What is 3 + 3?", user="u")
    assert not any("n" in sent.body for sent in world.sent[paid:])
    assert len(world.sent) == paid + 4


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(
    ("message", "later"),
    [
        ("at most 4 choices", [3, 3]),
        ("n must be between 1 and 4", [3, 3]),
        ("Invalid 'n': integer above maximum value. Expected a value <= 4, but got 6 instead.", [3, 3]),
        ("maximum number of choices is 5", [3, 3]),
        ("candidate_count must be at most 2", [2, 2, 2]),
        ("n_cmpl cannot be greater than the number of slots, please increase -np", [None] * 6),  # llama.cpp
        ("'n' : number must be at most 1", [None] * 6),
        ("no room for 5 of 7", [None] * 6),
    ],
)
def test_a_bundle_that_is_refused_is_asked_for_one_by_one_and_later_ones_are_as_large_as_may_be(
    message: str, later: list[int | None], status: int
) -> None:
    world = refusing(lambda body: body.get("n", 1) > 4, status, message)
    world.complete("bon(n=2)-m")  # n is honoured
    paid = len(world.sent)
    report = world.complete("bon(n=6,proof=0)-m", seed=10).report
    generating = [sent for sent in world.sent[paid:] if sent.role == "generate"]
    assert [sent.outcome for sent in generating] == ["failed", *["ok"] * 6]
    assert [sent.body["seed"] for sent in generating[1:]] == [10, 11, 12, 13, 14, 15]
    assert report.rounds == 2
    assert world.seconds == 2.0
    paid = len(world.sent)
    report = world.complete("bon(n=6,proof=0)-m", seed=10).report
    assert failed(world) == 1
    generating = [sent for sent in world.sent[paid:] if sent.role == "generate"]
    assert [sent.body.get("n") for sent in generating] == later
    assert [sent.body["seed"] for sent in generating] == list(range(10, 16, 6 // len(later)))
    assert report.rounds == 2


def test_a_bound_that_turns_out_too_high_is_lowered() -> None:
    world = refusing(lambda body: body.get("n", 1) > 2, 400, "between 1 and 4 choices")
    world.complete("bon(n=2)-m")
    for _ in range(3):
        paid = len(world.sent)
        world.complete("bon(n=6)-m")
    assert [sent.body.get("n") for sent in world.sent[paid:] if sent.role == "generate"] == [None] * 6


def test_a_bundle_of_a_single_choice_is_a_single_call() -> None:
    world = refusing(lambda body: body.get("n", 1) > 2, 400, "at most 2 choices")
    world.complete("bon(n=2)-m")
    world.complete("bon(n=5)-m")
    paid = len(world.sent)
    world.complete("bon(n=5)-m")
    assert [sent.body.get("n") for sent in world.sent[paid:] if sent.role == "generate"] == [None, 2, 2]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "The model `m` does not exist or you do not have access to it"),
        (400, "Your credit balance is too low"),
        (400, "The response was filtered due to our content management policy"),
    ],
)
def test_a_bundle_that_is_refused_for_something_else_is_not_asked_for_one_by_one(
    status: int, message: str
) -> None:
    world = World(answers, n="honoured")
    world.complete("bon(n=2)-m")  # n is honoured
    paid = len(world.sent)
    world.script = refusing(lambda body: True, status, message).script
    with pytest.raises(UpstreamError, match=message[:20]) as error:
        world.complete("bon(n=3)-m")
    assert error.value.status == status
    assert [sent.body["n"] for sent in world.sent[paid:]] == [3]


def test_a_bundle_that_is_refused_for_something_else_is_still_a_bundle_for_the_next_request() -> None:
    world = World(answers, n="honoured")
    world.complete("bon(n=2)-m")
    script, world.script = world.script, refusing(lambda body: True, 404, "no such model").script
    with pytest.raises(UpstreamError):
        world.complete("bon(n=3)-m")
    world.script = script
    paid = len(world.sent)
    world.complete("bon(n=3)-m")
    assert next(sent.body.get("n") for sent in world.sent[paid:] if sent.role == "generate") == 3


def test_a_bundle_that_gives_too_little_is_filled_up() -> None:
    world = World(lambda sent: f"The answer is {sent.number}.{sent.choice}", n="honoured")
    world.complete("bon(n=2,judge=rate)-m")
    world.n = "ignored"
    paid = len(world.sent)
    world.complete("bon(n=4,judge=rate)-m")
    assert [sent.body.get("n") for sent in world.sent[paid:] if sent.role == "generate"] == [
        4,
        None,
        None,
        None,
    ]


def test_a_bad_request_does_not_end_bundles_for_others() -> None:
    world = refusing(lambda body: "odd" in body)
    world.complete("bon(n=2)-m")
    with pytest.raises(UpstreamError):
        world.complete("bon(n=3)-m", odd=1)
    world.complete("bon(n=3)-m")
    assert [sent.body.get("n") for sent in world.sent if sent.outcome == "ok" and sent.role == "generate"][
        -1
    ] == 3


# Other things of ours.


def test_a_counted_up_seed_that_is_out_of_range_is_left_out() -> None:
    world = refusing(lambda body: body.get("seed", 0) >= 2**63, 422, "seed: out of range")
    assert world.complete("self_consistency(samples=4)-m", seed=2**63 - 1).report.losses == {"failed": 3}
    world.complete("self_consistency(samples=4)-m", seed=5)
    assert {8, 7, 6, 5} <= {sent.body.get("seed") for sent in world.sent}


def test_the_clients_tool_choice_is_sent_where_none_is_refused() -> None:
    tools = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
    world = refusing(lambda body: body.get("tool_choice") == "none", 400, "tool_choice must be auto")
    assert world.text("bon-m", tools=tools, tool_choice="auto").startswith("The answer is")
    assert {sent.body["tool_choice"] for sent in world.of("generate") if sent.outcome == "ok"} == {"auto"}


def test_judges_that_accept_no_images_get_the_text_alone() -> None:
    world = refusing(
        lambda body: body["model"] == "blind" and isinstance(body["messages"][0]["content"], list),
        404,
        "No endpoints found that support image input",
    )
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    question = [{"role": "user", "content": [{"type": "text", "text": "How many dots?"}, image]}]
    assert "abstained" not in world.complete("bon(judge_model=blind)-m", question).report.losses


# What the client sent, and what it costs.


@pytest.mark.parametrize("slug", ["bon", "moa", "mcts", "re2"])
def test_the_client_sees_a_refusal_of_what_it_sent(slug: str) -> None:
    world = refusing(lambda body: body.get("verbosity") == "x", 422, "Ungültig")
    with pytest.raises(UpstreamError) as error:
        world.complete(f"{slug}-m", verbosity="x", top_p=0.5)
    assert (error.value.status, error.value.message) == (422, "Ungültig")
    capabilities = world.engine.routes.capability_table.of(world.base_url, "m")
    assert capabilities.adaptation(Payload("m", [{"role": "user", "content": "q"}])) == Adaptation()
    assert not capabilities.unwelcome


def test_one_clients_combination_leaves_others_their_temperature() -> None:
    world = refusing(lambda body: {"temperature", "top_p"} <= body.keys())
    world.complete("bon-m", top_p=0.9)
    paid = len(world.sent)
    world.complete("bon-m")
    assert {sent.body.get("temperature") for sent in world.sent[paid:] if sent.role == "generate"} == {0.7}


def test_a_failure_that_lasts_costs_no_more_than_the_retries() -> None:
    world = World(lambda sent: answers(sent), n="ignored")
    world.complete("bon(n=1)-m")
    world.script = refusing(lambda body: True, 500).script
    paid = len(world.sent)
    with pytest.raises(UpstreamError):
        world.complete("bon(n=1)-m")
    assert len(world.sent) == paid + 4
    assert {sent.body["temperature"] for sent in world.sent[paid:]} == {0.7}


def test_a_failure_of_an_unknown_upstream_costs_no_more_either() -> None:
    world = refusing(lambda body: True, 500)
    with pytest.raises(UpstreamError):
        world.complete("bon(n=1)-m")
    assert len(world.sent) == 4


def test_a_failure_that_passes_teaches_nothing() -> None:
    def script(sent: Sent) -> str:
        if sent.number < 2:
            raise failing(500)
        return answers(sent)

    world = World(script)
    world.complete("bon(n=1)-m")
    assert "temperature" in world.sent[1].body
    capabilities = world.engine.routes.capability_table.of(world.base_url, "m")
    assert len(world.sent) == 3
    assert capabilities.refused == frozenset()


def test_another_failure_on_the_way_is_raised_as_it_is() -> None:
    def script(sent: Sent) -> str:
        raise failing(400 if "temperature" in sent.body else 403, "why")

    with pytest.raises(UpstreamError) as error:
        World(script).complete("bon(n=1)-m")
    assert error.value.status == 403


def test_a_budget_that_runs_out_meanwhile_raises_the_refusal() -> None:
    world = refusing(lambda body: True, 400, "the upstream's own words")
    with pytest.raises(UpstreamError, match="own words"):
        world.complete("bon(n=1)-m", budget=Budget(max_calls=1))


def test_later_calls_of_a_request_do_not_repeat_a_search_that_failed() -> None:
    def script(sent: Sent) -> str:
        if sent.role == "judge":
            raise failing(400)
        return answers(sent)

    world = World(script)
    world.complete("mcts(simulations=4)-m")
    waves = [sent.start for sent in world.of("judge")]
    assert len(waves) > 20
    assert waves.count(max(waves)) <= 8


# Streams.


def test_a_stream_begins_with_the_accepted_form() -> None:
    world = refusing(lambda body: "stream_options" in body, 422, "no")
    events = [event for _, event in world.events("re2-m")]
    assert [event.content for event in events if isinstance(event, Delta)] == ["The answer is 1."]
    world.events("re2-m")
    assert failed(world) == 1


# The question put twice.


def test_a_question_too_long_to_be_put_twice_is_put_once() -> None:
    question = "word " * 300
    world = refusing(
        lambda body: len(body["messages"][0]["content"]) > 2000,
        400,
        "This model's maximum context length is 512 tokens",
    )
    assert world.text("re2-m", question).startswith("The answer is")
    assert world.sent[-1].body["messages"] == [{"role": "user", "content": question}]
