"""The table: what is said of each row, and of the difference to the first one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optillm.evals.results import Result
from optillm.evals.summary import Row, summarised
from optillm.evals.tables import sentences, text


def results(target: str, rights: Sequence[float], **more: Any) -> list[Result]:
    fields: dict[str, Any] = {"calls": 1, "rounds": 1, "input_tokens": 10, "output_tokens": 5, "cost": 1e-5}
    return [
        Result(str(number), target, score=score, seconds=number + 1.0, **{**fields, **more})
        for number, score in enumerate(rights)
    ]


def rows(**rights: Sequence[float]) -> list[Row]:
    made = [result for name, scores in rights.items() for result in results(name, scores)]
    return summarised(made, list(rights))


HALF = [1.0, 0.0] * 20


def test_a_row_says_what_a_question_takes() -> None:
    (row,) = rows(plain=[1.0, 0.0, 1.0, 1.0])
    assert (row.accuracy, row.questions, row.calls, row.input_tokens, row.output_tokens) == (
        0.75,
        4,
        1,
        10,
        5,
    )
    assert (row.seconds_p50, row.cost, row.rounds) == (2.5, 1e-5, 1)
    assert row.against_first is None


def test_what_is_not_known_of_one_answer_is_not_known_of_the_mean() -> None:
    mixed = [*results("plain", [1.0]), *results("plain", [1.0], cost=None, rounds=None)]
    (row,) = summarised(mixed, ["plain"])
    assert (row.cost, row.rounds) == (None, None)
    assert "–" in text([row])


def test_errors_and_degraded_answers_are_counted() -> None:
    lost = [
        Result("a", "plain", error="500: no", seconds=9.0),
        Result("b", "plain", unscored="no verdict"),
        *results("plain", [1.0], stop="deadline"),
        *results("plain", [1.0], stop="settled"),
    ]
    (row,) = summarised(lost, ["plain"])
    assert (row.right, row.questions, row.errors, row.unscored, row.degraded) == (2, 4, 1, 1, 1)
    assert row.settled == 0.25
    assert list(sentences([row])) == [
        "Errors and replies that could not be scored count as wrong: 2 in all.",
        "  1 × 500: no",
        "  1 × no verdict",
    ]


def test_a_row_that_is_better_is_called_so() -> None:
    first, second = rows(plain=HALF, bon=[1.0] * 40)
    assert second.against_first is not None
    assert second.against_first.difference == 0.5
    assert list(sentences([first, second])) == [
        "bon is more accurate than plain: +50.0 points, p = 1.91e-06."
    ]
    assert list(sentences(rows(bon=[1.0] * 40, plain=HALF))) == [
        "plain is less accurate than bon: -50.0 points, p = 1.91e-06."
    ]


def test_rows_that_cannot_be_told_apart_are_called_so() -> None:
    slightly = [1.0, 1.0, *HALF[2:]]
    (sentence,) = sentences(rows(plain=HALF, bon=slightly))
    assert sentence.startswith("The data cannot tell bon from plain. ")
    assert sentence.endswith("about 312 questions would.")
    (sentence,) = sentences(rows(plain=HALF, bon=HALF))
    assert sentence.startswith(
        "The data show no difference between bon and plain; there may still be one of -4.7 to +4.7 points"
    )


def test_only_common_questions_are_compared() -> None:
    made = [*results("plain", [1.0, 1.0, 0.0]), *results("bon", [1.0, 1.0])]
    _, second = summarised(made, ["plain", "bon"])
    assert second.against_first is not None
    assert second.against_first.questions == 2


def test_partial_marks_are_no_right_answers_but_count_for_the_mean() -> None:
    (row,) = rows(plain=[1.0, 0.5])
    assert (row.right, row.mean_score) == (1, 0.75)
    assert "mean score" in text([row])
    assert "mean score" not in text(rows(plain=[1.0, 0.0]))


def test_the_text_has_a_line_for_each_row() -> None:
    lines = text(rows(plain=HALF, bon=[1.0] * 40)).splitlines()
    assert lines[1].split()[:4] == ["plain", "20/40", "50.0", "%"]
    assert lines[2].split()[:4] == ["bon", "40/40", "100.0", "%"]
    assert lines[2].endswith("<0.001")
    assert text([]) == "No question was answered."


def test_what_judges_took_is_said_apart() -> None:
    judged = results("plain", [1.0], scoring_tokens=1200, scoring_cost=0.5)
    assert list(sentences(summarised(judged, ["plain"]))) == [
        "Scoring took 1,200 tokens ($0.5000) on top of this."
    ]


def test_groups_of_questions_are_counted_apart() -> None:
    made = [*results("plain", [1.0, 0.0], group="sums"), *results("plain", [1.0], group="words")]
    (row,) = summarised(made, ["plain"])
    assert row.groups == {"sums": (1, 2), "words": (1, 1)}
