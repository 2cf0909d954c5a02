"""What providers cache: all generating calls of a request begin with the client's conversation, byte for byte, and
all judging calls with fixed rules and the same conversation. What differs between calls comes after that.
"""

from __future__ import annotations

import inspect
import re
from string import Formatter
from typing import Any

import orjson
import pytest

from optillm import panel, proof
from optillm.techniques import registry
from tests.fakes import Sent, World

TECHNIQUES = sorted(registry())
OTHER_JUDGES = [
    "bon(judge=rate)",
    "bon(judge=pairwise)",
    "moa(critique=each)",
    "moa(layers=3)",
    "z3(lang=auto)",
]
ASKED = "A farmer has 12 sheep and buys 30 more. How many sheep are there?"
CONVERSATION: list[dict[str, Any]] = [
    {"role": "system", "content": "You advise farmers."},
    {"role": "user", "content": [{"type": "text", "text": "Good morning. I have a question."}]},
    {"role": "assistant", "content": "Ask away."},
    {"role": "user", "content": ASKED},
]
PREFIX = orjson.dumps(CONVERSATION).removesuffix(b'"}]')
"""Up to the last letter of the question: `re2` says more in the same message."""
PROMPTS = {
    value
    for module in (panel, proof, *(inspect.getmodule(technique.run) for technique in registry().values()))
    for value in vars(module).values()
    if isinstance(value, str) and "{conversation}" in value
}
TRANSCRIPT = re.compile(r"<system-(\w+)>\nYou advise farmers\..*\n</user-\1>", re.DOTALL)


def script(sent: Sent) -> str:
    """No two answers agree, and no two judges."""
    if sent.role == "judge":
        return (
            f'{{"ranking": ["B", "A"], "score": {sent.number % 11}, "groups": [["A"], ["B"]], "pick": "A"}}'
        )
    return f"Let me see. The answer is {40 + sent.number}."


def messages(sent: Sent) -> bytes:
    """The JSON of a call's messages, as it goes over the wire."""
    return orjson.dumps(sent.body["messages"])


@pytest.mark.parametrize("expression", [*TECHNIQUES, *OTHER_JUDGES, "re2&bon"])
def test_generating_calls_begin_with_the_conversation_byte_for_byte(expression: str) -> None:
    world = World(script)
    world.complete(f"{expression}-m", CONVERSATION, seed=7, temperature=0.9)
    generating = [sent for sent in world.sent if sent.role != "judge"]
    assert generating
    for sent in generating:
        assert messages(sent).startswith(PREFIX)
        assert list(sent.body).index("messages") == 1  # after the model, which a cache is of


@pytest.mark.parametrize("expression", [*TECHNIQUES, *OTHER_JUDGES])
def test_judges_read_fixed_rules_and_the_same_conversation_before_all_else(expression: str) -> None:
    world = World(script)
    for _ in range(2):  # the second request finds the cache of the first
        world.complete(f"{expression}-m", CONVERSATION, seed=7)
    prompts = [sent.prompt for sent in world.of("judge") if "You advise farmers." in sent.prompt]
    shown = [TRANSCRIPT.search(prompt) for prompt in prompts]
    assert len({found and found.group() for found in shown}) <= 1
    rules = {prompt.partition("{conversation}")[0] for prompt in PROMPTS}
    for prompt, found in zip(prompts, shown, strict=True):
        assert found is not None
        assert prompt[: found.start()] in rules


def test_judges_of_one_kind_share_rules_and_conversation_whatever_they_judge() -> None:
    world = World(script)
    world.complete("pvg-m", CONVERSATION)
    examined = [sent.prompt for sent in world.of("judge") if sent.prompt.startswith("Verify")]
    assert len(set(examined)) > 1
    found = TRANSCRIPT.search(examined[0])
    assert found is not None
    assert all(prompt.startswith(examined[0][: found.end()]) for prompt in examined)


@pytest.mark.parametrize("prompt", sorted(PROMPTS))
def test_nothing_is_filled_in_before_the_conversation(prompt: str) -> None:
    fields = [name for _, name, _, _ in Formatter().parse(prompt) if name]
    assert fields[0] == "conversation"
