"""The run: what is still to be done, and requests that are cut."""

from __future__ import annotations

import asyncio

from optillm.evals.answering import Answerer
from optillm.evals.forecast import NOTHING
from optillm.evals.results import Result
from optillm.evals.runner import Item, Limits, Run, items
from optillm.evals.scorers import Scorers
from optillm.evals.targets import read_targets
from tests.evals.fakes import bench, questions, tools

ASKED = questions(*({"question": f"{number} + 1?", "answer": number + 1} for number in range(40)))
TARGETS = read_targets("plain,gpt-other", [], "m")


class Store(list[Result]):
    """Results in memory."""


def test_all_rows_get_a_question_before_any_gets_the_next() -> None:
    pending = items(ASKED[:2], TARGETS, [], retry_errors=False)
    assert [(item.question.id, item.target.name) for item in pending] == [
        ("1", "plain"),
        ("1", "gpt-other"),
        ("2", "plain"),
        ("2", "gpt-other"),
    ]


def test_what_has_a_result_is_done() -> None:
    unscored = Result("2", "gpt-other", text="4", unscored="no verdict")
    results = [Result("1", "plain", score=1.0), Result("2", "plain", error="500: no"), unscored]
    pending = items(ASKED[:2], TARGETS, results, retry_errors=False)
    assert pending == [Item(ASKED[0], TARGETS[1]), Item(ASKED[1], TARGETS[1], unscored)]
    again = items(ASKED[:2], TARGETS, results, retry_errors=True)
    assert again[1] == Item(ASKED[1], TARGETS[0])


def test_requests_that_are_cut_leave_what_is_there() -> None:
    world, records = bench(lambda _: "4")
    store = Store()
    run = Run(
        Answerer(world.engine, records),
        Scorers("auto", ASKED),
        tools,
        store,
        Limits(concurrency=4),
        {"plain": NOTHING},
    )

    async def cut() -> None:
        task = asyncio.create_task(run.complete([Item(question, TARGETS[0]) for question in ASKED]))
        await asyncio.sleep(2.5)
        run.end("enough")
        run.cancel()
        await task

    world.run(cut())
    assert (len(store), run.ended) == (8, "enough")
    assert {sent.outcome for sent in world.sent[8:]} == {"cancelled"}
