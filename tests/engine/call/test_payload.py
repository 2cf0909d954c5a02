"""The payload: what of a call is ours, and where an instruction stands in it."""

from __future__ import annotations

from typing import Any

import pytest

from optillm.engine.call.payload import REPEATED, Payload, Placement, instructed

USER = {"role": "user", "content": "What is 2 + 2?"}
PAYLOAD = Payload("m", [USER], {"temperature": 0.7, "top_p": 0.9}, {"temperature": None})


def test_the_clients_parameters_are_those_that_are_not_ours() -> None:
    assert PAYLOAD.clients == {"top_p"}
    assert PAYLOAD.adding(seed=1).clients == {"top_p"}


def test_several_choices_are_a_parameter_of_ours_and_one_choice_is_none() -> None:
    several = PAYLOAD.asking_for(3)
    assert (several.choices, "n" in several.clients) == (3, False)
    assert "n" not in several.asking_for(1).body


@pytest.mark.parametrize(
    ("parameters", "seed"),
    [({"temperature": 0.7}, None), ({"temperature": 0}, REPEATED), ({"seed": 5}, 5 + REPEATED)],
)
def test_a_repetition_gets_a_seed_where_it_would_sample_the_same_reply(
    parameters: dict[str, Any], seed: int | None
) -> None:
    assert Payload("m", [USER], parameters).repeated().body.get("seed") == seed


@pytest.mark.parametrize("placement", Placement)
def test_an_instruction_leaves_the_users_words_as_they_are(placement: Placement) -> None:
    messages = instructed([{"role": "system", "content": "Be brief."}, USER], "Answer twice.", placement)
    text = "\n".join(message["content"] for message in messages)
    assert "What is 2 + 2?" in text
    assert "Answer twice." in text
    assert [message["role"] for message in messages[:2]] == ["system", "user"]
