import pytest

from optillm.chat import Budget, Reply, Usage
from optillm.engine.ledger import Ledger
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
    first = book.reserve("generate", tokens=80)
    assert book.room([30]) == 0
    book.settle(first, Usage(10, 5))
    assert book.room([30, 30, 30]) == 2
    assert book.usage == Usage(10, 5)


def test_says_how_many_calls_of_a_round_still_fit() -> None:
    book = ledger(max_calls=5)
    book.reserve("generate")
    assert book.room([0] * 4) == 4
    assert not book.stopped_by_budget
    assert book.room([0] * 8) == 4
    assert book.stopped_by_budget
    assert ledger().room([10**9] * 8) == 8


def test_counts_losses_by_kind() -> None:
    book = ledger()
    book.settle(book.reserve("generate"), None, "failed")
    book.lose("empty")
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
