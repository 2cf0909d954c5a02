"""Whole evaluations over a scripted upstream: nothing is lost, nothing is paid twice, and limits are kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from optillm.config.sources import SettingsError
from optillm.evals.forecast import Forecast, described
from optillm.evals.runner import DOWN, Limits
from optillm.evals.summary import Row, summarised, wire
from tests.evals.fakes import PRICES, bench, evaluated, questions
from tests.fakes import Say, Sent, failing

ASKED = questions(*({"question": f"{number} + 1?", "answer": number + 1} for number in range(40)))


def right(sent: Sent) -> Say:
    """The sum, whoever asks."""
    number = int(str(sent.body["messages"][0]["content"]).split()[0])
    return Say(f"The answer is {number + 1}.")


def mistaken(chance: Random, share: float, sent: Sent) -> Say:
    """The sum, or in some cases any other number."""
    return Say(f"The answer is {chance.randint(100, 999)}.") if chance.random() < share else right(sent)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()[1:]]


def by_name(rows: Sequence[Row]) -> dict[str, Row]:
    return {row.target: row for row in rows}


# A run


def test_each_row_answers_each_question(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    rows, ended = evaluated(*bench(right, prices=PRICES), ASKED, "plain,self_consistency(samples=3)", path)
    assert ended is None
    assert [(row.target, row.right, row.questions) for row in rows] == [
        ("plain", 40, 40),
        ("self_consistency(samples=3)", 40, 40),
    ]
    assert len(lines(path)) == 80
    plain, voted = rows
    assert (plain.calls, plain.input_tokens, plain.output_tokens, plain.rounds) == (1, 10, 5, 1)
    assert plain.cost == pytest.approx(20e-6)
    assert (plain.seconds_p50, plain.seconds_p95, plain.settled) == (1.0, 1.0, 0.0)
    assert voted.settled == 1.0
    assert voted.calls > 1


def test_no_more_requests_run_at_a_time_than_allowed(tmp_path: Path) -> None:
    world, records = bench(right)
    evaluated(world, records, ASKED, "plain", tmp_path / "r.jsonl", limits=Limits(concurrency=5))
    assert (world.most_running, world.seconds) == (5, 8.0)


@pytest.mark.parametrize("seed", range(5))
def test_plain_against_plain_shows_no_difference(tmp_path: Path, seed: int) -> None:
    script = partial(mistaken, Random(seed), 0.4)
    rows, _ = evaluated(*bench(script), ASKED, "plain,plain", tmp_path / "r.jsonl")
    first, second = rows
    assert 0 < first.right < 40
    assert second.against_first is not None
    assert not second.against_first.differs


def test_a_difference_that_is_there_shows(tmp_path: Path) -> None:
    script = partial(mistaken, Random(1), 0.4)
    rows, _ = evaluated(*bench(script), ASKED, "plain,self_consistency(samples=16)", tmp_path / "r.jsonl")
    versus = rows[1].against_first
    assert versus is not None
    assert versus.differs
    assert versus.difference > 0.2


def test_an_upstream_that_fails_often_loses_nothing(tmp_path: Path) -> None:
    chance = Random(3)

    def unsteady(sent: Sent) -> Say:
        if chance.random() < 0.3:
            raise failing(chance.choice([429, 500, 503]))
        return right(sent)

    path = tmp_path / "r.jsonl"
    rows, ended = evaluated(*bench(unsteady), ASKED, "plain,bon(n=2)", path)
    assert ended is None
    assert [row.questions for row in rows] == [40, 40]
    assert len(lines(path)) == 80
    for row in rows:
        assert row.errors + row.right == 40
        assert row.right >= 38  # repeated three times, of a hundred calls one is lost


def test_errors_are_wrong_and_counted(tmp_path: Path) -> None:
    def failing_for_some(sent: Sent) -> Say:
        if str(sent.body["messages"][0]["content"]).startswith("1"):
            raise failing(400, "too long")
        return right(sent)

    path = tmp_path / "r.jsonl"
    (row,), ended = evaluated(*bench(failing_for_some), ASKED, "plain", path)
    assert ended is None
    assert (row.right, row.errors, row.questions) == (29, 11, 40)
    assert {line["error"] for line in lines(path) if line["error"]} == {"400: too long"}


def test_empty_answers_are_wrong(tmp_path: Path) -> None:
    (row,), _ = evaluated(*bench(lambda _: Say("")), ASKED, "plain", tmp_path / "r.jsonl")
    assert (row.right, row.errors) == (0, 0)


# What ends a run


def test_a_row_that_cannot_be_used_ends_the_run_and_is_no_result(tmp_path: Path) -> None:
    def unknown(sent: Sent) -> Say:
        if sent.body["model"] == "gpt-nothing":
            raise failing(404, "no such model")
        return right(sent)

    path = tmp_path / "r.jsonl"
    rows, ended = evaluated(*bench(unknown), ASKED, "plain,gpt-nothing", path)
    assert ended == "gpt-nothing cannot be used: no such model"
    assert {line["target"] for line in lines(path)} == {"plain"}
    assert len(rows) == 1


def test_an_upstream_that_is_down_ends_the_run(tmp_path: Path) -> None:
    def down(sent: Sent) -> Say:
        raise failing(500, "gone")

    (row,), ended = evaluated(
        *bench(down), ASKED, "plain", tmp_path / "r.jsonl", limits=Limits(concurrency=1)
    )
    assert (row.errors, ended) == (DOWN, f"the last {DOWN} requests of plain failed: 500: gone")


def test_the_run_ends_before_more_is_spent(tmp_path: Path) -> None:
    limits = Limits(cost=205e-6, concurrency=4)
    world, records = bench(right, prices=PRICES)
    (row,), ended = evaluated(
        world, records, ASKED, "plain", tmp_path / "r.jsonl", limits=limits, fields={"max_tokens": 5}
    )
    assert ended == "the next request would exceed $0.000205 (--max-cost)"
    assert 0 < row.questions <= 10


def test_the_run_ends_before_more_tokens_are_used(tmp_path: Path) -> None:
    limits = Limits(tokens=150, concurrency=1)
    (row,), ended = evaluated(
        *bench(right), ASKED, "plain", tmp_path / "r.jsonl", limits=limits, fields={"max_tokens": 5}
    )
    assert row.questions == 10
    assert ended == "the next request would exceed 150 tokens (--max-tokens)"


def test_the_run_ends_when_its_minutes_are_over(tmp_path: Path) -> None:
    limits = Limits(seconds=6, concurrency=2)
    (row,), ended = evaluated(*bench(right), ASKED, "plain", tmp_path / "r.jsonl", limits=limits)
    assert (row.questions, ended) == (12, "0.1 minutes are up (--max-minutes)")


def test_a_limit_in_dollars_needs_prices(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with pytest.raises(SettingsError, match="no price is known for plain"):
        evaluated(*bench(right), ASKED, "plain", path, limits=Limits(cost=1.0))
    judged = partial(evaluated, score='judge("j")', limits=Limits(cost=1.0))
    with pytest.raises(SettingsError, match="no price is known for judge j;"):
        judged(*bench(right, prices=PRICES), ASKED, "plain", path)
    assert not path.exists()


def test_nothing_is_sent_without_consent(tmp_path: Path) -> None:
    world, records = bench(right)
    path = tmp_path / "r.jsonl"
    rows, ended = evaluated(world, records, ASKED, "plain", path, confirm=lambda forecasts: False)
    assert (rows, ended, world.sent) == ([], "nothing was sent", [])
    assert not path.exists()


@pytest.mark.parametrize("name", ["model", "messages", "stream", "n"])
def test_fields_of_our_own_are_not_for_the_user(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"must not hold {name}"):
        evaluated(*bench(right), ASKED, "plain", tmp_path / "r.jsonl", fields={name: 1})


# Going on


def test_a_resumed_run_pays_nothing_twice_and_gives_the_same_table(tmp_path: Path) -> None:
    def steady(sent: Sent) -> Say:
        return mistaken(Random(str(sent.body)), 0.4, sent)

    targets = "plain,self_consistency(samples=3)"
    whole, _ = evaluated(*bench(steady), ASKED, targets, tmp_path / "whole.jsonl")
    path = tmp_path / "parts.jsonl"
    world, records = bench(steady)
    evaluated(world, records, ASKED, targets, path, limits=Limits(seconds=3))
    first = len(lines(path))
    assert 0 < first < 80
    again, records = bench(steady)
    rows, ended = evaluated(again, records, ASKED, targets, path, resume=True)
    assert ended is None
    assert len(lines(path)) == 80
    assert [replace(row, seconds_p50=0, seconds_p95=0) for row in rows] == [
        replace(row, seconds_p50=0, seconds_p95=0) for row in whole
    ]
    third, records = bench(steady)
    rows, _ = evaluated(third, records, ASKED, targets, path, resume=True)
    assert (third.sent, len(rows)) == ([], 2)


def test_a_resumed_run_may_have_more_rows(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    evaluated(*bench(right), ASKED, "plain", path)
    world, records = bench(right)
    rows, _ = evaluated(world, records, ASKED, "plain,re2", path, resume=True)
    assert [row.target for row in rows] == ["plain", "re2"]
    assert len(world.sent) == 40


def test_a_resumed_run_may_have_more_questions_or_fewer(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    evaluated(*bench(right), ASKED[:30], "plain", path)
    world, records = bench(right)
    (row,), _ = evaluated(world, records, ASKED, "plain", path, resume=True)
    assert (row.questions, len(world.sent)) == (40, 10)
    (row,), _ = evaluated(*bench(right), ASKED[:5], "plain", path, resume=True)
    assert row.questions == 5


def test_a_question_that_has_changed_since_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    evaluated(*bench(right), ASKED[:3], "plain", path)
    changed = [ASKED[0], replace(ASKED[1], answers=("7",)), ASKED[2]]
    with pytest.raises(
        SettingsError, match=r"row 2: .* has a result of question 2, but the question has changed since"
    ):
        evaluated(*bench(right), changed, "plain", path, resume=True)


def test_errors_are_tried_again_only_on_demand(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"

    def refusing(sent: Sent) -> Say:
        if sent.number == 3:
            raise failing(400)
        return right(sent)

    evaluated(*bench(refusing), ASKED, "plain", path)
    (row,), _ = evaluated(*bench(right), ASKED, "plain", path, resume=True)
    assert row.errors == 1
    world, records = bench(right)
    (row,), _ = evaluated(world, records, ASKED, "plain", path, resume=True, retry_errors=True)
    assert (row.errors, row.right, len(world.sent)) == (0, 40, 1)


def test_a_reply_that_could_not_be_scored_is_scored_later_without_being_paid_again(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"

    def silent_judge(sent: Sent) -> Say:
        return Say("Hm.") if sent.body["model"] == "j" else right(sent)

    judged = partial(evaluated, score='judge("j")')
    (row,), _ = judged(*bench(silent_judge), ASKED, "plain", path)
    assert (row.right, row.unscored, row.errors) == (0, 40, 0)
    world, records = bench(lambda sent: Say("VERDICT: RIGHT"))
    (row,), _ = judged(world, records, ASKED, "plain", path, resume=True)
    assert (row.right, row.unscored) == (40, 0)
    assert {sent.body["model"] for sent in world.sent} == {"j"}


# What it will take


def test_the_forecast_bounds_what_is_used(tmp_path: Path) -> None:
    shown: list[Forecast] = []

    def confirm(forecasts: Sequence[Forecast]) -> bool:
        shown.extend(forecasts)
        return True

    rows, _ = evaluated(
        *bench(right, prices=PRICES),
        ASKED,
        "plain,bon(n=4)",
        tmp_path / "r.jsonl",
        confirm=confirm,
        fields={"max_tokens": 50},
    )
    for forecast, row in zip(shown, rows, strict=True):
        assert forecast.questions == 40
        assert forecast.most.calls >= forecast.probable.calls >= 40
        assert forecast.most.calls >= row.calls * 40
        assert forecast.most.tokens is not None
        assert forecast.most.cost is not None
        assert row.input_tokens is not None
        assert row.output_tokens is not None
        assert forecast.most.tokens >= (row.input_tokens + row.output_tokens) * 40
        assert row.cost is not None
        assert forecast.most.cost >= row.cost * 40


def test_without_a_limit_of_replies_there_is_none_of_tokens(tmp_path: Path) -> None:
    texts: list[str] = []

    def confirm(forecasts: Sequence[Forecast]) -> bool:
        texts.append(described(forecasts, 8))
        return True

    path = tmp_path / "r.jsonl"
    evaluated(
        *bench(right, prices=PRICES), ASKED, "plain,re2", path, confirm=confirm, limits=Limits(seconds=2)
    )
    evaluated(*bench(right, prices=PRICES), ASKED, "plain,re2", path, confirm=confirm, resume=True)
    evaluated(*bench(right, prices=PRICES), ASKED, "plain,re2", path, confirm=lambda _: False, resume=True)
    first, second = texts
    assert first.count("no limit") == 6
    assert first.splitlines()[-1].startswith("total")
    assert second.splitlines()[1].split() == [
        "plain",
        "32",
        "32",
        "no",
        "limit",
        "480",
        "no",
        "limit",
        "0.0006",
        "0.1",
    ]


def test_judges_are_in_the_forecast(tmp_path: Path) -> None:
    shown: list[Forecast] = []

    def refuse(forecasts: Sequence[Forecast]) -> bool:
        shown.extend(forecasts)
        return False

    evaluated(
        *bench(right, prices=PRICES), ASKED, "plain", tmp_path / "r.jsonl", score='judge("m")', confirm=refuse
    )
    row, judge = shown
    assert (judge.target.name, judge.questions, judge.probable.calls, judge.most.calls) == (
        "judge m",
        40,
        40,
        80,
    )
    assert judge.probable.cost is not None
    assert row.probable.cost is not None
    assert judge.probable.cost > row.probable.cost


def test_wrong_options_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    world, records = bench(right)
    with pytest.raises(SettingsError, match=r"--with bon\(n=99\): option 'n' of 'bon'"):
        evaluated(world, records, ASKED, "plain,bon(n=99)", tmp_path / "r.jsonl")
    assert world.sent == []


# Sizes


@pytest.mark.slow
def test_ten_thousand_questions_are_answered(tmp_path: Path) -> None:
    many = questions(*({"question": f"{number} + 1?", "answer": number + 1} for number in range(10_000)))
    (row,), _ = evaluated(
        *bench(right), many, "plain", tmp_path / "r.jsonl", score="contains", limits=Limits(concurrency=64)
    )
    assert (row.right, row.questions) == (10_000, 10_000)


def test_the_rows_are_plain_values(tmp_path: Path) -> None:
    rows, _ = evaluated(*bench(right), ASKED, "plain,re2", tmp_path / "r.jsonl")
    first, second = json.loads(json.dumps(wire(rows)))
    assert (first["target"], first["accuracy"], first["against_first"]) == ("plain", 1.0, None)
    assert second["against_first"]["p"] == 1.0
    assert summarised([], ["plain"]) == []


def test_the_reasons_of_lost_answers_are_plain_values(tmp_path: Path) -> None:
    def refusing(sent: Sent) -> Say:
        raise failing(400, "too long")

    rows, _ = evaluated(*bench(refusing), ASKED[:3], "plain", tmp_path / "r.jsonl")
    (row,) = json.loads(json.dumps(wire(rows)))
    assert row["faults"] == {"400: too long": 3}
