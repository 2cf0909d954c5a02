"""Whether a failed call goes down once more."""

from __future__ import annotations

from random import Random

import pytest

from optillm.chat import Budget
from optillm.engine.call.call import Blank, Call, Result
from optillm.engine.call.ledger import Ledger
from optillm.engine.call.retried import Retried
from optillm.engine.call.retries import Retries
from optillm.engine.upstream.outages import Outages
from optillm.errors import BudgetExhausted, UpstreamError
from optillm.trace import Trace
from tests.engine.call.layers import Next, call, result
from tests.fakes import failing, run


def retried(made: Call, below: Next) -> Result:
    layer = Retried(
        Retries(2, Outages(), Random(1)), Ledger(Budget(), lambda: 0.0), Trace(lambda: 0.0), lambda kind: None
    )
    return run(layer(made, below))


def test_a_call_that_succeeds_goes_down_once() -> None:
    below = Next()
    assert retried(call(), below) == result()
    assert len(below.calls) == 1


def test_a_failed_call_goes_down_again_as_often_as_the_policy_says() -> None:
    below = Next(failing(503), failing(503), result())
    made = call()
    assert retried(made, below) == result()
    assert below.calls == [made] * 3
    assert made.span.attributes["optillm.retries"] == 2
    below = Next(failing(503))
    with pytest.raises(UpstreamError):
        retried(call(), below)
    assert len(below.calls) == 3


def test_a_refusal_goes_up_at_once() -> None:
    below = Next(failing(403))
    with pytest.raises(UpstreamError):
        retried(call(), below)
    assert len(below.calls) == 1


def test_a_call_whose_text_was_shown_is_not_made_again() -> None:
    async def shown(made: Call) -> Result:
        await made.show("The")
        raise failing(503)

    below = Next(shown)
    with pytest.raises(UpstreamError):
        retried(call(), below)
    assert len(below.calls) == 1


@pytest.mark.parametrize("later", [failing(503), failing(403), BudgetExhausted("no"), Blank()])
def test_a_reply_that_says_nothing_is_the_result_if_nothing_better_comes(later: Exception) -> None:
    nothing = result("")

    async def blank(made: Call) -> Result:
        made.history.blank = nothing
        raise Blank

    assert retried(call(), Next(blank, later)) == nothing
