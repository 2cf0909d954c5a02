"""What is learned about a model, for whom it holds, and how long."""

from __future__ import annotations

from typing import Any

from optillm.chat import ChatRequest
from optillm.engine.call.adaptation import Adaptation, Fit
from optillm.engine.call.payload import Payload, Placement
from optillm.engine.run.payloads import TEXT_LIMIT, Bodies
from optillm.engine.upstream.capabilities import (
    LESSONS,
    MODELS,
    SECOND_CHANCE,
    SMALLEST,
    TRIALS,
    TTL,
    Capabilities,
    CapabilityTable,
)

USER = {"role": "user", "content": "q"}
TOOL = {"role": "tool", "content": "12", "tool_call_id": "1"}


def candidate(messages: Any = (USER,), instruction: str | None = None, **sent: Any) -> Payload:
    request = ChatRequest({"model": "m", "messages": list(messages), **sent})
    bodies = Bodies.of(request, respect_temperature=False)
    return bodies.candidate("m", instruction, temperature=0.7)


def judge(prompt: str = "Judge!") -> Payload:
    return Bodies((USER,), {}).judge("m", prompt, 0.0)


def learned(payload: Payload, helped: Adaptation) -> Capabilities:
    capabilities = Capabilities(expires=0)
    capabilities.learn(payload, Adaptation(), helped)
    return capabilities


def sent(capabilities: Capabilities, payload: Payload) -> dict[str, Any]:
    return capabilities.adaptation(payload).body(payload)


def test_a_value_of_ours_is_left_out_with_the_client_parameters_it_was_refused_with() -> None:
    capabilities = learned(candidate(top_p=0.5), Adaptation().withholding("temperature"))
    assert "temperature" not in sent(capabilities, candidate(top_p=0.9, user="u"))
    assert sent(capabilities, candidate())["temperature"] == 0.7
    assert sent(capabilities, candidate(temperature=0.7, top_p=0.9))["temperature"] == 0.7  # the client's own


def test_a_value_refused_with_different_parameters_is_left_out_with_their_intersection() -> None:
    capabilities = learned(candidate(top_p=0.5, user="u"), Adaptation().withholding("temperature"))
    capabilities.learn(candidate(top_p=0.5, stop="x"), Adaptation(), Adaptation().withholding("temperature"))
    assert "temperature" not in sent(capabilities, candidate(top_p=0.5))
    assert "temperature" in sent(capabilities, candidate(user="u", stop="x"))


def test_another_value_of_ours_is_still_sent() -> None:
    capabilities = learned(judge(), Adaptation().withholding("temperature"))
    assert "temperature" not in sent(capabilities, judge())
    assert sent(capabilities, candidate())["temperature"] == 0.7


def test_the_clients_value_replaces_a_withheld_value_of_ours() -> None:
    capabilities = learned(candidate(temperature=0.1), Adaptation().withholding("temperature"))
    assert sent(capabilities, candidate(temperature=0.2))["temperature"] == 0.2


def test_a_refused_seed_derived_from_a_clients_teaches_nothing() -> None:
    request = ChatRequest({"model": "m", "messages": [USER], "seed": 2**63 - 1})
    payload = Bodies.of(request, respect_temperature=False).candidate("m", seed=1)
    capabilities = learned(payload, Adaptation().withholding("seed"))
    assert "seed" not in Adaptation().withholding("seed").body(payload)
    assert sent(capabilities, payload)["seed"] == 2**63


def test_an_instruction_goes_where_conversations_with_the_same_last_role_had_it_accepted() -> None:
    capabilities = learned(candidate([USER, TOOL], "Think."), Adaptation(placement=Placement.JOINED))
    assert sent(capabilities, candidate([USER, TOOL], "Think."))["messages"] == [
        {"role": "user", "content": "q\n\nThink."},
        TOOL,
    ]
    assert sent(capabilities, candidate([USER], "Think."))["messages"] == [
        USER,
        {"role": "user", "content": "Think."},
    ]


