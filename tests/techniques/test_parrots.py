"""Judges that repeat their prompt: nothing in it is a verdict, so they abstain."""

from __future__ import annotations

import pytest

from tests.fakes import Sent, World

JUDGING = (
    "bon",
    "bon(judge=rate)",
    "bon(judge=pairwise)",
    "mcts",
    "pvg",
    "self_consistency(samples=4)",
    "rto(drafts=2,equivalence=judge)",
)


@pytest.mark.parametrize("text", ["The answer is {}.", "Whales of kind {} are big.\n\nAre they not?"])
@pytest.mark.parametrize("technique", JUDGING)
def test_a_judge_that_repeats_its_prompt_abstains(technique: str, text: str) -> None:
    def script(sent: Sent) -> str:
        if "response_format" in sent.body:
            return sent.prompt
        return text.format(sent.number if sent.role == "judge" else sent.number % 2)

    world = World(script)
    completion = world.complete(f"{technique}-m", "Tell me about whales.")
    verdicts = [sent for sent in world.of("judge") if "response_format" in sent.body]
    assert verdicts
    assert completion.report.verdicts == {}
    assert completion.report.losses["abstained"] == len(verdicts)
