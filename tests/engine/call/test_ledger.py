from typing import Any

import pytest

from optillm.chat import Budget, Reply, Usage
from optillm.config.prices import Price
from optillm.engine.call.ledger import Ledger, WorstCase
from optillm.errors import BudgetExhausted
from optillm.technique import Candidate


def ledger(**bounds: int | float) -> Ledger:
    return Ledger(Budget(**bounds), clock=lambda: 100.0)  # type: ignore[arg-type]


def candidate(text: str, finish_reason: str = "stop") -> Candidate:
    return Candidate(Reply({"role": "assistant", "content": text}, finish_reason))


def test_admits_calls_until_the_budget_is_spent() -> None:
    book = ledger(max_calls=2)
    book.reserve("generate")
    book.offer(candidate("an answer"), 0.0)
    book.reserve("judge")
    with pytest.raises(BudgetExhausted):
        book.reserve("judge")
    assert book.calls == {"generate": 1, "judge": 1}
    assert book.stopped_by_budget


def test_keeps_a_call_for_an_answer_until_there_is_one() -> None:
    book = ledger(max_calls=1)
    with pytest.raises(BudgetExhausted):
        book.reserve("judge")
    book.reserve("generate")


def test_reserves_the_worst_case_and_gives_back_what_was_not_used() -> None:
    book = ledger(max_tokens=100)
    first = book.reserve("generate", WorstCase(50, 30))
    assert book.affordable([WorstCase(10, 20)]) == 0
    book.settle(first, Usage(10, 5))
    assert book.affordable([WorstCase(30)] * 3) == 2
    assert book.usage == Usage(10, 5)


def test_says_how_many_calls_of_a_round_still_fit() -> None:
    book = ledger(max_calls=5)
    book.reserve("generate")
    assert book.affordable([WorstCase()] * 4) == 4
    assert not book.stopped_by_budget
    assert book.affordable([WorstCase()] * 8) == 4
    assert book.stopped_by_budget
    assert ledger().affordable([10**9] * 8) == 8


def test_counts_losses_by_kind() -> None:
    book = ledger()
    book.settle(book.reserve("generate"), None, "failed")
    book.count_loss("empty")
    assert book.losses == {"failed": 1, "empty": 1}


def test_keeps_the_best_offer_and_prefers_complete_ones() -> None:
    book = ledger()
    book.offer(candidate("cut", "length"), 9.0)
    book.offer(candidate("whole"), 0.0)
    book.offer(candidate("same score, later"), 0.0)
    assert book.best is not None
    assert book.best.text == "whole"
    book.offer(candidate("better"), 1.0)
    assert book.best.text == "better"


def test_knows_the_seconds_left() -> None:
    assert ledger(seconds=5.0).seconds_left == 5.0
    assert ledger().seconds_left == float("inf")


PRICE = Price(input=1.0, output=4.0)


def test_a_bound_on_cost_counts_calls_at_their_worst_price() -> None:
    book = ledger(max_cost=0.001)
    first = book.reserve("generate", WorstCase(200, 200, PRICE))
    assert book.affordable([WorstCase(1, 0, PRICE)]) == 0
    book.settle(first, Usage(200, 50))
    assert book.cost == 0.0004
    assert book.affordable([WorstCase(100, 50, PRICE)] * 3) == 2


def test_a_call_of_unknown_price_makes_the_cost_unknown_and_is_refused_where_that_is_bounded() -> None:
    book = ledger()
    book.settle(book.reserve("generate", WorstCase(price=PRICE)), Usage(100, 50))
    assert book.cost == pytest.approx(0.0003)
    book.settle(book.reserve("generate"), Usage(1, 1))
    assert book.cost is None
    with pytest.raises(BudgetExhausted, match="no price is known"):
        ledger(max_cost=1.0).reserve("generate")


@pytest.mark.parametrize(
    ("bounds", "worst", "told"),
    [
        ({"max_calls": 0}, WorstCase(), "0 of 0 calls"),
        ({"max_tokens": 10}, WorstCase(8, 3), "may take 11 tokens, and 10 of 10 are left"),
        (
            {"max_cost": 0.0001},
            WorstCase(100, 100, PRICE),
            r"may cost \$0.000500, and \$0.000100 of \$0.000100",
        ),
    ],
)
def test_a_refusal_says_the_numbers(bounds: dict[str, Any], worst: WorstCase, told: str) -> None:
    with pytest.raises(BudgetExhausted, match=told):
        ledger(**bounds).reserve("generate", worst)


@pytest.mark.parametrize(
    "told",
    [
        {"prompt_tokens": -5, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": -1}},
        {"prompt_tokens": 0, "completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": None}},
    ],
)
def test_no_upstream_can_pay_tokens_back(told: dict[str, Any]) -> None:
    usage = Usage.read(told)
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens or 0) == (0, 7, 0)
