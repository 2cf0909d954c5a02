"""The fault matrix: every fault × every technique and plain × a share of the calls, all, the last, the judges'.

`python -m benchmarks.faults` is the same at length, a hundred requests for each technique and fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from optillm.engine.call.hedging import UNKNOWN
from optillm.errors import DeadlineExceeded, UpstreamError
from optillm.techniques import registry
from tests.faults.faults import FAULTS, RETRY_AFTER, Position, everywhere, judging, share, since
from tests.faults.scene import DEADLINE, MESSAGES, Outcome, Scene

APPROACHES = [*sorted(registry()), "re2&bon", "bon|moa"]
SINGLE = {"cot_reflection", "re2"}
"""Approaches whose first call is their last."""
REQUESTS = 8
PART = 0.3
BOUND = 10
"""How many times as long as without a fault a request may take at most, whatever befalls 30 % of its calls."""
ON_AVERAGE = 3
AT_ONCE = 64
THROTTLED = ("429", "429 with Retry-After")

STATUS = {
    "500": 500,
    "429": 429,
    "429 with Retry-After": 429,
    "hang": 504,
    "slow drip": 504,
}
"""What the client is told when a fault befalls every call; 502 for the others."""
BROKEN = ("reset mid-body", "truncated")
"""What may break a stream off after its first words."""


@cache
def calm(approach: str) -> Outcome:
    """A request that nothing befalls."""
    with Scene(approach) as scene:
        return scene.ask()


def asked(
    approach: str, fault: str, position: Position, count: int, *, stream: bool = False
) -> Iterator[Outcome]:
    """So many requests to one proxy, which has served one before that nothing befell."""
    with Scene(approach, position=position) as scene:
        scene.ask(stream=stream)
        scene.fault = fault
        for seed in range(count):
            yield scene.ask(seed, stream=stream)


def check_the_bill(outcome: Outcome) -> None:
    """What the upstream says it wrote is what the client is told; what it never told is flagged."""
    assert outcome.completion is not None
    usage = outcome.completion.usage
    assert usage is not None
    assert usage.completion_tokens == sum(sent.reported for sent in outcome.sent)
    assert usage.estimated or all(sent.reported for sent in outcome.sent if sent.fault is None)
    made = [sent for sent in outcome.sent if not sent.refused]
    assert sum(outcome.completion.report.calls.values()) == len(made)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("approach", APPROACHES)
def test_a_fault_at_three_calls_of_ten_is_overcome_and_nobody_waits_for_the_slowest(
    approach: str, fault: str
) -> None:
    outcomes = list(asked(approach, fault, share(PART), REQUESTS))
    assert sum(outcome.answered for outcome in outcomes) >= REQUESTS - 1
    for outcome in outcomes:
        assert outcome.seconds <= BOUND * calm(approach).seconds
        assert outcome.completion is None or outcome.stop in ("complete", "settled", "degraded")
        if outcome.completion:
            check_the_bill(outcome)
    mean = sum(outcome.seconds for outcome in outcomes) / REQUESTS
    assert mean <= ON_AVERAGE * calm(approach).seconds or fault.startswith("429")


@pytest.mark.parametrize(
    ("approach", "fault"), [*(("bon", fault) for fault in FAULTS), *(("mcts", fault) for fault in THROTTLED)]
)
def test_many_requests_at_once_overcome_a_fault_at_three_calls_of_ten(approach: str, fault: str) -> None:
    with Scene(approach, position=share(PART)) as scene:
        alone = scene.ask()
        scene.fault = fault
        outcomes = scene.ask_at_once(AT_ONCE)
    assert sum(outcome.answered for outcome in outcomes) >= 0.99 * AT_ONCE
    for outcome in outcomes:
        assert outcome.seconds <= BOUND * alone.seconds
        assert outcome.stop in ("complete", "settled", "degraded")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("approach", APPROACHES)
def test_a_stream_overcomes_what_befalls_it_before_its_first_word(approach: str, fault: str) -> None:
    for outcome in asked(approach, fault, share(PART), REQUESTS // 4, stream=True):
        assert outcome.seconds <= BOUND * calm(approach).seconds
        if not outcome.answered:
            assert fault in BROKEN
            assert outcome.shown
            assert any(sent.text.startswith(outcome.shown) for sent in outcome.sent)
            assert isinstance(outcome.error, UpstreamError)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("approach", APPROACHES)
def test_a_fault_at_all_calls_is_told_as_it_is_and_in_time(approach: str, fault: str, stream: bool) -> None:
    with Scene(approach, fault, everywhere) as scene:
        outcome = scene.ask(stream=stream)
    if fault == "null content":  # an answer of last resort, if it is one at all
        assert outcome.completion is not None
        assert (outcome.stop, outcome.completion.replies[0].text) == ("degraded", "")
        return
    assert outcome.completion is None
    assert outcome.error is not None
    if outcome.shown:
        assert fault in BROKEN
    assert outcome.error.status == STATUS.get(fault, 502)
    assert outcome.seconds <= DEADLINE
    if STATUS.get(fault) == 504:
        assert isinstance(outcome.error, DeadlineExceeded)
        assert outcome.seconds == DEADLINE
    if fault in ("500", "429"):
        assert outcome.error.body()["error"]["message"] == f"no, {fault}"
    assert outcome.error.headers.get("retry-after") == (str(RETRY_AFTER) if "Retry" in fault else None)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("approach", [approach for approach in APPROACHES if approach not in SINGLE])
def test_a_fault_at_the_last_call_leaves_the_best_answer_so_far(approach: str, fault: str) -> None:
    last = calm(approach).sent[-1]
    (outcome,) = asked(approach, fault, since(last.number), 1)
    assert outcome.answered
    assert outcome.seconds <= BOUND * calm(approach).seconds
    assert (
        outcome.stop == "degraded" if not last.judges else outcome.stop in ("complete", "settled", "degraded")
    )
    check_the_bill(outcome)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("approach", APPROACHES)
def test_a_fault_at_all_judges_leaves_an_answer_that_says_so(approach: str, fault: str) -> None:
    (outcome,) = asked(approach, fault, judging, 1)
    assert outcome.answered
    assert outcome.seconds <= BOUND * calm(approach).seconds
    judged = any(sent.judges for sent in outcome.sent)
    assert outcome.stop == ("degraded" if judged else "complete")
    check_the_bill(outcome)


@pytest.mark.parametrize("approach", ["bon", "cot_reflection", "z3"])
def test_a_proxy_that_knows_nothing_yet_waits_longer_and_not_for_ever(approach: str) -> None:
    for seed in range(REQUESTS):
        with Scene(approach, "hang", share(PART)) as scene:
            outcome = scene.ask(seed)
        assert outcome.answered
        assert outcome.seconds <= 3 * UNKNOWN


# Plain requests.


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_a_plain_request_is_one_call_and_what_came_of_it(fault: str, stream: bool) -> None:
    with Scene("", fault) as scene:
        outcome = scene.ask(stream=stream)
    (sent,) = outcome.sent
    if fault in ("connection refused", "hang") or (fault == "slow drip" and not stream):
        assert outcome.relay is None
        assert outcome.error is not None
        assert outcome.error.status == (502 if fault == "connection refused" else 504)
        assert outcome.seconds == (0.0 if fault == "connection refused" else DEADLINE)
        return
    if fault == "reset mid-body":
        assert isinstance(outcome.error, UpstreamError)
        assert outcome.error.status == 502
        assert (outcome.relay is None) == (not stream)
        assert sent.told.startswith(outcome.body)
        return
    assert outcome.error is None
    assert outcome.relay is not None
    assert outcome.relay.status == (STATUS.get(fault, 200) if fault != "slow drip" else 200)
    assert outcome.body == sent.told
    assert outcome.relay.headers.get("retry-after") == (str(RETRY_AFTER) if "Retry" in fault else None)


@pytest.mark.slow
def test_some_approaches_make_a_single_call() -> None:
    assert {approach for approach in APPROACHES if len(calm(approach).sent) == 1} == SINGLE


def test_the_question_is_the_clients_own() -> None:
    assert all(sent.judges or sent.body["messages"][0] == MESSAGES[0] for sent in calm("bon").sent)
