"""What a call reserves before it goes down, and what is settled when it comes back."""

from __future__ import annotations

import asyncio

import pytest

from optillm.chat import Budget, Usage
from optillm.engine.call.call import Call, Result
from optillm.engine.call.ledger import Ledger
from optillm.engine.call.metered import Metered
from optillm.errors import BudgetExhausted, UpstreamError
from tests.engine.call.layers import Next, call, result
from tests.fakes import failing, run


def book(**budget: int) -> Ledger:
    return Ledger(Budget(**budget), lambda: 0.0)


def metered(ledger: Ledger, made: Call, below: Next) -> Result:
    return run(Metered(ledger)(made, below))


def test_a_call_is_booked_with_what_it_took() -> None:
    ledger = book()
    assert metered(ledger, call("judge"), Next()) == result()
    assert ledger.calls == {"judge": 1}
    assert (ledger.usage, ledger.losses) == (Usage(10, 5), {})


def test_a_call_leaves_once_it_is_admitted_and_not_before() -> None:
    made, below = call(), Next()
    with pytest.raises(BudgetExhausted):
        metered(book(max_calls=0), made, below)
    assert made.sent_at is None
    assert not below.calls
    metered(book(max_calls=1), made, below)
    assert made.sent_at is not None


def test_a_repetition_that_the_budget_refuses_does_not_stop_the_request() -> None:
    ledger = book(max_calls=0)
    with pytest.raises(BudgetExhausted):
        metered(ledger, call().repetition(), Next())
    assert not ledger.stopped_by_budget
    with pytest.raises(BudgetExhausted):
        metered(ledger, call(), Next())
    assert ledger.stopped_by_budget


@pytest.mark.parametrize("paid", [None, Usage(10, 0)])
def test_a_failed_call_is_a_loss_with_what_the_upstream_says_it_took(paid: Usage | None) -> None:
    async def failed(made: Call) -> Result:
        made.usage = paid
        raise failing(500)

    ledger = book(max_tokens=10_000)
    with pytest.raises(UpstreamError):
        metered(ledger, call(), Next(failed))
    assert (ledger.usage, ledger.losses) == (paid or Usage(), {"failed": 1})
    assert ledger.calls == {"generate": 1}


@pytest.mark.parametrize("paid", [None, Usage(10, 3)])
def test_a_cancelled_call_is_booked_as_an_estimate_unless_more_is_known(paid: Usage | None) -> None:
    async def cancelled(made: Call) -> Result:
        made.usage = paid
        raise asyncio.CancelledError

    ledger = book()
    with pytest.raises(asyncio.CancelledError):
        metered(ledger, call(), Next(cancelled))
    assert ledger.losses == {"cancelled": 1}
    assert ledger.usage.estimated == (paid is None)
    assert ledger.usage.prompt_tokens > 0


def test_a_call_to_a_server_that_restarts_is_not_counted() -> None:
    ledger = book(max_calls=1)
    with pytest.raises(UpstreamError):
        metered(ledger, call(), Next(UpstreamError("gone", retryable=True, restarting=True)))
    assert (ledger.calls, ledger.losses) == ({}, {})
    assert metered(ledger, call(), Next()) == result()
