"""Judges that are all lost, in whatever way: the answer says that nobody judged it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from optillm.chat import Budget
from tests.fakes import HANG, Say, Sent, World, failing

JUDGING = ["bon", "bon(judge=rate)", "bon(judge=pairwise)", "moa(critique=shared)", "moa(critique=each)"]
JUDGING += ["pvg", "pvg(sneaky=0)", "pvg(rounds=2)", "mcts", "rstar", "rto", "self_consistency"]
QUESTION = "What is 2 + 2?"
VERDICT = (
    '{"ranking": ["A", "B", "C"], "score": 7, "errors": [], "pick": "A", "groups": [["A"], ["B"], ["C"]]}'
)


def fails(sent: Sent) -> Any:
    raise failing(503)


def says_nothing_readable(sent: Sent) -> Any:
    return Say("")


def hangs(sent: Sent) -> Any:
    return HANG


def disagreeing(sent: Sent) -> str:
    return f"Counting leads to {sent.number}, step by step. The answer is {sent.number}."


def judged_by(judge: Callable[[Sent], Any]) -> World:
    """A world that has served one request before, so that it is known how long calls take."""

    def script(sent: Sent) -> Any:
        return judge(sent) if sent.role == "judge" else disagreeing(sent)

    return World(script)


@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize("lost", [fails, says_nothing_readable, hangs])
@pytest.mark.parametrize("slug", JUDGING)
def test_when_every_judge_is_lost_the_answer_says_so(
    slug: str, lost: Callable[[Sent], Any], warm: bool
) -> None:
    world = judged_by(lambda sent: VERDICT if warm and not world_is_warm else lost(sent))
    world_is_warm = False
    if warm:
        world.complete(f"{slug}-m", QUESTION)
    world_is_warm = True
    completion = world.complete(f"{slug}-m", QUESTION, budget=Budget(seconds=600.0))
    assert "The answer is" in completion.replies[0].text
    assert "judge" in completion.report.calls
    assert completion.report.stop_reason == "degraded"


@pytest.mark.parametrize("lost", [fails, says_nothing_readable, hangs])
@pytest.mark.parametrize(
    "slug", ["bon", "bon(judge=rate)", "moa(critique=each)", "pvg", "mcts", "self_consistency"]
)
def test_when_some_judges_are_heard_it_does_not(slug: str, lost: Callable[[Sent], Any]) -> None:
    """In each round the first one is."""
    rounds = set[float]()

    def judge(sent: Sent) -> Any:
        if sent.start in rounds:
            return lost(sent)
        rounds.add(sent.start)
        return VERDICT

    completion = judged_by(judge).complete(f"{slug}-m", QUESTION)
    assert completion.report.stop_reason in ("complete", "settled")


@pytest.mark.parametrize("lost", [fails, says_nothing_readable, hangs])
def test_verifiers_that_are_all_lost_are_missed_though_a_decoy_was_written(
    lost: Callable[[Sent], Any],
) -> None:
    def judge(sent: Sent) -> Any:
        return "A careful proof. The answer is 99." if "proof-reading" in sent.prompt else lost(sent)

    completion = judged_by(judge).complete("pvg-m", QUESTION)
    assert completion.report.stop_reason == "degraded"


@pytest.mark.parametrize("lost", [fails, says_nothing_readable, hangs])
def test_a_discriminator_that_is_lost_is_missed_though_notes_were_written(
    lost: Callable[[Sent], Any],
) -> None:
    def judge(sent: Sent) -> Any:
        return lost(sent) if "Finish this partial solution" in sent.prompt else "A step."

    completion = judged_by(judge).complete("rstar-m", QUESTION)
    assert completion.report.stop_reason == "degraded"
