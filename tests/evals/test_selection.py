"""Selection beside luck: the oracle, a random candidate, the regret, and the vote at equal tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from optillm.evals.results import Result
from optillm.evals.selection import Samples, pooled, selection, vote
from tests.evals.fakes import bench, evaluated, questions
from tests.fakes import Say, Sent


def candidate(answer: str | None, score: float, origin: str = "sample", tokens: float = 10) -> dict[str, Any]:
    stated = None if answer is None else ["number", answer, None, None]
    return {"origin": origin, "score": score, "answer": stated, "tokens": tokens}


def result(
    question: str, score: float, *candidates: Mapping[str, Any], tokens: int = 40, **more: Any
) -> Result:
    return Result(
        question, "t", score=score, input_tokens=tokens, output_tokens=0, candidates=candidates, **more
    )


RIGHT, WRONG, OTHER = candidate("4", 1), candidate("5", 0), candidate("6", 0)


def test_the_measures_of_selection() -> None:
    results = [
        result("1", 1, RIGHT, WRONG),  # chosen well
        result("2", 0, RIGHT, WRONG, WRONG, WRONG),  # missed
        result("3", 0, WRONG, WRONG),  # nothing to choose
        result("4", 1, WRONG, WRONG),  # a synthesis that is none of the candidates
    ]
    chosen = selection(results, pooled(results))
    assert chosen is not None
    assert (chosen.oracle, chosen.random, chosen.regret) == (0.75, (1 / 2 + 1 / 4) / 4, 0.25)


def test_a_failed_request_had_no_right_candidate() -> None:
    results = [result("1", 1, RIGHT), Result("2", "t", error="500: no")]
    chosen = selection(results, pooled(results))
    assert chosen is not None
    assert (chosen.oracle, chosen.random, chosen.vote) == (0.5, 0.5, None)


def test_without_all_candidates_nothing_is_said() -> None:
    assert selection([result("1", 1, RIGHT), result("2", 1)], {}) is None
    assert selection([Result("1", "t", error="500: no")], {}) is None


def test_a_candidate_that_could_not_be_scored_is_wrong() -> None:
    results = [result("1", 0, RIGHT | {"score": None}, WRONG)]
    chosen = selection(results, pooled(results))
    assert chosen is not None
    assert (chosen.oracle, chosen.random) == (0, 0)


def samples(*candidates: Mapping[str, Any]) -> Samples:
    return Samples.of(candidates)


def accuracy(drawn: Samples, size: int) -> float:
    return drawn.accuracy(size, np.random.default_rng(0))


def test_a_vote_returns_the_plurality() -> None:
    drawn = samples(RIGHT, RIGHT, WRONG, OTHER, candidate(None, 0))
    assert accuracy(drawn, 5) == 1.0
    assert accuracy(drawn, 1) == pytest.approx(2 / 5, abs=0.1)


def test_a_tie_is_shared() -> None:
    assert accuracy(samples(RIGHT, WRONG), 2) == 0.5
    assert accuracy(samples(candidate(None, 0), candidate(None, 1)), 2) == 0.0


def test_the_tokens_of_a_row_pay_for_so_many_samples() -> None:
    results = [result("1", 1, RIGHT, RIGHT, WRONG, tokens=25)]
    equal = vote(results, pooled(results))
    assert equal is not None
    assert (equal.samples, equal.paid) == (2.5, 2.5)
    assert 2 / 3 < equal.accuracy < 1


def test_more_samples_than_there_are_cannot_vote() -> None:
    results = [result("1", 1, RIGHT, RIGHT, WRONG, tokens=120)]
    equal = vote(results, pooled(results))
    assert equal is not None
    assert (equal.accuracy, equal.samples, equal.paid) == (1.0, 3.0, 12.0)


def test_the_samples_are_those_of_the_row_that_drew_the_most() -> None:
    few, many = result("1", 1, RIGHT), result("1", 1, WRONG, WRONG, candidate("4", 1, "synthesis"))
    assert len(pooled([few, many])["1"].votes) == 2
    unpriced = result("1", 1, *[candidate("4", 1) | {"tokens": None}] * 4)
    assert len(pooled([few, unpriced])["1"].votes) == 1


def test_candidates_come_from_the_trace_of_a_technique(tmp_path: Path) -> None:
    chance = Random(5)
    asked = questions(*({"question": f"{number} + 1?", "answer": number + 1} for number in range(20)))

    def sometimes(sent: Sent) -> Say:
        if sent.role == "judge":
            return Say('{"ranking": ["A", "B", "C", "D"]}')
        number = int(str(sent.body["messages"][0]["content"]).split()[0])
        slip = 0 if chance.random() < 0.6 else chance.randint(1, 9)
        return Say(f"The answer is {number + 1 + slip}.")

    targets = "plain,bon(n=4),self_consistency(samples=8,mode=fixed)"
    rows, _ = evaluated(*bench(sometimes), asked, targets, tmp_path / "r.jsonl")
    plain, bon, voted = (row.selection for row in rows)
    assert plain is None
    for row, chosen in zip(rows[1:], (bon, voted), strict=True):
        assert chosen is not None
        assert chosen.oracle >= row.accuracy
        assert chosen.oracle - chosen.regret == pytest.approx(row.accuracy)
        assert 0.3 < chosen.random < 0.9
        assert chosen.vote is not None
    assert bon is not None
    assert bon.vote is not None
    assert bon.vote.samples > 4  # its judges' tokens, too, would have paid for samples
    assert voted is not None
    assert voted.vote is not None
    assert voted.vote.samples == pytest.approx(8)
