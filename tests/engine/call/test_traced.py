"""What the trace holds of a call."""

import asyncio

import pytest

from optillm.chat import Usage
from optillm.engine.call.traced import Traced
from optillm.errors import UpstreamError
from optillm.toolkit.judging.verdicts import Ranking
from optillm.trace import CallSpan, Judgement, Trace
from tests.engine.call.layers import Next, call, result
from tests.fakes import failing, run


def test_a_call_is_recorded_with_its_role_model_and_tokens() -> None:
    trace = Trace(lambda: 1.0)
    made = call("judge")
    assert run(Traced(trace)(made, Next())) == result()
    assert trace.calls == [made.span]
    assert (made.span.name, made.span.status) == ("judge", "ok")
    assert made.span.attributes == {
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
    }


@pytest.mark.parametrize(
    ("error", "status"), [(failing(503), "failed"), (asyncio.CancelledError(), "cancelled")]
)
def test_a_call_without_a_reply_is_recorded_as_what_it_is(error: BaseException, status: str) -> None:
    trace = Trace(lambda: 1.0)
    with pytest.raises((UpstreamError, asyncio.CancelledError)):
        run(Traced(trace)(call(), Next(error)))
    assert [span.status for span in trace.calls] == [status]


def test_a_call_refers_to_what_it_sends_and_gets() -> None:
    async def main() -> CallSpan:
        made = call()
        made.judgement = Judgement(Ranking)
        await Traced(trace)(made, below)
        assert made.span.payload is made.payload
        assert made.span.judgement is made.judgement
        return made.span

    trace, below = Trace(lambda: 0.0), Next(result("4", usage=Usage(10, 5, cached_tokens=3)))
    span = run(main())
    assert [reply.text for reply in span.replies] == ["4"]
    assert span.usage is not None
    assert span.usage.cached_tokens == 3


def test_a_failed_call_keeps_its_status_and_message() -> None:
    async def main() -> None:
        with pytest.raises(UpstreamError):
            await Traced(trace)(call(), Next(UpstreamError("no model", status=404)))

    trace = Trace(lambda: 0.0)
    run(main())
    assert trace.calls[0].failure == (404, "no model")