def test_a_window_leaves_the_reply_what_the_prompt_does_not_use() -> None:
    capabilities = learned(judge("x" * 400), Adaptation(fit=Fit(3500, window=4096)))
    short, long = judge("x" * 400), judge("x" * 8000)
    assert 3500 < sent(capabilities, short)["max_tokens"] < 4096
    assert 512 <= sent(capabilities, long)["max_tokens"] < 1200


def test_one_long_prompt_does_not_bound_the_replies_to_short_ones() -> None:
    capabilities = learned(judge("x" * 40_000), Adaptation(fit=Fit(128, guessed=True)))
    assert sent(capabilities, judge())["max_tokens"] == TEXT_LIMIT
    capabilities = learned(judge(), Adaptation(fit=Fit(256, guessed=True)))
    assert sent(capabilities, judge())["max_tokens"] == SMALLEST


def test_token_limits_of_clients_are_kept() -> None:
    capabilities = learned(judge(), Adaptation(fit=Fit(600)))
    assert sent(capabilities, judge())["max_tokens"] == 600
    assert sent(capabilities, candidate(max_tokens=9000))["max_tokens"] == 9000


def test_concurrent_calls_keep_each_others_lessons() -> None:
    capabilities = Capabilities(expires=0)
    first, second, third = candidate().asking_for(2), judge(), candidate([USER, TOOL], "Think.")
    known = [capabilities.adaptation(payload) for payload in (first, second, third)]
    capabilities.learn(first, known[0], known[0].withholding("n").refusing("seed"))
    capabilities.learn(second, known[1], known[1].withholding("temperature").renaming("max_tokens"))
    capabilities.learn(third, known[2], Adaptation(placement=Placement.SYSTEM, alternating=True))
    assert "n" not in sent(capabilities, first)
    assert sent(capabilities, second).keys() == {"model", "messages", "max_completion_tokens"}
    assert sent(capabilities, third)["messages"][0]["role"] == "system"
    assert capabilities.refused == {"seed"}
    assert capabilities.alternating


def test_a_model_that_only_streams_is_asked_for_streams() -> None:
    capabilities = learned(judge(), Adaptation(streamed=True))
    assert sent(capabilities, candidate())["stream"] is True


def test_notices_whether_n_is_honoured() -> None:
    capabilities = Capabilities(expires=0)
    capabilities.counted(1, 1)
    assert capabilities.honours_n is None
    capabilities.counted(3, 1)
    assert capabilities.honours_n is False
    capabilities.counted(2, 2)
    assert capabilities.honours_n is True


def test_calls_with_the_same_parameters_and_last_roles_are_of_one_kind() -> None:
    capabilities = Capabilities(expires=0)
    body = candidate([USER], "Think.").body
    capabilities.took(body)
    assert capabilities.has_taken({**body, "temperature": 0.1})
    assert not capabilities.has_taken({**body, "n": 2})
    assert not capabilities.has_taken(candidate([USER, TOOL], "Think.").body)


def test_what_clients_determine_is_bounded() -> None:
    capabilities = Capabilities(expires=0)
    for number in range(2 * LESSONS):
        payload = Payload("m", [USER], {"temperature": number}, {"temperature": None})
        capabilities.learn(payload, Adaptation(), Adaptation().withholding("temperature"))
        capabilities.took({**payload.body, f"field{number}": 1})
    assert len(capabilities.unwelcome) == LESSONS
    assert not capabilities.has_taken({**payload.body, "field0": 1})


def test_capabilities_are_kept_per_model_for_an_hour_and_bounded() -> None:
    now = 0.0
    table = CapabilityTable(lambda: now)
    known = table.of("u", "m")
    assert table.of("u", "m") is known
    assert table.of("u", "other") is not known
    now = TTL + 1
    assert table.of("u", "m") is not known
    oldest = table.of("u", "oldest")
    for number in range(MODELS):
        table.of("u", str(number))
    assert table.of("u", "oldest") is not oldest


def test_reasons_get_another_chance_after_many_direct_verdicts() -> None:
    known = Capabilities(expires=0)
    for _ in range(TRIALS):
        known.judged(reasoned=True, read=False)
    assert known.reasons_in_vain
    for _ in range(SECOND_CHANCE):
        assert known.reasons_in_vain
        known.judged(reasoned=False, read=True)
    assert not known.reasons_in_vain
