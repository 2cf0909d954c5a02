"""What becomes of a question put to a target."""

from __future__ import annotations

import json
from typing import Any

import pytest

from optillm.chat import RawRequest, Relay
from optillm.evals.answering import Answerer, Outcome
from optillm.evals.scorers import ScoringError
from optillm.evals.targets import Target, read_targets
from optillm.techniques import registry
from tests.evals.fakes import PRICES, Plain, bench, question
from tests.fakes import Say, Script, Sent, World, failing

ASKED = question(question="2 + 2?", answer="4")
ANSWER = "The answer is 4."


def targets(text: str) -> list[Target]:
    return read_targets(text, registry(), "m")


def outcome(name: str, script: Script, fields: Any = None, **more: Any) -> tuple[Outcome, World]:
    world, records = bench(script, prices=PRICES, **more)
    (target,) = targets(name)
    return world.run(Answerer(world.engine, records, fields).answer(target, ASKED)), world


def test_a_plain_answer_has_its_tokens_its_cost_and_its_time() -> None:
    answer, _ = outcome("plain", lambda _: ANSWER)
    assert (answer.text, answer.error, answer.calls, answer.rounds) == (ANSWER, None, 1, 1)
    assert answer.usage is not None
    assert (answer.usage.total_tokens, answer.seconds) == (15, 1.0)
    assert answer.cost == pytest.approx(20e-6)


def test_a_technique_answers_with_the_sum_of_its_calls() -> None:
    answer, world = outcome("self_consistency(samples=3)", lambda _: ANSWER)
    assert (answer.text, answer.stop, answer.calls) == (ANSWER, "settled", len(world.sent))
    assert answer.usage is not None
    assert answer.usage.total_tokens >= 15 * 2


def test_a_models_name_reaches_the_server_as_it_is() -> None:
    _, world = outcome("bon-gpt-4o", lambda _: ANSWER)
    assert [sent.body["model"] for sent in world.sent] == ["bon-gpt-4o"]


def test_an_optillm_server_says_what_it_did() -> None:
    block = {"calls": {"generate": 4, "judge": 3}, "rounds": 2, "cost": 0.25, "stop_reason": "settled"}

    class Remote(Plain):
        async def relay(self, request: RawRequest) -> Relay:
            reply = {"choices": [{"message": {"content": ANSWER}}], "optillm": block}
            return Relay(200, {}, json.dumps(reply).encode())

    world = Remote(lambda _: ANSWER)
    world.engine.planner.approach = "none"
    _, records = bench(lambda _: ANSWER)
    (target,) = targets("bon-gpt-4o")
    answer = world.run(Answerer(world.engine, records).answer(target, ASKED))
    assert (answer.calls, answer.rounds, answer.cost, answer.stop) == (7, 2, 0.25, "settled")


def test_fields_go_into_each_request_and_a_repeated_row_has_another_seed() -> None:
    world, records = bench(lambda _: ANSWER)
    answerer = Answerer(world.engine, records, {"temperature": 0, "seed": 7})
    seeds = [answerer.request(target, ASKED).body["seed"] for target in targets("plain,plain")]
    assert seeds == [7, 1007]
    assert answerer.request(targets("plain")[0], ASKED).body["temperature"] == 0


# Failures


def test_a_passing_failure_is_repeated_and_counted() -> None:
    def script(sent: Sent) -> str:
        if sent.number < 2:
            raise failing(503)
        return ANSWER

    answer, _ = outcome("plain", script)
    assert (answer.text, answer.error, answer.calls) == (ANSWER, None, 3)


def test_a_failure_that_lasts_is_an_outcome() -> None:
    def script(sent: Sent) -> str:
        raise failing(500, "the  server\nis down")

    for name in ("plain", "bon(n=2)"):
        answer, world = outcome(name, script)
        assert (answer.status, answer.error, answer.text) == (500, "the server is down", "")
        assert len(world.sent) >= 4


def test_a_refusal_is_not_repeated() -> None:
    def script(sent: Sent) -> str:
        raise failing(401, "wrong key")

    answer, world = outcome("plain", script)
    assert (answer.status, len(world.sent)) == (401, 1)


def test_what_is_no_completion_is_an_error() -> None:
    answer, _ = outcome("plain", lambda _: {"choices": []})
    assert answer.error == "the reply is no chat completion"


def test_an_answer_without_known_price_has_no_cost() -> None:
    answer, _ = outcome("gpt-unknown", lambda _: Say(ANSWER))
    assert answer.cost is None


def test_a_judge_is_asked_and_its_failure_is_no_verdict() -> None:
    def script(sent: Sent) -> str:
        if sent.prompt == "fail":
            raise failing(400)
        return "VERDICT: RIGHT"

    world, records = bench(script, prices=PRICES)
    answerer = Answerer(world.engine, records)
    judgement = world.run(answerer.ask("m", "Is it?"))
    assert (judgement.text, judgement.tokens) == ("VERDICT: RIGHT", 15)
    assert judgement.cost == pytest.approx(20e-6)
    with pytest.raises(ScoringError, match="m could not be asked"):
        world.run(answerer.ask("m", "fail"))
