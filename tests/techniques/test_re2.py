"""re2: what is read twice, and what is left as it came."""

from typing import Any

import pytest

from optillm.chat import Delta
from optillm.techniques.re2 import AGAIN, reread
from tests.fakes import Say, World, failing

QUESTION = "How many legs do three spiders have?"


def said(messages: Any = QUESTION, slug: str = "re2", **fields: Any) -> list[Any]:
    """The messages of the one call that a request leads to."""
    world = World(lambda sent: "24")
    assert world.text(f"{slug}-m", messages, **fields) == "24"
    (sent,) = world.sent
    assert world.seconds == 1.0
    return list(sent.body["messages"])


def test_the_question_is_put_twice_in_one_call() -> None:
    assert said() == [{"role": "user", "content": QUESTION + AGAIN + QUESTION}]


def test_history_stays_byte_for_byte_and_only_the_last_turn_is_repeated() -> None:
    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello", "name": "ann"},
        {"role": "assistant", "content": None, "refusal": None},
    ]
    *before, last = said([*history, {"role": "user", "content": QUESTION, "name": "ann"}])
    assert before == history
    assert last == {"role": "user", "content": QUESTION + AGAIN + QUESTION, "name": "ann"}


def test_images_stay_where_they_are_and_are_not_repeated() -> None:
    parts = [
        {"type": "text", "text": QUESTION},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    (message,) = said([{"role": "user", "content": parts}])
    assert message["content"] == [*parts, {"type": "text", "text": AGAIN + QUESTION}]


def test_the_clients_parameters_go_along() -> None:
    world = World(lambda sent: "24")
    sampling = {"temperature": 0, "top_p": 0.5, "stop": ["x"], "seed": 3, "max_tokens": 9}
    world.complete("re2-m", QUESTION, **sampling)
    assert world.sent[0].body.items() >= sampling.items()


def test_it_is_not_applied_twice() -> None:
    assert said(slug="re2&re2") == [{"role": "user", "content": QUESTION + AGAIN + QUESTION}]
    parts = [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]
    assert reread(reread(parts, 1000), 1000) == reread(parts, 1000)


def test_a_question_about_the_cue_itself_is_put_twice_once() -> None:
    odd = [{"role": "user", "content": f"What does {AGAIN} mean?"}]
    assert reread(odd, 1000) != odd
    assert reread(reread(odd, 1000), 1000) == reread(odd, 1000)


@pytest.mark.parametrize(
    "last",
    [
        {"role": "tool", "content": "12 sheep", "tool_call_id": "1"},
        {"role": "user", "content": "x" * 101},
        {"role": "user", "content": "  "},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]},
        {"role": "assistant", "content": "The answer"},
    ],
)
def test_tool_results_long_and_wordless_turns_are_left_alone(last: dict[str, Any]) -> None:
    messages = [{"role": "user", "content": QUESTION}, last]
    assert said(messages, slug="re2(max_chars=100)") == messages


def test_it_streams_as_the_model_writes() -> None:
    world = World(lambda sent: "24\nlegs")
    deltas = [
        (at, event.content) for at, event in world.events("re2-m", QUESTION) if isinstance(event, Delta)
    ]
    assert deltas == [(1.0, "24\n"), (1.0, "legs")]


def test_every_technique_after_it_works_on_the_question_put_twice() -> None:
    world = World(lambda sent: "The answer is 24.")
    assert world.text("re2&moa-m", QUESTION) == "The answer is 24."
    assert all(
        sent.body["messages"][0]["content"] == QUESTION + AGAIN + QUESTION for sent in world.of("generate")
    )
    assert len(world.of("generate")) == 4


def test_choices_are_n_and_not_n_squared() -> None:
    world = World(lambda sent: "24")
    assert len(world.complete("re2-m", QUESTION, n=3).replies) == 3
    assert len(world.sent) == 3


def test_a_failing_call_keeps_its_status() -> None:
    def script(sent: Any) -> Say:
        raise failing(404, "no such model")

    with pytest.raises(Exception, match="no such model"):
        World(script).complete("re2-m", QUESTION)
