"""What the trace holds of a call."""

import asyncio

import pytest

from optillm.engine.call.traced import Traced
from optillm.errors import UpstreamError
from optillm.trace import Trace
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
