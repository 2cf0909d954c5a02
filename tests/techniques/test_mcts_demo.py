"""mcts on the demo model: where refinement helps."""

from __future__ import annotations

import pytest
from optillm_simulator.characters import MODELS, chance
from optillm_simulator.problems import generate
from optillm_simulator.roles.cast import respond

from optillm.chat import content_text
from tests.fakes import Sent, World


def demo(sent: Sent) -> str:
    """What the demo model says, without its server."""
    body = sent.body
    seed, temperature = body.get("seed"), body.get("temperature", 1.0)
    luck = chance(body["model"], body["messages"], seed=seed, temperature=temperature, index=sent.choice)
    turns = [(message["role"], content_text(message)) for message in body["messages"]]
    return respond(turns, MODELS[body["model"]], luck)


@pytest.mark.slow
def test_on_long_problems_refinements_are_right_more_often_than_samples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("optillm.engine.engine.secrets.token_bytes", bytes)  # the same fences every time
    sampled = refined = samples = refinements = 0
    for seed, problem in enumerate(generate("arithmetic", 40, 5, length=20)):
        world = World(demo, n="honoured")
        completion = world.complete("mcts-demo-small", problem.question, seed=seed, trace=True)
        assert completion.report.trace is not None
        (tree,) = (span["tree"] for span in completion.report.trace["spans"] if span["name"] == "tree")
        first = {edge["target"] for edge in tree["edges"] if edge["source"] == 0}
        for node in tree["nodes"][1:]:
            right = node["answer"] == problem.answer
            if node["id"] in first:
                samples, sampled = samples + 1, sampled + right
            else:
                refinements, refined = refinements + 1, refined + right
    assert samples == 160
    assert refinements > 0.9 * samples
    assert refined / refinements > sampled / samples
