"""A server that is restarted: gone for nine seconds, its connections refused, then there again."""

from __future__ import annotations

from math import inf

import pytest

from optillm.engine.call.retries import LONGEST_WAIT
from tests.faults.faults import REFUSED, Sent, everywhere
from tests.faults.scene import Scene
from tests.faults.test_matrix import APPROACHES, calm

AWAY = 9.0
LEFT = 35.0


@pytest.mark.parametrize("after", [0.0, 0.5, 1.5])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("approach", APPROACHES)
def test_a_restart_costs_its_time_and_no_answer(approach: str, stream: bool, after: float) -> None:
    begins = inf

    def away(sent: Sent) -> bool:
        return begins + after <= sent.start < begins + after + AWAY

    with Scene(approach, REFUSED, away) as scene:
        begins = scene.ask().seconds  # a request without a fault
        outcome = scene.ask(stream=stream, budget=LEFT)
    assert outcome.answered
    assert outcome.seconds <= after + AWAY + LONGEST_WAIT + 2 * calm(approach).seconds
    assert outcome.stop in ("complete", "settled")


@pytest.mark.parametrize("approach", APPROACHES)
def test_a_server_that_was_never_there_is_not_waited_for(approach: str) -> None:
    with Scene(approach, REFUSED, everywhere) as scene:
        outcome = scene.ask()
    assert outcome.error is not None
    assert "connection refused" in outcome.error.message
    assert outcome.seconds <= 2 * (0.5 + 1.0 + 2.0)
