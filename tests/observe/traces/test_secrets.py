"""What never is in a trace: keys and headers, and without content any text of a client or a model."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest

from optillm.chat import Budget, Grant, Sender
from optillm.observe.traces.document import document, summary, summary_of
from optillm.techniques import z3
from tests.fakes import Say, Sent, World, failing
from tests.observe.traces.fakes import Recorded, answer, recorded, texts_in
from tests.techniques.test_z3 import formalised, found

SECRET = "sk-swordfish"
WORD = "elephant"
"""A word in all that the client and the models write."""
EXPRESSIONS = (
    *(
        "bon(n=4)",
        "bon(n=2,judge=rate)",
        "self_consistency(samples=4)",
        "moa(proposers=3,layers=3,critique=each)",
    ),
    *("mcts(simulations=2)", "rstar(max_depth=3)", "pvg(rounds=2)", "rto", "z3", "cot_reflection", "re2"),
    "re2&(bon(n=2)|moa(proposers=2))",
)


def wordy(sent: Sent) -> str:
    """Say something with the word, in the form that a judge would, where one is asked."""
    number = sent.number % 3
    if sent.role != "judge":
        return f"The {WORD} weighs this. The answer is {WORD} {number}."
    if "Formalise" in sent.prompt or "Repair" in sent.prompt:
        return formalised(f"(declare-const {WORD} Int)")
    if "exercise" in sent.prompt:
        return f"The answer is {WORD} 7."
    verdict = {"ranking": ["B", "A"], "score": 5 + number, "better": "A", "errors": [WORD]}
    verdict |= {"groups": [["A"], ["B"]], "pick": "A"}
    return f"I like the {WORD}. {json.dumps(verdict)}"


@pytest.fixture(autouse=True)
def _solver(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(formalisation: Mapping[str, Any], limits: Any = None) -> Any:
        return found("7")

    monkeypatch.setattr(z3, "check", check)
    monkeypatch.setattr(z3, "prepare", lambda *_: None)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_without_content_no_field_holds_a_text_of_client_or_model(expression: str) -> None:
    recording = recorded(wordy, f"{expression}-m", f"How heavy is an {WORD}?", user=WORD)
    shown = document(recording, content=True)
    assert any(WORD in text for text in texts_in(shown))
    hidden = document(recording, content=False)
    assert not [text for text in texts_in(hidden) if WORD in text.lower()]
    assert WORD not in json.dumps(summary_of(recording, content=False))
    assert summary_of(recording, content=False) == summary(hidden)
    assert hidden["outcome"]["why"]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_without_content_the_structure_is_the_same(expression: str) -> None:
    recording = recorded(wordy, f"{expression}-m", f"How heavy is an {WORD}?")
    shown, hidden = (document(recording, content=content) for content in (True, False))
    for name in ("calls", "steps", "candidates", "groups", "ballots", "trees", "decisions"):
        assert len(shown[name]) == len(hidden[name])
    assert [call["role"] for call in shown["calls"]] == [call["role"] for call in hidden["calls"]]
    assert [group["candidates"] for group in shown["groups"]] == [
        group["candidates"] for group in hidden["groups"]
    ]
    assert [ballot["order"] for ballot in shown["ballots"]] == [
        ballot["order"] for ballot in hidden["ballots"]
    ]
    assert shown["outcome"]["chosen"] == hidden["outcome"]["chosen"]


def test_without_content_an_upstreams_error_is_its_status() -> None:
    def script(sent: Sent) -> str:
        raise failing(400, f"this {WORD} is not allowed")

    recording = recorded(script, "bon-m", "Hi")
    assert WORD in str(document(recording, content=True)["error"])
    assert not any(WORD in text for text in texts_in(document(recording, content=False)))
    assert document(recording, content=False)["error"] == "status 400"


@pytest.mark.parametrize("model", ["bon(n=2)-m", "m"])
def test_no_key_is_in_a_trace(model: str) -> None:
    recordings = Recorded()
    world = World(lambda sent: answer(sent.number), recorder=recordings)
    grant = Grant(client="team-a", key_digest=SECRET, ceiling=Budget(seconds=60))
    sender = Sender(client=SECRET, key=SECRET, trace_context={"traceparent": SECRET})
    from optillm.chat import ChatRequest

    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
    request = ChatRequest(body, request_id="r", authorization=f"Bearer {SECRET}", grant=grant, sender=sender)
    world.run(world.engine.complete(request))
    whole = document(recordings[0], content=True)
    assert not any(SECRET in text for text in texts_in(whole))
    assert whole["client"] == "team-a"


def test_the_recording_itself_does_not_refer_to_a_key() -> None:
    recording = recorded(lambda sent: Say(answer(1)), "bon-m", sender=Sender(client=SECRET, key=SECRET))
    fields = (getattr(recording, name) for name in type(recording).__slots__)
    assert not any(SECRET in repr(field) for field in itertools.chain(fields))
