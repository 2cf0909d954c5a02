"""The benchmark of accuracy: its rows, the plurality of a technique's own samples, the vote of as many tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from optillm_simulator.server import complete
from optillm_simulator.wire import read_body

from benchmarks import accuracy
from benchmarks.exam import Outcome, Paper, Sitting, leaders, sit
from benchmarks.votes import POOL, Difference, Pool, Pools, draw
from optillm.engine.run.context import RequestContext
from optillm.toolkit.answers import extract

PAPER = Paper("arithmetic", 12)


@pytest.fixture(autouse=True)
def engine_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what a sitting changes in its process."""
    monkeypatch.setattr("optillm.engine.run.runner.RequestContext", RequestContext)


@pytest.fixture
def workers() -> Iterator[ThreadPoolExecutor]:
    """One worker, in this process."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


def outcomes(name: str, model: str = "demo-small", judge: str | None = None) -> list[Outcome]:
    """What becomes of the problems with a technique."""
    return sit(Sitting(PAPER, name, model, 0, PAPER.count, judge))


def table(
    workers: ThreadPoolExecutor, capsys: pytest.CaptureFixture[str], *argv: str
) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """The rows of a table by technique, and the verdicts."""
    given = accuracy.arguments(["--problems", "12", "--family", "arithmetic", *argv])
    verdicts = accuracy.examine(given, workers)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({len(row) for row in rows}) == 1
    return {row[0]: row[1:] for row in rows}, dict(verdicts)


def test_a_table_has_a_row_for_each_technique(
    workers: ThreadPoolExecutor, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, verdicts = table(workers, capsys, "self_consistency", "bon(n=4)")
    assert list(rows) == ["technique", "plain", "self_consistency", "bon(n=4)"]
    assert rows["plain"][2] == "1.0"
    assert rows["plain"][5:7] == ["–", "–"]
    (by_technique,) = verdicts.values()
    right = sum(by_technique["bon(n=4)"])
    assert rows["bon(n=4)"][0] == f"{right / 12:.1%}"


def test_an_earlier_run_is_compared_problem_by_problem(
    workers: ThreadPoolExecutor, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, verdicts = table(workers, capsys, "bon")
    (title,) = verdicts
    saved = tmp_path / "before.json"
    saved.write_text(json.dumps({title: {"plain": [False] * 12, "bon": list(verdicts[title]["bon"])}}))
    rows, _ = table(workers, capsys, "--against", str(saved), "bon")
    assert rows["bon"][-1] == "+0.0 (+0.0 to +0.0)"
    assert rows["plain"][-2] == "0.0%"


def test_the_same_sitting_comes_out_the_same() -> None:
    assert outcomes("bon(n=4)") == outcomes("bon(n=4)")


def test_the_plurality_is_that_of_the_samples_which_were_judged() -> None:
    for number, (outcome, problem) in enumerate(zip(outcomes("bon(n=8)"), PAPER.problems(), strict=True)):
        messages = [{"role": "user", "content": problem.question}]
        body = {"model": "demo-small", "messages": messages, "n": 8, "temperature": 0.7, "seed": number}
        choices = complete(read_body(orjson.dumps(body))).reply()["choices"]
        texts = [choice["message"]["content"] for choice in choices]
        leading = leaders([extract(text, problem.question) for text in texts])
        right = [problem.solved_by(texts[index]) for index in leading]
        assert outcome.plurality == sum(right) / len(right)


def test_another_model_may_judge() -> None:
    own, other = outcomes("bon(n=8)", "demo-kin"), outcomes("bon(n=8)", "demo-kin", "demo-other")
    named = outcomes("bon(n=8,judge_model=demo-other)", "demo-kin")
    assert [outcome.plurality for outcome in own] == [outcome.plurality for outcome in other]
    assert other == named
    assert own != other


def pool(votes: Sequence[int], right: Sequence[float], tokens: float = 1.0) -> Pool:
    """A pool of samples."""
    return Pool(np.array(votes), np.array(right, dtype=np.float64), tokens)


LUCK = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("samples", "size", "share"),
    [
        (pool([0, 0, 0, 1], [1, 0]), 4, 1.0),
        (pool([0, 0, 0, 1], [0, 1]), 3, 0.0),
        (pool([0, 1], [1, 0]), 2, 0.5),
        (pool([0, 0, 1, 1], [1, 0]), 4, 0.5),
        (pool([0, -1, -1, -1], [1]), 4, 1.0),
        (pool([-1, -1], []), 2, 0.0),
    ],
    ids=["majority", "majority of all draws", "tie of two", "tie of four", "others abstain", "all abstain"],
)
def test_a_vote_is_the_plurality_of_its_samples(samples: Pool, size: int, share: float) -> None:
    assert samples.accuracy(size, LUCK) == share


def test_a_vote_of_one_is_as_often_right_as_a_sample() -> None:
    assert abs(pool([0] * 48 + [1] * 16, [1, 0]).accuracy(1, LUCK) - 0.75) < 0.15


def test_a_vote_has_as_many_samples_as_its_tokens_buy() -> None:
    pools = Pools([pool([0] * POOL, [1], tokens=100.0), pool([0] * POOL, [0], tokens=300.0)])
    assert pools.tokens == 200
    assert [pools.vote(tokens).size for tokens in (10, 200, 500, 1e9)] == [1, 1, 2.5, POOL]
    assert list(pools.vote(500).right) == [1, 0]


def test_between_two_sizes_a_vote_is_a_mixture_of_both() -> None:
    pools = Pools([pool([0, 1, 2] + [0] * (POOL - 3), [1, 0, 0])])
    two, three = pools.vote(2.0).right[0], pools.vote(3.0).right[0]
    assert pools.vote(2.25).right[0] == pytest.approx(0.75 * two + 0.25 * three)


def test_samples_of_a_pool_are_not_those_of_the_rows() -> None:
    first, *others = draw(PAPER, "demo-small", 0, 3)
    assert len(others) == 2
    assert len(first.votes) == POOL
    assert first.right.sum() <= 1


def test_differences_are_paired() -> None:
    assert str(Difference.of([1, 0, 1, 0], [1, 0, 1, 0])) == "+0.0 (+0.0 to +0.0)"
    paired = Difference.of([1, 1] * 50, [1, 0] * 50)
    assert paired.mean == 0.5
    assert 0.35 < paired.low < 0.45
    assert 0.55 < paired.high < 0.65
