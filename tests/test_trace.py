import asyncio
import logging
from asyncio import CancelledError
from contextlib import suppress

import pytest

from optillm.errors import UpstreamError
from optillm.trace import Trace


def ticking() -> Trace:
    now = iter(range(1000))
    return Trace(lambda: float(next(now)))


def test_calls_that_follow_each_other_are_rounds() -> None:
    trace = ticking()
    for role in ("generate", "judge", "write"):
        with trace.call(role):
            pass
    assert trace.rounds() == 3
    assert trace.critical_path() == [0, 1, 2]


def test_a_call_depends_on_what_its_task_has_seen_not_on_what_happened_before_it() -> None:
    trace = ticking()

    async def branch(calls: int) -> None:
        for _ in range(calls):
            with trace.call("generate"):
                await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(branch(3), branch(1))

    asyncio.run(main())
    assert trace.rounds() == 3
    assert sum(len(call.after) for call in trace.calls) == 2


def test_a_failed_call_counts_as_waited_for_and_a_cancelled_one_does_not() -> None:
    trace = ticking()
    for error in (ValueError, asyncio.CancelledError):
        try:
            with trace.call("generate"):
                raise error
        except (ValueError, asyncio.CancelledError):
            pass
    with trace.call("judge"):
        pass
    assert [call.status for call in trace.calls] == ["failed", "cancelled", "ok"]
    assert trace.rounds() == 2


def test_the_wire_form_nests_calls_in_named_steps() -> None:
    trace = ticking()
    with trace.span("judge", ballots=1), trace.call("judge", model="m"):
        pass
    wire = trace.wire()
    assert wire["spans"][0]["name"] == "judge"
    assert wire["calls"][0] | {"start": 0, "seconds": 0} == {
        "id": 0,
        "after": [],
        "status": "ok",
        "name": "judge",
        "parent": "judge",
        "model": "m",
        "start": 0,
        "seconds": 0,
    }
    assert wire["critical_path"] == [0]


def test_a_trace_without_calls_has_no_rounds() -> None:
    assert ticking().rounds() == 0
    assert ticking().critical_path() == []


def test_each_step_and_each_call_is_a_line_without_content(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    now = iter([0.0, 1.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0])
    trace = Trace(lambda: next(now), "r1")
    with trace.span("judge", ballots=3, tree={"answer": "a secret"}):
        tokens = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
        with trace.call("judge", **{"gen_ai.request.model": "m", **tokens, "gen_ai.provider.name": "main"}):
            pass
    with suppress(UpstreamError), trace.call("write"):
        raise UpstreamError("a secret", status=503)
    with suppress(CancelledError), trace.call("generate"):
        raise CancelledError
    assert caplog.messages == [
        "Request r1: call 0, judge: ok in 2.50 s, model m, input_tokens 10, output_tokens 5, upstream main",
        "Request r1: step judge took 4.00 s, ballots 3",
        "Request r1: call 1, write: failed with 503 in 1.00 s",
        "Request r1: call 2, generate: cancelled in 1.00 s",
    ]
