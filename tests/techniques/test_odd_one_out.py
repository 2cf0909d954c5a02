"""One odd answer among many alike ones: no technique may return it as if all had given it."""

from __future__ import annotations

import pytest

from tests.fakes import Sent, World

QUESTION = "A train leaves at 9:15 and arrives at 12:00. How long does the trip take?"
PAIRS = {
    "compound": ("2 hours 30 minutes", "2 hours 45 minutes"),
    "direction": ("3 km south", "3 km north"),
    "bound": ("at most 3", "at least 3"),
    "negation": ("not 3", "3"),
    "sign": ("a loss of $5", "a profit of $5"),
    "rate": ("60 miles per minute", "60 miles per hour"),
    "name": ("C#", "C"),
}
VOTING = ("self_consistency(samples=8)", "bon(n=8)", "moa(proposers=8)", "mcts", "pvg", "rto", "rstar")


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("technique", VOTING)
def test_the_odd_answer_is_never_returned_for_the_others(technique: str, pair: tuple[str, str]) -> None:
    odd, common = pair
    world = World(lambda sent: f"Answer: {odd if sent.number == 0 and sent.role != 'judge' else common}")
    completion = world.complete(f"{technique}-m", QUESTION)
    assert completion.replies[0].text == f"Answer: {common}"


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_two_different_answers_are_never_unanimous(pair: tuple[str, str]) -> None:
    def script(sent: Sent) -> str:
        return f"Answer: {pair[sent.number % 2]}"

    for technique in ("bon(n=2)", "moa(proposers=2)", "pvg(helpful=2)"):
        assert World(script).complete(f"{technique}-m", QUESTION).report.stop_reason != "settled"
